use mina_curves::Fp;
use mina_ledger::{
    rollup::{BlobStatement, ChainId, Committee, CommitteeMember, DataCommitment},
    types::Signature,
};
use zeko_derive::{Certificate, CertificateError, CertificateStatement, Expectation, Wire};

use crate::kit::{chain, rich_batch, secret, user};

const EPOCH: u32 = 3;

fn committee(powers: &[u32]) -> Committee {
    let members = powers.iter().zip(0..);
    Committee::new(
        members.map(|(power, i)| CommitteeMember { key: user(i), power: *power }).collect(),
    )
    .unwrap()
}

fn statement() -> (CertificateStatement, Expectation) {
    let (batch, _, sequencer) = rich_batch();
    let bytes = batch.encode().unwrap();
    let attestation = batch.attestation(sequencer.state.data, bytes.len() as u64, EPOCH);
    let expectation = Expectation {
        protocol_version: 1,
        l1_network: batch.header.l1_network,
        rollup_account: batch.header.rollup_account,
        chain: batch.header.chain,
        committee_epoch: EPOCH,
        generation: 0,
    };
    (CertificateStatement::Batch(attestation), expectation)
}

fn certificate(statement: CertificateStatement, signers: &[u64]) -> Certificate {
    let sign = |i: &u64| (user(*i), statement.sign(&secret(*i)).unwrap());
    Certificate { statement, signatures: signers.iter().map(sign).collect() }
}

#[test]
fn more_than_two_thirds_are_enough_and_two_thirds_are_not() {
    let (statement, expected) = statement();
    let check = |powers: &[u32], signers: &[u64]| {
        certificate(statement, signers).verify_batch(&expected, &committee(powers)).map(|_| ())
    };
    let power = |expected, got| Err(CertificateError::Power { expected, got });
    assert_eq!(check(&[1, 1, 1, 1], &[0, 1, 2]), Ok(()));
    assert_eq!(check(&[1, 1, 1, 1], &[2, 3]), power(4, 2));
    assert_eq!(check(&[1, 1, 1], &[0, 1]), power(3, 2));
    assert_eq!(check(&[1, 1, 1], &[2, 0, 1]), Ok(()));
    // Exactly two thirds, and one unit more.
    assert_eq!(check(&[200, 50, 50], &[0]), power(300, 200));
    assert_eq!(check(&[201, 50, 50], &[0]), Ok(()));
    assert_eq!(
        check(&[u32::MAX, u32::MAX, u32::MAX], &[0, 1]),
        power(3 * u64::from(u32::MAX), 2 * u64::from(u32::MAX))
    );
    assert_eq!(check(&[5], &[]), power(5, 0));
    assert_eq!(check(&[5], &[0]), Ok(()));
}

#[test]
fn signers_count_once_and_must_be_known() {
    let (statement, expected) = statement();
    let committee = committee(&[1, 1, 1, 1]);
    let refused =
        |certificate: &Certificate| certificate.verify_batch(&expected, &committee).unwrap_err();
    let mut twice = certificate(statement, &[0, 1, 1]);
    assert_eq!(refused(&twice), CertificateError::DuplicateSigner { key: user(1) });
    twice.signatures.push((user(2), statement.sign(&secret(2)).unwrap()));
    assert_eq!(refused(&twice), CertificateError::DuplicateSigner { key: user(1) });
    let unknown = certificate(statement, &[0, 1, 2, 7]);
    assert_eq!(refused(&unknown), CertificateError::UnknownSigner { key: user(7) });
    let mut swapped = certificate(statement, &[0, 1, 2]);
    swapped.signatures[0].1 = swapped.signatures[1].1;
    assert!(matches!(refused(&swapped), CertificateError::Signature { .. }));
    swapped.signatures[0].1 = Signature::DUMMY;
    assert!(matches!(refused(&swapped), CertificateError::Signature { .. }));
}

#[test]
fn replays_are_refused() {
    let (statement, expected) = statement();
    let committee = committee(&[1, 1, 1, 1]);
    let certificate = certificate(statement, &[0, 1, 2]);
    certificate.verify_batch(&expected, &committee).unwrap();
    let other = ChainId::new("other").unwrap();
    let readers = [
        (Expectation { protocol_version: 2, ..expected }, "protocol version: expected 2, got 1"),
        (Expectation { l1_network: other, ..expected }, "another L1 network"),
        (Expectation { rollup_account: user(1), ..expected }, "another rollup account"),
        (Expectation { chain: other, ..expected }, "another chain"),
        (Expectation { committee_epoch: 4, ..expected }, "committee epoch: expected 4, got 3"),
        (Expectation { generation: 1, ..expected }, "generation: expected 1, got 0"),
    ];
    for (reader, reason) in readers {
        let error = certificate.verify_batch(&reader, &committee).unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(certificate.verify_blob(chain(), &committee).is_err());
}

#[test]
fn no_field_of_the_statement_is_free() {
    let (statement, expected) = statement();
    let committee = committee(&[1, 1, 1, 1]);
    let bytes = certificate(statement, &[0, 1, 2]).to_bytes();
    // Behind version and kind, before the list of signatures.
    let end = 2 + statement.to_bytes().len() - 1;
    let mut decoded = 0;
    for at in 2..end {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        let Ok(certificate) = Certificate::from_bytes(&changed) else { continue };
        decoded += 1;
        certificate.verify_batch(&expected, &committee).unwrap_err();
    }
    assert!(decoded > 300, "{decoded}");
}

#[test]
fn blobs_have_their_own_statement() {
    let blob = BlobStatement {
        chain: chain(),
        namespace: Fp::from(5u64),
        commitment: DataCommitment::new(b"data"),
        length: 4,
    };
    let certificate = certificate(CertificateStatement::Blob(blob), &[0, 1, 3]);
    let committee = committee(&[1, 1, 1, 1]);
    assert_eq!(certificate.verify_blob(chain(), &committee), Ok(&blob));
    let other = ChainId::new("other").unwrap();
    let error = certificate.verify_blob(other, &committee).unwrap_err();
    assert_eq!(error, CertificateError::Other { what: "DA chain" });
    let (_, expected) = statement();
    let error = certificate.verify_batch(&expected, &committee).unwrap_err();
    assert_eq!(error, CertificateError::Other { what: "kind" });
    assert_eq!(Certificate::from_bytes(&certificate.to_bytes()), Ok(certificate));
}
