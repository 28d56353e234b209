//! Writes journeys as a shop's systems would export them: CSV in local time by half-year, Parquet in
//! UTC cut into a few files, and, on request, bad rows in the CSV feeds.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Decimal128Array, Int32Array, RecordBatch, StringArray,
    TimestampMicrosecondArray,
};
use arrow::error::ArrowError;
use chrono::{Datelike, NaiveDate};
use csv::ByteRecord;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::journey::{Interaction, Journey, PRODUCTS, REGIONS, Ticket, local};
use super::{File, Summary, World};
use crate::error::{Error, Result};

const ROWS_A_BATCH: usize = 8_192;
const ROWS_A_GROUP: usize = 131_072;

const SURVEYS: &str = "response_id,customer_id,order_id,survey_kind,mode,sent_at,responded_at,score,comment";
const KEY: usize = 0;
const ORDER: usize = 2;
const SENT: usize = 5;
const RESPONDED: usize = 6;
const SCORE: usize = 7;

const INTERACTIONS: &str = "interaction_id,customer_id,order_id,occurred_at,kind,channel,initiated_by,\
                            outcome,team,due_at,ended_at,cost";

/// What a dirty world plants beside its answers, in turn: rows to be rejected or superseded. The last
/// spoils an optional value of a good row instead, as `cost_unreadable` does among interactions.
#[rustfmt::skip]
const DIRT: [&str; 12] = [
    "field_missing", "not_utf8", "score_out_of_scale", "score_unreadable", "score_missing",
    "duplicate_identical", "duplicate_conflicting", "time_implausible", "time_unreadable",
    "key_missing", "before_purchase", "sent_at_unreadable",
];
/// Of each kind so many, one every so many rows.
const DIRT_A_KIND: u64 = 2;
const DIRT_EVERY: u64 = 10;

pub(super) struct Exports<'a> {
    pub summary: Summary,
    dirty: bool,
    opener: Opener<'a>,
    surveys: Csv,
    interactions: Csv,
    purchases: Parquet<Purchase>,
    tickets: Parquet<Case>,
}

struct Purchase {
    order: u64,
    customer: u64,
    journey: Journey,
}

struct Case {
    id: u64,
    order: u64,
    customer: u64,
    ticket: Ticket,
}

impl<'a> Exports<'a> {
    pub fn new(world: &World, open: &'a mut dyn FnMut(&str) -> Result<File>) -> Self {
        let rows_a_file = world.purchases.div_ceil(4).max(1_000);
        Exports {
            summary: Summary::default(),
            dirty: world.dirty,
            opener: Opener { open, files: Vec::new() },
            surveys: Csv { folder: "surveys", header: SURVEYS, files: BTreeMap::new() },
            interactions: Csv { folder: "interactions", header: INTERACTIONS, files: BTreeMap::new() },
            purchases: Parquet::new("purchases", purchase_columns, rows_a_file),
            tickets: Parquet::new("tickets", case_columns, rows_a_file),
        }
    }

    pub fn write(&mut self, customer: u64, journeys: Vec<Journey>) -> Result<()> {
        self.summary.customers += 1;
        for mut journey in journeys {
            self.summary.purchases += 1;
            let order = self.summary.purchases;
            self.survey(customer, order, &journey)?;
            for interaction in std::mem::take(&mut journey.interactions) {
                self.interaction(customer, order, &interaction)?;
            }
            for ticket in std::mem::take(&mut journey.tickets) {
                self.summary.tickets += 1;
                let case = Case { id: self.summary.tickets, order, customer, ticket };
                self.tickets.push(&mut self.opener, case)?;
            }
            self.purchases.push(&mut self.opener, Purchase { order, customer, journey })?;
        }
        Ok(())
    }

    pub fn finish(mut self) -> Result<Summary> {
        self.surveys.close()?;
        self.interactions.close()?;
        self.purchases.close(&mut self.opener)?;
        self.tickets.close(&mut self.opener)?;
        self.summary.files = self.opener.files;
        Ok(self.summary)
    }

