//! What pages need to know of a run beside its tables: its manifest, and the settings in it.

use chrono::{Datelike, Days, NaiveDate};
use serde_json::Value;

use crate::engine::time::{self, Clock};
use crate::error::{Error, Result};
use crate::report::context::{Run, Setting};
use crate::store::publish::Manifest;

/// As settings stood before they were published: what they are by default.
const MIN_CELL: u64 = 5;
const MIN_RESPONSES: u64 = 30;
const WINDOW_DAYS: u64 = 365;
const MARGIN_NPS_POINTS: f64 = 0.1;
/// Settings that say where things lie; they are in the manifest.
const NOT_ON_THE_PAGE: [&str; 7] =
    ["sources", "touchpoints", "output", "landing", "pages_url", "metrics_textfile", "memory_pool"];

pub struct Facts {
    pub run: Run,
    pub as_of: NaiveDate,
    pub min_cell: u64,
    pub min_responses: u64,
    pub is_weekly: bool,
    pub dimensions: Vec<String>,
    pub sheet_dimension: Option<String>,
    /// Where the output can be opened from a mail: `[pages] url`.
    pub pages_url: Option<String>,
    pub settings: Vec<Setting>,
    zone: chrono_tz::Tz,
}

impl Facts {
    pub fn of(manifest: &Manifest) -> Result<Facts> {
        let about = &manifest.about;
        let said = |path: &str| about.settings.pointer(path).filter(|value| !value.is_null());
        let number = |path: &str, default: u64| said(path).and_then(Value::as_u64).unwrap_or(default);
        let text = |path: &str| said(path).and_then(Value::as_str).map(str::to_string);
        let as_of = crate::config::parse_day(&about.as_of)
            .ok_or_else(|| Error::data("the run's as-of is no day").with("run", &manifest.run_id))?;
        let dimensions: Vec<String> = said("/segments")
            .and_then(Value::as_array)
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_string).collect())
            .unwrap_or_default();
        let sheet_dimension = text("/sheet_dimension").or_else(|| dimensions.first().cloned());
        let zone = text("/timezone").and_then(|zone| zone.parse().ok()).unwrap_or(chrono_tz::Tz::UTC);
        let window_days = number("/analysis/window_days", WINDOW_DAYS);
        let from = as_of.checked_sub_days(Days::new(window_days.saturating_sub(1))).unwrap_or(NaiveDate::MIN);
        let min_cell = number("/analysis/min_cell", MIN_CELL);
        let mut settings = Vec::new();
        flatten("", &about.settings, &mut settings);
        let run = Run {
            run_id: manifest.run_id.clone(),
            as_of: about.as_of.clone(),
            window_from: from.to_string(),
            window_to: about.as_of.clone(),
            version: about.code_version.split('+').next().unwrap_or_default().to_string(),
            fingerprint: about.fingerprint.clone(),
            inputs: about.inputs.len() as u64,
            is_sample: said("/embedded").and_then(Value::as_bool).unwrap_or(false),
            frozen_period: None,
            score_max: said("/score/max").and_then(Value::as_i64).unwrap_or(10),
            promoter_min: said("/score/promoter_min").and_then(Value::as_i64).unwrap_or(9),
            detractor_max: said("/score/detractor_max").and_then(Value::as_i64).unwrap_or(6),
            first_dimension: dimensions.first().cloned(),
            sheet_dimension: sheet_dimension.clone(),
            min_cell,
            margin_nps_points: said("/analysis/margin_nps_points")
                .and_then(Value::as_f64)
                .unwrap_or(MARGIN_NPS_POINTS),
        };
        Ok(Facts {
            run,
            as_of,
            min_cell,
            min_responses: number("/analysis/min_responses", MIN_RESPONSES),
            is_weekly: text("/analysis/period").as_deref() == Some("week"),
            dimensions,
            sheet_dimension,
            pages_url: text("/pages_url"),
            settings,
            zone,
        })
    }

    /// The local day of an instant, UTC microseconds.
    pub fn day(&self, micros: i64) -> Option<String> {
        Clock::new(self.zone).local_day(micros).and_then(time::date).map(|day| day.to_string())
    }

    /// The newest period that is over: the one that ends with the as-of, or the one before the as-of's.
    pub fn newest_ended(&self) -> String {
        let name = |day: NaiveDate| match self.is_weekly {
            true => format!("{}-W{:02}", day.iso_week().year(), day.iso_week().week()),
            false => format!("{}-{:02}", day.year(), day.month()),
        };
        let newest = name(self.as_of);
        if !self.is_partial(&newest) {
            return newest;
        }
        let into = match self.is_weekly {
            true => u64::from(self.as_of.weekday().num_days_from_monday()) + 1,
            false => u64::from(self.as_of.day()),
        };
        self.as_of.checked_sub_days(Days::new(into)).map_or(newest, name)
    }

    /// Whether the run looks at a part of the period only.
    pub fn is_partial(&self, period: &str) -> bool {
        last_day(period).is_some_and(|last| self.as_of < last)
    }
}

