//! Commitments to Lagrange polynomials.

use std::sync::{Arc, OnceLock};

use ark_ec::AffineRepr;
use mina_curves::Point;
use mina_poseidon::KimchiCurve;

use crate::{bases::Bases, commitment::Commitment};

/// Commitments to the Lagrange polynomials of one domain.
pub(crate) struct LagrangeBasis<C: KimchiCurve> {
    /// `chunks[k][i]` is chunk `k` of the commitment to the `i`-th polynomial: as a multi-scalar
    /// multiplication wants them.
    chunks: Vec<Bases<C>>,
    /// The same, polynomial by polynomial.
    commitments: OnceLock<Arc<Vec<Commitment<C>>>>,
}

impl<C: KimchiCurve> LagrangeBasis<C> {
    /// A basis in one chunk that is known already.
    pub(crate) fn provided(points: Vec<Point<C>>) -> Self {
        Self { chunks: vec![Bases::new(points)], commitments: OnceLock::new() }
    }

    pub(crate) fn chunks(&self) -> &[Bases<C>] {
        &self.chunks
    }

    pub(crate) fn commitments(&self) -> Arc<Vec<Commitment<C>>> {
        Arc::clone(self.commitments.get_or_init(|| {
            let chunks: Vec<&[Point<C>]> = self.chunks.iter().map(Bases::points).collect();
            let len = chunks.first().map_or(0, |chunk| chunk.len());
            let commitment = |i: usize| Commitment::new(chunks.iter().map(|c| c[i]).collect());
            Arc::new((0..len).map(commitment).collect())
        }))
    }
}

/// Commitments to the Lagrange polynomials of the `domain_size`-th roots of unity, by the bases of
/// an SRS.
pub(crate) fn basis<C: KimchiCurve>(g: &[Point<C>], domain_size: usize) -> LagrangeBasis<C> {
    // Xʲ = Σ ωⁱʲ·Lᵢ, so the monomials are the discrete Fourier transform of the Lagrange
    // polynomials, and the transform commutes with committing: the inverse transform of the bases
    // gives the commitments. The chunk that holds Xʲ of one range of j alone is the inverse
    // transform of that range, all other entries being zero.
    let chunks = (0..domain_size.div_ceil(g.len()))
        .map(|k| {
            let offset = k * g.len();
            let mut bases = vec![Point::<C>::zero(); domain_size];
            let len = g.len().min(domain_size - offset);
            bases[offset..offset + len].copy_from_slice(&g[..len]);
            let points = mina_curves::lagrange::lagrange_basis(&bases, domain_size)
                .expect("as many bases as the domain has points");
            Bases::new(points)
        })
        .collect();
    LagrangeBasis { chunks, commitments: OnceLock::new() }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use mina_curves::{PallasConfig, VestaConfig};
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;

    use crate::Srs;

    use super::*;

    fn agrees_with_coefficients<C: KimchiCurve>() {
        let mut rng = ChaCha20Rng::seed_from_u64(2);
        let srs = Srs::<C>::new(8);
        for domain_size in [1, 2, 4, 8, 16, 32] {
            let evals: Vec<C::ScalarField> =
                (0..domain_size).map(|_| C::ScalarField::rand(&mut rng)).collect();
            let domain = Radix2EvaluationDomain::<C::ScalarField>::new(domain_size).unwrap();
            let coefficients = domain.ifft(&evals);
            let commitment = srs.commit_evaluations(domain_size, &evals);
            assert_eq!(commitment, srs.commit(&coefficients, 1), "domain {domain_size}");

            let basis = srs.lagrange_basis(domain_size);
            assert_eq!(basis.len(), domain_size);
            assert!(basis.iter().all(|c| c.len() == domain_size.div_ceil(8)));
            let refs: Vec<_> = basis.iter().collect();
            assert_eq!(Commitment::linear_combination(&refs, &evals), commitment);
        }
    }

    #[test]
    fn evaluations_and_coefficients_commit_equally() {
        agrees_with_coefficients::<PallasConfig>();
        agrees_with_coefficients::<VestaConfig>();
    }
}
