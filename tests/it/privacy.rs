//! What is told of persons: nothing in logs, manifests, metrics and errors; pseudonyms in tables where they
//! are asked for; comments without addresses and numbers.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::program::{Outcome, aftersale_with, text};
use crate::table::{all_published, latest, published, run_folder};

const KEY: (&str, &str) = ("NIGHT_KEY", "a key of no fewer than 32 letters");
const OTHER_KEY: (&str, &str) = ("NIGHT_KEY", "another key, just as long as that");
const SECRETS: [(&str, &str); 3] = [
    ("AWS_SECRET_ACCESS_KEY", "planted-aws-secret"),
    ("AWS_SESSION_TOKEN", "planted-session-token"),
    ("OPENLINEAGE_API_KEY", "planted-lineage-key"),
];

/// What must not be seen outside of tables: ids, addresses, numbers, words that customers wrote, and secrets.
const CANARIES: [&str; 14] = [
    "kunde-7",
    "resp-7",
    "ordr-7",
    "tick-7",
    "ottilie",
    "kanari",
    "600 123 456",
    "4111 1111",
    "es91 2100",
    "planted-",
    "a key of no fewer",
    "another key",
    "0.0.0.7",
    "tante",
];

struct Shop(TempDir);

impl Shop {
    fn new() -> Shop {
        let shop = Shop(tempfile::tempdir().expect("a temporary folder"));
        shop.write(
            "surveys.csv",
            "response_id,responded_at,score,customer_id,email,order_id,comment\n\
             RESP-71,2025-05-10,2,KUNDE-71,ottilie@kanari.example,ORDR-71,\"Tante Ottilie here, +34 600 123 456 or ottilie@kanari.example\"\n\
             RESP-72,2025-05-11,9,KUNDE-72,,ORDR-72,card 4111 1111 1111 1111 and ES91 2100 0418 4502 0005 1332\n\
             RESP-73,2025-05-12,7,,bert@kanari.example,,on 2025-05-01 for 12.50\n",
        );
        shop.write(
            "purchases.csv",
            "order_id,ordered_at,promised_at,delivered_at,customer_id,email\n\
             ORDR-71,2025-05-01,2025-05-05,2025-05-08,KUNDE-71,ottilie@kanari.example\n\
             ORDR-72,2025-05-01,2025-05-05,2025-05-04,KUNDE-72,\n\
             ORDR-73,2025-05-02,2025-05-05,2025-05-04,,bert@kanari.example\n",
        );
        shop.write(
            "tickets.csv",
            "ticket_id,opened_at,order_id,subject\nTICK-71,2025-05-06,ORDR-71,Ottilie wants her parcel\n",
        );
        shop
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, rows: &str) {
        fs::write(self.path(name), rows).expect("written");
    }

    fn run(&self, settings: &str, arguments: &[&str], key: (&str, &str)) -> Outcome {
        let sources: String = ["surveys", "purchases", "tickets"]
            .iter()
            .filter(|feed| !settings.contains(&format!("[sources.{feed}]")))
            .map(|feed| format!("[sources.{feed}]\nurl = \"{feed}.csv\"\n"))
            .collect();
        let config = self.path("aftersale.toml");
        fs::write(&config, format!("output = \"out\"\n{settings}\n{sources}")).expect("written");
        let environment: Vec<_> = SECRETS.into_iter().chain([key]).collect();
        let (verb, rest) = arguments.split_first().expect("a verb");
        aftersale_with(&[&[*verb, "--config", text(&config)], rest].concat(), &environment)
    }
}

#[track_caller]
fn is_clean(what: &str, seen: &str) {
    let seen = seen.to_lowercase();
    if let Some(canary) = CANARIES.iter().find(|canary| seen.contains(**canary)) {
        panic!("{what} holds {canary:?}\n{seen}");
    }
}

#[test]
#[should_panic(expected = "a log holds \"kunde-7\"")]
fn what_is_planted_is_seen() {
    is_clean("a log", "no such customer: Kunde-71");
}

const PSEUDONYMS: &str = "[privacy]\npseudonym_key = \"NIGHT_KEY\"\n";

