//! A run's events as OpenLineage has them (2-0-2): START, then COMPLETE, FAIL or ABORT.
//!
//! They say which data sets a run has read and written, and nothing of what these hold. An event that
//! cannot be delivered is a warning: the run does not depend on who listens.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::machine;
use crate::config::{Config, Lineage};
use crate::error::{Error, Kind, Result};
use crate::pipeline::Outcome;
use crate::queries;

const PRODUCER: &str = concat!("urn:aftersale:", env!("CARGO_PKG_VERSION"));
const SCHEMA: &str = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent";
const VERSION_FACET: &str = "https://openlineage.io/spec/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet";
const ERROR_FACET: &str =
    "https://openlineage.io/spec/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet";
const JOB_FACET: &str =
    "https://openlineage.io/spec/facets/2-0-3/JobTypeJobFacet.json#/$defs/JobTypeJobFacet";
/// How long a listener may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One run, to those who listen.
pub struct Story<'a> {
    to: &'a Lineage,
    run: String,
    inputs: Vec<Value>,
    output: (String, String),
}

impl<'a> Story<'a> {
    /// None where nobody listens.
    pub fn new(config: &'a Config) -> Option<Story<'a>> {
        let to = config.lineage.as_ref()?;
        let data_set = |place: &str| {
            let (namespace, name) = named(place, config);
            json!({ "namespace": namespace, "name": name })
        };
        let tables = config.sources.values().flat_map(|source| source.tables.values());
        let inputs = tables.map(|table| data_set(&table.url.value)).collect();
        Some(Story { to, run: uuid(rand::random()), inputs, output: named(&config.output, config) })
    }

    pub async fn begins(&self) -> Result<()> {
        self.deliver(self.event("START", json!({}), Vec::new())).await
    }

    pub async fn ends(&self, result: &Result<Outcome>) -> Result<()> {
        let event = match result {
            Ok(outcome) => {
                let written = outcome.summary.is_some();
                let outputs = if written { self.outputs(&outcome.run_id)? } else { Vec::new() };
                self.event("COMPLETE", json!({}), outputs)
            }
            Err(error) => {
                let facet = json!({
                    "_producer": PRODUCER,
                    "_schemaURL": ERROR_FACET,
                    "message": error.message(),
                    "programmingLanguage": "rust",
                });
                let kind = if matches!(error.kind(), Kind::Stopped { .. }) { "ABORT" } else { "FAIL" };
                self.event(kind, json!({ "errorMessage": facet }), Vec::new())
            }
        };
        self.deliver(event).await
    }

    fn event(&self, kind: &str, facets: Value, outputs: Vec<Value>) -> Value {
        let job = json!({
            "_producer": PRODUCER,
            "_schemaURL": JOB_FACET,
            "processingType": "BATCH",
            "integration": "AFTERSALE",
            "jobType": "JOB",
        });
        json!({
            "eventType": kind,
            "eventTime": machine::timestamp(),
            "run": { "runId": self.run, "facets": facets },
            "job": { "namespace": self.to.namespace, "name": self.to.job, "facets": { "jobType": job } },
            "inputs": self.inputs,
            "outputs": outputs,
            "producer": PRODUCER,
            "schemaURL": SCHEMA,
        })
    }

    /// The published tables, in the version that is this run.
    fn outputs(&self, run_id: &str) -> Result<Vec<Value>> {
        let (namespace, place) = &self.output;
        let version = json!({ "_producer": PRODUCER, "_schemaURL": VERSION_FACET, "datasetVersion": run_id });
        let published = queries::stages()?.into_iter().filter(queries::Query::is_published);
        Ok(published
            .map(|query| {
                let name = format!("{}/{}", place.trim_end_matches('/'), query.name);
                json!({ "namespace": namespace, "name": name, "facets": { "version": version } })
            })
            .collect())
    }

    async fn deliver(&self, event: Value) -> Result<()> {
        let text = event.to_string();
        match &self.to.events {
            place if place.starts_with("http://") || place.starts_with("https://") => {
                self.post(place, text).await
            }
            path => std::fs::OpenOptions::new()
                .append(true)
                .create(true)
                .open(path)
                // In one piece, so that two runs do not write into each other's lines.
                .and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()))
                .map_err(|e| Error::io("the file cannot be written").with("file", path).caused_by(e)),
        }
    }

    async fn post(&self, url: &str, text: String) -> Result<()> {
        // Neither the address nor the key is repeated: both may be secret.
        let failed = |e: reqwest::Error| {
            Error::unavailable("the listener cannot be reached").caused_by(e.without_url())
        };
        let client = reqwest::Client::builder().timeout(PATIENCE);
        // What is told goes where the configuration says.
        let client = client.redirect(reqwest::redirect::Policy::none()).build().map_err(failed)?;
        let mut request = client.post(url).header("Content-Type", "application/json").body(text);
        if let Some(key) = &self.to.key {
            request = request.header("Authorization", format!("Bearer {}", key.0));
        }
        let answer = request.send().await.map_err(failed)?;
        match answer.status().is_success() {
            true => Ok(()),
            false => {
                Err(Error::unavailable("the listener refuses the event")
                    .with("status", answer.status().as_u16()))
            }
        }
    }
}

/// A place as OpenLineage names data sets: where, and what there.
fn named(place: &str, config: &Config) -> (String, String) {
    match place.split_once("://") {
        Some(("file", path)) => ("file".into(), path.trim_end_matches('/').into()),
        Some((scheme, rest)) => {
            let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
            let key = if key.is_empty() { "/" } else { key.trim_end_matches('/') };
            (format!("{scheme}://{bucket}"), key.into())
        }
        None => {
            let path = std::path::absolute(config.base.join(place)).unwrap_or_else(|_| place.into());
            ("file".into(), path.to_string_lossy().trim_end_matches('/').into())
        }
    }
}

/// A random UUID (version 4) of 128 random bits.
fn uuid(bits: u128) -> String {
    let bits = bits & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let hex = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_says_its_version() {
        assert_eq!(uuid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uuid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
