//! How much memory there is.

use std::fs;

/// Bytes that can be had without swapping, as Linux tells: those of the machine, or of the control
/// group that the process is in (version 2, as containers have) if that has less. `None` where the
/// system does not say.
pub fn free_memory() -> Option<u64> {
    let machine = of_machine(&fs::read_to_string("/proc/meminfo").ok()?)?;
    let group = || {
        let read = |name: &str| fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok();
        of_group(&read("memory.max")?, &read("memory.current")?, &read("memory.stat")?)
    };
    Some(group().map_or(machine, |group| group.min(machine)))
}

fn of_machine(info: &str) -> Option<u64> {
    let line = info.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// `None` for a group without a limit, which says `max`. Files that have not been used for long count
/// as free, as they do in `MemAvailable`.
fn of_group(limit: &str, used: &str, stat: &str) -> Option<u64> {
    let [limit, used] = [limit, used].map(|text| text.trim().parse::<u64>().ok());
    let cached = stat.lines().find_map(|line| line.strip_prefix("inactive_file "));
    let cached = cached.and_then(|bytes| bytes.trim().parse().ok()).unwrap_or(0);
    Some(limit?.saturating_sub(used?.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smaller_of_machine_and_group_counts() {
        let info = "MemTotal: 100 kB\nMemAvailable:   17 kB\nBuffers: 1 kB\n";
        assert_eq!(of_machine(info), Some(17 * 1024));
        assert_eq!(of_machine("MemTotal: 100 kB\n"), None);
        assert_eq!(of_group("4096\n", "96\n", ""), Some(4000));
        assert_eq!(of_group("4096\n", "3096\n", "anon 96\ninactive_file 3000\n"), Some(4000));
        assert_eq!(of_group("4096\n", "5000\n", ""), Some(0));
        assert_eq!(of_group("max\n", "96\n", ""), None);
    }
}
