//! Where: detractors put down to each touchpoint, by store, region, product.

use std::collections::BTreeMap;

use datafusion::logical_expr::lit;
use datafusion::prelude::DataFrame;

use super::{Source, hide_complements, may_be_shown};
use crate::engine;
use crate::error::Result;
use crate::exposures::{OTHER_SEGMENT, UNKNOWN_SEGMENT, named};
use crate::report::context::{BySegment, Cell, Cost, Peak, SegmentRow, SegmentTable};
use crate::stats::quantiles::chi_squared_p_value;

/// Columns and rows that a person can still read.
const COLUMNS: usize = 8;
const ROWS: usize = 30;
/// Shades of a table, but for none.
const SHADES: f64 = 4.0;
/// So many standard errors above the whole, a figure among many is told in the title.
const MORE_THAN_CHANCE: f64 = 2.6;

/// Makes `placed_answers`: each linked answer that counts, once per dimension; `all` holds the whole.
pub async fn register(source: &Source<'_>) -> Result<()> {
    let failed = |e| engine::error(e, "placed_answers");
    let mut all: Option<DataFrame> = None;
    let dimensions = source.facts.dimensions.iter();
    let dimensions = dimensions.map(|name| (name.as_str(), named(&format!("seg_{name}"))));
    for (name, value) in [("all", lit("all"))].into_iter().chain(dimensions) {
        let answers = source.engine.table("fct_exposures").await?.filter(named("in_fit"));
        let part = answers
            .and_then(|rows| {
                rows.select(vec![
                    named("response_id"),
                    named("nps_class"),
                    lit(name).alias("segment_dimension"),
                    value.alias("segment"),
                ])
            })
            .map_err(failed)?;
        all = Some(match all {
            None => part,
            Some(others) => others.union(part).map_err(failed)?,
        });
    }
    match all {
        Some(all) => source.engine.view("placed_answers", all),
        None => Ok(()),
    }
}

/// The answers of a segment, and what is put down to each touchpoint there.
#[derive(Default)]
struct Here {
    responses: u64,
    detractors: u64,
    /// Exposed answers, and the sum of contributions.
    met: BTreeMap<String, (u64, f64)>,
}

/// What is put down to each touchpoint, by dimension and segment.
pub struct Places(BTreeMap<String, BTreeMap<String, Here>>);

impl Places {
    pub async fn read(source: &Source<'_>) -> Result<Places> {
        let mut dimensions: BTreeMap<String, BTreeMap<String, Here>> = BTreeMap::new();
        for row in source.rows("page_places").await?.iter() {
            let dimension = dimensions.entry(row.said("segment_dimension")?).or_default();
            let here = dimension.entry(row.said("segment")?).or_default();
            (here.responses, here.detractors) = (row.count("responses")?, row.count("detractors")?);
            if let Some(touchpoint) = row.text("touchpoint")? {
                let put_down = row.number("detractors_put_down")?.unwrap_or(0.0);
                here.met.insert(touchpoint, (row.count("exposed_responses")?, put_down));
            }
        }
        Ok(Places(dimensions))
    }

    /// Whether a touchpoint is met more often in some segments than in others, by more than chance (χ², .05).
    pub fn differ(&self, dimension: &str, touchpoint: &str) -> bool {
        let Some(segments) = self.0.get(dimension) else { return false };
        let met = |here: &Here| count(here.met.get(touchpoint).map_or(0, |(exposed, _)| *exposed));
        let sum = |of: &dyn Fn(&Here) -> f64| segments.values().map(of).sum::<f64>();
        let (all, exposed) = (sum(&|here| count(here.responses)), sum(&met));
        let share = exposed / all;
        let square = sum(&|here| {
            let expected = share * count(here.responses);
            let gap = met(here) - expected;
            if expected > 0.0 { gap * gap / (expected * (1.0 - share)) } else { 0.0 }
        });
        let p_value = chi_squared_p_value(square, count(segments.len() as u64) - 1.0);
        p_value.is_some_and(|p_value| p_value <= 0.05)
    }

