//! A lake of exports as they come: three systems, five nights.
//!
//! Each system tells of the world in its own way, and with what it knows on that night:
//!
//! | system | delivers each night | its ways |
//! |---|---|---|
//! | Zendesk | pages of tickets that changed, and of metric events | changed tickets come again; deleted ones come as such; UTC |
//! | Qualtrics | the whole survey | three header rows; clocks of New York; previews and unfinished answers; late ones |
//! | Shopify | all orders, and what parcels went through that day | one row per line item; apostrophes; a zone in each time |
//!
//! No key is common to them but the order's name and the customer's e-mail address, which each writes in
//! its own case. On the fourth night somebody has renamed the survey's question: `Q1` is `NPS` from then on.
//!
//! `plain/<day>/` is what the deliveries up to that night hold, as feeds that need no mapping. Both lack
//! what none of the three systems knows: calls, invoices, returns, damage, product categories. Tickets stay
//! with one group: when they were handed over is told by no metric event, and would be known only as far as
//! two deliveries show it.

mod pages;
mod plain;
mod qualtrics;
mod shopify;
mod zendesk;

use chrono::{DateTime, Days, NaiveDate, SecondsFormat};

use super::exports::Opener;
use super::journey::{DAY, DAYS, FIRST_DAY, Journey, Ticket, midnight};
use super::{File, Summary};
use crate::error::Result;

const NIGHTS: u64 = 5;
/// From this night on (from 0) the survey's question has another tag.
const RENAMED_ON: usize = 3;
/// Zendesk is asked for what changed since two days before, so that nothing is missed.
const OVERLAP: i64 = 2 * DAY;
/// One of so many answers of the last days was collected by a device without a connection, and arrives
/// so many nights later.
const LATE_ONE_IN: u64 = 3;
const LATE_BY: usize = 2;
/// One of so many tickets is deleted, on this night, if it is known and not older than so much.
const DELETED_ONE_IN: u64 = 5;
const DELETED_ON: usize = 2;
const DELETED_UP_TO: i64 = 60 * DAY;

/// One delivery: of a local day, at its end.
#[derive(Debug, Clone, Copy)]
pub(super) struct Night {
    pub day: NaiveDate,
    /// From 0.
    pub number: usize,
    /// The end of the day: what happens from here on is not known.
    pub cut: i64,
    /// What changed from here on is delivered; the first night delivers everything.
    since: i64,
}

pub(super) fn nights() -> Vec<Night> {
    let first = FIRST_DAY + Days::new(DAYS - NIGHTS);
    (0..NIGHTS)
        .map(|number| {
            let day = first + Days::new(number);
            let since = if number == 0 { 0 } else { midnight(day) - OVERLAP };
            Night { day, number: number as usize, cut: midnight(day + Days::new(1)), since }
        })
        .collect()
}

/// The exports of all systems, and the plain feeds, of every night.
pub(super) struct Lake<'a> {
    pub summary: Summary,
    opener: Opener<'a>,
    deliveries: Vec<Delivery>,
}

struct Delivery {
    night: Night,
    zendesk: zendesk::Pages,
    events: zendesk::Pages,
    qualtrics: qualtrics::Responses,
    orders: shopify::Orders,
    parcels: shopify::Parcels,
    plain: plain::Feeds,
}

/// An answer, with what its system needs to tell of it.
struct Response<'a> {
    number: u64,
    customer: u64,
    order: u64,
    journey: &'a Journey,
    /// The night with which it arrives.
    arrives: usize,
}

/// A ticket, likewise.
struct Case<'a> {
    number: u64,
    customer: u64,
    order: u64,
    ticket: &'a Ticket,
    /// When somebody deletes it.
    deleted: Option<i64>,
}

struct Order<'a> {
    number: u64,
    customer: u64,
    journey: &'a Journey,
}

