//! Ready configurations for exports of known make.

use clap::ValueEnum;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// One folder a feed, columns named as ours: every key with its meaning
    Plain,
    /// The Olist Brazilian e-commerce data, as published in CSV files
    Olist,
}

const PLAIN: &str = include_str!("presets/plain.toml");
const OLIST: &str = include_str!("presets/olist.toml");

/// The preset with its exports at `location`.
///
/// # Errors
/// `Kind::Usage` for a location that cannot stand in a configuration.
pub fn configuration(preset: Preset, location: Option<&str>) -> Result<String> {
    let text = match preset {
        Preset::Plain => PLAIN,
        Preset::Olist => OLIST,
    };
    let location = location.unwrap_or("exports").trim_end_matches('/');
    if location.is_empty() || location.contains(['"', '\\', '\n', '*', '?', '[']) {
        return Err(Error::usage("this location cannot stand in a configuration")
            .hint("name a folder: a path, or a URL such as s3://lake/exports"));
    }
    Ok(text.replace("LOCATION", location))
}
