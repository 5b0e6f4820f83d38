//! Certificates.

use ark_ff::AdditiveGroup;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    rollup::{
        Attestation, Certified, Committee, CommitteeMember, Hashed, SignedStatement, Waiting,
    },
    types::{Era, PublicKey, Signature},
};
use pickles::{Rule, RuleStatement, Slot, StepBuilder, StepKey};

use super::{CertifiedInbox, FoldError, MAX_QUOTA, WaitingVar};
use crate::{
    Boolean, Cs, Linear,
    alloc::{Allocate, Cells, constant, witness},
    input::{InputVar, hash, salted},
    key::PublicKeyVar,
    message::push,
    number::U32Var,
    schnorr::{SignatureWitness, assert_signed},
};

/// Bits of powers multiplied by three.
const POWER_BITS: usize = 48;

/// The twin of [`Certified`].
#[derive(Clone, Debug)]
#[allow(missing_docs)] // named as in `Certified`
pub struct CertifiedVar {
    pub attestation: Linear,
    pub committee: Linear,
    pub inbox_before: Linear,
    pub inbox_after: Linear,
    pub action_state: Linear,
    pub earliest: U32Var,
    pub is_full: Boolean,
}

impl CertifiedVar {
    /// The hash; 36 rows.
    pub fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let mut input = InputVar::new();
        input
            .field(&self.attestation)
            .field(&self.committee)
            .field(&self.inbox_before)
            .field(&self.inbox_after)
            .field(&self.action_state)
            .add(&self.earliest)
            .add(&self.is_full);
        hash(cs, &salted(Certified::PREFIX), &input.into_fields()).into()
    }

    /// What waits behind the batch.
    pub fn waiting(&self) -> WaitingVar {
        WaitingVar {
            from: self.inbox_after.clone(),
            to: self.action_state.clone(),
            earliest: self.earliest.clone(),
        }
    }
}

/// A member of the committee.
#[derive(Clone, Debug)]
struct MemberVar {
    key: PublicKeyVar,
    power: U32Var,
}

impl Allocate for MemberVar {
    type Native = CommitteeMember;

    fn values(native: &CommitteeMember, era: Era, out: &mut Vec<Fp>) {
        PublicKeyVar::values(&native.key, era, out);
        out.push(Fp::from(native.power));
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { key: PublicKeyVar::assign(cs, cells), power: cells.uint(cs) }
    }
}

const NOBODY: CommitteeMember = CommitteeMember { key: PublicKey::EMPTY, power: 0 };

/// More than two thirds of a committee have signed an attestation, and the inbox behind it leads on
/// to an action state by deposits with a known earliest timeout. The batch is full if so many hashes as
/// the quota has lead from the inbox before it exactly to the inbox behind it. Rows: 316 for each
/// member, 12 for each message of the quota, and those of a proof.
///
/// A place of the committee counts once. That no key has two places is so for every [`Committee`].
#[derive(Clone, Debug)]
pub struct AttestRule {
    members: usize,
    quota: usize,
    domain: Domain,
}

/// What a proof of [`AttestRule`] is made from.
#[derive(Clone, Debug)]
pub struct AttestInput {
    attestation: Fp,
    inbox_before: Fp,
    waiting: Waiting,
    /// The hashes of a full quota; anything if the batch has not consumed one.
    consumed: Vec<Fp>,
    /// As many as the circuit has room for, each with whether it has signed.
    members: Vec<(CommitteeMember, bool, SignatureWitness)>,
}

impl AttestInput {
    /// The input of `rule` for a committee, with signatures in the order of its members, and what is
    /// to be said of the inbox.
    ///
    /// # Errors
    /// [`FoldError::Members`], [`FoldError::Key`].
    pub fn new(
        rule: &AttestRule,
        committee: &Committee,
        signatures: &[Option<Signature>],
        attestation: Fp,
        inbox: &CertifiedInbox,
    ) -> Result<Self, FoldError> {
        let places = rule.members;
        let (expected, got) = (places, committee.members().len().max(signatures.len()));
        if got > expected {
            return Err(FoldError::Members { expected, got });
        }
        let signatures = signatures.iter().copied().chain(core::iter::repeat(None));
        let padding = core::iter::repeat(&NOBODY);
        let members = committee.members().iter().chain(padding).zip(signatures).take(places);
        let members = members
            .enumerate()
            .map(|(index, (member, signature))| {
                let witness = match signature {
                    Some(signature) => SignatureWitness::new(&member.key, signature)
                        .ok_or(FoldError::Key { index })?,
                    None => SignatureWitness::none(),
                };
                Ok((*member, signature.is_some(), witness))
            })
            .collect::<Result<Vec<_>, FoldError>>()?;
        let CertifiedInbox { before, ref consumed, waiting } = *inbox;
        // Other numbers of messages lead elsewhere, one way or the other.
        let mut consumed = consumed.clone();
        consumed.resize(rule.quota, Fp::ZERO);
        Ok(Self { attestation, inbox_before: before, waiting, consumed, members })
    }
}

