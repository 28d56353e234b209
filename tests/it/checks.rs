//! Every check of `queries/checks/` is seen to fail.
//!
//! `tests/checks/<check>.sql` holds a sound state of the tables that the check reads, and after it, each
//! behind a line `-- broken: <what is wrong>`, one or more statements that spoil a copy of that state.
//! On the sound state the check returns nothing, on every spoiled one it returns rows.

use std::path::Path;

use aftersale::queries;
use datafusion::error::DataFusionError;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::DFParser;

/// As many as there are; a check without its file is found by name below.
const AT_LEAST: usize = 15;

#[tokio::test]
async fn every_check_is_seen_to_fail() {
    let checks = queries::checks().expect("the checks' headers are right");
    assert!(checks.len() >= AT_LEAST, "{} checks", checks.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checks");
    let files = std::fs::read_dir(&folder).expect("tests/checks is there").count();
    assert_eq!(files, checks.len(), "a file of tests/checks belongs to no check, or a check has none");

    let mut wrong = Vec::new();
    for check in checks {
        let file = folder.join(format!("{}.sql", check.name));
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        let mut states = text.split("-- broken: ");
        let sound = states.next().unwrap_or_default();
        let spoiled: Vec<(&str, &str)> = states.filter_map(|state| state.split_once('\n')).collect();
        assert!(!spoiled.is_empty(), "{} never breaks the check", file.display());
        for (what, spoil) in [("sound", "")].into_iter().chain(spoiled) {
            match rows(check.sql, &[sound, spoil]).await {
                Ok(rows) if (rows == 0) == (what == "sound") => {}
                Ok(rows) => wrong.push(format!("{}: {rows} rows of a state that is {what}", check.name)),
                Err(e) => wrong.push(format!("{}: {what}: {e}", check.name)),
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The rows that the check returns of the tables that these statements make, in a session of their own.
async fn rows(check: &str, states: &[&str]) -> Result<usize, DataFusionError> {
    let ctx = SessionContext::new();
    for state in states {
        for statement in DFParser::parse_sql(state)? {
            let plan = ctx.state().statement_to_plan(statement).await?;
            ctx.execute_logical_plan(plan).await?.collect().await?;
        }
    }
    ctx.sql(check).await?.count().await
}
