//! NPS over time, what moved it, how often what matters was met, and figures that changed since.

use super::drivers::{Touchpoints, interval};
use super::{Source, hide_complements};
use crate::error::Result;
use crate::report::axis;
use crate::report::context::{
    Begun, Change, Component, Cost, Direction, Interval, Moved, Moves, Nps, Part, Restated, Steepest, Trend,
    TrendPoint,
};
use crate::stats::quantiles::chi_squared_p_value;

/// So many periods are drawn.
const MONTHS: usize = 13;
const WEEKS: usize = 26;
const TRENDS: usize = 6;
const DETAILS: usize = 3;
const RESTATED: usize = 24;
/// A score in whole points of so many answers is off by one answer at most.
const TOLD_BY_A_SUM: u64 = 200;

/// NPS of the window and of each period that may be shown, the oldest first.
pub struct Scores {
    pub window: Option<Nps>,
    pub periods: Vec<Nps>,
    pub weighted: Option<f64>,
}

impl Scores {
    /// With a period given, up to that one only.
    pub async fn read(source: &Source<'_>, until: Option<&str>) -> Result<Scores> {
        let facts = &source.facts;
        let mut scores = Scores { window: None, periods: Vec::new(), weighted: None };
        let mut previous: Option<String> = None;
        for row in source.rows("page_nps").await?.iter() {
            let period = row.said("period")?;
            let responses = row.count("responses")?;
            let (Some(nps), Some(low), Some(high)) =
                (row.number("nps")?, row.number("nps_low")?, row.number("nps_high")?)
            else {
                continue;
            };
            let is_window = period == "window";
            let before = previous.clone().filter(|_| !is_window);
            let change = row.number("nps_change")?.filter(|_| before.is_some());
            let p_value = row.number("change_p_value")?;
            let score = Nps {
                is_partial: facts.is_partial(&period),
                is_few: responses < facts.min_responses,
                period,
                responses,
                promoters: row.count("promoters")?,
                passives: row.count("passives")?,
                detractors: row.count("detractors")?,
                nps,
                low,
                high,
                previous_period: before.filter(|_| change.is_some()),
                change,
                direction: change.map(direction),
                is_more_than_chance: change.map(|_| p_value.is_some_and(|p_value| p_value <= 0.05)),
            };
            if is_window {
                scores.window = Some(score);
                scores.weighted = row.number("nps_weighted")?;
                continue;
            }
            previous = Some(score.period.clone());
            if until.is_none_or(|until| score.period.as_str() <= until) {
                scores.periods.push(score);
            }
        }
        scores.hide(facts.min_cell);
        scores.hide_changes();
        Ok(scores)
    }

    /// Leaves out periods of few answers. Scores are shown in whole points: only a window of few answers
    /// would tell them as the rest of a sum.
    fn hide(&mut self, min_cell: u64) {
        let sizes: Vec<u64> = self.periods.iter().map(|score| score.responses).collect();
        let mut shown: Vec<bool> = sizes.iter().map(|responses| *responses >= min_cell).collect();
        if self.window.as_ref().is_none_or(|window| window.responses < TOLD_BY_A_SUM) {
            hide_complements(&sizes, &mut shown, min_cell);
        }
        let mut shown = shown.into_iter();
        self.periods.retain(|_| shown.next().unwrap_or(false));
        if self.window.as_ref().is_some_and(|window| window.responses < min_cell) {
            self.window = None;
        }
    }

    /// A change on a period that is not shown would tell its score.
    fn hide_changes(&mut self) {
        let shown: Vec<String> = self.periods.iter().map(|score| score.period.clone()).collect();
        for score in &mut self.periods {
            if score.previous_period.as_ref().is_some_and(|before| !shown.contains(before)) {
                (score.previous_period, score.change) = (None, None);
                (score.direction, score.is_more_than_chance) = (None, None);
            }
        }
    }

    /// The newest period, or the one before where that has only begun; the window where both have few answers.
    pub fn headline(&self) -> Option<Nps> {
        let newest = self.periods.iter().rev().take(2).find(|newest| !newest.is_few);
        newest.or(self.window.as_ref()).filter(|_| self.window.is_some()).cloned()
    }
}

