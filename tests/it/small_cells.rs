//! No count of answers under `analysis.min_cell` stands where leaders look, and none can be worked out as what is
//! left of a whole: the page, the digests, the index of sheets. (A sheet itself is for those who know its
//! customers; it tells of each answer.) Rows of feeds that were read, rejected or linked are no counts of answers.

use std::fs;
use std::path::Path;

use crate::program::{aftersale, text};
use crate::table::run_folder;
use crate::world;

/// Counts under `least`, and rests of a whole under it, that a page tells.
fn small_counts(page: &str, least: u64) -> Vec<String> {
    let body = page.split("</style>").nth(1).unwrap_or(page);
    let body = without(body, "<figcaption>", "</figcaption>");
    let mut small = Vec::new();
    let mut see = |count: u64, place: String| {
        if count > 0 && count < least {
            small.push(format!("{count}: {place}"));
        }
    };
    // Words, those of labels for readers of screens included.
    let plain: String = body.chars().map(|c| if "<>\"=().,;:".contains(c) { ' ' } else { c }).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let number = |at: usize| words.get(at).and_then(|word| word.parse::<u64>().ok());
    for at in 0..words.len() {
        let near = || words[at.saturating_sub(8)..words.len().min(at + 6)].join(" ");
        let Some(count) = number(at) else { continue };
        let what = words.get(at + 1).copied().unwrap_or_default();
        let nouns = ["answer", "comment", "promoter", "passive", "detractor", "customer", "case"];
        if nouns.iter().any(|noun| what.trim_end_matches('s') == *noun) || (at > 0 && words[at - 1] == "n") {
            see(count, near());
        }
        // Figures of the model are told for a hundred.
        let is_of_the_model = words.get(at + 3..at + 5) == Some(&["were", "expected"]);
        if let (true, Some(whole)) = (what == "of" && !is_of_the_model, number(at + 2)) {
            see(count, near());
            see(whole.saturating_sub(count), format!("the rest in {}", near()));
        }
    }
    // Columns of tables.
    for table in body.split("<table").skip(1) {
        let table = table.split("</table>").next().unwrap_or_default();
        let cells = |row: &str| -> Vec<String> {
            let cells =
                row.split("<t").filter(|cell| cell.starts_with(['h', 'd']) && !cell.starts_with("head"));
            cells.map(|cell| inside(&format!("<t{cell}"))).collect()
        };
        let mut rows = table.split("<tr").skip(1).map(cells);
        let header = rows.next().unwrap_or_default();
        for row in rows {
            for (name, cell) in header.iter().zip(&row) {
                let is_count = name.starts_with("Answers") || ["Met by", "Unknown"].contains(&name.as_str());
                if let (true, Ok(count)) = (is_count, cell.parse()) {
                    see(count, format!("{name} of {}", row.join(" | ")));
                }
            }
        }
    }
    small
}

fn without(text: &str, start: &str, end: &str) -> String {
    let mut pieces = text.split(start);
    let mut kept = pieces.next().unwrap_or_default().to_string();
    pieces.for_each(|piece| kept += piece.split_once(end).map_or("", |(_, rest)| rest));
    kept
}

/// A cell's words.
fn inside(cell: &str) -> String {
    let mut words = String::new();
    for piece in cell.split('<').skip(1) {
        words += piece.split_once('>').map_or("", |(_, words)| words);
        words.push(' ');
    }
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn what_is_small_is_seen() {
    let page = "<p>Met by 37 of 40 answers, n 2</p><table><thead><tr><th>Answers</th></tr></thead>\
                <tr><td class=\"figure\">4</td></tr><tr><td>12</td></tr></table><figcaption>2 of 10</figcaption>";
    let small = small_counts(page, 5);
    assert_eq!(small.len(), 3, "{small:?}");
    assert!(small_counts(page, 2).is_empty());
    assert_eq!(small_counts("98 of 100 were expected to be detractors; 97 of 100 were", 5).len(), 1);
}

#[test]
fn no_small_cell_stands_where_leaders_look() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut looked_at = 0;
    for (purchases, least) in [(200, 5_u64), (200, 25), (60, 12)] {
        let place = folder.path().join(format!("{purchases}-{least}"));
        fs::create_dir_all(&place).expect("a folder can be made");
        let config = world::write(&place, &world::feeds(purchases), 1);
        let settings = fs::read_to_string(&config).expect("read");
        let settings = settings.replace("[analysis]\n", &format!("[analysis]\nmin_cell = {least}\n"));
        fs::write(&config, settings).expect("written");
        let output = place.join("out");
        aftersale(&["run", "--config", text(&config), "--output", text(&output)]).expect(0);
        let run = run_folder(&output);
        let read = |name: &str| fs::read_to_string(run.join(name)).unwrap_or_default();
        for name in ["leadership.html", "digest.md", "digest.txt", "stores/index.html"] {
            let page = read(name);
            looked_at += usize::from(!page.is_empty());
            let small = small_counts(&page, least);
            assert!(
                small.is_empty(),
                "{name} of {purchases} purchases, cells of {least}:\n{}",
                small.join("\n")
            );
        }
        frozen(&config, &output, least);
    }
    assert!(looked_at >= 12, "{looked_at} pages");
}

/// A month for the board is told as it is only as far as that points at nobody.
fn frozen(config: &Path, output: &Path, least: u64) {
    let freeze = ["report", "--config", text(config), "--output", text(output), "--period", "2025-03"];
    let outcome = aftersale(&freeze);
    if outcome.code == 0 {
        let page = fs::read_to_string(outcome.stdout.trim_end()).expect("a frozen page");
        let small = small_counts(&page, least);
        assert!(small.is_empty(), "the frozen month, cells of {least}:\n{}", small.join("\n"));
    }
}
