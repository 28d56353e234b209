//! The values by which rows are matched to customers, as one long table.
//!
//! Which columns they are is configured (`[identity] match`), so that the table is built here as parsed
//! expressions; whom a value stands for is SQL: `queries/2_staging/int_customers.sql`.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Int64Array, StringArray};
use arrow::datatypes::DataType;
use datafusion::common::{Column as ColumnRef, ScalarValue};
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::{Expr, cast, lit, when};
use datafusion::prelude::DataFrame;

use super::feeds;
use super::typed::Typed;
use crate::config::Config;
use crate::engine::{self, Engine};
use crate::error::{Error, Result};
use crate::exposures::batch;

/// The feeds whose rows have a customer.
const FEEDS: [&str; 4] = ["purchases", "surveys", "tickets", "interactions"];

/// Makes `match_kinds`, the configured columns in their order, and `match_values`: one row per valid row of
/// a feed up to the as-of and match value that it carries, in the one spelling that is compared. `carried`
/// says how many its row carries, `own_id` the row's own customer_id where that is matched by, `written`
/// how the export spells it.
///
/// # Errors
/// `Kind::Config` for a configured column that no feed holds.
pub async fn match_values(
    engine: &Engine,
    config: &Config,
    typed: &BTreeMap<&'static str, Typed>,
) -> Result<()> {
    let kinds = &config.identity.matched;
    for kind in kinds.iter().filter(|kind| !matches!(kind.as_str(), "customer_id" | "email")) {
        let holds = |feed: &&str| typed.get(feed).is_some_and(|typed| typed.mapped.contains(kind));
        if !FEEDS.iter().any(holds) {
            return Err(Error::config(format!(
                "no feed has the column `{kind}` that `identity.match` names"
            ))
            .with("feeds", FEEDS.join(", "))
            .hint(format!(
                "map it, such as `{kind} = \"their_column\"` under [sources.tickets.columns], or take it out"
            )));
        }
    }
    engine.register_rows(
        "match_kinds",
        batch(vec![
            ("position", Arc::new((0i64..).take(kinds.len()).collect::<Int64Array>())),
            ("kind", Arc::new(StringArray::from_iter_values(kinds))),
        ])?,
    )?;
    let mut all: Option<DataFrame> = None;
    let failed = |e| engine::error(e, "match_values");
    for feed in FEEDS {
        let (Some(typed), Some(known)) = (typed.get(feed), feeds::feed(feed)) else { continue };
        let there = |kind: &&String| typed.mapped.contains(*kind);
        let judged = engine.table(&format!("judged_{feed}")).await?;
        let valid = judged
            .filter(named("reject_reason").is_null().and(named("is_after_as_of").is_false()))
            .map_err(failed)?;
        let has_own_id = kinds.iter().filter(there).any(|kind| kind == "customer_id");
        let own_id = match has_own_id {
            true => match_value(engine, "customer_id")?,
            false => lit(ScalarValue::Utf8(None)),
        };
        for (position, kind) in (0i64..).zip(kinds).filter(|(_, kind)| there(kind)) {
            let mut carried: Vec<Expr> = Vec::new();
            for other in kinds.iter().filter(there) {
                let is_there = match_value(engine, other)?.is_not_null();
                let one = when(is_there, lit(1i64)).otherwise(lit(0i64)).map_err(failed)?;
                carried.push(one);
            }
            // Where there is but one column to match by, each row here carries one value.
            let carried = match carried.len() {
                1 => lit(1i64),
                _ => carried.into_iter().reduce(|sum, one| sum + one).unwrap_or(lit(0i64)),
            };
            let written = match kind.as_str() {
                "customer_id" => named(kind),
                _ => lit(ScalarValue::Utf8(None)),
            };
            let values = valid
                .clone()
                .select(vec![
                    lit(feed).alias("feed"),
                    named(known.key[0]).alias("event_id"),
                    lit(position).alias("position"),
                    lit(kind.as_str()).alias("kind"),
                    match_value(engine, kind)?.alias("value"),
                    cast(written, DataType::Utf8).alias("written"),
                    own_id.clone().alias("own_id"),
                    carried.alias("carried"),
                ])
                .and_then(|rows| rows.filter(named("value").is_not_null()))
                .map_err(failed)?;
            all = Some(match all {
                None => values,
                Some(others) => others.union(values).map_err(failed)?,
            });
        }
    }
    let all = match all {
        Some(all) => all,
        None => engine
            .query(
                "select '' as feed, '' as event_id, 0 as position, '' as kind, '' as value, '' as written, \
                     '' as own_id, 0 as carried where false",
            )
            .await?,
    };
    engine.view("match_values", all)
}

/// A column in the one spelling that is compared.
fn match_value(engine: &Engine, column: &str) -> Result<Expr> {
    let function = engine.context().udf("match_value").map_err(|e| engine::error(e, column))?;
    Ok(function.call(vec![named(column)]))
}

fn named(name: &str) -> Expr {
    Expr::Column(ColumnRef::new_unqualified(name))
}
