//! Exports that change from night to night: what stops, what passes, and how a change is taken over.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::program::{Outcome, aftersale, text};
use crate::table::{json, latest, run_folder};

/// A shop whose help desk delivers one file of tickets a night.
struct Shop {
    folder: TempDir,
}

impl Shop {
    fn new() -> Shop {
        let shop = Shop { folder: tempfile::tempdir().expect("a temporary folder") };
        shop.write(
            "surveys.csv",
            "response_id,responded_at,score,order_id\nR1,2025-05-20,9,O1\nR2,2025-05-21,2,O2\n",
        );
        shop.write("purchases.csv", "order_id,ordered_at\nO1,2025-05-01\nO2,2025-05-02\n");
        shop.configure("", "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }");
        shop.deliver("1", "ticket_id,order_id,Created,Solved at,note\nT1,O1,2025-05-03,2025-05-04,x\n");
        shop
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
        fs::write(path, text).expect("written");
    }

    fn configure(&self, before: &str, tickets: &str) {
        self.write(
            "aftersale.toml",
            &format!(
                "{before}\n[sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.csv\"\n\
                 [sources.tickets]\nurl = \"tickets/\"\nformat = \"csv\"\n{tickets}\n"
            ),
        );
    }

    fn deliver(&self, night: &str, lines: &str) {
        self.write(&format!("tickets/{night}.csv"), lines);
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn ask(&self, arguments: &[&str]) -> Outcome {
        let (config, output) = (self.folder.path().join("aftersale.toml"), self.output());
        aftersale(&[arguments, &["--config", text(&config), "--output", text(&output)]].concat())
    }

    fn run(&self) -> Outcome {
        self.ask(&["run"])
    }
}

const RENAMED: &str = "ticket_id,order_id,Created,Solved date,note\nT2,O2,2025-05-04,2025-05-06,y\n";

#[test]
fn a_renamed_column_stops_with_the_likely_new_name() {
    let shop = Shop::new();
    shop.run().expect(0);
    let first = latest(&shop.output());
    shop.deliver("2", RENAMED);
    for command in ["run", "check"] {
        let outcome = shop.ask(&[command]).expect(65).says(&[
            "the exports are not what they were",
            "tickets, table tickets: `Solved at` was text, is missing from 1 of 1 new files; new there is `Solved date`",
            "aftersale check --accept",
        ]);
        assert!(!outcome.stderr.contains("`note`"), "{}", outcome.told());
    }
    assert_eq!(latest(&shop.output()), first);
    assert!(!shop.output().join("contract.json").exists());

    // Mapped by both names, it goes on, and the file of the next night is like the one before.
    shop.configure(
        "",
        "columns = { opened_at = \"Created\", solved_at = 'coalesce(\"Solved at\", \"Solved date\")' }",
    );
    shop.run().expect(0);
    shop.deliver("3", &RENAMED.replace("T2", "T3"));
    let outcome = shop.run().expect(0);
    assert!(!outcome.stderr.contains("changed"), "{}", outcome.told());
}

#[test]
fn a_change_is_taken_over_on_request() {
    let shop = Shop::new();
    shop.ask(&["check", "--accept"]).expect(0);
    assert!(!shop.output().exists(), "a check has published something");
    shop.run().expect(0);
    shop.deliver("2", RENAMED);
    shop.run().expect(65);
    let runs = || fs::read_dir(shop.output().join("runs")).expect("runs").count();
    let outcome = shop.ask(&["check", "--accept"]).expect(0).says(&["Solved date"]);
    assert!(outcome.stdout.contains("taken over"), "{}", outcome.told());
    assert_eq!(json(&shop.output().join("contract.json"))["after_run"], latest(&shop.output())["run_id"]);
    assert_eq!(runs(), 1);
    shop.ask(&["check"]).expect(0);
    shop.run().expect(0);
    assert_eq!(runs(), 2);

    // What is taken over becomes part of a run, also where the exports are as they were.
    shop.run().expect(0).says(&["nothing to do"]);
    shop.ask(&["check", "--accept"]).expect(0);
    shop.run().expect(0);
    assert_eq!(runs(), 3);
    shop.run().expect(0).says(&["nothing to do"]);

    // What was taken over was that change and no other.
    shop.deliver("3", "ticket_id,order_id,Opened,Solved date,note\nT3,O2,2025-05-04,2025-05-06,y\n");
    shop.run().expect(65).says(&["`Created` was text, is missing", "`Opened`"]);
}

/// What a run would not publish for another reason is not taken over: the change would be forgotten.
#[test]
fn a_check_that_fails_takes_nothing_over() {
    let shop = Shop::new();
    shop.run().expect(0);
    shop.deliver("2", &format!("{RENAMED}T3,O2,,,\n"));
    shop.ask(&["check", "--accept"]).expect(65).says(&["are rejected"]);
    assert!(!shop.output().join("contract.json").exists());
    shop.deliver("2", RENAMED);
    shop.run().expect(65).says(&["the exports are not what they were"]);
}

/// Damaged bookkeeping has a way out: what the message names.
#[test]
fn a_damaged_contract_or_last_run_can_be_left_behind() {
    let shop = Shop::new();
    shop.run().expect(0);
    shop.write("out/contract.json", "{");
    shop.run().expect(74).says(&["aftersale check --accept"]);
    shop.ask(&["check", "--accept"]).expect(0);
    shop.run().expect(0);
    let run = run_folder(&shop.output());
    fs::remove_dir_all(&run).expect("removed");
    fs::remove_file(shop.output().join("contract.json")).expect("removed");
    shop.run().expect(0).says(&["the run published before cannot be read"]);
    assert_ne!(run_folder(&shop.output()), run);
}

/// A kept copy of an export is only a copy.
#[test]
fn a_damaged_copy_is_made_anew() {
    let shop = Shop::new();
    shop.run().expect(0);
    let landed =
        || fs::read_dir(shop.output().join("landed")).expect("a folder").map(|e| e.expect("an entry").path());
    for copy in landed() {
        let whole = fs::read(&copy).expect("a copy");
        fs::write(&copy, &whole[..whole.len() / 2]).expect("written");
    }
    shop.deliver("2", "ticket_id,order_id,Created,Solved at,note\nT2,O2,2025-05-04,2025-05-06,y\n");
    shop.run().expect(0).says(&["a kept copy of an export is damaged"]);
    shop.deliver("3", "ticket_id,order_id,Created,Solved at,note\nT3,O2,2025-05-04,2025-05-06,y\n");
    shop.run().expect(0).says(&["tickets: 1 file parsed, 2 known from an earlier night"]);
}

/// The place of the output is looked at however it is given.
#[test]
fn an_output_inside_the_exports_is_refused() {
    let shop = Shop::new();
    let inside = shop.folder.path().join("tickets");
    let config = shop.folder.path().join("aftersale.toml");
    let ask =
        |output: &std::path::Path| aftersale(&["run", "--config", text(&config), "--output", text(output)]);
    ask(&inside).expect(78).says(&["`output` lies inside the exports", "aftersale.toml:7"]);
    ask(&inside.join("deep/er")).expect(78);
    #[cfg(unix)]
    {
        let link = shop.folder.path().join("link");
        std::os::unix::fs::symlink(&inside, &link).expect("a link");
        ask(&link.join("out")).expect(78).says(&["`output` lies inside the exports"]);
    }
}

#[test]
fn new_and_unused_columns_pass_with_a_note() {
    let shop = Shop::new();
    shop.run().expect(0);
    let manifest = json(&run_folder(&shop.output()).join("manifest.json"));
    let columns = &manifest["contract"]["feeds"]["tickets"]["tables"]["tickets"]["columns"];
    let used = |name: &str| columns[name]["is_used"].as_bool();
    assert_eq!(
        [used("Created"), used("Solved at"), used("order_id"), used("note")],
        [Some(true), Some(true), Some(true), Some(false)]
    );

    shop.deliver("2", "ticket_id,order_id,Created,Solved at,weather\nT2,O2,2025-05-04,2025-05-06,y\n");
    shop.run().expect(0).says(&["`weather` is new", "`note` was text, is missing from 1 of 1 new files"]);
    // Told once: the next night is compared with this one.
    let outcome = shop.ask(&["run", "--make-latest"]).expect(0).says(&["publish"]);
    assert!(!outcome.stderr.contains("have changed"), "{}", outcome.told());
}

#[test]
fn a_changed_contract_only_warns_where_the_configuration_says_so() {
    let shop = Shop::new();
    shop.run().expect(0);
    shop.deliver("2", RENAMED);
    shop.configure(
        "[contract]\non_change = \"warn\"",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    shop.run().expect(0).says(&["warning: the exports have changed", "`Solved at`"]);
}

/// A delivery that brings far less than the one before it is told even where rows only ever grow in number.
#[test]
fn a_small_delivery_is_told() {
    let shop = Shop::new();
    shop.configure(
        "[contract]\nvolume = { max_drop = 0.4, on_breach = \"stop\" }",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    let night = |rows: std::ops::Range<u32>| {
        let rows: Vec<String> = rows.map(|n| format!("N{n},O1,2025-05-03,2025-05-04,x")).collect();
        format!("ticket_id,order_id,Created,Solved at,note\n{}\n", rows.join("\n"))
    };
    shop.run().expect(0);
    shop.deliver("2", &night(0..20));
    shop.run().expect(0);
    // A night without a delivery says nothing.
    shop.write(
        "surveys.csv",
        "response_id,responded_at,score,order_id\nR1,2025-05-20,9,O1\nR2,2025-05-21,3,O2\n",
    );
    shop.run().expect(0);
    shop.deliver("3", &night(20..31));
    shop.run().expect(65).says(&["tickets, table tickets: the last delivery brought 20 rows, this one 11"]);
    shop.ask(&["check", "--accept"]).expect(0);
    shop.run().expect(0);
}

/// JSON does not name what is empty: a night without comments is no other export. A new name beside it is.
#[test]
fn columns_that_json_leaves_out_are_not_missed() {
    let shop = Shop::new();
    shop.write(
        "aftersale.toml",
        "[sources.surveys]\nurl = \"answers/\"\nformat = \"ndjson\"\ncolumns = { comment = \"remark\" }\n\
         [sources.purchases]\nurl = \"purchases.csv\"\n",
    );
    let answer = |id: &str, rest: &str| {
        format!(
            "{{\"response_id\":\"{id}\",\"responded_at\":\"2025-05-20\",\"score\":9,\"order_id\":\"O1\"{rest}}}\n"
        )
    };
    shop.write("answers/1.ndjson", &answer("R1", ",\"remark\":\"fine\""));
    shop.run().expect(0);
    shop.write("answers/2.ndjson", &answer("R2", ""));
    shop.run().expect(0).says(&["`remark` was text, is missing from 1 of 1 new files"]);
    shop.write("answers/3.ndjson", &answer("R3", ",\"remark\":\"good\""));
    shop.write("answers/4.ndjson", &answer("R4", ",\"remark\":\"good\""));
    shop.write("answers/5.ndjson", &answer("R5", ",\"remark\":\"good\""));
    shop.run().expect(0);
    shop.write("answers/6.ndjson", &answer("R6", ",\"remarks\":\"good\""));
    shop.run()
        .expect(65)
        .says(&["`remark` was text, is missing from 1 of 1 new files; new there is `remarks`"]);
}

/// An earlier day is another state of the exports; it is not held against them.
#[test]
fn an_older_day_is_not_compared() {
    let shop = Shop::new();
    shop.run().expect(0);
    shop.deliver("2", RENAMED);
    shop.ask(&["run", "--as-of", "2025-05-20"]).expect(0);
    shop.ask(&["run", "--as-of", "2025-05-21"]).expect(65);
}

#[test]
fn lost_rows_warn_or_stop() {
    let shop = Shop::new();
    shop.write(
        "purchases.csv",
        "order_id,ordered_at\nO1,2025-05-01\nO2,2025-05-02\nO3,2025-05-02\nO4,2025-05-03\n",
    );
    shop.run().expect(0);
    // Half of it may be lost, more may not.
    shop.write("purchases.csv", "order_id,ordered_at\nO1,2025-05-01\nO2,2025-05-02\n");
    let outcome = shop.ask(&["check"]).expect(0);
    assert!(!outcome.stderr.contains("lost"), "{}", outcome.told());
    shop.configure("[contract]\nvolume = { max_drop = 0.4 }", "columns = { opened_at = \"Created\" }");
    shop.ask(&["check"]).expect(65);
    shop.configure(
        "[contract]\nvolume = { max_drop = 0.4 }",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    shop.ask(&["check"]).expect(0).says(&["fewer rows have come", "purchases: 4 rows were handed on, now 2"]);
    shop.configure(
        "[contract]\nvolume = { max_drop = 0.4, on_breach = \"stop\" }",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    shop.run().expect(65).says(&["fewer rows have come", "purchases: 4 rows were handed on, now 2", "hint:"]);
    shop.ask(&["check", "--accept"]).expect(0);
    shop.run().expect(0);
}

#[test]
fn old_exports_warn_or_stop() {
    let shop = Shop::new();
    let file =
        fs::File::options().write(true).open(shop.folder.path().join("tickets/1.csv")).expect("a file");
    file.set_modified(SystemTime::now() - Duration::from_secs(50 * 3600)).expect("a time can be set");
    let columns = "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }";
    let told = |before: &str, hours: u32, arguments: &[&str]| {
        shop.configure(before, &format!("{columns}\nmax_age_hours = {hours}"));
        shop.ask(arguments)
    };
    assert!(!told("", 51, &["run"]).expect(0).stderr.contains("older"));
    // They may be the very ones of the night before.
    told("", 49, &["run"]).expect(0).says(&[
        "nothing to do",
        "older than it may be",
        "tickets/1.csv",
        "50 hours; max_age_hours is 49",
    ]);
    let stop = "[contract]\nfreshness = { on_breach = \"stop\" }";
    told(stop, 49, &["run"]).expect(65).says(&["older than it may be", "hint:"]);
    told(stop, 51, &["run"]).expect(0);
    // Whoever looks at an earlier day asks for old exports.
    told(stop, 49, &["run", "--as-of", "2025-05-21"]).expect(0);
}

// ---- what else is refused at the start -------------------------------------------------------------------

#[test]
fn an_as_of_without_data_is_refused() {
    let shop = Shop::new();
    let days = ["2025-05-01", "2025-05-21"];
    shop.ask(&["run", "--as-of", "2025-04-30"])
        .expect(64)
        .says(&["nothing had happened yet", "hint:"])
        .says(&days);
    shop.ask(&["run", "--as-of", "2099-01-01"])
        .expect(64)
        .says(&["long after the exports", "hint:"])
        .says(&days);
    assert!(!shop.output().join("runs").exists());
    shop.configure(
        "plausible_until = \"2025-05-31\"",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    shop.ask(&["run", "--as-of", "2025-06-20"]).expect(0).says(&["later than anything"]);
    shop.ask(&["run", "--as-of", "2025-07-20"]).expect(64);
    let outcome = shop.ask(&["run", "--as-of", "2025-05-21"]).expect(0);
    assert!(!outcome.stderr.contains("later than"), "{}", outcome.told());
}

/// A condition that does not fit costs no night's work, and says its line.
#[test]
fn conditions_are_looked_at_before_any_work() {
    let shop = Shop::new();
    let columns = "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }";
    let own = "[[touchpoints]]\nid = \"x\"\nlabel = \"X\"\nstage = \"support\"\nrole = \"lever\"\nfeed = \"tickets\"";
    for (before, line, words) in [
        (
            format!("{own}\nwhen = \"colour = 'red'\""),
            7,
            ["colour", "the columns of an event of tickets are"],
        ),
        (format!("{own}\nwhen = \"true\"\nundecided = \"reopens\""), 8, ["`undecided`", "not true or false"]),
        (format!("{own}\nwhen = \"opened_at < now()\""), 7, ["`now`", "every time"]),
        ("segments = [\n  \"colour\",\n]".to_string(), 2, ["the segment `colour`", "columns there"]),
    ] {
        shop.configure(&before, columns);
        for command in ["run", "check"] {
            let outcome =
                shop.ask(&[command]).expect(78).says(&words).says(&[&format!("aftersale.toml:{line}\n")]);
            assert!(!outcome.stderr.contains("1_judged"), "{}", outcome.told());
            assert!(outcome.stderr.matches("the columns of an event").count() <= 1, "{}", outcome.told());
        }
    }
    assert!(!shop.output().join("runs").exists());
}

#[test]
fn a_query_reads_its_own_source_only() {
    let shop = Shop::new();
    shop.write("secret.csv", "ticket_id,opened_at\nT1,2025-05-01\n");
    let secret = shop.folder.path().join("secret.csv");
    for query in [
        format!("select * from '{}'", secret.display()),
        "select ticket_id, Created as opened_at from surveys".into(),
        "select * from tickets_raw".into(),
        format!("copy tickets to '{}'", shop.folder.path().join("stolen.csv").display()),
        "select ticket_id, now() as opened_at from tickets".into(),
    ] {
        shop.configure("", &format!("query = \"\"\"{query}\"\"\""));
        shop.run().expect(78).says(&["aftersale.toml:9\n", "hint:"]);
    }
    assert!(!shop.folder.path().join("stolen.csv").exists());
}

// ---- what a check says -----------------------------------------------------------------------------------

#[test]
fn a_check_says_what_is_read_mapped_missing_rejected_and_linked() {
    let shop = Shop::new();
    shop.write(
        "surveys.csv",
        "response_id,responded_at,score,order_id\nR1,2025-05-20,9,O1\nR2,2025-05-21,2,O2\nR3,2025-05-21,,O2\nR4,2025-05-21,3,O9\n",
    );
    shop.configure(
        "[analysis]\nmax_rejected_share = 0.5",
        "columns = { opened_at = \"Created\", solved_at = \"Solved at\" }",
    );
    shop.write("tickets/_SUCCESS", "x");
    let outcome = shop.ask(&["check"]).expect(0);
    for line in [
        "  read      surveys: 4 rows from 1 object",
        "  mapped    ticket_id, opened_at ← Created, order_id, solved_at ← Solved at",
        "  rejected  1 (25.0%): 1 missing score",
        "  staged    3 of 4 rows",
        "  linked    66.7%: 2 order_id, 1 order not among the purchases",
        "_SUCCESS (a marker or hidden object)",
        "  slow_first_reply",
        "tickets.first_replied_at is not mapped",
        "there are no interactions",
        "map `first_replied_at` under [sources.tickets.columns]",
        "`aftersale run` with this configuration publishes the reports",
    ] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.told());
    }

    let outcome = shop.ask(&["check", "--log-format", "json"]).expect(0);
    let found: serde_json::Value = serde_json::from_str(&outcome.stdout).expect("one object");
    assert_eq!(found["feeds"][0]["feed"], "surveys");
    assert_eq!(found["feeds"][0]["rejected"][0]["rows"], 1);
    assert_eq!(found["feeds"][0]["linked"]["rows"], 2);
    assert_eq!(found["feeds"][2]["mapped"][1], serde_json::json!({"column": "opened_at", "from": "Created"}));
    assert_eq!(
        found["absent_feeds"],
        serde_json::json!(["ticket_events", "interactions", "follow_up_outcomes", "identities"])
    );
    assert!(found["advice"].as_array().is_some_and(|advice| advice.len() >= 3), "{found}");
}

/// Words that nobody understands and times that cannot be read make a report that says nothing of them: a
/// check shows the words, counts the rest, and does not call it done.
#[test]
fn a_check_shows_words_that_are_not_understood() {
    let shop = Shop::new();
    shop.write(
        "purchases.csv",
        "order_id,ordered_at,promised_at\nO1,2025-05-01,13.05.25\nO2,2025-05-02,14.05.25\n",
    );
    shop.write(
        "contacts.csv",
        "id,at,what,order,side\nI1,2025-05-05,COURTESY,O1,out\nI2,2025-05-06,CALL,O2,in\nI3,2025-05-07,COURTESY,O2,out\n",
    );
    let contacts = "[sources.interactions]\nurl = \"contacts.csv\"\ncolumns = { interaction_id = \"id\", \
                    occurred_at = \"at\", kind = \"what\", order_id = \"order\", initiated_by = \"side\" }\n";
    let tickets = "columns = { opened_at = \"Created\" }\ndeleted_when = \"note = 'x'\"";
    shop.configure(contacts, tickets);
    let outcome = shop.ask(&["check"]).expect(0);
    for line in [
        "words     2 (66.7%) of `kind` of no word that is known: 2 COURTESY",
        "words     3 (100.0%) of `initiated_by` not understood: 2 out, 1 in",
        "kept      tickets: 0 of 1 rows; not 1 deleted",
        "values    2 (100.0%) of `promised_at` unreadable",
    ] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.told());
    }
    let told: Vec<&str> = outcome.stdout.split_whitespace().collect();
    let told = told.join(" ");
    for advice in [
        "say what `out`, `in` of `interactions.initiated_by` means, where it is one of company, customer: under \
         [sources.interactions], words.initiated_by = { \"out\" = \"…\", \"in\" = \"…\" }",
        "say what `COURTESY` of `interactions.kind` means",
        "mend what is said above of `purchases.promised_at`, `interactions.initiated_by` first",
    ] {
        assert!(told.contains(advice), "{advice}\n{}", outcome.told());
    }
    shop.run().expect(0).says(&["many values of a column cannot be used", "column: purchases.promised_at"]);

    let understood = "kinds = { courtesy = \"follow_up\" }\nwords = { initiated_by = { out = \"company\", in = \"customer\" } }\n";
    shop.configure(&format!("{contacts}{understood}"), tickets);
    let outcome = shop.ask(&["check"]).expect(0);
    assert!(!outcome.stdout.contains("  words "), "{}", outcome.told());
}

/// What would stop a run does not keep a check from telling the rest.
#[test]
fn a_check_tells_everything_before_it_fails() {
    let shop = Shop::new();
    shop.write(
        "surveys.csv",
        "response_id,responded_at,score,order_id\nR1,2025-05-20,9,O1\nR2,2025-05-21,2,O8\nR3,2025-05-21,,O2\nR4,2025-05-21,3,O9\n",
    );
    let outcome =
        shop.ask(&["check"]).expect(65).says(&["are rejected: 25.0%", "only 1 of 3 answers can be linked"]);
    for line in ["linked    33.3%", "what to do next\n  1. ", "purchases"] {
        assert!(outcome.stdout.contains(line), "{line}\n{}", outcome.told());
    }
    assert!(!outcome.stdout.contains("`aftersale run` with"), "{}", outcome.told());
}
