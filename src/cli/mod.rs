//! The command: what was asked, and what the terminal shows.
//!
//! Standard output carries what a pipe wants (a path, a table, a configuration); progress, warnings and the
//! summary go to standard error. Errors are printed here and nowhere else, and their kind is the exit code.

mod checked;
mod lineage;
mod machine;
mod metrics;
mod presets;
mod proposal;
mod schedules;
mod terminal;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::calibrate;
use crate::config::{self, Config, Environment, parse_day};
use crate::diff;
use crate::discover;
use crate::engine::Limits;
use crate::error::{Context, Error, Kind, Result};
use crate::generate;
use crate::pages;
use crate::pipeline::{self, Request, Stop, Wish};
use crate::progress::Progress;
use crate::published::Published;
use crate::sample;
use crate::store::Store;
use crate::trace;
use terminal::Terminal;

/// Which touchpoints after the sale turn customers into detractors.
///
/// Reads survey, purchase and ticket exports, follows each customer's journey up to the answer, and
/// publishes Parquet tables on which touchpoints go along with detractors. Without a configuration it
/// runs on a built-in sample.
#[derive(Parser)]
#[command(name = "aftersale", version, after_help = EXIT_CODES, max_term_width = 100)]
struct Command {
    #[command(subcommand)]
    verb: Verb,
    /// How progress and errors are written to standard error
    #[arg(long, global = true, value_enum, default_value = "human")]
    log_format: LogFormat,
}

const EXIT_CODES: &str = "Exit codes: 0 done; 64 usage; 65 the data broke a check, nothing was published; \
     69 storage unavailable, credentials refused, or an input changed during the run; 70 a defect of this program; \
     74 a read or a write failed; 75 another run is at work there, or --max-minutes is over; 78 configuration; 130 and 143 stopped by a signal, nothing was published";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    Human,
    Json,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the whole job and publish it
    Run(RunArgs),
    /// Say feed by feed what is read, rejected and linked; publish nothing
    Check(CheckArgs),
    /// Print a commented configuration
    Init(InitArgs),
    /// Show a published table of the latest run
    Show(ShowArgs),
    /// Explain one answer or order, from its source row to what it had met
    Trace(TraceArgs),
    /// Draw the pages of a published run again, or freeze a month of it
    Report(ReportArgs),
    /// Tell two published runs apart: inputs, settings, definitions, figures and answers
    Diff(DiffArgs),
    /// Take the customers on the erasure list out of kept runs, rejected rows and landed exports
    Erase(EraseArgs),
    /// Write a planted world: synthetic exports to try and measure with
    Generate(GenerateArgs),
    /// Measure coverage and error rates of the statistics on planted worlds
    Calibrate(CalibrateArgs),
}

