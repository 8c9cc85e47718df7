//! `/v1/bundle`: the whole ledger, or an extract of it, as a file that can be checked offline (SPEC §11), written as
//! fast as it is taken.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use countersign_ledger::append::Ledger;
use countersign_ledger::bundle::{BundleChunks, BundleError, Compression, LastLeaf, Scope};
use countersign_ledger::id::{CaseId, Subject, TreeSize};
use countersign_ledger::store::{Head, Store};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::{corrupt, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, parse};
use crate::server::{App, read};
use crate::wire::{JSONL, ZSTD};

/// Fast, and small enough.
const LEVEL: i32 = 3;

/// The full bundle as of the present checkpoint, or an extract: `application/jsonl`, compressed on the way where the client accepts zstd; or
/// with `?compress=zstd` the compressed file itself.
#[utoipa::path(
    get, path = "/v1/bundle", tag = "log",
    params(
        ("case" = Option<String>, Query, description = "an extract of this case, and what bears on it"),
        ("subject" = Option<String>, Query, description = "only of this subject in the case, and what it rests on"),
        ("since" = Option<u64>, Query, description = "an extract of what was recorded from this size on"),
        ("checkpoint" = Option<String>, Query, description = "`witnessed`: as of the latest checkpoint that the quorum of witnesses cosigned, with its cosignatures"),
        ("last" = Option<String>, Query, description = "`withheld`: do not show the ledger's last entry where it is of another case; the checkpoint is undecided then"),
        ("compress" = Option<String>, Query, description = "`zstd`: the bundle as a compressed file"),
    ),
    responses(
        (status = 200, description = "the bundle, streamed; an answer that breaks off is not a bundle", content(
            (String = "application/jsonl"), (String = "application/zstd"),
        )),
        (status = 404, description = "`not_found`: there is no such case, or no such subject in it, or no witnessed checkpoint", body = Problem, content_type = "application/problem+json"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many exports run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn bundle(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let scope = scope(&mut params)?;
    answer(app, What::Scope(scope), params, &headers).await
}

/// What a bundle is to show.
pub(super) enum What {
    /// What is there.
    Scope(Scope),
    /// That there is no such case, or no such subject in it.
    Absence(CaseId, Option<Subject>),
}

impl What {
    /// Names it within a file's name.
    fn name(&self) -> String {
        match self {
            Self::Scope(Scope::Full) => String::new(),
            Self::Scope(Scope::Case(case) | Scope::Stream(case, _)) => format!("-{case}"),
            Self::Scope(Scope::Since(since)) => format!("-since-{since}"),
            Self::Absence(case, _) => format!("-no-{case}"),
        }
    }

    /// Begins the bundle; says also how many entries it is of.
    /// It is as of `witnessed`, or of the present head.
    fn begin(
        self,
        ledger: &Ledger,
        witnessed: Option<Head>,
        last: LastLeaf,
        compression: Compression,
    ) -> Result<(Chunks, TreeSize), Problem> {
        let (store, id) = (ledger.store().clone(), ledger.id());
        // first the seal, then the head: it is below it
        let sealed = match &self {
            Self::Scope(Scope::Full | Scope::Since(_)) => None,
            _ => ledger.sealed().map_err(|e| store_problem(&e))?,
        };
        let head = witnessed.unwrap_or_else(|| ledger.head());
        let sealed = sealed.filter(|sealed| sealed.seq.0 < head.size.0);
        let chunks = match self {
            Self::Scope(Scope::Full) => BundleChunks::full(store, id, &head, compression),
            Self::Scope(scope) => BundleChunks::of_scope(store, id, &head, scope, last, sealed.as_ref(), compression),
            Self::Absence(case, subject) => {
                let sealed = sealed.ok_or_else(super::seals::no_seal)?;
                BundleChunks::of_absence(store, id, &head, (case, subject), last, &sealed, compression)
            }
        };
        Ok((chunks.map_err(problem)?, head.size))
    }
}

/// Streams a bundle, in the form that the rest of the parameters and the headers ask for.
pub(super) async fn answer(app: App, what: What, mut params: Params, headers: &HeaderMap) -> Result<Response, Problem> {
    let file = params.choice("compress", &["zstd"])?.is_some();
    let witnessed = params.choice("checkpoint", &["witnessed"])?.is_some();
    let last = params.choice("last", &["withheld"])?.map_or(LastLeaf::Shown, |_| LastLeaf::Withheld);
    params.finish()?;
    let encoded = !file && accepts_zstd(headers);
    let place = tokio::time::timeout(app.limits.queue_wait, app.exports.clone().acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        return Err(Problem::new(Code::Busy, "too many exports run").retry_after(30));
    };
    let compression = if file || encoded { Compression::Zstd(LEVEL) } else { Compression::None };
    let (id, name) = (app.ledger.id(), what.name());
    let witnessed = if witnessed {
        let checkpoint = super::witnesses::witnessed(&app)?;
        Some(Head { size: checkpoint.checkpoint().size, checkpoint: checkpoint.to_string() })
    } else {
        None
    };
    let ledger = app.ledger.clone();
    let (chunks, size) = read(move || what.begin(&ledger, witnessed, last, compression)).await??;
    let zst = if file { ".zst" } else { "" };
    let name = format!("attachment; filename=\"{id}-{size}{name}.bundle.jsonl{zst}\"");
    let pieces = stream::try_unfold(Export { chunks, _place: place }, |export| async move {
        let piece = read(move || export.piece()).await;
        piece.and_then(|piece| piece).inspect_err(|_| tracing::error!("an export broke off"))
    });
    let mut response = ([(CONTENT_TYPE, if file { ZSTD } else { JSONL })], Body::from_stream(pieces)).into_response();
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    headers
        .insert(CONTENT_DISPOSITION, HeaderValue::try_from(name).expect("hex digits and numbers are a header value"));
    if encoded {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("zstd"));
    }
    Ok(response)
}

/// Reads what the bundle is to hold.
fn scope(params: &mut Params) -> Result<Scope, Problem> {
    let case = params.take("case")?.map(|text| parse::<CaseId>("case", &text, "a case id")).transpose()?;
    let subject = params.take("subject")?.map(|text| parse::<Subject>("subject", &text, "a subject")).transpose()?;
    let since = params.number("since", 0, MAX_NUMBER)?;
    match (case, subject, since) {
        (None, None, None) => Ok(Scope::Full),
        (Some(case), None, None) => Ok(Scope::Case(case)),
        (Some(case), Some(subject), None) => Ok(Scope::Stream(case, subject)),
        (None, None, Some(since)) => Ok(Scope::Since(TreeSize(since))),
        (None, Some(_), _) => Err(Problem::mismatch(Code::BadParameter, "subject", "a case beside it", "none")),
        (Some(_), _, Some(_)) => Err(Problem::mismatch(Code::BadParameter, "since", "no case beside it", "one")),
    }
}

fn problem(error: BundleError) -> Problem {
    match error {
        BundleError::NoCase { case } => Problem::not_found("case", case).hint("GET /v1/cases lists them"),
        BundleError::NoSubject { case, subject } => {
            Problem::not_found("subject", format_args!("{subject} in case {case}"))
        }
        BundleError::NotYet { since, size } => Problem::mismatch(
            Code::BadParameter,
            "since",
            format!("a size of at most {size}, the ledger's"),
            &since.to_string(),
        ),
        BundleError::Present { what } => {
            Problem::new(Code::Present, format!("there is {what}")).hint("GET /v1/bundle exports it")
        }
        other => corrupt(&other),
    }
}

type Chunks = BundleChunks<Arc<dyn Store>>;

/// An export under way, and its place among those that may run.
struct Export {
    chunks: Chunks,
    _place: OwnedSemaphorePermit,
}

impl Export {
    fn piece(mut self) -> Result<Option<(Bytes, Self)>, Problem> {
        match self.chunks.next() {
            None => Ok(None),
            Some(Ok(piece)) => Ok(Some((Bytes::from(piece), self))),
            Some(Err(error)) => Err(corrupt(&error)),
        }
    }
}

/// Tells whether the client accepts `zstd` as a content coding (RFC 9110 §12.5.3, RFC 9659).
fn accepts_zstd(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let refused =
            parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0)));
        name.eq_ignore_ascii_case("zstd") && !refused
    })
}
