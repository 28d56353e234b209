//! The command as a person or a scheduler meets it: exit codes, messages, streams, signals.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;

use crate::program::{self, Outcome, aftersale, exit_code, text};
use crate::table::{self, json, latest, run_folder};
use crate::world;

/// A small export and its configuration in a folder of their own.
fn project() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world::write(folder.path(), &world::feeds(300), 1);
    (folder, config)
}

fn run(config: &Path, output: &Path, further: &[&str]) -> Outcome {
    aftersale(&[&["run", "--config", text(config), "--output", text(output)], further].concat())
}

/// The smallest configuration there is, with something in front of it.
fn configured(folder: &Path, before: &str) -> PathBuf {
    let config = folder.join("aftersale.toml");
    fs::write(folder.join("surveys.csv"), "response_id,responded_at,score,order_id\nR1,2025-05-10,9,O1\n")
        .expect("written");
    fs::write(folder.join("purchases.csv"), "order_id,ordered_at\nO1,2025-05-01\n").expect("written");
    let sources = "[sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.csv\"\n";
    fs::write(&config, format!("{before}\n{sources}")).expect("written");
    config
}

// ---- exit codes and messages -----------------------------------------------------------------------------

#[test]
fn what_cannot_be_asked_for_is_a_usage_error() {
    for arguments in [
        &["rum"][..],
        &["run", "--outptu", "x"],
        &["run", "--as-of", "31/10/2025"],
        &["run", "--threads", "0"],
        &[],
    ] {
        let outcome = aftersale(arguments).expect(64);
        assert_eq!(outcome.stdout, "", "{arguments:?}");
        assert!(!outcome.stderr.is_empty(), "{arguments:?}");
    }
    aftersale(&["rum"]).says(&["rum", "--help"]);
    aftersale(&["run", "--as-of", "31/10/2025"]).says(&["31/10/2025", "2026-10-31"]);
}

#[test]
fn help_names_every_command_and_the_exit_codes() {
    let help = aftersale(&["--help"]).expect(0).stdout;
    for word in [
        "run", "check", "init", "show", "trace", "report", "diff", "erase", "64", "65", "69", "70", "74",
        "75", "78", "130", "143",
    ] {
        assert!(help.contains(word), "--help does not mention {word}:\n{help}");
    }
    let help = aftersale(&["run", "--help"]).expect(0).stdout;
    for word in [
        "--config",
        "--as-of",
        "--output",
        "--threads",
        "--make-latest",
        "--verify",
        "--max-minutes",
        "--log-format",
    ] {
        assert!(help.contains(word), "run --help does not mention {word}:\n{help}");
    }
}

#[test]
fn a_wrong_configuration_says_the_line_and_the_way_out() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let refused = |before: &str, words: &[&str]| {
        let config = configured(folder.path(), before);
        run(&config, &output, &[]).expect(78).says(words);
    };
    refused(
        "timezone = \"UTC\"\nsegmets = []",
        &["segmets", "aftersale.toml:2", "hint: did you mean `segments`?"],
    );
    refused("segments = [\"colour\"]", &["`colour`", "hint:"]);
    refused("[analysis]\nmax_rejected_share = 2.0", &["analysis.max_rejected_share", "hint:"]);
    let own = "[[touchpoints]]\nid = \"x\"\nlabel = \"X\"\nstage = \"support\"\nrole = \"lever\"\nfeed = \"purchases\"";
    refused(&format!("{own}\nwhen = \"colour = 'red'\""), &["x", "colour", "hint:"]);
    refused(&format!("{own}\nwhen = \"amount\""), &["x", "hint:"]);
    refused(&format!("{own}\nwhen = \"ordered_at < now()\""), &["now", "hint:"]);
    assert!(!output.join("latest.json").exists() && !output.join("runs").exists());

    aftersale(&["run", "--config", "no-such.toml"]).expect(78).says(&["no-such.toml", "hint:"]);
}

