//! Verifying a proof incrementally: its transcript and opening, on points whose coordinates are in
//! the circuit's field, with the values that are arithmetic in the other field taken on trust.
//!
//! The twin of [`kimchi::PartialVerification`] and of the equation of
//! [`Srs::verify`](poly_commitment::Srs::verify).

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::Field;
use kimchi::{
    COLUMNS, PERMUTED_COLUMNS, Proof,
    builder::{ChallengeVar, CircuitBuilder, Linear, PointVar, SpongeVar, Values, Var},
};
use mina_curves::{PastaCurve, Point};

use super::{
    CycleField,
    challenge::{challenge_of, squeeze_challenge},
    group_map::group_map,
    shifted::ShiftedVar,
};

/// Chunks of the quotient.
const QUOTIENT_CHUNKS: usize = 7;

/// The commitments of a circuit.
#[derive(Clone, Debug)]
pub(crate) struct KeyVar<F> {
    /// Permutation polynomials, coefficient columns, selectors, in the key's order.
    pub(crate) points: Vec<PointVar<F>>,
    /// What starts the transcript.
    pub(crate) digest: Linear<F>,
}

impl<F: CycleField> KeyVar<F> {
    fn selectors(&self) -> &[PointVar<F>] {
        &self.points[PERMUTED_COLUMNS + COLUMNS..]
    }

    fn coefficients(&self) -> &[PointVar<F>] {
        &self.points[PERMUTED_COLUMNS..PERMUTED_COLUMNS + COLUMNS]
    }

    fn sigma(&self) -> &[PointVar<F>] {
        &self.points[..PERMUTED_COLUMNS]
    }
}

/// What a proof consists of besides its evaluations.
#[derive(Clone, Debug)]
pub(crate) struct ProofVar<F> {
    witness: Vec<PointVar<F>>,
    permutation: PointVar<F>,
    quotient: Vec<PointVar<F>>,
    lr: Vec<PointVar<F>>,
    delta: PointVar<F>,
    /// The accumulator that the proof leaves.
    pub(crate) sg: PointVar<F>,
    z1: ShiftedVar<F>,
    z2: ShiftedVar<F>,
}

impl<F: CycleField> ProofVar<F> {
    /// A private proof with openings of `rounds` rounds.
    pub(crate) fn witness<I: 'static>(
        cs: &mut CircuitBuilder<F, I>,
        rounds: usize,
        proof: impl for<'a> Fn(&'a I) -> &'a Proof<F::Curve> + Copy + Send + Sync + 'static,
    ) -> Self {
        let count = COLUMNS + 1 + QUOTIENT_CHUNKS + 2 * rounds + 2;
        let points = points_witness(cs, count, move |v| points_of(proof(v.input())));
        let (witness, rest) = points.split_at(COLUMNS);
        let (permutation, rest) = rest.split_at(1);
        let (quotient, rest) = rest.split_at(QUOTIENT_CHUNKS);
        let (lr, rest) = rest.split_at(2 * rounds);
        Self {
            witness: witness.to_vec(),
            permutation: permutation[0],
            quotient: quotient.to_vec(),
            lr: lr.to_vec(),
            delta: rest[0],
            sg: rest[1],
            z1: ShiftedVar::witness(cs, move |v| proof(v.input()).opening.z1),
            z2: ShiftedVar::witness(cs, move |v| proof(v.input()).opening.z2),
        }
    }
}

/// The points of a proof, in the order of [`ProofVar`].
fn points_of<C: kimchi::CircuitCurve>(proof: &Proof<C>) -> Vec<Point<C>> {
    let commitments = &proof.commitments;
    let columns = commitments.witness.iter().chain([&commitments.permutation]);
    let mut points: Vec<Point<C>> =
        columns.chain([&commitments.quotient]).flat_map(|c| c.chunks.iter().copied()).collect();
    points.extend(proof.opening.lr.iter().flat_map(|(l, r)| [*l, *r]));
    points.extend([proof.opening.delta, proof.opening.sg]);
    points
}

