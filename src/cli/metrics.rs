//! A run's figures as a text file, as the Prometheus node exporter's textfile collector reads them.

use std::fmt::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::pipeline::Reads;

const LAST_SUCCESS: &str = "aftersale_last_success_time_seconds";

/// What is known of a run at its end.
pub struct Figures {
    pub exit_code: u8,
    /// Unix time of the end.
    pub ended_at: f64,
    pub seconds: f64,
    /// False where there was nothing to do, or the run failed.
    pub is_published: bool,
    /// (stage, rows, seconds), in order.
    pub stages: Vec<(String, u64, f64)>,
    /// None are known of a run that did not publish.
    pub reads: Vec<Reads>,
}

/// Replaces the file at once: a collector reads the old figures or the new ones.
pub fn write(path: &Path, figures: &Figures) -> Result<()> {
    let failed = |e| Error::io("the metrics cannot be written").with("file", path.display()).caused_by(e);
    let success = match figures.exit_code {
        0 => Some(figures.ended_at),
        _ => std::fs::read_to_string(path).ok().and_then(|text| value(&text, LAST_SUCCESS)),
    };
    // Collectors read `*.prom`; this name is none of them.
    let mut staged = path.as_os_str().to_owned();
    staged.push(".new");
    std::fs::write(&staged, text(figures, success))
        .and_then(|()| std::fs::rename(&staged, path))
        .map_err(failed)
}

fn text(figures: &Figures, success: Option<f64>) -> String {
    let mut text = String::new();
    let mut gauge = |name: &str, help: &str, values: &[(String, f64)]| {
        let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (labels, value) in values {
            let _ = writeln!(text, "{name}{labels} {value}");
        }
    };
    let one = |value: f64| [(String::new(), value)];
    gauge("aftersale_last_run_exit_code", "Exit code of the last run.", &one(f64::from(figures.exit_code)));
    gauge(
        "aftersale_last_run_time_seconds",
        "Unix time at which the last run ended.",
        &one(figures.ended_at),
    );
    gauge("aftersale_last_run_seconds", "How long the last run took.", &one(figures.seconds));
    let published = f64::from(u8::from(figures.is_published));
    gauge(
        "aftersale_last_run_published",
        "1 if the last run published; 0 if it failed or had nothing to do.",
        &one(published),
    );
    if let Some(success) = success {
        gauge(LAST_SUCCESS, "Unix time at which a run last ended well.", &one(success));
    }
    let by_stage = |value: &dyn Fn(&(String, u64, f64)) -> f64| -> Vec<(String, f64)> {
        let stages = figures.stages.iter();
        stages.map(|stage| (format!("{{stage=\"{}\"}}", stage.0), value(stage))).collect()
    };
    gauge(
        "aftersale_last_run_rows",
        "Rows of each stage of the last run.",
        &by_stage(&|stage| stage.1 as f64),
    );
    gauge(
        "aftersale_last_run_stage_seconds",
        "How long each stage of the last run took.",
        &by_stage(&|stage| stage.2),
    );
    let by_table = |value: fn(&Reads) -> u64| -> Vec<(String, f64)> {
        let label = |r: &Reads| format!("{{source=\"{}\",table=\"{}\"}}", r.source, r.table);
        figures.reads.iter().map(|reads| (label(reads), value(reads) as f64)).collect()
    };
    gauge(
        "aftersale_last_run_bytes_there",
        "Bytes of the exports' objects.",
        &by_table(|reads| reads.bytes_there),
    );
    gauge(
        "aftersale_last_run_bytes_read",
        "Bytes that the last run read of them.",
        &by_table(|reads| reads.bytes_read),
    );
    text
}

fn value(text: &str, name: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
