//! Replacing an object only if it is still the one that was read.
//!
//! Object stores decide that themselves, by the version named in the request. A local disk cannot: there
//! it is right for whoever holds the lock (`lock.rs`), and nobody else replaces anything.

use object_store::path::Path;
use object_store::{Error as Raw, GetOptions, PutMode, PutOptions, PutPayload, UpdateVersion};

use super::failure::failure;
use super::object::path_of;
use super::{Bytes, Place, Store};
use crate::error::{Error, Result};

/// How often [`Store::update`] tries before it says that somebody else keeps writing.
const UPDATE_TRIES: usize = 8;

/// An object as it was read, or that there was none.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub bytes: Option<Bytes>,
    version: Option<UpdateVersion>,
}

impl Store {
    /// An object's bytes, and the version to name when replacing it.
    pub async fn snapshot(&self, path: &str) -> Result<Snapshot> {
        let key = path_of(path)?;
        self.check_links(&key)?;
        let nothing = Snapshot { bytes: None, version: None };
        let Some(client) = self.client()? else { return Ok(nothing) };
        let result = async {
            self.traffic.step()?;
            let result = client.get_opts(&key, GetOptions::default()).await?;
            let version =
                UpdateVersion { e_tag: result.meta.e_tag.clone(), version: result.meta.version.clone() };
            Ok((result.bytes().await?, version))
        };
        match result.await {
            Ok((bytes, version)) => {
                self.traffic.read(bytes.len() as u64);
                Ok(Snapshot { bytes: Some(bytes), version: Some(version) })
            }
            Err(Raw::NotFound { .. }) => Ok(nothing),
            Err(raw) => Err(failure(&raw, &self.url_of(&key))),
        }
    }

    /// Writes `new` if the object is still as it was read; false if somebody else was quicker.
    ///
    /// `new` must differ from all that others write (a nonce does that): where an answer was lost, or is
    /// about a retry of a write that had arrived, what is there is read back and compared.
    ///
    /// # Errors
    /// Those of the storage. The write may then arrive all the same.
    pub async fn replace(&self, path: &str, new: Bytes, old: &Snapshot) -> Result<bool> {
        let key = path_of(path)?;
        let Place::Keys(_) = &self.place else { return self.replace_unconditionally(path, new, old).await };
        let mode = match &old.version {
            Some(version) => PutMode::Update(version.clone()),
            None => PutMode::Create,
        };
        let raw = match self.put(&key, new.clone(), mode).await {
            Ok(()) => return Ok(true),
            // Conditional writes are switched off (AWS_CONDITIONAL_PUT=disabled).
            Err(Raw::NotImplemented { .. }) => return self.replace_unconditionally(path, new, old).await,
            Err(raw) => raw,
        };
        let is_refused =
            matches!(raw, Raw::Precondition { .. } | Raw::AlreadyExists { .. } | Raw::NotFound { .. });
        match self.read_if_there(path).await {
            Ok(now) if now.as_ref() == Some(&new) => Ok(true),
            Ok(_) if is_refused => Ok(false),
            _ => Err(failure(&raw, &self.url_of(&key))),
        }
    }

    async fn replace_unconditionally(&self, path: &str, new: Bytes, old: &Snapshot) -> Result<bool> {
        if self.read_if_there(path).await? != old.bytes {
            return Ok(false);
        }
        self.write(path, new).await.map(|_| true)
    }

    async fn put(&self, key: &Path, new: Bytes, mode: PutMode) -> Result<(), Raw> {
        let client = self.client().ok().flatten().ok_or(Raw::NotImplemented {
            operation: "a conditional write".into(),
            implementer: self.url().into(),
        })?;
        self.traffic.request();
        self.traffic.step()?;
        let bytes = new.len() as u64;
        client.put_opts(key, PutPayload::from(new), PutOptions::from(mode)).await?;
        self.traffic.written(bytes);
        self.traffic.step()
    }

    /// Changes an object that others may be changing, too: `change` is given what is there and says
    /// what shall be (`None`: leave it), and is asked again if somebody was quicker. False if it was
    /// left alone.
    pub async fn update(
        &self,
        path: &str,
        mut change: impl FnMut(Option<&[u8]>) -> Result<Option<Bytes>>,
    ) -> Result<bool> {
        for _ in 0..UPDATE_TRIES {
            let old = self.snapshot(path).await?;
            let Some(new) = change(old.bytes.as_deref())? else { return Ok(false) };
            // Already so also where an earlier try has arrived although its answer was lost.
            if old.bytes.as_ref() == Some(&new) || self.replace(path, new, &old).await? {
                return Ok(true);
            }
        }
        Err(Error::unavailable("the object was changed by others at every try")
            .with("location", self.url_of(&path_of(path)?))
            .hint("see that one run at a time publishes here"))
    }
}
