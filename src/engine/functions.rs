//! The scalar SQL functions that queries and mappings use beside DataFusion's own.
//!
//! They exist because data must not fail a query: DataFusion's casts and `to_timestamp` do, on a local
//! time that clocks skip, on the year 9999, on a word in a column of numbers. Here a value that cannot be
//! read is null, or a note beside a null. All are immutable and look at one row at a time. A wrong type,
//! an unknown zone or period is the query's mistake and an error.
//!
//! | function | gives |
//! |---|---|
//! | `read_time(raw, zone, earliest, latest[, formats])` | a struct of `at` (instant), `note`, `is_midnight` |
//! | `end_of_day(at, zone)` | the first instant of the next local day |
//! | `local_date(at, zone)` | the local day |
//! | `local_period(at, zone, 'month' or 'week')` | `2026-10` or, by ISO 8601, `2026-W43` |
//! | `due_at(at, zone, '48 hours')` | the instant by which something is due: `hours`, `days`, `working days` |
//! | `hours_between(from, to)`, `days_between(from, to)` | a number, negative if `to` is earlier |
//! | `read_number(raw[, decimal])`, `read_bool(raw)`, `clean_text(raw)` | the value, or null |
//! | `not_utf8(raw)` | whether bytes are no text |
//! | `folder_value(path, name)` | the value of the innermost folder `name=value` of a path, or null |
//! | `match_value(raw)` | a text by which two exports name the same customer |
//!
//! An instant is a timestamp in microseconds, UTC; a timestamp without a zone is taken for one in UTC,
//! except as `raw` of `read_time`. A `zone` is an IANA name; it and the period are literals or parameters.
//! The fields of the struct are had by `get_field(read_time(…), 'at')`.

use std::hash::{Hash, Hasher};
use std::sync::{Arc, LazyLock};

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, BooleanBuilder, Float64Array, StringArray, StringBuilder,
    StructArray, TimestampMicrosecondArray, TimestampMicrosecondBuilder,
};
use arrow::compute::{binary, can_cast_types, cast};
use arrow::datatypes::{DataType, Date32Type, Field, Fields, Float32Type, Float64Type, Int64Type, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use chrono::Datelike;
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility, create_udf,
};
use datafusion::prelude::SessionContext;

use super::folders;
use super::formats::TimeFormats;
use super::time::{self, Adjusted, Clock, Term, Written};

/// A function of ours on one text, to be called on a column of a plan; null stays null.
pub fn of_text(name: &str, body: impl Fn(&str) -> String + Send + Sync + 'static) -> ScalarUDF {
    let body = move |args: &[ColumnarValue]| -> Result<ColumnarValue> {
        let columns = ColumnarValue::values_to_arrays(args)?;
        let Some(column) = columns.first() else { return exec_err!("a function of a text got none") };
        let made: StringArray = texts(column).map(|text| Some(body(text?))).collect();
        Ok(ColumnarValue::Array(Arc::new(made)))
    };
    create_udf(name, vec![DataType::Utf8], DataType::Utf8, Volatility::Immutable, Arc::new(body))
}

/// Makes the functions known to a session.
pub fn register(ctx: &SessionContext) {
    for function in functions() {
        ctx.register_udf(ScalarUDF::from(function));
    }
}

fn functions() -> [Function; 13] {
    use Takes::{Anything, Flag, Instant, Number, Text, Time, Word};
    let new = |name, takes: &'static [Takes], gives, body| Function {
        name,
        takes,
        least: takes.len(),
        gives,
        body,
    };
    let last_may_lack = |function: Function| Function { least: function.least - 1, ..function };
    [
        last_may_lack(new("read_time", &[Time, Word, Instant, Instant, Word], READING.clone(), read_time)),
        new("end_of_day", &[Instant, Word], INSTANT.clone(), end_of_day),
        new("local_date", &[Instant, Word], DataType::Date32, local_date),
        new("local_period", &[Instant, Word, Word], DataType::Utf8, local_period),
        new("due_at", &[Instant, Word, Word], INSTANT.clone(), due_at),
        new("hours_between", &[Instant, Instant], DataType::Float64, hours_between),
        new("days_between", &[Instant, Instant], DataType::Float64, days_between),
        last_may_lack(new("read_number", &[Number, Word], DataType::Float64, read_number)),
        new("read_bool", &[Flag], DataType::Boolean, read_bool),
        new("clean_text", &[Anything], DataType::Utf8, clean_text),
        new("match_value", &[Anything], DataType::Utf8, match_value),
        new("not_utf8", &[Anything], DataType::Boolean, not_utf8),
        new("folder_value", &[Text, Word], DataType::Utf8, folder_value),
    ]
}

/// Why `read_time` gives no instant, or which one it chose.
pub const UNREADABLE: &str = "unreadable";
pub const IMPLAUSIBLE: &str = "implausible";
pub const AMBIGUOUS: &str = "ambiguous";
pub const SHIFTED: &str = "shifted";

static INSTANT: LazyLock<DataType> =
    LazyLock::new(|| DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())));
static READING_FIELDS: LazyLock<Fields> = LazyLock::new(|| {
    Fields::from(vec![
        Field::new("at", INSTANT.clone(), true),
        Field::new("note", DataType::Utf8, true),
        Field::new("is_midnight", DataType::Boolean, true),
    ])
});
static READING: LazyLock<DataType> = LazyLock::new(|| DataType::Struct(READING_FIELDS.clone()));
static SIGNATURE: LazyLock<Signature> = LazyLock::new(|| Signature::user_defined(Volatility::Immutable));

