//! HTTP with patience: requests that may be repeated are repeated, with growing pauses, as long as it makes sense.
//!
//! Every request of this API may be repeated: reading changes nothing, and an event that was recorded already gets its
//! receipt again. A broken connection and `503` with `Retry-After` are therefore waited out; a refusal is not.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use countersign_ledger::time::{Clock as _, SystemClock};
use serde::de::DeserializeOwned;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, SendBody};

use super::error::ClientError;
use crate::problem::{MEDIA_TYPE as PROBLEM, Problem};

/// The largest answer that is read whole.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;
/// The first pause between two tries.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// The longest `Retry-After` that is honoured.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// How long failed requests are repeated.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// How many tries without an answer.
    pub tries: u32,
    /// How long, at most, in all.
    pub within: Duration,
}

impl Patience {
    /// For one request that a person waits for.
    pub const SHORT: Self = Self { tries: 5, within: Duration::from_secs(60) };
    /// For a batch: a link that breaks every half minute comes back.
    pub const LONG: Self = Self { tries: u32::MAX, within: Duration::from_secs(180) };
}

/// Where the server is and how to reach it.
#[derive(Clone)]
pub struct Settings {
    /// The server's address: `http://…` or `https://…`, with nothing after the host but perhaps a path.
    pub server: String,
    /// A PEM file of certificates to trust instead of the usual ones.
    pub ca_cert: Option<PathBuf>,
    /// How long one request may stand still.
    pub timeout: Duration,
    /// Is told when the client waits before it tries again.
    pub on_wait: Option<Arc<dyn Fn(&str) + Send + Sync>>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings").field("server", &self.server).field("ca_cert", &self.ca_cert).finish_non_exhaustive()
    }
}

/// Sends requests to one server.
#[derive(Debug, Clone)]
pub(super) struct Transport {
    agent: Agent,
    settings: Settings,
    /// By how many milliseconds this machine's clock is ahead of the server's; [`UNKNOWN`] before it is known.
    ahead: Arc<AtomicI64>,
}

/// No `Date` was seen yet.
const UNKNOWN: i64 = i64::MIN;

/// A try that failed, and whether another one makes sense.
enum Failed {
    Again { error: ClientError, after: Option<Duration> },
    ForGood(ClientError),
}

impl Transport {
    /// Makes one; sends nothing yet.
    ///
    /// # Errors
    /// When the address or the certificate file is not of its form.
    pub(super) fn new(mut settings: Settings) -> Result<Self, ClientError> {
        settings.server.truncate(settings.server.trim_end_matches('/').len());
        check_address(&settings.server)
            .map_err(|reason| ClientError::Setting { what: format!("--server {}: {reason}", settings.server) })?;
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("countersign/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(settings.timeout))
            .timeout_connect(Some(settings.timeout))
            .timeout_per_read(Some(settings.timeout))
            .timeout_per_write(Some(settings.timeout));
        if let Some(path) = &settings.ca_cert {
            let roots = RootCerts::new_with_certs(&read_certificates(path)?);
            config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
        }
        let ahead = Arc::new(AtomicI64::new(UNKNOWN));
        Ok(Self { agent: Agent::new_with_config(config.build()), settings, ahead })
    }

    /// Returns the server's address.
    #[must_use]
    pub(super) fn server(&self) -> &str {
        &self.settings.server
    }

    /// Returns by how many milliseconds this machine's clock is ahead of the server's.
    pub(super) fn clock_ahead(&self) -> Option<i64> {
        Some(self.ahead.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN)
    }

    /// Compares the clocks, where the answer says the server's time (RFC 9110 §6.6.1).
    fn compare_clocks(&self, answer: &Response<Body>) {
        let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
        if let Some(date) = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok()) {
            let ahead = SystemClock.now().unix_millis().saturating_sub(date.timestamp().as_millisecond());
            self.ahead.store(ahead, Ordering::Relaxed);
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.server)
    }

    /// Gets a JSON answer.
    ///
    /// # Errors
    /// When there is none, the server refuses, or it is not of its form.
    pub(super) fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, ClientError> {
        let bytes = self.bytes(path, "application/json")?;
        serde_json::from_slice(&bytes).map_err(|e| answer_error("GET", path, &e))
    }

    /// Gets a text answer.
    ///
    /// # Errors
    /// When there is none, the server refuses, or it is not UTF-8.
    pub(super) fn text(&self, path: &str) -> Result<String, ClientError> {
        String::from_utf8(self.bytes(path, "text/plain")?).map_err(|e| answer_error("GET", path, &e))
    }

