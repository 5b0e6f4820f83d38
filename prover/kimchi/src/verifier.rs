//! Verification, of one proof or of many with a single multi-scalar multiplication.
#![deny(clippy::indexing_slicing)]

mod shape;

use mina_curves::{Point, ScalarChallenge};
use poly_commitment::{Commitment, Evaluated, OpeningClaim, combined_inner_product};
use rand::{CryptoRng, RngCore};

use crate::{
    error::VerifyError,
    features::FeatureFlags,
    index::{CircuitCurve, LookupIndex, VerifierIndex},
    linearization::{Parameters, ft_zeta, permutation_scalar},
    proof::{AtPoints, Column, Proof, opened_columns},
    transcript::{Challenges, Prechallenges, Transcript, opening_challenges},
};

use ark_ff::Field;

/// A proof with what it is to be verified against.
#[derive(Clone, Copy, Debug)]
pub struct Instance<'a, C: CircuitCurve> {
    /// The circuit.
    pub index: &'a VerifierIndex<C>,
    /// The proof.
    pub proof: &'a Proof<C>,
    /// The public input.
    pub public_input: &'a [C::ScalarField],
}

/// Verifies one proof. `rng` must be unpredictable to whoever made the proof: who knows what it will
/// draw can forge.
///
/// Accumulators of earlier proofs that the proof carries ([`Proof::previous`]) are bound to it but not
/// checked: whether each [holds](crate::RecursionChallenge::holds) is for the caller to find out.
///
/// # Errors
///
/// [`VerifyError`] says which check failed.
pub fn verify<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    public_input: &[C::ScalarField],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), VerifyError> {
    verify_batch(&[Instance { index, proof, public_input }], rng)
}