// ---- the functions -------------------------------------------------------------------------------

/// `read_time(raw, zone, earliest, latest[, formats])`: the instant that an export's time means.
///
/// `raw` is text (see [`time::parse`]), a date or a timestamp of any unit. `formats`, one a line, are tried
/// before those (see [`super::formats`]); with one of the epochs among them `raw` may be a number. What does
/// not say its zone is read in `zone`. `earliest` and `latest` (instants, both included, may differ by row) bound what is
/// believed; null is no bound. The struct's fields:
/// - `at`: the instant; null if `raw` is null, blank, unreadable or implausible. A date is the first
///   instant of its local day.
/// - `note`: null, `unreadable`, `implausible`, `ambiguous` (clocks showed it twice: the earlier one) or
///   `shifted` (clocks skipped it: moved forward by the length of the gap).
/// - `is_midnight`: whether `at` is a local midnight, or the first instant of a day without one.
fn read_time(args: &Args) -> Result<ArrayRef> {
    let clock = args.clock(1)?;
    let (earliest, latest) = (args.instants(2)?, args.instants(3)?);
    let formats = if args.values.len() > 4 { args.word(4)? } else { "" };
    let formats = match TimeFormats::new(formats.lines()) {
        Ok(formats) => formats,
        Err(format) => return exec_err!("read_time: `{format}` is no format of times"),
    };
    let raw = args.column(0)?;
    if raw.data_type().is_numeric() && !formats.takes_numbers() {
        return exec_err!("read_time: a number is no time without `epoch_seconds` or `epoch_milliseconds`");
    }
    let mut at = TimestampMicrosecondBuilder::with_capacity(args.rows);
    let mut notes = StringBuilder::with_capacity(args.rows, 0);
    let mut midnights = BooleanBuilder::with_capacity(args.rows);
    for (row, written) in written_times(&raw, &formats)?.enumerate() {
        let is_believed = |at| {
            (earliest.is_null(row) || earliest.value(row) <= at)
                && (latest.is_null(row) || at <= latest.value(row))
        };
        let (instant, note) = match written.map(|written| Ok(clock.read(written?))) {
            None => (None, None),
            Some(Err(note)) => (None, Some(note)),
            Some(Ok(Some((at, adjusted)))) if is_believed(at) => (Some(at), note(adjusted)),
            Some(Ok(_)) => (None, Some(IMPLAUSIBLE)),
        };
        at.append_option(instant);
        notes.append_option(note);
        midnights.append_option(instant.and_then(|at| clock.is_midnight(at)));
    }
    let columns: Vec<ArrayRef> = vec![
        Arc::new(at.finish().with_timezone("UTC")),
        Arc::new(notes.finish()),
        Arc::new(midnights.finish()),
    ];
    Ok(Arc::new(StructArray::try_new(READING_FIELDS.clone(), columns, None)?))
}

fn note(adjusted: Adjusted) -> Option<&'static str> {
    match adjusted {
        Adjusted::No => None,
        Adjusted::Ambiguous => Some(AMBIGUOUS),
        Adjusted::Shifted => Some(SHIFTED),
    }
}

/// `end_of_day(at, zone)`: the exclusive end of the local day that `at` falls in. Null if `at` is.
fn end_of_day(args: &Args) -> Result<ArrayRef> {
    let clock = args.clock(1)?;
    let ends: TimestampMicrosecondArray = args.instants(0)?.unary_opt(|at| clock.end_of_day(at));
    Ok(Arc::new(ends.with_timezone("UTC")))
}

/// `local_date(at, zone)`: the local day that `at` falls in. Null if `at` is.
fn local_date(args: &Args) -> Result<ArrayRef> {
    let clock = args.clock(1)?;
    let day = |at| i32::try_from(clock.local_day(at)?).ok();
    Ok(Arc::new(args.instants(0)?.unary_opt::<_, Date32Type>(day)))
}

/// `due_at(at, zone, 'n hours' | 'n days' | 'n working days')`: so many hours later, or the last instant of the
/// so-manieth local day after that of `at`. Working days are Monday to Friday; no holidays. Null if `at` is.
fn due_at(args: &Args) -> Result<ArrayRef> {
    let clock = args.clock(1)?;
    let word = args.word(2)?;
    let Some(term) = Term::parse(word) else {
        return exec_err!("`{word}` is no term: `48 hours`, `7 days` or `5 working days`");
    };
    let due: TimestampMicrosecondArray = args.instants(0)?.unary_opt(|at| term.end(&clock, at));
    Ok(Arc::new(due.with_timezone("UTC")))
}

/// `local_period(at, zone, 'month' | 'week')`: the local month (`2026-10`) or ISO week (`2026-W43`) that
/// `at` falls in. Null if `at` is.
fn local_period(args: &Args) -> Result<ArrayRef> {
    let clock = args.clock(1)?;
    let by_week = match args.word(2)? {
        "month" => false,
        "week" => true,
        other => return exec_err!("`{other}` is no period: `month` or `week`"),
    };
    let mut periods = StringBuilder::with_capacity(args.rows, args.rows * "2026-W43".len());
    for at in &args.instants(0)? {
        let Some(date) = at.and_then(|at| time::date(clock.local_day(at)?)) else {
            periods.append_null();
            continue;
        };
        periods.append_value(if by_week {
            format!("{:04}-W{:02}", date.iso_week().year(), date.iso_week().week())
        } else {
            format!("{:04}-{:02}", date.year(), date.month())
        });
    }
    Ok(Arc::new(periods.finish()))
}