#[derive(Args)]
struct Inputs {
    /// The configuration; without it the built-in sample is used
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Look at the exports as they were known at the end of this local day [default: the newest purchase
    /// or answer]
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    as_of: Option<chrono::NaiveDate>,
    /// Threads that run queries; results do not depend on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// Publish here instead of at the configuration's `output`
    #[arg(long, value_name = "URL")]
    output: Option<String>,
    /// Point `latest.json` at this run even if an earlier one looked at a later day
    #[arg(long)]
    make_latest: bool,
    /// Read back what was written and compare before publishing it: `footers` looks at sizes and Parquet
    /// footers, `full` at every byte
    #[arg(long, value_enum, default_value = "footers")]
    verify: Verify,
    /// Give up after so many minutes, publishing nothing
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
    max_minutes: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Verify {
    Footers,
    Full,
}

#[derive(Args)]
struct CheckArgs {
    #[command(flatten)]
    inputs: Inputs,
    /// Compare with the runs published here instead of at the configuration's `output`
    #[arg(long, value_name = "URL")]
    output: Option<String>,
    /// Take exports over that have changed since the last published run, so that the next one goes on
    #[arg(long)]
    accept: bool,
}

#[derive(Args)]
struct InitArgs {
    /// What the exports look like; once for each system that they come from [default: plain]
    #[arg(long, value_enum, value_name = "NAME")]
    preset: Vec<presets::Preset>,
    /// The folder that the exports lie in: a path or a URL such as s3://lake/exports
    #[arg(long, value_name = "DIR")]
    location: Option<String>,
    /// Propose a configuration for the exports that lie here: folders, objects or patterns. It shows up to
    /// three values of each column, shortened and with the names of e-mail addresses left out
    #[arg(long, value_name = "URL", num_args = 1.., conflicts_with_all = ["preset", "location"])]
    from: Vec<String>,
    /// Print, instead of a configuration, what starts a run every night
    #[arg(long, value_enum, value_name = "KIND", conflicts_with_all = ["preset", "location", "from"])]
    schedule: Option<schedules::Schedule>,
    /// With --schedule: where the configuration will lie [default: /etc/aftersale/aftersale.toml]
    #[arg(long, value_name = "FILE", requires = "schedule")]
    config: Option<PathBuf>,
    /// With --schedule: write the files into this folder, and print their paths
    #[arg(long, value_name = "DIR", requires = "schedule")]
    directory: Option<PathBuf>,
}

/// Where the published runs are.
#[derive(Args)]
struct Where {
    /// The configuration whose `output` is read; without it the sample's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read here instead
    #[arg(long, value_name = "URL")]
    output: Option<String>,
    /// A run other than the latest
    #[arg(long, value_name = "RUN_ID")]
    run: Option<String>,
}

#[derive(Args)]
struct ShowArgs {
    /// A published table; without it the tables are listed
    table: Option<String>,
    #[command(flatten)]
    place: Where,
    /// Only rows for which this SQL condition holds
    #[arg(long = "where", value_name = "SQL")]
    condition: Option<String>,
    /// Only these columns, in this order
    #[arg(long, value_name = "A,B", value_delimiter = ',')]
    columns: Vec<String>,
    /// At most so many rows
    #[arg(long, value_name = "N", default_value_t = 20)]
    rows: usize,
}

#[derive(Args)]
struct TraceArgs {
    /// A response_id or an order_id
    id: String,
    #[command(flatten)]
    place: Where,
}

#[derive(Args)]
struct ReportArgs {
    #[command(flatten)]
    place: Where,
    /// Freeze this month (2026-10) or week (2026-W43) as `board/PERIOD.html` at the output; if it is frozen
    /// already, list on it what is different today
    #[arg(long, value_name = "PERIOD")]
    period: Option<String>,
    /// Write the pages here [default: `redrawn/RUN_ID` at the output]
    #[arg(long, value_name = "URL", conflicts_with = "period")]
    to: Option<String>,
}

#[derive(Args)]
struct DiffArgs {
    /// The earlier run [default: the one published before the later one]
    run_a: Option<String>,
    /// The later run [default: the latest]
    run_b: Option<String>,
    /// The configuration whose `output` is read; without it the sample's
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Read here instead
    #[arg(long, value_name = "URL")]
    output: Option<String>,
}

#[derive(Args)]
struct EraseArgs {
    /// The configuration, which names the list and where runs are published
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
    /// Search here instead of at the configuration's `output`
    #[arg(long, value_name = "URL")]
    output: Option<String>,
}

#[derive(Args)]
struct GenerateArgs {
    /// The folder to write into; it must be empty or not there yet
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Purchases to make
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(100..))]
    purchases: u64,
    /// The same seed makes the same world
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Plant rows that cannot be used: ragged, unreadable, out of scale, conflicting
    #[arg(long, conflicts_with = "as_exports")]
    dirty: bool,
    /// How the world departs from the ordinary one; may be given several times
    #[arg(long, value_enum, value_name = "NAME", conflicts_with = "as_exports")]
    twist: Vec<TwistName>,
    /// Orders of the population whose truth stands beside the sample's in truth.json; 0 for none
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    population: u64,
    /// Write the world as Zendesk, Qualtrics and Shopify would export it, night after night, and the
    /// plain feeds of each night beside them
    #[arg(long)]
    as_exports: bool,
}

