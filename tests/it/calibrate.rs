//! The calibration, run small: the program's own command on few worlds of every kind. All that it shows is
//! asserted: a method that is right misses any of its targets with a probability of less than 10⁻⁴, and every
//! wrong method is seen to be wrong. The full run is one documented command (README).

use std::collections::BTreeMap;

use aftersale::calibrate::sample::{Sample, Touchpoints};
use aftersale::generate::truth::Whose;
use aftersale::generate::{Twists, World};
use chrono::{DateTime, SecondsFormat};

use crate::program::{aftersale, text};
use crate::table::{Table, published, read_folder};

/// Of each target; there are fewer than 1,000.
const FALSE_ALARM: &str = "1e-7";

fn calibrate(arguments: &[&str]) -> (Table, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut all = vec!["calibrate", "--output", text(folder.path()), "--false-alarm", FALSE_ALARM];
    all.extend(arguments);
    let said = aftersale(&all).expect(0).stderr;
    (read_folder(&folder.path().join("calibration_targets")), said)
}

fn number(table: &Table, row: &[String], column: &str) -> Option<f64> {
    row[table.column(column)].parse().ok()
}

/// Every kind of world but the largest, as often as wrong methods take to be seen.
#[test]
fn wrong_methods_are_seen_and_ours_holds_beside_them() {
    const KINDS: [&str; 15] = [
        "ordinary",
        "null",
        "survey lag",
        "no order ids",
        "mixed links",
        "store effects",
        "store-week shocks",
        "response alike",
        "response by tickets",
        "response by class",
        "response by class and tickets",
        "grumpy customers",
        "few exposed",
        "aliases",
        "ordinary, small",
    ];
    let mut arguments = vec!["--share", "0"];
    KINDS.iter().for_each(|kind| arguments.extend(["--only", kind]));
    let (targets, said) = calibrate(&arguments);
    assert!(said.contains(" 0 missed;"), "{said}");

    let alarm: f64 = targets
        .only("is_wrong_method", &["false"])
        .rows
        .iter()
        .filter_map(|row| number(&targets, row, "false_alarm"))
        .sum();
    assert!(alarm < 1e-4, "a right method is called wrong with a probability of {alarm}");
    for kind in KINDS {
        assert!(!targets.only("scenario", &[kind]).rows.is_empty(), "nothing is asked of {kind}");
    }
    // What is not held is said; `third_contact` is met by hardly anybody.
    let thin = said.lines().find(|line| line.starts_with("few exposed: too thin")).unwrap_or_default();
    assert!(thin.contains("third_contact"), "{said}");
    let wrong = targets.only("is_wrong_method", &["true"]);
    for (method, touchpoint) in [
        ("no time term", "returned"),
        ("part without its whole", "very_late"),
        ("nothing of the same stage", "unresolved"),
        ("other states left out", "early"),
        ("what comes later held equal", "slow_first_reply"),
        ("the latest order", "late"),
        ("the whole's effect in each store", "late"),
        ("clustered by customer only", "late"),
        ("unweighted", "ticket_opened"),
        ("response weights", "follow_up_received"),
        ("offset", "ticket_opened"),
        ("ours", "ticket_opened"),
        ("never penalised", ""),
        ("aliases kept", ""),
        ("leave-one-out impact", "returned"),
    ] {
        let rows = wrong.only("method", &[method]).only("touchpoint", &[touchpoint]);
        assert!(!rows.rows.is_empty(), "nothing is asked of {method}");
        for row in &rows.rows {
            assert_eq!(row[rows.column("is_reached")], "true", "{method}: {row:?}");
        }
    }
}

/// 200 worlds of 2,000 answers: enough to see an interval that is a seventh too narrow.
#[test]
fn intervals_hold_on_many_small_worlds() {
    let (targets, said) = calibrate(&["--share", "1", "--only", "ordinary, small"]);
    assert!(said.contains(" 0 missed;"), "{said}");
    let together = targets.only("touchpoint", &[""]);
    let coverage = together.column("target");
    let pooled: Vec<_> =
        together.rows.iter().filter(|row| row[coverage].starts_with("coverage of")).collect();
    assert_eq!(
        pooled.len(),
        5,
        "direct and total, of these answers and of the process; the total's risk ratio"
    );
    for row in pooled {
        let held = number(&together, row, "held_at_least").expect("a bound");
        assert!(held >= 0.92, "too few worlds to see much: {row:?}");
    }
}

