//! Storage: folders of objects on a local disk, in a bucket of S3, Azure or Google, or compiled into the binary;
//! and single files of the web.
//!
//! The only room that talks to `object_store`. It knows objects, versions and bytes; it does not know
//! SQL, tables, the environment or the clock, all of which its callers hand in or keep.
//!
//! | file | the question it answers |
//! |---|---|
//! | `object.rs` | what is an object? |
//! | `address.rs` | what does this location mean, and what lies there? |
//! | `clouds.rs` | … in Azure, at Google, in the web |
//! | `decode.rs` | what does a compressed object hold? |
//! | `pinned.rs` | is the object still the one that was listed? |
//! | `writer.rs` | how is an object written whole or not at all? |
//! | `staged.rs` | … on a local disk |
//! | `upload.rs` | … in a bucket, and what is left of an upload that was killed? |
//! | `conditional.rs` | how is an object replaced only if it is still the one that was read? |
//! | `lock.rs` | who is at work here? |
//! | `publish.rs` | how does a run become the latest one? |
//! | `intent.rs` | which runs are unfinished, and what have they written? |
//! | `history.rs` | which runs were published, in which order? |
//! | `sweep.rs` | how is removed what nobody needs any more, and nothing else? |
//! | `scratch.rs` | where does the SQL engine put its own tables meanwhile? |
//! | `failure.rs` | what does a storage error mean to a person? |
//! | `faults.rs` | what happens if it fails just here? (tests) |

mod address;
mod clouds;
mod conditional;
mod decode;
mod failure;
mod faults;
pub mod history;
mod intent;
pub mod layout;
pub mod lock;
mod object;
mod pinned;
pub mod publish;
mod scratch;
mod staged;
mod sweep;
mod upload;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use futures::stream::{self, StreamExt, TryStreamExt};
use object_store::buffered::BufReader;
use object_store::local::LocalFileSystem;
use object_store::multipart::MultipartStore;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{Error as Raw, GetOptions, ObjectMeta, ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

pub use address::find;
pub use conditional::Snapshot;
pub use decode::read_start;
pub use failure::storage_error;
pub use object::{Counters, Object, Written};
pub use scratch::{drop_table, scratch};
pub use sweep::Keep;
pub use tokio_util::bytes::Bytes;
pub use writer::ObjectWriter;

use crate::error::{Error, Result};
use failure::failure;
use object::{Traffic, meta_of, path_of};

/// One request of a [`Store::reader`]; it holds one such piece in memory.
const READ_BYTES: usize = 8 * 1024 * 1024;
/// Checks of doubtful entries of a listing that run side by side.
const HEADS_IN_FLIGHT: usize = 16;

/// A folder of objects. Clones and children share the connection and the counters.
#[derive(Clone)]
pub struct Store {
    place: Place,
    url: String,
    traffic: Arc<Traffic>,
}

#[derive(Clone)]
enum Place {
    /// A local folder, which may not exist yet.
    Folder(PathBuf),
    Keys(Keys),
}

/// The keys of a bucket below a prefix.
#[derive(Clone)]
struct Keys {
    client: Arc<dyn ObjectStore>,
    /// The same client, for objects written in parts; none for a store that is only read.
    uploads: Option<Arc<dyn MultipartStore>>,
    prefix: Path,
}

/// What an object holds, decompressed.
pub struct Content(decode::Decoded<Box<dyn std::io::Read + Send>>);

impl std::io::Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read(buffer)
    }
}

/// The address only: a client's own `Debug` may show its credentials.
impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.url)
    }
}

impl Store {
    fn new(place: Place, url: String) -> Store {
        Store { place, url, traffic: Arc::default() }
    }

    /// The same store, failing where the environment orders it to.
    fn with_faults(mut self, env: &BTreeMap<String, String>) -> Store {
        self.traffic = Arc::new(Traffic::failing(faults::Faults::ordered(env, &self.url)));
        self
    }

