//! The feeds and their canonical columns: the vocabulary that every mapping maps to.
//!
//! A feed's `key` names a row; `event_time` is the event's own time, the one that
//! bounds and the as-of look at (who a value belongs to has none). Only these names have a meaning; any further column travels along.

/// How a canonical column is read. A value that cannot be read becomes null with a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// Trimmed text; empty is null.
    Text,
    /// One of a few words, whatever its case.
    Word(&'static Words),
    /// An instant inside the plausible bounds.
    Time,
    /// An instant that may lie up to two years ahead.
    Deadline,
    /// A decimal number.
    Number,
    /// What an answer counts: from 0 to a million.
    Weight,
    /// True or false.
    Flag,
}

/// Words that rules and touchpoints ask for. An export's own are put into ours by a source's `words`.
#[derive(Debug, PartialEq, Eq)]
pub struct Words {
    pub known: &'static [&'static str],
    /// Whether there are no others: one that is not known is unreadable. Else it stays as it is, for the
    /// conditions of touchpoints that the configuration brings.
    pub are_all: bool,
}

const EVENTS: Words = Words { known: &["replied", "solved", "reopened", "transferred"], are_all: false };
const KINDS: Words = Words {
    known: &["follow_up", "call", "invoice", "billing_error", "repair", "warranty_claim", "visit", "offer"],
    are_all: false,
};
const SIDES: Words = Words { known: &["company", "customer"], are_all: true };
const OUTCOMES: Words = Words { known: &["answered", "unanswered", "abandoned"], are_all: false };
const FOLLOW_UPS: Words = Words { known: &["reached", "not_reached", "resolved", "declined"], are_all: true };
const IDENTITY_KINDS: Words = Words { known: &["customer_id", "email", "phone"], are_all: false };

#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Type,
    pub required: bool,
}

#[derive(Debug, Clone, Copy)]
pub struct Feed {
    pub name: &'static str,
    /// What one row is called in a sentence.
    pub row: &'static str,
    /// The columns that together name a row.
    pub key: &'static [&'static str],
    pub event_time: Option<&'static str>,
    /// Of these columns at least one is needed; none: nothing beside the required ones.
    pub one_of: &'static [&'static str],
    pub columns: &'static [Column],
}

impl Feed {
    pub fn column(&self, name: &str) -> Option<&'static Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The columns that hold one of a few words.
    pub fn words(&self) -> impl Iterator<Item = (&'static str, &'static Words)> {
        self.columns.iter().filter_map(|column| match column.kind {
            Type::Word(words) => Some((column.name, words)),
            _ => None,
        })
    }
}

const fn required(name: &'static str, kind: Type) -> Column {
    Column { name, kind, required: true }
}

const fn optional(name: &'static str, kind: Type) -> Column {
    Column { name, kind, required: false }
}

use Type::{Deadline, Flag, Number, Text, Time, Weight, Word};

pub const FEEDS: &[Feed] = &[
    Feed {
        name: "surveys",
        row: "answer",
        key: &["response_id"],
        event_time: Some("responded_at"),
        one_of: &[],
        columns: &[
            required("response_id", Text),
            required("responded_at", Time),
            required("score", Number),
            optional("customer_id", Text),
            optional("email", Text),
            optional("order_id", Text),
            optional("survey_kind", Text),
            optional("trigger", Text),
            optional("mode", Text),
            optional("comment", Text),
            optional("weight", Weight),
            optional("sent_at", Time),
            optional("do_not_contact", Flag),
        ],
    },
    Feed {
        name: "purchases",
        row: "purchase",
        key: &["order_id"],
        event_time: Some("ordered_at"),
        one_of: &[],
        columns: &[
            required("order_id", Text),
            required("ordered_at", Time),
            optional("customer_id", Text),
            optional("email", Text),
            optional("promised_at", Deadline),
            optional("delivered_at", Time),
            optional("returned_at", Time),
            optional("refunded_at", Time),
            optional("damaged", Flag),
            optional("amount", Number),
            optional("currency", Text),
            optional("sales_channel", Text),
            optional("store_id", Text),
            optional("region", Text),
            optional("product_category", Text),
        ],
    },
    Feed {
        name: "tickets",
        row: "ticket",
        key: &["ticket_id"],
        event_time: Some("opened_at"),
        one_of: &[],
        columns: &[
            required("ticket_id", Text),
            required("opened_at", Time),
            optional("customer_id", Text),
            optional("email", Text),
            optional("order_id", Text),
            optional("updated_at", Time),
            optional("first_replied_at", Time),
            optional("solved_at", Time),
            optional("reopens", Number),
            optional("replies", Number),
            optional("transfers", Number),
            optional("channel", Text),
            optional("category", Text),
            optional("priority", Text),
            optional("team", Text),
            optional("subject", Text),
        ],
    },
    Feed {
        name: "ticket_events",
        row: "ticket event",
        key: &["ticket_id", "occurred_at", "event"],
        event_time: Some("occurred_at"),
        one_of: &[],
        columns: &[
            required("ticket_id", Text),
            required("occurred_at", Time),
            required("event", Word(&EVENTS)),
        ],
    },
    Feed {
        name: "interactions",
        row: "interaction",
        key: &["interaction_id"],
        event_time: Some("occurred_at"),
        one_of: &[],
        columns: &[
            required("interaction_id", Text),
            required("occurred_at", Time),
            required("kind", Word(&KINDS)),
            optional("customer_id", Text),
            optional("email", Text),
            optional("order_id", Text),
            optional("channel", Text),
            optional("initiated_by", Word(&SIDES)),
            optional("outcome", Word(&OUTCOMES)),
            optional("team", Text),
            optional("due_at", Deadline),
            optional("ended_at", Time),
            optional("cost", Number),
        ],
    },
    Feed {
        name: "follow_up_outcomes",
        row: "outcome of a follow-up",
        // A row that names its answer one way only is compared in judged_follow_up_outcomes.sql.
        key: &["follow_up_id", "response_id", "contacted_at"],
        event_time: Some("contacted_at"),
        one_of: &["response_id", "follow_up_id"],
        columns: &[
            optional("response_id", Text),
            optional("follow_up_id", Text),
            required("contacted_at", Time),
            required("outcome", Word(&FOLLOW_UPS)),
            optional("root_cause", Text),
            optional("resolved_at", Time),
            optional("team", Text),
        ],
    },
    Feed {
        name: "identities",
        row: "identity",
        key: &["customer_id", "kind", "value"],
        event_time: None,
        one_of: &[],
        columns: &[
            required("customer_id", Text),
            required("kind", Word(&IDENTITY_KINDS)),
            required("value", Text),
        ],
    },
];

/// The feed of that name.
pub fn feed(name: &str) -> Option<&'static Feed> {
    FEEDS.iter().find(|feed| feed.name == name)
}
