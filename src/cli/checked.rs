//! What a check found, in words for a person and as JSON for a machine.

use serde_json::{Value, json};

use super::terminal::{percent, thousands};
use crate::pipeline::{Checked, FeedCheck, Share};

/// Skipped objects that are named; the others are counted.
const SKIPPED_SHOWN: usize = 3;
/// Columns of text.
const WIDTH: usize = 96;

/// The findings, feed by feed, and what to do next.
pub fn words(checked: &Checked) -> String {
    let mut text = format!("as of {}\n", checked.as_of_words);
    for feed in &checked.feeds {
        text.push_str(&feed_words(feed));
    }
    if !checked.not_measured.is_empty() {
        text.push_str("\ntouchpoints that these exports do not measure\n");
        let width = checked.not_measured.iter().map(|one| one.touchpoint.len()).max().unwrap_or(0);
        for one in &checked.not_measured {
            text.push_str(&format!("  {:<width$}  {}\n", one.touchpoint, one.lacks.join("; ")));
        }
    }
    match checked.accepted {
        Some(true) => text
            .push_str("\nthe exports are taken over as they are now: the next run is compared with them\n"),
        Some(false) => text.push_str("\nnothing has been published yet, so there is nothing to take over\n"),
        None => {}
    }
    text.push_str("\nwhat to do next\n");
    for (place, advice) in checked.advice.iter().enumerate() {
        text.push_str(&filled(
            &format!("  {}. ", place + 1),
            advice.split(' ').map(|word| format!("{word} ")),
        ));
    }
    text
}

fn feed_words(feed: &FeedCheck) -> String {
    let mut text = format!("\n{}\n", feed.feed);
    // A name, what is said first, and a list after it.
    let mut line = |name: &str, first: &str, list: &[String]| {
        if !first.is_empty() || !list.is_empty() {
            text.push_str(&wrapped(&format!("  {name:<10}"), first, list));
        }
    };
    for table in &feed.tables {
        let objects = if table.objects == 1 { "object" } else { "objects" };
        let rows = thousands(i64::try_from(table.rows).unwrap_or(i64::MAX));
        line("read", &format!("{}: {rows} rows from {} {objects}", table.name, table.objects), &[]);
        let apart = std::iter::once((table.superseded, "superseded"))
            .chain(table.filtered.iter().map(|(why, rows)| (*rows, why.as_str())));
        let apart: Vec<String> = apart
            .filter(|(rows, _)| *rows > 0)
            .map(|(rows, what)| format!("{} {what}", thousands(i64::try_from(rows).unwrap_or(i64::MAX))))
            .collect();
        if !apart.is_empty() {
            let handed_on = thousands(i64::try_from(table.handed_on).unwrap_or(i64::MAX));
            line("kept", &format!("{}: {handed_on} of {rows} rows; not ", table.name), &apart);
        }
        for (url, reason) in table.skipped.iter().take(SKIPPED_SHOWN) {
            line("skipped", &format!("{url} ({reason})"), &[]);
        }
        if table.skipped.len() > SKIPPED_SHOWN {
            line("skipped", &format!("and {} more objects", table.skipped.len() - SKIPPED_SHOWN), &[]);
        }
    }
    let mapped = feed.mapped.iter().map(|(column, from)| mapped_words(column, from.as_deref()));
    line("mapped", "", &mapped.collect::<Vec<_>>());
    line("missing", "", &feed.missing.iter().map(|missing| missing.column.clone()).collect::<Vec<_>>());
    let values = feed.values.iter();
    let values = values.map(|(column, note, share)| format!("{} of `{column}` {note}", counted(*share)));
    line("values", "", &values.collect::<Vec<_>>());
    for words in &feed.words {
        let shown: Vec<String> =
            words.shown.iter().map(|(word, rows)| format!("{} {word}", thousands(*rows))).collect();
        let of = if words.are_unreadable { "not understood" } else { "of no word that is known" };
        let first = format!("{} of `{}` {of}", counted(words.rows), words.column);
        line("words", &headed(first, &shown), &shown);
    }
    let all = Share { rows: feed.rejected.iter().map(|(_, share)| share.rows).sum(), of: feed.handed_on };
    let rows_and = |(what, share): &(String, Share)| format!("{} {what}", thousands(share.rows));
    line(
        "rejected",
        &headed(counted(all), &feed.rejected),
        &feed.rejected.iter().map(rows_and).collect::<Vec<_>>(),
    );
    let apart = [(feed.superseded, "superseded"), (feed.after_as_of, "after the as-of")];
    let mut staged = vec![format!("{} of {} rows", thousands(feed.staged), thousands(feed.handed_on))];
    staged.extend(
        apart.iter().filter(|(rows, _)| *rows > 0).map(|(rows, what)| format!("{} {what}", thousands(*rows))),
    );
    line("staged", "", &staged);
    if let Some(linked) = feed.linked {
        let share = headed(percent(Some(linked.share())), &feed.links);
        line("linked", &share, &feed.links.iter().map(rows_and).collect::<Vec<_>>());
    }
    text
}

