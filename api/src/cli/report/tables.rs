//! Reconciliation on the page: totals by stock number, and the lines of which something is unexplained.

use std::fmt::Write as _;

use countersign_ledger::id::{CaseId, Seq};
use countersign_ledger::reconcile::{Figure, Reconciliation, Row};
use serde::Serialize;

use super::page::{MOST, html, links};

/// The reconciliation of one case: totals, and the lines (not the serials) of which something is unexplained.
#[derive(Debug, Serialize)]
pub(super) struct CaseTable {
    /// The case.
    pub(super) case: CaseId,
    /// Totals and lines.
    #[serde(flatten)]
    pub(super) table: Reconciliation,
}

impl CaseTable {
    /// Leaves the lines of which something is unexplained.
    pub(super) fn new(case: CaseId, mut table: Reconciliation) -> Self {
        table.rows.retain(|row| row.serial.is_none() && (unexplained(row) || !row.unknown.is_empty()));
        Self { case, table }
    }

    /// Returns the entries that the page leads to.
    pub(super) fn entries(&self) -> impl Iterator<Item = Seq> {
        let rows = self.table.rows.iter().take(MOST);
        rows.flat_map(|row| row.figures.values().flat_map(|amount| &amount.entries).chain(&row.unknown)).copied()
    }
}

fn unexplained(row: &Row) -> bool {
    row.figures.contains_key(&Figure::UnexplainedShort) || row.figures.contains_key(&Figure::UnexplainedOver)
}

fn name(figure: Figure) -> String {
    html(&figure.as_str().replace('_', " "))
}

/// Writes the tables.
pub(super) fn render(out: &mut String, tables: &[CaseTable]) {
    if tables.iter().all(|table| table.table.totals.is_empty()) {
        return;
    }
    out.push_str(
        "<h2>Reconciliation</h2><p class=\"note\">Held is what there should be: received and declared, less what is disposed of, \
         gone or with another holder. A difference that no entry explains is unexplained. \
         <code>countersign reconcile</code> has every line and serial.</p>",
    );
    for CaseTable { case, table } in tables.iter().filter(|table| !table.table.totals.is_empty()) {
        put!(out, "<h3>{}</h3>", html(case.as_str()));
        totals(out, table);
        lines(out, table);
    }
}

fn totals(out: &mut String, table: &Reconciliation) {
    let shown: Vec<Figure> = Figure::ALL
        .iter()
        .copied()
        .filter(|figure| table.totals.iter().any(|total| total.figures.contains_key(figure)))
        .collect();
    out.push_str("<table><tr><th>stock number</th><th>what</th><th>unit</th>");
    for figure in &shown {
        put!(out, "<th class=\"n\">{}</th>", name(*figure));
    }
    out.push_str("</tr>");
    for total in table.totals.iter().take(MOST) {
        let text = |text: &Option<String>| text.as_deref().map(html).unwrap_or_default();
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td>",
            text(&total.stock_number),
            text(&total.nomenclature),
            text(&total.unit)
        );
        for figure in &shown {
            put!(out, "<td class=\"n\">{}</td>", total.figures.get(figure).map(|n| html(n)).unwrap_or_default());
        }
        out.push_str("</tr>");
    }
    out.push_str("</table>");
    if table.totals.len() > MOST {
        put!(out, "<p class=\"note\">And {} more.</p>", table.totals.len() - MOST);
    }
}

fn lines(out: &mut String, table: &Reconciliation) {
    if table.rows.is_empty() {
        return;
    }
    out.push_str("<table><tr><th>line</th><th>what</th><th>figures, and the entries that they are made of</th></tr>");
    for row in table.rows.iter().take(MOST) {
        let what = row.nomenclature.as_deref().or(row.stock_number.as_deref()).map(html).unwrap_or_default();
        let mut figures: Vec<String> = row
            .figures
            .iter()
            .map(|(figure, amount)| format!("{} {} ({})", name(*figure), html(&amount.amount), links(&amount.entries)))
            .collect();
        if !row.unknown.is_empty() {
            figures.push(format!("cannot be compared: {}", links(&row.unknown)));
        }
        put!(
            out,
            "<tr><td>{} line {}</td><td>{what}</td><td>{}</td></tr>",
            html(row.subject.as_str()),
            html(&row.line),
            figures.join("<br>")
        );
    }
    out.push_str("</table>");
    if table.rows.len() > MOST {
        put!(out, "<p class=\"note\">And {} more.</p>", table.rows.len() - MOST);
    }
}
