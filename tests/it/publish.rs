//! From one night to the next: nothing to do, a lock that is held, figures that were restated, old runs,
//! two runs told apart.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;

use crate::program::{self, Outcome, aftersale, aftersale_with, exit_code, text};
use crate::promise;
use crate::table;
use crate::world;

/// A shop of a few rows that a person can follow from night to night.
struct Shop {
    folder: TempDir,
    settings: String,
}

impl Shop {
    fn new() -> Shop {
        let shop = Shop { folder: tempfile::tempdir().expect("a temporary folder"), settings: String::new() };
        shop.export(
            "surveys/1.csv",
            "response_id,responded_at,score,order_id\n\
             R1,2025-05-10,9,O1\nR2,2025-05-12,3,O2\nR3,2025-07-01,10,O3\n",
        );
        shop.export(
            "purchases/1.csv",
            "order_id,ordered_at,promised_at,delivered_at,amount\nO1,2025-05-01,2025-05-05,2025-05-04,10\n\
             O2,2025-05-01,2025-05-05,2025-05-08,20\nO3,2025-06-20,2025-06-25,2025-06-24,30\nO4,2025-05-01,2025-05-05,2025-05-04,40\n",
        );
        shop
    }

    fn export(&self, path: &str, rows: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, rows).expect("written");
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn output(&self) -> PathBuf {
        self.path("out")
    }

    fn config(&self) -> PathBuf {
        let sources = "[sources.surveys]\nurl = \"surveys/\"\nformat = \"csv\"\n\
                       [sources.purchases]\nurl = \"purchases/\"\nformat = \"csv\"\n";
        let path = self.path("aftersale.toml");
        fs::write(&path, format!("output = \"out\"\n{}\n{sources}", self.settings)).expect("written");
        path
    }

    fn run(&self, further: &[&str]) -> Outcome {
        aftersale(&[&["run", "--config", text(&self.config())], further].concat())
    }

    fn runs(&self) -> usize {
        fs::read_dir(self.path("out/runs")).map_or(0, Iterator::count)
    }

    /// Restated figures of the whole: (period, measure, touchpoint, was, is, answers then, answers now, reason).
    fn restated(&self) -> Vec<Vec<String>> {
        let table = table::published(&self.output(), "rpt_restatements").only("segment_dimension", &["all"]);
        let names = [
            "period",
            "measure",
            "touchpoint",
            "value_was",
            "value_is",
            "responses_was",
            "responses_is",
            "reason",
        ];
        let of =
            |row: &Vec<String>| names.map(|name| row[table.column(name)].chars().take(9).collect()).to_vec();
        table.rows.iter().map(of).collect()
    }
}

#[test]
fn nothing_new_is_nothing_to_do() {
    let mut shop = Shop::new();
    let first = shop.run(&[]).expect(0);
    let again = shop.run(&[]).expect(0).says(&["nothing to do"]);
    assert_eq!((again.stdout, shop.runs()), (first.stdout.clone(), 1));
    // What cannot change a result is nothing new.
    shop.settings = "[memory]\npool = \"1GB\"\n".into();
    assert_eq!(shop.run(&["--threads", "1"]).expect(0).stdout, first.stdout);

    let mut runs = 1;
    let mut new = |outcome: Outcome, shop: &Shop| {
        runs += 1;
        assert!(!outcome.stderr.contains("nothing to do") && shop.runs() == runs, "{}", outcome.told());
    };
    new(shop.run(&["--make-latest"]).expect(0), &shop);
    new(shop.run(&["--as-of", "2025-07-02"]).expect(0), &shop);
    shop.settings = "[analysis]\nwindow_days = 300\n".into();
    new(shop.run(&["--as-of", "2025-07-02"]).expect(0), &shop);
    shop.export(
        "purchases/2.csv",
        "order_id,ordered_at,promised_at,delivered_at,amount\nO5,2025-06-01,2025-06-05,2025-06-04,50\n",
    );
    new(shop.run(&["--as-of", "2025-07-02"]).expect(0), &shop);
    // How many objects were not read is published.
    shop.export("purchases/_notes.csv", "not,of,the,export\n");
    new(shop.run(&["--as-of", "2025-07-02"]).expect(0), &shop);
    shop.run(&["--as-of", "2025-07-02"]).expect(0).says(&["nothing to do"]);
    // Whatever has become of the copies.
    fs::remove_dir_all(shop.path("out/landed")).expect("removed");
    shop.run(&["--as-of", "2025-07-02"]).expect(0).says(&["nothing to do"]);
    // A run that cannot be read any more is compared with nothing, and made again.
    let manifest = table::run_folder(&shop.output()).join("manifest.json");
    fs::write(&manifest, "{").expect("written");
    let again = shop.run(&["--as-of", "2025-07-02"]).expect(0).says(&["nothing is compared with it"]);
    new(again, &shop);
    promise::tidy(&shop.output()).expect("the promise");
}