/// Verifies many proofs under one SRS at once; `rng` draws the factors that combine them, which
/// no prover may be able to predict.
///
/// # Errors
///
/// The first failed check of the first proof that fails one before the opening; a failed opening
/// does not say whose it is.
pub fn verify_batch<C: CircuitCurve>(
    instances: &[Instance<'_, C>],
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<(), VerifyError> {
    let Some(first) = instances.first() else { return Ok(()) };
    // Opened under a larger SRS, columns could have degrees that their own refuses.
    let expected = first.index.srs.size();
    for (index, instance) in instances.iter().enumerate() {
        let got = instance.index.srs.size();
        if got != expected {
            return Err(VerifyError::MixedSrs { index, expected, got });
        }
    }
    let claims = instances
        .iter()
        .map(|instance| PartialVerification::run(instance).map(|partial| partial.claim))
        .collect::<Result<Vec<_>, _>>()?;
    first.index.srs.verify(&claims, rng).map_err(VerifyError::Opening)
}

/// Everything about a proof but its opening.
#[derive(Clone, Debug)]
pub struct PartialVerification<'a, C: CircuitCurve> {
    /// The challenges drawn before the evaluations.
    pub prechallenges: Prechallenges,
    /// The same, as they are used.
    pub challenges: Challenges<C::ScalarField>,
    /// The digest of the transcript up to `ζ`.
    pub digest: C::ScalarField,
    /// `ξ`, which combines polynomials, as it is drawn.
    pub xi: ScalarChallenge,
    /// The factor of the last permutation polynomial's commitment.
    pub permutation_scalar: C::ScalarField,
    /// The claim that remains.
    pub claim: OpeningClaim<'a, C>,
}

impl<'a, C: CircuitCurve> PartialVerification<'a, C> {
    /// Runs the verifier up to the opening.
    ///
    /// # Errors
    ///
    /// [`VerifyError`] says which check failed.
    pub fn run(instance: &Instance<'a, C>) -> Result<Self, VerifyError> {
        let Instance { index, proof, public_input } = *instance;
        let features = index.features();
        shape::check(instance, &features)?;

        let public_commitment = public_commitment(index, public_input);
        let (transcript, prechallenges) = replay(index, proof, &features, &public_commitment)?;
        let challenges = prechallenges.effective(C::ENDO_SCALAR);

        let zeta = challenges.zeta;
        let zeta_omega = zeta * index.domain.generator();
        let chunk_powers = AtPoints {
            zeta: zeta.pow([index.max_poly_size as u64]),
            zeta_omega: zeta_omega.pow([index.max_poly_size as u64]),
        };
        let public = public_evaluations(index, proof, public_input, zeta, zeta_omega)?;
        let opening = opening_challenges(
            &transcript,
            &proof.previous,
            &features,
            &public,
            &proof.evaluations,
            proof.ft_zeta_omega,
        );

        let parameters = Parameters {
            domain: (&index.domain, zeta),
            zk_rows: index.zk_rows,
            shifts: &index.shifts,
            endo: index.endo(),
            revision: index.revision,
            features: &features,
        };
        let joined = proof.evaluations.combine(chunk_powers);
        let public_zeta = horner(&public.zeta, chunk_powers.zeta);
        let ft = AtPoints {
            zeta: vec![ft_zeta(&parameters, &joined, &challenges, public_zeta)],
            zeta_omega: vec![proof.ft_zeta_omega],
        };
        let permutation_scalar = permutation_scalar(&parameters, &joined, &challenges);
        let ft_commitment = ft_commitment(index, proof, permutation_scalar, zeta);

        let mut evaluated = Vec::new();
        for previous in &proof.previous {
            let evaluate = |point| previous.evaluate(point, index.max_poly_size);
            let at = AtPoints { zeta: evaluate(zeta), zeta_omega: evaluate(zeta_omega) };
            evaluated.push(pair(previous.commitment.clone(), &at));
        }
        evaluated.push(pair(public_commitment, &public));
        evaluated.push(pair(ft_commitment, &ft));
        for column in opened_columns(&features) {
            let at = proof.evaluations.get(column).ok_or(VerifyError::MissingEvaluation(column))?;
            let commitment = column_commitment(index, proof, column, challenges.joint_combiner)?;
            evaluated.push(pair(commitment, at));
        }

        let values: Vec<Vec<Vec<C::ScalarField>>> =
            evaluated.iter().map(|e| e.evaluations.clone()).collect();
        let digest = transcript.digest();
        let claim = OpeningClaim {
            sponge: transcript.into_sponge(),
            combined_inner_product: combined_inner_product(
                opening.polyscale,
                opening.evalscale,
                &values,
            ),
            evaluations: evaluated,
            points: vec![zeta, zeta_omega],
            polyscale: opening.polyscale,
            evalscale: opening.evalscale,
            opening: &proof.opening,
        };
        Ok(Self { prechallenges, challenges, digest, xi: opening.xi, permutation_scalar, claim })
    }
}

fn horner<F: Field>(chunks: &[F], x: F) -> F {
    chunks.iter().rev().fold(F::ZERO, |acc, chunk| acc * x + chunk)
}

fn pair<C: CircuitCurve>(
    commitment: Commitment<C>,
    at: &AtPoints<Vec<C::ScalarField>>,
) -> Evaluated<C> {
    Evaluated { commitment, evaluations: vec![at.zeta.clone(), at.zeta_omega.clone()] }
}

/// The commitment of the negated public input, blinded by 1.
pub(crate) fn public_commitment<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    public_input: &[C::ScalarField],
) -> Commitment<C> {
    let negated: Vec<C::ScalarField> = public_input.iter().map(|x| -*x).collect();
    let commitment = index.srs.commit_evaluations(index.domain.size(), &negated);
    index.srs.blind(&commitment, &vec![C::ScalarField::ONE; index.chunks()])
}

/// The negated public input polynomial at both points: as the proof says where it says so (the
/// opening checks it), else computed.
fn public_evaluations<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    public_input: &[C::ScalarField],
    zeta: C::ScalarField,
    zeta_omega: C::ScalarField,
) -> Result<AtPoints<Vec<C::ScalarField>>, VerifyError> {
    if let Some(public) = &proof.evaluations.public {
        return Ok(public.clone());
    }
    if index.chunks() > 1 {
        return Err(VerifyError::MissingPublicEvaluation);
    }
    let at = |point| vec![-index.domain.interpolate_at(public_input, point)];
    Ok(AtPoints { zeta: at(zeta), zeta_omega: at(zeta_omega) })
}

