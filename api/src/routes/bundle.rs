//! `/v1/bundle`: the whole ledger as a file that can be checked offline (SPEC §11), written as fast as it is taken.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::{ACCEPT_ENCODING, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::{IntoResponse, Response};
use countersign_ledger::bundle::{BundleChunks, Compression};
use countersign_ledger::store::Store;
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::corrupt;
use crate::problem::{Code, Problem};
use crate::server::input::Params;
use crate::server::{App, read};
use crate::wire::{JSONL, ZSTD};

/// Fast, and small enough.
const LEVEL: i32 = 3;

/// The full bundle as of the present checkpoint: `application/jsonl`, compressed on the way where the client accepts zstd; or
/// with `?compress=zstd` the compressed file itself.
#[utoipa::path(
    get, path = "/v1/bundle", tag = "log",
    params(("compress" = Option<String>, Query, description = "`zstd`: the bundle as a compressed file")),
    responses(
        (status = 200, description = "the bundle, streamed; an answer that breaks off is not a bundle", content(
            (String = "application/jsonl"), (String = "application/zstd"),
        )),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "`busy`: too many exports run", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn bundle(
    State(app): State<App>,
    mut params: Params,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let file = params.choice("compress", &["zstd"])?.is_some();
    params.finish()?;
    let encoded = !file && accepts_zstd(&headers);
    let place = tokio::time::timeout(app.limits.queue_wait, app.exports.clone().acquire_owned()).await;
    let Ok(Ok(place)) = place else {
        return Err(Problem::new(Code::Busy, "too many exports run").retry_after(30));
    };
    let compression = if file || encoded { Compression::Zstd(LEVEL) } else { Compression::None };
    let head = app.ledger.head();
    let name = format!(
        "attachment; filename=\"{}-{}.bundle.jsonl{}\"",
        app.ledger.id(),
        head.size,
        if file { ".zst" } else { "" }
    );
    let ledger = app.ledger.clone();
    let chunks = read(move || BundleChunks::full(ledger.store().clone(), ledger.id(), &head, compression));
    let chunks = chunks.await?.map_err(|e| corrupt(&e))?;
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

/// An export under way, and its place among those that may run.
struct Export {
    chunks: BundleChunks<Arc<dyn Store>>,
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
