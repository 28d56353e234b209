//! Time arithmetic: what a written time says, which instant a local time is, where local days begin.
//!
//! Instants and local times are microseconds since 1970-01-01 00:00, UTC or local; days are counted from
//! the same date. Plain functions over numbers and text, so that `functions` only deals with columns.
//! Nothing here panics: `None` is a text that is no time, or a time beyond the calendar (about 262,000
//! years either way).

use std::cell::Cell;

use chrono::{DateTime, MappedLocalTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::{GapInfo, Tz};

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// How many days a clock remembers, about five years.
const REMEMBERED_DAYS: usize = 2048;

/// The widest distance from UTC in use (Line Islands).
const MAX_OFFSET_HOURS: i64 = 14;

/// A time as an export states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// A local day.
    Date(i64),
    /// A local time, its zone not said.
    Local(i64),
    /// With its zone, or its distance from UTC.
    Instant(i64),
}

/// What had to be decided to make an instant of a local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Adjusted {
    No,
    /// Clocks showed it twice; the earlier one was taken.
    Ambiguous,
    /// Clocks skipped it; it was moved forward by the length of the gap.
    Shifted,
}

/// The instants at which clocks show a local time.
enum Instants {
    One(i64),
    Two(i64, i64),
    /// None: clocks skip it. Where it is with the skipped time added, and where the gap ends.
    Gap {
        shifted: i64,
        end: i64,
    },
}

/// The clocks of a zone, with a memory.
///
/// Times come by the thousand a day, and on most days clocks are not changed. So the offset is asked for
/// once a day, and what follows is arithmetic.
pub struct Clock {
    zone: Tz,
    /// Days and their steady offsets, each at its number modulo the length.
    memory: Vec<Cell<(i64, Option<i64>)>>,
}

impl Clock {
    pub fn new(zone: Tz) -> Self {
        Self { zone, memory: vec![Cell::new((i64::MIN, None)); REMEMBERED_DAYS] }
    }

    /// The instant a time means. A date is the first instant of its day (for a day that clocks skip
    /// whole, of the next one), which is no adjustment.
    pub fn read(&self, written: Written) -> Option<(i64, Adjusted)> {
        match written {
            Written::Instant(at) => Some((at, Adjusted::No)),
            Written::Date(day) => Some((self.start_of_day(day)?, Adjusted::No)),
            Written::Local(local) => Some(match self.instants(local)? {
                Instants::One(at) => (at, Adjusted::No),
                Instants::Two(earlier, _) => (earlier, Adjusted::Ambiguous),
                Instants::Gap { shifted, .. } => (shifted, Adjusted::Shifted),
            }),
        }
    }

    /// The local time that clocks show at an instant.
    pub fn local_time(&self, at: i64) -> Option<i64> {
        let offset = self.steady_offset(at.div_euclid(DAY)).or_else(|| self.offset_at(at))?;
        Some(at + offset)
    }

    /// The local day an instant falls in.
    pub fn local_day(&self, at: i64) -> Option<i64> {
        Some(self.local_time(at)?.div_euclid(DAY))
    }

    /// The first instant of a local day.
    pub fn start_of_day(&self, day: i64) -> Option<i64> {
        Some(match self.instants(day.checked_mul(DAY)?)? {
            Instants::One(at) | Instants::Two(at, _) | Instants::Gap { end: at, .. } => at,
        })
    }

    /// The exclusive end of the local day that an instant falls in: the first instant of the next day.
    pub fn end_of_day(&self, at: i64) -> Option<i64> {
        let next_day = self.local_day(at)? + 1;
        Some(match self.instants(next_day.checked_mul(DAY)?)? {
            // Clocks set back over midnight show the end of a day twice.
            Instants::Two(earlier, later) if earlier <= at => later,
            Instants::One(end) | Instants::Two(end, _) | Instants::Gap { end, .. } => end,
        })
    }

    /// Whether clocks show midnight, or skipped it and the day begins here.
    pub fn is_midnight(&self, at: i64) -> Option<bool> {
        let local = self.local_time(at)?;
        let just_before = self.local_time(at.checked_sub(1)?)?;
        Some(local.rem_euclid(DAY) == 0 || local.div_euclid(DAY) > just_before.div_euclid(DAY))
    }

