//! A configuration proposed for exports that were looked at: `aftersale init --from`.
//!
//! What is sure stands as it will be used; what cannot be known is a comment that begins with `# ?`. So the
//! file can be read as it is, and a check refuses it for what is still missing. Three values stand beside
//! each column, shortened: they are customers' data, asked for by whoever may see them.

use std::collections::BTreeSet;

use crate::discover::looks::{self, Kind};
use crate::discover::sample::Column;
use crate::discover::{Discovery, Found};
use crate::sources::feeds::{self, Feed, Type};

/// Columns by which reports are most often broken down.
const SEGMENTS: [&str; 4] = ["store_id", "region", "product_category", "sales_channel"];
/// Columns that are named as perhaps the one that is missing.
const CANDIDATES: usize = 4;

/// The proposal as TOML.
pub fn configuration(discovery: &Discovery) -> String {
    // Of several tables of one feed the surest is proposed, then the one with the most columns of ours.
    let mut chosen: Vec<(&Feed, &Found)> = Vec::new();
    for feed in feeds::FEEDS {
        let of_feed =
            discovery.tables.iter().filter(|found| found.matched.feed.is_some_and(|f| f.name == feed.name));
        let best =
            of_feed.max_by_key(|found| (found.matched.weight, found.matched.columns.len(), found.objects));
        chosen.extend(best.map(|found| (feed, found)));
    }
    let mut text = head(&chosen);
    for (feed, found) in &chosen {
        text.push_str(&source(feed, found));
    }
    let is_chosen = |found: &Found| chosen.iter().any(|(_, other)| std::ptr::eq(*other, found));
    for found in discovery.tables.iter().filter(|found| !is_chosen(found)) {
        text.push_str(&aside(found));
    }
    for (feed, name) in [("surveys", "answers"), ("purchases", "purchases")] {
        let has = |feed: &str| chosen.iter().any(|(known, _)| known.name == feed);
        if !has(feed) && (feed == "surveys" || !has("tickets")) {
            text.push_str(&format!(
                "\n# ? where are the {name}? Nothing found looks like them, and they are needed.\n\
                 # [sources.{feed}]\n# url = \"\"\n"
            ));
        }
    }
    if !discovery.skipped.is_empty() {
        text.push_str("\n# Not looked at:\n");
        for (object, reason) in discovery.skipped.iter().take(20) {
            text.push_str(&format!("#   {} ({reason})\n", one_line(object)));
        }
    }
    text
}

fn head(chosen: &[(&Feed, &Found)]) -> String {
    let mut text = String::from(
        "# Proposed by `aftersale init --from`, after a look at the first rows of some objects.\n\
         # A line with `# ?` is a question: answer it, then run `aftersale check --config THIS_FILE`.\n\
         # `aftersale init --preset plain` prints every key with its meaning.\n\n\
         output   = \"data/out\"            # where runs are published: a path or s3://bucket/prefix\n\
         timezone = \"UTC\"                 # ? the zone of your days, weeks and months, such as Europe/Madrid\n",
    );
    text.push_str(&score(chosen));
    let named: Vec<String> = SEGMENTS
        .iter()
        .filter(|name| {
            chosen.iter().any(|(_, found)| found.matched.columns.iter().any(|(ours, _)| ours == *name))
        })
        .map(|name| format!("\"{name}\""))
        .collect();
    text.push_str(&format!("segments = [{}]\n", named.join(", ")));
    text
}

/// The scale, by the largest score seen.
fn score(chosen: &[(&Feed, &Found)]) -> String {
    let column = chosen.iter().find(|(feed, _)| feed.name == "surveys").and_then(|(_, found)| {
        let source = found.matched.columns.iter().find(|(ours, _)| *ours == "score");
        source.and_then(|(_, theirs)| found.sample.column(theirs))
    });
    let zero_to_ten = "score    = { scale = \"0-10\" }";
    match column.and_then(looks::largest) {
        None => format!("{zero_to_ten}   # ? the scale of the question\n"),
        Some(largest) if largest <= 5.0 => format!(
            "# ? the largest score seen is {largest}: are these stars?\n\
             score    = {{ min = 1, max = 5, detractor_max = 2, promoter_min = 4, severe_max = 1 }}\n"
        ),
        Some(largest) if largest <= 10.0 => {
            format!(
                "{zero_to_ten}   # the largest score seen is {largest}; \"1-10\" where 0 cannot be given\n"
            )
        }
        Some(largest) => format!(
            "# ? the largest score seen is {largest}: which scores are detractors, which promoters?\n\
             # score = {{ min = 0, max = {largest}, detractor_max = 0, promoter_min = 0 }}\n"
        ),
    }
}

