//! Who is at work at an output: one run at a time.
//!
//! The lock saves work; what keeps two runs from publishing over each other is the conditional write of
//! `latest.json` (`publish.rs`). On a local disk it is a lock of the operating system on `lock.json`, which
//! ends with the process. In a bucket it is a lease: an object that names its holder and when it expires,
//! written conditionally and renewed while the run lasts; one that has expired is taken over. `lock.json`
//! stays there, saying that nobody holds it, because it could not be removed conditionally.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, SecondsFormat};
use serde::{Deserialize, Serialize};

use super::object::path_of;
use super::staged::is_at;
use super::{Bytes, Place, Store};
use crate::error::{Error, Kind, Result};

const LOCK: &str = "lock.json";
/// How long a lease lasts that is not renewed.
const LEASE_SECONDS: i64 = 300;
const RENEWED_EVERY: Duration = Duration::from_secs(60);
/// Attempts at a lock file that its holders keep removing, or have not written yet, and the time between.
const FILE_TRIES: usize = 100;
const FILE_AGAIN: Duration = Duration::from_millis(10);

/// Who wants to work here.
#[derive(Clone, Debug)]
pub struct Holder {
    /// Machine and process, for a person.
    pub name: String,
    /// Tells this attempt from all others.
    pub nonce: String,
    /// UTC microseconds; decides whether a lease has expired and nothing else.
    pub now: fn() -> i64,
}

/// The lock, held until it is released.
pub struct Lock {
    held: Held,
}

enum Held {
    File {
        /// Locked; closing it ends that.
        file: File,
        path: PathBuf,
        /// The deepest folder that was there before: those below it go again if nothing came of the run.
        old_folder: PathBuf,
    },
    Lease {
        store: Store,
        nonce: String,
        renewing: tokio::task::JoinHandle<()>,
    },
}

/// `lock.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Paper {
    /// None: nobody holds it.
    holder: Option<String>,
    nonce: String,
    since: String,
    /// None on a local disk, where the operating system knows.
    expires: Option<String>,
}

impl Lock {
    /// Takes the lock, or says who has it. `lost` is called if a lease can no longer be held.
    ///
    /// # Errors
    /// `Kind::Busy` if another run is at work; those of the storage.
    pub async fn take(store: &Store, holder: &Holder, lost: impl Fn() + Send + 'static) -> Result<Lock> {
        let held = match &store.place {
            Place::Folder(root) => {
                store.check_links(&path_of(LOCK)?)?;
                take_file(root, holder, store).await?
            }
            Place::Keys(_) => take_lease(store, holder, lost).await?,
        };
        Ok(Lock { held })
    }

    /// Whether nobody else can be at work here, whatever has become of the earlier holders.
    pub fn is_certain(&self) -> bool {
        matches!(self.held, Held::File { .. })
    }

    pub async fn release(self) -> Result<()> {
        match self.held {
            Held::File { file, path, old_folder } => {
                // Removed while it is still locked: whoever opened it before finds out (`is_at`).
                let removed = fs::remove_file(&path);
                for folder in path.ancestors().skip(1).take_while(|folder| *folder != old_folder) {
                    if fs::remove_dir(folder).is_err() {
                        break;
                    }
                }
                drop(file);
                removed.map_err(|e| {
                    Error::io("the lock cannot be removed").with("location", path.display()).caused_by(e)
                })
            }
            Held::Lease { store, nonce, renewing } => {
                renewing.abort();
                let free = Paper {
                    holder: None,
                    nonce: format!("{nonce} released"),
                    since: String::new(),
                    expires: None,
                };
                store
                    .update(LOCK, |current| match paper(&store, current)? {
                        Some(paper) if paper.nonce == nonce => free.json().map(Some),
                        _ => Ok(None),
                    })
                    .await
                    .map(|_| ())
            }
        }
    }
}

