//! A configuration proposed for exports that were looked at: `aftersale init --from`.
//!
//! What is sure stands as it will be used; what cannot be known is a comment that begins with `# ?`. So the
//! file can be read as it is, and a check refuses it for what is still missing. Three values stand beside
//! each column, shortened: they are customers' data, asked for by whoever may see them. A table whose feed is
//! a guess is a comment as a whole, with all that was found out about it.

mod columns;
mod options;

use std::collections::BTreeSet;

use super::presets;
use crate::discover::looks;
use crate::discover::{Discovery, Found};
use crate::sources::feeds::{self, Feed};

/// Columns by which reports are most often broken down.
const SEGMENTS: [&str; 4] = ["store_id", "region", "product_category", "sales_channel"];

/// The proposal as TOML.
pub fn configuration(discovery: &Discovery) -> String {
    // Of several tables of one feed the surest is proposed, then the one with the most columns of ours.
    let mut chosen: Vec<(&Feed, &Found)> = Vec::new();
    for feed in feeds::FEEDS {
        let of_feed =
            discovery.tables.iter().filter(|found| found.matched.is_sure && is_of(found, feed.name));
        let best =
            of_feed.max_by_key(|found| (found.matched.weight, found.matched.columns.len(), found.objects));
        chosen.extend(best.map(|found| (feed, found)));
    }
    let mut text = head(&chosen);
    for (feed, found) in &chosen {
        text.push_str(&format!("\n# ---- {} ", feed.name));
        text.push_str(&"-".repeat(84usize.saturating_sub(feed.name.len())));
        text.push_str(&format!("\n#\n# {}\n", seen(found)));
        text.push_str(&made_by(found));
        text.push('\n');
        match section_of_preset(discovery, feed, found) {
            Some(section) => text.push_str(&section),
            None => text.push_str(&source(Some(feed), found)),
        }
    }
    let is_chosen = |found: &Found| chosen.iter().any(|(_, other)| std::ptr::eq(*other, found));
    for found in discovery.tables.iter().filter(|found| !is_chosen(found)) {
        text.push_str(&aside(found));
    }
    for (feed, name) in [("surveys", "answers"), ("purchases", "purchases")] {
        let has = |feed: &str| chosen.iter().any(|(known, _)| known.name == feed);
        if !has(feed) && (feed == "surveys" || !has("tickets")) {
            let guess = discovery.tables.iter().find(|found| is_of(found, feed));
            text.push_str(&match guess {
                Some(found) => format!(
                    "\n# ? where are the {name}? Perhaps in {}, see above; they are needed.\n",
                    one_line(&found.address)
                ),
                None => format!(
                    "\n# ? where are the {name}? Nothing found looks like them, and they are needed.\n\
                     # [sources.{feed}]\n# url = \"\"\n"
                ),
            });
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

fn is_of(found: &Found, feed: &str) -> bool {
    found.matched.feed.is_some_and(|known| known.name == feed)
}

fn head(chosen: &[(&Feed, &Found)]) -> String {
    let mut text = String::from(
        "# Proposed by `aftersale init --from`, after a look at the first rows of some objects.\n\
         # A line marked with a question is yours to answer; then run `aftersale check --config THIS_FILE`.\n\
         # `aftersale init --preset plain` prints every key with its meaning.\n\n\
         output   = \"data/out\"            # where runs are published: a path or s3://bucket/prefix\n\
         timezone = \"UTC\"                 # ? the zone of your days, weeks and months, such as Europe/Madrid\n",
    );
    text.push_str(&score(chosen));
    let exports = chosen.iter().filter_map(|(_, found)| found.matched.export.as_ref());
    let of_presets: Vec<&str> = exports
        .filter(|export| export.place.is_some())
        .flat_map(|export| presets::segments(&export.preset))
        .copied()
        .collect();
    let named: Vec<String> = SEGMENTS
        .iter()
        .filter(|name| {
            of_presets.contains(name)
                || chosen.iter().any(|(_, found)| found.matched.columns.iter().any(|(ours, _)| ours == *name))
        })
        .map(|name| format!("\"{name}\""))
        .collect();
    text.push_str(&format!("segments = [{}]\n", named.join(", ")));
    text
}

/// The scale, by the largest score seen.
fn score(chosen: &[(&Feed, &Found)]) -> String {
    let column = chosen
        .iter()
        .find(|(feed, _)| feed.name == "surveys")
        .and_then(|(_, found)| found.matched.theirs("score").and_then(|theirs| found.sample.column(theirs)));
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

/// The section of the preset that knows an export, with the places where its tables were found.
fn section_of_preset(discovery: &Discovery, feed: &Feed, found: &Found) -> Option<String> {
    let export = found.matched.export.as_ref().filter(|export| export.place.is_some())?;
    let of_preset = discovery.tables.iter().filter(|other| other.matched.is_sure);
    let places: Vec<(&str, &str)> = of_preset
        .filter_map(|other| {
            let known = other.matched.export.as_ref().filter(|known| known.preset == export.preset)?;
            Some((known.place.as_deref()?, other.address.as_str()))
        })
        .collect();
    presets::section(&export.preset, feed.name, &places)
}

/// The section of a feed, or of a table that may be any.
fn source(feed: Option<&Feed>, found: &Found) -> String {
    let export = found.matched.export.as_ref();
    let name = feed.map_or("FEED", |feed| feed.name);
    let mut text =
        format!("[sources.{name}]\nurl = {}\nformat = \"{}\"\n", quoted(&found.address), found.format);
    text.push_str(&options::options(feed, found));
    if let Some(query) = export.and_then(|export| export.query.as_ref()) {
        text.push_str(&format!("query = \"\"\"{}\"\"\"\n", query.replace("TABLE", name)));
        text.push_str(&columns::others(found, &BTreeSet::new()));
        return text;
    }
    text.push_str(&format!("\n[sources.{name}.columns]\n"));
    text.push_str(&columns::columns(feed, found));
    text
}

/// What was looked at.
fn seen(found: &Found) -> String {
    let objects = if found.objects == 1 { "object" } else { "objects" };
    format!("{} {objects}; {} rows of them were looked at", found.objects, found.sample.rows)
}

/// Whose export it is, if that is known.
fn made_by(found: &Found) -> String {
    found.matched.export.as_ref().map_or(String::new(), |export| {
        let more = match export.place {
            Some(_) => "what follows is that of",
            None => "see what is assumed in",
        };
        format!("# This is {}; {more} `aftersale init --preset {}`.\n", export.name, export.preset)
    })
}

/// A table that is not proposed: its section as a comment.
fn aside(found: &Found) -> String {
    let what = match found.matched.feed {
        Some(feed) if found.matched.is_sure => format!(
            "looks like {0}, too: to read both, declare them under [sources.{0}.tables] and bring them together in \
             `query`",
            feed.name
        ),
        Some(feed) => {
            format!("which feed is it? The best guess is {}. Unless it is one, leave it out", feed.name)
        }
        None => {
            let names: Vec<&str> = feeds::FEEDS.iter().map(|feed| feed.name).collect();
            format!("which feed is it? There are {}. Unless it is one, leave it out", names.join(", "))
        }
    };
    let mut text =
        format!("\n# ? {} ({}): {what}.\n{}#\n", one_line(&found.address), seen(found), made_by(found));
    for line in source(found.matched.feed, found).lines() {
        text.push_str(&match line {
            "" => "#\n".into(),
            line if line.starts_with('#') => format!("{line}\n"),
            line => format!("# {line}\n"),
        });
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
