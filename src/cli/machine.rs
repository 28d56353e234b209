//! What the machine, or the container that the program runs in, offers.

use crate::error::{Error, Result};

/// UTC microseconds now.
#[expect(clippy::disallowed_methods, reason = "this is the room that knows the clock")]
pub fn now() -> i64 {
    chrono::Utc::now().timestamp_micros()
}

/// This process, so that a person finds it: the machine's name and the process's number.
pub fn process() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "unknown",
        host => host,
    };
    format!("{host} process {}", std::process::id())
}

/// Threads that may run.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Bytes of memory that the program may use: the smaller of the machine's and its control group's.
///
/// # Errors
/// `Kind::Internal` where the system tells neither.
pub fn memory_allowed() -> Result<u64> {
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let machine = read("/proc/meminfo").and_then(|text| total_kib(&text)).map(|kib| kib * 1024);
    let group = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|path| read(path)?.trim().parse::<u64>().ok())
        .min();
    machine.into_iter().chain(group).min().ok_or_else(|| {
        Error::internal("the system does not tell how much memory there is")
            .hint("say it in the configuration: `[memory] pool = \"4GB\"`")
    })
}

/// `MemTotal:       24576000 kB`
fn total_kib(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn memory_is_read_from_the_kernels_table() {
        assert_eq!(super::total_kib("MemTotal:       24576000 kB\nMemFree: 1 kB\n"), Some(24_576_000));
        assert_eq!(super::total_kib("Nothing: 1 kB\n"), None);
    }
}
