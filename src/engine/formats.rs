//! Declared time formats: what a written time says where the configuration has to say how to read it.
//!
//! A format is one of chrono's (`%d/%m/%Y %H:%M`), `epoch_seconds` or `epoch_milliseconds`. They are tried
//! in the order in which they are declared, then the forms that are always read (see [`time::parse`]); the
//! first that fits the whole text decides. A number fits both epochs, so where both are declared its size
//! decides: below 10^11 it is seconds (until the year 5138), else milliseconds (since 1973).

use chrono::format::{Fixed, Item, Parsed, StrftimeItems, parse};
use chrono::{FixedOffset, TimeZone, Timelike};

use super::time::{self, SECOND, Written};

pub const EPOCH_SECONDS: &str = "epoch_seconds";
pub const EPOCH_MILLISECONDS: &str = "epoch_milliseconds";

/// From here on a number of a source that declares both epochs is milliseconds.
const MILLISECONDS_FROM: f64 = 1e11;

/// One declared format.
#[derive(Debug, Clone)]
pub enum TimeFormat {
    EpochSeconds,
    EpochMilliseconds,
    Calendar(Vec<Item<'static>>),
}

impl TimeFormat {
    /// Reads a format.
    ///
    /// # Errors
    /// Why it cannot be one, in words that complete "this is no format of times:".
    pub fn new(format: &str) -> Result<TimeFormat, &'static str> {
        match format {
            EPOCH_SECONDS => return Ok(TimeFormat::EpochSeconds),
            EPOCH_MILLISECONDS => return Ok(TimeFormat::EpochMilliseconds),
            _ => {}
        }
        let items = StrftimeItems::new(format).parse_to_owned().map_err(|_| "it has an unknown `%` part")?;
        if items.iter().any(|item| matches!(item, Item::Fixed(Fixed::TimezoneName))) {
            // It would be skipped, and the time be taken for a local one.
            return Err("the name of a zone (%Z) cannot be read; write its letters out and set `timezone`");
        }
        // What it writes of a time it must be able to read, and there must be a day in it.
        let sample = FixedOffset::east_opt(3600)
            .and_then(|zone| zone.with_ymd_and_hms(2026, 11, 23, 14, 15, 16).single())
            .ok_or("it cannot be tried")?;
        let written = sample.format_with_items(items.iter()).to_string();
        match calendar(&written, &items) {
            Some(_) => Ok(TimeFormat::Calendar(items)),
            None => Err("it does not say which day"),
        }
    }

    fn is_epoch(&self) -> bool {
        !matches!(self, TimeFormat::Calendar(_))
    }
}

/// The formats of a source, in order.
#[derive(Debug, Clone, Default)]
pub struct TimeFormats(Vec<TimeFormat>);

impl TimeFormats {
    /// # Errors
    /// The format that cannot be read.
    pub fn new<'a>(formats: impl IntoIterator<Item = &'a str>) -> Result<TimeFormats, &'a str> {
        let read = |format| TimeFormat::new(format).map_err(|_| format);
        formats.into_iter().map(read).collect::<Result<_, _>>().map(TimeFormats)
    }

    /// Whether a bare number is a time.
    pub fn takes_numbers(&self) -> bool {
        self.0.iter().any(TimeFormat::is_epoch)
    }

    /// What a text says, without space around it.
    pub fn read(&self, text: &str) -> Option<Written> {
        let declared = self.0.iter().find_map(|format| match format {
            TimeFormat::Calendar(items) => calendar(text, items),
            _ => {
                let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
                let digits = whole.strip_prefix('-').unwrap_or(whole);
                let is_number = !digits.is_empty() && digits.len() <= 15 && decimals.len() <= 9;
                let all = digits.bytes().chain(decimals.bytes()).all(|byte| byte.is_ascii_digit());
                (is_number && all && !text.ends_with('.')).then(|| self.epoch(text.parse().ok()?)).flatten()
            }
        });
        declared.or_else(|| time::parse(text))
    }

    /// The instant that a number is, to the microsecond.
    pub fn epoch(&self, number: f64) -> Option<Written> {
        let has = |wanted: fn(&TimeFormat) -> bool| self.0.iter().any(wanted);
        let seconds = has(|format| matches!(format, TimeFormat::EpochSeconds));
        let milliseconds = has(|format| matches!(format, TimeFormat::EpochMilliseconds));
        let in_seconds = match (seconds, milliseconds) {
            (true, true) => number.abs() < MILLISECONDS_FROM,
            (true, false) => true,
            (false, true) => false,
            (false, false) => return None,
        };
        let unit = if in_seconds { SECOND } else { SECOND / 1_000 };
        // Doubles hold every microsecond of some 280 years; what they cannot hold is no plausible time.
        let micros = (number * unit as f64).round();
        micros.is_finite().then_some(Written::Instant(micros as i64))
    }
}

