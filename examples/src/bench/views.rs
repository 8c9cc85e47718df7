//! Views: how fast entries are applied, beside how fast they are appended; how fast an item is found among many.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use countersign_ledger::id::TreeSize;
use countersign_ledger::store::Store;
use countersign_ledger::store::memory::MemoryStore;
use countersign_ledger::views::query::ItemFilter;
use countersign_ledger::views::rocks::{RocksKv, ViewOptions};
use countersign_ledger::views::{Readers, Views};
use rayon::prelude::*;
use serde_json::json;

use super::append;
use crate::world::{World, payload, signed};

/// Serials of one dispatch.
const SERIALS: usize = 500;

/// Opens new views in a folder.
///
/// # Errors
/// When the disk refuses.
pub fn open(folder: &Path) -> Result<Views> {
    Ok(Views::new(Arc::new(RocksKv::open(folder, &ViewOptions::default())?)))
}

/// Applies every entry to new views in a folder, and returns the time that it took: `batch` entries a write.
///
/// # Errors
/// When the store or the disk fail.
pub fn apply(store: &dyn Store, folder: &Path, batch: usize, readers: Readers) -> Result<(Views, Duration)> {
    let size = store.head()?.map_or(TreeSize(0), |head| head.size);
    let views = open(folder)?;
    let started = Instant::now();
    views.catch_up(store, size, batch, readers, |_| {})?;
    Ok((views, started.elapsed()))
}

/// What was measured over many items.
#[derive(Debug)]
pub struct Found {
    /// How many items.
    pub items: usize,
    /// How long it took to make the views of them.
    pub built: Duration,
    /// Half of the look-ups by serial took no longer.
    pub p50: Duration,
    /// 99 of 100 took no longer.
    pub p99: Duration,
    /// 99 of 100 look-ups of an item with its history took no longer.
    pub history_p99: Duration,
}

/// Makes a ledger in memory of few entries with many serials each, views of it on disk, and looks items up by serial.
///
/// # Errors
/// When an event is refused, or an item is not found.
pub fn look_up(items: usize, look_ups: usize) -> Result<Found> {
    let folder = tempfile::tempdir()?;
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let world = World::begin(Arc::clone(&store), None)?;
    let dispatches = items.div_ceil(SERIALS);
    let events: Result<Vec<_>> = (0..dispatches).into_par_iter().map(|n| many(&world, n)).collect();
    append::bulk(&world.ledger, events?)?;
    let (views, built) = apply(&*store, &folder.path().join("views"), 256, Readers::All)?;
    let view = views.view()?;
    let (mut by_serial, mut histories) = (Vec::with_capacity(look_ups), Vec::with_capacity(look_ups));
    for n in 0..look_ups {
        // anywhere, in no order: a prime step through all of them
        let at = n.wrapping_mul(7_368_787) % (dispatches * SERIALS);
        let filter = ItemFilter { serial: Some(serial(at / SERIALS, at % SERIALS)), ..ItemFilter::default() };
        let started = Instant::now();
        let page = view.items(&filter, None, 100)?;
        by_serial.push(started.elapsed());
        let [item] = page.found.as_slice() else { anyhow::bail!("expected one item of {filter:?}, found {page:?}") };
        let started = Instant::now();
        let history = view.item(&item.description.key)?.context("an item with its history")?;
        histories.push(started.elapsed());
        ensure!(history.description == item.description, "the item that was found");
    }
    by_serial.sort_unstable();
    histories.sort_unstable();
    let at = |times: &[Duration], of_100: usize| times.get(times.len() * of_100 / 100).copied().unwrap_or_default();
    let items = dispatches * SERIALS;
    Ok(Found { items, built, p50: at(&by_serial, 50), p99: at(&by_serial, 99), history_p99: at(&histories, 99) })
}

fn serial(dispatch: usize, n: usize) -> String {
    format!("SYN-{dispatch:05}-{n:03}")
}

/// Makes a dispatch of many items.
fn many(world: &World, n: usize) -> Result<countersign_ledger::submission::Submission> {
    let serials: Vec<String> = (0..SERIALS).map(|at| serial(n, at)).collect();
    let body = json!({
        "document_number": format!("W1A2B3{:08}", n),
        "lines": [{
            "line": "1", "nomenclature": "RIFLE,5.56 MILLIMETER", "quantity": SERIALS.to_string(), "unit": "EA",
            "nsn": "1005-01-231-0973", "serials": serials,
        }],
    });
    let subject = format!("consignment/m-{n:07}");
    let mut event = payload(Some(world.id), "transfer.dispatched", &subject, "xd-moda", &body);
    event["case"] = json!(crate::world::CASE);
    signed(&event, &[&world.donor])
}
