//! What a node signs, counts and serves.

use mina_curves::{Fp, Fq};
use mina_ledger::{rollup::CommitteeMember, types::PrivateKey};

use super::*;
use crate::evidence::{Culprit, verify_evidence};

fn attestation(target: u64, generation: u32) -> Attestation {
    let chain = ChainId::new("test").unwrap();
    Attestation {
        protocol_version: 1,
        l1_network: chain,
        rollup_account: PublicKey::EMPTY,
        chain,
        committee_epoch: 0,
        generation,
        batch: 3,
        source_ledger: Fp::from(1u64),
        target_ledger: Fp::from(target),
        inbox_before: Fp::from(1u64),
        inbox_after: Fp::from(1u64),
        outbox_before: Fp::from(1u64),
        outbox_after: Fp::from(1u64),
        first_height: 0.into(),
        first_block: Fp::from(1u64),
        last_height: 0.into(),
        last_block: Fp::from(1u64),
        first_slot: 0.into(),
        last_slot: 0.into(),
        fee_recipient: PublicKey::EMPTY,
        previous_data: Default::default(),
        data: Default::default(),
        byte_length: 0,
    }
}

fn secret(index: u64) -> PrivateKey {
    PrivateKey::new(Fq::from(5 + index)).unwrap()
}

fn public(index: u64) -> PublicKey {
    secret(index).to_public_key()
}

/// The part of a node that counts attestations.
struct Node {
    dir: std::path::PathBuf,
    attestor: Attestor,
}

