//! Every check of `queries/checks/` is seen to fail.
//!
//! `tests/checks/<check>.sql` holds a sound state of the tables that the check reads, and after it, each
//! behind a line `-- broken: <what is wrong>`, one or more statements that spoil a copy of that state.
//! On the sound state the check returns nothing, on every spoiled one it returns rows.

use std::path::Path;

use aftersale::queries;
use datafusion::prelude::SessionContext;
use datafusion::sql::parser::DFParser;

/// As many as there are; a check without its file is found by name below.
const AT_LEAST: usize = 11;

#[tokio::test]
async fn every_check_is_seen_to_fail() {
    let checks = queries::checks().expect("the checks' headers are right");
    assert!(checks.len() >= AT_LEAST, "{} checks", checks.len());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/checks");
    let files = std::fs::read_dir(&folder).expect("tests/checks is there").count();
    assert_eq!(files, checks.len(), "a file of tests/checks belongs to no check, or a check has none");

    for check in checks {
        let name = &check.name;
        let file = folder.join(format!("{name}.sql"));
        let states =
            std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("tests/checks/{name}.sql: {e}"));
        let mut states = states.split("-- broken: ");
        let sound = states.next().unwrap_or_default();
        assert_eq!(rows(name, check.sql, &[sound]).await, 0, "{name} returns rows of a sound state");
        let mut broken = 0;
        for state in states {
            let (what, spoil) = state.split_once('\n').unwrap_or((state, ""));
            assert!(rows(name, check.sql, &[sound, spoil]).await > 0, "{name} does not see: {what}");
            broken += 1;
        }
        assert!(broken > 0, "tests/checks/{name}.sql never breaks the check");
    }
}

/// The rows that the check returns of the tables that these statements make, in a session of their own.
async fn rows(name: &str, check: &str, states: &[&str]) -> usize {
    let ctx = SessionContext::new();
    for state in states {
        let statements = DFParser::parse_sql(state).unwrap_or_else(|e| panic!("{name}: {e}"));
        for statement in statements {
            let plan = ctx.state().statement_to_plan(statement).await;
            let plan = plan.unwrap_or_else(|e| panic!("{name}: {e}"));
            let made = ctx.execute_logical_plan(plan).await.unwrap_or_else(|e| panic!("{name}: {e}"));
            made.collect().await.unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
    let plan = ctx.sql(check).await.unwrap_or_else(|e| panic!("{name}: {e}"));
    plan.count().await.unwrap_or_else(|e| panic!("{name}: {e}"))
}