async fn take_file(root: &Path, holder: &Holder, store: &Store) -> Result<Held> {
    let path = root.join(LOCK);
    let failed =
        |e: io::Error| Error::io("the output cannot be locked").with("location", store.url()).caused_by(e);
    let old_folder = path.ancestors().skip(1).find(|folder| folder.exists()).unwrap_or(root).to_owned();
    for _ in 0..FILE_TRIES {
        fs::create_dir_all(root).map_err(failed)?;
        let opened = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = match opened {
            // An earlier holder has removed the folder just now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let paper = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Paper>(&text).ok());
                if paper.is_some() {
                    return Err(busy(store, paper.as_ref()));
                }
                // Its holder is about to write its name, or has just gone.
                drop(file);
                tokio::time::sleep(FILE_AGAIN).await;
                continue;
            }
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        if !is_at(&file, &path).map_err(failed)? {
            continue;
        }
        let paper = Paper { expires: None, ..Paper::of(holder) };
        let text = paper.json()?;
        file.set_len(0).and_then(|()| file.write_all(&text)).map_err(failed)?;
        return Ok(Held::File { file, path, old_folder });
    }
    Err(busy(store, None))
}

async fn take_lease(store: &Store, holder: &Holder, lost: impl Fn() + Send + 'static) -> Result<Held> {
    let mine = Paper::of(holder);
    let (now, json) = (text_of((holder.now)()), mine.json()?);
    store
        .update(LOCK, |current| match paper(store, current)? {
            Some(paper) if paper.is_held(&now) && paper.nonce != mine.nonce => Err(busy(store, Some(&paper))),
            _ => Ok(Some(json.clone())),
        })
        .await?;
    let renewing = tokio::spawn(renew(store.clone(), holder.clone(), mine, RENEWED_EVERY, lost));
    Ok(Held::Lease { store: store.clone(), nonce: holder.nonce.clone(), renewing })
}

/// Renews the lease for as long as it is ours; a storage that does not answer is asked again until then.
async fn renew(store: Store, holder: Holder, mut mine: Paper, every: Duration, lost: impl Fn()) {
    loop {
        tokio::time::sleep(every).await;
        let next = Paper { expires: Paper::of(&holder).expires, ..mine.clone() };
        let renewed = store
            .update(LOCK, |current| match paper(&store, current)? {
                Some(paper) if paper.nonce == holder.nonce => next.json().map(Some),
                other => Err(busy(&store, other.as_ref())),
            })
            .await;
        match renewed {
            Ok(_) => mine = next,
            Err(error) if error.kind() != Kind::Busy && mine.is_held(&text_of((holder.now)())) => {}
            Err(_) => return lost(),
        }
    }
}

impl Paper {
    fn of(holder: &Holder) -> Paper {
        let now = (holder.now)();
        Paper {
            holder: Some(holder.name.clone()),
            nonce: holder.nonce.clone(),
            since: text_of(now),
            expires: Some(text_of(now + LEASE_SECONDS * 1_000_000)),
        }
    }

    fn is_held(&self, now: &str) -> bool {
        self.holder.is_some() && self.expires.as_deref().is_some_and(|expires| expires > now)
    }

    fn json(&self) -> Result<Bytes> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|source| Error::internal("cannot write JSON").caused_by(source))?;
        text.push(b'\n');
        Ok(text.into())
    }
}

fn paper(store: &Store, text: Option<&[u8]>) -> Result<Option<Paper>> {
    text.map(serde_json::from_slice).transpose().map_err(|source| {
        Error::io("the lock cannot be read")
            .with("location", format!("{}/{LOCK}", store.url()))
            .hint("if no run is at work here, remove that object")
            .caused_by(source)
    })
}

