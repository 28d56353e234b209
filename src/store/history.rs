//! `history.json`: which runs were published here, in which order.
//!
//! It is written after the commit; a run that ended in between is entered by the next one, which sees it
//! in `latest.json` and enters it before it commits itself. So every run that readers were ever sent to
//! stands here by the time they are sent elsewhere.

use serde::{Deserialize, Serialize};

use super::Store;
use super::publish::{json, parse};
use crate::error::Result;

const HISTORY: &str = "history.json";

/// All runs, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    pub runs: Vec<Entry>,
}

/// One run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Counts the runs published here, from 1.
    pub order: u64,
    pub run_id: String,
    pub as_of: String,
    pub fingerprint: String,
    /// False for a run of an older day, which was kept and never was the latest.
    pub was_latest: bool,
    /// Its files have been removed since.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_removed: bool,
}

impl History {
    pub async fn read(output: &Store) -> Result<History> {
        let text = output.read_if_there(HISTORY).await?;
        Ok(text.map(|text| parse(output, HISTORY, &text)).transpose()?.unwrap_or_default())
    }

    pub fn entry(&self, run_id: &str) -> Option<&Entry> {
        self.runs.iter().find(|entry| entry.run_id == run_id)
    }

    /// Enters a run at the end, unless it is there.
    pub(super) async fn enter(output: &Store, entry: Entry) -> Result<()> {
        change(output, |history| {
            if history.entry(&entry.run_id).is_some() {
                return false;
            }
            let order = history.runs.last().map_or(0, |last| last.order) + 1;
            history.runs.push(Entry { order, ..entry.clone() });
            true
        })
        .await
    }

    pub(super) async fn removed(output: &Store, run_id: &str) -> Result<()> {
        change(output, |history| match history.runs.iter_mut().find(|entry| entry.run_id == run_id) {
            Some(entry) if !entry.is_removed => {
                entry.is_removed = true;
                true
            }
            _ => false,
        })
        .await
    }
}

async fn change(output: &Store, mut change: impl FnMut(&mut History) -> bool) -> Result<()> {
    output
        .update(HISTORY, |text| {
            let mut history: History =
                text.map(|text| parse(output, HISTORY, text)).transpose()?.unwrap_or_default();
            if change(&mut history) { json(&history).map(Some) } else { Ok(None) }
        })
        .await
        .map(|_| ())
}
