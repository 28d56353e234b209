//! A whole job on object storage, against a server on this machine.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::{ObjectStoreExt, path::Path as Key};

use crate::program::{aftersale, aftersale_with, text};
use crate::servers::{self, BUCKET, Process, SECRET, download, free_port, upload};
use crate::table::{self, Table, all_published};
use crate::world;

/// The server; it ends with this value.
pub struct Server {
    _process: Process,
    endpoint: String,
}

impl Server {
    /// None where the person who runs the tests has said so.
    pub fn start() -> Option<Server> {
        if servers::are_skipped() {
            return None;
        }
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/moto_server");
        assert!(program.exists(), "there is no {}: `tests/run` sets it up", program.display());
        let port = free_port();
        let process = Command::new(&program)
            .args(["-H", "127.0.0.1", "-p", &port.to_string()])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the server starts");
        let server = Server { _process: Process(process), endpoint: format!("http://127.0.0.1:{port}") };
        servers::wait_for(port);
        server.make_bucket();
        Some(server)
    }

    fn make_bucket(&self) {
        let answer = self.request("PUT", &format!("/{BUCKET}"));
        assert!(answer.contains(" 200 "), "{answer}");
    }

    /// The answer to a plain request: the server asks for no signature.
    pub fn ask(&self, path: &str) -> String {
        self.request("GET", path)
    }

    fn request(&self, method: &str, path: &str) -> String {
        let host = self.endpoint.trim_start_matches("http://");
        let mut stream = TcpStream::connect(host).expect("the server answers");
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).expect("the request is sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    pub fn environment(&self) -> [(&str, &str); 5] {
        environment(&self.endpoint)
    }

    pub fn store(&self) -> AmazonS3 {
        let settings = self.environment();
        let builder = settings.iter().fold(
            AmazonS3Builder::new().with_bucket_name(BUCKET),
            |builder, (name, value)| {
                builder.with_config(name.to_lowercase().parse().expect("a setting"), *value)
            },
        );
        builder.build().expect("a store")
    }
}

fn environment(endpoint: &str) -> [(&str, &str); 5] {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", SECRET),
    ]
}

#[tokio::test]
async fn a_job_on_s3_publishes_what_a_local_one_does() {
    let Some(server) = Server::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let feeds = world::feeds(300);
    let local = world::write(folder.path(), &feeds, 2);
    aftersale(&["run", "--config", text(&local), "--output", text(&folder.path().join("local"))]).expect(0);

    let store = server.store();
    upload(&store, &folder.path().join("given"), "exports").await;
    let config = folder.path().join("s3.toml");
    fs::write(&config, world::configuration(&format!("s3://{BUCKET}/exports"))).expect("written");
    let address = format!("s3://{BUCKET}/reports/aftersale");
    let arguments = ["run", "--config", text(&config), "--output", &address];
    let outcome = aftersale_with(&arguments, &server.environment()).expect(0);
    let run = outcome.stdout.trim_end();
    assert!(run.starts_with(&format!("{address}/runs/")), "{}", outcome.told());

    // Down again, as a reader would see it.
    let remote = folder.path().join("remote");
    download(&store, "reports/aftersale", &remote).await;
    let (local, remote_tables) = (all_published(&folder.path().join("local")), all_published(&remote));
    assert_eq!(local.keys().collect::<Vec<_>>(), remote_tables.keys().collect::<Vec<_>>());
    for (name, table) in &local {
        assert!(placeless(name, table) == placeless(name, &remote_tables[name]), "{name} differs");
    }
    let latest = table::latest(&remote);
    let manifest =
        fs::read_to_string(remote.join(latest["path"].as_str().expect("a path")).join("manifest.json"));
    let manifest = manifest.expect("the manifest is where latest.json leads");
    assert!(!manifest.contains(SECRET) && !outcome.stderr.contains(SECRET), "the secret is seen");

    // A second night parses nothing again, and shows the same.
    aftersale_with(&arguments, &server.environment()).expect(0);
    let shown = ["show", "rpt_nps", "--config", text(&config), "--output", &address];
    assert!(aftersale_with(&shown, &server.environment()).expect(0).stdout.contains("window"));

    // What is not there is named.
    fs::write(&config, world::configuration("s3://no-such-bucket/exports")).expect("written");
    aftersale_with(&arguments, &server.environment()).expect(69).says(&["no-such-bucket", "hint:"]);
}

