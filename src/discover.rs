//! Discovery: what lies at an address, and which feed it may be.
//!
//! For `aftersale init --from`: objects are listed and put into tables ([`listing`]), a few of each are
//! sampled ([`sample`]), their values looked at ([`looks`]), and their headers compared with those that are
//! known ([`matching`]: [`names`], [`columns`], [`order`]). How their rows come again ([`deliveries`]) and
//! which words they hold ([`codes`]) is found out as well. Nothing is decided here: a person reads the
//! proposal, and what cannot be known stays a gap.

pub mod codes;
pub mod columns;
pub mod deliveries;
pub mod listing;
pub mod looks;
pub mod matching;
pub mod names;
pub mod order;
pub mod sample;

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::{Engine, Limits};
use crate::error::{Context, Error, Kind, Result};
use crate::sources::pin::delivery_day;
use crate::store;
use crate::store::Object;
use codes::Codes;
use deliveries::Again;
use listing::Listed;
use matching::Match;
use sample::Sample;

/// Deliveries of a table that are sampled: the first, one between, and the last two, as rows that come again
/// are most often in deliveries that follow each other.
const SAMPLED: usize = 4;

/// A table as it was found, and what it may be.
#[derive(Debug)]
pub struct Found {
    /// As it may stand in a configuration.
    pub address: String,
    pub format: &'static str,
    pub objects: usize,
    pub sample: Sample,
    pub matched: Match,
    /// How its rows come again.
    pub again: Again,
    /// Over its raw columns: a row is gone.
    pub deleted: Option<String>,
    /// Of our columns that hold one of a few words: words that are not ours.
    pub codes: Vec<(&'static str, Codes)>,
}

/// What lies at some addresses.
#[derive(Debug, Default)]
pub struct Discovery {
    pub tables: Vec<Found>,
    /// Objects that are no export, and why.
    pub skipped: Vec<(String, String)>,
}

/// Looks at what lies at each location; at most [`sample::BYTES`] of a few objects of each table are read.
///
/// # Errors
/// `Kind::Usage` where nothing lies there; those of the storage.
pub async fn discover(
    locations: &[String],
    base: &Path,
    environment: &BTreeMap<String, String>,
    limits: &Limits,
) -> Result<Discovery> {
    let scratch = tempfile::tempdir().map_err(|e| Error::io("no scratch folder can be made").caused_by(e))?;
    let tables = store::scratch(&scratch.path().join("tables"))?;
    let engine = Engine::new(limits, tables, &scratch.path().join("spill"))?;
    let signatures = matching::known()?;
    let mut discovery = Discovery::default();
    for location in locations {
        let (place, objects) = store::find(location, base, environment).await.with("location", location)?;
        if objects.is_empty() {
            return Err(Error::usage("nothing lies at this address")
                .with("location", location)
                .hint("check the address; a pattern may hold `*`"));
        }
        let (objects, own) = without_own_output(objects);
        discovery.skipped.extend(own.into_iter().map(|folder| (folder, OWN_OUTPUT.to_string())));
        let Listed { tables, skipped } = listing::tables(location, &objects);
        discovery.skipped.extend(skipped);
        for table in tables {
            let (chosen, is_dated) = chosen(&table.objects);
            let sample = sample::sample(&engine, &place, table.format, &chosen, is_dated).await;
            let sample = match sample.with("table", &table.address) {
                // One damaged export keeps nobody from mapping the others.
                Err(error) if error.kind() == Kind::Data => {
                    discovery.skipped.push((table.address, error.message().to_string()));
                    continue;
                }
                sample => sample?,
            };
            let path = table.objects.first().map_or("", |object| object.url.as_str());
            let matched = matching::matched(&signatures, path, &sample);
            let key =
                matched.feed.and_then(|feed| matched.theirs(feed.key[0]).filter(|_| feed.key.len() == 1));
            let found = Found {
                address: table.address,
                format: table.format,
                objects: table.objects.len(),
                again: deliveries::again(&signatures.deliveries, &sample, key, matched.theirs("updated_at")),
                deleted: deliveries::deleted(&signatures, &sample),
                codes: coded(&signatures, &matched, &sample),
                sample,
                matched,
            };
            discovery.tables.push(found);
        }
    }
    Ok(discovery)
}

const OWN_OUTPUT: &str = "published by this program";

/// The objects but for those that this program has published, and the folders of those.
fn without_own_output(objects: Vec<Object>) -> (Vec<Object>, Vec<String>) {
    let pointers = objects.iter().filter_map(|object| object.path.strip_suffix("latest.json"));
    let own: Vec<String> = pointers
        .filter(|folder| folder.is_empty() || folder.ends_with('/'))
        .filter(|folder| objects.iter().any(|object| object.path.starts_with(&format!("{folder}runs/"))))
        .map(str::to_string)
        .collect();
    let is_own = |object: &Object| own.iter().any(|folder| object.path.starts_with(folder.as_str()));
    let (_, others): (Vec<Object>, Vec<Object>) = objects.into_iter().partition(is_own);
    (others, own)
}

/// Words that are not ours, in those of our columns that hold one of a few.
fn coded(known: &matching::Known, matched: &Match, sample: &Sample) -> Vec<(&'static str, Codes)> {
    let Some(feed) = matched.feed else { return Vec::new() };
    let theirs = matched.columns.iter().filter_map(|(ours, theirs)| Some((*ours, sample.column(theirs)?)));
    theirs.filter_map(|(ours, column)| Some((ours, codes::unknown(known, feed, ours, column)?))).collect()
}

/// The objects to sample, with the number of their delivery, and whether deliveries are dated: the first
/// object of some days, or some objects.
fn chosen(objects: &[Object]) -> (Vec<(usize, Object)>, bool) {
    let mut days = BTreeMap::new();
    for object in objects {
        let Some(day) = delivery_day(object) else {
            return (spread(objects, SAMPLED).into_iter().enumerate().collect(), false);
        };
        days.entry(day).or_insert(object);
    }
    if days.len() == 1 {
        return (spread(objects, SAMPLED).into_iter().map(|object| (0, object)).collect(), true);
    }
    let first: Vec<Object> = days.into_values().cloned().collect();
    (spread(&first, SAMPLED).into_iter().enumerate().collect(), true)
}

/// So many of a list: its last two, and the others spread from its first on.
fn spread<T: Clone>(list: &[T], number: usize) -> Vec<T> {
    if list.len() <= number {
        return list.to_vec();
    }
    let before = number - 1;
    let spread = (0..before).map(|place| list[place * (list.len() - 2) / (before - 1)].clone());
    spread.chain(list.last().cloned()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_are_spread_over_a_list() {
        assert_eq!(super::spread(&[1, 2], 4), [1, 2]);
        assert_eq!(super::spread(&[1, 2, 3, 4, 5, 6, 7, 8], 4), [1, 4, 7, 8]);
    }
}