    pub fn by_segment(self, source: &Source<'_>, cost: &Cost) -> BySegment {
        let mut dimensions = self.0;
        let whole = dimensions.remove("all").and_then(|mut all| all.remove("all")).unwrap_or_default();
        let (weighing, others): (Vec<_>, Vec<_>) =
            cost.rows.iter().partition(|row| weighs(&whole, &row.touchpoint));
        let columns: Vec<(&str, &str)> =
            weighing.iter().take(COLUMNS).map(|row| (row.touchpoint.as_str(), row.label.as_str())).collect();
        let facts = &source.facts;
        let mut tables = Vec::new();
        for dimension in &facts.dimensions {
            let Some(segments) = dimensions.remove(dimension).filter(|_| !columns.is_empty()) else {
                continue;
            };
            tables.extend(table(dimension, &segments, &whole, &columns, facts.min_responses, facts.min_cell));
        }
        // First one that can be read: of many small segments most cells are empty.
        tables.sort_by_key(|table| !is_mostly_shown(table));
        for (at, table) in tables.iter_mut().enumerate() {
            table.id = (at + 1).to_string();
        }
        let left_out = if tables.is_empty() { Vec::new() } else { others };
        BySegment { left_out: left_out.iter().map(|row| row.label.clone()).collect(), ..shaded(tables) }
    }
}

/// Whether detractors are put down to a touchpoint, as shown with one decimal.
fn weighs(whole: &Here, touchpoint: &str) -> bool {
    let put_down = whole.met.get(touchpoint).map_or(0.0, |(_, put_down)| *put_down);
    per_100(put_down, whole.responses) >= 0.05
}

fn is_mostly_shown(table: &SegmentTable) -> bool {
    let cells = || table.rows.iter().flat_map(|row| &row.cells);
    2 * cells().filter(|cell| cell.detractors_per_100.is_some()).count() >= cells().count()
}

fn table(
    dimension: &str,
    segments: &BTreeMap<String, Here>,
    whole: &Here,
    columns: &[(&str, &str)],
    min_responses: u64,
    min_cell: u64,
) -> Option<SegmentTable> {
    let mut by_size: Vec<(&String, &Here)> = segments.iter().collect();
    by_size.sort_by(|a, b| b.1.responses.cmp(&a.1.responses).then(a.0.cmp(b.0)));
    let enough = by_size.iter().filter(|(_, here)| here.responses >= min_responses).count();
    if enough < 2 {
        return None;
    }
    let shown = enough.min(ROWS);
    // What is cut is hidden too, and could be worked out from the whole.
    let hide = |count: &dyn Fn(&Here) -> u64, may: &dyn Fn(&Here) -> bool| -> Vec<bool> {
        let sizes: Vec<u64> = by_size.iter().map(|(_, here)| count(here)).collect();
        let mut visible: Vec<bool> =
            by_size.iter().enumerate().map(|(at, (_, here))| at < shown && may(here)).collect();
        hide_complements(&sizes, &mut visible, min_cell);
        visible
    };
    let met = |here: &Here, touchpoint: &str| here.met.get(touchpoint).map_or(0, |(exposed, _)| *exposed);
    let visible: Vec<Vec<bool>> = columns
        .iter()
        .map(|(touchpoint, _)| {
            hide(&|here| met(here, touchpoint), &|here| {
                may_be_shown(met(here, touchpoint), here.responses, min_cell)
            })
        })
        .collect();
    let shares = hide(&|here| here.detractors, &|here| {
        here.detractors > 0 && may_be_shown(here.detractors, here.responses, min_cell)
    });
    let cell = |here: &Here, touchpoint: &str, is_visible: bool| {
        let (exposed, put_down) = here.met.get(touchpoint).copied().unwrap_or_default();
        Cell {
            detractors_per_100: is_visible.then(|| per_100(put_down, here.responses)),
            exposed_responses: is_visible.then_some(exposed),
            shade: 0,
        }
    };
    let share = |here: &Here| per_100(1.0, here.responses) / 100.0 * count(here.detractors);
    let mut rows = vec![SegmentRow {
        segment: String::new(),
        is_whole: true,
        responses: whole.responses,
        detractor_share: may_be_shown(whole.detractors, whole.responses, min_cell).then(|| share(whole)),
        cells: columns
            .iter()
            .map(|(touchpoint, _)| {
                cell(whole, touchpoint, may_be_shown(met(whole, touchpoint), whole.responses, min_cell))
            })
            .collect(),
    }];
    for (at, (segment, here)) in by_size.iter().enumerate().take(shown) {
        rows.push(SegmentRow {
            segment: (*segment).clone(),
            is_whole: false,
            responses: here.responses,
            detractor_share: shares[at].then(|| share(here)),
            cells: columns
                .iter()
                .zip(&visible)
                .map(|((touchpoint, _), visible)| cell(here, touchpoint, visible[at]))
                .collect(),
        });
    }
    rows[1..].sort_by(|a, b| a.segment.cmp(&b.segment));
    Some(SegmentTable {
        id: String::new(),
        dimension: dimension.to_string(),
        touchpoints: columns.iter().map(|(_, label)| (*label).to_string()).collect(),
        peak: peak(&rows, columns, min_responses),
        rows,
        segments_cut: (by_size.len() - shown) as u64,
    })
}

