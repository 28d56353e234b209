//! What a run knows before it reads an input.

use super::fingerprint::Fingerprint;
use super::previous::Previous;
use super::{Request, drift};
use crate::error::Result;
use crate::progress::Progress;
use crate::sources::pin::{self, PinnedSource};
use crate::store::Store;
use crate::store::publish::Latest;

pub(super) struct Inputs {
    pub pinned: Vec<PinnedSource>,
    pub parts: Fingerprint,
    pub previous: Previous,
}

impl Inputs {
    /// Lists every source, once, and looks at the run published before. Exports that are out of date stop
    /// a run here, before it can find that there is nothing to do.
    ///
    /// # Errors
    /// Of the listing, of exports that are out of date, and of the storage.
    pub async fn list(
        request: &Request,
        published: &Store,
        latest: Option<&Latest>,
        progress: &dyn Progress,
    ) -> Result<Inputs> {
        progress.begins("list");
        let pinned = pin::pin(&request.config, request.as_of).await?;
        let objects = pinned.iter().flat_map(|s| &s.tables).map(|t| t.objects.len() as u64).sum();
        progress.ends("list", objects);
        for table in pinned.iter().flat_map(|source| &source.tables) {
            pin::tell_skipped(table, progress);
        }
        drift::judge_age(&pinned, request, progress)?;
        let parts = Fingerprint::new(&request.config, &pinned)?;
        let previous = Previous::read(published, latest, request, progress).await?;
        Ok(Inputs { pinned, parts, previous })
    }
}
