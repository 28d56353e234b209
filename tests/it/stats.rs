//! Statistics against other people's software: published figures, and a problem made here that statsmodels
//! and plain numpy solve too. The scripts stand in `tests/reference/`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use aftersale::stats::analysis::Analysis;
use aftersale::stats::design::Column;
use aftersale::stats::effects::{Estimand, Fits};
use aftersale::stats::influence::clustered_covariance;
use aftersale::stats::logit::{Cell, Fit, Penalty, Rows, fit, null_log_likelihood};
use aftersale::stats::measures::Estimate;
use aftersale::stats::problem::{Class, Covariate, Problem, State, Touchpoint};
use aftersale::stats::shared_variance::CrossProducts;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

/// The rows of a table of numbers, without its header.
fn numbers(name: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(reference(name)).expect("a readable file");
    text.lines().skip(1).map(|line| line.split(',').map(|x| x.parse().expect("a number")).collect()).collect()
}

fn close(found: f64, expected: f64, tolerance: f64, what: &str) {
    assert!((found - expected).abs() <= tolerance, "{what}: found {found}, expected {expected}");
}

/// Fits a table whose first column is the class; a constant is put before the others.
fn fit_table<const Q: usize>(table: &[Vec<f64>]) -> (Fit<Q>, f64) {
    let width = table[0].len();
    let dense: Vec<f64> =
        table.iter().flat_map(|row| std::iter::once(1.0).chain(row[1..].iter().copied())).collect();
    let cells: Vec<Cell<Q>> = table
        .iter()
        .map(|row| {
            let mut free = [0.0; Q];
            if row[0] > 0.0 {
                free[row[0] as usize - 1] = 1.0;
            }
            Cell { total: 1.0, free }
        })
        .collect();
    let fit = fit::<Q>(&Rows::dense(width, &dense), &cells, Penalty::Never, None, 2).expect("a fit");
    (fit, null_log_likelihood(&cells))
}

#[test]
fn spector_as_statsmodels_fits_it() {
    let (fit, _) = fit_table::<1>(&numbers("spector.csv"));
    close(fit.log_likelihood, -12.8896342, 5e-8, "log-likelihood");
    let expected = [-13.0213469, 2.8261126, 0.0951577, 2.3786877];
    let errors = [4.9313242, 1.2629411, 0.1415542, 1.0645643];
    for (at, error) in fit.std_errors().into_iter().enumerate() {
        close(fit.coefficients[at], expected[at], 5e-8, "coefficient");
        close(error, errors[at], 5e-8, "standard error");
    }
}

#[test]
fn anes96_as_statsmodels_fits_it() {
    let (fit, null) = fit_table::<6>(&numbers("anes96.csv"));
    close(fit.log_likelihood, -1461.9227472, 5e-8, "log-likelihood");
    // statsmodels finds −1750.3467107 by an optimiser that stops early; Σ n ln (n / N) is −1750.34670999.
    close(null, -1750.34670999, 5e-9, "of the constant alone");
}

fn shares(table: &[Vec<f64>], weights: &[f64]) -> (f64, Vec<f64>) {
    let width = table[0].len();
    let rows: Vec<f64> = table.iter().flat_map(|row| row[1..].iter().chain(&row[..1]).copied()).collect();
    let drivers = (0..width - 1).map(|driver| vec![driver]).collect();
    let products = CrossProducts::of(width, &rows, weights, vec![], drivers);
    let found = products.shares(20, 2, &mut ChaCha8Rng::seed_from_u64(1));
    (found.r_squared, found.shares)
}

#[test]
fn shared_variance_as_relaimpo_has_it() {
    let swiss = numbers("swiss.csv");
    let weights: Vec<f64> = (1..=47).map(|i| 1.0 + f64::from(i % 3)).collect();
    for (weights, r_squared, expected) in [
        (
            vec![1.0; 47],
            0.706735001593,
            [0.0570912207681, 0.1711730289002, 0.2601346786244, 0.1055701503735, 0.1127659229265],
        ),
        (
            weights,
            0.694332891423,
            [0.0518208063017, 0.1549452302086, 0.2559770835712, 0.1019573530969, 0.1296324182449],
        ),
    ] {
        let (found, shares) = shares(&swiss, &weights);
        close(found, r_squared, 5e-13, "R²");
        for (share, expected) in shares.iter().zip(expected) {
            close(*share, expected, 5e-14, "swiss");
        }
    }
    let (_, shares) = shares(&numbers("mtcars.csv"), &[1.0; 32]);
    let expected = [0.2470520332352, 0.2434995947956, 0.2109128995443, 0.0777251114079];
    for (share, expected) in shares.iter().zip(expected) {
        close(*share, expected, 5e-14, "mtcars");
    }
}