/// ISO 8601 to the second, always of one form: compared as text.
fn text_of(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(String::new, |at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn busy(store: &Store, paper: Option<&Paper>) -> Error {
    let error = Error::busy("another run is at work here").with("output", store.url());
    let error = match paper {
        Some(Paper { holder: Some(holder), since, expires, .. }) => {
            let error = error.with("holder", holder).with("since", since);
            match expires {
                Some(expires) => error.with("unless renewed, until", expires),
                None => error,
            }
        }
        _ => error,
    };
    error.hint("run again when it is done; what it publishes is not touched")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

    use super::*;

    static NOW: AtomicI64 = AtomicI64::new(0);

    fn holder(nonce: &str) -> Holder {
        Holder { name: format!("host {nonce}"), nonce: nonce.into(), now: || NOW.load(Relaxed) }
    }

    async fn take(store: &Store, nonce: &str) -> Result<Lock> {
        Lock::take(store, &Holder { now: || 0, ..holder(nonce) }, || {}).await
    }

    #[tokio::test]
    async fn one_at_a_time_and_the_other_is_told_who() {
        let folder = tempfile::tempdir().unwrap();
        let local = Store::open("new/out", folder.path(), &BTreeMap::new()).unwrap();
        for store in [local, Store::in_memory(&[]).await.unwrap()] {
            for _ in 0..2 {
                let first = take(&store, "a").await.unwrap();
                let error = take(&store, "b").await.map(|_| ()).unwrap_err();
                assert_eq!(error.kind(), Kind::Busy);
                assert!(error.context().iter().any(|(key, value)| *key == "holder" && value == "host a"));
                assert!(error.context().iter().any(|(key, _)| *key == "since"));
                first.release().await.unwrap();
            }
            take(&store, "b").await.unwrap().release().await.unwrap();
        }
        assert!(!folder.path().join("new").exists(), "nothing came of it");
    }

    #[tokio::test]
    async fn a_holder_that_has_not_written_its_name_yet_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(".", folder.path(), &BTreeMap::new()).unwrap();
        let mut file = File::create_new(folder.path().join(LOCK)).unwrap();
        file.lock().unwrap();
        let writing = async {
            tokio::time::sleep(FILE_AGAIN * 5).await;
            file.write_all(&Paper::of(&holder("a")).json().unwrap()).unwrap();
        };
        let (taken, ()) = tokio::join!(take(&store, "b"), writing);
        let error = taken.map(|_| ()).unwrap_err();
        assert!(error.context().iter().any(|(_, value)| value == "host a"), "{error:?}");
    }

    #[tokio::test]
    async fn a_lease_that_expired_is_taken_over_and_its_holder_finds_out() {
        let store = Store::in_memory(&[]).await.unwrap();
        let later = async |nonce| Lock::take(&store, &holder(nonce), || {}).await;
        let first = later("a").await.unwrap();
        assert!(!first.is_certain());
        NOW.store((LEASE_SECONDS - 1) * 1_000_000, Relaxed);
        assert!(later("b").await.is_err());
        NOW.store((LEASE_SECONDS + 1) * 1_000_000, Relaxed);
        let second = later("b").await.unwrap();
        // The first one releases nothing that is not its own.
        first.release().await.unwrap();
        assert!(later("c").await.is_err());
        second.release().await.unwrap();
    }

    #[tokio::test]
    async fn a_lease_is_renewed_until_it_is_somebody_elses() {
        static LATER: AtomicI64 = AtomicI64::new(0);
        let store = Store::in_memory(&[]).await.unwrap();
        let mine = Holder { now: || LATER.load(Relaxed), ..holder("a") };
        let _lock = Lock::take(&store, &mine, || {}).await.unwrap();
        let (sender, mut is_lost) = tokio::sync::watch::channel(false);
        let lost = move || {
            let _ = sender.send(true);
        };
        let every = Duration::from_millis(5);
        let renewing = tokio::spawn(renew(store.clone(), mine.clone(), Paper::of(&mine), every, lost));
        let expires =
            async || paper(&store, Some(&store.read(LOCK).await.unwrap())).unwrap().unwrap().expires;
        let first = expires().await;
        LATER.store(100_000_000, Relaxed);
        while expires().await == first {
            tokio::time::sleep(every).await;
        }
        let other = Paper::of(&Holder { now: mine.now, ..holder("b") });
        store.write(LOCK, other.json().unwrap()).await.unwrap();
        is_lost.wait_for(|lost| *lost).await.unwrap();
        renewing.await.unwrap();
        assert_eq!(paper(&store, Some(&store.read(LOCK).await.unwrap())).unwrap(), Some(other));
    }

    #[tokio::test]
    async fn a_file_that_a_killed_run_left_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(LOCK), "{\"holder\": \"gone\"").unwrap();
        let store = Store::open(".", folder.path(), &BTreeMap::new()).unwrap();
        let lock = take(&store, "a").await.unwrap();
        assert!(lock.is_certain());
        lock.release().await.unwrap();
        assert!(!folder.path().join(LOCK).exists() && folder.path().exists());
    }
}
