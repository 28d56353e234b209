//! Exports that are read from a web server: single files, without listings.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};

use crate::program::{aftersale, aftersale_with, text};
use crate::s3::placeless;
use crate::table::{all_published, json, run_folder};
use crate::world;

/// What a server of files says of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// An etag, and parts of files on demand.
    Whole,
    /// An etag that is weak, as behind a server that compresses.
    Weak,
    /// Neither etags nor times.
    Curt,
    /// Never parts of a file.
    NoParts,
    /// A password is wanted.
    Locked,
    /// What is asked for lies elsewhere.
    Elsewhere,
}

/// A server of files; it answers until the tests end.
#[derive(Clone)]
struct Server {
    endpoint: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(manner: Manner) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let server = Server { endpoint, files: Arc::default(), asked: Arc::default() };
        let served = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = served.clone();
                std::thread::spawn(move || {
                    let _ = served.serve(stream, manner);
                });
            }
        });
        server
    }

    fn put(&self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.lock().expect("not poisoned").insert(path.to_string(), bytes.into());
    }

    fn serve(&self, stream: TcpStream, manner: Manner) -> std::io::Result<()> {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if from.read_line(&mut head)? == 0 {
                    return Ok(());
                }
            }
            let line = head.lines().next().unwrap_or_default().to_string();
            self.asked.lock().expect("not poisoned").push(line.clone());
            let (status, headers, body) = self.answer(&line, &head, manner);
            let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
            write!(to, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len())?;
            if !line.starts_with("HEAD ") {
                to.write_all(&body)?;
            }
        }
    }

    fn answer(&self, line: &str, head: &str, manner: Manner) -> (&'static str, Vec<String>, Vec<u8>) {
        let header = |name: &str| {
            let found = head.lines().filter_map(|line| line.split_once(": "));
            found.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_string()).next()
        };
        let (method, rest) = line.split_once(' ').unwrap_or_default();
        let path = rest.split(' ').next().unwrap_or_default();
        if manner == Manner::Locked {
            return ("401 Unauthorized", Vec::new(), Vec::new());
        }
        if manner == Manner::Elsewhere && !path.starts_with("/inside") {
            return (
                "307 Temporary Redirect",
                vec![format!("Location: {}/inside{path}", self.endpoint)],
                Vec::new(),
            );
        }
        let path = path.trim_start_matches("/inside");
        if method != "GET" && method != "HEAD" {
            return ("405 Method Not Allowed", Vec::new(), Vec::new());
        }
        let files = self.files.lock().expect("not poisoned");
        let Some(bytes) = files.get(path) else { return ("404 Not Found", Vec::new(), Vec::new()) };
        let sum = bytes.iter().fold(7_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let etag = match manner {
            Manner::Weak => Some(format!("W/\"{sum:x}\"")),
            Manner::Curt => None,
            _ => Some(format!("\"{sum:x}\"")),
        };
        // A weak etag matches nothing (RFC 9110).
        if header("If-Match").is_some_and(|wanted| manner == Manner::Weak || Some(wanted) != etag) {
            return ("412 Precondition Failed", Vec::new(), Vec::new());
        }
        let mut headers: Vec<String> = etag.into_iter().map(|etag| format!("ETag: {etag}")).collect();
        if manner != Manner::Curt {
            headers.push("Last-Modified: Sun, 22 Nov 2026 18:00:00 GMT".into());
        }
        let range = header("Range").filter(|_| manner != Manner::NoParts);
        let Some((first, last)) =
            range.as_deref().and_then(|range| range.strip_prefix("bytes=")?.split_once('-'))
        else {
            return ("200 OK", headers, bytes.clone());
        };
        let first: usize = first.parse().expect("a number");
        let last = last.parse().map_or(bytes.len() - 1, |last: usize| last.min(bytes.len() - 1));
        headers.push(format!("Content-Range: bytes {first}-{last}/{}", bytes.len()));
        ("206 Partial Content", headers, bytes[first..=last].to_vec())
    }
}

/// The small world, one file a feed.
fn served(folder: &Path, manner: Manner) -> (Server, String) {
    let server = Server::start(manner);
    world::write(folder, &world::feeds(200), 1);
    for feed in ["surveys", "purchases", "tickets", "ticket_events", "interactions"] {
        let bytes = fs::read(folder.join("given").join(feed).join("000.csv")).expect("an export");
        server.put(&format!("/exports/{feed}/000.csv"), bytes);
    }
    let settings =
        world::configuration(&format!("{}/exports", server.endpoint)).replace("/\"\n", "/000.csv\"\n");
    (server, settings)
}

