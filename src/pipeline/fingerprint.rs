//! The fingerprint of a run: equal exactly where results must be.

use sha2::{Digest, Sha256};

use super::SCHEMA_VERSION;
use crate::config::{Config, Mapping};
use crate::queries;
use crate::sources::pin::PinnedSource;

/// A hash of all that can change a result: inputs, settings, catalogue, queries, as-of, version. Where the
/// output goes, how many threads there are and how much memory cannot.
pub(super) fn fingerprint(config: &Config, pinned: &[PinnedSource], as_of: i64) -> String {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text.as_bytes());
    };
    add(env!("CARGO_PKG_VERSION"));
    add(SCHEMA_VERSION);
    add(&as_of.to_string());
    for query in queries::all().unwrap_or_default() {
        add(query.sql);
    }
    add(queries::catalogue().unwrap_or_default());
    for table in &config.touchpoints {
        add(&table.to_string());
    }
    add(&format!(
        "{:?}",
        (
            config.timezone.name(),
            config.score,
            (&config.segments, &config.covariates),
            config.journey_days,
            config.lookback_days,
            &config.analysis,
            &config.identity,
            config.plausible_until,
            config.own_catalogue_only,
        )
    ));
    for source in pinned {
        let said = &source.source;
        add(&said.feed);
        add(&format!("{:?}", (said.timezone.name(), &said.kinds, said.starts_on)));
        match &said.mapping {
            Mapping::Query(sql) => add(&sql.value),
            Mapping::Columns(columns) => {
                for (name, source) in columns {
                    add(name);
                    add(&source.value);
                }
            }
        }
        for table in &source.tables {
            add(&table.name);
            let delivery = &table.delivery;
            add(delivery.mode.as_str());
            for said in delivery.key.iter().chain(&delivery.version) {
                add(&said.value);
            }
            for condition in [&delivery.deleted_when, &delivery.filter] {
                add(condition.as_ref().map_or("", |said| &said.value));
            }
            add(&format!("{:?}", (table.format, &table.reading)));
            for object in &table.objects {
                add(&object.url);
                add(&object.bytes.to_string());
                add(&object.etag);
                // It bounds which times are plausible.
                add(&object.last_modified_micros.to_string());
            }
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