/// `hours_between(from, to)`: hours from one instant to another. Null if either is.
fn hours_between(args: &Args) -> Result<ArrayRef> {
    between(args, time::HOUR)
}

/// `days_between(from, to)`: days of 24 hours from one instant to another. Null if either is.
fn days_between(args: &Args) -> Result<ArrayRef> {
    between(args, time::DAY)
}

fn between(args: &Args, unit: i64) -> Result<ArrayRef> {
    // Wider than the difference of any two, so that nothing overflows or is rounded before the division.
    let difference = |from, to| (i128::from(to) - i128::from(from)) as f64 / unit as f64;
    let spans: Float64Array = binary(&args.instants(0)?, &args.instants(1)?, difference)?;
    Ok(Arc::new(spans))
}

/// `read_number(raw[, decimal])`: a finite number from text (`4`, ` 4.0 `, `1e3`) or from any numeric type.
/// With `','` for `decimal`, text has a comma before its decimals and no point at all. Null if `raw` is null
/// or says no such number, as with separators of thousands. Beyond 2^53 integers are rounded.
fn read_number(args: &Args) -> Result<ArrayRef> {
    let decimal = if args.values.len() > 1 { args.word(1)? } else { "." };
    let with_comma = match decimal {
        "." => false,
        "," => true,
        other => return exec_err!("read_number: `{other}` is neither a point nor a comma"),
    };
    Ok(Arc::new(numbers(&args.column(0)?, with_comma)?))
}

/// `read_bool(raw)`: `true`, `yes`, `y`, `t`, `1` and their opposites in any case, the numbers 1 and 0, or
/// a boolean as it is. Null for anything else.
fn read_bool(args: &Args) -> Result<ArrayRef> {
    let raw = args.column(0)?;
    let flags: BooleanArray = match raw.data_type() {
        DataType::Boolean => return Ok(raw),
        text if text.is_string() => texts(&raw).map(|text| flag_of_word(text?.trim())).collect(),
        _ => numbers(&raw, false)?.iter().map(|number| flag_of_number(number?)).collect(),
    };
    Ok(Arc::new(flags))
}

/// `clean_text(raw)`: any plain value as text, trimmed. Null if nothing is left of it, or it is no number.
/// Whole numbers are plain digits whatever their type (`123`, not `123.0` or `1.23e2`).
fn clean_text(args: &Args) -> Result<ArrayRef> {
    let raw = args.column(0)?;
    // Rust writes floats without exponent, with as many digits as tell them apart.
    let cleaned: StringArray = match raw.data_type() {
        DataType::Float64 => {
            let value = |value: f64| value.is_finite().then(|| (value + 0.0).to_string());
            raw.as_primitive::<Float64Type>().iter().map(|number| value(number?)).collect()
        }
        DataType::Float16 | DataType::Float32 => {
            let value = |value: f32| value.is_finite().then(|| (value + 0.0).to_string());
            let single = cast(&raw, &DataType::Float32)?;
            single.as_primitive::<Float32Type>().iter().map(|number| value(number?)).collect()
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            texts(&cast(&raw, &DataType::Utf8)?).map(|text| tidy(text?)).collect()
        }
        text if text.is_string() => texts(&raw).map(|text| tidy(text?)).collect(),
        _ => {
            let formatter = ArrayFormatter::try_new(&raw, &FormatOptions::default())?;
            let value = |row| {
                let text = formatter.value(row).try_to_string().ok()?;
                // Of these types only decimals are written with zeros behind a point.
                let whole = text.split_once('.').and_then(whole_number);
                tidy(whole.unwrap_or(&text))
            };
            (0..raw.len()).map(|row| if raw.is_null(row) { None } else { value(row) }).collect()
        }
    };
    Ok(Arc::new(cleaned))
}

/// `match_value(raw)`: a value in the one spelling by which rows of different exports are matched: trimmed,
/// lower-cased, and a plain number without leading zeros or a point (`123` for `00123` and `123.0`). An
/// exponent is never read, since an id may be hexadecimal: `12e5` stays. Null if nothing is left of it.
fn match_value(args: &Args) -> Result<ArrayRef> {
    let cleaned = clean_text(args)?;
    let matched: StringArray = texts(&cleaned).map(|text| Some(one_spelling(text?))).collect();
    Ok(Arc::new(matched))
}

/// The one spelling of a text that is not blank; see [`match_value`].
pub fn one_spelling(text: &str) -> String {
    let lower = text.to_lowercase();
    let (digits, decimals) = lower.split_once('.').unwrap_or((&lower, ""));
    let is_number = !digits.is_empty() && digits.bytes().all(|digit| digit.is_ascii_digit());
    if !is_number || !decimals.bytes().all(|decimal| decimal == b'0') {
        return lower;
    }
    match digits.trim_start_matches('0') {
        "" => "0".into(),
        digits => digits.into(),
    }
}

/// `not_utf8(raw)`: whether `raw` is bytes that are no UTF-8, which `clean_text` makes null. Never null.
fn not_utf8(args: &Args) -> Result<ArrayRef> {
    let raw = args.column(0)?;
    let flags: BooleanArray = match raw.data_type() {
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => {
            let text = cast(&raw, &DataType::Utf8)?;
            (0..raw.len()).map(|row| Some(raw.is_valid(row) && text.is_null(row))).collect()
        }
        _ => (0..raw.len()).map(|_| Some(false)).collect(),
    };
    Ok(Arc::new(flags))
}

