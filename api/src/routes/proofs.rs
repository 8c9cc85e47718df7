//! `/v1/proofs`: that an entry is in a tree, and that one tree begins with another (RFC 9162 §2.1).

use axum::Json;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use countersign_ledger::hash::LeafHash;
use countersign_ledger::id::{Seq, TreeSize};
use countersign_ledger::proof::Receipt;

use super::{entries, lines, store_problem};
use crate::problem::{Code, Problem};
use crate::server::input::{MAX_NUMBER, Params, Segments};
use crate::server::{App, read};
use crate::wire::{Base64Hash, ConsistencyProof, InclusionProof, TEXT};

/// A proof that an entry is in the tree of a size.
#[utoipa::path(
    get, path = "/v1/proofs/inclusion", tag = "log",
    params(
        ("seq" = u64, Query, description = "the entry"),
        ("size" = Option<u64>, Query, description = "the size of the tree; the present one unless given"),
    ),
    responses(
        (status = 200, description = "the proof", body = InclusionProof),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the ledger is not so large, or the entry is not in that tree: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn inclusion(State(app): State<App>, mut params: Params) -> Result<Json<InclusionProof>, Problem> {
    let seq = Seq(params.required("seq", 0, MAX_NUMBER)?);
    let size = params.number("size", 1, MAX_NUMBER)?.map(TreeSize);
    params.finish()?;
    let head = app.ledger.head().size;
    let size = size.unwrap_or(head);
    let proof = read(move || -> Result<_, Problem> {
        let Some(hashes) = app.ledger.inclusion(seq, size).map_err(|e| store_problem(&e))? else { return Ok(None) };
        let leaf_hash = LeafHash::of_line(&lines::one(&app, seq)?);
        let hashes = hashes.into_iter().map(Base64Hash).collect();
        Ok(Some(InclusionProof { seq, size, leaf_hash, hashes }))
    });
    let missing = || {
        let detail = format!("no proof of entry {seq} in a tree of {size}: the ledger has {head} entries");
        Problem::new(Code::NotFound, detail)
    };
    proof.await??.map(Json).ok_or_else(missing)
}

/// A proof that the tree of one size begins with that of another.
#[utoipa::path(
    get, path = "/v1/proofs/consistency", tag = "log",
    params(
        ("old" = u64, Query, description = "the size of the earlier tree, from 1"),
        ("new" = Option<u64>, Query, description = "the size of the later tree; the present one unless given"),
    ),
    responses(
        (status = 200, description = "the proof", body = ConsistencyProof),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "the ledger is not so large: `not_found`", body = Problem,
            content_type = "application/problem+json"),
    )
)]
pub(crate) async fn consistency(State(app): State<App>, mut params: Params) -> Result<Json<ConsistencyProof>, Problem> {
    let old = TreeSize(params.required("old", 1, MAX_NUMBER)?);
    let new = params.number("new", 1, MAX_NUMBER)?.map(TreeSize);
    params.finish()?;
    let head = app.ledger.head().size;
    let new = new.unwrap_or(head);
    if new <= head && old > new {
        let found = format!("{old} > {new}");
        return Err(Problem::mismatch(Code::BadParameter, "old", "at most `new`", &found));
    }
    let proof = read(move || app.ledger.consistency(old, new).map_err(|e| store_problem(&e))).await??;
    let missing = || {
        let detail = format!("no proof between trees of {old} and {new}: the ledger has {head} entries");
        Problem::new(Code::NotFound, detail)
    };
    let hashes = proof.ok_or_else(missing)?.into_iter().map(Base64Hash).collect();
    Ok(Json(ConsistencyProof { old, new, hashes }))
}

/// The C2SP tlog-proof of an entry at the present checkpoint, or at the latest that witnesses cosigned.
#[utoipa::path(
    get, path = "/v1/proofs/receipt/{seq}", tag = "log",
    params(
        ("seq" = u64, Path, description = "the entry"),
        ("checkpoint" = Option<String>, Query, description = "`witnessed`: at the latest checkpoint that the quorum of witnesses cosigned"),
    ),
    responses(
        (status = 200, description = "the proof, with the checkpoint that it leads to", body = String, content_type = "text/plain"),
        (status = 400, description = "`bad_parameter`", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "`not_found`", body = Problem, content_type = "application/problem+json"),
    )
)]
pub(crate) async fn receipt(
    State(app): State<App>,
    Segments(seq): Segments<String>,
    mut params: Params,
) -> Result<Response, Problem> {
    let witnessed = params.choice("checkpoint", &["witnessed"])?.is_some();
    params.finish()?;
    let seq = entries::existing(&app, &seq)?;
    let receipt = read(move || entry_receipt(&app, seq, witnessed)).await??;
    Ok(([(CONTENT_TYPE, TEXT)], receipt.proof().to_string()).into_response())
}

/// Makes the receipt of an entry that is there, at the present checkpoint or at the latest that witnesses cosigned.
///
/// # Errors
/// When the entry is not below that checkpoint, or the store fails.
pub(crate) fn entry_receipt(app: &App, seq: Seq, witnessed: bool) -> Result<Receipt, Problem> {
    let missing = || Problem::not_found("entry", seq);
    if !witnessed {
        return app.ledger.receipt(seq).map_err(|e| store_problem(&e))?.ok_or_else(missing);
    }
    let checkpoint = super::witnesses::witnessed(app)?;
    let hint = format!("witnesses have cosigned {} entries so far: try again later", checkpoint.checkpoint().size);
    let receipt = app.ledger.receipt_at(seq, &checkpoint).map_err(|e| store_problem(&e))?;
    receipt.ok_or_else(|| missing().hint(hint))
}
