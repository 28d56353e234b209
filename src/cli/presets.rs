//! Ready configurations for exports of known make.
//!
//! `plain` and `olist` are whole configurations. The others are one system's feeds each, and are put
//! together in the order in which they are asked for; a feed that is needed and that none of them exports
//! is left as a gap to be filled.

use clap::ValueEnum;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// One folder a feed, columns named as ours: every key with its meaning
    Plain,
    /// The Olist Brazilian e-commerce data, as published in CSV files
    Olist,
    /// Tickets and metric events of Zendesk, pages of its API
    Zendesk,
    /// Tickets of Zendesk, the CSV of its Admin Center
    ZendeskCsv,
    /// Answers of Qualtrics, CSV with three header rows
    Qualtrics,
    /// Orders of Shopify in CSV, and the fulfillment events of its API
    Shopify,
    /// Answers of Delighted, pages of its API
    Delighted,
}

const PLAIN: &str = include_str!("presets/plain.toml");
const OLIST: &str = include_str!("presets/olist.toml");
const SYSTEMS: &str = include_str!("presets/systems.toml");
const ZENDESK: &str = include_str!("presets/zendesk.toml");
const ZENDESK_CSV: &str = include_str!("presets/zendesk-csv.toml");
const QUALTRICS: &str = include_str!("presets/qualtrics.toml");
const SHOPIFY: &str = include_str!("presets/shopify.toml");
const DELIGHTED: &str = include_str!("presets/delighted.toml");
const GAP_SURVEYS: &str = include_str!("presets/gap_surveys.toml");
const GAP_PURCHASES: &str = include_str!("presets/gap_purchases.toml");

const IN_A_LINE: &str = "tickets, answers and orders of three systems: --preset zendesk --preset qualtrics \
                         --preset shopify";

/// What a system's part of a configuration says.
struct Part {
    text: &'static str,
    feeds: &'static [&'static str],
    /// Columns that reports can be broken down by.
    segments: &'static [&'static str],
}

impl Preset {
    fn whole(self) -> Option<&'static str> {
        match self {
            Preset::Plain => Some(PLAIN),
            Preset::Olist => Some(OLIST),
            _ => None,
        }
    }

    fn part(self) -> Part {
        let (text, feeds, segments): (_, &'static [_], &'static [_]) = match self {
            Preset::Plain | Preset::Olist => ("", &[], &[]),
            Preset::Zendesk => (ZENDESK, &["tickets", "ticket_events"], &[]),
            Preset::ZendeskCsv => (ZENDESK_CSV, &["tickets"], &[]),
            Preset::Qualtrics => (QUALTRICS, &["surveys"], &[]),
            Preset::Shopify => (SHOPIFY, &["purchases"], &["store_id", "region", "sales_channel"]),
            Preset::Delighted => (DELIGHTED, &["surveys"], &[]),
        };
        Part { text, feeds, segments }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned())
    }
}

/// The presets with their exports at `location`.
///
/// # Errors
/// `Kind::Usage` for a location that cannot stand in a configuration, and for presets that do not go together.
pub fn configuration(presets: &[Preset], location: Option<&str>) -> Result<String> {
    let location = location.unwrap_or("exports").trim_end_matches('/');
    if location.is_empty() || location.contains(['"', '\\', '\n', '*', '?', '[']) {
        return Err(Error::usage("this location cannot stand in a configuration")
            .hint("name a folder: a path, or a URL such as s3://lake/exports"));
    }
    let text = match presets {
        [] => PLAIN.to_owned(),
        [one] if one.whole().is_some() => one.whole().unwrap_or(PLAIN).to_owned(),
        several => put_together(several)?,
    };
    Ok(text.replace("LOCATION", location))
}

fn put_together(presets: &[Preset]) -> Result<String> {
    let mut feeds: Vec<&str> = Vec::new();
    let mut text = String::new();
    for preset in presets {
        if preset.whole().is_some() {
            let name = preset.name();
            return Err(Error::usage(format!("`{name}` is a whole configuration")).hint(IN_A_LINE));
        }
        let part = preset.part();
        if let Some(feed) = part.feeds.iter().find(|feed| feeds.contains(feed)) {
            return Err(Error::usage(format!("two of these presets export {feed}")).hint(IN_A_LINE));
        }
        feeds.extend(part.feeds);
        text = text + "\n" + part.text;
    }
    for (feed, gap) in [("surveys", GAP_SURVEYS), ("purchases", GAP_PURCHASES)] {
        if !feeds.contains(&feed) {
            text = text + "\n" + gap;
        }
    }
    let names: Vec<String> = presets.iter().map(|preset| preset.name()).collect();
    let segments: Vec<String> =
        presets.iter().flat_map(|preset| preset.part().segments).map(|name| format!("\"{name}\"")).collect();
    let head = SYSTEMS.replace("PRESETS", &names.join(", ")).replace("SEGMENTS", &segments.join(", "));
    Ok(head + &text)
}

/// Columns that a system's reports can be broken down by.
pub fn segments(preset: &str) -> &'static [&'static str] {
    Preset::from_str(preset, true).map_or(&[], |preset| preset.part().segments)
}

/// A system's section for one feed, its tables where they were found (a place of the preset's, and the
/// address); a place that was not found is a question.
pub fn section(preset: &str, feed: &str, places: &[(&str, &str)]) -> Option<String> {
    let text = Preset::from_str(preset, true).ok()?.part().text;
    let of_feed = [format!("[sources.{feed}]"), format!("[sources.{feed}.")];
    let mut section = String::new();
    let mut is_inside = false;
    for line in text.lines() {
        if line.starts_with("[sources.") {
            is_inside = of_feed.iter().any(|start| line.starts_with(start.as_str()));
        }
        if !is_inside {
            continue;
        }
        let line = places.iter().fold(line.to_string(), |line, (place, address)| {
            line.replace(&format!("\"LOCATION/{place}\""), &format!("{address:?}"))
        });
        if line.contains("LOCATION/") {
            section.push_str("# ? where does this lie? It was not found\n");
        }
        section.push_str(&line);
        section.push('\n');
    }
    (!section.is_empty()).then(|| section.trim_end().to_string() + "\n")
}

/// The configuration that reads the lake of `generate --as-exports`, to be kept beside its folders: the
/// presets of its systems, with the zone of its shop.
pub fn lake() -> Result<String> {
    let presets = [Preset::Zendesk, Preset::Qualtrics, Preset::Shopify];
    let text = configuration(&presets, Some("exports"))?;
    Ok(text
        .replace("timezone = \"UTC\" ", "timezone = \"Europe/Madrid\" ")
        .replace("\"data/out\"", "\"out\""))
}