/// Worlds in memory are what the pipeline makes of their exports: states and covariates, answer by answer, as the
/// SQL decides them. Where the exports do not tell how a ticket stood at the answer, or do not reach back to the
/// beginning of its window, the pipeline says so.
fn is_as_exported(twist: Option<&str>, twists: Twists) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut arguments =
        vec!["generate", "--purchases", "12000", "--seed", "5", "--output", text(folder.path())];
    twist.iter().for_each(|twist| arguments.extend(["--twist", twist]));
    aftersale(&arguments).expect(0);
    let config = folder.path().join("aftersale.toml");
    aftersale(&["run", "--config", text(&config)]).expect(0);
    let exposures = published(&folder.path().join("out"), "fct_exposures");
    let journeys = published(&folder.path().join("out"), "fct_journeys");

    let (customer, at) = (exposures.column("customer_id"), exposures.column("responded_at"));
    let key = |row: &Vec<String>| (row[customer].clone(), row[at].clone());
    let published: BTreeMap<_, _> = exposures.rows.iter().map(|row| (key(row), row)).collect();
    let mut orders: BTreeMap<&str, u32> = BTreeMap::new();
    let buyer = journeys.column("customer_id");
    journeys.rows.iter().for_each(|row| *orders.entry(row[buyer].as_str()).or_default() += 1);

    let touchpoints = Touchpoints::read().expect("the catalogue");
    let world = World { seed: 5, twists, ..World::default() };
    let sample = Sample::of(&world, Whose::Answered, exposures.rows.len(), &touchpoints);
    let last = exposures.rows.iter().filter_map(|row| row[customer].strip_prefix('C')?.parse().ok()).max();
    let last: u32 = last.expect("a customer");
    let (mut compared, mut states_compared, mut untold, mut different) = (0, 0, 0, Vec::new());
    for answer in 0..sample.classes.len() {
        let customer = format!("C{:07}", sample.customers[answer]);
        let at = DateTime::from_timestamp(sample.responded_at[answer], 0).expect("a time");
        let key = (customer.clone(), at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let Some(row) = published.get(&key) else { continue };
        let value = |name: &str| row[exposures.column(name)].as_str();
        // The last customer's further orders were not written.
        if sample.customers[answer] == last {
            continue;
        }
        // Answers that name their order where the world does so, of customers whose tickets cannot be about another.
        let scope = if twists.has_no_order_ids { "customer" } else { "order" };
        if value("scope") != scope || !twists.has_no_order_ids && orders[customer.as_str()] > 1 {
            continue;
        }
        compared += 1;
        for (touchpoint, states) in touchpoints.of_fit.iter().zip(&sample.states) {
            let said = value(&format!("tp_{}_state", touchpoint.id));
            states_compared += 1;
            if ["unknown", "not_measured"].contains(&said) {
                untold += 1;
            } else if said != states[answer].as_str() {
                different.push(format!("{key:?} {}: {said}, not {:?}", touchpoint.id, states[answer]));
            }
        }
        for column in &sample.covariates {
            let ours = column.levels[usize::from(column.codes[answer])].as_str();
            let said = value(column.name);
            if said != ours && !(said.is_empty() && ours == "(unknown)") {
                different.push(format!("{key:?} {}: {said}, not {ours}", column.name));
            }
        }
    }
    assert!(compared > 400, "{compared} answers");
    assert!(untold * 6 < states_compared, "{untold} of {states_compared} states are not told");
    assert!(
        different.is_empty(),
        "{} differ\n{}",
        different.len(),
        different[..different.len().min(40)].join("\n")
    );
}

#[test]
fn worlds_in_memory_are_those_of_the_exports() {
    is_as_exported(None, Twists::default());
}

#[test]
fn worlds_without_order_ids_are_those_of_the_exports() {
    is_as_exported(Some("no-order-ids"), Twists { has_no_order_ids: true, ..Twists::default() });
}