    fn instants(&self, local: i64) -> Option<Instants> {
        if let Some(offset) = self.steady_offset(local.div_euclid(DAY)) {
            return Some(Instants::One(local - offset));
        }
        let time = calendar(local)?;
        Some(match self.zone.offset_from_local_datetime(&time) {
            MappedLocalTime::Single(offset) => Instants::One(local - micros(offset)),
            MappedLocalTime::Ambiguous(one, other) => {
                let (one, other) = (local - micros(one), local - micros(other));
                Instants::Two(one.min(other), one.max(other))
            }
            MappedLocalTime::None => {
                let gap = GapInfo::new(&time, &self.zone)?;
                let (_, offset_before) = gap.begin?;
                Instants::Gap { shifted: local - micros(offset_before), end: gap.end?.timestamp_micros() }
            }
        })
    }

    /// The offset of a day without a change of clocks, nor the day before it nor after it. A local day lies
    /// within those three of UTC, so the number may count either. The ends are enough to tell, as no
    /// zone changes its clocks twice in three days (a test holds it).
    fn steady_offset(&self, day: i64) -> Option<i64> {
        let slot = &self.memory[day.rem_euclid(REMEMBERED_DAYS as i64) as usize];
        let (remembered, offset) = slot.get();
        if remembered == day {
            return offset;
        }
        let at_start_of = |day: Option<i64>| self.offset_at(day?.checked_mul(DAY)?);
        let before = at_start_of(day.checked_sub(1));
        let offset = before.filter(|_| before == at_start_of(day.checked_add(2)));
        slot.set((day, offset));
        offset
    }

    fn offset_at(&self, at: i64) -> Option<i64> {
        Some(micros(self.zone.offset_from_utc_datetime(&calendar(at)?)))
    }
}

/// The date of a day.
pub fn date(day: i64) -> Option<NaiveDate> {
    NaiveDate::from_epoch_days(i32::try_from(day).ok()?)
}

fn calendar(micros: i64) -> Option<NaiveDateTime> {
    Some(DateTime::from_timestamp_micros(micros)?.naive_utc())
}

fn micros(offset: impl Offset) -> i64 {
    i64::from(offset.fix().local_minus_utc()) * SECOND
}

/// Reads a date or a time, from the year down and with all its digits:
///
/// - `2026-04-01`, `2026/04/01`
/// - the same with ` 10:00` or `T10:00`, `10:00:30`, `10:00:30.25` (up to nine decimals, cut after six)
/// - and then with `Z`, `UTC`, `+02`, `+0200` or `+02:00`, after a space or not
///
/// Nothing that can be read in two ways, and no surrounding space.
pub fn parse(text: &str) -> Option<Written> {
    let rest = &mut text.as_bytes();
    let year = take_number(rest, 4)?;
    let separator = if take(rest, b'/') { b'/' } else { take(rest, b'-').then_some(b'-')? };
    let month = take_number(rest, 2)?;
    take(rest, separator).then_some(())?;
    let date = NaiveDate::from_ymd_opt(year as i32, month as u32, take_number(rest, 2)? as u32)?;
    let day = i64::from(date.to_epoch_days());
    if rest.is_empty() {
        return Some(Written::Date(day));
    }
    (take(rest, b' ') || take(rest, b'T')).then_some(())?;
    let local = day * DAY + take_clock(rest)?;
    if rest.is_empty() {
        return Some(Written::Local(local));
    }
    take(rest, b' ');
    let offset = take_offset(rest)?;
    rest.is_empty().then_some(Written::Instant(local - offset))
}

/// `10:00`, `10:00:30` or `10:00:30.25`, in microseconds.
fn take_clock(rest: &mut &[u8]) -> Option<i64> {
    let hour = take_number(rest, 2)?;
    take(rest, b':').then_some(())?;
    let minute = take_number(rest, 2)?;
    let (mut second, mut fraction) = (0, 0);
    if take(rest, b':') {
        second = take_number(rest, 2)?;
        if take(rest, b'.') {
            let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
            (1..=9).contains(&digits).then_some(())?;
            fraction = take_number(rest, digits)? * SECOND / 10_i64.pow(digits as u32);
        }
    }
    (hour < 24 && minute < 60 && second < 60)
        .then_some(hour * HOUR + minute * MINUTE + second * SECOND + fraction)
}