/// The section of a feed.
fn source(feed: &Feed, found: &Found) -> String {
    let mut text = format!("\n# ---- {} ", feed.name);
    text.push_str(&"-".repeat(90usize.saturating_sub(text.len())));
    text.push_str(&format!("\n#\n# {}\n", seen(found)));
    let export = found.matched.export.as_ref();
    if let Some(export) = export {
        text.push_str(&format!(
            "# This is {}; `aftersale init --preset {}` knows more of it.\n",
            export.name, export.preset
        ));
    }
    text.push_str(&format!(
        "\n[sources.{}]\nurl = {}\nformat = \"{}\"\n",
        feed.name,
        quoted(&found.address),
        found.format
    ));
    text.push_str(&options(feed, found));
    if let Some(query) = export.and_then(|export| export.query.as_ref()) {
        text.push_str(&format!("query = \"\"\"{}\"\"\"\n", query.replace("TABLE", feed.name)));
        text.push_str(&others(found, &BTreeSet::new()));
        return text;
    }
    text.push_str(&format!("\n[sources.{}.columns]\n", feed.name));
    let width = found
        .matched
        .columns
        .iter()
        .map(|(ours, theirs)| ours.len() + quoted(theirs).len())
        .max()
        .unwrap_or(0);
    let mut used = BTreeSet::new();
    for (ours, theirs) in &found.matched.columns {
        let line = format!("{ours} = {}", quoted(theirs));
        let values = match found.sample.column(theirs) {
            Some(column) => {
                used.insert(column.name.as_str());
                looks::shown(column)
            }
            None => "(worked out)".into(),
        };
        let line = if width <= 60 { format!("{line:<w$}", w = width + 3) } else { line };
        text.push_str(&format!("{line}   # {values}\n"));
    }
    for gap in found.matched.gaps() {
        text.push_str(&question(feed, gap, found, &used));
    }
    let missing: Vec<&str> = feed
        .columns
        .iter()
        .filter(|column| {
            !column.required && !found.matched.columns.iter().any(|(ours, _)| *ours == column.name)
        })
        .map(|column| column.name)
        .collect();
    if !missing.is_empty() {
        text.push_str(&format!("# not found: {}\n", missing.join(", ")));
    }
    text.push_str(&others(found, &used));
    text
}

/// What was looked at.
fn seen(found: &Found) -> String {
    let objects = if found.objects == 1 { "object" } else { "objects" };
    format!("{} {objects}; {} rows of them were looked at", found.objects, found.sample.rows)
}

/// How the table is to be read.
fn options(feed: &Feed, found: &Found) -> String {
    let sample = &found.sample;
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
    let ours: Vec<(&feeds::Column, &Column)> = found
        .matched
        .columns
        .iter()
        .filter_map(|(ours, theirs)| Some((feed.column(ours)?, sample.column(theirs)?)))
        .collect();
    let is_text = found.format != "parquet";
    if is_text {
        lines.extend(time_options(&ours));
        if ours
            .iter()
            .any(|(column, theirs)| column.kind == Type::Number && looks::kind(theirs) == Kind::CommaNumber)
        {
            lines.push("decimal = \",\"".into());
        }
        let nulls: BTreeSet<&str> = ours.iter().flat_map(|(_, theirs)| looks::nothings(theirs)).collect();
        if !nulls.is_empty() {
            lines.push(format!("nulls = [{}]", nulls.into_iter().map(quoted).collect::<Vec<_>>().join(", ")));
        }
    }
    match &found.matched.export {
        Some(export) => lines.extend(export.lines.iter().cloned()),
        None => lines.extend(mode(feed, found)),
    }
    lines.into_iter().map(|line| line + "\n").collect()
}