/// The keys of its committee are `secret(0)` and so on, with these powers.
fn node(name: &str, powers: &[u32]) -> Node {
    let dir = std::env::temp_dir().join(format!("zeko-da-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let members = powers.iter().zip(0..);
    let members = members.map(|(power, i)| CommitteeMember { key: public(i), power: *power });
    let attestor = Attestor {
        store: Store::open(&dir).unwrap(),
        chain: ChainId::new("test").unwrap(),
        epoch: 0,
        committee: Committee::new(members.collect()).unwrap(),
        keys: None,
        pending: Pending::default(),
        events: Events::default(),
        metrics: Metrics::default(),
        wake: Arc::new(|| ()),
    };
    Node { dir, attestor }
}

impl Node {
    /// What the node serves.
    fn certificate(&self, of: &CertificateStatement) -> Option<Certificate> {
        let Attestor { store, committee, epoch, .. } = &self.attestor;
        certificate(store, committee, *epoch, &of.commitment()).unwrap()
    }

    /// Takes what comes with votes.
    fn receive(&mut self, attestations: &[SignedAttestation]) {
        self.attestor.received(attestations).unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// An attestation that says it is about `known`, and whose signature is of `signed`.
fn attest(
    signer: u64,
    known: &CertificateStatement,
    signed: &CertificateStatement,
) -> SignedAttestation {
    let signature = signed.sign(&secret(signer)).unwrap();
    SignedAttestation { commitment: known.commitment(), epoch: 0, key: public(signer), signature }
}

fn batch() -> CertificateStatement {
    CertificateStatement::Batch(attestation(2, 0))
}

fn blob() -> CertificateStatement {
    CertificateStatement::Blob(BlobStatement {
        chain: ChainId::new("test").unwrap(),
        namespace: Fp::from(3u64),
        commitment: mina_ledger::rollup::DataCommitment::new(b"a blob"),
        length: 6,
    })
}

#[test]
fn a_node_serves_a_certificate_of_more_than_two_thirds_and_of_no_less() {
    // Powers, and signers of exactly two thirds; then one more, or one unit more.
    for (powers, signers, enough) in [
        (&[1, 1, 1][..], &[0, 1][..], false),
        (&[1, 1, 1], &[0, 1, 2], true),
        (&[1, 1, 1, 1], &[1, 3], false),
        (&[1, 1, 1, 1], &[1, 2, 3], true),
        (&[200, 50, 50], &[0], false),
        (&[201, 50, 50], &[0], true),
        (&[100, 100, 50, 50], &[0, 1], false),
        (&[100, 101, 50, 50], &[0, 1], true),
        (&[u32::MAX, u32::MAX, u32::MAX], &[0, 2], false),
    ] {
        for statement in [batch(), blob()] {
            let mut node = node("two-thirds", powers);
            let mut events = node.attestor.events.subscribe();
            node.attestor.store.put_statement(&statement).unwrap();
            for signer in signers {
                assert_eq!(node.certificate(&statement), None);
                node.receive(&[attest(*signer, &statement, &statement)]);
            }
            let served = node.certificate(&statement);
            assert_eq!(served.is_some(), enough, "{powers:?} {signers:?}");
            assert_eq!(events.try_recv().is_ok(), enough);
            if let Some(served) = served {
                assert_eq!(served.signatures.len(), signers.len());
                served.verify_signatures(&node.attestor.committee).unwrap();
            }
        }
    }
}

#[test]
fn a_node_counts_a_signer_once_and_strangers_not_at_all() {
    let mut node = node("signers", &[1, 1, 1, 1]);
    let statement = batch();
    node.attestor.store.put_statement(&statement).unwrap();
    let good = [0, 1, 2].map(|signer| attest(signer, &statement, &statement));
    // One that repeats itself, at once and one after the other.
    node.receive(&[good[0], good[1], good[0], good[0]]);
    node.receive(&[good[1], good[0]]);
    let strangers = [4, 5, 6].map(|signer| attest(signer, &statement, &statement));
    node.receive(&strangers);
    // A stranger's signature in a member's name, and a member's in another's.
    let other_name = [strangers[0], good[0]].map(|a| SignedAttestation { key: public(2), ..a });
    node.receive(&other_name);
    let nothing = mina_ledger::types::Signature::DUMMY;
    node.receive(&[SignedAttestation { signature: nothing, ..good[2] }]);
    assert_eq!(node.certificate(&statement), None);
    assert_eq!(node.attestor.pending.len(), 2);
    // A bad one does not take the good ones along that come with it.
    node.receive(&[other_name[0], good[2], strangers[1]]);
    let signers: Vec<_> = node.certificate(&statement).unwrap().signatures;
    assert_eq!(signers.len(), 3);
    assert!(good.iter().all(|good| signers.contains(&(good.key, good.signature))));
}

/// All members sign something else, and say that it is about the data that the node has.
#[test]
fn a_node_takes_no_attestation_of_something_else() {
    let CertificateStatement::Batch(right) = batch() else { unreachable!() };
    let CertificateStatement::Blob(right_blob) = blob() else { unreachable!() };
    let elsewhere = ChainId::new("elsewhere").unwrap();
    let batches = [
        Attestation { protocol_version: 2, ..right },
        Attestation { l1_network: elsewhere, ..right },
        Attestation { rollup_account: public(7), ..right },
        Attestation { chain: elsewhere, ..right },
        Attestation { committee_epoch: 1, ..right },
        Attestation { generation: 1, ..right },
        Attestation { batch: right.batch + 1, ..right },
        Attestation { target_ledger: Fp::from(9u64), ..right },
        Attestation { data: mina_ledger::rollup::DataCommitment::new(b"other"), ..right },
    ];
    let blobs = [
        BlobStatement { chain: elsewhere, ..right_blob },
        BlobStatement { namespace: Fp::from(4u64), ..right_blob },
        BlobStatement { length: 7, ..right_blob },
    ];
    let replays = batches.map(|other| (batch(), CertificateStatement::Batch(other)));
    let replays =
        replays.into_iter().chain(blobs.map(|other| (blob(), CertificateStatement::Blob(other))));
    // A batch's statement for a blob's, and the other way round.
    for (known, signed) in replays.chain([(batch(), blob()), (blob(), batch())]) {
        let mut node = node("replays", &[1, 1, 1, 1]);
        node.attestor.store.put_statement(&known).unwrap();
        let replayed = [0, 1, 2, 3].map(|signer| attest(signer, &known, &signed));
        node.receive(&replayed);
        assert_eq!(node.certificate(&known), None, "{signed:?}");
        assert!(node.attestor.pending.is_empty(), "{signed:?}");
        // Of another epoch, as it says itself.
        let good = [0, 1, 2].map(|signer| attest(signer, &known, &known));
        node.receive(&good.map(|good| SignedAttestation { epoch: 1, ..good }));
        assert_eq!(node.certificate(&known), None);
        // Of data that the node does not know.
        node.receive(&good.map(|good| SignedAttestation {
            commitment: mina_ledger::rollup::DataCommitment::new(b"unknown"),
            ..good
        }));
        assert!(node.attestor.pending.is_empty());
        node.receive(&good);
        assert!(node.certificate(&known).is_some());
    }
}

#[test]
fn who_attests_two_batches_with_one_number_is_convicted() {
    let mut node = node("twice", &[1, 1, 1]);
    let (store, keys) = (node.attestor.store.clone(), [0, 1, 2].map(secret));
    let other = |data: &[u8], batch| Attestation {
        data: mina_ledger::rollup::DataCommitment::new(data),
        batch,
        ..attestation(2, 0)
    };
    let statements = [other(b"one", 3), other(b"two", 3), other(b"three", 4)];
    let statements = statements.map(CertificateStatement::Batch);
    let mut sign = |key: &PrivateKey, statement: &CertificateStatement| {
        store.put_statement(statement).unwrap();
        let (commitment, signature) = (statement.commitment(), statement.sign(key).unwrap());
        let key = key.to_public_key();
        let signed = SignedAttestation { commitment, epoch: 0, key, signature };
        node.receive(&[signed]);
        signed
    };
    // Different validators, and different numbers.
    sign(&keys[0], &statements[0]);
    sign(&keys[1], &statements[1]);
    sign(&keys[0], &statements[2]);
    assert!(store.evidence().unwrap().is_empty());
    sign(&keys[0], &statements[1]);
    let evidence = store.evidence().unwrap();
    let [evidence] = evidence.as_slice() else { panic!("{evidence:?}") };
    let chain = ChainId::new("test").unwrap();
    let culprit = Culprit::Attestor(keys[0].to_public_key());
    assert_eq!(verify_evidence(evidence, chain), Ok(culprit));
    for at in 0..evidence.len() {
        let mut forged = evidence.clone();
        forged[at] ^= 1;
        verify_evidence(&forged, chain).unwrap_err();
    }
    let signature = |index: usize| statements[index].sign(&keys[0]).unwrap();
    for (first, second) in [(0, 0), (0, 2)] {
        let signed = [first, second].map(|index| (statements[index], signature(index)));
        let fine = AttestationEvidence { key: keys[0].to_public_key(), signed };
        verify_evidence(&fine.encode(), chain).unwrap_err();
    }
}

#[test]
fn one_statement_per_number_and_generation_also_after_a_restart() {
    let dir = std::env::temp_dir().join(format!("zeko-da-sign-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let keys = ValidatorKeys::new(PrivateKey::new(Fq::from(5u64)).unwrap());
    let store = Store::open(&dir).unwrap();
    let first = sign_once(&store, &attestation(2, 0), &keys).unwrap();
    drop(store);
    let store = Store::open(&dir).unwrap();
    assert_eq!(sign_once(&store, &attestation(2, 0), &keys).unwrap(), first);
    let error = sign_once(&store, &attestation(3, 0), &keys).unwrap_err();
    assert!(matches!(error, SignOnceError::Conflict { batch: 3, generation: 0 }));
    sign_once(&store, &attestation(3, 1), &keys).unwrap();
    drop(store);
    std::fs::remove_dir_all(&dir).unwrap();
}