/// Of a change as it is shown: in whole points.
fn direction(change: f64) -> Direction {
    match change.round() {
        whole if whole > 0.0 => Direction::Up,
        whole if whole < 0.0 => Direction::Down,
        _ => Direction::Same,
    }
}

pub async fn change(
    source: &Source<'_>,
    scores: &Scores,
    cost: &Cost,
    touchpoints: &Touchpoints,
    is_frozen: bool,
) -> Result<Change> {
    let most = if source.facts.is_weekly { WEEKS } else { MONTHS };
    // A frozen period is drawn whatever its size.
    let drawn = if is_frozen { scores.periods.len() } else { enough(&scores.periods) };
    let (drawn, begun) = scores.periods.split_at(drawn);
    let nps: Vec<Nps> = drawn[drawn.len().saturating_sub(most)..].to_vec();
    let ends = |value: fn(&Nps) -> f64| nps.iter().map(value);
    let (low, high) = match nps.is_empty() {
        true => (0.0, 100.0),
        false => (ends(|row| row.low).fold(100.0, f64::min), ends(|row| row.high).fold(-100.0, f64::max)),
    };
    let trends = if nps.len() >= 2 { trends(source, &nps, cost).await? } else { Vec::new() };
    let moves = match scores.periods.last() {
        Some(newest) if nps.len() >= 2 => moves(source, &newest.period, touchpoints).await?,
        _ => None,
    };
    Ok(Change {
        y: axis(low, high, 5),
        moves,
        steepest: steepest(&trends, source.facts.min_responses),
        trends,
        restated: restated(source, touchpoints).await?,
        begun: begun
            .last()
            .map(|newest| Begun { period: newest.period.clone(), responses: newest.responses }),
        nps,
    })
}

/// So many periods are drawn: a line that ends with a month of few answers is all about those. Where most
/// have few, all are drawn.
fn enough(periods: &[Nps]) -> usize {
    match periods.iter().rposition(|score| !score.is_few) {
        Some(last) if 2 * periods.iter().filter(|score| score.is_few).count() < periods.len() => last + 1,
        _ => periods.len(),
    }
}

async fn trends(source: &Source<'_>, nps: &[Nps], cost: &Cost) -> Result<Vec<Trend>> {
    let rows = source.rows("page_trend").await?;
    let mut trends = Vec::new();
    for driver in cost.rows.iter().take(TRENDS) {
        let mut points: Vec<TrendPoint> = nps
            .iter()
            .map(|row| TrendPoint {
                period: row.period.clone(),
                responses: 0,
                exposed_responses: 0,
                reach: None,
            })
            .collect();
        for row in rows.iter() {
            if row.said("touchpoint")? != driver.touchpoint {
                continue;
            }
            let period = row.said("period")?;
            if let Some(point) = points.iter_mut().find(|point| point.period == period) {
                point.exposed_responses = row.count("exposed_responses")?;
                point.reach = row.number("reach")?;
                // Those of whom it is known.
                point.responses = match point.reach {
                    Some(reach) if reach > 0.0 => (point.exposed_responses as f64 / reach).round() as u64,
                    _ => row.count("responses")?,
                };
            }
        }
        let sizes: Vec<u64> = points.iter().map(|point| point.exposed_responses).collect();
        let mut shown: Vec<bool> = sizes.iter().map(|exposed| *exposed >= source.facts.min_cell).collect();
        hide_complements(&sizes, &mut shown, source.facts.min_cell);
        for (point, shown) in points.iter_mut().zip(shown) {
            point.reach = point.reach.filter(|_| shown);
            point.exposed_responses = if shown { point.exposed_responses } else { 0 };
        }
        let highest = points.iter().filter_map(|point| point.reach).fold(0.01, f64::max);
        let (touchpoint, label) = (driver.touchpoint.clone(), driver.label.clone());
        trends.push(Trend { touchpoint, label, points, axis: axis(0.0, 1.1 * highest, 2) });
    }
    Ok(trends)
}