/// Runs that succeed, and runs that fail in as many ways as there are rooms.
#[test]
fn planted_secrets_and_customers_are_seen_nowhere() {
    let shop = Shop::new();
    let told =
        format!("{PSEUDONYMS}[metrics]\ntextfile = \"night.prom\"\n[lineage]\nevents = \"lineage.ndjson\"\n");
    let clean =
        |what: &str, outcome: Outcome| is_clean(what, &format!("{}\n{}", outcome.stdout, outcome.stderr));
    for format in ["human", "json"] {
        let log = ["--log-format", format];
        let with = |arguments: &[&'static str]| [arguments, &log].concat();
        clean("a run", shop.run(&told, &with(&["run", "--make-latest"]), KEY).expect(0));
        clean("nothing to do", shop.run(&told, &with(&["run"]), KEY).expect(0));
        clean("a check", shop.run(&told, &with(&["check"]), KEY).expect(0));
        clean("a difference", shop.run(&told, &with(&["diff"]), KEY));
        for (what, settings, code) in [
            (
                "a value that cannot be read",
                "[sources.surveys]\nurl = \"surveys.csv\"\ncolumns = { score = \"cast(comment as int)\" }",
                65,
            ),
            (
                "too few links",
                "[analysis]\nmin_link_rate = 1.0\n[sources.purchases]\nurl = \"purchases.csv\"\ncolumns = { order_id = \"concat(order_id, 'x')\", customer_id = \"concat(order_id, 'y')\" }",
                65,
            ),
            (
                "scores out of scale",
                "[sources.surveys]\nurl = \"surveys.csv\"\ncolumns = { score = \"'77'\" }",
                65,
            ),
            (
                "a mapping that does not fit",
                "[sources.surveys]\nurl = \"surveys.csv\"\ncolumns = { score = \"nps\" }",
                78,
            ),
            (
                "credentials that are not whole",
                "[sources.surveys]\nurl = \"s3://nowhere/\"\nformat = \"csv\"",
                78,
            ),
        ] {
            let outcome = shop.run(&format!("{told}{settings}\n"), &with(&["run"]), KEY);
            assert_eq!(outcome.code, code, "{what}: {}", outcome.told());
            clean(what, outcome);
        }
        clean("a key that is missing", shop.run(PSEUDONYMS, &with(&["run"]), ("OTHER", "x")).expect(78));
        clean(
            "a key that is short",
            shop.run(PSEUDONYMS, &with(&["run"]), ("NIGHT_KEY", "planted-key")).expect(78),
        );
    }
    let folder = run_folder(&shop.path("out"));
    for file in [
        folder.join("manifest.json"),
        shop.path("out/history.json"),
        shop.path("out/latest.json"),
        shop.path("night.prom"),
        shop.path("lineage.ndjson"),
    ] {
        let seen = fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        // The folder's own name is no customer's.
        is_clean(text(&file), &seen.replace(text(self_path(&shop)), ""));
    }
}

fn self_path(shop: &Shop) -> &Path {
    shop.0.path()
}

#[test]
fn ids_become_pseudonyms_that_still_join() {
    let shop = Shop::new();
    shop.run(PSEUDONYMS, &["run"], KEY).expect(0);
    let tables = all_published(&shop.path("out"));
    for (name, table) in &tables {
        for row in &table.rows {
            let cells = row.iter().zip(&table.columns);
            // Words in comments stay.
            let seen: Vec<&str> =
                cells.filter(|(_, column)| *column != "comment").map(|(cell, _)| cell.as_str()).collect();
            is_clean(name, &seen.join("\n").replace(text(self_path(&shop)), ""));
        }
    }
    let ids = |table: &str, column: &str| -> BTreeSet<String> {
        let table = &tables[table];
        let place = table.column(column);
        table.rows.iter().map(|row| row[place].clone()).filter(|id| !id.is_empty()).collect()
    };
    let journeys = ids("fct_journeys", "journey_id");
    assert!(journeys.len() == 3 && journeys.iter().all(|id| id.len() == 32));
    assert_eq!(ids("fct_exposures", "journey_id"), journeys);
    assert_eq!(ids("fct_journey_events", "journey_id"), journeys);
    assert_eq!(ids("fct_exposures", "customer_id"), ids("fct_journeys", "customer_id"));
    assert_eq!(ids("fct_exposures", "response_id"), ids("fct_journeys", "response_id"));
    assert!(ids("fct_journey_events", "source_key").is_superset(&ids("fct_exposures", "response_id")));

    // Whoever knows an id and the key finds it; whoever has another key is told so.
    for id in ["RESP-71", "ORDR-71"] {
        let traced = shop.run(PSEUDONYMS, &["trace", id], KEY).expect(0).stdout;
        assert!(traced.contains("ticket_opened") && !traced.contains("600 123"), "{traced}");
    }
    shop.run(PSEUDONYMS, &["trace", "RESP-79"], KEY).expect(64);
    shop.run(PSEUDONYMS, &["trace", "RESP-71"], OTHER_KEY).expect(78).says(&["another key"]);
    let shown =
        shop.run(PSEUDONYMS, &["show", "fct_exposures", "--columns", "response_id,customer_id,comment"], KEY);
    is_clean("show", &shown.expect(0).stdout.replace("Tante Ottilie here", ""));

    // The same key gives the same pseudonyms, another key others.
    let before = ids("fct_journeys", "journey_id");
    shop.run(PSEUDONYMS, &["run", "--make-latest"], KEY).expect(0);
    let column = |name: &str| {
        let table = published(&shop.path("out"), "fct_journeys");
        let place = table.column(name);
        table.rows.iter().map(|row| row[place].clone()).collect::<BTreeSet<_>>()
    };
    assert_eq!(column("journey_id"), before);
    let first = latest(&shop.path("out"));
    shop.run(PSEUDONYMS, &["run"], OTHER_KEY).expect(0);
    assert_ne!(latest(&shop.path("out")), first, "another key is something to do");
    assert!(column("journey_id").is_disjoint(&before));
}

#[test]
fn comments_lose_addresses_and_numbers() {
    let shop = Shop::new();
    let comments = |settings: &str| {
        shop.run(settings, &["run"], KEY).expect(0);
        let table = published(&shop.path("out"), "fct_exposures");
        ["RESP-71", "RESP-72", "RESP-73"].map(|id| table.row("response_id", id)["comment"].to_string())
    };
    assert_eq!(
        comments(""),
        ["Tante Ottilie here, [phone] or [e-mail]", "card [card] and ES[number]", "on 2025-05-01 for 12.50"]
    );
    let as_exported = comments("[privacy]\nredact_comments = false\n");
    assert!(as_exported[0].contains("+34 600 123 456 or ottilie@kanari.example"));
}

/// Some write their secrets into addresses: they are not repeated, neither in errors nor in what is published.
#[test]
fn secrets_in_addresses_are_seen_nowhere() {
    let shop = Shop::new();
    for place in
        ["ftp://u:planted-x@h/x", "https://u:planted-x@h/x", "s3://K:planted-x@b/x", "az://c/x?sig=planted-x"]
    {
        let clean = |what: &str, outcome: Outcome| {
            assert!([64, 69, 78].contains(&outcome.code), "{what}: {}", outcome.told());
            is_clean(&format!("{what} at {place}"), &format!("{}\n{}", outcome.stdout, outcome.stderr));
        };
        clean("landing", shop.run(&format!("landing = \"{place}\"\n"), &["run"], KEY));
        for verb in ["run", "check", "show rpt_nps", "report"] {
            let arguments: Vec<&str> = verb.split(' ').chain(["--output", place]).collect();
            clean(verb, shop.run("", &arguments, KEY));
        }
        clean("init", aftersale_with(&["init", "--from", place], &[]));
        let source = format!("[sources.surveys]\nurl = \"{place}\"\nformat = \"csv\"");
        clean("a source", shop.run(&source, &["run"], KEY));
    }
    let listener = "[lineage]\nevents = \"http://u:planted-x@127.0.0.1:9/api?token=planted-y\"\n";
    let outcome = shop.run(&format!("{PSEUDONYMS}{listener}"), &["run"], KEY).expect(0);
    is_clean("a run", &outcome.stderr);
    let manifest =
        fs::read_to_string(run_folder(&shop.path("out")).join("manifest.json")).expect("a manifest");
    is_clean("the manifest", &manifest.replace(text(self_path(&shop)), ""));
    assert!(manifest.contains("http://127.0.0.1:9/api"), "{manifest}");
}
