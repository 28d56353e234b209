//! Runs that are killed, fail or meet each other, with somebody reading all the while.
//!
//! Each test is short by itself. `AFTERSALE_LONG=1 cargo test --release --test it kill -- --nocapture`
//! makes them long: every step of publication, hundreds of kills at random moments, a hundred times eight
//! runs at once, on a local disk, on S3 and on Azure. With another number there are so many kills at random
//! moments, and rounds of eight. The figures are printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rand::Rng;
use tempfile::TempDir;

use crate::program::{self, Outcome, aftersale_with, exit_code, text};
use crate::promise::{self, Reader};
use crate::servers::{self, Server};
use crate::{s3, world};

fn is_long() -> bool {
    std::env::var("AFTERSALE_LONG").is_ok_and(|long| long == "1")
}

/// How far a long test has come.
fn tell(kind: &str, what: &str, count: usize) {
    if is_long() && count.is_multiple_of(10) {
        println!("{kind}: {count} {what} so far");
    }
}

/// A small export, its configuration, and where it is published.
struct Site {
    folder: TempDir,
    config: PathBuf,
    server: Option<Server>,
}

/// A local disk, and a bucket of each kind of server.
fn sites() -> Vec<Site> {
    let site = |server| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = world::write(folder.path(), &world::feeds(40), 1);
        // So that removing old runs is one of the steps.
        let settings = fs::read_to_string(&config).expect("read");
        let retention = "[retention]\nkeep_runs = 2\nmin_age_days = 0\n";
        fs::write(&config, format!("{settings}\n{retention}")).expect("written");
        Site { folder, config, server }
    };
    let mut sites = vec![site(None)];
    sites.extend(Server::all().into_iter().map(|server| site(Some(server))));
    sites
}

impl Site {
    fn kind(&self) -> &'static str {
        self.server.as_ref().map_or("local", Server::kind)
    }

    fn address(&self, name: &str) -> String {
        match &self.server {
            Some(server) => server.address(name),
            None => text(&self.folder.path().join(name)).to_string(),
        }
    }

    fn arguments<'a>(&'a self, output: &'a str) -> Vec<&'a str> {
        vec!["run", "--config", text(&self.config), "--output", output, "--make-latest", "--threads", "2"]
    }

    fn environment<'a>(&'a self, fault: &'a str) -> Vec<(&'a str, &'a str)> {
        let server = self.server.iter().flat_map(Server::environment);
        server.chain((!fault.is_empty()).then_some(("AFTERSALE_FAULT", fault))).collect()
    }

    fn run(&self, output: &str, fault: &str) -> Outcome {
        aftersale_with(&self.arguments(output), &self.environment(fault))
    }

    /// The output as files; of a bucket a copy.
    fn look(&self, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        if let Some(server) = &self.server {
            let _ = fs::remove_dir_all(&folder);
            servers::block_on(servers::download(&server.store(), name, &folder));
        }
        folder
    }

    /// In a bucket a killed run's lease has to run out first; its holder is dead, so that may be hurried.
    fn let_the_lease_run_out(&self, name: &str) {
        if let Some(server) = &self.server {
            let key = format!("{name}/lock.json");
            servers::block_on(servers::edit(&server.store(), &key, |lock| {
                lock.replace("\"expires\": \"2", "\"expires\": \"1")
            }));
        }
    }

    /// Somebody who reads what `latest.json` leads to: on a disk every byte, in a bucket that it is all there.
    fn reader(&self, name: &str) -> Reader {
        match &self.server {
            None => {
                let output = self.folder.path().join(name);
                Reader::start(move || promise::latest_run(&output).map(|_| ()))
            }
            Some(server) => {
                let (store, name) = (server.store(), name.to_string());
                Reader::start(move || servers::block_on(servers::latest_is_whole(&store, &name)))
            }
        }
    }
}

#[track_caller]
fn holds<T>(result: Result<T, String>, outcome: &Outcome) -> T {
    result.unwrap_or_else(|broken| panic!("{broken}\n{}", outcome.told()))
}

/// Killed, failed and broken off at one step of publication after the other.
#[test]
fn at_every_step_readers_find_a_whole_run() {
    for site in sites() {
        let output = site.address("out");
        // Twice, so that there is an old run to remove.
        site.run(&output, "").expect(0);
        site.run(&output, "").expect(0);
        let reader = site.reader("out");
        let (mut kills, mut failures, mut panics, mut step) = (0_usize, 0, 0, 1);
        loop {
            let killed = site.run(&output, &format!("kill {step} {output}"));
            if killed.code == 0 {
                break;
            }
            assert_eq!(killed.code, -6, "{}", killed.told());
            kills += 1;
            tell(site.kind(), "steps", kills);
            let mut before = holds(promise::kept(&site.look("out")), &killed).latest;
            site.let_the_lease_run_out("out");

            for (action, count) in [("error", &mut failures), ("panic", &mut panics)] {
                let failed = site.run(&output, &format!("{action} {step} {output}"));
                let found = holds(promise::kept(&site.look("out")), &failed);
                // What is not said to be published is not, unless it says that it may be, or broke off.
                let may_be = action == "panic" || failed.stderr.contains("perhaps not published");
                assert!(failed.code == 0 || found.latest == before || may_be, "{}", failed.told());
                assert!(
                    failed.code != 0 || failed.stdout.trim_end().ends_with(&found.latest),
                    "{}",
                    failed.told()
                );
                before = found.latest;
                assert!([0, 69, 70, 74].contains(&failed.code), "{}", failed.told());
                *count += 1;
                site.let_the_lease_run_out("out");
                if !is_long() {
                    break;
                }
            }
            // Over all steps in the short version, too: by a number that has no factor in common with cycles.
            step += if is_long() { 1 } else { 41 };
        }
        let last = site.run(&output, "").expect(0);
        let found = holds(promise::tidy(&site.look("out")), &last);
        assert_eq!(found.history.len(), 2, "the others are removed");
        let looks = reader.stop();
        assert!(looks > 0 && kills > 2, "{looks} looks, {kills} kills");
        println!(
            "{}: {step} steps; {kills} kills, {failures} failures, {panics} panics, {looks} looks of a reader: 0 failures of the promise",
            site.kind()
        );
    }
}

