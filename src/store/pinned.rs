//! A read-only view of exactly the objects that were listed, each in the version that was listed.
//!
//! It exists because neither the SQL engine nor a text reader asks whether an object is still the one
//! it planned for: a file replaced in the middle of a run would mix two exports in one result. Here
//! every read carries the version (If-Match) and the answer's version is compared as well, since some
//! servers ignore the condition. Listings are answered from the list that was made once, so that
//! nobody sees an object that the manifest does not name.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Attributes, CopyOptions, GetOptions, GetRange, GetResult, GetResultPayload, ListResult, MultipartUpload,
    ObjectMeta, ObjectStore, PutMultipartOptions, PutOptions, PutPayload, PutResult, Result,
};
use tokio_util::bytes::Bytes;

use super::{Traffic, failure};
use crate::error::Error;

/// Listed objects and where their bytes come from.
pub(super) struct Pinned {
    pub objects: BTreeMap<Path, ObjectMeta>,
    pub bytes: Source,
    /// Printable address of the folder, for errors.
    pub url: String,
    pub traffic: Arc<Traffic>,
}

pub(super) enum Source {
    Client(Arc<dyn ObjectStore>),
    Compiled(BTreeMap<Path, &'static [u8]>),
}

/// What tells two versions of an object apart: its etag or, from a store without etags, size and time.
pub(super) fn version(meta: &ObjectMeta) -> String {
    meta.e_tag.clone().filter(|etag| !etag.is_empty()).unwrap_or_else(|| stand_in(meta))
}

/// Whole seconds, because a read reports no more than that where a listing reports milliseconds.
fn stand_in(meta: &ObjectMeta) -> String {
    format!("{}-{}", meta.size, meta.last_modified.timestamp())
}

impl Pinned {
    async fn get(&self, location: &Path, mut options: GetOptions) -> Result<GetResult> {
        self.traffic.step()?;
        let url = format!("{}/{location}", self.url);
        let pinned = self.objects.get(location).ok_or_else(|| object_store::Error::NotFound {
            path: url.clone(),
            source: "it is not among the listed objects".into(),
        })?;
        if options.head {
            options.check_preconditions(pinned)?;
            return Ok(answer(pinned.clone(), 0..pinned.size, Bytes::new()));
        }
        let result = match &self.bytes {
            Source::Compiled(files) => {
                let range = range_of(options.range.as_ref(), pinned.size)?;
                let whole = Bytes::from_static(files.get(location).copied().unwrap_or_default());
                answer(pinned.clone(), range.clone(), whole.slice(range.start as usize..range.end as usize))
            }
            Source::Client(client) => {
                let expected = version(pinned);
                // A weak one (of the web) never matches by itself, so it is only compared below.
                if expected != stand_in(pinned) && !expected.starts_with("W/") {
                    options.if_match = Some(expected.clone());
                }
                let result = client.get_opts(location, options).await.map_err(|raw| match raw {
                    // It was there when it was listed.
                    object_store::Error::NotFound { .. } => wrap(failure::changed(&url)),
                    raw => wrap(failure::failure(&raw, &url)),
                })?;
                if version(&result.meta) != expected {
                    return Err(wrap(failure::changed(&url)));
                }
                result
            }
        };
        self.traffic.read(result.range.end - result.range.start);
        let payload = match result.payload {
            GetResultPayload::Stream(bytes) => {
                GetResultPayload::Stream(bytes.map_err(move |raw| wrap(failure::failure(&raw, &url))).boxed())
            }
            file => file,
        };
        Ok(GetResult { payload, meta: pinned.clone(), ..result })
    }
}

/// Our own error inside the crate's, where `failure::storage_error` finds it again.
fn wrap(error: Error) -> object_store::Error {
    object_store::Error::Generic { store: "pinned", source: Box::new(error) }
}

fn range_of(range: Option<&GetRange>, size: u64) -> Result<std::ops::Range<u64>> {
    match range {
        None => Ok(0..size),
        Some(range) => range
            .as_range(size)
            .map_err(|source| object_store::Error::Generic { store: "pinned", source: source.into() }),
    }
}

fn answer(meta: ObjectMeta, range: std::ops::Range<u64>, bytes: Bytes) -> GetResult {
    let payload = GetResultPayload::Stream(stream::once(async { Ok(bytes) }).boxed());
    GetResult { payload, meta, range, attributes: Attributes::new() }
}

fn refused<T>() -> Result<T> {
    Err(object_store::Error::NotSupported { source: "inputs are only read".into() })
}

impl fmt::Display for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} listed objects of {}", self.objects.len(), self.url)
    }
}

