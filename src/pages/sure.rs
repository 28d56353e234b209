//! How sure are we: what the figures rest on, every touchpoint with its checks, what came in, the settings.

use std::collections::BTreeMap;

use super::answers::Answers;
use super::change::Scores;
use super::drivers::Touchpoints;
use super::rows::Row;
use super::{Source, about};
use crate::error::Result;
use crate::report::context::{
    Adjustment, Check, Effect, Feed, Interval, LeftOut, Link, Placebo, Strongest, Sure, Tenth, Verdict,
};

/// The feeds, in the order in which a person reads them.
const FEEDS: [&str; 7] =
    ["surveys", "purchases", "tickets", "ticket_events", "interactions", "follow_up_outcomes", "identities"];

pub async fn sure(
    source: &Source<'_>,
    answers: &Answers,
    scores: &Scores,
    touchpoints: &Touchpoints,
) -> Result<Sure> {
    let quality = Quality::read(source).await?;
    let rails = Rails::read(source, touchpoints).await?;
    let mut left_out: Vec<LeftOut> = quality.rejected;
    let rejected: u64 = left_out.iter().map(|row| row.rows).sum();
    left_out.extend(answers.left_out.iter().cloned());
    let about::Facts { min_cell, settings, .. } = &source.facts;
    Ok(Sure {
        answers: answers.all + rejected,
        counted: answers.counted,
        linked: answers.linked,
        leaked: quality.leaked,
        nps_weighted: scores.weighted.filter(|_| scores.window.is_some()),
        left_out,
        effects: effects(touchpoints, *min_cell),
        adjustments: rails.adjustments,
        strongest: rails.strongest,
        placebos: rails.placebos,
        calibration: rails.calibration,
        checks: rails.checks,
        feeds: quality.feeds,
        links: quality.links,
        settings: settings.clone(),
    })
}

/// Touchpoints of the fit that enough answers had met.
fn effects(touchpoints: &Touchpoints, min_cell: u64) -> Vec<Effect> {
    let shown = touchpoints.all.iter().filter_map(|one| {
        let verdict = one.verdict.filter(|verdict| *verdict != Verdict::NotMeasured)?;
        one.may_be_shown(min_cell).then_some((one, verdict))
    });
    let effects = shown.map(|(one, verdict)| Effect {
        touchpoint: one.id.clone(),
        label: one.label.clone(),
        exposed_responses: one.exposed_responses,
        unknown_responses: one.unknown_responses,
        total: one.total,
        direct: one.direct,
        risk_ratio: one.risk_ratio,
        q_value: one.q_value,
        e_value: one.e_value,
        e_value_limit: one.e_value_limit,
        rank: one.rank.map(|[rank, ..]| rank),
        rank_low: one.rank.map(|[_, low, _]| low),
        rank_high: one.rank.map(|[.., high]| high),
        verdict,
        failing: one.failing.clone(),
    });
    effects.collect()
}

// ---- what was checked ----------------------------------------------------------------------------------------

#[derive(Default)]
struct Rails {
    adjustments: Vec<Adjustment>,
    strongest: Option<Strongest>,
    placebos: Vec<Placebo>,
    calibration: Vec<Tenth>,
    checks: Vec<Check>,
}

/// What is known of a placebo so far.
#[derive(Default)]
struct Found {
    points: Option<f64>,
    holds: Option<bool>,
    answers: u64,
    visible: Option<f64>,
}

