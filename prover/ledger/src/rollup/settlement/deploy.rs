//! Setting up the rollup account.

use alloc::vec::Vec;

use mina_curves::Fp;

use super::{ContractState, SettlementParameters};
use crate::{
    rollup::{Committee, Configuration, Hashed, PayoutState, Root},
    types::{
        AccountId, AccountUpdate, Amount, AuthRequired, Authorization, AuthorizationKind, Body,
        Era, Permissions, PublicKey, Signature, SignedAmount, VerificationKey,
    },
};

/// What a field of the rollup account is the hash of, as events say it: each has a number for its kind,
/// and then elements that are hashed, as many as go into one.
#[derive(Clone, Copy, Debug)]
pub enum ContractEvent<'a> {
    /// Field 4.
    Configuration(&'a Configuration),
    /// Field 3.
    Payout(&'a PayoutState),
    /// What the configuration has the hash of.
    Committee(&'a Committee),
    /// Field 0.
    Root(&'a Root),
}

impl ContractEvent<'_> {
    /// The number of an event about field 3.
    pub const PAYOUT: u64 = 2;

    /// The number of an event about field 0.
    pub const ROOT: u64 = 4;

    /// The most elements of an event that a node can encode.
    const MAX_FIELDS: usize = 16;

    /// The events: one, but for a committee, whose elements go on in another.
    pub fn to_events(&self) -> Vec<Vec<Fp>> {
        let (kind, fields) = match self {
            Self::Configuration(configuration) => (1, configuration.to_fields()),
            Self::Payout(payout) => (Self::PAYOUT, payout.to_fields()),
            Self::Committee(committee) => (3, committee.to_fields()),
            Self::Root(root) => (Self::ROOT, root.to_fields()),
        };
        let chunks = fields.chunks(Self::MAX_FIELDS - 1);
        chunks
            .map(|chunk| core::iter::once(Fp::from(kind)).chain(chunk.iter().copied()).collect())
            .collect()
    }
}

/// The permissions of the rollup account: its proofs change the state and the balance, and nothing
/// changes anything else. After a hard fork that raises the transaction version, a signature can set
/// the verification key.
pub fn contract_permissions(era: Era) -> Permissions {
    Permissions {
        edit_state: AuthRequired::Proof,
        send: AuthRequired::Proof,
        receive: AuthRequired::Proof,
        edit_action_state: AuthRequired::Proof,
        access: AuthRequired::Proof,
        ..Permissions::all(AuthRequired::Impossible, era)
    }
}

/// What a deployment takes out of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeployFunds {
    /// Who pays.
    pub payer: PublicKey,
    /// What creating the rollup account costs.
    pub creation_fee: Amount,
    /// What the rollup account begins with: what the accounts of the L2's genesis hold, so that all of
    /// it can be withdrawn.
    pub vault: Amount,
}

/// The two updates that set up a rollup account which does not exist yet: it gets its key, its
/// permissions and its state. Both are to be signed. `None` for more MINA than there is.
pub fn deploy_updates(
    account: PublicKey,
    key: VerificationKey,
    state: &ContractState,
    committee: &Committee,
    funds: &DeployFunds,
    parameters: &SettlementParameters,
) -> Option<[AccountUpdate; 2]> {
    let DeployFunds { payer, creation_fee, vault } = *funds;
    let era = parameters.domain.era();
    let signed = |id| {
        let mut body = Body::new(id, era);
        body.authorization_kind = AuthorizationKind::Signature;
        body.use_full_commitment = true;
        body
    };
    let mut funding = signed(AccountId::of(payer));
    funding.balance_change = SignedAmount::negative(creation_fee.checked_add(vault)?);
    let mut deploy = signed(AccountId::of(account));
    deploy.balance_change = SignedAmount::positive(vault);
    deploy.preconditions.account.is_new = Some(true);
    deploy.update.verification_key = Some(key);
    deploy.update.permissions = Some(contract_permissions(era));
    deploy.update.app_state = state.to_update(era);
    let events = [
        ContractEvent::Configuration(&state.configuration),
        ContractEvent::Payout(&state.payout),
        ContractEvent::Root(&state.root),
        ContractEvent::Committee(committee),
    ];
    deploy.events = events.iter().flat_map(ContractEvent::to_events).collect();
    let authorization = Authorization::Signature(Signature::DUMMY);
    Some([funding, deploy].map(|body| AccountUpdate { body, authorization: authorization.clone() }))
}