/// `folder_value(path, name)`: see [`super::folders`].
fn folder_value(args: &Args) -> Result<ArrayRef> {
    let (paths, name) = (args.column(0)?, args.word(1)?);
    let mut values = StringBuilder::new();
    let mut last: Option<(&str, Option<String>)> = None;
    for path in texts(&paths) {
        // A file's rows come one after the other.
        if let Some(path) = path
            && last.as_ref().is_none_or(|(before, _)| *before != path)
        {
            last = Some((path, folders::value_of(path, name)));
        }
        values.append_option(path.and(last.as_ref()).and_then(|(_, value)| value.as_deref()));
    }
    Ok(Arc::new(values.finish()))
}

/// The digits before the point, if only zeros follow it.
fn whole_number<'a>((digits, decimals): (&'a str, &str)) -> Option<&'a str> {
    decimals.bytes().all(|decimal| decimal == b'0').then_some(digits)
}

fn tidy(text: &str) -> Option<String> {
    let text = text.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

// ---- reading columns of any type -----------------------------------------------------------------

/// Text of any layout.
fn texts<'a>(array: &'a dyn Array) -> Box<dyn Iterator<Item = Option<&'a str>> + 'a> {
    match array.data_type() {
        DataType::LargeUtf8 => Box::new(array.as_string::<i64>().iter()),
        DataType::Utf8View => Box::new(array.as_string_view().iter()),
        _ => Box::new(array.as_string::<i32>().iter()),
    }
}

type WrittenTimes<'a> = Box<dyn Iterator<Item = Option<Result<Written, &'static str>>> + 'a>;

/// Text, dates or timestamps as the times they state, or why they state none.
fn written_times<'a>(array: &'a dyn Array, formats: &'a TimeFormats) -> Result<WrittenTimes<'a>> {
    Ok(match array.data_type() {
        DataType::Date32 => {
            let days = array.as_primitive::<Date32Type>().iter();
            Box::new(days.map(|day| Some(Ok(Written::Date(day?.into())))))
        }
        DataType::Timestamp(unit, zone) => {
            let state = if zone.is_some() { Written::Instant } else { Written::Local };
            let values = cast(array, &DataType::Int64)?;
            let values = values.as_primitive::<Int64Type>().clone();
            let value = move |row| values.is_valid(row).then(|| micros(values.value(row), *unit));
            Box::new((0..array.len()).map(move |row| Some(value(row)?.map(state).ok_or(IMPLAUSIBLE))))
        }
        number if number.is_numeric() => {
            let numbers = cast(array, &DataType::Float64)?;
            let numbers = numbers.as_primitive::<Float64Type>().clone();
            let value = move |row| numbers.is_valid(row).then(|| numbers.value(row));
            Box::new((0..array.len()).map(move |row| Some(formats.epoch(value(row)?).ok_or(UNREADABLE))))
        }
        _ => Box::new(texts(array).map(|text| {
            let text = text?.trim();
            (!text.is_empty()).then(|| formats.read(text).ok_or(UNREADABLE))
        })),
    })
}

fn micros(value: i64, unit: TimeUnit) -> Option<i64> {
    match unit {
        TimeUnit::Second => value.checked_mul(1_000_000),
        TimeUnit::Millisecond => value.checked_mul(1_000),
        TimeUnit::Microsecond => Some(value),
        TimeUnit::Nanosecond => Some(value.div_euclid(1_000)),
    }
}

/// Finite numbers.
fn numbers(array: &dyn Array, with_comma: bool) -> Result<Float64Array> {
    if array.data_type().is_string() {
        let number = |text: &str| match text.trim() {
            text if !with_comma => text.parse::<f64>().ok(),
            text if text.contains('.') => None,
            text => text.replacen(',', ".", 1).parse().ok(),
        };
        return Ok(texts(array).map(|text| number(text?).filter(|number| number.is_finite())).collect());
    }
    let numbers = cast(array, &DataType::Float64)?;
    Ok(numbers.as_primitive::<Float64Type>().unary_opt(|number| number.is_finite().then_some(number)))
}

fn flag_of_word(word: &str) -> Option<bool> {
    let is_one_of = |words: [&str; 5]| words.iter().any(|other| word.eq_ignore_ascii_case(other));
    if is_one_of(["true", "t", "yes", "y", "1"]) {
        return Some(true);
    }
    is_one_of(["false", "f", "no", "n", "0"]).then_some(false)
}

fn flag_of_number(number: f64) -> Option<bool> {
    if number == 1.0 { Some(true) } else { (number == 0.0).then_some(false) }
}

// ---- what DataFusion needs to know ---------------------------------------------------------------

/// One row of [`functions`].
#[derive(Debug)]
struct Function {
    name: &'static str,
    takes: &'static [Takes],
    /// How many arguments there must be; the others may be left out.
    least: usize,
    gives: DataType,
    body: fn(&Args) -> Result<ArrayRef>,
}

/// What an argument may be; dictionaries of it and nulls are taken as well.
#[derive(Debug, Clone, Copy)]
enum Takes {
    /// Text, a date or a timestamp; a number where formats are given.
    Time,
    /// A timestamp.
    Instant,
    Text,
    /// A literal text.
    Word,
    /// Text or a number.
    Number,
    /// Text, a number or a boolean.
    Flag,
    /// What can be written as text.
    Anything,
}

