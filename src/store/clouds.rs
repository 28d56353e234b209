//! Storage beside S3: Azure, Google Cloud Storage, and single files of the web, which are only read.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::http::HttpBuilder;
use object_store::multipart::MultipartStore;
use object_store::path::Path as Key;
use object_store::{ClientOptions, ObjectStore};
use url::{Position, Url};

use super::{Keys, Place, Store, failure};
use crate::error::{Error, Result};

/// What a container of Azure may be called by.
pub(super) const AZURE: [&str; 5] = ["az", "abfs", "abfss", "adl", "azure"];
const WEB: [&str; 2] = ["http", "https"];

/// The environment's settings of one cloud, by the names that its client knows.
fn settings<'a, K: FromStr>(
    env: &'a BTreeMap<String, String>,
    start: &'static str,
) -> impl Iterator<Item = (K, &'a String)> {
    env.iter().filter(|(_, value)| !value.is_empty()).filter_map(move |(name, value)| {
        let name = name.to_ascii_lowercase();
        let key = K::from_str(&name).ok().filter(|_| name.starts_with(start))?;
        Some((key, value))
    })
}

/// The authority and the key of an address, which is not repeated where it may hold a password.
fn parts<'a>(scheme: &str, rest: &'a str) -> Result<(&'a str, Key)> {
    let (authority, key) = rest.split_once('/').unwrap_or((rest, ""));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
    if authority.is_empty() || !authority.chars().all(plain) {
        let (name, way) = match scheme {
            "gs" => ("a bucket's name", "write gs://bucket/folder"),
            _ => (
                "a container's name",
                "write az://container/folder or abfss://container@account.dfs.core.windows.net/folder",
            ),
        };
        return Err(Error::config(format!("`{scheme}://` wants {name}"))
            .hint(format!("{way}; credentials come from the environment")));
    }
    let key = Key::parse(key).map_err(|source| {
        Error::config("not a usable key")
            .with("location", format!("{scheme}://{rest}"))
            .caused_by(source.to_string())
    })?;
    Ok((authority, key))
}

fn store<T: ObjectStore + MultipartStore>(client: T, prefix: Key, url: &str) -> Store {
    let client = Arc::new(client);
    let keys = Keys { client: client.clone(), uploads: Some(client), prefix };
    Store::new(Place::Keys(keys), url.trim_end_matches('/').to_owned())
}

fn unfit(cloud: &str, variables: &str, url: &str, raw: &object_store::Error) -> Error {
    Error::config(format!("the {cloud} settings do not fit together"))
        .with("location", url)
        .hint(format!("check the {variables} environment variables"))
        .caused_by(failure::without_secrets(&raw.to_string()))
}

/// `az://container/folder`, `abfss://container@account.dfs.core.windows.net/folder`.
pub(super) fn azure(scheme: &str, rest: &str, env: &BTreeMap<String, String>) -> Result<Store> {
    let (authority, prefix) = parts(scheme, rest)?;
    let url = format!("{scheme}://{rest}");
    let client = settings::<AzureConfigKey>(env, "azure_")
        .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
        .with_url(format!("{scheme}://{authority}"))
        .build()
        .map_err(|raw| unfit("Azure", "AZURE_*", &url, &raw))?;
    Ok(store(client, prefix, &url))
}

/// `gs://bucket/folder`.
pub(super) fn google(rest: &str, env: &BTreeMap<String, String>) -> Result<Store> {
    let (bucket, prefix) = parts("gs", rest)?;
    let url = format!("gs://{rest}");
    let client = settings::<GoogleConfigKey>(env, "google_")
        .fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| builder.with_config(key, value))
        .with_bucket_name(bucket)
        .build()
        .map_err(|raw| unfit("Google Cloud", "GOOGLE_*", &url, &raw))?;
    Ok(store(client, prefix, &url))
}

/// Whether an address is one of the web.
pub(super) fn is_web(location: &str) -> bool {
    location.split_once("://").is_some_and(|(scheme, _)| WEB.contains(&scheme))
}

/// A place of the web where a folder was asked for.
pub(super) fn no_folder() -> Error {
    Error::config("an http address is no folder: it can be neither listed nor written to")
        .hint("name one file of it as the `url` of a source; outputs want s3://, az://, gs:// or a path")
}

