//! Certificates of sites that items are sent to, and that hold them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Code;
use super::out::{Fact, Needs, Out};
use crate::facts::{Item, Statement};
use crate::id::{CaseId, Seq, StreamId};
use crate::time::Date;

/// A certificate: by when it was given, and until when it holds.
struct Certificate {
    seq: Seq,
    from: Date,
    until: Date,
}

/// A site of a case.
struct Site<'a> {
    stream: &'a StreamId,
    certificates: Vec<Certificate>,
}

pub(super) fn assess(out: &mut Out<'_>) {
    let book = out.book;
    let mut held: BTreeMap<(&CaseId, &str), Vec<&Item>> = BTreeMap::new();
    for item in book.items().all().iter().filter(|item| item.state.is_held()) {
        if let Some(site) = &item.site {
            held.entry((&item.description.key.case, site.as_str())).or_default().push(item);
        }
    }
    for case in book.cases() {
        let sites = sites(out, case);
        if out.terms(Some(case)).site_certificate_before_dispatch {
            sent_to(out, case, &sites);
            found_at(out, case, &sites);
        }
        for (code, of_code) in &sites {
            let none = Vec::new();
            expired(out, code, of_code, held.get(&(case, code.as_str())).unwrap_or(&none));
        }
    }
}

/// Reads the sites of a case by code; one code may stand for several registrations.
fn sites<'a>(out: &Out<'a>, case: &'a CaseId) -> BTreeMap<String, Vec<Site<'a>>> {
    let mut sites: BTreeMap<String, Vec<Site<'a>>> = BTreeMap::new();
    for stream in out.book.streams(Some(case), "site") {
        let mut codes: BTreeSet<&str> = BTreeSet::new();
        let mut certificates: Vec<(Seq, Date, Date)> = Vec::new();
        for statement in out.book.stream(stream) {
            match statement.kind.as_str() {
                "site.registered" => codes.extend(statement.text("code")),
                "site.certified" => {
                    certificates
                        .extend(statement.get("valid_until").map(|until| (statement.seq, statement.by(), until)));
                }
                _ => {}
            }
        }
        for code in codes {
            let certificates =
                certificates.iter().map(|(seq, from, until)| Certificate { seq: *seq, from: *from, until: *until });
            let site = Site { stream, certificates: certificates.collect() };
            sites.entry(code.to_owned()).or_default().push(site);
        }
    }
    sites
}

/// Tells whether a certificate of a site held on a date.
fn certified(sites: &BTreeMap<String, Vec<Site<'_>>>, code: &str, on: Date) -> bool {
    let certificates = sites.get(code).into_iter().flatten().flat_map(|site| &site.certificates);
    certificates.into_iter().any(|certificate| certificate.from <= on && on <= certificate.until)
}

/// Says what is wrong with a site on a date, and the certificates that there are.
fn lacking(sites: &BTreeMap<String, Vec<Site<'_>>>, code: &str, on: Date) -> (String, Vec<Seq>) {
    let Some(of_code) = sites.get(code) else { return (format!("no site is registered as {code}"), Vec::new()) };
    let certificates: Vec<Seq> = of_code.iter().flat_map(|site| &site.certificates).map(|c| c.seq).collect();
    (format!("site {code} had no certificate in force on {on}"), certificates)
}

fn sent_to(out: &mut Out<'_>, case: &CaseId, sites: &BTreeMap<String, Vec<Site<'_>>>) {
    let book = out.book;
    for stream in book.streams(Some(case), "consignment") {
        for dispatch in book.stream(stream).filter(|s| s.kind.as_str() == "transfer.dispatched") {
            let site = dispatch.body.pointer("/to/site").and_then(Value::as_str);
            let Some(site) = site else {
                let why = if dispatch.body.get("to").is_none() && dispatch.conceals("/body")
                    || dispatch.conceals_below("/body/to")
                {
                    "to which site it was sent is not disclosed"
                } else {
                    "the dispatch does not say to which site it was sent"
                };
                out.unknown(Code::SiteNotCertified, stream, vec![dispatch.seq], why);
                continue;
            };
            uncertified(out, stream, dispatch, site, sites);
        }
    }
}

