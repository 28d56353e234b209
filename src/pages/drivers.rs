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
const CONTOURS: [f64; 5] = [0.1, 0.5, 2.0, 8.0, 32.0];
/// The drawing on a narrow phone, and half a mark with some room, in pixels: where nothing overlaps there, it
/// does nowhere.
const ON_A_PHONE: [f64; 2] = [270.0, 480.0];
const MARK: f64 = 13.0;
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
        "cuts both ways" => Verdict::CutsBothWays,
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
        let mut rows: Vec<Driver> = drives.iter().filter_map(|one| one.driver(Mark::Cost, least)).collect();
        rows.sort_by_key(|row| row.wording != Wording::Effect);
        let is_first_sure = self.is_first_sure(&rows);
        let unclear: Vec<Further> =
            self.of(Verdict::NotEnoughEvidence, &["lever"]).iter().map(further).collect();
        let seems_to_cost = |one: &&Further| one.points.is_some_and(|points| points.estimate > 0.0);
        let watch: Vec<Further> = match rows.is_empty() {
            true => unclear.iter().filter(seems_to_cost).take(WATCHED).cloned().collect(),
            false => Vec::new(),
        };
        let unclear = unclear.into_iter().filter(|one| !watch.contains(one)).collect();
        Ok(Cost {
            rows,
            is_first_sure,
            watch,
            unclear,
            both: self.of(Verdict::CutsBothWays, &["lever"]).iter().map(further).collect(),
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

    /// Whether no other effect can be the costliest, by the ranks that the data allow.
    fn is_first_sure(&self, rows: &[Driver]) -> bool {
        let mut effects = rows.iter().filter(|row| row.wording == Wording::Effect);
        let ranks = |row: &Driver| self.all.iter().find(|one| one.id == row.touchpoint)?.rank;
        let Some(first) = effects.next() else { return false };
        effects.all(|other| {
            ranks(first).zip(ranks(other)).is_some_and(|([.., worst], [_, best, _])| worst < best)
        })
    }

    pub fn gain(&self, least: u64) -> Gain {
        let rows = self.of(Verdict::Protects, &["lever", "context"]);
        let mut rows: Vec<Driver> = rows.iter().filter_map(|one| one.driver(Mark::Gain, least)).collect();
        rows.sort_by_key(|row| row.wording != Wording::Effect);
        Gain { rows }
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
        // Such as the absence of what earns: what it sets off, and what it is by itself, say the opposite.
        let opposes =
            |direct: Interval| direct.estimate * total.estimate < 0.0 && direct.estimate.abs() >= 0.05;
        let opposes = self.direct.is_some_and(opposes);
        let mut failing = if self.guardrails_hold { Vec::new() } else { self.failing.clone() };
        failing.extend(opposes.then(|| "direct_opposes".to_string()));
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
            wording: if self.guardrails_hold && !opposes { Wording::Effect } else { Wording::Association },
            failing,
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
            shift_x: 0.0,
            shift_y: 0.0,
        });
    }
    let costs = || rows.iter().filter(|row| row.mark == Mark::Cost);
    let deepest =
        costs().max_by(|a, b| a.points_each.total_cmp(&b.points_each).then(b.number.cmp(&a.number)))?;
    let widest = costs().max_by(|a, b| a.reach.total_cmp(&b.reach).then(b.number.cmp(&a.number)))?;
    let next = costs()
        .filter(|row| row.number != deepest.number)
        .max_by(|a, b| a.points_each.total_cmp(&b.points_each).then(b.number.cmp(&a.number)));
    let low = cost.rows.iter().find(|driver| driver.touchpoint == deepest.touchpoint);
    let low = low.and_then(|driver| driver.points.low).map(|low| low / deepest.reach);
    let about_as_deep =
        next.filter(|next| low.is_none_or(|low| low <= next.points_each)).map(|next| next.label.clone());
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
    set_apart(&mut rows, &x, &y);
    let contours = contours(&rows, &x, &y);
    Some(Reach { rows, x, y, contours, deepest, widest, about_as_deep })
}

