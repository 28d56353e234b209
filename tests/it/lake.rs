//! Five nights of a mixed lake: Zendesk, Qualtrics and Shopify deliver, the presets read, and each night's
//! tables are those of the same world's plain feeds.
//!
//! On the fourth night somebody has renamed the survey's question: the run stops and says so, and goes on
//! once the mapping is mended and the change accepted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{Outcome, aftersale, text};
use crate::table::{Table, all_published, difference, latest};

const NIGHTS: [&str; 5] = ["2026-10-27", "2026-10-28", "2026-10-29", "2026-10-30", "2026-10-31"];
const RENAMED_ON: usize = 3;

/// Tables about the reading itself, which differ where the exports do, and about the night before.
const ABOUT_READING: [&str; 4] = ["rpt_data_quality", "rejected_rows", "data_dictionary", "rpt_restatements"];
/// Columns about where a row was read.
const PLACES: [&str; 2] = ["source_file", "source_row"];

struct Lake {
    folder: tempfile::TempDir,
}

impl Lake {
    /// A generated world whose deliveries wait in `waiting`.
    fn new() -> Lake {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let world = folder.path().join("world");
        let arguments = ["generate", "--as-exports", "--purchases", "3000", "--seed", "3", "--output"];
        aftersale(&[&arguments[..], &[text(&world)]].concat()).expect(0);
        fs::rename(world.join("exports"), world.join("waiting")).expect("moved");
        Lake { folder }
    }

    fn world(&self) -> PathBuf {
        self.folder.path().join("world")
    }

    fn config(&self) -> PathBuf {
        self.world().join("aftersale.toml")
    }

    fn output(&self) -> PathBuf {
        self.world().join("out")
    }

    /// The deliveries of a night come in.
    fn deliver(&self, night: &str) {
        for system in [
            "zendesk/tickets",
            "zendesk/metric_events",
            "qualtrics",
            "shopify/orders",
            "shopify/fulfillment_events",
        ] {
            let place = self.world().join("exports").join(system);
            fs::create_dir_all(&place).expect("a folder can be made");
            let waiting = self.world().join("waiting").join(system).join(night);
            fs::rename(&waiting, place.join(night)).expect("a delivery waits");
        }
    }

    fn run(&self, night: &str, output: &Path) -> Outcome {
        aftersale(&["run", "--config", text(&self.config()), "--as-of", night, "--output", text(output)])
    }

    /// The tables of the same night's plain feeds.
    fn plain(&self, night: &str) -> BTreeMap<String, Table> {
        let place = self.world().join("plain").join(night);
        let output = place.join("out");
        let config = place.join("aftersale.toml");
        aftersale(&["run", "--config", text(&config), "--as-of", night, "--output", text(&output)]).expect(0);
        tables(&output)
    }
}

fn tables(output: &Path) -> BTreeMap<String, Table> {
    let mut tables = all_published(output);
    tables.retain(|name, _| !ABOUT_READING.contains(&name.as_str()));
    tables
        .into_iter()
        .map(|(name, table)| {
            let places: Vec<&str> = PLACES
                .into_iter()
                .filter(|place| table.columns.iter().any(|column| column == place))
                .collect();
            (name, table.without(&places))
        })
        .collect()
}

#[track_caller]
fn same(night: &str, found: &BTreeMap<String, Table>, expected: &BTreeMap<String, Table>) {
    assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (name, expected) in expected {
        assert!(!expected.rows.is_empty() || name == "rpt_touchpoint_trend", "{name} has no rows");
        let found = &found[name];
        assert_eq!(found.columns, expected.columns, "{name}");
        if let Some(difference) = difference(expected, found) {
            let told: Vec<&str> = difference.lines().take(40).collect();
            let unlike = |one: &Table, other: &Table| -> Vec<String> {
                one.rows
                    .iter()
                    .filter(|row| !other.rows.contains(row))
                    .take(5)
                    .map(|r| r.join(" | "))
                    .collect()
            };
            panic!(
                "{name} on {night}\n{}\nplain feeds only: {:#?}\nexports only: {:#?}",
                told[1],
                unlike(expected, found),
                unlike(found, expected)
            );
        }
    }
}

#[test]
fn night_after_night_the_tables_are_those_of_the_plain_feeds() {
    let lake = Lake::new();
    let mut kept = BTreeMap::new();
    for (number, night) in NIGHTS.into_iter().enumerate() {
        lake.deliver(night);
        if number == RENAMED_ON {
            let before = latest(&lake.output());
            lake.run(night, &lake.output()).expect(65).says(&["Q1", "NPS", "check --accept"]);
            assert_eq!(latest(&lake.output()), before, "nothing may be published");
            let mended = fs::read_to_string(lake.config()).expect("text").replace("\"Q1\"", "\"NPS\"");
            fs::write(lake.config(), mended).expect("written");
            let accept = ["check", "--accept", "--as-of", night, "--config"];
            aftersale(&[&accept[..], &[text(&lake.config())]].concat()).expect(0);
        }
        lake.run(night, &lake.output()).expect(0);
        let found = tables(&lake.output());
        same(night, &found, &lake.plain(night));
        kept.insert(night, found);
    }
    // The nights do differ, and the second is what it was when all five have come in.
    assert_ne!(kept[NIGHTS[0]], kept[NIGHTS[1]]);
    let first_names = fs::read_to_string(lake.config()).expect("text").replace("\"NPS\"", "\"Q1\"");
    fs::write(lake.config(), first_names).expect("written");
    let again = lake.world().join("again");
    lake.run(NIGHTS[1], &again).expect(0);
    same(NIGHTS[1], &tables(&again), &kept[NIGHTS[1]]);
}
