//! Which feed a table may be, and which of its columns are ours: by headers that are known, else by the
//! words that columns go by, and by what their values look like.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::looks::{self, Kind};
use super::sample::Sample;
use crate::error::{Error, Result};
use crate::sources::feeds::{self, Feed, Type};

const KNOWN: &str = include_str!("signatures.toml");

/// `signatures.toml`; it says what each key means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub exports: Vec<Export>,
    words: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    addresses: BTreeMap<String, Vec<String>>,
}

/// A system's export.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub name: String,
    pub preset: String,
    pub feed: String,
    pub has: Vec<String>,
    #[serde(default)]
    pub lines: Vec<String>,
    #[serde(default)]
    columns: BTreeMap<String, String>,
    pub query: Option<String>,
}

/// What a table may be.
#[derive(Debug, Default)]
pub struct Match {
    pub feed: Option<&'static Feed>,
    pub export: Option<Export>,
    /// Our columns, in the feed's order, each with a raw column or an expression.
    pub columns: Vec<(&'static str, String)>,
    /// How sure it is: the larger, the surer; for the choice between two tables of one feed.
    pub weight: u32,
}

impl Match {
    /// Required columns that nothing was found for.
    pub fn gaps(&self) -> Vec<&'static feeds::Column> {
        let Some(feed) = self.feed else { return Vec::new() };
        if self.export.as_ref().is_some_and(|export| export.query.is_some()) {
            return Vec::new();
        }
        let is_found = |name: &str| self.columns.iter().any(|(column, _)| *column == name);
        feed.columns.iter().filter(|column| column.required && !is_found(column.name)).collect()
    }
}

/// The known headers and words.
///
/// # Errors
/// `Kind::Internal` where they cannot be read.
pub fn known() -> Result<Known> {
    toml::from_str(KNOWN).map_err(|e| Error::internal("the known headers cannot be read").caused_by(e))
}

/// What a table may be.
pub fn matched(known: &Known, address: &str, sample: &Sample) -> Match {
    if let Some(export) =
        known.exports.iter().find(|export| export.has.iter().all(|name| sample.column(name).is_some()))
    {
        let feed = feeds::feed(&export.feed);
        let columns = feed.map_or(Vec::new(), |feed| of_export(feed, export, sample));
        return Match { feed, export: Some(export.clone()), columns, weight: 1_000 };
    }
    let address = address.to_lowercase();
    let hinted =
        known.addresses.iter().filter(|(_, words)| words.iter().any(|word| address.contains(word.as_str())));
    let hinted: Vec<&str> = hinted.map(|(feed, _)| feed.as_str()).collect();
    let mut best = Match::default();
    for feed in feeds::FEEDS {
        let columns = by_words(known, feed, sample);
        let is_required = |name: &str| feed.column(name).is_some_and(|column| column.required);
        let required = columns.iter().filter(|(name, _)| is_required(name)).count() as u32;
        let all = feed.columns.iter().filter(|column| column.required).count() as u32;
        let is_hinted = hinted.contains(&feed.name);
        if required == 0 || (required < all && !is_hinted) {
            continue;
        }
        let weight = 4 * required + columns.len() as u32 + if is_hinted { 8 } else { 0 };
        if weight > best.weight {
            best = Match { feed: Some(feed), export: None, columns, weight };
        }
    }
    best
}

/// The columns of a known export that this one holds. An expression holds if all columns that it names do.
fn of_export(feed: &'static Feed, export: &Export, sample: &Sample) -> Vec<(&'static str, String)> {
    let holds = |source: &str| {
        let mut quoted = source.split('"').skip(1).step_by(2).peekable();
        match quoted.peek() {
            Some(_) => quoted.all(|name| sample.column(name).is_some()),
            None => sample.column(source).is_some() || source.contains(['(', '|']),
        }
    };
    feed.columns
        .iter()
        .filter_map(|column| export.columns.get(column.name).map(|source| (column.name, source)))
        .filter(|(_, source)| holds(source))
        .map(|(name, source)| (name, source.clone()))
        .collect()
}

