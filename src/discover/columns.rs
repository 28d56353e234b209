//! Our columns among those of a table, by the words that theirs go by and by what their values look like.

use std::collections::BTreeMap;

use super::looks::{self, Kind};
use super::names;
use super::sample::{Column, Sample, counts};
use crate::sources::feeds::{self, Feed, Type};

/// Points of a column that goes by its own name, by the first of its words, and less for each further one,
/// for each thing that had to be left out of its name, and of one that only holds a word.
const OWN: i32 = 120;
const FIRST: i32 = 100;
const LAST: i32 = 50;
const LEFT_OUT: i32 = 10;
const HELD: i32 = 30;
/// Different words in a column of a few words, at most.
pub const FEW: usize = 40;

/// Of each feed and column of ours: what it goes by.
pub struct Words<'k> {
    by_feed: BTreeMap<&'static str, Vec<(&'static feeds::Column, Vec<Word<'k>>)>>,
    /// In how many feeds a word stands: what stands in all tells of none.
    feeds: BTreeMap<String, usize>,
}

struct Word<'k> {
    said: &'k str,
    plain: String,
    points: i32,
}

impl<'k> Words<'k> {
    pub fn new(known: &'k BTreeMap<String, BTreeMap<String, Vec<String>>>) -> Self {
        let mut words = Words { by_feed: BTreeMap::new(), feeds: BTreeMap::new() };
        for feed in feeds::FEEDS {
            let mut columns = Vec::new();
            for column in feed.columns {
                let own = Word { said: column.name, plain: names::plain(column.name), points: OWN };
                let mut all = vec![own];
                let of = |section: &str| known.get(section).and_then(|words| words.get(column.name));
                for said in [feed.name, "common"].into_iter().filter_map(of) {
                    for (place, said) in said.iter().enumerate() {
                        let plain = names::plain(said);
                        let points = (FIRST - i32::try_from(place).unwrap_or(FIRST)).max(LAST);
                        all.push(Word { said, plain, points });
                    }
                }
                columns.push((column, all));
            }
            let mut once: Vec<&String> =
                columns.iter().flat_map(|(_, words)| words.iter().map(|word| &word.plain)).collect();
            once.sort_unstable();
            once.dedup();
            for word in once {
                *words.feeds.entry(word.clone()).or_default() += 1;
            }
            words.by_feed.insert(feed.name, columns);
        }
        words
    }
}

/// One of our columns, found.
pub struct FoundColumn {
    pub ours: &'static str,
    pub theirs: String,
}

#[derive(Default)]
pub struct Found {
    pub columns: Vec<FoundColumn>,
    /// Our columns, and theirs that may be it.
    pub perhaps: Vec<(&'static str, String)>,
    /// How much it tells of the feed: a column whose name stands for it alone counts one.
    pub points: f64,
    /// A column of scores from 0 to 10 goes by a name or a question that says so.
    pub is_scored: bool,
    /// Another column of scores than the one that was taken.
    pub other_score: Option<String>,
}

struct Candidate<'s> {
    ours: &'static feeds::Column,
    theirs: &'s Column,
    points: i32,
    specific: f64,
    is_question: bool,
}

/// Our columns in the order of the feed; each of theirs is taken once, the surest pair first.
pub fn found(words: &Words<'_>, feed: &'static Feed, sample: &Sample) -> Found {
    let mut candidates: Vec<Candidate<'_>> = Vec::new();
    for theirs in &sample.columns {
        let kind = looks::kind(theirs);
        for (ours, words_of) in words.by_feed.get(feed.name).into_iter().flatten() {
            let Some((word, points, is_question)) = word_for(feed, ours, words_of, theirs, &kind) else {
                continue;
            };
            // An address in a column called after the customer is an address.
            let ours = match feed.column("email") {
                Some(email) if ours.name == "customer_id" && kind == Kind::Email => email,
                _ => ours,
            };
            if fits_column(feed, ours, theirs, &kind) {
                let specific = 1.0 / words.feeds.get(&word.plain).copied().unwrap_or(1).max(1) as f64;
                candidates.push(Candidate { ours, theirs, points, specific, is_question });
            }
        }
    }
    candidates.sort_by_key(|candidate| -candidate.points);
    let mut found = Found::default();
    let (sure, unsure): (Vec<_>, Vec<_>) = candidates.iter().partition(|candidate| !candidate.is_question);
    for candidate in sure.into_iter().chain(unsure) {
        let is_taken = found
            .columns
            .iter()
            .any(|column| column.ours == candidate.ours.name || column.theirs == candidate.theirs.name);
        if is_taken {
            continue;
        }
        if candidate.is_question {
            found.perhaps.push((candidate.ours.name, candidate.theirs.name.clone()));
            continue;
        }
        found.points += candidate.specific;
        found.is_scored |= candidate.ours.name == "score" && is_to_ten(candidate.theirs);
        found.columns.push(FoundColumn { ours: candidate.ours.name, theirs: candidate.theirs.name.clone() });
    }
    let is_free = |theirs: &Column| found.columns.iter().all(|column| column.theirs != theirs.name);
    found.other_score = candidates
        .iter()
        .find(|candidate| {
            candidate.ours.name == "score" && is_to_ten(candidate.theirs) && is_free(candidate.theirs)
        })
        .map(|candidate| candidate.theirs.name.clone());
    let place = |name: &str| feed.columns.iter().position(|column| column.name == name);
    found.columns.sort_by_key(|column| place(column.ours));
    found
}

