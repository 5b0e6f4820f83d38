//! Account updates, one of which a proof authorises.

use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    hash::{body_hash, constants::DUMMY_VERIFICATION_KEY_HASH},
    rollup::ChainId,
    types::{AuthorizationKind, Length, Slot},
};
use pickles::{
    PreviousStatement, ProvedStatement, Rule, RuleStatement, Slot as ProofSlot, StepBuilder,
    StepInput, StepKey, VerificationKey, decode_account_update_proof,
};

use super::{CommandsError, CommandsInput, UpdatesVar};
use crate::{
    Cs, Linear,
    update::{RecordedUpdate, Rules, Updated},
};

/// Up to so many account updates of one block, of which exactly one, in any place, is authorised by a
/// proof.
///
/// The proof is verified whether or not the update fails: nodes let no command in whose proofs they
/// have not verified, so whoever is honest has one, and nobody pays for a command without.
#[derive(Clone, Debug)]
pub struct Proved {
    rules: Rules,
    updates: usize,
}

/// What a proof of [`Proved`] is made from, besides the proof that it rests on.
#[derive(Clone, Debug)]
pub struct ProvedInput(CommandsInput);

impl Proved {
    /// The rule for up to `updates` updates.
    pub(super) fn new(rules: Rules, updates: usize) -> Self {
        Self { rules, updates }
    }
}

impl ProvedInput {
    /// The input of a circuit with room for `room` updates, and the proof of the one that has one.
    pub(super) fn new(
        chain: ChainId,
        height: Length,
        slot: Slot,
        updates: Vec<RecordedUpdate>,
        room: usize,
        domain: &Domain,
    ) -> Result<(Self, ProvedStatement), CommandsError> {
        let proofs: Vec<_> = updates
            .iter()
            .filter(|update| update.is_proved())
            .map(|update| update.zkapp_proof(domain))
            .collect::<Result<_, _>>()?;
        let got = proofs.len();
        let [proof] =
            <[ProvedStatement; 1]>::try_from(proofs).map_err(|_| CommandsError::Proofs { got })?;
        let input = CommandsInput::new(chain, height, slot, updates, room)?;
        Ok((Self(input), proof))
    }

    fn of(input: &StepInput<Self>) -> &CommandsInput {
        &input.rule().0
    }
}

impl RecordedUpdate {
    /// Whether a proof authorises it.
    pub fn is_proved(&self) -> bool {
        matches!(self.witness.body.authorization_kind, AuthorizationKind::Proof(_))
    }

    /// The proof that authorises it, as [`Proved`] rests on it: with what it must show, under the key
    /// of the account.
    ///
    /// # Errors
    /// [`CommandsError`], if the account has no key, or that or the proof are of no use.
    pub fn zkapp_proof(&self, domain: &Domain) -> Result<ProvedStatement, CommandsError> {
        let Self { witness, proof, .. } = self;
        let zkapp = witness.account.zkapp.as_deref();
        let key = zkapp.and_then(|zkapp| zkapp.verification_key.as_ref());
        let key = VerificationKey::from_bytes(key.ok_or(CommandsError::NoKey)?.data())?;
        let proof = proof.as_ref().ok_or(CommandsError::Proofs { got: 0 })?;
        let proof = decode_account_update_proof(&proof.0)?;
        let app_state = vec![body_hash(&witness.body, domain), witness.stack.children];
        Ok(ProvedStatement { app_state, proof, key: Some(key.into()) })
    }
}

/// Asserts that exactly one of the updates is authorised by a proof, and says what that proof must
/// show. `key` is the hash of the key that it is verified under: it must be the one that the update
/// names, which is that of its account if the command goes on; and not the one that accounts without
/// a key have. 3½ rows for each update.
pub fn one_proof<I>(
    cs: &mut Cs<I>,
    updates: &[(Boolean<Fp>, Updated)],
    key: impl Into<Linear>,
) -> [Linear; 2] {
    let proved: Vec<_> =
        updates.iter().map(|(is_active, update)| is_active.and(cs, &update.is_proved)).collect();
    cs.region("one proof", |cs| {
        cs.assert_equal(Linear::sum(proved.iter().map(Linear::from)), Fp::from(1u64));
    });
    // One of the bits is 1, so that a sum of products is what belongs to it.
    let chosen = |cs: &mut Cs<I>, part: fn(&Updated) -> &Linear| -> Linear {
        let parts = proved.iter().zip(updates);
        let parts: Vec<_> = parts.map(|(bit, (_, update))| cs.mul(bit, part(update))).collect();
        cs.reduce(Linear::sum(parts.into_iter().map(Linear::from))).into()
    };
    cs.region("key of the proof", |cs| {
        let (named, key) = (chosen(cs, |update| &update.key_hash), key.into());
        cs.assert_equal(named, &key);
        let is_none = cs.is_equal(key, DUMMY_VERIFICATION_KEY_HASH);
        cs.assert_equal(&is_none, Fp::default());
    });
    cs.region("statement of the proof", |cs| {
        [chosen(cs, |update| &update.statement[0]), chosen(cs, |update| &update.statement[1])]
    })
}

impl Rule for Proved {
    type Input = ProvedInput;

    fn name(&self) -> &'static str {
        "proved"
    }

    fn previous(&self) -> Vec<ProofSlot> {
        vec![ProofSlot::SideLoaded]
    }

    fn constrain(&self, cs: &mut StepBuilder<ProvedInput>, keys: &[StepKey]) -> RuleStatement {
        let key = keys.first().and_then(|key| key.hash).expect("the slot is side-loaded");
        let UpdatesVar { segment, updates } =
            UpdatesVar::constrain(cs, &self.rules, self.updates, ProvedInput::of);
        let app_state = one_proof(cs, &updates, key).into();
        let must_verify = Boolean::constant(true);
        RuleStatement {
            app_state: vec![segment.digest(cs)],
            previous: vec![PreviousStatement { app_state, must_verify }],
        }
    }
}