/// Between the first and the last period of enough answers; where that may be chance, none.
fn steepest(trends: &[Trend], min_responses: u64) -> Option<Steepest> {
    let ends = |trend: &Trend| -> Option<Steepest> {
        let mut known = trend.points.iter().filter(|point| point.responses >= min_responses);
        let (first, last) = (known.next()?, known.next_back()?);
        let all = (first.exposed_responses + last.exposed_responses) as f64;
        let (before, after) = (first.responses as f64, last.responses as f64);
        let share = all / (before + after);
        let variance = share * (1.0 - share) * (1.0 / before + 1.0 / after);
        let gap = last.reach? - first.reach?;
        // The steepest of several lines.
        let p_value = chi_squared_p_value(gap * gap / variance, 1.0)?;
        if p_value > 0.05 / trends.len() as f64 {
            return None;
        }
        Some(Steepest {
            label: trend.label.clone(),
            before: first.reach?,
            after: last.reach?,
            since: first.period.clone(),
            until: last.period.clone(),
        })
    };
    let moved = |one: &Steepest| (one.after - one.before).abs();
    trends.iter().rev().filter_map(ends).max_by(|a, b| moved(a).total_cmp(&moved(b)))
}

/// What moved NPS in the newest period that has been taken apart, up to the one given.
async fn moves(source: &Source<'_>, until: &str, touchpoints: &Touchpoints) -> Result<Option<Moves>> {
    struct Moving {
        component: String,
        touchpoint: String,
        points: Interval,
    }
    let rows = source.rows("page_change").await?;
    let mut newest: Option<String> = None;
    for row in rows.iter() {
        let period = row.said("period")?;
        if period.as_str() <= until && newest.as_ref().is_none_or(|newest| period > *newest) {
            newest = Some(period);
        }
    }
    let Some(newest) = newest else { return Ok(None) };
    let mut previous_period = String::new();
    let mut found: Vec<Moving> = Vec::new();
    for row in rows.iter() {
        if row.said("period")? != newest {
            continue;
        }
        previous_period = row.said("previous_period")?;
        let points = interval(row.number("nps_points")?, row.number("low")?, row.number("high")?);
        if let Some(points) = points {
            found.push(Moving {
                component: row.said("component")?,
                touchpoint: row.said("touchpoint")?,
                points,
            });
        }
    }
    let of = |component: &str| -> Option<Interval> {
        let whole = found.iter().find(|one| one.component == component && one.touchpoint == "all");
        whole.map(|one| one.points)
    };
    let Some(total) = of("total") else { return Ok(None) };
    let mut parts = Vec::new();
    for (name, component) in [
        ("reach", Component::Reach),
        ("effect", Component::Effect),
        ("mix", Component::Mix),
        ("level", Component::Level),
    ] {
        let Some(points) = of(name) else { continue };
        parts.push(Part { component, label: None, points });
        let mut details: Vec<&Moving> =
            found.iter().filter(|one| one.component == name && one.touchpoint != "all").collect();
        details.sort_by(|a, b| b.points.estimate.abs().total_cmp(&a.points.estimate.abs()));
        let details = details.into_iter().filter(|one| one.points.estimate.abs() >= 0.05).take(DETAILS);
        for one in details {
            let label = touchpoints.label(&one.touchpoint).unwrap_or_else(|| one.touchpoint.clone());
            parts.push(Part { component, label: Some(label), points: one.points });
        }
    }
    let Some(largest) = largest(parts.iter().filter(|part| part.label.is_none())) else { return Ok(None) };
    let (component, largest_points) = (largest.component, largest.points.estimate);
    let ends = || parts.iter().map(|part| part.points.estimate).chain([total.estimate]);
    let axis = axis(ends().fold(0.0, f64::min), ends().fold(0.0, f64::max), 5);
    Ok(Some(Moves {
        period: newest,
        previous_period,
        total,
        parts,
        axis,
        largest: component,
        largest_points,
    }))
}

fn largest<'a>(parts: impl Iterator<Item = &'a Part>) -> Option<&'a Part> {
    let size = |part: &Part| part.points.estimate.abs();
    parts.fold(None, |best: Option<&Part>, part| match best {
        Some(best) if size(best) >= size(part) => Some(best),
        _ => Some(part),
    })
}

