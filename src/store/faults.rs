//! Failures on purpose, for the tests of publication; without the order nothing here does anything.
//!
//! `AFTERSALE_FAULT="<action> <number> <address>"` makes the stores whose address begins so fail at their
//! `number`-th step, counted from 1 over all of the process. A step is the moment before or after a
//! request, so that a failure after one is a reply that was lost.
//!
//! | action | what happens at the step |
//! |---|---|
//! | `error` | the request fails |
//! | `kill` | the process ends at once, as by SIGKILL: nothing is cleaned up |
//! | `panic` | the program breaks off |
//! | `full` | writing fails once `number` bytes have been written: the disk is full |

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use object_store::Error as Raw;

const ORDER: &str = "AFTERSALE_FAULT";

static STEPS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Error,
    Kill,
    Panic,
    Full,
}

/// What goes wrong in one store, and when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Faults {
    action: Action,
    number: u64,
}

impl Faults {
    /// The order for the store at this address, if there is one.
    pub fn ordered(environment: &BTreeMap<String, String>, url: &str) -> Option<Faults> {
        let mut words = environment.get(ORDER)?.splitn(3, ' ');
        let action = match words.next()? {
            "error" => Action::Error,
            "kill" => Action::Kill,
            "panic" => Action::Panic,
            "full" => Action::Full,
            _ => return None,
        };
        let number = words.next()?.parse().ok()?;
        url.starts_with(words.next()?).then_some(Faults { action, number })
    }

    pub fn step(self) -> io::Result<()> {
        if self.action == Action::Full || STEPS.fetch_add(1, Relaxed) + 1 != self.number {
            return Ok(());
        }
        match self.action {
            Action::Kill => std::process::abort(),
            Action::Panic => panic!("a panic on purpose"),
            _ => Err(io::Error::other("a failure on purpose")),
        }
    }

    pub fn writes(self, bytes: usize) -> io::Result<()> {
        let written = BYTES.fetch_add(bytes as u64, Relaxed) + bytes as u64;
        if self.action == Action::Full && written > self.number {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "no space left, on purpose"));
        }
        Ok(())
    }
}

/// The failure as the storage client would report it.
pub(super) fn as_raw(failure: io::Error) -> Raw {
    Raw::Generic { store: "fault", source: failure.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_for_one_place() {
        let order = |text: &str| BTreeMap::from([(ORDER.to_string(), text.to_string())]);
        assert!(Faults::ordered(&BTreeMap::new(), "/out").is_none());
        assert!(Faults::ordered(&order("kill 3 /out"), "/in").is_none());
        assert!(Faults::ordered(&order("trip 3 /out"), "/out").is_none());
        let full = Faults::ordered(&order("full 10 /out"), "/out/runs").expect("an order");
        assert!(full.step().is_ok() && full.writes(10).is_ok());
        assert_eq!(full.writes(1).unwrap_err().kind(), io::ErrorKind::StorageFull);
        let error = Faults::ordered(&order("error 2 s3://lake"), "s3://lake/out").expect("an order");
        assert!(error.step().is_ok() && error.step().is_err() && error.step().is_ok());
    }
}
