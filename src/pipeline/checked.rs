//! What a check finds, as plain figures: feed by feed what is read, mapped, missing, rejected and linked.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray};
use arrow::datatypes::Int64Type;

use super::{Job, LinkLine, advice};
use crate::config::Mapping;
use crate::error::{Error, Result};
use crate::exposures::{self, texts};
use crate::progress::Progress;
use crate::sources::columns::SAID;
use crate::sources::feeds;
use crate::sources::typed::Typed;

/// Different words up to which they are shown, how many of them, and how many letters of each.
const MOST_WORDS: i64 = 30;
const WORDS_SHOWN: usize = 6;
const WORD_LETTERS: usize = 24;

/// What a check finds.
#[derive(Debug, Default)]
pub struct Checked {
    /// The local day that was looked at.
    pub as_of: String,
    /// The same in words, with how it was come by where no day was asked for.
    pub as_of_words: String,
    /// In the order of [`feeds::FEEDS`], those with a source.
    pub feeds: Vec<FeedCheck>,
    /// Feeds that have no source.
    pub absent_feeds: Vec<String>,
    pub not_measured: Vec<NotMeasured>,
    /// What would stop a run.
    pub stops: Vec<Error>,
    /// Lines of the configuration that a proposal has left open.
    pub open_questions: Vec<usize>,
    /// What to do next, the most pressing first.
    pub advice: Vec<String>,
    /// Whether a changed contract was taken over; none: nobody asked.
    pub accepted: Option<bool>,
}

#[derive(Debug, Default, Clone)]
pub struct FeedCheck {
    pub feed: String,
    pub tables: Vec<TableCheck>,
    /// Canonical and further columns, each with the raw column or expression that fills it; none: a query does.
    pub mapped: Vec<(String, Option<String>)>,
    pub missing: Vec<Missing>,
    /// Values that are there and could not be read, or not without doubt: column and note.
    pub values: Vec<(String, String, Share)>,
    /// Words of columns that hold one of a few, other than those that are known.
    pub words: Vec<OtherWords>,
    pub handed_on: i64,
    pub superseded: i64,
    pub after_as_of: i64,
    pub staged: i64,
    /// Reasons, the most frequent first.
    pub rejected: Vec<(String, Share)>,
    /// How rows are linked to journeys; empty for feeds that are not.
    pub links: Vec<(String, Share)>,
    /// Those of `links` that say why rows are not linked.
    pub unlinked: Vec<(String, Share)>,
    /// Rows that are linked.
    pub linked: Option<Share>,
}

/// Values of a column of a few words that are none of those.
#[derive(Debug, Default, Clone)]
pub struct OtherWords {
    pub column: String,
    /// Ours.
    pub known: Vec<String>,
    /// Whether they are no values; else they stay, for the conditions that ask for them.
    pub are_unreadable: bool,
    /// Values that are none of the known ones, of all that are there.
    pub rows: Share,
    /// How many different ones.
    pub different: i64,
    /// The most frequent, with their rows; none where there are too many to be words.
    pub shown: Vec<(String, i64)>,
}

#[derive(Debug, Default, Clone)]
pub struct TableCheck {
    pub name: String,
    pub objects: usize,
    /// Objects that are not read, and why.
    pub skipped: Vec<(String, String)>,
    pub rows: u64,
    /// Rows that newer ones replace.
    pub superseded: u64,
    /// Rows left out, by reason.
    pub filtered: Vec<(String, u64)>,
    /// Rows that the mapping sees.
    pub handed_on: u64,
}

/// An optional canonical column that nothing is mapped to.
#[derive(Debug, Default, Clone)]
pub struct Missing {
    pub column: String,
    /// The touchpoints that cannot be measured without it, by id.
    pub touchpoints: Vec<String>,
}

/// A touchpoint that is not measured, and what is lacking for it, in words.
#[derive(Debug, Default, Clone)]
pub struct NotMeasured {
    pub touchpoint: String,
    pub label: String,
    pub lacks: Vec<String>,
}

/// So many rows of so many.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub struct Share {
    pub rows: i64,
    pub of: i64,
}

impl Share {
    pub fn share(self) -> f64 {
        self.rows as f64 / self.of.max(1) as f64
    }
}

