//! Measures four validators on loopback; `--quick` takes a few seconds.

use std::io::Write;

use zeko_da::bench::{Options, run};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let options = if quick { Options::quick() } else { Options::default() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let results = runtime.block_on(run(&options))?;
    runtime.shutdown_background();
    let mut out = std::io::stdout();
    for row in &results.rows {
        writeln!(out, "{:<20} {:>8} {:>9.3} s", row.name, row.size, row.seconds)?;
    }
    writeln!(
        out,
        "{:.1} MB/s certified; {:.2} cores busy, for four validators and the clients",
        results.megabytes_per_second, results.cores,
    )?;
    Ok(())
}
