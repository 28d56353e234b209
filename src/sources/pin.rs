//! Listing, once: which objects a run reads, and which it skips and why.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;

use super::days;
use crate::config::{COMPRESSED, Config, Delivery, Format, Partition, Reading, Source, Table, parse_day};
use crate::engine::folders;
use crate::error::{Context, Error, Result};
use crate::progress::Progress;
use crate::sample;
use crate::store::{self, Object, Store};

/// Reasons why an object is not read.
pub const EMPTY: &str = "empty";
pub const HIDDEN: &str = "a marker or hidden object";
pub const OTHER_ENDING: &str = "another file extension";
pub const NOT_READY: &str = "its folder has no marker yet";
pub const OTHER_DAYS: &str = "its folder holds days that this run does not look at";

/// One source with its objects.
pub struct PinnedSource {
    pub source: Source,
    pub tables: Vec<PinnedTable>,
}

pub struct PinnedTable {
    pub name: String,
    pub format: Format,
    pub reading: Reading,
    pub line: usize,
    pub delivery: Delivery,
    /// In which times without a zone are read.
    pub timezone: Tz,
    pub store: Store,
    /// The objects that are read, by path.
    pub objects: Vec<Object>,
    /// Those that are not: address and reason.
    pub skipped: Vec<(String, &'static str)>,
    pub bytes_skipped: u64,
}

impl PinnedTable {
    /// The columns that the names of folders carry, in order of name.
    pub fn folder_columns(&self) -> BTreeSet<String> {
        self.objects.iter().flat_map(|object| folders::values(&object.path)).map(|(name, _)| name).collect()
    }
}

/// The days that a run can make use of, both included. What is known before anything is read.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    first: NaiveDate,
    last: NaiveDate,
}

impl Span {
    /// From the start of the window, and what answers and journeys there look back on, to the as-of.
    pub fn new(config: &Config, as_of: NaiveDate) -> Span {
        let back = config.analysis.window_days + config.journey_days.max(config.lookback_days);
        // A day more, since folders may be cut by another zone than ours.
        let first = as_of.checked_sub_days(Days::new(u64::from(back) + 1)).unwrap_or(NaiveDate::MIN);
        Span { first, last: as_of.succ_opt().unwrap_or(as_of) }
    }
}

/// Lists every table of every source. `as_of` is the day whose end a run looks back from, where it is
/// known before anything is read; without it no folder is left out for its days.
///
/// # Errors
/// `Kind::Config` where a table has no object to read; `Kind::Unavailable` and `Kind::Io` of the storage.
pub async fn pin(config: &Config, as_of: Option<NaiveDate>) -> Result<Vec<PinnedSource>> {
    let span = as_of.map(|day| Span::new(config, day));
    let mut pinned = Vec::new();
    for source in config.sources.values() {
        let mut tables = Vec::new();
        for (name, table) in &source.tables {
            let table = pin_table(config, source, name, table, span).await;
            tables.push(table.with("source", &source.feed).with("table", name)?);
        }
        pinned.push(PinnedSource { source: source.clone(), tables });
    }
    Ok(pinned)
}

async fn pin_table(
    config: &Config,
    source: &Source,
    name: &str,
    table: &Table,
    span: Option<Span>,
) -> Result<PinnedTable> {
    let url = &table.url.value;
    let (store, found) = find(config, url).await.with("line", table.url.line)?;
    if let Some(object) = found.iter().find(|object| object.last_modified_micros == 0)
        && config.plausible_until.is_none()
    {
        return Err(Error::config("the server does not say when this file was last changed")
            .with("object", &object.url)
            .with("line", table.url.line)
            .hint("say after which day times are implausible: `plausible_until = \"2026-12-31\"`"));
    }
    let ready = match &table.reading.ready {
        Some(marker) => Some(Ready { marker, folders: marked_folders(config, url, &found, marker).await? }),
        None => None,
    };
    let partition = table.reading.partition.as_ref();
    if let Some(partition) = partition {
        expect_folders(partition, &found).with("line", table.url.line)?;
    }
    let mut objects = Vec::new();
    let (mut skipped, mut bytes_skipped) = (Vec::new(), 0);
    let says_ending = says_ending(url);
    // An object that is named outright is read whatever its name.
    let is_named = found.len() == 1 && url.ends_with(found[0].path.as_str());
    for object in found {
        let reason = reason_to_skip(&object, table.format, is_named, says_ending)
            .or_else(|| ready.as_ref().and_then(|ready| ready.reason_to_skip(&object, is_named)))
            .or_else(|| partition.zip(span).and_then(|(partition, span)| outside(&object, partition, span)));
        match reason {
            None => objects.push(object),
            Some(reason) => {
                bytes_skipped += object.bytes;
                skipped.push((object.url, reason));
            }
        }
    }
    if objects.is_empty() {
        let refused = Error::config("there is nothing to read at this address")
            .with("url", &table.url.value)
            .with("line", table.url.line);
        return Err(match skipped.first() {
            Some((url, reason)) => {
                refused.with("skipped", format!("{url} ({reason})")).hint(way_out(reason, table.format))
            }
            None => refused.hint(
                "check the address: a path is taken from the folder of the configuration; a folder ends with `/`, \
                 a pattern may hold `*`",
            ),
        });
    }
    Ok(PinnedTable {
        name: name.to_string(),
        format: table.format,
        reading: table.reading.clone(),
        line: table.url.line,
        delivery: table.delivery.clone(),
        timezone: source.timezone,
        store,
        objects,
        skipped,
        bytes_skipped,
    })
}

