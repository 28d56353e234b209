//! Steps of a query that are worked out once: the common table expressions that its header names.
//!
//! The engine plans a common table expression anew wherever it is read, and works it out as often.

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast;

use super::{Engine, parse_query};
use crate::error::{Error, Result};

impl Engine {
    /// Works a query of ours out once, before it the `steps`, and gives the rows a name. Returns their number.
    ///
    /// # Errors
    /// `Kind::Internal` for a step that the query does not have; those of planning and of running a query.
    pub async fn keep_query(&self, name: &str, sql: &str, steps: &[String]) -> Result<u64> {
        let mut statement = self.parse(sql)?;
        for step in steps {
            let kept_as = format!("{name}__{step}");
            let alone = taken_out(&mut statement, step, &kept_as)?;
            self.keep(&kept_as, self.plan(alone, sql).await?).await?;
        }
        let rows = self.keep(name, self.plan(statement, sql).await?).await?;
        for step in steps {
            self.drop_kept(&format!("{name}__{step}")).await?;
        }
        Ok(rows)
    }
}

/// The query that makes a step, those before it included; in the statement it is read from where it is kept.
fn taken_out(statement: &mut Statement, step: &str, kept_as: &str) -> Result<Statement> {
    let not_there = || Error::internal("a query has no such step").with("step", step);
    let Statement::Statement(inner) = statement else { return Err(not_there()) };
    let ast::Statement::Query(query) = inner.as_mut() else { return Err(not_there()) };
    let with = query.with.as_mut().ok_or_else(not_there)?;
    let place = with.cte_tables.iter().position(|cte| cte.alias.name.value == step).ok_or_else(not_there)?;
    let earlier = ast::With { cte_tables: with.cte_tables[..place].to_vec(), ..with.clone() };
    let kept = parse_query(&format!("select * from {kept_as}"))?;
    let mut alone = std::mem::replace(&mut with.cte_tables[place].query, kept);
    if alone.with.is_some() {
        return Err(Error::internal("a step of a query has steps of its own").with("step", step));
    }
    if place > 0 {
        alone.with = Some(earlier);
    }
    Ok(Statement::Statement(Box::new(ast::Statement::Query(alone))))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::AsArray;
    use arrow::datatypes::Int64Type;
    use object_store::ObjectStore;
    use object_store::memory::InMemory;

    use super::super::Limits;
    use super::*;

    /// A step is worked out once, with those before it, and nothing of it stays.
    #[tokio::test]
    async fn steps_are_worked_out_once() {
        let scratch: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        let folder = tempfile::tempdir().unwrap();
        let limits = Limits { threads: 2, memory_pool: 100 << 20 };
        let engine = Engine::new(&limits, scratch.clone(), folder.path()).unwrap();
        let sql = "-- doubled: a test
            with one as (select 1 as n union all select 2),
            twice as (select n, n + n as m from one),
            both as (select twice.m + other.m as sum from twice inner join twice as other on other.n = twice.n)
            select sum(sum) as all_of_it, count(*) as rows from both";
        let steps = ["twice", "both"].map(str::to_string);
        assert_eq!(engine.keep_query("doubled", sql, &steps).await.unwrap(), 1);
        let rows = engine.collect(engine.table("doubled").await.unwrap(), "doubled").await.unwrap();
        let value = |column: usize| rows[0].column(column).as_primitive::<Int64Type>().value(0);
        assert_eq!((value(0), value(1)), (12, 2));
        assert!(engine.table("doubled__twice").await.is_err());
        let left = futures::TryStreamExt::try_collect::<Vec<_>>(scratch.list(None)).await.unwrap();
        assert!(!left.is_empty());
        assert!(left.iter().all(|meta| !meta.location.as_ref().contains("__")), "{left:?}");
        let none = engine.keep_query("tripled", sql, &["thrice".to_string()]).await;
        assert_eq!(none.unwrap_err().kind(), crate::error::Kind::Internal);
    }
}
