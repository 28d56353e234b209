//! `[lineage]`: who is told of a run, as OpenLineage events.

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Environment, Place};
use crate::error::Result;

/// The variable with the listener's key.
pub(super) const KEY: &str = "OPENLINEAGE_API_KEY";

/// Who listens.
#[derive(Debug, Clone, Serialize)]
pub struct Lineage {
    /// A file on this machine, to which lines are added, or an address that takes events by POST.
    /// It may hold a secret, so it is not published.
    #[serde(skip)]
    pub events: String,
    pub namespace: String,
    pub job: String,
    #[serde(skip)]
    pub key: Option<Secret>,
}

/// A text that does not show itself.
#[derive(Clone)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a secret")
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TypedLineage {
    events: Option<Spanned<String>>,
    namespace: Option<String>,
    job: Option<String>,
}

impl Place<'_> {
    pub(super) fn lineage(
        &self,
        typed: TypedLineage,
        base: &std::path::Path,
        environment: &Environment,
    ) -> Result<Option<Lineage>> {
        let Some(events) = typed.events else { return Ok(None) };
        let at = events.span().start;
        let place = environment.fill(events.get_ref(), |what| self.error(at, what))?;
        let events = match place.split_once("://") {
            Some(("http" | "https", _)) => place,
            Some(_) => {
                return Err(self
                    .error(at, "`lineage.events` is neither a file on this machine nor an http address")
                    .hint("write a path, or https://host/api/v1/lineage"));
            }
            None => base.join(place).to_string_lossy().into_owned(),
        };
        Ok(Some(Lineage {
            events,
            namespace: typed.namespace.unwrap_or_else(|| "aftersale".into()),
            job: typed.job.unwrap_or_else(|| "aftersale.run".into()),
            key: environment.0.get(KEY).cloned().map(Secret),
        }))
    }
}
