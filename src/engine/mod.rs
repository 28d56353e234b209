//! The engine room: the one SQL session, its memory, the tables it knows, and plans run and measured.
//!
//! It knows neither credentials nor what the tables mean. Objects reach it as stores that someone else
//! opened; queries reach it as text of ours or of the configuration's, and `$parameters` are put into
//! the parsed statement, never into the text.

pub mod folders;
pub mod formats;
pub mod functions;
mod made;
pub mod mapped;
mod parquet;
mod placed;
pub mod statistics;
mod steps;
pub mod time;
pub mod write;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, FieldRef, Schema, SchemaRef};
use datafusion::catalog::streaming::StreamingTable;
use datafusion::common::config::{Dialect, TableParquetOptions};
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::MemTable;
use datafusion::datasource::file_format::FileFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::error::DataFusionError;
use datafusion::execution::context::SQLOptions;
use datafusion::execution::memory_pool::{FairSpillPool, MemoryPool, TrackConsumersPool};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::logical_expr::Expr;
use datafusion::prelude::{DataFrame, SessionConfig, SessionContext};
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{self, visit_expressions_mut};
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::ObjectStore;
use tokio::task::JoinError;
use url::Url;

use self::parquet::Parquet;
use self::placed::Placed;
use crate::error::{Error, Result};
use crate::store::{drop_table, storage_error};

/// What the session may use.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Threads that run plans; results do not depend on it.
    pub threads: usize,
    /// Bytes that sorts, joins and aggregations may hold before they spill.
    pub memory_pool: u64,
}

/// A value that a query's `$name` stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    Text(String),
    Integer(Option<i64>),
    Boolean(bool),
    /// UTC microseconds.
    Time(i64),
    Days(u32),
}

/// Footers that are read side by side.
const FOOTERS_IN_FLIGHT: usize = 16;

/// The SQL session and its scratch folder.
pub struct Engine {
    ctx: SessionContext,
    parameters: BTreeMap<&'static str, Parameter>,
}

/// The address under which kept tables stand; the scratch store is handed in.
const SCRATCH: &str = "scratch://tables";

impl Engine {
    /// A session that keeps its tables in `scratch` and spills into the folder `spill`.
    ///
    /// # Errors
    /// `Kind::Internal` where the session cannot be set up.
    pub fn new(limits: &Limits, scratch: Arc<dyn ObjectStore>, spill: &Path) -> Result<Engine> {
        let pool = FairSpillPool::new(usize::try_from(limits.memory_pool).unwrap_or(usize::MAX));
        let named = std::num::NonZeroUsize::new(3).unwrap_or(std::num::NonZeroUsize::MIN);
        let pool: Arc<dyn MemoryPool> = Arc::new(TrackConsumersPool::new(pool, named));
        let runtime = RuntimeEnvBuilder::new()
            .with_memory_pool(pool)
            .with_temp_file_path(spill)
            .with_max_temp_directory_size(u64::MAX)
            // The engine's caches know paths but not stores, and two stores may hold the same path.
            .with_object_list_cache_limit(0)
            .with_metadata_cache_limit(0)
            .with_file_statistics_cache_limit(0)
            .build_arc()
            .map_err(|e| error(e, "setting up the session"))?;
        let mut config =
            SessionConfig::new().with_target_partitions(limits.threads).with_information_schema(false);
        // One text type in every plan, here and on a cluster.
        config.options_mut().execution.parquet.schema_force_view_types = false;
        config.options_mut().sql_parser.map_string_types_to_utf8view = false;
        // Where a struct's field is read above a filter, this rule forgets what a column of an inner
        // projection is made of if it bears its source's name: wrong results, apache/datafusion#25414.
        // It also loses the names of tables when it moves `get_field` below projections, and then finds two columns
        // of one name: planning a mapping over joined tables fails (DataFusion 55.2).
        config.options_mut().optimizer.enable_leaf_expression_pushdown = false;
        // Views over feeds without rows are planned with columns that may be null where logic says never;
        // the engine's check of that difference is about its own plans, not about data.
        config.options_mut().execution.skip_physical_aggregate_schema_check = true;
        // Between a Parquet file of more than one batch and what is worked out of its rows the engine deals them
        // to its threads; the row's number, which only the scan knows, then cannot be told. Joins and aggregations
        // deal by themselves, and large files are read by several threads.
        config.options_mut().optimizer.enable_round_robin_repartition = false;
        let ctx = SessionContext::new_with_config_rt(config, runtime);
        functions::register(&ctx);
        statistics::register(&ctx);
        ctx.register_object_store(&parse_url(SCRATCH)?, scratch);
        Ok(Engine { ctx, parameters: BTreeMap::new() })
    }