    fn survey(&mut self, customer: u64, order: u64, journey: &Journey) -> Result<()> {
        let Some(answer) = &journey.answer else { return Ok(()) };
        let nth: u64 = self.summary.answers.iter().sum();
        self.summary.answers[answer.class as usize] += 1;
        let mut row = [
            format!("R{:08}", nth + 1),
            if answer.names_customer { customer_id(customer) } else { String::new() },
            if answer.names_order { order_id(order) } else { String::new() },
            "transactional".to_owned(),
            journey.mode.to_owned(),
            clock(journey.sent),
            clock(journey.responded),
            answer.score.to_string(),
            answer.comment.clone(),
        ];
        let dirt = self.dirt(nth, DIRT.len() as u64).map(|kind| DIRT[kind]);
        if dirt == Some("sent_at_unreadable") {
            row[SENT] = "n/a".to_owned();
        }
        self.surveys.write(&mut self.opener, journey.responded, &ByteRecord::from(&row[..]))?;
        let Some(dirt) = dirt else { return Ok(()) };
        let bad = bad_answers(dirt, &row, format!("R9{nth:07}"), order, journey.ordered);
        *self.summary.planted.entry(dirt).or_default() += bad.len().max(1) as u64;
        bad.iter().try_for_each(|row| self.surveys.write(&mut self.opener, journey.responded, row))
    }

    fn interaction(&mut self, customer: u64, order: u64, interaction: &Interaction) -> Result<()> {
        let nth = self.summary.interactions;
        self.summary.interactions += 1;
        let mut cost =
            interaction.cents.map_or(String::new(), |cents| format!("{}.{:02}", cents / 100, cents % 100));
        if self.dirt(nth, 1).is_some() {
            cost = "x".to_owned();
            *self.summary.planted.entry("cost_unreadable").or_default() += 1;
        }
        let row = [
            format!("I{:08}", nth + 1),
            customer_id(customer),
            if interaction.names_order { order_id(order) } else { String::new() },
            clock(interaction.occurred),
            interaction.kind.to_owned(),
            interaction.channel.to_owned(),
            interaction.initiated_by.to_owned(),
            interaction.outcome.to_owned(),
            interaction.team.to_owned(),
            interaction.due.map_or(String::new(), clock),
            interaction.ended.map_or(String::new(), clock),
            cost,
        ];
        self.interactions.write(&mut self.opener, interaction.occurred, &ByteRecord::from(&row[..]))
    }

    /// The kind, of so many, that is planted at the nth row, if any.
    fn dirt(&self, nth: u64, kinds: u64) -> Option<usize> {
        let planted = nth / DIRT_EVERY;
        let here = self.dirty && nth % DIRT_EVERY == DIRT_EVERY - 1 && planted < kinds * DIRT_A_KIND;
        here.then_some((planted % kinds) as usize)
    }
}

/// Bad copies of a good answer, under a key of their own so that the good rows stay a clean world's.
fn bad_answers(dirt: &str, good: &[String; 9], key: String, order: u64, ordered: i64) -> Vec<ByteRecord> {
    let copy = |changes: &[(usize, &str)]| {
        let mut row = good.clone();
        row[KEY].clone_from(&key);
        for (column, value) in changes {
            row[*column] = (*value).to_owned();
        }
        ByteRecord::from(&row[..])
    };
    let long_before = clock(ordered - 3 * 86_400);
    match dirt {
        "field_missing" => vec![copy(&[]).iter().take(good.len() - 1).collect()],
        "not_utf8" => {
            let latin1: &[u8] = b"Entrega r\xe1pida, gracias";
            vec![copy(&[]).iter().take(good.len() - 1).chain([latin1]).collect()]
        }
        "score_out_of_scale" => vec![copy(&[(SCORE, "11")])],
        "score_unreadable" => vec![copy(&[(SCORE, "abc")])],
        "score_missing" => vec![copy(&[(SCORE, "")])],
        "duplicate_identical" => vec![ByteRecord::from(&good[..])],
        "duplicate_conflicting" => vec![copy(&[(SCORE, "3")]), copy(&[(SCORE, "9")])],
        "time_implausible" => vec![copy(&[(RESPONDED, "2099-01-01 00:00:00")])],
        "time_unreadable" => vec![copy(&[(RESPONDED, "soon")])],
        "key_missing" => vec![copy(&[(KEY, "")])],
        "before_purchase" => vec![copy(&[(ORDER, &order_id(order)), (SENT, ""), (RESPONDED, &long_before)])],
        _ => vec![],
    }
}

