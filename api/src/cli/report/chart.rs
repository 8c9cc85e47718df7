//! The chart of deadlines: inline SVG, one bar each, with a line at the date of the report.

use std::fmt::Write as _;

use countersign_ledger::findings::{Finding, Obligation};
use countersign_ledger::time::Date;

use super::page::html;

/// The most bars of a chart.
const MOST: usize = 60;
const WIDTH: i64 = 900;
const LABELS: i64 = 330;
const ROW: i64 = 18;

/// One bar.
struct Bar {
    label: String,
    from: Date,
    due: Date,
    overdue: bool,
    anchor: String,
}

/// Draws the deadlines of one case; `None` where there are none. Says how many are left out.
pub(super) fn draw(findings: &[&Finding], open: &[&Obligation], today: Date) -> Option<(String, usize)> {
    let late = findings.iter().filter_map(|finding| {
        let due = finding.due?;
        let anchor = finding.entries.first().map(|seq| format!("#e{seq}")).unwrap_or_default();
        let label = format!("{} {}", finding.code, finding.subject);
        Some(Bar { label, from: due, due, overdue: true, anchor })
    });
    let open = open.iter().map(|open| Bar {
        label: format!("{} {}", open.what, open.subject),
        from: open.from,
        due: open.due,
        overdue: false,
        anchor: format!("#e{}", open.started),
    });
    let mut bars: Vec<Bar> = late.chain(open).collect();
    bars.sort_by(|a, b| (a.due, &a.label).cmp(&(b.due, &b.label)));
    let left_out = bars.len().saturating_sub(MOST);
    bars.truncate(MOST);
    let first = bars.iter().map(|bar| bar.from).min()?.min(today);
    let last = bars.iter().map(|bar| bar.due).max()?.max(today).plus_days(1);
    let days = first.days_until(last).max(1);
    let x = |date: Date| LABELS + (WIDTH - LABELS - 10) * first.days_until(date).clamp(0, days) / days;
    let height = i64::try_from(bars.len()).unwrap_or(0) * ROW + 34;
    let mut svg = String::new();
    // writing to a string cannot fail
    let _ = write!(
        svg,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"deadlines from {first} to {last}\">\
         <text x=\"{LABELS}\" y=\"12\" class=\"axis\">{first}</text>\
         <text x=\"{}\" y=\"12\" class=\"axis\" text-anchor=\"end\">{last}</text>",
        WIDTH - 10
    );
    for (row, bar) in (0i64..).zip(&bars) {
        let y = 22 + row * ROW;
        let (from, to) = if bar.overdue { (x(bar.due), x(today)) } else { (x(bar.from), x(bar.due)) };
        let class = if bar.overdue { "late" } else { "open" };
        let label: String = bar.label.chars().take(54).collect();
        let state = if bar.overdue { "was due" } else { "due" };
        let _ = write!(
            svg,
            "<a href=\"{}\"><title>{} ({state} {})</title><text x=\"0\" y=\"{}\">{}</text>\
             <rect class=\"{class}\" x=\"{from}\" y=\"{y}\" width=\"{}\" height=\"11\"/></a>",
            html(&bar.anchor),
            html(&bar.label),
            bar.due,
            y + 10,
            html(&label),
            (to - from).max(2)
        );
    }
    let now = x(today);
    let _ = write!(svg, "<line class=\"today\" x1=\"{now}\" x2=\"{now}\" y1=\"16\" y2=\"{}\"/>", height - 4);
    svg.push_str("</svg>");
    Some((svg, left_out))
}