/// The largest part that somebody can act on, or the touchpoint that is most of it; none where no range tells
/// how sure that is.
pub fn moved(moves: &Moves) -> Option<Moved> {
    let told = || moves.parts.iter().filter(|part| part.points.low.is_some() && part.points.high.is_some());
    let whole = largest(told().filter(|part| part.label.is_none() && part.component != Component::Level))?;
    let details = told().filter(|part| part.label.is_some() && part.component == whole.component);
    let is_most = |part: &&Part| {
        let (part, whole) = (part.points.estimate, whole.points.estimate);
        part.signum() == whole.signum() && part.abs() > 0.5 * whole.abs()
    };
    let said = largest(details).filter(is_most).unwrap_or(whole);
    Some(Moved {
        previous_period: moves.previous_period.clone(),
        component: said.component,
        label: said.label.clone(),
        points: said.points,
    })
}

async fn restated(source: &Source<'_>, touchpoints: &Touchpoints) -> Result<Vec<Restated>> {
    let mut restated = Vec::new();
    for row in source.rows("page_restatements").await?.iter() {
        let (Some(was), Some(is)) = (row.number("value_was")?, row.number("value_is")?) else { continue };
        let measure = row.said("measure")?;
        let is_share = measure == "reach";
        let (then, now) = (row.count("responses_was")?, row.count("responses_is")?);
        // Of reach: those who had met it.
        let met = |share: f64, of: u64| (share * of as f64).round() as u64;
        let least = if is_share { met(was, then).min(met(is, now)) } else { then.min(now) };
        // What looks the same is the same to a reader.
        let shown = |value: f64| format!("{:.1}", if is_share { 100.0 * value } else { value });
        if least < source.facts.min_cell || shown(was) == shown(is) {
            continue;
        }
        let label = match row.text("touchpoint")?.filter(|_| is_share) {
            Some(id) => touchpoints.label(&id).or(Some(id)),
            None => None,
        };
        restated.push(Restated {
            period: row.said("period")?,
            measure,
            label,
            is_share,
            was,
            is,
            why: row.said("reason")?,
        });
    }
    restated.truncate(RESTATED);
    Ok(restated)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(component: Component, label: Option<&str>, estimate: f64) -> Part {
        let points = Interval { estimate, low: Some(estimate - 1.0), high: Some(estimate + 1.0) };
        Part { component, label: label.map(str::to_string), points }
    }

    fn moves(parts: Vec<Part>) -> Moves {
        let points = Interval { estimate: 1.0, low: None, high: None };
        Moves {
            period: "2026-10".into(),
            previous_period: "2026-09".into(),
            total: points,
            parts,
            axis: axis(0.0, 1.0, 5),
            largest: Component::Level,
            largest_points: 1.0,
        }
    }

    #[test]
    fn what_moved_is_what_somebody_can_act_on() {
        let mut parts = vec![
            part(Component::Reach, None, -2.0),
            part(Component::Reach, Some("late"), -0.9),
            part(Component::Mix, None, 0.5),
            part(Component::Level, None, -9.0),
        ];
        let said = moved(&moves(parts.clone())).unwrap();
        assert_eq!((said.component, said.label), (Component::Reach, None));
        parts[1].points.estimate = -1.1;
        assert_eq!(moved(&moves(parts.clone())).unwrap().label.as_deref(), Some("late"));
        // The other way round, it explains nothing of it.
        parts[1].points.estimate = 1.1;
        assert_eq!(moved(&moves(parts)).unwrap().label, None);
        assert_eq!(moved(&moves(vec![part(Component::Level, None, 1.0)])), None);
        // Answers of one customer: figures without a range.
        let mut open = part(Component::Reach, None, 3.0);
        (open.points.low, open.points.high) = (None, None);
        assert_eq!(moved(&moves(vec![open])), None);
    }

    fn score(period: &str, responses: u64) -> Nps {
        Nps {
            period: period.into(),
            responses,
            promoters: responses,
            passives: 0,
            detractors: 0,
            nps: 100.0,
            low: 90.0,
            high: 100.0,
            is_partial: false,
            is_few: responses < 30,
            previous_period: None,
            change: None,
            direction: None,
            is_more_than_chance: None,
        }
    }

    #[test]
    fn periods_of_few_answers_are_left_out() {
        let periods = vec![score("2026-08", 40), score("2026-09", 3), score("2026-10", 8)];
        let mut scores = Scores { window: Some(score("window", 51)), periods, weighted: None };
        scores.hide(5);
        let shown: Vec<&str> = scores.periods.iter().map(|score| score.period.as_str()).collect();
        assert_eq!(shown, ["2026-08"], "the three could be told from the whole");
        assert_eq!(scores.headline().unwrap().period, "2026-08");
        let headline = |sizes: &[u64]| {
            let periods = sizes.iter().map(|size| score(&format!("of {size}"), *size)).collect();
            Scores { window: Some(score("window", 900)), periods, weighted: None }.headline().unwrap().period
        };
        assert_eq!(headline(&[400, 300, 50]), "of 50");
        assert_eq!(headline(&[400, 50, 8]), "of 50", "the newest has only begun");
        assert_eq!(headline(&[400, 9, 8]), "window");
        let mut scores = Scores { window: Some(score("window", 4)), periods: Vec::new(), weighted: None };
        scores.hide(5);
        assert_eq!(scores.headline(), None);
        let periods = vec![score("2026-08", 400), score("2026-09", 3), score("2026-10", 300)];
        let mut scores = Scores { window: Some(score("window", 703)), periods, weighted: None };
        scores.hide(5);
        assert_eq!(scores.periods.len(), 2);
    }

    #[test]
    fn what_rounds_to_nothing_has_no_direction() {
        let directions = [0.4, -0.4, 0.6, -0.6].map(direction);
        assert_eq!(directions, [Direction::Same, Direction::Same, Direction::Up, Direction::Down]);
    }

    #[test]
    fn a_change_on_what_is_hidden_is_hidden() {
        let mut newest = score("2026-10", 300);
        (newest.previous_period, newest.change) = (Some("2026-09".into()), Some(-80.0));
        let mut scores =
            Scores { window: None, periods: vec![score("2026-08", 400), newest], weighted: None };
        scores.hide_changes();
        assert_eq!((&scores.periods[1].previous_period, scores.periods[1].change), (&None, None));
        scores.periods[1].previous_period = Some("2026-08".into());
        scores.periods[1].change = Some(5.0);
        scores.hide_changes();
        assert_eq!(scores.periods[1].change, Some(5.0));
    }

    #[test]
    fn a_line_does_not_end_with_few_answers() {
        let drawn = |sizes: &[u64]| {
            let periods: Vec<Nps> = sizes.iter().map(|responses| score("2026-01", *responses)).collect();
            enough(&periods)
        };
        assert_eq!(drawn(&[90, 80, 70]), 3);
        assert_eq!(drawn(&[90, 80, 8]), 2);
        assert_eq!(drawn(&[90, 8, 80, 9]), 4, "as many have few");
        assert_eq!(drawn(&[90, 8, 80, 70, 9]), 4);
        assert_eq!(drawn(&[9, 8, 80, 7]), 4, "few are all there is");
        assert_eq!(drawn(&[]), 0);
    }

    #[test]
    fn what_went_up_most_has_enough_answers_at_both_ends() {
        let trend = |label: &str, points: &[(u64, f64)]| Trend {
            touchpoint: label.into(),
            label: label.into(),
            points: points
                .iter()
                .enumerate()
                .map(|(month, (responses, reach))| TrendPoint {
                    period: format!("2026-{:02}", month + 1),
                    responses: *responses,
                    exposed_responses: (*responses as f64 * reach) as u64,
                    reach: Some(*reach),
                })
                .collect(),
            axis: axis(0.0, 1.0, 2),
        };
        let trends = [
            trend("late", &[(300, 0.2), (300, 0.4), (8, 0.9)]),
            trend("wrong", &[(300, 0.3), (300, 0.25), (8, 0.3)]),
        ];
        let found = steepest(&trends, 30).unwrap();
        assert_eq!((found.label.as_str(), found.before, found.after), ("late", 0.2, 0.4));
        assert_eq!((found.since.as_str(), found.until.as_str()), ("2026-01", "2026-02"));
        assert_eq!(steepest(&trends, 301), None);
        let chance = [trend("late", &[(300, 0.22), (300, 0.17)])];
        assert_eq!(steepest(&chance, 30), None, "66 of 300 against 51");
    }

    #[test]
    fn a_change_is_told_as_it_is_shown() {
        assert_eq!(
            [0.4, -0.4, 0.6, -3.0].map(direction),
            [Direction::Same, Direction::Same, Direction::Up, Direction::Down]
        );
    }
}