fn found_at(out: &mut Out<'_>, case: &CaseId, sites: &BTreeMap<String, Vec<Site<'_>>>) {
    let book = out.book;
    for stream in book.streams(Some(case), "check") {
        for check in book.stream(stream) {
            let there = |item: &Value| item.get("state").and_then(Value::as_str) == Some("in_custody");
            let Some(site) = check.text("site").filter(|_| check.array("items").iter().any(there)) else { continue };
            uncertified(out, stream, check, site, sites);
        }
    }
}

fn uncertified(
    out: &mut Out<'_>,
    stream: &StreamId,
    statement: &Statement,
    site: &str,
    sites: &BTreeMap<String, Vec<Site<'_>>>,
) {
    // of an interval any day will do
    let (first, last) = statement.happened().unwrap_or_else(|| (statement.by(), statement.by()));
    if certified(sites, site, first) || certified(sites, site, last) {
        return;
    }
    let (detail, mut entries) = lacking(sites, site, last);
    entries.push(statement.seq);
    let (code, since) = (Code::SiteNotCertified, last);
    out.find(Fact { code, stream, items: Vec::new(), entries, since, due: None, detail }, Needs::Case);
}

fn expired(out: &mut Out<'_>, code: &str, sites: &[Site<'_>], held: &[&Item]) {
    let certificates = sites.iter().flat_map(|site| site.certificates.iter().map(move |c| (site, c)));
    let Some((site, last)) = certificates.max_by_key(|(_, c)| (c.until, c.seq)) else { return };
    let hidden = places_hidden(out, site.stream);
    if held.is_empty() {
        if out.over(last.until) && !hidden.is_empty() {
            let why = "where items are is not disclosed in full";
            out.unknown(Code::SiteCertificateExpired, site.stream, hidden, why);
        }
        return;
    }
    if !out.over(last.until) {
        let what = format!("certificate of site {code}, which holds items");
        out.obligation(Code::SiteCertificateExpired, site.stream, (last.seq, last.from), last.until, what);
        return;
    }
    let acts = out.concealing(site.stream.case.as_ref());
    if !acts.is_empty() {
        let why = "what became of items that were at the site is not disclosed in full";
        let entries = acts.to_vec();
        return out.unknown(Code::SiteCertificateExpired, site.stream, entries, why);
    }
    let fact = Fact {
        code: Code::SiteCertificateExpired,
        stream: site.stream,
        items: held.iter().map(|item| item.description.key.clone()).collect(),
        entries: held.iter().map(|item| item.state_by).chain([last.seq]).collect(),
        since: last.until.plus_days(1),
        due: Some(last.until),
        detail: format!("the certificate of site {code} held until {}, and items are there", last.until),
    };
    out.find(fact, Needs::Case);
}

/// Returns statements that may say where items are and do not show it.
fn places_hidden(out: &Out<'_>, site: &StreamId) -> Vec<Seq> {
    let Some(case) = site.case.as_ref() else { return Vec::new() };
    let mut hidden: Vec<Seq> = out.concealing(Some(case)).to_vec();
    for ty in ["consignment", "holding", "movement"] {
        for statement in out.book.streams(Some(case), ty).flat_map(|stream| out.book.stream(stream)) {
            let places = matches!(statement.kind.as_str(), "transfer.received" | "holding.declared" | "items.moved");
            let shown =
                ["place", "to"].iter().any(|member| statement.body.pointer(&format!("/{member}/site")).is_some());
            let hides = statement.conceals("/body")
                || statement.conceals_below("/body/place")
                || statement.conceals_below("/body/to");
            if places && !shown && hides {
                hidden.push(statement.seq);
            }
        }
    }
    hidden
}