#[derive(Args)]
struct CalibrateArgs {
    /// The folder to write the tables into: `calibration_coverage`, `calibration_rates`, `calibration_targets`
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
    /// Run this share of the full calibration's worlds
    #[arg(long, value_name = "SHARE", default_value_t = 1.0, value_parser = share)]
    share: f64,
    /// Only these kinds of world; may be given several times
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Worlds that are worked on side by side; results do not depend on it [default: all processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// The same seed makes the same worlds
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// With fewer worlds than a target is meant for, miss it no likelier than this where the method is right; the
    /// default is what 92.5 to 97.5% leaves at 1,000 worlds
    #[arg(long, value_name = "PROBABILITY", default_value_t = 0.0003, value_parser = chance)]
    false_alarm: f64,
}

fn share(text: &str) -> std::result::Result<f64, String> {
    text.parse()
        .ok()
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| "write a share from 0 to 1".into())
}

/// With a chance of 0 nothing could be missed.
fn chance(text: &str) -> std::result::Result<f64, String> {
    share(text)
        .ok()
        .filter(|chance| 0.0 < *chance && *chance < 1.0)
        .ok_or_else(|| "write a probability between 0 and 1".into())
}

fn day(text: &str) -> std::result::Result<chrono::NaiveDate, String> {
    parse_day(text).ok_or_else(|| "write the day as 2026-10-31".to_string())
}

/// Runs the command line and returns its exit code.
pub fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(usage) => {
            // Help and the version are no errors; clap prints them where they belong.
            let is_error = usage.use_stderr();
            let _ = usage.print();
            return if is_error { ExitCode::from(Kind::Usage.exit_code()) } else { ExitCode::SUCCESS };
        }
    };
    let terminal = Terminal::new(command.log_format == LogFormat::Json);
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| obey(command.verb, &terminal)));
    match result.unwrap_or_else(|_| Err(panicked())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal.error(&error);
            ExitCode::from(error.kind().exit_code())
        }
    }
}

fn panicked() -> Error {
    Error::internal("the program broke off; nothing was published")
        .hint("this is a defect: please report the lines above with the version and the configuration")
}

fn obey(verb: Verb, terminal: &Terminal) -> Result<()> {
    match verb {
        Verb::Run(args) => run(args, terminal),
        Verb::Check(args) => check(args, terminal),
        Verb::Init(InitArgs { schedule: Some(schedule), config, directory, .. }) => {
            write_schedule(schedule, config.as_deref(), directory.as_deref())
        }
        Verb::Init(args) if !args.from.is_empty() => propose(&args.from),
        Verb::Init(args) => print(&presets::configuration(&args.preset, args.location.as_deref())?),
        Verb::Show(args) => show(args),
        Verb::Trace(args) => {
            let (config, id) = (read_config(args.place.config.as_deref())?, args.id);
            let place = args.place.of(&config)?;
            let text = block_on(async move {
                let published = Published::open(&place, &config, args.place.run.as_deref()).await?;
                trace::explain(&published, &config, &id).await
            })?;
            print(&text)
        }
        Verb::Report(args) => report(args, terminal),
        Verb::Diff(args) => {
            let config = read_config(args.config.as_deref())?;
            let place = args.output.as_deref().map_or_else(|| Ok(config.output.clone()), from_here)?;
            let (a, b) = (args.run_a, args.run_b);
            print(&block_on(async move { diff::tell_apart(&place, &config, a, b).await })?)
        }
        Verb::Erase(args) => erase(args, terminal),
        Verb::Generate(args) => generate_world(&args, terminal),
        Verb::Calibrate(args) => measure(args, terminal),
    }
}

