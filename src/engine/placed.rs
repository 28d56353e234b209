//! A Parquet table whose rows carry their place: the file, and the row's number in it from 1.
//!
//! The engine's `input_file_name()` and `file_row_index()` work in the projection of a scan and nowhere else.
//! Written into a plan they lie above the scan, and a filter that the optimiser moves in between keeps them
//! there: the query then fails when it runs. As columns of the table they are computed by the scan itself,
//! whatever is asked of them.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DFSchema, Result};
use datafusion::logical_expr::{Expr, ExprSchemable, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use datafusion::physical_expr::expressions::Column;

/// A table with further columns behind its own.
#[derive(Debug)]
pub(super) struct Placed {
    table: Arc<dyn TableProvider>,
    /// The further columns: expressions of no column.
    places: Vec<(String, Expr)>,
    schema: SchemaRef,
}

impl Placed {
    pub fn new(table: Arc<dyn TableProvider>, places: Vec<(String, Expr)>) -> Result<Placed> {
        let own = table.schema();
        let none = DFSchema::empty();
        let mut fields: Vec<_> = own.fields().iter().cloned().collect();
        for (name, place) in &places {
            fields.push(Arc::new(Field::new(name, place.get_type(&none)?, true)));
        }
        Ok(Placed { table, places, schema: Arc::new(Schema::new(fields)) })
    }

    fn own(&self) -> usize {
        self.schema.fields().len() - self.places.len()
    }

    fn is_of_own_columns(&self, filter: &Expr) -> bool {
        filter.column_refs().iter().all(|column| self.places.iter().all(|(name, _)| *name != column.name))
    }
}

#[async_trait]
impl TableProvider for Placed {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked: Vec<usize> = match projection {
            Some(projection) => projection.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let (own, places): (Vec<usize>, Vec<usize>) = asked.iter().partition(|at| **at < self.own());
        let scan = self.table.scan(state, Some(&own), filters, limit).await?;
        if places.is_empty() {
            return Ok(scan);
        }
        let none = DFSchema::empty();
        let mut columns = Vec::with_capacity(asked.len());
        for at in asked {
            let name = self.schema.field(at).name().clone();
            let expr = match own.iter().position(|own| *own == at) {
                Some(place) => Arc::new(Column::new(&name, place)) as _,
                None => state.create_physical_expr(self.places[at - self.own()].1.clone(), &none)?,
            };
            columns.push(ProjectionExpr { expr, alias: name });
        }
        let placed = ProjectionExec::try_new(columns, Arc::clone(&scan))?;
        // At once, before anything can come between the two.
        Ok(scan.try_swapping_with_projection(&placed)?.unwrap_or_else(|| Arc::new(placed)))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        // For leaving row groups out; the filter itself stays above.
        let support = |filter: &&Expr| match self.is_of_own_columns(filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(support).collect())
    }
}
