//! What cost and what earned points, how long is too long, and reach against effect.

use std::collections::{BTreeMap, BTreeSet};

use super::{Source, may_be_shown};
use crate::catalogue::{Catalogue, Meets};
use crate::error::Result;
use crate::report::context::{
    Axis, Bin, Contour, Cost, Dose, Doses, Driver, Further, Gain, Interval, Mark, Money, Place, Reach,
    Reached, Sign, Unmeasured, Verdict, Wording,
};
use crate::report::{axis, log_axis};

/// Drawn against their reach: so many of what cost, and of what earned.
const DRAWN: [usize; 2] = [8, 4];
/// Shown where nothing is sure.
const WATCHED: usize = 5;
/// Losses of the whole along which curves are drawn, in points.
const CONTOURS: [f64; 6] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0];
const STEPS_OF_A_CONTOUR: u32 = 40;

/// A touchpoint in the whole, as published.
pub struct Touchpoint {
    pub id: String,
    pub label: String,
    stage: String,
    pub role: String,
    owner: Option<String>,
    action: Option<String>,
    pub responses: u64,
    pub exposed_responses: u64,
    pub unknown_responses: u64,
    reach: Option<f64>,
    detractor_share: Option<f64>,
    pub total: Option<Interval>,
    pub direct: Option<Interval>,
    pub risk_ratio: Option<Interval>,
    points_if_all: Option<f64>,
    attainable: Option<f64>,
    pub q_value: Option<f64>,
    pub e_value: Option<f64>,
    pub e_value_limit: Option<f64>,
    pub rank: Option<[u64; 3]>,
    pub verdict: Option<Verdict>,
    guardrails_hold: bool,
    pub failing: Vec<String>,
    revenue: Option<Money>,
}

/// Every touchpoint of the run, in the catalogue's order.
pub struct Touchpoints {
    pub all: Vec<Touchpoint>,
}

fn verdict(words: &str) -> Option<Verdict> {
    Some(match words {
        "drives detractors" => Verdict::DrivesDetractors,
        "protects" => Verdict::Protects,
        "not worth acting on" => Verdict::NotWorthActingOn,
        "not enough evidence" => Verdict::NotEnoughEvidence,
        "not measured" => Verdict::NotMeasured,
        _ => return None,
    })
}

pub fn interval(estimate: Option<f64>, low: Option<f64>, high: Option<f64>) -> Option<Interval> {
    let (low, high) = if low.is_some() && high.is_some() { (low, high) } else { (None, None) };
    estimate.map(|estimate| Interval { estimate, low, high })
}

impl Touchpoints {
    pub async fn read(source: &Source<'_>) -> Result<Touchpoints> {
        let mut failing: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for row in source.rows("page_guardrails").await?.iter() {
            if row.flag("holds")? == Some(false) {
                failing.entry(row.said("touchpoint")?).or_default().insert(row.said("guardrail")?);
            }
        }
        let mut all = Vec::new();
        for row in source.rows("page_touchpoints").await?.iter() {
            let id = row.said("touchpoint")?;
            let between = |name: &str| -> Result<Option<Interval>> {
                let (low, high) = (row.number(&format!("{name}_low"))?, row.number(&format!("{name}_high"))?);
                Ok(interval(row.number(name)?, low, high))
            };
            let rank =
                |name: &str| row.integer(name).map(|rank| rank.and_then(|rank| u64::try_from(rank).ok()));
            let [rank, low, high] = [rank("rank")?, rank("rank_low")?, rank("rank_high")?];
            let currency = row.said("currency")?;
            all.push(Touchpoint {
                label: row.said("label")?,
                stage: row.said("stage")?,
                role: row.said("role")?,
                owner: row.text("owner")?,
                action: row.text("action")?,
                responses: row.count("responses")?,
                exposed_responses: row.count("exposed_responses")?,
                unknown_responses: row.count("unknown_responses")?,
                reach: row.number("reach")?,
                detractor_share: row.number("detractor_share_exposed")?,
                total: between("total_nps_points")?,
                direct: between("direct_nps_points")?,
                risk_ratio: between("total_risk_ratio")?,
                points_if_all: row.number("nps_points_if_all")?,
                attainable: row.number("attainable_nps_points")?,
                q_value: row.number("q_value")?,
                e_value: row.number("e_value")?,
                e_value_limit: row.number("e_value_limit")?,
                rank: rank.zip(low).zip(high).map(|((rank, low), high)| [rank, low, high]),
                verdict: row.text("verdict")?.as_deref().and_then(verdict),
                guardrails_hold: row.flag("guardrails_hold")?.unwrap_or(false),
                failing: failing.remove(&id).unwrap_or_default().into_iter().collect(),
                revenue: row.number("revenue_exposed")?.map(|amount| Money { amount, currency }),
                id,
            });
        }
        Ok(Touchpoints { all })
    }

