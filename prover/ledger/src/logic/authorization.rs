//! Checking signatures and proofs before a command is applied.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

use mina_curves::Fp;

use crate::{
    domain::Domain,
    hash::CommandHashes,
    ledger::{Ledger, LedgerError},
    signature::{SignatureError, verify_payload, verify_zkapp_command},
    types::{
        AccountId, Authorization, AuthorizationKind, Proof, SignedCommand, VerificationKey,
        ZkappCommand,
    },
};

/// What a zkApp's proof shows: the two public inputs of every zkApp circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ZkappStatement {
    /// The hash of the account update.
    pub account_update: Fp,
    /// The hash of its children.
    pub calls: Fp,
}

/// A proof with what it is to be checked against.
#[derive(Clone, Copy, Debug)]
pub struct ProofClaim<'a> {
    /// The key of the account.
    pub verification_key: &'a VerificationKey,
    /// The proof.
    pub proof: &'a Proof,
    /// What it has to show.
    pub statement: ZkappStatement,
}

/// Verifies zkApp proofs; the proof system is another crate's.
pub trait ProofVerifier {
    /// Verifies many proofs.
    ///
    /// # Errors
    /// The index of a proof that does not verify.
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize>;
}

/// Refuses every proof: for commands without any.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoProofs;

impl ProofVerifier for NoProofs {
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize> {
        if claims.is_empty() { Ok(()) } else { Err(0) }
    }
}

/// Why the authorizations of a command do not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorizationError {
    /// A signature.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A proof.
    #[error("invalid proof of account update {index}")]
    Proof {
        /// The update's index in the forest.
        index: usize,
    },
    /// There is no verification key with the hash that an update commits to.
    #[error("account update {index}: the account has no verification key with this hash")]
    VerificationKey {
        /// The update's index in the forest.
        index: usize,
    },
    /// The ledger cannot tell.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Checks all signatures of a zkApp command, and all proofs against the keys that the accounts have
/// in `ledger`, or that the command itself gives them before.
///
/// # Errors
/// [`AuthorizationError`] of the first that does not hold.
pub fn check_authorizations<L: Ledger + ?Sized>(
    command: &ZkappCommand,
    hashes: &CommandHashes,
    domain: &Domain,
    ledger: &L,
    verifier: &dyn ProofVerifier,
) -> Result<(), AuthorizationError> {
    verify_zkapp_command(command, hashes, domain)?;
    check_proofs(command, hashes, ledger, verifier)
}

/// The proofs of [`check_authorizations`] alone.
///
/// # Errors
/// [`AuthorizationError`] of the first that does not hold.
pub fn check_proofs<L: Ledger + ?Sized>(
    command: &ZkappCommand,
    hashes: &CommandHashes,
    ledger: &L,
    verifier: &dyn ProofVerifier,
) -> Result<(), AuthorizationError> {
    let forest = &command.account_updates;
    let ends = forest.subtree_ends();
    let mut set: BTreeMap<_, &VerificationKey> = BTreeMap::new();
    let mut claims = Vec::new();
    let mut indices = Vec::new();
    for (index, (node, end)) in forest.nodes().iter().zip(ends).enumerate() {
        let body = &node.update.body;
        let id = body.account_id();
        if let (Authorization::Proof(proof), AuthorizationKind::Proof(hash)) =
            (&node.update.authorization, body.authorization_kind)
        {
            let key = match set.get(&id.sort_key()) {
                Some(key) => Some(*key),
                None => account_key(ledger, &id)?,
            };
            let key = key.filter(|key| key.hash() == hash);
            let verification_key = key.ok_or(AuthorizationError::VerificationKey { index })?;
            let account_update = hashes.forest.bodies.get(index).copied().unwrap_or_default();
            let calls = hashes.forest.forest(index + 1, end);
            let statement = ZkappStatement { account_update, calls };
            claims.push(ProofClaim { verification_key, proof, statement });
            indices.push(index);
        }
        if let Some(key) = &body.update.verification_key {
            set.insert(id.sort_key(), key);
        }
    }
    verifier.verify(&claims).map_err(|claim| AuthorizationError::Proof {
        index: indices.get(claim).copied().unwrap_or(claim),
    })
}

fn account_key<'a, L: Ledger + ?Sized>(
    ledger: &'a L,
    id: &AccountId,
) -> Result<Option<&'a VerificationKey>, LedgerError> {
    let zkapp = ledger.get(id)?.and_then(|account| account.zkapp.as_deref());
    Ok(zkapp.and_then(|zkapp| zkapp.verification_key.as_ref()))
}

/// Checks the signature of a payment or delegation.
///
/// # Errors
/// [`AuthorizationError::Signature`].
pub fn check_signature(command: &SignedCommand, domain: &Domain) -> Result<(), AuthorizationError> {
    Ok(verify_payload(&command.signature, &command.payload, domain)?)
}

/// A boxed verifier is a verifier.
impl<V: ProofVerifier + ?Sized> ProofVerifier for Box<V> {
    fn verify(&self, claims: &[ProofClaim<'_>]) -> Result<(), usize> {
        (**self).verify(claims)
    }
}
