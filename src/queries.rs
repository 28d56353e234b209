//! The queries as data: every file of `queries/`, its header read and checked.
//!
//! A header says in comments what the file makes, one row per what, and from what:
//!
//! ```sql
//! -- fct_journeys: every purchase, and …        name (that of the file) and one sentence
//! -- grain: journey_id                          the columns that name a row
//! -- reads: stg_purchases, int_links            all that it reads, and nothing else
//! -- order: customer_id, ordered_at             how a published table is sorted
//! -- kept: yes                                  written once because it is read many times
//! -- steps: told, known                         of its common table expressions, those read many times: each
//!                                               is worked out once before
//! -- column journey_id id: the order's id       a published table's columns, in order; `id`, `customer` and
//!                                               `comment` are texts about persons (src/privacy)
//! ```
//!
//! Tests hold the headers to the SQL: what is read is declared and stands in an earlier folder.

use include_dir::{Dir, include_dir};

use crate::error::{Error, Result};

static FILES: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/queries");

/// The built-in touchpoint catalogue, as TOML.
pub fn catalogue() -> Result<&'static str> {
    FILES
        .get_file("touchpoints.toml")
        .and_then(|file| file.contents_utf8())
        .ok_or_else(|| Error::internal("the built-in touchpoint catalogue is not in the binary"))
}

/// One SQL file.
#[derive(Debug, Clone)]
pub struct Query {
    pub name: String,
    /// The folder that it stands in: `5_met`, `checks`.
    pub folder: String,
    pub sentence: String,
    pub grain: Vec<String>,
    pub reads: Vec<String>,
    pub order: Vec<String>,
    pub kept: bool,
    /// Common table expressions that are worked out once before; of kept and published queries only.
    pub steps: Vec<String>,
    /// Declared for published tables only. A name such as `tp_<touchpoint>` stands for several columns.
    pub columns: Vec<Column>,
    pub sql: &'static str,
}

/// A published column: its type in the output and its meaning.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub kind: ColumnKind,
    pub meaning: String,
}

/// The five types that published tables have, and what texts say of persons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    Text,
    Integer,
    Float,
    Boolean,
    /// UTC, microseconds.
    Timestamp,
    /// Text that names a row of an export: a pseudonym where they are asked for.
    Id,
    /// Text that names a customer: likewise, and one spelling of it is as good as another.
    Customer,
    /// Text that a customer wrote.
    Comment,
}

impl ColumnKind {
    pub fn as_str(self) -> &'static str {
        match self {
            ColumnKind::Text | ColumnKind::Id | ColumnKind::Customer | ColumnKind::Comment => "text",
            ColumnKind::Integer => "integer",
            ColumnKind::Float => "float",
            ColumnKind::Boolean => "boolean",
            ColumnKind::Timestamp => "timestamp",
        }
    }

    /// By the word that headers, or the dictionary, have for it.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "text" => Self::Text,
            "integer" => Self::Integer,
            "float" => Self::Float,
            "boolean" => Self::Boolean,
            "timestamp" => Self::Timestamp,
            "id" => Self::Id,
            "customer" => Self::Customer,
            "comment" => Self::Comment,
            _ => return None,
        })
    }
}

impl Query {
    /// A table that readers see, rather than a step on the way.
    pub fn is_published(&self) -> bool {
        !self.columns.is_empty()
    }

    /// Whether a column is one of those that name a row.
    pub fn names_a_row(&self, column: &str) -> bool {
        self.grain.iter().any(|name| name == column)
    }

    /// Its place in running order; what has no number comes last.
    fn place(&self) -> (u32, &str, &str) {
        let number = self.folder.split('_').next().and_then(|number| number.parse().ok());
        (number.unwrap_or(u32::MAX), &self.folder, &self.name)
    }

    fn parse(folder: &str, file: &str, sql: &'static str) -> Result<Query> {
        let place = || Error::internal("a query's header is wrong").with("query", format!("{folder}/{file}"));
        let mut query = Query {
            name: String::new(),
            folder: folder.to_string(),
            sentence: String::new(),
            grain: Vec::new(),
            reads: Vec::new(),
            order: Vec::new(),
            kept: false,
            steps: Vec::new(),
            columns: Vec::new(),
            sql,
        };
        for line in sql.lines().map_while(|line| line.strip_prefix("-- ")) {
            let (key, value) = line.split_once(':').ok_or_else(|| place().with("line", line))?;
            let value = value.trim();
            match key {
                "grain" => query.grain = list(value),
                "reads" => query.reads = list(value),
                "order" => query.order = list(value),
                "kept" => query.kept = value == "yes",
                "steps" => query.steps = list(value),
                _ if query.name.is_empty() => {
                    query.name = key.to_string();
                    query.sentence = value.to_string();
                }
                _ => {
                    let column = key.strip_prefix("column ").and_then(|rest| rest.split_once(' '));
                    let (name, kind) = column.ok_or_else(|| place().with("line", line))?;
                    query.columns.push(Column {
                        name: name.to_string(),
                        kind: ColumnKind::parse(kind).ok_or_else(|| place().with("type", kind))?,
                        meaning: value.to_string(),
                    });
                }
            }
        }
        if !query.steps.is_empty() && !query.kept && !query.is_published() {
            return Err(place().with("steps", "of a query that is not kept"));
        }
        if query.name == file { Ok(query) } else { Err(place().with("name", &query.name)) }
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(str::to_string).collect()
}

/// All queries but the checks, in running order: by folder, then by name.
pub fn stages() -> Result<Vec<Query>> {
    Ok(all()?.into_iter().filter(|query| query.folder != "checks").collect())
}

/// The checks: each returns the rows that break its sentence.
pub fn checks() -> Result<Vec<Query>> {
    Ok(all()?.into_iter().filter(|query| query.folder == "checks").collect())
}

/// Every SQL file, by folder and name.
pub fn all() -> Result<Vec<Query>> {
    let mut queries = Vec::new();
    for folder in FILES.dirs() {
        for file in folder.files() {
            let path = file.path();
            let name = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
            let sql = file
                .contents_utf8()
                .ok_or_else(|| Error::internal("a query is not UTF-8 text").with("query", path.display()))?;
            queries.push(Query::parse(&folder.path().to_string_lossy(), name, sql)?);
        }
    }
    queries.sort_by(|a, b| a.place().cmp(&b.place()));
    Ok(queries)
}
