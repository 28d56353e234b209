//! A world's answers as a fit sees them, without writing exports: what the calibration runs on.
//!
//! What is known of an answer is what the pipeline makes of the same world's exports, under the names of
//! `fct_exposures`: met or not, or too early to tell, by order; and what is held equal.

use chrono::Datelike;

use super::World;
use super::journey::{self, DAY, HOUR, Journey, PRODUCTS, REGIONS, local};
use super::model::{Cause, Class, Met};
use super::truth::{Tally, Whose};

/// One order that was asked about, whether or not it was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub customer: u64,
    pub is_answered: bool,
    /// Of the answer, given or not.
    pub class: Class,
    pub met: Met,
    /// Touchpoints whose clock has not run yet.
    pub too_early: Met,
    /// Met besides: parts of planted touchpoints that do nothing of their own.
    pub further: Further,
    /// Local calendar month: 12 × year + month from 0.
    pub month: i32,
    pub mode: &'static str,
    /// Since the parcel came, or should have come.
    pub days_to_answer: f64,
    /// The customer's orders inside the lookback, this one included, and all before it.
    pub orders: usize,
    pub earlier_purchases: usize,
    /// Tickets and contacts of other orders inside the lookback.
    pub other_events: usize,
    pub region: &'static str,
    pub product_category: &'static str,
    pub sales_channel: &'static str,
    /// 1 to 40.
    pub store: usize,
    /// Of the purchase, counted from 1970.
    pub week: u32,
}

/// Touchpoints of the catalogue that were planted to do nothing of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Further {
    pub overdue: bool,
    pub follow_up_within_7_days: bool,
    pub third_contact: bool,
    pub channel_switched: bool,
}

const LOOKBACK: i64 = 90 * DAY;

/// Hands over, customer by customer, the orders that were asked about, until `enough` says so; and adds those
/// of `whose` to the tally.
pub fn of_customers(
    world: &World,
    whose: Whose,
    tally: &mut Tally,
    mut enough: impl FnMut(Vec<Answer>) -> bool,
) {
    for customer in 1.. {
        let journeys = journey::of_customer(world, customer, u64::MAX);
        tally.add(world, whose, customer, u64::MAX, &journeys);
        let asked = (0..journeys.len()).filter(|at| journeys[*at].is_asked());
        if enough(asked.map(|at| answer(customer, &journeys, at)).collect()) {
            return;
        }
    }
}

fn answer(customer: u64, journeys: &[Journey], at: usize) -> Answer {
    let journey = &journeys[at];
    let t_ref = journey.responded;
    let date = local(t_ref).date();
    let delivered = journey.delivered.filter(|delivered| *delivered < t_ref);
    let inside = |when: i64| when < t_ref && when >= t_ref - LOOKBACK;
    let others = journeys.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
    let other_events = others.map(|other| {
        other.tickets.iter().filter(|ticket| inside(ticket.opened)).count()
            + other.interactions.iter().filter(|contact| inside(contact.occurred)).count()
    });
    Answer {
        customer,
        is_answered: journey.answer.is_some(),
        class: journey.class,
        met: journey.met,
        too_early: too_early(journey),
        further: further(journey),
        month: 12 * date.year() + date.month0() as i32,
        mode: journey.mode,
        days_to_answer: (t_ref - delivered.unwrap_or(journey.promise_end().min(t_ref))) as f64 / DAY as f64,
        orders: journeys.iter().filter(|other| inside(other.ordered)).count(),
        earlier_purchases: journeys.iter().filter(|other| other.ordered < journey.ordered).count(),
        other_events: other_events.sum(),
        region: REGIONS[(journey.store - 1) / 8].0,
        product_category: PRODUCTS[journey.product].0,
        sales_channel: journey.sales_channel,
        store: journey.store,
        week: (journey.ordered / (7 * DAY)) as u32,
    }
}

/// As the catalogue's `undecided` has it.
fn too_early(journey: &Journey) -> Met {
    let t_ref = journey.responded;
    let met = journey.met;
    let tickets = || journey.tickets.iter().filter(|ticket| ticket.opened < t_ref);
    let waits = |hours: i64, is_done: &dyn Fn(&journey::TicketState) -> bool| {
        tickets().any(|ticket| !is_done(&ticket.before(t_ref)) && t_ref - ticket.opened <= hours * HOUR)
    };
    let unreplied = waits(24, &|state| state.first_replied.is_some());
    let unsolved = waits(72, &|state| state.solved.is_some());
    let mut open = Met::default();
    for cause in [Cause::Unanswered, Cause::SlowFirstReply] {
        open.add(cause, unreplied && !met.has(cause));
    }
    for cause in [Cause::Unresolved, Cause::SlowResolution] {
        open.add(cause, unsolved && !met.has(cause));
    }
    // Of states that exclude each other, one that holds decides the others.
    open.drop_if(Cause::SlowFirstReply, met.has(Cause::Unanswered));
    open.drop_if(Cause::SlowResolution, met.has(Cause::Unresolved));
    open.add(Cause::Damaged, met.has(Cause::NotDelivered));
    let promised = journey.interactions.iter().any(|contact| {
        contact.occurred < t_ref
            && contact.due.is_some_and(|due| due >= t_ref)
            && contact.ended.is_none_or(|ended| ended >= t_ref)
    });
    open.add(Cause::BrokenPromise, promised && !met.has(Cause::BrokenPromise));
    let refund_is_young = journey.refunded.is_none_or(|refunded| refunded >= t_ref)
        && journey.returned.is_some_and(|returned| t_ref - returned <= 14 * DAY);
    open.add(Cause::RefundSlow, met.has(Cause::Returned) && refund_is_young && !met.has(Cause::RefundSlow));
    open
}

fn further(journey: &Journey) -> Further {
    let t_ref = journey.responded;
    let tickets: Vec<_> = journey.tickets.iter().filter(|ticket| ticket.opened < t_ref).collect();
    let called_soon = |delivered: i64| {
        journey.interactions.iter().any(|contact| {
            contact.kind == "follow_up"
                && contact.occurred < t_ref
                && (0..=7 * DAY).contains(&(contact.occurred - delivered))
        })
    };
    Further {
        overdue: journey.met.has(Cause::NotDelivered) && journey.promise_end() < t_ref,
        follow_up_within_7_days: journey.met.has(Cause::FollowUp)
            && journey.delivered.is_some_and(called_soon),
        third_contact: tickets.len() >= 3,
        channel_switched: tickets.windows(2).any(|pair| pair[0].channel != pair[1].channel),
    }
}
