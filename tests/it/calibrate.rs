//! The calibration, run small: the program's own command on few worlds. The full run is one documented
//! command (README).

use crate::program::{aftersale, text};
use crate::table::read_folder;

#[test]
fn a_small_calibration_finds_no_fault_and_wrong_methods_fail() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut arguments = vec!["calibrate", "--output", text(folder.path()), "--share", "0.008"];
    for kind in ["ordinary", "null", "survey lag", "aliases"] {
        arguments.extend(["--only", kind]);
    }
    aftersale(&arguments).expect(0).says(&["ordinary", "all touchpoints together"]);

    let rates = read_folder(&folder.path().join("calibration_rates"));
    let rate = |scenario: &str, rate: &str| -> f64 {
        rates.only("scenario", &[scenario]).row("rate", rate)["mean"].parse().expect("a number")
    };
    assert_eq!(rate("aliases", "alias is named"), 1.0);
    assert!(rate("null", "any discovery") <= 0.5, "eight null worlds, four of them with a discovery");
    assert!(rate("ordinary", "pairs in the right order") >= 0.99);
    assert!(rate("ordinary", "false discoveries") <= 0.15);

    let coverage = read_folder(&folder.path().join("calibration_coverage"));
    let mean = |scenario: &str, method: &str, touchpoint: &str, column: &str| -> f64 {
        let rows = coverage.only("scenario", &[scenario]).only("method", &[method]);
        let rows = rows.only("truth_of", &["process"]).only("estimand", &["total"]);
        rows.row("touchpoint", touchpoint)[column].parse().expect("a number")
    };
    // Returns do nothing: ours says so, leaving them out does not, and a late survey blames them.
    let error = mean("ordinary", "ours", "returned", "mean_std_error");
    let ours = mean("ordinary", "ours", "returned", "mean_estimate");
    assert!(ours.abs() < 4.0 * error / 8f64.sqrt(), "{ours} {error}");
    let left_out = mean("ordinary", "leave-one-out impact", "returned", "mean_estimate");
    assert!(left_out > 3.0 * error, "{left_out} {error}");
    let blamed = mean("survey lag", "no time term", "returned", "mean_estimate");
    let adjusted = mean("survey lag", "ours", "returned", "mean_estimate");
    assert!(blamed > adjusted + error, "{blamed} {adjusted} {error}");
    // Every touchpoint together, eight worlds: nineteen of twenty, give or take.
    let all = coverage.only("scenario", &["ordinary"]).only("method", &["ours"]);
    let place = all.column("coverage");
    let covered: Vec<f64> = all.rows.iter().filter_map(|row| row[place].parse().ok()).collect();
    let pooled = covered.iter().sum::<f64>() / covered.len() as f64;
    assert!((0.90..=0.99).contains(&pooled), "{pooled}");
}
