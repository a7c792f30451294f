//! The machine that was measured, in words, from `/proc`.

use crate::Error;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The value of the first line `key: value` or `key : value`.
fn field(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned()))
}

/// Processor, cores, memory, kernel and load; what `/proc` does not tell is said to be unknown.
pub(super) fn describe() -> String {
    let unknown = || "unknown".to_owned();
    let cpu = field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown);
    let cores = std::thread::available_parallelism().map_or_else(|_| unknown(), |n| n.to_string());
    let memory = field(&read("/proc/meminfo"), "MemTotal").and_then(|v| v.split(' ').next()?.parse::<u64>().ok());
    let memory = memory.map_or_else(unknown, |kib| format!("{:.1} GiB", kib as f64 / f64::from(1 << 20)));
    let kernel = read("/proc/sys/kernel/osrelease").trim().to_owned();
    let simd = field(&read("/proc/cpuinfo"), "flags").unwrap_or_default();
    let simd = ["avx512f", "avx2", "sha_ni"].into_iter().filter(|flag| simd.split(' ').any(|f| f == *flag)).collect::<Vec<_>>().join(", ");
    format!(
        "{cpu} ({simd}), {cores} cores, {memory} memory, {} {}",
        std::env::consts::OS,
        if kernel.is_empty() { unknown() } else { kernel }
    )
}

/// The load average of the last minute: other work on the machine slows every row of a table.
pub(super) fn load() -> Option<f64> {
    read("/proc/loadavg").split(' ').next()?.parse().ok()
}

/// Fails where the disk of `folder` has not that many bytes left.
pub(super) fn require_free(folder: &Path, bytes: u64) -> Result<(), Error> {
    let output = Command::new("df").arg("-Pk").arg(folder).output().map_err(Error::io("run", Path::new("df")))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    // POSIX: Filesystem, 1024-blocks, Used, Available.
    let free = text.lines().nth(1).and_then(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok()).map(|kib| kib * 1024);
    match free {
        Some(free) if free < bytes => Err(Error::Failed(format!(
            "disk of `{}`: found {:.1} GB free, expected {:.1} GB",
            folder.display(),
            free as f64 / 1e9,
            bytes as f64 / 1e9
        ))),
        _ => Ok(()),
    }
}

/// Largest resident memory of a running process so far, in bytes.
pub(super) fn peak_memory(pid: u32) -> Option<u64> {
    let value = field(&read(&format!("/proc/{pid}/status")), "VmHWM")?;
    Some(value.split(' ').next()?.parse::<u64>().ok()? * 1024)
}

/// Processor time of this process and of the children that it has waited for.
pub(super) fn processor_time() -> Option<Duration> {
    let text = read("/proc/self/stat");
    // After the name in parentheses: utime, stime, cutime and cstime are fields 14 to 17 of proc(5), in ticks of 10 ms.
    let ticks: Vec<u64> = text.rsplit_once(')')?.1.split_whitespace().skip(11).take(4).map(str::parse).collect::<Result<_, _>>().ok()?;
    Some(Duration::from_millis(10 * ticks.iter().sum::<u64>()))
}

/// Lets the largest resident memory of this process be counted anew; nothing where the system has no such thing.
pub(super) fn forget_peak_memory() {
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}