/// How far ahead of UTC, in microseconds.
fn take_offset(rest: &mut &[u8]) -> Option<i64> {
    if let b"Z" | b"UTC" = *rest {
        *rest = &[];
        return Some(0);
    }
    let sign = if take(rest, b'+') { 1 } else { take(rest, b'-').then_some(-1)? };
    let hours = take_number(rest, 2)?;
    let minutes = if take(rest, b':') || !rest.is_empty() { take_number(rest, 2)? } else { 0 };
    (hours <= MAX_OFFSET_HOURS && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
}

fn take(rest: &mut &[u8], byte: u8) -> bool {
    let found = rest.first() == Some(&byte);
    if found {
        *rest = &rest[1..];
    }
    found
}

/// A number of so many digits.
fn take_number(rest: &mut &[u8], digits: usize) -> Option<i64> {
    let (number, after) = rest.split_at_checked(digits)?;
    *rest = after;
    number
        .iter()
        .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
}

/// A time in which something is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    Hours(u32),
    Days(u32),
    WorkingDays(u32),
}

/// The longest term, in any unit.
const LONGEST_TERM: u32 = 10_000;

impl Term {
    /// `48 hours`, `7 days` or `5 working days`; also of one.
    pub fn parse(text: &str) -> Option<Term> {
        let (number, unit) = text.split_once(' ')?;
        let number = number.parse().ok().filter(|number| (1..=LONGEST_TERM).contains(number))?;
        match unit {
            "hours" | "hour" => Some(Term::Hours(number)),
            "days" | "day" => Some(Term::Days(number)),
            "working days" | "working day" => Some(Term::WorkingDays(number)),
            _ => None,
        }
    }