/// Names what is skipped. Folders of other days may be thousands, and are as they should be: a sentence.
pub fn tell_skipped(table: &PinnedTable, progress: &dyn Progress) {
    let (other_days, others): (Vec<_>, Vec<_>) =
        table.skipped.iter().partition(|(_, reason)| *reason == OTHER_DAYS);
    for (url, reason) in others {
        progress.warns("an object is skipped", &[("object", url.clone()), ("reason", (*reason).into())]);
    }
    if let (Some((first, reason)), Some((last, _))) = (other_days.first(), other_days.last()) {
        progress.says(&format!(
            "{}: {} objects are skipped ({reason}), from {first} to {last}",
            table.name,
            other_days.len()
        ));
    }
}

/// One object of a feed's source by its address, and how it is read; none if it is not listed any more.
pub async fn locate(config: &Config, feed: &str, url: &str) -> Result<Option<(Store, Object, Table)>> {
    for table in config.sources.get(feed).iter().flat_map(|source| source.tables.values()) {
        let (store, objects) = find(config, &table.url.value).await?;
        if let Some(object) = objects.into_iter().find(|object| object.url == url) {
            return Ok(Some((store, object, table.clone())));
        }
    }
    Ok(None)
}

async fn find(config: &Config, url: &str) -> Result<(Store, Vec<Object>)> {
    if !config.embedded {
        return store::find(url, &config.base, &config.environment.0).await;
    }
    let store = sample::store()?;
    let objects = store.list(url).await?;
    Ok((store, objects))
}

/// Markers, empty objects and other formats are named as skipped, never read by guess.
fn reason_to_skip(
    object: &Object,
    format: Format,
    is_named: bool,
    says_ending: bool,
) -> Option<&'static str> {
    let is_hidden = |part: &str| part.starts_with(['_', '.']) && !part.contains('=');
    if object.bytes == 0 {
        // Markers are empty as a rule, and are what they are.
        let name = object.path.rsplit('/').next().unwrap_or_default();
        Some(if is_hidden(name) { HIDDEN } else { EMPTY })
    } else if is_named {
        None
    } else if object.path.split('/').any(is_hidden) {
        Some(HIDDEN)
    } else if !says_ending && !has_ending(&object.path, format) {
        Some(OTHER_ENDING)
    } else {
        None
    }
}

/// The day of a delivery: the last date, as in `2026-11-01`, in the object's path below the listed folder,
/// else in its whole address.
pub fn delivery_day(object: &Object) -> Option<NaiveDate> {
    last_day(&object.path).or_else(|| last_day(&object.url))
}

/// The folder of a delivery, up to the name that holds its date; empty where the object's own name holds it,
/// since then every object of that day is a part of one delivery.
pub fn delivery_folder(object: &Object) -> &str {
    let names = object.path.match_indices('/').map(|(end, _)| &object.path[..end]);
    let Some(day) = last_day(&object.path) else { return "" };
    // The shortest part of the path that has the last date of it.
    names.into_iter().find(|part| last_day(part) == Some(day) && part.len() < object.path.len()).unwrap_or("")
}

fn last_day(path: &str) -> Option<NaiveDate> {
    let is_digit = |at: usize| path.as_bytes().get(at).is_some_and(u8::is_ascii_digit);
    let mut days = path.char_indices().filter_map(|(at, _)| {
        let is_part = (at > 0 && is_digit(at - 1)) || is_digit(at + 10);
        path.get(at..at + 10).filter(|_| !is_part).and_then(parse_day)
    });
    days.next_back()
}

/// Whether a name ends as objects of the format do, compressed or not.
fn has_ending(name: &str, format: Format) -> bool {
    let name = name.to_lowercase();
    let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
    format.endings().iter().any(|ending| plain.ends_with(ending))
}

