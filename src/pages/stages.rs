//! The journey: through which stages the answers came, and where detractors gather.

use std::collections::BTreeSet;

use super::{Source, may_be_shown};
use crate::catalogue::STAGES;
use crate::error::Result;
use crate::report::context::{Onward, Stage, Stages, WorstStage};
use crate::stats::quantiles::chi_squared_p_value;

const FIRST: &str = "purchase";
const LAST: &str = "answer";

/// Answers that went through the same stages.
struct Path {
    stages: BTreeSet<String>,
    responses: u64,
    detractors: u64,
}

pub async fn stages(source: &Source<'_>) -> Result<Option<Stages>> {
    let mut paths: Vec<Path> = Vec::new();
    for row in source.rows("page_stages").await?.iter() {
        let mut stages: BTreeSet<String> =
            row.said("stages_reached")?.split('>').map(|stage| stage.trim().to_string()).collect();
        stages.retain(|stage| !stage.is_empty());
        stages.extend([FIRST.to_string(), LAST.to_string()]);
        let responses = row.count("responses")?;
        let is_detractor = row.text("nps_class")?.as_deref() == Some("detractor");
        paths.push(Path { stages, responses, detractors: if is_detractor { responses } else { 0 } });
    }
    Ok(flow(&paths, source.facts.min_cell, source.facts.min_responses))
}

fn flow(paths: &[Path], min_cell: u64, min_responses: u64) -> Option<Stages> {
    let sum = |of: &dyn Fn(&Path) -> u64| paths.iter().map(of).sum::<u64>();
    let (responses, detractors) = (sum(&|path| path.responses), sum(&|path| path.detractors));
    if responses < min_cell {
        return None;
    }
    let names: BTreeSet<&str> = paths.iter().flat_map(|path| &path.stages).map(String::as_str).collect();
    let ours = STAGES.iter().copied().filter(|stage| names.contains(stage));
    let others = names.iter().copied().filter(|stage| !STAGES.contains(stage) && *stage != LAST);
    let with = |stage: &str, of: &dyn Fn(&Path) -> u64| {
        sum(&|path| if path.stages.contains(stage) { of(path) } else { 0 })
    };
    // A stage that few came by, or all but few, is not told of.
    let may = |stage: &&str| may_be_shown(with(stage, &|path| path.responses), responses, min_cell);
    let order: Vec<&str> = ours.chain(others).chain([LAST]).filter(may).collect();
    let mut rows = Vec::new();
    for (at, stage) in order.iter().enumerate() {
        let reached = with(stage, &|path| path.responses);
        let here = with(stage, &|path| path.detractors);
        // Neither those who came by nor those who did not may be told one by one.
        let (others, of_them) = (responses - reached, detractors - here);
        let others_may =
            others == 0 || (others >= min_cell && (of_them == 0 || may_be_shown(of_them, others, min_cell)));
        let is_shown = here > 0 && may_be_shown(here, reached, min_cell) && others_may;
        let next = order.get(at + 1).map(|next| {
            let both = sum(&|path| {
                if path.stages.contains(*stage) && path.stages.contains(*next) { path.responses } else { 0 }
            });
            let joined = with(next, &|path| path.responses) - both;
            Onward { both, left: reached - both, joined, neither: responses - reached - joined }
        });
        rows.push(Stage {
            stage: (*stage).to_string(),
            reached,
            detractors: is_shown.then_some(here),
            detractor_share: is_shown.then(|| share(here, reached)),
            next,
        });
    }
    let whole = may_be_shown(detractors, responses, min_cell).then(|| share(detractors, responses));
    let worst = whole.and_then(|whole| worst(&rows, [detractors, responses], whole, min_responses));
    Some(Stages { responses, detractor_share: whole, rows, worst })
}

