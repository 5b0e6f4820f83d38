//! A light client of a node that lies: whatever is served, it believes nothing but what more than two
//! thirds have signed about what it asked for.

use std::sync::{Arc, Mutex};

use base64::{Engine, prelude::BASE64_STANDARD};
use jsonrpsee::{RpcModule, server::Server, types::ErrorObjectOwned};
use mina_curves::Fp;
use mina_ledger::{
    rollup::{
        Attestation, BlobStatement, ChainId, Committee, CommitteeMember, DataCommitment,
        SignedStatement,
    },
    types::{PublicKey, Signature},
};
use zeko_da::{ClientError, DaClient, LightClient};
use zeko_derive::{Certificate, CertificateError, CertificateStatement, Expectation, Wire};

use crate::kit::{block_on, chain, secret, user};

/// What the liar serves next.
type Lie = Arc<Mutex<Option<Certificate>>>;

/// A node that has the certificate that it was told, whatever it is asked for.
async fn liar() -> (Lie, DaClient) {
    let lie = Lie::default();
    let mut module = RpcModule::new(lie.clone());
    let certificate = |_: jsonrpsee::types::Params<'_>, lie: &Lie, _: &jsonrpsee::Extensions| {
        let bytes = lie.lock().unwrap().as_ref().map(Wire::to_bytes);
        Ok::<_, ErrorObjectOwned>(bytes.map(|bytes| BASE64_STANDARD.encode(bytes)))
    };
    module.register_method("da_certificate", certificate).unwrap();
    module
        .register_subscription(
            "da_subscribe",
            "da_events",
            "da_unsubscribe",
            |_, sink, _, _| async {
                sink.accept().await?.closed().await;
                Ok(())
            },
        )
        .unwrap();
    let server = Server::builder().build("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", server.local_addr().unwrap());
    tokio::spawn(server.start(module).stopped());
    (lie, DaClient::connect(&url, chain()).await.unwrap())
}

fn light(powers: &[u32]) -> LightClient {
    let members = powers.iter().zip(0..);
    let members = members.map(|(power, i)| CommitteeMember { key: user(i), power: *power });
    LightClient { chain: chain(), committee: Committee::new(members.collect()).unwrap() }
}

fn expectation() -> Expectation {
    Expectation {
        protocol_version: 1,
        l1_network: ChainId::new("l1").unwrap(),
        rollup_account: user(90),
        chain: ChainId::new("l2").unwrap(),
        committee_epoch: 4,
        generation: 2,
    }
}

fn attestation() -> Attestation {
    let expected = expectation();
    let one = Fp::from(1u64);
    Attestation {
        protocol_version: expected.protocol_version,
        l1_network: expected.l1_network,
        rollup_account: expected.rollup_account,
        chain: expected.chain,
        committee_epoch: expected.committee_epoch,
        generation: expected.generation,
        batch: 3,
        source_ledger: one,
        target_ledger: one,
        inbox_before: one,
        inbox_after: one,
        outbox_before: one,
        outbox_after: one,
        first_height: 0.into(),
        first_block: one,
        last_height: 0.into(),
        last_block: one,
        first_slot: 0.into(),
        last_slot: 0.into(),
        fee_recipient: PublicKey::EMPTY,
        previous_data: DataCommitment::default(),
        data: DataCommitment::new(b"a batch"),
        byte_length: 7,
    }
}

fn signed(statement: CertificateStatement, signers: &[u64]) -> Certificate {
    let sign = |signer: &u64| {
        let signature = match &statement {
            CertificateStatement::Batch(batch) => batch.sign(&secret(*signer)),
            CertificateStatement::Blob(blob) => blob.sign(&secret(*signer)),
        };
        (user(*signer), signature.unwrap())
    };
    Certificate { statement, signatures: signers.iter().map(sign).collect() }
}

fn batch(attestation: Attestation, signers: &[u64]) -> Certificate {
    signed(CertificateStatement::Batch(attestation), signers)
}

#[test]
fn a_light_client_counts_power_as_the_contract_does() {
    block_on(async {
        let (lie, node) = liar().await;
        for (powers, signers, enough) in [
            (&[1, 1, 1][..], &[0, 1][..], false),
            (&[1, 1, 1], &[2, 0, 1], true),
            (&[1, 1, 1, 1], &[0, 3], false),
            (&[1, 1, 1, 1], &[0, 3, 1], true),
            (&[200, 50, 50], &[0], false),
            (&[201, 50, 50], &[0], true),
            (&[5], &[], false),
        ] {
            *lie.lock().unwrap() = Some(batch(attestation(), signers));
            let asked = light(powers).batch(&node, &expectation(), attestation().data).await;
            match asked {
                Ok(_) => assert!(enough, "{powers:?} {signers:?}"),
                Err(ClientError::Certificate(CertificateError::Power { .. })) => assert!(!enough),
                Err(error) => panic!("{error}"),
            }
        }
    });
}

