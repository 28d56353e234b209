//! Writing one object so that it is there whole or not at all, and survives a power cut once it is.
//!
//! In a bucket an upload becomes an object when it is completed (`upload.rs`). On a local disk the crate
//! underneath renames but never flushes to the disk, so local objects are written here: to a staged file
//! beside the target (`name#N`, which listings leave out), flushed, renamed, and the folders flushed
//! (`staged.rs`). Memory is bounded: an upload holds `PART_BYTES` for each part in flight and one being
//! filled.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::future::BoxFuture;
use object_store::Error as Raw;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::staged::Staged;
use super::upload::{PART_BYTES, Upload};
use super::{Keys, Store, Traffic, Written, failure, storage_error};
use crate::error::{Error, Result};

/// Streams one object into a store, measuring it on the way. Nothing is visible before [`finish`]
/// (in a bucket: before the stream is shut down); a writer dropped without it leaves nothing on a local
/// disk, and in a bucket perhaps an unfinished upload, which [`abort`] or [`Store::end_uploads`] removes.
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
    Parts(Parts),
}

/// An upload and the part that is being filled; none while one of them is on its way.
struct Parts {
    upload: Option<Upload>,
    filling: Vec<u8>,
    sending: Option<BoxFuture<'static, Result<Option<Upload>, Raw>>>,
}

impl ObjectWriter {
    pub(super) async fn local(
        target: PathBuf,
        path: &str,
        url: String,
        traffic: Arc<Traffic>,
    ) -> Result<Self> {
        let staged = Staged::create(target, traffic.clone()).await.map_err(|source| failed(source, &url))?;
        Ok(Self::new(Sink::Local(staged), path, url, traffic))
    }

    pub(super) fn upload(
        store: &Store,
        keys: &Keys,
        key: object_store::path::Path,
        path: &str,
        url: String,
    ) -> Self {
        let upload = Some(Upload::new(store, keys, key));
        let parts = Parts { upload, filling: Vec::new(), sending: None };
        Self::new(Sink::Parts(parts), path, url, store.traffic.clone())
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
        let Sink::Parts(Parts { upload, sending, .. }) = self.sink else { return Ok(()) };
        let upload = match sending {
            Some(sending) => sending.await.map_err(|raw| failure::failure(&raw, &self.url))?,
            None => upload,
        };
        match upload {
            Some(upload) => upload.abort().await.map_err(|raw| failure::failure(&raw, &self.url)),
            None => Ok(()),
        }
    }
}

impl Parts {
    /// Waits until the part on its way has been handed over.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(sending) = &mut self.sending {
            let upload = ready!(sending.as_mut().poll(cx));
            self.sending = None;
            self.upload = upload.map_err(io::Error::from)?;
        }
        Poll::Ready(Ok(()))
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let count = bytes.len().min(PART_BYTES - self.filling.len());
        self.filling.extend_from_slice(&bytes[..count]);
        if self.filling.len() == PART_BYTES {
            let part = std::mem::take(&mut self.filling);
            let upload = self.upload.take().ok_or_else(gone)?;
            self.sending = Some(Box::pin(async { upload.send(part).await.map(Some) }));
        }
        Poll::Ready(Ok(count))
    }

    fn poll_complete(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx))?;
        if let Some(upload) = self.upload.take() {
            let rest = std::mem::take(&mut self.filling);
            self.sending = Some(Box::pin(async { upload.complete(rest).await.map(|()| None) }));
            ready!(self.poll_sent(cx))?;
        }
        Poll::Ready(Ok(()))
    }
}

/// Written to after it failed.
fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "the upload has failed")
}

/// Whether a folder cannot be made because a file has its name.
fn is_in_the_way(error: &io::Error) -> bool {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let io = error.downcast_ref::<io::Error>();
        if let Some(io) = io
            && matches!(io.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
        {
            return true;
        }
        // An io error's `source` skips the error it wraps.
        next = match io.and_then(io::Error::get_ref) {
            Some(inner) => Some(inner as _),
            None => error.source(),
        };
    }
    false
}

/// A failed write, with the storage's own reason where there is one.
pub(super) fn failed(source: io::Error, url: &str) -> Error {
    match storage_error(&source) {
        Some(error) => error.with("location", url),
        None => Error::io("cannot write")
            .with("location", url)
            .hint(match is_in_the_way(&source) {
                true => "a file stands where a folder is needed: name another place",
                false => "check the free space and the permissions there",
            })
            .caused_by(source),
    }
}

impl AsyncWrite for ObjectWriter {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Some(faults) = self.traffic.faults {
            faults.writes(bytes.len())?;
        }
        let count = ready!(match &mut self.sink {
            Sink::Local(staged) => Pin::new(&mut staged.file).poll_write(cx, bytes),
            Sink::Parts(parts) => parts.poll_write(cx, bytes),
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
            Sink::Parts(parts) => parts.poll_sent(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.closed {
            return Poll::Ready(Ok(()));
        }
        let result = ready!(match &mut self.sink {
            Sink::Local(staged) => Pin::new(&mut staged.file).poll_shutdown(cx),
            Sink::Parts(parts) => parts.poll_complete(cx),
        });
        self.closed = true;
        Poll::Ready(result)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;

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
