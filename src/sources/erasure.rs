//! The erasure list: customers whose rows no run may use.
//!
//! A CSV object with a header: `customer_id`, `email` or what else `identity.match` names; other columns are
//! passed by. A row's values are of one person. It is read strictly, since a row that is passed over is a
//! person who has been forgotten: what cannot be read stops the run.
//!
//! Who is meant: the values listed; the customer for whom a listed value stands alone; and the values that
//! stand for that customer alone, by `identities` and by the rows of any feed. Whose rows: those that carry
//! one of the values, those that name an order of theirs, what happened to a ticket of theirs, and what came of following
//! up on an answer of theirs.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use arrow::array::StringArray;
use datafusion::logical_expr::{Expr, JoinType, lit};
use datafusion::prelude::DataFrame;

use super::expr::{function, named};
use super::typed::Typed;
use crate::config::{Config, Located};
use crate::engine::functions::one_spelling;
use crate::engine::{self, Engine};
use crate::error::{Context, Error, Result};
use crate::exposures::{batch, texts};
use crate::store::{self, Object};

/// Why a row is left out.
pub const ERASED: &str = "on the erasure list";

/// The list, as it was read.
pub struct Erasure {
    /// The object that it was read from.
    pub object: Object,
    /// The column and the value in its one spelling.
    pub values: BTreeSet<(String, String)>,
    /// The same row by row.
    pub rows: Vec<Vec<(String, String)>>,
}

/// What the exports tell of those on the list.
#[derive(Default)]
pub struct Told {
    /// All values that are theirs, listed or not.
    pub values: BTreeSet<(String, String)>,
    /// Listed values that are one customer's, or a customer by themselves.
    pub clear: BTreeSet<(String, String)>,
}

/// Reads the list that the configuration names, if it names one.
///
/// # Errors
/// `Kind::Config` where there is not one such object, `Kind::Data` for a row that cannot be read.
pub async fn read(config: &Config) -> Result<Option<Erasure>> {
    let Some(list) = &config.privacy.erasure_list else { return Ok(None) };
    let (store, mut found) =
        store::find(&list.value, &config.base, &config.environment.0).await.with("line", list.line)?;
    let (Some(object), true) = (found.pop(), found.is_empty()) else { return Err(no_object(list)) };
    let listed = object.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut bytes = Vec::new();
        store.content(&listed)?.read_to_end(&mut bytes).map_err(|error| {
            store::storage_error(&error)
                .unwrap_or_else(|| Error::io("the erasure list cannot be read").caused_by(error))
        })?;
        Ok(bytes)
    });
    let bytes = reading.await.map_err(|e| Error::internal("a reader stopped").caused_by(e))?;
    let rows = bytes.and_then(|bytes| parse(&bytes, &kinds(config))).with("list", &object.url)?;
    Ok(Some(Erasure { object, values: rows.iter().flatten().cloned().collect(), rows }))
}

fn no_object(list: &Located<String>) -> Error {
    Error::config("`privacy.erasure_list` is not one object")
        .with("line", list.line)
        .with("list", &list.value)
        .hint("name one CSV object with the columns customer_id, email or both; it may hold its header only")
}

/// The columns by which a customer may be named.
fn kinds(config: &Config) -> Vec<String> {
    let mut kinds = vec!["customer_id".to_string(), "email".to_string()];
    kinds.extend(
        config.identity.matched.iter().filter(|kind| !kinds.contains(kind)).cloned().collect::<Vec<_>>(),
    );
    kinds
}

fn parse(bytes: &[u8], kinds: &[String]) -> Result<Vec<Vec<(String, String)>>> {
    let refused = |row: usize, what: &str| {
        Error::data(format!("the erasure list cannot be read: {what}"))
            .with("row", row)
            .hint("mend the list: while a row of it cannot be read, no run can leave that person out")
    };
    let bytes = bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(bytes);
    let mut rows = csv::ReaderBuilder::new().from_reader(bytes);
    let header = rows.headers().map_err(|_| refused(0, "its header is no text"))?.clone();
    let known: Vec<Option<&String>> = header
        .iter()
        .map(|name| kinds.iter().find(|kind| kind.as_str() == name.trim().to_lowercase()))
        .collect();
    if known.iter().all(Option::is_none) {
        return Err(refused(0, "no column of it names a customer").with("columns wanted", kinds.join(", ")));
    }
    let mut all = Vec::new();
    for (row, record) in rows.records().enumerate() {
        let record = record.map_err(|_| refused(row + 1, "the row is ragged, or not UTF-8"))?;
        let cells = known.iter().zip(&record).filter_map(|(kind, cell)| Some(((*kind)?, cell.trim())));
        let values: Vec<_> = cells
            .filter(|(_, cell)| !cell.is_empty())
            .map(|(kind, cell)| (kind.clone(), one_spelling(cell)))
            .collect();
        if values.is_empty() {
            return Err(refused(row + 1, "the row names nobody"));
        }
        all.push(values);
    }
    Ok(all)
}