#[test]
fn a_light_client_is_not_fooled_by_signers() {
    let good = batch(attestation(), &[0, 1, 2]);
    let mut other_name = good.clone();
    other_name.signatures[2].0 = user(3);
    let mut nothing = good.clone();
    nothing.signatures[1].1 = Signature::DUMMY;
    let stranger = |error: &CertificateError| matches!(error, CertificateError::UnknownSigner { key } if *key == user(7));
    let twice = |error: &CertificateError| matches!(error, CertificateError::DuplicateSigner { key } if *key == user(1));
    let signature = |error: &CertificateError| matches!(error, CertificateError::Signature { .. });
    type Check<'a> = &'a dyn Fn(&CertificateError) -> bool;
    let cases: [(Certificate, Check<'_>); 6] = [
        (batch(attestation(), &[0, 1, 7]), &stranger),
        (batch(attestation(), &[0, 1, 2, 7]), &stranger),
        (batch(attestation(), &[0, 1, 1]), &twice),
        (batch(attestation(), &[0, 1, 2, 1]), &twice),
        (other_name, &signature),
        (nothing, &signature),
    ];
    block_on(async {
        let (lie, node) = liar().await;
        let light = light(&[1, 1, 1, 1]);
        for (certificate, expected) in cases {
            *lie.lock().unwrap() = Some(certificate);
            let asked = light.batch(&node, &expectation(), attestation().data).await;
            let Err(ClientError::Certificate(error)) = asked else { panic!("{asked:?}") };
            assert!(expected(&error), "{error}");
        }
        *lie.lock().unwrap() = Some(good);
        light.batch(&node, &expectation(), attestation().data).await.unwrap();
    });
}

/// All members have signed all of these, about something else than what is asked for.
#[test]
fn a_light_client_takes_no_replay() {
    let all = [0, 1, 2, 3];
    let elsewhere = ChainId::new("elsewhere").unwrap();
    let right = attestation();
    let blob = BlobStatement {
        chain: chain(),
        namespace: Fp::from(3u64),
        commitment: right.data,
        length: 7,
    };
    let replays = [
        (Attestation { protocol_version: 2, ..right }, "protocol version"),
        (Attestation { l1_network: elsewhere, ..right }, "another L1 network"),
        (Attestation { rollup_account: user(91), ..right }, "another rollup account"),
        (Attestation { chain: elsewhere, ..right }, "another chain"),
        (Attestation { committee_epoch: 3, ..right }, "committee epoch"),
        (Attestation { committee_epoch: 5, ..right }, "committee epoch"),
        (Attestation { generation: 1, ..right }, "generation"),
        (Attestation { generation: 3, ..right }, "generation"),
        (Attestation { data: DataCommitment::new(b"other"), ..right }, "something else"),
    ];
    let blobs = [
        (BlobStatement { chain: elsewhere, ..blob }, "another DA chain"),
        (BlobStatement { namespace: Fp::from(4u64), ..blob }, "something else"),
        (BlobStatement { commitment: DataCommitment::new(b"other"), ..blob }, "something else"),
    ];
    block_on(async {
        let (lie, node) = liar().await;
        let light = light(&[1, 1, 1, 1]);
        for (statement, reason) in replays {
            // What is signed of the other one, also under the right statement.
            let replay = batch(statement, &all);
            let mut disguised = batch(right, &all);
            disguised.signatures.clone_from(&replay.signatures);
            for (certificate, reason) in [(replay, reason), (disguised, "signature")] {
                *lie.lock().unwrap() = Some(certificate);
                let asked = light.batch(&node, &expectation(), right.data).await;
                let error = asked.unwrap_err().to_string();
                assert!(error.contains(reason), "{error}, not {reason}");
            }
        }
        for (statement, reason) in blobs {
            *lie.lock().unwrap() = Some(signed(CertificateStatement::Blob(statement), &all));
            let asked = light.blob(&node, blob.namespace, blob.commitment).await;
            let error = asked.unwrap_err().to_string();
            assert!(error.contains(reason), "{error}, not {reason}");
        }
        // One for the other.
        *lie.lock().unwrap() = Some(signed(CertificateStatement::Blob(blob), &all));
        let error = light.batch(&node, &expectation(), right.data).await.unwrap_err();
        assert!(error.to_string().contains("another kind"), "{error}");
        *lie.lock().unwrap() = Some(batch(right, &all));
        let error = light.blob(&node, blob.namespace, blob.commitment).await.unwrap_err();
        assert!(error.to_string().contains("another kind"), "{error}");
    });
}
