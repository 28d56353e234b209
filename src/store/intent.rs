//! `intent.json`: the runs that are not finished, and what they were about to write.
//!
//! A run enters itself before it writes its first object and leaves when it has been published or has
//! removed what it wrote; so whatever a killed run left is named here, and only what is named is removed.
//!
//! ```text
//!             ┌─> (gone)     published as the latest, or removed by itself
//! writing ────┼─> complete   a run of an older day: it stays, though nothing points to it
//!             └─> removing   by a later run; from here on it can no longer become complete
//! ```

use serde::{Deserialize, Serialize};

use super::Store;
use super::publish::{json, parse};
use crate::error::{Error, Result};

const INTENTS: &str = "intent.json";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Intents {
    unfinished: Vec<Intent>,
}

/// One unfinished run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Intent {
    pub run_id: String,
    /// SHA-256 of `latest.json` when the run began; none: there was none. The run can be published only
    /// for as long as that has not changed.
    pub fence: Option<String>,
    pub state: State,
    /// What it writes, relative to its folder: names, and patterns for the parts of tables.
    pub names: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum State {
    Writing,
    Complete,
    Removing,
}

impl Intent {
    /// Whether the run was about to write this object.
    pub fn names(&self, path: &str) -> bool {
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let is_meant =
            |name: &String| glob::Pattern::new(name).is_ok_and(|name| name.matches_with(path, options));
        self.names.iter().any(is_meant)
    }
}

pub(super) async fn read(output: &Store) -> Result<Vec<Intent>> {
    let text = output.read_if_there(INTENTS).await?;
    let intents: Option<Intents> = text.map(|text| parse(output, INTENTS, &text)).transpose()?;
    Ok(intents.unwrap_or_default().unfinished)
}

pub(super) async fn enter(output: &Store, intent: &Intent) -> Result<()> {
    change(output, |intents| {
        if !intents.unfinished.contains(intent) {
            intents.unfinished.push(intent.clone());
        }
        Ok(())
    })
    .await
}

/// Moves a run on from one state to the next.
///
/// # Errors
/// `Kind::Busy` where a later run has begun to remove it.
pub(super) async fn move_on(output: &Store, run_id: &str, next: State) -> Result<()> {
    change(output, |intents| {
        let found = intents.unfinished.iter_mut().find(|intent| intent.run_id == run_id);
        let intent = found.filter(|intent| intent.state == State::Writing || intent.state == next);
        intent.map(|intent| intent.state = next).ok_or_else(|| {
            Error::busy("a later run has taken this one for dead, and removes it")
                .with("run", run_id)
                .hint("run again; see that one run at a time publishes here")
        })
    })
    .await
}

pub(super) async fn leave(output: &Store, run_id: &str) -> Result<()> {
    change(output, |intents| {
        intents.unfinished.retain(|intent| intent.run_id != run_id);
        Ok(())
    })
    .await
}

async fn change(output: &Store, mut change: impl FnMut(&mut Intents) -> Result<()>) -> Result<()> {
    output
        .update(INTENTS, |text| {
            let mut intents: Intents =
                text.map(|text| parse(output, INTENTS, text)).transpose()?.unwrap_or_default();
            let before = intents.clone();
            change(&mut intents)?;
            if intents == before { Ok(None) } else { json(&intents).map(Some) }
        })
        .await
        .map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_names_its_own_objects_only() {
        let intent = Intent {
            run_id: "a".into(),
            fence: None,
            state: State::Writing,
            names: vec!["rpt_nps/part-*.parquet".into(), "manifest.json".into()],
        };
        for path in ["rpt_nps/part-00000.parquet", "manifest.json"] {
            assert!(intent.names(path), "{path}");
        }
        for path in
            ["rpt_nps/notes.txt", "rpt_nps/x/part-00000.parquet", "x/manifest.json", "other/part-0.parquet"]
        {
            assert!(!intent.names(path), "{path}");
        }
    }

    #[tokio::test]
    async fn a_run_that_is_being_removed_is_not_completed() {
        let output = Store::in_memory(&[]).await.unwrap();
        let intent = Intent { run_id: "a".into(), fence: None, state: State::Writing, names: Vec::new() };
        enter(&output, &intent).await.unwrap();
        move_on(&output, "a", State::Removing).await.unwrap();
        move_on(&output, "a", State::Removing).await.unwrap();
        assert!(move_on(&output, "a", State::Complete).await.is_err());
        leave(&output, "a").await.unwrap();
        assert!(move_on(&output, "a", State::Complete).await.is_err());
        assert_eq!(read(&output).await.unwrap(), []);
    }
}
