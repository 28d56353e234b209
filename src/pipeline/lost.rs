//! Published figures of few answers, one of which has been erased: they would still tell how that person answered.
//!
//! Figures of `analysis.min_cell` answers and more stay as they were published.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use datafusion::prelude::DataFrame;

use crate::engine::{self, Engine};
use crate::error::Result;
use crate::exposures::{batch, texts};

/// What becomes of a row whose figures tell of too few.
#[derive(Clone, Copy, PartialEq)]
enum Fate {
    Dropped,
    /// Others relate to the row: its figures go, its words stay.
    Emptied,
}

/// Each table with figures of answers: the cells that its rows lie in, and when a row tells of too few.
const TABLES: [(&str, &str, &str, Fate); 6] = [
    ("rpt_nps", CELLS, "t.responses - l.lost", Fate::Dropped),
    (
        "rpt_restatements",
        CELLS,
        "least(coalesce(t.responses_was, 0), coalesce(t.responses_is, 0)) - l.lost",
        Fate::Dropped,
    ),
    (
        "rpt_touchpoint_trend",
        MET,
        "least(t.responses - l.lost, case when l.met > 0 then t.exposed_responses - l.met end)",
        Fate::Dropped,
    ),
    (
        "rpt_touchpoint_impact",
        MET,
        "least(
            t.responses - l.lost,
            case when l.met > 0 then t.exposed_responses - l.met end,
            case when l.spared > 0 and t.unexposed_responses > 0 then t.unexposed_responses - l.spared end
        )",
        Fate::Emptied,
    ),
    ("rpt_effects", MET, "case when l.met > 0 then t.n - l.met end", Fate::Dropped),
    (
        "rpt_dose_response",
        "(select * from lost_touchpoints where period = 'window' and segment_dimension = 'all') as l \
         on l.touchpoint = t.touchpoint",
        "case when l.met > 0 then t.exposed_responses - l.met end",
        Fate::Dropped,
    ),
];

const CELLS: &str = "lost_answers as l on l.period = t.period and l.segment_dimension = t.segment_dimension \
                     and l.segment = t.segment";
const MET: &str = "lost_touchpoints as l on l.period = t.period and l.segment_dimension = t.segment_dimension \
                   and l.segment = t.segment and l.touchpoint = t.touchpoint";

/// The cells that lost an answer: `lost_answers` and `lost_touchpoints` in the run's session.
pub(super) struct Lost {
    min_cell: u32,
    is_any: bool,
}

/// Erased answers of a cell: all, those that had met the touchpoint, those that had not.
#[derive(Default)]
struct Counts {
    lost: i64,
    met: i64,
    spared: i64,
}