    /// Gets an answer, or `None` when the server says that there is no such thing.
    ///
    /// # Errors
    /// When there is no answer or the server refuses for another reason.
    pub(super) fn found<T>(result: Result<T, ClientError>) -> Result<Option<T>, ClientError> {
        match result {
            Ok(value) => Ok(Some(value)),
            Err(ClientError::Refused(problem)) if problem.status == 404 => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn bytes(&self, path: &str, accept: &str) -> Result<Vec<u8>, ClientError> {
        self.patiently(Patience::SHORT, || {
            let answer = self.agent.get(self.url(path)).header(header::ACCEPT, accept).call();
            let mut answer = self.accepted("GET", path, answer)?;
            self.whole(answer.body_mut())
        })
    }

    /// Gets bytes from whoever it may be: at most `limit` of them, and all of them within ten time-outs, however slowly
    /// they drip and however often it is tried.
    ///
    /// # Errors
    /// When there is no whole answer, or the server refuses.
    pub(super) fn bounded(&self, path: &str, limit: u64) -> Result<Vec<u8>, ClientError> {
        let (begun, most) = (Instant::now(), self.settings.timeout.saturating_mul(10));
        self.patiently(Patience { within: most, ..Patience::SHORT }, || {
            let left = most.saturating_sub(begun.elapsed()).max(Duration::from_millis(1));
            let request = self.agent.get(self.url(path)).config().timeout_global(Some(left)).build();
            let mut answer = self.accepted("GET", path, request.call())?;
            // the limit of the library is the first length that is too much
            answer.body_mut().with_config().limit(limit + 1).read_to_vec().map_err(|e| self.broken(&e))
        })
    }

    /// Posts a body and gets the status and the JSON answer.
    ///
    /// # Errors
    /// As [`Transport::json`].
    pub(super) fn post<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<(u16, T), ClientError> {
        let (status, bytes) = self.patiently(Patience::SHORT, || {
            let answer = self.agent.post(self.url(path)).content_type("application/json").send(body);
            let mut answer = self.accepted("POST", path, answer)?;
            Ok((answer.status().as_u16(), self.whole(answer.body_mut())?))
        })?;
        Ok((status, serde_json::from_slice(&bytes).map_err(|e| answer_error("POST", path, &e))?))
    }

    /// Asks to delete something, with a body that says on whose word, and gets the JSON answer.
    ///
    /// # Errors
    /// As [`Transport::json`].
    pub(super) fn delete<T: DeserializeOwned>(&self, path: &str, body: &[u8]) -> Result<T, ClientError> {
        let bytes = self.patiently(Patience::SHORT, || {
            let request = self.agent.delete(self.url(path)).header(header::CONTENT_TYPE, "application/vnd.dsse+json");
            let mut answer = self.accepted("DELETE", path, request.force_send_body().send(body))?;
            self.whole(answer.body_mut())
        })?;
        serde_json::from_slice(&bytes).map_err(|e| answer_error("DELETE", path, &e))
    }

    /// Posts a body once and returns the answer as it comes in. The caller decides about another try.
    ///
    /// # Errors
    /// When there is no answer, or it is no success.
    pub(super) fn post_streaming(
        &self,
        path: &str,
        media: &str,
        body: &[u8],
    ) -> Result<impl Read + use<>, ClientError> {
        let answer = self.agent.post(self.url(path)).content_type(media).send(body);
        match self.accepted("POST", path, answer) {
            Ok(answer) => Ok(answer.into_body().into_with_config().limit(u64::MAX).reader()),
            Err(Failed::Again { error, .. } | Failed::ForGood(error)) => Err(error),
        }
    }

    /// Gets a long answer as a reader, with its length if the server says it.
    ///
    /// # Errors
    /// When there is no answer or the server refuses.
    pub(super) fn stream(&self, path: &str) -> Result<(Option<u64>, impl Read + use<>), ClientError> {
        let answer =
            self.patiently(Patience::SHORT, || self.accepted("GET", path, self.agent.get(self.url(path)).call()))?;
        let body = answer.into_body();
        Ok((body.content_length(), body.into_with_config().limit(u64::MAX).reader()))
    }

    /// Asks whether there is something, without its content.
    ///
    /// # Errors
    /// When there is no answer, or another than that it is there or is not.
    pub(super) fn head(&self, path: &str) -> Result<bool, ClientError> {
        self.patiently(Patience::SHORT, || match self.agent.head(self.url(path)).call() {
            // such an answer says no more: a problem would be its content
            Ok(answer) if answer.status().as_u16() == 404 => Ok(false),
            answer => self.accepted("HEAD", path, answer).map(|_| true),
        })
    }

    /// Puts a file, and gets the status and the JSON answer. Each try begins with the file's first byte.
    ///
    /// # Errors
    /// As [`Transport::json`], and when the file cannot be opened.
    pub(super) fn put_file<T: DeserializeOwned>(
        &self,
        path: &str,
        size: u64,
        mut open: impl FnMut() -> io::Result<File>,
        progress: impl Fn(u64),
    ) -> Result<(u16, T), ClientError> {
        let (status, bytes) = self.patiently(Patience::SHORT, || {
            let file = open().map_err(|e| {
                let what = format!("cannot read the file: {}", crate::failure::plain_io(&e));
                Failed::ForGood(ClientError::Setting { what })
            })?;
            let mut counted = Counted { file: file.take(size), sent: 0, progress: &progress };
            let request = self.agent.put(self.url(path)).content_type("application/octet-stream");
            // a refusal comes before the file is sent
            let request = request.header(header::CONTENT_LENGTH, size).header(header::EXPECT, "100-continue");
            let answer = request.send(SendBody::from_reader(&mut counted));
            let mut answer = self.accepted("PUT", path, answer)?;
            Ok((answer.status().as_u16(), self.whole(answer.body_mut())?))
        })?;
        Ok((status, serde_json::from_slice(&bytes).map_err(|e| answer_error("PUT", path, &e))?))
    }

    fn whole(&self, body: &mut Body) -> Result<Vec<u8>, Failed> {
        body.with_config().limit(MAX_ANSWER).read_to_vec().map_err(|e| self.broken(&e))
    }

    /// Sorts an answer: a success, a refusal, or a reason to try again.
    fn accepted(
        &self,
        method: &str,
        path: &str,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, Failed> {
        let mut answer = answer.map_err(|e| self.broken(&e))?;
        self.compare_clocks(&answer);
        let status = answer.status().as_u16();
        if answer.status().is_success() {
            return Ok(answer);
        }
        let after = answer.headers().get(header::RETRY_AFTER).and_then(|v| v.to_str().ok()?.trim().parse().ok());
        let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_RETRY_AFTER));
        let media = answer.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let is_problem = media.split(';').next().is_some_and(|media| media.trim() == PROBLEM);
        let bytes = self.whole(answer.body_mut())?;
        let problem = is_problem.then(|| serde_json::from_slice::<Problem>(&bytes).ok()).flatten();
        let error = match problem {
            Some(problem) => ClientError::Refused(Box::new(problem)),
            None => answer_error(method, path, &format_args!("http status {status}")),
        };
        // 500 is not repeated: the same request will meet the same fault
        if matches!(status, 408 | 429 | 502 | 503 | 504) {
            return Err(Failed::Again { error, after });
        }
        Err(Failed::ForGood(error))
    }

    fn broken(&self, error: &ureq::Error) -> Failed {
        let reason = match error {
            ureq::Error::Io(e) => crate::failure::plain_io(e),
            ureq::Error::HostNotFound => "no such host".to_owned(),
            ureq::Error::ConnectionFailed => "the connection failed".to_owned(),
            ureq::Error::Timeout(what) => format!("timeout ({what})"),
            other => other.to_string(),
        };
        let unreachable = ClientError::Unreachable { server: self.settings.server.clone(), reason };
        match error {
            ureq::Error::BodyExceedsLimit(limit) => Failed::ForGood(ClientError::Answer {
                request: "a request".to_owned(),
                reason: format!("longer than {limit} bytes"),
            }),
            ureq::Error::BadUri(_) | ureq::Error::HostNotFound | ureq::Error::Tls(_) | ureq::Error::Rustls(_) => {
                Failed::ForGood(unreachable)
            }
            _ => Failed::Again { error: unreachable, after: None },
        }
    }

    fn patiently<T>(
        &self,
        patience: Patience,
        mut attempt: impl FnMut() -> Result<T, Failed>,
    ) -> Result<T, ClientError> {
        let mut waiter = Waiter::new(patience);
        loop {
            match attempt() {
                Ok(value) => return Ok(value),
                Err(Failed::ForGood(error)) => return Err(error),
                Err(Failed::Again { error, after }) => {
                    let Some(pause) = waiter.next_pause(after) else { return Err(error) };
                    self.wait(pause, &error);
                }
            }
        }
    }

    /// Says that it waits, and waits.
    pub(super) fn wait(&self, pause: Duration, error: &ClientError) {
        if let Some(on_wait) = self.settings.on_wait.as_ref().filter(|_| pause >= Duration::from_secs(1)) {
            on_wait(&format!("{error}; trying again in {:.0} s", pause.as_secs_f64()));
        }
        std::thread::sleep(pause);
    }
}

/// A file on its way out, with whoever wants to know how far it is.
struct Counted<'a, P> {
    file: io::Take<File>,
    sent: u64,
    progress: &'a P,
}

