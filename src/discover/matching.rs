//! Which feed a table may be, and which of its columns are ours: by headers that are known, else by the
//! words that columns go by, by what their values look like, and by the names of its file and folders.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::columns::{self, Words};
use super::deliveries;
use super::looks::{self, Kind};
use super::names;
use super::order;
use super::sample::Sample;
use crate::error::{Error, Result};
use crate::sources::feeds::{self, Feed};

const KNOWN: &str = include_str!("signatures.toml");
/// Points for a word in the name of the file, and for one in those of its folders.
const OF_FILE: f64 = 1.25;
const OF_FOLDER: f64 = 1.0;
/// Points for a column of scores from 0 to 10 that its name or question calls so.
const OF_SCORE: f64 = 3.0;
/// A feed is taken for sure with so many points, and so many times those of the next one.
const SURE: f64 = 2.0;
const AHEAD: f64 = 1.3;
/// Likewise where all that it needs was found.
const SURE_IF_WHOLE: f64 = 1.25;
/// With fewer there is nothing to guess.
const GUESS: f64 = 1.2;
/// Folders above a file that are looked at, dated ones aside.
const FOLDERS: usize = 2;

/// `signatures.toml`; it says what each key means.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    pub exports: Vec<Export>,
    words: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    addresses: BTreeMap<String, Vec<String>>,
    pub codes: BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>,
    pub deliveries: deliveries::Names,
}

/// A system's export.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    pub name: String,
    pub preset: String,
    pub feed: String,
    pub has: Vec<String>,
    pub place: Option<String>,
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
    /// Otherwise the feed is a guess.
    pub is_sure: bool,
    pub export: Option<Export>,
    /// Our columns, in the feed's order, each with a raw column or an expression.
    pub columns: Vec<(&'static str, String)>,
    /// Why one of those is in doubt.
    pub doubts: BTreeMap<&'static str, String>,
    /// Our columns that were not found, and a raw one that may be it.
    pub perhaps: Vec<(&'static str, String)>,
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
        feed.columns.iter().filter(|column| column.required && self.theirs(column.name).is_none()).collect()
    }

    /// The raw column, or the expression, that one of ours was found in.
    pub fn theirs(&self, ours: &str) -> Option<&str> {
        self.columns.iter().find(|(name, _)| *name == ours).map(|(_, theirs)| theirs.as_str())
    }
}

/// The known headers and words.
///
/// # Errors
/// `Kind::Internal` where they cannot be read.
pub fn known() -> Result<Known> {
    toml::from_str(KNOWN).map_err(|e| Error::internal("the known headers cannot be read").caused_by(e))
}

