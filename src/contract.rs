//! The contract: what the exports looked like in the last published run, and what has changed since.
//!
//! A column that the mapping uses and that a new delivery lacks, or has in another type, is no bad row: it
//! is another export. Nothing would fail, since optional columns may be absent, and a touchpoint would
//! silently be measured no more. So every run publishes what it found, and the next one compares.
//!
//! A table is many files, and old ones keep their old header. What counts is what the files bring that the
//! last run had not read: a used column is missed where one of *those* lacks it. Columns that come and go
//! (JSON leaves out what is empty) are told apart by the newest files of the last run: only what each of
//! those held is expected.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Mapping;

/// So many of a table's newest files must hold a column for it to be expected in the next.
const NEWEST_FILES: usize = 3;
/// New columns less alike than this are not guessed to be a missing one (Jaro-Winkler, 0 to 1).
const ALIKE: f64 = 0.75;
/// The same where only one column is new.
const ALIKE_IF_ALONE: f64 = 0.5;

/// What the exports looked like. Part of the manifest, so that it is published with the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contract {
    pub feeds: BTreeMap<String, FeedContract>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeedContract {
    /// A hash of the mapping: whoever changes it has looked at the columns.
    pub mapping: String,
    /// The canonical and further columns that the mapping fills.
    pub fills: BTreeSet<String>,
    /// Rows handed on by the mapping.
    pub rows: u64,
    pub tables: BTreeMap<String, TableContract>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableContract {
    /// Rows read.
    pub rows: u64,
    /// Rows that the last delivery brought; none before the second.
    #[serde(default)]
    pub new_rows: Option<u64>,
    pub columns: BTreeMap<String, ColumnContract>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnContract {
    /// As the engine names it, texts of any encoding `text`; columns of text formats are all text.
    #[serde(rename = "type")]
    pub kind: String,
    /// The mapping reads it.
    pub is_used: bool,
    /// Each of the newest files holds it.
    pub is_steady: bool,
}

/// What a night is compared with.
#[derive(Debug, Clone)]
pub struct Before {
    pub run_id: String,
    pub contract: Contract,
    /// The objects that were read then, as address and version.
    pub objects: BTreeSet<(String, String)>,
}

/// One table, as this run finds it.
#[derive(Debug, Clone, Default)]
pub struct TableSeen {
    pub name: String,
    pub rows: u64,
    /// Raw columns and their types.
    pub columns: Vec<(String, String)>,
    /// The files, the oldest first.
    pub files: Vec<FileSeen>,
    /// Files do not name columns that have no value in them, as JSON does.
    pub leaves_out: bool,
}

#[derive(Debug, Clone, Default)]
pub struct FileSeen {
    pub url: String,
    pub etag: String,
    /// Columns of the table that this file does not hold.
    pub lacks: BTreeSet<String>,
}

/// One difference to the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub feed: String,
    /// None: the feed's canonical column is meant.
    pub table: Option<String>,
    pub column: String,
    /// A type, or none: the column was not there.
    pub was: Option<String>,
    /// What it is now, in words.
    pub is: String,
    /// The new column that it may be.
    pub perhaps: Option<String>,
    /// The mapping needs it: the run stops, unless it is to warn only.
    pub breaks: bool,
}

impl Change {
    /// The change as one line of a diff.
    pub fn words(&self) -> String {
        let place = match &self.table {
            Some(table) => format!("{}, table {table}", self.feed),
            None => self.feed.clone(),
        };
        let was = self.was.as_ref().map_or(String::new(), |was| format!("was {was}, "));
        let perhaps = match &self.perhaps {
            Some(column) => format!("; new there is `{column}`, which may be it"),
            None => String::new(),
        };
        format!("{place}: `{}` {was}{}{perhaps}", self.column, self.is)
    }
}

/// Follows a run's sources, compares each with the contract, and makes the next one.
pub struct Watch {
    before: Option<Before>,
    /// A broken contract stops nothing.
    goes_on: bool,
    pub now: Contract,
    pub changes: Vec<Change>,
    /// By feed and table: the rows of the last run's delivery and of this one's.
    deliveries: Vec<(String, u64, u64)>,
}

impl Watch {
    pub fn new(before: Option<Before>, goes_on: bool) -> Watch {
        Watch { before, goes_on, now: Contract::default(), changes: Vec::new(), deliveries: Vec::new() }
    }

    /// The run that this one is compared with.
    pub fn run_id(&self) -> Option<&str> {
        self.before.as_ref().map(|before| before.run_id.as_str())
    }

    /// Takes a feed's raw tables in, before they are mapped. A mapping that is no longer the last run's is
    /// judged by what it fills, in [`Watch::fills`].
    pub fn sees(&mut self, feed: &str, mapping: &Mapping, tables: &[TableSeen]) {
        let mapping = hash(mapping);
        if let Some((before, known)) = self.before_of(feed) {
            let is_mapped_anew = before.mapping != mapping;
            let mut changes = Vec::new();
            for table in tables {
                match before.tables.get(&table.name) {
                    Some(was) => changes.extend(compare(feed, was, table, known)),
                    None => changes.push(Change {
                        feed: feed.into(),
                        table: Some(table.name.clone()),
                        column: "*".into(),
                        was: None,
                        is: "is a new table".into(),
                        perhaps: None,
                        breaks: false,
                    }),
                }
            }
            changes.iter_mut().for_each(|change| change.breaks &= !is_mapped_anew);
            self.changes.extend(changes);
        }
        let new_rows: Vec<Option<u64>> = tables.iter().map(|table| self.new_rows(feed, table)).collect();
        let of_table = |(table, new_rows): (&TableSeen, Option<u64>)| {
            let newest = table.files.iter().rev().take(NEWEST_FILES);
            let columns = table.columns.iter().map(|(name, kind)| {
                let is_steady = newest.clone().all(|file| !file.lacks.contains(name));
                (name.clone(), ColumnContract { kind: words_of(kind).into(), is_used: false, is_steady })
            });
            (table.name.clone(), TableContract { rows: table.rows, new_rows, columns: columns.collect() })
        };
        let tables = tables.iter().zip(new_rows).map(of_table).collect();
        self.now.feeds.insert(feed.into(), FeedContract { mapping, tables, ..FeedContract::default() });
    }

    /// The rows that a table has more than in the last run, by files that are new since; what is known of
    /// the last delivery where nothing has come.
    fn new_rows(&mut self, feed: &str, table: &TableSeen) -> Option<u64> {
        let (before, known) = self.before_of(feed)?;
        let was = before.tables.get(&table.name)?;
        let is_known = |file: &&FileSeen| known.contains(&(file.url.clone(), file.etag.clone()));
        if table.files.iter().all(|file| is_known(&file)) {
            return was.new_rows;
        }
        let new_rows = table.rows.checked_sub(was.rows)?;
        if let Some(last) = was.new_rows {
            self.deliveries.push((format!("{feed}, table {}", table.name), last, new_rows));
        }
        Some(new_rows)
    }

    /// Whether a change of this feed's stops the run.
    pub fn is_broken(&self, feed: &str) -> bool {
        !self.goes_on && self.changes.iter().any(|change| change.breaks && change.feed == feed)
    }

    /// Takes in what the mapping reads of a table and what it fills.
    pub fn fills(&mut self, feed: &str, used: &BTreeMap<String, BTreeSet<String>>, fills: &BTreeSet<String>) {
        if let Some((before, _)) = self.before_of(feed) {
            let is_mapped_anew = self.now.feeds.get(feed).is_some_and(|now| now.mapping != before.mapping);
            let lost: Vec<Change> = before
                .fills
                .difference(fills)
                .filter(|_| is_mapped_anew)
                .map(|column| Change {
                    feed: feed.into(),
                    table: None,
                    column: column.clone(),
                    was: Some("filled".into()),
                    is: "is filled by nothing".into(),
                    perhaps: None,
                    breaks: true,
                })
                .collect();
            self.changes.extend(lost);
        }
        let Some(now) = self.now.feeds.get_mut(feed) else { return };
        now.fills = fills.clone();
        for (table, columns) in used {
            let Some(table) = now.tables.get_mut(table) else { continue };
            for (name, column) in &mut table.columns {
                column.is_used = columns.contains(name);
            }
        }
    }

    /// Takes in the rows that a feed hands on.
    pub fn hands_on(&mut self, feed: &str, rows: u64) {
        if let Some(now) = self.now.feeds.get_mut(feed) {
            now.rows = rows;
        }
    }

    /// Deliveries that bring less than the last one's, by more than this share: table, rows then, rows now.
    pub fn smaller_deliveries(&self, max_drop: f64) -> Vec<(String, u64, u64)> {
        let is_small = |was: u64, now: u64| (now as f64) < was as f64 * (1.0 - max_drop);
        self.deliveries.iter().filter(|(_, was, now)| is_small(*was, *now)).cloned().collect()
    }

    /// Feeds that lost more than this share of their rows: name, rows before, rows now.
    pub fn drops(&self, max_drop: f64) -> Vec<(String, u64, u64)> {
        let Some(before) = &self.before else { return Vec::new() };
        let pairs = self.now.feeds.iter().filter_map(|(feed, now)| {
            before.contract.feeds.get(feed).map(|was| (feed.clone(), was.rows, now.rows))
        });
        pairs.filter(|(_, was, now)| (*now as f64) < *was as f64 * (1.0 - max_drop)).collect()
    }

    fn before_of(&self, feed: &str) -> Option<(&FeedContract, &BTreeSet<(String, String)>)> {
        let before = self.before.as_ref()?;
        before.contract.feeds.get(feed).map(|contract| (contract, &before.objects))
    }
}

/// What a table has that the contract does not say, and the other way round.
fn compare(
    feed: &str,
    was: &TableContract,
    table: &TableSeen,
    known: &BTreeSet<(String, String)>,
) -> Vec<Change> {
    let new_files: Vec<&FileSeen> =
        table.files.iter().filter(|file| !known.contains(&(file.url.clone(), file.etag.clone()))).collect();
    let mut new_columns: Vec<&str> = table
        .columns
        .iter()
        .map(|(name, _)| name.as_str())
        .filter(|name| !was.columns.contains_key(*name))
        .collect();
    let change = |column: &str, was: Option<&ColumnContract>, is: String, breaks: bool| Change {
        feed: feed.into(),
        table: Some(table.name.clone()),
        column: column.into(),
        was: was.map(|was| was.kind.clone()),
        is,
        perhaps: None,
        breaks,
    };
    // One that looks like data is not alone: the header is missing, and every name may be somebody's.
    let is_headless = new_columns.iter().any(|name| looks_like_data(name));
    if is_headless {
        new_columns.clear();
    }
    let mut changes = Vec::new();
    for (name, column) in &was.columns {
        let now = table.columns.iter().find(|(known, _)| known == name);
        let lacking = new_files.iter().filter(|file| file.lacks.contains(name)).count();
        let is = match now {
            None => "is missing".to_string(),
            Some((_, kind)) if words_of(kind) != column.kind => format!("is {}", words_of(kind)),
            Some(_) if lacking > 0 && column.is_steady => {
                format!("is missing from {lacking} of {} new files", new_files.len())
            }
            Some(_) => continue,
        };
        let is_missing = is.starts_with("is missing");
        let mut change = change(name, Some(column), is, column.is_used);
        if is_missing {
            change.perhaps = most_alike(name, &new_columns);
            // Where nothing is said of what is empty, only another name tells of a change.
            change.breaks &= !table.leaves_out || change.perhaps.is_some();
        }
        new_columns.retain(|new| Some(*new) != change.perhaps.as_deref());
        changes.push(change);
    }
    for name in new_columns {
        changes.push(change(name, None, "is new".into(), false));
    }
    if is_headless {
        changes.push(change("(not shown: the first line looks like data)", None, "is new".into(), false));
    }
    changes
}

/// The new column that a missing one has most likely become.
fn most_alike(name: &str, new: &[&str]) -> Option<String> {
    let plain = |name: &str| -> String {
        name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
    };
    let alike = |other: &str| strsim::jaro_winkler(&plain(name), &plain(other));
    let least = if new.len() == 1 { ALIKE_IF_ALONE } else { ALIKE };
    new.iter()
        .filter(|other| !looks_like_data(other))
        .map(|other| (alike(other), *other))
        .filter(|(alike, _)| *alike >= least)
        .max_by(|(a, one), (b, other)| a.total_cmp(b).then(other.cmp(one)))
        .map(|(_, other)| other.to_string())
}

/// Whether a column's name may be a customer's value: in a file without a header it is.
pub fn looks_like_data(name: &str) -> bool {
    name.parse::<f64>().is_ok()
        || crate::engine::time::parse(name).is_some()
        || name.contains('@')
        || name.len() > 64
}

/// A type as a person says it, one word for all encodings of text.
fn words_of(kind: &str) -> &str {
    match kind {
        "Utf8" | "LargeUtf8" | "Utf8View" => "text",
        kind => kind,
    }
}

fn hash(mapping: &Mapping) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    match mapping {
        Mapping::Query(sql) => add(&sql.value),
        Mapping::Columns(columns) => {
            for (name, source) in columns {
                add(name);
                add(&source.value);
            }
        }
    }
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Located;

    fn mapping(text: &str) -> Mapping {
        Mapping::Query(Located { value: text.into(), line: 1 })
    }

    /// A table of text columns in files, each named with the columns that it lacks.
    fn table(columns: &[&str], files: &[(&str, &[&str])]) -> TableSeen {
        TableSeen {
            leaves_out: false,
            name: "t".into(),
            rows: 10,
            columns: columns.iter().map(|name| (name.to_string(), "Utf8".to_string())).collect(),
            files: files
                .iter()
                .map(|(url, lacks)| FileSeen {
                    url: url.to_string(),
                    etag: "1".into(),
                    lacks: lacks.iter().map(|name| name.to_string()).collect(),
                })
                .collect(),
        }
    }

    /// What a run over this table leaves behind; `id` and `solved at` are used.
    fn before(seen: &TableSeen) -> Before {
        let mut watch = Watch::new(None, false);
        watch.sees("tickets", &mapping("a"), std::slice::from_ref(seen));
        let used = BTreeMap::from([("t".to_string(), set(&["id", "solved at"]))]);
        watch.fills("tickets", &used, &set(&["ticket_id", "solved_at"]));
        watch.hands_on("tickets", 10);
        let objects = seen.files.iter().map(|file| (file.url.clone(), file.etag.clone())).collect();
        Before { run_id: "r".into(), contract: watch.now, objects }
    }

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// Each change in words, those that stop first marked.
    fn changes(before: &Before, mapped: &str, now: &TableSeen) -> Vec<String> {
        let mut watch = Watch::new(Some(before.clone()), false);
        watch.sees("tickets", &mapping(mapped), std::slice::from_ref(now));
        let mark = |change: &Change| format!("{}{}", if change.breaks { "! " } else { "" }, change.words());
        watch.changes.iter().map(mark).collect()
    }

    #[test]
    fn a_renamed_column_of_a_new_file_is_missed_although_old_files_have_it() {
        let last = before(&table(&["id", "note", "solved at"], &[("1.csv", &[]), ("2.csv", &[])]));
        let now = table(
            &["id", "note", "solved at", "solved date", "weather"],
            &[
                ("1.csv", &["solved date", "weather"]),
                ("2.csv", &["solved date", "weather"]),
                ("3.csv", &["solved at"]),
            ],
        );
        assert_eq!(
            changes(&last, "a", &now),
            [
                "! tickets, table t: `solved at` was text, is missing from 1 of 1 new files; new there is `solved date`, which may be it",
                "tickets, table t: `weather` is new",
            ]
        );
        // Nothing new, nothing missed.
        let same = table(&["id", "note", "solved at"], &[("1.csv", &[]), ("2.csv", &[])]);
        assert_eq!(changes(&last, "a", &same), [""; 0]);
    }

    #[test]
    fn what_is_missed_depends_on_its_use() {
        let last = before(&table(&["id", "note", "solved at"], &[("1.csv", &[])]));
        let now = table(&["id"], &[("2.csv", &[])]);
        assert_eq!(
            changes(&last, "a", &now),
            [
                "tickets, table t: `note` was text, is missing",
                "! tickets, table t: `solved at` was text, is missing"
            ]
        );
        let mut typed = table(&["id", "note", "solved at"], &[("2.parquet", &[])]);
        typed.columns[2].1 = "Int64".into();
        assert_eq!(changes(&last, "a", &typed), ["! tickets, table t: `solved at` was text, is Int64"]);
    }

    #[test]
    fn columns_that_come_and_go_are_not_missed() {
        // The newest three files decide; the oldest one does not.
        let lacks: &[&str] = &["solved at"];
        for (files, is_missed) in [
            ([("1", lacks), ("2", &[][..]), ("3", &[]), ("4", &[])], true),
            ([("1", &[][..]), ("2", lacks), ("3", &[]), ("4", &[])], false),
            ([("1", &[][..]), ("2", &[]), ("3", &[]), ("4", lacks)], false),
        ] {
            let last = before(&table(&["id", "solved at"], &files));
            let mut now = files.to_vec();
            now.push(("5", lacks));
            let told = changes(&last, "a", &table(&["id", "solved at"], &now));
            assert_eq!(told.len(), usize::from(is_missed));
            assert!(
                told.iter().all(|change| change.ends_with("is missing from 1 of 1 new files")),
                "{told:?}"
            );
        }
    }

    /// Whoever mends the mapping has seen the new column; what it does not fill any more is missed.
    #[test]
    fn a_new_mapping_is_judged_by_what_it_fills() {
        let last = before(&table(&["id", "solved at"], &[("1.csv", &[])]));
        let now = table(&["id", "solved date"], &[("2.csv", &[])]);
        let mut watch = Watch::new(Some(last.clone()), false);
        watch.sees("tickets", &mapping("b"), std::slice::from_ref(&now));
        assert!(!watch.is_broken("tickets") && watch.changes.len() == 1);
        watch.fills("tickets", &BTreeMap::new(), &set(&["ticket_id", "solved_at"]));
        assert!(!watch.is_broken("tickets"));
        watch.fills("tickets", &BTreeMap::new(), &set(&["ticket_id"]));
        assert!(watch.is_broken("tickets"));
        assert_eq!(watch.changes[1].words(), "tickets: `solved_at` was filled, is filled by nothing");
    }

    #[test]
    fn rows_that_are_gone_are_counted_by_feed() {
        let mut watch = Watch::new(Some(before(&table(&["id"], &[("1", &[])]))), false);
        watch.sees("tickets", &mapping("a"), &[]);
        for (rows, max_drop, is_told) in [(5, 0.5, false), (4, 0.5, true), (4, 1.0, false), (9, 0.0, true)] {
            watch.hands_on("tickets", rows);
            assert_eq!(!watch.drops(max_drop).is_empty(), is_told, "{rows}");
        }
    }

    /// A file without a header names its columns after a customer.
    #[test]
    fn names_that_may_be_data_are_not_shown() {
        let last = before(&table(&["id", "solved at"], &[("1.csv", &[])]));
        let now = table(&["id", "ann@example.com", "2025-01-01", "17"], &[("2.csv", &[])]);
        assert_eq!(
            changes(&last, "a", &now),
            [
                "! tickets, table t: `solved at` was text, is missing",
                "tickets, table t: `(not shown: the first line looks like data)` is new"
            ]
        );
    }
}
