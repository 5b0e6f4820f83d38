//! Checking zkApp proofs.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use mina_curves::Fp;
use mina_ledger::{
    hash::CommandHashes,
    logic::{ProofClaim, ProofVerifier, ZkappStatement},
    types::{AccountId, Authorization, AuthorizationKind, Proof, VerificationKey, ZkappCommand},
};

use crate::graphql::SubmitError;

/// Keys kept decoded; all are forgotten when there are more.
const MAX_KEYS: usize = 1024;

/// Verifies the proofs of o1js' zkApps, and keeps the keys that it has decoded.
#[derive(Debug, Default)]
pub struct PicklesVerifier {
    keys: Mutex<HashMap<Fp, Arc<pickles::VerificationKey>>>,
}

impl PicklesVerifier {
    fn key(&self, key: &VerificationKey) -> Option<Arc<pickles::VerificationKey>> {
        let known =
            self.keys.lock().unwrap_or_else(PoisonError::into_inner).get(&key.hash()).cloned();
        if known.is_some() {
            return known;
        }
        // The cache is by hash, so the hash has to fit.
        key.check_hash().ok()?;
        let decoded = Arc::new(pickles::VerificationKey::from_bytes(key.data()).ok()?);
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MAX_KEYS {
            keys.clear();
        }
        keys.insert(key.hash(), Arc::clone(&decoded));
        Some(decoded)
    }
}

impl ProofVerifier for PicklesVerifier {
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize> {
        let decode = |(index, claim): (usize, &ProofClaim<'_>)| {
            let key = self.key(claim.verification_key).ok_or(index)?;
            let proof = pickles::decode_account_update_proof(&claim.proof.0);
            let ZkappStatement { account_update, calls } = claim.statement;
            Ok((key, [account_update, calls], proof.map_err(|_| index)?))
        };
        let decoded = claims.iter().enumerate().map(decode).collect::<Result<Vec<_>, usize>>()?;
        let instances: Vec<_> = decoded
            .iter()
            .map(|(key, app_state, proof)| pickles::Instance { key, app_state, proof })
            .collect();
        let mut rng = rand::thread_rng();
        if instances.is_empty() || pickles::verify_batch(&instances, &mut rng).is_ok() {
            return Ok(());
        }
        let bad =
            |instance| pickles::verify_batch(std::slice::from_ref(instance), &mut rng).is_err();
        Err(instances.iter().position(bad).unwrap_or(0))
    }
}

/// A proof of a command with what it has to show.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    update: usize,
    key: VerificationKey,
    proof: Proof,
    statement: ZkappStatement,
}

impl Claim {
    pub(crate) fn borrow(&self) -> ProofClaim<'_> {
        ProofClaim { verification_key: &self.key, proof: &self.proof, statement: self.statement }
    }

    pub(crate) fn rejected(&self) -> SubmitError {
        let reason = format!("proof of account update {} does not verify", self.update);
        SubmitError::InvalidProof { reason }
    }
}

/// Whether a command has proofs.
pub(crate) fn has_proofs(command: &ZkappCommand) -> bool {
    let is_proof = |authorization: &Authorization| matches!(authorization, Authorization::Proof(_));
    command.account_updates.updates().any(|update| is_proof(&update.authorization))
}

/// The proofs of a command, each with the key that the account has, is about to have, or gets
/// before in the command itself. `known` tells the keys of an account.
pub(crate) fn claims(
    command: &ZkappCommand,
    hashes: &CommandHashes,
    known: impl Fn(&AccountId) -> Vec<VerificationKey>,
) -> Result<Vec<Claim>, SubmitError> {
    let forest = &command.account_updates;
    let ends = forest.subtree_ends();
    let mut set: HashMap<AccountId, VerificationKey> = HashMap::new();
    let mut claims = Vec::new();
    for (update, (node, end)) in forest.nodes().iter().zip(ends).enumerate() {
        let body = &node.update.body;
        let id = body.account_id();
        if let (Authorization::Proof(proof), AuthorizationKind::Proof(hash)) =
            (&node.update.authorization, body.authorization_kind)
        {
            let keys = set.get(&id).map_or_else(|| known(&id), |key| vec![key.clone()]);
            let key = keys.into_iter().find(|key| key.hash() == hash).ok_or_else(|| {
                let reason = format!(
                    "account update {update}: the account has no verification key with this hash"
                );
                SubmitError::InvalidProof { reason }
            })?;
            let account_update = hashes.forest.bodies.get(update).copied().unwrap_or_default();
            let calls = hashes.forest.forest(update + 1, end);
            let statement = ZkappStatement { account_update, calls };
            claims.push(Claim { update, key, proof: proof.clone(), statement });
        }
        if let Some(key) = &body.update.verification_key {
            set.insert(id, key.clone());
        }
    }
    Ok(claims)
}
