//! Which column is which, with three values of each, and which are left.

use std::collections::BTreeSet;

use super::quoted;
use crate::discover::Found;
use crate::discover::sample::Column;
use crate::discover::{looks, order};
use crate::sources::feeds::{self, Feed};

/// Columns that are named as perhaps the one that is missing.
const CANDIDATES: usize = 4;

/// The columns that were found, the questions that are left, and the others.
pub fn columns(feed: Option<&Feed>, found: &Found) -> String {
    let matched = &found.matched;
    let width =
        matched.columns.iter().map(|(ours, theirs)| ours.len() + quoted(theirs).len()).max().unwrap_or(0);
    let mut text = String::new();
    let mut used = BTreeSet::new();
    for (ours, theirs) in &matched.columns {
        let line = format!("{ours} = {}", quoted(theirs));
        let mut values = match found.sample.column(theirs) {
            Some(column) => {
                used.insert(column.name.as_str());
                asked(column) + &looks::shown(column)
            }
            None => "(worked out)".into(),
        };
        if let Some(doubt) = matched.doubts.get(ours) {
            values = format!("? {doubt}: {values}");
        }
        let line = if width <= 60 { format!("{line:<w$}", w = width + 3) } else { line };
        text.push_str(&format!("{line}   # {values}\n"));
    }
    for gap in matched.gaps() {
        if let Some(feed) = feed {
            text.push_str(&question(feed, gap, found, &used));
        }
    }
    let perhaps: Vec<_> = matched
        .perhaps
        .iter()
        .filter_map(|(ours, theirs)| Some((ours, found.sample.column(theirs)?)))
        .collect();
    for (ours, theirs) in &perhaps {
        let name = quoted(&theirs.name);
        text.push_str(&format!("# ? {ours}: perhaps {name} ({})\n# {ours} = {name}\n", looks::shown(theirs)));
    }
    let is_missing = |column: &&feeds::Column| {
        !column.required
            && matched.theirs(column.name).is_none()
            && !perhaps.iter().any(|(ours, _)| **ours == column.name)
    };
    let missing: Vec<&str> = feed
        .map_or(&[][..], |feed| feed.columns)
        .iter()
        .filter(is_missing)
        .map(|column| column.name)
        .collect();
    if !missing.is_empty() {
        text.push_str(&format!("# not found: {}\n", missing.join(", ")));
    }
    text + &others(found, &used)
}

/// The question that a column holds the answers to, where its name is another.
fn asked(column: &Column) -> String {
    let label = column.label.iter().filter(|label| **label != column.name);
    label.map(|label| format!("{} ", quoted(&looks::masked(label)))).collect()
}

/// A column that is needed and was not found, and which it may be.
fn question(feed: &Feed, gap: &feeds::Column, found: &Found, used: &BTreeSet<&str>) -> String {
    let columns = found.sample.columns.iter().filter(|column| !used.contains(column.name.as_str()));
    let candidates: Vec<String> = columns
        .filter(|column| order::is_likely(feed, gap.name, &found.sample, column))
        .take(CANDIDATES)
        .map(|column| format!("{} ({}{})", quoted(&column.name), asked(column), looks::shown(column)))
        .collect();
    let perhaps = match candidates.as_slice() {
        [] => "none of those below looks like it".to_string(),
        some => format!("perhaps {}", some.join(" or ")),
    };
    format!("# ? {}: which column is it? {perhaps}\n# {} = \"\"\n", gap.name, gap.name)
}

/// The columns that nothing of ours was found for.
pub fn others(found: &Found, used: &BTreeSet<&str>) -> String {
    let others: Vec<&Column> =
        found.sample.columns.iter().filter(|column| !used.contains(column.name.as_str())).collect();
    if others.is_empty() {
        return String::new();
    }
    let width = others.iter().map(|column| quoted(&column.name).chars().count()).max().unwrap_or(0).min(40);
    let mut text = String::from(match found.matched.feed {
        Some(_) => {
            "# further columns, to be named above if they are to be segments or stand in a condition:\n"
        }
        None => "# ? which of ours are these? as in order_id = \"…\"\n",
    });
    for column in others {
        let values = asked(column) + &looks::shown(column);
        text.push_str(&format!("#   {:<width$}  {values}\n", quoted(&column.name)));
    }
    text
}
