//! Figures for the person at the terminal, read from the run's own tables.

use arrow::array::{Array, AsArray};
use arrow::datatypes::{Float64Type, Int64Type};

use super::Job;
use crate::error::Result;
use crate::exposures::texts;
use crate::store::publish::Reads;

/// Figures for the person at the terminal.
#[derive(Debug, Default, Clone)]
pub struct Summary {
    pub as_of: String,
    /// The same in words, with how it was come by where no day was asked for.
    pub as_of_words: String,
    pub nps: Option<String>,
    /// Answers of the window that are linked: those that tell of touchpoints.
    pub linked_answers: i64,
    /// By what they cost, the costliest first; those without an estimate last.
    pub touchpoints: Vec<TouchpointLine>,
    pub tables: Vec<TableAccount>,
    /// How much of the exports was read.
    pub reads: Vec<Reads>,
    pub accounts: Vec<Account>,
    /// The link funnel of each pair of feeds, in the order in which a person reads it.
    pub links: Vec<LinkLine>,
}

#[derive(Debug, Clone)]
pub struct TouchpointLine {
    pub id: String,
    pub label: String,
    pub role: String,
    pub exposed: i64,
    pub unexposed: i64,
    /// Answers of which the exports do not tell.
    pub unknown: i64,
    pub reach: Option<f64>,
    pub share_exposed: Option<f64>,
    /// Total effect in NPS points with its interval of 95%.
    pub nps_points: Option<[f64; 3]>,
    pub verdict: String,
}

/// One line of the link funnel.
#[derive(Debug, Clone)]
pub struct LinkLine {
    pub feed: String,
    /// The feed that it is linked to, or `customers`.
    pub linked_to: String,
    /// What is counted: a way to be linked, or why there is none.
    pub measure: String,
    /// The rows counted are linked to a journey (purchases: to a customer), or are not; of each row one or
    /// the other holds. None for lines that count something beside that.
    pub is_linked: Option<bool>,
    pub rows: i64,
    /// Rows of the feed.
    pub of_rows: i64,
}

/// What became of a table's rows before the mapping: read = superseded + filtered + handed on.
#[derive(Debug, Clone)]
pub struct TableAccount {
    pub feed: String,
    pub table: String,
    pub read: i64,
    pub superseded: i64,
    /// Rows left out, by reason.
    pub filtered: Vec<(&'static str, i64)>,
    pub handed_on: i64,
}

/// What became of a feed's rows: handed on by the mapping = superseded + rejected + after the as-of + staged.
#[derive(Debug, Clone)]
pub struct Account {
    pub feed: String,
    pub handed_on: i64,
    pub superseded: i64,
    pub rejected: i64,
    pub after_as_of: i64,
    pub staged: i64,
}

impl Job<'_> {
    /// What the storage was asked for so far, table by table.
    pub(super) fn reads(&self) -> Vec<Reads> {
        let tables = self.pinned.iter().flat_map(|source| source.tables.iter().map(move |t| (source, t)));
        tables
            .map(|(source, table)| Reads {
                source: source.source.feed.clone(),
                table: table.name.clone(),
                objects: table.objects.len() as u64,
                bytes_there: table.objects.iter().map(|object| object.bytes).sum::<u64>()
                    + table.bytes_skipped,
                bytes_read: table.store.counters().bytes_read,
            })
            .collect()
    }

    fn table_accounts(&self) -> Vec<TableAccount> {
        let rows = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
        let tables = self.typed.iter().flat_map(|(feed, typed)| typed.tables.iter().map(move |t| (feed, t)));
        tables
            .map(|(feed, table)| TableAccount {
                feed: (*feed).to_string(),
                table: table.name.clone(),
                read: rows(table.rows),
                superseded: rows(table.superseded),
                filtered: table.filtered.iter().map(|(reason, count)| (*reason, rows(*count))).collect(),
                handed_on: rows(table.handed_on()),
            })
            .collect()
    }