impl Takes {
    /// The type that a value of `given` type is handed over as; `None` if it cannot be. `is_complete`:
    /// no argument was left out.
    fn coerce(self, given: &DataType, is_complete: bool) -> Option<DataType> {
        let plain = match given {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let fits = match self {
            _ if plain.is_null() => {
                return Some(if let Takes::Instant = self { INSTANT.clone() } else { DataType::Utf8 });
            }
            Takes::Time if plain.is_numeric() => is_complete,
            Takes::Time => plain.is_string() || matches!(plain, DataType::Date32 | DataType::Timestamp(..)),
            Takes::Text => plain.is_string(),
            Takes::Instant => matches!(plain, DataType::Timestamp(..)),
            Takes::Word if plain.is_string() => return Some(DataType::Utf8),
            Takes::Word => false,
            Takes::Number => plain.is_string() || plain.is_numeric(),
            Takes::Flag => plain.is_string() || plain.is_numeric() || *plain == DataType::Boolean,
            Takes::Anything => can_cast_types(plain, &DataType::Utf8) && !plain.is_nested(),
        };
        fits.then(|| plain.clone())
    }
}

/// The arguments of one call.
struct Args<'a> {
    name: &'static str,
    values: &'a [ColumnarValue],
    rows: usize,
}

impl Args<'_> {
    fn column(&self, index: usize) -> Result<ArrayRef> {
        self.values[index].to_array(self.rows)
    }

    /// Timestamps as instants; null where microseconds cannot hold them.
    fn instants(&self, index: usize) -> Result<TimestampMicrosecondArray> {
        let column = self.column(index)?;
        let DataType::Timestamp(unit, _) = column.data_type() else {
            return exec_err!("{}: argument {} is no timestamp", self.name, index + 1);
        };
        let values = cast(&column, &DataType::Int64)?;
        Ok(values.as_primitive::<Int64Type>().unary_opt(|value| micros(value, *unit)))
    }

    fn word(&self, index: usize) -> Result<&str> {
        match &self.values[index] {
            ColumnarValue::Scalar(ScalarValue::Utf8(Some(word))) => Ok(word),
            _ => exec_err!("{}: argument {} must be a literal", self.name, index + 1),
        }
    }

    fn clock(&self, index: usize) -> Result<Clock> {
        let name = self.word(index)?;
        match name.parse() {
            Ok(zone) => Ok(Clock::new(zone)),
            Err(_) => exec_err!("{}: `{name}` is no IANA time zone", self.name),
        }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &SIGNATURE
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        if given.len() < self.least || given.len() > self.takes.len() {
            return plan_err!("{} takes {} arguments, not {}", self.name, self.least, given.len());
        }
        let is_complete = given.len() == self.takes.len();
        let coerce = |(takes, given): (&Takes, &DataType)| match takes.coerce(given, is_complete) {
            Some(coerced) => Ok(coerced),
            None => plan_err!("{} does not take {given}", self.name),
        };
        self.takes.iter().zip(given).map(coerce).collect()
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.gives.clone())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_scalar = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_scalar { 1 } else { args.number_rows };
        let values = (self.body)(&Args { name: self.name, values: &args.args, rows })?;
        Ok(if is_scalar {
            ColumnarValue::Scalar(ScalarValue::try_from_array(&values, 0)?)
        } else {
            ColumnarValue::Array(values)
        })
    }
}

// DataFusion compares functions; these differ by name.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Function {}

impl Hash for Function {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::util::display::array_value_to_string;

    /// The rows of a query's only column.
    async fn rows(sql: &str) -> Result<Vec<String>> {
        let ctx = SessionContext::new();
        register(&ctx);
        let mut rows = Vec::new();
        for batch in ctx.sql(sql).await?.collect().await? {
            for row in 0..batch.num_rows() {
                rows.push(array_value_to_string(batch.column(0), row)?);
            }
        }
        Ok(rows)
    }

    /// Asks for `call`, `@` standing for `raw`: of the value alone, and of a column that has a null as well.
    async fn check(call: &str, raw: &str, expected: &str) {
        let of_scalar = format!("select {}", call.replace('@', raw));
        let of_column = format!(
            "select {} from (values (1, {raw}), (2, null)) as t(n, raw) order by n",
            call.replace('@', "raw")
        );
        assert_eq!(rows(&of_scalar).await.expect(&of_scalar), [expected], "{of_scalar}");
        assert_eq!(rows(&of_column).await.expect(&of_column), [expected, ""], "{of_column}");
    }