impl Rails {
    async fn read(source: &Source<'_>, touchpoints: &Touchpoints) -> Result<Rails> {
        let mut rails = Rails::default();
        let mut tenths: BTreeMap<u64, [Option<f64>; 2]> = BTreeMap::new();
        // In the order in which they stand: by touchpoint, then by name.
        let mut placebos: Vec<((String, String), Found)> = Vec::new();
        for row in source.rows("page_guardrails").await?.iter() {
            let (touchpoint, guardrail) = (row.said("touchpoint")?, row.said("guardrail")?);
            let (detail, value) = (row.said("detail")?, row.number("value")?);
            let is_of_the_model = touchpoint.starts_with('(');
            let label = touchpoints.label(&touchpoint);
            match guardrail.as_str() {
                "adjustment_set" => {
                    let words = row.said("words")?;
                    let Some(label) = label else { continue };
                    match rails.adjustments.iter_mut().find(|adjustment| adjustment.words == words) {
                        Some(adjustment) => adjustment.labels.push(label),
                        None => rails.adjustments.push(Adjustment { labels: vec![label], words }),
                    }
                }
                "strongest_covariate" => {
                    let term = detail.trim_start_matches("seg_").to_string();
                    rails.strongest = value.map(|e_value| Strongest { term, e_value });
                }
                "calibration" => {
                    let mut words = detail.split(' ').skip(1);
                    let tenth = words.next().and_then(|tenth| tenth.parse().ok());
                    let place = match words.next() {
                        Some("fitted") => 0,
                        Some("observed") => 1,
                        _ => continue,
                    };
                    if let Some(tenth) = tenth {
                        tenths.entry(tenth).or_default()[place] = value;
                    }
                }
                "placebo" => {
                    let Some((placebo, what)) = detail.split_once(": ") else { continue };
                    let key = (touchpoint, placebo.replace(' ', "_"));
                    if placebos.last().is_none_or(|(known, _)| *known != key) {
                        placebos.push((key, Found::default()));
                    }
                    if let Some((_, found)) = placebos.last_mut() {
                        match what {
                            "NPS points" => (found.points, found.holds) = (value, row.flag("holds")?),
                            "answers" => found.answers = rounded(value),
                            _ => found.visible = value,
                        }
                    }
                }
                // So many pairs that only those are shown that do not hold.
                "pairs" if row.flag("holds")? != Some(false) => {}
                _ if is_of_the_model => rails.checks.push(check(row, guardrail, detail, value)?),
                _ => {}
            }
        }
        let tenths = tenths.into_iter().filter_map(|(tenth, [expected, observed])| {
            Some(Tenth { tenth, expected: expected?, observed: observed? })
        });
        rails.calibration = tenths.collect();
        for ((touchpoint, placebo), found) in placebos {
            let (Some(estimate), Some(holds)) = (found.points, found.holds) else { continue };
            rails.placebos.push(Placebo {
                label: touchpoints.label(&touchpoint).unwrap_or_default(),
                touchpoint,
                placebo,
                responses: found.answers,
                points: Interval { estimate, low: None, high: None },
                holds,
                visible_points: found.visible,
            });
        }
        Ok(rails)
    }
}

fn check(row: Row<'_>, guardrail: String, detail: String, value: Option<f64>) -> Result<Check> {
    Ok(Check {
        guardrail,
        detail,
        value,
        warn_beyond: row.number("warn_beyond")?,
        holds: row.flag("holds")?,
        words: row.text("words")?,
    })
}

fn rounded(value: Option<f64>) -> u64 {
    value.unwrap_or(0.0).round().max(0.0) as u64
}

// ---- what came in ----------------------------------------------------------------------------------------------

#[derive(Default)]
struct Quality {
    feeds: Vec<Feed>,
    links: Vec<Link>,
    /// Of the surveys.
    rejected: Vec<LeftOut>,
    leaked: u64,
}

impl Quality {
    async fn read(source: &Source<'_>) -> Result<Quality> {
        let mut quality = Quality::default();
        let mut feeds: BTreeMap<String, Feed> = BTreeMap::new();
        for row in source.rows("page_quality").await?.iter() {
            let (section, name, measure) = (row.said("section")?, row.said("source")?, row.said("measure")?);
            let rows = row.count("rows")?;
            match section.as_str() {
                "rows" => {
                    let is_table = row.text("table_name")?.is_some();
                    let feed = feeds.entry(name.clone()).or_insert_with(|| empty(name));
                    match (is_table, measure.as_str()) {
                        (true, "read") => feed.read += rows,
                        (true, "filtered") => feed.filtered += rows,
                        (_, "superseded") => feed.superseded += rows,
                        (false, "rejected") => feed.rejected += rows,
                        (false, "after the as-of") => feed.after_as_of += rows,
                        (false, "staged") => feed.staged += rows,
                        _ => {}
                    }
                }
                "rejected" if name == "surveys" && rows > 0 => {
                    match quality.rejected.iter_mut().find(|row| row.reason == measure) {
                        Some(row) => row.rows += rows,
                        None => quality.rejected.push(LeftOut { reason: measure, rows }),
                    }
                }
                "links" => quality.links.push(Link {
                    feed: format!("{name} → {}", row.said("table_name")?),
                    measure,
                    rows,
                    share: row.number("share")?,
                }),
                "leakage" => quality.leaked += rows,
                "coverage" if measure == "last event" => {
                    let day = row.integer("at_micros")?.and_then(|at| source.facts.day(at));
                    // Sections come in the order of their names: the rows of a feed come later.
                    feeds.insert(name.clone(), Feed { newest: day, ..empty(name) });
                }
                _ => {}
            }
        }
        let place = |feed: &Feed| FEEDS.iter().position(|name| *name == feed.feed).unwrap_or(FEEDS.len());
        quality.feeds = feeds.into_values().collect();
        quality.feeds.sort_by_key(place);
        Ok(quality)
    }
}

fn empty(feed: String) -> Feed {
    Feed { feed, read: 0, superseded: 0, filtered: 0, rejected: 0, after_as_of: 0, staged: 0, newest: None }
}