#[test]
fn exports_of_a_web_server_are_read_as_local_ones() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let local = world::write(folder.path(), &world::feeds(200), 1);
    aftersale(&["run", "--config", text(&local), "--output", text(&folder.path().join("local"))]).expect(0);
    let local = all_published(&folder.path().join("local"));
    let config = folder.path().join("web.toml");
    for (number, manner) in [Manner::Whole, Manner::Weak, Manner::Curt].into_iter().enumerate() {
        let (server, settings) = served(folder.path(), manner);
        fs::write(&config, &settings).expect("written");
        let output = folder.path().join(format!("out-{number}"));
        let arguments = ["run", "--config", text(&config), "--output", text(&output)];
        if manner == Manner::Curt {
            aftersale(&arguments).expect(78).says(&["when this file was last changed", "plausible_until"]);
            fs::write(&config, format!("plausible_until = \"2026-11-24\"\n{settings}")).expect("written");
        }
        aftersale(&arguments).expect(0);
        let published = all_published(&output);
        for (name, table) in &local {
            assert!(placeless(name, table) == placeless(name, &published[name]), "{name} differs");
        }
        let manifest = json(&run_folder(&output).join("manifest.json"));
        let inputs = manifest["inputs"].to_string();
        assert!(inputs.contains(&format!("{}/exports/surveys/000.csv", server.endpoint)), "{inputs}");
        // Nothing new is nothing to do, and nothing but single files is ever asked for.
        aftersale(&arguments).expect(0).says(&["nothing to do"]);
        let asked = server.asked.lock().expect("not poisoned").clone();
        let is_plain =
            |line: &String| line.starts_with("HEAD /exports/") || line.starts_with("GET /exports/");
        assert!(asked.len() > 10 && asked.iter().all(is_plain), "{asked:?}");

        // A file that has changed is another.
        let surveys = fs::read_to_string(folder.path().join("given/surveys/000.csv")).expect("read");
        server.put("/exports/surveys/000.csv", surveys + "R-new,2025-06-03 10:00,8,C2,,transactional,,\n");
        let again = aftersale(&arguments).expect(0);
        assert!(!again.stderr.contains("nothing to do"), "{}", again.told());
    }
}

#[test]
fn what_the_web_cannot_give_is_told() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (server, settings) = served(folder.path(), Manner::Whole);
    let config = folder.path().join("web.toml");
    let output = folder.path().join("out");
    let run = |settings: &str| {
        fs::write(&config, settings).expect("written");
        aftersale_with(&["run", "--config", text(&config), "--output", text(&output)], &[])
    };
    // Folders, patterns, passwords, and what is not there.
    let surveys = format!("{}/exports/surveys/000.csv", server.endpoint);
    let with = |other: &str| settings.replace(&surveys, other);
    for (other, told) in [
        (format!("{}/exports/surveys/", server.endpoint), "folders cannot be listed"),
        (format!("{}/exports/surveys/*.csv", server.endpoint), "names one file and nothing else"),
        (format!("{}?token=planted", surveys), "an address of data has no query"),
        (surveys.replace("http://", "http://me:planted@"), "names one file and nothing else"),
    ] {
        let outcome = run(&with(&other)).expect(78).says(&[told, "web.toml:", "hint:"]);
        assert!(!outcome.stderr.contains("planted"), "{}", outcome.told());
    }
    run(&with(&format!("{}/exports/surveys/001.csv", server.endpoint))).expect(78).says(&["001.csv"]);
    // It is no place for what is written.
    let place = format!("{}/out", server.endpoint);
    aftersale(&["run", "--config", text(&config), "--output", &place])
        .expect(78)
        .says(&["no folder", "hint:"]);
    run(&format!("landing = \"{place}\"\n{settings}")).expect(78).says(&["no folder", "hint:"]);

    for (manner, told) in [
        (Manner::NoParts, "does not give parts of a file"),
        (Manner::Locked, "read without credentials"),
        (Manner::Elsewhere, "redirects are not followed"),
    ] {
        let (_server, settings) = served(folder.path(), manner);
        run(&settings).expect(69).says(&[told, "hint:"]);
    }
    assert!(!output.join("latest.json").exists());
}