#[test]
fn inputs_that_cannot_be_read_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let config = configured(folder.path(), "");
    fs::remove_file(folder.path().join("purchases.csv")).expect("removed");
    run(&config, &output, &[]).expect(78).says(&["purchases.csv", "hint:"]);

    // Half of an upload.
    fs::write(folder.path().join("purchases.parquet"), "PAR1 and no more").expect("written");
    let parquet = fs::read_to_string(&config).expect("read").replace("purchases.csv", "purchases.parquet");
    fs::write(&config, parquet).expect("written");
    let outcome = run(&config, &output, &[]).expect(65).says(&["purchases", "hint:"]);
    assert_eq!(outcome.stdout, "");
    assert!(!output.join("latest.json").exists());
}

#[test]
fn a_mapping_that_does_not_fit_is_refused_at_its_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let config = configured(folder.path(), "");
    let sources = fs::read_to_string(&config).expect("read");
    let refused = |columns: &str, words: &[&str]| {
        fs::write(&config, format!("{sources}columns = {columns}\n")).expect("written");
        run(&config, &output, &[]).expect(78).says(words);
    };
    refused("{ ordered_at = \"bought_at\" }", &["bought_at", "hint:"]);
    refused("{ amount = \"sum(ordered_at)\" }", &["aggregate", "hint:"]);
    refused("{ amount = \"random()\" }", &["random", "hint:"]);
    fs::write(folder.path().join("purchases.csv"), "orderid,ordered_at\nO1,2025-05-01\n").expect("written");
    refused("{ }", &["order_id", "purchases", "hint:"]);
}

/// Exports hold names, addresses and what people wrote; an error may be sent to anybody.
#[test]
fn no_error_shows_a_customers_data() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let config = configured(folder.path(), "");
    let sources = fs::read_to_string(&config).expect("read");
    let private = "Ann-Example";
    let says_nothing = |outcome: Outcome, code: i32| {
        let outcome = outcome.expect(code);
        assert!(!outcome.stderr.contains(private), "{}", outcome.told());
    };
    let purchases = format!("order_id,ordered_at,note\nO1,2025-05-01,{private}\n{private}\nO2,{private},x\n");
    fs::write(folder.path().join("purchases.csv"), purchases).expect("written");
    // Rejected rows; a cast of the mapping's own that fails; a file without a header.
    says_nothing(run(&config, &output, &[]), 65);
    fs::write(&config, format!("{sources}columns = {{ amount = \"cast(note as double)\" }}\n"))
        .expect("written");
    says_nothing(run(&config, &output, &[]), 65);
    fs::write(&config, &sources).expect("written");
    fs::write(folder.path().join("purchases.csv"), format!("{private},{private}\n")).expect("written");
    says_nothing(run(&config, &output, &[]), 65);
}

#[test]
fn an_output_that_cannot_be_written_is_an_input_output_error() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = configured(folder.path(), "");
    let file = folder.path().join("in-the-way");
    fs::write(&file, "a file, not a folder").expect("written");
    run(&config, &file.join("out"), &[]).expect(74).says(&["in-the-way"]);
}

// ---- streams ---------------------------------------------------------------------------------------------

#[test]
fn standard_output_holds_the_published_path_and_nothing_else() {
    let (folder, config) = project();
    let output = folder.path().join("out");
    let outcome = run(&config, &output, &[]).expect(0);
    assert_eq!(outcome.stdout.trim_end(), text(&run_folder(&output)), "{}", outcome.told());
    assert!(outcome.stderr.contains("NPS"), "{}", outcome.told());
    let latest = latest(&output);
    for key in ["schema_version", "run_id", "as_of", "path"] {
        assert!(latest[key].is_string(), "latest.json has no {key}");
    }
    let path = latest["path"].as_str().expect("a path");
    assert!(output.join(path).join("manifest.json").exists(), "{path} does not lead to the run");
}

