//! Object storage on this machine, and what tests do with what lies there.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};

use crate::program::text;
use crate::{azure, s3};

/// The bucket, or the container, that each server has.
pub const BUCKET: &str = "lake";
pub const SECRET: &str = "a-secret-that-must-not-be-seen";

pub enum Server {
    S3(s3::Server),
    Azure(azure::Server),
}

impl Server {
    /// One of each kind; none where the person who runs the tests has said so.
    pub fn all() -> Vec<Server> {
        let s3 = s3::Server::start().map(Server::S3);
        s3.into_iter().chain(azure::Server::start().map(Server::Azure)).collect()
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Server::S3(_) => "S3",
            Server::Azure(_) => "Azure",
        }
    }

    pub fn address(&self, name: &str) -> String {
        let scheme = match self {
            Server::S3(_) => "s3",
            Server::Azure(_) => "az",
        };
        format!("{scheme}://{BUCKET}/{name}")
    }

    pub fn environment(&self) -> Vec<(&str, &str)> {
        match self {
            Server::S3(server) => server.environment().to_vec(),
            Server::Azure(server) => server.environment().to_vec(),
        }
    }

    pub fn store(&self) -> Arc<dyn ObjectStore> {
        match self {
            Server::S3(server) => Arc::new(server.store()),
            Server::Azure(server) => Arc::new(server.store()),
        }
    }
}

/// A server's process; it ends with this value.
pub struct Process(pub Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Whether servers are left out; a test that skips by itself hides.
pub fn are_skipped() -> bool {
    let are_skipped = std::env::var("AFTERSALE_SKIP_SERVERS").is_ok_and(|skip| skip == "1");
    if are_skipped {
        eprintln!("skipped: AFTERSALE_SKIP_SERVERS is 1");
    }
    are_skipped
}

pub fn wait_for(port: u16) {
    let start = Instant::now();
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(start.elapsed() < Duration::from_secs(60), "the server does not answer");
        std::thread::sleep(Duration::from_millis(100));
    }
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
}

pub fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(work)
}

/// The exports of a folder.
pub async fn upload(store: &dyn ObjectStore, folder: &Path, prefix: &str) {
    for file in glob::glob(text(&folder.join("*/*.csv"))).expect("a pattern") {
        let file: PathBuf = file.expect("a file");
        let name = text(file.strip_prefix(folder).expect("inside the folder"));
        let key = Key::from(format!("{prefix}/{name}"));
        store.put(&key, fs::read(&file).expect("read").into()).await.expect("uploaded");
    }
}

/// Changes the text of an object that is there.
pub async fn edit(store: &dyn ObjectStore, key: &str, change: impl Fn(&str) -> String) {
    let key = Key::from(key);
    let Ok(object) = store.get(&key).await else { return };
    let text = String::from_utf8(object.bytes().await.expect("read").to_vec()).expect("text");
    store.put(&key, change(&text).into()).await.expect("written");
}

/// The id of the latest run.
pub async fn latest(store: &dyn ObjectStore, prefix: &str) -> String {
    let object = store.get(&Key::from(format!("{prefix}/latest.json"))).await.expect("a latest run");
    let latest: serde_json::Value =
        serde_json::from_slice(&object.bytes().await.expect("read")).expect("JSON");
    latest["run_id"].as_str().unwrap_or_default().to_string()
}

/// Whether `latest.json` leads to a run all of whose files are there, of the sizes that its manifest says.
pub async fn latest_is_whole(store: &dyn ObjectStore, prefix: &str) -> Result<(), String> {
    let get = async |path: &str| -> Result<serde_json::Value, String> {
        let object = store.get(&Key::from(format!("{prefix}/{path}"))).await.map_err(|e| e.to_string())?;
        serde_json::from_slice(&object.bytes().await.map_err(|e| e.to_string())?).map_err(|e| e.to_string())
    };
    let latest = get("latest.json").await?;
    let folder = latest["path"].as_str().ok_or("no path")?;
    let manifest = get(&format!("{folder}/manifest.json")).await?;
    for file in manifest["files"].as_array().ok_or("no files")? {
        let path = format!("{prefix}/{folder}/{}", file["path"].as_str().unwrap_or_default());
        let object = store.head(&Key::from(path.as_str())).await.map_err(|e| e.to_string())?;
        if file["bytes"] != object.size {
            return Err(format!("{path} has {} bytes", object.size));
        }
    }
    Ok(())
}

pub async fn download(store: &dyn ObjectStore, prefix: &str, folder: &Path) {
    let prefix = Key::from(prefix);
    let objects: Vec<_> = store.list(Some(&prefix)).try_collect().await.expect("a listing");
    for object in objects {
        let name: Key = object.location.prefix_match(&prefix).expect("below the prefix").collect();
        let path = folder.join(name.as_ref());
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        let bytes = store.get(&object.location).await.expect("there").bytes().await.expect("read");
        fs::write(path, bytes).expect("written");
    }
}
