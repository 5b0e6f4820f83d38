//! The main job: `zeko devnet` as the README starts it, and what users do there, until the L1 has paid.

use std::{path::Path, process::Command};

use zeko_sdk::devnet::DevnetInfo;

use crate::kit::{Running, pipe, succeed, zeko};

#[test]
fn from_deposit_to_paid_withdrawal() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let info = path("info.json");
    let devnet: Running<DevnetInfo> = Running::start(&mut zeko(&[
        "devnet",
        "--info-file",
        &info,
        "--l1-slot",
        "3s",
        "--data-dir",
        &path("data"),
    ]));
    // o1js and mina-signer, as their users have them.
    let interop = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/interop");
    let script = Command::new("node")
        .args(["rollup.mjs", "--info-file", &info, "--until", "final"])
        .current_dir(interop)
        .status()
        .expect("node runs; `npm install` in tests/interop installs what it needs");
    assert!(script.success(), "{script}");

    // The same by the command line, as far as the L2.
    for (layer, account) in
        [("l1", &devnet.info.accounts.l1[1]), ("l2", &devnet.info.accounts.l2[1])]
    {
        let private = pipe(&account.private_key, folder.path());
        let key = path(&format!("{layer}.json"));
        succeed(zeko(&["account", "import", &key]).stdin(private));
    }
    let to = &devnet.info.accounts.l2[2].public_key;
    let deposit = ["deposit", "--info-file", &info, "--key", &path("l1.json"), "--to", to];
    let deposit = succeed(zeko(&deposit).args(["--amount", "2.5"]));
    assert!(deposit.starts_with("5J"), "{deposit}");
    let to = &devnet.info.accounts.l1[2].public_key;
    let withdraw = ["withdraw", "--info-file", &info, "--key", &path("l2.json"), "--to", to];
    let withdraw = succeed(zeko(&withdraw).args(["--amount", "1.5", "--until", "included"]));
    assert!(withdraw.starts_with("5J"), "{withdraw}");
    assert_eq!(devnet.signal("TERM"), Some(0));
}