/// Whether an address is a pattern that says how its objects' names end, as `*.dat` does.
fn says_ending(url: &str) -> bool {
    let name = url.rsplit('/').next().unwrap_or(url);
    name.rfind(['*', '?', ']']).is_some_and(|end| name[end..].contains('.'))
}

fn way_out(reason: &str, format: Format) -> String {
    match reason {
        EMPTY | HIDDEN => "check that the export has been written".into(),
        NOT_READY => "a folder is read once the marker that `ready` names lies in it".into(),
        OTHER_DAYS => "check the as-of, and `partition` and its `slack_days`".into(),
        _ => format!("the table's format is {}; name the objects of that format", format.as_str()),
    }
}

// ---- folders that are finished -----------------------------------------------------------------------

/// Folders with a marker.
struct Ready<'a> {
    marker: &'a str,
    /// By path, without the last `/`; the address's own folder is "".
    folders: BTreeSet<String>,
}

impl Ready<'_> {
    /// An object counts as finished if its folder is, or one around it below the address's own: writers
    /// put one marker beside the folders of a day.
    fn reason_to_skip(&self, object: &Object, is_named: bool) -> Option<&'static str> {
        let (folder, name) = object.path.rsplit_once('/').unwrap_or(("", &object.path));
        if name == self.marker && !is_named {
            return Some(HIDDEN);
        }
        let mut around = folder;
        loop {
            if self.folders.contains(around) {
                return None;
            }
            match around.rsplit_once('/') {
                Some((outer, _)) => around = outer,
                None => return Some(NOT_READY),
            }
        }
    }
}

/// The folders where the marker lies. A pattern that does not match it is asked again for markers only.
async fn marked_folders(
    config: &Config,
    url: &str,
    found: &[Object],
    marker: &str,
) -> Result<BTreeSet<String>> {
    let folder_of = |object: &Object| -> Option<String> {
        let (folder, name) = object.path.rsplit_once('/').unwrap_or(("", &object.path));
        (name == marker).then(|| folder.to_string())
    };
    let is_one_object = found.len() == 1 && url.ends_with(found[0].path.as_str());
    if url.ends_with('/') || !(url.contains(['*', '?', '[']) || is_one_object) {
        return Ok(found.iter().filter_map(folder_of).collect());
    }
    let beside = url.rsplit_once('/').map_or(marker.to_string(), |(folder, _)| format!("{folder}/{marker}"));
    // Paths count from the first folder without a pattern, which is the same one for both.
    let (_, markers) = find(config, &beside).await?;
    Ok(markers.iter().filter_map(folder_of).collect())
}

// ---- folders of days ---------------------------------------------------------------------------------

/// A partition that no folder shows is a mistake in its name.
fn expect_folders(partition: &Partition, found: &[Object]) -> Result<()> {
    let has = |object: &Object| folders::values(&object.path).any(|(name, _)| name == partition.column);
    if found.is_empty() || found.iter().any(has) {
        return Ok(());
    }
    let refused = Error::config(format!("no folder is named `{}=…`", partition.column))
        .hint("check `partition`: its column is what stands before the `=` in the folders' names");
    Err(match found.first() {
        Some(object) => refused.with("object", &object.url),
        None => refused,
    })
}

