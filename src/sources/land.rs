//! Landing: a text object, read once and kept as Parquet.
//!
//! The copy holds the raw columns as text, the row's number, and why a row could not be read. Its name
//! is a hash of the object's address and etag and of all options that its bytes are read by, so an unchanged
//! object is not parsed again on the next night and a changed one never meets an old copy. Options that look
//! at values (`nulls`, `decimal`, time formats, `skip_after_header`) work on the copy.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::AsyncArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::json::{JsonOptions, JsonReader, Layout};
use super::text::{READER_VERSION, TextOptions, TextReader};
use crate::config::{Format, Reading};
use crate::error::{Error, Result};
use crate::store::{Object, Store, storage_error};

/// The column with the object's address.
pub const FILE: &str = "_file";

/// A landed object.
pub struct Landed {
    pub copy: Object,
    /// False where an earlier night has landed it.
    pub is_new: bool,
}

/// How a text object's bytes become rows.
#[derive(Debug, Clone)]
enum Options {
    Csv(TextOptions),
    Json(JsonOptions),
}

impl Options {
    fn new(format: Format, reading: &Reading) -> Result<Options> {
        let encoding = reading.encoding;
        let layout = match format {
            Format::Csv => return Ok(Options::Csv(TextOptions { delimiter: reading.delimiter, encoding })),
            Format::Ndjson => Layout::Lines,
            Format::Json => {
                let path = reading.records.as_deref().map(|path| path.split('.').map(str::to_string));
                Layout::Array(path.map(Iterator::collect).unwrap_or_default())
            }
            Format::Parquet => return Err(Error::internal("Parquet is read in place")),
        };
        Ok(Options::Json(JsonOptions { layout, encoding }))
    }
}

/// Lands one text object, or finds the copy of an earlier night, unless it is to be made `anew`.
///
/// Returns `None` for an object without so much as a header, or for JSON a row.
///
/// # Errors
/// `Kind::Data` for a header or JSON that cannot be used, `Kind::Unavailable` where the object changed.
pub async fn land(
    store: &Store,
    object: &Object,
    format: Format,
    reading: &Reading,
    landing: &Store,
    anew: bool,
) -> Result<Option<Landed>> {
    let options = Options::new(format, reading)?;
    let path = format!("{}.parquet", key(object, &options));
    if !anew && let Some(copy) = landing.stat(&path).await? {
        return Ok(Some(Landed { copy, is_new: false }));
    }
    // Parsing blocks a thread of its own; two batches at most wait for the writer. The last message is
    // `None`: a channel that closes without it has lost its reader, and what was written is thrown away.
    let (sender, mut receiver) = mpsc::channel(2);
    let (source, export) = (store.clone(), object.clone());
    let parsing = tokio::task::spawn_blocking(move || parse(&source, &export, &options, &sender));
    let is_complete = write(&mut receiver, landing, &path, anew).await;
    drop(receiver);
    parsing.await.map_err(|e| Error::internal("the text reader stopped").caused_by(e))??;
    if !is_complete? {
        return Ok(None);
    }
    Ok(landing.stat(&path).await?.map(|copy| Landed { copy, is_new: true }))
}

/// The rows of a text object: their schema, and batch after batch.
pub struct Rows {
    pub schema: SchemaRef,
    pub batches: Box<dyn Iterator<Item = Result<RecordBatch>>>,
}

/// Reads a text object from its start, on a thread that may block; `None` as in [`land`].
///
/// # Errors
/// Those of [`land`]; further ones stand among the batches.
pub fn rows(store: &Store, object: &Object, format: Format, reading: &Reading) -> Result<Option<Rows>> {
    read(store, object, &Options::new(format, reading)?)
}

fn read(store: &Store, object: &Object, options: &Options) -> Result<Option<Rows>> {
    Ok(match options {
        Options::Csv(options) => TextReader::open(store.content(object)?, options, &object.path)?
            .map(|text| Rows { schema: text.schema(), batches: Box::new(text) }),
        Options::Json(options) => JsonReader::open(|| store.content(object), options, &object.path)?
            .map(|json| Rows { schema: json.schema(), batches: Box::new(json) }),
    })
}

/// Sends all rows with the address of their object.
fn parse(
    store: &Store,
    object: &Object,
    options: &Options,
    sender: &mpsc::Sender<Option<RecordBatch>>,
) -> Result<()> {
    let Some(rows) = read(store, object, options)? else { return Ok(()) };
    let schema = with_file(&rows.schema);
    // A closed channel means that the writer failed; it says why.
    if sender.blocking_send(Some(RecordBatch::new_empty(Arc::clone(&schema)))).is_err() {
        return Ok(());
    }
    for batch in rows.batches {
        let batch = batch?;
        let names: ArrayRef = Arc::new(StringArray::from(vec![object.url.as_str(); batch.num_rows()]));
        let mut columns = batch.columns().to_vec();
        columns.push(names);
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
            .map_err(|e| Error::internal("a batch of text has no schema").caused_by(e))?;
        if sender.blocking_send(Some(batch)).is_err() {
            return Ok(());
        }
    }
    let _ = sender.blocking_send(None);
    Ok(())
}

/// Writes what the channel brings; false where there was nothing to land or it broke off.
async fn write(
    batches: &mut mpsc::Receiver<Option<RecordBatch>>,
    landing: &Store,
    path: &str,
    anew: bool,
) -> Result<bool> {
    let Some(Some(first)) = batches.recv().await else { return Ok(false) };
    let level = ZstdLevel::try_new(1).map_err(cannot_land)?;
    let properties = WriterProperties::builder().set_compression(Compression::ZSTD(level)).build();
    let output = landing.writer(path).await?;
    let mut writer =
        AsyncArrowWriter::try_new(output, first.schema(), Some(properties)).map_err(cannot_land)?;
    loop {
        match batches.recv().await {
            Some(Some(batch)) => writer.write(&batch).await.map_err(cannot_land)?,
            Some(None) => break,
            None => {
                writer.into_inner().abort().await?;
                return Ok(false);
            }
        }
    }
    writer.finish().await.map_err(cannot_land)?;
    // Another run may have landed the same object meanwhile; it may be reading its copy already.
    if !anew && landing.stat(path).await?.is_some() {
        writer.into_inner().abort().await?;
    } else {
        writer.into_inner().finish().await?;
    }
    Ok(true)
}

fn key(object: &Object, options: &Options) -> String {
    let mut hash = Sha256::new();
    for part in
        [object.url.as_str(), object.etag.as_str(), &READER_VERSION.to_string(), &format!("{options:?}")]
    {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().iter().take(20).map(|byte| format!("{byte:02x}")).collect()
}

fn with_file(schema: &SchemaRef) -> SchemaRef {
    let mut fields = schema.fields().to_vec();
    fields.push(Arc::new(Field::new(FILE, DataType::Utf8, false)));
    Arc::new(Schema::new(fields))
}

fn cannot_land(e: parquet::errors::ParquetError) -> Error {
    storage_error(&e).unwrap_or_else(|| {
        Error::io("a text export cannot be kept as Parquet")
            .hint("check the free space and the permissions at `landing`")
            .caused_by(e)
    })
}