fn calendar(text: &str, items: &[Item<'static>]) -> Option<Written> {
    let mut parsed = Parsed::new();
    parse(&mut parsed, text, items.iter()).ok()?;
    if let Ok(at) = parsed.to_datetime() {
        return Some(Written::Instant(at.timestamp_micros()));
    }
    let date = parsed.to_naive_date().ok()?;
    let day = i64::from(date.to_epoch_days());
    let says_time = parsed.hour_div_12().is_some() || parsed.hour_mod_12().is_some();
    if !says_time {
        return Some(Written::Date(day));
    }
    let clock = parsed.to_naive_time().ok()?;
    let seconds = i64::from(clock.num_seconds_from_midnight());
    // A leap second is counted beyond its second.
    let micros = seconds * SECOND + i64::from(clock.nanosecond() / 1_000).min(SECOND - 1);
    Some(Written::Local(day * time::DAY + micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(formats: &[&str], text: &str) -> Option<Written> {
        TimeFormats::new(formats.iter().copied()).expect("formats").read(text)
    }

    const TEN: i64 = 20_544 * time::DAY + 10 * time::HOUR;

    #[test]
    fn declared_formats_come_first_and_the_usual_forms_after_them() {
        use Written::{Date, Instant, Local};
        let day_first = &["%d/%m/%Y %H:%M", "%d/%m/%Y"][..];
        for (formats, text, expected) in [
            (day_first, "01/04/2026 10:00", Some(Local(TEN))),
            (day_first, "1/4/2026 10:00", Some(Local(TEN))),
            (day_first, "01/04/2026", Some(Date(20_544))),
            (day_first, "2026-04-01T10:00:00Z", Some(Instant(TEN))),
            (day_first, "13/13/2026", None),
            (day_first, "01/04/2026 10:00 x", None),
            (&["%m/%d/%Y %I:%M %p"], "04/01/2026 10:00 AM", Some(Local(TEN))),
            (&["%m/%d/%Y %I:%M %p"], "04/01/2026 10:00 PM", Some(Local(TEN + 12 * time::HOUR))),
            // The first that fits decides.
            (&["%m/%d/%Y", "%d/%m/%Y"], "04/01/2026", Some(Date(20_544))),
            (&["%Y%m%d"], "20260401", Some(Date(20_544))),
            (&["%a %b %d %H:%M:%S %z %Y"], "Wed Apr 01 12:00:00 +0200 2026", Some(Instant(TEN))),
            (&["%Y-%m-%d %H:%M:%S%.f %:z"], "2026-04-01 10:00:00.5 +00:00", Some(Instant(TEN + 500_000))),
            (&["%d.%m.%Y %H:%M:%S"], "01.04.2026 10:00:07", Some(Local(TEN + 7 * SECOND))),
            (&[], "1775037600", None),
            (&["%Y-%m-%d"], "1775037600", None),
            (&[EPOCH_SECONDS], "1775037600", Some(Instant(TEN))),
            (&[EPOCH_SECONDS], "1775037600.25", Some(Instant(TEN + 250_000))),
            (&[EPOCH_SECONDS], "-1", Some(Instant(-SECOND))),
            (&[EPOCH_MILLISECONDS], "1775037600123", Some(Instant(TEN + 123_000))),
            (&[EPOCH_SECONDS, EPOCH_MILLISECONDS], "1775037600123", Some(Instant(TEN + 123_000))),
            (&[EPOCH_MILLISECONDS, EPOCH_SECONDS], "1775037600", Some(Instant(TEN))),
            (&[EPOCH_SECONDS], "2026-04-01", Some(Date(20_544))),
            (&[EPOCH_SECONDS], "1e9", None),
            (&[EPOCH_SECONDS], "inf", None),
            (&[EPOCH_SECONDS], "1775037600.", None),
            (&[EPOCH_SECONDS], ".5", None),
            (&[EPOCH_SECONDS], "-", None),
            (&[EPOCH_SECONDS], "", None),
            (&[EPOCH_SECONDS], "1234567890123456", None),
        ] {
            assert_eq!(read(formats, text), expected, "{text:?} by {formats:?}");
        }
    }

    #[test]
    fn a_format_that_says_no_day_or_a_zone_by_name_is_refused() {
        for format in ["", "%H:%M", "%Y-%m", "%d/%m", "soon", "%Q", "%Y-%m-%d %H:%M %Z", "%Y-%m-%d %"] {
            assert!(TimeFormat::new(format).is_err(), "{format:?}");
        }
        for format in ["%s", "%F", "%FT%T%z", "%Y-%j", "%G-W%V-%u", "%c", "%d-%b-%y"] {
            assert!(TimeFormat::new(format).is_ok(), "{format:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,30}", number in proptest::num::f64::ANY) {
            let formats = TimeFormats::new(["%d/%m/%Y %H:%M", EPOCH_SECONDS, EPOCH_MILLISECONDS]).expect("formats");
            formats.read(&text);
            formats.epoch(number);
        }

        #[test]
        fn what_is_written_is_read(seconds in 0i64..4_000_000_000) {
            let at = chrono::DateTime::from_timestamp(seconds, 0).expect("a time");
            let format = "%d/%m/%Y %I:%M:%S %p";
            let written = at.format(format).to_string();
            proptest::prop_assert_eq!(read(&[format], &written), Some(Written::Local(seconds * SECOND)));
            let epochs = &[EPOCH_SECONDS][..];
            proptest::prop_assert_eq!(read(epochs, &seconds.to_string()), Some(Written::Instant(seconds * SECOND)));
        }
    }
}