fn count(n: u64) -> f64 {
    n as f64
}

fn per_100(sum: f64, responses: u64) -> f64 {
    100.0 * sum / count(responses.max(1))
}

/// The figure that is most surely more than the whole's, of enough answers; not of what is no place.
fn peak(rows: &[SegmentRow], columns: &[(&str, &str)], min_responses: u64) -> Option<Peak> {
    let (whole, segments) = rows.split_first()?;
    let mut peak: Option<(f64, Peak)> = None;
    for row in segments.iter().filter(|row| ![UNKNOWN_SEGMENT, OTHER_SEGMENT].contains(&row.segment.as_str()))
    {
        for ((cell, of_whole), (_, label)) in row.cells.iter().zip(&whole.cells).zip(columns) {
            let (Some(here), Some(whole)) = (cell.detractors_per_100, of_whole.detractors_per_100) else {
                continue;
            };
            if cell.exposed_responses.is_none_or(|exposed| exposed < min_responses) {
                continue;
            }
            // In standard errors of a count; the largest of many such is more than two by chance.
            let error = 100.0 * (here.max(0.0) * count(row.responses) / 100.0).sqrt() / count(row.responses);
            let more = (here - whole) / error;
            if more >= MORE_THAN_CHANCE && peak.as_ref().is_none_or(|(most, _)| more > *most) {
                let found = Peak {
                    segment: row.segment.clone(),
                    touchpoint: (*label).to_string(),
                    detractors_per_100: here,
                    whole,
                };
                peak = Some((more, found));
            }
        }
    }
    peak.map(|(_, peak)| peak)
}