/// What a table may be. `path` is that of one of its objects, the whole of it, so that it does not matter
/// from which folder on it was asked for.
pub fn matched(known: &Known, path: &str, sample: &Sample) -> Match {
    let words = Words::new(&known.words);
    let in_order = |feed: &Feed, columns: &mut Vec<(&'static str, String)>| {
        columns.sort_by_key(|(ours, _)| feed.columns.iter().position(|column| column.name == *ours));
    };
    if let Some(export) =
        known.exports.iter().find(|export| export.has.iter().all(|name| sample.column(name).is_some()))
    {
        let feed = feeds::feed(&export.feed);
        let mut matched = Match {
            feed,
            is_sure: true,
            export: Some(export.clone()),
            columns: feed.map_or(Vec::new(), |feed| of_export(feed, export, sample)),
            weight: 100_000,
            ..Match::default()
        };
        if let Some(feed) = feed.filter(|_| export.query.is_none()) {
            // What such an export names anew each time, as the question of a survey.
            let gaps = matched.gaps();
            let found = columns::found(&words, feed, sample);
            let taken: Vec<(&str, String)> = matched.columns.clone();
            let is_free = |column: &columns::FoundColumn| {
                taken.iter().all(|(ours, theirs)| *ours != column.ours && *theirs != column.theirs)
            };
            if gaps.iter().any(|gap| gap.name == "score") {
                doubt_score(&found, &mut matched);
            }
            matched.columns.extend(
                found
                    .columns
                    .into_iter()
                    .filter(|column| {
                        let is_named = || {
                            column.ours == "comment"
                                || names::plain(&column.theirs) == names::plain(column.ours)
                        };
                        gaps.iter().any(|gap| gap.name == column.ours) || (is_free(column) && is_named())
                    })
                    .map(|column| (column.ours, column.theirs)),
            );
            in_order(feed, &mut matched.columns);
        }
        return matched;
    }
    let hints = hints(known, path);
    let mut ranked: Vec<(f64, &'static Feed, columns::Found)> = feeds::FEEDS
        .iter()
        .map(|feed| {
            let found = columns::found(&words, feed, sample);
            let of_score = if found.is_scored { OF_SCORE } else { 0.0 };
            let of_path = hints.get(feed.name).copied().unwrap_or(0.0);
            (found.points + of_score + of_path, feed, found)
        })
        .filter(|(_, _, found)| !found.columns.is_empty())
        .collect();
    ranked.sort_by(|(one, ..), (other, ..)| other.total_cmp(one));
    let next = ranked.get(1).map_or(0.0, |(points, ..)| *points);
    let Some((points, feed, found)) = ranked.into_iter().next() else { return Match::default() };
    let is_found = |name: &str| found.columns.iter().any(|column| column.ours == name);
    let needed = feed.columns.iter().filter(|column| column.required).count();
    let there = feed.columns.iter().filter(|column| column.required && is_found(column.name)).count();
    if points < GUESS || (there == 0 && points < SURE) {
        return Match::default();
    }
    let is_enough = if there == needed { SURE_IF_WHOLE } else { SURE };
    let mut matched = Match {
        feed: Some(feed),
        is_sure: points >= is_enough && points >= AHEAD * next && there > 0,
        weight: (points * 100.0) as u32,
        ..Match::default()
    };
    doubt_score(&found, &mut matched);
    matched.perhaps = found.perhaps;
    matched.columns = found.columns.into_iter().map(|column| (column.ours, column.theirs)).collect();
    order::fill(feed, sample, &mut matched);
    // A table without any column that may be what the feed needs is something else.
    let may_be = |ours: &str| {
        let is_free = |theirs: &str| matched.columns.iter().all(|(_, used)| used != theirs);
        sample.columns.iter().any(|column| {
            is_free(&column.name)
                && (order::is_likely(feed, ours, sample, column) || looks::kind(column) == Kind::Empty)
        })
    };
    matched.is_sure = matched.is_sure && matched.gaps().iter().all(|gap| may_be(gap.name));
    in_order(feed, &mut matched.columns);
    matched
}

/// Two columns of scores: a person knows which one it is.
fn doubt_score(found: &columns::Found, matched: &mut Match) {
    if let Some(other) = &found.other_score {
        matched.doubts.insert("score", format!("or is it {other:?}?"));
    }
}

/// The feeds that the names of a file and of its folders tell of, with points.
fn hints<'k>(known: &'k Known, path: &str) -> BTreeMap<&'k str, f64> {
    let mut parts = path.rsplit('/').filter(|part| !part.is_empty());
    let file = parts.next().unwrap_or_default();
    let is_dated = |part: &&str| part.contains('=') || !part.chars().any(char::is_alphabetic);
    let folders = parts.filter(|part| !is_dated(part)).take(FOLDERS);
    let mut hints: BTreeMap<&str, f64> = BTreeMap::new();
    for (part, points) in std::iter::once((file, OF_FILE)).chain(folders.map(|part| (part, OF_FOLDER))) {
        let (tokens, whole) = (names::tokens(part), names::plain(part));
        let told = |word: &String| {
            let word = names::plain(word);
            let begins = |part: &String| part.starts_with(&word);
            tokens.iter().any(begins) || (word.len() >= 6 && whole.contains(&word))
        };
        // Of `ticket_events` the longer word counts.
        let longest = |words: &[String]| words.iter().filter(|word| told(word)).map(String::len).max();
        let most = known.addresses.values().filter_map(|words| longest(words)).max();
        for (feed, words) in &known.addresses {
            if most.is_some() && longest(words) == most {
                // Its folders count once, however many of them say so.
                let all = hints.entry(feed).or_default();
                *all = if *all == OF_FILE { OF_FILE + points } else { all.max(points) };
            }
        }
    }
    hints
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::sample::Column;

    fn sample(columns: &[(&str, &[&str])]) -> Sample {
        let columns = columns.iter().map(|(name, values)| Column {
            name: name.to_string(),
            values: values.iter().map(|value| value.to_string()).collect(),
            label: None,
        });
        Sample { columns: columns.collect(), rows: 1, deliveries: vec![0], ..Sample::default() }
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
            if feed == "common" {
                let is_ours = |column: &String| feeds::FEEDS.iter().any(|feed| feed.column(column).is_some());
                assert!(words.keys().all(is_ours));
                continue;
            }
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
        for (feed, columns) in &known.codes {
            let feed = feeds::feed(feed).unwrap_or_else(|| panic!("{feed}"));
            for (column, words) in columns {
                let (_, ours) =
                    feed.words().find(|(name, _)| name == column).unwrap_or_else(|| panic!("{column}"));
                assert!(words.keys().all(|word| ours.known.contains(&word.as_str())), "{column}");
            }
        }
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

    /// The German shop's header: what its words say, whatever the file is called.
    #[test]
    fn words_of_other_languages_tell_the_feed() {
        let (day, number): (&[&str], &[&str]) = (&["31.12.2025"], &["3,50"]);
        let german: &[(&str, &[&str])] = &[
            ("Auftragsnummer", &["O1"]),
            ("Kundennr", &["C1"]),
            ("E-Mail", &["a@b.example"]),
            ("Auftragsdatum", day),
            ("Zugesagt am", day),
            ("Zugestellt am", day),
            ("Retoure am", day),
            ("Betrag", number),
            ("Währung", &["EUR"]),
            ("Filiale", &["s1"]),
            ("Warengruppe", &["books"]),
        ];
        let expected = [
            "order_id=Auftragsnummer",
            "ordered_at=Auftragsdatum",
            "customer_id=Kundennr",
            "email=E-Mail",
            "promised_at=Zugesagt am",
            "delivered_at=Zugestellt am",
            "returned_at=Retoure am",
            "amount=Betrag",
            "currency=Währung",
            "store_id=Filiale",
            "product_category=Warengruppe",
        ];
        for path in ["x/all.csv", "lake/erp/auftraege_2025-01.csv.gz", "tickets/2025.csv"] {
            assert_eq!(
                told(path, german),
                (Some("purchases"), expected.map(String::from).to_vec()),
                "{path}"
            );
        }
        for columns in [
            [
                ("Numéro de commande", &["1"][..]),
                ("Date de commande", day),
                ("Montant", number),
                ("Client", &["9"]),
            ],
            [("Nº de pedido", &["1"]), ("Fecha de pedido", day), ("Importe", number), ("Cliente", &["9"])],
        ] {
            let names = columns.map(|(name, _)| name);
            let expected = ["order_id", "ordered_at", "amount", "customer_id"]
                .iter()
                .zip(names)
                .map(|(o, t)| format!("{o}={t}"));
            let (feed, mut found) = told("x/all.csv", &columns);
            found.sort();
            let mut expected: Vec<String> = expected.collect();
            expected.sort();
            assert_eq!((feed, found), (Some("purchases"), expected));
        }
    }

    /// A question that is answered with 0 to 10 makes a survey by itself, in any place.
    #[test]
    fn a_question_of_scores_makes_a_survey() {
        let question = "How likely are you to recommend us?";
        let days: &[&str] = &["01/31/2025"];
        let answers: [(&str, &[&str]); 4] = [
            ("Answer ID", &["R1"]),
            ("Completed", days),
            (question, &["9", "0", "10"]),
            ("What is the reason for your score?", &["too late"]),
        ];
        let expected = [
            "response_id=Answer ID".to_string(),
            "responded_at=Completed".into(),
            format!("score={question}"),
            "comment=What is the reason for your score?".into(),
        ];
        for path in ["x/all.csv", "orders/all.csv", "lake/voc/answers_all.csv"] {
            assert_eq!(told(path, &answers), (Some("surveys"), expected.to_vec()), "{path}");
        }
        // A probability is no score, nor is a text.
        for values in [&["0.5", "0.25"][..], &["yes", "no"], &["50", "70"]] {
            let (_, columns) = told("voc/all.csv", &[("Answer ID", &["R1"]), (question, values)]);
            assert_eq!(columns, ["response_id=Answer ID"], "{values:?}");
        }
    }

    #[test]
    fn a_name_that_stands_for_a_column_beats_one_that_may() {
        let at: &[&str] = &["2025-01-01 10:00"];
        let contacts: &[(&str, &[&str])] = &[
            ("id", &["I1"]),
            ("promised_until", at),
            ("when", at),
            ("cust", &["C1"]),
            ("what", &["CALL"]),
            ("cost_eur", &["3.10"]),
        ];
        assert_eq!(
            told("x/all.csv", contacts),
            (
                Some("interactions"),
                [
                    "interaction_id=id",
                    "occurred_at=when",
                    "kind=what",
                    "customer_id=cust",
                    "due_at=promised_until",
                    "cost=cost_eur"
                ]
                .map(String::from)
                .to_vec()
            )
        );
        let matched = matched(
            &known().unwrap(),
            "x/all.csv",
            &sample(&[("Answer ID", &["R1"]), ("NPS", &["9"]), ("Completed", at), ("Campaign", &["post"])]),
        );
        assert_eq!(matched.perhaps, [("survey_kind", "Campaign".to_string())]);
        assert_eq!(matched.theirs("survey_kind"), None);
    }

    /// The folder from which on a table was asked for does not matter, dated ones least.
    #[test]
    fn names_of_files_and_folders_weigh_the_same_from_everywhere() {
        let known = known().unwrap();
        let of = |path: &str| hints(&known, path);
        assert_eq!(of("/lake/voc/answers_all.csv"), BTreeMap::from([("surveys", 2.25)]));
        assert_eq!(
            of("s3://b/lake/servicedesk/dt=2026-10-29/changes.ndjson"),
            BTreeMap::from([("tickets", 1.0)])
        );
        assert_eq!(of("/orders/a/b/c/x.csv"), BTreeMap::new());
        assert_eq!(of("/lake/ticket_events.csv"), BTreeMap::from([("ticket_events", 1.25)]));
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
