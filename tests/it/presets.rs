//! Presets on exports in their true format.
//!
//! ```text
//! tests/fixtures/<preset>/
//!   given/            what the system exports, as the preset asks for it (made up, a handful of rows)
//!   expected/         rows of published tables, worked out by hand, as in tests/cases
//! ```
//!
//! What `init` prints is used as it is, but for lines named in [`CHANGED`].

use std::fs;
use std::path::Path;

use crate::cases::{files, looked_at, name};
use crate::program::{aftersale, text};
use crate::table::{self, Table, difference};

/// The day of each fixture's last delivery, at whose end it is looked at.
const LOOKED_AT: [(&str, &str); 7] = [
    ("zendesk", "2026-03-09"),
    ("zendesk-csv", "2026-03-09"),
    ("qualtrics", "2025-11-04"),
    ("shopify", "2026-02-10"),
    ("delighted", "2026-02-03"),
    ("olist", "2018-05-24"),
    ("plain", "2025-05-20"),
];

/// Of a preset, what a user would change: here a segment more, so that a column can be seen; and of few rows
/// one may be wrong.
const CHANGED: [(&str, &str, &str); 3] = [
    ("shopify", "segments = [\"store_id\"", "segments = [\"postcode\", \"store_id\""),
    ("olist", "max_rejected_share = 0.02", "max_rejected_share = 0.2"),
    ("plain", "# max_rejected_share = 0.01", "max_rejected_share = 0.2"),
];

#[test]
fn zendesk() {
    reads_its_fixture("zendesk");
}

#[test]
fn zendesk_csv() {
    reads_its_fixture("zendesk-csv");
}

#[test]
fn qualtrics() {
    reads_its_fixture("qualtrics");
}

#[test]
fn shopify() {
    reads_its_fixture("shopify");
}

#[test]
fn delighted() {
    reads_its_fixture("delighted");
}

#[test]
fn olist() {
    reads_its_fixture("olist");
}

#[test]
fn plain() {
    reads_its_fixture("plain");
}

fn reads_its_fixture(preset: &str) {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(preset);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (config, output) = (folder.path().join("aftersale.toml"), folder.path().join("out"));
    let given = fixture.join("given");
    let mut printed = aftersale(&["init", "--preset", preset, "--location", text(&given)]).expect(0).stdout;
    for (_, from, to) in CHANGED.iter().filter(|(changed, _, _)| *changed == preset) {
        assert!(printed.contains(from), "{printed}");
        printed = printed.replace(from, to);
    }
    fs::write(&config, printed).expect("written");
    aftersale(&["check", "--config", text(&config)]).expect(0);
    let (_, as_of) = LOOKED_AT.iter().find(|(of, _)| *of == preset).expect("a day");
    let run = ["run", "--as-of", as_of, "--config", text(&config), "--output", text(&output)];
    aftersale(&run).expect(0);

    let expected = files(&fixture.join("expected"));
    assert!(!expected.is_empty(), "nothing is expected of {preset}");
    for file in expected {
        let expectation = fs::read_to_string(&file).expect("text");
        let file = name(&file);
        let found = table::published(&output, file.split('.').next().unwrap_or_default());
        let found = looked_at(&expectation, found).expect("columns that are there");
        if let Some(difference) = difference(&Table::read_csv(&expectation), &found) {
            panic!("{preset}, {file}\n{difference}");
        }
    }
}

/// What `init --from` proposes for a system's exports reads them as its preset does.
#[test]
fn a_proposal_reads_a_known_export_as_its_preset_does() {
    // The other two are whole configurations: see `a_whole_configuration_is_named_beside_its_export`.
    for (system, as_of) in LOOKED_AT.into_iter().filter(|(system, _)| !["olist", "plain"].contains(system)) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(system);
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (config, output) = (folder.path().join("aftersale.toml"), folder.path().join("out"));
        let mut proposal = aftersale(&["init", "--from", text(&fixture.join("given"))]).expect(0).stdout;
        assert!(!proposal.contains("LOCATION"), "{proposal}");
        for (_, from, to) in CHANGED.iter().filter(|(changed, _, _)| *changed == system) {
            assert!(proposal.contains(from), "{proposal}");
            proposal = proposal.replace(from, to);
        }
        fs::write(&config, &proposal).expect("written");
        aftersale(&["run", "--as-of", as_of, "--config", text(&config), "--output", text(&output)]).expect(0);
        let expectation = fixture.join("expected/fct_exposures.csv");
        // The order's number is recognised in this one, and links what the preset leaves to the address.
        if system == "zendesk-csv" || !expectation.exists() {
            continue;
        }
        let expectation = fs::read_to_string(expectation).expect("text");
        let found = looked_at(&expectation, table::published(&output, "fct_exposures")).expect("columns");
        if let Some(difference) = difference(&Table::read_csv(&expectation), &found) {
            panic!("{system}\n{difference}\n{proposal}");
        }
    }
}

#[test]
fn a_whole_configuration_is_named_beside_its_export() {
    let given =
        |preset| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(preset).join("given");
    let proposal = aftersale(&["init", "--from", text(&given("olist"))]).expect(0).stdout;
    assert!(
        proposal.contains("This is Olist reviews; see what is assumed in `aftersale init --preset olist`"),
        "{proposal}"
    );
    let proposal = aftersale(&["init", "--from", text(&given("plain"))]).expect(0).stdout;
    for feed in ["surveys", "purchases", "tickets", "interactions"] {
        assert!(proposal.contains(&format!("\n[sources.{feed}]\n")), "{proposal}");
    }
}

#[test]
fn systems_go_together_where_they_export_different_feeds() {
    let three = ["init", "--preset", "zendesk", "--preset", "qualtrics", "--preset", "shopify"];
    let printed = aftersale(&three).expect(0).stdout;
    for feed in ["surveys", "purchases", "tickets", "ticket_events"] {
        assert!(printed.contains(&format!("[sources.{feed}]")), "{printed}");
    }
    assert!(!printed.contains("LOCATION") && !printed.contains("SEGMENTS"), "{printed}");
    // What is needed and nobody exports is a gap.
    let printed = aftersale(&["init", "--preset", "delighted"]).expect(0).stdout;
    assert!(printed.contains("purchases: TODO") && printed.contains("\"exports/purchases/\""), "{printed}");
    let refused = aftersale(&["init", "--preset", "qualtrics", "--preset", "delighted"]).expect(64);
    refused.says(&["two of these presets export surveys"]);
    aftersale(&["init", "--preset", "olist", "--preset", "shopify"]).expect(64).says(&["`olist` is a whole"]);
}
