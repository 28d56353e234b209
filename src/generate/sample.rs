//! A world's answers as a fit sees them, without writing exports: what the calibration runs on.
//!
//! What is known of an answer is what the pipeline makes of the same world's exports, under the names of
//! `fct_exposures`: met or not, or too early to tell, by order; and what is held equal.

use chrono::Datelike;

use super::World;
use super::journey::{self, DAY, HOUR, Interaction, Journey, PRODUCTS, REGIONS, Ticket, local};
use super::model::{Cause, Class, Met};
use super::truth::{Tally, Whose};

/// One order that was asked about, whether or not it was answered.
#[derive(Debug, Clone)]
pub struct Answer {
    pub customer: u64,
    pub is_answered: bool,
    /// Of the answer, given or not.
    pub class: Class,
    /// Of the order that it is about; where answers name none, of all that is known of the customer.
    pub known: Known,
    /// Of the customer's latest order before the answer: the one that it is about, as a rule.
    pub of_latest: Known,
    /// UTC seconds.
    pub ordered: i64,
    pub responded: i64,
    /// Local calendar month: 12 × year + month from 0.
    pub month: i32,
    /// Likewise, of the purchase.
    pub purchase_month: i32,
    pub mode: &'static str,
    /// Since the parcel came, or should have come.
    pub days_to_answer: f64,
    /// The customer's orders inside the lookback, this one included, and all before it.
    pub orders: usize,
    pub earlier_purchases: usize,
    /// Since the customer is known, inside the lookback; none where the answer names its order.
    pub observable_days: Option<f64>,
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

/// What had been met by the time of an answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    pub met: Met,
    /// Touchpoints whose clock has not run yet.
    pub too_early: Met,
    /// Met besides: parts of planted touchpoints that do nothing of their own.
    pub further: Further,
}

/// Touchpoints of the catalogue that were planted to do nothing of their own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Further {
    pub overdue: bool,
    pub follow_up_within_7_days: bool,
    pub third_contact: bool,
    pub channel_switched: bool,
    /// None while a ticket is open that may be.
    pub solved_at_first_touch: Option<bool>,
}

/// Which answers say what order they are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// All, unless the world is one without order ids.
    Named,
    /// Those that name it in the exports: three in five. The others are about all that the customer met.
    AsExported,
}

const LOOKBACK: i64 = 90 * DAY;

/// Hands over, customer by customer, the orders that were asked about, until `enough` says so; and adds those
/// of `whose` to the tally.
pub fn of_customers(
    world: &World,
    whose: Whose,
    links: Links,
    tally: &mut Tally,
    mut enough: impl FnMut(Vec<Answer>) -> bool,
) {
    for customer in 1.. {
        let journeys = journey::of_customer(world, customer, u64::MAX);
        tally.add(world, whose, customer, u64::MAX, &journeys);
        let asked = (0..journeys.len()).filter(|at| journeys[*at].is_asked());
        let is_named = |at: usize| match links {
            Links::Named => !world.twists.has_no_order_ids,
            Links::AsExported => journeys[at].answer.as_ref().is_some_and(|answer| answer.names_order),
        };
        if enough(asked.map(|at| answer(customer, &journeys, at, is_named(at))).collect()) {
            return;
        }
    }
}

/// `is_named`: the answer says which order it is about; else it is about the customer, as far as the lookback
/// goes, and what the customer bought is what was bought last.
fn answer(customer: u64, journeys: &[Journey], at: usize, is_named: bool) -> Answer {
    let journey = &journeys[at];
    let t_ref = journey.responded;
    let month = |when: i64| {
        let date = local(when).date();
        12 * date.year() + date.month0() as i32
    };
    let inside = |when: i64| when < t_ref && when >= t_ref - LOOKBACK;
    let latest = latest(journeys, journey);
    let bought = if is_named { journey } else { latest };
    let about: Vec<&Journey> = match is_named {
        true => vec![journey],
        false => journeys.iter().filter(|other| inside(other.ordered)).collect(),
    };
    let known = match is_named {
        true => Heard::of_order(journey, t_ref).known(),
        false => Heard::of_customer(journeys, t_ref).known(),
    };
    let others = journeys.iter().enumerate().filter(|(other, _)| *other != at).map(|(_, other)| other);
    let other_events = others.map(|other| {
        other.tickets.iter().filter(|ticket| inside(ticket.opened)).count()
            + other.interactions.iter().filter(|contact| inside(contact.occurred)).count()
    });
    let begins = if is_named { journey.ordered } else { t_ref - LOOKBACK };
    let first = journeys.iter().map(|other| other.ordered).min().unwrap_or(begins);
    let days = |since: i64| (t_ref - since) as f64 / DAY as f64;
    let since_parcel =
        about.iter().filter_map(|order| order.delivered.filter(|delivered| *delivered < t_ref));
    let since_promise = about.iter().map(|order| order.promise_end().min(t_ref));
    Answer {
        customer,
        is_answered: journey.answer.is_some(),
        class: journey.class,
        known,
        of_latest: Heard::of_order(latest, t_ref).known(),
        ordered: begins,
        responded: t_ref,
        month: month(t_ref),
        purchase_month: month(bought.ordered),
        mode: journey.mode,
        days_to_answer: days(since_parcel.max().or(since_promise.max()).unwrap_or(t_ref)),
        orders: journeys.iter().filter(|other| inside(other.ordered)).count(),
        earlier_purchases: journeys.iter().filter(|other| other.ordered < begins).count(),
        observable_days: (!is_named).then(|| days(begins.max(first))),
        other_events: if is_named { other_events.sum() } else { 0 },
        region: REGIONS[(bought.store - 1) / 8].0,
        product_category: PRODUCTS[bought.product].0,
        sales_channel: bought.sales_channel,
        store: bought.store,
        week: (bought.ordered / (7 * DAY)) as u32,
    }
}