fn run(args: RunArgs, terminal: &Terminal) -> Result<()> {
    let mut config = read_config(args.inputs.config.as_deref())?;
    if let Some(output) = args.output {
        config.output = from_here(&output)?;
        config.check_places()?;
    }
    let request = Request {
        make_latest: args.make_latest,
        verify_full: args.verify == Verify::Full,
        ..request(config, &args.inputs)?
    };
    terminal.attempt(&request.nonce);
    terminal.opening(&request.config);
    let began = machine::now();
    let story = lineage::Story::new(&request.config);
    let result = block_on_stoppable(args.max_minutes, async |stop| {
        if let Some(story) = &story {
            told(story.begins().await, terminal);
        }
        pipeline::run(&request, stop, terminal).await
    });
    if let Some(story) = &story {
        told(block_on(story.ends(&result)), terminal);
    }
    if let Some(path) = &request.config.metrics_textfile {
        write_metrics(path, began, &result, terminal);
    }
    let seconds = (machine::now() - began) as f64 / 1e6;
    if let Ok(outcome) = &result {
        terminal.outcome(outcome);
    }
    terminal.ended(&result, seconds);
    print(&format!("{}\n", result?.url))
}

/// An event of lineage that nobody has heard is no reason to fail.
fn told(delivered: Result<()>, terminal: &Terminal) {
    if let Err(error) = delivered {
        let mut context: Vec<(&str, String)> = error.context().to_vec();
        context.push(("reason", error.message().to_string()));
        terminal.warns("a lineage event could not be delivered", &context);
    }
}

fn write_schedule(kind: schedules::Schedule, config: Option<&Path>, folder: Option<&Path>) -> Result<()> {
    match folder {
        None => print(&kind.text(config)?),
        Some(folder) => {
            let paths = kind.write(config, folder)?;
            print(&paths.iter().map(|path| format!("{}\n", path.display())).collect::<String>())
        }
    }
}

fn erase(args: EraseArgs, terminal: &Terminal) -> Result<()> {
    let mut config = read_config(Some(&args.config))?;
    if let Some(output) = args.output {
        config.output = from_here(&output)?;
        config.check_places()?;
    }
    let inputs = Inputs { config: Some(args.config), as_of: None, threads: None };
    let request = request(config, &inputs)?;
    terminal.attempt(&request.nonce);
    let erased = block_on_stoppable(None, |stop| pipeline::erase(&request, stop, terminal))?;
    terminal.say(&format!(
        "{} runs searched, {} written again; removed: {} objects of rejected rows, {} landed exports, {} pages drawn \
         again",
        erased.searched,
        erased.runs.len(),
        erased.rejects,
        erased.landed,
        erased.redrawn
    ));
    print(&erased.runs.iter().map(|(was, is, rows)| format!("{was} {is} {rows}\n")).collect::<String>())
}

/// Figures that cannot be written are no reason to fail: the run is over.
fn write_metrics(path: &Path, began: i64, result: &Result<pipeline::Outcome>, terminal: &Terminal) {
    let now = machine::now();
    let figures = metrics::Figures {
        exit_code: result.as_ref().map_or_else(|error| error.kind().exit_code(), |_| 0),
        ended_at: now as f64 / 1e6,
        seconds: (now - began) as f64 / 1e6,
        is_published: result.as_ref().is_ok_and(|outcome| outcome.summary.is_some()),
        stages: terminal.stages(),
        reads: result
            .as_ref()
            .ok()
            .and_then(|outcome| outcome.summary.as_ref())
            .map_or_else(Vec::new, |s| s.reads.clone()),
    };
    if let Err(error) = metrics::write(path, &figures) {
        terminal.warns(error.message(), &[("file", path.display().to_string())]);
    }
}

fn check(args: CheckArgs, terminal: &Terminal) -> Result<()> {
    let mut config = read_config(args.inputs.config.as_deref())?;
    if let Some(output) = args.output {
        config.output = from_here(&output)?;
        config.check_places()?;
    }
    let request = Request { accept: args.accept, ..request(config, &args.inputs)? };
    let mut checked = block_on_stoppable(None, |stop| pipeline::check(&request, stop, terminal))?;
    print(&match terminal.is_json() {
        true => format!("{}\n", checked::machine(&checked)),
        false => checked::words(&checked),
    })?;
    // The first is the one that a run would end with; the others are told on the way.
    let mut stops = checked.stops.drain(..);
    let first = stops.next();
    stops.for_each(|stop| terminal.error(&stop));
    first.map_or(Ok(()), Err)
}