/// Whether none of an object's rows can lie in the span. What says no day is read.
fn outside(object: &Object, partition: &Partition, span: Span) -> Option<&'static str> {
    let value = folders::value_of(&object.path, &partition.column)?;
    let (first, last) = days::covered(&value, partition.covers)?;
    let slack = Days::new(u64::from(partition.slack_days));
    let first = first.checked_sub_days(slack).unwrap_or(NaiveDate::MIN);
    let last = last.checked_add_days(slack).unwrap_or(NaiveDate::MAX);
    (last < span.first || span.last < first).then_some(OTHER_DAYS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Covers;

    fn object(path: &str, bytes: u64) -> Object {
        Object {
            path: path.into(),
            url: format!("s3://lake/{path}"),
            bytes,
            etag: "1".into(),
            last_modified_micros: 0,
        }
    }

    #[test]
    fn objects_are_told_by_their_names() {
        for (path, format, expected) in [
            ("a.csv", Format::Csv, None),
            ("ds=1/A.CSV", Format::Csv, None),
            ("a.csv.gz", Format::Csv, None),
            ("a.tsv.zst", Format::Csv, None),
            ("README.txt", Format::Csv, Some(OTHER_ENDING)),
            ("a.csv.bz2", Format::Csv, Some(OTHER_ENDING)),
            ("a.gz", Format::Csv, Some(OTHER_ENDING)),
            ("a.jsonl.gz", Format::Ndjson, None),
            ("part-0.json", Format::Ndjson, None),
            ("a.ndjson", Format::Json, Some(OTHER_ENDING)),
            ("a.json", Format::Json, None),
            ("a.csv", Format::Parquet, Some(OTHER_ENDING)),
            ("a.snappy.parquet", Format::Parquet, None),
            ("_SUCCESS", Format::Csv, Some(HIDDEN)),
            ("x/.a.csv", Format::Csv, Some(HIDDEN)),
            ("_temporary/0/a.csv", Format::Csv, Some(HIDDEN)),
            ("_ds=1/a.csv", Format::Csv, None),
        ] {
            assert_eq!(reason_to_skip(&object(path, 1), format, false, false), expected, "{path}");
        }
        assert_eq!(reason_to_skip(&object("a.csv", 0), Format::Csv, true, false), Some(EMPTY));
        assert_eq!(reason_to_skip(&object("_SUCCESS", 0), Format::Csv, false, false), Some(HIDDEN));
        assert_eq!(reason_to_skip(&object("_a", 1), Format::Csv, true, false), None);
        assert_eq!(reason_to_skip(&object("a.dat", 1), Format::Csv, false, true), None);
        for (url, expected) in [
            ("in/*.dat", true),
            ("in/a-?.dat", true),
            ("in/*", false),
            ("in/*.csv*", false),
            ("in.d/a*", false),
        ] {
            assert_eq!(says_ending(url), expected, "{url}");
        }
    }

    #[test]
    fn a_folder_is_finished_with_its_marker() {
        let folders = ["", "ds=1", "ds=3/x"].map(String::from).into();
        let ready = Ready { marker: "done.csv", folders };
        for (path, expected) in [
            ("a.csv", None),
            ("ds=1/a.csv", None),
            ("ds=1/region=n/a.csv", None),
            ("ds=1/done.csv", Some(HIDDEN)),
            ("ds=2/a.csv", Some(NOT_READY)),
            ("ds=3/a.csv", Some(NOT_READY)),
            ("ds=3/x/a.csv", None),
        ] {
            assert_eq!(ready.reason_to_skip(&object(path, 1), false), expected, "{path}");
        }
    }

    #[test]
    fn folders_of_other_days_are_left_out() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        let span = Span { first: day("2026-01-10"), last: day("2026-06-20") };
        for (covers, slack_days, value, expected) in [
            (Covers::Day, 0, "2026-01-09", Some(OTHER_DAYS)),
            (Covers::Day, 1, "2026-01-09", None),
            (Covers::Day, 0, "2026-01-10", None),
            (Covers::Day, 0, "20260109", Some(OTHER_DAYS)),
            (Covers::Day, 0, "2026-06-20", None),
            (Covers::Day, 0, "2026-06-21", Some(OTHER_DAYS)),
            (Covers::Day, 1, "2026-06-21", None),
            (Covers::Month, 0, "2025-12", Some(OTHER_DAYS)),
            (Covers::Month, 9, "2025-12", Some(OTHER_DAYS)),
            (Covers::Month, 10, "2025-12", None),
            (Covers::Month, 0, "2026-01", None),
            (Covers::Month, 0, "2026-01-01", None),
            (Covers::Month, 0, "202606", None),
            (Covers::Month, 0, "2026-07", Some(OTHER_DAYS)),
            // What says no day is read.
            (Covers::Day, 0, "2025-01", None),
            (Covers::Day, 0, "early", None),
            (Covers::Day, 0, "__HIVE_DEFAULT_PARTITION__", None),
        ] {
            let partition = Partition { column: "ds".into(), covers, slack_days };
            let found = outside(&object(&format!("ds={value}/a.csv"), 1), &partition, span);
            assert_eq!(found, expected, "{value}");
        }
        let partition = Partition { column: "ds".into(), covers: Covers::Day, slack_days: 0 };
        assert!(expect_folders(&partition, &[object("day=1/a.csv", 1)]).is_err());
        assert!(expect_folders(&partition, &[object("day=1/a.csv", 1), object("ds=1/a.csv", 1)]).is_ok());
    }

    #[test]
    fn the_day_of_a_delivery_stands_in_its_path() {
        let day = |path: &str| last_day(path).map(|day| day.to_string()).unwrap_or_default();
        assert_eq!(day("tickets/ds=2026-11-01/part-0.parquet"), "2026-11-01");
        assert_eq!(day("2026-10-31/tickets-2026-11-01.csv.gz"), "2026-11-01");
        assert_eq!(day("tickets-2026-11-01T0200.csv"), "2026-11-01");
        assert_eq!(day("2026-13-01/part-0.parquet"), "");
        assert_eq!(day("12026-11-01.csv"), "");
        assert_eq!(day("2026-11-012.csv"), "");
        assert_eq!(day("größe/é2026-11-01"), "2026-11-01");
    }
}