/// Where detractors gather, by more than chance shows in one of so many places; `all`: detractors, answers.
fn worst(rows: &[Stage], all: [u64; 2], whole: f64, min_responses: u64) -> Option<WorstStage> {
    let between = rows.iter().filter(|row| row.stage != FIRST && row.stage != LAST);
    let told = between.filter_map(|row| Some((row, row.detractors?)));
    let sides = told.flat_map(|(row, here)| {
        [(row, false, [here, row.reached]), (row, true, [all[0] - here, all[1] - row.reached])]
    });
    let sides: Vec<_> = sides.filter(|(.., [_, answers])| *answers >= min_responses).collect();
    let is_more_than_chance = |part: [u64; 2]| {
        let gap = share(part[0], part[1]) - share(all[0] - part[0], all[1] - part[1]);
        let spread = whole * (1.0 - whole) * (1.0 / part[1] as f64 + 1.0 / (all[1] - part[1]) as f64);
        chi_squared_p_value(gap * gap / spread, 1.0).is_some_and(|p| p <= 0.05 / sides.len() as f64)
    };
    let known = sides.iter().rev().filter(|(.., [here, answers])| {
        *answers < all[1] && share(*here, *answers) > whole && is_more_than_chance([*here, *answers])
    });
    let (row, is_missed, [here, answers]) =
        known.max_by(|(.., a), (.., b)| share(a[0], a[1]).total_cmp(&share(b[0], b[1])))?;
    let detractor_share = share(*here, *answers);
    Some(WorstStage { stage: row.stage.clone(), is_missed: *is_missed, detractor_share })
}

fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(stages: &[&str], responses: u64, detractors: u64) -> Path {
        let stages = stages.iter().copied().chain([FIRST, LAST]).map(str::to_string).collect();
        Path { stages, responses, detractors }
    }

    #[test]
    fn bands_add_up_to_all() {
        let paths = [
            path(&["delivery"], 60, 6),
            path(&["delivery", "support"], 30, 15),
            path(&["support"], 10, 5),
            path(&[], 20, 5),
        ];
        let stages = flow(&paths, 5, 30).unwrap();
        let names: Vec<&str> = stages.rows.iter().map(|row| row.stage.as_str()).collect();
        assert_eq!(names, ["purchase", "delivery", "support", "answer"]);
        assert_eq!(stages.rows.iter().map(|row| row.reached).collect::<Vec<_>>(), [120, 90, 40, 120]);
        for row in &stages.rows[..3] {
            let Onward { both, left, joined, neither } = row.next.unwrap();
            assert_eq!(both + left + joined + neither, 120);
        }
        assert_eq!(stages.rows[1].next.unwrap(), Onward { both: 30, left: 60, joined: 10, neither: 20 });
        assert_eq!(stages.worst, Some(worst("support", false, 0.5)));
    }

    fn worst(stage: &str, is_missed: bool, detractor_share: f64) -> WorstStage {
        WorstStage { stage: stage.into(), is_missed, detractor_share }
    }

    #[test]
    fn detractors_may_gather_among_those_who_did_not_get_there() {
        let found = |paths: &[Path]| flow(paths, 5, 30).unwrap().worst;
        let missed = [path(&["delivery"], 900, 90), path(&[], 100, 78)];
        assert_eq!(found(&missed), Some(worst("delivery", true, 0.78)));
        // 12 of 40 against 20 of 100 is chance (p = .2), 20 of 40 is not.
        assert_eq!(found(&[path(&["support"], 40, 12), path(&[], 100, 20)]), None);
        assert_eq!(
            found(&[path(&["support"], 40, 20), path(&[], 100, 20)]),
            Some(worst("support", false, 0.5))
        );
        // Too few who did not get there.
        assert_eq!(found(&[path(&["delivery"], 900, 90), path(&[], 29, 20)]), None);
    }

    #[test]
    fn few_detractors_are_hidden_also_as_the_rest() {
        // All but two detractors came by support: the two could be told.
        let paths = [path(&["support"], 60, 20), path(&[], 60, 2)];
        let stages = flow(&paths, 5, 30).unwrap();
        assert_eq!(stages.rows[1].detractor_share, None);
        assert_eq!(stages.rows[0].detractor_share, Some(22.0 / 120.0));
        // A stage is told of where neither those who came by nor the others are few.
        let paths =
            [path(&["support"], 60, 20), path(&["support", "repair"], 2, 1), path(&["repair"], 60, 30)];
        let names = |least: u64| -> Vec<String> {
            flow(&paths, least, 30).unwrap().rows.into_iter().map(|row| row.stage).collect()
        };
        assert_eq!(names(5), ["purchase", "support", "repair", "answer"]);
        assert_eq!(names(61), ["purchase", "answer"]);
        assert_eq!(flow(&[path(&[], 4, 1)], 5, 30), None);
        assert_eq!(flow(&[], 5, 30), None);
    }
}
