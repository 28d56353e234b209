//! What goes wrong if the latest state is taken for what was known at the answer.
//!
//! A planted world in which slow solutions do no harm: of those who waited long as many are detractors as
//! of the others. But a company calls its detractors back, their tickets are reopened after the answer, and
//! the export's "solved at" moves. Whoever reads it as it stands finds that slow solutions make detractors.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use chrono::{NaiveDate, NaiveDateTime, TimeDelta};

use crate::program::{aftersale, text};
use crate::table::published;

const TICKETS: i64 = 1200;

struct Ticket {
    number: i64,
    opened: NaiveDateTime,
    solved: NaiveDateTime,
    answered: NaiveDateTime,
    is_detractor: bool,
    is_reopened: bool,
}

/// A third is solved in 100 hours instead of 24, a quarter are detractors, crossed with each other. Of the
/// detractors four in five are reopened six days after the answer, of the others one in ten.
fn tickets() -> Vec<Ticket> {
    let start =
        NaiveDate::from_ymd_opt(2025, 3, 1).and_then(|day| day.and_hms_opt(10, 0, 0)).expect("a time");
    let ticket = |number: i64| {
        let opened = start + TimeDelta::days(number % 60);
        let is_detractor = number / 3 % 4 == 0;
        Ticket {
            number,
            opened,
            solved: opened + TimeDelta::hours(if number % 3 == 0 { 100 } else { 24 }),
            answered: opened + TimeDelta::days(10),
            is_detractor,
            is_reopened: if is_detractor { number / 12 % 5 != 0 } else { number / 12 % 10 == 0 },
        }
    };
    (0..TICKETS).map(ticket).collect()
}

impl Ticket {
    fn solved_again(&self) -> NaiveDateTime {
        self.answered + TimeDelta::days(6)
    }

    /// Each version as the help desk exports it, the newest last: solved, closed, reopened and solved again.
    fn versions(&self) -> Vec<String> {
        let version = |updated: NaiveDateTime, solved: NaiveDateTime, reopens: u8| {
            format!("T{0},{1},O{0},{updated},{solved},{reopens}", self.number, self.opened)
        };
        let mut versions = vec![
            version(self.solved, self.solved, 0),
            version(self.answered + TimeDelta::days(1), self.solved, 0),
        ];
        if self.is_reopened {
            versions.push(version(self.solved_again(), self.solved_again(), 1));
        }
        versions
    }
}

/// (detractors, answers) among tickets that took more than 72 hours, and among the others.
type Shares = [(f64, f64); 2];

fn risk_ratio(shares: Shares) -> f64 {
    let [(slow, all_slow), (quick, all_quick)] = shares;
    (slow / all_slow) / (quick / all_quick)
}

#[test]
fn late_reopenings_do_not_make_a_harmless_wait_look_harmful() {
    let tickets = tickets();
    // Read as it stands: the latest "solved at", whenever it came to be.
    let mut naive: Shares = [(0.0, 0.0); 2];
    for ticket in &tickets {
        let latest = if ticket.is_reopened { ticket.solved_again() } else { ticket.solved };
        let group = &mut naive[usize::from(latest - ticket.opened <= TimeDelta::hours(72))];
        group.0 += f64::from(u8::from(ticket.is_detractor));
        group.1 += 1.0;
    }
    assert!(risk_ratio(naive) > 2.0, "the trap is not set: {}", risk_ratio(naive));

    // Only the latest state: what was reopened later is unknown (four fifths of 300 detractors and a tenth
    // of 900 others), and the rest shows no difference.
    let latest = |ticket: &Ticket| ticket.versions().pop().into_iter().collect();
    let (shares, unknown) = measured(&tickets, &latest, "mode = \"append\"");
    assert_eq!((shares, unknown), ([(20.0, 290.0), (40.0, 580.0)], 240 + 90));
    assert!((risk_ratio(shares) - 1.0).abs() < 1e-9);

    // All versions: what the one before and the one after the answer agree on is known of every ticket.
    let upsert = "mode = \"upsert\"\nkey = \"ticket_id\"\nversion = \"updated_at\"";
    let (shares, unknown) = measured(&tickets, &Ticket::versions, upsert);
    assert_eq!((shares, unknown), ([(100.0, 400.0), (200.0, 800.0)], 0));
}

/// Detractors and answers with and without a slow solution, and how many of them are unknown.
fn measured(tickets: &[Ticket], rows: &dyn Fn(&Ticket) -> Vec<String>, mode: &str) -> (Shares, u32) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = export(folder.path(), tickets, rows, mode);
    let output = folder.path().join("out");
    aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0);
    let answers = published(&output, "fct_exposures");
    let (state, class) = (answers.column("tp_slow_resolution_state"), answers.column("nps_class"));
    let (mut shares, mut unknown) = ([(0.0, 0.0); 2], 0);
    for row in &answers.rows {
        let group = match row[state].as_str() {
            "yes" => &mut shares[0],
            "no" => &mut shares[1],
            other => {
                assert_eq!(other, "unknown");
                unknown += 1;
                continue;
            }
        };
        group.0 += f64::from(u8::from(row[class] == "detractor"));
        group.1 += 1.0;
    }
    let quality = published(&output, "rpt_data_quality").only("section", &["touchpoints"]);
    let counted = quality.only("source", &["slow_resolution"]);
    assert_eq!(counted.row("measure", "unknown")["rows"], unknown.to_string(), "unknown states are counted");
    (shares, unknown)
}

fn export(
    folder: &Path,
    tickets: &[Ticket],
    rows: &dyn Fn(&Ticket) -> Vec<String>,
    mode: &str,
) -> std::path::PathBuf {
    let mut surveys = String::from("response_id,responded_at,score,order_id\n");
    let mut purchases = String::from("order_id,ordered_at\n");
    let mut exported = String::from("ticket_id,opened_at,order_id,updated_at,solved_at,reopens\n");
    for ticket in tickets {
        let score = if ticket.is_detractor { 2 } else { 9 };
        let _ = writeln!(surveys, "R{0},{1},{score},O{0}", ticket.number, ticket.answered);
        let _ = writeln!(purchases, "O{},{}", ticket.number, ticket.opened - TimeDelta::days(5));
        for row in rows(ticket) {
            let _ = writeln!(exported, "{row}");
        }
    }
    // The as-of is the newest purchase: late enough for every reopening.
    purchases.push_str("O-last,2025-07-01 00:00:00\n");
    for (name, text) in [("surveys", surveys), ("purchases", purchases), ("tickets", exported)] {
        fs::write(folder.join(format!("{name}.csv")), text).expect("a file can be written");
    }
    let config = folder.join("aftersale.toml");
    let configuration = format!(
        "[sources.surveys]\nurl = \"surveys.csv\"\n[sources.purchases]\nurl = \"purchases.csv\"\n\
         starts_on = \"2025-01-01\"\n[sources.tickets]\nurl = \"tickets.csv\"\nstarts_on = \"2025-01-01\"\n{mode}\n"
    );
    fs::write(&config, configuration).expect("a file can be written");
    config
}