#[test]
fn json_lines_are_for_machines() {
    let (folder, config) = project();
    let output = folder.path().join("out");
    let outcome = run(&config, &output, &["--log-format", "json"]).expect(0);
    let lines: Vec<serde_json::Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .collect();
    assert!(
        lines.iter().any(|line| line["stage"] == "publish" && line["rows"].is_u64()),
        "{}",
        outcome.told()
    );
    assert!(lines.iter().all(|line| line["level"].is_string() && line["event"].is_string()));
    assert_eq!(outcome.stdout.trim_end(), text(&run_folder(&output)));

    let outcome = aftersale(&["run", "--config", "no-such.toml", "--log-format", "json"]).expect(78);
    let error: serde_json::Value = serde_json::from_str(outcome.stderr.trim_end()).expect("one object");
    assert_eq!((error["level"].as_str(), error["exit_code"].as_u64()), (Some("error"), Some(78)));
}

#[test]
fn without_a_configuration_the_sample_runs_from_any_folder() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output =
        program::command(&["run"], &[]).current_dir(folder.path()).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(exit_code(output.status), 0, "{stderr}");
    let published = folder.path().join("data/out");
    for name in [
        "fct_journeys",
        "fct_journey_events",
        "fct_exposures",
        "rpt_nps",
        "rpt_touchpoint_impact",
        "rpt_touchpoint_trend",
        "rpt_data_quality",
        "rejected_rows",
    ] {
        assert!(!table::published(&published, name).rows.is_empty(), "{name} has nothing to show");
    }
    let shown = program::command(&["show", "rpt_nps", "--where", "period = 'window'"], &[])
        .current_dir(folder.path())
        .output()
        .expect("starts");
    assert_eq!(exit_code(shown.status), 0);
    assert!(String::from_utf8_lossy(&shown.stdout).contains("window"));
}

// ---- what is published -----------------------------------------------------------------------------------

#[test]
fn twice_and_on_any_number_of_threads_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // More rows than one batch of the engine holds, so that threads have something to share.
    let config = world::write(folder.path(), &world::feeds(20_000), 3);
    let mut first: Option<serde_json::Value> = None;
    for (attempt, threads) in ["1", "2", "8", "2"].iter().enumerate() {
        let output = folder.path().join(format!("out-{attempt}"));
        run(&config, &output, &["--threads", threads]).expect(0);
        let manifest = json(&run_folder(&output).join("manifest.json"));
        let files = manifest["files"].as_array().expect("files");
        assert!(files.len() >= 9, "{} files", files.len());
        assert!(files.iter().all(|file| file["sha256"].as_str().is_some_and(|hash| hash.len() == 64)));
        // Pages say which attempt made them; what else they say is asked in `pages`.
        let tables: Vec<_> = files.iter().filter(|file| !file["rows"].is_null()).collect();
        assert!(tables.len() >= 9 && tables.len() < files.len(), "{} tables", tables.len());
        let told = serde_json::json!([tables, manifest["fingerprint"]]);
        assert_eq!(
            *first.get_or_insert_with(|| told.clone()),
            told,
            "attempt {attempt} on {threads} threads"
        );
    }
}

#[test]
fn an_older_day_is_kept_as_a_run_and_is_not_the_latest() {
    let (folder, config) = project();
    let output = folder.path().join("out");
    run(&config, &output, &["--as-of", "2025-04-30"]).expect(0);
    let newest = latest(&output);
    assert_eq!(newest["as_of"], "2025-04-30");

    let older = run(&config, &output, &["--as-of", "2025-03-31"]).expect(0);
    assert!(Path::new(older.stdout.trim_end()).join("manifest.json").exists(), "{}", older.told());
    assert_eq!(latest(&output), newest);

    run(&config, &output, &["--as-of", "2025-03-31", "--make-latest"]).expect(0);
    assert_eq!(latest(&output)["as_of"], "2025-03-31");
}

