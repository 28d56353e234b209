//! Writing one object so that it is there whole or not at all, and survives a power cut once it is.
//!
//! On S3 an upload becomes an object when it is completed. On a local disk the crate underneath
//! renames but never flushes to the disk, so local objects are written here: to a staged file beside
//! the target (`name#N`, which listings leave out), flushed, renamed, and the folders flushed.
//! Memory is bounded: an upload holds `PART_BYTES` for each part in flight and one being filled.

use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use object_store::ObjectStore;
use object_store::buffered::BufWriter;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::{Traffic, Written, failure, storage_error};
use crate::error::{Error, Result};

/// 10,000 parts, S3's limit, make this an object of 80 GB at most.
const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS_IN_FLIGHT: usize = 2;

/// Streams one object into a store, measuring it on the way. Nothing is visible before [`finish`]
/// (on S3: before the stream is shut down); a writer dropped without it leaves nothing on a local
/// disk, and on S3 an unfinished upload, which [`abort`] removes.
///
/// [`finish`]: ObjectWriter::finish
/// [`abort`]: ObjectWriter::abort
pub struct ObjectWriter {
    sink: Sink,
    /// Shut down already: the engine's writer does so, and an upload must not be twice.
    closed: bool,
    path: String,
    url: String,
    bytes: u64,
    hash: Sha256,
    traffic: Arc<Traffic>,
}

enum Sink {
    Local(Staged),
    Upload(BufWriter),
}

impl ObjectWriter {
    pub(super) async fn local(
        target: PathBuf,
        path: &str,
        url: String,
        traffic: Arc<Traffic>,
    ) -> Result<Self> {
        let staged = Staged::create(target).await.map_err(|source| failed(source, &url))?;
        Ok(Self::new(Sink::Local(staged), path, url, traffic))
    }

    pub(super) fn upload(
        client: Arc<dyn ObjectStore>,
        key: object_store::path::Path,
        path: &str,
        url: String,
        traffic: Arc<Traffic>,
    ) -> Self {
        let upload = BufWriter::with_capacity(client, key, PART_BYTES).with_max_concurrency(PARTS_IN_FLIGHT);
        Self::new(Sink::Upload(upload), path, url, traffic)
    }

    fn new(sink: Sink, path: &str, url: String, traffic: Arc<Traffic>) -> Self {
        traffic.request();
        Self { sink, closed: false, path: path.to_owned(), url, bytes: 0, hash: Sha256::new(), traffic }
    }

    /// Completes the object. After this it is there, whole.
    pub async fn finish(mut self) -> Result<Written> {
        self.shutdown().await.map_err(|source| failed(source, &self.url))?;
        if let Sink::Local(staged) = self.sink {
            staged.publish().await.map_err(|source| failed(source, &self.url))?;
        }
        self.traffic.written(self.bytes);
        Ok(Written { path: self.path, bytes: self.bytes, sha256: format!("{:x}", self.hash.finalize()) })
    }

    /// Gives the object up; what was uploaded so far is removed.
    pub async fn abort(self) -> Result<()> {
        match self.sink {
            Sink::Upload(mut upload) if !self.closed => {
                upload.abort().await.map_err(|raw| failure::failure(&raw, &self.url))
            }
            _ => Ok(()),
        }
    }
}

/// A failed write, with the storage's own reason where there is one.
pub(super) fn failed(source: io::Error, url: &str) -> Error {
    match storage_error(&source) {
        Some(error) => error.with("location", url),
        None => Error::io("cannot write").with("location", url).caused_by(source),
    }
}

impl AsyncWrite for ObjectWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let count = ready!(match &mut self.sink {
            Sink::Local(staged) => Pin::new(&mut staged.file).poll_write(cx, bytes),
            Sink::Upload(upload) => Pin::new(upload).poll_write(cx, bytes),
        })?;
        self.hash.update(&bytes[..count]);
        self.bytes += count as u64;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        match &mut self.sink {
            Sink::Local(staged) => Pin::new(&mut staged.file).poll_flush(cx),
            Sink::Upload(upload) => Pin::new(upload).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(match &mut self.sink {
            Sink::Local(staged) => Pin::new(&mut staged.file).poll_shutdown(cx),
            Sink::Upload(upload) => Pin::new(upload).poll_shutdown(cx),
        });
        self.closed = true;
        Poll::Ready(result)
    }
}

/// A local file on its way to its name.
struct Staged {
    file: tokio::fs::File,
    staged: PathBuf,
    target: PathBuf,
    /// The deepest folder that was there before: those below it are new and need flushing, too.
    old_folder: PathBuf,
    published: bool,
}

impl Staged {
    async fn create(target: PathBuf) -> io::Result<Self> {
        let folder = target.parent().unwrap_or(&target);
        let old_folder = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder).to_owned();
        tokio::fs::create_dir_all(folder).await?;
        let mut number = 1;
        loop {
            let mut staged = target.clone().into_os_string();
            staged.push(format!("#{number}"));
            match tokio::fs::File::create_new(&staged).await {
                Ok(file) => {
                    return Ok(Self { file, staged: staged.into(), target, old_folder, published: false });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => number += 1,
                Err(error) => return Err(error),
            }
        }
    }

    async fn publish(mut self) -> io::Result<()> {
        self.file.sync_all().await?;
        tokio::fs::rename(&self.staged, &self.target).await?;
        self.published = true;
        for folder in self.target.ancestors().skip(1) {
            flush_folder(folder).await?;
            if folder == self.old_folder {
                break;
            }
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::store::Store;

    use super::*;

    async fn stores(folder: &Path) -> [Store; 2] {
        [Store::open("out", folder, &BTreeMap::new()).unwrap(), Store::in_memory(&[]).await.unwrap()]
    }

    #[tokio::test]
    async fn an_object_appears_whole_at_finish() {
        let folder = tempfile::tempdir().unwrap();
        for store in stores(folder.path()).await {
            let mut writer = store.writer("t/a.parquet").await.unwrap();
            writer.write_all(b"ab").await.unwrap();
            assert_eq!(store.list("").await.unwrap(), []);
            writer.write_all(b"c").await.unwrap();
            // As the engine's own writer does before it gives the stream back.
            writer.shutdown().await.unwrap();
            let written = writer.finish().await.unwrap();
            assert_eq!((written.path.as_str(), written.bytes), ("t/a.parquet", 3));
            assert_eq!(written.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
            assert_eq!(store.read("t/a.parquet").await.unwrap(), "abc");
            assert_eq!(store.counters().bytes_written, 3);
        }
    }

    #[tokio::test]
    async fn more_than_one_part_arrives_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..PART_BYTES * 2 + 5).map(|at| (at % 251) as u8).collect();
        for store in stores(folder.path()).await {
            let mut writer = store.writer("t/large").await.unwrap();
            for piece in large.chunks(1_000_003) {
                writer.write_all(piece).await.unwrap();
            }
            writer.finish().await.unwrap();
            assert!(store.read("t/large").await.unwrap() == large);
        }
    }

    #[tokio::test]
    async fn a_writer_given_up_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        for store in stores(folder.path()).await {
            let mut writer = store.writer("a").await.unwrap();
            writer.write_all(&vec![7; PART_BYTES + 1]).await.unwrap();
            writer.abort().await.unwrap();
            drop(store.writer("b").await.unwrap());
            assert_eq!(store.list("").await.unwrap(), []);
        }
        assert_eq!(std::fs::read_dir(folder.path().join("out")).unwrap().count(), 0);
    }
}