impl<P: Fn(u64)> Read for Counted<'_, P> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.sent += read as u64;
        (self.progress)(self.sent);
        Ok(read)
    }
}

/// Counts tries and says how long to pause before the next one.
#[derive(Debug)]
pub(super) struct Waiter {
    patience: Patience,
    since: Instant,
    tries: u32,
}

impl Waiter {
    pub(super) fn new(patience: Patience) -> Self {
        Self { patience, since: Instant::now(), tries: 0 }
    }

    /// Forgets earlier failures: there was progress.
    pub(super) fn reset(&mut self) {
        *self = Self::new(self.patience);
    }

    /// Returns how long to pause, or `None` when it is time to give up.
    pub(super) fn next_pause(&mut self, after: Option<Duration>) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        if self.tries >= self.patience.tries || self.since.elapsed() >= self.patience.within {
            return None;
        }
        let doubled = FIRST_PAUSE.saturating_mul(1u32 << (self.tries - 1).min(10)).min(LONGEST_PAUSE);
        let pause = jittered(doubled);
        Some(after.map_or(pause, |after| after.max(pause)))
    }
}

/// Shortens a pause by up to a quarter, so that many clients do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = uuid::Uuid::now_v7().as_bytes()[15];
    pause.mul_f64(1.0 - f64::from(random) / 1024.0)
}