    /// A read-only store of files compiled into the binary, shown as `url`. Versions are content
    /// hashes, so that they are the same on every machine.
    pub fn embedded(
        url: &str,
        files: &'static include_dir::Dir<'static>,
        last_modified_micros: i64,
    ) -> Result<Store> {
        let mut objects = BTreeMap::new();
        let mut bytes = BTreeMap::new();
        let mut folders = vec![files];
        while let Some(folder) = folders.pop() {
            folders.extend(folder.dirs());
            for file in folder.files() {
                let path = path_of(&file.path().to_string_lossy())?;
                let object = Object {
                    path: path.to_string(),
                    url: format!("{url}/{path}"),
                    bytes: file.contents().len() as u64,
                    etag: format!("{:x}", Sha256::digest(file.contents())),
                    last_modified_micros,
                };
                objects.insert(path.clone(), meta_of(&object)?);
                bytes.insert(path, file.contents());
            }
        }
        let traffic = Arc::<Traffic>::default();
        let compiled = pinned::Pinned {
            objects,
            bytes: pinned::Source::Compiled(bytes),
            url: url.to_owned(),
            // What the view counts is counted by the store on top of it.
            traffic: Arc::default(),
        };
        Ok(Store {
            place: Place::Keys(Keys { client: Arc::new(compiled), uploads: None, prefix: Path::ROOT }),
            url: url.to_owned(),
            traffic,
        })
    }

    /// A store in memory, for tests.
    pub async fn in_memory(files: &[(&str, &str)]) -> Result<Store> {
        let memory = Arc::new(object_store::memory::InMemory::new());
        let keys = Keys { client: memory.clone(), uploads: Some(memory), prefix: Path::ROOT };
        let store = Store::new(Place::Keys(keys), "memory".to_owned());
        for (path, text) in files {
            store.write(path, Bytes::copy_from_slice(text.as_bytes())).await?;
        }
        Ok(store)
    }

    /// The whole address, printable: without credentials and without a `/` at the end.
    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn counters(&self) -> Counters {
        self.traffic.counters()
    }

    /// The store of a folder below this one.
    pub fn child(&self, folder: &str) -> Result<Store> {
        let below = path_of(folder)?;
        let place = match &self.place {
            Place::Folder(root) => {
                self.check_links(&below)?;
                Place::Folder(root.join(below.as_ref()))
            }
            Place::Keys(keys) => {
                let prefix = keys.prefix.parts().chain(below.parts()).collect();
                Place::Keys(Keys { prefix, ..keys.clone() })
            }
        };
        Ok(Store { place, url: self.url_of(&below), traffic: self.traffic.clone() })
    }

    /// The objects that `pattern` means, sorted by path: all for `""`, those in a folder, one object, or
    /// those that a glob matches. Nothing there is an empty list.
    pub async fn list(&self, pattern: &str) -> Result<Vec<Object>> {
        let glob = glob_start(pattern).map(|_| glob::Pattern::new(pattern)).transpose().map_err(|error| {
            Error::config("not a usable pattern").with("pattern", pattern).caused_by(error)
        })?;
        let options = glob::MatchOptions { require_literal_separator: true, ..Default::default() };
        let fixed = match glob_start(pattern) {
            Some(start) => &pattern[..pattern[..start].rfind('/').unwrap_or(0)],
            None => pattern,
        };
        let Some(client) = self.client()? else { return Ok(Vec::new()) };
        let prefix = path_of(fixed)?;
        self.traffic.request();
        let failed = |raw| failure(&raw, &self.url_of(&prefix));
        self.traffic.step().map_err(failed)?;
        let listed: Vec<ObjectMeta> = client.list(Some(&prefix)).try_collect().await.map_err(failed)?;
        let matching = listed.into_iter().filter(|meta| {
            glob.as_ref().is_none_or(|glob| glob.matches_with(meta.location.as_ref(), options))
        });
        let mut objects: Vec<Object> = stream::iter(matching.map(|meta| self.existing(meta)))
            .buffered(HEADS_IN_FLIGHT)
            .try_filter_map(|object| async { Ok(object) })
            .try_collect()
            .await?;
        if objects.is_empty() && glob.is_none() && !fixed.is_empty() && !fixed.ends_with('/') {
            objects.extend(self.stat(fixed).await?);
        }
        objects.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(objects)
    }

    /// The whole of a small object.
    pub async fn read(&self, path: &str) -> Result<Bytes> {
        let missing =
            || Error::io("the object is not there").with("location", self.url_of(&Path::from(path)));
        self.read_if_there(path).await?.ok_or_else(missing)
    }

    pub async fn read_if_there(&self, path: &str) -> Result<Option<Bytes>> {
        Ok(self.snapshot(path).await?.bytes)
    }

