//! One customer's orders, and what follows each in the journey's order: delivery, invitation, billing,
//! care, support, returns, repair, the answer, and what the answer sets off.
//!
//! A stage asks the table in `model.rs` how likely a thing is; what is the same for everyone (waiting
//! times, how often a ticket is transferred) stands here as plain numbers. Times are UTC seconds;
//! people and parcels move by the day in Madrid.

use chrono::{DateTime, Datelike, Days, NaiveDate, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Europe::Madrid;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::model::{Cause, Class, Met, Outcome};
use super::words::{self, Topic};
use super::{Response, Twists, World, sample};

/// The world lasts two years, and is exported at the end of its last day.
pub(super) const FIRST_DAY: NaiveDate = NaiveDate::from_ymd_opt(2024, 11, 1).unwrap();
pub(super) const DAYS: u64 = 730;

/// Of a world without order ids, in days.
const BUYS_AGAIN_WITHIN: u64 = 45;
/// Of a world with shocks to weeks, in days.
const SHOCKED_DAYS: u64 = 42;

pub(super) const HOUR: i64 = 3_600;
pub(super) const DAY: i64 = 24 * HOUR;

/// Eight stores each.
pub(super) const REGIONS: [(&str, Cause); 5] = [
    ("north", Cause::North),
    ("centre", Cause::Centre),
    ("east", Cause::East),
    ("south", Cause::South),
    ("islands", Cause::Islands),
];

/// Name, cause, and the lowest price in cents.
pub(super) const PRODUCTS: [(&str, Cause, f64); 8] = [
    ("electronics", Cause::Electronics, 11_900.0),
    ("appliances", Cause::Appliances, 14_900.0),
    ("furniture", Cause::Furniture, 9_900.0),
    ("fashion", Cause::Fashion, 2_490.0),
    ("sports", Cause::Sports, 2_990.0),
    ("toys", Cause::Toys, 1_290.0),
    ("garden", Cause::Garden, 3_490.0),
    ("books", Cause::Books, 890.0),
];

/// An order and its consequences, as the export at the world's end shows them.
#[derive(Debug, Default)]
pub(super) struct Journey {
    pub ordered: i64,
    pub promised: NaiveDate,
    pub delivered: Option<i64>,
    pub returned: Option<i64>,
    pub refunded: Option<i64>,
    pub damaged: bool,
    pub cents: u32,
    pub sales_channel: &'static str,
    /// 1 to 40.
    pub store: usize,
    pub product: usize,
    pub tickets: Vec<Ticket>,
    pub interactions: Vec<Interaction>,
    pub answer: Option<Answer>,
    /// Of the answer, given or not.
    pub class: Class,
    /// What holds at the moment of the answer.
    pub met: Met,
    /// A promise that is a date ends with it.
    promise_end: i64,
    /// The invitation and the moment of the answer, whether or not it comes.
    pub sent: i64,
    pub responded: i64,
    pub mode: &'static str,
    /// What somebody took away, to see what would have been.
    undone: Met,
    twist: Twist,
}

/// What a world's twists mean for one order.
#[derive(Debug, Clone, Copy, Default)]
struct Twist {
    twists: Twists,
    /// Added to the log-odds of being overdue, of writing a ticket, and of a worse answer.
    overdue: f64,
    ticket: f64,
    worse: f64,
    /// Added to what lateness does to the answer.
    of_late: f64,
}

#[derive(Debug)]
pub(super) struct Answer {
    pub score: u8,
    pub class: Class,
    pub names_order: bool,
    pub names_customer: bool,
    pub comment: String,
}

#[derive(Debug, Default)]
pub(super) struct Interaction {
    pub kind: &'static str,
    pub occurred: i64,
    pub names_order: bool,
    pub channel: &'static str,
    pub initiated_by: &'static str,
    pub outcome: &'static str,
    pub team: &'static str,
    pub due: Option<i64>,
    pub ended: Option<i64>,
    pub cents: Option<u32>,
}

#[derive(Debug)]
pub(super) struct Ticket {
    pub opened: i64,
    pub names_order: bool,
    pub channel: &'static str,
    pub priority: &'static str,
    pub topic: &'static Topic,
    pub subject: &'static str,
    /// What happened to it, in order of time.
    changes: Vec<(i64, Change)>,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Replied,
    Transferred,
    Solved,
    Reopened,
}

/// A ticket as it stands at some moment: at an answer, or in the export.
#[derive(Debug, Default)]
pub(super) struct TicketState {
    pub updated: i64,
    pub first_replied: Option<i64>,
    pub solved: Option<i64>,
    pub replies: i32,
    pub transfers: i32,
    pub reopens: i32,
}

/// A customer's orders, the oldest first, at most `most`.
pub(super) fn of_customer(world: &World, customer: u64, most: u64) -> Vec<Journey> {
    of_customer_without(world, customer, most, Met::default())
}

/// The same orders, had nobody met what is `undone`: all other luck stays.
pub(super) fn of_customer_without(world: &World, customer: u64, most: u64, undone: Met) -> Vec<Journey> {
    let seed = world.seed;
    let rng = &mut luck(seed, customer, 0, Stage::Customer);
    let orders = match rng.random::<f64>() {
        u if u < 0.55 => 1,
        u if u < 0.80 => 2,
        u if u < 0.90 => 3,
        u if u < 0.96 => 4,
        _ => 5,
    };
    let mood = rng.random();
    // Who names no order buys again within weeks: only then does it matter which one was meant.
    let gathered = world
        .twists
        .has_no_order_ids
        .then(|| luck(seed, customer, 0, Stage::Purchase).random_range(0..DAYS - BUYS_AGAIN_WITHIN));
    let mut ordered: Vec<i64> = (0..orders)
        .map(|_| {
            let day = rng.random_range(0..DAYS);
            let day = match gathered {
                Some(first) => first + day % BUYS_AGAIN_WITHIN,
                // Few weeks, so that many of a store's answers share one.
                None if world.twists.store_week_sd > 0.0 => day % SHOCKED_DAYS,
                None => day,
            };
            let date = FIRST_DAY + Days::new(day);
            midnight(date) + rng.random_range(7 * HOUR..23 * HOUR)
        })
        .collect();
    ordered.sort_unstable();
    ordered.truncate(most as usize);
    let is_grumpy =
        world.twists.has_grumpy_customers && luck(seed, customer, 0, Stage::Answer).random_bool(0.3);
    let mut journeys: Vec<Journey> = Vec::with_capacity(ordered.len());
    for (when, order) in ordered.into_iter().zip(1..) {
        let start = Journey { ordered: when, met: Met::base(), undone, ..Default::default() };
        journeys.push(journey(start, world, |stage| luck(seed, customer, order, stage), is_grumpy));
    }
    if world.twists.has_no_order_ids {
        // Such an answer is about the customer: all that was met on any order, and what was bought last.
        let met: Vec<Met> =
            journeys.iter().map(|journey| sample::met_by_customer(&journeys, journey)).collect();
        journeys.iter_mut().zip(met).for_each(|(journey, met)| journey.met = met.without(undone));
    }
    for (journey, order) in journeys.iter_mut().zip(1..) {
        let luck = |stage| luck(seed, customer, order, stage);
        journey.answer(&mut luck(Stage::Answer), mood);
        // What one answer sets off would be met before the next, by those alone who were upset.
        if !world.twists.has_no_order_ids {
            journey.aftermath(&mut luck(Stage::Aftermath));
        }
        journey.export();
    }
    journeys
}

/// An order up to its answer.
fn journey(
    mut journey: Journey,
    world: &World,
    luck: impl Fn(Stage) -> ChaCha8Rng,
    is_grumpy: bool,
) -> Journey {
    journey.purchase(&mut luck(Stage::Purchase));
    journey.twist = twist(world, &journey, is_grumpy);
    journey.delivery(&mut luck(Stage::Delivery));
    journey.invitation(&mut luck(Stage::Invitation));
    journey.billing(&mut luck(Stage::Billing));
    journey.care(&mut luck(Stage::Care));
    journey.support(&mut luck(Stage::Support));
    journey.calls(&mut luck(Stage::Calls));
    journey.offers(&mut luck(Stage::Offers));
    journey.returns(&mut luck(Stage::Returns));
    journey.repair(&mut luck(Stage::Repair));
    journey
}

impl Journey {
    fn purchase(&mut self, rng: &mut ChaCha8Rng) {
        self.store = rng.random_range(1..=40);
        self.met.add(REGIONS[(self.store - 1) / 8].1, true);
        self.product = rng.random_range(0..PRODUCTS.len());
        let (_, product, lowest) = PRODUCTS[self.product];
        self.met.add(product, true);
        self.cents = (lowest * (1.0 + 6.0 * rng.random::<f64>().powi(3))) as u32;
        self.sales_channel = pick(rng, &["web", "web", "web", "store", "app", "app"]);
        self.met.add(Cause::BoughtInStore, self.sales_channel == "store");
        self.met.add(Cause::BoughtInApp, self.sales_channel == "app");
        self.met.add(Cause::PeakSeason, local(self.ordered).month() >= 11);
    }

    fn delivery(&mut self, rng: &mut ChaCha8Rng) {
        let lead = rng.random_range(3..=7);
        self.promised = local(self.ordered).date() + Days::new(lead);
        self.promise_end = midnight(self.promised + Days::new(1));
        let overdue = rng.random_bool(self.chance(Outcome::Overdue));
        let date = match rng.random::<f64>() {
            u if !overdue && u < 0.6 => Some(self.promised),
            _ if !overdue => Some(self.promised - Days::new(rng.random_range(1..lead))),
            u if u < 0.70 => Some(self.promised + Days::new(rng.random_range(1..=5))),
            u if u < 0.90 => Some(self.promised + Days::new(rng.random_range(6..=20))),
            u if u < 0.95 => Some(self.promised + Days::new(rng.random_range(21..=60))),
            _ => None,
        };
        self.delivered = date.map(|date| midnight(date) + rng.random_range(9 * HOUR..20 * HOUR));
        self.damaged = rng.random_bool(self.met.chance(Outcome::Damaged));
    }

    /// About three weeks after the parcel came, or should have come; and what it found by the answer.
    fn invitation(&mut self, rng: &mut ChaCha8Rng) {
        let settled = self.delivered.unwrap_or(i64::MAX).min(self.promise_end + 7 * DAY);
        let lag = if self.twist.twists.has_survey_lag { 2..=60 } else { 20..=22 };
        let date = local(settled).date() + Days::new(rng.random_range(lag));
        self.sent = midnight(date) + rng.random_range(9 * HOUR..11 * HOUR);
        self.responded = by_day(self.sent + after(rng, 0.01, 3.0));
        self.mode = pick(rng, &["mail", "mail", "mail", "web", "web", "phone"]);
        self.met.add(Cause::AskedByPhone, self.mode == "phone");
        let Some(delivered) = self.delivered.filter(|delivered| *delivered < self.responded) else {
            return self.meets(Cause::NotDelivered, true);
        };
        self.meets(Cause::Early, delivered < self.promise_end - DAY);
        self.meets(Cause::Late, delivered >= self.promise_end);
        self.meets(Cause::VeryLate, delivered > self.promise_end + 5 * DAY);
        self.meets(Cause::Damaged, self.damaged);
    }

    fn billing(&mut self, rng: &mut ChaCha8Rng) {
        let invoiced = self.ordered + after(rng, 0.2, 0.5);
        let noticed = by_day(invoiced + after(rng, 0.5, 2.0));
        if rng.random_bool(0.25) {
            self.by_company("invoice", invoiced, "email");
            if rng.random_bool(0.12) {
                self.by_customer("billing_error", noticed, "email", "confirmed");
                self.meets(Cause::BillingError, noticed < self.responded);
            }
        }
    }

    /// A courtesy call, by lot and not by need.
    fn care(&mut self, rng: &mut ChaCha8Rng) {
        let chosen = rng.random_bool(0.3);
        if let Some(delivered) = self.delivered.filter(|_| chosen) {
            let called = self.follow_up(rng, delivered, 1..9);
            self.meets(Cause::FollowUp, called < self.responded);
        }
    }

    fn support(&mut self, rng: &mut ChaCha8Rng) {
        let mut writes =
            rng.random_bool(self.chance(Outcome::Ticket)) && !self.undone.has(Cause::TicketOpened);
        let (topic, mut opened) = if self.overdue() {
            (&words::DELIVERY, self.promise_end + after(rng, 0.1, 1.5))
        } else if let (true, Some(delivered)) = (self.met.has(Cause::Damaged), self.delivered) {
            (&words::DAMAGE, delivered + after(rng, 0.1, 1.5))
        } else if let Some(error) = self.interactions.iter().find(|event| event.kind == "billing_error") {
            (&words::BILLING, error.occurred + after(rng, 0.1, 1.5))
        } else {
            (&words::OTHERS[rng.random_range(0..words::OTHERS.len())], self.ordered + within(rng, 20.0))
        };
        // Who waits for a reply writes again; so do some others.
        while writes {
            opened = by_day(opened);
            let ticket = self.ticket(rng, topic, opened);
            let reply = ticket.before(i64::MAX).first_replied;
            let waits = reply.is_none_or(|reply| reply - opened > DAY);
            self.tickets.push(ticket);
            opened += after(rng, 1.1, 3.0);
            writes =
                rng.random_bool(if waits { 0.35 } else { 0.12 }) && !self.undone.has(Cause::RepeatContact);
        }
        let opened = self.tickets.iter().filter(|ticket| ticket.opened < self.responded);
        let known: Vec<_> = opened.map(|ticket| (ticket.opened, ticket.before(self.responded))).collect();
        let mut met = self.met;
        for (opened, state) in &known {
            let waited = self.responded - opened;
            met.add(Cause::SlowFirstReply, state.first_replied.is_some_and(|at| at - opened > DAY));
            met.add(Cause::Unanswered, state.first_replied.is_none() && waited > DAY);
            met.add(Cause::SlowResolution, state.solved.is_some_and(|at| at - opened > 3 * DAY));
            met.add(Cause::Unresolved, state.solved.is_none() && waited > 3 * DAY);
            met.add(Cause::Reopened, state.reopens > 0);
            met.add(Cause::Transferred, state.transfers > 0);
        }
        met.add(Cause::TicketOpened, !known.is_empty());
        met.add(Cause::RepeatContact, known.len() >= 2);
        // Of states that exclude each other the first holds.
        met.drop_if(Cause::SlowFirstReply, met.has(Cause::Unanswered));
        met.drop_if(Cause::SlowResolution, met.has(Cause::Unresolved));
        self.met = met.without(self.undone);
    }

    fn calls(&mut self, rng: &mut ChaCha8Rng) {
        if !rng.random_bool(self.met.chance(Outcome::Call)) {
            return;
        }
        let mut called = self.ordered + within(rng, 20.0);
        if self.overdue() {
            called = self.promise_end + after(rng, 0.1, 2.0);
        }
        for _ in 0..rng.random_range(1..=2) {
            called = by_day(called);
            let outcome = pick(rng, &["answered", "answered", "answered", "abandoned", "unanswered"]);
            self.meets(Cause::CouldNotGetThrough, outcome != "answered" && called < self.responded);
            let names_order = rng.random_bool(0.5);
            let call = self.by_customer("call", called, "phone", outcome);
            (call.names_order, call.team) = (names_order, "service desk");
            call.cents = (outcome == "answered").then_some(420);
            called += after(rng, 0.1, 1.0);
        }
    }

    /// Offers go out whether or not a ticket is open.
    fn offers(&mut self, rng: &mut ChaCha8Rng) {
        let mut offered = Vec::new();
        if rng.random_bool(0.06) {
            offered.push(self.ordered + within(rng, 40.0));
        }
        if let Some(ticket) = self.tickets.first().filter(|_| rng.random_bool(0.12)) {
            offered.push(ticket.opened + after(rng, 0.05, 0.8));
        }
        for offered in offered {
            let unsolved =
                |ticket: &Ticket| ticket.opened < offered && ticket.before(offered).solved.is_none();
            let bad_time = offered < self.responded && self.tickets.iter().any(unsolved);
            self.meets(Cause::OfferWhileUnresolved, bad_time);
            self.by_company("offer", offered, "email").names_order = false;
        }
    }

    /// They go along with lateness and damage, and leave no mark of their own on the score.
    fn returns(&mut self, rng: &mut ChaCha8Rng) {
        let goes_back = rng.random_bool(self.met.chance(Outcome::Returned));
        let Some(delivered) = self.delivered.filter(|_| goes_back) else { return };
        let returned = by_day(delivered + after(rng, 1.0, 9.0));
        let slow = rng.random_bool(0.3);
        let refunded = returned + if slow { after(rng, 14.1, 5.0) } else { after(rng, 1.0, 3.0) };
        self.returned = Some(returned);
        self.refunded = Some(refunded).filter(|_| rng.random_bool(0.95));
        self.meets(Cause::Returned, returned < self.responded);
        let waited = self.refunded.unwrap_or(i64::MAX).min(self.responded) - returned;
        self.meets(Cause::RefundSlow, waited > 14 * DAY);
    }

    /// Warranty claims and their repairs, and visits to set up what is bulky; a day is named for each. Repairs
    /// are done by then: what the catalogue declares as earlier than them must not come of them.
    fn repair(&mut self, rng: &mut ChaCha8Rng) {
        let claims =
            rng.random_bool(self.met.chance(Outcome::Claim)) && !self.undone.has(Cause::WarrantyClaim);
        let bulky = self.met.has(Cause::Furniture) || self.met.has(Cause::Appliances);
        let visited = rng.random_bool(0.2) && bulky;
        let Some(delivered) = self.delivered else { return };
        if claims {
            let claimed = by_day(delivered + after(rng, 0.5, 2.5));
            self.by_customer("warranty_claim", claimed, "web", "accepted");
            self.meets(Cause::WarrantyClaim, claimed < self.responded);
            let mut started = by_day(claimed + after(rng, 0.5, 1.5));
            for (cause, chance) in [(Cause::Repair, 0.8), (Cause::RepeatRepair, 0.3)] {
                if !rng.random_bool(chance) {
                    break;
                }
                self.meets(cause, started < self.responded);
                self.field_service(rng, "repair", started, 0.0, 6_500);
                started = by_day(started + after(rng, 4.0, 2.0));
            }
        }
        if visited {
            let started = by_day(delivered + after(rng, 0.5, 3.0));
            self.field_service(rng, "visit", started, 0.4, 4_500);
        }
    }

    /// `mood` is the luck that a customer's answers partly share.
    fn answer(&mut self, rng: &mut ChaCha8Rng, mood: f64) {
        let answers: f64 = rng.random();
        let own = rng.random();
        let luck: f64 = if rng.random_bool(0.3) { mood } else { own };
        let [_, passive, detractor] = self.probabilities(self.met);
        let (class, scores): (_, &[u8]) = if luck < detractor {
            (Class::Detractor, &[0, 0, 1, 2, 2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6])
        } else if luck < detractor + passive {
            (Class::Passive, &[7, 8, 8])
        } else {
            (Class::Promoter, &[9, 10, 10])
        };
        self.class = class;
        if answers >= self.response_rate(class) || !self.is_asked() {
            return;
        }
        let score = pick(rng, scores);
        let link = rng.random::<f64>();
        let (names_order, names_customer) = (link < 0.60 && !self.twist.twists.has_no_order_ids, link < 0.95);
        let comment = words::comment(rng, self.met, class);
        self.answer = Some(Answer { score, class, names_order, names_customer, comment });
    }

    pub fn promise_end(&self) -> i64 {
        self.promise_end
    }

    /// The answer would have come before the world's end.
    pub fn is_asked(&self) -> bool {
        self.responded < world_end()
    }

    fn response_rate(&self, class: Class) -> f64 {
        let has_ticket = self.met.has(Cause::TicketOpened);
        let of_class = [0.25, 0.3, 0.5][class as usize];
        match self.twist.twists.response {
            Response::Alike => 0.37,
            Response::ByTickets => {
                if has_ticket {
                    0.6
                } else {
                    0.3
                }
            }
            Response::ByClass => of_class,
            Response::ByClassAndTickets if has_ticket && class == Class::Detractor => 0.8,
            Response::ByClassAndTickets => of_class,
        }
    }

    /// What the answer sets off: a trap for whoever looks past it.
    fn aftermath(&mut self, rng: &mut ChaCha8Rng) {
        let Some(answer) = &self.answer else { return };
        let upset = answer.class == Class::Detractor;
        for ticket in &mut self.tickets {
            let solved = ticket.before(self.responded).solved.is_some();
            if rng.random_bool(if upset { 0.3 } else { 0.05 }) && solved {
                ticket.changes.retain(|(when, _)| *when < self.responded);
                ticket.reopen(rng, self.responded);
            }
        }
        if rng.random_bool(if upset { 0.15 } else { 0.02 }) {
            let opened = by_day(self.responded + after(rng, 0.1, 3.0));
            self.tickets.push(self.ticket(rng, &words::COMPLAINT, opened));
        }
        if rng.random_bool(if upset { 0.4 } else { 0.01 }) {
            self.follow_up(rng, self.responded, 1..4);
        }
    }

    /// What comes after the world's end is not known yet.
    fn export(&mut self) {
        let end = world_end();
        for when in [&mut self.delivered, &mut self.returned, &mut self.refunded] {
            when.take_if(|when| *when >= end);
        }
        self.tickets.retain(|ticket| ticket.opened < end);
        self.interactions.retain(|interaction| interaction.occurred < end);
        for interaction in &mut self.interactions {
            if interaction.ended.take_if(|ended| *ended >= end).is_some() {
                interaction.outcome = "";
            }
        }
        self.interactions.sort_by_key(|interaction| interaction.occurred);
    }

    fn meets(&mut self, cause: Cause, holds: bool) {
        self.met.add(cause, holds && !self.undone.has(cause));
    }

    fn chance(&self, outcome: Outcome) -> f64 {
        let shift = match outcome {
            Outcome::Overdue => self.twist.overdue,
            Outcome::Ticket => self.twist.ticket,
            _ => 0.0,
        };
        self.met.chance_shifted(outcome, shift)
    }

    /// Share of promoters, passives and detractors among those who met `met` on this order.
    pub fn probabilities(&self, met: Met) -> [f64; 3] {
        let met = if self.twist.twists.is_null { met.untouched() } else { met };
        let lag = self.days_since_parcel();
        let of_lag = if self.twist.twists.has_survey_lag { 0.045 * (lag - 20.0) } else { 0.0 };
        let of_late = if met.has(Cause::Late) { self.twist.of_late } else { 0.0 };
        met.probabilities_shifted(self.twist.worse + of_lag + of_late)
    }

    /// From when the parcel came, or should have come, to the answer.
    pub fn days_since_parcel(&self) -> f64 {
        let delivered = self.delivered.filter(|delivered| *delivered < self.responded);
        let since = delivered.unwrap_or(self.promise_end.min(self.responded));
        (self.responded - since) as f64 / DAY as f64
    }

    fn overdue(&self) -> bool {
        self.met.has(Cause::Late) || self.met.has(Cause::NotDelivered)
    }

    fn by_company(&mut self, kind: &'static str, occurred: i64, channel: &'static str) -> &mut Interaction {
        let (initiated_by, names_order) = ("company", true);
        let row = Interaction { kind, occurred, channel, initiated_by, names_order, ..Default::default() };
        self.interactions.push(row);
        self.interactions.last_mut().expect("just pushed")
    }

    fn by_customer(
        &mut self,
        kind: &'static str,
        occurred: i64,
        channel: &'static str,
        outcome: &'static str,
    ) -> &mut Interaction {
        let interaction = self.by_company(kind, occurred, channel);
        (interaction.initiated_by, interaction.outcome) = ("customer", outcome);
        interaction
    }

    /// A call by customer care some days after `since`; gives its time.
    fn follow_up(&mut self, rng: &mut ChaCha8Rng, since: i64, days: std::ops::Range<u64>) -> i64 {
        let date = local(since).date() + Days::new(rng.random_range(days));
        let called = midnight(date) + rng.random_range(10 * HOUR..19 * HOUR);
        let call = self.by_company("follow_up", called, "phone");
        (call.team, call.outcome, call.cents) = ("customer care", "answered", Some(310));
        called
    }

    /// Work promised by six o'clock two days later, some of it late.
    fn field_service(
        &mut self,
        rng: &mut ChaCha8Rng,
        kind: &'static str,
        started: i64,
        late: f64,
        cents: u32,
    ) {
        let due = midnight(local(started).date() + Days::new(2)) + 18 * HOUR;
        let late = rng.random_bool(late);
        let ended = if late { due + after(rng, 0.2, 2.0) } else { started + within(rng, 1.5) };
        self.meets(Cause::BrokenPromise, late && due < self.responded);
        let work = self.by_company(kind, started, "in person");
        (work.team, work.outcome, work.cents) = ("field service", "done", Some(cents));
        (work.due, work.ended) = (Some(due), Some(ended));
    }

    /// Replies, transfers and a solution, some slow, some never. What goes wrong, goes wrong with the order's
    /// first ticket, and who has to ask again is helped at once: what the catalogue declares as earlier than
    /// asking again, or as going along with it, must not come of it. Where a touchpoint was undone, its hours
    /// are the usual ones, so that what they set off follows.
    fn ticket(&self, rng: &mut ChaCha8Rng, topic: &'static Topic, opened: i64) -> Ticket {
        // Luck of its own: what one ticket needs changes nothing of the next.
        let rng = &mut ChaCha8Rng::seed_from_u64(rng.random());
        let is_first = self.tickets.is_empty();
        let is_spared = |causes: &[Cause]| causes.iter().any(|cause| self.undone.has(*cause));
        let is_prompt = !is_first || is_spared(&[Cause::Unanswered, Cause::SlowFirstReply]);
        let is_solved_soon = !is_first || is_spared(&[Cause::Unresolved, Cause::SlowResolution]);
        let mut ticket = Ticket {
            opened,
            names_order: rng.random_bool(0.8),
            channel: pick(rng, &["email", "email", "chat", "phone", "web"]),
            priority: pick(rng, &["normal", "normal", "normal", "low", "high", "urgent"]),
            topic,
            subject: pick(rng, &topic.subjects),
            changes: Vec::new(),
        };
        // All is drawn, needed or not: the same luck whatever was undone.
        let is_slow = rng.random_bool(self.met.chance(Outcome::SlowReply));
        let (prompt, late) = (within(rng, 0.9), after(rng, 1.05, 1.2));
        let (is_replied, is_solved_again) = (rng.random_bool(0.94), rng.random_bool(0.65));
        let further = [after(rng, 0.02, 0.3), after(rng, 0.02, 0.3)];
        let further = &further[..rng.random_range(0..=2)];
        let (quick, long) = (after(rng, 0.01, 0.3), after(rng, 2.0, 3.0));
        let solving = if rng.random_bool(0.2) && !is_solved_soon { long } else { quick };
        let is_transferred = rng.random_bool(0.18) && is_first && !is_spared(&[Cause::Transferred]);
        let handed_on = opened + after(rng, 0.02, 0.4);
        // What had no reply was not solved, and so not reopened: that stays so where a reply is put in its place.
        let is_reopened =
            rng.random_bool(0.15) && is_first && !is_spared(&[Cause::Reopened, Cause::Unanswered]);

        if is_transferred {
            ticket.changes.push((handed_on, Change::Transferred));
        }
        let first_reply = opened + if is_slow && !is_prompt { late } else { prompt };
        let mut now = first_reply;
        if is_replied || is_prompt {
            ticket.changes.push((now, Change::Replied));
            for gap in further {
                now += gap;
                ticket.changes.push((now, Change::Replied));
            }
        }
        // What is replied to is solved, sooner or later; only what was reopened may stay so. Were there tickets
        // that nobody ever solves, who is not reopened would be worse off by them.
        if is_replied || is_prompt || is_solved_soon {
            now += solving;
            if is_solved_soon {
                now = now.min(opened + 3 * DAY - HOUR);
            }
            ticket.changes.push((now, Change::Solved));
            if is_reopened {
                ticket.reopen(rng, now);
                if !is_solved_again && !is_solved_soon {
                    ticket.changes.pop();
                }
            }
        }
        ticket.changes.sort_by_key(|(when, _)| *when);
        ticket
    }
}

impl Ticket {
    pub fn before(&self, at: i64) -> TicketState {
        let mut state = TicketState { updated: self.opened, ..Default::default() };
        for &(when, change) in self.changes.iter().take_while(|(when, _)| *when < at) {
            state.updated = when;
            match change {
                Change::Replied => {
                    state.replies += 1;
                    state.first_replied.get_or_insert(when);
                }
                Change::Transferred => state.transfers += 1,
                Change::Solved => state.solved = Some(when),
                Change::Reopened => {
                    state.reopens += 1;
                    state.solved = None;
                }
            }
        }
        state
    }

    /// What happened to it before `at`, in order of time, in the words of the feed `ticket_events`.
    pub fn changes(&self, at: i64) -> impl Iterator<Item = (i64, &'static str)> + '_ {
        self.changes.iter().take_while(move |(when, _)| *when < at).map(|(when, change)| {
            let word = match change {
                Change::Replied => "replied",
                Change::Transferred => "transferred",
                Change::Solved => "solved",
                Change::Reopened => "reopened",
            };
            (*when, word)
        })
    }

    /// The ticket as the world's end finds it.
    pub fn exported(&self) -> TicketState {
        self.before(world_end())
    }

    /// Opened again some days after `since`, and solved again later: the latest state moves.
    fn reopen(&mut self, rng: &mut ChaCha8Rng, since: i64) {
        let reopened = since + after(rng, 0.3, 1.5);
        let solved = reopened + after(rng, 0.3, 2.0);
        self.changes.extend([(reopened, Change::Reopened), (solved, Change::Solved)]);
    }
}

/// Shocks of the order's store and week, and what its customer is like.
fn twist(world: &World, journey: &Journey, is_grumpy: bool) -> Twist {
    let twists = world.twists;
    let store = journey.store as u64;
    // Streams from the far end, where no customer comes.
    let of_store = || luck(world.seed, u64::MAX - store, 0, Stage::Customer);
    let week = u128::try_from(journey.ordered / (7 * DAY)).unwrap_or(0);
    let of_week = |stage| luck(world.seed, u64::MAX - store, week, stage);
    let mut twist = Twist { twists, ..Default::default() };
    if twists.store_effect_sd > 0.0 {
        twist.of_late = twists.store_effect_sd * normal(&mut of_store());
    }
    if twists.store_week_sd > 0.0 {
        twist.overdue = 1.5 * twists.store_week_sd * normal(&mut of_week(Stage::Delivery));
        twist.worse = twists.store_week_sd * normal(&mut of_week(Stage::Answer));
    }
    if is_grumpy {
        twist.ticket = 1.2;
        twist.worse += 1.2;
    }
    twist
}

/// A standard normal number (Box and Muller 1958).
fn normal(rng: &mut ChaCha8Rng) -> f64 {
    let (one, other): (f64, f64) = (rng.random(), rng.random());
    (-2.0 * (1.0 - one).ln()).sqrt() * (std::f64::consts::TAU * other).cos()
}

/// The stages that have luck of their own.
enum Stage {
    Customer,
    Purchase,
    Delivery,
    Invitation,
    Billing,
    Care,
    Support,
    Calls,
    Offers,
    Returns,
    Repair,
    Answer,
    Aftermath,
}

/// The random numbers of one stage of one order: a place of its own in the customer's stream.
fn luck(seed: u64, customer: u64, order: u128, stage: Stage) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(customer);
    rng.set_word_pos((order * 16 + stage as u128) << 12);
    rng
}

fn pick<T: Copy>(rng: &mut ChaCha8Rng, from: &[T]) -> T {
    from[rng.random_range(0..from.len())]
}

/// Seconds: at least so many days, and a random rest of so many days on average.
fn after(rng: &mut ChaCha8Rng, least: f64, mean: f64) -> i64 {
    ((least - mean * (1.0 - rng.random::<f64>()).ln()) * DAY as f64) as i64
}

/// Seconds: some time, up to so many days.
fn within(rng: &mut ChaCha8Rng, days: f64) -> i64 {
    rng.random_range(HOUR / 4..(days * DAY as f64) as i64)
}

/// People sleep: what would happen before eight happens after.
fn by_day(when: i64) -> i64 {
    if local(when).hour() < 8 { when + 8 * HOUR } else { when }
}

fn world_end() -> i64 {
    midnight(FIRST_DAY + Days::new(DAYS))
}

pub(super) fn midnight(date: NaiveDate) -> i64 {
    let midnight = Madrid.from_local_datetime(&date.and_time(chrono::NaiveTime::MIN));
    midnight.single().expect("Madrid changes its clocks at two or three").timestamp()
}

/// What the clocks in Madrid show.
pub(super) fn local(when: i64) -> NaiveDateTime {
    let utc = DateTime::from_timestamp(when, 0).expect("a time of this world");
    utc.with_timezone(&Madrid).naive_local()
}