// ---- a problem that both sides solve --------------------------------------------------------------------

const NAMES: [&str; 6] = ["late", "gone", "ticket", "slow", "returned", "callback"];

#[derive(Default)]
struct Table {
    classes: Vec<Class>,
    clusters: Vec<u32>,
    region: Vec<u16>,
    month: Vec<u16>,
    /// Whole numbers, zero among them.
    weights: Vec<f64>,
    states: [Vec<State>; 6],
}

/// Answers with everything that makes the problem hard: repeated customers, weights, states that are neither yes
/// nor no, one touchpoint that comes of others; and on request one that hardly anybody met.
fn random_table(seed: u64, answers: usize, is_thin: bool) -> Table {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut table = Table::default();
    for _ in 0..answers {
        let cluster = random.random_range(0..answers as u32 * 2 / 3);
        let region = random.random_range(0..4u16);
        let month = random.random_range(0..3u16);
        let mut chance = |p: f64| random.random::<f64>() < p;
        let late = chance(0.1 + 0.05 * f64::from(region));
        let gone = !late && chance(if is_thin { 0.004 } else { 0.08 });
        let ticket = chance(if late || gone { 0.4 } else { 0.12 });
        let open = ticket && chance(0.25);
        let slow = ticket && !open && chance(0.4);
        let returned = chance(if late { 0.3 } else { 0.06 });
        let callback = chance(if slow { 0.5 } else { 0.08 });
        let unclear = [chance(0.05), chance(0.1)];
        let weight = [1.0, 2.0, 1.0, 3.0, 0.0][usize::from(chance(0.3)) + 3 * usize::from(chance(0.2))];
        let met = [late, gone, ticket, slow, returned, callback];
        let pull: f64 =
            met.iter().zip([0.9, 1.4, 0.4, 0.8, 0.1, 0.5]).map(|(m, b)| f64::from(u8::from(*m)) * b).sum();
        let detractor = 0.1 + 0.04 * f64::from(region) + 0.15 * pull;
        let draw: f64 = random.random();
        table.classes.push(if draw < detractor {
            Class::Detractor
        } else if draw < detractor + 0.3 {
            Class::Passive
        } else {
            Class::Promoter
        });
        table.clusters.push(cluster);
        table.region.push(region);
        table.month.push(month);
        for (at, met) in met.into_iter().enumerate() {
            table.states[at].push(match at {
                3 if open => State::TooEarly,
                3 if unclear[0] && ticket => State::Unknown,
                4 if unclear[0] => State::Unknown,
                4 if unclear[1] => State::NotMeasured,
                _ if met => State::Yes,
                _ => State::No,
            });
        }
        table.weights.push(weight);
    }
    table
}

impl Table {
    fn problem(&self) -> Problem<'_> {
        let touchpoint = |at: usize, stage: usize, factor: Option<usize>, within: Option<usize>| Touchpoint {
            id: NAMES[at].into(),
            stage,
            factor,
            within,
            after: if at == 5 { vec![3] } else { vec![] },
            waits_for: None,
            states: &self.states[at],
        };
        let levels = |n: usize| (0..n).map(|level| level.to_string()).collect();
        Problem {
            classes: &self.classes,
            weights: Some(&self.weights),
            clusters: vec![&self.clusters],
            touchpoints: vec![
                touchpoint(0, 0, Some(0), None),
                touchpoint(1, 0, Some(0), None),
                touchpoint(2, 1, None, None),
                touchpoint(3, 1, None, Some(2)),
                touchpoint(4, 2, None, None),
                touchpoint(5, 1, None, None),
            ],
            covariates: vec![
                Covariate { name: "region".into(), levels: levels(4), codes: &self.region },
                Covariate { name: "month".into(), levels: levels(3), codes: &self.month },
            ],
        }
    }

    fn csv(&self) -> String {
        let mut text = format!("class,cluster,region,month,weight,{}\n", NAMES.join(","));
        for answer in 0..self.classes.len() {
            let states: Vec<String> =
                self.states.iter().map(|column| (column[answer] as u8).to_string()).collect();
            text += &format!(
                "{},{},{},{},{},{}\n",
                self.classes[answer] as u8,
                self.clusters[answer],
                self.region[answer],
                self.month[answer],
                self.weights[answer],
                states.join(",")
            );
        }
        text
    }
}

