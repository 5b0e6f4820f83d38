//! Certificates.

use ark_ff::AdditiveGroup;
use kimchi::builder::Boolean;
use mina_curves::Fp;
use mina_ledger::{
    Domain,
    rollup::{Attestation, Certified, Committee, CommitteeMember, Hashed, SignedStatement},
    types::{Era, PublicKey, Signature},
};
use pickles::{Rule, RuleStatement, Slot, StepBuilder, StepKey};

use super::{FoldError, FoldVar};
use crate::{
    Cs, Linear,
    alloc::{Allocate, Cells, constant, witness},
    input::{InputVar, hash, salted},
    key::PublicKeyVar,
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
    pub inbox: Linear,
    pub action_state: Linear,
}

impl CertifiedVar {
    /// The hash; 24 rows.
    pub fn digest<I>(&self, cs: &mut Cs<I>) -> Linear {
        let Self { attestation, committee, inbox, action_state } = self;
        let fields = [attestation, committee, inbox, action_state].map(Linear::from);
        hash(cs, &salted(Certified::PREFIX), &fields).into()
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
/// to an action state. Rows: 310 for each member, and those of a proof.
///
/// A place of the committee counts once. That no key has two places is so for every [`Committee`].
#[derive(Clone, Debug)]
pub struct AttestRule {
    members: usize,
    domain: Domain,
}

/// What a proof of [`AttestRule`] is made from.
#[derive(Clone, Debug)]
pub struct AttestInput {
    attestation: Fp,
    inbox: Fp,
    action_state: Fp,
    /// As many as the circuit has room for, each with whether it has signed.
    members: Vec<(CommitteeMember, bool, SignatureWitness)>,
}

impl AttestInput {
    /// The input for a committee, with signatures in the order of its members, and an inbox before
    /// and after.
    ///
    /// # Errors
    /// [`FoldError::Members`], [`FoldError::Key`].
    pub fn new(
        committee: &Committee,
        signatures: &[Option<Signature>],
        attestation: Fp,
        (inbox, action_state): (Fp, Fp),
        places: usize,
    ) -> Result<Self, FoldError> {
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
        Ok(Self { attestation, inbox, action_state, members })
    }
}

impl AttestRule {
    /// The rule for committees of up to `members`.
    ///
    /// # Errors
    /// [`FoldError::Members`].
    pub fn new(members: usize) -> Result<Self, FoldError> {
        let (expected, got) = (Committee::MAX_MEMBERS, members);
        if got > expected {
            return Err(FoldError::Members { expected, got });
        }
        Ok(Self { members, domain: Attestation::domain()? })
    }

    /// The constraints.
    pub fn certified<I>(
        &self,
        cs: &mut Cs<I>,
        source: impl Fn(&I) -> &AttestInput + Clone + Send + Sync + 'static,
    ) -> CertifiedVar {
        let given = source.clone();
        let [attestation, inbox, action_state] = cs
            .witnesses(move |v| {
                let AttestInput { attestation, inbox, action_state, .. } = given(v.input());
                [*attestation, *inbox, *action_state]
            })
            .map(Linear::from);
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
        CertifiedVar { attestation, committee, inbox, action_state }
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
        let fold = FoldVar { from: certified.inbox.clone(), to: certified.action_state.clone() };
        let previous = vec![fold.to_previous(cs)];
        RuleStatement { app_state: vec![certified.digest(cs)], previous }
    }
}