// ---- rows ------------------------------------------------------------------------------------------------

/// Where a feed's rows stand before those of the list are taken out.
pub(super) fn before(feed: &str) -> String {
    format!("all_{feed}")
}

/// Values that are of one person, from what is listed and what stands together in a row (`told_together`).
const PERSONS: &str = "
    with owners as (
        select kind, value, count(distinct customer_id) as customers from told_together group by kind, value
    ),
    ids as (
        select value as customer_id from erasure_list where kind = 'customer_id'
        union
        select together.customer_id
        from told_together as together
        inner join erasure_list as listed on listed.kind = together.kind and listed.value = together.value
        inner join owners on owners.kind = together.kind and owners.value = together.value
        where owners.customers = 1
    )
    select kind, value from erasure_list
    union
    select 'customer_id' as kind, customer_id as value from ids
    union
    select together.kind, together.value
    from told_together as together
    inner join ids on ids.customer_id = together.customer_id
    inner join owners on owners.kind = together.kind and owners.value = together.value
    where owners.customers = 1";

const TOLD_BY_IDENTITIES: &str = "
    select match_value(customer_id) as customer_id, lower(kind) as kind, match_value(value) as value
    from all_identities
    where match_value(customer_id) is not null and kind is not null and match_value(value) is not null";

/// Makes `typed_<feed>` of `all_<feed>`, without the rows of those who are on the list.
/// Returns how many rows of each feed those were.
pub(super) async fn take_out<'a>(
    engine: &Engine,
    config: &Config,
    list: &Erasure,
    feeds: &[(&'a str, &Typed)],
) -> Result<Vec<(&'a str, u64)>> {
    let kinds = kinds(config);
    let persons = Persons { engine, kinds: &kinds };
    engine.register_rows(
        "erasure_list",
        batch(vec![
            ("kind", Arc::new(StringArray::from_iter_values(list.values.iter().map(|value| &value.0)))),
            ("value", Arc::new(StringArray::from_iter_values(list.values.iter().map(|value| &value.1)))),
        ])?,
    )?;
    engine.view("told_together", persons.told_together(feeds).await?)?;
    engine.keep("erased_values", engine.query(PERSONS).await?).await?;

    // Orders of theirs, then tickets: by what the row carries, and by the order that it names.
    for (feed, name, key) in [
        ("purchases", "erased_orders", "order_id"),
        ("tickets", "erased_tickets", "ticket_id"),
        ("surveys", "erased_responses", "response_id"),
    ] {
        let of_them = match feeds.iter().find(|(there, _)| *there == feed) {
            Some((_, typed)) => persons.keys_of(feed, typed, key).await?,
            None => engine.query(&format!("select '' as {key} where false")).await?,
        };
        engine.keep(name, of_them).await?;
    }
    let of_them = "select follow_up_of(response_id) as follow_up_id from erased_responses";
    engine.keep("erased_follow_ups", engine.query(of_them).await?).await?;
    let mut erased = Vec::new();
    for (feed, typed) in feeds {
        let left = persons.left(feed, typed).await?;
        let kept = engine.keep(&format!("typed_{feed}"), left).await?;
        erased.push((*feed, engine.count(&before(feed)).await?.saturating_sub(kept)));
    }
    Ok(erased)
}

/// Listed values that the exports hold, beside the id of one customer or of none.
const CLEAR: &str = "
    select listed.kind, listed.value
    from erasure_list as listed
    left join told_together as together on together.kind = listed.kind and together.value = listed.value
    where exists (
        select 1 from carried_values as carried
        where carried.kind = listed.kind and carried.value = listed.value
    )
    group by listed.kind, listed.value
    having count(distinct together.customer_id) <= 1";

/// Whom the exports know by the list's values; after [`take_out`].
///
/// # Errors
/// Those of the engine.
pub async fn told(engine: &Engine, config: &Config, feeds: &BTreeMap<&'static str, Typed>) -> Result<Told> {
    let kinds = kinds(config);
    let persons = Persons { engine, kinds: &kinds };
    let mut carried = engine.query("select kind, value from told_together").await?;
    for (feed, typed) in feeds {
        for kind in persons.carried(feed, typed) {
            let failed = |e| engine::error(e, feed);
            let rows = engine.table(&before(feed)).await?;
            let rows = rows
                .select(vec![lit(kind.as_str()).alias("kind"), persons.spelled(kind)?.alias("value")])
                .map_err(failed)?;
            carried = carried.union(rows).map_err(failed)?;
        }
    }
    engine.view("carried_values", carried)?;
    Ok(Told {
        values: pairs(engine, "select kind, value from erased_values").await?,
        clear: pairs(engine, CLEAR).await?,
    })
}

async fn pairs(engine: &Engine, sql: &str) -> Result<BTreeSet<(String, String)>> {
    let mut all = BTreeSet::new();
    for rows in engine.collect(engine.query(sql).await?, "the erasure list").await? {
        let (kinds, values) = (texts(rows.column(0))?, texts(rows.column(1))?);
        all.extend(
            kinds
                .iter()
                .zip(values.iter())
                .filter_map(|(kind, value)| Some((kind?.to_string(), value?.to_string()))),
        );
    }
    Ok(all)
}

struct Persons<'a> {
    engine: &'a Engine,
    kinds: &'a [String],
}

