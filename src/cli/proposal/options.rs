//! How a table is to be read, and how its rows come again.

use std::collections::BTreeSet;

use super::quoted;
use crate::discover::Found;
use crate::discover::codes::Codes;
use crate::discover::deliveries::Again;
use crate::discover::looks::{self, Kind};
use crate::discover::sample::Column;
use crate::sources::feeds::{Feed, Type};

/// How the table is to be read.
pub fn options(feed: Option<&Feed>, found: &Found) -> String {
    let sample = &found.sample;
    let said: &[String] = found.matched.export.as_ref().map_or(&[], |export| &export.lines);
    let says = |key: &str| said.iter().any(|line| line.split(' ').next() == Some(key));
    let mut lines: Vec<String> = Vec::new();
    if let Some(delimiter) = sample.delimiter {
        lines.push(format!("delimiter = {}", quoted(&delimiter.to_string())));
    }
    if let Some(encoding) = sample.encoding {
        lines.push(format!("encoding = \"{encoding}\""));
    }
    if let Some(records) = &sample.records {
        lines.push(format!("records = {}", quoted(records)));
    }
    if sample.skip > 0 && !says("skip_after_header") {
        lines.push(format!("skip_after_header = {}", sample.skip));
    }
    let columns = Columns::new(feed, found);
    // Parquet has types.
    if found.format != "parquet" {
        lines.extend(formats(&columns));
        if columns.numbers.iter().any(|column| looks::kind(column) == Kind::CommaNumber) {
            lines.push("decimal = \",\"".into());
        }
        let nulls: BTreeSet<&str> = columns.read.iter().flat_map(|column| looks::nothings(column)).collect();
        if !nulls.is_empty() {
            lines.push(format!("nulls = [{}]", nulls.into_iter().map(quoted).collect::<Vec<_>>().join(", ")));
        }
    }
    let is_naive = |column: &Column| {
        matches!(looks::kind(column), Kind::Time { has_zone: false } | Kind::Format(_) | Kind::DayOrMonth(..))
    };
    if sample.columns.iter().any(is_naive) && !says("timezone") {
        lines
            .push("# ? its times have no zone: whose are they? timezone = \"…\" if not the one above".into());
    }
    lines.extend(said.iter().cloned());
    if !says("mode") {
        lines.extend(mode(feed, found));
    }
    if let Some(deleted) = found.deleted.as_ref().filter(|_| !says("deleted_when")) {
        lines.push(format!("deleted_when = {}   # rows that say that they are gone", quoted(deleted)));
    }
    for (ours, codes) in &found.codes {
        lines.extend(words(ours, codes));
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// The columns that decide how a table is read: those that are mapped; all where there are none yet.
struct Columns<'f> {
    read: Vec<&'f Column>,
    times: Vec<&'f Column>,
    numbers: Vec<&'f Column>,
}

impl<'f> Columns<'f> {
    fn new(feed: Option<&Feed>, found: &'f Found) -> Self {
        let sample = &found.sample;
        let mapped = |is_wanted: &dyn Fn(Type) -> bool| -> Vec<&'f Column> {
            let pairs = found.matched.columns.iter();
            let ours = pairs.filter(|(ours, _)| {
                feed.and_then(|feed| feed.column(ours)).is_some_and(|column| is_wanted(column.kind))
            });
            ours.filter_map(|(_, theirs)| sample.column(theirs)).collect()
        };
        let or_all = |mapped: Vec<&'f Column>| {
            if mapped.is_empty() { sample.columns.iter().collect() } else { mapped }
        };
        // A time that is asked about has a format as well.
        let mut times = or_all(mapped(&|kind| matches!(kind, Type::Time | Type::Deadline)));
        for column in &sample.columns {
            let has_format = matches!(looks::kind(column), Kind::Format(_) | Kind::DayOrMonth(..));
            if has_format && !times.iter().any(|known| known.name == column.name) {
                times.push(column);
            }
        }
        Self {
            read: or_all(mapped(&|_| true)),
            times,
            numbers: or_all(mapped(&|kind| matches!(kind, Type::Number | Type::Weight))),
        }
    }
}

