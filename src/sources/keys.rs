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

/// The tables that [`match_values`] makes.
pub const MADE: [&str; 2] = ["match_kinds", "match_values"];

/// Makes `match_kinds`, the configured columns in their order, and `match_values`: one row per valid row of
/// a feed up to the as-of and match value that it carries, in the one spelling that is compared; a row that
/// carries none has one row without a value. `carried` says how many its row carries, 1 also where it can be
/// one at most; `own_id` the row's own customer_id where that is matched by, `written` how it is exported.
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
        let valid = engine
            .table(&format!("judged_{feed}"))
            .await?
            .filter(named("reject_reason").is_null().and(named("is_after_as_of").is_false()))
            .map_err(failed)?;
        let there: Vec<(i64, &String)> =
            (0i64..).zip(kinds).filter(|(_, kind)| typed.mapped.contains(*kind)).collect();
        // Each value is brought into its one spelling once; a name of a feed's own column has no space.
        let spelled = |kind: &str| format!("match {kind}");
        let mut columns = vec![
            named(known.key[0]).alias("event_id"),
            named("order_id"),
            named(known.event_time.unwrap_or_default()).alias("occurred_at"),
            named("customer_id").alias("written"),
        ];
        for (_, kind) in &there {
            columns.push(match_value(engine, kind)?.alias(spelled(kind)));
        }
        let rows = valid.select(columns).map_err(failed)?;
        let mut carried = lit(0i64);
        for (place, (_, kind)) in there.iter().enumerate() {
            let is_there = named(&spelled(kind)).is_not_null();
            let one = when(is_there, lit(1i64)).otherwise(lit(0i64)).map_err(failed)?;
            carried = if place == 0 { one } else { carried + one };
        }
        let nothing = || lit(ScalarValue::Utf8(None));
        let own_id = match there.iter().any(|(_, kind)| *kind == "customer_id") {
            true => named(&spelled("customer_id")),
            false => nothing(),
        };
        let is_one_at_most = there.len() <= 1;
        // Without any column to match by, every row has its row without a value.
        let kinds = if there.is_empty() { vec![None] } else { there.into_iter().map(Some).collect() };
        for (place, kind) in kinds.into_iter().enumerate() {
            let (position, kind, value) = match kind {
                None => (0, "", nothing()),
                Some((position, kind)) => (position, kind.as_str(), named(&spelled(kind))),
            };
            let written = if kind == "customer_id" { named("written") } else { nothing() };
            let kept = match (place, is_one_at_most) {
                (0, true) => lit(true),
                (0, false) => value.clone().is_not_null().or(carried.clone().eq(lit(0i64))),
                _ => value.clone().is_not_null(),
            };
            let values = rows
                .clone()
                .filter(kept)
                .and_then(|rows| {
                    rows.select(vec![
                        lit(feed).alias("feed"),
                        named("event_id"),
                        named("order_id"),
                        named("occurred_at"),
                        lit(position).alias("position"),
                        lit(kind).alias("kind"),
                        cast(value, DataType::Utf8).alias("value"),
                        cast(written, DataType::Utf8).alias("written"),
                        cast(own_id.clone(), DataType::Utf8).alias("own_id"),
                        if is_one_at_most { lit(1i64) } else { carried.clone() }.alias("carried"),
                    ])
                })
                .map_err(failed)?;
            all = Some(match all {
                None => values,
                Some(others) => others.union(values).map_err(failed)?,
            });
        }
    }
    let all = all.ok_or_else(|| Error::internal("no feed has rows with customers"))?;
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