    pub fn label(&self, id: &str) -> Option<String> {
        self.all.iter().find(|touchpoint| touchpoint.id == id).map(|touchpoint| touchpoint.label.clone())
    }

    /// Those of a verdict, the largest effects first.
    fn of(&self, verdict: Verdict, roles: &[&str]) -> Vec<&Touchpoint> {
        let size = |touchpoint: &Touchpoint| touchpoint.total.map_or(0.0, |points| points.estimate.abs());
        let mut found: Vec<&Touchpoint> = self
            .all
            .iter()
            .filter(|one| one.verdict == Some(verdict) && roles.contains(&one.role.as_str()))
            .collect();
        found.sort_by(|a, b| size(b).total_cmp(&size(a)));
        found
    }

    pub fn cost(&self, least: u64) -> Result<Cost> {
        let further = |one: &&Touchpoint| one.further(least);
        let needs = needs()?;
        let drives = self.of(Verdict::DrivesDetractors, &["lever"]);
        let rows: Vec<Driver> = drives.iter().filter_map(|one| one.driver(Mark::Cost, least)).collect();
        let unclear: Vec<Further> =
            self.of(Verdict::NotEnoughEvidence, &["lever"]).iter().map(further).collect();
        let seems_to_cost = |one: &&Further| one.points.is_some_and(|points| points.estimate > 0.0);
        let watch = match rows.is_empty() {
            true => unclear.iter().filter(seems_to_cost).take(WATCHED).cloned().collect(),
            false => Vec::new(),
        };
        Ok(Cost {
            rows,
            watch,
            unclear,
            small: self.of(Verdict::NotWorthActingOn, &["lever"]).iter().map(further).collect(),
            unmeasured: self
                .of(Verdict::NotMeasured, &["lever"])
                .iter()
                .map(|one| Unmeasured {
                    touchpoint: one.id.clone(),
                    label: one.label.clone(),
                    needs: needs.get(&one.id).cloned(),
                })
                .collect(),
            signs: self
                .all
                .iter()
                .filter(|one| one.role == "symptom" && one.exposed_responses > 0)
                .map(|one| Sign {
                    touchpoint: one.id.clone(),
                    label: one.label.clone(),
                    responses: one.responses,
                    exposed_responses: one.exposed_responses,
                    reach: one.shown_reach(least),
                    detractor_share_exposed: one.shown_share(least),
                })
                .collect(),
        })
    }

    pub fn gain(&self, least: u64) -> Gain {
        let rows = self.of(Verdict::Protects, &["lever", "context"]);
        Gain { rows: rows.iter().filter_map(|one| one.driver(Mark::Gain, least)).collect() }
    }
}

/// What built-in touchpoints need of the exports, in words.
fn needs() -> Result<BTreeMap<String, String>> {
    let mut needs = BTreeMap::new();
    for touchpoint in Catalogue::built_in()?.touchpoints {
        let Meets::Events(events) = touchpoint.meets else { continue };
        let columns: Vec<String> =
            events.needs.iter().map(|(feed, column)| format!("`{feed}.{column}`")).collect();
        let words = if columns.is_empty() { format!("`{}`", events.feed) } else { columns.join(", ") };
        needs.insert(touchpoint.id, words);
    }
    Ok(needs)
}

