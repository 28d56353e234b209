//! The configuration: the one file a user writes, read strictly.
//!
//! Two steps, as typed and as meant: [`Typed`] mirrors the TOML (unknown keys refused, with the line and
//! the nearest known key), [`Config`] is what the rest of the program sees, every default filled in and
//! every limit checked. The environment is read here too, and only here: storage credentials, by name.

mod delivery;
mod follow_ups;
mod lineage;
mod privacy;
mod reading;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use toml::Spanned;

pub use self::delivery::{Delivery, Mode};
use self::delivery::{Names, TypedDelivery};
pub use self::follow_ups::FollowUps;
use self::follow_ups::TypedFollowUps;
pub use self::lineage::Lineage;
use self::lineage::TypedLineage;
pub use self::privacy::Privacy;
use self::privacy::TypedPrivacy;
use crate::error::{Error, Result};
use crate::sources::feeds;
pub use reading::{Covers, Encoding, Partition, Reading};
use reading::{TypedPartition, TypedReading};

/// What the rest of the program sees.
#[derive(Debug, Clone, Serialize)]
pub struct Config {
    /// Where runs are published: a URL or a path.
    pub output: String,
    /// Where text exports are kept as Parquet between nights.
    pub landing: Option<String>,
    /// Tables are published once more as `tables/<table>/as_of=<day>/`.
    pub bi_layout: bool,
    /// The folder that relative paths start from: the configuration file's own.
    #[serde(skip)]
    pub base: PathBuf,
    /// Decides days, weeks and months.
    #[serde(serialize_with = "as_text")]
    pub timezone: Tz,
    pub score: Score,
    pub segments: Vec<String>,
    /// Columns of the purchases or surveys that are held equal beside the segments and the built-in ones.
    pub covariates: Vec<String>,
    /// Likewise, numbers: held equal in ten bins of as many answers each.
    pub numeric_covariates: Vec<String>,
    /// The dimension of the sheets, one of the segments; none: the first of them.
    pub sheet_dimension: Option<String>,
    /// The address at which people open the output, for links in digests; without a slash at its end.
    pub pages_url: Option<String>,
    /// Days after which an unanswered journey is taken to be over.
    pub journey_days: u32,
    /// Days that a link without an order, and an answer about its customer, look back.
    pub lookback_days: u32,
    pub analysis: Analysis,
    pub identity: Identity,
    /// Bytes that the SQL engine may use; none: half of what the machine or its container allows.
    pub memory_pool: Option<u64>,
    pub retention: Retention,
    /// A file on this machine that a run's figures are written to, as Prometheus reads them.
    pub metrics_textfile: Option<PathBuf>,
    /// Times after this local day are implausible; none: each source's newest object, plus a day.
    #[serde(serialize_with = "as_text_if_any")]
    pub plausible_until: Option<chrono::NaiveDate>,
    pub sources: BTreeMap<String, Source>,
    /// What may change between two nights before a run warns or stops.
    pub contract: ContractRules,
    pub privacy: Privacy,
    pub follow_ups: FollowUps,
    /// Who is told of a run.
    pub lineage: Option<Lineage>,
    /// Touchpoints of the run's own, as TOML; see [`crate::catalogue`].
    pub touchpoints: Vec<toml::Table>,
    /// The built-in catalogue is left out.
    pub own_catalogue_only: bool,
    /// Storage settings from the environment (`AWS_*`, `AZURE_*`, `GOOGLE_*`). Never printed, never part of a fingerprint.
    #[serde(skip)]
    pub environment: Environment,
    /// The file's name, for errors.
    #[serde(skip)]
    pub file: String,
    /// The text of the file, as published in the manifest (it may hold no secrets).
    #[serde(skip)]
    pub text: String,
    /// The sample compiled into the binary stands in for files.
    pub embedded: bool,
}

/// Which published runs are kept; the latest always is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retention {
    /// The newest so many; none: all.
    pub keep_runs: Option<u32>,
    /// No run is removed before so many days after its publication.
    pub min_age_days: u32,
}

#[derive(Debug, Clone, Serialize)]
pub struct Analysis {
    pub window_days: u32,
    pub period: Period,
    /// The kinds of survey that are pooled; none: the only one there is.
    pub survey_kinds: Option<Vec<String>>,
    pub survey_triggers: Option<Vec<String>>,
    pub repeat_responses: RepeatResponses,
    /// Whose answers are not taken as independent.
    pub cluster: Clusters,
    /// Fewer exposed customers than this are not enough evidence.
    pub min_responses: u32,
    /// Figures of fewer answers than this are not shown on pages.
    pub min_cell: u32,
    /// Effects inside both margins are not worth acting on: NPS points of the whole, and detractor risk
    /// per exposed person.
    pub margin_nps_points: f64,
    pub margin_risk_difference: f64,
    /// A share of the rows handed on, per feed.
    pub max_rejected_share: f64,
    /// A share of all answers that are staged, in the window or not.
    pub min_link_rate: f64,
}

/// By what the rows of different exports are taken to be of the same customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Identity {
    /// Columns, the one asked first comes first.
    pub matched: Vec<String>,
    /// A value that stands for more customers than this is used for none.
    pub max_customers_per_value: u32,
}

/// What a night is compared with: the exports as the last published run found them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ContractRules {
    /// A column in use that is missing or has another type.
    pub on_change: OnBreach,
    /// A feed may lose this share of its rows between two runs.
    pub max_drop: f64,
    pub on_drop: OnBreach,
    /// Exports older than their `max_age_hours`.
    pub on_age: OnBreach,
}

/// What becomes of a run whose exports are not what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    Warn,
    Stop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    Month,
    Week,
}

impl Period {
    pub fn as_str(self) -> &'static str {
        match self {
            Period::Month => "month",
            Period::Week => "week",
        }
    }
}

/// Groups of answers that share what is not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clusters {
    /// Those of one customer.
    Customer,
    /// Those about purchases of one store and week.
    StoreWeek,
    /// Both, which cross.
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RepeatResponses {
    All,
    LatestPerPeriod,
}

/// The scale of the question and where its classes begin. Scores are whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Score {
    pub min: i64,
    pub max: i64,
    pub detractor_max: i64,
    pub promoter_min: i64,
    /// Severe detractors score this or less; none where the scale declares none.
    pub severe_max: Option<i64>,
}

/// One feed's source: its tables, and how their columns become the feed's.
#[derive(Debug, Clone, Serialize)]
pub struct Source {
    pub feed: String,
    /// Naive times in this source are local to this zone.
    #[serde(serialize_with = "as_text")]
    pub timezone: Tz,
    /// How its times are written, beside the forms that are always read.
    pub timestamp_formats: Vec<String>,
    /// Before the decimals of its numbers, where they are text.
    pub decimal: char,
    pub tables: BTreeMap<String, Table>,
    pub mapping: Mapping,
    /// By column of a few words: the export's and ours.
    pub words: BTreeMap<String, BTreeMap<String, String>>,
    /// The day from which the export is complete; none: its first event.
    #[serde(serialize_with = "as_text_if_any")]
    pub starts_on: Option<chrono::NaiveDate>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Table {
    pub url: Located<String>,
    pub format: Format,
    pub delivery: Delivery,
    pub reading: Reading,
    /// Hours after which the newest object is out of date; none: it never is.
    pub max_age_hours: Option<u32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    Csv,
    /// A JSON object a line.
    Ndjson,
    /// One JSON array of objects.
    Json,
    Parquet,
}

impl Format {
    pub fn as_str(self) -> &'static str {
        match self {
            Format::Csv => "csv",
            Format::Ndjson => "ndjson",
            Format::Json => "json",
            Format::Parquet => "parquet",
        }
    }

