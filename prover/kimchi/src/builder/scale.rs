//! Multiplying a point by a scalar: with any base, and with the endomorphism.
//!
//! The gates add with formulas that say nothing, or cannot be satisfied, where the two points of an
//! addition are equal or opposite. Why that opens no hole:
//!
//! - [`GateKind::VarBaseMul`]: after `j` digits with the value `k_j` the accumulator is `m·T` with
//!   `m = 2^j + 2·k_j + 1`, and the next addition says nothing where `m ≡ ±1` modulo the order
//!   `r = 2^254 + e`. As `1 < m < r − 1` for `j < 253`, that needs `j ≥ 253`; `m = r ± 1` has the
//!   wrong parity for any `j > 0`, and `m = 2r ± 1` needs `j = 254` and `k_254 ≥ 2^253 + e − 1`, which
//!   are digits of a number above the field's modulus: the canonical check excludes them. Where the
//!   accumulator becomes infinity, the constraint on its abscissa reads `(2·y)² = 0`, which no point
//!   satisfies.
//! - [`GateKind::EndoMul`]: the accumulator is `(a·λ + b)·T` with `|a|, |b| < 2^67`, and no such
//!   combination but the trivial one is congruent to 0, ±1 or ±λ; `a` and `b` start at 2 and never
//!   become so small. That the abscissas of `P` and `2P + Q` differ, without which `-P` would pass
//!   for the latter, is a constraint of [`Revision::Distinct`](crate::Revision) only.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInteger, BigInteger256, Field, PrimeField};
use mina_curves::{PastaCurve, Point, ProjectivePoint, ScalarChallenge};

use crate::gate::{COLUMNS, GateKind};

use super::{
    cs::CircuitBuilder,
    endo_scalar::ChallengeVar,
    field::CircuitField,
    linear::{Linear, Var},
    point::{PointVar, coordinates},
};

/// Bits per pair of rows of [`GateKind::VarBaseMul`].
const CHUNK: usize = 5;

/// Values of such a pair: `n'`, four points, the fifth, bits, slopes.
const CHUNK_VALUES: usize = 1 + 8 + 2 + 5 + 5;

/// The number of bits that hold any field element.
const FULL_BITS: usize = 255;

/// Bits per row of [`GateKind::EndoMul`].
const ENDO_CHUNK: usize = 4;

/// Digits that [`PointVar::scale_challenge`] takes of each half.
const HALF_BITS: usize = 65;

/// Bits of a scalar challenge.
const CHALLENGE_BITS: usize = 128;

/// Values of such a row: `inv`, `R`, two slopes, four bits; `S` and `n'` of the next row.
const ENDO_VALUES: usize = 1 + 2 + 2 + 4 + 3;

/// `(2k + 1 + 2^bits)·point`, the twin of [`PointVar::scale_shifted`].
pub fn scale_shifted<C: PastaCurve>(point: &Point<C>, k: C::BaseField, bits: usize) -> Point<C> {
    // The value of k may be above the group's order, which the sum does not mind.
    let twice = point.mul_bigint(k.into_bigint()).double();
    let shift = C::ScalarField::ONE.double().pow([bits as u64]) + C::ScalarField::ONE;
    (twice + *point * shift).into_affine()
}

/// The product by the effective scalar of a challenge, the twin of [`PointVar::scale_endo`].
pub fn scale_endo<C: PastaCurve>(point: &Point<C>, challenge: ScalarChallenge) -> Point<C> {
    (*point * challenge.to_field(C::ENDO_SCALAR)).into_affine()
}

/// The point whose double is `point`.
pub fn half<C: PastaCurve>(point: &Point<C>) -> Point<C> {
    // (r + 1)/2 is the inverse of 2 modulo an odd r.
    let half = C::ScalarField::ONE.double().inverse().unwrap_or(C::ScalarField::ZERO);
    (*point * half).into_affine()
}

