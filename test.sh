#!/usr/bin/env bash
# Runs every test, and everything else that must hold: format, lints, docs.
set -euo pipefail
cd "$(dirname "$0")"

say() { printf '\n== %s\n' "$*"; }

say "set-up"
if ! command -v cargo >/dev/null; then
  echo "Rust is missing: install rustup with the stable toolchain." >&2
  exit 1
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  apt-get update -qq && apt-get install -y -qq nodejs npm
fi
if ! ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then
  apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql
fi
rustup component add rustfmt clippy >/dev/null 2>&1 || true
# `npm ci` refuses a lock file that does not list the optional packages of other platforms.
(cd tests/interop && npm install --no-save --no-audit --no-fund --loglevel=error)

say "format"
cargo fmt --all -- --check

say "lints"
cargo clippy --release --workspace --all-targets -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --release --workspace --no-deps --document-private-items -q

say "tests"
cargo test --release --workspace --no-fail-fast

say "without std"
cargo run --release -q --manifest-path tests/no-std/Cargo.toml --target-dir "${CARGO_TARGET_DIR:-target}/no-std"

say "examples, commands and benchmarks run"
"${CARGO_TARGET_DIR:-target}/release/examples/preimage"
# Built for the tests; `cargo run` would build dependencies again, with other features.
zeko() { "${CARGO_TARGET_DIR:-target}/release/zeko" "$@"; }
zeko verify kimchi tests/vectors/kimchi/*.bin >/dev/null
zeko verify pickles tests/vectors/pickles/*.json
zeko prove example --width 0
zeko ledger replay tests/vectors/ledger/transactions.json.gz
zeko bench kimchi --max-log2 13
zeko bench ledger --quick
zeko bench sequencer --quick
zeko bench da --quick
zeko soak sequencer --rounds 3 >/dev/null
zeko soak da --rounds 2 >/dev/null
zeko bench pickles --width 0
zeko bench circuits --updates 3 --batch 6 --circuits-only
cargo bench -q -p mina-curves -p mina-poseidon -p kimchi -p mina-ledger --bench arithmetic --bench permutation --bench proofs --bench ledger -- --test
