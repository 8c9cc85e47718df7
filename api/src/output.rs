//! Where commands write: results to stdout, everything else to stderr.
//!
//! A result is a [`Report`]: one value, shown as text or, with `--json`, as one line of JSON with the same content.

use std::fmt;
use std::io::{self, IsTerminal as _, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::escape::printable;
use crate::failure::Failure;

/// What a command found or did.
pub trait Report: Serialize {
    /// Writes it for people. Text that others wrote is escaped by the implementation.
    ///
    /// # Errors
    /// When writing fails.
    fn text(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Stdout and stderr, and the choice between text and JSON.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    json: bool,
}

impl Output {
    /// Makes one.
    #[must_use]
    pub const fn new(json: bool) -> Self {
        Self { json }
    }

    /// Tells whether `--json` was given.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a result to stdout, as text or as one line of JSON, and flushes it.
    ///
    /// # Errors
    /// When stdout cannot be written; a closed pipe is a quiet failure.
    pub fn emit<R: Report>(&self, report: &R) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        if self.json {
            let line = serde_json::to_string(report)
                .map_err(|e| Failure::usage(format_args!("cannot write the result as json: {e}")))?;
            writeln!(out, "{line}")?;
        } else {
            report.text(&mut out)?;
        }
        out.flush()?;
        Ok(())
    }

    /// Writes bytes to stdout as they are.
    ///
    /// # Errors
    /// When stdout cannot be written; a closed pipe is a quiet failure.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()?;
        Ok(())
    }

    /// Says something on stderr.
    pub fn note(&self, text: impl fmt::Display) {
        // nobody listens to stderr: nothing to be done about it
        let _ = writeln!(io::stderr(), "{}", printable(&text.to_string()));
    }

    /// Says `warning: …` on stderr.
    pub fn warn(&self, text: impl fmt::Display) {
        self.note(format_args!("warning: {text}"));
    }

    /// Makes a progress bar on stderr: hidden unless it is a terminal, or with `--json`. It is drawn only once the work
    /// has taken a second. Without a length it is a spinner.
    #[must_use]
    pub fn progress(&self, length: Option<u64>, what: &str) -> ProgressBar {
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let target = if self.json || !io::stderr().is_terminal() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(4)
        };
        bar.set_draw_target(target);
        let template = if length.is_some() {
            "{msg} {wide_bar} {human_pos}/{human_len} {per_sec} {eta}"
        } else {
            "{msg} {spinner} {human_pos} {elapsed}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(what.to_owned());
        bar
    }

    /// As [`Output::progress`], counted in bytes.
    #[must_use]
    pub fn byte_progress(&self, length: Option<u64>, what: &str) -> ProgressBar {
        let bar = self.progress(length, what);
        let template = if length.is_some() {
            "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec} {eta}"
        } else {
            "{msg} {spinner} {bytes} {bytes_per_sec}"
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(250));
        bar
    }
}

/// Writes `name  value` lines with the values under one another.
///
/// # Errors
/// When writing fails.
pub fn fields(out: &mut dyn Write, rows: &[(&str, String)]) -> io::Result<()> {
    let width = rows.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, value) in rows {
        writeln!(out, "{name:width$}  {value}")?;
    }
    Ok(())
}
