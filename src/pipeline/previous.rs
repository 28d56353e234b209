//! What the run published before said, beside what this one says.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray,
};

use super::{Job, Request};
use crate::error::{Kind, Result};
use crate::exposures::batch;
use crate::progress::Progress;
use crate::store::Store;
use crate::store::publish::{self, Accepted, Input, Latest, Manifest};

/// The published tables that are compared, and how queries call them.
const TABLES: [(&str, &str); 2] =
    [("rpt_nps", "previous_nps"), ("rpt_touchpoint_trend", "previous_touchpoint_trend")];

/// The run that `latest.json` points to as this one begins, if there is one.
pub(super) struct Previous {
    pub latest: Option<Latest>,
    /// None also where it is gone or damaged: that is told, and keeps no new run from being made.
    pub manifest: Option<Manifest>,
    /// What a person has taken over since.
    pub accepted: Option<Accepted>,
}

impl Previous {
    /// # Errors
    /// Those of the storage, and of a damaged `contract.json`.
    pub async fn read(
        published: &Store,
        latest: Option<&Latest>,
        request: &Request,
        progress: &dyn Progress,
    ) -> Result<Previous> {
        let Some(latest) = latest else {
            return Ok(Previous { latest: None, manifest: None, accepted: None });
        };
        let manifest = match publish::manifest_if_whole(published, &latest.run_id).await? {
            Ok(manifest) => Some(manifest),
            Err(why) => {
                progress.warns(
                    "the run published before cannot be read; nothing is compared with it",
                    &[("run", latest.run_id.clone()), ("reason", why.message().to_string())],
                );
                None
            }
        };
        let accepted = match publish::accepted(published, &latest.run_id).await {
            // Whoever takes over anew, or publishes whatever was before, writes it anew.
            Err(error) if error.kind() == Kind::Io && (request.accept || request.make_latest) => None,
            accepted => accepted?,
        };
        Ok(Previous { latest: Some(latest.clone()), manifest, accepted })
    }
}

impl Job<'_> {
    /// Names the tables of the run published before, and what has changed since; all empty where there
    /// is none, or where it looked at a later day than this one.
    pub(super) async fn register_previous(&self, published: &Store, request: &Request) -> Result<()> {
        let may_be_compared =
            |there: &Latest| request.make_latest || there.as_of <= self.as_of_day.to_string();
        let latest = self.previous.latest.as_ref().filter(|there| may_be_compared(there));
        let manifest = latest.and(self.previous.manifest.as_ref());
        self.register_changes(manifest)?;
        for (table, name) in TABLES {
            match manifest.filter(|manifest| crate::published::holds(manifest, table)) {
                Some(manifest) => {
                    crate::published::register(&self.engine, published, manifest, table, name).await?;
                }
                None => self.register_no_figures(name)?,
            }
        }
        self.engine
            .view("previous_as_of", self.engine.query("select max(as_of) as at from previous_nps").await?)?;
        let since =
            "select changes.*, previous_as_of.at as previous_as_of from changes cross join previous_as_of";
        self.engine.view("since_previous", self.engine.query(since).await?)
    }

    fn register_changes(&self, previous: Option<&Manifest>) -> Result<()> {
        let part_changed = |part: &str| {
            previous
                .is_some_and(|previous| previous.about.fingerprint_parts.get(part) != self.parts.0.get(part))
        };
        let is_replaced = previous.is_some_and(|previous| {
            let objects =
                self.pinned.iter().flat_map(|source| &source.tables).flat_map(|table| &table.objects);
            let now: BTreeMap<&str, &str> = objects.map(|o| (o.url.as_str(), o.etag.as_str())).collect();
            let is_gone = |input: &Input| now.get(input.key.as_str()) != Some(&input.etag.as_str());
            previous.about.inputs.iter().any(is_gone)
        });
        let flag = |flag: bool| -> ArrayRef { Arc::new(BooleanArray::from(vec![flag])) };
        self.engine.register_rows(
            "changes",
            batch(vec![
                ("is_program_changed", flag(part_changed("program"))),
                ("is_settings_changed", flag(part_changed("settings"))),
                ("is_input_replaced", flag(is_replaced)),
            ])?,
        )?;
        let before = |id: &str| previous.and_then(|previous| previous.about.touchpoints.get(id));
        let changed = self
            .catalogue
            .touchpoints
            .iter()
            .filter(|touchpoint| before(&touchpoint.id).is_some_and(|hash| *hash != touchpoint.hash));
        let changed = StringArray::from_iter_values(changed.map(|touchpoint| &touchpoint.id));
        self.engine.register_rows("changed_touchpoints", batch(vec![("touchpoint", Arc::new(changed))])?)
    }

    fn register_no_figures(&self, name: &str) -> Result<()> {
        let text = || Arc::new(StringArray::from(Vec::<String>::new())) as ArrayRef;
        let float = || Arc::new(Float64Array::from(Vec::<f64>::new())) as ArrayRef;
        let times = TimestampMicrosecondArray::from(Vec::<i64>::new()).with_timezone("UTC");
        let rows = batch(vec![
            ("period", text()),
            ("segment_dimension", text()),
            ("segment", text()),
            ("touchpoint", text()),
            ("responses", Arc::new(Int64Array::from(Vec::<i64>::new()))),
            ("nps", float()),
            ("reach", float()),
            ("detractor_share", float()),
            ("as_of", Arc::new(times)),
        ])?;
        self.engine.register_rows(name, rows)
    }
}