    pub(super) async fn accounts(&self) -> Result<Vec<Account>> {
        let mut accounts = Vec::new();
        for (feed, typed) in &self.typed {
            let handed_on = i64::try_from(typed.rows).unwrap_or(i64::MAX);
            let staged = i64::try_from(self.engine.count(&format!("stg_{feed}")).await?).unwrap_or(i64::MAX);
            let plan = self
                .engine
                .query(&format!(
                    "select count(*), count(reject_reason), \
                     count(case when reject_reason is null and is_after_as_of then 1 end) from judged_{feed}"
                ))
                .await?;
            let rows = self.engine.collect(plan, feed).await?;
            let figure = |column: usize| {
                rows.first().map_or(0, |batch| batch.column(column).as_primitive::<Int64Type>().value(0))
            };
            accounts.push(Account {
                feed: (*feed).to_string(),
                handed_on,
                superseded: handed_on - figure(0),
                rejected: figure(1),
                after_as_of: figure(2),
                staged,
            });
        }
        Ok(accounts)
    }

    pub(super) async fn links(&self) -> Result<Vec<LinkLine>> {
        let plan = self
            .engine
            .query(
                "select feed, linked_to, measure, is_linked, rows, of_rows from int_link_funnel \
                 order by feed, place, linked_to, measure",
            )
            .await?;
        let mut links = Vec::new();
        for batch in self.engine.collect(plan, "int_link_funnel").await? {
            let (feeds, others, measures) =
                (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
            let number =
                |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
            for row in 0..batch.num_rows() {
                links.push(LinkLine {
                    feed: feeds.value(row).into(),
                    linked_to: others.value(row).into(),
                    measure: measures.value(row).into(),
                    is_linked: batch.column(3).as_boolean().iter().nth(row).flatten(),
                    rows: number(4, row),
                    of_rows: number(5, row),
                });
            }
        }
        Ok(links)
    }

    pub(super) async fn summary_of_inputs(&self) -> Result<Summary> {
        Ok(Summary {
            as_of: self.as_of_day.to_string(),
            tables: self.table_accounts(),
            reads: self.reads(),
            as_of_words: self.as_of_words.clone(),
            accounts: self.accounts().await?,
            links: self.links().await?,
            ..Summary::default()
        })
    }

    pub(super) async fn summary(&self) -> Result<Summary> {
        let mut summary = self.summary_of_inputs().await?;
        let plan = self
            .engine
            .query(
                "select responses, nps, nps_low, nps_high from rpt_nps \
                 where period = 'window' and segment_dimension = 'all'",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_nps").await? {
            for row in 0..batch.num_rows() {
                let float = |column: usize| batch.column(column).as_primitive::<Float64Type>().value(row);
                let responses = batch.column(0).as_primitive::<Int64Type>().value(row);
                summary.nps = Some(format!(
                    "NPS {:.1} ({:.1} to {:.1}), {responses} answers",
                    float(1),
                    float(2),
                    float(3)
                ));
            }
        }
        let plan = self
            .engine
            .query(
                "select touchpoint, label, role, exposed_responses, reach, detractor_share_exposed, \
                 total_nps_points, total_nps_points_low, unexposed_responses, unknown_responses, responses, \
                 total_nps_points_high, case when reading <> 'effect' and verdict in ('drives detractors', 'protects') \
                 then verdict || ' (' || reading || ')' else verdict end as verdict from rpt_touchpoint_impact \
                 where segment_dimension = 'all' \
                 order by total_nps_points desc nulls last, touchpoint_position",
            )
            .await?;
        for batch in self.engine.collect(plan, "rpt_touchpoint_impact").await? {
            let (ids, labels, roles) =
                (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
            for row in 0..batch.num_rows() {
                let float = |column: usize| {
                    let values = batch.column(column).as_primitive::<Float64Type>();
                    values.is_valid(row).then(|| values.value(row))
                };
                let number = |column: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
                summary.linked_answers = number(10);
                let points = || Some([float(6)?, float(7)?, float(11)?]);
                let verdicts = texts(batch.column(12));
                summary.touchpoints.push(TouchpointLine {
                    id: ids.value(row).into(),
                    label: labels.value(row).into(),
                    role: roles.value(row).into(),
                    exposed: number(3),
                    unexposed: number(8),
                    unknown: number(9),
                    reach: float(4),
                    share_exposed: float(5),
                    nps_points: points(),
                    verdict: verdicts?.value(row).into(),
                });
            }
        }
        Ok(summary)
    }
}
