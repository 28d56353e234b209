//! SQL from the configuration: checked before it is planned, and able to do nothing but read.
//!
//! A mapping sees only its own source's tables (the session holds no others), cannot change anything,
//! and gives the same result every night: functions of the clock and of chance are refused.

use std::ops::ControlFlow;

use datafusion::common::DFSchema;
use datafusion::common::config::Dialect;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::{Expr, ExprSchemable, Volatility};
use datafusion::prelude::{DataFrame, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, visit_expressions};

use super::{error, reading_only};
use crate::error::{Error, Result};

/// Plans a query of the configuration's.
///
/// # Errors
/// `Kind::Config` for what is no query, writes, or differs from night to night.
pub async fn query(ctx: &SessionContext, sql: &str) -> Result<DataFrame> {
    let state = ctx.state();
    let statement = state.sql_to_statement(sql, &Dialect::Generic).map_err(|e| error(e, "the mapping"))?;
    let Statement::Statement(inner) = &statement else {
        return Err(Error::config("the mapping is no query").hint("write a SELECT"));
    };
    if !matches!(inner.as_ref(), ast::Statement::Query(_)) {
        return Err(Error::config("the mapping is no query").hint("write a SELECT"));
    }
    if let ControlFlow::Break(name) = visit_expressions(inner.as_ref(), |expr| match expr {
        ast::Expr::Function(function) => {
            let name = function.name.to_string().to_lowercase();
            match state.scalar_functions().get(&name) {
                Some(known) if known.signature().volatility != Volatility::Immutable => {
                    ControlFlow::Break(name)
                }
                _ => ControlFlow::Continue(()),
            }
        }
        _ => ControlFlow::Continue(()),
    }) {
        return Err(refuse_volatile(&name));
    }
    let plan = state.statement_to_plan(statement).await.map_err(|e| error(e, "the mapping"))?;
    reading_only().verify_plan(&plan).map_err(|e| error(e, "the mapping"))?;
    ctx.execute_logical_plan(plan).await.map_err(|e| error(e, "the mapping"))
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

fn refuse_volatile(name: &str) -> Error {
    Error::config(format!("`{name}` gives another result every time"))
        .hint("a night must be repeatable: use columns of the export, and `--as-of` for the day")
}
