//! Rows that are made while they are read.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::error::DataFusionError;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::PartitionStream;
use futures::stream;

use crate::error::Result;

type Make = dyn Fn(usize) -> Option<Result<RecordBatch>> + Send + Sync;

/// One partition of batches made one after the other.
pub(super) struct Made {
    schema: SchemaRef,
    make: Arc<Make>,
}

impl Made {
    pub fn new(
        schema: SchemaRef,
        make: impl Fn(usize) -> Option<Result<RecordBatch>> + Send + Sync + 'static,
    ) -> Made {
        Made { schema, make: Arc::new(make) }
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("schema", &self.schema).finish_non_exhaustive()
    }
}

impl PartitionStream for Made {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let make = self.make.clone();
        let batches = (0..)
            .map_while(move |place| make(place))
            .map(|made| made.map_err(|e| DataFusionError::External(Box::new(e))));
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), stream::iter(batches)))
    }
}
