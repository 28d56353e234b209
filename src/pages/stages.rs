//! The journey: through which stages the answers came, and where detractors gather.

use std::collections::BTreeSet;

use super::{Source, may_be_shown};
use crate::catalogue::STAGES;
use crate::error::Result;
use crate::report::context::{Onward, Stage, Stages, WorstStage};

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
    let worst = whole.and_then(|whole| {
        let between = rows.iter().filter(|row| row.stage != FIRST && row.stage != LAST);
        let known = between
            .filter(|row| row.reached >= min_responses)
            .filter_map(|row| Some((row, row.detractor_share?)));
        let worst = known.rev().max_by(|a, b| a.1.total_cmp(&b.1))?;
        (worst.1 > whole).then(|| WorstStage { stage: worst.0.stage.clone(), detractor_share: worst.1 })
    });
    Some(Stages { responses, detractor_share: whole, rows, worst })
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
        assert_eq!(stages.worst, Some(WorstStage { stage: "support".into(), detractor_share: 0.5 }));
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