    #[tokio::test]
    async fn times_are_read() {
        // Of at, note and is_midnight, what is not null.
        let call = |zone: &str| {
            let read = format!("read_time(@, '{zone}', timestamp '2000-01-01', timestamp '2030-01-01')");
            format!(
                "concat_ws(' ', get_field({read}, 'at'), get_field({read}, 'note'), case when get_field({read}, 'is_midnight') then 'midnight' end)"
            )
        };
        for (zone, raw, expected) in [
            ("Europe/Madrid", "'2026-03-29 02:30'", "2026-03-29T01:30:00Z shifted"),
            ("Europe/Madrid", "'2026-10-25 02:30'", "2026-10-25T00:30:00Z ambiguous"),
            ("Europe/Madrid", "'  2026-07-01\t'", "2026-06-30T22:00:00Z midnight"),
            ("Europe/Madrid", "'2026-07-01 00:00:00'", "2026-06-30T22:00:00Z midnight"),
            ("Europe/Madrid", "'2026-07-01T00:00:00+02:00'", "2026-06-30T22:00:00Z midnight"),
            ("Europe/Madrid", "'2026-07-01T00:00:00Z'", "2026-07-01T00:00:00Z"),
            ("America/Sao_Paulo", "'2018-11-04 00:00'", "2018-11-04T03:00:00Z shifted midnight"),
            ("America/Sao_Paulo", "'2018-11-04'", "2018-11-04T03:00:00Z midnight"),
            ("UTC", "''", ""),
            ("UTC", "'  '", ""),
            ("UTC", "'4/1/2026'", "unreadable"),
            ("UTC", "'soon'", "unreadable"),
            ("UTC", "'2000-01-01'", "2000-01-01T00:00:00Z midnight"),
            ("UTC", "'1999-12-31 23:59:59.999999'", "implausible"),
            ("UTC", "'2030-01-01 00:00:00'", "2030-01-01T00:00:00Z midnight"),
            ("UTC", "'2030-01-01 00:00:00.000001'", "implausible"),
            ("UTC", "'0001-01-01'", "implausible"),
            ("UTC", "'9999-12-31'", "implausible"),
            ("Europe/Madrid", "arrow_cast('2026-10-25 02:30', 'Utf8View')", "2026-10-25T00:30:00Z ambiguous"),
            ("UTC", "arrow_cast('2026-10-25 02:30', 'LargeUtf8')", "2026-10-25T02:30:00Z"),
            ("UTC", "arrow_cast('2026-10-25 02:30', 'Dictionary(Int32, Utf8)')", "2026-10-25T02:30:00Z"),
            ("Europe/Madrid", "date '2026-07-01'", "2026-06-30T22:00:00Z midnight"),
            ("Europe/Madrid", "arrow_cast(2147483647, 'Date32')", "implausible"),
            // Typed timestamps: local without a zone, instants with one.
            ("Europe/Madrid", "timestamp '2026-03-29 02:30:00'", "2026-03-29T01:30:00Z shifted"),
            (
                "Europe/Madrid",
                "arrow_cast(1774751400, 'Timestamp(Second, None)')",
                "2026-03-29T01:30:00Z shifted",
            ),
            (
                "Europe/Madrid",
                "arrow_cast(1774751400, 'Timestamp(Second, Some(\"UTC\"))')",
                "2026-03-29T02:30:00Z",
            ),
            ("UTC", "arrow_cast(1774751400123, 'Timestamp(Millisecond, None)')", "2026-03-29T02:30:00.123Z"),
            (
                "UTC",
                "arrow_cast(1774751400123456, 'Timestamp(Microsecond, None)')",
                "2026-03-29T02:30:00.123456Z",
            ),
            (
                "UTC",
                "arrow_cast(1774751400123456999, 'Timestamp(Nanosecond, None)')",
                "2026-03-29T02:30:00.123456Z",
            ),
            ("UTC", "arrow_cast(9223372036854775807, 'Timestamp(Second, None)')", "implausible"),
            ("UTC", "arrow_cast(9223372036854775807, 'Timestamp(Microsecond, None)')", "implausible"),
            ("UTC", "arrow_cast(-9223372036854775807, 'Timestamp(Millisecond, None)')", "implausible"),
            ("UTC", "arrow_cast(-9223372036854775807, 'Timestamp(Nanosecond, None)')", "implausible"),
            ("UTC", "null", ""),
        ] {
            check(&call(zone), raw, expected).await;
        }
    }