    /// Writes or replaces an object, at once: readers see the old one or the new one.
    pub async fn write(&self, path: &str, bytes: Bytes) -> Result<Written> {
        let mut writer = self.writer(path).await?;
        writer.write_all(&bytes).await.map_err(|source| writer::failed(source, &self.url))?;
        writer.finish().await
    }

    /// Streams an object of any size; see [`ObjectWriter`].
    pub async fn writer(&self, path: &str) -> Result<ObjectWriter> {
        let key = path_of(path)?;
        let url = self.url_of(&key);
        if key.is_root() {
            return Err(Error::internal("an object wants a name").with("location", url));
        }
        match &self.place {
            Place::Keys(keys) => Ok(ObjectWriter::upload(self, keys, key, path, url)),
            Place::Folder(root) => {
                self.check_links(&key)?;
                ObjectWriter::local(root.join(key.as_ref()), path, url, self.traffic.clone()).await
            }
        }
    }

    /// Removes exactly the named objects; those that are not there are fine. It never lists, and
    /// refuses names that lie at the top of a bucket.
    pub async fn delete(&self, paths: &[String]) -> Result<()> {
        let mut keys = Vec::new();
        for path in paths {
            let key = path_of(path)?;
            let in_folder = match &self.place {
                Place::Folder(_) => !key.is_root(),
                Place::Keys(keys) => key.parts_count() >= if keys.prefix.is_root() { 2 } else { 1 },
            };
            if !in_folder {
                return Err(Error::internal("refused to delete outside a folder").with("location", path));
            }
            self.check_links(&key)?;
            keys.push(Ok(key));
        }
        let Some(client) = self.client()? else { return Ok(()) };
        self.traffic.request();
        let failed = |raw: Raw| failure(&raw, &self.url);
        self.traffic.step().map_err(failed)?;
        let mut deleted = client.delete_stream(stream::iter(keys).boxed());
        let mut result = Ok(());
        while let Some(next) = deleted.next().await {
            match next {
                Ok(_) | Err(Raw::NotFound { .. }) => {}
                Err(raw) => result = result.and(Err(failed(raw))),
            }
        }
        result.and_then(|()| self.traffic.step().map_err(failed))
    }

    /// What the SQL engine is given: these objects only, in these versions only, read only.
    pub fn pinned(&self, objects: &[Object]) -> Result<Arc<dyn ObjectStore>> {
        let client = self.client()?.ok_or_else(|| failure::changed(&self.url))?;
        let metas = objects.iter().map(|object| meta_of(object).map(|meta| (meta.location.clone(), meta)));
        Ok(Arc::new(pinned::Pinned {
            objects: metas.collect::<Result<_>>()?,
            bytes: pinned::Source::Client(client),
            url: self.url.clone(),
            traffic: self.traffic.clone(),
        }))
    }

