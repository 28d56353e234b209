//! The truth of a world: what each touchpoint really did, by simulating the same customers without it.
//!
//! A touchpoint is undone together with its parts. The *direct* effect leaves every other contact as it
//! was. For the *total* effect the order is simulated again with the same luck, and what the catalogue
//! declares as later (stages, then `after` inside a stage) is taken from there: fewer late parcels, fewer
//! tickets; a prompt reply, fewer second tickets. Earlier and neighbouring contacts stay as they were, as an
//! adjustment for them means.
//!
//! *Sample* truth is about the answers that were given, *population* truth about a large world of the same
//! kind under another seed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::World;
use super::journey::{self, Journey};
use super::model::{Cause, Class, Met};
use crate::catalogue::Catalogue;
use crate::drivers::inputs::relations;
use crate::error::{Error, Result};
use crate::stats::order::Order;
use crate::stats::problem::Problem;

/// A touchpoint of the catalogue, and the cause that was planted behind it.
pub struct Planted {
    /// Its id in the catalogue.
    pub id: &'static str,
    pub cause: Cause,
}

/// All planted touchpoints, in the catalogue's order.
pub const PLANTED: [Planted; 23] = {
    use Cause::*;
    const fn planted(id: &'static str, cause: Cause) -> Planted {
        Planted { id, cause }
    }
    [
        planted("late", Late),
        planted("very_late", VeryLate),
        planted("not_delivered", NotDelivered),
        planted("early", Early),
        planted("damaged", Damaged),
        planted("billing_error", BillingError),
        planted("follow_up_received", FollowUp),
        planted("ticket_opened", TicketOpened),
        planted("repeat_contact", RepeatContact),
        planted("could_not_get_through", CouldNotGetThrough),
        planted("unanswered", Unanswered),
        planted("slow_first_reply", SlowFirstReply),
        planted("unresolved", Unresolved),
        planted("slow_resolution", SlowResolution),
        planted("reopened", Reopened),
        planted("transferred", Transferred),
        planted("offer_while_unresolved", OfferWhileUnresolved),
        planted("broken_promise", BrokenPromise),
        planted("returned", Returned),
        planted("refund_slow", RefundSlow),
        planted("warranty_claim", WarrantyClaim),
        planted("repair", Repair),
        planted("repeat_repair", RepeatRepair),
    ]
};

/// What undoing one touchpoint means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Undoing {
    /// Itself and its parts.
    pub undone: Met,
    /// What its undoing may change: later stages, and what comes after it in its own.
    later: Met,
}

impl Undoing {
    /// What an order would have met without it, at the contacts that happened.
    pub fn met_directly(&self, met: Met) -> Met {
        met.without(self.undone)
    }

    /// What an order would have met without it, later contacts following; `again` is the same order
    /// simulated without it.
    pub fn met_totally(&self, met: Met, again: Met) -> Met {
        met.with_those(again, self.later).without(self.undone)
    }
}

/// What undoing means, per planted touchpoint: as the built-in catalogue declares its order.
#[derive(Debug, Clone, Copy)]
pub struct Plan([Undoing; PLANTED.len()]);

impl Plan {
    /// # Errors
    /// A built-in catalogue that cannot be read, or that does not know a planted touchpoint.
    pub fn read() -> Result<Plan> {
        let catalogue = Catalogue::built_in()?;
        let entries: Vec<_> = catalogue.touchpoints.iter().collect();
        let of_catalogue = relations(&catalogue, &entries);
        let problem = Problem {
            classes: &[],
            weights: None,
            clusters: Vec::new(),
            touchpoints: of_catalogue.iter().map(|touchpoint| touchpoint.with(&[])).collect(),
            covariates: Vec::new(),
        };
        let order = Order::of(&problem);
        let causes = |is_meant: &dyn Fn(usize) -> bool| {
            let meant = PLANTED.iter().filter(|planted| {
                of_catalogue.iter().position(|entry| entry.id == planted.id).is_some_and(is_meant)
            });
            Met::of(&meant.map(|planted| planted.cause).collect::<Vec<_>>())
        };
        let mut plan = [Undoing::default(); PLANTED.len()];
        for (undoing, planted) in plan.iter_mut().zip(&PLANTED) {
            let at = of_catalogue.iter().position(|entry| entry.id == planted.id).ok_or_else(|| {
                Error::internal("a planted touchpoint is not in the catalogue").with("touchpoint", planted.id)
            })?;
            let is_held = order.in_total_model(at);
            *undoing = Undoing {
                undone: causes(&|other| other == at || order.parts(at).contains(&other)),
                later: causes(&|other| !is_held[other]),
            };
        }
        Ok(Plan(plan))
    }

    /// Of the touchpoint with that cause.
    fn of(&self, cause: Cause) -> Undoing {
        let place = PLANTED.iter().position(|planted| planted.cause == cause);
        place.map(|place| self.0[place]).unwrap_or_default()
    }
}

/// What one touchpoint did to some answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Effect {
    /// NPS points of the whole that would be gained without it.
    pub nps_points: f64,
    /// Mean difference in detractor risk per exposed answer.
    pub risk_difference: f64,
    /// Σ p_D with it ÷ Σ p_D without it, over the exposed.
    pub risk_ratio: f64,
    pub avoidable_detractors: f64,
    pub promoters_gained: f64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Effects {
    pub exposed: u64,
    pub direct: Effect,
    pub total: Effect,
}