/// Formats of times that must be declared.
fn formats(columns: &Columns<'_>) -> Vec<String> {
    let kinds: Vec<Kind> = columns.times.iter().map(|column| looks::kind(column)).collect();
    let told: BTreeSet<&str> = kinds
        .iter()
        .filter_map(|kind| match kind {
            Kind::Format(format) => format.get(..5),
            _ => None,
        })
        .collect();
    let mut formats: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for kind in &kinds {
        let format = match kind {
            Kind::Format(format) => format.clone(),
            Kind::EpochSeconds => "epoch_seconds".into(),
            Kind::EpochMilliseconds => "epoch_milliseconds".into(),
            // Another column of the table may tell which comes first.
            Kind::DayOrMonth(day, month) => match (told.contains(&day[..5]), told.contains(&month[..5])) {
                (true, false) => day.clone(),
                (false, true) => month.clone(),
                _ => {
                    let line = format!(
                        "# ? is the day first or the month? timestamp_formats = [\"{day}\"] or [\"{month}\"]"
                    );
                    if !lines.contains(&line) {
                        lines.push(line);
                    }
                    continue;
                }
            },
            _ => continue,
        };
        if !formats.contains(&format) {
            formats.push(format);
        }
    }
    if !formats.is_empty() {
        let formats: Vec<String> = formats.iter().map(|format| quoted(format)).collect();
        lines.push(format!("timestamp_formats = [{}]", formats.join(", ")));
    }
    lines
}

/// How rows come again.
fn mode(feed: Option<&Feed>, found: &Found) -> Vec<String> {
    let key = feed.filter(|feed| feed.key.len() == 1).and_then(|feed| found.matched.theirs(feed.key[0]));
    let key = key.filter(|key| found.sample.column(key).is_some());
    match (&found.again, key) {
        (Again::Whole, _) => {
            vec!["mode = \"snapshot\"   # each dated delivery is the whole: the newest counts".into()]
        }
        (Again::Changed { version: Some((version, is_sure)) }, Some(key)) => {
            let doubt = if *is_sure { "" } else { "   # ? does it grow with each change?" };
            vec![
                "mode = \"upsert\"                  # its key comes again: the newest version counts".into(),
                format!("key = {}", quoted(key)),
                format!("version = {}{doubt}", quoted(version)),
            ]
        }
        (Again::Changed { version: None } | Again::Within, Some(key)) => vec![format!(
            "# ? {} comes again: is each folder the whole (mode = \"snapshot\"), or do rows come again when they \
             change (mode = \"upsert\", with key and version), or is it one row per part (then write a query)?",
            quoted(key)
        )],
        (Again::Never, Some(key)) => match found.matched.theirs("updated_at") {
            Some(version) if found.sample.is_dated && found.objects > 1 => vec![format!(
                "# ? do rows come again when they change? None did in what was seen; then mode = \"upsert\", \
                 key = {}, version = {}",
                quoted(key),
                quoted(version)
            )],
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

/// The export's words for ours.
fn words(ours: &str, codes: &Codes) -> Vec<String> {
    let mut lines = Vec::new();
    let known = codes.known.join(", ");
    if !codes.meant.is_empty() {
        let pairs: Vec<String> =
            codes.meant.iter().map(|(theirs, ours)| format!("{} = \"{ours}\"", key(theirs))).collect();
        lines.push(format!(
            "words.{ours} = {{ {} }}   # ? is that what they mean? ours are {known}",
            pairs.join(", ")
        ));
    }
    if !codes.open.is_empty() {
        let pairs: Vec<String> = codes.open.iter().map(|theirs| format!("{} = \"?\"", key(theirs))).collect();
        let name = format!("words.{ours}");
        lines.push(format!("# ? {ours}: what do these words mean? ours are {known}"));
        lines.push(format!("# {name} = {{ {} }}", pairs.join(", ")));
    }
    lines
}

/// A word as a key of TOML.
fn key(word: &str) -> String {
    let is_bare = !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
    if is_bare { word.to_string() } else { quoted(word) }
}
