//! SQL from the configuration: checked before it is planned, and able to do nothing but read.
//!
//! A mapping sees only its own source's tables (the session holds no others), cannot change anything,
//! and gives the same result every night: functions of the clock and of chance are refused.

use std::ops::ControlFlow;

use datafusion::common::config::Dialect;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, TableReference};
use datafusion::logical_expr::{Distinct, Expr, ExprSchemable, LogicalPlan, Volatility};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::resolve::resolve_table_references;
use datafusion::sql::sqlparser::ast::{self, visit_expressions};

use super::{error, reading_only};
use crate::error::{Error, Result};

/// Plans a query of the configuration's over `tables`, and over nothing else that the session may know.
///
/// # Errors
/// `Kind::Config` for what is no query, writes, reads anything but `tables`, or differs from night to night.
pub async fn query(ctx: &SessionContext, sql: &str, tables: &[&str]) -> Result<DataFrame> {
    let state = ctx.state();
    let statement = state.sql_to_statement(sql, &Dialect::Generic).map_err(|e| error(e, "the mapping"))?;
    let no_query = || Error::config("the mapping is no query").hint("write one SELECT");
    let Statement::Statement(inner) = &statement else { return Err(no_query()) };
    if !matches!(inner.as_ref(), ast::Statement::Query(_)) {
        return Err(no_query());
    }
    if let ControlFlow::Break(refused) = visit_expressions(inner.as_ref(), |expr| match expr {
        ast::Expr::Function(function) => {
            // As the planner will look it up: quoted or not, without its schema.
            let last = function.name.0.last().and_then(|part| part.as_ident());
            let name = last.map(|name| name.value.to_lowercase()).unwrap_or_default();
            match state.scalar_functions().get(&name) {
                Some(known) if known.signature().volatility != Volatility::Immutable => {
                    ControlFlow::Break(refuse_volatile(&name))
                }
                _ => ControlFlow::Continue(()),
            }
        }
        ast::Expr::Value(value) if matches!(value.value, ast::Value::Placeholder(_)) => {
            ControlFlow::Break(no_value())
        }
        _ => ControlFlow::Continue(()),
    }) {
        return Err(refused);
    }
    // Table functions stand among the names of tables, too.
    let (read, _) = resolve_table_references(&statement, true).map_err(|e| error(e, "the mapping"))?;
    for name in read {
        let is_own = matches!(&name, TableReference::Bare { table } if tables.contains(&table.as_ref()));
        if !is_own {
            return Err(Error::config(format!("`{name}` is no table of this source")).hint(format!(
                "its tables are {}; declare what else is needed under `tables`",
                tables.join(", ")
            )));
        }
    }
    let plan = state.statement_to_plan(statement).await.map_err(|e| error(e, "the mapping"))?;
    refuse_open_order(&plan)?;
    reading_only().verify_plan(&plan).map_err(|e| error(e, "the mapping"))?;
    ctx.execute_logical_plan(plan).await.map_err(|e| error(e, "the mapping"))
}

/// Functions that depend on the order of rows.
const ORDERED: [&str; 12] = [
    "first_value",
    "last_value",
    "nth_value",
    "array_agg",
    "string_agg",
    "row_number",
    "lag",
    "lead",
    "ntile",
    "rank",
    "dense_rank",
    "cume_dist",
];