fn solve_elsewhere(table: &Table, how: &[&str]) -> Value {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "there is no {}: `tests/run` sets it up", python.display());
    let folder = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(folder.path().join("problem.csv"), table.csv()).expect("written");
    let mut command = Command::new(python);
    let run = command.arg(reference("parity.py")).arg(folder.path()).args(how).output().expect("it runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_str(
        &std::fs::read_to_string(folder.path().join("solved.json")).expect("a readable file"),
    )
    .expect("a readable file")
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

/// The column that the other side calls by a name and a level.
fn position(analysis: &Analysis, columns: &[Column], label: &Value) -> usize {
    let (term, level) = (label[0].as_str().expect("a text"), label[1].as_u64().expect("a number"));
    let wanted = match term {
        "constant" => Column::Constant,
        "region" | "month" => {
            let covariate = usize::from(term == "month");
            let level = analysis.patterns.levels[covariate].level_of[level as usize];
            Column::Level { covariate, level }
        }
        name => Column::State {
            touchpoint: NAMES.iter().position(|one| *one == name).expect("there"),
            state: State::ALL[level as usize],
        },
    };
    columns.iter().position(|column| *column == wanted).expect("there")
}

/// Coefficients, clustered covariance, every measure with both standard errors, the joint covariance; with weights,
/// open and unknown states, something that comes after something else, and with Firth's penalty. A penalised fit
/// is at rest within 1e-5 standard errors, by its rule to stop.
#[test]
fn a_random_problem_is_solved_alike() {
    for (seed, is_thin) in [(1, false), (2, false), (3, true)] {
        let table = random_table(seed, if is_thin { 1_500 } else { 4_000 }, is_thin);
        let problem = table.problem();
        let analysis = Analysis::of(&problem, 2).unwrap();
        let fits = Fits::of(&analysis);
        let other = solve_elsewhere(&table, if is_thin { &["firth"] } else { &[] });
        let near = if is_thin { 1e-5 } else { 1e-6 };

        let fitted = fits.direct.as_ref().unwrap();
        assert_eq!((fitted.fit.is_penalised, analysis.support[1].is_thin()), (is_thin, is_thin));
        let labels = other["labels"].as_array().unwrap();
        let at: Vec<usize> = labels.iter().map(|l| position(&analysis, &fitted.model.columns, l)).collect();
        assert_eq!(at.len(), fitted.model.columns.len());
        let clustered = clustered_covariance(&analysis, fitted).unwrap();
        for i in 0..2 * at.len() {
            let mine = 2 * at[i / 2] + i % 2;
            let error = clustered[(mine, mine)].sqrt();
            let expected = number(&other["coefficients"][i]);
            close(fitted.fit.coefficients[mine], expected, near * error.min(0.1), "coefficient");
            for j in 0..2 * at.len() {
                let expected = number(&other["clustered"][i][j]);
                let scale = (clustered[(mine, mine)] * number(&other["clustered"][j][j])).sqrt();
                close(clustered[(mine, 2 * at[j / 2] + j % 2)], expected, near * scale, "covariance");
            }
        }

        let mut compared = 0;
        for (estimand, name) in [(Estimand::Total, "total"), (Estimand::Direct, "direct")] {
            let effects = fits.effects(&analysis, estimand);
            for (touchpoint, id) in NAMES.iter().enumerate() {
                let m = &effects.of[touchpoint].as_ref().unwrap().measures;
                let expected = &other[name][id];
                for (measure, found) in [
                    ("nps_points", m.nps_points),
                    ("risk_difference", m.risk_difference),
                    ("avoidable_detractors", m.avoidable_detractors),
                    ("avoidable_detractor_share", m.avoidable_detractor_share),
                    ("promoters_gained", m.promoters_gained),
                    ("log_risk_ratio", Estimate { value: m.risk_ratio.value.ln(), ..m.risk_ratio }),
                ] {
                    let what = format!("{name} {id} {measure}");
                    let expected = &expected[measure];
                    let error = number(&expected["process"]);
                    close(found.value, number(&expected["value"]), near * error, &what);
                    // Where a class is missing the spread is nobody's to know, and held back.
                    if analysis.support[touchpoint].lacks_a_class() {
                        assert_eq!((found.process, found.these), (None, None), "{what}");
                        continue;
                    }
                    compared += 1;
                    close(found.process.unwrap().std_error, error, near * error, &what);
                    let these = number(&expected["these"]);
                    close(found.these.unwrap().std_error, these, near * these, &what);
                }
            }
            if estimand == Estimand::Total {
                let joint = effects.covariance.unwrap();
                for i in 0..NAMES.len() {
                    for j in 0..NAMES.len() {
                        let scale = (joint[(i, i)] * joint[(j, j)]).sqrt();
                        close(joint[(i, j)], number(&other["joint"][i][j]), near * scale, "joint covariance");
                    }
                }
            }
        }
        // Six touchpoints, two estimands, six measures: all but what lacks a class.
        assert!(compared >= 2 * 5 * 6, "{compared}");
    }
}