/// The word that a column of theirs goes by, if it is one of these; its points, and whether it is a
/// question only.
fn word_for<'w, 'k>(
    feed: &Feed,
    ours: &feeds::Column,
    words: &'w [Word<'k>],
    theirs: &Column,
    kind: &Kind,
) -> Option<(&'w Word<'k>, i32, bool)> {
    let mut best: Option<(&Word<'_>, i32, bool)> = None;
    for (place, name) in names::variants(feed.name, &theirs.name).iter().enumerate() {
        let left_out = LEFT_OUT * i32::try_from(place).unwrap_or(0);
        for word in words.iter().filter(|word| !word.said.starts_with('*') && word.plain == *name) {
            let points = word.points - left_out;
            if best.is_none_or(|(_, best, _)| points > best) {
                best = Some((word, points, word.said.starts_with('?')));
            }
        }
    }
    if best.is_some() {
        return best;
    }
    let texts = std::iter::once(theirs.name.as_str()).chain(theirs.label.as_deref());
    let texts: Vec<String> = texts.map(names::plain).collect();
    let held = words
        .iter()
        .filter(|word| word.said.starts_with('*'))
        .find(|word| texts.iter().any(|text| text.contains(&word.plain)))?;
    // A name that only holds such a word must hold the values as well.
    let is_it = match ours.kind {
        Type::Number => is_to_ten(theirs) && *kind != Kind::Empty,
        _ => matches!(kind, Kind::Text | Kind::Empty),
    };
    is_it.then_some((held, HELD, false))
}

/// Whether values can be those of our column.
fn fits_column(feed: &Feed, ours: &feeds::Column, theirs: &Column, kind: &Kind) -> bool {
    let is_dated = matches!(kind, Kind::Time { .. } | Kind::Format(_) | Kind::DayOrMonth(..));
    match ours.name {
        "email" => matches!(kind, Kind::Email | Kind::Empty),
        "kind" | "event" if feed.key.first() != Some(&"customer_id") => {
            !is_dated && *kind != Kind::Email && counts(theirs).len() <= FEW
        }
        name if name.ends_with("_id") => {
            !is_dated && !matches!(kind, Kind::Email | Kind::CommaNumber | Kind::Flag)
        }
        _ if is_text(ours.kind) => !is_dated,
        _ => fits(ours.kind, kind),
    }
}

/// Whole numbers from 0 to 10, written with or without decimals.
fn is_to_ten(column: &Column) -> bool {
    matches!(looks::kind(column), Kind::Whole | Kind::Number)
        && looks::are_whole(column)
        && looks::largest(column).is_some_and(|largest| largest <= 10.0)
        && looks::smallest(column).is_some_and(|smallest| smallest >= 0.0)
}

/// Whether a column of ours holds words or names.
pub fn is_text(kind: Type) -> bool {
    matches!(kind, Type::Text | Type::Word(_))
}

/// Whether values of this kind can be read as a column of this type; an empty column can be anything.
pub fn fits(wanted: Type, kind: &Kind) -> bool {
    match (wanted, kind) {
        (_, Kind::Empty) => true,
        (Type::Time | Type::Deadline, kind) => kind.is_time(),
        (Type::Number | Type::Weight, Kind::Whole | Kind::Number | Kind::CommaNumber) => true,
        (Type::Number | Type::Weight, _) => false,
        (Type::Flag, Kind::Flag | Kind::Whole | Kind::Text) => true,
        (Type::Flag, _) => false,
        (Type::Text | Type::Word(_), _) => true,
    }
}
