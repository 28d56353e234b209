//! A small world with known truth, for the tests of this room. (`aftersale generate` makes the large ones.)
//!
//! Region and month decide what happens and how people answer. A parcel is in time, late or gone; trouble
//! with it brings tickets, some answered slowly; a return goes along with lateness and does nothing. Three
//! in ten answers come from customers who answer twice, in the same mood.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::problem::{Class, Covariate, Problem, State, Touchpoint};

pub const LATE: usize = 0;
pub const GONE: usize = 1;
pub const TICKET: usize = 2;
pub const SLOW: usize = 3;
pub const RETURNED: usize = 4;

/// Columns of a world, one entry per answer.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub classes: Vec<Class>,
    pub customers: Vec<u32>,
    pub states: [Vec<State>; 5],
    pub region: Vec<u16>,
    pub month: Vec<u16>,
    /// By how many standard deviations lateness's slope differs, per region.
    pub of_region: Vec<f64>,
}

/// What differs between worlds.
#[derive(Debug, Clone, Copy)]
pub struct Switches {
    /// Effects of touchpoints are multiplied with this; zero is a null world.
    pub strength: f64,
    /// Answers whose slow reply is too early to tell, as a share of tickets.
    pub too_early: f64,
    /// Standard deviation of lateness's slope over the regions.
    pub varies: f64,
}

pub const PLAIN: Switches = Switches { strength: 1.0, too_early: 0.0, varies: 0.0 };

const REGIONS: usize = 6;

/// Log-odds of passive and detractor against promoter.
fn eta(switches: &Switches, region: u16, month: u16, met: [bool; 5]) -> [f64; 2] {
    let (region, month) = (f64::from(region), f64::from(month));
    let mut eta = [-0.2 + 0.08 * region, -1.6 + 0.22 * region + 0.15 * month];
    let slopes = [[0.3, 0.9], [0.2, 1.6], [0.1, 0.5], [0.3, 0.8], [0.0, 0.0]];
    for (slope, _) in slopes.iter().zip(met).filter(|(_, met)| *met) {
        eta[0] += switches.strength * slope[0];
        eta[1] += switches.strength * slope[1];
    }
    eta
}

fn chance_of_delivery(region: u16, month: u16) -> [f64; 2] {
    [0.08 + 0.03 * f64::from(region) + 0.02 * f64::from(month), 0.04 + 0.01 * f64::from(region)]
}

fn chance_of_ticket(region: u16, late: bool, gone: bool) -> f64 {
    0.08 + 0.015 * f64::from(region) + if late { 0.25 } else { 0.0 } + if gone { 0.4 } else { 0.0 }
}

fn chance_of_slow(month: u16) -> f64 {
    0.25 + 0.1 * f64::from(month)
}

fn chance_of_return(late: bool) -> f64 {
    if late { 0.4 } else { 0.05 }
}

impl World {
    pub fn new(answers: usize, seed: u64, switches: Switches) -> World {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut world = World::default();
        let mut mood = 0.0;
        let mut customer = 0;
        let of_region: Vec<f64> =
            (0..REGIONS).map(|_| (0..12).map(|_| random.random::<f64>()).sum::<f64>() - 6.0).collect();
        world.of_region.clone_from(&of_region);
        for answer in 0..answers {
            let is_repeated = answer % 10 < 3 && answer % 2 == 1;
            if !is_repeated {
                customer += 1;
                mood = random.random();
            }
            let region = random.random_range(0..REGIONS as u16);
            let month = random.random_range(0..3);
            let [late, gone] = chance_of_delivery(region, month);
            let draw: f64 = random.random();
            let (late, gone) = (draw < late, draw >= late && draw < late + gone);
            let ticket = random.random::<f64>() < chance_of_ticket(region, late, gone);
            let early = ticket && random.random::<f64>() < switches.too_early;
            let slow = ticket && !early && random.random::<f64>() < chance_of_slow(month);
            let returned = random.random::<f64>() < chance_of_return(late);
            let mut log_odds = eta(&switches, region, month, [late, gone, ticket, slow, returned]);
            if late {
                log_odds[1] += switches.varies * of_region[usize::from(region)];
            }
            let (p, _) = super::logit::softmax(log_odds);
            let draw = if random.random::<f64>() < 0.5 { mood } else { random.random() };
            world.classes.push(if draw < p[1] {
                Class::Detractor
            } else if draw < p[1] + p[0] {
                Class::Passive
            } else {
                Class::Promoter
            });
            world.customers.push(customer);
            let state = |met: bool| if met { State::Yes } else { State::No };
            let states = [late, gone, ticket, slow, returned].map(state);
            for (column, state) in world.states.iter_mut().zip(states) {
                column.push(state);
            }
            if early {
                world.states[SLOW][answer] = State::TooEarly;
            }
            world.region.push(region);
            world.month.push(month);
        }
        world
    }