fn customer_id(number: u64) -> String {
    format!("C{number:07}")
}

fn order_id(number: u64) -> String {
    format!("O{number:08}")
}

/// `2026-03-02 14:05:09`, with no zone, as exports have it.
fn clock(when: i64) -> String {
    local(when).to_string()
}

fn purchase_columns(rows: &[Purchase]) -> Result<RecordBatch, ArrowError> {
    let epoch = NaiveDate::default();
    let days = |p: &Purchase| (p.journey.promised - epoch).num_days() as i32;
    let amounts = Decimal128Array::from_iter_values(rows.iter().map(|p| i128::from(p.journey.cents)));
    let damaged = |p: &Purchase| p.journey.delivered.map(|_| p.journey.damaged);
    RecordBatch::try_from_iter_with_nullable([
        ("order_id", texts(rows, |p| Some(order_id(p.order))), false),
        ("customer_id", texts(rows, |p| Some(customer_id(p.customer))), false),
        ("ordered_at", times(rows, |p| Some(p.journey.ordered)), false),
        ("promised_at", Arc::new(Date32Array::from_iter_values(rows.iter().map(days))), false),
        ("delivered_at", times(rows, |p| p.journey.delivered), true),
        ("returned_at", times(rows, |p| p.journey.returned), true),
        ("refunded_at", times(rows, |p| p.journey.refunded), true),
        ("damaged", Arc::new(rows.iter().map(damaged).collect::<BooleanArray>()), true),
        ("amount", Arc::new(amounts.with_precision_and_scale(12, 2)?), false),
        ("currency", texts(rows, |_| Some("EUR")), false),
        ("sales_channel", texts(rows, |p| Some(p.journey.sales_channel)), false),
        ("store_id", texts(rows, |p| Some(format!("s{:02}", p.journey.store))), false),
        ("region", texts(rows, |p| Some(REGIONS[(p.journey.store - 1) / 8].0)), false),
        ("product_category", texts(rows, |p| Some(PRODUCTS[p.journey.product].0)), false),
    ])
}

fn case_columns(rows: &[Case]) -> Result<RecordBatch, ArrowError> {
    let states: Vec<_> = rows.iter().map(|case| case.ticket.exported()).collect();
    RecordBatch::try_from_iter_with_nullable([
        ("ticket_id", texts(rows, |case| Some(format!("T{:08}", case.id))), false),
        ("customer_id", texts(rows, |case| Some(customer_id(case.customer))), false),
        ("order_id", texts(rows, |case| case.ticket.names_order.then(|| order_id(case.order))), true),
        ("opened_at", times(rows, |case| Some(case.ticket.opened)), false),
        ("updated_at", times(&states, |state| Some(state.updated)), false),
        ("first_replied_at", times(&states, |state| state.first_replied), true),
        ("solved_at", times(&states, |state| state.solved), true),
        ("reopens", counts(&states, |state| state.reopens), false),
        ("replies", counts(&states, |state| state.replies), false),
        ("transfers", counts(&states, |state| state.transfers), false),
        ("channel", texts(rows, |case| Some(case.ticket.channel)), false),
        ("category", texts(rows, |case| Some(case.ticket.topic.category)), false),
        ("priority", texts(rows, |case| Some(case.ticket.priority)), false),
        ("team", texts(rows, |case| Some(case.ticket.topic.team)), false),
        ("subject", texts(rows, |case| Some(case.ticket.subject)), false),
    ])
}

fn texts<R, S: AsRef<str>>(rows: &[R], of: impl Fn(&R) -> Option<S>) -> ArrayRef {
    Arc::new(rows.iter().map(of).collect::<StringArray>())
}

fn counts<R>(rows: &[R], of: impl Fn(&R) -> i32) -> ArrayRef {
    Arc::new(Int32Array::from_iter_values(rows.iter().map(of)))
}

fn times<R>(rows: &[R], of: impl Fn(&R) -> Option<i64>) -> ArrayRef {
    let micros = rows.iter().map(|row| of(row).map(|seconds| seconds * 1_000_000));
    Arc::new(micros.collect::<TimestampMicrosecondArray>().with_timezone("UTC"))
}

