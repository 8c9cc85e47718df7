//! `/v1/evidence`: files that events name by hash and size, kept beside the ledger.
//!
//! A file is taken only if a recorded event names it, or a signed submission announces it. It is found by its hash; a
//! name is what it is called when somebody saves it.

use std::io::{Seek as _, SeekFrom};
use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, EXPECT, IF_NONE_MATCH, IF_RANGE, RANGE, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use countersign_ledger::authority::{Authority, KeyUse};
use countersign_ledger::entry::Entry;
use countersign_ledger::event::{Event, Evidence};
use countersign_ledger::hash::{FileHash, KeyId};
use countersign_ledger::id::{Author, Seq};
use countersign_ledger::submission::Submission;
use countersign_ledger::time::Time;
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::lines;
use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{Params, Segments, content_type, parse};
use crate::server::{
    App, Crowded, EvidenceFolder, Incoming, NotKept, Upload, compute, declared_length, read, read_all,
};
use crate::wire::{Announced, AnnouncedFile, BYTES, EvidenceView, JSON, MAX_REQUEST};

/// How many entries that name a file are looked at.
const MAX_NAMING: usize = 1_000;
/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

/// A file: all of it, or the range that is asked for.
///
/// Always an attachment, never shown in place: what it is called and what type it is said to have are an event's word.
#[utoipa::path(
    get, path = "/v1/evidence/{sha256}", tag = "evidence",
    params(
        ("sha256" = String, Path, description = "the file's SHA-256, 64 lower-case hex digits"),
        ("range" = Option<String>, Header, description = "one range of bytes (RFC 9110 §14); several are answered with all of it"),
        ("if-range" = Option<String>, Header, description = "the entity tag that the range is of"),
    ),
    responses(
        (status = 200, description = "the file", body = String, content_type = "application/octet-stream"),
        (status = 206, description = "the range", body = String, content_type = "application/octet-stream"),
        (status = 304, description = "the client has it"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: no recorded event names it; or one does (`existing`), and it is not here",
            body = Problem, content_type = "application/problem+json"),
        (status = 416, description = "`range_not_satisfiable`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn get(
    State(app): State<App>,
    Segments(name): Segments<String>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = parse_hash(&name)?;
    let folder = folder(&app)?;
    let (naming, found) = read(move || -> Result<_, Problem> {
        Ok((named(&app, &file)?, folder.find(&file).map_err(|e| disk_problem(&e))?))
    })
    .await??;
    let Some((seq, _)) = naming.first() else {
        return Err(Problem::not_found("recorded event that names the file", file));
    };
    let Some((mut content, length)) = found else { return Err(missing(*seq, &naming, file)) };
    let Some((_, evidence)) = naming.iter().find(|(_, evidence)| evidence.size == length) else {
        return Err(missing(*seq, &naming, file));
    };
    let tag = format!("\"{file}\"");
    let mut response = if has_tag(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let asked = if method == Method::GET { asked_range(&headers, length, &tag) } else { Asked::All };
        let (status, start, end) = match asked {
            Asked::All => (StatusCode::OK, 0, length),
            Asked::Part(start, end) => (StatusCode::PARTIAL_CONTENT, start, end),
            Asked::Nothing => return Ok(unsatisfiable(length)),
        };
        content.seek(SeekFrom::Start(start)).map_err(|e| disk_problem(&e))?;
        let content = tokio::fs::File::from_std(content).take(end - start);
        let body = Body::from_stream(ReaderStream::with_capacity(content, PIECE));
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_LENGTH, (end - start).into());
        if status == StatusCode::PARTIAL_CONTENT {
            headers.insert(CONTENT_RANGE, header(&format!("bytes {start}-{}/{length}", end - 1)));
        }
        response
    };
    describe(response.headers_mut(), evidence, &tag);
    Ok(response)
}

