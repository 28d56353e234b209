//! A month as it was shown to the board: `board/2026-10.html`, and beside it the figures that it told.
//!
//! A frozen page is never drawn again: another version of the program would draw another page. When the same
//! month is asked for later, the run that is asked tells what it would say today, and only the page's part
//! "Restated since" is written anew. Of the figures a few are kept, in a form of their own that later versions
//! go on reading.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::about::last_day;
use crate::error::{Context, Error, Result};
use crate::published::Published;
use crate::report::Templates;
use crate::report::context::{Leadership, Restated};
use crate::store::{Bytes, Store};

/// The form of the file of figures. A later one must still be able to read the earlier.
const FORM: u64 = 1;
/// Where the part of the page begins and ends that is written anew: `report/sections/restated.html`.
const RESTATED: [&str; 2] = ["<div class=\"restated\">", "</section>"];

/// What became of the request.
pub struct Frozen {
    /// The page's address.
    pub url: String,
    /// The run that the page's figures come from.
    pub run_id: String,
    /// Figures that are different today.
    pub restated: usize,
}

/// What a frozen page tells of its period, as it is kept. What a later version adds is passed over.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    form: u64,
    period: String,
    run_id: String,
    as_of: String,
    figures: Vec<Figure>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Figure {
    /// `nps` in points, `responses`, `reach` from 0 to 1.
    measure: String,
    /// Whose reach.
    touchpoint: Option<String>,
    value: f64,
}

/// Freezes the newest period that is over in the run, or looks again at one that is frozen.
///
/// # Errors
/// `Kind::Usage` for another period, or one that the run does not show; `Kind::Io` for a frozen one that
/// cannot be read.
pub async fn freeze(published: &Published, output: &Store, period: &str) -> Result<Frozen> {
    let newest = super::newest_ended(published)?;
    let Some(last) = last_day(period) else {
        return Err(Error::usage(format!("`{period}` is no period"))
            .hint(format!("the newest one that is over in the run is `{newest}`")));
    };
    let (path, shown) = (format!("board/{period}.json"), format!("board/{period}.html"));
    let (kept, restated) = match output.read_if_there(&path).await? {
        Some(bytes) => {
            let kept = Kept::read(&bytes, period).with("location", format!("{}/{path}", output.url()))?;
            let page = output.read_if_there(&shown).await?;
            let page = page.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok());
            let now = super::of_period(published, period).await?;
            let restated = differences(&kept, &now);
            let part = Templates::read()?.restated(&restated)?;
            let text = page.and_then(|page| with_restated(&page, &part)).ok_or_else(|| {
                let location = format!("{}/{shown}", output.url());
                Error::io("a frozen page is not there, or no page of ours").with("location", location).hint(
                    "put it back from a copy, or remove the `.json` beside it to freeze the period anew",
                )
            })?;
            output.write(&shown, Bytes::from(text)).await?;
            (kept, restated.len())
        }
        None => {
            if period != newest {
                let refused =
                    Error::usage(format!("a run freezes the newest period that is over, `{newest}`"));
                let refused = refused.with("run", &published.manifest.run_id).with("asked for", period);
                return Err(match period > newest.as_str() {
                    true => refused
                        .hint(format!("`{period}` is not over in this run: freeze it from a later one")),
                    false => refused.hint(format!(
                        "all but the score would be of a later day. A run that ends with it: `aftersale run \
                         --as-of {last}`; then `aftersale report --run RUN_ID --period {period}`"
                    )),
                });
            }
            let mut page = super::of_period(published, period).await?;
            page.change.restated.clear();
            // Kept for good, it must not hold what a customer may ask to be forgotten.
            page.voices.groups.clear();
            let text = Templates::read()?.leadership(&page)?;
            let figures = Kept {
                form: FORM,
                period: period.to_string(),
                run_id: page.run.run_id.clone(),
                as_of: page.run.as_of.clone(),
                figures: figures(&page, period),
            };
            let mut json = serde_json::to_vec_pretty(&figures)
                .map_err(|e| Error::internal("figures of a page cannot be kept").caused_by(e))?;
            json.push(b'\n');
            // The page first: figures without a page cannot be looked at again.
            output.write(&shown, Bytes::from(text)).await?;
            output.write(&path, Bytes::from(json)).await?;
            (figures, 0)
        }
    };
    Ok(Frozen { url: format!("{}/{shown}", output.url()), run_id: kept.run_id, restated })
}

impl Kept {
    fn read(bytes: &[u8], period: &str) -> Result<Kept> {
        let unreadable = |hint: &str| Error::io("the figures of a frozen page cannot be read").hint(hint);
        let damaged = "put the file back from a copy, or remove it and the page beside it to freeze anew";
        let value: Value = serde_json::from_slice(bytes).map_err(|e| unreadable(damaged).caused_by(e))?;
        match value.get("form").map(Value::as_u64) {
            None => Kept::from_a_page(&value, period).ok_or_else(|| unreadable(damaged)),
            Some(Some(form)) if form <= FORM => {
                serde_json::from_value(value).map_err(|e| unreadable(damaged).caused_by(e))
            }
            Some(_) => Err(unreadable("a newer version of the program has written them: use that one")),
        }
    }

