//! What the exports hold on a night, as feeds that need no mapping: times in UTC, columns named as ours.

use csv::Writer;

use super::super::exports::{Opener, unwritten};
use super::super::journey::{Answer, REGIONS};
use super::super::{File, Result};
use super::{Case, Night, Order, Response, email, order_name, shopify, utc, zendesk};

/// The configuration that reads a night's plain feeds, to be kept beside them.
const CONFIGURATION: &str = r#"# What the exports of the first nights hold, as feeds that need no mapping.
output   = "out"
timezone = "Europe/Madrid"
segments = ["store_id", "region", "sales_channel"]

[sources.surveys]
url = "surveys.csv"

[sources.purchases]
url = "purchases.csv"

[sources.tickets]
url = "tickets.csv"

[sources.ticket_events]
url = "ticket_events.csv"
"#;

pub(super) struct Feeds {
    night: Night,
    surveys: Writer<File>,
    purchases: Writer<File>,
    tickets: Writer<File>,
    events: Writer<File>,
}

impl Feeds {
    pub fn new(opener: &mut Opener, night: Night) -> Result<Self> {
        let mut feed = |name: &str, header: &str| -> Result<Writer<File>> {
            let mut file = Writer::from_writer(opener.open(format!("plain/{}/{name}.csv", night.day))?);
            file.write_record(header.split(',')).map_err(unwritten("plain"))?;
            Ok(file)
        };
        let feeds = Feeds {
            night,
            surveys: feed("surveys", "response_id,email,order_id,mode,responded_at,score,comment")?,
            purchases: feed(
                "purchases",
                "order_id,email,ordered_at,promised_at,delivered_at,amount,currency,sales_channel,store_id,region",
            )?,
            tickets: feed(
                "tickets",
                "ticket_id,email,order_id,opened_at,updated_at,first_replied_at,solved_at,reopens,replies,\
                 transfers,channel,category,priority,team,subject",
            )?,
            events: feed("ticket_events", "ticket_id,occurred_at,event")?,
        };
        let mut configuration = opener.open(format!("plain/{}/aftersale.toml", night.day))?;
        let written = configuration.write_all(CONFIGURATION.as_bytes()).and_then(|()| configuration.flush());
        written.map_err(unwritten("plain"))?;
        Ok(feeds)
    }

    pub fn answer(&mut self, response: &Response, answer: &Answer) -> Result<()> {
        let row = [
            format!("R_{:08}", response.number),
            if answer.names_customer { email(response.customer) } else { String::new() },
            if answer.names_order { order_name(response.order) } else { String::new() },
            response.journey.mode.to_owned(),
            utc(response.journey.responded),
            answer.score.to_string(),
            answer.comment.clone(),
        ];
        self.surveys.write_record(row).map_err(unwritten("plain"))
    }

    pub fn order(&mut self, order: &Order) -> Result<()> {
        let journey = order.journey;
        let is_promised = shopify::confirmed(journey) < self.night.cut;
        let row = [
            order_name(order.number),
            email(order.customer),
            utc(journey.ordered),
            if is_promised { journey.promised.to_string() } else { String::new() },
            journey.delivered.filter(|when| *when < self.night.cut).map_or(String::new(), utc),
            shopify::money(journey.cents),
            "EUR".to_owned(),
            shopify::source(journey.sales_channel).to_owned(),
            format!("s{:02}", journey.store),
            REGIONS[(journey.store - 1) / 8].0.to_owned(),
        ];
        self.purchases.write_record(row).map_err(unwritten("plain"))
    }

    pub fn ticket(&mut self, case: &Case) -> Result<()> {
        let (ticket, cut) = (case.ticket, self.night.cut);
        if ticket.opened >= cut || case.deleted.is_some_and(|deleted| deleted < cut) {
            return Ok(());
        }
        let state = ticket.before(cut);
        let id = zendesk::id(case.number).to_string();
        let row = [
            id.clone(),
            email(case.customer),
            if ticket.names_order { order_name(case.order) } else { String::new() },
            utc(ticket.opened),
            utc(state.updated),
            state.first_replied.map_or(String::new(), utc),
            state.solved.map_or(String::new(), utc),
            state.reopens.to_string(),
            state.replies.to_string(),
            "0".to_owned(),
            ticket.channel.to_owned(),
            "question".to_owned(),
            ticket.priority.to_owned(),
            ticket.topic.team.to_owned(),
            ticket.subject.to_owned(),
        ];
        self.tickets.write_record(row).map_err(unwritten("plain"))?;
        for (when, event) in ticket.changes(cut).filter(|(_, event)| *event != "transferred") {
            let row = [id.as_str(), &utc(when), event];
            self.events.write_record(row).map_err(unwritten("plain"))?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<()> {
        for feed in [&mut self.surveys, &mut self.purchases, &mut self.tickets, &mut self.events] {
            feed.flush().map_err(unwritten("plain"))?;
        }
        Ok(())
    }
}
