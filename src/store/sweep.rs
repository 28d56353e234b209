//! Removing what nobody needs any more: what a killed run left, and runs that have grown old.
//!
//! Nothing is removed that an intent or a manifest does not name, inside the run's own folder.

use std::path::Path;

use super::history::{Entry, History};
use super::intent::{self, Intent, State};
use super::publish::{self, LATEST, MANIFEST, Output, fence_of, folder_of};
use super::{Place, Store, staged};
use crate::error::{Error, Result};

const DAY_MICROS: i64 = 86_400_000_000;

/// Which published runs are kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// The newest so many.
    pub runs: usize,
    /// And all that were published after this instant, UTC microseconds by the store's clock.
    pub since: i64,
}

impl Output {
    /// Enters into the history what an earlier run could not, and removes what killed runs left.
    /// Returns the runs that were removed.
    pub async fn tidy(&self) -> Result<Vec<String>> {
        let now = self.store().snapshot(LATEST).await?;
        if let Some(latest) = publish::latest_of(self.store(), &now)?
            && History::read(self.store()).await?.entry(&latest.run_id).is_none()
        {
            enter(self.store(), &latest.run_id, true).await?;
        }
        let mut removed = Vec::new();
        for intent in intent::read(self.store()).await? {
            if self.settle(&intent, fence_of(&now)).await? {
                removed.push(intent.run_id);
            }
        }
        Ok(removed)
    }

    /// One unfinished run of somebody else; true if it was removed.
    async fn settle(&self, intent: &Intent, fence: Option<String>) -> Result<bool> {
        let run_id = intent.run_id.as_str();
        if History::read(self.store()).await?.entry(run_id).is_some() {
            intent::leave(self.store(), run_id).await?;
            return Ok(false);
        }
        if intent.state == State::Complete {
            enter(self.store(), run_id, false).await?;
            intent::leave(self.store(), run_id).await?;
            return Ok(false);
        }
        // It may still be at work, and be published, for as long as `latest.json` is as it found it.
        if !self.is_alone() && intent.fence == fence {
            return Ok(false);
        }
        intent::move_on(self.store(), run_id, State::Removing).await?;
        let folder = self.store().child(&folder_of(run_id)?)?;
        folder.end_uploads(i64::MAX).await?;
        let there = folder.list("").await?.into_iter().map(|object| object.path);
        folder.delete(&there.filter(|path| intent.names(path)).collect::<Vec<_>>()).await?;
        folder.remove_staged(&|path| intent.names(path))?;
        intent::leave(self.store(), run_id).await?;
        Ok(true)
    }

    /// Removes the files of old runs; the latest is never one of them. Returns the runs that were removed.
    pub async fn remove_old(&self, keep: Keep) -> Result<Vec<String>> {
        let Some(latest) = publish::latest(self.store()).await? else { return Ok(Vec::new()) };
        let history = History::read(self.store()).await?;
        let there: Vec<&Entry> = history.runs.iter().rev().filter(|entry| !entry.is_removed).collect();
        let mut removed = Vec::new();
        for entry in there.into_iter().skip(keep.runs).filter(|entry| entry.run_id != latest.run_id) {
            let folder = self.store().child(&folder_of(&entry.run_id)?)?;
            match folder.stat(MANIFEST).await? {
                Some(manifest) if manifest.last_modified_micros >= keep.since => continue,
                Some(_) => {
                    let manifest = publish::manifest(self.store(), &entry.run_id).await?;
                    let files: Vec<String> = manifest.files.into_iter().map(|file| file.path).collect();
                    folder.delete(&files).await?;
                    // Last: for as long as it is there, the rest can be found.
                    folder.delete(&[MANIFEST.to_owned()]).await?;
                    folder.remove_staged(&|_| false)?;
                }
                // Somebody else removed it, or an earlier attempt ended just here.
                None => {}
            }
            History::removed(self.store(), &entry.run_id).await?;
            removed.push(entry.run_id.clone());
        }
        Ok(removed)
    }
}

impl Keep {
    /// The newest `runs`, and all that are not older than `days` at `now` (UTC microseconds).
    pub fn of(runs: u32, days: u32, now: i64) -> Keep {
        Keep { runs: runs as usize, since: now.saturating_sub(i64::from(days) * DAY_MICROS) }
    }
}

async fn enter(output: &Store, run_id: &str, was_latest: bool) -> Result<()> {
    let about = publish::manifest(output, run_id).await?.about;
    let (as_of, fingerprint) = (about.as_of, about.fingerprint);
    let run_id = run_id.to_owned();
    History::enter(output, Entry { order: 0, run_id, as_of, fingerprint, was_latest, is_removed: false })
        .await
}

impl Store {
    /// On a local disk, where a killed process leaves them: removes staged files on their way to a name that
    /// is `meant`, and then the folders that are empty, this one and those above it up to `runs` included.
    pub(super) fn remove_staged(&self, meant: &dyn Fn(&str) -> bool) -> Result<()> {
        let Place::Folder(root) = &self.place else { return Ok(()) };
        let failed =
            |e| Error::io("a run's leftovers cannot be removed").with("location", self.url()).caused_by(e);
        remove_staged_below(root, root, meant).map_err(failed)?;
        // `runs` itself; it is kept where there are others.
        if let Some(runs) = root.parent() {
            let _ = std::fs::remove_dir(runs);
        }
        Ok(())
    }
}

fn remove_staged_below(folder: &Path, root: &Path, meant: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let (entry, path) = entry.map(|entry| (entry.file_type(), entry.path()))?;
        if entry?.is_dir() {
            remove_staged_below(&path, root, meant)?;
        } else if let Some(target) =
            path.strip_prefix(root).ok().and_then(Path::to_str).and_then(staged::target_of)
            && meant(target)
        {
            std::fs::remove_file(&path)?;
        }
    }
    // Fails, as it should, where something is left.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}
