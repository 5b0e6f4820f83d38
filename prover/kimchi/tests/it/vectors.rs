//! Proofs made by o1-labs/proof-systems, see `tests/vectors/README.md`.

use std::{fs, path::PathBuf};

use kimchi::{Fixture, VerifyError, decode_fixture, verify};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn files() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/kimchi");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "bin"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn verify_fixture(bytes: &[u8]) -> Result<(), VerifyError> {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    match decode_fixture(bytes).unwrap() {
        Fixture::Vesta(s) => verify(&s.index, &s.proof, &s.public_input, &mut rng),
        Fixture::Pallas(s) => verify(&s.index, &s.proof, &s.public_input, &mut rng),
    }
}

#[test]
fn every_upstream_proof_verifies() {
    let files = files();
    assert!(files.len() >= 27);
    let mut failed = Vec::new();
    for (name, bytes) in files {
        if let Err(error) = verify_fixture(&bytes) {
            failed.push(format!("{name}: {error}"));
        }
    }
    assert!(failed.is_empty(), "{failed:#?}");
}
