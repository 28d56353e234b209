//! Parquet as the engine reads it, but for what its footers say about floating-point columns.
//!
//! The least and the greatest value in a footer leave NaN out. Where the two are equal the engine takes the
//! column for a constant and reads that value in every row, those with NaN included. Nor is a file believed
//! that says it is sorted.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::Statistics;
use datafusion::common::config::TableParquetOptions;
use datafusion::common::stats::Precision;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::physical_plan::{FileScanConfig, FileSource};
use datafusion::datasource::table_schema::TableSchema;
use datafusion::error::Result;
use datafusion::physical_plan::ExecutionPlan;
use object_store::ObjectMeta;
use object_store::ObjectStore;

/// Parquet files of others, or of ours.
#[derive(Debug, Default)]
pub struct Parquet(ParquetFormat);

impl Parquet {
    /// `int96_is_utc`: old timestamps (INT96) are instants, as Spark writes them; else local times.
    pub fn new(int96_is_utc: bool) -> Self {
        let mut options = TableParquetOptions::default();
        // Nanoseconds, which INT96 would be by itself, end in 2262 and begin again in 1677.
        options.global.coerce_int96 = Some("us".into());
        options.global.coerce_int96_tz = int96_is_utc.then(|| "UTC".into());
        Self(ParquetFormat::default().with_options(options))
    }
}

#[async_trait]
impl FileFormat for Parquet {
    fn get_ext(&self) -> String {
        FileFormat::get_ext(&self.0)
    }

    fn get_ext_with_compression(&self, compression: &FileCompressionType) -> Result<String> {
        self.0.get_ext_with_compression(compression)
    }

    fn compression_type(&self) -> Option<FileCompressionType> {
        self.0.compression_type()
    }

    async fn infer_schema(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        objects: &[ObjectMeta],
    ) -> Result<SchemaRef> {
        self.0.infer_schema(state, store, objects).await
    }

    async fn infer_stats(
        &self,
        state: &dyn Session,
        store: &Arc<dyn ObjectStore>,
        schema: SchemaRef,
        object: &ObjectMeta,
    ) -> Result<Statistics> {
        let mut statistics = self.0.infer_stats(state, store, Arc::clone(&schema), object).await?;
        for (column, field) in statistics.column_statistics.iter_mut().zip(schema.fields()) {
            if field.data_type().is_floating() {
                column.min_value = Precision::Absent;
                column.max_value = Precision::Absent;
            }
        }
        Ok(statistics)
    }

    async fn create_physical_plan(
        &self,
        state: &dyn Session,
        scan: FileScanConfig,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.0.create_physical_plan(state, scan).await
    }

    fn file_source(&self, schema: TableSchema) -> Arc<dyn FileSource> {
        self.0.file_source(schema)
    }
}
