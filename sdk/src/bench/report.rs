//! Rows of a benchmark, as a table or as JSON.

use std::time::Instant;

use serde::Serialize;

/// One measurement.
#[derive(Debug, Default, Serialize)]
pub(super) struct Row {
    /// What was measured; rounds of the prover begin with `round/`.
    pub(super) name: String,
    /// The size of the problem.
    pub(super) size: String,
    /// How long it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seconds: Option<f64>,
    /// How much memory it took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<u64>,
    /// How many there are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<u64>,
    /// What it is compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) baseline: Option<String>,
    /// The baseline's seconds by ours: above 1, ours is faster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio: Option<f64>,
}

impl Row {
    fn new(name: &str, size: &str) -> Self {
        Self { name: name.into(), size: size.into(), ..Self::default() }
    }
}

/// Prints rows as they come.
#[derive(Debug)]
pub(super) struct Report {
    json: bool,
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        let report = Self { json };
        if !json {
            report.line(&format!(
                "{:<26} {:>8} {:>12} {:>7}  baseline",
                "name", "size", "seconds", "ratio"
            ));
        }
        report
    }

    pub(super) fn time(&self, name: &str, size: &str, seconds: f64) {
        self.row(&Row { seconds: Some(seconds), ..Row::new(name, size) });
    }

    /// `baseline`: its name and seconds.
    pub(super) fn compare(&self, name: &str, size: &str, seconds: f64, baseline: (&str, f64)) {
        let (baseline, theirs) = baseline;
        self.row(&Row {
            seconds: Some(seconds),
            baseline: Some(baseline.into()),
            ratio: Some(theirs / seconds),
            ..Row::new(name, size)
        });
    }

    pub(super) fn memory(&self, name: &str, size: &str, bytes: u64) {
        self.row(&Row { bytes: Some(bytes), ..Row::new(name, size) });
    }

    pub(super) fn count(&self, name: &str, size: &str, count: u64) {
        self.row(&Row { count: Some(count), ..Row::new(name, size) });
    }

    fn row(&self, row: &Row) {
        match serde_json::to_string(row) {
            Ok(line) if self.json => self.line(&line),
            _ => self.line(&table_line(row)),
        }
    }

    #[allow(clippy::print_stdout, reason = "the table is the command's output")]
    fn line(&self, line: &str) {
        println!("{line}");
    }
}

fn table_line(row: &Row) -> String {
    let amount = match (row.seconds, row.bytes.or(row.count)) {
        (Some(seconds), _) if seconds < 1e-3 => format!("{:.3} µs", seconds * 1e6),
        (Some(seconds), _) => format!("{seconds:.4}"),
        (None, Some(count)) if row.bytes.is_none() => format!("{count}"),
        (None, Some(bytes)) if bytes < 1 << 20 => format!("{bytes} B"),
        (None, Some(bytes)) => format!("{} MiB", bytes >> 20),
        (None, None) => String::new(),
    };
    let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
    let baseline = row.baseline.as_deref().unwrap_or_default();
    format!("{:<26} {:>8} {amount:>12} {ratio:>7}  {baseline}", row.name, row.size)
}

/// The seconds of the fastest of `runs` runs.
pub(super) fn fastest<T>(runs: usize, mut work: impl FnMut() -> T) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..runs {
        let start = Instant::now();
        std::hint::black_box(work());
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}

/// The most memory that this process has had, as the kernel tells.
pub(super) fn peak_memory() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