/// Takes a file in, if a recorded event names it or a submission announced it (`POST /v1/evidence`).
///
/// Streamed to disk; hash and size are checked before it takes its place, and it is durable when this is answered. What
/// breaks off leaves nothing: send it again from its beginning.
#[utoipa::path(
    put, path = "/v1/evidence/{sha256}", tag = "evidence",
    params(("sha256" = String, Path, description = "the file's SHA-256, 64 lower-case hex digits")),
    request_body(description = "the file", content(("application/octet-stream"))),
    responses(
        (status = 200, description = "it was here already", body = EvidenceView),
        (status = 201, description = "it is here now, durable", body = EvidenceView),
        (status = 400, description = "`bad_parameter`; `bad_request`: it broke off", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`: nothing names it", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "`timeout`", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "`too_large`: more than events say or this server takes", body = Problem,
            content_type = "application/problem+json"),
        (status = 422, description = "`evidence_mismatch`: another file, or not all of it", body = Problem,
            content_type = "application/problem+json"),
        (status = 503, description = "`busy` with `Retry-After`", body = Problem, content_type = "application/problem+json"),
        (status = 507, description = "`storage_full`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn put(
    State(app): State<App>,
    Segments(name): Segments<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let Wanted { file, folder, size, sizes, named, _place } = match wanted(&app, &name, &headers).await {
        Ok(Taken::Here(view)) => {
            unread(&app, &headers, body).await;
            return Ok(Json(view).into_response());
        }
        Ok(Taken::Wanted(wanted)) => wanted,
        Err(problem) => {
            unread(&app, &headers, body).await;
            return Err(problem);
        }
    };
    let incoming = Incoming::new(body, usize::try_from(size).unwrap_or(usize::MAX), &app.limits);
    let upload = {
        let folder = Arc::clone(&folder);
        read(move || folder.begin(size)).await?.map_err(|e| not_kept(e, &file, &sizes))?
    };
    let upload = receive(incoming, upload).await?.map_err(|e| not_kept(e, &file, &sizes))?;
    let kept = {
        let (folder, sizes) = (Arc::clone(&folder), sizes.clone());
        read(move || folder.keep(upload, &file, &sizes, named)).await?
    };
    kept.map_err(|e| not_kept(e, &file, &sizes))?;
    let view = view(&app, file, true).await?;
    if view.named.is_empty() && read(move || folder.drop_lapsed(&file)).await?.map_err(|e| disk_problem(&e))? {
        return Err(unnamed(file));
    }
    Ok((StatusCode::CREATED, Json(view)).into_response())
}

/// Announces the files of a signed submission that is not recorded yet, so that they can be sent first.
///
/// The submission is checked as `/v1/events` would check its form and signatures, and every key must be known to the
/// ledger and in use; it is not recorded. For an hour the files that it names are taken. Others get them only once a
/// recorded event names them; what none names by then is removed. How much a party has announced and not recorded is
/// bounded.
#[utoipa::path(
    post, path = "/v1/evidence", tag = "evidence",
    request_body(description = "an envelope, with or without disclosures", content((Object = "application/json"))),
    responses(
        (status = 200, description = "what may be sent now", body = Announced),
        (status = 400, description = "`malformed_json`, `malformed_envelope`", body = Problem, content_type = "application/problem+json"),
        (status = 403, description = "`unknown_key`, `not_announced`: a key that is not in use", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "`malformed_event`, `bad_signature`, …", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many files are awaited, or too much of this party", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn announce(
    State(app): State<App>,
    params: Params,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Announced>, Problem> {
    params.finish()?;
    content_type(&headers, &[JSON])?;
    let bytes = read_all(&headers, body, MAX_REQUEST, &app.limits).await?;
    let ledger = app.ledger.clone();
    let prepared = compute(move || Submission::parse(&bytes).and_then(|submission| ledger.prepare(submission)));
    let prepared = prepared.await??;
    let now = app.ledger.next_position().time;
    let signed = app.ledger.with_authority(|state| in_use(state, now, &prepared.keyids()))?;
    let author = &prepared.event().author;
    let Some(by) = signed.iter().find(|who| *who == author).or(signed.first()).cloned() else {
        return Err(Problem::new(Code::NotAnnounced, "nobody signed it"));
    };
    let folder = folder(&app)?;
    let files: Vec<Evidence> = prepared.event().evidence.clone();
    let named: Vec<(FileHash, u64)> = files.iter().map(|file| (file.sha256, file.size)).collect();
    let fits = {
        let (app, folder) = (app.clone(), Arc::clone(&folder));
        let recorded =
            move |file: &FileHash| app.ledger.store().evidence_seqs(file, Seq(0), 1).is_ok_and(|seqs| !seqs.is_empty());
        read(move || folder.announce(&by, &named, recorded)).await?
    };
    fits.map_err(|crowded| {
        let detail = match crowded {
            Crowded::All => "too many files are announced and not recorded",
            Crowded::Party => "the signer has announced too many files, or too large ones, that no entry names",
        };
        Problem::new(Code::Busy, detail).retry_after(600).hint("record the events that name them, then send the files")
    })?;
    let evidence = read(move || files.into_iter().map(|file| announced(&folder, &file)).collect()).await?;
    Ok(Json(Announced { event: prepared.event_hash(), evidence }))
}

fn announced(folder: &EvidenceFolder, file: &Evidence) -> AnnouncedFile {
    // a disk that fails here fails again when the file is asked for
    let here = folder.find(&file.sha256).is_ok_and(|found| found.is_some());
    AnnouncedFile { sha256: file.sha256, size: file.size, here }
}

/// Tells whose the keys are that signed. Each must be one of the ledger's and count now: strangers announce nothing.
fn in_use(state: &Authority, now: Time, keyids: &[KeyId]) -> Result<Vec<Author>, Problem> {
    let whose = |keyid: &KeyId| match state.key(keyid).map(|known| &known.purpose) {
        Some(KeyUse::Party(key)) => {
            let ended = key.retired.is_some() || key.revoked.is_some() || key.not_after.is_some_and(|end| now > end);
            let succeeded = state.party(key.party.as_str()).is_none_or(|party| party.successor.is_some());
            (!ended && !succeeded).then(|| Author::Party(key.party.clone()))
        }
        Some(KeyUse::Governance) => state.governance().keys.contains(keyid).then_some(Author::Governance),
        _ => None,
    };
    let known = keyids.iter().map(|keyid| {
        whose(keyid).ok_or_else(|| {
            let detail = format!("key {keyid} is none that the ledger knows and that is in use");
            let mut problem = Problem::new(Code::NotAnnounced, detail);
            problem.path = Some("/signatures".to_owned());
            problem
        })
    });
    known.collect()
}

/// A file that may come.
struct Wanted {
    file: FileHash,
    folder: Arc<EvidenceFolder>,
    /// The most bytes that are read.
    size: u64,
    /// The sizes that events say it has.
    sizes: Vec<u64>,
    /// Whether an entry names it; else it was announced only.
    named: bool,
    /// Its place among uploads.
    _place: tokio::sync::OwnedSemaphorePermit,
}

enum Taken {
    Here(EvidenceView),
    Wanted(Wanted),
}

async fn wanted(app: &App, name: &str, headers: &HeaderMap) -> Result<Taken, Problem> {
    let file = parse_hash(name)?;
    let folder = folder(app)?;
    let known = view(app, file, false).await?;
    if known.here {
        return Ok(Taken::Here(known));
    }
    let mut sizes: Vec<u64> = known.named.iter().map(|named| named.size).chain(folder.announced(&file)).collect();
    sizes.sort_unstable();
    sizes.dedup();
    if sizes.is_empty() {
        return Err(unnamed(file));
    }
    let fitting = sizes.iter().filter(|size| **size <= folder.max).max();
    let Some(size) = fitting.copied() else {
        let (expected, found) = (format!("at most {} bytes", folder.max), format!("{} bytes", sizes[0]));
        return Err(
            Problem::mismatch(Code::TooLarge, "size", expected, &found).hint("ask the operator for a higher limit")
        );
    };
    if let Some(declared) = declared_length(headers)
        && !sizes.contains(&declared)
    {
        return Err(wrong_size(&sizes, declared));
    }
    let Ok(place) = Arc::clone(&app.uploads).try_acquire_owned() else {
        return Err(Problem::new(Code::Busy, "too many files are arriving").retry_after(10));
    };
    Ok(Taken::Wanted(Wanted { file, folder, size, sizes, named: !known.named.is_empty(), _place: place }))
}

/// Lets a client that sends everything before it reads get to its answer; one that asks first (RFC 9110 §10.1.1) has sent
/// nothing.
async fn unread(app: &App, headers: &HeaderMap, body: Body) {
    if !headers.contains_key(EXPECT) {
        Incoming::new(body, MAX_REQUEST, &app.limits).drain().await;
    }
}

/// Writes a body to disk as it arrives, on a thread that may wait for the disk.
async fn receive(mut incoming: Incoming, mut upload: Upload) -> Result<Result<Upload, NotKept>, Problem> {
    let (sender, mut pieces) = mpsc::channel::<axum::body::Bytes>(4);
    let writing = tokio::task::spawn_blocking(move || {
        while let Some(piece) = pieces.blocking_recv() {
            upload.write(&piece)?;
        }
        Ok(upload)
    });
    loop {
        let piece = match incoming.next().await {
            Ok(Some(piece)) => piece,
            Ok(None) => break,
            Err(problem) => {
                // the writer ends, and what it wrote goes with it
                drop(sender);
                let _ = writing.await;
                if problem.code == Code::TooLarge.as_str() {
                    incoming.drain().await;
                }
                return Err(problem);
            }
        };
        if sender.send(piece).await.is_err() {
            incoming.drain().await;
            break;
        }
    }
    drop(sender);
    writing.await.map_err(|_| crate::server::panicked())
}

fn unnamed(file: FileHash) -> Problem {
    let hint = "record the event that names it first, or announce it with POST /v1/evidence";
    Problem::not_found("event, recorded or announced, that names the file", file).hint(hint)
}

fn not_kept(error: NotKept, file: &FileHash, sizes: &[u64]) -> Problem {
    match error {
        NotKept::Mismatch { size, .. } if !sizes.contains(&size) => wrong_size(sizes, size),
        NotKept::Mismatch { sha256, .. } => {
            Problem::mismatch(Code::EvidenceMismatch, "sha256", file.to_string(), &sha256.to_string())
        }
        NotKept::Full => Problem::new(Code::StorageFull, "there is no room for this file").hint("tell the operator"),
        NotKept::Disk(error) => disk_problem(&error),
    }
}

fn wrong_size(sizes: &[u64], found: u64) -> Problem {
    let sizes: Vec<String> = sizes.iter().take(5).map(u64::to_string).collect();
    let expected = format!("{} bytes, as events say", sizes.join(" or "));
    Problem::mismatch(Code::EvidenceMismatch, "size", expected, &format!("{found} bytes"))
}

/// Makes the problem of a disk that failed. What exactly failed goes to the log.
fn disk_problem(error: &std::io::Error) -> Problem {
    tracing::error!(%error, "the evidence folder failed");
    Problem::new(Code::Internal, "the evidence folder failed; the server's log says more under the request's id")
}

fn missing(seq: Seq, naming: &[(Seq, Evidence)], file: FileHash) -> Problem {
    let sizes: Vec<String> = naming.iter().take(5).map(|(seq, e)| format!("entry {seq}: {} bytes", e.size)).collect();
    let detail = format!("file {file} is named ({}), but is not here", sizes.join(", "));
    let mut problem = Problem::new(Code::NotFound, detail).hint("whoever has it can send it: PUT the same path");
    problem.existing = Some(seq);
    problem
}

fn folder(app: &App) -> Result<Arc<EvidenceFolder>, Problem> {
    let folder = app.evidence.get().cloned();
    folder.ok_or_else(|| Problem::new(Code::NotFound, "this server keeps no evidence files"))
}

fn parse_hash(name: &str) -> Result<FileHash, Problem> {
    parse("sha256", name, "a SHA-256, 64 lower-case hex digits")
}

/// The entries that name a file, and what they say of it.
fn named(app: &App, file: &FileHash) -> Result<Vec<(Seq, Evidence)>, Problem> {
    let seqs = app.ledger.store().evidence_seqs(file, Seq(0), MAX_NAMING).map_err(|e| store_problem(&e))?;
    let size = app.ledger.head().size;
    let mut named = Vec::with_capacity(seqs.len());
    for seq in seqs.into_iter().filter(|seq| seq.0 < size.0) {
        let entry = Entry::parse(&lines::one(app, seq)?).map_err(|e| corrupt(&e))?;
        let event = Event::of_envelope(&entry.envelope).map_err(|e| corrupt(&e))?;
        named.extend(event.evidence.into_iter().filter(|e| e.sha256 == *file).map(|evidence| (seq, evidence)));
    }
    Ok(named)
}

async fn view(app: &App, file: FileHash, here: bool) -> Result<EvidenceView, Problem> {
    let (app, folder) = (app.clone(), folder(app)?);
    read(move || {
        let here = here || folder.find(&file).map_err(|e| disk_problem(&e))?.is_some();
        let named = named(&app, &file)?;
        Ok(EvidenceView::new(file, here, named))
    })
    .await?
}

/// What a client asked for.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    All,
    /// From one byte to before another.
    Part(u64, u64),
    /// Bytes that are not there.
    Nothing,
}

/// Reads `Range` and `If-Range` (RFC 9110 §13.1.5, §14.2). What is not one range of bytes is no range at all.
fn asked_range(headers: &HeaderMap, length: u64, tag: &str) -> Asked {
    let mut ranges = headers.get_all(RANGE).iter();
    let (Some(range), None) = (ranges.next(), ranges.next()) else { return Asked::All };
    if headers.get(IF_RANGE).is_some_and(|same| same.as_bytes() != tag.as_bytes()) {
        return Asked::All;
    }
    let text = range.to_str().unwrap_or_default();
    let number = |digits: &str| -> Option<u64> {
        let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        // a number that is too large is beyond any file
        plain.then(|| digits.parse().unwrap_or(u64::MAX))
    };
    let Some((unit, range)) = text.split_once('=') else { return Asked::All };
    let Some((first, last)) = range.trim().split_once('-') else { return Asked::All };
    if !unit.eq_ignore_ascii_case("bytes") {
        return Asked::All;
    }
    let (start, end) = match (first.is_empty(), last.is_empty()) {
        (true, false) => match number(last) {
            Some(suffix) => (length.saturating_sub(suffix), if suffix == 0 { 0 } else { length }),
            None => return Asked::All,
        },
        (false, true) => match number(first) {
            Some(start) => (start, length),
            None => return Asked::All,
        },
        (false, false) => match (number(first), number(last)) {
            (Some(start), Some(last)) if start <= last => (start, last.saturating_add(1).min(length)),
            _ => return Asked::All,
        },
        (true, true) => return Asked::All,
    };
    if start < end { Asked::Part(start, end) } else { Asked::Nothing }
}

fn unsatisfiable(length: u64) -> Response {
    let problem = Problem::new(Code::RangeNotSatisfiable, format!("the file has {length} bytes"));
    let mut response = problem.into_response();
    response.headers_mut().insert(CONTENT_RANGE, header(&format!("bytes */{length}")));
    response
}

/// Tells whether the client has the file (RFC 9110 §13.1.2).
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    tags.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
    })
}

fn describe(headers: &mut HeaderMap, evidence: &Evidence, tag: &str) {
    headers.insert(ETAG, header(tag));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(CONTENT_TYPE, media_type(&evidence.media_type));
    headers.insert(CONTENT_DISPOSITION, header(&disposition(&evidence.name)));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
}

fn header(text: &str) -> HeaderValue {
    HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// The media type that an event says, if it is one without parameters; else that of any bytes.
fn media_type(text: &str) -> HeaderValue {
    let token = |part: &str| {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b);
        (1..=127).contains(&part.len()) && part.bytes().all(plain)
    };
    let whole = text.split_once('/').is_some_and(|(main, sub)| token(main) && token(sub));
    if whole { header(text) } else { HeaderValue::from_static(BYTES) }
}

/// Says what the file is called when it is saved (RFC 6266, RFC 8187): never a path, and nothing that a header or a shell
/// could take for more than a name.
fn disposition(name: &str) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || "._- ".contains(c) { c } else { '_' };
    let plain: String = name.chars().map(safe).collect();
    let plain = plain.trim_start_matches(['.', ' ', '-']);
    let plain = if plain.is_empty() { "evidence" } else { plain };
    let mut encoded = String::new();
    let shown: String = name.trim_start_matches(['.', ' ', '-']).chars().filter(|c| !c.is_control()).collect();
    for byte in crate::escape::printable(&shown).bytes() {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    if encoded.is_empty() {
        return format!("attachment; filename=\"{plain}\"");
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(range: &'static str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert(RANGE, HeaderValue::from_static(range));
        asked_range(&headers, 10, "\"t\"")
    }

    #[test]
    fn ranges() {
        assert_eq!(asked("bytes=0-0"), Asked::Part(0, 1));
        assert_eq!(asked("bytes=3-"), Asked::Part(3, 10));
        assert_eq!(asked("bytes=3-99999999999999999999999"), Asked::Part(3, 10));
        assert_eq!(asked("Bytes=-4"), Asked::Part(6, 10));
        assert_eq!(asked("bytes=-40"), Asked::Part(0, 10));
        for beyond in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(asked(beyond), Asked::Nothing, "{beyond}");
        }
        for none in ["bytes=5-4", "bytes=-", "bytes=a-b", "bytes=0-1,3-4", "lines=0-1", "bytes", "bytes=+1-2", ""] {
            assert_eq!(asked(none), Asked::All, "{none}");
        }
    }

    #[test]
    fn names_are_names() {
        assert_eq!(disposition("photo 1.jpg"), "attachment; filename=\"photo 1.jpg\"; filename*=UTF-8''photo%201.jpg");
        let hostile = disposition("..\"; filename=x\r\n.exe");
        assert!(!hostile[22..].trim_end().contains(['\r', '\n']) && hostile.matches('"').count() == 2, "{hostile}");
        assert_eq!(disposition("..."), "attachment; filename=\"evidence\"");
        let cyrillic = disposition("фото\u{202e}gpj.exe");
        assert!(cyrillic.is_ascii() && !cyrillic.contains("%E2%80%AE"), "{cyrillic}");
        assert_eq!(media_type("image/jpeg"), "image/jpeg");
        for bad in ["", "x", "text/html; charset=utf-8", "a/b/c", "text/x\r\ny", "текст/x"] {
            assert_eq!(media_type(bad), BYTES, "{bad}");
        }
    }
}