/// What a customer had met by an answer that is about no order in particular, and what had been bought last.
pub(super) fn met_by_customer(journeys: &[Journey], answered: &Journey) -> Met {
    let asked = Met::of(&[Cause::AskedByPhone]);
    let bought = latest(journeys, answered).met.untouched().with_those(answered.met, asked);
    let met = Heard::of_customer(journeys, answered.responded).met();
    bought.with_those(met, Met::everything_met())
}

/// The customer's latest order before an answer.
fn latest<'a>(journeys: &'a [Journey], answered: &'a Journey) -> &'a Journey {
    journeys.iter().rev().find(|other| other.ordered < answered.responded).unwrap_or(answered)
}

/// What the exports of an order, or of a customer, tell by the time of an answer.
struct Heard<'a> {
    t_ref: i64,
    orders: Vec<&'a Journey>,
    tickets: Vec<&'a Ticket>,
    contacts: Vec<&'a Interaction>,
    /// All of the customer's, for whatever happened while one was open.
    all_tickets: Vec<&'a Ticket>,
}

impl<'a> Heard<'a> {
    fn of_order(order: &'a Journey, t_ref: i64) -> Heard<'a> {
        let tickets: Vec<&Ticket> = order.tickets.iter().filter(|ticket| ticket.opened < t_ref).collect();
        Heard {
            t_ref,
            orders: vec![order],
            contacts: order.interactions.iter().filter(|contact| contact.occurred < t_ref).collect(),
            all_tickets: tickets.clone(),
            tickets,
        }
    }

    fn of_customer(journeys: &'a [Journey], t_ref: i64) -> Heard<'a> {
        let inside = |when: i64| when < t_ref && when >= t_ref - LOOKBACK;
        let all_tickets = || journeys.iter().flat_map(|order| &order.tickets);
        let contacts = journeys.iter().flat_map(|order| &order.interactions);
        let mut tickets: Vec<&Ticket> = all_tickets().filter(|ticket| inside(ticket.opened)).collect();
        tickets.sort_by_key(|ticket| ticket.opened);
        Heard {
            t_ref,
            orders: journeys.iter().filter(|order| inside(order.ordered)).collect(),
            tickets,
            contacts: contacts.filter(|contact| inside(contact.occurred)).collect(),
            all_tickets: all_tickets().collect(),
        }
    }

    fn known(&self) -> Known {
        let met = self.met();
        Known { met, too_early: self.too_early(self.votes()), further: self.further(met) }
    }

    /// When an order's parcel had come.
    fn delivered(&self, order: &Journey) -> Option<i64> {
        order.delivered.filter(|delivered| *delivered < self.t_ref)
    }

    /// Of states that exclude each other the first holds.
    fn met(&self) -> Met {
        let mut met = self.votes();
        met.drop_if(Cause::NotDelivered, met.has(Cause::Late));
        met.drop_if(Cause::Early, met.has(Cause::Late) || met.has(Cause::NotDelivered));
        met.drop_if(Cause::SlowFirstReply, met.has(Cause::Unanswered));
        met.drop_if(Cause::SlowResolution, met.has(Cause::Unresolved));
        met
    }

    /// As the catalogue's `when` has it.
    fn votes(&self) -> Met {
        let mut met = Met::base();
        for order in &self.orders {
            let delivered = self.delivered(order);
            met.add(Cause::NotDelivered, delivered.is_none());
            if let Some(delivered) = delivered {
                met.add(Cause::Late, delivered >= order.promise_end());
                met.add(Cause::VeryLate, delivered >= order.promise_end() + 5 * DAY);
                met.add(Cause::Early, delivered < order.promise_end() - DAY);
                met.add(Cause::Damaged, order.damaged);
            }
            if let Some(returned) = order.returned.filter(|returned| *returned < self.t_ref) {
                let until = order.refunded.unwrap_or(i64::MAX).min(self.t_ref);
                met.add(Cause::Returned, true);
                met.add(Cause::RefundSlow, until - returned > 14 * DAY);
            }
        }
        let count = |kind: &str| self.contacts.iter().filter(|contact| contact.kind == kind).count();
        met.add(Cause::BillingError, count("billing_error") > 0);
        met.add(Cause::FollowUp, count("follow_up") > 0);
        met.add(Cause::WarrantyClaim, count("warranty_claim") > 0);
        met.add(Cause::Repair, count("repair") > 0);
        met.add(Cause::RepeatRepair, count("repair") > 1);
        for contact in &self.contacts {
            let is_lost = contact.kind == "call" && contact.outcome != "answered";
            met.add(Cause::CouldNotGetThrough, is_lost);
            let is_open = |ticket: &&Ticket| {
                ticket.opened < contact.occurred && ticket.before(contact.occurred).solved.is_none()
            };
            met.add(
                Cause::OfferWhileUnresolved,
                contact.kind == "offer" && self.all_tickets.iter().any(is_open),
            );
            let is_broken = |due: i64| {
                due < self.t_ref && contact.ended.is_none_or(|ended| ended >= self.t_ref || ended > due)
            };
            met.add(Cause::BrokenPromise, contact.due.is_some_and(is_broken));
        }
        for ticket in &self.tickets {
            let (state, waited) = (ticket.before(self.t_ref), self.t_ref - ticket.opened);
            met.add(Cause::SlowFirstReply, state.first_replied.is_some_and(|at| at - ticket.opened > DAY));
            met.add(Cause::Unanswered, state.first_replied.is_none() && waited > DAY);
            met.add(Cause::SlowResolution, state.solved.is_some_and(|at| at - ticket.opened > 3 * DAY));
            met.add(Cause::Unresolved, state.solved.is_none() && waited > 3 * DAY);
            met.add(Cause::Reopened, state.reopens > 0);
            met.add(Cause::Transferred, state.transfers > 0);
        }
        met.add(Cause::TicketOpened, !self.tickets.is_empty());
        met.add(Cause::RepeatContact, self.tickets.len() >= 2);
        met
    }

    /// As the catalogue's `undecided` has it, where no event says yes.
    fn too_early(&self, met: Met) -> Met {
        let t_ref = self.t_ref;
        let waits = |hours: i64, is_done: &dyn Fn(&journey::TicketState) -> bool| {
            self.tickets
                .iter()
                .any(|ticket| !is_done(&ticket.before(t_ref)) && t_ref - ticket.opened <= hours * HOUR)
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
        let is_awaited = self.orders.iter().any(|order| self.delivered(order).is_none());
        open.add(Cause::Damaged, is_awaited && !met.has(Cause::Damaged));
        let promised = self.contacts.iter().any(|contact| {
            contact.due.is_some_and(|due| due >= t_ref) && contact.ended.is_none_or(|ended| ended >= t_ref)
        });
        open.add(Cause::BrokenPromise, promised && !met.has(Cause::BrokenPromise));
        let refund_is_young = self.orders.iter().any(|order| {
            order.refunded.is_none_or(|refunded| refunded >= t_ref)
                && order.returned.is_some_and(|returned| returned < t_ref && t_ref - returned <= 14 * DAY)
        });
        open.add(Cause::RefundSlow, refund_is_young && !met.has(Cause::RefundSlow));
        open
    }

    fn further(&self, met: Met) -> Further {
        let called_soon = |order: &&Journey| {
            self.delivered(order).is_some_and(|delivered| {
                order.interactions.iter().any(|contact| {
                    contact.kind == "follow_up"
                        && contact.occurred < self.t_ref
                        && (0..=7 * DAY).contains(&(contact.occurred - delivered))
                })
            })
        };
        let is_overdue =
            |order: &&Journey| self.delivered(order).is_none() && order.promise_end() < self.t_ref;
        let states: Vec<_> = self.tickets.iter().map(|ticket| ticket.before(self.t_ref)).collect();
        let at_first_touch =
            states.iter().any(|state| state.solved.is_some() && state.replies <= 1 && state.reopens == 0);
        let is_open = states.iter().any(|state| state.solved.is_none());
        Further {
            solved_at_first_touch: (at_first_touch || !is_open).then_some(at_first_touch),
            overdue: met.has(Cause::NotDelivered) && self.orders.iter().any(is_overdue),
            follow_up_within_7_days: met.has(Cause::FollowUp) && self.orders.iter().any(called_soon),
            third_contact: self.tickets.len() >= 3,
            channel_switched: self.tickets.windows(2).any(|pair| pair[0].channel != pair[1].channel),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Twists;
    use super::*;

    /// What the events tell is what the order was simulated to have met; and what the customer had met, where
    /// answers name no order.
    #[test]
    fn events_tell_what_was_met() {
        for has_no_order_ids in [false, true] {
            let twists = Twists { has_no_order_ids, ..Twists::default() };
            let world = World { seed: 21, twists, ..World::default() };
            let mut told = 0;
            for customer in 1..4_000 {
                let journeys = journey::of_customer(&world, customer, u64::MAX);
                for at in (0..journeys.len()).filter(|at| journeys[*at].is_asked()) {
                    let known = answer(customer, &journeys, at, !has_no_order_ids).known;
                    let met = journeys[at].met;
                    assert_eq!(known.met.without(Met::base()), met.without(met.untouched()), "{customer}");
                    told += u32::from(known.met.has(Cause::TicketOpened));
                }
            }
            assert!(told > 500, "{told}");
        }
    }
}