    /// Reads a listed object from start to end, for a thread that may block (`spawn_blocking`). It
    /// holds one piece of 8 MiB. A failure is found again by [`storage_error`].
    pub fn reader(&self, object: &Object) -> Result<impl std::io::Read + Send + use<>> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|source| Error::internal("a reader needs the runtime").caused_by(source))?;
        let pinned = self.pinned(std::slice::from_ref(object))?;
        let reader = BufReader::with_capacity(pinned, &meta_of(object)?, READ_BYTES);
        Ok(tokio_util::io::SyncIoBridge::new_with_handle(reader, runtime))
    }

    /// Like [`Store::reader`], and decompressed where the object's first bytes are those of gzip or zstd.
    /// It reads them at once, so the thread must be one that may block. What is damaged is an error of
    /// `Kind::Data` inside the stream's.
    pub fn content(&self, object: &Object) -> Result<Content> {
        let reader: Box<dyn std::io::Read + Send> = Box::new(self.reader(object)?);
        match decode::Decoded::new(reader) {
            Ok(decoded) => Ok(Content(decoded)),
            Err(error) => Err(storage_error(&error)
                .unwrap_or_else(|| Error::io("an object cannot be read").caused_by(error))
                .with("location", &object.url)),
        }
    }

    /// The beginning of a listed object's content, decompressed: what its first bytes, as stored, hold, up to
    /// as many again; and whether that is all of it.
    pub async fn head(&self, object: &Object, bytes: u64) -> Result<(Vec<u8>, bool)> {
        if object.bytes == 0 {
            return Ok((Vec::new(), true));
        }
        let pinned = self.pinned(std::slice::from_ref(object))?;
        let stored = pinned
            .get_range(&path_of(&object.path)?, 0..object.bytes.min(bytes))
            .await
            .map_err(|raw| storage_error(&raw).unwrap_or_else(|| failure(&raw, &object.url)))?;
        let (content, is_whole) = decode::beginning(&stored, bytes);
        Ok((content, is_whole && object.bytes <= bytes))
    }

    /// The last bytes of a listed object, fewer where it is shorter.
    pub async fn tail(&self, object: &Object, bytes: u64) -> Result<Bytes> {
        let pinned = self.pinned(std::slice::from_ref(object))?;
        let tail = pinned
            .get_range(&path_of(&object.path)?, object.bytes.saturating_sub(bytes)..object.bytes)
            .await
            .map_err(|raw| storage_error(&raw).unwrap_or_else(|| failure(&raw, &object.url)))?;
        Ok(tail)
    }

    /// The SHA-256 of a listed object, read whole, in hexadecimal digits.
    pub async fn sha256(&self, object: &Object) -> Result<String> {
        let failed = |raw: Raw| storage_error(&raw).unwrap_or_else(|| failure(&raw, &object.url));
        let pinned = self.pinned(std::slice::from_ref(object))?;
        let whole = pinned.get_opts(&path_of(&object.path)?, GetOptions::default()).await.map_err(failed)?;
        let mut bytes = whole.into_stream();
        let mut hash = Sha256::new();
        while let Some(piece) = bytes.next().await {
            hash.update(&piece.map_err(failed)?);
        }
        Ok(format!("{:x}", hash.finalize()))
    }

    /// The object of that very name; none where there is none.
    pub async fn stat(&self, path: &str) -> Result<Option<Object>> {
        let key = path_of(path)?;
        self.check_links(&key)?;
        let Some(client) = self.client()? else { return Ok(None) };
        self.traffic.request();
        let head = async {
            self.traffic.step()?;
            client.head(&key).await
        };
        match head.await {
            Ok(meta) => Ok(Some(self.object_of(ObjectMeta { location: key, ..meta }))),
            Err(Raw::NotFound { .. }) => Ok(None),
            Err(raw) => Err(failure(&raw, &self.url_of(&key))),
        }
    }

    /// An entry of a listing as an object, unless it is a bucket's folder marker: an empty object whose
    /// key ends in `/`, which cannot be told from an empty file's name but by asking for it.
    async fn existing(&self, meta: ObjectMeta) -> Result<Option<Object>> {
        match &self.place {
            Place::Keys(_) if meta.location.is_root() => Ok(None),
            Place::Keys(_) if meta.size == 0 => self.stat(meta.location.as_ref()).await,
            Place::Keys(_) => Ok(Some(self.object_of(meta))),
            Place::Folder(_) => {
                self.check_links(&meta.location)?;
                Ok(Some(self.object_of(meta)))
            }
        }
    }

    /// The connection, with paths relative to this store; none for a local folder that is not there.
    fn client(&self) -> Result<Option<Arc<dyn ObjectStore>>> {
        match &self.place {
            Place::Keys(Keys { client, prefix, .. }) => {
                Ok(Some(Arc::new(PrefixStore::new(client.clone(), prefix.clone()))))
            }
            Place::Folder(_) => self
                .real_root()?
                .map(|root| {
                    let client = LocalFileSystem::new_with_prefix(root)
                        .map_err(|raw| failure(&raw, &self.url))?
                        .with_automatic_cleanup(true);
                    Ok(Arc::new(client) as Arc<dyn ObjectStore>)
                })
                .transpose(),
        }
    }

    /// A local store's folder with links resolved; none for other stores or if it is not there.
    fn real_root(&self) -> Result<Option<PathBuf>> {
        let Place::Folder(root) = &self.place else { return Ok(None) };
        match root.canonicalize() {
            Ok(real) => {
                address::refuse_root(&real)?;
                Ok(Some(real))
            }
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => {
                Err(Error::io("cannot open the folder").with("location", &self.url).caused_by(error))
            }
        }
    }

    /// Refuses a path that a symbolic link would lead out of a local store's folder.
    fn check_links(&self, path: &Path) -> Result<()> {
        let Some(root) = self.real_root()? else { return Ok(()) };
        for part in root.join(path.as_ref()).ancestors() {
            match part.canonicalize() {
                Ok(real) if real.starts_with(&root) => return Ok(()),
                Ok(_) => break,
                Err(error) if is_absent(&error) => {}
                Err(error) => {
                    return Err(Error::io("cannot open")
                        .with("location", self.url_of(path))
                        .caused_by(error));
                }
            }
        }
        Err(Error::config("a symbolic link leads out of the folder")
            .with("location", self.url_of(path))
            .hint("name the folder that the link points to"))
    }

    fn object_of(&self, meta: ObjectMeta) -> Object {
        Object {
            url: self.url_of(&meta.location),
            bytes: meta.size,
            etag: clouds::etag_as_answered(&self.url, pinned::version(&meta)),
            last_modified_micros: meta.last_modified.timestamp_micros(),
            path: meta.location.into(),
        }
    }

    fn url_of(&self, path: &Path) -> String {
        format!("{}/{path}", self.url)
    }
}

