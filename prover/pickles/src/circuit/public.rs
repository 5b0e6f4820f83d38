//! The commitment to a proof's public input.

use std::sync::Arc;

use ark_ec::CurveGroup;
use ark_ff::{AdditiveGroup, Field};
use kimchi::builder::{CircuitBuilder, Linear, PointVar, half};
use mina_curves::{Point, ProjectivePoint};
use poly_commitment::Srs;

use super::{CycleField, Scalar, one_hot::OneHot};

/// An element of a public input, with what its digits may be.
#[derive(Clone, Debug)]
pub(crate) enum Public<F> {
    /// A number below the orders of both fields.
    Element(Linear<F>),
    /// A number of 254 bits.
    Bits254(Linear<F>),
    /// A number of at most 250 bits, rounded up to a multiple of 5.
    Bits(Linear<F>, usize),
    /// A number that the circuit fixes.
    Constant(u64),
}

impl<F: CycleField> Public<F> {
    /// The digits that a multiplication takes.
    fn digits(&self) -> usize {
        match self {
            Self::Bits(_, bits) => bits.next_multiple_of(5),
            _ => 255,
        }
    }
}

/// The first Lagrange polynomials' commitments of one of several domains.
#[derive(Clone, Debug)]
pub(crate) struct Bases<F: CycleField> {
    options: Vec<Arc<Vec<Point<F::Curve>>>>,
    chosen: OneHot<F>,
    h: Point<F::Curve>,
}

impl<F: CycleField> Bases<F> {
    /// For proofs under `srs` over one of the domains of `sizes` points.
    pub(crate) fn new(srs: &Srs<F::Curve>, sizes: &[usize], chosen: OneHot<F>) -> Self {
        let points = |size: &usize| {
            let basis = srs.lagrange_basis(*size);
            let first = basis.iter().take(MAX_PUBLIC);
            Arc::new(first.filter_map(|c| c.chunks.first().copied()).collect())
        };
        Self { options: sizes.iter().map(points).collect(), chosen, h: srs.h() }
    }

    /// The point that `f` makes of the chosen domain.
    fn choose<I>(
        &self,
        cs: &mut CircuitBuilder<F, I>,
        f: impl Fn(&[Point<F::Curve>]) -> Point<F::Curve>,
    ) -> PointVar<F> {
        let points: Vec<Point<F::Curve>> = self.options.iter().map(|o| f(o)).collect();
        if let [point] = points.as_slice() {
            return PointVar::constant(cs, point);
        }
        let x = cs.reduce(self.chosen.choose(points.iter().map(|p| p.x)));
        let y = cs.reduce(self.chosen.choose(points.iter().map(|p| p.y)));
        PointVar::new_unchecked(x, y)
    }
}

/// No public input is longer.
const MAX_PUBLIC: usize = 128;

/// `H - Σ publicᵢ·Lᵢ`: a multiplication per element that the circuit does not fix.
///
/// Multiplying `L/2` gives `(k + (1 + 2^digits)/2)·L`; the constant part comes off at the end.
pub(crate) fn public_commitment<F: CycleField, I>(
    cs: &mut CircuitBuilder<F, I>,
    public: &[Public<F>],
    bases: &Bases<F>,
) -> PointVar<F> {
    let mut sum: Option<PointVar<F>> = None;
    for (i, element) in public.iter().enumerate() {
        if matches!(element, Public::Constant(_)) {
            continue;
        }
        let base = bases.choose(cs, |basis| half(&basis[i]));
        let term = match element {
            Public::Element(k) => base.scale_shifted_common(cs, k),
            Public::Bits254(k) => base.scale_shifted_254(cs, k),
            Public::Bits(k, _) => base.scale_shifted(cs, k, element.digits()),
            Public::Constant(_) => continue,
        };
        sum = Some(match sum {
            Some(sum) => sum.add(cs, &term),
            None => term,
        });
    }
    let correction = bases.choose(cs, |basis| {
        let constant = basis.iter().zip(public).map(|(base, element)| match element {
            Public::Constant(k) => -(*base * Scalar::<F>::from(*k)),
            _ => half(base) * (power::<F>(element.digits()) + Scalar::<F>::ONE),
        });
        (constant.sum::<ProjectivePoint<F::Curve>>() + bases.h).into_affine()
    });
    match sum {
        Some(sum) => {
            let negated = sum.negate(cs);
            correction.add(cs, &negated)
        }
        None => correction,
    }
}

fn power<F: CycleField>(bits: usize) -> Scalar<F> {
    Scalar::<F>::ONE.double().pow([bits as u64])
}
