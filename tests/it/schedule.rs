//! What `init --schedule` writes: it parses, and it calls flags that there are.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::program::{aftersale, text};

const KINDS: [&str; 5] = ["cron", "systemd", "kubernetes", "airflow", "dockerfile"];

fn python(script: &str, file: &Path) -> String {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/bin/python");
    assert!(python.exists(), "there is no {}: `tests/run` sets it up", python.display());
    let output = Command::new(python).args(["-c", script, text(file)]).output().expect("Python starts");
    assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_string()
}

/// Every command in the text is one that the program understands; returns how many there are.
fn calls(text: &str) -> usize {
    let mut calls = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        for verb in ["run", "check"] {
            let Some(at) = line.find(&format!("aftersale {verb} ")) else { continue };
            let words = line[at..].split_whitespace().skip(1);
            let words: Vec<&str> = words
                .take_while(|word| !word.starts_with('>'))
                .map(|word| word.trim_matches(['"', ',']))
                .collect();
            understood(&words);
            calls += 1;
        }
    }
    calls
}

fn understood(words: &[&str]) {
    let help = aftersale(&[words, &["--help"]].concat());
    assert_eq!(help.code, 0, "{words:?}\n{}", help.told());
}

#[test]
fn each_file_parses_and_calls_flags_that_there_are() {
    // A flag that there is not is seen.
    assert_eq!(aftersale(&["run", "--max-minute", "3", "--help"]).code, 64);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = "/srv/shop/aftersale.toml";
    for kind in KINDS {
        let printed = aftersale(&["init", "--schedule", kind, "--config", config]).expect(0).stdout;
        assert!(printed.contains(config) && !printed.contains("CONFIG"), "{printed}");
        let arguments = ["init", "--schedule", kind, "--config", config, "--directory", text(folder.path())];
        let written = aftersale(&arguments).expect(0).stdout;
        assert_eq!(written.lines().count(), if kind == "systemd" { 2 } else { 1 });
        aftersale(&arguments).expect(64).says(&["is there already"]);
        assert!(
            aftersale(&["init", "--schedule", kind])
                .expect(0)
                .stdout
                .contains("/etc/aftersale/aftersale.toml")
        );
    }
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).expect("written");

    // cron: settings, and lines of five times, a user and a command, none of them with a bare %.
    let cron = read("aftersale");
    let jobs: Vec<&str> =
        cron.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_digit() || c == '*')).collect();
    assert_eq!((jobs.len(), calls(&cron)), (1, 1));
    let words: Vec<&str> = jobs[0].split_whitespace().collect();
    assert!(words[..5].iter().all(|word| word.chars().all(|c| c.is_ascii_digit() || "*,/-".contains(c))));
    assert!(words[5] == "aftersale" && !jobs[0].contains('%'));
    let command = jobs[0].split_once(" aftersale ").expect("a command").1;
    let shell = Command::new("sh").args(["-n", "-c", command]).status().expect("a shell starts");
    assert!(shell.success(), "{command}");

    // systemd: what it says itself of the files, where it is there.
    let service = read("aftersale.service");
    assert_eq!(calls(&service), 1);
    match Command::new("systemd-analyze").arg("--version").output() {
        Err(_) => eprintln!("skipped: there is no systemd-analyze"),
        Ok(_) => {
            // The program and its user are not installed on this machine.
            let here = service
                .replace("/usr/local/bin/aftersale", env!("CARGO_BIN_EXE_aftersale"))
                .replace("User=aftersale\n", "");
            fs::write(folder.path().join("aftersale.service"), here).expect("written");
            for name in ["aftersale.service", "aftersale.timer"] {
                let file = folder.path().join(name);
                let verify =
                    Command::new("systemd-analyze").arg("verify").arg(&file).output().expect("it starts");
                let said = String::from_utf8_lossy(&verify.stderr);
                assert!(!said.contains(name), "{said}");
            }
        }
    }

    // Kubernetes: YAML, and the fields without which there is no CronJob.
    let arguments = python(
        "import sys, yaml, json\n\
         job = yaml.safe_load(open(sys.argv[1]))\n\
         assert (job['apiVersion'], job['kind']) == ('batch/v1', 'CronJob')\n\
         assert len(job['spec']['schedule'].split()) == 5 and job['spec']['concurrencyPolicy'] == 'Forbid'\n\
         spec = job['spec']['jobTemplate']['spec']\n\
         assert spec['podFailurePolicy']['rules'][0]['onExitCodes']['values'] == [64, 65, 70, 78]\n\
         pod = spec['template']['spec']\n\
         assert pod['restartPolicy'] == 'Never'\n\
         container, = pod['containers']\n\
         mounts = {mount['name'] for mount in container['volumeMounts']}\n\
         assert mounts == {volume['name'] for volume in pod['volumes']}\n\
         print(json.dumps(container['args']))",
        &folder.path().join("aftersale.yaml"),
    );
    let arguments: Vec<String> = serde_json::from_str(&arguments).expect("a list");
    understood(&arguments.iter().map(String::as_str).collect::<Vec<_>>());

    // Airflow: Python, whose operators are known.
    let dag = folder.path().join("aftersale_dag.py");
    let operators = python(
        "import ast, sys\n\
         tree = ast.parse(open(sys.argv[1]).read())\n\
         calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]\n\
         names = [call.func.id for call in calls if isinstance(call.func, ast.Name)]\n\
         print(names.count('DAG'), names.count('BashOperator'))",
        &dag,
    );
    assert_eq!((operators.as_str(), calls(&read("aftersale_dag.py"))), ("1 2", 2));

    // Dockerfile: known instructions, two stages, and a command that the program understands.
    let dockerfile = read("Dockerfile").replace("\\\n", " ");
    let known = ["FROM", "RUN", "WORKDIR", "COPY", "USER", "STOPSIGNAL", "ENTRYPOINT", "CMD"];
    let mut stages = 0;
    for line in dockerfile.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').expect("an instruction");
        assert!(known.contains(&word), "{line}");
        stages += usize::from(word == "FROM");
        if word == "CMD" {
            let words: Vec<String> = serde_json::from_str(rest).expect("a list");
            understood(&words.iter().map(String::as_str).collect::<Vec<_>>());
        }
    }
    assert_eq!(stages, 2);
    aftersale(&["init", "--schedule", "cron", "--config", "my file.toml"]).expect(64);
}