#[test]
fn a_run_that_finds_another_at_work_says_who_and_ends() {
    let shop = Shop::new();
    shop.run(&[]).expect(0);
    let lock = shop.path("out/lock.json");
    assert!(!lock.exists(), "a lock of nobody");
    let paper = "{\"holder\": \"host process 7\", \"nonce\": \"n\", \"since\": \"2025-07-01T03:00:00Z\", \"expires\": null}";
    fs::write(&lock, paper).expect("written");
    let file = fs::File::open(&lock).expect("opened");
    file.lock().expect("locked");
    let busy = shop.run(&["--make-latest"]).expect(75);
    assert_eq!(busy.stdout, "");
    busy.says(&["another run is at work", "host process 7", "2025-07-01T03:00:00Z", "hint:"]);
    drop(file);
    shop.run(&["--make-latest"]).expect(0);
}

#[test]
fn what_was_published_and_is_another_now_is_restated_with_its_reason() {
    let mut shop = Shop::new();
    shop.run(&["--as-of", "2025-07-02"]).expect(0);
    assert_eq!(shop.restated(), Vec::<Vec<String>>::new());

    // May: a promoter and a detractor, NPS 0; with one more promoter (2 − 1) / 3.
    shop.export("surveys/2.csv", "response_id,responded_at,score,order_id\nR4,2025-05-20,10,O4\n");
    shop.run(&["--as-of", "2025-07-03"]).expect(0);
    let nps = |shop: &Shop| -> Vec<String> {
        let rows = shop.restated();
        assert!(rows.iter().all(|row| row[0] == "2025-05"), "{rows:?}");
        rows.into_iter().find(|row| row[1] == "nps").unwrap_or_default()
    };
    assert_eq!(nps(&shop), ["2025-05", "nps", "", "0", "33.333333", "2", "3", "late rows"]);
    // One late parcel of two answers, then of three.
    let late = shop.restated().into_iter().find(|row| row[1] == "reach" && row[2] == "late");
    assert_eq!(late.expect("reach of late")[3..], ["0.5", "0.3333333", "2", "3", "late rows"]);

    // The same answers, one of them corrected: two promoters and a passive.
    shop.export(
        "surveys/1.csv",
        "response_id,responded_at,score,order_id\nR1,2025-05-10,9,O1\nR2,2025-05-12,7,O2\nR3,2025-07-01,10,O3\n",
    );
    shop.run(&["--as-of", "2025-07-04"]).expect(0);
    assert_eq!(nps(&shop)[3..], ["33.333333", "66.666666", "3", "3", "inputs ch"]);

    shop.settings = "score = { min = 0, max = 10, detractor_max = 6, promoter_min = 10 }\n".into();
    shop.run(&["--as-of", "2025-07-05"]).expect(0);
    assert_eq!(nps(&shop)[3..], ["66.666666", "33.333333", "3", "3", "settings "]);

    let touchpoint = |when: &str| {
        format!(
            "[[touchpoints]]\nid = \"dear\"\nlabel = \"Dear\"\nstage = \"purchase\"\nrole = \"context\"\n\
             feed = \"purchases\"\nwhen = \"{when}\"\n"
        )
    };
    let score = shop.settings.clone();
    shop.settings = score.clone() + &touchpoint("amount > 15");
    shop.run(&["--as-of", "2025-07-06"]).expect(0);
    assert_eq!(
        shop.restated(),
        Vec::<Vec<String>>::new(),
        "a touchpoint that was not there is no restatement"
    );
    // Of orders for 10, 20 and 40, two are dearer than 15 and one than 30.
    shop.settings = score + &touchpoint("amount > 30");
    shop.run(&["--as-of", "2025-07-07"]).expect(0);
    let reach: Vec<_> =
        shop.restated().into_iter().filter(|row| row[1] == "reach" && row[0] == "2025-05").collect();
    assert_eq!(reach, [["2025-05", "reach", "dear", "0.6666666", "0.3333333", "3", "3", "definitio"]]);

    // An older day is compared with nothing.
    let older = shop.run(&["--as-of", "2025-07-01"]).expect(0);
    let rows = table::read_folder(&Path::new(older.stdout.trim_end()).join("rpt_restatements")).rows;
    assert_eq!(rows.len(), 0);
}