impl<'a> Lake<'a> {
    pub fn new(open: &'a mut dyn FnMut(&str) -> Result<File>) -> Result<Self> {
        let mut opener = Opener { open, files: Vec::new() };
        let deliveries = nights()
            .into_iter()
            .map(|night| {
                Ok(Delivery {
                    night,
                    zendesk: zendesk::Pages::of_tickets(night),
                    events: zendesk::Pages::of_events(night),
                    qualtrics: qualtrics::Responses::new(&mut opener, night)?,
                    orders: shopify::Orders::new(&mut opener, night)?,
                    parcels: shopify::Parcels::new(night),
                    plain: plain::Feeds::new(&mut opener, night)?,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Lake { summary: Summary::default(), opener, deliveries })
    }

    pub fn write(&mut self, customer: u64, journeys: &[Journey]) -> Result<()> {
        self.summary.customers += 1;
        for journey in journeys {
            self.summary.purchases += 1;
            let order = Order { number: self.summary.purchases, customer, journey };
            for delivery in &mut self.deliveries {
                if journey.ordered < delivery.night.cut {
                    delivery.orders.write(&order)?;
                    delivery.plain.order(&order)?;
                }
                delivery.parcels.write(&mut self.opener, &order)?;
            }
            self.answer(customer, journey)?;
            for ticket in &journey.tickets {
                self.ticket(customer, ticket)?;
            }
        }
        Ok(())
    }

    fn answer(&mut self, customer: u64, journey: &Journey) -> Result<()> {
        let Some(answer) = &journey.answer else { return Ok(()) };
        let number = self.summary.answers.iter().sum::<u64>() + 1;
        self.summary.answers[answer.class as usize] += 1;
        let nights = self.deliveries.iter().map(|delivery| delivery.night);
        let first = nights.filter(|night| journey.responded >= night.cut).count();
        let is_late =
            number.is_multiple_of(LATE_ONE_IN) && journey.responded >= midnight(self.deliveries[0].night.day);
        let arrives = first + if is_late { LATE_BY } else { 0 };
        if is_late {
            *self.summary.planted.entry("answers_that_arrive_late").or_default() += 1;
        }
        let response = Response { number, customer, order: self.summary.purchases, journey, arrives };
        for delivery in &mut self.deliveries {
            if response.arrives <= delivery.night.number {
                delivery.qualtrics.write(&response, answer)?;
                delivery.plain.answer(&response, answer)?;
            }
        }
        Ok(())
    }

    fn ticket(&mut self, customer: u64, ticket: &Ticket) -> Result<()> {
        self.summary.tickets += 1;
        let number = self.summary.tickets;
        let goes = midnight(self.deliveries[DELETED_ON].night.day) + DAY / 2;
        let is_deleted = number.is_multiple_of(DELETED_ONE_IN)
            && (goes - DELETED_UP_TO..goes - DAY).contains(&ticket.opened);
        if is_deleted {
            *self.summary.planted.entry("deleted_tickets").or_default() += 1;
        }
        let deleted = is_deleted.then_some(goes);
        let case = Case { number, customer, order: self.summary.purchases, ticket, deleted };
        for delivery in &mut self.deliveries {
            zendesk::write(&mut delivery.zendesk, &mut delivery.events, &mut self.opener, &case)?;
            delivery.plain.ticket(&case)?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Summary> {
        for delivery in self.deliveries {
            delivery.zendesk.finish(&mut self.opener)?;
            delivery.events.finish(&mut self.opener)?;
            delivery.qualtrics.finish()?;
            delivery.orders.finish()?;
            delivery.parcels.finish(&mut self.opener)?;
            delivery.plain.finish()?;
        }
        self.summary.files = self.opener.files;
        Ok(self.summary)
    }
}

/// The name by which people call an order, and by which all systems know it.
fn order_name(number: u64) -> String {
    format!("#{}", 1000 + number)
}

/// A customer's address in lower case; systems differ in how they write it.
fn email(customer: u64) -> String {
    format!("customer.{customer}@example.com")
}

/// `2026-10-27T08:12:30Z`
fn utc(when: i64) -> String {
    DateTime::from_timestamp(when, 0)
        .expect("a time of this world")
        .to_rfc3339_opts(SecondsFormat::Secs, true)
}