/// The last day of `2026-10` or `2026-W43`.
pub fn last_day(period: &str) -> Option<NaiveDate> {
    let (year, part) = period.split_once('-')?;
    let year: i32 = year.parse().ok()?;
    if let Some(week) = part.strip_prefix('W') {
        return NaiveDate::from_isoywd_opt(year, week.parse().ok()?, chrono::Weekday::Sun);
    }
    let first = NaiveDate::from_ymd_opt(year, part.parse().ok()?, 1)?;
    first.checked_add_months(chrono::Months::new(1))?.with_day(1)?.pred_opt()
}

/// Settings by their path; lists on one line.
fn flatten(path: &str, value: &Value, settings: &mut Vec<Setting>) {
    let Value::Object(entries) = value else {
        let words = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_string);
        let value = match value {
            Value::Null => "–".to_string(),
            Value::Array(items) if items.is_empty() => "–".to_string(),
            Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
            value => words(value),
        };
        settings.push(Setting { key: path.to_string(), value });
        return;
    };
    for (name, value) in entries {
        match path {
            "" if NOT_ON_THE_PAGE.contains(&name.as_str()) => {}
            "" => flatten(name, value, settings),
            path => flatten(&format!("{path}.{name}"), value, settings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::publish::About;

    #[test]
    fn periods_end_on_their_last_day() {
        let day = |period| last_day(period).map(|day| day.to_string());
        assert_eq!(day("2026-10").as_deref(), Some("2026-10-31"));
        assert_eq!(day("2024-02").as_deref(), Some("2024-02-29"));
        assert_eq!(day("2026-12").as_deref(), Some("2026-12-31"));
        assert_eq!(day("2026-W01").as_deref(), Some("2026-01-04"));
        assert_eq!([day("window"), day("2026-13")], [None, None]);
    }

    #[test]
    fn the_newest_period_that_is_over() {
        let newest = |as_of: &str, is_weekly: bool| {
            let settings =
                serde_json::json!({"analysis": {"period": if is_weekly { "week" } else { "month" }}});
            let about = About { as_of: as_of.into(), settings, ..About::default() };
            Facts::of(&Manifest { run_id: "r".into(), about, files: Vec::new() }).unwrap().newest_ended()
        };
        assert_eq!(newest("2026-10-31", false), "2026-10");
        assert_eq!([newest("2026-11-01", false), newest("2026-11-30", false)], ["2026-10", "2026-11"]);
        assert_eq!(newest("2026-01-30", false), "2025-12");
        // Sunday ends week 43; the Monday after it is in week 44.
        assert_eq!([newest("2026-10-25", true), newest("2026-10-26", true)], ["2026-W43", "2026-W43"]);
        assert_eq!(newest("2026-01-03", true), "2025-W52");
    }

    #[test]
    fn settings_say_no_addresses() {
        let settings = serde_json::json!({
            "output": "s3://secret", "analysis": {"min_cell": 5, "survey_kinds": null}, "segments": ["a", "b"],
            "sources": {"surveys": {"url": "s3://secret"}}
        });
        let mut flat = Vec::new();
        flatten("", &settings, &mut flat);
        let flat: Vec<String> = flat.into_iter().map(|s| format!("{}={}", s.key, s.value)).collect();
        assert_eq!(flat, ["analysis.min_cell=5", "analysis.survey_kinds=–", "segments=a, b"]);
    }
}