/// As many private points as `count`, on the curve.
pub(crate) fn points_witness<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    count: usize,
    compute: impl Fn(&Values<'_, F, I>) -> Vec<Point<F::Curve>> + Send + Sync + 'static,
) -> Vec<PointVar<F>> {
    let coordinates = cs.try_witnesses(2 * count, move |v| {
        let points = compute(v);
        if points.iter().any(Point::<F::Curve>::is_zero) {
            return Err("the point at infinity cannot be handled".to_owned());
        }
        Ok(points.iter().flat_map(|p| [p.x, p.y]).collect())
    });
    let points = coordinates.chunks_exact(2).map(|c| PointVar::new_unchecked(c[0], c[1]));
    let points: Vec<PointVar<F>> = points.collect();
    for point in &points {
        point.assert_on_curve(cs);
    }
    points
}

/// The values that are taken on trust.
#[derive(Clone, Debug)]
pub(crate) struct Deferred<F> {
    /// All evaluations combined.
    pub(crate) combined_inner_product: ShiftedVar<F>,
    /// The challenge polynomial of the opening at `ζ` and `ζω`, combined.
    pub(crate) b: ShiftedVar<F>,
    /// `ζ` to the size of the SRS.
    pub(crate) zeta_to_srs_length: ShiftedVar<F>,
    /// `ζ` to the size of the domain.
    pub(crate) zeta_to_domain_size: ShiftedVar<F>,
    /// The factor of the last permutation polynomial.
    pub(crate) perm: ShiftedVar<F>,
    /// `ξ`, which combines commitments.
    pub(crate) xi: ChallengeVar<F>,
}

/// What the transcript gives, and the two sides of the equation that remains.
#[derive(Clone, Debug)]
pub(crate) struct Verified<F> {
    /// `β`, 128 bits.
    pub(crate) beta: Var<F>,
    /// `γ`.
    pub(crate) gamma: Var<F>,
    /// `α`.
    pub(crate) alpha: Var<F>,
    /// `ζ`.
    pub(crate) zeta: Var<F>,
    /// The transcript's digest before the evaluations.
    pub(crate) digest: Var<F>,
    /// The challenges of the opening.
    pub(crate) rounds: Vec<Var<F>>,
    /// `c·Q + delta` and `z1·(sg + b·U) + z2·H`: the proof is right if they are equal.
    pub(crate) sides: [PointVar<F>; 2],
}

/// Runs the verifier on a proof under `key` that carries the accumulators `carried` and whose public
/// input has the commitment `public`; `h` is the SRS's blinding base.
pub(crate) fn verify_incrementally<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    key: &KeyVar<F>,
    carried: &[PointVar<F>],
    public: PointVar<F>,
    proof: &ProofVar<F>,
    deferred: &Deferred<F>,
    h: &Point<F::Curve>,
) -> Verified<F> {
    let mut sponge = SpongeVar::new();
    let [beta, gamma, alpha, zeta] = cs.region("transcript", |cs| {
        sponge.absorb(cs, &key.digest);
        absorb(cs, &mut sponge, carried);
        absorb(cs, &mut sponge, &[public]);
        absorb(cs, &mut sponge, &proof.witness);
        let beta = squeeze_challenge(cs, &mut sponge);
        let gamma = squeeze_challenge(cs, &mut sponge);
        absorb(cs, &mut sponge, &[proof.permutation]);
        let alpha = squeeze_challenge(cs, &mut sponge);
        absorb(cs, &mut sponge, &proof.quotient);
        let zeta = squeeze_challenge(cs, &mut sponge);
        [beta, gamma, alpha, zeta].map(|challenge| challenge.raw())
    });
    let digest = sponge.clone().squeeze(cs);

    let u = cs.region("base of inner products", |cs| {
        deferred.combined_inner_product.absorb(cs, &mut sponge);
        let t = sponge.squeeze(cs);
        group_map(cs, t)
    });
    let ft = cs.region("linearization", |cs| ft_commitment(cs, key, proof, deferred));
    let combined = cs.region("combined commitment", |cs| {
        let mut all = carried.to_vec();
        all.extend([public, ft, proof.permutation]);
        all.extend(key.selectors());
        all.extend(&proof.witness);
        all.extend(key.coefficients());
        all.extend(&key.sigma()[..PERMUTED_COLUMNS - 1]);
        horner(cs, &all, |cs, point| point.scale_challenge(cs, &deferred.xi))
    });
    let (folded, rounds) = cs.region("folding", |cs| fold(cs, &mut sponge, &proof.lr));
    let sides = cs.region("opening", |cs| {
        absorb(cs, &mut sponge, &[proof.delta]);
        let c = squeeze_challenge(cs, &mut sponge);
        let value = deferred.combined_inner_product.scale(cs, &u);
        let q = combined.add(cs, &folded).add(cs, &value);
        let left = q.scale_challenge(cs, &c).add(cs, &proof.delta);

        let base = deferred.b.scale(cs, &u).add(cs, &proof.sg);
        let h = PointVar::constant(cs, h);
        let blinding = proof.z2.scale(cs, &h);
        let right = proof.z1.scale(cs, &base).add(cs, &blinding);
        [left, right]
    });
    Verified { beta, gamma, alpha, zeta, digest, rounds, sides }
}

