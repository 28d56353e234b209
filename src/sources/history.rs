//! History: what older versions of tickets tell of the past.
//!
//! A help desk's export states how a ticket stands now. Where it comes again when it changes, or as dated
//! snapshots, what was exported before the answer says what was known then. `ticket_versions` has the
//! columns of `typed_tickets` for every version up to the as-of, and when it held.

use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, cast, lit};
use datafusion::prelude::DataFrame;

use super::columns::nothing;
use super::{feeds, modes};
use crate::engine::{self, Engine};
use crate::error::{Error, Result};

/// Makes `ticket_versions`; without any, its columns and no rows.
pub(super) async fn ticket_versions(engine: &Engine, versions: Option<DataFrame>) -> Result<()> {
    const NAME: &str = "ticket_versions";
    if let Some(versions) = versions {
        return engine.keep(NAME, versions).await.map(|_| ());
    }
    let feed = feeds::feed("tickets").ok_or_else(|| Error::internal("there is no feed of tickets"))?;
    let instant = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
    let held = |name: &str| -> Expr { cast(lit(ScalarValue::Null), instant.clone()).alias(name) };
    let empty = nothing(engine, feed)?;
    let empty = [modes::HELD_FROM, modes::HELD_BY]
        .into_iter()
        .try_fold(empty, |rows, name| rows.with_column(name, held(name)))
        .map_err(|e| engine::error(e, NAME))?;
    engine.view(NAME, empty)
}