impl Touchpoint {
    /// Whether neither those who met it nor those who did not are few.
    pub fn may_be_shown(&self, least: u64) -> bool {
        may_be_shown(self.exposed_responses, self.responses, least)
    }

    fn shown_reach(&self, least: u64) -> Option<f64> {
        self.reach.filter(|_| self.may_be_shown(least))
    }

    /// The share of detractors, where neither they nor the others are few.
    fn shown_share(&self, least: u64) -> Option<f64> {
        let share = self.detractor_share?;
        let detractors = (share * self.exposed_responses as f64).round() as u64;
        (detractors > 0 && may_be_shown(detractors, self.exposed_responses, least)).then_some(share)
    }

    fn further(&self, least: u64) -> Further {
        Further {
            touchpoint: self.id.clone(),
            label: self.label.clone(),
            responses: self.responses,
            exposed_responses: self.exposed_responses,
            reach: self.shown_reach(least),
            points: self.total.filter(|_| self.may_be_shown(least)),
        }
    }

    /// None without an estimate.
    fn driver(&self, mark: Mark, least: u64) -> Option<Driver> {
        let total = self.total.filter(|_| self.may_be_shown(least))?;
        let points = match mark {
            Mark::Cost => total,
            Mark::Gain => Interval {
                estimate: -total.estimate,
                low: total.high.map(|high| -high),
                high: total.low.map(|low| -low),
            },
        };
        Some(Driver {
            touchpoint: self.id.clone(),
            label: self.label.clone(),
            stage: self.stage.clone(),
            role: self.role.clone(),
            owner: self.owner.clone(),
            action: self.action.clone(),
            responses: self.responses,
            exposed_responses: self.exposed_responses,
            reach: self.shown_reach(least),
            detractor_share_exposed: self.shown_share(least),
            points,
            attainable_points: self.attainable.filter(|_| mark == Mark::Cost).map(|points| points.max(0.0)),
            points_if_all: self.points_if_all.filter(|_| mark == Mark::Gain),
            revenue: self.revenue.clone(),
            wording: if self.guardrails_hold { Wording::Effect } else { Wording::Association },
            failing: if self.guardrails_hold { Vec::new() } else { self.failing.clone() },
        })
    }
}

/// One scale for what cost and what earned.
pub fn effect_axis(cost: &Cost, gain: &Gain) -> Axis {
    let ends = |value: fn(&Interval) -> Option<f64>| {
        let rows = cost.rows.iter().chain(&gain.rows);
        rows.map(move |row| value(&row.points).unwrap_or(row.points.estimate))
    };
    axis(ends(|points| points.low).fold(0.0, f64::min), ends(|points| points.high).fold(1.0, f64::max), 5)
}

pub async fn doses(source: &Source<'_>, cost: &Cost) -> Result<Doses> {
    let mut rows: Vec<Dose> = Vec::new();
    for row in source.rows("page_doses").await?.iter() {
        let touchpoint = row.said("touchpoint")?;
        let Some(driver) = cost.rows.iter().find(|driver| driver.touchpoint == touchpoint) else { continue };
        let measure = row.said("measure")?;
        let measure = measure.strip_suffix("_bin").unwrap_or(&measure).to_string();
        let exposed_responses = row.count("exposed_responses")?;
        let share =
            interval(row.number("adjusted_detractor_share")?, row.number("low")?, row.number("high")?);
        let Some(share) = share.filter(|_| exposed_responses >= source.facts.min_cell) else { continue };
        let bin = Bin {
            bin: row.said("bin")?,
            exposed_responses,
            detractor_share: Interval {
                estimate: share.estimate.clamp(0.0, 1.0),
                low: share.low.map(|low| low.clamp(0.0, 1.0)),
                high: share.high.map(|high| high.clamp(0.0, 1.0)),
            },
        };
        match rows.iter_mut().find(|dose| dose.touchpoint == touchpoint && dose.measure == measure) {
            Some(dose) => dose.bins.push(bin),
            None => rows.push(Dose { label: driver.label.clone(), touchpoint, measure, bins: vec![bin] }),
        }
    }
    rows.retain(|dose| dose.bins.len() >= 2);
    let place = |dose: &Dose| cost.rows.iter().position(|driver| driver.touchpoint == dose.touchpoint);
    rows.sort_by_key(place);
    let highest = rows.iter().flat_map(|dose| &dose.bins).map(|bin| bin.detractor_share);
    let highest = highest.map(|share| share.high.unwrap_or(share.estimate)).fold(0.0, f64::max);
    Ok(Doses { rows, axis: axis(0.0, if highest > 0.0 { highest } else { 1.0 }, 5) })
}