impl<F: CircuitField> PointVar<F> {
    /// `(2k + 1 + 2^bits)·self`, asserting that `k` is below `2^bits`; `bits` is 255 for any `k`, or
    /// a smaller multiple of 5. A row of [`GateKind::CompleteAdd`] and two of
    /// [`GateKind::VarBaseMul`] for every 5 bits, and for 255 bits 8 rows and 4 halves more, which
    /// make sure that the digits are those of `k` and not of `k` plus the modulus.
    ///
    /// For 255 bits, there is no valid witness for the few `k` that lead through infinity, among
    /// them those whose product is infinity.
    ///
    /// # Panics
    /// If `bits` is no multiple of 5, or neither 255 nor at most 250.
    pub fn scale_shifted<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        k: impl Into<Linear<F>>,
        bits: usize,
    ) -> Self {
        self.scale_by_digits(cs, k.into(), bits, |k| k.into_bigint())
    }

    /// [`scale_shifted`](Self::scale_shifted) where the prover takes the digits of the number that
    /// `digits` makes of `k`.
    pub(super) fn scale_by_digits<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        k: Linear<F>,
        bits: usize,
        digits: impl Fn(F) -> BigInteger256 + Send + Sync + 'static,
    ) -> Self {
        assert!(bits.is_multiple_of(CHUNK), "{bits} is not a multiple of {CHUNK} bits");
        assert!(bits <= FULL_BITS, "{bits} bits are more than a field element has");
        let k = cs.reduce(k);
        let start = self.double(cs);
        let result = self.var_base_mul(cs, &start, k, bits, digits);
        if bits == FULL_BITS {
            let Digits { top, prefix, .. } = result;
            cs.region("canonical", |cs| assert_canonical(cs, k, top, prefix, F::MODULUS));
        }
        result.product
    }

    /// The rows of a multiplication that starts from `2·self`.
    fn var_base_mul<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        start: &Self,
        k: Var<F>,
        bits: usize,
        digits: impl Fn(F) -> BigInteger256 + Send + Sync + 'static,
    ) -> Digits<F> {
        let base = *self;
        let chunks = bits / CHUNK;
        let values = cs.try_witnesses(chunks * CHUNK_VALUES, move |v| {
            Ok(var_base_mul_values(&v.point(&base), digits(v[k]), chunks))
        });

        let mut acc = *start;
        let mut n = cs.constant(F::ZERO);
        let mut prefix = n;
        for (i, chunk) in values.chunks_exact(CHUNK_VALUES).enumerate() {
            let (n_next, points) = (if i + 1 == chunks { k } else { chunk[0] }, &chunk[1..9]);
            let mut cells = [None; COLUMNS];
            let wired = [base.x(), base.y(), acc.x(), acc.y(), n, n_next];
            for (cell, var) in cells.iter_mut().zip(wired) {
                *cell = Some(var);
            }
            for (cell, var) in cells[7..].iter_mut().zip(points) {
                *cell = Some(*var);
            }
            cs.gate(GateKind::VarBaseMul, cells, vec![]);
            let mut cells = [None; COLUMNS];
            for (cell, var) in cells.iter_mut().zip(&chunk[9..]) {
                *cell = Some(*var);
            }
            cs.gate(GateKind::Zero, cells, vec![]);
            acc = Self::new_unchecked(chunk[9], chunk[10]);
            n = n_next;
            if (i + 1) * CHUNK == CANONICAL_PREFIX {
                prefix = n;
            }
        }
        Digits { product: acc, top: values[11], prefix }
    }

    /// `(2k + 1 + 2^255)·self`, asserting that `k` is below `2^254`; 103 rows.
    pub fn scale_shifted_254<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        k: impl Into<Linear<F>>,
    ) -> Self {
        let start = self.double(cs);
        let k = cs.reduce(k);
        let digits = self.var_base_mul(cs, &start, k, FULL_BITS, |k| k.into_bigint());
        cs.assert_constant(digits.top, F::ZERO);
        digits.product
    }

    /// [`scale_shifted`](Self::scale_shifted) with 255 bits, also asserting that `k` is below the
    /// order of the other field, if that is the smaller.
    pub fn scale_shifted_common<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        k: impl Into<Linear<F>>,
    ) -> Self {
        let start = self.double(cs);
        let k = cs.reduce(k);
        let digits = self.var_base_mul(cs, &start, k, FULL_BITS, |k| k.into_bigint());
        let bound = smaller_modulus::<F>();
        cs.region("canonical", |cs| assert_canonical(cs, k, digits.top, digits.prefix, bound));
        digits.product
    }

    /// `c·self` for the effective scalar `c` of a challenge; 57 rows.
    ///
    /// With `H` the half of this point, `c·2H = (2a + 1)·φ(H) + (2b + 1)·H + φ²(H)`, because
    /// `1 + λ + λ² = 0`; odd multiples between `2^65` and `3·2^65` are what 65 digits of
    /// [`GateKind::VarBaseMul`] give. There is no valid witness in the few cases where one of the two
    /// sums is infinity.
    pub fn scale_challenge<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        challenge: &ChallengeVar<F>,
    ) -> Self {
        let point = *self;
        // On the curve because its double is.
        let [x, y] = cs.witnesses(move |v| coordinates(&half::<F::Curve>(&v.point(&point))));
        let half = Self::new_unchecked(x, y);
        half.double(cs).assert_equal(cs, self);

        let offset = F::ONE.double().pow([HALF_BITS as u64 - 1]);
        let (a, b) = challenge.halves();
        let [a, b] = [a, b].map(|k| cs.reduce(k - offset));
        let (image, image_start) = (half.endomorphism(cs), self.endomorphism(cs));
        let first = image.var_base_mul(cs, &image_start, a, HALF_BITS, |k| k.into_bigint());
        let second = half.var_base_mul(cs, self, b, HALF_BITS, |k| k.into_bigint());
        let third = image.endomorphism(cs);
        first.product.add(cs, &second.product).add(cs, &third)
    }

    /// `c·self` for the effective scalar `c` of a challenge, asserting that the challenge has 128
    /// bits. 32 rows of [`GateKind::EndoMul`], one for the result, two of
    /// [`GateKind::CompleteAdd`], and one half.
    ///
    /// Sound with [`Revision::Distinct`](crate::Revision) only: with the constraints that Mina's
    /// network verifies today, a malicious prover can make another result pass.
    pub fn scale_endo<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        challenge: impl Into<Linear<F>>,
    ) -> Self {
        let challenge = cs.reduce(challenge);
        let base = *self;
        let values = cs.try_witnesses(CHALLENGE_BITS / ENDO_CHUNK * ENDO_VALUES, move |v| {
            Ok(endo_mul_values(&v.point(&base), v[challenge]))
        });

        let image = base.endomorphism(cs);
        let mut acc = base.add(cs, &image).double(cs);
        let mut n = cs.constant(F::ZERO);
        let rows = values.chunks_exact(ENDO_VALUES);
        let last = rows.len();
        for (i, row) in rows.enumerate() {
            let mut cells = [None; COLUMNS];
            let start = [base.x(), base.y(), row[0]];
            for (cell, var) in cells.iter_mut().zip(start) {
                *cell = Some(var);
            }
            for (cell, var) in cells[4..].iter_mut().zip([acc.x(), acc.y(), n]) {
                *cell = Some(var);
            }
            for (cell, var) in cells[7..].iter_mut().zip(&row[1..9]) {
                *cell = Some(*var);
            }
            cs.gate(GateKind::EndoMul, cells, vec![]);
            acc = Self::new_unchecked(row[9], row[10]);
            n = if i + 1 == last { challenge } else { row[11] };
        }
        let mut cells = [None; COLUMNS];
        for (cell, var) in cells[4..].iter_mut().zip([acc.x(), acc.y(), n]) {
            *cell = Some(var);
        }
        cs.gate(GateKind::Zero, cells, vec![]);
        acc
    }
}

