//! The drivers of one made-up world, as they are published: what is said has its ground, weights and clusters do
//! what they are for.

use std::fs;
use std::path::Path;

use crate::program::{aftersale, text};
use crate::table::{Table, published};

fn run(folder: &Path, name: &str, settings: &str) -> std::path::PathBuf {
    let config = folder.join(format!("{name}.toml"));
    let plain = fs::read_to_string(folder.join("aftersale.toml")).expect("the world's configuration");
    let at = plain.find("[sources").expect("sources");
    fs::write(&config, format!("{}\n{settings}\n{}", &plain[..at], &plain[at..])).expect("written");
    let output = folder.join(name);
    aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0);
    output
}

fn number(value: &str) -> f64 {
    value.parse().unwrap_or_else(|_| panic!("{value:?} is no number"))
}

fn effects(output: &Path, estimand: &str) -> Table {
    let effects = published(output, "rpt_effects").only("segment", &["all"]);
    effects.only("estimand", &[estimand]).only("measure", &["nps_points"])
}

#[test]
fn verdicts_weights_and_clusters_of_a_planted_world() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let folder = folder.path();
    aftersale(&["generate", "--purchases", "5000", "--seed", "11", "--output", text(folder)]).expect(0);
    let output = run(folder, "customers", "");

    let guardrails = published(&output, "rpt_guardrails");
    let impact = published(&output, "rpt_touchpoint_impact").only("segment", &["all"]);
    // No verdict where hardly anybody like the exposed was spared, whatever q says; a warning comes sooner.
    let without_ground =
        guardrails.only("guardrail", &["overlap", "effective_responses"]).only("holds", &["false"]);
    let [place, guardrail, value] =
        ["touchpoint", "guardrail", "value"].map(|name| without_ground.column(name));
    let mut without = 0;
    for row in &without_ground.rows {
        let said = impact.row("touchpoint", &row[place]);
        assert_eq!(said["reading"], "association, adjusted", "{}", row[place]);
        if row[guardrail] == "effective_responses" && number(&row[value]) < 20.0 {
            assert_eq!(said["verdict"], "not enough evidence", "{}", row[place]);
            without += 1;
        }
    }
    assert!(without > 0, "everything has a ground in this world");
    // Being called and being left alone are two sides of one thing: one of them is in the model, and so in what
    // is said of each answer, and the planted sign is found.
    let set = |id: &str| {
        guardrails.only("touchpoint", &[id]).row("guardrail", "adjustment_set")["words"].to_string()
    };
    let left_alone = impact.row("touchpoint", "left_alone");
    assert_eq!(left_alone["verdict"], "the other side of follow_up_received");
    assert!(number(left_alone["exposed_responses"]) > 100.0 && left_alone["total_nps_points"].is_empty());
    assert!(guardrails.only("touchpoint", &["left_alone"]).rows.is_empty());
    let attributions = published(&output, "fct_attributions");
    assert!(attributions.only("touchpoint", &["left_alone"]).rows.is_empty());
    let of_follow_ups = attributions.only("touchpoint", &["follow_up_received"]);
    let place = of_follow_ups.column("contribution");
    assert!(of_follow_ups.rows.len() > 100);
    assert!(of_follow_ups.rows.iter().all(|row| number(&row[place]) < 0.0));
    assert!(!set("slow_first_reply").contains("same stage: repeat_contact"));
    assert!(
        set("slow_first_reply").contains("slow_resolution, solved_at_first_touch, offer_while_unresolved")
    );
    let points = |id: &str| number(impact.row("touchpoint", id)["total_nps_points"]);
    assert!(points("late") > 0.0 && points("follow_up_received") < 0.0);

    // Weighted beside unweighted, for every touchpoint with an estimate; here response hangs on nothing.
    let (total, weighted) = (effects(&output, "total"), effects(&output, "total_weighted"));
    let ids = |table: &Table| -> Vec<String> {
        let place = table.column("touchpoint");
        table.rows.iter().map(|row| row[place].clone()).collect()
    };
    assert!(ids(&weighted).len() > 10);
    for id in ["late", "damaged", "ticket_opened"] {
        let (one, other) = (total.row("touchpoint", id), weighted.row("touchpoint", id));
        let apart = (number(one["estimate"]) - number(other["estimate"])).abs();
        let (error, weighted_error) = (number(one["std_error"]), number(other["std_error"]));
        assert!(apart < 2.0 * error, "{id}: {apart} {error}");
        assert!((0.8..2.0).contains(&(weighted_error / error)), "{id}: {weighted_error} {error}");
    }
    let nonresponse = guardrails.only("touchpoint", &["(run)"]).only("guardrail", &["nonresponse"]);
    let value = |detail: &str| number(nonresponse.row("detail", detail)["value"]);
    let share = value("of them answered, as a share");
    assert!((0.1..0.9).contains(&share), "{share}");
    assert!(value("journeys that could have been answered") < 5_000.0);
    let answers = number(guardrails.only("guardrail", &["answers"]).row("detail", "in the fit")["value"]);
    let trimmed = value("answers whose weight was trimmed");
    assert!(trimmed <= 0.01 * answers + 1.0, "{trimmed} of {answers}");

    // The next order is a placebo.
    let placebo = guardrails.only("touchpoint", &["(model)"]).only("guardrail", &["placebo"]);
    let orders = number(placebo.row("detail", "next order late or damaged: answers")["value"]);
    assert!((200.0..answers).contains(&orders), "{orders}");

    // Other clusters: the same estimates, other errors; never fewer than the clusters' own.
    let both = run(folder, "both", "[analysis]\ncluster = \"both\"");
    let crossed = effects(&both, "total");
    assert_eq!(ids(&total), ids(&crossed));
    let column = |table: &Table, name: &str| -> Vec<String> {
        let place = table.column(name);
        table.rows.iter().map(|row| row[place].clone()).collect()
    };
    assert_eq!(column(&total, "estimate"), column(&crossed, "estimate"));
    assert_ne!(column(&total, "std_error"), column(&crossed, "std_error"));
}
