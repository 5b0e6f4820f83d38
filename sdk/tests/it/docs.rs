//! The commands in the pages of `docs/` are run: blocks marked `sh,run` one after the other, and
//! those marked `sh,service` beside what follows, once they say that they are ready.

use std::{
    fmt::Write as _,
    net::TcpListener,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU16, Ordering},
};

const DOCS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/src/");

/// The ports that the pages name. Free ones stand for them here: other tests may listen there.
const PORTS: [u16; 6] = [3085, 3086, 3087, 8282, 18300, 18302];

/// As many free ports in a row as a development network takes, and some for the others. They are
/// below those that the system gives to whoever asks for any, so what is free now stays so.
fn free_ports() -> u16 {
    const COUNT: u16 = 16;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let bind = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let own = (std::process::id() % 150) as u16;
    loop {
        let block = own.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % 150;
        // Above those that committees take.
        let first = 30_000 + block * COUNT;
        if (first..first + COUNT).all(bind) {
            return first;
        }
    }
}

enum Block {
    Run(String),
    Service(String),
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(format!("{DOCS}{page}")).unwrap();
    let fenced = text.split("\n```").skip(1).step_by(2);
    let read = |block: &str| {
        let (kind, commands) = block.split_once('\n')?;
        // The pages say how to run it without installing it.
        let commands = commands.replace("cargo run --release --bin zeko --", "zeko");
        match kind {
            "sh,run" => Some(Block::Run(commands)),
            "sh,service" => Some(Block::Service(commands)),
            _ => None,
        }
    };
    fenced.filter_map(read).collect()
}

fn script(pages: &[&str]) -> (String, usize) {
    let mut script = String::from(
        "set -euo pipefail\nzeko() { \"$ZEKO\" \"$@\"; }\npids=()\n\
         trap 'kill \"${pids[@]}\" 2>/dev/null; wait' EXIT\n",
    );
    let all: Vec<Block> = pages.iter().flat_map(|page| blocks(page)).collect();
    for (number, block) in all.iter().enumerate() {
        match block {
            Block::Run(commands) => writeln!(script, "{commands}").unwrap(),
            Block::Service(command) => {
                let command = command.trim().strip_prefix("zeko ").unwrap();
                writeln!(
                    script,
                    "\"$ZEKO\" {command} > out{number} 2> err{number} &\npids+=($!)\n\
                     until [ -s out{number} ]; do kill -0 $! || {{ cat err{number}; exit 1; }}; \
                     sleep 0.1; done"
                )
                .unwrap();
            }
        }
    }
    (script, all.len())
}

/// Runs the blocks of some pages in one shell, in an empty folder.
fn run(pages: &[&str], least: usize) {
    let folder = tempfile::tempdir().unwrap();
    let (mut script, count) = script(pages);
    assert!(count >= least, "{count} blocks in {pages:?}");
    let first = free_ports();
    let ports = [first + 8, first + 9, first + 10, first + 11, first, first + 2];
    for (said, port) in PORTS.iter().zip(&ports) {
        script = script.replace(&said.to_string(), &port.to_string());
    }
    let output = Command::new("bash")
        .args(["-c", &script])
        .current_dir(Path::new(folder.path()))
        .env("ZEKO", env!("CARGO_BIN_EXE_zeko"))
        .env("ZEKO_ACCOUNT_PASSWORD", "correct horse")
        .env("ZEKO_SEQUENCER_GRAPHQL_LISTEN", format!("127.0.0.1:{}", ports[0]))
        .env("ZEKO_SEQUENCER_RPC_LISTEN", format!("127.0.0.1:{}", ports[1]))
        .env("ZEKO_SEQUENCER_HEALTH_LISTEN", format!("127.0.0.1:{}", ports[2]))
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{script}\n--- out\n{stdout}\n--- err\n{stderr}");
}

#[test]
fn a_newcomers_commands_work() {
    run(&["getting-started.md", "devnet.md"], 4);
}

#[test]
fn an_operators_commands_work() {
    run(&["sequencer.md", "indexer.md"], 5);
}