// ---- how long it takes ----------------------------------------------------------------------------------

/// Equal rows are fitted once: ten million answers cost a walk over them and little more.
#[test]
fn ten_million_answers_are_no_trouble() {
    const ANSWERS: usize = 10_000_000;
    let mut random = ChaCha8Rng::seed_from_u64(10);
    let (mut classes, mut clusters) = (Vec::with_capacity(ANSWERS), Vec::with_capacity(ANSWERS));
    let mut states = vec![Vec::new(); 4];
    let mut codes = vec![Vec::new(); 2];
    for _ in 0..ANSWERS {
        let bits: u64 = random.random();
        clusters.push((bits >> 40) as u32);
        let mut detractor = 0.1;
        for (at, states) in states.iter_mut().enumerate() {
            let met = (bits >> (3 * at)) & 7 == 0;
            states.push(if met { State::Yes } else { State::No });
            detractor += if met && at == 0 { 0.2 } else { 0.0 };
        }
        codes[0].push(((bits >> 12) & 7) as u16);
        codes[1].push(((bits >> 15) & 3) as u16);
        let draw = ((bits >> 17) & 0xffff) as f64 / 65_536.0;
        classes.push(if draw < detractor {
            Class::Detractor
        } else if draw < detractor + 0.3 {
            Class::Passive
        } else {
            Class::Promoter
        });
    }
    let problem = Problem {
        classes: &classes,
        weights: None,
        clusters: vec![&clusters],
        touchpoints: states
            .iter()
            .enumerate()
            .map(|(at, states)| Touchpoint {
                id: format!("t{at}"),
                stage: at,
                factor: None,
                within: None,
                after: vec![],
                waits_for: None,
                states,
            })
            .collect(),
        covariates: codes
            .iter()
            .enumerate()
            .map(|(at, codes)| Covariate {
                name: format!("c{at}"),
                levels: (0..8).map(|level| level.to_string()).collect(),
                codes,
            })
            .collect(),
    };
    let analysis = Analysis::of(&problem, 2).unwrap();
    assert_eq!((analysis.patterns.len(), analysis.patterns.answers()), (16 * 8 * 4, ANSWERS as u64));
    let effects = Fits::of(&analysis).effects(&analysis, Estimand::Total);
    let measures = |at: usize| &effects.of[at].as_ref().unwrap().measures;
    // A fifth more detractors among an eighth of the answers, taken from the promoters.
    close(measures(0).risk_difference.value, 0.2, 0.003, "planted");
    close(measures(0).nps_points.value, 100.0 * 0.4 / 8.0, 0.05, "planted");
    for at in 1..4 {
        close(measures(at).nps_points.value, 0.0, 0.05, "nothing planted");
    }
}