fn propose(locations: &[String]) -> Result<()> {
    let environment = config::environment();
    let limits = Limits { threads: machine::processors(), memory_pool: machine::memory_allowed()? / 2 };
    let found = discover::discover(locations, Path::new("."), &environment.0, &limits);
    print(&proposal::configuration(&block_on(found)?))
}

fn show(args: ShowArgs) -> Result<()> {
    let config = read_config(args.place.config.as_deref())?;
    let place = args.place.of(&config)?;
    let text = block_on(async move {
        let published = Published::open(&place, &config, args.place.run.as_deref()).await?;
        match &args.table {
            None => Ok(published.list()),
            Some(table) => {
                let more = args.rows.saturating_add(1);
                let rows = published.rows(table, args.condition.as_deref(), &args.columns, more).await?;
                let text = terminal::table(&rows, args.rows)?;
                let found: usize = rows.iter().map(arrow::array::RecordBatch::num_rows).sum();
                let note = match found > args.rows {
                    true => format!("the first {} rows; there are more: --rows N shows N\n", args.rows),
                    false => String::new(),
                };
                Ok(text + &note)
            }
        }
    })?;
    print(&text)
}

/// See [`generate::Twists`].
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum TwistName {
    /// Nothing that is met moves an answer
    Null,
    /// The survey comes 2 to 60 days after the parcel, and who is asked later is less pleased
    SurveyLag,
    /// Some customers write tickets and answer badly whatever they meet
    GrumpyCustomers,
    /// Who has written a ticket answers rather
    ResponseByTickets,
    /// Detractors answer rather
    ResponseByClass,
    /// Detractors with a ticket answer most of all
    ResponseByClassAndTickets,
    /// What lateness does differs from store to store
    StoreEffects,
    /// Weeks of a store have shocks of their own
    StoreWeekShocks,
    /// No answer names its order
    NoOrderIds,
}

fn twists(names: &[TwistName]) -> generate::Twists {
    let mut twists = generate::Twists::default();
    for name in names {
        match name {
            TwistName::Null => twists.is_null = true,
            TwistName::SurveyLag => twists.has_survey_lag = true,
            TwistName::GrumpyCustomers => twists.has_grumpy_customers = true,
            TwistName::ResponseByTickets => twists.response = generate::Response::ByTickets,
            TwistName::ResponseByClass => twists.response = generate::Response::ByClass,
            TwistName::ResponseByClassAndTickets => {
                twists.response = generate::Response::ByClassAndTickets;
            }
            TwistName::StoreEffects => twists.store_effect_sd = generate::STORE_EFFECT_SD,
            TwistName::StoreWeekShocks => twists.store_week_sd = 0.5,
            TwistName::NoOrderIds => twists.has_no_order_ids = true,
        }
    }
    twists
}

fn report(args: ReportArgs, terminal: &Terminal) -> Result<()> {
    let config = read_config(args.place.config.as_deref())?;
    let place = args.place.of(&config)?;
    let to = args.to.as_deref().map(from_here).transpose()?;
    let (url, note) = block_on(async move {
        let published = Published::open(&place, &config, args.place.run.as_deref()).await?;
        let open =
            |place: &str| Store::open(place, &config.base, &config.environment.0).with("output", place);
        let output = open(&place)?;
        if let Some(period) = &args.period {
            let frozen = pages::frozen::freeze(&published, &output, period).await?;
            let note = match (frozen.run_id == published.manifest.run_id, frozen.restated) {
                (true, 0) => String::new(),
                (_, 0) => format!("frozen from run {}; nothing is different today", frozen.run_id),
                (_, n) => format!("frozen from run {}; different today: {n} figures", frozen.run_id),
            };
            return Ok((frozen.url, note));
        }
        let run_id = published.manifest.run_id.clone();
        let folder = match &to {
            Some(to) => {
                let folder = open(to)?;
                if holds_what_is_published(folder.url(), output.url()) {
                    return Err(Error::usage("pages are not drawn over what is published")
                        .with("to", folder.url())
                        .hint(
                            "name a folder outside of the output, or leave `--to` out: `redrawn/` it is then",
                        ));
                }
                folder
            }
            None => output.child(&format!("redrawn/{run_id}"))?,
        };
        let address = format!("{}/runs/{run_id}", output.url());
        for page in pages::draw(&published, &address).await? {
            folder.write(&page.path, page.text.into()).await.with("page", &page.path)?;
        }
        Ok((format!("{}/{}", folder.url(), pages::LEADERSHIP), String::new()))
    })?;
    if !note.is_empty() {
        terminal.say(&note);
    }
    print(&format!("{url}\n"))
}

