//! The wish to stop, from outside the run or from its lock.

use std::sync::Arc;

use tokio::sync::watch;

use crate::error::{Error, Kind, Result};

/// Why a run shall stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    Signal(i32),
    /// The time allowed, in minutes, is over.
    Deadline(u64),
    /// Another run may be at work at the same output by now.
    LockLost,
}

/// A wish to stop, which may come at any time before the run commits.
pub struct Stop {
    wish: watch::Receiver<Option<Wish>>,
    stopper: Stopper,
}

/// Whoever may wish it.
#[derive(Clone)]
pub struct Stopper(Arc<watch::Sender<Option<Wish>>>);

impl Stop {
    pub fn new() -> (Stopper, Stop) {
        let (sender, wish) = watch::channel(None);
        let stopper = Stopper(Arc::new(sender));
        (stopper.clone(), Stop { wish, stopper })
    }

    pub(super) fn stopper(&self) -> Stopper {
        self.stopper.clone()
    }

    /// The work's result, or an error as soon as the wish comes; the work is then dropped.
    pub(super) async fn or<T>(&mut self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            wish = self.wish() => Err(wish.error()),
            result = work => result,
        }
    }

    async fn wish(&mut self) -> Wish {
        match self.wish.wait_for(Option::is_some).await.map(|wish| *wish) {
            Ok(Some(wish)) => wish,
            // Cannot be: this end holds a stopper, too.
            _ => std::future::pending().await,
        }
    }
}

impl Wish {
    fn error(self) -> Error {
        match self {
            Wish::Signal(signal) => {
                Error::new(Kind::Stopped { signal }, "stopped by a signal; nothing was published")
            }
            Wish::Deadline(minutes) => {
                Error::busy(format!("not done after {minutes} minutes; nothing was published"))
                    .hint("raise --max-minutes, or give the run more processors or memory")
            }
            Wish::LockLost => {
                Error::busy("the lock on the output could not be renewed; nothing was published")
                    .hint("run again; if it happens again, see whether the storage answers in time")
            }
        }
    }
}

impl Stopper {
    /// Only the first wish counts.
    pub fn send(&self, wish: Wish) {
        self.0.send_if_modified(|there| {
            let is_first = there.is_none();
            if is_first {
                *there = Some(wish);
            }
            is_first
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_wish_ends_the_work() {
        for (wish, kind) in [
            (Wish::Signal(15), Kind::Stopped { signal: 15 }),
            (Wish::Deadline(5), Kind::Busy),
            (Wish::LockLost, Kind::Busy),
        ] {
            let (stopper, mut stop) = Stop::new();
            assert_eq!(stop.or(async { Ok(1) }).await.unwrap(), 1);
            stopper.send(wish);
            stop.stopper().send(Wish::Signal(2));
            let ended = stop.or(std::future::pending::<Result<()>>()).await;
            assert_eq!(ended.unwrap_err().kind(), kind);
        }
    }
}