/// Bits of the prefix that the canonical check looks at; the other 130 are what the modulus has
/// below.
const CANONICAL_PREFIX: usize = 125;

/// What rows of [`GateKind::VarBaseMul`] give: the product, the highest digit, and the number of the
/// highest [`CANONICAL_PREFIX`] digits, if there are so many.
struct Digits<F> {
    product: PointVar<F>,
    top: Var<F>,
    prefix: Var<F>,
}

/// The smaller of the two moduli.
fn smaller_modulus<F: CircuitField>() -> BigInteger256 {
    let other = <<F::Curve as ark_ec::CurveConfig>::ScalarField as PrimeField>::MODULUS;
    F::MODULUS.min(other)
}

/// Asserts that the 255 bits whose value modulo `p` is `k` are those of a number below `modulus`,
/// which is at most `p`, given the highest bit and the number of the highest 125 bits.
///
/// Both moduli are `2^254 + e` with `e < 2^126`. If the highest bit is set, the 124 bits after it
/// must be zero and the number of the other 130 below `e`.
fn assert_canonical<F: CircuitField, I>(
    cs: &mut CircuitBuilder<F, I>,
    k: Var<F>,
    top: Var<F>,
    prefix: Var<F>,
    modulus: BigInteger256,
) {
    let power = |exponent: usize| F::ONE.double().pow([exponent as u64]);
    cs.assert_mul(top, prefix - power(CANONICAL_PREFIX - 1), F::ZERO);
    let low = k - prefix * power(FULL_BITS - CANONICAL_PREFIX);
    let low = cs.mul(top, low);
    let [e0, e1, ..] = modulus.0;
    let e = F::from_u128_limbs([e0, e1]);
    // Where low is e or more this is negative, hence far above 2^128.
    cs.assert_bits(Linear::from(e - F::ONE) - low, 128);
}