    /// The endings of names that objects of the format carry, before that of a compression.
    pub fn endings(self) -> &'static [&'static str] {
        match self {
            Format::Csv => &[".csv", ".tsv"],
            Format::Ndjson => &[".ndjson", ".jsonl", ".json"],
            Format::Json => &[".json"],
            Format::Parquet => &[".parquet"],
        }
    }

    /// The format that a name tells, if it does.
    fn of_name(name: &str) -> Option<Format> {
        let name = name.to_lowercase();
        let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(&name);
        let told = [
            (Format::Csv, ".csv"),
            (Format::Ndjson, ".ndjson"),
            (Format::Ndjson, ".jsonl"),
            (Format::Json, ".json"),
            (Format::Parquet, ".parquet"),
        ];
        told.iter().find(|(_, ending)| plain.ends_with(ending)).map(|(format, _)| *format)
    }
}

/// Endings that compressed objects carry after that of their format.
pub const COMPRESSED: &[&str] = &[".gz", ".gzip", ".zst", ".zstd"];

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mapping {
    /// Canonical column to raw column name or SQL expression.
    Columns(BTreeMap<String, Located<String>>),
    /// One query over the source's own tables.
    Query(Located<String>),
}

/// A value and the line of the configuration that it stands on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Located<T> {
    pub value: T,
    #[serde(skip)]
    pub line: usize,
}

/// Storage settings, and what addresses name as `${NAME}`, by variable name; its `Debug` shows names only.
#[derive(Clone, Default)]
pub struct Environment(pub BTreeMap<String, String>);

impl Environment {
    /// Takes in the variables that a configuration names.
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
    fn with_named_in(mut self, text: &str) -> Environment {
        for (name, _) in text.split("${").skip(1).filter_map(|rest| rest.split_once('}')) {
            if let Ok(value) = std::env::var(name) {
                self.0.insert(name.to_string(), value);
            }
        }
        self
    }

    /// The value of a variable that the configuration names.
    #[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
    fn secret(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned().or_else(|| std::env::var(name).ok())
    }

    /// An address with its variables' values.
    fn fill(&self, address: &str, refused: impl Fn(String) -> Error) -> Result<String> {
        let mut filled = String::new();
        let mut parts = address.split("${");
        filled.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let Some((name, rest)) = part.split_once('}') else {
                return Err(refused("a variable's name does not end".into())
                    .hint("write it as ${NAME}; an address cannot hold `${` otherwise"));
            };
            let Some(value) = self.0.get(name) else {
                return Err(refused(format!("the variable `{name}` is not set"))
                    .hint(format!("set {name} in the environment of the job")));
            };
            filled.push_str(value);
            filled.push_str(rest);
        }
        Ok(filled)
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.keys()).finish()
    }
}

// ---- as typed ----------------------------------------------------------------------------------------

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Typed {
    output: Option<String>,
    landing: Option<String>,
    #[serde(default)]
    bi_layout: bool,
    timezone: Option<Spanned<String>>,
    score: Option<Spanned<TypedScore>>,
    #[serde(default)]
    segments: Vec<String>,
    #[serde(default)]
    covariates: Vec<String>,
    #[serde(default)]
    numeric_covariates: Vec<String>,
    #[serde(default)]
    journey: TypedJourney,
    #[serde(default)]
    analysis: TypedAnalysis,
    #[serde(default)]
    identity: TypedIdentity,
    #[serde(default)]
    memory: TypedMemory,
    #[serde(default)]
    contract: TypedContract,
    #[serde(default)]
    retention: TypedRetention,
    #[serde(default)]
    metrics: TypedMetrics,
    #[serde(default)]
    privacy: TypedPrivacy,
    #[serde(default)]
    follow_ups: TypedFollowUps,
    #[serde(default)]
    lineage: TypedLineage,
    #[serde(default)]
    sheets: TypedSheets,
    #[serde(default)]
    pages: TypedPages,
    plausible_until: Option<Spanned<String>>,
    sources: Spanned<BTreeMap<String, Spanned<TypedSource>>>,
    #[serde(default)]
    touchpoints: Vec<toml::Table>,
    #[serde(default)]
    catalogue: TypedCatalogue,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "snake_case")]
