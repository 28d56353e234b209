//! Discovery: what lies at an address, and which feed it may be.
//!
//! For `aftersale init --from`: objects are listed and put into tables ([`listing`]), a few of each are
//! sampled ([`sample`]), their values looked at ([`looks`]), and their headers compared with those that are
//! known ([`matching`]). Nothing is decided here: a person reads the proposal, and what cannot be known
//! stays a gap.

pub mod listing;
pub mod looks;
pub mod matching;
pub mod sample;

use std::collections::BTreeMap;
use std::path::Path;

use crate::engine::{Engine, Limits};
use crate::error::{Context, Error, Result};
use crate::store;
use listing::Listed;
use matching::Match;
use sample::Sample;

/// Objects of a table that are sampled: the first, the last, and one between.
const OBJECTS_SAMPLED: usize = 3;

/// A table as it was found, and what it may be.
#[derive(Debug)]
pub struct Found {
    /// As it may stand in a configuration.
    pub address: String,
    pub format: &'static str,
    pub objects: usize,
    pub sample: Sample,
    pub matched: Match,
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
        let Listed { tables, skipped } = listing::tables(location, &objects);
        discovery.skipped.extend(skipped);
        for table in tables {
            let sampled = spread(&table.objects, OBJECTS_SAMPLED);
            let sample = sample::sample(&engine, &place, table.format, &sampled).await;
            let sample = sample.with("table", &table.address)?;
            let matched = matching::matched(&signatures, &table.address, &sample);
            discovery.tables.push(Found {
                address: table.address,
                format: table.format,
                objects: table.objects.len(),
                sample,
                matched,
            });
        }
    }
    Ok(discovery)
}

/// So many of a list, spread from its first to its last.
fn spread<T: Clone>(list: &[T], number: usize) -> Vec<T> {
    if list.len() <= number {
        return list.to_vec();
    }
    (0..number).map(|place| list[place * (list.len() - 1) / (number - 1)].clone()).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn samples_are_spread_over_a_list() {
        assert_eq!(super::spread(&[1, 2], 3), [1, 2]);
        assert_eq!(super::spread(&[1, 2, 3, 4, 5, 6, 7], 3), [1, 4, 7]);
    }
}