fn absorb<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    sponge: &mut SpongeVar<F>,
    points: &[PointVar<F>],
) {
    for point in points {
        sponge.absorb(cs, point.x());
        sponge.absorb(cs, point.y());
    }
}

/// `Σ scaleⁱ·pointᵢ`, for points that are not none.
fn horner<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    points: &[PointVar<F>],
    mut scale: impl FnMut(&mut CircuitBuilder<F, I>, &PointVar<F>) -> PointVar<F>,
) -> PointVar<F> {
    let last = points.len() - 1;
    points[..last].iter().rev().fold(points[last], |sum, point| scale(cs, &sum).add(cs, point))
}

/// `perm·σ + t - ζ^n·t`, where `t` joins the chunks of the quotient.
fn ft_commitment<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    key: &KeyVar<F>,
    proof: &ProofVar<F>,
    deferred: &Deferred<F>,
) -> PointVar<F> {
    let quotient =
        horner(cs, &proof.quotient, |cs, point| deferred.zeta_to_srs_length.scale(cs, point));
    let scaled = deferred.zeta_to_domain_size.scale(cs, &quotient).negate(cs);
    let last_sigma = key.sigma()[PERMUTED_COLUMNS - 1];
    deferred.perm.scale(cs, &last_sigma).add(cs, &quotient).add(cs, &scaled)
}

/// `Σ (c⁻¹·L + c·R)` over the rounds, and their challenges.
fn fold<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    sponge: &mut SpongeVar<F>,
    lr: &[PointVar<F>],
) -> (PointVar<F>, Vec<Var<F>>) {
    let mut challenges = Vec::new();
    let mut sum: Option<PointVar<F>> = None;
    for pair in lr.chunks_exact(2) {
        let [left, right] = [pair[0], pair[1]];
        absorb(cs, sponge, pair);
        let challenge = squeeze_challenge(cs, sponge);
        let raw = challenge.raw();
        challenges.push(raw);
        // The point whose product with the challenge is L.
        let divided = PointVar::witness(cs, move |v| {
            let scalar = challenge_of(v[raw]).to_field(F::Curve::ENDO_SCALAR);
            (v.point(&left) * scalar.inverse().unwrap_or_default()).into_affine()
        });
        divided.scale_challenge(cs, &challenge).assert_equal(cs, &left);
        let term = right.scale_challenge(cs, &challenge).add(cs, &divided);
        sum = Some(match sum {
            Some(sum) => sum.add(cs, &term),
            None => term,
        });
    }
    // There is a round for every bit of the SRS's size, which is more than one.
    (sum.unwrap_or(lr[0]), challenges)
}