/// Opens the caller's files and remembers their paths.
pub(super) struct Opener<'a> {
    pub open: &'a mut dyn FnMut(&str) -> Result<File>,
    pub files: Vec<String>,
}

impl Opener<'_> {
    pub fn open(&mut self, path: String) -> Result<File> {
        let file = (self.open)(&path)?;
        self.files.push(path);
        Ok(file)
    }
}

/// A feed in CSV, a file for each half-year of its rows' own time.
struct Csv {
    folder: &'static str,
    header: &'static str,
    files: BTreeMap<(i32, u32), csv::Writer<File>>,
}

impl Csv {
    fn write(&mut self, opener: &mut Opener, when: i64, row: &ByteRecord) -> Result<()> {
        let date = local(when);
        let (year, half) = (date.year(), date.month().div_ceil(6));
        let file = match self.files.entry((year, half)) {
            std::collections::btree_map::Entry::Occupied(file) => file.into_mut(),
            std::collections::btree_map::Entry::Vacant(place) => {
                let file = opener.open(format!("{}/{year}-h{half}.csv", self.folder))?;
                let mut file = csv::WriterBuilder::new().flexible(true).from_writer(file);
                file.write_record(self.header.split(',')).map_err(unwritten(self.folder))?;
                place.insert(file)
            }
        };
        file.write_byte_record(row).map_err(unwritten(self.folder))
    }

    fn close(&mut self) -> Result<()> {
        self.files.values_mut().try_for_each(|file| file.flush().map_err(unwritten(self.folder)))
    }
}

/// A feed in Parquet, cut into files of a fixed number of rows.
struct Parquet<R> {
    folder: &'static str,
    columns: fn(&[R]) -> Result<RecordBatch, ArrowError>,
    rows_a_file: u64,
    rows: Vec<R>,
    in_file: u64,
    files: u32,
    writer: Option<ArrowWriter<File>>,
}

impl<R> Parquet<R> {
    fn new(
        folder: &'static str,
        columns: fn(&[R]) -> Result<RecordBatch, ArrowError>,
        rows_a_file: u64,
    ) -> Self {
        let rows = Vec::with_capacity(ROWS_A_BATCH);
        Parquet { folder, columns, rows_a_file, rows, in_file: 0, files: 0, writer: None }
    }

    fn push(&mut self, opener: &mut Opener, row: R) -> Result<()> {
        self.rows.push(row);
        self.in_file += 1;
        if self.in_file == self.rows_a_file {
            self.close(opener)
        } else if self.rows.len() == ROWS_A_BATCH {
            self.write(opener)
        } else {
            Ok(())
        }
    }

    fn write(&mut self, opener: &mut Opener) -> Result<()> {
        let batch = (self.columns)(&self.rows).map_err(unwritten(self.folder))?;
        self.rows.clear();
        if self.writer.is_none() {
            let file = opener.open(format!("{}/part-{:05}.parquet", self.folder, self.files))?;
            self.files += 1;
            let zstd = ZstdLevel::try_new(1).map_err(unwritten(self.folder))?;
            let properties = WriterProperties::builder()
                .set_compression(Compression::ZSTD(zstd))
                .set_max_row_group_row_count(Some(ROWS_A_GROUP))
                .build();
            let writer = ArrowWriter::try_new(file, batch.schema(), Some(properties));
            self.writer = Some(writer.map_err(unwritten(self.folder))?);
        }
        let writer = self.writer.as_mut().expect("opened above");
        writer.write(&batch).map_err(unwritten(self.folder))
    }

    fn close(&mut self, opener: &mut Opener) -> Result<()> {
        if !self.rows.is_empty() {
            self.write(opener)?;
        }
        self.in_file = 0;
        let Some(writer) = self.writer.take() else { return Ok(()) };
        let mut file = writer.into_inner().map_err(unwritten(self.folder))?;
        file.flush().map_err(unwritten(self.folder))
    }
}

pub(super) fn unwritten<E: std::error::Error + Send + Sync + 'static>(
    feed: &'static str,
) -> impl Fn(E) -> Error {
    move |cause| Error::io("a planted feed cannot be written").with("feed", feed).caused_by(cause)
}
