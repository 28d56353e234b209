//! Five nightly deliveries: any past night can be run again from all of them.
//!
//! Surveys come once, purchases and tickets again when they change (tickets may be deleted), contacts as
//! the whole each night. The third night run when only three had been delivered, and run again as of that
//! day when all five are there, give the same tables.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::program::{aftersale, text};
use crate::table::{Table, all_published, difference, published};

const NIGHTS: i64 = 5;
const ORDERS: u32 = 120;

const CONFIGURATION: &str = r#"timezone = "Europe/Madrid"

[sources.surveys]
url = "given/surveys/"
format = "csv"

[sources.purchases]
url = "given/purchases/"
format = "csv"
mode = "upsert"
key = "order_id"
version = "changed_at"

[sources.tickets]
url = "given/tickets/"
format = "csv"
mode = "upsert"
key = "ticket_id"
version = "updated_at"
deleted_when = "status = 'deleted'"
starts_on = "2025-05-01"

[sources.interactions]
url = "given/interactions/"
format = "csv"
mode = "snapshot"
starts_on = "2025-05-01"
"#;

/// What happened, in hours since the first of the five days began: a row of each feed at each change.
struct World {
    /// (hour of the change, key, row)
    changes: BTreeMap<&'static str, Vec<(i64, String, String)>>,
}

const FEEDS: [(&str, &str); 4] = [
    ("surveys", "response_id,responded_at,score,order_id"),
    ("purchases", "order_id,ordered_at,customer_id,promised_at,delivered_at,changed_at"),
    ("tickets", "ticket_id,opened_at,order_id,status,first_replied_at,solved_at,reopens,updated_at"),
    ("interactions", "interaction_id,occurred_at,kind,order_id"),
];

fn world() -> World {
    let mut luck = ChaCha8Rng::seed_from_u64(5);
    let mut changes: BTreeMap<&str, Vec<_>> = FEEDS.iter().map(|(name, _)| (*name, Vec::new())).collect();
    let mut tell = |feed: &'static str, at: i64, key: &str, row: String| {
        changes.get_mut(feed).expect("a feed").push((at, key.to_string(), row));
    };
    for number in 0..ORDERS {
        let ordered = luck.random_range(0..100);
        let delivered = ordered + luck.random_range(10..60);
        let order = format!("O{number}");
        let head = format!("{order},{},C{},{}", hour(ordered), number % 70, hour(ordered + 40));
        tell("purchases", ordered, &order, format!("{head},,{}", hour(ordered)));
        tell("purchases", delivered, &order, format!("{head},{},{}", hour(delivered), hour(delivered)));
        if luck.random_bool(0.8) {
            let at = ordered + luck.random_range(20..90);
            let row = format!("R{number},{},{},{order}", hour(at), luck.random_range(0..=10));
            tell("surveys", at, &format!("R{number}"), row);
        }
        if luck.random_bool(0.7) {
            let ticket = format!("T{number}");
            let opened = ordered + luck.random_range(1..30);
            let replied = opened + luck.random_range(1..40);
            let solved = replied + luck.random_range(1..30);
            let again = solved + luck.random_range(10..40);
            let mut state = |at: i64, status: &str, reply: &str, solution: &str, reopens: u8| {
                let row = format!(
                    "{ticket},{},{order},{status},{reply},{solution},{reopens},{}",
                    hour(opened),
                    hour(at)
                );
                tell("tickets", at, &ticket, row);
            };
            state(opened, "open", "", "", 0);
            state(replied, "open", &hour(replied), "", 0);
            state(solved, "solved", &hour(replied), &hour(solved), 0);
            match luck.random_range(0..4) {
                0 => state(again, "solved", &hour(replied), &hour(again), 1),
                1 => state(again, "deleted", "", "", 0),
                _ => {}
            }
        }
        if luck.random_bool(0.5) {
            let at = ordered + luck.random_range(1..80);
            let kind = ["follow_up", "offer", "billing_error"][luck.random_range(0..3)];
            tell("interactions", at, &format!("I{number}"), format!("I{number},{},{kind},{order}", hour(at)));
        }
    }
    World { changes }
}