/// Touchpoint to what it did, over so many answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Truth {
    pub responses: u64,
    pub detractors: u64,
    pub touchpoints: BTreeMap<&'static str, Effects>,
}

/// Sums over answers, before they are divided.
pub struct Tally {
    plan: Plan,
    responses: u64,
    detractors: u64,
    /// Per touchpoint: exposed answers, and for direct and total the class probabilities with and without.
    sums: [(u64, [Sums; 2]); PLANTED.len()],
}

#[derive(Default, Clone, Copy)]
struct Sums {
    promoters: [f64; 2],
    detractors: [f64; 2],
}

/// Whose orders the truth is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Those who answered.
    Answered,
    /// All who were asked, whether they answered or not.
    Asked,
}

impl Whose {
    pub(super) fn holds(self, journey: &Journey) -> bool {
        match self {
            Whose::Answered => journey.answer.is_some(),
            Whose::Asked => journey.is_asked(),
        }
    }
}

impl Tally {
    pub fn new(plan: Plan) -> Tally {
        let sums = [(0, [Sums::default(); 2]); PLANTED.len()];
        Tally { plan, responses: 0, detractors: 0, sums }
    }

    /// Adds the orders of one customer.
    pub(super) fn add(
        &mut self,
        world: &World,
        whose: Whose,
        customer: u64,
        most: u64,
        journeys: &[Journey],
    ) {
        for journey in journeys.iter().filter(|journey| whose.holds(journey)) {
            self.responses += 1;
            self.detractors += u64::from(journey.class == Class::Detractor);
        }
        for (place, planted) in PLANTED.iter().enumerate() {
            let is_exposed = |journey: &Journey| whose.holds(journey) && journey.met.has(planted.cause);
            if !journeys.iter().any(is_exposed) {
                continue;
            }
            let undoing = self.plan.0[place];
            let again = journey::of_customer_without(world, customer, most, undoing.undone);
            for (journey, again) in journeys.iter().zip(&again).filter(|(journey, _)| is_exposed(journey)) {
                let (exposed, sums) = &mut self.sums[place];
                *exposed += 1;
                let factual = journey.probabilities(journey.met);
                let without =
                    [undoing.met_directly(journey.met), undoing.met_totally(journey.met, again.met)];
                for (sums, met) in sums.iter_mut().zip(without) {
                    let undone = journey.probabilities(met);
                    for (at, probabilities) in [factual, undone].iter().enumerate() {
                        sums.promoters[at] += probabilities[Class::Promoter as usize];
                        sums.detractors[at] += probabilities[Class::Detractor as usize];
                    }
                }
            }
        }
    }

    pub fn truth(&self) -> Truth {
        let responses = self.responses.max(1) as f64;
        let effect = |exposed: u64, sums: &Sums| {
            let avoidable = sums.detractors[0] - sums.detractors[1];
            let gained = sums.promoters[1] - sums.promoters[0];
            Effect {
                nps_points: 100.0 * (gained + avoidable) / responses,
                risk_difference: avoidable / exposed.max(1) as f64,
                risk_ratio: if sums.detractors[1] > 0.0 {
                    sums.detractors[0] / sums.detractors[1]
                } else {
                    1.0
                },
                avoidable_detractors: avoidable,
                promoters_gained: gained,
            }
        };
        let touchpoints = PLANTED.iter().zip(&self.sums).map(|(planted, (exposed, [direct, total]))| {
            let effects = Effects {
                exposed: *exposed,
                direct: effect(*exposed, direct),
                total: effect(*exposed, total),
            };
            (planted.id, effects)
        });
        Truth { responses: self.responses, detractors: self.detractors, touchpoints: touchpoints.collect() }
    }
}

/// The truth of a world of `purchases` orders.
pub fn of_world(world: &World, plan: Plan, whose: Whose, purchases: u64) -> Truth {
    let mut tally = Tally::new(plan);
    let (mut customer, mut left) = (0, purchases);
    while left > 0 {
        customer += 1;
        let journeys = journey::of_customer(world, customer, left);
        left -= journeys.len() as u64;
        tally.add(world, whose, customer, left + journeys.len() as u64, &journeys);
    }
    tally.truth()
}

/// What lateness did to the exposed of each store (0 to 39), as a difference in detractor risk, over the first
/// so many answers; none where nobody met it.
pub fn late_by_store(world: &World, plan: &Plan, answers: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u64); 40];
    let mut left = answers;
    let late = plan.of(Cause::Late);
    for customer in 1.. {
        if left == 0 {
            break;
        }
        let journeys = journey::of_customer(world, customer, u64::MAX);
        let is_exposed = |journey: &Journey| journey.answer.is_some() && journey.met.has(Cause::Late);
        left = left.saturating_sub(journeys.iter().filter(|journey| journey.answer.is_some()).count());
        if !journeys.iter().any(is_exposed) {
            continue;
        }
        let again = journey::of_customer_without(world, customer, u64::MAX, late.undone);
        for (journey, again) in journeys.iter().zip(&again).filter(|(journey, _)| is_exposed(journey)) {
            let detractor = |met: Met| journey.probabilities(met)[Class::Detractor as usize];
            let (sum, exposed) = &mut sums[journey.store - 1];
            *sum += detractor(journey.met) - detractor(late.met_totally(journey.met, again.met));
            *exposed += 1;
        }
    }
    sums.into_iter().map(|(sum, exposed)| (exposed > 0).then(|| sum / exposed as f64)).collect()
}
