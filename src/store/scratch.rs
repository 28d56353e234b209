//! The engine's own tables on the way: a local folder that ends with the run.

use std::path::Path;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path as ObjectPath;

use super::address::refuse_root;
use super::failure::failure;
use crate::error::{Error, Result};

/// A store for intermediate tables, rooted in `folder`, which is made if it is not there.
pub fn scratch(folder: &Path) -> Result<Arc<dyn ObjectStore>> {
    let place = folder.display().to_string();
    std::fs::create_dir_all(folder)
        .map_err(|e| Error::io("no scratch folder can be made").with("location", &place).caused_by(e))?;
    refuse_root(folder)?;
    LocalFileSystem::new_with_prefix(folder)
        .map(|store| Arc::new(store) as Arc<dyn ObjectStore>)
        .map_err(|raw| failure(&raw, &place))
}

/// Takes a table away again, with all its files.
pub async fn drop_table(store: &dyn ObjectStore, table: &str) -> Result<()> {
    let files = store.list(Some(&ObjectPath::from(table))).map_ok(|meta| meta.location).boxed();
    let removed: std::result::Result<Vec<ObjectPath>, _> = store.delete_stream(files).try_collect().await;
    removed.map(drop).map_err(|raw| failure(&raw, table))
}
