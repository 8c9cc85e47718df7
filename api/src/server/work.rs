//! Where work is done that is not waiting: signatures on all cores, store reads on threads that may block.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use crate::problem::{Code, Problem};

/// Runs a computation on the pool that has one thread a core.
///
/// # Errors
/// When the computation panicked.
pub(crate) async fn compute<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    let (sender, receiver) = oneshot::channel();
    spawn(move || {
        // Nobody listens any more when the client has gone.
        let _ = sender.send(job());
    });
    receiver.await.map_err(|_| panicked())
}

/// Starts a computation on the pool that has one thread a core. A panic in it ends it alone; what it would have sent
/// is then never sent.
pub(crate) fn spawn(job: impl FnOnce() + Send + 'static) {
    rayon::spawn(move || {
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a computation panicked");
        }
    });
}

/// Runs something that waits for the disk.
///
/// # Errors
/// When it panicked.
pub(crate) async fn read<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> Result<T, Problem> {
    tokio::task::spawn_blocking(job).await.map_err(|_| panicked())
}

/// Makes the problem of a computation that did not end.
pub(crate) fn panicked() -> Problem {
    Problem::new(Code::Internal, "the server failed in this request; its log says more under the request's id")
}