/// As short as `Display`: the trait wants it, and the derived one would print every file's bytes.
impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The signatures are what the trait's `async fn`s stand for, written out.
impl ObjectStore for Pinned {
    fn get_opts<'s, 'l, 'f>(
        &'s self,
        location: &'l Path,
        options: GetOptions,
    ) -> BoxFuture<'f, Result<GetResult>>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        Box::pin(self.get(location, options))
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        let prefix = prefix.cloned().unwrap_or_default();
        let below = |path: &Path| path.prefix_match(&prefix).is_some_and(|mut rest| rest.next().is_some());
        let found: Vec<_> =
            self.objects.values().filter(|meta| below(&meta.location)).map(|meta| Ok(meta.clone())).collect();
        stream::iter(found).boxed()
    }

    fn list_with_delimiter<'s, 'l, 'f>(
        &'s self,
        prefix: Option<&'l Path>,
    ) -> BoxFuture<'f, Result<ListResult>>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        let prefix = prefix.cloned().unwrap_or_default();
        let mut objects = Vec::new();
        let mut folders = BTreeSet::new();
        for meta in self.objects.values() {
            let Some(mut rest) = meta.location.prefix_match(&prefix) else { continue };
            match (rest.next(), rest.next()) {
                (Some(folder), Some(_)) => {
                    folders.insert(prefix.parts().chain([folder]).collect::<Path>());
                }
                (Some(_), None) => objects.push(meta.clone()),
                (None, _) => {}
            }
        }
        let common_prefixes = folders.into_iter().collect();
        Box::pin(async { Ok(ListResult { common_prefixes, objects }) })
    }

    fn put_opts<'s, 'l, 'f>(
        &'s self,
        _location: &'l Path,
        _payload: PutPayload,
        _options: PutOptions,
    ) -> BoxFuture<'f, Result<PutResult>>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        Box::pin(async { refused() })
    }

    fn put_multipart_opts<'s, 'l, 'f>(
        &'s self,
        _location: &'l Path,
        _options: PutMultipartOptions,
    ) -> BoxFuture<'f, Result<Box<dyn MultipartUpload>>>
    where
        's: 'f,
        'l: 'f,
        Self: 'f,
    {
        Box::pin(async { refused() })
    }

    fn copy_opts<'s, 'l, 't, 'f>(
        &'s self,
        _from: &'l Path,
        _to: &'t Path,
        _options: CopyOptions,
    ) -> BoxFuture<'f, Result<()>>
    where
        's: 'f,
        'l: 'f,
        't: 'f,
        Self: 'f,
    {
        Box::pin(async { refused() })
    }

    fn delete_stream(
        &self,
        _locations: BoxStream<'static, Result<Path>>,
    ) -> BoxStream<'static, Result<Path>> {
        stream::once(async { refused() }).boxed()
    }
}

#[cfg(test)]
mod tests {
    use object_store::ObjectStoreExt;

    use crate::error::Kind;
    use crate::store::{Bytes, Store, storage_error};

    use super::*;

