//! Published Parquet: the same rows give the same bytes.
//!
//! Batches are cut anew to one fixed size, row groups and parts end at fixed rows, metadata is sorted,
//! so that neither threads nor batch boundaries of the plan can be seen in a file.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use futures::TryStreamExt;
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::{KeyValue, ParquetMetaDataReader};
use parquet::file::properties::WriterProperties;
use tokio::io::AsyncWrite;

use crate::error::{Error, Result};
use crate::queries::ColumnKind;
use crate::store::{Bytes, storage_error};

/// Rows handed to the encoder at once.
const BATCH_ROWS: usize = 16_384;
/// Rows of a row group.
const GROUP_ROWS: usize = 8 * BATCH_ROWS;
/// Rows of a part: a reader's unit of work, and small enough to hold no sorted run back.
pub const PART_ROWS: usize = 32 * GROUP_ROWS;

/// A published column type as Arrow's.
pub fn data_type(kind: ColumnKind) -> DataType {
    match kind {
        ColumnKind::Text => DataType::Utf8,
        ColumnKind::Integer => DataType::Int64,
        ColumnKind::Float => DataType::Float64,
        ColumnKind::Boolean => DataType::Boolean,
        ColumnKind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
    }
}

/// A column with its description, as readers of the file find it.
pub fn field(name: &str, kind: ColumnKind, meaning: &str) -> Field {
    Field::new(name, data_type(kind), true)
        .with_metadata([("description".to_string(), meaning.to_string())].into())
}

/// Cuts a stream of batches into batches of exactly [`BATCH_ROWS`], the last one shorter.
struct Recut {
    schema: SchemaRef,
    waiting: Vec<RecordBatch>,
    rows: usize,
}

impl Recut {
    fn new(schema: SchemaRef) -> Self {
        Self { schema, waiting: Vec::new(), rows: 0 }
    }

    fn push(&mut self, batch: RecordBatch) -> Result<Vec<RecordBatch>> {
        self.rows += batch.num_rows();
        self.waiting.push(batch);
        let mut ready = Vec::new();
        if self.rows >= BATCH_ROWS {
            let all = self.take()?;
            let whole = all.num_rows() / BATCH_ROWS * BATCH_ROWS;
            for start in (0..whole).step_by(BATCH_ROWS) {
                ready.push(all.slice(start, BATCH_ROWS));
            }
            self.rows = all.num_rows() - whole;
            if self.rows > 0 {
                self.waiting.push(all.slice(whole, self.rows));
            }
        }
        Ok(ready)
    }

    fn take(&mut self) -> Result<RecordBatch> {
        let all = concat_batches(&self.schema, &self.waiting)
            .map_err(|e| Error::internal("batches cannot be joined").caused_by(e))?;
        self.waiting.clear();
        self.rows = 0;
        Ok(all)
    }
}

/// Where a table's parts go: opened one after the other, finished when full.
pub trait Parts {
    type Part: AsyncWrite + Unpin + Send;
    fn open(&mut self, part: usize) -> impl Future<Output = Result<Self::Part>> + Send;
    fn finish(&mut self, part: Self::Part, rows: u64) -> impl Future<Output = Result<()>> + Send;
}

/// Writes a sorted stream as one or more parts. An empty stream makes one part without rows.
///
/// `metadata` goes into every part, sorted by key. Returns the number of rows.
///
/// # Errors
/// Those of the stream and of the parts.
pub async fn write_parts<P: Parts>(
    mut stream: datafusion::execution::SendableRecordBatchStream,
    schema: SchemaRef,
    metadata: &[(String, String)],
    parts: &mut P,
) -> Result<u64> {
    let mut recut = Recut::new(Arc::clone(&schema));
    let mut open = None;
    let (mut total, mut in_part, mut number) = (0u64, 0usize, 0usize);
    let mut ended = false;
    while !ended {
        let ready = match stream.try_next().await.map_err(|e| super::run_error(e, "writing a table"))? {
            Some(batch) => recut.push(as_published(&batch, &schema)?)?,
            None => {
                ended = true;
                vec![recut.take()?]
            }
        };
        for batch in ready {
            if batch.num_rows() == 0 && (total > 0 || open.is_some()) {
                continue;
            }
            let mut writer = match open.take() {
                Some(writer) => writer,
                None => {
                    let part = parts.open(number).await?;
                    number += 1;
                    in_part = 0;
                    AsyncArrowWriter::try_new(part, Arc::clone(&schema), Some(properties(metadata)?))
                        .map_err(encoding_failed)?
                }
            };
            writer.write(&batch).await.map_err(encoding_failed)?;
            in_part += batch.num_rows();
            total += batch.num_rows() as u64;
            if in_part >= PART_ROWS {
                close(writer, in_part, parts).await?;
            } else {
                open = Some(writer);
            }
        }
    }
    if let Some(writer) = open {
        close(writer, in_part, parts).await?;
    }
    Ok(total)
}

/// Writes a few rows as one file.
///
/// # Errors
/// Those of the writer.
pub async fn write_rows<W: AsyncWrite + Unpin + Send>(
    rows: &RecordBatch,
    metadata: &[(String, String)],
    to: W,
) -> Result<W> {
    let mut writer =
        AsyncArrowWriter::try_new(to, rows.schema(), Some(properties(metadata)?)).map_err(encoding_failed)?;
    writer.write(rows).await.map_err(encoding_failed)?;
    writer.finish().await.map_err(encoding_failed)?;
    Ok(writer.into_inner())
}

async fn close<P: Parts>(mut writer: AsyncArrowWriter<P::Part>, rows: usize, parts: &mut P) -> Result<()> {
    writer.finish().await.map_err(encoding_failed)?;
    parts.finish(writer.into_inner(), rows as u64).await
}

/// The batch under the published schema (names, types and descriptions).
fn as_published(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    RecordBatch::try_new(Arc::clone(schema), batch.columns().to_vec())
        .map_err(|e| Error::internal("a table does not have its declared columns").caused_by(e))
}

/// The schema with a description of the table itself, for readers that look at one.
pub fn schema(fields: Vec<Field>) -> SchemaRef {
    Arc::new(Schema::new(fields))
}

fn properties(metadata: &[(String, String)]) -> Result<WriterProperties> {
    let mut sorted = metadata.to_vec();
    sorted.sort();
    let level = ZstdLevel::try_new(3).map_err(encoding_failed)?;
    Ok(WriterProperties::builder()
        .set_created_by("aftersale".into())
        .set_compression(Compression::ZSTD(level))
        .set_max_row_group_row_count(Some(GROUP_ROWS))
        .set_write_batch_size(1024)
        .set_key_value_metadata(Some(
            sorted.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect(),
        ))
        .build())
}

/// The rows that a Parquet file's footer speaks of, from the file's last bytes.
///
/// # Errors
/// How many bytes it takes where there are too few; none where it is no footer.
pub fn footer_rows(tail: &Bytes, file_bytes: u64) -> std::result::Result<u64, Option<u64>> {
    let mut reader = ParquetMetaDataReader::new();
    match reader.try_parse_sized(tail, file_bytes) {
        Ok(()) => {}
        Err(ParquetError::NeedMoreData(more)) => return Err(Some(more as u64)),
        Err(_) => return Err(None),
    }
    let rows = reader.finish().map_err(|_| None)?.file_metadata().num_rows();
    u64::try_from(rows).map_err(|_| None)
}

fn encoding_failed(e: parquet::errors::ParquetError) -> Error {
    storage_error(&e).unwrap_or_else(|| {
        Error::io("a table cannot be written")
            .hint("check the free space and the permissions at the output")
            .caused_by(e)
    })
}
