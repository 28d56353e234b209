//! Writing an object into a bucket: small ones in one request, large ones in parts.
//!
//! The parts of an upload that is never completed lie in the bucket unseen and cost money, and most
//! stores do not list them for us. So the upload's id is noted in an object of its own, `_uploads/…`
//! below the store's prefix, before the first part is sent, and removed when the upload ends. What a killed
//! process left is thus found and given up by [`Store::end_uploads`]. A process killed between the
//! beginning of an upload and its note leaves an upload without parts.

use std::sync::Arc;

use object_store::multipart::{MultipartStore, PartId};
use object_store::path::Path;
use object_store::{Error as Raw, MultipartId, ObjectStore, ObjectStoreExt, PutPayload};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;

use super::failure::failure;
use super::object::path_of;
use super::{Bytes, Keys, Place, Store, Traffic};
use crate::error::{Error, Result};

/// 10,000 parts, S3's limit, make this an object of 80 GB at most.
pub(super) const PART_BYTES: usize = 8 * 1024 * 1024;
const PARTS_IN_FLIGHT: usize = 2;

const NOTES: &str = "_uploads";

/// What is noted of an upload.
#[derive(Serialize, Deserialize)]
struct Note {
    /// Relative to the store.
    path: String,
    upload_id: String,
}

/// One object on its way. Dropped without an end, it leaves its note, and parts.
pub(super) struct Upload {
    keys: Keys,
    /// Relative to the store, and the whole key.
    path: Path,
    key: Path,
    begun: Option<Begun>,
    traffic: Arc<Traffic>,
}

struct Begun {
    uploads: Arc<dyn MultipartStore>,
    id: MultipartId,
    note: Path,
    sent: usize,
    sending: JoinSet<Result<(usize, PartId), Raw>>,
    arrived: Vec<(usize, PartId)>,
}

impl Upload {
    pub fn new(store: &Store, keys: &Keys, path: Path) -> Upload {
        let key = keys.prefix.parts().chain(path.parts()).collect();
        Upload { keys: keys.clone(), path, key, begun: None, traffic: store.traffic.clone() }
    }

    /// Sends a part; all but the last are of [`PART_BYTES`].
    pub async fn send(mut self, part: Vec<u8>) -> Result<Upload, Raw> {
        if self.begun.is_none() {
            self.begun = Some(self.begin().await?);
        }
        let Some(begun) = &mut self.begun else { return Ok(self) };
        while begun.sending.len() >= PARTS_IN_FLIGHT {
            begun.one_arrives().await?;
        }
        self.traffic.request();
        self.traffic.step()?;
        let (uploads, key, id, number) =
            (begun.uploads.clone(), self.key.clone(), begun.id.clone(), begun.sent);
        begun.sending.spawn(async move {
            let part = uploads.put_part(&key, &id, number, PutPayload::from(part)).await?;
            Ok((number, part))
        });
        begun.sent += 1;
        Ok(self)
    }

    async fn begin(&self) -> Result<Begun, Raw> {
        let uploads = self
            .keys
            .uploads
            .clone()
            .ok_or_else(|| Raw::NotSupported { source: "this store takes no objects in parts".into() })?;
        self.traffic.step()?;
        let id = uploads.create_multipart(&self.key).await?;
        let text = serde_json::to_vec(&Note { path: self.path.to_string(), upload_id: id.clone() })
            .map_err(|e| Raw::Generic { store: "upload", source: e.into() })?;
        let name = format!("{:x}", Sha256::digest(&text));
        let note: Path = self.keys.prefix.parts().chain([NOTES.into(), name.as_str()[..24].into()]).collect();
        self.traffic.step()?;
        self.keys.client.put(&note, Bytes::from(text).into()).await?;
        Ok(Begun { uploads, id, note, sent: 0, sending: JoinSet::new(), arrived: Vec::new() })
    }

