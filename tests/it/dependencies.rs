//! Holds what the program is made of to `deny.toml`: licences, sources, bans, and the end of exceptions.
//! Advisories are looked up by `cargo deny check`, where that is installed.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

fn policy() -> toml::Table {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deny.toml");
    std::fs::read_to_string(path).expect("deny.toml is there").parse().expect("deny.toml is TOML")
}

fn names<'a>(policy: &'a toml::Table, section: &str, key: &str) -> Vec<&'a str> {
    let list = policy[section][key].as_array().expect("a list");
    list.iter().filter_map(|item| item.as_str().or_else(|| item.get("crate")?.as_str())).collect()
}

/// Whether a licence expression can be met with the licences allowed: `A OR B`, `A AND B`, `A/B`, `( )`.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let holds = either(&words, &mut at, allowed);
    holds && at == words.len()
}

fn either(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut holds = both(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        holds |= both(words, at, allowed);
    }
    holds
}

fn both(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let mut holds = one(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        holds &= one(words, at, allowed);
    }
    holds
}

fn one(words: &[&str], at: &mut usize, allowed: &[&str]) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let holds = either(words, at, allowed);
        *at += 1;
        return holds;
    }
    let mut name = (*word).to_string();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{name} WITH {}", words.get(*at + 1).unwrap_or(&""));
        *at += 2;
    }
    allowed.contains(&name.as_str())
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = ["MIT", "Apache-2.0", "ISC", "Apache-2.0 WITH LLVM-exception"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("GPL-3.0 AND MIT", false),
        ("(MIT OR GPL-3.0) AND ISC", true),
        ("(MIT OR ISC) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception", true),
        ("MIT WITH other-exception", false),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn the_program_is_made_of_what_is_allowed() {
    let policy = policy();
    let metadata = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu", "--manifest-path"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .output()
        .expect("cargo starts");
    assert!(metadata.status.success(), "{}", String::from_utf8_lossy(&metadata.stderr));
    let metadata: Value = serde_json::from_slice(&metadata.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert!(packages.len() > 200, "{} packages", packages.len());
    let licences = names(&policy, "licenses", "allow");
    let registries: Vec<String> =
        names(&policy, "sources", "allow-registry").iter().map(|url| format!("registry+{url}")).collect();
    let banned = names(&policy, "bans", "deny");
    let mut wrong = Vec::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_allowed(licence, &licences) {
            wrong.push(format!("{name}: the licence {licence:?}"));
        }
        if banned.contains(&name) {
            wrong.push(format!("{name} is banned"));
        }
        match package["source"].as_str() {
            None => assert_eq!(name, "aftersale"),
            Some(source) if registries.iter().any(|registry| registry == source) => {}
            Some(source) => wrong.push(format!("{name} is from {source}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn exceptions_end() {
    let policy = policy();
    let today = chrono::Utc::now().date_naive().to_string();
    for exception in policy["advisories"]["ignore"].as_array().expect("a list") {
        let reason = exception["reason"].as_str().unwrap_or_default();
        let (_, end) = reason.rsplit_once("until ").unwrap_or_else(|| panic!("{exception} has no end"));
        assert!(end.len() == 10 && today.as_str() < end, "{exception} has ended");
    }
}