    /// The first form was all that the page had been told, and had no number.
    fn from_a_page(page: &Value, period: &str) -> Option<Kept> {
        let of_period = |rows: &Value| -> Option<Value> {
            rows.as_array()?.iter().find(|row| row["period"] == period).cloned()
        };
        let change = &page["change"];
        let score = of_period(&change["nps"])?;
        let mut figures = Vec::new();
        for measure in ["nps", "responses"] {
            figures.push(Figure {
                measure: measure.to_string(),
                touchpoint: None,
                value: score[measure].as_f64()?,
            });
        }
        for trend in change["trends"].as_array().into_iter().flatten() {
            let reach = of_period(&trend["points"]).and_then(|point| point["reach"].as_f64());
            if let (Some(touchpoint), Some(value)) = (trend["touchpoint"].as_str(), reach) {
                let touchpoint = Some(touchpoint.to_string());
                figures.push(Figure { measure: "reach".to_string(), touchpoint, value });
            }
        }
        Some(Kept {
            form: 0,
            period: period.to_string(),
            run_id: page["run"]["run_id"].as_str()?.to_string(),
            as_of: page["run"]["as_of"].as_str()?.to_string(),
            figures,
        })
    }
}

/// What a page says of its period.
fn figures(page: &Leadership, period: &str) -> Vec<Figure> {
    let figure = |measure: &str, touchpoint: Option<&str>, value: f64| Figure {
        measure: measure.to_string(),
        touchpoint: touchpoint.map(str::to_string),
        value,
    };
    let mut figures = Vec::new();
    if let Some(score) = page.change.nps.iter().find(|score| score.period == period) {
        figures.push(figure("nps", None, score.nps));
        figures.push(figure("responses", None, score.responses as f64));
    }
    for trend in &page.change.trends {
        let point = trend.points.iter().find(|point| point.period == period);
        if let Some(reach) = point.and_then(|point| point.reach) {
            figures.push(figure("reach", Some(&trend.touchpoint), reach));
        }
    }
    figures
}

/// Figures of the frozen page that would be shown otherwise today; what is not shown today is passed over.
fn differences(kept: &Kept, now: &Leadership) -> Vec<Restated> {
    let today = figures(now, &kept.period);
    let mut restated = Vec::new();
    for was in &kept.figures {
        let same = |is: &&Figure| is.measure == was.measure && is.touchpoint == was.touchpoint;
        let Some(is) = today.iter().find(same) else { continue };
        let is_share = was.measure == "reach";
        let shown = |value: f64| format!("{:.1}", if is_share { 100.0 * value } else { value });
        if shown(was.value) == shown(is.value) {
            continue;
        }
        let trend = |id: &String| now.change.trends.iter().find(|trend| trend.touchpoint == *id);
        restated.push(Restated {
            period: kept.period.clone(),
            measure: was.measure.clone(),
            label: was.touchpoint.as_ref().and_then(trend).map(|trend| trend.label.clone()),
            is_share,
            was: was.value,
            is: is.value,
            why: format!("as known on {}", now.run.as_of),
        });
    }
    restated
}

/// The page with its part "Restated since" replaced; none where it has no such part.
fn with_restated(page: &str, part: &str) -> Option<String> {
    let start = page.find(RESTATED[0])?;
    let end = start + page[start..].find(RESTATED[1])?;
    Some(format!("{}{part}{}", &page[..start], &page[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(touchpoint: &str, value: f64) -> Figure {
        Figure { measure: "reach".into(), touchpoint: Some(touchpoint.into()), value }
    }

    /// What an older and what a newer version has kept.
    #[test]
    fn frozen_figures_outlive_releases() {
        let first = r#"{"run": {"run_id": "r1", "as_of": "2026-10-31", "gone": 1}, "headline": null, "change": {
            "nps": [{"period": "2026-09", "nps": 10.0, "responses": 9},
                    {"period": "2026-10", "nps": 31.5, "responses": 312, "low": 2}],
            "trends": [{"touchpoint": "late", "label": "Late", "points": [{"period": "2026-10", "reach": 0.25}]},
                       {"touchpoint": "few", "label": "Few", "points": [{"period": "2026-10", "reach": null}]}]}}"#;
        let kept = Kept::read(first.as_bytes(), "2026-10").unwrap();
        assert_eq!((kept.run_id.as_str(), kept.as_of.as_str()), ("r1", "2026-10-31"));
        let told: Vec<(&str, f64)> = kept.figures.iter().map(|f| (f.measure.as_str(), f.value)).collect();
        assert_eq!(told, [("nps", 31.5), ("responses", 312.0), ("reach", 0.25)]);
        assert_eq!(kept.figures[2], reach("late", 0.25));

        let later = r#"{"form": 1, "period": "2026-10", "run_id": "r1", "as_of": "2026-10-31", "more": [1],
            "figures": [{"measure": "reach", "touchpoint": "late", "value": 0.25, "more": 2}]}"#;
        assert_eq!(Kept::read(later.as_bytes(), "2026-10").unwrap().figures, [reach("late", 0.25)]);

        let refused = |text: &str| format!("{:?}", Kept::read(text.as_bytes(), "2026-10").unwrap_err());
        assert!(refused(r#"{"form": 2, "period": "2026-10"}"#).contains("newer version"));
        for damaged in ["{}", "", r#"{"form": 1}"#, r#"{"change": {"nps": []}}"#] {
            assert!(refused(damaged).contains("from a copy"), "{damaged}");
        }
    }

    #[test]
    fn only_what_is_restated_is_written_anew() {
        let page = "<p>a</p><div class=\"restated\">\nold</div></section><p>b</p></section>";
        let anew = with_restated(page, "<div class=\"restated\">new</div>").unwrap();
        assert_eq!(anew, "<p>a</p><div class=\"restated\">new</div></section><p>b</p></section>");
        assert_eq!(with_restated("<p>another page</p>", ""), None);
        // What is written is where it is looked for.
        let part = Templates::read().unwrap().restated(&[]).unwrap();
        assert!(part.starts_with(RESTATED[0]) && part.ends_with("</div>"), "{part}");
        assert!(!part.contains(RESTATED[1]));
    }
}
