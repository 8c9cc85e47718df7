//! The page: one file of HTML without scripts, for the screen and for paper.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use countersign_ledger::event::Occurred;
use countersign_ledger::findings::{Code, Finding, Obligation, Severity};
use countersign_ledger::id::{CaseId, Seq};
use countersign_ledger::time::Time;

use super::{Content, chart, tables};
use crate::book_file::Whole;
use crate::escape::escaped;

/// The most findings of one code that the page lists.
pub(super) const MOST: usize = 500;
/// The most serials that one finding lists.
const MOST_SERIALS: usize = 24;

const STYLE: &str = "\
body{font:15px/1.45 system-ui,sans-serif;color:#111;max-width:70rem;margin:2rem auto;padding:0 1rem}\
h1{font-size:1.5rem;margin:0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid #999}h3{font-size:1rem;margin:1.2rem 0 .3rem}\
table{border-collapse:collapse;width:100%;font-size:.87rem}th,td{text-align:left;vertical-align:top;padding:.2rem .5rem;border-bottom:1px solid #ddd}\
th{border-bottom:1px solid #666}td.n,th.n{text-align:right}code,pre{font:.82rem/1.35 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}\
.headline{border:2px solid #111;padding:.6rem .9rem;margin:1rem 0}.failed{border-color:#a00000;color:#a00000}\
.partial{border-style:dashed}.serious h3{color:#a00000}.note{color:#444;font-size:.9rem}\
svg{width:100%;font-size:11px}svg a{fill:inherit}.axis{fill:#555}.late{fill:#a00000}.open{fill:#6b8fb5}.today{stroke:#111;stroke-dasharray:3 2}\
@media print{body{max-width:none;margin:0;font-size:10.5pt}h2{break-after:avoid}tr,svg{break-inside:avoid}a{color:inherit;text-decoration:none}}\
@page{margin:18mm}";