pub fn reach(cost: &Cost, gain: &Gain) -> Option<Reach> {
    let mut rows: Vec<Reached> = Vec::new();
    let costs = cost.rows.iter().take(DRAWN[0]).map(|driver| (driver, Mark::Cost));
    let gains = gain.rows.iter().take(DRAWN[1]).map(|driver| (driver, Mark::Gain));
    for (driver, mark) in costs.chain(gains) {
        let Some(reach) = driver.reach.filter(|reach| *reach > 0.0) else { continue };
        let each = driver.points.estimate / reach;
        rows.push(Reached {
            touchpoint: driver.touchpoint.clone(),
            label: driver.label.clone(),
            exposed_responses: driver.exposed_responses,
            responses: driver.responses,
            reach,
            number: rows.len() as u64 + 1,
            mark,
            points_each: if mark == Mark::Cost { each } else { -each },
        });
    }
    let costs = || rows.iter().filter(|row| row.mark == Mark::Cost);
    let deepest =
        costs().max_by(|a, b| a.points_each.total_cmp(&b.points_each).then(b.number.cmp(&a.number)))?;
    let widest = costs().max_by(|a, b| a.reach.total_cmp(&b.reach).then(b.number.cmp(&a.number)))?;
    let (deepest, widest) = (deepest.label.clone(), widest.label.clone());
    let of = |value: fn(&Reached) -> f64| rows.iter().map(value);
    let x = log_axis(
        0.8 * of(|row| row.reach).fold(1.0, f64::min),
        1.1 * of(|row| row.reach).fold(0.0, f64::max),
    );
    let y = axis(
        1.1 * of(|row| row.points_each).fold(0.0, f64::min),
        1.1 * of(|row| row.points_each).fold(0.0, f64::max),
        6,
    );
    let contours = CONTOURS.into_iter().filter_map(|points| contour(points, &x, &y)).collect();
    Some(Reach { rows, x, y, contours, deepest, widest })
}

