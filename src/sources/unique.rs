//! One row per key: identical copies are superseded, conflicting ones marked.

use arrow::datatypes::DataType;
use datafusion::common::Column as ColumnRef;
use datafusion::functions_aggregate::expr_fn::{count, count_distinct};
use datafusion::functions_window::expr_fn::row_number;
use datafusion::logical_expr::{Expr, ExprFunctionExt, JoinType, cast, lit, when};
use datafusion::prelude::DataFrame;

use super::expr::{function, named};
use super::feeds::Feed;
use super::{land, text};
use crate::engine::{self, Engine};
use crate::error::Result;
/// `unique_<feed>`: of identical rows of one key the first by file and row; conflicting ones all, marked.
pub(super) async fn unique(engine: &Engine, feed: &'static Feed) -> Result<()> {
    let failed = |e| engine::error(e, feed.name);
    let all = engine.table(&format!("typed_{}", feed.name)).await?;
    // A row that is rejected whatever it holds makes no other row doubtful.
    let is_sound = named(text::PROBLEM).is_null();
    let typed = all.clone().filter(is_sound.clone()).map_err(failed)?;
    let keys: Vec<Expr> = feed.key.iter().map(|key| named(key)).collect();
    let has_key = keys.iter().map(|key| key.clone().is_not_null()).reduce(Expr::and).unwrap_or(lit(true));
    let content = content(&typed, engine)?;
    // One row per repeated key: how many different contents it has.
    let repeated = typed
        .clone()
        .filter(has_key)
        .and_then(|rows| rows.aggregate(keys.clone(), vec![count(lit(1i64)).alias("copies")]))
        .and_then(|rows| rows.filter(named("copies").gt(lit(1i64))))
        .map_err(failed)?;
    let names = format!("repeated_{}", feed.name);
    let alone = lit(false).alias("is_conflicting");
    if engine.keep(&names, repeated).await? == 0 {
        let plan = all.with_column("is_conflicting", lit(false)).map_err(failed)?;
        return engine.view(&format!("unique_{}", feed.name), plan);
    }
    let repeated = engine.table(&names).await?.alias("repeated").map_err(failed)?;
    let matches =
        |side: DataFrame, kind: JoinType| side.join(repeated.clone(), kind, feed.key, feed.key, None);
    let columns: Vec<Expr> = typed.schema().columns().into_iter().map(|c| named(&c.name)).collect();
    let mut singles = columns.clone();
    singles.push(alone);
    let broken = all.filter(!is_sound).and_then(|rows| rows.select(singles.clone())).map_err(failed)?;
    let single =
        matches(typed.clone(), JoinType::LeftAnti).and_then(|rows| rows.select(singles)).map_err(failed)?;
    let copies = matches(typed, JoinType::LeftSemi).map_err(failed)?;
    let contents = copies
        .clone()
        .aggregate(keys.clone(), vec![count_distinct(content).alias("contents")])
        .and_then(|rows| rows.alias("contents_of"))
        .map_err(failed)?;
    let nth = row_number()
        .partition_by(keys)
        .order_by(vec![named(land::FILE).sort(true, false), named(text::ROW).sort(true, false)])
        .build()
        .map_err(failed)?
        .alias("nth");
    let mut numbered = columns.clone();
    numbered.push(nth);
    let is_conflicting = ColumnRef::new(Some("contents_of"), "contents");
    let is_conflicting = Expr::Column(is_conflicting).gt(lit(1i64));
    let mut judged: Vec<Expr> = typed_columns(&columns, "rows");
    judged.push(is_conflicting.clone().alias("is_conflicting"));
    let kept = copies
        .select(numbered)
        .and_then(|rows| rows.alias("rows"))
        .and_then(|rows| rows.join(contents, JoinType::Inner, feed.key, feed.key, None))
        .and_then(|rows| {
            let nth = Expr::Column(ColumnRef::new(Some("rows"), "nth"));
            rows.filter(is_conflicting.or(nth.eq(lit(1u64))))
        })
        .and_then(|rows| rows.select(judged))
        .map_err(failed)?;
    engine.view(
        &format!("unique_{}", feed.name),
        single.union(broken).and_then(|rows| rows.union(kept)).map_err(failed)?,
    )
}

fn typed_columns(columns: &[Expr], table: &str) -> Vec<Expr> {
    columns
        .iter()
        .filter_map(|column| match column {
            Expr::Column(c) => Some(Expr::Column(ColumnRef::new(Some(table), &c.name)).alias(&c.name)),
            _ => None,
        })
        .collect()
}

/// A row's content as one text: every column but its place.
pub(super) fn content(typed: &DataFrame, engine: &Engine) -> Result<Expr> {
    let place = ["_table", land::FILE, text::ROW];
    let parts: Vec<Expr> = typed
        .schema()
        .fields()
        .iter()
        .filter(|field| !place.contains(&field.name().as_str()))
        .map(|field| {
            let text = cast(named(field.name()), DataType::Utf8);
            // Null and the empty text differ, and no value can look like the seam between two.
            when(text.clone().is_null(), lit("\u{1}")).otherwise(text)
        })
        .collect::<datafusion::error::Result<_>>()
        .map_err(|e| engine::error(e, "a row's content"))?;
    let mut args = vec![lit("\u{1f}")];
    args.extend(parts);
    Ok(function(engine.context(), "concat_ws")?.call(args))
}