/// One scale of shades for all tables.
fn shaded(mut tables: Vec<SegmentTable>) -> BySegment {
    let cells = tables.iter().flat_map(|table| &table.rows).flat_map(|row| &row.cells);
    let darkest = cells.filter_map(|cell| cell.detractors_per_100).fold(0.0, f64::max);
    for cell in tables.iter_mut().flat_map(|table| &mut table.rows).flat_map(|row| &mut row.cells) {
        let value = cell.detractors_per_100.filter(|value| *value > 0.0 && darkest > 0.0);
        // In equal steps up to the darkest.
        let shade = value.map_or(0, |value| ((SHADES + 0.999) * value / darkest).min(SHADES) as u8);
        cell.shade = shade;
    }
    BySegment { tables, darkest, left_out: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here(responses: u64, detractors: u64, exposed: u64, put_down: f64) -> Here {
        Here { responses, detractors, met: BTreeMap::from([("late".to_string(), (exposed, put_down))]) }
    }

    fn of(segments: &[(&str, Here)], whole: &Here) -> Option<SegmentTable> {
        let segments = segments.iter().map(|(name, here)| {
            (
                name.to_string(),
                Here { responses: here.responses, detractors: here.detractors, met: here.met.clone() },
            )
        });
        table("store_id", &segments.collect(), whole, &[("late", "Late")], 30, 5)
    }

    #[test]
    fn figures_are_per_100_answers_of_the_segment() {
        let table =
            of(&[("b", here(50, 10, 30, 5.0)), ("a", here(40, 8, 20, 2.0))], &here(90, 18, 50, 7.0)).unwrap();
        assert_eq!(table.peak, None, "5 of 50 against 7 of 90 is chance");
        let rows: Vec<(&str, Option<f64>)> =
            table.rows.iter().map(|row| (row.segment.as_str(), row.cells[0].detractors_per_100)).collect();
        assert_eq!(rows, [("", Some(100.0 * 7.0 / 90.0)), ("a", Some(5.0)), ("b", Some(10.0))]);
        assert_eq!(table.rows[2].detractor_share, Some(0.2));
        let shaded = shaded(vec![table]);
        assert_eq!(shaded.darkest, 10.0);
        let shades: Vec<u8> = shaded.tables[0].rows.iter().map(|row| row.cells[0].shade).collect();
        assert_eq!(shades, [3, 2, 4]);
    }

    #[test]
    fn a_peak_has_enough_answers_and_a_name() {
        let peak = |name: &str, exposed: u64| {
            let whole = here(1_400, 200, exposed + 400, 70.0);
            let table =
                of(&[(name, here(100, 40, exposed, 25.0)), ("a", here(1_300, 160, 400, 45.0))], &whole);
            table.unwrap().peak.map(|peak| peak.segment)
        };
        assert_eq!(peak("b", 30), Some("b".into()));
        assert_eq!(peak("b", 29), None, "of so few it may be chance");
        assert_eq!(peak(UNKNOWN_SEGMENT, 30), None, "nobody can go there");
    }

    #[test]
    fn segments_differ_where_it_is_no_chance() {
        let places = |met: [u64; 3]| {
            let segments = met.iter().enumerate().map(|(at, met)| (at.to_string(), here(100, 0, *met, 0.0)));
            Places(BTreeMap::from([("store_id".to_string(), segments.collect())]))
        };
        assert!(places([10, 20, 40]).differ("store_id", "late"));
        assert!(!places([18, 20, 25]).differ("store_id", "late"));
        assert!(
            !places([0, 0, 0]).differ("store_id", "late") && !places([10, 20, 40]).differ("region", "late")
        );
    }

    #[test]
    fn what_nothing_is_put_down_to_has_no_column() {
        let whole = here(1_000, 200, 300, 0.6);
        assert!(weighs(&whole, "late") && !weighs(&whole, "early"));
        assert!(!weighs(&here(1_000, 200, 300, 0.4), "late"), "it would be shown as nothing");
        assert!(!weighs(&here(1_000, 200, 300, -14.0), "late"));
        assert!(!weighs(&Here::default(), "late"));
    }

    #[test]
    fn few_answers_are_hidden_and_so_is_what_would_tell_them() {
        let whole = here(190, 40, 43, 9.0);
        let segments =
            [("a", here(50, 10, 10, 5.0)), ("b", here(40, 8, 3, 2.0)), ("c", here(100, 22, 30, 2.0))];
        let table = of(&segments, &whole).unwrap();
        let cells: Vec<bool> =
            table.rows.iter().map(|row| row.cells[0].detractors_per_100.is_some()).collect();
        // The whole less `a` and `c` would be `b`: the smaller of them goes too.
        assert_eq!(cells, [true, false, false, true]);
        assert!(table.rows.iter().all(|row| row.detractor_share.is_some()));
    }

    #[test]
    fn a_dimension_of_small_segments_is_no_table() {
        assert!(
            of(&[("a", here(50, 10, 10, 5.0)), ("b", here(29, 8, 9, 2.0))], &here(79, 18, 19, 7.0)).is_none()
        );
    }
}