/// Returns a text for HTML: what could deceive the eye is escaped visibly, what is markup as entities.
pub(super) fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in escaped(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// Returns a text of ours for HTML: what stands between backticks is code.
fn prose(text: &str) -> String {
    let parts = text.split('`').map(html).enumerate();
    parts.map(|(i, part)| if i % 2 == 1 { format!("<code>{part}</code>") } else { part }).collect()
}

/// Says when something happened.
pub(super) fn occurred(occurred: &Occurred) -> String {
    match occurred {
        Occurred::At(at) => at.to_string(),
        Occurred::Between(from, to) => format!("{from} to {to}"),
        Occurred::On(date) => date.to_string(),
        Occurred::Unknown(why) => format!("unknown: {why}"),
    }
}

/// Writes the page.
pub(super) fn render(content: &Content) -> String {
    let mut out = String::new();
    let title = content.origin.as_deref().unwrap_or("a bundle");
    put!(
        out,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>Report on {0}</title><style>{STYLE}</style></head>\
         <body><h1>Report on {0}</h1>",
        html(title)
    );
    headline(&mut out, content);
    verification(&mut out, content);
    if content.as_of.is_some() {
        summary(&mut out, content);
        findings(&mut out, content);
        deadlines(&mut out, content);
        tables::render(&mut out, &content.reconciliation);
    }
    not_known(&mut out, content);
    entries(&mut out, content);
    out.push_str("</body></html>\n");
    out
}

fn headline(out: &mut String, content: &Content) {
    let verdict = content.verdict.verdict.as_str();
    let witnessed = content.verdict.checks.iter().any(|check| check.code == "WITNESS" && check.result == "ok");
    let says = match verdict {
        "verified" => {
            "Every check of the file holds: nothing that it shows was altered, and each statement is signed as it had to be."
        }
        "partial" => "Nothing in the file is false; some checks cannot be decided from it.",
        "failed" => "A check of the file is false. Nothing was computed from it.",
        _ => "The file was not checked.",
    };
    put!(out, "<div class=\"headline {}\"><strong>{}</strong> — {says}", html(verdict), html(verdict));
    if !witnessed {
        out.push_str(" It is not compared with what others are shown.");
    }
    if content.scope.as_deref().is_some_and(|scope| scope.starts_with("an extract")) {
        match &content.whole {
            Whole::Proven { entry, time } | Whole::Before { entry, time } => {
                put!(
                    out,
                    " All of its case or subject before entry {entry} of {time} is shown, which a seal proves; \
                     corrections, disputes and revocations after that may be withheld."
                );
            }
            Whole::Unsaid | Whole::Trusted => {
                out.push_str(" Later corrections, disputes and revocations may be withheld.");
            }
        }
        if content.trust_scope {
            out.push_str(" That it shows all of its case or subject is the exporter's word, taken on request.");
        }
    }
    if let Some(case) = &content.case {
        put!(out, " Findings are those of case <strong>{}</strong> alone.", html(case.as_str()));
    }
    if let Some(as_of) = &content.as_of {
        put!(out, " Findings are as of <strong>{}</strong>.", html(as_of));
    }
    out.push_str("</div>");
}

fn verification(out: &mut String, content: &Content) {
    out.push_str("<h2>What was verified</h2><table>");
    let mut row = |name: &str, value: &str| {
        put!(out, "<tr><th>{}</th><td><code>{}</code></td></tr>", html(name), html(value));
    };
    row("file", &content.bundle.display().to_string());
    row("SHA-256", &content.sha256);
    row("bytes", &content.bytes.to_string());
    if let Some(scope) = &content.scope {
        row("shows", scope);
    }
    if let Some(ledger) = &content.ledger {
        let given = if content.ledger_given { "ledger id, as given" } else { "ledger id, by its own word" };
        row(given, ledger);
    }
    if let (Some(size), Some(shown)) = (content.verdict.size, content.verdict.shown) {
        row("entries", &format!("{shown} shown of {size}"));
    }
    if let Some(undisclosed) = content.verdict.undisclosed {
        row("values not disclosed", &undisclosed.to_string());
    }
    row("verifier", &content.verifier);
    if let Some(reason) = &content.unreadable {
        row("cannot be read", reason);
    }
    out.push_str("</table>");
    if let Some(note) = &content.checkpoint {
        let lines: Vec<String> = note.lines().map(html).collect();
        put!(out, "<h3>Checkpoint</h3><pre>{}</pre>", lines.join("\n"));
    }
    out.push_str("<table><tr><th>check</th><th>result</th><th>first fault</th></tr>");
    for check in &content.verdict.checks {
        let place = check.seq.map(|seq| format!("entry {seq}: ")).unwrap_or_default();
        let fault = match (&check.expected, &check.found) {
            (Some(expected), Some(found)) => format!("{place}expected {expected}, found {found}"),
            _ => check.detail.clone().unwrap_or_default(),
        };
        put!(out, "<tr><td>{}</td><td>{}</td><td>{}</td></tr>", html(&check.code), html(&check.result), html(&fault));
    }
    out.push_str("</table>");
}

fn by_case(content: &Content) -> BTreeMap<Option<&CaseId>, Vec<&Finding>> {
    let mut cases: BTreeMap<Option<&CaseId>, Vec<&Finding>> = BTreeMap::new();
    for finding in &content.findings {
        cases.entry(finding.case.as_ref()).or_default().push(finding);
    }
    cases
}

fn case_name(case: Option<&CaseId>) -> String {
    case.map_or_else(|| "outside any case".to_owned(), |case| html(case.as_str()))
}

fn summary(out: &mut String, content: &Content) {
    out.push_str("<h2>In short</h2>");
    if content.findings.is_empty() {
        out.push_str("<p>No findings.</p>");
        return;
    }
    out.push_str("<table><tr><th>case</th><th class=\"n\">serious</th><th class=\"n\">warning</th><th class=\"n\">info</th></tr>");
    for (case, findings) in by_case(content) {
        let count = |severity| findings.iter().filter(|f| f.severity == severity).count();
        put!(
            out,
            "<tr><td>{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
            case_name(case),
            count(Severity::Serious),
            count(Severity::Warning),
            count(Severity::Info)
        );
    }
    out.push_str("</table>");
}

fn findings(out: &mut String, content: &Content) {
    for severity in [Severity::Serious, Severity::Warning, Severity::Info] {
        let mut codes: BTreeMap<Code, Vec<&Finding>> = BTreeMap::new();
        for finding in content.findings.iter().filter(|f| f.severity == severity) {
            codes.entry(finding.code).or_default().push(finding);
        }
        if codes.is_empty() {
            continue;
        }
        let heading = match severity {
            Severity::Serious => "Serious findings",
            Severity::Warning => "Warnings",
            Severity::Info => "To know",
        };
        put!(out, "<section class=\"{}\"><h2>{heading}</h2>", severity.as_str());
        for (code, of_code) in codes {
            one_code(out, code, &of_code);
        }
        out.push_str("</section>");
    }
}

fn one_code(out: &mut String, code: Code, findings: &[&Finding]) {
    let info = code.info();
    put!(out, "<h3>{} ({})</h3><p class=\"note\">When {}.", info.code, findings.len(), prose(info.trigger));
    if !info.clock.is_empty() {
        put!(out, " Clock: {}.", prose(info.clock));
    }
    put!(out, " Cleared by {}.</p>", prose(info.clears));
    out.push_str(
        "<table><tr><th>case</th><th>subject</th><th>since</th><th>due</th><th>what</th><th>entries</th></tr>",
    );
    for finding in findings.iter().take(MOST) {
        put!(
            out,
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}{}</td><td>{}</td></tr>",
            case_name(finding.case.as_ref()),
            html(finding.subject.as_str()),
            finding.since,
            finding.due.map(|due| due.to_string()).unwrap_or_default(),
            html(&finding.detail),
            serials(finding),
            links(&finding.entries)
        );
    }
    out.push_str("</table>");
    if findings.len() > MOST {
        put!(out, "<p class=\"note\">And {} more: <code>--csv</code> has them all.</p>", findings.len() - MOST);
    }
}