    #[tokio::test]
    async fn declared_formats_are_tried_first() {
        let read = |formats: &str| {
            format!("get_field(read_time(@, 'Europe/Madrid', null, null, '{formats}'), 'at')")
        };
        for (formats, raw, expected) in [
            ("%d/%m/%Y %H:%M", "'01/07/2026 10:00'", "2026-07-01T08:00:00Z"),
            ("%d/%m/%Y %H:%M\n%d/%m/%Y", "' 01/07/2026 '", "2026-06-30T22:00:00Z"),
            ("%d/%m/%Y", "'2026-07-01T08:00:00Z'", "2026-07-01T08:00:00Z"),
            ("epoch_seconds", "'1775037600'", "2026-04-01T10:00:00Z"),
            ("epoch_seconds", "1775037600", "2026-04-01T10:00:00Z"),
            ("epoch_milliseconds", "arrow_cast(1775037600123, 'Float64')", "2026-04-01T10:00:00.123Z"),
            ("%d/%m/%Y", "'07/13/2026'", ""),
            ("epoch_seconds", "arrow_cast('NaN', 'Float64')", ""),
        ] {
            check(&read(formats), raw, expected).await;
        }
        let bytes = "select concat_ws(' ', not_utf8(raw), clean_text(raw)) from (values (1, arrow_cast('ab', 'Binary')),
            (2, x'ff'), (3, null)) as t(n, raw) order by n";
        assert_eq!(rows(bytes).await.expect(bytes), ["false ab", "true", "false"]);
    }

    #[tokio::test]
    async fn bounds_may_be_null_and_differ_by_row() {
        let sql = "select get_field(read_time(raw, 'UTC', null, latest), 'note') from (values
            (1, '0001-01-01', timestamp '2026-01-01'), (2, '2026-01-02', timestamp '2026-01-01'),
            (3, '9999-12-31', null), (4, '2026-01-02', timestamp '2026-01-03')) as t(n, raw, latest) order by n";
        assert_eq!(rows(sql).await.expect(sql), ["", "implausible", "", ""]);
    }

    #[tokio::test]
    async fn local_days_and_periods() {
        for (call, at, expected) in [
            ("end_of_day(@, 'Europe/Madrid')", "2026-03-29 12:00:00", "2026-03-29T22:00:00Z"),
            ("end_of_day(@, 'Europe/Madrid')", "2026-03-29 22:00:00", "2026-03-30T22:00:00Z"),
            ("end_of_day(@, 'America/Sao_Paulo')", "2018-11-03 12:00:00", "2018-11-04T03:00:00Z"),
            ("local_date(@, 'Europe/Madrid')", "2026-03-28 22:59:59", "2026-03-28"),
            ("local_date(@, 'Europe/Madrid')", "2026-03-28 23:00:00", "2026-03-29"),
            ("local_date(@, 'America/Sao_Paulo')", "1969-12-31 23:00:00", "1969-12-31"),
            ("local_date(@, arrow_cast('Asia/Tokyo', 'Utf8View'))", "2026-03-28 15:00:00", "2026-03-29"),
            ("local_period(@, 'Europe/Madrid', 'month')", "2026-09-30 21:59:00", "2026-09"),
            ("local_period(@, 'Europe/Madrid', 'month')", "2026-09-30 22:00:00", "2026-10"),
            ("local_period(@, 'Europe/Madrid', 'week')", "2026-10-18 21:59:00", "2026-W42"),
            ("local_period(@, 'Europe/Madrid', 'week')", "2026-10-18 22:00:00", "2026-W43"),
            // The ISO year of a week need not be the calendar's.
            ("local_period(@, 'UTC', 'week')", "2027-01-03 12:00:00", "2026-W53"),
            ("local_period(@, 'UTC', 'week')", "2024-12-30 12:00:00", "2025-W01"),
            ("hours_between(@, timestamp '2026-03-29 12:00:00')", "2026-03-29 10:30:00", "1.5"),
            ("hours_between(@, timestamp '2026-03-29 12:00:00')", "2026-03-29 13:00:00", "-1.0"),
            ("days_between(@, timestamp '2026-03-29 12:00:00')", "2026-03-26 00:00:00", "3.5"),
        ] {
            for unit in ["Second", "Millisecond", "Microsecond", "Nanosecond"] {
                for zone in ["None", "Some(\"UTC\")", "Some(\"Europe/Madrid\")"] {
                    // The same instant, its zone being a matter of display.
                    let utc = format!("arrow_cast(timestamp '{at}', 'Timestamp({unit}, Some(\"UTC\"))')");
                    check(call, &format!("arrow_cast({utc}, 'Timestamp({unit}, {zone})')"), expected).await;
                }
            }
        }
        let beyond = "arrow_cast(9223372036854775807, 'Timestamp(Second, None)')";
        for call in ["end_of_day(@, 'UTC')", "local_date(@, 'UTC')", "local_period(@, 'UTC', 'week')"] {
            check(call, beyond, "").await;
            check(call, &beyond.replace("Second", "Microsecond"), "").await;
        }
        check("hours_between(@, @)", beyond, "").await;
        let (first, last) = ("-9223372036854775807", "9223372036854775807");
        let span = format!(
            "select days_between(arrow_cast({first}, 'Timestamp(Microsecond, None)'),
                arrow_cast({last}, 'Timestamp(Microsecond, None)'))"
        );
        assert_eq!(rows(&span).await.expect("a number"), ["213503982.33460128"]);
    }

    #[tokio::test]
    async fn numbers_flags_and_texts_are_read() {
        for (call, raw, expected) in [
            ("read_number(@)", "'4'", "4.0"),
            ("read_number(@)", "' 4.0 '", "4.0"),
            ("read_number(@)", "'-1e3'", "-1000.0"),
            ("read_number(@)", "arrow_cast('7', 'Dictionary(Int8, Utf8)')", "7.0"),
            ("read_number(@)", "arrow_cast('7', 'Utf8View')", "7.0"),
            ("read_number(@)", "''", ""),
            ("read_number(@)", "'abc'", ""),
            ("read_number(@)", "'1,5'", ""),
            ("read_number(@)", "'NaN'", ""),
            ("read_number(@)", "'inf'", ""),
            ("read_number(@)", "'1e999'", ""),
            ("read_number(@)", "arrow_cast('NaN', 'Float64')", ""),
            ("read_number(@)", "arrow_cast(9, 'UInt8')", "9.0"),
            ("read_number(@)", "arrow_cast('1.50', 'Decimal128(10, 2)')", "1.5"),
            ("read_number(@, ',')", "' 4,5 '", "4.5"),
            ("read_number(@, ',')", "'-1234'", "-1234.0"),
            ("read_number(@, ',')", "'1.234,5'", ""),
            ("read_number(@, ',')", "'1.5'", ""),
            ("read_number(@, ',')", "'1,5,0'", ""),
            ("read_number(@, ',')", "1.5", "1.5"),
            ("read_number(@, '.')", "'1.5'", "1.5"),
            ("folder_value(@, 'ds')", "'s3://lake/ds=2026-11-01/a.csv'", "2026-11-01"),
            ("folder_value(@, 'ds')", "'s3://lake/a.csv'", ""),
            ("folder_value(@, 'ds')", "'lake/ds=__HIVE_DEFAULT_PARTITION__/a.csv'", ""),
            ("read_bool(@)", "'Yes'", "true"),
            ("read_bool(@)", "' T '", "true"),
            ("read_bool(@)", "'1'", "true"),
            ("read_bool(@)", "'FALSE'", "false"),
            ("read_bool(@)", "'n'", "false"),
            ("read_bool(@)", "'0'", "false"),
            ("read_bool(@)", "'perhaps'", ""),
            ("read_bool(@)", "''", ""),
            ("read_bool(@)", "1", "true"),
            ("read_bool(@)", "arrow_cast(0, 'UInt8')", "false"),
            ("read_bool(@)", "2", ""),
            ("read_bool(@)", "true", "true"),
            ("clean_text(@)", "'  a b\u{a0}'", "a b"),
            ("clean_text(@) is null", "'  '", "true"),
            ("clean_text(@)", "'123.0'", "123.0"),
            ("clean_text(@)", "arrow_cast(' x', 'Utf8View')", "x"),
            ("clean_text(@)", "arrow_cast(' x', 'LargeUtf8')", "x"),
            ("clean_text(@)", "arrow_cast(' x', 'Dictionary(Int32, Utf8)')", "x"),
            ("clean_text(@)", "9223372036854775807", "9223372036854775807"),
            ("clean_text(@)", "arrow_cast(123.0, 'Float64')", "123"),
            ("clean_text(@)", "arrow_cast(1e21, 'Float64')", "1000000000000000000000"),
            ("clean_text(@)", "arrow_cast(-0.0, 'Float64')", "0"),
            ("clean_text(@)", "arrow_cast(0.1, 'Float32')", "0.1"),
            ("clean_text(@)", "arrow_cast('NaN', 'Float64')", ""),
            ("clean_text(@)", "arrow_cast('123.00', 'Decimal128(10, 2)')", "123"),
            ("clean_text(@)", "arrow_cast('123.40', 'Decimal128(10, 2)')", "123.40"),
            ("clean_text(@)", "arrow_cast(' x', 'Binary')", "x"),
            ("clean_text(@)", "true", "true"),
            ("clean_text(@)", "date '2026-04-01'", "2026-04-01"),
            ("clean_text(@)", "arrow_cast(9223372036854775807, 'Timestamp(Second, None)')", ""),
            ("match_value(@)", "'  Anna@Shop.Example\u{a0}'", "anna@shop.example"),
            ("match_value(@)", "'123'", "123"),
            ("match_value(@)", "'00123'", "123"),
            ("match_value(@)", "'123.0'", "123"),
            ("match_value(@)", "123", "123"),
            ("match_value(@)", "arrow_cast(123.0, 'Float64')", "123"),
            ("match_value(@)", "arrow_cast('123.00', 'Decimal128(10, 2)')", "123"),
            ("match_value(@)", "'000'", "0"),
            ("match_value(@)", "'123.50'", "123.50"),
            ("match_value(@)", "'12E5'", "12e5"),
            ("match_value(@)", "'1e3'", "1e3"),
            ("match_value(@)", "'-7.0'", "-7.0"),
            ("match_value(@)", "'+34 600'", "+34 600"),
            ("match_value(@)", "'C-00123'", "c-00123"),
            ("match_value(@)", "'.0'", ".0"),
            ("match_value(@)", "arrow_cast(' X', 'Utf8View')", "x"),
            ("match_value(@) is null", "'  '", "true"),
        ] {
            // `is null` asks of the null in the column too.
            if let Some(call) = call.strip_suffix(" is null") {
                let sql = format!("select {} is null", call.replace('@', raw));
                assert_eq!(rows(&sql).await.expect(&sql), [expected], "{sql}");
            } else {
                check(call, raw, expected).await;
            }
        }
    }

    #[tokio::test]
    async fn results_have_their_declared_types() {
        for (call, expected) in [
            ("get_field(read_time(raw, 'UTC', null, null), 'at')", "Timestamp(µs, \"UTC\")"),
            ("get_field(read_time(raw, 'UTC', null, null), 'note')", "Utf8"),
            ("get_field(read_time(raw, 'UTC', null, null), 'is_midnight')", "Boolean"),
            ("end_of_day(null, 'UTC')", "Timestamp(µs, \"UTC\")"),
            ("local_date(null, 'UTC')", "Date32"),
            ("local_period(null, 'UTC', 'week')", "Utf8"),
            ("read_number(raw)", "Float64"),
            ("read_bool(raw)", "Boolean"),
            ("clean_text(raw)", "Utf8"),
            ("match_value(raw)", "Utf8"),
        ] {
            let sql =
                format!("select arrow_typeof({call}) from (values (arrow_cast('x', 'Utf8View'))) as t(raw)");
            assert_eq!(rows(&sql).await.expect(&sql), [expected], "{call}");
        }
    }

    #[tokio::test]
    async fn mistakes_in_a_query_are_errors() {
        for (call, expected) in [
            ("read_time('2026-04-01', 'Mars/Olympus', null, null)", "`Mars/Olympus` is no IANA time zone"),
            ("read_time('2026-04-01', zone, null, null)", "argument 2 must be a literal"),
            ("read_time(1775037600, 'UTC', null, null)", "does not take Int64"),
            ("read_time('2026-04-01')", "takes 4 arguments, not 1"),
            ("read_time(1775037600, 'UTC', null, null, '%d/%m/%Y')", "a number is no time without"),
            ("read_time('1', 'UTC', null, null, '%H')", "`%H` is no format of times"),
            ("read_number('1', ';')", "`;` is neither a point nor a comma"),
            ("end_of_day('2026-04-01', 'UTC')", "does not take Utf8"),
            ("hours_between(date '2026-04-01', null)", "does not take Date32"),
            ("local_period(timestamp '2026-04-01', 'UTC', 'year')", "`year` is no period"),
            ("read_number(true)", "does not take Boolean"),
            ("clean_text(make_array(1))", "make_array"),
        ] {
            let sql = format!("select {call} from (values ('UTC'), ('Asia/Tokyo')) as t(zone)");
            let error = rows(&sql).await.expect_err(&sql).to_string();
            assert!(error.contains(expected), "{call}: {error}");
        }
    }
}