#[test]
fn two_runs_are_told_apart() {
    let mut shop = Shop::new();
    let diff = |shop: &Shop, runs: &[&str]| {
        aftersale(&[&["diff"], runs, &["--config", text(&shop.config())]].concat())
    };
    diff(&shop, &[]).expect(64).says(&["nothing has been published"]);
    let first = shop.run(&["--as-of", "2025-07-02"]).expect(0).stdout;
    diff(&shop, &[]).expect(64).says(&["no run before", "hint:"]);

    shop.export("surveys/2.csv", "response_id,responded_at,score,order_id\nR4,2025-05-20,10,O4\n");
    shop.export(
        "surveys/1.csv",
        "response_id,responded_at,score,order_id\nR2,2025-05-12,9,O2\nR3,2025-07-01,10,O3\n",
    );
    shop.settings = "[analysis]\nwindow_days = 300\n".into();
    shop.run(&["--as-of", "2025-07-02"]).expect(0);
    let told = diff(&shop, &[]).expect(0).stdout;
    for line in [
        "inputs (1 the same)",
        "/surveys/2.csv   60 bytes",
        "~ ",
        "- analysis.window_days = 365",
        "+ analysis.window_days = 300",
        "touchpoint definitions\n  no difference",
        "2025-05   nps",
        "0.0 ->    100.0   answers 2 -> 2",
        "1 added, 1 removed, 1 in another class, 0 linked to another journey; 2 in both",
    ] {
        assert!(told.contains(line), "{line}\n{told}");
    }
    for id in ["R1", "R2", "R4", "O4"] {
        assert!(!told.contains(id), "a customer's data\n{told}");
    }
    let first = Path::new(first.trim_end()).file_name().and_then(|name| name.to_str()).expect("a run");
    let same = diff(&shop, &[first, first]).expect(0).stdout;
    assert!(same.contains("the same inputs, settings, program and as-of"), "{same}");
    diff(&shop, &["nobody"]).expect(64).says(&["no such run"]);
}

#[test]
fn old_runs_are_removed_as_the_configuration_says() {
    let mut shop = Shop::new();
    let mut published = Vec::new();
    for (day, settings) in [
        ("2025-07-01", ""),
        ("2025-07-02", "[retention]\nkeep_runs = 2\n"),
        ("2025-07-03", "[retention]\nkeep_runs = 2\n"),
        ("2025-07-04", "[retention]\nkeep_runs = 2\nmin_age_days = 0\n"),
    ] {
        shop.settings = settings.into();
        let run = PathBuf::from(shop.run(&["--as-of", day]).expect(0).stdout.trim_end());
        published.push(run);
        if published.len() == 3 {
            // Younger than a week, all of them.
            assert_eq!(shop.runs(), 3);
            fs::write(published[0].join("notes.txt"), "somebody's own").expect("written");
        }
    }
    assert!(published[2].join("manifest.json").exists() && published[3].join("manifest.json").exists());
    assert!(!published[1].exists());
    let left: Vec<_> = fs::read_dir(&published[0]).expect("a folder").collect();
    assert_eq!(left.len(), 1, "what no manifest names is not ours: {left:?}");

    shop.settings = "[retention]\nkeep_runs = 1\n".into();
    shop.run(&[]).expect(78).says(&["retention.keep_runs", "hint:"]);
}

#[test]
fn every_byte_is_read_back_on_request() {
    let shop = Shop::new();
    shop.run(&["--verify", "full"]).expect(0);
    shop.run(&["--verify", "some"]).expect(64);
}

