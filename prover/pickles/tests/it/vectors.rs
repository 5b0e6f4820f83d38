//! Proofs made with o1js, see `tests/vectors/README.md`.

use std::{fs, path::PathBuf};

use pickles::{Instance, ProofFile, decode_proof, encode_proof, verify, verify_batch};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

pub(crate) fn files() -> Vec<(String, ProofFile)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pickles");
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, ProofFile::parse(&fs::read(path).unwrap()).unwrap())
        })
        .collect();
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files
}

#[test]
fn every_o1js_proof_verifies() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    let files = files();
    assert!(files.len() >= 6);
    let decoded: Vec<_> = files.iter().map(|(name, file)| (name, file.decode().unwrap())).collect();
    for (name, (key, app_state, proof)) in &decoded {
        assert_eq!(verify(key, app_state, proof, &mut rng), Ok(()), "{name}");
    }
    let batch: Vec<_> = decoded
        .iter()
        .map(|(_, (key, app_state, proof))| Instance { key, app_state, proof })
        .collect();
    assert_eq!(verify_batch(&batch, &mut rng), Ok(()));
}

#[test]
fn encoding_gives_the_same_text() {
    for (name, file) in files() {
        let (key, _, proof) = file.decode().unwrap();
        assert_eq!(encode_proof(&proof), file.proof.proof, "{name}");
        assert_eq!(key.to_base64(), file.verification_key.data, "{name}");
    }
}

#[test]
fn dummy_proofs_decode() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/pickles");
    for width in 0..=2 {
        let text = fs::read(folder.join(format!("dummy_n{width}.sexp"))).unwrap();
        let width = pickles::ProofsVerified::from_count(width).unwrap();
        let proof = decode_proof(&BASE64_STANDARD.encode(text), width).unwrap();
        assert_eq!(decode_proof(&encode_proof(&proof), width).unwrap(), proof);
    }
}

/// Lists that are paired up must have one length, or what is left over is bound by nothing.
#[test]
fn messages_of_contradicting_lengths_are_refused() {
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let (_, file) = files().into_iter().find(|(name, _)| name == "n2_merge").unwrap();
    let (key, app_state, proof) = file.decode().unwrap();
    let mut fewer = proof.clone();
    fewer.step_messages.old_bulletproof_challenges.pop();
    let mut more = proof.clone();
    let first = more.step_messages.old_bulletproof_challenges[0];
    more.step_messages.old_bulletproof_challenges.push(first);
    let mut wider = proof;
    let first = wider.state.wrap_messages.old_bulletproof_challenges[0];
    wider.state.wrap_messages.old_bulletproof_challenges.push(first);
    for changed in [fewer, more, wider] {
        let result = verify(&key, &app_state, &changed, &mut rng);
        assert!(matches!(result, Err(pickles::VerifyError::Messages { .. })), "{result:?}");
    }
}