pub(super) fn answer_error(method: &str, path: &str, reason: &dyn fmt::Display) -> ClientError {
    ClientError::Answer { request: format!("{method} {path}"), reason: reason.to_string() }
}

/// Checks that a text is the address of a server: `http://…` or `https://…`, with nothing after the host but perhaps a
/// port and a path. The error says what was expected.
pub(crate) fn check_address(server: &str) -> Result<(), String> {
    let wrong = str::to_owned;
    let rest = server.strip_prefix("http://").or_else(|| server.strip_prefix("https://"));
    let rest = rest.ok_or_else(|| wrong("expected an address that begins with http:// or https://"))?;
    if rest.is_empty() || rest.starts_with('/') {
        return Err(wrong("expected a host after http:// or https://"));
    }
    if rest.contains(['?', '#', '@']) || rest.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(wrong("expected only a host, a port and a path"));
    }
    Ok(())
}

fn read_certificates(path: &Path) -> Result<Vec<Certificate<'static>>, ClientError> {
    let wrong =
        |what: &dyn fmt::Display| ClientError::Setting { what: format!("--ca-cert {}: {what}", path.display()) };
    let pem = std::fs::read(path).map_err(|e| wrong(&crate::failure::plain_io(&e)))?;
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|e| wrong(&e))? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(wrong(&"no certificate in pem"));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for good in ["http://127.0.0.1:8080", "https://ledger.example.org/countersign"] {
            assert!(check_address(good).is_ok(), "{good}");
        }
        for bad in ["", "127.0.0.1:8080", "ftp://x", "http://", "http:///x", "http://a b", "http://u@h", "http://h?x"] {
            assert!(check_address(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pauses_grow_and_end() {
        let mut waiter = Waiter::new(Patience { tries: 4, within: Duration::from_secs(60) });
        let pauses: Vec<_> = std::iter::from_fn(|| waiter.next_pause(None)).collect();
        assert_eq!(pauses.len(), 3);
        assert!(pauses.windows(2).all(|pair| pair[0] < pair[1]), "{pauses:?}");
        let mut waiter = Waiter::new(Patience::LONG);
        assert!(waiter.next_pause(Some(Duration::from_secs(7))).is_some_and(|pause| pause >= Duration::from_secs(7)));
        for _ in 0..100 {
            assert!(waiter.next_pause(None).is_some_and(|pause| pause <= LONGEST_PAUSE));
        }
    }
}
