//! The wish to stop, from outside the run.

use crate::error::{Error, Kind, Result};

/// A wish to stop, which may come at any time before the run commits.
pub struct Stop(tokio::sync::watch::Receiver<Option<i32>>);

/// Whoever may wish it.
pub struct Stopper(tokio::sync::watch::Sender<Option<i32>>);

impl Stop {
    pub fn new() -> (Stopper, Stop) {
        let (sender, receiver) = tokio::sync::watch::channel(None);
        (Stopper(sender), Stop(receiver))
    }

    /// The work's result, or `Kind::Stopped` as soon as the wish comes; the work is then dropped.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            signal = self.signal() => {
                Err(Error::new(Kind::Stopped { signal }, "stopped by a signal; nothing was published"))
            }
            result = work => result,
        }
    }

    async fn signal(&mut self) -> i32 {
        match self.0.wait_for(Option::is_some).await.map(|signal| *signal) {
            Ok(Some(signal)) => signal,
            // Nobody can wish it any more.
            _ => std::future::pending().await,
        }
    }
}

impl Stopper {
    pub fn send(&self, signal: i32) {
        // The run may have ended in the meantime.
        let _ = self.0.send(Some(signal));
    }
}