/// Curves that lie inside the axes, and whose names have room.
fn contours(rows: &[Reached], x: &Axis, y: &Axis) -> Vec<Contour> {
    let at = |place: Place| on_a_phone(place, x, y);
    let mut taken: Vec<Frame> = Vec::new();
    for row in rows {
        let [left, top] = at(Place { x: row.reach, y: row.points_each });
        taken.extend([mark_at(left, top), mark_at(left + row.shift_x, top + row.shift_y)]);
    }
    let mut contours = Vec::new();
    for points in CONTOURS {
        let Some(path) = contour(points, x, y) else { continue };
        let room = |place: &&Place| {
            let name = name_at(at(**place));
            let is_inside = name[0] >= 0.0 && name[1] >= 0.0 && name[2] <= ON_A_PHONE[0];
            is_inside && !taken.iter().any(|other| overlap(&name, other))
        };
        let Some(name) = path.iter().find(room).copied() else { continue };
        taken.push(name_at(at(name)));
        contours.push(Contour { points, path, name });
    }
    contours
}

/// Marks that would lie on one another stand beside their place.
fn set_apart(rows: &mut [Reached], x: &Axis, y: &Axis) {
    const STEP: f64 = 2.0 * MARK + 1.0;
    const BESIDE: [[f64; 2]; 9] = [
        [0.0, 0.0],
        [STEP, 0.0],
        [-STEP, 0.0],
        [0.0, -STEP],
        [0.0, STEP],
        [STEP, -STEP],
        [-STEP, -STEP],
        [STEP, STEP],
        [-STEP, STEP],
    ];
    let mut taken: Vec<Frame> = Vec::new();
    for row in rows {
        let [left, top] = on_a_phone(Place { x: row.reach, y: row.points_each }, x, y);
        let is_free = |[right, down]: &[f64; 2]| {
            let mark = mark_at(left + right, top + down);
            let is_inside = mark[0] >= -MARK && mark[2] <= ON_A_PHONE[0] + MARK && mark[1] >= 0.0;
            (is_inside || [*right, *down] == [0.0, 0.0]) && !taken.iter().any(|other| overlap(&mark, other))
        };
        [row.shift_x, row.shift_y] = BESIDE.into_iter().find(is_free).unwrap_or_default();
        taken.push(mark_at(left + row.shift_x, top + row.shift_y));
    }
}

/// A place in the drawing, in pixels from the upper left.
fn on_a_phone(place: Place, x: &Axis, y: &Axis) -> [f64; 2] {
    let along = (place.x / x.low).ln() / (x.high / x.low).ln();
    [ON_A_PHONE[0] * along, ON_A_PHONE[1] * (y.high - place.y) / (y.high - y.low)]
}

fn mark_at(x: f64, y: f64) -> Frame {
    [x - MARK, y - MARK, x + MARK, y + MARK]
}

/// Left, upper, right and lower edge, in pixels from the upper left.
type Frame = [f64; 4];

/// The name of a curve, above and to the right of a place on it, as `charts.html` draws it.
fn name_at([x, y]: [f64; 2]) -> Frame {
    [x + 2.0, y - 20.0, x + 74.0, y]
}

fn overlap(one: &Frame, other: &Frame) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

