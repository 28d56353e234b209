//! Tickets as Zendesk's incremental exports give them: pages of what changed, with the users and groups
//! that they name beside them; and the ticket metric events, from which their timeline can be read.

use serde_json::{Value, json};

use super::super::Result;
use super::super::exports::Opener;
use super::pages::Page;
use super::{Case, Night, email, order_name, utc};

pub(super) struct Pages {
    night: Night,
    page: Page,
}

impl Pages {
    pub fn of_tickets(night: Night) -> Self {
        let folder = format!("exports/zendesk/tickets/{}", night.day);
        Pages { night, page: Page::new(folder, "tickets", &["users", "groups"]) }
    }

    pub fn of_events(night: Night) -> Self {
        let folder = format!("exports/zendesk/metric_events/{}", night.day);
        Pages { night, page: Page::new(folder, "ticket_metric_events", &[]) }
    }

    pub fn finish(self, opener: &mut Opener) -> Result<()> {
        self.page.finish(opener)
    }
}

/// The ticket and its metric events, if the night has news of them.
pub(super) fn write(tickets: &mut Pages, events: &mut Pages, opener: &mut Opener, case: &Case) -> Result<()> {
    let night = tickets.night;
    let (ticket, cut) = (case.ticket, night.cut.min(case.deleted.unwrap_or(i64::MAX)));
    if ticket.opened >= night.cut {
        return Ok(());
    }
    let deleted = case.deleted.filter(|deleted| *deleted < night.cut);
    let updated = deleted.unwrap_or(ticket.before(cut).updated);
    if updated >= night.since {
        tickets.page.push(opener, told(case, cut, deleted))?;
        let requester = requester(case.customer);
        tickets.page.beside("users", requester, user(case.customer));
        let group = group(ticket.topic.team);
        let object = json!({
            "id": group,
            "name": ticket.topic.team,
            "deleted": false,
            "created_at": "2024-01-01T00:00:00Z",
            "updated_at": "2024-01-01T00:00:00Z",
        });
        tickets.page.beside("groups", group, object);
    }
    for event in metric_events(case).filter(|event| event.0 >= night.since && event.0 < cut) {
        let (when, metric, kind, instance, number) = event;
        let row = json!({
            "id": id(case.number) * 1_000 + number,
            "ticket_id": id(case.number),
            "metric": metric,
            "instance_id": instance,
            "type": kind,
            "time": utc(when),
        });
        events.page.push(opener, row)?;
    }
    Ok(())
}

/// The ticket as it stands before `cut`.
fn told(case: &Case, cut: i64, deleted: Option<i64>) -> Value {
    let (ticket, state) = (case.ticket, case.ticket.before(cut));
    let status = match (deleted, state.solved, state.first_replied) {
        (Some(_), _, _) => "deleted",
        (None, Some(_), _) => "solved",
        (None, None, Some(_)) => "pending",
        (None, None, None) => "new",
    };
    // Zendesk keeps the last solution when a ticket is opened again.
    let last_solved = ticket.changes(cut).filter(|(_, change)| *change == "solved").last();
    let minutes = |until: Option<i64>| until.map(|until| (until - ticket.opened) / 60);
    json!({
        "id": id(case.number),
        "external_id": ticket.names_order.then(|| order_name(case.order)),
        "via": {"channel": channel(ticket.channel), "source": {"from": {}, "to": {}, "rel": null}},
        "created_at": utc(ticket.opened),
        "updated_at": utc(deleted.unwrap_or(state.updated)),
        "type": "question",
        "subject": ticket.subject,
        "priority": ticket.priority,
        "status": status,
        "requester_id": requester(case.customer),
        "submitter_id": requester(case.customer),
        "group_id": group(ticket.topic.team),
        "tags": [ticket.topic.category],
        "custom_fields": [],
        "satisfaction_rating": {"score": "unoffered"},
        "metric_set": {
            "ticket_id": id(case.number),
            "group_stations": 1,
            "assignee_stations": 1,
            "reopens": state.reopens,
            "replies": state.replies,
            "solved_at": last_solved.map(|(when, _)| utc(when)),
            "reply_time_in_minutes": {"calendar": minutes(state.first_replied), "business": null},
            "full_resolution_time_in_minutes": {"calendar": minutes(state.solved), "business": null},
        },
    })
}

/// Time, metric, type, instance and a number that grows with time.
type MetricEvent = (i64, &'static str, &'static str, u32, u64);

/// The clocks of a ticket. That of the reply starts when the customer writes and is fulfilled by a reply;
/// that of the customer's waiting pauses while the customer has to answer, is fulfilled by the solution,
/// and starts again when the ticket is opened again.
fn metric_events(case: &Case) -> impl Iterator<Item = MetricEvent> {
    let opened = case.ticket.opened;
    let mut told = vec![
        (opened, "reply_time", "activate", 1),
        (opened, "requester_wait_time", "activate", 1),
        (opened, "agent_work_time", "activate", 1),
    ];
    let (mut replies, mut is_paused, mut last) = (0, false, opened);
    for (when, change) in case.ticket.changes(i64::MAX) {
        // What the customer wrote in between.
        let wrote = last + (when - last) / 2;
        match change {
            "replied" => {
                replies += 1;
                if replies > 1 {
                    told.push((wrote, "reply_time", "activate", replies));
                    told.push((wrote, "requester_wait_time", "activate", 1));
                }
                told.push((when, "reply_time", "fulfill", replies));
                told.push((when, "requester_wait_time", "pause", 1));
                is_paused = true;
            }
            "solved" => {
                if is_paused {
                    told.push((wrote, "requester_wait_time", "activate", 1));
                }
                told.push((when, "requester_wait_time", "fulfill", 1));
                told.push((when, "agent_work_time", "fulfill", 1));
                is_paused = false;
            }
            "reopened" => {
                told.push((when, "requester_wait_time", "activate", 1));
                told.push((when, "agent_work_time", "activate", 1));
            }
            _ => {}
        }
        last = when;
    }
    let numbered = told.into_iter().zip(1..);
    numbered.map(|((when, metric, kind, instance), number)| (when, metric, kind, instance, number))
}

pub(super) fn id(ticket: u64) -> u64 {
    30_000 + ticket
}

/// Numbers of users look alike in all accounts.
fn requester(customer: u64) -> u64 {
    360_100_000_000 + customer
}

fn group(team: &str) -> u64 {
    360_000_000_000 + team.bytes().map(u64::from).sum::<u64>()
}

/// Zendesk calls the telephone a voice channel.
fn channel(channel: &str) -> &str {
    if channel == "phone" { "voice" } else { channel }
}

fn user(customer: u64) -> Value {
    json!({
        "id": requester(customer),
        "name": format!("Customer {customer}"),
        "email": email(customer),
        "external_id": null,
        "role": "end-user",
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
    })
}