impl AttestRule {
    /// The rule for committees of up to `members`, and batches of up to `quota` messages.
    ///
    /// # Errors
    /// [`FoldError::Members`], [`FoldError::Quota`].
    pub fn new(members: usize, quota: usize) -> Result<Self, FoldError> {
        let (expected, got) = (Committee::MAX_MEMBERS, members);
        if got > expected {
            return Err(FoldError::Members { expected, got });
        }
        if !(1..=MAX_QUOTA).contains(&quota) {
            return Err(FoldError::Quota { expected: MAX_QUOTA, got: quota });
        }
        Ok(Self { members, quota, domain: Attestation::domain()? })
    }

    /// The constraints.
    pub fn certified<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &AttestInput + Clone + Send + Sync + 'static,
    ) -> CertifiedVar {
        let given = source.clone();
        let [attestation, inbox_before] = cs
            .witnesses(move |v| {
                let AttestInput { attestation, inbox_before, .. } = given(v.input());
                [*attestation, *inbox_before]
            })
            .map(Linear::from);
        let given = source.clone();
        let none = Waiting::none(Fp::ZERO);
        let waiting: WaitingVar =
            witness(cs, Era::default(), &none, move |input| &given(input).waiting);
        let WaitingVar { from: inbox_after, to: action_state, earliest } = waiting;
        let is_full = cs.region("quota", |cs| {
            let mut end = inbox_before.clone();
            for index in 0..self.quota {
                let given = source.clone();
                let hash = cs.witness(move |v| given(v.input()).consumed[index]);
                end = push(cs, &end, &hash.into());
            }
            cs.is_equal(end, &inbox_after)
        });
        let mut committee = InputVar::new();
        let [mut signed, mut total] = [Fp::ZERO; 2].map(Linear::from);
        for index in 0..self.members {
            let member = cs.region("member", |cs| {
                let given = source.clone();
                let member: MemberVar =
                    witness(cs, Era::default(), &NOBODY, move |i| &given(i).members[index].0);
                let given = source.clone();
                let has_signed = Boolean::witness(cs, move |v| given(v.input()).members[index].1);
                let given = source.clone();
                let key = &member.key;
                assert_signed(cs, &self.domain, &has_signed, key, &attestation, move |i| {
                    &given(i).members[index].2
                });
                let counted = cs.mul(&has_signed, member.power.linear());
                signed = core::mem::replace(&mut signed, Fp::ZERO.into()) + counted;
                total = core::mem::replace(&mut total, Fp::ZERO.into()) + member.power.linear();
                member
            });
            committee.add(&member.key).add(&member.power);
        }
        let nobody: MemberVar = constant(cs, Era::default(), &NOBODY);
        for _ in self.members..Committee::MAX_MEMBERS {
            committee.add(&nobody.key).add(&nobody.power);
        }
        cs.region("quorum", |cs| {
            // 3·signed − 2·total − 1 is not negative.
            let more = signed * Fp::from(3u64) - total * Fp::from(2u64) - Fp::from(1u64);
            cs.assert_bits(more, POWER_BITS);
        });
        let committee = cs.region("committee", |cs| {
            hash(cs, &salted(Committee::PREFIX), &committee.into_fields()).into()
        });
        CertifiedVar {
            attestation,
            committee,
            inbox_before,
            inbox_after,
            action_state,
            earliest,
            is_full,
        }
    }
}

impl Rule for AttestRule {
    type Input = AttestInput;

    fn name(&self) -> &'static str {
        "attest"
    }

    fn previous(&self) -> Vec<Slot> {
        vec![Slot::Own]
    }

    fn constrain(&self, cs: &mut StepBuilder<AttestInput>, _: &[StepKey]) -> RuleStatement {
        let certified = self.certified(cs, |input| input.rule());
        let previous = vec![certified.waiting().to_previous(cs)];
        RuleStatement { app_state: vec![certified.digest(cs)], previous }
    }
}