#[test]
fn check_publishes_nothing() {
    let (folder, config) = project();
    let before = listing(folder.path());
    let outcome = aftersale(&["check", "--config", text(&config)]).expect(0);
    for word in ["surveys", "purchases", "order_id", "latest_purchase", "neither order nor customer"] {
        assert!(outcome.stdout.contains(word), "{word}\n{}", outcome.told());
    }
    assert_eq!(listing(folder.path()), before);
}

#[test]
fn tables_are_shown_in_the_terminal() {
    let (folder, config) = project();
    let output = folder.path().join("out");
    let place = ["--config", text(&config), "--output", text(&output)];
    let show = |further: &[&str]| aftersale(&[&["show"], further, &place].concat());
    show(&["rpt_nps"]).expect(64).says(&["nothing has been published", "hint:"]);
    run(&config, &output, &[]).expect(0);

    let list = show(&[]).expect(0).stdout;
    for name in ["fct_exposures", "rpt_touchpoint_impact", "rejected_rows", "data_dictionary"] {
        assert!(list.contains(name), "{name}:\n{list}");
    }
    let shown =
        show(&["rejected_rows", "--where", "key = 'R-late'", "--columns", "key,reason"]).expect(0).stdout;
    assert!(shown.contains("score out of scale") && !shown.contains("conflicting"), "{shown}");
    show(&["rpt_np"]).expect(64).says(&["rpt_np", "did you mean `rpt_nps`?"]);
    show(&["rpt_nps", "--columns", "npss"]).expect(64).says(&["npss"]);
    show(&["rpt_nps", "--where", "npss > 1"]).expect(64).says(&["npss"]);
}

/// On the command line from where one stands, in a configuration from the configuration's own folder.
#[test]
fn a_relative_output_is_found_where_it_was_written() {
    let (folder, config) = project();
    let elsewhere = folder.path().join("elsewhere");
    fs::create_dir(&elsewhere).expect("a folder can be made");
    let there = |arguments: &[&str]| {
        let mut command = program::command(&[arguments, &["--config", text(&config)]].concat(), &[]);
        exit_code(command.current_dir(&elsewhere).output().expect("the program starts").status)
    };
    assert_eq!(there(&["run", "--output", "out"]), 0);
    assert!(elsewhere.join("out/latest.json").exists());
    assert_eq!(there(&["show", "rpt_nps", "--output", "out"]), 0);
    assert_eq!(there(&["trace", "R-nobody", "--output", "out"]), 0);
    assert_eq!(there(&["run"]), 0);
    assert!(folder.path().join("data/out/latest.json").exists());
    assert_eq!(there(&["show", "rpt_nps"]), 0);
}

#[test]
fn an_answer_is_traced_to_its_row() {
    let (folder, config) = project();
    let output = folder.path().join("out");
    run(&config, &output, &[]).expect(0);
    let trace = |id: &str| aftersale(&["trace", id, "--config", text(&config), "--output", text(&output)]);

    // An answer that names its order and had met something.
    let exposures = table::published(&output, "fct_exposures");
    let place = exposures.column("response_id");
    let answer = exposures.only("link_rule", &["order_id"]).only("tp_late", &["true"]).rows[0][place].clone();
    let row = exposures.row("response_id", &answer);
    let explained = trace(&answer).expect(0).stdout;
    for word in [&answer, row["journey_id"], row["source_row"], "surveys", "ordered", "answered", "late"] {
        assert!(explained.contains(word), "{word}\n{explained}");
    }
    let explained = trace(row["journey_id"]).expect(0).stdout;
    assert!(explained.contains("ordered") && explained.contains(&answer), "{explained}");
    let explained = trace("R-late").expect(0).stdout;
    assert!(explained.contains("score out of scale"), "{explained}");
    let explained = trace("R-nobody").expect(0).stdout;
    assert!(explained.contains("neither order nor customer"), "{explained}");
    trace("R-none").expect(64).says(&["hint:"]);
}