impl World {
    /// Writes the deliveries of the first so many nights: each tells of the day that has just ended. Of
    /// several changes on one day only the last state is there.
    fn deliver(&self, folder: &Path, nights: i64) -> PathBuf {
        for (feed, header) in FEEDS {
            for night in 0..nights {
                let (from, to) = (24 * night, 24 * (night + 1));
                let is_told = |at: i64| at < to && (feed == "interactions" || at >= from);
                let mut rows: Vec<&(i64, String, String)> =
                    self.changes[feed].iter().filter(|(at, ..)| is_told(*at)).collect();
                rows.sort_by_key(|(at, ..)| *at);
                let latest: BTreeMap<&str, &str> =
                    rows.into_iter().map(|(_, key, row)| (key.as_str(), row.as_str())).collect();
                let lines: Vec<&str> = std::iter::once(header).chain(latest.into_values()).collect();
                let place = folder.join("given").join(feed).join(day(night));
                fs::create_dir_all(&place).expect("a folder can be made");
                fs::write(place.join("part-0.csv"), lines.join("\n") + "\n").expect("a file can be written");
            }
        }
        let config = folder.join("aftersale.toml");
        fs::write(&config, CONFIGURATION).expect("a file can be written");
        config
    }
}

fn day(night: i64) -> String {
    (start() + TimeDelta::days(night)).format("%Y-%m-%d").to_string()
}

fn hour(hours: i64) -> String {
    (start() + TimeDelta::hours(hours)).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// Local time of the exports.
fn start() -> NaiveDateTime {
    NaiveDate::from_ymd_opt(2025, 5, 12).and_then(|day| day.and_hms_opt(0, 0, 0)).expect("a time")
}

#[test]
fn a_past_night_can_be_run_again_from_all_deliveries() {
    let world = world();
    for night in [2, 3, 4] {
        let as_of = day(night - 1);
        let then = run(&world, night, Some(&as_of));
        let again = run(&world, NIGHTS, Some(&as_of));
        assert_eq!(then.keys().collect::<Vec<_>>(), again.keys().collect::<Vec<_>>());
        for (name, table) in &then {
            if let Some(difference) = difference(table, &again[name]) {
                panic!("{name} of night {night}\n{difference}");
            }
        }
        assert!(!then["fct_exposures"].rows.is_empty(), "night {night} has answers");
    }
}

#[test]
fn the_last_night_uses_what_all_deliveries_tell() {
    let world = world();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world.deliver(folder.path(), NIGHTS);
    let output = folder.path().join("out");
    aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0).says(&["superseded"]);
    let quality = published(&output, "rpt_data_quality");
    let filtered = quality.only("section", &["filtered"]).only("source", &["tickets"]);
    let reasons: Vec<&String> = filtered.rows.iter().map(|row| &row[filtered.column("measure")]).collect();
    assert!(reasons.iter().any(|reason| *reason == "deleted"), "{reasons:?}");
    // Of the snapshots only the last is used: the others, each a part of it, are superseded.
    let contacts = quality.only("section", &["rows"]).only("source", &["interactions"]);
    let rows = |measure: &str| -> i64 {
        let line = contacts.only("table", &["interactions"]);
        line.row("measure", measure)["rows"].parse().expect("a number")
    };
    let told = |night: i64| {
        let contacts = &world.changes["interactions"];
        i64::try_from(contacts.iter().filter(|(at, ..)| *at < 24 * night).count()).expect("a number")
    };
    assert_eq!(rows("handed on"), told(NIGHTS));
    assert_eq!(rows("superseded"), (1..NIGHTS).map(told).sum::<i64>());
}

/// What a run publishes, but for what says how much was delivered.
fn run(world: &World, nights: i64, as_of: Option<&str>) -> BTreeMap<String, Table> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = world.deliver(folder.path(), nights);
    let output = folder.path().join("out");
    let mut arguments = vec!["run", "--config", text(&config), "--output", text(&output)];
    arguments.extend(as_of.iter().flat_map(|day| ["--as-of", day]));
    aftersale(&arguments).expect(0);
    let mut tables = all_published(&output);
    for (name, table) in &mut tables {
        *table = match name.as_str() {
            "rpt_data_quality" => {
                let of_deliveries = ["objects", "versions", "rows", "filtered", "values"];
                let is_kept = |row: &&Vec<String>| !of_deliveries.contains(&row[0].as_str());
                Table { rows: table.rows.iter().filter(is_kept).cloned().collect(), ..table.clone() }
            }
            "fct_exposures" | "fct_journeys" | "fct_journey_events" => table.without(&["source_file"]),
            // An example may be one of the deliveries' rows.
            "data_dictionary" => {
                let (of, example) = (table.column("table"), table.column("example"));
                let mut table = table.clone();
                let told = table.rows.iter_mut().filter(|row| row[of] == "rpt_data_quality");
                told.for_each(|row| row[example].clear());
                table
            }
            _ => continue,
        };
    }
    tables
}
