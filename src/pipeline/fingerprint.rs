//! The fingerprint of a run: equal exactly where results must be.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::SCHEMA_VERSION;
use crate::config::Config;
use crate::error::Result;
use crate::queries;
use crate::sources::pin::PinnedSource;
use crate::store::Object;

/// The program as it was built: its version, and a hash of its source code.
pub(super) const PROGRAM: &str = concat!(env!("CARGO_PKG_VERSION"), "+", env!("AFTERSALE_SOURCE"));

/// Settings that cannot change a result. A new key counts unless it is named here.
const NOT_IN_RESULTS: [&str; 9] = [
    "output",
    "landing",
    "bi_layout",
    "pages_url",
    "memory_pool",
    "retention",
    "metrics_textfile",
    "contract",
    "lineage",
];
/// The same, of each table. Its address counts among the inputs.
const NOT_IN_ROWS: [&str; 2] = ["url", "max_age_hours"];
/// The same, of `[follow_ups]`.
const NOT_IN_FOLLOW_UPS: [&str; 2] = ["output", "keep_days"];
/// Settings of the catalogue, which has a hash of its own.
const CATALOGUE: [&str; 2] = ["touchpoints", "own_catalogue_only"];

/// A hash of each thing that results depend on and that is known before an input is read.
pub(super) struct Fingerprint(pub BTreeMap<String, String>);

impl Fingerprint {
    pub fn new(config: &Config, pinned: &[PinnedSource], erasure: Option<&Object>) -> Result<Fingerprint> {
        let mut settings = config.settings()?;
        let mut catalogue = hash([queries::catalogue()?]);
        if let Value::Object(settings) = &mut settings {
            for key in NOT_IN_RESULTS {
                settings.remove(key);
            }
            if let Some(privacy) = settings.get_mut("privacy").and_then(Value::as_object_mut) {
                // The list itself counts, not where it lies.
                privacy.remove("erasure_list");
            }
            if let Some(follow_ups) = settings.get_mut("follow_ups").and_then(Value::as_object_mut) {
                for key in NOT_IN_FOLLOW_UPS {
                    follow_ups.remove(key);
                }
            }
            for key in CATALOGUE {
                let own = settings.remove(key).unwrap_or_default().to_string();
                catalogue = hash([catalogue, own]);
            }
        }
        for table in tables(&mut settings) {
            table.retain(|key, _| !NOT_IN_ROWS.contains(&key.as_str()));
        }
        let program = [PROGRAM.to_string(), SCHEMA_VERSION.to_string()];
        let queries = queries::all()?.into_iter().map(|query| query.sql.to_string());
        let mut parts = BTreeMap::from([
            ("program".into(), hash(program.into_iter().chain(queries))),
            ("settings".into(), hash([settings.to_string()])),
            ("catalogue".into(), catalogue),
            ("inputs".into(), of_inputs(pinned)),
        ]);
        if let Some(list) = erasure {
            let (bytes, time) = (list.bytes.to_string(), list.last_modified_micros.to_string());
            parts.insert("erasure".into(), hash([list.url.clone(), bytes, list.etag.clone(), time]));
        }
        Ok(Fingerprint(parts))
    }

    /// Of the run: what results depend on, the as-of (UTC microseconds), and whether it was asked for: where
    /// it was not, the newest snapshot stands, whatever its day.
    pub fn of_run(&self, as_of: i64, asked: Option<chrono::NaiveDate>) -> String {
        self.with(&format!("as of {as_of}, asked for {asked:?}"))
    }

    /// Of the work that was asked for: equal to an earlier run's where there is nothing to do.
    pub fn of_work(&self, as_of: Option<chrono::NaiveDate>) -> String {
        self.with(&format!("asked for {as_of:?}"))
    }

    fn with(&self, last: &str) -> String {
        hash(self.0.iter().flat_map(|(name, part)| [name, part]).map(String::as_str).chain([last]))
    }
}

/// The tables of all sources, among the settings.
fn tables(settings: &mut Value) -> impl Iterator<Item = &mut serde_json::Map<String, Value>> {
    let sources = settings.get_mut("sources").and_then(Value::as_object_mut);
    sources
        .into_iter()
        .flat_map(|sources| sources.values_mut())
        .filter_map(|source| source.get_mut("tables")?.as_object_mut())
        .flat_map(|tables| tables.values_mut())
        .filter_map(Value::as_object_mut)
}

fn of_inputs(pinned: &[PinnedSource]) -> String {
    let mut parts = Vec::new();
    for source in pinned {
        for table in &source.tables {
            // Which part of an object's address makes columns depends on the address that was listed, and
            // how many objects were skipped is published.
            let url = source.source.tables.get(&table.name).map(|said| said.url.value.clone());
            parts.extend([source.source.feed.clone(), table.name.clone(), url.unwrap_or_default()]);
            parts.push(table.skipped.len().to_string());
            for object in &table.objects {
                // The time bounds which times are plausible.
                let (bytes, time) = (object.bytes.to_string(), object.last_modified_micros.to_string());
                parts.extend([object.url.clone(), bytes, object.etag.clone(), time]);
            }
        }
    }
    hash(parts)
}