/// Our columns by the words that theirs go by; each of theirs is taken once.
fn by_words(known: &Known, feed: &'static Feed, sample: &Sample) -> Vec<(&'static str, String)> {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let mut taken: Vec<String> = Vec::new();
    let mut found = Vec::new();
    for column in feed.columns {
        let words = known.words.get(feed.name).and_then(|words| words.get(column.name));
        let own = plain(column.name);
        let words = std::iter::once(own.as_str()).chain(words.into_iter().flatten().map(String::as_str));
        let theirs = words.filter_map(|word| {
            sample.columns.iter().find(|theirs| {
                plain(&theirs.name) == word
                    && !taken.contains(&theirs.name)
                    && fits(column.kind, &looks::kind(theirs))
            })
        });
        if let Some(theirs) = theirs.into_iter().next() {
            taken.push(theirs.name.clone());
            found.push((column.name, theirs.name.clone()));
        }
    }
    found
}

/// Whether values of this kind can be read as a column of this type; an empty column can be anything.
pub fn fits(wanted: Type, kind: &Kind) -> bool {
    match (wanted, kind) {
        (_, Kind::Empty) => true,
        (Type::Time | Type::Deadline, kind) => kind.is_time(),
        (Type::Number, Kind::Whole | Kind::Number | Kind::CommaNumber) => true,
        (Type::Number, _) => false,
        (Type::Flag, Kind::Flag | Kind::Whole | Kind::Text) => true,
        (Type::Flag, _) => false,
        (Type::Text | Type::Word(_), _) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::sample::Column;

    fn sample(columns: &[(&str, &[&str])]) -> Sample {
        let columns = columns.iter().map(|(name, values)| Column {
            name: name.to_string(),
            values: values.iter().map(|value| value.to_string()).collect(),
        });
        Sample { columns: columns.collect(), rows: 1, ..Sample::default() }
    }

    fn told(address: &str, columns: &[(&str, &[&str])]) -> (Option<&'static str>, Vec<String>) {
        let matched = matched(&known().unwrap(), address, &sample(columns));
        let columns = matched.columns.iter().map(|(ours, theirs)| format!("{ours}={theirs}")).collect();
        (matched.feed.map(|feed| feed.name), columns)
    }

    #[test]
    fn every_word_belongs_to_a_column_of_ours() {
        let known = known().unwrap();
        for (feed, words) in &known.words {
            let feed = feeds::feed(feed).unwrap_or_else(|| panic!("{feed}"));
            for column in words.keys() {
                assert!(feed.column(column).is_some() || column == "email", "{}.{column}", feed.name);
            }
        }
        for export in &known.exports {
            let feed = feeds::feed(&export.feed).unwrap_or_else(|| panic!("{}", export.feed));
            for column in export.columns.keys() {
                assert!(feed.column(column).is_some() || column == "email", "{}: {column}", export.name);
            }
        }
        assert!(known.addresses.keys().all(|feed| feeds::feed(feed).is_some()));
    }

    #[test]
    fn words_and_values_tell_the_feed() {
        let day: &[&str] = &["2025-01-01"];
        assert_eq!(
            told(
                "x/a.csv",
                &[("Order No", &["1"]), ("Order Date", day), ("Total", &["3.5"]), ("Customer", &["9"])]
            ),
            (
                Some("purchases"),
                ["order_id=Order No", "ordered_at=Order Date", "customer_id=Customer", "amount=Total"]
                    .map(String::from)
                    .to_vec()
            )
        );
        assert_eq!(
            told("x/nps.csv", &[("id", &["1"]), ("submitted", day), ("Q1", &["9"])]),
            (Some("surveys"), vec!["response_id=id".into(), "responded_at=submitted".into()])
        );
        // A column of the right name with the wrong values is not it.
        assert_eq!(
            told("nps.csv", &[("id", &["1"]), ("score", &["good"]), ("date", day)]).1,
            ["response_id=id", "responded_at=date"]
        );
        assert_eq!(told("x/y.csv", &[("colour", &["red"])]), (None, vec![]));
    }

    #[test]
    fn known_headers_are_recognised_and_columns_that_are_not_there_left_out() {
        let header: Vec<(&str, &[&str])> =
            ["Id", "Requester", "Status", "Ticket type", "Created at", "Updated at", "Solved at"]
                .into_iter()
                .map(|name| (name, &[][..]))
                .collect();
        let (feed, columns) = told("x.csv", &header);
        assert_eq!(feed, Some("tickets"));
        assert_eq!(
            columns,
            [
                "ticket_id=Id",
                "opened_at=Created at",
                "updated_at=Updated at",
                "solved_at=case when lower(\"Status\") in ('solved', 'closed') then \"Solved at\" end",
                "category=Ticket type",
            ]
        );
    }
}
