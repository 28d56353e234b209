//! The rows of every input in any order, in any number of files: equal tables.
//!
//! Left out of the comparison is what says where a row stood, or how many files there were.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::program::{aftersale, text};
use crate::table::{Table, all_published};
use crate::world;

const ORDERS: u32 = 8;

#[test]
fn the_order_of_rows_and_files_changes_nothing() {
    let in_order = published(None, 1);
    let mut runner =
        TestRunner::new(Config { cases: ORDERS, failure_persistence: None, ..Config::default() });
    let result = runner.run(&(any::<u64>(), 1usize..5), |(seed, files)| {
        let shuffled = published(Some(seed), files);
        prop_assert_eq!(shuffled.keys().collect::<Vec<_>>(), in_order.keys().collect::<Vec<_>>());
        for (name, table) in &in_order {
            if let Some((expected, found)) = table.rows.iter().zip(&shuffled[name].rows).find(|(a, b)| a != b)
            {
                prop_assert!(false, "{name}\n  in order  {expected:?}\n  shuffled  {found:?}");
            }
            prop_assert_eq!(table.rows.len(), shuffled[name].rows.len(), "rows of {}", name);
        }
        Ok(())
    });
    result.unwrap_or_else(|failure| panic!("{failure}"));
}

/// What a run publishes of the shop's rows, shuffled by the seed and dealt among so many files.
fn published(seed: Option<u64>, files: usize) -> BTreeMap<String, Table> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut feeds = world::feeds(200);
    if let Some(seed) = seed {
        let mut luck = ChaCha8Rng::seed_from_u64(seed);
        feeds.iter_mut().for_each(|feed| feed.rows.shuffle(&mut luck));
    }
    let config = world::write(folder.path(), &feeds, files);
    let output = folder.path().join("out");
    aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0);
    let mut tables = all_published(&output);
    for (name, table) in &mut tables {
        *table = match name.as_str() {
            "fct_exposures" | "fct_journeys" | "fct_journey_events" => {
                table.without(&["source_file", "source_row"])
            }
            "rejected_rows" => table.without(&["file", "row"]).sorted(),
            "rpt_data_quality" => Table {
                rows: table.rows.iter().filter(|row| row[0] != "objects").cloned().collect(),
                ..table.clone()
            },
            _ => continue,
        };
    }
    tables
}
