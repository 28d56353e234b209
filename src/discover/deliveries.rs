//! How rows come again from one delivery to the next: each once, changed ones again, or all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::looks::{self, Kind};
use super::matching::Known;
use super::names::plain;
use super::sample::{Column, Sample, counts};

/// Rows of a delivery that are in the next one as well, where each is the whole.
const WHOLE: f64 = 0.9;
/// Different values of a column that says a row's state.
const STATES: usize = 20;

/// `[deliveries]` of the signatures.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Names {
    versions: Vec<String>,
    deleted: Vec<String>,
    flags: Vec<String>,
}

/// How rows come again.
#[derive(Debug, PartialEq)]
pub enum Again {
    /// As far as was seen, they do not.
    Never,
    /// The same rows in each dated delivery.
    Whole,
    /// Some in a later delivery; the column that grows with each change, and whether its name or its values
    /// say so.
    Changed { version: Option<(String, bool)> },
    /// Within one delivery.
    Within,
}

/// How rows come again, by the column that names them, or as they are where none does.
pub fn again(known: &Names, sample: &Sample, key: Option<&str>, updated: Option<&str>) -> Again {
    let key = key.and_then(|key| sample.column(key));
    let name = |row: usize| -> Vec<&str> {
        match key {
            Some(key) => vec![key.values[row].trim()],
            None => sample.columns.iter().map(|column| column.values[row].trim()).collect(),
        }
    };
    let mut deliveries: BTreeMap<usize, BTreeSet<Vec<&str>>> = BTreeMap::new();
    for row in (0..sample.rows).filter(|row| name(*row) != [""]) {
        deliveries.entry(sample.deliveries[row]).or_default().insert(name(row));
    }
    let sets: Vec<&BTreeSet<Vec<&str>>> = deliveries.values().collect();
    let shared: Vec<f64> = sets
        .windows(2)
        .map(|pair| pair[0].iter().filter(|row| pair[1].contains(*row)).count() as f64 / pair[0].len() as f64)
        .collect();
    if !shared.is_empty() && shared.iter().all(|share| *share >= WHOLE) && sample.is_dated {
        return Again::Whole;
    }
    let comes_twice = key.is_some_and(|key| sample.comes_twice(key));
    if let Some(key) = key
        && (comes_twice || later(sample, key).next().is_some())
    {
        let version = version(known, sample, key, updated);
        let grows = version.as_ref().is_some_and(|(_, is_sure)| *is_sure);
        return if comes_twice && !grows { Again::Within } else { Again::Changed { version } };
    }
    Again::Never
}

/// Rows and the next row with the same key.
fn later<'s>(sample: &'s Sample, key: &'s Column) -> impl Iterator<Item = (usize, usize)> + 's {
    let mut last: BTreeMap<&str, usize> = BTreeMap::new();
    (0..sample.rows).filter_map(move |row| {
        let value = key.values[row].trim();
        let before = if value.is_empty() { None } else { last.insert(value, row) };
        before.map(|before| (before, row))
    })
}

/// The column that grows whenever a row changes; one that is named so comes first.
fn version(known: &Names, sample: &Sample, key: &Column, updated: Option<&str>) -> Option<(String, bool)> {
    let place = |column: &Column| known.versions.iter().position(|word| plain(word) == plain(&column.name));
    let mut columns: Vec<(usize, &Column)> = sample
        .columns
        .iter()
        .filter(|column| column.name != key.name)
        .filter(|column| {
            let kind = looks::kind(column);
            kind.is_time() || (kind == Kind::Whole && place(column).is_some())
        })
        .map(|column| match place(column) {
            _ if updated == Some(column.name.as_str()) => (0, column),
            Some(place) => (1 + place, column),
            None => (usize::MAX, column),
        })
        .collect();
    columns.sort_by_key(|(place, _)| *place);
    columns.into_iter().find_map(|(place, column)| {
        let (mut has_grown, mut is_steady) = (false, true);
        let times = looks::times(column);
        let number = |row: usize| column.values[row].trim().parse::<i64>().ok();
        let value = |row: usize| times[row].map(|(at, _)| at).or_else(|| number(row));
        for (before, row) in later(sample, key) {
            let differs = sample.columns.iter().any(|column| column.values[before] != column.values[row]);
            has_grown |= differs && value(before) < value(row);
            is_steady &= value(before) <= value(row) && (!differs || value(before) != value(row));
        }
        let is_named = place != usize::MAX;
        // Copies without a change tell nothing of a column without a name.
        (is_steady && (is_named || has_grown)).then(|| (column.name.clone(), is_named || has_grown))
    })
}