    /// Completes the object with the bytes that are left.
    pub async fn complete(mut self, rest: Vec<u8>) -> Result<(), Raw> {
        if self.begun.is_none() {
            self.traffic.request();
            self.traffic.step()?;
            self.keys.client.put(&self.key, PutPayload::from(rest)).await?;
            return self.traffic.step();
        }
        if !rest.is_empty() {
            self = self.send(rest).await?;
        }
        let Some(mut begun) = self.begun.take() else { return Ok(()) };
        while !begun.sending.is_empty() {
            begun.one_arrives().await?;
        }
        begun.arrived.sort_by_key(|(number, _)| *number);
        let parts = begun.arrived.into_iter().map(|(_, part)| part).collect();
        self.traffic.request();
        self.traffic.step()?;
        begun.uploads.complete_multipart(&self.key, &begun.id, parts).await?;
        self.traffic.step()?;
        forget(self.keys.client.as_ref(), &begun.note).await
    }

    /// Gives the object up.
    pub async fn abort(self) -> Result<(), Raw> {
        let Some(begun) = self.begun else { return Ok(()) };
        drop(begun.sending);
        gone_is_fine(begun.uploads.abort_multipart(&self.key, &begun.id).await)?;
        forget(self.keys.client.as_ref(), &begun.note).await
    }
}

impl Begun {
    async fn one_arrives(&mut self) -> Result<(), Raw> {
        match self.sending.join_next().await {
            Some(Ok(part)) => {
                self.arrived.push(part?);
                Ok(())
            }
            Some(Err(source)) => Err(Raw::JoinError { source }),
            None => Ok(()),
        }
    }
}

async fn forget(client: &dyn ObjectStore, note: &Path) -> Result<(), Raw> {
    gone_is_fine(client.delete(note).await)
}

fn gone_is_fine(result: Result<(), Raw>) -> Result<(), Raw> {
    match result {
        Err(Raw::NotFound { .. }) => Ok(()),
        result => result,
    }
}

impl Store {
    /// Gives up the uploads noted here that nobody will complete: those whose note is older than
    /// `before` (UTC microseconds), by the store's clock. Returns how many there were.
    pub async fn end_uploads(&self, before: i64) -> Result<usize> {
        let Place::Keys(keys) = &self.place else { return Ok(0) };
        let Some(uploads) = &keys.uploads else { return Ok(0) };
        let mut ended = 0;
        for object in self.list(NOTES).await? {
            if object.last_modified_micros >= before {
                continue;
            }
            let Some(text) = self.read_if_there(&object.path).await? else { continue };
            let note: Note = serde_json::from_slice(&text).map_err(|source| {
                Error::io("the note of an upload cannot be read")
                    .with("location", &object.url)
                    .caused_by(source)
            })?;
            let path = path_of(&note.path)?;
            let key = keys.prefix.parts().chain(path.parts()).collect();
            gone_is_fine(uploads.abort_multipart(&key, &note.upload_id).await)
                .map_err(|raw| failure(&raw, &self.url_of(&path)))?;
            self.delete(&[object.path]).await?;
            ended += 1;
        }
        Ok(ended)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn an_upload_is_noted_while_it_lasts() {
        let store = Store::in_memory(&[]).await.unwrap().child("out").unwrap();
        let notes = async || store.list(NOTES).await.unwrap().len();
        let begin = async |path: &str| {
            let mut writer = store.writer(path).await.unwrap();
            writer.write_all(&vec![7; PART_BYTES + 1]).await.unwrap();
            writer
        };
        let writer = begin("whole").await;
        assert_eq!(notes().await, 1);
        writer.finish().await.unwrap();
        assert_eq!(notes().await, 0);
        begin("given-up").await.abort().await.unwrap();
        assert_eq!(notes().await, 0);

        // Killed: nobody is left to abort.
        drop(begin("killed").await);
        assert_eq!(store.end_uploads(0).await.unwrap(), 0, "too young");
        assert_eq!(notes().await, 1);
        assert_eq!(store.end_uploads(i64::MAX).await.unwrap(), 1);
        assert_eq!(store.list("").await.unwrap().len(), 1);
        assert_eq!(store.end_uploads(i64::MAX).await.unwrap(), 0);
    }
}
