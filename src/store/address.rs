//! From what a person wrote (`s3://lake/orders/2025-*.csv`, `file:///data`, `exports`) to a store.
//!
//! Keys of buckets are taken as they are written, without percent-decoding, as other tools do. A local
//! store is always rooted at a folder and never at `/`: a store of the whole machine turns a slip in a
//! path, above all on deletion, into a disaster.

use std::collections::BTreeMap;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use url::Url;

use super::{Keys, Object, Place, Store, clouds, failure, glob_start, is_absent};
use crate::error::{Error, Result, query};

/// What may be written as a place.
const KNOWN: &str = "use s3://bucket/folder, az://container/folder, gs://bucket/folder, file:///folder or a path; \
     single files may be read from https://";

impl Store {
    /// Opens `s3://bucket/folder`, `az://container/folder`, `gs://bucket/folder`, `file:///folder` or a path
    /// relative to `base`. Nothing is created and nothing is asked of the storage. `env` is the environment; of
    /// it only `AWS_*`, `AZURE_*` and `GOOGLE_*` are used.
    pub fn open(location: &str, base: &Path, env: &BTreeMap<String, String>) -> Result<Store> {
        Self::open_place(location, base, env).map(|store| store.with_faults(env))
    }

    fn open_place(location: &str, base: &Path, env: &BTreeMap<String, String>) -> Result<Store> {
        refuse_query(location)?;
        match location.split_once("://") {
            Some(("s3", rest)) => bucket(rest, env),
            Some((scheme, rest)) if clouds::AZURE.contains(&scheme) => clouds::azure(scheme, rest, env),
            Some(("gs", rest)) => clouds::google(rest, env),
            Some(_) if clouds::is_web(location) => Err(clouds::no_folder()),
            Some(("file", _)) => {
                let path = Url::parse(location).ok().and_then(|url| url.to_file_path().ok());
                folder(&path.ok_or_else(|| {
                    Error::config("not a local folder")
                        .with("location", location)
                        .hint("write file:///folder")
                })?)
            }
            // The address itself is not repeated: it may hold a password.
            Some((scheme, _)) => Err(Error::config(format!("`{scheme}://` is not supported")).hint(KNOWN)),
            None if location.is_empty() => Err(Error::config("a location is empty")),
            None => folder(&base.join(location)),
        }
    }
}

/// Lists what a source's address means, once: a folder with all below it, one object, or a pattern
/// (`*`, `?`, `[..]` inside a folder's or object's name, `**` for any number of folders). The store is
/// that of the longest folder without a pattern; nothing there is an empty list. An address of the web means one
/// file, which is asked for by name.
pub async fn find(
    location: &str,
    base: &Path,
    env: &BTreeMap<String, String>,
) -> Result<(Store, Vec<Object>)> {
    refuse_query(location)?;
    if clouds::is_web(location) {
        let (folder, name) = clouds::web(location)?;
        let object = folder.stat(&name).await?;
        return Ok((folder.with_faults(env), object.into_iter().collect()));
    }
    if let Some(start) = glob_start(location) {
        let cut = location[..start].rfind('/').map_or(0, |slash| slash + 1);
        let (folder, pattern) = location.split_at(cut);
        let store = Store::open(if folder.is_empty() { "." } else { folder }, base, env)?;
        let objects = store.list(pattern).await?;
        return Ok((store, objects));
    }
    let store = Store::open(location, base, env)?;
    let objects = store.list("").await?;
    if objects.is_empty()
        && let Some((parent, name)) = parent(&store)?
        && let Some(object) = parent.stat(&name).await?
    {
        return Ok((parent, vec![object]));
    }
    Ok((store, objects))
}

fn folder(path: &Path) -> Result<Store> {
    let path = std::path::absolute(path)
        .and_then(|path| match path.canonicalize() {
            Err(error) if is_absent(&error) => Ok(path),
            real => real,
        })
        .map_err(|source| {
            Error::io("cannot open the folder").with("location", path.display()).caused_by(source)
        })?;
    refuse_root(&path)?;
    let url = path.display().to_string().trim_end_matches('/').to_owned();
    Ok(Store::new(Place::Folder(path), url))
}

pub(super) fn refuse_root(path: &Path) -> Result<()> {
    match path.parent() {
        Some(_) => Ok(()),
        None => Err(Error::config("the root of the file system cannot be used as a folder of data")
            .hint("name a folder below it")),
    }
}

/// What stands behind a `?` is mostly a signature.
fn refuse_query(location: &str) -> Result<()> {
    match location.contains("://") && query(location).is_some() {
        true => Err(Error::config("an address of data has no query")
            .hint("leave out what follows the `?`: credentials come from the environment")),
        false => Ok(()),
    }
}

