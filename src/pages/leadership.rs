//! The leadership page: its parts in the order in which a leader asks.

use super::answers::Answers;
use super::change::{self, Scores};
use super::drivers::{self, Touchpoints};
use super::places::Places;
use super::{Source, comments, stages, sure, win_back};
use crate::error::{Error, Result};
use crate::report::context::{Cost, Driver, Leadership, Links, Short, Waiting, Wording};

/// The page of the run, or of one of its periods.
pub async fn page(source: &Source<'_>, period: Option<&str>, links: Links) -> Result<Leadership> {
    let facts = &source.facts;
    let scores = Scores::read(source, period).await?;
    if let Some(period) = period
        && scores.periods.last().is_none_or(|newest| newest.period != period)
    {
        return Err(no_period(source, period, &scores));
    }
    let touchpoints = Touchpoints::read(source).await?;
    let answers = Answers::read(source).await?;
    let (mut cost, gain) = (touchpoints.cost(facts.min_cell)?, touchpoints.gain(facts.min_cell));
    let places = Places::read(source).await?;
    // The best quarter of segments that differ by chance has nothing to teach.
    for row in &mut cost.rows {
        let differ = |dimension: &String| places.differ(dimension, &row.touchpoint);
        row.attainable_points =
            row.attainable_points.filter(|_| facts.dimensions.first().is_some_and(differ));
    }
    let change = change::change(source, &scores, &cost, &touchpoints, period.is_some()).await?;
    // A frozen month is told as it is, whatever its size.
    let headline = match period {
        Some(_) => scores.periods.last().cloned(),
        None => scores.headline(),
    };
    let comments = comments::read(source).await?;
    let win_back = win_back::section(source, answers.counted == 0 || answers.known > 0).await?;
    let mut run = facts.run.clone();
    run.frozen_period = period.map(str::to_string);
    Ok(Leadership {
        run,
        links,
        short: Short {
            responses: answers.linked,
            cost: surest(&cost.rows),
            is_cost_sure: cost.is_first_sure,
            gain: surest(&gain.rows),
            moved: change
                .moves
                .as_ref()
                .filter(|moves| headline.as_ref().is_some_and(|headline| headline.period == moves.period))
                .and_then(change::moved),
            waiting: win_back
                .cases
                .as_ref()
                .map(|cases| Waiting { cases: cases.open, oldest_days: cases.oldest_days }),
            first: first(&cost),
        },
        effect_axis: drivers::effect_axis(&cost, &gain),
        doses: drivers::doses(source, &cost).await?,
        reach: drivers::reach(&cost, &gain),
        by_segment: places.by_segment(source, &cost),
        stages: stages::stages(source).await?,
        win_back,
        voices: comments::voices(&comments, answers.comments, &cost, &gain, facts.min_cell),
        sure: sure::sure(source, &answers, &scores, &touchpoints).await?,
        window: scores.window.clone(),
        headline,
        change,
        cost,
        gain,
    })
}

/// The largest that may be called an effect; else the largest, which says that it may not.
fn surest(rows: &[Driver]) -> Option<Driver> {
    rows.iter().find(|driver| driver.wording == Wording::Effect).or(rows.first()).cloned()
}

/// What to do first: the action with the most points within reach, of what may be called an effect.
fn first(cost: &Cost) -> Option<Driver> {
    let may = |driver: &&Driver| driver.action.is_some() && driver.wording == Wording::Effect;
    let within_reach = |driver: &Driver| driver.attainable_points.unwrap_or(0.0);
    let best = cost.rows.iter().filter(may).fold(None, |best: Option<&Driver>, driver| match best {
        Some(best) if within_reach(best) >= within_reach(driver) => Some(best),
        _ => Some(driver),
    });
    best.cloned()
}

fn no_period(source: &Source<'_>, period: &str, scores: &Scores) -> Error {
    let known = scores.periods.iter().map(|score| score.period.as_str()).collect::<Vec<_>>().join(", ");
    Error::usage(format!("the run has no period `{period}` that can be shown"))
        .with("run", &source.facts.run.run_id)
        .hint(match known.as_str() {
            "" => "no period up to then has enough answers".to_string(),
            known => format!("those up to then are {known}"),
        })
}
