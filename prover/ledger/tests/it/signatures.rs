//! `signatures/*.json`: the test vectors of mina-signer.

use mina_ledger::{
    Domain, hash,
    signature::{self, BatchItem},
    types::{
        DelegationJson, Era, NetworkId, PaymentJson, PrivateKey, PublicKey, Signature,
        SignatureJson, SignedCommand, SignedCommandPayload, ZkappCommand,
    },
};
use serde_json::{Value, json};

use crate::support::{fps, json as file, read};

fn keypair(file: &Value) -> (PrivateKey, PublicKey) {
    let secret = PrivateKey::from_base58(file["keypair"]["privateKey"].as_str().unwrap()).unwrap();
    let public: PublicKey = read(&file["keypair"]["publicKey"]);
    assert_eq!(secret.to_public_key(), public);
    (secret, public)
}

/// The flat JSON of mina-signer's own interface from the nested one of the vectors.
fn flat(vector: &Value, receiver: &str) -> Value {
    let (common, body) = (&vector["common"], &vector["body"]);
    json!({
        "to": body[receiver],
        "from": common["feePayer"],
        "fee": common["fee"],
        "amount": body.get("amount").cloned().unwrap_or(json!("0")),
        "nonce": common["nonce"],
        "memo": common["memo"],
        "validUntil": common["validUntil"],
    })
}

#[test]
fn item_09_legacy_signatures_of_all_networks() {
    let file = file("signatures/legacy.json");
    let (secret, public) = keypair(&file);
    let payloads: Vec<SignedCommandPayload> = file["payments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|vector| read::<PaymentJson>(&flat(vector, "receiver")).to_payload().unwrap())
        .chain(file["delegations"].as_array().unwrap().iter().map(|vector| {
            read::<DelegationJson>(&flat(vector, "newDelegate")).to_payload().unwrap()
        }))
        .collect();
    let strings: Vec<&str> =
        file["strings"].as_array().unwrap().iter().map(|s| s.as_str().unwrap()).collect();
    let networks = file["signatures"].as_object().unwrap();
    assert!(networks.len() >= 2);
    for (network, signatures) in networks {
        let domain = Domain::new(NetworkId::from_name(network).unwrap(), Era::Berkeley);
        let expected: Vec<Signature> = signatures
            .as_array()
            .unwrap()
            .iter()
            .map(|s| read::<SignatureJson>(s).into())
            .collect();
        assert_eq!(expected.len(), payloads.len() + strings.len());
        let (of_payloads, of_strings) = expected.split_at(payloads.len());
        for (payload, expected) in payloads.iter().zip(of_payloads) {
            let signature = signature::sign_payload(payload, &secret, &domain).unwrap();
            assert_eq!(signature, *expected, "{network}");
            signature::verify_payload(expected, payload, &domain).unwrap();
            let other = SignedCommandPayload { nonce: payload.nonce.successor(), ..*payload };
            assert!(signature::verify_payload(expected, &other, &domain).is_err());
        }
        for (text, expected) in strings.iter().zip(of_strings) {
            let signature = signature::sign_message(text, &secret, &domain).unwrap();
            assert_eq!(signature, *expected, "{network}");
            signature::verify_message(expected, text, &public, &domain).unwrap();
        }
        let batch: Vec<BatchItem> = payloads
            .iter()
            .zip(of_payloads)
            .map(|(payload, signature)| {
                BatchItem::signed_command(&SignedCommand {
                    payload: *payload,
                    signature: *signature,
                })
            })
            .collect();
        assert_eq!(signature::verify_batch(&batch, &domain), Ok(()));
    }
}

#[test]
fn item_10_zkapp_signatures() {
    let file = file("signatures/zkapp_berkeley.json");
    let (secret, public) = keypair(&file);
    let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);
    for name in ["zkapp1", "zkapp2"] {
        let vector = &file[name];
        let json = &vector["output"]["data"]["zkappCommand"];
        let mut command: ZkappCommand = read(json);
        assert_eq!(command.fee_payer.body.public_key, public);
        let hashes = hash::command_hashes(&command, &domain);
        command.fee_payer.authorization = Signature::DUMMY;
        signature::sign_zkapp_command(&mut command, &hashes, &secret, &domain).unwrap();
        let expected = vector["output"]["signature"].as_str().unwrap();
        assert_eq!(command.fee_payer.authorization.to_base58(), expected);
        assert_eq!(&serde_json::to_value(&command).unwrap(), json);
        signature::verify_zkapp_command(&command, &hashes, &domain).unwrap();
        let batch: Vec<BatchItem> = BatchItem::zkapp_command(&command, &hashes).collect();
        assert_eq!(signature::verify_batch(&batch, &domain), Ok(()));
    }
}

#[test]
fn fields_messages_payments_and_delegations() {
    let file = file("signatures/zkapp_berkeley.json");
    let (secret, public) = keypair(&file);
    let domain = Domain::new(NetworkId::Testnet, Era::Berkeley);

    let fields = fps(&file["fields"]["input"]);
    let signature = signature::sign_fields(&fields, &secret, &domain).unwrap();
    let expected = &file["fields"]["output"]["signature"];
    assert_eq!(signature.to_base58(), expected.as_str().unwrap());
    signature::verify_fields(&signature, &fields, &public, &domain).unwrap();

    let text = file["message"]["input"].as_str().unwrap();
    let signature = signature::sign_message(text, &secret, &domain).unwrap();
    assert_eq!(json!(SignatureJson::from(signature)), file["message"]["output"]["signature"]);

    let payment = read::<PaymentJson>(&file["payment"]["input"]).to_payload().unwrap();
    let signature = signature::sign_payload(&payment, &secret, &domain).unwrap();
    assert_eq!(json!(SignatureJson::from(signature)), file["payment"]["output"]["signature"]);

    let input = &file["stakeDelegation"]["input"];
    let delegation = read::<DelegationJson>(input).to_payload().unwrap();
    let signature = signature::sign_payload(&delegation, &secret, &domain).unwrap();
    assert_eq!(
        json!(SignatureJson::from(signature)),
        file["stakeDelegation"]["output"]["signature"]
    );
}

/// Names of every length: legacy nonces take the low byte of the name read as a number and rounded
/// to a double, which is not the first character for all of them.
#[test]
fn item_09_custom_networks() {
    let file = file("signatures/custom_networks.json");
    let secret = PrivateKey::from_base58(file["secret"].as_str().unwrap()).unwrap();
    let vectors = file["vectors"].as_array().unwrap();
    assert_eq!(vectors.len(), 15);
    for vector in vectors {
        let network = NetworkId::from_name(vector["network"].as_str().unwrap()).unwrap();
        let domain = Domain::new(network, Era::Berkeley);
        let payment = read::<PaymentJson>(&vector["data"]).to_payload().unwrap();
        let signature = signature::sign_payload(&payment, &secret, &domain).unwrap();
        assert_eq!(json!(SignatureJson::from(signature)), vector["payment"], "{domain:?}");
        let text = vector["message"].as_str().unwrap();
        let signature = signature::sign_message(text, &secret, &domain).unwrap();
        assert_eq!(json!(SignatureJson::from(signature)), vector["messageSignature"]);
        let field = crate::support::fp(&vector["field"]);
        let signature = signature::sign_fields(&[field], &secret, &domain).unwrap();
        assert_eq!(signature.to_base58(), vector["fieldSignature"].as_str().unwrap());
    }
    for bad in ["", "name with spaces", "grüße", &"x".repeat(32)] {
        assert!(NetworkId::from_name(bad).is_err());
    }
}
