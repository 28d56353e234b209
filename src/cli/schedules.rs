//! Ready files that start a run every night, for those who start things.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use crate::error::{Error, Result};

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Schedule {
    /// A file for /etc/cron.d
    Cron,
    /// A service and its timer
    Systemd,
    /// A CronJob
    Kubernetes,
    /// A DAG
    Airflow,
    /// What a container image is built of
    Dockerfile,
}

/// Where the configuration is looked for, unless another place is named.
const CONFIG: &str = "/etc/aftersale/aftersale.toml";

impl Schedule {
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Schedule::Cron => &[("aftersale", include_str!("schedules/aftersale.cron"))],
            Schedule::Systemd => &[
                ("aftersale.service", include_str!("schedules/aftersale.service")),
                ("aftersale.timer", include_str!("schedules/aftersale.timer")),
            ],
            Schedule::Kubernetes => &[("aftersale.yaml", include_str!("schedules/aftersale.yaml"))],
            Schedule::Airflow => &[("aftersale_dag.py", include_str!("schedules/aftersale_dag.py"))],
            Schedule::Dockerfile => &[("Dockerfile", include_str!("schedules/Dockerfile"))],
        }
    }

    /// The files by name, calling the configuration at `config`.
    ///
    /// # Errors
    /// `Kind::Usage` for a path that would have to be quoted, differently in each of them.
    pub fn written(self, config: Option<&Path>) -> Result<Vec<(&'static str, String)>> {
        let config = config.map_or(Ok(CONFIG), |path| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
            path.to_str().filter(|path| path.starts_with('/') && path.chars().all(plain)).ok_or_else(|| {
                Error::usage("the configuration's path is not absolute, or holds other signs than letters, digits and ./_-")
                    .with("config", path.display())
                    .hint("name the place where it will lie, such as /etc/aftersale/aftersale.toml")
            })
        })?;
        Ok(self.files().iter().map(|(name, text)| (*name, text.replace("CONFIG", config))).collect())
    }

    /// Writes the files into a folder that is there; none of them may be there yet. Returns their paths.
    ///
    /// # Errors
    /// `Kind::Usage` for a file that is there, `Kind::Io` where it cannot be written.
    pub fn write(self, config: Option<&Path>, folder: &Path) -> Result<Vec<PathBuf>> {
        let mut paths = Vec::new();
        for (name, text) in self.written(config)? {
            let path = folder.join(name);
            let file = std::fs::OpenOptions::new().write(true).create_new(true).open(&path);
            file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes())).map_err(|e| {
                match e.kind() {
                    std::io::ErrorKind::AlreadyExists => {
                        Error::usage("the file is there already").with("file", path.display())
                    }
                    _ => Error::io("the file cannot be written").with("file", path.display()).caused_by(e),
                }
            })?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// The files as one text, each behind its name.
    ///
    /// # Errors
    /// Those of [`Schedule::written`].
    pub fn text(self, config: Option<&Path>) -> Result<String> {
        let files = self.written(config)?;
        let is_alone = files.len() == 1;
        let texts = files.into_iter().map(|(name, text)| match is_alone {
            true => text,
            false => format!("# ==> {name}\n{text}\n"),
        });
        Ok(texts.collect())
    }
}
