//! Each single request of a run on S3 failed in turn, by a proxy between the program and the server.
//!
//! The promise: the run is published whole or not at all, its exit code says which, and whoever follows
//! `latest.json` finds a whole run. One failed request is mostly asked again, and the run goes on.
//! `AFTERSALE_LONG=1` fails every request in every way; the short version one after another, in turns.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::program::{Outcome, aftersale_with, text};
use crate::servers::{self, Server};
use crate::world;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Failure {
    InternalError,
    SlowDown,
    Reset,
    TimeOut,
    TruncatedBody,
    LostReply,
}

const FAILURES: [Failure; 6] = [
    Failure::InternalError,
    Failure::SlowDown,
    Failure::Reset,
    Failure::TimeOut,
    Failure::TruncatedBody,
    Failure::LostReply,
];
/// How long a request of the program may take; the proxy is silent for longer.
const PATIENCE: &str = "2s";
const SILENCE: Duration = Duration::from_millis(2600);

/// A proxy that passes requests on, but for one.
struct Proxy {
    endpoint: String,
    requests: Arc<AtomicUsize>,
}

impl Proxy {
    /// Fails the request of that number, counted from 1.
    fn start(server: &str, number: usize, failure: Failure) -> Proxy {
        let socket = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = server.trim_start_matches("http://");
        // Azure's has a path, the account.
        let (host, path) = address.split_at(address.find('/').unwrap_or(address.len()));
        let endpoint = format!("http://{}{path}", socket.local_addr().expect("an address"));
        let requests = Arc::new(AtomicUsize::new(0));
        let (counted, server) = (requests.clone(), host.to_string());
        std::thread::spawn(move || {
            for stream in socket.incoming().flatten() {
                let (counted, server) = (counted.clone(), server.clone());
                std::thread::spawn(move || {
                    let _ = serve(stream, &server, &counted, number, failure);
                });
            }
        });
        Proxy { endpoint, requests }
    }
}