/// Times that must be declared, and whether they lack their zone.
fn time_options(ours: &[(&feeds::Column, &Column)]) -> Vec<String> {
    let times = ours.iter().filter(|(column, _)| matches!(column.kind, Type::Time | Type::Deadline));
    let kinds: Vec<Kind> = times.map(|(_, theirs)| looks::kind(theirs)).collect();
    let mut formats: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    for kind in &kinds {
        let format = match kind {
            Kind::Format(format) => format.clone(),
            Kind::EpochSeconds => "epoch_seconds".into(),
            Kind::EpochMilliseconds => "epoch_milliseconds".into(),
            Kind::DayOrMonth(day, month) => {
                let line = format!(
                    "# ? is the day first or the month? timestamp_formats = [\"{day}\"] or [\"{month}\"]"
                );
                if !lines.contains(&line) {
                    lines.push(line);
                }
                continue;
            }
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
    if kinds
        .iter()
        .any(|kind| matches!(kind, Kind::Time { has_zone: false } | Kind::Format(_) | Kind::DayOrMonth(..)))
    {
        lines
            .push("# ? its times have no zone: whose are they? timezone = \"…\" if not the one above".into());
    }
    lines
}

/// Rows that come again.
fn mode(feed: &Feed, found: &Found) -> Vec<String> {
    let theirs =
        |ours: &str| found.matched.columns.iter().find(|(name, _)| *name == ours).map(|(_, theirs)| theirs);
    let Some(key) = feed.key.first().and_then(|key| theirs(key)) else { return Vec::new() };
    if feed.key.len() > 1 || !found.sample.column(key).is_some_and(looks::repeats) {
        return Vec::new();
    }
    match theirs("updated_at") {
        Some(version) => vec![
            "mode = \"upsert\"                  # its key comes again: the newest version counts".into(),
            format!("key = {}", quoted(key)),
            format!("version = {}", quoted(version)),
        ],
        None => vec![format!(
            "# ? {} comes again: is each folder the whole (mode = \"snapshot\"), or do rows come again when they \
             change (mode = \"upsert\", with key and version), or is it one row per part (then write a query)?",
            quoted(key)
        )],
    }
}

/// A column that is needed and was not found, and which it may be.
fn question(feed: &Feed, gap: &feeds::Column, found: &Found, used: &BTreeSet<&str>) -> String {
    let is_likely = |column: &Column| match (gap.name, looks::kind(column)) {
        ("score", Kind::Whole) => looks::largest(column).is_some_and(|largest| largest <= 10.0),
        ("score", _) => false,
        (name, kind) if feed.key.contains(&name) && gap.kind == Type::Text => {
            !looks::repeats(column) && matches!(kind, Kind::Whole | Kind::Text)
        }
        (_, Kind::Empty) => false,
        (_, kind) => {
            crate::discover::matching::fits(gap.kind, &kind) && (gap.kind != Type::Text || kind == Kind::Text)
        }
    };
    let columns = found.sample.columns.iter().filter(|column| !used.contains(column.name.as_str()));
    let candidates: Vec<String> = columns
        .filter(|column| is_likely(column))
        .take(CANDIDATES)
        .map(|column| format!("{} ({})", quoted(&column.name), looks::shown(column)))
        .collect();
    let perhaps = match candidates.as_slice() {
        [] => "none of those below looks like it".to_string(),
        some => format!("perhaps {}", some.join(" or ")),
    };
    format!("# ? {}: which column is it? {perhaps}\n# {} = \"\"\n", gap.name, gap.name)
}

/// The columns that nothing of ours was found for.
fn others(found: &Found, used: &BTreeSet<&str>) -> String {
    let others: Vec<&Column> =
        found.sample.columns.iter().filter(|column| !used.contains(column.name.as_str())).collect();
    if others.is_empty() {
        return String::new();
    }
    let width = others.iter().map(|column| quoted(&column.name).chars().count()).max().unwrap_or(0).min(40);
    let mut text = String::from(
        "# further columns, to be named above if they are to be segments or stand in a condition:\n",
    );
    for column in others {
        text.push_str(&format!("#   {:<width$}  {}\n", quoted(&column.name), looks::shown(column)));
    }
    text
}

/// A table that is not proposed.
fn aside(found: &Found) -> String {
    let what = match found.matched.feed {
        Some(feed) => format!(
            "looks like {0}, too: to read both, declare them under [sources.{0}.tables] and bring them together in \
             `query`",
            feed.name
        ),
        None => "which feed is it? Unless it is one, leave it out".into(),
    };
    let mut text = format!("\n# ? {} ({}): {what}.\n", one_line(&found.address), seen(found));
    for column in &found.sample.columns {
        text.push_str(&format!("#   {}  {}\n", quoted(&column.name), looks::shown(column)));
    }
    text
}

/// A text as TOML.
fn quoted(text: &str) -> String {
    let is_plain = !text.contains('\'') && !text.contains(|c: char| c.is_control());
    if is_plain && text.contains(['"', '\\']) {
        return format!("'{text}'");
    }
    // JSON escapes are TOML's, and keep a text on one line.
    serde_json::Value::String(text.to_string()).to_string()
}

/// A text that cannot end a comment.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
