//! The truth of a world: what each touchpoint really did, by simulating the same customers without it.
//!
//! A touchpoint is undone together with its parts. The *direct* effect leaves every other contact as it
//! was. For the *total* effect the order is simulated again with the same luck, and what belongs to later
//! stages of the catalogue (or comes after it in its stage) is taken from there: fewer late parcels, fewer
//! tickets. Earlier and neighbouring contacts stay as they were, as an adjustment for them means.
//!
//! *Sample* truth is about the answers that were given, *population* truth about a large world of the same
//! kind under another seed.

use std::collections::BTreeMap;

use serde::Serialize;

use super::World;
use super::journey::{self, Journey};
use super::model::{Cause, Class, Met};

/// A touchpoint as the catalogue knows it, and its place in the planted order.
pub struct Planted {
    /// Its id in the catalogue.
    pub id: &'static str,
    pub cause: Cause,
    parts: &'static [Cause],
    /// What its undoing may change: later stages, and what comes after it in its own.
    later: Later,
}

#[derive(Clone, Copy)]
enum Later {
    Delivery,
    Billing,
    Care,
    /// Offers are made while it is open.
    Ticket,
    Support,
    Returns,
    Claim,
    Nothing,
}

impl Later {
    /// Causes of the stages after this one.
    fn causes(self) -> Met {
        use Cause::*;
        let stages: [&[Cause]; 5] = [
            &[BillingError],
            &[FollowUp],
            &[
                TicketOpened,
                Unanswered,
                SlowFirstReply,
                Unresolved,
                SlowResolution,
                Reopened,
                Transferred,
                RepeatContact,
                CouldNotGetThrough,
                BrokenPromise,
                OfferWhileUnresolved,
            ],
            &[Returned, RefundSlow],
            &[WarrantyClaim, Repair, RepeatRepair],
        ];
        match self {
            Later::Delivery => Met::of(&stages.concat()),
            Later::Billing => Met::of(&stages[1..].concat()),
            Later::Care => Met::of(&stages[2..].concat()),
            Later::Ticket => Met::of(&[stages[3..].concat().as_slice(), &[OfferWhileUnresolved]].concat()),
            Later::Support => Met::of(&stages[3..].concat()),
            Later::Returns => Met::of(&stages[4..].concat()),
            Later::Claim => Met::of(&[Repair, RepeatRepair]),
            Later::Nothing => Met::default(),
        }
    }
}

/// All planted touchpoints, in the catalogue's order.
pub const PLANTED: [Planted; 22] = {
    use Cause::*;
    const fn planted(id: &'static str, cause: Cause, parts: &'static [Cause], later: Later) -> Planted {
        Planted { id, cause, parts, later }
    }
    const OF_TICKET: &[Cause] =
        &[Unanswered, SlowFirstReply, Unresolved, SlowResolution, Reopened, Transferred, RepeatContact];
    [
        planted("late", Late, &[VeryLate], Later::Delivery),
        planted("very_late", VeryLate, &[], Later::Delivery),
        planted("not_delivered", NotDelivered, &[], Later::Delivery),
        planted("early", Early, &[], Later::Delivery),
        planted("damaged", Damaged, &[], Later::Delivery),
        planted("billing_error", BillingError, &[], Later::Billing),
        planted("follow_up_received", FollowUp, &[], Later::Care),
        planted("ticket_opened", TicketOpened, OF_TICKET, Later::Ticket),
        planted("repeat_contact", RepeatContact, &[], Later::Support),
        planted("could_not_get_through", CouldNotGetThrough, &[], Later::Support),
        planted("unanswered", Unanswered, &[], Later::Support),
        planted("slow_first_reply", SlowFirstReply, &[], Later::Support),
        planted("unresolved", Unresolved, &[], Later::Support),
        planted("slow_resolution", SlowResolution, &[], Later::Support),
        planted("reopened", Reopened, &[], Later::Support),
        planted("transferred", Transferred, &[], Later::Support),
        planted("offer_while_unresolved", OfferWhileUnresolved, &[], Later::Support),
        planted("broken_promise", BrokenPromise, &[], Later::Support),
        planted("returned", Returned, &[RefundSlow], Later::Returns),
        planted("refund_slow", RefundSlow, &[], Later::Returns),
        planted("warranty_claim", WarrantyClaim, &[], Later::Claim),
        planted("repair", Repair, &[RepeatRepair], Later::Nothing),
    ]
};

impl Planted {
    pub fn undone(&self) -> Met {
        let parts = self.parts.iter().copied();
        Met::of(&parts.chain([self.cause]).collect::<Vec<_>>())
    }

    /// What an order would have met without it, at the contacts that happened.
    pub fn met_directly(&self, met: Met) -> Met {
        met.without(self.undone())
    }

    /// What an order would have met without it, later contacts following; `again` is the same order
    /// simulated without it.
    pub fn met_totally(&self, met: Met, again: Met) -> Met {
        met.with_those(again, self.later.causes()).without(self.undone())
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
#[derive(Default)]
pub struct Tally {
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
            let again = journey::of_customer_without(world, customer, most, planted.undone());
            for (journey, again) in journeys.iter().zip(&again).filter(|(journey, _)| is_exposed(journey)) {
                let (exposed, sums) = &mut self.sums[place];
                *exposed += 1;
                let factual = journey.probabilities(journey.met);
                let without =
                    [planted.met_directly(journey.met), planted.met_totally(journey.met, again.met)];
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
pub fn of_world(world: &World, whose: Whose, purchases: u64) -> Truth {
    let mut tally = Tally::default();
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
pub fn late_by_store(world: &World, answers: usize) -> Vec<Option<f64>> {
    let mut sums = vec![(0.0, 0u64); 40];
    let mut left = answers;
    let late = PLANTED.iter().find(|planted| planted.cause == Cause::Late);
    for customer in 1.. {
        let journeys = journey::of_customer(world, customer, u64::MAX);
        let Some(late) = late.filter(|_| left > 0) else { break };
        let is_exposed = |journey: &Journey| journey.answer.is_some() && journey.met.has(late.cause);
        left = left.saturating_sub(journeys.iter().filter(|journey| journey.answer.is_some()).count());
        if !journeys.iter().any(is_exposed) {
            continue;
        }
        let again = journey::of_customer_without(world, customer, u64::MAX, late.undone());
        for (journey, again) in journeys.iter().zip(&again).filter(|(journey, _)| is_exposed(journey)) {
            let detractor = |met: Met| journey.probabilities(met)[Class::Detractor as usize];
            let (sum, exposed) = &mut sums[journey.store - 1];
            *sum += detractor(journey.met) - detractor(late.met_totally(journey.met, again.met));
            *exposed += 1;
        }
    }
    sums.into_iter().map(|(sum, exposed)| (exposed > 0).then(|| sum / exposed as f64)).collect()
}
