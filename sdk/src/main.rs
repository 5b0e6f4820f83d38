//! `zeko`: the command line of the stack.

mod account;
mod bench;
mod between;
mod bridge;
mod da;
mod ledger;
mod load;
mod node;
mod prove;
mod services;
mod soak;
mod telemetry;
mod verify;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// A rollup stack for Mina.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Cli {
    /// Settings of services, in TOML.
    #[arg(long, global = true, env = "ZEKO_CONFIG")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run both layers on this machine, for development.
    Devnet(services::DevnetFlags),
    /// Run a sequencer.
    Sequencer(services::SequencerCommand),
    /// Nodes of the DA chain.
    #[command(subcommand)]
    Da(da::Da),
    /// Follow a chain into a database and serve the archive API.
    Indexer(services::IndexerFlags),
    /// Set up the rollup's account on the L1.
    Deploy(bridge::Deploy),
    /// Compare the rollup's account on the L1 with what it should be. Exits with 1 if it is not.
    VerifyDeployment(bridge::VerifyDeployment),
    /// Keys in encrypted files.
    #[command(subcommand)]
    Account(account::Account),
    /// Send a payment.
    Send(node::Send),
    /// Pay in on the L1, to be credited on the L2.
    Deposit(between::DepositCommand),
    /// Take out of the L2, to be paid on the L1.
    Withdraw(between::WithdrawCommand),
    /// Show how a node is. Exits with 1 if it is not synced.
    Status(node::Status),
    /// Verify proofs. Exits with 0 if all are accepted, 1 if one is rejected, 2 if one is unreadable.
    #[command(subcommand)]
    Verify(Verify),
    /// Make proofs.
    #[command(subcommand)]
    Prove(Prove),
    /// Work on ledgers.
    #[command(subcommand)]
    Ledger(Ledger),
    /// Let services fail over and over, and look for what is lost.
    #[command(subcommand)]
    Soak(Soak),
    /// Measure, beside named baselines measured in the same run.
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Debug, Subcommand)]
enum Verify {
    /// Kimchi proofs, in the fixture format of o1-labs/proof-systems.
    Kimchi {
        /// Files, each with a proof, its verifier index and its public input.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Pickles proofs, in o1js' JSON: {verificationKey: {data, hash}, proof: {…}}.
    Pickles {
        /// Files, each with a proof and its verification key.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Ledger {
    /// Run transaction vectors and report every difference. Exits with 1 on any, 2 if a file is
    /// unreadable.
    Replay {
        /// Files of transaction cases, JSON or gzipped JSON.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Prove {
    /// Prove knowledge of a value that hashes, many times over, to a public one; verify the proof.
    Kimchi {
        /// The circuit fills a domain of two to this power.
        #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(5..=16))]
        log2: u32,
        /// Where to write the proof, its verifier index and its public input.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Prove a sum with a program of the given width, in o1js' JSON; verify the proof.
    Example {
        /// How many proofs the proof rests on: the proof of width 2 rests on one of width 1 that
        /// rests on one of width 0, and on another of width 1.
        #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=2))]
        width: u8,
        /// Where to write {verificationKey, proof}.
        #[arg(long)]
        out: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum Soak {
    /// Kill a sequencer under load, start it again, and compare what it has with what it said.
    Sequencer(soak::SequencerSoak),
    /// Kill one of four validators under load, start it again, and look for what is lost.
    Da(soak::DaSoak),
}

#[derive(Debug, Subcommand)]
enum Bench {
    /// Fields, curves, commitments, and Kimchi's prover and verifier.
    Kimchi {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// The largest size, as a power of two.
        #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(10..=16))]
        max_log2: u32,
    },
    /// Compiling, proving and verifying a recursive program.
    Pickles {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// The widest program: how many proofs its widest rule rests on.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
        width: u8,
        /// A folder with `bench.mjs` and o1js (`tests/interop`), to measure o1js in the same run.
        #[arg(long)]
        o1js: Option<PathBuf>,
    },
    /// The rollup's circuits: rows and seconds of each rule, and of whole batches until they are settled.
    Circuits {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Account updates of a proof; 20 fill a circuit of 2^16 rows.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u8).range(1..=20))]
        updates: u8,
        /// Account updates of the batch.
        #[arg(long, default_value_t = 120)]
        batch: u16,
        /// No network: leave out the batches of 3 to 255 updates that are settled on a local L1.
        #[arg(long)]
        circuits_only: bool,
    },
    /// Hashing, signatures, Merkle trees and execution.
    Ledger {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Small sizes, for a look or a check.
        #[arg(long)]
        quick: bool,
    },
    /// Four validators of the DA chain as processes: from submission to certificate.
    Da {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Small sizes, for a look or a check.
        #[arg(long)]
        quick: bool,
    },
    /// A sequencer with its clients, in this process: commands a second, delays, block time.
    Sequencer {
        /// One JSON object a line instead of a table.
        #[arg(long)]
        json: bool,
        /// Small sizes, for a look or a check.
        #[arg(long)]
        quick: bool,
    },
}

fn main() -> ExitCode {
    let Cli { config, command } = Cli::parse();
    let config = config.as_deref();
    let result = match command {
        Command::Devnet(flags) => run(services::devnet(config, &flags)),
        Command::Sequencer(command) => run(services::sequencer(config, &command)),
        Command::Da(command) => da::run(config, &command),
        Command::Indexer(flags) => run(services::indexer(config, &flags)),
        Command::Deploy(command) => run(bridge::deploy_contract(config, &command)),
        Command::VerifyDeployment(command) => run(bridge::verify(config, &command)),
        Command::Account(command) => account::run(&command),
        Command::Send(command) => run(node::send(command)),
        Command::Deposit(command) => run(between::deposit(command)),
        Command::Withdraw(command) => run(between::withdraw(command)),
        Command::Status(command) => run(node::status(&command)),
        Command::Verify(Verify::Kimchi { files }) => return verify::kimchi(&files),
        Command::Verify(Verify::Pickles { files }) => return verify::pickles(&files),
        Command::Ledger(Ledger::Replay { files }) => return ledger::replay(&files),
        Command::Prove(Prove::Kimchi { log2, out }) => prove::kimchi(log2, out.as_deref()),
        Command::Prove(Prove::Example { width, out }) => prove::example(width, out.as_deref()),
        Command::Soak(Soak::Sequencer(soak)) => run(soak::sequencer(&soak)),
        Command::Soak(Soak::Da(soak)) => run(soak::da(&soak)),
        Command::Bench(Bench::Kimchi { json, max_log2 }) => bench::kimchi(json, max_log2),
        Command::Bench(Bench::Pickles { json, width, o1js }) => {
            bench::pickles(json, width, o1js.as_deref())
        }
        Command::Bench(Bench::Circuits { json, updates, batch, circuits_only }) => {
            bench::circuits(json, updates.into(), batch.into(), !circuits_only)
        }
        Command::Bench(Bench::Ledger { json, quick }) => bench::ledger(json, quick),
        Command::Bench(Bench::Da { json, quick }) => bench::da(json, quick),
        Command::Bench(Bench::Sequencer { json, quick }) => bench::sequencer(json, quick),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("zeko: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a service or client.
fn run(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(work)
}