/// Where a pattern stops being a plain name.
fn glob_start(pattern: &str) -> Option<usize> {
    pattern.find(['*', '?', '['])
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use futures::FutureExt;
    use include_dir::{Dir, DirEntry, File};

    use super::*;
    use crate::error::Kind;

    fn local(folder: &tempfile::TempDir) -> Store {
        Store::open("data", folder.path(), &BTreeMap::new()).unwrap()
    }

    #[tokio::test]
    async fn a_local_folder_is_made_by_writing_not_by_reading() {
        let folder = tempfile::tempdir().unwrap();
        let store = local(&folder);
        assert_eq!(store.list("").await.unwrap(), []);
        assert_eq!(store.read_if_there("a/b").await.unwrap(), None);
        assert_eq!(store.read("a/b").await.unwrap_err().kind(), Kind::Io);
        store.delete(&["a/b".to_owned()]).await.unwrap();
        assert!(!folder.path().join("data").exists());

        for path in ["b", "a/b", "a b/c=1/%7B.csv"] {
            store.write(path, Bytes::from(path.to_owned())).await.unwrap();
            assert_eq!(store.read(path).await.unwrap(), path);
        }
        let objects = store.list("").await.unwrap();
        let paths: Vec<_> = objects.iter().map(|object| object.path.as_str()).collect();
        assert_eq!(paths, ["a b/c=1/%7B.csv", "a/b", "b"]);
        assert_eq!(objects[1].url, format!("{}/a/b", store.url()));
        assert_eq!(store.child("a").unwrap().list("").await.unwrap()[0].path, "b");
        assert_eq!(store.list("a").await.unwrap().len(), 1);
        assert_eq!(store.list("a/b").await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn deletion_removes_the_named_objects_only() {
        let folder = tempfile::tempdir().unwrap();
        let store = local(&folder);
        for path in ["runs/a/1", "runs/a/2", "runs/b/1"] {
            store.write(path, Bytes::new()).await.unwrap();
        }
        store.delete(&["runs/b/1".to_owned(), "runs/a/1".to_owned(), "runs/gone".to_owned()]).await.unwrap();
        assert_eq!(store.list("").await.unwrap()[0].path, "runs/a/2");
        store.delete(&["runs/a/2".to_owned()]).await.unwrap();
        assert!(folder.path().join("data").is_dir());

        let bucket = Store::in_memory(&[("top", ""), ("folder/x", "")]).await.unwrap();
        assert!(bucket.delete(&["folder/x".to_owned(), "top".to_owned()]).await.is_err());
        assert!(bucket.delete(&[String::new()]).await.is_err());
        assert_eq!(bucket.list("").await.unwrap().len(), 2);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn no_way_out_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let store = local(&folder);
        store.write("in/a", Bytes::new()).await.unwrap();
        let outside = folder.path().join("outside");
        std::fs::create_dir(&outside).unwrap();
        std::fs::write(outside.join("a"), "keep").unwrap();
        std::os::unix::fs::symlink(&outside, folder.path().join("data/link")).unwrap();
        for path in ["../outside/a", "in/../../outside/a", "link/a", "link/new/b"] {
            assert_eq!(store.read(path).await.unwrap_err().kind(), Kind::Config, "{path}");
            assert_eq!(store.write(path, Bytes::new()).await.unwrap_err().kind(), Kind::Config, "{path}");
            assert_eq!(store.delete(&[path.to_owned()]).await.unwrap_err().kind(), Kind::Config, "{path}");
            assert_eq!(store.child(path).unwrap_err().kind(), Kind::Config, "{path}");
        }
        assert_eq!(store.list("").await.unwrap_err().kind(), Kind::Config);
        assert_eq!(std::fs::read(outside.join("a")).unwrap(), b"keep");
        assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 1);

        std::os::unix::fs::symlink("/", folder.path().join("root")).unwrap();
        assert!(Store::open("root", folder.path(), &BTreeMap::new()).is_err());
    }

    #[tokio::test]
    async fn a_reader_gives_all_bytes_of_one_version() {
        let folder = tempfile::tempdir().unwrap();
        let store = local(&folder);
        let large: Vec<u8> = (0..READ_BYTES + 7).map(|at| (at % 251) as u8).collect();
        store.write("large", large.clone().into()).await.unwrap();
        store.write("empty", Bytes::new()).await.unwrap();
        let objects = store.list("").await.unwrap();
        let read = |store: &Store, object: &Object, replace: Option<PathBuf>| {
            let mut reader = store.reader(object).unwrap();
            tokio::task::spawn_blocking(move || {
                let mut bytes = vec![0; 10];
                let count = reader.read(&mut bytes)?;
                bytes.truncate(count);
                if let Some(path) = replace {
                    std::fs::write(path, "other")?;
                }
                reader.read_to_end(&mut bytes).map(|_| bytes)
            })
        };
        assert_eq!(read(&store, &objects[0], None).await.unwrap().unwrap(), b"");
        assert!(read(&store, &objects[1], None).await.unwrap().unwrap() == large);
        let replaced = read(&store, &objects[1], Some(folder.path().join("data/large")));
        let error = storage_error(&replaced.await.unwrap().unwrap_err()).expect("a storage failure");
        assert_eq!((error.kind(), error.message()), (Kind::Unavailable, "an input changed during the run"));
    }

    #[tokio::test]
    async fn an_update_is_asked_again_if_somebody_was_quicker() {
        let store = Store::in_memory(&[("list", "a")]).await.unwrap();
        for path in ["list", "new"] {
            let mut asked = 0;
            let updated = store.update(path, |old| {
                asked += 1;
                if asked == 1 {
                    let other = store.write(path, Bytes::from_static(b"b"));
                    other.now_or_never().expect("memory does not wait")?;
                }
                Ok(Some([old.unwrap_or_default(), b"c"].concat().into()))
            });
            assert!(updated.await.unwrap());
            assert_eq!((store.read(path).await.unwrap(), asked), (Bytes::from_static(b"bc"), 2));
        }
        assert!(!store.update("list", |_| Ok(None)).await.unwrap());
        let mut number = 0;
        let busy = store.update("list", |_| {
            number += 1;
            let other = store.write("list", number.to_string().into());
            other.now_or_never().expect("memory does not wait")?;
            Ok(Some(Bytes::from_static(b"mine")))
        });
        assert_eq!(busy.await.unwrap_err().kind(), Kind::Unavailable);
    }

    static FILES: Dir<'static> = Dir::new(
        "",
        &[
            DirEntry::File(File::new("b.csv", b"abc")),
            DirEntry::Dir(Dir::new("a", &[DirEntry::File(File::new("a/a.csv", b""))])),
        ],
    );

    #[tokio::test]
    async fn compiled_files_are_versioned_by_content_and_read_only() {
        let store = Store::embedded("sample", &FILES, 5_000_000).unwrap();
        let objects = store.list("").await.unwrap();
        assert_eq!(
            objects.iter().map(|object| object.url.as_str()).collect::<Vec<_>>(),
            ["sample/a/a.csv", "sample/b.csv"]
        );
        assert_eq!(objects[1].etag, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!((objects[1].bytes, objects[1].last_modified_micros), (3, 5_000_000));
        let pinned = store.pinned(&objects).unwrap();
        assert_eq!(pinned.get_range(&"b.csv".into(), 1..3).await.unwrap(), "bc");
        assert_eq!(store.counters().bytes_read, 2);
        assert_eq!(store.read("b.csv").await.unwrap(), "abc");
        assert!(store.write("c.csv", Bytes::new()).await.is_err());
        assert!(store.delete(&["a/a.csv".to_owned()]).await.is_err());
    }
}