/// The part of a curve that lies inside the axes; none where that is next to nothing, or next to the foot.
fn contour(points: f64, x: &Axis, y: &Axis) -> Option<Vec<Place>> {
    let place = |step: u32| {
        let reach = x.low * (x.high / x.low).powf(f64::from(step) / f64::from(STEPS_OF_A_CONTOUR));
        Place { x: reach, y: points / reach }
    };
    let path: Vec<Place> = (0..=STEPS_OF_A_CONTOUR).map(place).filter(|place| place.y <= y.high).collect();
    let begins_high = path.first().is_some_and(|first| first.y > 0.25 * y.high);
    (path.len() > 8 && begins_high).then_some(path)
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
    fn what_points_both_ways_is_no_cause() {
        let mut world = world();
        world.all[0].direct = interval(Some(-4.0), None, None);
        let cost = world.cost(5).unwrap();
        assert_eq!(
            (cost.rows[0].wording, cost.rows[0].failing.as_slice()),
            (Wording::Association, ["direct_opposes".to_string()].as_slice())
        );
        world.all[0].direct = interval(Some(-0.01), None, None);
        assert_eq!(world.cost(5).unwrap().rows[0].wording, Wording::Effect, "it is shown as nothing");
        // What may be called an effect comes first, whatever its size.
        world.all[0].direct = interval(Some(-4.0), None, None);
        world.all[3].guardrails_hold = true;
        assert_eq!(world.cost(5).unwrap().rows[0].touchpoint, "fourth");
    }

    #[test]
    fn the_costliest_is_sure_where_ranks_keep_apart() {
        let sure = |first: [u64; 3], other: [u64; 3]| {
            let mut world = world();
            world.all[3].guardrails_hold = true;
            (world.all[0].rank, world.all[3].rank) = (Some(first), Some(other));
            world.cost(5).unwrap().is_first_sure
        };
        assert!(sure([1, 1, 1], [2, 2, 4]));
        assert!(!sure([1, 1, 2], [2, 1, 4]));
        assert!(!sure([1, 1, 2], [2, 2, 4]), "either may be second");
        assert!(world().cost(5).unwrap().is_first_sure, "the other is no effect");
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
    fn what_is_to_be_watched_is_not_listed_again() {
        let mut world = world();
        world.all.retain(|one| one.verdict == Some(Verdict::NotEnoughEvidence));
        world.all.push(touchpoint("likely", Verdict::NotEnoughEvidence, [4.0, -1.0, 9.0], 90));
        let cost = world.cost(5).unwrap();
        let ids = |rows: &[Further]| rows.iter().map(|row| row.touchpoint.clone()).collect::<Vec<_>>();
        assert_eq!((ids(&cost.watch), ids(&cost.unclear)), (vec!["likely".into()], vec!["rare".to_string()]));
    }

    #[test]
    fn names_of_curves_keep_clear_of_marks_and_of_each_other() {
        let axes = (log_axis(0.01, 1.0), axis(-20.0, 50.0, 6));
        let rows = |places: &[(f64, f64)]| -> Vec<Reached> {
            let row = |(number, (reach, points_each)): (usize, &(f64, f64))| Reached {
                touchpoint: number.to_string(),
                label: number.to_string(),
                exposed_responses: 10,
                responses: 100,
                reach: *reach,
                number: number as u64,
                mark: Mark::Cost,
                points_each: *points_each,
                shift_x: 0.0,
                shift_y: 0.0,
            };
            places.iter().enumerate().map(row).collect()
        };
        let free = contours(&rows(&[]), &axes.0, &axes.1);
        assert_eq!(free.iter().map(|contour| contour.points).collect::<Vec<_>>(), [0.5, 2.0, 8.0]);
        // A mark where a name would stand: the name moves on.
        let second = free[1].name;
        let moved = contours(&rows(&[(1.1 * second.x, second.y)]), &axes.0, &axes.1);
        assert!(moved[1].name.x > second.x, "{:?}", moved[1].name);
        assert_eq!(moved[0].name, free[0].name);
        // Marks that lie on one another are set apart, the others stay.
        let mut near = rows(&[(0.1, 20.0), (0.105, 20.5), (0.1, 19.0), (0.5, 20.0)]);
        set_apart(&mut near, &axes.0, &axes.1);
        let shifts: Vec<(f64, f64)> = near.iter().map(|row| (row.shift_x, row.shift_y)).collect();
        assert_eq!(shifts, [(0.0, 0.0), (27.0, 0.0), (-27.0, 0.0), (0.0, 0.0)]);
        // Marks everywhere: rather no curve than a name that cannot be read.
        let (low, high) = (axes.1.low, axes.1.high);
        let line =
            |b: i32| (0..30).map(move |a| (0.01 * 1.17f64.powi(a), low + (high - low) * f64::from(b) / 29.0));
        let crowd: Vec<(f64, f64)> = (0..30).flat_map(line).collect();
        assert!(contours(&rows(&crowd), &axes.0, &axes.1).is_empty());
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
        // The next is not surely less deep, unless the range of the deepest ends above it.
        let next = reach.rows[1].points_each;
        let with_low = |low: f64| {
            let mut cost = cost.clone();
            cost.rows[0].points.low = Some(low * reach.rows[0].reach);
            super::reach(&cost, &gain).unwrap().about_as_deep
        };
        assert_eq!(
            [with_low(next - 0.1).as_deref(), with_low(next + 0.1).as_deref()],
            [Some(reach.rows[1].label.as_str()), None]
        );
        for contour in &reach.contours {
            assert!(contour.path.iter().all(|place| (place.x * place.y - contour.points).abs() < 1e-9));
            assert!(contour.path.contains(&contour.name));
        }
        assert_eq!(super::reach(&Cost { rows: Vec::new(), ..cost }, &gain), None);
    }
}