/// Refuses what would take rows as they happen to come, or never end.
fn refuse_open_order(plan: &LogicalPlan) -> Result<()> {
    let (mut open, mut is_recursive) = (None, false);
    plan.apply_with_subqueries(|node| {
        match node {
            LogicalPlan::Limit(limit) if !is_sorted(&limit.input) => open = Some("`limit`".to_string()),
            LogicalPlan::Distinct(Distinct::On(on)) if on.sort_expr.as_ref().is_none_or(Vec::is_empty) => {
                open = Some("`distinct on`".into());
            }
            LogicalPlan::Aggregate(aggregate) => open = aggregate.aggr_expr.iter().find_map(open_order),
            LogicalPlan::Window(window) => open = window.window_expr.iter().find_map(open_order),
            LogicalPlan::RecursiveQuery(_) => is_recursive = true,
            _ => {}
        }
        let is_done = open.is_some() || is_recursive;
        Ok(if is_done { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(|e| error(e, "the mapping"))?;
    if is_recursive {
        return Err(Error::config("the mapping calls itself")
            .hint("write the query without `recursive`: it might never end"));
    }
    match open {
        None => Ok(()),
        Some(what) => Err(Error::config(format!("{what} takes rows as they happen to come"))
            .hint("say in which order, down to a column that differs between rows: `order by …`")),
    }
}

fn is_sorted(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Sort(_) => true,
        LogicalPlan::Projection(projection) => is_sorted(&projection.input),
        LogicalPlan::SubqueryAlias(alias) => is_sorted(&alias.input),
        _ => false,
    }
}

/// The function of an expression that depends on an order and is not given one.
fn open_order(expr: &Expr) -> Option<String> {
    let mut open = None;
    let walked = expr.apply(|node| {
        let found = match node {
            Expr::AggregateFunction(call) if call.params.order_by.is_empty() => {
                Some(call.func.name().to_string())
            }
            Expr::WindowFunction(call) if call.params.order_by.is_empty() => {
                Some(call.fun.name().to_string())
            }
            _ => None,
        };
        open = found.filter(|name| ORDERED.contains(&name.as_str())).map(|name| format!("`{name}`"));
        Ok(if open.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    // The walk itself cannot fail.
    walked.ok().and(open)
}

/// Parses an expression over one row of `schema`.
///
/// # Errors
/// `Kind::Config` for unknown columns, aggregates, windows, subqueries and volatile functions.
pub fn expression(ctx: &SessionContext, sql: &str, schema: &DFSchema) -> Result<Expr> {
    let expr = ctx.parse_sql_expr(sql, schema).map_err(|e| error(e, "an expression"))?;
    let mut refused = None;
    expr.apply(|node| {
        refused = match node {
            Expr::AggregateFunction(_) => Some(not_one_row("an aggregate")),
            Expr::WindowFunction(_) => Some(not_one_row("a window function")),
            Expr::ScalarSubquery(_) | Expr::InSubquery(_) | Expr::Exists(_) => {
                Some(not_one_row("a subquery"))
            }
            Expr::Placeholder(_) => Some(no_value()),
            Expr::ScalarFunction(call) if call.func.signature().volatility != Volatility::Immutable => {
                Some(refuse_volatile(call.func.name()))
            }
            _ => None,
        };
        Ok(if refused.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    })
    .map_err(|e| error(e, "an expression"))?;
    match refused {
        Some(refused) => Err(refused),
        None => {
            expr.get_type(schema).map_err(|e| error(e, "an expression"))?;
            Ok(expr)
        }
    }
}

fn not_one_row(what: &str) -> Error {
    Error::config(format!("{what} stands where one row is looked at"))
        .hint("use `query` instead of `columns`, where rows can be joined and counted")
}

fn no_value() -> Error {
    Error::config("the mapping has a parameter, and nobody gives it a value").hint("write the value itself")
}

fn refuse_volatile(name: &str) -> Error {
    Error::config(format!("`{name}` gives another result every time"))
        .hint("a night must be repeatable: use columns of the export, and `--as-of` for the day")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, RecordBatch};

    use super::*;
    use crate::engine::{Engine, Limits};
    use crate::error::Kind;
    use crate::store;

    /// A session as mappings have it: two tables of the source, one of them not to be seen.
    fn session(folder: &std::path::Path) -> SessionContext {
        let limits = Limits { threads: 1, memory_pool: 64_000_000 };
        let scratch = store::scratch(&folder.join("tables")).unwrap();
        let ctx = Engine::new(&limits, scratch, &folder.join("spill")).unwrap().mapping_session();
        for name in ["tickets", "tickets_raw", "people"] {
            let ids = Arc::new(Int64Array::from(vec![1, 2])) as ArrayRef;
            ctx.register_batch(name, RecordBatch::try_from_iter([("id", ids)]).unwrap()).unwrap();
        }
        ctx
    }

    #[tokio::test]
    async fn a_query_reads_its_sources_tables() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = session(folder.path());
        for sql in [
            "select id from tickets",
            "select t.id from tickets t join people using (id) where exists (select 1 from people)",
            "with tickets_of_today as (select id from tickets) select * from tickets_of_today",
            "select id from tickets union all select id from people",
            "select id, row_number() over (order by id) from tickets",
            "values (1)",
            "select id from tickets order by id limit 1",
            "select first_value(id order by id) from tickets",
            "select distinct on (id) id from tickets order by id",
            "select sum(id) over () from tickets",
        ] {
            let plan = query(&ctx, sql, &["tickets", "people"]).await;
            plan.unwrap_or_else(|e| panic!("{sql}: {e}")).collect().await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_query_can_do_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret.csv");
        std::fs::write(&file, "id\n1\n").unwrap();
        let (ctx, place) = (session(folder.path()), file.display().to_string());
        let out = folder.path().join("out.csv").display().to_string();
        for sql in [
            // What changes something.
            "create table t as select 1".to_string(),
            "create view t as select 1".into(),
            format!("create external table t stored as csv location '{place}'"),
            "create function f() returns int return 1".into(),
            "drop table tickets".into(),
            "insert into tickets values (3)".into(),
            "update tickets set id = 4".into(),
            "delete from tickets".into(),
            "truncate table tickets".into(),
            "set datafusion.catalog.information_schema = true".into(),
            "begin".into(),
            "prepare p as select 1".into(),
            "execute p".into(),
            format!("copy tickets to '{out}'"),
            format!("copy (select 1) to '{out}'"),
            "select id into t from tickets".into(),
            "with t as (delete from tickets returning id) select * from t".into(),
            "select id from tickets; drop table tickets".into(),
            "select id from tickets; select id from tickets".into(),
            // What tells of other things.
            "show tables".into(),
            "describe tickets".into(),
            "explain select id from tickets".into(),
            "select * from information_schema.tables".into(),
            "select * from tickets_raw".into(),
            "select * from orders".into(),
            "select * from datafusion.public.tickets_raw".into(),
            "select id from tickets where id in (select id from orders)".into(),
            "select (select max(id) from tickets_raw) from tickets".into(),
            "with t as (select * from tickets_raw) select * from t".into(),
            format!("select * from '{place}'"),
            format!("select * from \"{place}\""),
            "select * from 's3://lake/tickets.parquet'".into(),
            "select * from 'file:///etc/passwd'".into(),
            format!("select * from read_csv('{place}')"),
            "select * from parquet_metadata('x')".into(),
            "select * from generate_series(1, 10)".into(),
            "select * from range(1, 10)".into(),
            // What differs from night to night.
            "select now() from tickets".into(),
            "select \"now\"() from tickets".into(),
            "select NOW() from tickets".into(),
            "select current_date from tickets".into(),
            "select current_timestamp from tickets".into(),
            "select id from tickets where random() < 0.5".into(),
            "select id from tickets order by uuid()".into(),
            "select sum(id) filter (where random() < 0.5) from tickets".into(),
            "select id from tickets limit 1".into(),
            "select id from (select id from tickets offset 1) t".into(),
            "select first_value(id) from tickets".into(),
            "select array_agg(id) from tickets".into(),
            "select last_value(id) over () from tickets".into(),
            "select row_number() over () from tickets".into(),
            "select id from tickets where id in (select id from people limit 1)".into(),
            "select distinct on (id) id from tickets".into(),
            // What may never end.
            "with recursive r as (select 1 n union all select n + 1 from r) select n from r".into(),
            "select $1 from tickets".into(),
            "select $from from tickets".into(),
        ] {
            match query(&ctx, &sql, &["tickets", "people"]).await {
                Ok(_) => panic!("accepted: {sql}"),
                Err(error) => assert_eq!(error.kind(), Kind::Config, "{sql}: {error:?}"),
            }
        }
        assert!(!folder.path().join("out.csv").exists());
        assert_eq!(ctx.table("tickets").await.unwrap().count().await.unwrap(), 2);
    }

    #[tokio::test]
    async fn an_expression_looks_at_one_row() {
        let folder = tempfile::tempdir().unwrap();
        let ctx = session(folder.path());
        let schema = ctx.table("tickets").await.unwrap().schema().clone();
        for sql in ["id", "id + 1", "case when id > 1 then 'a' else 'b' end", "cast(id as varchar)"] {
            expression(&ctx, sql, &schema).unwrap_or_else(|e| panic!("{sql}: {e}"));
        }
        for sql in [
            "sum(id)",
            "row_number() over ()",
            "(select 1)",
            "id in (select id from tickets)",
            "exists (select 1)",
            "now()",
            "\"now\"()",
            "current_date",
            "random()",
            "nobody",
            "tickets.nobody",
            "id; drop table tickets",
            "",
            "read_csv('x')",
            "$1",
        ] {
            match expression(&ctx, sql, &schema) {
                Ok(plan) => panic!("accepted: {sql}: {plan}"),
                Err(error) => assert_eq!(error.kind(), Kind::Config, "{sql}: {error:?}"),
            }
        }
    }
}