/// What is said before a list.
fn headed<T>(words: String, list: &[T]) -> String {
    if list.is_empty() { words } else { format!("{words}: ") }
}

fn mapped_words(column: &str, from: Option<&str>) -> String {
    match from {
        Some(from) if from != column => {
            let from = from.split_whitespace().collect::<Vec<_>>().join(" ");
            format!("{column} ← {from}")
        }
        _ => column.to_string(),
    }
}

fn counted(share: Share) -> String {
    match share.rows {
        0 => "0".into(),
        rows => format!("{} ({})", thousands(rows), percent(Some(share.share()))),
    }
}

/// A head, what is said first, and a list; broken where the line is full, later lines indented like the first.
fn wrapped(head: &str, first: &str, list: &[String]) -> String {
    let last = list.len().saturating_sub(1);
    let list = list.iter().enumerate();
    let list = list.map(|(place, part)| if place == last { part.clone() } else { format!("{part}, ") });
    filled(head, std::iter::once(first.to_string()).chain(list))
}

fn filled(head: &str, pieces: impl Iterator<Item = String>) -> String {
    let indent = " ".repeat(head.chars().count());
    let (mut text, mut line) = (String::new(), head.to_string());
    for piece in pieces {
        let is_begun = line != head && line != indent;
        if is_begun && line.chars().count() + piece.trim_end().chars().count() > WIDTH {
            text.push_str(line.trim_end());
            text.push('\n');
            line = indent.clone();
        }
        line.push_str(&piece);
    }
    text.push_str(line.trim_end());
    text.push('\n');
    text
}

/// The findings as one object.
pub fn machine(checked: &Checked) -> Value {
    let share = |share: &Share| json!({"rows": share.rows, "share": share.share()});
    let named =
        |(name, rows): &(String, Share)| json!({"what": name, "rows": rows.rows, "share": rows.share()});
    let feeds: Vec<Value> = checked
        .feeds
        .iter()
        .map(|feed| {
            json!({
                "feed": feed.feed,
                "tables": feed.tables.iter().map(|table| json!({
                    "name": table.name,
                    "objects": table.objects,
                    "rows": table.rows,
                    "superseded": table.superseded,
                    "filtered": table.filtered.iter().map(|(why, rows)| (why.clone(), json!(rows))).collect::<serde_json::Map<_, _>>(),
                    "handed_on": table.handed_on,
                    "skipped": table.skipped.iter().map(|(url, why)| json!({"object": url, "reason": why})).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
                "mapped": feed.mapped.iter().map(|(column, from)| json!({"column": column, "from": from})).collect::<Vec<_>>(),
                "missing": feed.missing.iter().map(|missing| json!({"column": missing.column, "touchpoints": missing.touchpoints})).collect::<Vec<_>>(),
                "values": feed.values.iter().map(|(column, note, rows)| json!({"column": column, "note": note, "rows": rows.rows, "share": rows.share()})).collect::<Vec<_>>(),
                "words": feed.words.iter().map(|words| json!({
                    "column": words.column,
                    "rows": words.rows.rows,
                    "share": words.rows.share(),
                    "different": words.different,
                    "shown": words.shown.iter().map(|(word, rows)| json!({"word": word, "rows": rows})).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
                "handed_on": feed.handed_on,
                "superseded": feed.superseded,
                "after_as_of": feed.after_as_of,
                "staged": feed.staged,
                "rejected": feed.rejected.iter().map(named).collect::<Vec<_>>(),
                "links": feed.links.iter().map(named).collect::<Vec<_>>(),
                "linked": feed.linked.as_ref().map(share),
            })
        })
        .collect();
    json!({
        "as_of": checked.as_of,
        "feeds": feeds,
        "absent_feeds": checked.absent_feeds,
        "not_measured": checked.not_measured.iter().map(|one| json!({"touchpoint": one.touchpoint, "label": one.label, "lacks": one.lacks})).collect::<Vec<_>>(),
        "stops": checked.stops.iter().map(|stop| json!({"message": stop.message(), "exit_code": stop.kind().exit_code(), "hint": stop.hint_text()})).collect::<Vec<_>>(),
        "advice": checked.advice,
        "accepted": checked.accepted,
    })
}