    #[tokio::test]
    async fn shows_only_what_was_listed() {
        let store =
            Store::in_memory(&[("a/x=1/1.csv", "1"), ("a/2.csv", "2"), ("ab/3.csv", "3")]).await.unwrap();
        let objects = store.list("").await.unwrap();
        let pinned = store.pinned(&objects).unwrap();
        store.write("a/4.csv", Bytes::from_static(b"4")).await.unwrap();

        let listed: Vec<_> = pinned.list(Some(&"a".into())).try_collect().await.unwrap();
        let paths: Vec<_> = listed.iter().map(|meta| meta.location.as_ref()).collect();
        assert_eq!(paths, ["a/2.csv", "a/x=1/1.csv"]);
        let shallow = pinned.list_with_delimiter(Some(&"a".into())).await.unwrap();
        assert_eq!(shallow.objects.len(), 1);
        assert_eq!(shallow.common_prefixes, [Path::from("a/x=1")]);
        assert_eq!(pinned.head(&"a/2.csv".into()).await.unwrap().size, 1);
        assert!(pinned.get(&"a/4.csv".into()).await.is_err());
        assert!(pinned.put(&"a/5.csv".into(), "5".into()).await.is_err());
        assert!(pinned.delete(&"a/2.csv".into()).await.is_err());
        assert_eq!(store.list("a").await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn refuses_an_object_that_changed_or_is_gone() {
        let store = Store::in_memory(&[("in/a.csv", "one"), ("in/b.csv", "two")]).await.unwrap();
        let pinned = store.pinned(&store.list("").await.unwrap()).unwrap();
        let before = store.counters();
        let (changed, gone) = (Path::from("in/a.csv"), Path::from("in/b.csv"));
        assert_eq!(pinned.get_ranges(&changed, &[0..1, 1..3]).await.unwrap(), ["o", "ne"]);
        let after = store.counters();
        assert_eq!((after.requests - before.requests, after.bytes_read - before.bytes_read), (1, 3));

        store.write("in/a.csv", Bytes::from_static(b"ONE")).await.unwrap();
        store.delete(&["in/b.csv".to_owned()]).await.unwrap();
        for path in [changed, gone] {
            let raw = pinned.get_range(&path, 0..1).await.unwrap_err();
            let error = storage_error(&raw).expect("a storage failure");
            assert_eq!(
                (error.kind(), error.message()),
                (Kind::Unavailable, "an input changed during the run")
            );
        }
    }

    #[tokio::test]
    async fn refuses_the_answer_of_a_server_that_ignores_the_condition() {
        let view = |etag: &str, bytes| {
            let meta = ObjectMeta {
                location: Path::from("a.csv"),
                last_modified: chrono::DateTime::UNIX_EPOCH,
                size: 3,
                e_tag: Some(etag.to_owned()),
                version: None,
            };
            let objects = BTreeMap::from([(meta.location.clone(), meta)]);
            Pinned { objects, bytes, url: "x".to_owned(), traffic: Arc::default() }
        };
        // Compiled files never change, so their store does not look at conditions.
        let compiled = || Source::Compiled(BTreeMap::from([(Path::from("a.csv"), b"new".as_slice())]));
        let over = |etag| view(etag, Source::Client(Arc::new(view("new", compiled()))));
        assert!(over("new").get(&Path::from("a.csv"), GetOptions::default()).await.is_ok());
        assert!(over("old").get(&Path::from("a.csv"), GetOptions::default()).await.is_err());
    }

    #[test]
    fn a_store_without_etags_is_told_apart_by_size_and_second() {
        let meta = |size, millis| ObjectMeta {
            location: Path::from("a"),
            last_modified: chrono::DateTime::from_timestamp_millis(millis).unwrap(),
            size,
            e_tag: None,
            version: None,
        };
        assert_eq!(version(&meta(3, 5_000)), version(&meta(3, 5_999)));
        assert_ne!(version(&meta(3, 5_000)), version(&meta(3, 6_000)));
        assert_ne!(version(&meta(3, 5_000)), version(&meta(4, 5_000)));
    }
}
