//! What `/proc` says of a process: memory, CPU time, and whether a recorded pid is still the same process.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Linux reports CPU time to user space in hundredths of a second on every architecture.
const MS_PER_TICK: u64 = 10;
/// Places in `/proc/<pid>/stat` after the name in brackets.
const USER: usize = 11;
const SYSTEM: usize = 12;
const BORN: usize = 19;

/// Resident memory in MiB.
pub(crate) fn resident_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).context("reading its memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    Ok(kib.context("/proc names no VmRSS")? / 1024.0)
}

/// CPU time so far, user and system, in ms.
pub(crate) fn cpu_ms(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("reading its CPU time")?;
    let ticks = |place| field(&stat, place).and_then(|text| text.parse::<u64>().ok());
    let sum = ticks(USER).zip(ticks(SYSTEM)).map(|(user, system)| user + system);
    Ok(sum.context("/proc names no CPU time")? * MS_PER_TICK)
}

/// The arguments of a process.
pub(crate) fn arguments(pid: i32) -> Result<Vec<String>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).context("reading a command line")?;
    Ok(zero_separated(&line))
}

/// The environment that a process was started with, as `NAME=value`.
pub(crate) fn environment(pid: i32) -> Result<Vec<String>> {
    let block = fs::read(format!("/proc/{pid}/environ")).context("reading an environment")?;
    Ok(zero_separated(&block))
}

fn zero_separated(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    text.trim_end_matches('\0').split('\0').map(str::to_owned).collect()
}

/// The pid in a pid file of the local backend, if that very process still lives: the file holds the pid and the line of
/// `/proc/<pid>/stat` from the moment it was born.
pub(crate) fn recorded(pid_file: &Path) -> Option<i32> {
    let text = fs::read_to_string(pid_file).ok()?;
    let (pid, born) = text.split_once('\n')?;
    let pid: i32 = pid.trim().parse().ok()?;
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let is_same = field(&stat, BORN).is_some() && field(&stat, BORN) == field(born, BORN);
    let is_alive = !matches!(field(&stat, 0), Some("Z" | "X"));
    (is_same && is_alive).then_some(pid)
}

fn field(stat: &str, place: usize) -> Option<&str> {
    // The name may hold spaces and brackets.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_memory_and_arguments() {
        let pid = std::process::id();
        assert!(resident_mib(pid).unwrap() > 0.5);
        cpu_ms(pid).unwrap();
        assert!(!arguments(i32::try_from(pid).unwrap()).unwrap()[0].is_empty());
    }

    #[test]
    fn a_recorded_pid_counts_only_with_its_birth() {
        let dir = tempfile::tempdir().unwrap();
        let (file, pid) = (dir.path().join("a.pid"), std::process::id());
        let stat = fs::read_to_string("/proc/self/stat").unwrap();
        fs::write(&file, format!("{pid}\n{stat}")).unwrap();
        assert_eq!(recorded(&file), i32::try_from(pid).ok());
        fs::write(&file, format!("{pid}\n1 (x) S 1 2")).unwrap();
        assert_eq!(recorded(&file), None);
    }
}