fn bucket(address: &str, env: &BTreeMap<String, String>) -> Result<Store> {
    let (bucket, key) = address.split_once('/').unwrap_or((address, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if bucket.is_empty() || !bucket.chars().all(plain) {
        // Not repeated either: some write their keys into it.
        return Err(Error::config("`s3://` wants a bucket's name").hint(
            "write s3://bucket/folder; credentials come from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        ));
    }
    if key.starts_with('/') {
        return Err(
            Error::config("an S3 key cannot begin with `/`").with("location", format!("s3://{address}"))
        );
    }
    let url = format!("s3://{address}").trim_end_matches('/').to_owned();
    let prefix = object_store::path::Path::parse(key).map_err(|source| {
        Error::config("not a usable S3 key").with("location", &url).caused_by(source.to_string())
    })?;
    let settings = env.iter().filter_map(|(name, value)| {
        let name = name.to_ascii_lowercase();
        let key = AmazonS3ConfigKey::from_str(&name).ok().filter(|_| name.starts_with("aws_"))?;
        (!value.is_empty()).then_some((key, value))
    });
    let client = settings
        .fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(bucket)
        .build()
        .map_err(|raw| {
            Error::config("the S3 settings do not fit together")
                .with("location", &url)
                .hint("check the AWS_* environment variables")
                .caused_by(failure::without_secrets(&raw.to_string()))
        })?;
    let client = Arc::new(client);
    let keys = Keys { client: client.clone(), uploads: Some(client), prefix };
    Ok(Store::new(Place::Keys(keys), url))
}

/// The folder an object's address is in, and its name there.
fn parent(store: &Store) -> Result<Option<(Store, String)>> {
    match &store.place {
        Place::Folder(path) => match (path.parent(), path.file_name().and_then(|name| name.to_str())) {
            (Some(parent), Some(name)) if path.is_file() => Ok(Some((folder(parent)?, name.to_owned()))),
            _ => Ok(None),
        },
        Place::Keys(keys) => Ok(keys.prefix.parent().zip(keys.prefix.filename()).map(|(prefix, name)| {
            let url = store.url.strip_suffix(name).unwrap_or(&store.url).trim_end_matches('/');
            let place = Place::Keys(Keys { prefix, ..keys.clone() });
            (Store::new(place, url.to_owned()), name.to_owned())
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    async fn found(location: &str, base: &Path) -> (String, Vec<String>) {
        let (store, objects) = find(location, base, &BTreeMap::new()).await.unwrap();
        let root = base.canonicalize().unwrap().display().to_string();
        let paths = objects.into_iter().map(|object| object.path).collect();
        (store.url().strip_prefix(&root).unwrap().to_owned(), paths)
    }

    #[tokio::test]
    async fn folders_objects_and_patterns() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path();
        for path in ["in/2025-01.csv", "in/2025-02.csv", "in/2024-12.csv", "in/old/2025-00.csv", "in-2/a.csv"]
        {
            std::fs::create_dir_all(base.join(path).parent().unwrap()).unwrap();
            std::fs::write(base.join(path), "x").unwrap();
        }
        let cases: [(&str, &str, &[&str]); 10] = [
            ("in", "/in", &["2024-12.csv", "2025-01.csv", "2025-02.csv", "old/2025-00.csv"]),
            ("in/old/", "/in/old", &["2025-00.csv"]),
            ("in/2025-*.csv", "/in", &["2025-01.csv", "2025-02.csv"]),
            ("in/*.csv", "/in", &["2024-12.csv", "2025-01.csv", "2025-02.csv"]),
            ("in/**/2025-0[01].csv", "/in", &["2025-01.csv", "old/2025-00.csv"]),
            ("in*/a.csv", "", &["in-2/a.csv"]),
            ("in/2024-12.csv", "/in", &["2024-12.csv"]),
            ("in/2024-12.csv/", "/in/2024-12.csv", &[]),
            ("in/none.csv", "/in/none.csv", &[]),
            ("nowhere/*.csv", "/nowhere", &[]),
        ];
        for (location, url, paths) in cases {
            assert_eq!(
                found(location, base).await,
                (url.to_owned(), paths.iter().map(|p| p.to_string()).collect()),
                "{location}"
            );
        }
        let url = Url::from_directory_path(base.join("in")).unwrap();
        assert_eq!(found(url.as_str(), base).await.1.len(), 4);
        assert!(!base.join("nowhere").exists());
    }

    #[test]
    fn what_cannot_be_opened_is_a_matter_of_configuration_and_not_repeated_with_its_secrets() {
        for location in [
            "https://me:secret@host/data",
            "s3://key:secret@bucket/data",
            "s3://bucket/data?sig=secret",
            "az://container/data?sig=secret",
            "s3://",
            "s3://bucket//data",
            "s3://bucket/../data",
            "file:///",
            "/",
            "",
        ] {
            let error = Store::open(location, Path::new("/"), &BTreeMap::new()).expect_err(location);
            assert_eq!(error.kind(), Kind::Config, "{location}");
            assert!(!format!("{error:?}").contains("secret"), "{location}");
        }
    }

    #[test]
    fn settings_come_from_the_environment_given() {
        let open = |pairs: &[(&str, &str)]| {
            let env = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            Store::open("s3://lake/exports/", Path::new("/"), &env)
        };
        let store = open(&[("AWS_PROFILE", "x"), ("AWS_BUCKET", "other"), ("TOKEN", "x")]).unwrap();
        assert_eq!(store.url(), "s3://lake/exports");
        let error = open(&[("AWS_ALLOW_HTTP", "maybe")]).unwrap_err();
        assert!(error.hint_text().is_some_and(|hint| hint.contains("AWS_")));
        assert!(open(&[("AWS_ACCESS_KEY_ID", "half")]).is_err());
    }
}
