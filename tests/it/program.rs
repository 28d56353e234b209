//! Runs the program as a user would: arguments in; exit code, standard output and error out.

use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

pub struct Outcome {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// The program with these arguments, in a clean environment but for `environment`.
pub fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_aftersale"));
    command.args(arguments).env_clear().stdin(Stdio::null());
    for name in ["PATH", "HOME", "TMPDIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(environment.iter().copied());
    command
}

pub fn aftersale(arguments: &[&str]) -> Outcome {
    aftersale_with(arguments, &[])
}

pub fn aftersale_with(arguments: &[&str], environment: &[(&str, &str)]) -> Outcome {
    let output = command(arguments, environment).output().expect("the program starts");
    Outcome {
        code: exit_code(output.status),
        stdout: String::from_utf8(output.stdout).expect("standard output is text"),
        stderr: String::from_utf8(output.stderr).expect("standard error is text"),
    }
}

/// The exit code, or minus the number of the signal that killed the program.
pub fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// Sends a signal by its name (`TERM`, `INT`); the shell's own `kill` is on every machine.
pub fn signal(child: &Child, name: &str) {
    let line = format!("kill -{name} {}", child.id());
    let status = Command::new("sh").args(["-c", &line]).status().expect("a shell starts");
    assert!(status.success(), "the signal could not be sent");
}

impl Outcome {
    /// Fails with all that the program said unless it ended with this code.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert!(self.code == code, "expected exit code {code}\n{}", self.told());
        self
    }

    /// Fails unless standard error holds each of these.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Self {
        for word in words {
            assert!(self.stderr.contains(word), "standard error does not say {word:?}\n{}", self.told());
        }
        self
    }

    pub fn told(&self) -> String {
        let Self { code, stdout, stderr } = self;
        format!("exit code {code}\n--- standard output\n{stdout}\n--- standard error\n{stderr}")
    }
}

/// A path as text; temporary folders are.
pub fn text(path: &Path) -> &str {
    path.to_str().expect("the path is UTF-8")
}
