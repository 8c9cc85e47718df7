//! Checkpoints and tiles where C2SP tlog-tiles puts them.
//!
//! A tile or entry bundle never changes once its path has content: `.p/W` is the first W of what the full one will
//! hold, and stays available after the full one exists. So all of them may be cached for ever; the checkpoint never.

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use countersign_ledger::id::Seq;
use countersign_ledger::tile::{FULL_WIDTH, TileResource};

use super::lines::{self, Framing};
use super::store_problem;
use crate::problem::{Code, Problem};
use crate::server::input::Segments;
use crate::server::{App, read};
use crate::wire::{BYTES, TEXT};

/// A year: what is immutable may be kept as long as caches keep anything.
const IMMUTABLE: &str = "public, max-age=31536000, immutable";

/// The signed checkpoint over everything that is durable (SPEC §7): a C2SP signed note, with the cosignatures that
/// witnesses have given it so far.
#[utoipa::path(
    get, path = "/v1/checkpoint", tag = "log",
    responses((status = 200, description = "the note", body = String, content_type = "text/plain"))
)]
pub(crate) async fn checkpoint(State(app): State<App>) -> Response {
    let note = match app.witnesses() {
        Some(witnesses) => witnesses.cosigned(app.ledger.checkpoint()).to_string(),
        None => app.ledger.head().checkpoint,
    };
    ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, "no-cache")], note).into_response()
}

/// The same checkpoint, where C2SP tlog-tiles has it.
#[utoipa::path(
    get, path = "/checkpoint", tag = "log",
    responses((status = 200, description = "the note", body = String, content_type = "text/plain"))
)]
pub(crate) async fn root_checkpoint(state: State<App>) -> Response {
    checkpoint(state).await
}

/// A tile of hashes (C2SP tlog-tiles): `/tile/0/x001/234` or, while it is not full, `/tile/0/x001/234.p/17`.
#[utoipa::path(
    get, path = "/tile/{level}/{index}", tag = "log",
    params(
        ("level" = u8, Path, description = "0 for leaf hashes, to 63"),
        ("index" = String, Path, description = "in groups of three digits, all but the last after an `x`; it has slashes in it, \
            and ends in `.p/W` for the first W hashes of a tile"),
    ),
    responses(
        (status = 200, description = "32 bytes a hash", body = [u8], content_type = "application/octet-stream"),
        (status = 400, description = "no such path: `bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the tree does not reach so far: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn tile(
    State(app): State<App>,
    Segments((level, index)): Segments<(String, String)>,
) -> Result<Response, Problem> {
    serve(app, format!("tile/{level}/{index}")).await
}

/// A bundle of entries (C2SP tlog-tiles): each line after its length as two bytes.
#[utoipa::path(
    get, path = "/tile/entries/{index}", tag = "log",
    params(("index" = String, Path, description = "as for tiles of hashes")),
    responses(
        (status = 200, description = "the entries", body = [u8], content_type = "application/octet-stream"),
        (status = 400, description = "no such path: `bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the tree does not reach so far: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn entries(State(app): State<App>, Segments(index): Segments<String>) -> Result<Response, Problem> {
    serve(app, format!("tile/entries/{index}")).await
}

async fn serve(app: App, path: String) -> Result<Response, Problem> {
    let resource: TileResource = path.parse().map_err(|e| Problem::new(Code::BadParameter, format!("{e}")))?;
    let size = app.ledger.head().size;
    let (asked, there) = (resource.width(), resource.width_in(size));
    if there.is_none_or(|there| there < asked) {
        let problem = Problem::not_found("tile", format_args!("{resource} in a tree of {size} entries"));
        return Err(match there {
            Some(there) => problem.hint(format!("the tile is partial: ask for its first {there} with .p/{there}")),
            None => problem,
        });
    }
    let body = match resource {
        TileResource::Entries { index, .. } => {
            let from = index * u64::from(FULL_WIDTH);
            lines::stream(app, Seq(from), u64::from(asked.hashes()), Framing::Length)
        }
        TileResource::Hashes { tile, .. } => {
            let hashes = read(move || app.ledger.store().tile(tile.level(), tile.index())).await?;
            let hashes = hashes.map_err(|e| store_problem(&e))?.unwrap_or_default();
            let Some(hashes) = hashes.get(..usize::from(asked.hashes())) else {
                return Err(Problem::new(Code::Internal, format!("{resource} is not stored as it should be")));
            };
            Body::from(hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>())
        }
    };
    Ok(([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, IMMUTABLE)], body).into_response())
}