/// The part of a curve that lies inside the axes; none where that is next to nothing, or next to the foot.
fn contour(points: f64, x: &Axis, y: &Axis) -> Option<Contour> {
    let place = |step: u32| {
        let reach = x.low * (x.high / x.low).powf(f64::from(step) / f64::from(STEPS_OF_A_CONTOUR));
        Place { x: reach, y: points / reach }
    };
    let path: Vec<Place> = (0..=STEPS_OF_A_CONTOUR).map(place).filter(|place| place.y <= y.high).collect();
    let begins_high = path.first().is_some_and(|first| first.y > 0.25 * y.high);
    (path.len() > 8 && begins_high).then_some(Contour { points, path })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touchpoint(id: &str, verdict: Verdict, points: [f64; 3], exposed: u64) -> Touchpoint {
        Touchpoint {
            id: id.into(),
            label: id.to_uppercase(),
            stage: "delivery".into(),
            role: "lever".into(),
            owner: None,
            action: Some("Do".into()),
            responses: 1_000,
            exposed_responses: exposed,
            unknown_responses: 0,
            reach: Some(exposed as f64 / 1_000.0),
            detractor_share: Some(0.5),
            total: interval(Some(points[0]), Some(points[1]), Some(points[2])),
            direct: None,
            risk_ratio: None,
            points_if_all: Some(1.0),
            attainable: Some(-0.2),
            q_value: None,
            e_value: None,
            e_value_limit: None,
            rank: None,
            verdict: Some(verdict),
            guardrails_hold: true,
            failing: vec!["leave_out".into()],
            revenue: None,
        }
    }

    fn world() -> Touchpoints {
        let mut third = touchpoint("third", Verdict::DrivesDetractors, [9.0, 8.0, 10.0], 400);
        third.role = "symptom".into();
        let mut fourth = touchpoint("fourth", Verdict::DrivesDetractors, [0.5, 0.1, 0.9], 50);
        fourth.guardrails_hold = false;
        Touchpoints {
            all: vec![
                touchpoint("first", Verdict::DrivesDetractors, [2.0, 1.0, 3.0], 200),
                touchpoint("second", Verdict::Protects, [-3.0, -4.0, -1.0], 300),
                third,
                fourth,
                touchpoint("rare", Verdict::NotEnoughEvidence, [7.0, -9.0, 20.0], 3),
            ],
        }
    }

    #[test]
    fn only_levers_cost_and_what_earns_is_turned_round() {
        let (cost, gain) = (world().cost(5).unwrap(), world().gain(5));
        let ids = |rows: &[Driver]| rows.iter().map(|row| row.touchpoint.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&cost.rows), ["first", "fourth"]);
        assert_eq!(ids(&gain.rows), ["second"]);
        assert_eq!(gain.rows[0].points, Interval { estimate: 3.0, low: Some(1.0), high: Some(4.0) });
        assert_eq!(cost.rows[0].attainable_points, Some(0.0));
        assert_eq!((cost.rows[0].wording, cost.rows[0].failing.len()), (Wording::Effect, 0));
        assert_eq!((cost.rows[1].wording, cost.rows[1].failing.len()), (Wording::Association, 1));
        assert_eq!(cost.signs.len(), 1);
        let axis = effect_axis(&cost, &gain);
        assert!(axis.low <= 0.0 && axis.high >= 4.0 && axis.ticks.contains(&0.0));
    }

    #[test]
    fn figures_of_few_answers_are_not_shown() {
        let cost = world().cost(5).unwrap();
        assert_eq!(cost.watch.len(), 0, "something is sure");
        assert_eq!((cost.unclear[0].reach, cost.unclear[0].points), (None, None));
        assert!(world().cost(3).unwrap().unclear[0].points.is_some());
        let mut one = touchpoint("one", Verdict::Protects, [-3.0, -4.0, -1.0], 12);
        one.detractor_share = Some(10.0 / 12.0);
        assert_eq!(one.shown_share(5), None, "two were none: they could be told");
        one.detractor_share = Some(6.0 / 12.0);
        assert_eq!(one.shown_share(5), Some(0.5));
    }

    #[test]
    fn reach_times_effect_is_the_loss_of_the_whole() {
        let (cost, gain) = (world().cost(5).unwrap(), world().gain(5));
        let reach = reach(&cost, &gain).unwrap();
        assert_eq!(reach.rows.iter().map(|row| row.number).collect::<Vec<_>>(), [1, 2, 3]);
        for (row, points) in reach.rows.iter().zip([2.0, 0.5, -3.0]) {
            assert!((row.points_each * row.reach - points).abs() < 1e-12);
        }
        assert_eq!((reach.deepest.as_str(), reach.widest.as_str()), ("FIRST", "FIRST"));
        for contour in &reach.contours {
            assert!(contour.path.iter().all(|place| (place.x * place.y - contour.points).abs() < 1e-9));
        }
        assert_eq!(super::reach(&Cost { rows: Vec::new(), ..cost }, &gain), None);
    }
}
