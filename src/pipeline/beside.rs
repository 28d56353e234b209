//! Pages that lie beside the runs: frozen months and pages drawn again. Customers' words may stand on them.
//!
//! Whose words those are, a page does not say. So after an erasure they stay only where their run is kept and
//! holds nothing of anybody on the list. Figures stay as they were shown.

use std::collections::BTreeSet;

use crate::error::{Error, Result};
use crate::pages::{self, frozen};
use crate::store::{Bytes, Store};

/// What became of the pages.
#[derive(Debug, Default)]
pub(super) struct Beside {
    /// Frozen pages that have lost what customers wrote.
    pub frozen: usize,
    /// Pages drawn again that were removed.
    pub redrawn: usize,
    /// Frozen pages that cannot be read, so that nobody can take anything out of them.
    pub unreadable: Vec<String>,
}

/// Takes customers' words out of all pages but those of runs that hold nothing of theirs.
pub(super) async fn withdraw(output: &Store, innocent: &BTreeSet<String>) -> Result<Beside> {
    let mut done = Beside::default();
    let board = output.child("board")?;
    let mut shown: BTreeSet<String> = BTreeSet::new();
    for object in board.list("*.json").await? {
        let name = object.path.trim_end_matches(".json");
        shown.insert(format!("{name}.html"));
        let bytes = board.read(&object.path).await?;
        match frozen::without_words(&bytes, innocent) {
            Ok(None) => {}
            Ok(Some(page)) => {
                let mut is_new = false;
                for (path, text) in
                    [(object.path.clone(), page.kept), (format!("{name}.html"), page.shown.into_bytes())]
                {
                    let text = Bytes::from(text);
                    if board.read_if_there(&path).await?.as_ref() != Some(&text) {
                        board.write(&path, text).await?;
                        is_new = true;
                    }
                }
                done.frozen += usize::from(is_new);
            }
            Err(_) => done.unreadable.push(object.url),
        }
    }
    // Without what it was drawn from.
    let alone = board.list("*.html").await?.into_iter().filter(|object| !shown.contains(&object.path));
    done.unreadable.extend(alone.map(|object| object.url));

    let redrawn = output.child("redrawn")?;
    let is_ours = |path: &str| {
        path.split_once('/').is_some_and(|(run, page)| !innocent.contains(run) && pages::is_page(page))
    };
    let listed = redrawn.list("").await?.into_iter().map(|object| object.path);
    let names: Vec<String> = listed.filter(|path| is_ours(path)).collect();
    redrawn.delete(&names).await?;
    redrawn.remove_empty_folders()?;
    done.redrawn = names.len();
    Ok(done)
}

impl Beside {
    /// # Errors
    /// `Kind::Io` where a page was left that may hold customers' words.
    pub fn expect_all(&self) -> Result<()> {
        match self.unreadable.as_slice() {
            [] => Ok(()),
            pages => Err(Error::io("some frozen pages cannot be read; all else is done")
                .with("pages", pages.join(", "))
                .hint("another version has written them, or they are damaged: remove them, and erase again")),
        }
    }
}