/// Compressed objects are read to their last piece, patterns and folders' values hold, and what has been
/// read is not read again.
#[tokio::test]
async fn compressed_objects_of_a_pattern_are_read_whole_from_s3() {
    let Some(server) = Server::start() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = server.store();
    let header = "response_id,responded_at,score,order_id\n";
    let rows = |from: u32, to: u32| -> String {
        (from..to).map(|n| format!("R{n:06},2025-05-10 10:00,9,O1\n")).collect()
    };
    // Several pieces, the whole of them larger than one request.
    let pieces = [format!("{header}{}", rows(0, 40_000)), rows(40_000, 80_000), rows(80_000, 120_000)];
    let frames: Vec<u8> = pieces.iter().flat_map(|piece| padded(&zstd(piece))).collect();
    assert!(frames.len() > 9 << 20, "{} bytes fit into one request", frames.len());
    let members: Vec<u8> = [format!("{header}{}", rows(200_000, 200_010)), rows(200_010, 200_025)]
        .iter()
        .flat_map(|piece| gzip(piece))
        .collect();
    for (key, bytes) in [
        ("lake/surveys/ds=2025-05-10/a.csv.zst", frames),
        ("lake/surveys/ds=2025-05-11/b.csv.gz", members),
        ("lake/surveys/ds=2025-05-11/other.csv", b"not,of,the,pattern\n".to_vec()),
        ("lake/purchases.csv", b"order_id,ordered_at\nO1,2025-05-01\n".to_vec()),
    ] {
        store.put(&Key::from(key), bytes.into()).await.expect("uploaded");
    }
    let config = folder.path().join("s3.toml");
    let text_of_config = format!(
        "segments = [\"ds\"]\n\
         [sources.surveys]\nurl = \"s3://{BUCKET}/lake/surveys/ds=*/?.csv*\"\nformat = \"csv\"\n\
         [sources.purchases]\nurl = \"s3://{BUCKET}/lake/purchases.csv\"\n"
    );
    fs::write(&config, text_of_config).expect("written");
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output)];
    aftersale_with(&arguments, &server.environment()).expect(0).says(&["surveys: 2 files parsed\n"]);
    let answers = table::published(&output, "fct_exposures");
    let days = answers.column("seg_ds");
    let of_day = |day: &str| answers.rows.iter().filter(|row| row[days] == day).count();
    assert_eq!((of_day("2025-05-10"), of_day("2025-05-11"), answers.rows.len()), (120_000, 25, 120_025));
    aftersale_with(&[&arguments[..], &["--make-latest"]].concat(), &server.environment())
        .expect(0)
        .says(&["surveys: 0 files parsed, 2 known from an earlier night"]);
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish()).expect("compressed")
}

fn zstd(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 1).expect("compressed")
}

/// The frame, and behind it one of bytes that readers pass over, to make the object large.
fn padded(frame: &[u8]) -> Vec<u8> {
    let length: u32 = 3 << 20;
    let mut bytes = frame.to_vec();
    bytes.extend(0x184D_2A50_u32.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.resize(bytes.len() + length as usize, 7);
    bytes
}

/// The table without what says where a row stood: addresses differ.
pub fn placeless(name: &str, table: &Table) -> Table {
    match name {
        "fct_exposures" | "fct_journeys" | "fct_journey_events" => table.without(&["source_file"]),
        "rejected_rows" => table.without(&["file"]).sorted(),
        _ => table.clone(),
    }
}

#[test]
fn storage_that_refuses_or_is_away_is_unavailable() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("s3.toml");
    fs::write(&config, world::configuration(&format!("s3://{BUCKET}/exports"))).expect("written");
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output)];

    let endpoint = refusing_server();
    let outcome =
        aftersale_with(&arguments, &environment(&endpoint)).expect(69).says(&["credentials", "hint:"]);
    assert!(!outcome.stderr.contains(SECRET), "the secret is seen");

    let nobody = format!("http://127.0.0.1:{}", free_port());

    aftersale_with(&arguments, &environment(&nobody))
        .expect(69)
        .says(&["storage cannot be reached", "hint:"]);
    assert!(!output.join("latest.json").exists());
}

/// The address of a server that knows nobody; it answers until the tests end.
fn refusing_server() -> String {
    const BODY: &str =
        "<?xml version=\"1.0\"?><Error><Code>InvalidAccessKeyId</Code><Message>unknown key</Message></Error>";
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 8192]);
            let _ = write!(
                stream,
                "HTTP/1.1 403 Forbidden\r\nContent-Type: application/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{BODY}",
                BODY.len()
            );
        }
    });
    format!("http://127.0.0.1:{port}")
}
