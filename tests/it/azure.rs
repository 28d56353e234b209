//! A whole job on Azure's Blob storage, against a server on this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Stdio};

use object_store::azure::{MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::{ObjectStore, ObjectStoreExt, path::Path as Key};
use ring::hmac;
use tempfile::TempDir;

use crate::program::{aftersale, aftersale_with, text};
use crate::s3;
use crate::servers::{self, BUCKET, Process, SECRET};
use crate::table::{self, all_published};
use crate::world;

const ACCOUNT: &str = "nights";

/// The server; it ends with this value.
pub struct Server {
    _process: Process,
    _folder: TempDir,
    endpoint: String,
    key: String,
}

impl Server {
    /// None where the person who runs the tests has said so.
    pub fn start() -> Option<Server> {
        if servers::are_skipped() {
            return None;
        }
        let program =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/azure/node_modules/.bin/azurite-blob");
        assert!(program.exists(), "there is no {}: `tests/run` sets it up", program.display());
        let (port, key) = (servers::free_port(), base64(SECRET.as_bytes()));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let process = Command::new(&program)
            .args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--silent"])
            .args(["--disableTelemetry", "--skipApiVersionCheck", "--inMemoryPersistence"])
            .env("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{key}"))
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let process = Process(process);
        servers::wait_for(port);
        let endpoint = format!("http://127.0.0.1:{port}/{ACCOUNT}");
        let server = Server { _process: process, _folder: folder, endpoint, key };
        server.make_container();
        Some(server)
    }

    /// The client has no call for that.
    fn make_container(&self) {
        let (host, account) =
            self.endpoint.trim_start_matches("http://").split_once('/').expect("an address");
        let headers = "x-ms-date:Sun, 22 Nov 2026 18:00:00 GMT\nx-ms-version:2023-11-03\n";
        let resource = format!("/{ACCOUNT}/{account}/{BUCKET}\nrestype:container");
        let signed = format!("PUT{}{headers}{resource}", "\n".repeat(12));
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes()), signed.as_bytes());
        let request = format!(
            "PUT /{account}/{BUCKET}?restype=container HTTP/1.1\r\nHost: {host}\r\n{}\
             Authorization: SharedKey {ACCOUNT}:{}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            headers.replace('\n', "\r\n"),
            base64(signature.as_ref())
        );
        let mut stream = TcpStream::connect(host).expect("the server answers");
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        assert!(answer.contains(" 201 "), "{answer}");
    }

    pub fn environment(&self) -> [(&str, &str); 4] {
        environment(&self.endpoint, &self.key)
    }

    pub fn store(&self) -> MicrosoftAzure {
        let settings = self.environment();
        let builder = settings.iter().fold(
            MicrosoftAzureBuilder::new().with_container_name(BUCKET),
            |builder, (name, value)| {
                builder.with_config(name.to_lowercase().parse().expect("a setting"), *value)
            },
        );
        builder.build().expect("a store")
    }
}

fn environment<'a>(endpoint: &'a str, key: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("AZURE_STORAGE_ENDPOINT", endpoint),
        ("AZURE_ALLOW_HTTP", "true"),
        ("AZURE_STORAGE_ACCOUNT_NAME", ACCOUNT),
        ("AZURE_STORAGE_ACCOUNT_KEY", key),
    ]
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in bytes.chunks(3) {
        let number = (0..3).fold(0_usize, |sum, at| sum << 8 | usize::from(*three.get(at).unwrap_or(&0)));
        for place in 0..4 {
            let letter = char::from(LETTERS[(number >> (18 - 6 * place)) & 63]);
            text.push(if place <= three.len() { letter } else { '=' });
        }
    }
    text
}