#[test]
fn printed_configurations_are_accepted() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let write = |name: &str, lines: &str| {
        fs::write(folder.path().join(format!("{name}.csv")), lines).expect("written");
    };
    // The columns of the Olist data, with rows of our own.
    write(
        "olist_orders_dataset",
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,\
        order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date\n\
        o1,c1,delivered,2018-01-02 10:00:00,,,2018-01-09 10:00:00,2018-01-15 00:00:00\n",
    );
    write(
        "olist_order_reviews_dataset",
        "review_id,order_id,review_score,review_comment_title,\
        review_comment_message,review_creation_date,review_answer_timestamp\n\
        r1,o1,5,,\"two\nlines\",2018-01-10 00:00:00,2018-01-11 10:00:00\n",
    );
    write(
        "olist_customers_dataset",
        "customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,\
        customer_state\nc1,p1,01000,somewhere,SP\n",
    );
    write(
        "olist_order_items_dataset",
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,\
        freight_value\no1,1,i1,s1,2018-01-04 10:00:00,10.50,2.00\n",
    );
    write("olist_products_dataset", "product_id,product_category_name\ni1,brinquedos\n");
    write(
        "product_category_name_translation",
        "product_category_name,product_category_name_english\n\
        brinquedos,toys\n",
    );
    let printed = aftersale(&["init", "--preset", "olist", "--location", text(folder.path())]).expect(0);
    assert!(printed.stdout.contains("# "), "a configuration is commented");
    let config = folder.path().join("aftersale.toml");
    fs::write(&config, printed.stdout).expect("written");
    aftersale(&["check", "--config", text(&config)]).expect(0);

    // The plain one fits exports that are named as ours.
    let printed = aftersale(&["init", "--location", "given"]).expect(0).stdout;
    assert!(printed.contains("max_rejected_share") && printed.contains("\"given/surveys/\""), "{printed}");
    aftersale(&["init", "--preset", "olits"]).expect(64);
}

fn listing(folder: &Path) -> Vec<PathBuf> {
    let pattern = folder.join("**/*");
    glob::glob(text(&pattern)).expect("a pattern").map(|path| path.expect("a path")).collect()
}

// ---- signals ---------------------------------------------------------------------------------------------

#[test]
fn a_signal_stops_the_run_and_nothing_is_published() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    // Enough that the run is not over before the signal comes.
    let config = world::write(folder.path(), &world::feeds(150_000), 1);
    for (name, code) in [("TERM", 143), ("INT", 130)] {
        let output = folder.path().join(format!("out-{name}"));
        let scratch = folder.path().join(format!("scratch-{name}"));
        fs::create_dir(&scratch).expect("a folder can be made");
        let arguments = ["run", "--config", text(&config), "--output", text(&output)];
        let mut child = program::command(&arguments, &[("TMPDIR", text(&scratch))])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let mut errors = BufReader::new(child.stderr.take().expect("a pipe"));
        let mut told = String::new();
        // The first stage has ended: the program is at work.
        errors.read_line(&mut told).expect("progress");
        std::thread::sleep(Duration::from_millis(100));
        program::signal(&child, name);
        errors.read_to_string(&mut told).expect("the rest");
        let mut printed = String::new();
        child.stdout.take().expect("a pipe").read_to_string(&mut printed).expect("the rest");
        let status = child.wait().expect("the program ends");
        assert_eq!((exit_code(status), printed.as_str()), (code, ""), "SIG{name}\n{told}");
        assert!(!output.join("latest.json").exists(), "SIG{name}: something is published");
        assert!(
            !output.join("runs").exists() && !output.join("lock.json").exists(),
            "SIG{name}: a run is left behind"
        );
        let left: Vec<PathBuf> = listing(&scratch);
        assert!(left.is_empty(), "SIG{name}: left in the scratch folder: {left:?}");
    }
}