fn serials(finding: &Finding) -> String {
    let serials: Vec<&str> = finding.items.iter().filter_map(|item| item.serial.as_deref()).collect();
    if serials.is_empty() {
        return String::new();
    }
    let shown: Vec<String> = serials.iter().take(MOST_SERIALS).map(|serial| html(serial)).collect();
    let more = serials.len().saturating_sub(MOST_SERIALS);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("<br><code>{}</code>{more}", shown.join(" "))
}

pub(super) fn links(entries: &[Seq]) -> String {
    const MOST_LINKS: usize = 12;
    let mut text: Vec<String> =
        entries.iter().take(MOST_LINKS).map(|seq| format!("<a href=\"#e{seq}\">{seq}</a>")).collect();
    if entries.len() > MOST_LINKS {
        text.push(format!("and {} more", entries.len() - MOST_LINKS));
    }
    text.join(" ")
}

fn deadlines(out: &mut String, content: &Content) {
    let Some(today) = content.as_of.as_ref().and_then(|text| text.parse::<Time>().ok()).map(Time::utc_date) else {
        return;
    };
    let late = by_case(content);
    let mut open: BTreeMap<Option<&CaseId>, Vec<&Obligation>> = BTreeMap::new();
    for obligation in &content.obligations {
        open.entry(obligation.case.as_ref()).or_default().push(obligation);
    }
    let cases: std::collections::BTreeSet<Option<&CaseId>> = late.keys().chain(open.keys()).copied().collect();
    let mut begun = false;
    for case in cases {
        let late = late.get(&case).map_or(&[][..], Vec::as_slice);
        let open = open.get(&case).map_or(&[][..], Vec::as_slice);
        let Some((svg, left_out)) = chart::draw(late, open, today) else { continue };
        if !begun {
            out.push_str("<h2>Deadlines</h2><p class=\"note\">Red: from the day on which it was due. Blue: from the start of its clock to its due date. Dashed: the date of this report.</p>");
            begun = true;
        }
        put!(out, "<h3>{}</h3>{svg}", case_name(case));
        if left_out > 0 {
            put!(out, "<p class=\"note\">And {left_out} later ones.</p>");
        }
    }
}

fn not_known(out: &mut String, content: &Content) {
    out.push_str("<h2>What is not known</h2>");
    if !content.unknowns.is_empty() {
        out.push_str(
            "<table><tr><th>could not be judged</th><th>case</th><th>subject</th><th>why</th><th>entries</th></tr>",
        );
        for unknown in content.unknowns.iter().take(MOST) {
            put!(
                out,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                unknown.code,
                case_name(unknown.case.as_ref()),
                html(unknown.subject.as_str()),
                html(&unknown.why),
                links(&unknown.entries)
            );
        }
        out.push_str("</table>");
        if content.unknowns.len() > MOST {
            put!(
                out,
                "<p class=\"note\">And {} more: <code>--json</code> has them all.</p>",
                content.unknowns.len() - MOST
            );
        }
    }
    out.push_str(
        "<p>Verification proves who said what and in which order, and that nothing shown was altered. It does not prove \
         that a statement is true; that nothing happened off the ledger, or that all that was handed in was recorded; \
         that the times of entries are true beyond what witnesses bound; that two parties are two organisations; that \
         the holder of a key was not coerced or robbed before the key was revoked; that the first description of an item \
         was right. A difference in reconciliation that no entry explains is called unexplained, never lost.</p>",
    );
}

fn entries(out: &mut String, content: &Content) {
    if content.entries.is_empty() {
        return;
    }
    out.push_str(
        "<h2>Entries</h2><p class=\"note\">Those that something above rests on. <code>countersign-verify exhibit</code> sets one out in full.</p>\
         <table><tr><th>entry</th><th>recorded</th><th>occurred</th><th>statement</th><th>by, and signed by</th></tr>",
    );
    for entry in &content.entries {
        put!(
            out,
            "<tr id=\"e{0}\"><td>{0}</td><td>{1}</td><td>{2}</td><td>{3}<br>{4}{5}<br><code>{6}</code></td><td>{7}<br>{8}</td></tr>",
            entry.seq,
            html(&entry.recorded),
            html(&entry.occurred),
            html(&entry.kind),
            html(&entry.subject),
            entry.case.as_ref().map(|case| format!(" in {}", html(case.as_str()))).unwrap_or_default(),
            html(&entry.event),
            html(&entry.author),
            html(&entry.signers.join(", "))
        );
    }
    out.push_str("</table>");
}