/// Whether a folder is the output, or in it but for `redrawn/`.
fn holds_what_is_published(folder: &str, output: &str) -> bool {
    let (folder, output) = (folder.trim_end_matches('/'), output.trim_end_matches('/'));
    match folder.strip_prefix(output) {
        Some("") => true,
        Some(below) => below.starts_with('/') && !below.starts_with("/redrawn/"),
        None => false,
    }
}

fn generate_world(args: &GenerateArgs, terminal: &Terminal) -> Result<()> {
    let cannot = |e: std::io::Error| {
        Error::io("the world cannot be written").with("folder", args.output.display()).caused_by(e)
    };
    if args.output.to_string_lossy().contains("://") {
        return Err(Error::usage("worlds are written into folders of this machine")
            .hint("name a folder, and copy it from there"));
    }
    std::fs::create_dir_all(&args.output).map_err(cannot)?;
    if std::fs::read_dir(&args.output).map_err(cannot)?.next().is_some() {
        return Err(Error::usage("the folder is not empty")
            .with("folder", args.output.display())
            .hint("name a folder that is empty or not there yet"));
    }
    let world = generate::World {
        purchases: args.purchases,
        seed: args.seed,
        dirty: args.dirty,
        twists: twists(&args.twist),
        truth: (!args.as_exports).then_some(args.population),
    };
    let mut open = |path: &str| -> Result<Box<dyn Write + Send>> {
        let path = args.output.join(path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(cannot)?;
        }
        Ok(Box::new(std::io::BufWriter::new(std::fs::File::create(path).map_err(cannot)?)))
    };
    let (summary, configuration) = if args.as_exports {
        (generate::generate_exports(&world, &mut open)?, presets::lake()?)
    } else {
        (generate::generate(&world, &mut open)?, generate::CONFIGURATION.to_owned())
    };
    std::fs::write(args.output.join("aftersale.toml"), configuration).map_err(cannot)?;
    terminal.say(&format!("{summary}"));
    print(&format!("{}\n", args.output.join("aftersale.toml").display()))
}

fn measure(args: CalibrateArgs, terminal: &Terminal) -> Result<()> {
    let request = calibrate::Request {
        output: from_here(&args.output.to_string_lossy())?,
        share: args.share,
        only: args.only,
        threads: args.threads.map_or_else(machine::processors, usize::from),
        seed: args.seed,
        false_alarm: args.false_alarm,
    };
    // Hours of work are not to end at a folder that cannot be written.
    if !args.output.to_string_lossy().contains("://") {
        let cannot = |e| {
            Error::io("the folder cannot be written")
                .with("output", args.output.display())
                .hint("name a folder that is not a file, and that you may write to")
                .caused_by(e)
        };
        std::fs::create_dir_all(&args.output)
            .and_then(|()| tempfile::tempfile_in(&args.output))
            .map_err(cannot)?;
    }
    let outcome = block_on(calibrate::run(&request, terminal))?;
    terminal.calibrated(&outcome);
    print(&format!("{}\n", args.output.display()))?;
    match outcome.missed().count() {
        0 => Ok(()),
        missed => Err(Error::data("the calibration misses targets")
            .with("missed", missed)
            .with("of", outcome.targets.len())
            .hint("they stand above, marked MISSED, and in `calibration_targets`")),
    }
}

