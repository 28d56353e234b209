//! A local file on its way to its name: written beside it as `name#N`, flushed, then renamed.
//!
//! Whoever writes a staged file holds a lock on it, which ends with the process. A staged file that can
//! be locked therefore belongs to nobody any more, and the next writer of that name takes it over.

use std::fs::TryLockError;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Traffic;

pub(super) struct Staged {
    pub file: tokio::fs::File,
    staged: PathBuf,
    target: PathBuf,
    /// The deepest folder that was there before: those below it are new and need flushing, too.
    old_folder: PathBuf,
    published: bool,
    traffic: Arc<Traffic>,
}

impl Staged {
    pub async fn create(target: PathBuf, traffic: Arc<Traffic>) -> io::Result<Self> {
        traffic.step()?;
        let folder = target.parent().unwrap_or(&target);
        let old_folder = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder).to_owned();
        tokio::fs::create_dir_all(folder).await?;
        let mut number = 1;
        loop {
            let mut staged = target.clone().into_os_string();
            staged.push(format!("#{number}"));
            let staged = PathBuf::from(staged);
            if let Some(file) = open(&staged)? {
                traffic.step()?;
                let file = tokio::fs::File::from_std(file);
                return Ok(Self { file, staged, target, old_folder, published: false, traffic });
            }
            number += 1;
        }
    }

    pub async fn publish(mut self) -> io::Result<()> {
        self.file.sync_all().await?;
        self.traffic.step()?;
        tokio::fs::rename(&self.staged, &self.target).await?;
        self.published = true;
        self.traffic.step()?;
        for folder in self.target.ancestors().skip(1) {
            flush_folder(folder).await?;
            if folder == self.old_folder {
                break;
            }
        }
        Ok(())
    }
}

/// The staged file, empty and locked; none where somebody else is writing it.
fn open(staged: &Path) -> io::Result<Option<std::fs::File>> {
    let file =
        std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(staged)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(None),
        // Some network file systems know no locks; there a file that is new is ours, any other is not.
        Err(TryLockError::Error(_)) if file.metadata()?.len() == 0 => {}
        Err(TryLockError::Error(_)) => return Ok(None),
    }
    // Its writer may have renamed it between the opening and the lock.
    if !is_at(&file, staged)? {
        return Ok(None);
    }
    file.set_len(0)?;
    Ok(Some(file))
}

/// Whether the open file is the one that lies at the path.
pub(super) fn is_at(file: &std::fs::File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Some network file systems cannot flush a folder, and say so; there is nothing else to be done there.
async fn flush_folder(folder: &Path) -> io::Result<()> {
    match tokio::fs::File::open(folder).await?.sync_all().await {
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            Ok(())
        }
        result => result,
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.published {
            // The staged file is hidden from listings; if it cannot be removed, it does no harm.
            let _ = std::fs::remove_file(&self.staged);
        }
    }
}

/// The name that a staged file is on its way to.
pub(super) fn target_of(name: &str) -> Option<&str> {
    let (target, number) = name.rsplit_once('#')?;
    (!number.is_empty() && number.chars().all(|c| c.is_ascii_digit())).then_some(target)
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn what_a_killed_writer_left_is_taken_over_and_what_another_writes_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("a");
        std::fs::write(folder.path().join("a#1"), "half of an older file").unwrap();
        let create = || Staged::create(target.clone(), Arc::default());
        let mut first = create().await.unwrap();
        let mut second = create().await.unwrap();
        assert!(first.staged.ends_with("a#1") && second.staged.ends_with("a#2"));
        first.file.write_all(b"one").await.unwrap();
        second.file.write_all(b"two").await.unwrap();
        first.publish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"one");
        second.publish().await.unwrap();
        assert_eq!(std::fs::read(&target).unwrap(), b"two");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_staged_name_ends_in_a_number() {
        assert_eq!(target_of("part-00000.parquet#12"), Some("part-00000.parquet"));
        for name in ["part-00000.parquet", "a#", "a#b", "#"] {
            assert_eq!(target_of(name), None, "{name}");
        }
    }
}