    /// A session with nothing but the functions, for one source's mapping; memory and stores are shared.
    pub fn mapping_session(&self) -> SessionContext {
        let ctx = SessionContext::new_with_config_rt(self.ctx.copied_config(), self.ctx.runtime_env());
        functions::register(&ctx);
        ctx
    }

    pub fn set(&mut self, name: &'static str, parameter: Parameter) {
        self.parameters.insert(name, parameter);
    }

    /// The plan of a query of ours, its parameters filled in; it can only read.
    pub async fn query(&self, sql: &str) -> Result<DataFrame> {
        self.plan(self.parse(sql)?, sql).await
    }

    fn parse(&self, sql: &str) -> Result<Statement> {
        let mut statement = self
            .ctx
            .state()
            .sql_to_statement(sql, &Dialect::Generic)
            .map_err(|e| error(e, first_line(sql)))?;
        self.fill(&mut statement)?;
        Ok(statement)
    }

    async fn plan(&self, statement: Statement, sql: &str) -> Result<DataFrame> {
        let failed = |e| error(e, first_line(sql));
        let plan = self.ctx.state().statement_to_plan(statement).await.map_err(failed)?;
        reading_only().verify_plan(&plan).map_err(failed)?;
        self.ctx.execute_logical_plan(plan).await.map_err(failed)
    }

    /// Replaces each `$name` in the parsed statement by its value.
    fn fill(&self, statement: &mut Statement) -> Result<()> {
        let Statement::Statement(statement) = statement else {
            return Err(Error::internal("a query is no SELECT"));
        };
        let mut unknown = None;
        let _ = visit_expressions_mut(statement.as_mut(), |expr| {
            if let ast::Expr::Value(value) = expr
                && let ast::Value::Placeholder(name) = &value.value
            {
                match self.parameters.get(name.trim_start_matches('$')).map(literal) {
                    Some(Ok(value)) => *expr = value,
                    _ => unknown = Some(name.clone()),
                }
            }
            ControlFlow::<()>::Continue(())
        });
        match unknown {
            None => Ok(()),
            Some(name) => Err(Error::internal("a query's parameter has no value").with("parameter", name)),
        }
    }

    /// Gives a plan a name, to be worked out wherever it is read.
    pub fn view(&self, name: &str, plan: DataFrame) -> Result<()> {
        self.ctx.register_table(name, plan.into_view()).map_err(|e| error(e, name))?;
        Ok(())
    }

    /// Takes a name away again.
    pub fn forget(&self, name: &str) -> Result<()> {
        self.ctx.deregister_table(name).map_err(|e| error(e, name))?;
        Ok(())
    }

    /// Works a plan out once, into the scratch folder, and gives the rows a name. Returns their number.
    pub async fn keep(&self, name: &str, plan: DataFrame) -> Result<u64> {
        let schema = plain_schema(&plan);
        let folder = format!("{SCRATCH}/{name}/");
        let mut options = TableParquetOptions::default();
        options.global.compression = Some("lz4_raw".into());
        plan.write_parquet(&folder, DataFrameWriteOptions::new(), Some(options))
            .await
            .map_err(|e| run_error(e, name))?;
        register_parquet(&self.ctx, name, &[parse_url(&folder)?], schema, Parquet::default())?;
        self.count(name).await
    }

    /// Takes a kept table away, its rows too.
    async fn drop_kept(&self, name: &str) -> Result<()> {
        self.forget(name)?;
        let address = ListingTableUrl::parse(SCRATCH).map_err(|e| error(e, name))?;
        let scratch = self.ctx.runtime_env().object_store(address).map_err(|e| error(e, name))?;
        drop_table(scratch.as_ref(), name).await
    }

