//! The figures of real data: a subset of the Olist orders and reviews, which is not part of the project.
//!
//! `AFTERSALE_OLIST_DIR` names the folder with the CSV files; where it is not set this says so and passes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::program::{aftersale, text};
use crate::table::{Table, published};

fn olist() -> Option<PathBuf> {
    let folder = std::env::var_os("AFTERSALE_OLIST_DIR").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: AFTERSALE_OLIST_DIR is not set");
    }
    folder
}

#[test]
fn the_published_figures_are_those_of_the_data() {
    let Some(olist) = olist() else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let output = folder.path().join("out");
    let config = folder.path().join("aftersale.toml");
    let preset = aftersale(&["init", "--preset", "olist", "--location", text(&olist)]).expect(0).stdout;
    fs::write(&config, preset).expect("written");
    aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0);

    let quality =
        published(&output, "rpt_data_quality").only("section", &["rows"]).only("source", &["surveys"]);
    let (of_table, of_feed) = (quality.only("table", &["reviews"]), quality.only("table", &[""]));
    let rows = |table: &Table, measure: &str| table.row("measure", measure)["rows"].to_string();
    assert_eq!(["read", "handed on"].map(|measure| rows(&of_table, measure)), ["8225", "8225"]);
    assert_eq!(
        ["handed on", "rejected", "staged"].map(|measure| rows(&of_feed, measure)),
        ["8225", "58", "8167"]
    );
    let rejected = published(&output, "rejected_rows");
    assert_eq!(
        rejected.only("source", &["surveys"]).only("reason", &["answer before its purchase"]).rows.len(),
        58
    );

    let nps = published(&output, "rpt_nps").only("period", &["window"]);
    let whole = nps.row("segment_dimension", "all");
    assert_eq!((whole["responses"], whole["detractors"]), ("8167", "2981"));

    let exposures = published(&output, "fct_exposures");
    let undelivered = exposures.only("tp_not_delivered_state", &["yes"]);
    assert_eq!(exposures.rows.len(), 8167);
    assert_eq!(exposures.only("nps_class", &["detractor"]).rows.len(), 2981);
    assert_eq!(undelivered.rows.len(), 3211);
    assert_eq!(undelivered.only("nps_class", &["detractor"]).rows.len(), 2494);

    let impact = published(&output, "rpt_touchpoint_impact").only("segment", &["all"]);
    let not_delivered = impact.row("touchpoint", "not_delivered");
    assert_eq!((not_delivered["responses"], not_delivered["exposed_responses"]), ("8167", "3211"));
    let share: f64 = not_delivered["detractor_share_exposed"].parse().expect("a number");
    assert!((share - 2494.0 / 3211.0).abs() < 1e-12, "{share}");
    assert_eq!(impact.row("touchpoint", "ticket_opened")["not_measured_responses"], "8167");

    // What dominates, adjusted: parcels that were not there, one way or the other.
    let number = |row: &std::collections::BTreeMap<&str, &str>, column: &str| -> f64 {
        row[column].parse().unwrap_or_else(|_| panic!("{column} is {:?}", row[column]))
    };
    assert_eq!(not_delivered["verdict"], "drives detractors");
    let low = number(&not_delivered, "total_nps_points_low");
    let high = number(&not_delivered, "total_nps_points_high");
    // Of 3,211 among 8,167, at most 200 points each; and far from nothing.
    assert!(20.0 < low && low < high && high < 200.0 * 3211.0 / 8167.0, "{low} to {high}");
    assert!(number(&not_delivered, "e_value_limit") > 2.0);
    assert!(number(&not_delivered, "q_value") < 1e-6);
    for row in &impact.rows {
        let row: std::collections::BTreeMap<&str, &str> =
            impact.columns.iter().map(String::as_str).zip(row.iter().map(String::as_str)).collect();
        match (row["touchpoint"], row["verdict"]) {
            ("not_delivered" | "overdue", verdict) => assert_eq!(verdict, "drives detractors"),
            // 97 late parcels, 7 of them very late: too few to tell.
            ("late" | "very_late", verdict) => assert_eq!(verdict, "not enough evidence"),
            ("early", verdict) => {
                assert!(["protects", "not enough evidence"].contains(&verdict), "{verdict}")
            }
            (counts, verdict) if counts.starts_with("failures_met") => assert_eq!(verdict, ""),
            // There are no tickets, calls, bills or returns among the exports.
            (other, verdict) => assert_eq!(verdict, "not measured", "{other}"),
        }
        if row["role"] == "lever"
            && !row["total_nps_points"].is_empty()
            && row["touchpoint"] != "not_delivered"
        {
            assert!(number(&row, "total_nps_points") < number(&not_delivered, "total_nps_points"));
        }
    }

    // One of them, from its source row to what it had met.
    let row = undelivered.only("nps_class", &["detractor"]).rows.remove(0);
    let value = |name: &str| row[exposures.column(name)].as_str();
    let id = value("response_id");
    let trace =
        aftersale(&["trace", id, "--config", text(&config), "--output", text(&output)]).expect(0).stdout;
    for word in [
        id,
        "olist_order_reviews_dataset.csv",
        value("source_row"),
        "review_score",
        value("journey_id"),
        "order",
        "ordered",
        "answered",
        "not_delivered",
        "Parcel had not come by the time of the answer",
        "with none of them",
        "predicted detractor",
    ] {
        assert!(trace.contains(word), "the trace does not say {word}\n{trace}");
    }
}

/// The same figures from the files alone, before any row is rejected: times of one zone compare as text,
/// and a delivery that has not come before the answer had not come.
#[test]
fn the_figures_before_rejecting_are_those_of_the_files() {
    let Some(olist) = olist() else { return };
    let orders = read(&olist, "olist_orders_dataset.csv");
    let orders: HashMap<String, (String, String)> = orders
        .select(&["order_id", "order_purchase_timestamp", "order_delivered_customer_date"].map(String::from))
        .rows
        .into_iter()
        .map(|mut row| (row.remove(0), (row.remove(0), row.remove(0))))
        .collect();
    let reviews = read(&olist, "olist_order_reviews_dataset.csv");
    let reviews = reviews.select(&["order_id", "review_score", "review_answer_timestamp"].map(String::from));

    let (mut detractors, mut undelivered, mut undelivered_detractors, mut too_soon) = (0, 0, 0, 0);
    for row in &reviews.rows {
        let [order, score, answered] = row.as_slice() else { panic!("three columns") };
        let (bought, delivered) = &orders[order];
        let is_detractor = matches!(score.as_str(), "1" | "2");
        let had_come = !delivered.is_empty() && delivered < answered;
        detractors += i32::from(is_detractor);
        undelivered += i32::from(!had_come);
        undelivered_detractors += i32::from(!had_come && is_detractor);
        too_soon += i32::from(answered < bought);
    }
    assert_eq!(reviews.rows.len(), 8225);
    assert_eq!((detractors, undelivered, undelivered_detractors, too_soon), (3020, 3269, 2533, 58));
}

fn read(olist: &Path, file: &str) -> Table {
    let text = fs::read_to_string(olist.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    Table::read_csv(&text)
}