/// 700,000 answers × 28 columns (constant, 15 of covariates, 12 touchpoints), two answers in three from
/// customers who answer again.
///
/// `cargo test --release --test it benchmark -- --ignored --nocapture`; the program's own crate must be
/// optimised.
#[test]
#[ignore = "a benchmark: a minute, a gigabyte"]
fn benchmark_beside_statsmodels() {
    const ANSWERS: usize = 700_000;
    const LEVELS: [u16; 4] = [5, 8, 3, 3];
    let mut random = ChaCha8Rng::seed_from_u64(28);
    let mut classes = Vec::with_capacity(ANSWERS);
    let mut clusters = Vec::with_capacity(ANSWERS);
    let mut covariates = vec![Vec::new(); LEVELS.len()];
    let mut states = vec![Vec::new(); 12];
    for _ in 0..ANSWERS {
        clusters.push(random.random_range(0..ANSWERS as u32));
        let mut detractor = 0.08;
        for (codes, levels) in covariates.iter_mut().zip(LEVELS) {
            let code = random.random_range(0..levels);
            codes.push(code);
            detractor += 0.01 * f64::from(code);
        }
        for (at, states) in states.iter_mut().enumerate() {
            let met = random.random::<f64>() < 0.03 + 0.015 * at as f64;
            states.push(if met { State::Yes } else { State::No });
            detractor += if met && at % 3 == 0 { 0.1 } else { 0.0 };
        }
        let draw: f64 = random.random();
        classes.push(if draw < detractor {
            Class::Detractor
        } else if draw < detractor + 0.3 {
            Class::Passive
        } else {
            Class::Promoter
        });
    }
    let problem = Problem {
        classes: &classes,
        weights: None,
        clusters: vec![&clusters],
        touchpoints: (0..12)
            .map(|at| Touchpoint {
                id: format!("t{at}"),
                stage: at / 3,
                factor: None,
                within: None,
                after: vec![],
                waits_for: None,
                states: &states[at],
            })
            .collect(),
        covariates: covariates
            .iter()
            .zip(LEVELS)
            .map(|(codes, levels)| Covariate {
                name: format!("{levels} levels"),
                levels: (0..levels).map(|level| level.to_string()).collect(),
                codes,
            })
            .collect(),
    };
    let start = Instant::now();
    let analysis = Analysis::of(&problem, 2).unwrap();
    let ready = start.elapsed();
    let fits = Fits::of(&analysis);
    let fitted = fits.direct.as_ref().unwrap();
    let all = start.elapsed();
    let total = fits.effects(&analysis, Estimand::Total);
    let with_total = start.elapsed();
    let direct = fits.effects(&analysis, Estimand::Direct);
    let end = start.elapsed();
    assert_eq!((total.estimated.len(), direct.estimated.len()), (12, 12));
    println!("{} patterns; {} iterations", analysis.patterns.len(), fitted.fit.iterations);
    println!("ready {ready:?}, all fits {all:?}, total {with_total:?}, direct {end:?} (sums)");

    let folder = tempfile::tempdir().unwrap();
    let width = fitted.model.columns.len();
    let mut bytes = Vec::with_capacity(ANSWERS * width * 8);
    for answer in 0..ANSWERS {
        let row = fitted.model.row_of[analysis.patterns.of_answer[answer] as usize] as usize;
        let mut dense = vec![0.0f64; width];
        fitted.model.rows.columns(row).iter().for_each(|c| dense[usize::from(*c)] = 1.0);
        dense.iter().for_each(|x| bytes.extend(x.to_le_bytes()));
    }
    std::fs::write(folder.path().join("x.f64"), bytes).unwrap();
    let labels: Vec<u8> = classes.iter().map(|class| *class as u8).collect();
    std::fs::write(folder.path().join("y.u8"), labels).unwrap();
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    let run = Command::new(python).arg(reference("benchmark.py")).arg(folder.path()).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let other: Value = serde_json::from_slice(&run.stdout).unwrap();
    let seconds = number(&other["seconds"]);
    for (i, beta) in other["coefficients"].as_array().unwrap().iter().enumerate() {
        close(fitted.fit.coefficients[i], number(beta), 1e-6, "coefficient");
    }
    let faster = seconds / end.as_secs_f64();
    println!("statsmodels' fit alone {seconds:.2} s: {faster:.1} times as long");

    // Shared variance, exact, of twenty drivers of the same answers' size: 2^20 regressions.
    let mut random = ChaCha8Rng::seed_from_u64(20);
    let rows: Vec<f64> = (0..2_000 * 21).map(|_| random.random::<f64>()).collect();
    let drivers = (0..20).map(|driver| vec![driver]).collect();
    let products = CrossProducts::of(21, &rows, &[1.0; 2_000], vec![], drivers);
    let start = Instant::now();
    let found = products.shares(20, 2, &mut random);
    let exact = start.elapsed();
    println!("shared variance of 20 drivers, exact: {exact:?}");
    close(found.shares.iter().sum::<f64>(), found.r_squared, 1e-10, "shares sum to R²");
}