    /// When the term that begins at an instant is over: to the hour, or with the end of a local day.
    pub fn end(self, clock: &Clock, at: i64) -> Option<i64> {
        let day = clock.local_day(at)?;
        let last = match self {
            Term::Hours(hours) => return at.checked_add(i64::from(hours) * HOUR),
            Term::Days(days) => day + i64::from(days),
            Term::WorkingDays(days) => {
                // 1 January 1970 was a Thursday; what begins at a weekend begins on its Friday.
                let weekday = (day + 3).rem_euclid(7);
                let begun = weekday.min(4);
                let days = i64::from(days);
                day - (weekday - begun) + days + 2 * ((begun + days) / 5)
            }
        };
        clock.start_of_day(last + 1)?.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MADRID: Tz = Tz::Europe__Madrid;
    const SAO_PAULO: Tz = Tz::America__Sao_Paulo;

    fn utc(text: &str) -> i64 {
        match parse(text) {
            Some(Written::Instant(at)) => at,
            other => panic!("{text} is not an instant but {other:?}"),
        }
    }

    fn show(at: i64) -> String {
        calendar(at).expect("inside the calendar").format("%Y-%m-%d %H:%M:%S%.fZ").to_string()
    }

    #[test]
    fn what_a_text_says() {
        use Written::{Date, Instant, Local};
        let (day, ten) = (20_544, 20_544 * DAY + 10 * HOUR);
        for (text, expected) in [
            ("2026-04-01", Some(Date(day))),
            ("2026/04/01", Some(Date(day))),
            ("1969-12-31", Some(Date(-1))),
            ("0001-01-01", Some(Date(-719_162))),
            ("9999-12-31", Some(Date(2_932_896))),
            ("2026-04-01 10:00", Some(Local(ten))),
            ("2026/04/01 10:00", Some(Local(ten))),
            ("2026-04-01T10:00:07", Some(Local(ten + 7 * SECOND))),
            ("2026-04-01 10:00:00.5", Some(Local(ten + 500_000))),
            ("2026-04-01 10:00:00.000012", Some(Local(ten + 12))),
            ("2026-04-01 10:00:00.000012999", Some(Local(ten + 12))),
            ("1969-12-31 23:59:59.999999", Some(Local(-1))),
            ("2026-04-01 10:00Z", Some(Instant(ten))),
            ("2026-04-01T10:00:00.000Z", Some(Instant(ten))),
            ("2026-04-01 10:00:00 UTC", Some(Instant(ten))),
            ("2026-04-01 10:00:00+00", Some(Instant(ten))),
            ("2026-04-01 10:00:00+0200", Some(Instant(ten - 2 * HOUR))),
            ("2026-04-01 10:00:00 +0200", Some(Instant(ten - 2 * HOUR))),
            ("2026-04-01T10:00:00-03:30", Some(Instant(ten + 3 * HOUR + 30 * MINUTE))),
            ("", None),
            ("4/1/2026", None),
            ("01/04/2026 10:00", None),
            ("2026-4-1", None),
            ("2026-04/01", None),
            ("20260401", None),
            ("2026-02-29", None),
            ("2026-13-01", None),
            ("262143-01-01", None),
            ("-0001-01-01", None),
            ("2026-04-01 ", None),
            ("2026-04-01Z", None),
            ("2026-04-01 10", None),
            ("2026-04-01  10:00", None),
            ("2026-04-01 10:00 PM", None),
            ("2026-04-01 10:00.5", None),
            ("2026-04-01 10:00:00.", None),
            ("2026-04-01 10:00:00.0000000001", None),
            ("2026-04-01 24:00", None),
            ("2026-04-01 10:60", None),
            ("2026-04-01 10:00:60", None),
            ("2026-04-01 10:00:00 +02:", None),
            ("2026-04-01 10:00:00+15:00", None),
            ("2026-04-01 10:00:00+02:60", None),
            ("2026-04-01 10:00:00Z+02", None),
            ("2026-04-01 10:00:00+02:00x", None),
            ("2026-04-01 10:00:00 CET", None),
            ("２０２６-04-01", None),
            ("1775037600", None),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn no_text_panics() {
        // Every text that is one byte away from a good one.
        let good = "2026-04-01 10:00:00.123 +02:00";
        for position in 0..good.len() {
            parse(&good[..position]);
            for replacement in ["9", ":", "-", " ", "x", "é", ""] {
                parse(&format!("{}{replacement}{}", &good[..position], &good[position + 1..]));
            }
        }
    }

    #[test]
    fn local_times_become_instants() {
        use Adjusted::{Ambiguous, No, Shifted};
        for (zone, text, expected, adjusted) in [
            (MADRID, "2026-01-15 12:00", "2026-01-15 11:00:00Z", No),
            (MADRID, "2026-07-15 12:00", "2026-07-15 10:00:00Z", No),
            (MADRID, "2026-07-15 12:00Z", "2026-07-15 12:00:00Z", No),
            // Spring: 02:00 is followed by 03:00.
            (MADRID, "2026-03-29 01:59:59", "2026-03-29 00:59:59Z", No),
            (MADRID, "2026-03-29 02:00", "2026-03-29 01:00:00Z", Shifted),
            (MADRID, "2026-03-29 02:30", "2026-03-29 01:30:00Z", Shifted),
            (MADRID, "2026-03-29 03:00", "2026-03-29 01:00:00Z", No),
            // Autumn: 03:00 is followed by 02:00.
            (MADRID, "2026-10-25 01:59", "2026-10-24 23:59:00Z", No),
            (MADRID, "2026-10-25 02:30", "2026-10-25 00:30:00Z", Ambiguous),
            (MADRID, "2026-10-25 03:00", "2026-10-25 02:00:00Z", No),
            // Midnight is missing: as a time it is moved, as a date it is the first instant of the day.
            (SAO_PAULO, "2018-11-04 00:00", "2018-11-04 03:00:00Z", Shifted),
            (SAO_PAULO, "2018-11-04 00:30", "2018-11-04 03:30:00Z", Shifted),
            (SAO_PAULO, "2018-11-04", "2018-11-04 03:00:00Z", No),
            (SAO_PAULO, "2018-11-05", "2018-11-05 02:00:00Z", No),
            // Clocks went from 23:30 to 00:30.
            (Tz::America__Toronto, "1919-03-31", "1919-03-31 04:30:00Z", No),
            // Midnight comes twice.
            (Tz::America__Havana, "2026-11-01", "2026-11-01 04:00:00Z", No),
            // The day is missing.
            (Tz::Pacific__Apia, "2011-12-30", "2011-12-30 10:00:00Z", No),
            (Tz::UTC, "0001-01-01", "0001-01-01 00:00:00Z", No),
            (MADRID, "9999-12-31 23:59:59.999999", "9999-12-31 22:59:59.999999Z", No),
        ] {
            let written = parse(text).expect(text);
            let (at, found) = Clock::new(zone).read(written).expect(text);
            assert_eq!((show(at).as_str(), found), (expected, adjusted), "{zone} {text}");
        }
    }

    #[test]
    fn days_and_midnights() {
        for (zone, at, end, midnight) in [
            (MADRID, "2026-03-28 23:00Z", "2026-03-29 22:00:00Z", true),
            (MADRID, "2026-03-29 21:59:59.999999Z", "2026-03-29 22:00:00Z", false),
            (MADRID, "2026-03-29 22:00Z", "2026-03-30 22:00:00Z", true),
            (MADRID, "2026-10-25 12:00Z", "2026-10-25 23:00:00Z", false),
            (SAO_PAULO, "2018-11-03 12:00Z", "2018-11-04 03:00:00Z", false),
            (SAO_PAULO, "2018-11-04 03:00Z", "2018-11-05 02:00:00Z", true),
            (SAO_PAULO, "2018-11-04 03:00:01Z", "2018-11-05 02:00:00Z", false),
            (Tz::America__Havana, "2026-11-01 04:00Z", "2026-11-02 05:00:00Z", true),
            (Tz::America__Havana, "2026-11-01 05:00Z", "2026-11-02 05:00:00Z", true),
            (Tz::Pacific__Apia, "2011-12-30 09:59Z", "2011-12-30 10:00:00Z", false),
            // Clocks went back from 00:01 to 23:01: the day before shows its last hour twice.
            (Tz::America__St_Johns, "2006-10-29 02:00Z", "2006-10-29 02:30:00Z", false),
            (Tz::America__St_Johns, "2006-10-29 02:31Z", "2006-10-29 03:30:00Z", false),
        ] {
            let (clock, instant) = (Clock::new(zone), utc(at));
            let found = (clock.end_of_day(instant).map(show), clock.is_midnight(instant));
            assert_eq!(found, (Some(end.to_owned()), Some(midnight)), "{zone} {at}");
        }
    }

    #[test]
    fn every_zone_keeps_the_rules_of_days() {
        let (from, until) = (utc("1900-01-01 00:00Z"), utc("2101-01-01 00:00Z"));
        for zone in chrono_tz::TZ_VARIANTS {
            let clock = Clock::new(zone);
            // A step that is no multiple of an hour or a day meets every part of the day and the year.
            for at in (from..until).step_by((37 * DAY + 5 * HOUR + 23 * MINUTE + 7) as usize) {
                let place = format!("{zone} {}", show(at));
                let day = clock.local_day(at).expect("inside the calendar");
                let end = clock.end_of_day(at).expect("inside the calendar");
                assert!(at < end && end <= at + 2 * DAY, "{place}");
                assert!(clock.local_day(end) > Some(day), "{place}");
                assert_eq!(clock.local_day(end - 1), Some(day), "{place}");
                assert_eq!(clock.is_midnight(end), Some(true), "{place}");
                let local = clock.local_time(at).expect("inside the calendar");
                let (read, adjusted) = clock.read(Written::Local(local)).expect("inside the calendar");
                assert!(read == at || (adjusted == Adjusted::Ambiguous && read < at), "{place}");
            }
        }
    }

    #[test]
    fn no_zone_changes_its_clocks_twice_in_three_days() {
        for zone in chrono_tz::TZ_VARIANTS {
            let (clock, mut offset, mut changed_at) = (Clock::new(zone), None, i64::MIN);
            for at in (utc("2000-01-01 00:00Z")..utc("2040-01-01 00:00Z")).step_by((DAY / 2) as usize) {
                let before = std::mem::replace(&mut offset, clock.offset_at(at));
                if before.is_some() && before != offset {
                    assert!(changed_at < at - 3 * DAY, "{zone} {}", show(at));
                    changed_at = at;
                }
            }
        }
    }

    #[test]
    fn remembered_days_tell_the_same_as_the_zone() {
        for zone in [MADRID, SAO_PAULO, Tz::America__St_Johns, Tz::Pacific__Apia, Tz::Africa__Casablanca] {
            let clock = Clock::new(zone);
            for at in (utc("1960-01-01 00:00Z")..utc("2040-01-01 00:00Z")).step_by((47 * MINUTE) as usize) {
                assert_eq!(clock.local_time(at), clock.offset_at(at).map(|offset| at + offset));
                let unremembered = match zone.offset_from_local_datetime(&calendar(at).expect("a time")) {
                    MappedLocalTime::Single(offset) => Some((at - micros(offset), Adjusted::No)),
                    MappedLocalTime::Ambiguous(one, _) => Some((at - micros(one), Adjusted::Ambiguous)),
                    MappedLocalTime::None => None,
                };
                let read = clock.read(Written::Local(at));
                assert!(
                    read == unremembered || read.is_some_and(|(_, adjusted)| adjusted == Adjusted::Shifted)
                );
                assert_eq!(
                    read.is_some_and(|(_, adjusted)| adjusted == Adjusted::Shifted),
                    unremembered.is_none()
                );
            }
        }
    }

    #[test]
    fn extremes_are_none_and_never_panic() {
        let edge = DateTime::<chrono::Utc>::MAX_UTC.timestamp_micros();
        let values =
            [i64::MIN, i64::MIN + 1, -edge, -1, 0, edge - DAY, edge, edge + 1, i64::MAX - 1, i64::MAX];
        for zone in [MADRID, SAO_PAULO, Tz::UTC, Tz::Pacific__Apia, Tz::Etc__GMTPlus12, Tz::Etc__GMTMinus14] {
            let clock = Clock::new(zone);
            for value in values.into_iter().chain(values.map(|value| value / DAY)) {
                for written in [Written::Date(value), Written::Local(value), Written::Instant(value)] {
                    clock.read(written);
                }
                date(value);
                clock.is_midnight(value);
                clock.end_of_day(value);
            }
            for value in [i64::MIN, i64::MAX] {
                assert_eq!(clock.read(Written::Date(value)), None);
                assert_eq!(clock.read(Written::Local(value)), None);
                assert_eq!((clock.local_day(value), clock.end_of_day(value)), (None, None));
            }
        }
    }

    #[test]
    fn terms_end_with_their_hour_or_their_local_day() {
        let clock = Clock::new(chrono_tz::Europe::Madrid);
        let at = |text: &str| match parse(text) {
            Some(written) => clock.read(written).expect("a time").0,
            None => panic!("{text} is no time"),
        };
        // 30 October 2026 is a Friday; clocks are set back on 25 October.
        for (begun, term, end) in [
            ("2026-10-24 18:00:00", "48 hours", "2026-10-26 17:00:00"),
            ("2026-10-30 18:00:00", "7 days", "2026-11-06 23:59:59.999999"),
            ("2026-10-30 18:00:00", "1 working day", "2026-11-02 23:59:59.999999"),
            ("2026-10-31 18:00:00", "1 working day", "2026-11-02 23:59:59.999999"),
            ("2026-11-01 23:30:00", "5 working days", "2026-11-06 23:59:59.999999"),
            ("2026-10-26 00:00:00", "5 working days", "2026-11-02 23:59:59.999999"),
            ("2026-10-28 09:00:00", "12 working days", "2026-11-13 23:59:59.999999"),
        ] {
            let found = Term::parse(term).and_then(|term| term.end(&clock, at(begun)));
            assert_eq!(found, Some(at(end)), "{term} from {begun}");
        }
        for wrong in ["", "2", "2 weeks", "0 days", "-1 days", "2  days", "99999 hours"] {
            assert_eq!(Term::parse(wrong), None, "{wrong}");
        }
    }
}