/// Replays the transcript up to `ζ`.
fn replay<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    features: &FeatureFlags,
    public: &Commitment<C>,
) -> Result<(Transcript<C>, Prechallenges), VerifyError> {
    let commitments = &proof.commitments;
    let mut challenges = Prechallenges::default();
    let mut transcript = Transcript::new(index.digest(), &proof.previous, public);

    transcript.absorb(&commitments.witness);
    if let Some(lookup) = &commitments.lookup {
        transcript.absorb(&lookup.runtime);
        if features.lookup.joint_lookup_used {
            challenges.joint_combiner = transcript.challenge();
        }
        transcript.absorb(&lookup.sorted);
    }
    challenges.beta = transcript.challenge();
    challenges.gamma = transcript.challenge();
    if let Some(lookup) = &commitments.lookup {
        transcript.absorb([&lookup.aggregation]);
    }
    transcript.absorb([&commitments.permutation]);
    challenges.alpha = transcript.challenge();
    transcript.absorb([&commitments.quotient]);
    challenges.zeta = transcript.challenge();
    Ok((transcript, challenges))
}

/// `f - (ζ^n - 1)·t`, chunks joined; `scalar` is the factor of the last permutation polynomial.
fn ft_commitment<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    scalar: C::ScalarField,
    zeta: C::ScalarField,
) -> Commitment<C> {
    let zeta_to_chunk = zeta.pow([index.max_poly_size as u64]);
    let vanishing = index.domain.vanishing(zeta);

    // Both halves as one multi-scalar multiplication: chunk i of σ gets scalar·ζ^(im), chunk i of
    // t gets -(ζ^n - 1)·ζ^(im).
    let [.., last_sigma] = &index.sigma;
    let mut bases: Vec<Point<C>> = Vec::new();
    let mut scalars = Vec::new();
    for (chunks, factor) in
        [(&last_sigma.chunks, scalar), (&proof.commitments.quotient.chunks, -vanishing)]
    {
        let mut power = factor;
        for chunk in chunks {
            bases.push(*chunk);
            scalars.push(power);
            power *= zeta_to_chunk;
        }
    }
    Commitment { chunks: vec![mina_curves::msm(&bases, &scalars).into()] }
}

/// The commitment that `column` is opened against.
fn column_commitment<C: CircuitCurve>(
    index: &VerifierIndex<C>,
    proof: &Proof<C>,
    column: Column,
    joint_combiner: C::ScalarField,
) -> Result<Commitment<C>, VerifyError> {
    let commitments = &proof.commitments;
    let lookup = commitments.lookup.as_ref();
    let commitment = match column {
        Column::Witness(i) => commitments.witness.get(i).cloned(),
        Column::Permutation => Some(commitments.permutation.clone()),
        Column::LookupSorted(i) => lookup.and_then(|l| l.sorted.get(i)).cloned(),
        Column::LookupAggregation => lookup.map(|l| l.aggregation.clone()),
        Column::RuntimeTable => lookup.and_then(|l| l.runtime.clone()),
        Column::LookupTable => index.lookup.as_ref().map(|table| {
            let runtime = lookup.and_then(|l| l.runtime.as_ref());
            table_commitment(table, joint_combiner, runtime)
        }),
        _ => index.commitment(column).cloned(),
    };
    commitment.ok_or(VerifyError::MissingCommitment(column))
}

/// The joined table: its columns by powers of the joint combiner `j`, the table ids by `j^w` for
/// the width `w` of the widest lookup, the prover's table as a second column.
fn table_commitment<C: CircuitCurve>(
    lookup: &LookupIndex<C>,
    joint_combiner: C::ScalarField,
    runtime: Option<&Commitment<C>>,
) -> Commitment<C> {
    let mut terms: Vec<(&Commitment<C>, C::ScalarField)> = Vec::new();
    let mut power = C::ScalarField::ONE;
    for column in &lookup.table {
        terms.push((column, power));
        power *= joint_combiner;
    }
    if let Some(ids) = &lookup.table_ids {
        terms.push((ids, joint_combiner.pow([lookup.features.max_joint_size() as u64])));
    }
    if let Some(runtime) = runtime {
        terms.push((runtime, joint_combiner));
    }
    let chunks = terms.iter().map(|(commitment, _)| commitment.chunks.len()).max().unwrap_or(0);
    let combine = |i: usize| {
        let present = terms.iter().filter_map(|(c, scalar)| Some((*c.chunks.get(i)?, *scalar)));
        let (bases, scalars): (Vec<Point<C>>, Vec<C::ScalarField>) = present.unzip();
        mina_curves::msm(&bases, &scalars).into()
    };
    Commitment { chunks: (0..chunks).map(combine).collect() }
}