impl Lost {
    /// Counts the answers in `erased_answers`, cell by cell.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn look(engine: &Engine, min_cell: u32) -> Result<Lost> {
        let exposures = engine.table("fct_exposures").await?;
        let fields = exposures.schema().fields();
        let names: Vec<String> = fields.iter().map(|field| field.name().clone()).collect();
        let segments: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix("seg_")).collect();
        let touchpoints: Vec<&str> =
            names.iter().filter_map(|name| name.strip_prefix("tp_")?.strip_suffix("_state")).collect();
        let mut columns = vec!["period".to_string(), "cast(in_fit as text)".to_string()];
        columns.extend(segments.iter().map(|name| format!("cast(\"seg_{name}\" as text)")));
        columns.extend(touchpoints.iter().map(|name| format!("\"tp_{name}_state\"")));
        let columns = columns.iter().enumerate().map(|(at, column)| format!("{column} as c{at}"));
        let sql = format!(
            "select {} from fct_exposures where is_counted and response_id in (select response_id from erased_answers)",
            columns.collect::<Vec<_>>().join(", ")
        );
        let (mut answers, mut met) = (BTreeMap::<_, Counts>::new(), BTreeMap::<_, Counts>::new());
        for rows in engine.collect(engine.query(&sql).await?, "fct_exposures").await? {
            let mut words = Vec::new();
            for column in rows.columns() {
                words.push(texts(column)?);
            }
            for row in 0..rows.num_rows() {
                let word = |at: usize| words[at].value(row);
                let mut places = vec![("all", "all")];
                places.extend(segments.iter().zip(2..).map(|(name, at)| (*name, word(at))));
                for period in [word(0), "window"] {
                    for (dimension, segment) in &places {
                        let cell = [period, dimension, segment].map(str::to_string);
                        answers.entry(cell.clone()).or_default().lost += 1;
                        if word(1) != "true" {
                            continue;
                        }
                        for (touchpoint, at) in touchpoints.iter().zip(2 + segments.len()..) {
                            let counts = met.entry((cell.clone(), touchpoint.to_string())).or_default();
                            counts.lost += 1;
                            counts.met += i64::from(word(at) == "yes");
                            counts.spared += i64::from(word(at) == "no");
                        }
                    }
                }
            }
        }
        let cell = |cells: &[&[String; 3]], at: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values(cells.iter().map(|cell| &cell[at])))
        };
        let number = |of: &dyn Fn(&Counts) -> i64, all: &[&Counts]| -> ArrayRef {
            Arc::new(all.iter().map(|counts| Some(of(counts))).collect::<Int64Array>())
        };
        let (cells, counts): (Vec<_>, Vec<_>) = answers.iter().unzip();
        engine.register_rows(
            "lost_answers",
            batch(vec![
                ("period", cell(&cells, 0)),
                ("segment_dimension", cell(&cells, 1)),
                ("segment", cell(&cells, 2)),
                ("lost", number(&|counts| counts.lost, &counts)),
            ])?,
        )?;
        let counts: Vec<&Counts> = met.values().collect();
        let cells: Vec<&[String; 3]> = met.keys().map(|(cell, _)| cell).collect();
        let touchpoints = StringArray::from_iter_values(met.keys().map(|(_, touchpoint)| touchpoint));
        engine.register_rows(
            "lost_touchpoints",
            batch(vec![
                ("period", cell(&cells, 0)),
                ("segment_dimension", cell(&cells, 1)),
                ("segment", cell(&cells, 2)),
                ("touchpoint", Arc::new(touchpoints)),
                ("lost", number(&|counts| counts.lost, &counts)),
                ("met", number(&|counts| counts.met, &counts)),
                ("spared", number(&|counts| counts.spared, &counts)),
            ])?,
        )?;
        Ok(Lost { min_cell, is_any: !answers.is_empty() })
    }

    /// A table without the figures that tell of too few; none where all of its figures stay.
    ///
    /// # Errors
    /// Those of the engine.
    pub async fn left(&self, engine: &Engine, table: &str) -> Result<Option<DataFrame>> {
        let Some((_, cells, answers, fate)) = TABLES.iter().find(|(name, ..)| *name == table) else {
            return Ok(None);
        };
        if !self.is_any {
            return Ok(None);
        }
        let is_small = format!("coalesce({answers} < {}, false)", self.min_cell);
        let from = format!("from {table} as t left join {cells}");
        let small = engine.query(&format!("select 1 as one {from} where {is_small}")).await?;
        if small.count().await.map_err(|e| engine::run_error(e, table))? == 0 {
            return Ok(None);
        }
        let rows = engine.table(table).await?;
        let columns = rows.schema().fields().iter().map(|field| {
            let name = field.name();
            let is_figure = field.data_type().is_numeric() && !name.ends_with("_position");
            match *fate == Fate::Emptied && is_figure {
                true => format!("case when {is_small} then null else t.\"{name}\" end as \"{name}\""),
                false => format!("t.\"{name}\""),
            }
        });
        let columns = columns.collect::<Vec<_>>().join(", ");
        let kept = match fate {
            Fate::Dropped => format!(" where not {is_small}"),
            Fate::Emptied => String::new(),
        };
        Ok(Some(engine.query(&format!("select {columns} {from}{kept}")).await?))
    }
}
