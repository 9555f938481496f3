//! Signals of the operating system to stop.

use tokio::signal::unix::{SignalKind, signal};

/// Completes at the first SIGINT or SIGTERM; a second one ends the process at once with exit code 130.
///
/// Call it before anything is worth interrupting: the handlers are in place when it returns its future.
///
/// # Panics
/// When called outside a tokio runtime or when the handlers cannot be installed, both at start only.
pub fn shutdown_signal(tasks: &super::Tasks) -> impl Future<Output = ()> + use<> {
    let mut interrupt = signal(SignalKind::interrupt()).expect("install the SIGINT handler");
    let mut terminate = signal(SignalKind::terminate()).expect("install the SIGTERM handler");
    let (first_tx, first_rx) = tokio::sync::oneshot::channel::<()>();
    tasks.spawn_detached("signals", async move {
        let mut wait = async || {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        };
        wait().await;
        // Dropping the sender completes the receiver, which is all that it is for.
        drop(first_tx);
        wait().await;
        std::process::exit(130);
    });
    async move {
        // Nothing is ever sent: the sender is dropped at the first signal, or with the runtime.
        drop(first_rx.await);
    }
}