/// The condition, over raw columns, that says that a row is gone.
pub fn deleted(known: &Known, sample: &Sample) -> Option<String> {
    let is_one_of = |words: &[String], text: &str| words.iter().any(|word| plain(word) == plain(text));
    let quoted = |column: &Column| format!("\"{}\"", column.name.replace('"', "\"\""));
    sample.columns.iter().find_map(|column| {
        let values = counts(column);
        let words: Vec<&&str> =
            values.keys().filter(|value| is_one_of(&known.deliveries.deleted, value)).collect();
        if let [word, ..] = words.as_slice()
            && values.len() <= STATES
        {
            let word = word.to_lowercase().replace('\'', "''");
            return Some(format!("lower({}) = '{word}'", quoted(column)));
        }
        let is_flag = looks::kind(column) == Kind::Flag && is_one_of(&known.deliveries.flags, &column.name);
        let yes = values.keys().find(|value| ["true", "yes"].contains(&value.to_lowercase().as_str()));
        match yes {
            Some(yes) if is_flag => Some(format!("lower({}) = '{}'", quoted(column), yes.to_lowercase())),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::matching;

    /// Rows of delivery, key, time of change, state.
    fn sample(rows: &[(usize, &str, &str, &str)]) -> Sample {
        let column = |name: &str, values: Vec<&str>| Column {
            name: name.into(),
            values: values.into_iter().map(str::to_string).collect(),
            label: None,
        };
        Sample {
            rows: rows.len(),
            is_dated: true,
            deliveries: rows.iter().map(|row| row.0).collect(),
            columns: vec![
                column("number", rows.iter().map(|row| row.1).collect()),
                column("touched", rows.iter().map(|row| row.2).collect()),
                column("state", rows.iter().map(|row| row.3).collect()),
            ],
            ..Sample::default()
        }
    }

    fn told(rows: &[(usize, &str, &str, &str)], updated: Option<&str>) -> Again {
        again(&matching::known().unwrap().deliveries, &sample(rows), Some("number"), updated)
    }

    const ONE: &str = "2025-01-01 10:00";
    const TWO: &str = "2025-01-02 10:00";

    #[test]
    fn rows_come_again_in_one_of_these_ways() {
        let version = |name: &str| Again::Changed { version: Some((name.into(), true)) };
        assert_eq!(told(&[(0, "a", ONE, "ok"), (1, "b", TWO, "ok")], None), Again::Never);
        // A later version in a later delivery.
        let changed = [(0, "a", ONE, "new"), (0, "b", ONE, "ok"), (1, "a", TWO, "ok"), (1, "c", TWO, "ok")];
        assert_eq!(told(&changed, None), version("touched"));
        // Copies tell nothing of a column; its name does.
        let copied = [(0, "a", ONE, "ok"), (0, "b", ONE, "ok"), (1, "a", ONE, "ok"), (1, "c", TWO, "ok")];
        assert_eq!(told(&copied, None), Again::Changed { version: None });
        assert_eq!(told(&copied, Some("touched")), version("touched"));
        // A time that goes back is no version.
        let back = [(0, "a", TWO, "new"), (0, "b", ONE, "ok"), (1, "a", ONE, "ok")];
        assert_eq!(told(&back, Some("touched")), Again::Changed { version: None });
        // The same again each day, and one more.
        let whole = [
            (0, "a", ONE, "ok"),
            (0, "b", ONE, "ok"),
            (1, "a", TWO, "ok"),
            (1, "b", ONE, "ok"),
            (1, "c", TWO, "ok"),
        ];
        assert_eq!(told(&whole, None), Again::Whole);
        // One row per line item.
        assert_eq!(told(&[(0, "a", ONE, "x"), (0, "a", ONE, "y"), (1, "b", TWO, "x")], None), Again::Within);
    }

    #[test]
    fn a_word_of_a_state_says_that_a_row_is_gone() {
        let known = matching::known().unwrap();
        assert_eq!(
            deleted(&known, &sample(&[(0, "a", ONE, "ok"), (0, "b", ONE, "Deleted")])).as_deref(),
            Some("lower(\"state\") = 'deleted'")
        );
        assert_eq!(deleted(&known, &sample(&[(0, "a", ONE, "ok"), (0, "b", ONE, "not deleted")])), None);
    }
}