    /// Names rows in memory as a table.
    pub fn register_rows(&self, name: &str, rows: RecordBatch) -> Result<()> {
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).map_err(|e| error(e, name))?;
        self.ctx.register_table(name, Arc::new(table)).map_err(|e| error(e, name))?;
        Ok(())
    }

    /// Names rows that are made batch by batch whenever they are read: `make` is asked for one after the other,
    /// from 0, until it has none.
    pub fn register_made(
        &self,
        name: &str,
        schema: SchemaRef,
        make: impl Fn(usize) -> Option<Result<RecordBatch>> + Send + Sync + 'static,
    ) -> Result<()> {
        let made = made::Made::new(schema.clone(), make);
        let table = StreamingTable::try_new(schema, vec![Arc::new(made)]).map_err(|e| error(e, name))?;
        self.ctx.register_table(name, Arc::new(table)).map_err(|e| error(e, name))?;
        Ok(())
    }

    /// The plan that reads a named table.
    pub async fn table(&self, name: &str) -> Result<DataFrame> {
        self.ctx.table(name).await.map_err(|e| error(e, name))
    }

    /// The rows of a plan; for small results only.
    pub async fn collect(&self, plan: DataFrame, what: &str) -> Result<Vec<RecordBatch>> {
        plan.collect().await.map_err(|e| run_error(e, what))
    }

    /// The rows of a plan, batch by batch, in the plan's order.
    pub async fn stream(
        &self,
        plan: DataFrame,
        what: &'static str,
    ) -> Result<impl Stream<Item = Result<RecordBatch>> + Unpin> {
        let rows = plan.execute_stream().await.map_err(|e| run_error(e, what))?;
        Ok(rows.map_err(move |e| run_error(e, what)))
    }

    /// How many rows a table has.
    pub async fn count(&self, name: &str) -> Result<u64> {
        let count = self.table(name).await?.count().await.map_err(|e| run_error(e, name))?;
        Ok(count as u64)
    }

    pub fn context(&self) -> &SessionContext {
        &self.ctx
    }
}

/// Names all objects of a store, Parquet files, as a table of a session; columns that a file lacks are
/// null in its rows. Returns the columns that some files lack, with the paths of those files.
/// `int96_is_utc`: old timestamps (INT96) are instants, as Spark writes them; else local times.
///
/// # Errors
/// `Kind::Data` for a damaged file, for files that disagree about a column's type, and for a file that
/// shares no column with the others.
pub async fn register_store(
    ctx: &SessionContext,
    name: &str,
    address: &str,
    store: Arc<dyn ObjectStore>,
    int96_is_utc: bool,
) -> Result<Vec<Absent>> {
    let failed = |e| run_error(e, name);
    let metas: Vec<_> = store.list(None).try_collect().await.map_err(|e| failed(e.into()))?;
    let format = Parquet::new(int96_is_utc);
    let state = ctx.state();
    let schemas: Vec<SchemaRef> = futures::stream::iter(&metas)
        .map(|meta| async {
            let schema = format.infer_schema(&state, &store, std::slice::from_ref(meta)).await;
            schema.map_err(|e| run_error(e, name).with("file", &meta.location))
        })
        .buffered(FOOTERS_IN_FLIGHT)
        .try_collect()
        .await?;
    let files: Vec<String> = metas.iter().map(|meta| meta.location.to_string()).collect();
    let (schema, absent) = merge(&files, &schemas)?;
    ctx.register_object_store(&parse_url(address)?, store);
    // Each object by its own address: a listing would leave out subfolders and say nothing.
    let mut objects = Vec::with_capacity(metas.len());
    for meta in &metas {
        let mut object = parse_url(address)?;
        object
            .path_segments_mut()
            .map_err(|()| Error::internal("an address has no path").with("address", address))?
            .extend(meta.location.parts().map(|part| part.as_ref().to_string()));
        objects.push(object);
    }
    register_parquet(ctx, name, &objects, schema, format)?;
    Ok(absent)
}

/// Gives a table of a session further columns, each an expression of where a row lies.
///
/// # Errors
/// Those of the engine: an expression that it cannot type.
pub async fn place_rows(ctx: &SessionContext, name: &str, places: Vec<(String, Expr)>) -> Result<()> {
    let failed = |e| error(e, name);
    let table = ctx.table_provider(name).await.map_err(failed)?;
    let placed = Placed::new(table, places).map_err(failed)?;
    ctx.deregister_table(name).map_err(failed)?;
    ctx.register_table(name, Arc::new(placed)).map_err(failed)?;
    Ok(())
}

/// A column that some files of a table lack, and the paths of those files.
pub type Absent = (String, Vec<String>);