/// The export is overwritten while the run is at work on another.
#[test]
fn an_input_that_changes_during_the_run_stops_it() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(60_000), 1);
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output)];
    let mut child =
        program::command(&arguments, &[]).stderr(Stdio::piped()).spawn().expect("the program starts");
    let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut told = String::new();
    errors.read_line(&mut told).expect("progress");
    let export = folder.path().join("given/tickets/000.csv");
    fs::write(&export, "ticket_id,opened_at\nT1,2025-05-01\n").expect("written");
    errors.read_to_string(&mut told).expect("the rest");
    assert_eq!(exit_code(child.wait().expect("it ends")), 69, "{told}");
    assert!(told.contains("an input changed during the run") && told.contains("000.csv"), "{told}");
    assert!(!output.join("latest.json").exists() && !output.join("runs").exists());
    assert!(!output.join("lock.json").exists());
}

#[test]
fn a_stopped_run_leaves_no_empty_folders() {
    let shop = Shop::new();
    shop.export("surveys/1.csv", "response_id,responded_at,score,order_id\nR1,2025-05-10,12,O1\n");
    shop.run(&[]).expect(65);
    assert!(!shop.path("out/runs").exists() && !shop.path("out/lock.json").exists());
    fs::remove_dir_all(shop.output()).expect("removed");
    fs::remove_file(shop.path("surveys/1.csv")).expect("removed");
    shop.run(&[]).expect(78);
    assert!(!shop.output().exists());
}

/// A minute is the shortest deadline there is.
#[test]
fn a_deadline_ends_the_run() {
    aftersale(&["run", "--max-minutes", "0"]).expect(64);
    if std::env::var("AFTERSALE_LONG").is_err() {
        return;
    }
    // A server that takes requests and never answers.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    std::thread::spawn(move || listener.incoming().collect::<Vec<_>>());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = folder.path().join("a.toml");
    fs::write(&config, world::configuration("s3://lake/exports")).expect("written");
    let environment = BTreeMap::from([
        ("AWS_ENDPOINT_URL", endpoint.as_str()),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_TIMEOUT", "300s"),
    ]);
    let environment: Vec<_> = environment.into_iter().collect();
    let output = folder.path().join("out");
    let arguments = ["run", "--config", text(&config), "--output", text(&output), "--max-minutes", "1"];
    aftersale_with(&arguments, &environment).expect(75).says(&["1 minutes", "--max-minutes"]);
    assert!(!output.exists());
}

#[test]
fn figures_of_a_run_are_written_for_prometheus() {
    let mut shop = Shop::new();
    shop.settings = "[metrics]\ntextfile = \"metrics/aftersale.prom\"\n".into();
    fs::create_dir(shop.path("metrics")).expect("a folder can be made");
    let figures = || -> BTreeMap<String, f64> {
        let text = fs::read_to_string(shop.path("metrics/aftersale.prom")).expect("the figures");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| {
                let (name, value) = line.rsplit_once(' ').expect("a name and a value");
                (name.to_string(), value.parse().expect("a number"))
            })
            .collect()
    };
    shop.run(&[]).expect(0);
    let first = figures();
    assert_eq!(first["aftersale_last_run_exit_code"], 0.0);
    assert!(first["aftersale_last_run_rows{stage=\"publish\"}"] > 10.0, "{first:?}");
    let bytes = |what: &str| {
        first[&format!("aftersale_last_run_bytes_{what}{{source=\"purchases\",table=\"purchases\"}}")]
    };
    assert!(bytes("read") >= bytes("there") && bytes("there") > 0.0, "text is read whole: {first:?}");
    assert!(
        first["aftersale_last_run_seconds"] > 0.0 && first["aftersale_last_success_time_seconds"] > 1.7e9
    );

    shop.export("surveys/1.csv", "response_id,responded_at,score,order_id\nR1,2025-05-10,12,O1\n");
    shop.run(&[]).expect(65);
    let failed = figures();
    assert_eq!(failed["aftersale_last_run_exit_code"], 65.0);
    assert_eq!(failed["aftersale_last_success_time_seconds"], first["aftersale_last_success_time_seconds"]);
    assert_eq!(fs::read_dir(shop.path("metrics")).expect("a folder").count(), 1);
}
