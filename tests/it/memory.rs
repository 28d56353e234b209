//! A world that needs far more memory than a run may take: it stays within bounds, or says which setting is too
//! small.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::program::{self, aftersale, exit_code, text};
use crate::promise;

const POOL: &str = "[memory]\npool = \"256MB\"\n";
/// What the process may keep in memory with that pool, in bytes.
const MOST: u64 = 768_000_000;

/// Runs it, watched: exit code, what it said, and the most that it kept in memory, in bytes.
fn watched(config: &Path, output: &Path) -> (i32, String, u64) {
    let log = output.with_extension("log");
    let mut child =
        program::command(&["run", "--config", text(config), "--output", text(output), "--threads", "2"], &[])
            .stdout(Stdio::null())
            .stderr(fs::File::create(&log).expect("a file"))
            .spawn()
            .expect("the program starts");
    let mut most = 0;
    let code = loop {
        let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib: u64 = line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0);
        most = most.max(kib * 1024);
        if let Some(status) = child.try_wait().expect("it can be asked") {
            break exit_code(status);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    (code, fs::read_to_string(log).expect("read"), most)
}

#[test]
fn a_small_pool_is_kept_to_or_named() {
    let is_long = std::env::var("AFTERSALE_LONG").is_ok_and(|long| long == "1");
    let purchases = if is_long { "500000" } else { "60000" };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let world = folder.path().join("world");
    aftersale(&["generate", "--purchases", purchases, "--seed", "7", "--output", text(&world)]).expect(0);
    let config = world.join("aftersale.toml");
    let settings = fs::read_to_string(&config).expect("read");
    fs::write(&config, format!("{settings}\n{POOL}")).expect("written");
    let output = folder.path().join("out");
    let start = Instant::now();
    let (code, told, most) = watched(&config, &output);
    let seconds = start.elapsed().as_secs();
    println!(
        "{purchases} purchases, a pool of 256 MB: exit code {code}, {} MB at most, {seconds} s",
        most / 1_000_000
    );
    match code {
        0 => {
            promise::tidy(&output).unwrap_or_else(|broken| panic!("{broken}"));
        }
        _ => assert!(told.contains("[memory]") && told.contains("pool"), "exit code {code}\n{told}"),
    }
    assert!(most < MOST, "{most} bytes were kept in memory\n{told}");
}