impl Persons<'_> {
    /// The kinds that a feed's rows carry; `identities` name persons in a way of their own.
    fn carried<'b>(&'b self, feed: &str, typed: &'b Typed) -> impl Iterator<Item = &'b String> {
        let has_them = !matches!(feed, "identities" | "ticket_events" | "follow_up_outcomes");
        self.kinds.iter().filter(move |kind| has_them && typed.mapped.contains(*kind))
    }

    fn spelled(&self, column: &str) -> Result<Expr> {
        Ok(function(self.engine.context(), "match_value")?.call(vec![named(column)]))
    }

    /// One row per customer, and further value beside its id in a row of any feed.
    async fn told_together(&self, feeds: &[(&str, &Typed)]) -> Result<DataFrame> {
        let failed = |e| engine::error(e, "told_together");
        let mut all = match feeds.iter().any(|(feed, _)| *feed == "identities") {
            true => self.engine.query(TOLD_BY_IDENTITIES).await?,
            false => {
                self.engine.query("select '' as customer_id, '' as kind, '' as value where false").await?
            }
        };
        for (feed, typed) in feeds.iter().filter(|(_, typed)| typed.mapped.contains("customer_id")) {
            for kind in self.carried(feed, typed).filter(|kind| *kind != "customer_id") {
                let pairs = self
                    .engine
                    .table(&before(feed))
                    .await?
                    .select(vec![
                        self.spelled("customer_id")?.alias("customer_id"),
                        lit(kind.as_str()).alias("kind"),
                        self.spelled(kind)?.alias("value"),
                    ])
                    .and_then(|rows| {
                        rows.filter(named("customer_id").is_not_null().and(named("value").is_not_null()))
                    })
                    .and_then(DataFrame::distinct)
                    .map_err(failed)?;
                all = all.union(pairs).map_err(failed)?;
            }
        }
        Ok(all)
    }

    /// The keys of a feed's rows that are theirs.
    async fn keys_of(&self, feed: &str, typed: &Typed, key: &str) -> Result<DataFrame> {
        let failed = |e| engine::error(e, feed);
        let mut all = self.engine.query(&format!("select {key} from {} where false", before(feed))).await?;
        for kind in self.carried(feed, typed) {
            let rows = self.engine.table(&before(feed)).await?;
            let theirs = self.by_value(rows, kind, JoinType::LeftSemi).await?;
            all = all.union(theirs.select(vec![named(key)]).map_err(failed)?).map_err(failed)?;
        }
        if feed != "purchases" {
            let rows = self.engine.table(&before(feed)).await?;
            let theirs = self.by_key(rows, "order_id", "erased_orders", JoinType::LeftSemi).await?;
            all = all.union(theirs.select(vec![named(key)]).map_err(failed)?).map_err(failed)?;
        }
        all.filter(named(key).is_not_null()).and_then(DataFrame::distinct).map_err(failed)
    }

    /// A feed's rows that are nobody's on the list.
    async fn left(&self, feed: &str, typed: &Typed) -> Result<DataFrame> {
        let mut rows = self.engine.table(&before(feed)).await?;
        for kind in self.carried(feed, typed) {
            rows = self.by_value(rows, kind, JoinType::LeftAnti).await?;
        }
        match feed {
            "ticket_events" => self.by_key(rows, "ticket_id", "erased_tickets", JoinType::LeftAnti).await,
            "identities" => self.identities_left(rows).await,
            "follow_up_outcomes" => {
                let rows = self.by_key(rows, "response_id", "erased_responses", JoinType::LeftAnti).await?;
                self.by_key(rows, "follow_up_id", "erased_follow_ups", JoinType::LeftAnti).await
            }
            _ => self.by_key(rows, "order_id", "erased_orders", JoinType::LeftAnti).await,
        }
    }

    async fn identities_left(&self, rows: DataFrame) -> Result<DataFrame> {
        let failed = |e| engine::error(e, "identities");
        let rows = self.by_value(rows, "customer_id", JoinType::LeftAnti).await?;
        let lower = function(self.engine.context(), "lower")?.call(vec![named("kind")]);
        let values = self
            .engine
            .table("erased_values")
            .await?
            .select(vec![named("kind").alias("_erased_kind"), named("value").alias("_erased_value")])
            .map_err(failed)?;
        let spelled = self.spelled("value")?;
        rows.with_column("_kind", lower)
            .and_then(|rows| rows.with_column("_spelled", spelled))
            .and_then(|rows| {
                rows.join(
                    values,
                    JoinType::LeftAnti,
                    &["_kind", "_spelled"],
                    &["_erased_kind", "_erased_value"],
                    None,
                )
            })
            .and_then(|rows| rows.drop_columns(&["_kind", "_spelled"]))
            .map_err(failed)
    }

    /// Rows whose value of a column is erased, or is not.
    async fn by_value(&self, rows: DataFrame, kind: &str, join: JoinType) -> Result<DataFrame> {
        let failed = |e| engine::error(e, "the erasure list");
        let values = self
            .engine
            .table("erased_values")
            .await?
            .filter(named("kind").eq(lit(kind)))
            .and_then(|values| values.select(vec![named("value").alias("_erased")]))
            .map_err(failed)?;
        let spelled = self.spelled(kind)?;
        rows.with_column("_spelled", spelled)
            .and_then(|rows| rows.join(values, join, &["_spelled"], &["_erased"], None))
            .and_then(|rows| rows.drop_columns(&["_spelled"]))
            .map_err(failed)
    }

    /// Rows whose key is erased, or is not.
    async fn by_key(&self, rows: DataFrame, key: &str, erased: &str, join: JoinType) -> Result<DataFrame> {
        let failed = |e| engine::error(e, erased);
        let keys =
            self.engine.table(erased).await?.select(vec![named(key).alias("_erased")]).map_err(failed)?;
        rows.join(keys, join, &[key], &["_erased"], None).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>> {
        let kinds = ["customer_id", "email"].map(String::from);
        Ok(parse(text.as_bytes(), &kinds)?.into_iter().flatten().collect())
    }

    #[test]
    fn a_list_is_read_whole_or_not_at_all() {
        let pair = |kind: &str, value: &str| (kind.to_string(), value.to_string());
        let both =
            read("\u{feff}Customer_ID,reason,email\n 00123 ,asked, Anna@Shop.example\nC-2,x,\n").unwrap();
        assert_eq!(
            both,
            [pair("customer_id", "123"), pair("email", "anna@shop.example"), pair("customer_id", "c-2")]
        );
        assert_eq!(read("email\n").unwrap(), []);
        for (text, said) in [
            ("", "no column of it names a customer"),
            ("name\nAnna\n", "no column of it names a customer"),
            ("email,reason\n,asked\n", "the row names nobody"),
            ("customer_id,email\nC1\n", "the row is ragged, or not UTF-8"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.message().ends_with(said), "{}", error.message());
            assert!(!format!("{error:?}").contains("Anna"));
        }
    }
}