/// Exports in S3, reports in Azure; and both in Azure.
#[tokio::test]
async fn a_job_on_azure_publishes_what_a_local_one_does() {
    let Some(server) = Server::start() else { return };
    let Some(lake) = s3::Server::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let local = world::write(folder.path(), &world::feeds(300), 2);
    aftersale(&["run", "--config", text(&local), "--output", text(&folder.path().join("local"))]).expect(0);
    let local = all_published(&folder.path().join("local"));

    let given = folder.path().join("given");
    servers::upload(&server.store(), &given, "exports").await;
    servers::upload(&lake.store(), &given, "exports").await;
    let environment: Vec<(&str, &str)> = server.environment().into_iter().chain(lake.environment()).collect();
    let config = folder.path().join("azure.toml");
    for (number, exports) in
        [format!("az://{BUCKET}/exports"), format!("s3://{BUCKET}/exports")].iter().enumerate()
    {
        fs::write(&config, world::configuration(exports)).expect("written");
        let (scheme, name) = (["abfs", "az"][number], format!("reports/{number}"));
        let address = format!("{scheme}://{BUCKET}/{name}");
        let arguments = ["run", "--config", text(&config), "--output", &address];
        let outcome = aftersale_with(&arguments, &environment).expect(0);
        let run = outcome.stdout.trim_end();
        assert!(run.starts_with(&format!("{address}/runs/")), "{}", outcome.told());

        let remote = folder.path().join(format!("remote-{number}"));
        servers::download(&server.store(), &name, &remote).await;
        let published = all_published(&remote);
        assert_eq!(local.keys().collect::<Vec<_>>(), published.keys().collect::<Vec<_>>());
        for (name, table) in &local {
            assert!(s3::placeless(name, table) == s3::placeless(name, &published[name]), "{name} differs");
        }
        let manifest =
            fs::read_to_string(table::run_folder(&remote).join("manifest.json")).expect("a manifest");
        for secret in [SECRET, server.key.as_str()] {
            assert!(!manifest.contains(secret) && !outcome.stderr.contains(secret), "the secret is seen");
        }
        // A second night has nothing to do, and shows the same.
        aftersale_with(&arguments, &environment).expect(0).says(&["nothing to do"]);
        let shown = ["show", "rpt_nps", "--config", text(&config), "--output", &address];
        assert!(aftersale_with(&shown, &environment).expect(0).stdout.contains("window"));
    }
    // What has changed since is read in the version that is there.
    let key = "exports/surveys/000.csv";
    servers::edit(&server.store(), key, |text| text.replace("R-same", "R-other")).await;
    fs::write(&config, world::configuration(&format!("az://{BUCKET}/exports"))).expect("written");
    let arguments = ["run", "--config", text(&config), "--output", &format!("az://{BUCKET}/reports/0")];
    aftersale_with(&arguments, &environment)
        .expect(0)
        .says(&["surveys: 1 file parsed, 1 known from an earlier night"]);

    // What is not there is named.
    fs::write(&config, world::configuration("az://no-such-container/exports")).expect("written");
    aftersale_with(&arguments, &environment)
        .expect(69)
        .says(&["no-such-container", "AZURE_STORAGE_ACCOUNT_NAME"]);
}

#[test]
fn azure_that_refuses_or_is_away_is_unavailable() {
    let Some(server) = Server::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("azure.toml");
    fs::write(&config, world::configuration(&format!("az://{BUCKET}/exports"))).expect("written");
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output)];
    let wrong = base64(b"another-secret-that-must-not-be-seen");
    let refused = aftersale_with(&arguments, &environment(&server.endpoint, &wrong)).expect(69).says(&[
        "storage refuses the credentials",
        "AZURE_STORAGE_ACCOUNT_KEY",
        "hint:",
    ]);
    assert!(!refused.stderr.contains(&wrong), "the secret is seen");
    let nobody = format!("http://127.0.0.1:{}/{ACCOUNT}", servers::free_port());
    aftersale_with(&arguments, &environment(&nobody, &wrong)).expect(69).says(&[
        "storage cannot be reached",
        "AZURE_STORAGE_ENDPOINT",
        "hint:",
    ]);
    // Not without an account.
    aftersale_with(&arguments, &environment(&server.endpoint, &wrong)[..2]).expect(78).says(&["AZURE_*"]);
    assert!(!output.join("latest.json").exists());
}

/// Of two that replace the same version one is refused, as of two that create.
#[tokio::test]
async fn writes_to_azure_are_conditional() {
    let Some(server) = Server::start() else { return };
    let environment = server.environment().map(|(name, value)| (name.to_string(), value.to_string()));
    let place = format!("az://{BUCKET}/out");
    let store = aftersale::store::Store::open(&place, Path::new("/"), &environment.into()).expect("a store");
    for round in 0..20 {
        let before = store.snapshot("latest.json").await.expect("read");
        let writes = (0..4).map(|number| {
            let (store, before) = (store.clone(), before.clone());
            async move { store.replace("latest.json", format!("{round} {number}").into(), &before).await }
        });
        let done = futures::future::join_all(writes).await;
        let won = done.into_iter().filter(|done| *done.as_ref().expect("an answer")).count();
        assert_eq!(won, 1, "round {round}");
    }
    // Large objects go in parts; a killed one is given up, and nothing of it is listed.
    let mut writer = store.writer("runs/a/t/part-00000.parquet").await.expect("a writer");
    tokio::io::AsyncWriteExt::write_all(&mut writer, &vec![7; 20 << 20]).await.expect("written");
    drop(writer);
    assert_eq!(store.end_uploads(i64::MAX).await.expect("ended"), 1);
    let listed = store.list("").await.expect("a listing");
    assert_eq!(listed.iter().map(|object| object.path.as_str()).collect::<Vec<_>>(), ["latest.json"]);
    let large = vec![7; (20 << 20) + 5];
    store.write("runs/a/t/part-00000.parquet", large.clone().into()).await.expect("written");
    let key = Key::from("out/runs/a/t/part-00000.parquet");
    let object = server.store().get(&key).await.expect("there").bytes().await.expect("read");
    assert!(object == large, "{} bytes", object.len());
    // A listed object is read in the version that was listed, and no other.
    let listed = store.list("runs").await.expect("a listing");
    assert_eq!(store.sha256(&listed[0]).await.expect("read").len(), 64);
    let dynamic: &dyn ObjectStore = &server.store();
    dynamic.put(&key, "another".into()).await.expect("written");
    let changed = store.sha256(&listed[0]).await.expect_err("another version");
    assert_eq!(changed.message(), "an input changed during the run");
}