#[test]
fn killed_at_random_moments() {
    let mut luck = rand::rng();
    for site in sites() {
        let output = site.address("out");
        let start = Instant::now();
        site.run(&output, "").expect(0);
        let usual = start.elapsed();
        let reader = site.reader("out");
        let (kills, mut ended) = (promise::times(3, 250), 0);
        for kill in 0..kills {
            let mut child = program::command(&site.arguments(&output), &site.environment(""))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts");
            // More often where it is published, at the end.
            let share: f64 = luck.random_range(0.0..1.1);
            std::thread::sleep(usual.mul_f64(share.sqrt()));
            let _ = child.kill();
            let code = exit_code(child.wait().expect("it ends"));
            assert!(code == -9 || code == 0, "{code}");
            ended += usize::from(code == 0);
            tell(site.kind(), "kills at random moments", kill + 1);
            promise::kept(&site.look("out")).unwrap_or_else(|broken| panic!("{broken}"));
            site.let_the_lease_run_out("out");
        }
        let last = site.run(&output, "").expect(0);
        holds(promise::tidy(&site.look("out")), &last);
        let looks = reader.stop();
        println!(
            "{}: {kills} kills at random moments, {ended} of them too late; {looks} looks of a reader: 0 failures of the promise",
            site.kind()
        );
    }
}

#[test]
fn of_eight_runs_at_once_one_is_published() {
    const AT_ONCE: usize = 8;
    for site in sites() {
        let rounds = promise::times(2, 100);
        let (mut busy, mut nothing) = (0, 0);
        for round in 0..rounds {
            let name = format!("round-{round}");
            let output = site.address(&name);
            let arguments = ["run", "--config", text(&site.config), "--output", &output, "--threads", "1"];
            let children: Vec<_> = (0..AT_ONCE)
                .map(|_| {
                    let mut command = program::command(&arguments, &site.environment(""));
                    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program starts")
                })
                .collect();
            let mut published = 0;
            for child in children {
                let ended = child.wait_with_output().expect("it ends");
                let told = String::from_utf8_lossy(&ended.stderr);
                match exit_code(ended.status) {
                    0 if told.contains("nothing to do") => nothing += 1,
                    0 => published += 1,
                    75 => {
                        assert!(told.contains("process ") && told.contains("since: 20"), "{told}");
                        busy += 1;
                    }
                    code => panic!("exit code {code}\n{told}"),
                }
            }
            assert_eq!(published, 1, "round {round}");
            let found = promise::tidy(&site.look(&name)).unwrap_or_else(|broken| panic!("{broken}"));
            assert_eq!(found.history.len(), 1);
            tell(site.kind(), "rounds", round + 1);
        }
        println!(
            "{}: {rounds} × {AT_ONCE} starts at once: {rounds} runs published, {busy} × exit 75, {nothing} × nothing to do: 0 failures",
            site.kind()
        );
    }
}

/// Writing fails after so many bytes, wherever that is.
#[test]
fn a_full_disk_publishes_nothing_and_leaves_nothing() {
    for site in sites() {
        let output = site.address("out");
        site.run(&output, "").expect(0);
        let before = promise::tidy(&site.look("out")).expect("a first run").latest;
        let reader = site.reader("out");
        let (mut bytes, mut failures) = (0, 0);
        loop {
            let full = site.run(&output, &format!("full {bytes} {output}"));
            if full.code == 0 && !full.stderr.contains("warning") {
                break;
            }
            let found = holds(promise::kept(&site.look("out")), &full);
            if full.code == 0 {
                assert_ne!(found.latest, before, "{}", full.told());
                break;
            }
            full.expect(74).says(&["hint:"]);
            assert_eq!(found.latest, before);
            failures += 1;
            bytes = bytes * if is_long() { 5 } else { 40 } / 4 + 700;
        }
        let last = site.run(&output, "").expect(0);
        holds(promise::tidy(&site.look("out")), &last);
        reader.stop();
        assert!(failures > 2, "{failures} failures");
        println!("{}: {failures} times out of space: 0 failures of the promise", site.kind());
    }
}

/// What a killed upload left in a bucket is given up by the next run; a store does not show it by itself.
#[test]
fn uploads_of_killed_runs_are_given_up() {
    let Some(server) = s3::Server::start() else { return };
    let environment = server.environment().map(|(name, value)| (name.to_string(), value.to_string()));
    servers::block_on(async {
        let place = format!("s3://{}/out", servers::BUCKET);
        let store =
            aftersale::store::Store::open(&place, Path::new("/"), &environment.into()).expect("a store");
        let mut writer = store.writer("runs/a/t/part-00000.parquet").await.expect("a writer");
        tokio::io::AsyncWriteExt::write_all(&mut writer, &vec![7; 20 << 20]).await.expect("written");
        tokio::time::sleep(Duration::from_millis(500)).await;
        drop(writer);
        assert!(server.ask(&format!("/{}?uploads", servers::BUCKET)).contains("<Upload>"), "it is there");
        assert_eq!(store.end_uploads(i64::MAX).await.expect("ended"), 1);
    });
    let uploads = server.ask(&format!("/{}?uploads", servers::BUCKET));
    assert!(uploads.contains("ListMultipartUploadsResult") && !uploads.contains("<Upload>"), "{uploads}");
}