/// One schema of several files, by column name.
fn merge(files: &[String], schemas: &[SchemaRef]) -> Result<(SchemaRef, Vec<Absent>)> {
    let mut fields: Vec<(FieldRef, usize)> = Vec::new();
    // The columns that landing adds say nothing about what the file is.
    let is_own = |field: &FieldRef| !field.name().starts_with('_');
    for (place, schema) in schemas.iter().enumerate() {
        let mut shared = 0;
        // A file whose rows are all unreadable has no columns, and is none the less a file of the table.
        let can_share = fields.iter().any(|(field, ..)| is_own(field)) && schema.fields().iter().any(is_own);
        for field in schema.fields() {
            match fields.iter_mut().find(|(known, _)| known.name() == field.name()) {
                Some((known, _)) if known.data_type() == field.data_type() => {
                    shared += usize::from(is_own(field));
                }
                Some((known, first)) => {
                    return Err(Error::data("the files of a table disagree about the type of a column")
                        .with("column", field.name())
                        .with("file", format!("{}: {}", files[*first], known.data_type()))
                        .with("other file", format!("{}: {}", files[place], field.data_type()))
                        .hint("give the two kinds of file tables of their own, and bring them together in `query`"));
                }
                None => fields.push((Arc::clone(field), place)),
            }
        }
        if can_share && shared == 0 {
            return Err(Error::data("a file shares no column with the table's other files")
                .with("file", &files[place])
                .hint("its header may be missing, or it belongs to another table"));
        }
    }
    let lacking = |field: &FieldRef| -> Vec<String> {
        let pairs = files.iter().zip(schemas);
        let lacking = pairs.filter(|(_, schema)| schema.column_with_name(field.name()).is_none());
        lacking.map(|(file, _)| file.clone()).collect()
    };
    let absent = fields
        .iter()
        .map(|(field, _)| (field.name().clone(), lacking(field)))
        .filter(|(_, lacking)| !lacking.is_empty())
        .collect();
    let fields: Vec<Field> =
        fields.into_iter().map(|(field, _)| field.as_ref().clone().with_nullable(true)).collect();
    Ok((Arc::new(Schema::new(fields)), absent))
}

fn register_parquet(
    ctx: &SessionContext,
    name: &str,
    places: &[Url],
    schema: SchemaRef,
    format: Parquet,
) -> Result<()> {
    let failed = |e| error(e, name);
    let mut paths = Vec::with_capacity(places.len());
    for place in places {
        paths.push(ListingTableUrl::try_new(place.clone(), None).map_err(failed)?);
    }
    let options = ListingOptions::new(Arc::new(format)).with_file_extension("");
    let config =
        ListingTableConfig::new_with_multi_paths(paths).with_listing_options(options).with_schema(schema);
    let table = ListingTable::try_new(config).map_err(failed)?;
    ctx.register_table(name, Arc::new(table)).map_err(failed)?;
    Ok(())
}

fn parse_url(address: &str) -> Result<Url> {
    Url::parse(address)
        .map_err(|e| Error::internal("an address is no URL").with("address", address).caused_by(e))
}

/// A plan's schema without table names.
pub fn plain_schema(plan: &DataFrame) -> SchemaRef {
    Arc::new(plan.schema().as_arrow().clone())
}

/// Queries may read, and nothing else.
pub fn reading_only() -> SQLOptions {
    SQLOptions::new().with_allow_ddl(false).with_allow_dml(false).with_allow_statements(false)
}

/// A parameter as a parsed literal.
fn literal(parameter: &Parameter) -> Result<ast::Expr> {
    let value = |value: ast::Value| Ok(ast::Expr::value(value));
    match parameter {
        Parameter::Text(text) => value(ast::Value::SingleQuotedString(text.clone())),
        Parameter::Boolean(flag) => value(ast::Value::Boolean(*flag)),
        Parameter::Integer(Some(number)) => value(ast::Value::Number(number.to_string(), false)),
        Parameter::Integer(None) => parse_literal("cast(null as bigint)"),
        Parameter::Days(days) => parse_literal(&format!("interval '{days} days'")),
        Parameter::Time(micros) => {
            parse_literal(&format!("arrow_cast({micros}, 'Timestamp(Microsecond, Some(\"UTC\"))')"))
        }
    }
}

/// What a query of ours says of itself, for errors.
fn first_line(sql: &str) -> String {
    sql.lines().next().unwrap_or("").trim_start_matches("-- ").to_string()
}

fn parse_query(sql: &str) -> Result<Box<ast::Query>> {
    use datafusion::sql::sqlparser::{dialect::GenericDialect, parser::Parser};
    Parser::new(&GenericDialect {})
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_query())
        .map_err(|e| Error::internal("a step of a query cannot be parsed").caused_by(e))
}