enum TypedCatalogue {
    #[default]
    Extend,
    Replace,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedScore {
    scale: Option<String>,
    min: Option<i64>,
    max: Option<i64>,
    detractor_max: Option<i64>,
    promoter_min: Option<i64>,
    severe_max: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedJourney {
    journey_days: u32,
    lookback_days: u32,
}

impl Default for TypedJourney {
    fn default() -> Self {
        Self { journey_days: 180, lookback_days: 90 }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedSheets {
    dimension: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedPages {
    url: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedAnalysis {
    window_days: u32,
    period: Period,
    survey_kinds: Option<Vec<String>>,
    survey_triggers: Option<Vec<String>>,
    repeat_responses: RepeatResponses,
    cluster: Clusters,
    min_responses: u32,
    min_cell: u32,
    margin_nps_points: f64,
    margin_risk_difference: f64,
    max_rejected_share: f64,
    min_link_rate: f64,
}

impl Default for TypedAnalysis {
    fn default() -> Self {
        Self {
            window_days: 365,
            period: Period::Month,
            survey_kinds: None,
            survey_triggers: None,
            repeat_responses: RepeatResponses::All,
            cluster: Clusters::Customer,
            min_responses: 30,
            min_cell: 5,
            margin_nps_points: 0.1,
            margin_risk_difference: 0.01,
            max_rejected_share: 0.01,
            min_link_rate: 0.5,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
struct TypedRetention {
    keep_runs: Option<Spanned<u32>>,
    min_age_days: u32,
}

impl Default for TypedRetention {
    fn default() -> Self {
        Self { keep_runs: None, min_age_days: 7 }
    }
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedMetrics {
    textfile: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedIdentity {
    #[serde(rename = "match")]
    matched: Option<Spanned<Vec<Spanned<String>>>>,
    max_customers_per_value: Option<Spanned<u32>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct TypedMemory {
    pool: Option<Spanned<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedContract {
    on_change: Option<OnBreach>,
    volume: TypedVolume,
    freshness: TypedFreshness,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedVolume {
    max_drop: Option<f64>,
    on_breach: Option<OnBreach>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TypedFreshness {
    on_breach: Option<OnBreach>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedSource {
    url: Option<Spanned<String>>,
    format: Option<Format>,
    tables: Option<BTreeMap<String, TypedTable>>,
    columns: Option<BTreeMap<String, Spanned<String>>>,
    query: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    kinds: Option<Spanned<BTreeMap<String, String>>>,
    words: Option<Spanned<BTreeMap<String, BTreeMap<String, String>>>>,
    starts_on: Option<Spanned<String>>,
    max_age_hours: Option<u32>,
    mode: Option<Mode>,
    key: Option<Spanned<Names>>,
    version: Option<Spanned<String>>,
    deleted_when: Option<Spanned<String>>,
    #[serde(rename = "where")]
    filter: Option<Spanned<String>>,
    delimiter: Option<Spanned<String>>,
    encoding: Option<Spanned<Encoding>>,
    skip_after_header: Option<Spanned<u32>>,
    records: Option<Spanned<String>>,
    timestamp_formats: Option<Spanned<Vec<String>>>,
    decimal: Option<Spanned<String>>,
    nulls: Option<Spanned<Vec<String>>>,
    ready: Option<Spanned<String>>,
    partition: Option<Spanned<TypedPartition>>,
}

impl TypedSource {
    fn reading(&mut self) -> TypedReading {
        TypedReading {
            delimiter: self.delimiter.take(),
            encoding: self.encoding.take(),
            skip_after_header: self.skip_after_header.take(),
            records: self.records.take(),
            timezone: self.timezone.take(),
            timestamp_formats: self.timestamp_formats.take(),
            decimal: self.decimal.take(),
            nulls: self.nulls.take(),
            ready: self.ready.take(),
            partition: self.partition.take(),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TypedTable {
    url: Spanned<String>,
    format: Option<Format>,
    max_age_hours: Option<u32>,
    mode: Option<Mode>,
    key: Option<Spanned<Names>>,
    version: Option<Spanned<String>>,
    deleted_when: Option<Spanned<String>>,
    #[serde(rename = "where")]
    filter: Option<Spanned<String>>,
    delimiter: Option<Spanned<String>>,
    encoding: Option<Spanned<Encoding>>,
    skip_after_header: Option<Spanned<u32>>,
    records: Option<Spanned<String>>,
    timezone: Option<Spanned<String>>,
    timestamp_formats: Option<Spanned<Vec<String>>>,
    decimal: Option<Spanned<String>>,
    nulls: Option<Spanned<Vec<String>>>,
    ready: Option<Spanned<String>>,
    partition: Option<Spanned<TypedPartition>>,
}

impl TypedTable {
    fn reading(&mut self) -> TypedReading {
        TypedReading {
            delimiter: self.delimiter.take(),
            encoding: self.encoding.take(),
            skip_after_header: self.skip_after_header.take(),
            records: self.records.take(),
            timezone: self.timezone.take(),
            timestamp_formats: self.timestamp_formats.take(),
            decimal: self.decimal.take(),
            nulls: self.nulls.take(),
            ready: self.ready.take(),
            partition: self.partition.take(),
        }
    }
}

// ---- as meant ----------------------------------------------------------------------------------------

fn as_text<S: serde::Serializer>(value: &impl std::fmt::Display, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

fn as_text_if_any<S: serde::Serializer>(
    value: &Option<impl std::fmt::Display>,
    to: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}

/// Columns of the surveys that are the answer itself, or name it or its customer: answers cannot be told apart by
/// them.
const TELLS_THE_ANSWER: [&str; 8] =
    ["score", "nps_class", "comment", "response_id", "responded_at", "customer_id", "order_id", "email"];

impl Config {
    /// Columns by which answers are told apart: the segments, then covariates that are no segment.
    pub fn dimensions(&self) -> Vec<&String> {
        let others = self.covariates.iter().filter(|name| !self.segments.contains(name));
        self.segments.iter().chain(others).chain(&self.numeric_covariates).collect()
    }

    /// The lists of columns that answers are told apart by: what one is called, its key, its names.
    pub fn dimension_lists(&self) -> [(&'static str, &'static str, &[String]); 3] {
        [
            ("segment", "segments", &self.segments),
            ("covariate", "covariates", &self.covariates),
            ("covariate", "numeric_covariates", &self.numeric_covariates),
        ]
    }

    /// Every setting with its value, defaults filled in, as published in the manifest: neither secrets,
    /// which stand in the environment, nor where a value is written in the file.
    pub fn settings(&self) -> Result<serde_json::Value> {
        serde_json::to_value(self)
            .map_err(|e| Error::internal("the settings cannot be written as JSON").caused_by(e))
    }

    /// Reads the file at `path`.
    ///
    /// # Errors
    /// `Kind::Config` with the line, what is wrong and a way out.
    pub fn read(path: &Path, environment: Environment) -> Result<Config> {
        let text = std::fs::read_to_string(path).map_err(|e| {
            Error::config("the configuration cannot be read")
                .with("file", path.display())
                .hint("name another file with --config, or write one with `aftersale init`")
                .caused_by(e)
        })?;
        let environment = environment.with_named_in(&text);
        let base = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_path_buf(),
            _ => PathBuf::from("."),
        };
        Self::parse(&text, &path.display().to_string(), base, environment)
    }

    /// Reads a configuration from its text; `file` is its name in errors.
    pub fn parse(text: &str, file: &str, base: PathBuf, environment: Environment) -> Result<Config> {
        let place = Place { text, file };
        let typed: Typed = toml::from_str(text).map_err(|error| place.refuse_toml(&error))?;
        place.config(typed, base, environment)
    }

    /// Where a key stands: `file:line`. The key is a path such as `analysis.window_days` or
    /// Refuses an output or a landing place inside the exports, however they were given.
    ///
    /// # Errors
    /// `Kind::Config` with the line of the source that lists the place.
    pub fn check_places(&self) -> Result<()> {
        for (key, place) in [
            ("output", Some(&self.output)),
            ("landing", self.landing.as_ref()),
            ("follow_ups.output", self.follow_ups.output.as_ref()),
        ] {
            for table in self.sources.values().flat_map(|source| source.tables.values()) {
                if place.is_some_and(|place| lies_in(place, &table.url.value, &self.base)) {
                    return Err(Error::config(format!("`{key}` lies inside the exports that are read"))
                        .with("file", format!("{}:{}", self.file, table.url.line))
                        .hint(
                            "publish to a place that no source lists, or the next night reads its own tables",
                        ));
                }
            }
        }
        Ok(())
    }

    /// `touchpoints.2.when`; where it is not written, the place of what it belongs to.
    pub fn place(&self, key: &str) -> String {
        let place = Place { text: &self.text, file: &self.file };
        format!("{}:{}", self.file, place.line(place.offset(key)))
    }
}

/// A configuration file's text and name, so that errors can say the line.
struct Place<'a> {
    text: &'a str,
    file: &'a str,
}

impl Place<'_> {
    fn line(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset.min(self.text.len())].iter().filter(|b| **b == b'\n').count()
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> Error {
        Error::config(message).with("file", format!("{}:{}", self.file, self.line(offset)))
    }

    /// Where a key's value begins; see [`Config::place`].
    fn offset(&self, key: &str) -> usize {
        let Ok(table) = toml::de::DeTable::parse(self.text) else { return 0 };
        let mut at = table.span().start;
        let mut value = toml::de::DeValue::Table(table.into_inner());
        for step in key.split('.') {
            let next = match (&value, step.parse::<usize>()) {
                (toml::de::DeValue::Array(array), Ok(place)) => array.get(place).cloned(),
                _ => value.get(step).cloned(),
            };
            let Some(next) = next else { break };
            at = next.span().start;
            value = next.into_inner();
        }
        at
    }

    /// An error about the value of a key, at its line.
    fn error_of(&self, key: &str, message: impl Into<String>) -> Error {
        self.error(self.offset(key), message)
    }

    fn error_at_line(&self, line: usize, message: impl Into<String>) -> Error {
        Error::config(message).with("file", format!("{}:{line}", self.file))
    }

    fn located(&self, value: Spanned<String>) -> Located<String> {
        let line = self.line(value.span().start);
        Located { value: value.into_inner(), line }
    }

    fn refuse_toml(&self, error: &toml::de::Error) -> Error {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().trim().to_string();
        let refused = self.error(offset, message.clone());
        match nearest_key(&message) {
            Some(key) => refused.hint(format!("did you mean `{key}`?")),
            None => refused.hint("`aftersale init --preset plain` prints every key with its meaning"),
        }
    }

    fn config(&self, typed: Typed, base: PathBuf, environment: Environment) -> Result<Config> {
        let timezone = match &typed.timezone {
            Some(zone) => self.zone(zone)?,
            None => Tz::UTC,
        };
        let at = typed.sources.span().start;
        let mut sources = BTreeMap::new();
        for (feed, source) in typed.sources.into_inner() {
            let at = source.span().start;
            let mut source = self.source(&feed, source.into_inner(), at, timezone)?;
            for table in source.tables.values_mut() {
                let said = |what: String| self.error_at_line(table.url.line, what);
                table.url.value = environment.fill(&table.url.value, said)?;
            }
            sources.insert(feed, source);
        }
        if !sources.contains_key("surveys") {
            return Err(self
                .error(at, "there is no source for `surveys`")
                .hint("add [sources.surveys]; without answers nothing can be said about loyalty"));
        }
        if !sources.contains_key("purchases") && !sources.contains_key("tickets") {
            return Err(self
                .error(at, "there is no source for `purchases` or `tickets`")
                .hint("add at least one of them: touchpoints are read from what happened after the sale"));
        }
        let analysis = self.analysis(typed.analysis)?;
        let contract = self.contract(&typed.contract)?;
        for (name, days) in [
            ("journey.journey_days", typed.journey.journey_days),
            ("journey.lookback_days", typed.journey.lookback_days),
            ("analysis.window_days", analysis.window_days),
        ] {
            if !(1..=36_500).contains(&days) {
                return Err(self
                    .error_of(name, format!("`{name}` is {days}"))
                    .hint("give from 1 to 36500 days"));
            }
        }
        for (what, list, names) in [
            ("segment", "segments", &typed.segments),
            ("covariate", "covariates", &typed.covariates),
            ("covariate", "numeric_covariates", &typed.numeric_covariates),
        ] {
            let mut seen = BTreeSet::new();
            for (place, name) in names.iter().enumerate() {
                let key = format!("{list}.{place}");
                if !is_plain_name(name) || name == "all" {
                    return Err(self
                        .error_of(&key, format!("the {what} `{name}` is not a column name"))
                        .hint("use a column of the purchases or surveys: lower-case letters, digits and _"));
                }
                if TELLS_THE_ANSWER.contains(&name.as_str()) {
                    return Err(self
                        .error_of(
                            &key,
                            format!("the {what} `{name}` is a part of the answer, or names its row"),
                        )
                        .hint("hold equal what was there before the answer: take it out of the list"));
                }
                let is_elsewhere = list == "numeric_covariates"
                    && (typed.segments.contains(name) || typed.covariates.contains(name));
                if !seen.insert(name) || is_elsewhere {
                    return Err(self
                        .error_of(&key, format!("the {what} `{name}` is named twice"))
                        .hint("name it once"));
                }
            }
        }
        if let Some(dimension) = &typed.sheets.dimension
            && !typed.segments.contains(dimension)
        {
            let names: Vec<&str> = typed.segments.iter().map(String::as_str).collect();
            let refused =
                self.error_of("sheets.dimension", format!("`{dimension}` is not one of `segments`"));
            return Err(match nearest(dimension, &names) {
                Some(name) => refused.hint(format!("did you mean `{name}`?")),
                None => refused.hint("sheets are for a dimension that reports are broken down by"),
            });
        }
        if let Some(url) = &typed.pages.url
            && !["https://", "http://"].iter().any(|start| url.starts_with(start) && url.len() > start.len())
        {
            return Err(self
                .error_of("pages.url", format!("`{url}` is no address that a browser opens"))
                .hint("the address of the output on a web server, such as \"https://reports.example/aftersale\""));
        }
        let retention = self.retention(typed.retention)?;
        let privacy = self.privacy(typed.privacy, &environment)?;
        let follow_ups = self.follow_ups(typed.follow_ups, &environment)?;
        let lineage = self.lineage(typed.lineage, &base, &environment)?;
        let metrics_textfile = typed.metrics.textfile.map(|path| base.join(path));
        let config = Config {
            output: match typed.output {
                Some(output) => environment.fill(&output, |what| self.error_of("output", what))?,
                None => "data/out".into(),
            },
            landing: match typed.landing {
                Some(place) => Some(environment.fill(&place, |what| self.error_of("landing", what))?),
                None => None,
            },
            bi_layout: typed.bi_layout,
            base,
            timezone,
            score: match typed.score {
                Some(score) => self.score(score)?,
                None => Score::zero_to_ten(),
            },
            segments: typed.segments,
            covariates: typed.covariates,
            numeric_covariates: typed.numeric_covariates,
            sheet_dimension: typed.sheets.dimension,
            pages_url: typed.pages.url.map(|url| url.trim_end_matches('/').to_string()),
            journey_days: typed.journey.journey_days,
            lookback_days: typed.journey.lookback_days,
            analysis,
            identity: self.identity(typed.identity)?,
            memory_pool: typed.memory.pool.as_ref().map(|pool| self.bytes(pool)).transpose()?,
            retention,
            metrics_textfile,
            plausible_until: typed.plausible_until.as_ref().map(|day| self.day(day)).transpose()?,
            sources,
            contract,
            privacy,
            follow_ups,
            lineage,
            touchpoints: typed.touchpoints,
            own_catalogue_only: typed.catalogue == TypedCatalogue::Replace,
            environment,
            file: self.file.to_string(),
            text: self.text.to_string(),
            embedded: false,
        };
        config.check_places()?;
        Ok(config)
    }

    fn retention(&self, typed: TypedRetention) -> Result<Retention> {
        if let Some(keep) = typed.keep_runs.as_ref().filter(|keep| *keep.get_ref() < 2) {
            return Err(self
                .error(keep.span().start, format!("`retention.keep_runs` is {}", keep.get_ref()))
                .hint("keep at least 2: readers may still be in the run before the latest"));
        }
        Ok(Retention {
            keep_runs: typed.keep_runs.map(Spanned::into_inner),
            min_age_days: typed.min_age_days,
        })
    }

    fn analysis(&self, typed: TypedAnalysis) -> Result<Analysis> {
        for (name, margin, most) in [
            ("analysis.margin_nps_points", typed.margin_nps_points, 200.0),
            ("analysis.margin_risk_difference", typed.margin_risk_difference, 1.0),
        ] {
            if !(0.0..=most).contains(&margin) {
                return Err(self
                    .error_of(name, format!("`{name}` is {margin}"))
                    .hint(format!("give a number from 0 to {most}")));
            }
        }
        if typed.min_cell == 0 {
            return Err(self
                .error_of("analysis.min_cell", "`analysis.min_cell` is 0")
                .hint("give at least 1; figures of fewer answers than this are not shown on pages"));
        }
        for (name, share) in [
            ("analysis.max_rejected_share", typed.max_rejected_share),
            ("analysis.min_link_rate", typed.min_link_rate),
        ] {
            if !(0.0..=1.0).contains(&share) {
                return Err(self
                    .error_of(name, format!("`{name}` is {share}"))
                    .hint("give a share from 0 to 1, such as 0.01"));
            }
        }
        for (name, list) in [
            ("analysis.survey_kinds", &typed.survey_kinds),
            ("analysis.survey_triggers", &typed.survey_triggers),
        ] {
            let Some(list) = list else { continue };
            if list.is_empty() {
                return Err(self
                    .error_of(name, format!("`{name}` is an empty list"))
                    .hint("name at least one, or leave the key out"));
            }
            if let Some(place) = (1..list.len()).find(|place| list[..*place].contains(&list[*place])) {
                return Err(self
                    .error_of(&format!("{name}.{place}"), format!("`{name}` names `{}` twice", list[place]))
                    .hint("name it once"));
            }
        }
        Ok(Analysis {
            window_days: typed.window_days,
            period: typed.period,
            survey_kinds: typed.survey_kinds,
            survey_triggers: typed.survey_triggers,
            repeat_responses: typed.repeat_responses,
            cluster: typed.cluster,
            min_responses: typed.min_responses,
            min_cell: typed.min_cell,
            margin_nps_points: typed.margin_nps_points,
            margin_risk_difference: typed.margin_risk_difference,
            max_rejected_share: typed.max_rejected_share,
            min_link_rate: typed.min_link_rate,
        })
    }

    fn contract(&self, typed: &TypedContract) -> Result<ContractRules> {
        let max_drop = typed.volume.max_drop.unwrap_or(0.5);
        if !(0.0..=1.0).contains(&max_drop) {
            return Err(self
                .error_of("contract.volume.max_drop", format!("`contract.volume.max_drop` is {max_drop}"))
                .hint("give a share from 0 to 1, such as 0.5"));
        }
        Ok(ContractRules {
            on_change: typed.on_change.unwrap_or(OnBreach::Stop),
            max_drop,
            on_drop: typed.volume.on_breach.unwrap_or(OnBreach::Warn),
            on_age: typed.freshness.on_breach.unwrap_or(OnBreach::Warn),
        })
    }

    fn identity(&self, typed: TypedIdentity) -> Result<Identity> {
        let mut matched: Vec<String> = Vec::new();
        match typed.matched {
            None => matched.extend(["customer_id".into(), "email".into()]),
            Some(columns) if columns.get_ref().is_empty() => {
                return Err(self
                    .error(columns.span().start, "`identity.match` is an empty list")
                    .hint("name at least one column, such as \"customer_id\", or leave the key out"));
            }
            Some(columns) => {
                for column in columns.into_inner() {
                    let (at, column) = (column.span().start, column.into_inner());
                    let is_key = |feed: &feeds::Feed| feed.key.contains(&column.as_str());
                    if column != "customer_id" && (!is_plain_name(&column) || feeds::FEEDS.iter().any(is_key))
                    {
                        return Err(self
                            .error(at, format!("`{column}` in `identity.match` names no customer"))
                            .hint("use customer_id, email, or a further column that the mappings name, such as phone"));
                    }
                    if matched.contains(&column) {
                        return Err(self
                            .error(at, format!("`identity.match` names `{column}` twice"))
                            .hint("name it once; the first that fits decides"));
                    }
                    matched.push(column);
                }
            }
        }
        let max_customers_per_value = match typed.max_customers_per_value {
            None => 5,
            Some(most) if (1..=1000).contains(most.get_ref()) => most.into_inner(),
            Some(most) => {
                return Err(self
                    .error(
                        most.span().start,
                        format!("`identity.max_customers_per_value` is {}", most.get_ref()),
                    )
                    .hint("give from 1 to 1000 customers"));
            }
        };
        Ok(Identity { matched, max_customers_per_value })
    }

    fn source(&self, feed: &str, mut typed: TypedSource, at: usize, zone: Tz) -> Result<Source> {
        let Some(known) = feeds::feed(feed) else {
            let names: Vec<&str> = feeds::FEEDS.iter().map(|f| f.name).collect();
            let refused = self.error(at, format!("`{feed}` is not a feed"));
            return Err(match nearest(feed, &names) {
                Some(name) => refused.hint(format!("did you mean [sources.{name}]?")),
                None => refused.hint(format!("the feeds are {}", names.join(", "))),
            });
        };
        let reading = typed.reading();
        let delivery = TypedDelivery {
            mode: typed.mode,
            key: typed.key.take(),
            version: typed.version.take(),
            deleted_when: typed.deleted_when.take(),
            filter: typed.filter.take(),
        };
        let tables = match (typed.url, typed.tables) {
            (Some(url), None) => {
                let delivery = self.delivery(&TypedDelivery::default(), &delivery, at)?;
                let table = self.table(url, typed.format, &reading, delivery, typed.max_age_hours)?;
                BTreeMap::from([(feed.to_string(), table)])
            }
            (None, Some(tables)) if !tables.is_empty() => {
                let mut meant = BTreeMap::new();
                for (name, mut table) in tables {
                    if !is_plain_name(&name) {
                        return Err(self
                            .error(table.url.span().start, format!("`{name}` cannot name a table"))
                            .hint("use lower-case letters, digits and _"));
                    }
                    let own = TypedDelivery {
                        mode: table.mode,
                        key: table.key.take(),
                        version: table.version.take(),
                        deleted_when: table.deleted_when.take(),
                        filter: table.filter.take(),
                    };
                    let delivery = self.delivery(&own, &delivery, table.url.span().start)?;
                    let own = table.reading();
                    let format = table.format.or(typed.format);
                    let all = own.clone().or(&reading);
                    let max_age_hours = table.max_age_hours.or(typed.max_age_hours);
                    let table = self.table(table.url, format, &all, delivery, max_age_hours)?;
                    self.refuse_misplaced(&own, &[table.format])?;
                    meant.insert(name, table);
                }
                meant
            }
            _ => {
                return Err(self
                    .error(at, format!("[sources.{feed}] needs either `url` or `tables`"))
                    .hint("`url` for one table; `tables` with a `query` that joins them for several"));
            }
        };
        let mapping = match (typed.columns, typed.query) {
            (Some(_), Some(query)) => {
                return Err(self
                    .error(query.span().start, format!("[sources.{feed}] has both `columns` and `query`"))
                    .hint("keep one of them"));
            }
            (None, Some(query)) => Mapping::Query(self.located(query)),
            (columns, None) if tables.len() == 1 => Mapping::Columns(
                columns
                    .unwrap_or_default()
                    .into_iter()
                    .map(|(name, source)| self.column(feed, name, source))
                    .collect::<Result<_>>()?,
            ),
            (_, None) => {
                return Err(self
                    .error(at, format!("[sources.{feed}] has several tables and no `query`"))
                    .hint("say in `query` how they join"));
            }
        };
        let formats: Vec<Format> = tables.values().map(|table| table.format).collect();
        self.refuse_misplaced(&reading, &formats)?;
        let values = self.agreed(feed, &tables, zone)?;
        let words = self.words(known, typed.kinds, typed.words)?;
        Ok(Source {
            feed: feed.to_string(),
            timezone: values.timezone.unwrap_or(zone),
            timestamp_formats: values.timestamp_formats,
            decimal: values.decimal,
            tables,
            mapping,
            words,
            starts_on: typed.starts_on.as_ref().map(|day| self.day(day)).transpose()?,
        })
    }

    /// What the export's words mean, by column; `kinds` is short for those of `kind`.
    fn words(
        &self,
        feed: &feeds::Feed,
        kinds: Option<Spanned<BTreeMap<String, String>>>,
        words: Option<Spanned<BTreeMap<String, BTreeMap<String, String>>>>,
    ) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
        let columns: Vec<&str> = feed.words().map(|(name, _)| name).collect();
        let at = words.as_ref().map_or(0, |said| said.span().start);
        let mut meant = words.map(Spanned::into_inner).unwrap_or_default();
        let mut lines: BTreeMap<String, usize> = meant.keys().map(|column| (column.clone(), at)).collect();
        if let Some(kinds) = kinds {
            lines.insert("kind".into(), kinds.span().start);
            meant.entry("kind".into()).or_default().extend(kinds.into_inner());
        }
        for (column, words) in &meant {
            let at = lines.get(column).copied().unwrap_or(at);
            let Some((_, known)) = feed.words().find(|(name, _)| name == column) else {
                let refused =
                    self.error(at, format!("`{column}` of {} does not hold one of a few words", feed.name));
                return Err(match columns.as_slice() {
                    [] => refused.hint("only ticket_events, interactions and identities have such columns"),
                    columns => {
                        refused.hint(format!("such columns of {} are {}", feed.name, columns.join(", ")))
                    }
                });
            };
            if let Some((theirs, _)) = words.iter().find(|(_, ours)| ["?", "…", ""].contains(&ours.trim()))
            {
                return Err(self.error(at, format!("`{theirs}` of `{column}` is still a question")).hint(
                    format!("the words are {}; leave out what is none of them", known.known.join(", ")),
                ));
            }
            for ours in words.values().filter(|ours| !known.known.contains(&ours.as_str())) {
                let like = nearest(ours, known.known);
                if !known.are_all && like.is_none() {
                    continue;
                }
                let refused = self.error(at, format!("`{ours}` is no word for `{column}` that is known"));
                return Err(match like {
                    Some(like) => refused.hint(format!("did you mean `{like}`?")),
                    None => refused.hint(format!("the words are {}", known.known.join(", "))),
                });
            }
        }
        Ok(meant)
    }

    fn column(&self, feed: &str, name: String, source: Spanned<String>) -> Result<(String, Located<String>)> {
        if !is_plain_name(&name) {
            let names: Vec<&str> =
                feeds::feed(feed).map_or(Vec::new(), |f| f.columns.iter().map(|c| c.name).collect());
            return Err(self
                .error(source.span().start, format!("`{name}` cannot name a column"))
                .hint(format!("the columns of {feed} are {}", names.join(", "))));
        }
        Ok((name, self.located(source)))
    }

    fn table(
        &self,
        url: Spanned<String>,
        format: Option<Format>,
        typed: &TypedReading,
        delivery: Delivery,
        max_age_hours: Option<u32>,
    ) -> Result<Table> {
        let Some(format) = format.or_else(|| Format::of_name(url.get_ref())) else {
            return Err(self
                .error(url.span().start, "the format cannot be told from the address")
                .hint("add `format = \"csv\"`, \"ndjson\", \"json\" or \"parquet\""));
        };
        Ok(Table { url: self.located(url), format, reading: self.reading(typed)?, delivery, max_age_hours })
    }

    /// How values are written, which all tables of a source share: after its query nobody could tell
    /// which table a value came from.
    fn agreed(&self, feed: &str, tables: &BTreeMap<String, Table>, zone: Tz) -> Result<Reading> {
        let mut agreed: Option<&Reading> = None;
        for table in tables.values() {
            let own = &table.reading;
            let first = *agreed.get_or_insert(own);
            let differing = [
                (
                    "timezone",
                    own.timezone.unwrap_or(zone) != first.timezone.unwrap_or(zone)
                        || own.zone_in_header != first.zone_in_header,
                ),
                ("timestamp_formats", own.timestamp_formats != first.timestamp_formats),
                ("decimal", own.decimal != first.decimal),
            ];
            if let Some((key, _)) = differing.iter().find(|(_, differs)| *differs) {
                return Err(self
                    .error_at_line(
                        table.url.line,
                        format!("the tables of [sources.{feed}] differ in their `{key}`"),
                    )
                    .hint(
                        "say it once for the source, and for the others in `query`: read_number(column, ','), \
                         get_field(read_time(column, 'Europe/Madrid', null, null, '%d/%m/%Y'), 'at')",
                    ));
            }
        }
        Ok(agreed.cloned().unwrap_or_default())
    }

    fn score(&self, typed: Spanned<TypedScore>) -> Result<Score> {
        let at = typed.span().start;
        let typed = typed.into_inner();
        let declared = [typed.min, typed.max, typed.detractor_max, typed.promoter_min];
        let score = match (typed.scale.as_deref(), declared) {
            (Some("0-10"), [None, None, None, None]) => Score::zero_to_ten(),
            (Some("1-10"), [None, None, None, None]) => Score { min: 1, ..Score::zero_to_ten() },
            (None, [Some(min), Some(max), Some(detractor_max), Some(promoter_min)]) => {
                Score { min, max, detractor_max, promoter_min, severe_max: typed.severe_max }
            }
            _ => {
                return Err(self.error(at, "the score's scale is not understood").hint(
                    "give `scale = \"0-10\"`, `scale = \"1-10\"`, or min, max, detractor_max and promoter_min",
                ));
            }
        };
        let severe = score.severe_max.unwrap_or(score.min);
        let in_order = score.min <= score.detractor_max
            && score.detractor_max < score.promoter_min
            && score.promoter_min <= score.max
            && (score.min..=score.detractor_max).contains(&severe);
        if in_order {
            Ok(score)
        } else {
            Err(self
                .error(at, "the score's classes are out of order")
                .hint("min ≤ severe_max ≤ detractor_max < promoter_min ≤ max"))
        }
    }

    fn zone(&self, zone: &Spanned<String>) -> Result<Tz> {
        zone.get_ref().parse().map_err(|_| {
            self.error(zone.span().start, format!("`{}` is not a time zone", zone.get_ref()))
                .hint("use an IANA name such as Europe/Madrid")
        })
    }

    fn day(&self, day: &Spanned<String>) -> Result<chrono::NaiveDate> {
        parse_day(day.get_ref()).ok_or_else(|| {
            self.error(day.span().start, format!("`{}` is not a day", day.get_ref()))
                .hint("write it as \"2026-10-31\"")
        })
    }

    fn bytes(&self, size: &Spanned<String>) -> Result<u64> {
        parse_bytes(size.get_ref()).ok_or_else(|| {
            self.error(size.span().start, format!("`{}` is not a size", size.get_ref()))
                .hint("write it as \"768MB\" or \"4GB\", at least 64MB")
        })
    }
}

impl Score {
    fn zero_to_ten() -> Self {
        Score { min: 0, max: 10, detractor_max: 6, promoter_min: 9, severe_max: Some(3) }
    }
}

/// `2026-10-31`, and nothing else.
pub fn parse_day(text: &str) -> Option<chrono::NaiveDate> {
    chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()
}

/// Sizes such as `768MB` or `4GB` (powers of ten) and `512MiB` (powers of two), in bytes; 64 MB at least.
fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number: u64 = text[..digits].parse().ok()?;
    let unit = match text[digits..].trim() {
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(unit).filter(|bytes| *bytes >= 64_000_000)
}

/// A local path as it is without links, as far as it is there.
fn real(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), ..) => real,
        (Err(_), Some(parent), Some(name)) => real(parent).join(name),
        _ => path.to_path_buf(),
    }
}

/// Whether a place lies in the folder that a source's address lists.
fn lies_in(place: &str, url: &str, base: &Path) -> bool {
    let whole = |address: &str| match address.contains("://") {
        true => address.trim_end_matches('/').to_string(),
        false => std::path::absolute(base.join(address))
            .map(|path| real(&path.components().collect::<PathBuf>()).to_string_lossy().into_owned())
            .unwrap_or_default(),
    };
    let is_object = |name: &str| name.contains('.');
    let listed = match url.find(['*', '?', '[']) {
        Some(glob) => &url[..url[..glob].rfind('/').unwrap_or(0)],
        None if url.ends_with('/') || !is_object(url.rsplit('/').next().unwrap_or(url)) => url,
        None => return false,
    };
    let (place, listed) = (whole(place), whole(listed));
    place == listed || place.strip_prefix(&listed).is_some_and(|rest| rest.starts_with('/'))
}

fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

/// The known key nearest to the unknown one that a TOML error speaks of.
fn nearest_key(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown"))?;
    let known: Vec<&str> = quoted.collect();
    nearest(unknown, &known).map(str::to_string)
}

/// The nearest of the known words, where one is near enough to be meant.
pub fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|name| (strsim::damerau_levenshtein(word, name), *name))
        .min()
        .filter(|(distance, name)| *distance <= 1 + name.len() / 4)
        .map(|(_, name)| name)
}

/// The environment's storage settings, and the tests' order to fail (`store/faults.rs`).
#[expect(clippy::disallowed_methods, reason = "this is the room that reads the environment")]
pub fn environment() -> Environment {
    Environment(
        std::env::vars()
            .filter(|(name, _)| {
                ["AWS_", "AZURE_", "GOOGLE_"].iter().any(|start| name.starts_with(start))
                    || ["AFTERSALE_FAULT", lineage::KEY].contains(&name.as_str())
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: &str = "[sources.surveys]\nurl = \"s.csv\"\n[sources.tickets]\nurl = \"t.parquet\"\n";

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, "aftersale.toml", PathBuf::from("."), Environment::default())
    }

    fn refusal(text: &str) -> (String, String, String) {
        let error = parse(text).expect_err("this configuration is wrong");
        let file = error.context().iter().find(|(k, _)| *k == "file").map(|(_, v)| v.clone());
        (error.message().into(), file.unwrap_or_default(), error.hint_text().unwrap_or("").into())
    }

    #[test]
    fn least_configuration_has_the_documented_defaults() {
        let config = parse(LEAST).unwrap();
        assert_eq!(config.output, "data/out");
        assert_eq!((config.journey_days, config.lookback_days, config.analysis.window_days), (180, 90, 365));
        assert_eq!(
            config.score,
            Score { min: 0, max: 10, detractor_max: 6, promoter_min: 9, severe_max: Some(3) }
        );
        assert_eq!(config.sources["tickets"].tables["tickets"].format, Format::Parquet);
        assert_eq!(config.identity.matched, ["customer_id", "email"]);
        assert_eq!(config.identity.max_customers_per_value, 5);
        let analysis = &config.analysis;
        assert_eq!(
            (analysis.min_responses, analysis.margin_nps_points, analysis.margin_risk_difference),
            (30, 0.1, 0.01)
        );
    }

    #[test]
    fn dimensions_are_the_segments_then_further_covariates() {
        let config = parse(&format!(
            "segments = [\"region\", \"store_id\"]\ncovariates = [\"mode\", \"region\"]\n{LEAST}"
        ));
        assert_eq!(config.unwrap().dimensions(), ["region", "store_id", "mode"]);
    }

    #[test]
    fn mistakes_are_refused_with_line_and_way_out() {
        let (message, file, hint) = refusal(&format!("segmets = []\n{LEAST}"));
        assert!(message.starts_with("unknown field `segmets`"), "{message}");
        assert_eq!((file.as_str(), hint.as_str()), ("aftersale.toml:1", "did you mean `segments`?"));

        let (message, file, _) = refusal(&format!("timezone = \"Europe/Madird\"\n{LEAST}"));
        assert_eq!(
            (message.as_str(), file.as_str()),
            ("`Europe/Madird` is not a time zone", "aftersale.toml:1")
        );

        let (message, file, hint) = refusal(&format!("{LEAST}[sources.tiket_events]\nurl = \"e.csv\"\n"));
        assert_eq!((message.as_str(), file.as_str()), ("`tiket_events` is not a feed", "aftersale.toml:5"));
        assert_eq!(hint, "did you mean [sources.ticket_events]?");

        let (message, ..) = refusal("[sources.surveys]\nurl = \"s.csv\"\n");
        assert_eq!(message, "there is no source for `purchases` or `tickets`");

        let (message, ..) =
            refusal(&format!("score = {{ min = 1, max = 5, detractor_max = 4, promoter_min = 4 }}\n{LEAST}"));
        assert_eq!(message, "the score's classes are out of order");

        for (wrong, said) in [
            ("match = []", "`identity.match` is an empty list"),
            ("match = [\"order_id\"]", "`order_id` in `identity.match` names no customer"),
            ("match = [\"E-Mail\"]", "`E-Mail` in `identity.match` names no customer"),
            ("match = [\"email\", \"email\"]", "`identity.match` names `email` twice"),
            ("max_customers_per_value = 0", "`identity.max_customers_per_value` is 0"),
        ] {
            let (message, file, _) = refusal(&format!("{LEAST}[identity]\n{wrong}\n"));
            assert_eq!((message.as_str(), file.as_str()), (said, "aftersale.toml:6"));
        }

        for (wrong, said, way_out) in [
            (
                "words = { outcme = { a = \"answered\" } }",
                "`outcme` of interactions does not hold one of a few words",
                "such columns of interactions are kind, initiated_by, outcome",
            ),
            (
                "words = { initiated_by = { out = \"us\" } }",
                "`us` is no word for `initiated_by` that is known",
                "the words are company, customer",
            ),
            (
                "words.kind = { RMA = \"?\" }",
                "`RMA` of `kind` is still a question",
                "the words are follow_up, call, invoice, billing_error, repair, warranty_claim, visit, offer; \
                 leave out what is none of them",
            ),
            (
                "kinds = { courtesy = \"followup\" }",
                "`followup` is no word for `kind` that is known",
                "did you mean `follow_up`?",
            ),
        ] {
            let (message, file, hint) =
                refusal(&format!("{LEAST}[sources.interactions]\nurl = \"i.csv\"\n{wrong}\n"));
            assert_eq!((message.as_str(), file.as_str(), hint.as_str()), (said, "aftersale.toml:7", way_out));
        }

        let (message, file, hint) = refusal(&format!("output = \"s3://${{NOBODY_SET_THIS}}/out\"\n{LEAST}"));
        assert_eq!(
            (message.as_str(), file.as_str(), hint.as_str()),
            (
                "the variable `NOBODY_SET_THIS` is not set",
                "aftersale.toml:1",
                "set NOBODY_SET_THIS in the environment of the job"
            )
        );
        let (message, file, _) = refusal(&LEAST.replace("s.csv", "${NOBODY_SET_THIS}/s.csv"));
        assert_eq!(
            (message.as_str(), file.as_str()),
            ("the variable `NOBODY_SET_THIS` is not set", "aftersale.toml:2")
        );

        let (message, ..) = refusal(&format!("{LEAST}[memory]\npool = \"1MB\"\n"));
        assert_eq!(message, "`1MB` is not a size");
    }

    #[test]
    fn values_out_of_range_are_refused_at_their_own_line() {
        for (text, message, line) in [
            ("[journey]\nlookback_days = 0\n", "`journey.lookback_days` is 0", 6),
            ("[analysis]\nperiod = \"week\"\nwindow_days = 99999\n", "`analysis.window_days` is 99999", 7),
            ("[analysis]\nmin_link_rate = 1.5\n", "`analysis.min_link_rate` is 1.5", 6),
            ("[analysis]\nmin_cell = 0\n", "`analysis.min_cell` is 0", 6),
            ("[sheets]\ndimension = \"store\"\n", "`store` is not one of `segments`", 6),
            ("[pages]\nurl = \"s3://r\"\n", "`s3://r` is no address that a browser opens", 6),
            ("[analysis]\nmargin_nps_points = -0.1\n", "`analysis.margin_nps_points` is -0.1", 6),
            (
                "[analysis]\nmin_responses = 20\nmargin_risk_difference = 1.5\n",
                "`analysis.margin_risk_difference` is 1.5",
                7,
            ),
            ("[contract]\nvolume = { max_drop = 2.0 }\n", "`contract.volume.max_drop` is 2", 6),
            ("[analysis]\nsurvey_kinds = []\n", "`analysis.survey_kinds` is an empty list", 6),
            (
                "[analysis]\nsurvey_kinds = [\n  \"a\",\n  \"b\",\n  \"a\",\n]\n",
                "`analysis.survey_kinds` names `a` twice",
                9,
            ),
        ] {
            let (said, file, hint) = refusal(&format!("{LEAST}{text}"));
            assert_eq!((said.as_str(), file), (message, format!("aftersale.toml:{line}")));
            assert!(!hint.is_empty(), "{message}");
        }
        for (what, list) in
            [("segment", "segments"), ("covariate", "covariates"), ("covariate", "numeric_covariates")]
        {
            let (message, file, hint) = refusal(&format!("{list} = [\"region\", \"score\"]\n{LEAST}"));
            assert_eq!(message, format!("the {what} `score` is a part of the answer, or names its row"));
            assert_eq!(file, "aftersale.toml:1");
            assert!(!hint.is_empty());
            let (message, file, _) =
                refusal(&format!("{list} = [\n  \"region\",\n  \"Store ID\",\n]\n{LEAST}"));
            assert_eq!(message, format!("the {what} `Store ID` is not a column name"));
            assert_eq!(file, "aftersale.toml:3");
            let (message, file, _) = refusal(&format!("{list} = [\"region\", \"region\"]\n{LEAST}"));
            assert_eq!(message, format!("the {what} `region` is named twice"));
            assert_eq!(file, "aftersale.toml:1");
        }
    }

    /// A number is held equal in bins or as a word, not both.
    #[test]
    fn a_covariate_stands_in_one_list() {
        let text = format!("covariates = [\"age\"]\nnumeric_covariates = [\"risk\", \"age\"]\n{LEAST}");
        let (message, file, _) = refusal(&text);
        assert_eq!(message, "the covariate `age` is named twice");
        assert_eq!(file, "aftersale.toml:2");
        let config =
            parse(&format!("segments = [\"region\"]\nnumeric_covariates = [\"risk\"]\n{LEAST}")).unwrap();
        assert_eq!(config.dimensions(), ["region", "risk"]);
    }

    #[test]
    fn a_key_is_found_at_its_line() {
        let config =
            parse(&format!("{LEAST}[[touchpoints]]\nid = \"a\"\n[[touchpoints]]\nid = \"b\"\n")).unwrap();
        assert_eq!(config.place("touchpoints.1.id"), "aftersale.toml:8");
        assert_eq!(config.place("touchpoints.1.when"), "aftersale.toml:7");
        assert_eq!(config.place("sources.tickets.url"), "aftersale.toml:4");
    }

    #[test]
    fn the_output_is_no_export() {
        let text = |output: &str, url: &str| {
            format!(
                "output = \"{output}\"\n[sources.surveys]\nurl = \"{url}\"\nformat = \"csv\"\n[sources.tickets]\nurl = \"t.csv\"\n"
            )
        };
        for (output, url) in
            [("lake/out", "lake/"), ("lake", "lake/*.csv"), ("s3://b/x/out", "s3://b/x/"), ("./in", "in")]
        {
            let (message, file, _) = refusal(&text(output, url));
            assert_eq!(
                (message.as_str(), file.as_str()),
                ("`output` lies inside the exports that are read", "aftersale.toml:3")
            );
        }
        for (output, url) in [("lake/out", "lake/in/"), ("lake2", "lake/"), ("lake", "lake/surveys.csv")] {
            parse(&text(output, url)).unwrap();
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(parse_bytes("768MB"), Some(768_000_000));
        assert_eq!(parse_bytes("1 GiB"), Some(1 << 30));
        assert_eq!(parse_bytes("1000000000"), None);
    }
}