/// `https://host/folder/file.csv`: the folder, and the name of the one file meant. Servers of the web have no
/// listings that could be relied on.
///
/// # Errors
/// `Kind::Config`, without the address, which may hold a password.
pub(super) fn web(location: &str) -> Result<(Store, String)> {
    let refused = |what: &str| {
        Error::config(format!("an http address {what}")).hint(
            "write https://host/folder/file.csv: one file; no pattern, no user, nothing after a `?` or `#`",
        )
    };
    let url = Url::parse(location).map_err(|_| refused("cannot be read"))?;
    let has_more = !url.username().is_empty() || url.password().is_some();
    if has_more || url.query().is_some() || url.fragment().is_some() || url.path().contains(['*', '[']) {
        return Err(refused("names one file and nothing else"));
    }
    let key = Key::from_url_path(url.path()).map_err(|_| refused("has a path that cannot be used"))?;
    let name = key.filename().filter(|_| !url.path().ends_with('/'));
    let name = name.ok_or_else(|| refused("names one file: folders cannot be listed"))?.to_owned();
    let client = HttpBuilder::new()
        .with_url(&url[..Position::BeforePath])
        .with_client_options(ClientOptions::new().with_allow_http(url.scheme() == "http"))
        .with_http_connector(StaysThere)
        .build()
        .map_err(|raw| refused("cannot be used").caused_by(failure::without_secrets(&raw.to_string())))?;
    let prefix: Key = {
        let mut parts: Vec<_> = key.parts().collect();
        parts.pop();
        parts.into_iter().collect()
    };
    let folder = location.rfind('/').map_or(location, |slash| &location[..slash]).to_owned();
    let keys = Keys { client: Arc::new(client), uploads: None, prefix };
    Ok((Store::new(Place::Keys(keys), folder), name))
}

/// How long a server may take to answer, and between two pieces of an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Connections that follow no redirect: what is read lies where the configuration says.
#[derive(Debug)]
struct StaysThere;

impl HttpConnector for StaysThere {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(PATIENCE)
            .read_timeout(PATIENCE)
            .build()
            .map_err(|source| object_store::Error::Generic { store: "HTTP", source: source.into() })?;
        Ok(HttpClient::new(client))
    }
}

/// An etag as every answer of a store has it: Azure's listings leave the quotation marks out.
pub(super) fn etag_as_answered(url: &str, etag: String) -> String {
    let is_azure = url.split_once("://").is_some_and(|(scheme, _)| AZURE.contains(&scheme));
    match is_azure && etag.starts_with("0x") {
        true => format!("\"{etag}\""),
        false => etag,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::error::Kind;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn containers_and_buckets_are_opened_with_the_environment_given() {
        let open = |location: &str, pairs: &[(&str, &str)]| {
            Store::open(location, Path::new("/"), &environment(pairs)).map(|store| store.url().to_owned())
        };
        let account = [("AZURE_STORAGE_ACCOUNT_NAME", "lake"), ("AZURE_STORAGE_ACCOUNT_KEY", "c2VjcmV0")];
        for location in ["az://c/exports", "abfs://c/exports", "azure://c/exports", "adl://c/exports"] {
            assert_eq!(open(location, &account).ok().as_deref(), Some(location));
        }
        // The address names the account.
        assert!(open("abfss://c@lake.dfs.core.windows.net/exports/", &account[1..]).is_ok());
        let error = open("az://c/exports", &[]).unwrap_err();
        assert!(error.hint_text().is_some_and(|hint| hint.contains("AZURE_*")), "{error:?}");
        let error = open("az://c/exports", &[account[0], ("AZURE_STORAGE_ACCOUNT_KEY", "ä")]).unwrap_err();
        assert!(!format!("{error:?}").contains('ä'), "{error:?}");

        assert_eq!(
            open("gs://lake/exports/", &[("GOOGLE_SKIP_SIGNATURE", "true")]).ok().as_deref(),
            Some("gs://lake/exports")
        );
        let error = open("gs://lake/x", &[("GOOGLE_SERVICE_ACCOUNT_KEY", "{\"secret\": 1}")]).unwrap_err();
        assert!(error.hint_text().is_some_and(|hint| hint.contains("GOOGLE_*")), "{error:?}");
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }

    #[test]
    fn what_is_no_container_bucket_or_file_is_refused_without_its_secrets() {
        for location in [
            "az://",
            "az://me:secret@c/x",
            "az://c//x",
            "gs://",
            "gs://me:secret@b/x",
            "gs://b/../x",
            "https://host/folder",
            "http://me:secret@host/a.csv",
        ] {
            let error = Store::open(location, Path::new("/"), &BTreeMap::new()).expect_err(location);
            assert_eq!(error.kind(), Kind::Config, "{location}");
            assert!(!format!("{error:?}").contains("secret"), "{location}");
        }
        for location in [
            "https://me:secret@host/a.csv",
            "https://host/a.csv?secret",
            "https://host/a.csv#secret",
            "https://host/",
            "https://host",
            "https://host/folder/",
            "https://host/*.csv",
            "https:///a.csv",
        ] {
            let error = web(location).err().unwrap_or_else(|| panic!("{location} is opened"));
            assert_eq!(error.kind(), Kind::Config, "{location}");
            assert!(!format!("{error:?}").contains("secret"), "{location}");
        }
        let (folder, name) = web("https://host:8/lake/a%20b.csv").unwrap();
        assert_eq!((folder.url(), name.as_str()), ("https://host:8/lake", "a b.csv"));
    }

    #[test]
    fn listed_etags_of_azure_become_those_of_its_answers() {
        let of = |url: &str, etag: &str| etag_as_answered(url, etag.to_owned());
        assert_eq!(of("abfss://c@a/x", "0x8D"), "\"0x8D\"");
        assert_eq!(of("az://c/x", "\"0x8D\""), "\"0x8D\"");
        assert_eq!(of("s3://b/x", "0x8D"), "0x8D");
    }
}