// ---- what every verb needs -------------------------------------------------------------------------------

fn read_config(path: Option<&Path>) -> Result<Config> {
    let environment = config::environment();
    match path {
        Some(path) => Config::read(path, environment),
        None => sample_config(environment),
    }
}

/// The sample's configuration; it publishes to `data/out` under the folder that the command runs in.
fn sample_config(environment: Environment) -> Result<Config> {
    let text = sample::FILES
        .get_file(sample::CONFIGURATION)
        .and_then(|file| file.contents_utf8())
        .ok_or_else(|| Error::internal("the sample is not in the binary"))?;
    let mut config = Config::parse(text, "data/sample/aftersale.toml", PathBuf::from("."), environment)?;
    config.embedded = true;
    Ok(config)
}

fn request(config: Config, inputs: &Inputs) -> Result<Request> {
    let limits = Limits {
        threads: inputs.threads.map_or_else(machine::processors, usize::from),
        memory_pool: match config.memory_pool {
            Some(pool) => pool,
            None => machine::memory_allowed()? / 2,
        },
    };
    Ok(Request {
        config,
        as_of: inputs.as_of,
        limits,
        accept: false,
        make_latest: false,
        verify_full: false,
        nonce: nonce(),
        holder: machine::process(),
        clock: machine::now,
    })
}

/// Eight hexadecimal digits that no other attempt has.
fn nonce() -> String {
    format!("{:08x}", rand::random::<u32>())
}

/// A place on the command line: a path there starts from the folder that the command runs in, not from the
/// configuration's.
fn from_here(place: &str) -> Result<String> {
    if place.contains("://") {
        return Ok(place.to_string());
    }
    std::path::absolute(place)
        .map(|path| path.to_string_lossy().into_owned())
        .map_err(|e| Error::usage("the output is no path").with("output", place).caused_by(e))
}

impl Where {
    fn of(&self, config: &Config) -> Result<String> {
        self.output.as_deref().map_or_else(|| Ok(config.output.clone()), from_here)
    }
}

/// Standard output. What customers wrote may hold codes that move a terminal's cursor or turn its text around: they
/// are shown as a mark.
fn print(text: &str) -> Result<()> {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let is_code = |c: char| c.is_control() && c != '\n' && c != '\t' || turns(c);
    let text = text.replace(is_code, "\u{fffd}");
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads the pipe has seen enough.
        Err(e) if e.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|e| Error::io("standard output cannot be written").caused_by(e)),
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::internal("no threads can be started").caused_by(e))
}

fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    runtime()?.block_on(work)
}

/// Runs work that ends early, and cleanly, on SIGTERM and SIGINT, and when the minutes allowed are over.
fn block_on_stoppable<T, F: Future<Output = Result<T>>>(
    minutes: Option<u64>,
    work: impl FnOnce(Stop) -> F,
) -> Result<T> {
    let runtime = runtime()?;
    let (sender, stop) = Stop::new();
    let result = runtime.block_on(async {
        let watch = sender.clone();
        let deadline = tokio::spawn(async move {
            let Some(minutes) = minutes else { return };
            tokio::time::sleep(std::time::Duration::from_secs(60 * minutes)).await;
            watch.send(Wish::Deadline(minutes));
        });
        let signals = tokio::spawn(async move {
            use tokio::signal::unix::{SignalKind, signal};
            let (Ok(mut term), Ok(mut int)) =
                (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
            else {
                return;
            };
            let number = tokio::select! {
                _ = term.recv() => SignalKind::terminate().as_raw_value(),
                _ = int.recv() => SignalKind::interrupt().as_raw_value(),
            };
            sender.send(Wish::Signal(number));
        });
        let result = work(stop).await;
        signals.abort();
        deadline.abort();
        result
    });
    // A reader thread may still wait for its storage; the result does not.
    runtime.shutdown_background();
    result
}