fn parse_literal(sql: &str) -> Result<ast::Expr> {
    use datafusion::sql::sqlparser::{dialect::GenericDialect, parser::Parser};
    Parser::new(&GenericDialect {})
        .try_with_sql(sql)
        .and_then(|mut parser| parser.parse_expr())
        .map_err(|e| Error::internal("a literal cannot be parsed").caused_by(e))
}

/// Turns an error of running a plan into ours. What the engine says then may hold a value, so its words
/// are kept only where they are about memory, storage or a file's structure.
pub fn run_error(e: DataFusionError, what: impl std::fmt::Display) -> Error {
    let what = what.to_string();
    if broke_off(&e) {
        return Error::internal("a task of the SQL engine broke off")
            .with("while", what)
            .hint("this is a defect: please report the lines above with the version and the configuration");
    }
    match e.find_root() {
        DataFusionError::ResourcesExhausted(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ParquetError(_)
        | DataFusionError::Internal(_) => error(e, what),
        _ => match storage_error(&e) {
            Some(storage) => storage.with("while", what),
            None => bad_value(&what),
        },
    }
}

/// Whether a task of the engine's panicked, or was given up.
fn broke_off(e: &DataFusionError) -> bool {
    match e.find_root() {
        DataFusionError::ExecutionJoin(_) => true,
        DataFusionError::External(source) => source.is::<JoinError>() || source.is::<Arc<JoinError>>(),
        _ => false,
    }
}

fn bad_value(what: &str) -> Error {
    Error::data("a value cannot be converted or computed")
        .with("while", what)
        .hint("use `try_cast` in the mapping: what cannot be read becomes null and is counted")
}

/// Turns an error of planning into ours. Its text is passed on where it speaks of names and plans.
pub fn error(e: DataFusionError, what: impl std::fmt::Display) -> Error {
    let what = what.to_string();
    if let Some(storage) = storage_error(&e) {
        return storage.with("while", what);
    }
    match e.find_root() {
        DataFusionError::SQL(parser, _) => {
            Error::config(format!("the SQL cannot be read: {parser}")).with("while", what)
        }
        DataFusionError::Plan(text) | DataFusionError::NotImplemented(text) => {
            Error::config(format!("the SQL cannot be planned: {text}")).with("while", what)
        }
        DataFusionError::SchemaError(schema, _) => {
            // What there would have been is said by the caller, who knows which columns matter.
            let text = schema.to_string();
            let unknown =
                text.split(" Valid fields").next().unwrap_or_default().lines().next().unwrap_or_default();
            Error::config(format!("the SQL names what is not there: {unknown}")).with("while", what)
        }
        DataFusionError::ResourcesExhausted(_) => Error::io("the memory pool is too small for this run")
            .with("while", what)
            .hint("raise `[memory] pool`, or give the machine more memory"),
        DataFusionError::IoError(io) => Error::io(format!("a read or a write failed: {}", io.kind()))
            .with("while", what)
            .hint("check the disk's free space and permissions"),
        // The engine keeps only the words of a storage failure that it meets at a footer.
        DataFusionError::ParquetError(parquet) if parquet.to_string().contains("Object Store error") => {
            Error::unavailable("storage failed while a file was read")
                .with("while", what)
                .caused_by(parquet.to_string())
                .hint("run again; `aftersale check` names the objects that are read")
        }
        // Parquet's errors speak of pages and footers.
        DataFusionError::ParquetError(parquet) => Error::data("a Parquet file is damaged")
            .with("while", what)
            .caused_by(parquet.to_string())
            .hint("export the file again; `aftersale check` names the objects that are read"),
        DataFusionError::ArrowError(..) | DataFusionError::Execution(_) | DataFusionError::External(_) => {
            bad_value(&what)
        }
        other => {
            // Internal errors name plan nodes and types.
            let name = other.to_string().chars().take(600).collect::<String>();
            Error::internal(format!("the SQL engine failed: {name}")).with("while", what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[tokio::test]
    async fn a_task_that_breaks_off_is_no_fault_of_the_data() {
        let broken = async || tokio::spawn(async { panic!("on purpose") }).await.expect_err("it panics");
        let apart = DataFusionError::ExecutionJoin(Box::new(broken().await));
        let shared = DataFusionError::External(Box::new(Arc::new(broken().await)));
        for error in [apart, DataFusionError::Context("Join Error".into(), Box::new(shared))] {
            assert_eq!(run_error(error, "a query").kind(), Kind::Internal);
        }
        let value = DataFusionError::External("not a number".into());
        assert_eq!(run_error(value, "a query").kind(), Kind::Data);
    }
}