/// The requests of one connection, one after the other.
fn serve(
    stream: TcpStream,
    server: &str,
    counted: &AtomicUsize,
    number: usize,
    failure: Failure,
) -> std::io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    loop {
        let Some((head, body)) = message(&mut from)? else { return Ok(()) };
        let is_chosen = counted.fetch_add(1, Ordering::SeqCst) + 1 == number;
        let failure = is_chosen.then_some(failure);
        match failure {
            Some(Failure::InternalError) => {
                to.write_all(b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            Some(Failure::SlowDown) => {
                to.write_all(b"HTTP/1.1 503 Slow Down\r\nContent-Length: 0\r\n\r\n")?;
                continue;
            }
            Some(Failure::Reset) => return to.shutdown(Shutdown::Both),
            Some(Failure::TimeOut) => {
                std::thread::sleep(SILENCE);
                return to.shutdown(Shutdown::Both);
            }
            _ => {}
        }
        let answer = ask(server, &head, &body)?;
        match failure {
            Some(Failure::LostReply) => return to.shutdown(Shutdown::Both),
            Some(Failure::TruncatedBody) => {
                let start = answer.windows(4).position(|four| four == b"\r\n\r\n").map_or(0, |at| at + 4);
                to.write_all(&answer[..start + (answer.len() - start) / 2])?;
                return to.shutdown(Shutdown::Both);
            }
            _ => to.write_all(&answer)?,
        }
    }
}

/// A request's or an answer's head and body; none where the connection ends.
fn message(from: &mut impl BufRead) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    let length = head
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .and_then(|(_, value)| value.trim().parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok(Some((head, body)))
}

/// The server's whole answer, as it is to be passed on.
fn ask(server: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(server)?;
    let is_kept = |line: &&str| !line.to_lowercase().starts_with("connection:");
    let lines: Vec<&str> = head.trim_end().split("\r\n").filter(is_kept).collect();
    stream.write_all(format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n")).as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    // The connection to the program stays open.
    let start = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let (head, rest) = answer.split_at(start);
    let head = String::from_utf8_lossy(head).into_owned();
    let lines: Vec<&str> = head.split("\r\n").filter(is_kept).collect();
    Ok([lines.join("\r\n").as_bytes(), rest].concat())
}

#[test]
fn whichever_request_fails_a_run_is_published_whole_or_not_at_all() {
    for server in Server::all() {
        each_request_fails(&server);
    }
}

fn each_request_fails(server: &Server) {
    let is_long = std::env::var("AFTERSALE_LONG").is_ok_and(|long| long == "1");
    let folder = tempfile::tempdir().expect("a temporary folder");
    world::write(folder.path(), &world::feeds(30), 1);
    let store = server.store();
    servers::block_on(servers::upload(&store, &folder.path().join("given"), "exports"));
    let config = folder.path().join("s3.toml");
    let settings = world::configuration(&server.address("exports"));
    let keep = "[retention]\nkeep_runs = 2\nmin_age_days = 0\n";
    std::fs::write(&config, format!("{settings}\n{keep}")).expect("written");
    let output = server.address("out");
    let arguments =
        ["run", "--config", text(&config), "--output", &output, "--make-latest", "--threads", "2"];
    let run = |endpoint: &str| -> Outcome {
        let mut environment = server.environment();
        // The endpoint comes first.
        environment[0].1 = endpoint;
        environment.extend([("AWS_TIMEOUT", PATIENCE), ("AZURE_TIMEOUT", PATIENCE)]);
        aftersale_with(&arguments, &environment)
    };
    let endpoint = server.environment()[0].1.to_string();
    let latest = || servers::block_on(servers::latest(&store, "out"));

    // How many requests there are, when none fails; twice, so that there is an old run to remove.
    run(&endpoint).expect(0);
    run(&endpoint).expect(0);
    let counting = Proxy::start(&endpoint, usize::MAX, Failure::Reset);
    run(&counting.endpoint).expect(0);
    let requests = counting.requests.load(Ordering::SeqCst);
    assert!(requests > 40, "{requests} requests");

    let (mut tried, mut published, mut failed) = (BTreeMap::new(), 0, 0);
    let chosen: Vec<(usize, Failure)> = match is_long {
        true => (1..=requests).flat_map(|number| FAILURES.map(|failure| (number, failure))).collect(),
        false => (1..=requests).step_by(requests / 11).zip(FAILURES.into_iter().cycle()).collect(),
    };
    for (number, failure) in chosen {
        let before = latest();
        let proxy = Proxy::start(&endpoint, number, failure);
        let outcome = run(&proxy.endpoint);
        let met = proxy.requests.load(Ordering::SeqCst) >= number;
        servers::block_on(servers::latest_is_whole(&store, "out"))
            .unwrap_or_else(|torn| panic!("{failure:?} of request {number}: {torn}\n{}", outcome.told()));
        let after = latest();
        match outcome.code {
            0 => {
                assert!(outcome.stdout.trim_end().ends_with(&after) && after != before, "{}", outcome.told());
                published += 1;
            }
            69 | 74 | 75 => {
                // What is not said to be published is not, unless it says that it may be.
                let may_be = outcome.stderr.contains("perhaps not published");
                assert!(after == before || may_be, "{failure:?} of request {number}\n{}", outcome.told());
                outcome.says(&["hint:"]);
                failed += 1;
            }
            code => panic!("exit code {code}: {failure:?} of request {number}\n{}", outcome.told()),
        }
        *tried.entry(failure).or_insert(0) += usize::from(met);
        // A lock whose release was lost is not waited for here.
        servers::block_on(servers::edit(&store, "out/lock.json", |lock| {
            lock.replace("\"expires\": \"2", "\"expires\": \"1")
        }));
        if is_long && number.is_multiple_of(10) && failure == Failure::LostReply {
            println!("{}: request {number} of {requests}", server.kind());
        }
    }
    run(&endpoint).expect(0);
    assert!(tried.len() == FAILURES.len() && tried.values().all(|times| *times > 0), "{tried:?}");
    let sum: usize = tried.values().sum();
    println!(
        "{}: {requests} requests a run; {sum} failed in turn {tried:?}: {published} runs published all the same, {failed} not: 0 failures of the promise",
        server.kind()
    );
}