impl Job<'_> {
    /// The findings, once everything up to the links is worked out.
    pub(super) async fn checked(&self, progress: &dyn Progress) -> Result<Checked> {
        let unmeasured =
            exposures::unmeasured(&self.engine, self.config, &self.catalogue, &self.typed).await?;
        let mut checked = Checked {
            as_of: self.as_of_day.to_string(),
            as_of_words: self.as_of_words.clone(),
            ..Checked::default()
        };
        let accounts = self.accounts().await?;
        let (links, values) = (self.links().await?, self.values().await?);
        for feed in feeds::FEEDS {
            let (Some(typed), Some(account)) =
                (self.typed.get(feed.name), accounts.iter().find(|account| account.feed == feed.name))
            else {
                checked.absent_feeds.push(feed.name.into());
                continue;
            };
            // Lines that say how rows come to a journey (purchases: to a customer), or why not; the ways first.
            let mut of_feed: Vec<&LinkLine> = links
                .iter()
                .filter(|line| line.feed == feed.name && line.is_linked.is_some() && line.rows > 0)
                .collect();
            of_feed.sort_by_key(|line| line.is_linked == Some(false));
            let of = of_feed.iter().map(|line| line.of_rows).max().unwrap_or(0);
            let share = |rows: i64| Share { rows, of };
            let funnel: Vec<(String, Share)> =
                of_feed.iter().map(|line| (line.measure.clone(), share(line.rows))).collect();
            let unlinked = of_feed.iter().filter(|line| line.is_linked == Some(false));
            let unlinked = unlinked.map(|line| (line.measure.clone(), share(line.rows))).collect();
            let linked = of_feed.iter().filter(|line| line.is_linked == Some(true)).map(|line| line.rows);
            let touchpoints = |column: &str| {
                let needs = |columns: &[(String, String)]| {
                    columns.iter().any(|(of, needed)| of == feed.name && needed == column)
                };
                let without = unmeasured.iter().filter(|one| needs(&one.columns));
                without.map(|one| one.touchpoint.clone()).collect()
            };
            let missing = feed.columns.iter().filter(|column| !typed.mapped.contains(column.name));
            let values = values.iter().filter(|(of, ..)| of == feed.name);
            checked.feeds.push(FeedCheck {
                feed: feed.name.into(),
                tables: typed
                    .tables
                    .iter()
                    .map(|table| TableCheck {
                        name: table.name.clone(),
                        objects: table.objects.len(),
                        skipped: table
                            .skipped
                            .iter()
                            .map(|(url, why)| (url.clone(), why.to_string()))
                            .collect(),
                        rows: table.rows,
                        superseded: table.superseded,
                        filtered: table.filtered.iter().map(|(why, rows)| (why.to_string(), *rows)).collect(),
                        handed_on: table.handed_on(),
                    })
                    .collect(),
                mapped: self.mapped(feed.name),
                missing: missing
                    .map(|column| Missing {
                        column: column.name.into(),
                        touchpoints: touchpoints(column.name),
                    })
                    .collect(),
                values: values
                    .map(|(_, column, note, rows)| {
                        let share = Share { rows: *rows, of: account.handed_on };
                        (column.clone(), note.clone(), share)
                    })
                    .collect(),
                words: self.other_words(feed, typed).await?,
                handed_on: account.handed_on,
                superseded: account.superseded,
                after_as_of: account.after_as_of,
                staged: account.staged,
                rejected: self.reasons(feed.name, account.handed_on).await?,
                linked: (!funnel.is_empty()).then(|| share(linked.sum())),
                links: funnel,
                unlinked,
            });
        }
        checked.not_measured = unmeasured
            .into_iter()
            .map(|one| {
                let mut lacks: Vec<String> =
                    one.feed.iter().map(|feed| format!("there are no {feed}")).collect();
                lacks.extend(
                    one.columns.iter().map(|(feed, column)| format!("{feed}.{column} is not mapped")),
                );
                lacks.extend(one.kind.iter().map(|kind| format!("no interaction is of the kind `{kind}`")));
                NotMeasured { touchpoint: one.touchpoint, label: one.label, lacks }
            })
            .collect();
        checked.stops = self.input_stops().await?;
        checked.stops.extend(self.link_stops(progress).await?);
        checked.open_questions = questions(&self.config.text);
        checked.advice = advice::of(&checked);
        Ok(checked)
    }

    /// What fills each column of a feed.
    fn mapped(&self, feed: &str) -> Vec<(String, Option<String>)> {
        let (Some(typed), Some(source)) = (self.typed.get(feed), self.config.sources.get(feed)) else {
            return Vec::new();
        };
        let order = |name: &String| {
            let place = feeds::feed(feed).and_then(|f| f.columns.iter().position(|c| c.name == *name));
            (place.unwrap_or(usize::MAX), name.clone())
        };
        let mut names: Vec<&String> = typed.mapped.iter().collect();
        names.sort_by_key(|name| order(name));
        let from = |name: &String| match &source.mapping {
            Mapping::Query(_) => None,
            Mapping::Columns(columns) => {
                Some(columns.get(name).map_or_else(|| name.clone(), |said| said.value.clone()))
            }
        };
        names.into_iter().map(|name| (name.clone(), from(name))).collect()
    }

    /// Why rows of a feed are rejected, the most frequent reason first.
    async fn reasons(&self, feed: &str, of: i64) -> Result<Vec<(String, Share)>> {
        let sql = format!(
            "select reason, count(*) as rows from rejected_rows where source = '{feed}' \
             group by reason order by rows desc, reason"
        );
        let plan = self.engine.query(&sql).await?;
        let mut reasons = Vec::new();
        for batch in self.engine.collect(plan, "rejected_rows").await? {
            let (names, rows) = (texts(batch.column(0))?, batch.column(1).as_primitive::<Int64Type>());
            for i in 0..batch.num_rows() {
                reasons.push((names.value(i).to_string(), Share { rows: rows.value(i), of }));
            }
        }
        Ok(reasons)
    }

    /// What columns of a few words hold beside those that are known.
    async fn other_words(&self, feed: &feeds::Feed, typed: &Typed) -> Result<Vec<OtherWords>> {
        let mut found = Vec::new();
        for (column, words) in feed.words().filter(|(column, _)| typed.mapped.contains(*column)) {
            let known: Vec<String> = words.known.iter().map(|word| format!("'{word}'")).collect();
            let said = if words.are_all { format!("{column}{SAID}") } else { column.to_string() };
            let sql = format!(
                "select word, rows, count(*) over () as different, sum(rows) over () as others, \
                 (select count({said}) from typed_{feed}) as all_rows \
                 from (select {said} as word, count(*) as rows from typed_{feed} where {said} is not null \
                 and coalesce({column}, '') not in ({known}) group by {said}) \
                 order by rows desc, word limit {WORDS_SHOWN}",
                feed = feed.name,
                known = known.join(", ")
            );
            let plan = self.engine.query(&sql).await?;
            let mut other = OtherWords {
                column: column.into(),
                known: words.known.iter().map(|word| (*word).to_string()).collect(),
                are_unreadable: words.are_all,
                ..OtherWords::default()
            };
            for batch in self.engine.collect(plan, feed.name).await? {
                let names = texts(batch.column(0))?;
                let number =
                    |column: usize, row: usize| batch.column(column).as_primitive::<Int64Type>().value(row);
                for row in 0..batch.num_rows() {
                    other.different = number(2, row);
                    other.rows = Share { rows: number(3, row), of: number(4, row) };
                    // Words of a language are few; what is not may be a customer's.
                    if other.different <= MOST_WORDS {
                        let word = names.value(row).chars().take(WORD_LETTERS).collect();
                        other.shown.push((word, number(1, row)));
                    }
                }
            }
            if other.different > 0 {
                found.push(other);
            }
        }
        Ok(found)
    }

    /// (feed, column, note, rows) of values that could not be read, or not without doubt.
    pub(super) async fn values(&self) -> Result<Vec<(String, String, String, i64)>> {
        let plan = self
            .engine
            .query(
                "select source, column_name, note, rows from value_notes order by source, column_name, note",
            )
            .await?;
        let mut values = Vec::new();
        for batch in self.engine.collect(plan, "value_notes").await? {
            let (sources, columns, notes) =
                (texts(batch.column(0))?, texts(batch.column(1))?, texts(batch.column(2))?);
            let rows = batch.column(3).as_primitive::<Int64Type>();
            for i in (0..batch.num_rows()).filter(|i| rows.is_valid(*i)) {
                values.push((
                    sources.value(i).into(),
                    columns.value(i).into(),
                    notes.value(i).into(),
                    rows.value(i),
                ));
            }
        }
        Ok(values)
    }
}

/// The lines that still carry the mark of a question, as `aftersale init --from` sets it.
fn questions(text: &str) -> Vec<usize> {
    let lines = text.lines().zip(1..).filter(|(line, _)| line.contains("# ? ") || line.ends_with("# ?"));
    lines.map(|(_, number)| number).collect()
}

/// Column to the touchpoints that wait for it, over all feeds; the most wanted first.
pub(super) fn wanted(checked: &Checked) -> Vec<(String, String, usize)> {
    let mut wanted: BTreeMap<(String, String), usize> = BTreeMap::new();
    for feed in &checked.feeds {
        for missing in feed.missing.iter().filter(|missing| !missing.touchpoints.is_empty()) {
            wanted.insert((feed.feed.clone(), missing.column.clone()), missing.touchpoints.len());
        }
    }
    let mut wanted: Vec<_> = wanted.into_iter().map(|((feed, column), n)| (feed, column, n)).collect();
    wanted.sort_by(|a, b| b.2.cmp(&a.2).then_with(|| a.cmp(b)));
    wanted
}