/// `P_1 … P_n` with `P_0 = start` and `P_{i+1} = 2·P_i + terms_i`, by one inversion.
fn double_and_add<C: PastaCurve>(start: ProjectivePoint<C>, terms: &[Point<C>]) -> Vec<Point<C>> {
    let mut acc = start;
    let points: Vec<ProjectivePoint<C>> = terms
        .iter()
        .map(|term| {
            acc.double_in_place();
            acc += term;
            acc
        })
        .collect();
    ProjectivePoint::<C>::normalize_batch(&points)
}

/// The slopes of the lines through `points_i` and `terms_i`, zero where there is none.
fn slopes<C: PastaCurve>(points: &[Point<C>], terms: &[Point<C>]) -> Vec<C::BaseField> {
    let pairs = || points.iter().map(coordinates).zip(terms.iter().map(coordinates));
    let mut inverses: Vec<C::BaseField> = pairs().map(|([px, _], [qx, _])| px - qx).collect();
    ark_ff::batch_inversion(&mut inverses);
    pairs().zip(inverses).map(|(([_, py], [_, qy]), inverse)| (py - qy) * inverse).collect()
}

fn var_base_mul_values<F: CircuitField>(
    base: &Point<F::Curve>,
    value: BigInteger256,
    chunks: usize,
) -> Vec<F> {
    let bits: Vec<bool> = (0..CHUNK * chunks).rev().map(|i| value.get_bit(i)).collect();
    let terms: Vec<Point<F::Curve>> =
        bits.iter().map(|bit| if *bit { *base } else { -*base }).collect();
    let start = base.into_group().double();
    let mut points = vec![start.into_affine()];
    points.extend(double_and_add(start, &terms));
    let slopes = slopes(&points, &terms);

    let mut n = F::ZERO;
    let mut values = Vec::with_capacity(chunks * CHUNK_VALUES);
    for i in (0..bits.len()).step_by(CHUNK) {
        let bits = bits[i..i + CHUNK].iter().map(|bit| F::from(*bit));
        n = bits.clone().fold(n, |n, bit| n.double() + bit);
        values.push(n);
        values.extend(points[i + 1..=i + CHUNK].iter().flat_map(coordinates));
        values.extend(bits);
        values.extend(&slopes[i..i + CHUNK]);
    }
    values
}

fn endo_mul_values<F: CircuitField>(base: &Point<F::Curve>, challenge: F) -> Vec<F> {
    let value = challenge.into_bigint();
    let bits: Vec<bool> = (0..CHALLENGE_BITS).rev().map(|i| value.get_bit(i)).collect();
    let [x, y] = coordinates(base);
    let image = Point::<F::Curve>::new_unchecked(x * F::endo_base(), y);
    let terms: Vec<Point<F::Curve>> = bits
        .chunks_exact(2)
        .map(|pair| {
            let term = if pair[0] { image } else { *base };
            if pair[1] { term } else { -term }
        })
        .collect();
    let start = (base.into_group() + image).double();
    let mut points = vec![start.into_affine()];
    points.extend(double_and_add(start, &terms));
    let slopes = slopes(&points, &terms);
    let mut inverses: Vec<F> = points
        .windows(3)
        .step_by(2)
        .map(|w| {
            (coordinates(&w[0])[0] - coordinates(&w[1])[0])
                * (coordinates(&w[1])[0] - coordinates(&w[2])[0])
        })
        .collect();
    ark_ff::batch_inversion(&mut inverses);

    let mut n = F::ZERO;
    let mut values = Vec::with_capacity(inverses.len() * ENDO_VALUES);
    for (row, inverse) in inverses.into_iter().enumerate() {
        let bits = bits[ENDO_CHUNK * row..ENDO_CHUNK * (row + 1)].iter().map(|bit| F::from(*bit));
        n = bits.clone().fold(n, |n, bit| n.double() + bit);
        values.push(inverse);
        values.extend(coordinates(&points[2 * row + 1]));
        values.extend(&slopes[2 * row..2 * row + 2]);
        values.extend(bits);
        values.extend(coordinates(&points[2 * row + 2]));
        values.push(n);
    }
    values
}