    pub fn problem(&self) -> Problem<'_> {
        let touchpoint = |id: &str, stage, factor, within| Touchpoint {
            id: id.into(),
            stage,
            factor,
            within,
            after: vec![],
            waits_for: None,
            states: &[],
        };
        let mut touchpoints = vec![
            touchpoint("late", 0, Some(0), None),
            touchpoint("gone", 0, Some(0), None),
            touchpoint("ticket", 1, None, None),
            touchpoint("slow", 1, None, Some(TICKET)),
            touchpoint("returned", 2, None, None),
        ];
        for (touchpoint, states) in touchpoints.iter_mut().zip(&self.states) {
            touchpoint.states = states;
        }
        let levels = |n: usize| (0..n).map(|level| level.to_string()).collect();
        Problem {
            classes: &self.classes,
            weights: None,
            clusters: vec![&self.customers],
            touchpoints,
            covariates: vec![
                Covariate { name: "region".into(), levels: levels(REGIONS), codes: &self.region },
                Covariate { name: "month".into(), levels: levels(3), codes: &self.month },
            ],
        }
    }
}

/// True NPS points gained by undoing each touchpoint, in the process: (total, direct).
pub fn truth(switches: Switches) -> ([f64; 5], [f64; 5]) {
    let nps = |region, month, met| {
        let (p, _) = super::logit::softmax(eta(&switches, region, month, met));
        100.0 * (1.0 - p[0] - 2.0 * p[1])
    };
    // NPS of a region and month from a delivery on, with or without tickets, slow ones.
    let from_delivery =
        |region: u16, month: u16, late: bool, gone: bool, ticket: Option<bool>, slow: Option<bool>| {
            let t = ticket.map_or(chance_of_ticket(region, late, gone), f64::from_bool);
            let s = slow.map_or(chance_of_slow(month), f64::from_bool);
            let at = |ticket, slow| nps(region, month, [late, gone, ticket, slow, false]);
            (1.0 - t) * at(false, false) + t * ((1.0 - s) * at(true, false) + s * at(true, true))
        };
    let (mut total, mut direct) = ([0.0; 5], [0.0; 5]);
    for region in 0..REGIONS as u16 {
        for month in 0..3 {
            let share = 1.0 / (REGIONS as f64 * 3.0);
            let [late, gone] = chance_of_delivery(region, month);
            for (chance, is_late, is_gone) in
                [(late, true, false), (gone, false, true), (1.0 - late - gone, false, false)]
            {
                let weight = share * chance;
                let as_it_is = from_delivery(region, month, is_late, is_gone, None, None);
                let undone = from_delivery(region, month, false, false, None, None);
                let t = chance_of_ticket(region, is_late, is_gone);
                let s = chance_of_slow(month);
                let at = |late, gone, ticket, slow| nps(region, month, [late, gone, ticket, slow, false]);
                let contacts_as_they_were = (1.0 - t) * at(false, false, false, false)
                    + t * ((1.0 - s) * at(false, false, true, false) + s * at(false, false, true, true));
                for (touchpoint, met) in [(LATE, is_late), (GONE, is_gone)] {
                    if met {
                        total[touchpoint] += weight * (undone - as_it_is);
                        direct[touchpoint] += weight * (contacts_as_they_were - as_it_is);
                    }
                }
                let without_ticket = from_delivery(region, month, is_late, is_gone, Some(false), None);
                let without_slow = from_delivery(region, month, is_late, is_gone, None, Some(false));
                total[TICKET] += weight * (without_ticket - as_it_is);
                total[SLOW] += weight * (without_slow - as_it_is);
            }
        }
    }
    (direct[TICKET], direct[SLOW]) = (total[TICKET], total[SLOW]);
    (total, direct)
}

/// True NPS points of undoing lateness, in the process, over the answers of one region whose slope differs.
pub fn late_in_region(switches: Switches, region: u16, deviation: f64) -> f64 {
    let mut points = 0.0;
    for month in 0..3 {
        let [late, _] = chance_of_delivery(region, month);
        let nps = |is_late: bool, ticket: bool, slow: bool| {
            let mut eta = eta(&switches, region, month, [is_late, false, ticket, slow, false]);
            eta[1] += if is_late { switches.varies * deviation } else { 0.0 };
            let (p, _) = super::logit::softmax(eta);
            100.0 * (1.0 - p[0] - 2.0 * p[1])
        };
        let mean = |is_late: bool| {
            let t = chance_of_ticket(region, is_late, false);
            let s = chance_of_slow(month);
            (1.0 - t) * nps(is_late, false, false)
                + t * ((1.0 - s) * nps(is_late, true, false) + s * nps(is_late, true, true))
        };
        points += late / 3.0 * (mean(false) - mean(true));
    }
    points
}

trait FromBool {
    fn from_bool(value: bool) -> f64;
}

impl FromBool for f64 {
    fn from_bool(value: bool) -> f64 {
        f64::from(u8::from(value))
    }
}