fn hash<T: AsRef<str>>(parts: impl IntoIterator<Item = T>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.as_ref().len() as u64).to_le_bytes());
        hash.update(part.as_ref().as_bytes());
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::config::Environment;

    fn parts(text: &str) -> BTreeMap<String, String> {
        let sources = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.parquet\"\n";
        let text = format!("{text}\n{sources}");
        let config = Config::parse(&text, "a.toml", PathBuf::from("."), Environment::default()).unwrap();
        Fingerprint::new(&config, &[], None).unwrap().0
    }

    /// Every option that a source or a table has.
    #[test]
    fn whatever_is_said_of_a_source_counts() {
        let of_source = |options: &str| {
            let others = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.csv\"";
            let text = format!("{others}\n[sources.interactions]\n{options}\n");
            let config = Config::parse(&text, "a.toml", PathBuf::from("."), Environment::default()).unwrap();
            Fingerprint::new(&config, &[], None).unwrap().0["settings"].clone()
        };
        let csv = "url = \"i.csv\"";
        let mut seen = BTreeMap::from([(of_source(csv), String::new())]);
        assert!(seen.contains_key(&of_source(&format!("{csv}\nmax_age_hours = 3"))));
        for option in [
            "format = \"ndjson\"",
            "delimiter = \";\"",
            "encoding = \"latin-1\"",
            "skip_after_header = 2",
            "skip_after_header = 2\ntimezone = \"from header\"",
            "timezone = \"Europe/Madrid\"",
            "timestamp_formats = [\"%d/%m/%Y\"]",
            "decimal = \",\"",
            "nulls = [\"-\"]",
            "mode = \"snapshot\"",
            "mode = \"upsert\"\nkey = \"id\"\nversion = \"v\"",
            "mode = \"upsert\"\nkey = [\"id\", \"x\"]\nversion = \"v\"",
            "mode = \"upsert\"\nkey = \"id\"\nversion = \"w\"",
            "deleted_when = \"x\"",
            "where = \"x\"",
            "partition = { column = \"ds\", covers = \"day\" }",
            "partition = { column = \"ds\", covers = \"month\" }",
            "partition = { column = \"ds\", covers = \"day\", slack_days = 1 }",
            "ready = \"_SUCCESS\"",
            "columns = { interaction_id = \"id\" }",
            "kinds = { anruf = \"call\" }",
            "words = { outcome = { ja = \"answered\" } }",
            "starts_on = \"2025-01-01\"",
            "format = \"json\"",
            "format = \"json\"\nrecords = \"rows\"",
        ] {
            let same = seen.insert(of_source(&format!("{csv}\n{option}")), option.to_string());
            assert_eq!(same, None, "{option}");
        }
        let query = |sql: &str| of_source(&format!("{csv}\nquery = \"{sql}\""));
        assert_ne!(query("select 1"), query("select 2"));
    }

    #[test]
    fn what_can_change_a_result_changes_it_and_the_rest_does_not() {
        let plain = parts("");
        for same in [
            "output = \"elsewhere\"",
            "landing = \"elsewhere\"",
            "bi_layout = true",
            "[pages]\nurl = \"https://reports.example\"",
            "# a comment",
            "[memory]\npool = \"1GB\"",
            "[retention]\nkeep_runs = 3",
            "[metrics]\ntextfile = \"a.prom\"",
            "[lineage]\nevents = \"a.ndjson\"",
            "[contract]\non_change = \"warn\"\nvolume = { max_drop = 0.1, on_breach = \"stop\" }",
            "[analysis]\nwindow_days = 365",
            "[privacy]\nredact_comments = true\nerasure_list = \"e.csv\"",
            "[follow_ups]\noutput = \"elsewhere\"\nkeep_days = 3",
        ] {
            assert_eq!(parts(same), plain, "{same}");
        }
        let touchpoint = "[[touchpoints]]\nid = \"x\"";
        for (other, changed) in [
            ("timezone = \"Europe/Madrid\"", "settings"),
            ("segments = [\"region\"]", "settings"),
            ("plausible_until = \"2025-01-01\"", "settings"),
            ("[analysis]\nwindow_days = 30", "settings"),
            ("[identity]\nmatch = [\"email\"]", "settings"),
            ("[identity]\nmax_customers_per_value = 9", "settings"),
            ("[journey]\nlookback_days = 30", "settings"),
            ("score = { scale = \"1-10\" }", "settings"),
            ("[privacy]\nredact_comments = false", "settings"),
            ("[follow_ups]\ndue = { detractors = \"24 hours\" }", "settings"),
            ("[follow_ups]\nowners = { passives = \"Desk\" }", "settings"),
            ("catalogue = \"replace\"", "catalogue"),
            (touchpoint, "catalogue"),
        ] {
            let parts = parts(other);
            let differ: Vec<&String> = parts.keys().filter(|key| parts[*key] != plain[*key]).collect();
            assert_eq!(differ, [changed], "{other}");
        }
    }
}
