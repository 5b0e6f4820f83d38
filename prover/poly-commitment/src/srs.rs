//! The structured reference string and commitments under it.

use core::{any::Any, fmt};
use std::{any::TypeId, sync::Arc};

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::AdditiveGroup;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use blake2::{Blake2b512, Digest};
use mina_curves::{PastaField, Point, ProjectivePoint};
use mina_poseidon::KimchiCurve;
use rayon::prelude::*;

use crate::{
    bases::Bases,
    commitment::Commitment,
    lagrange::{self, LagrangeBasis},
    once_map::OnceMap,
};

/// The largest SRS that [`Srs::new`] derives: 2^24 bases, a gibibyte.
pub const MAX_SRS_SIZE: usize = 1 << 24;

/// Bases per batch of the group map: a batch shares an inversion and the tables of its square roots.
const DERIVATION_BATCH: usize = 1 << 11;

/// The bases `G₀ … Gₙ₋₁` of coefficients and the base `H` of blinders.
///
/// Bases that many sums were over, of coefficients or of evaluations, get tables of multiples, which take
/// at most [`TABLE_BUDGET`](crate::TABLE_BUDGET) in a process.
///
/// Nobody knows a relation between them: `Gᵢ` is the group map of
/// `Blake2b-512(i as 4 big-endian bytes)`, and `H` that of `Blake2b-512("srs_misc" ‖ 0⁴)`. A smaller
/// SRS is a prefix of a larger one. Source: o1-labs/proof-systems `poly-commitment/src/ipa.rs`.
pub struct Srs<C: KimchiCurve> {
    g: Bases<C>,
    h: Point<C>,
    lagrange: OnceMap<usize, Arc<LagrangeBasis<C>>>,
}

impl<C: KimchiCurve> Srs<C> {
    /// Derives an SRS of `size` bases. See [`Srs::shared`] for one that is derived once.
    ///
    /// # Panics
    /// If `size` is not [supported](Self::supports): check sizes that come from outside.
    pub fn new(size: usize) -> Self {
        assert!(Self::supports(size), "SRS size {size} is not a power of two up to {MAX_SRS_SIZE}");
        // A power of two up to 2^24, so every index fits.
        let seeds: Vec<C::BaseField> = (0..size as u32)
            .into_par_iter()
            .map(|i| seed_to_field(&Blake2b512::digest(i.to_be_bytes())))
            .collect();
        let g: Vec<Point<C>> = seeds
            .par_chunks(DERIVATION_BATCH)
            .flat_map_iter(|seeds| C::group_map().to_group_many(seeds))
            .map(|(x, y)| Point::<C>::new_unchecked(x, y))
            .collect();
        let misc = Blake2b512::new_with_prefix(b"srs_misc").chain_update(0u32.to_be_bytes());
        let (x, y) = C::group_map().to_group(seed_to_field(&misc.finalize()));
        let h = Point::<C>::new_unchecked(x, y);
        Self { g: Bases::new(g), h, lagrange: OnceMap::default() }
    }

    /// The SRS of this size that all of the process shares, derived at the first call.
    ///
    /// # Panics
    /// As [`Srs::new`].
    pub fn shared(size: usize) -> Arc<Self> {
        type Shared = Arc<dyn Any + Send + Sync>;
        static SHARED: OnceMap<(TypeId, usize), Shared> = OnceMap::new();
        assert!(Self::supports(size), "SRS size {size} is not a power of two up to {MAX_SRS_SIZE}");
        let shared = SHARED.get_or_init((TypeId::of::<C>(), size), || Arc::new(Self::new(size)));
        shared.downcast().expect("the key holds the type")
    }

    /// Whether `size` is one that this crate derives: a power of two up to [`MAX_SRS_SIZE`].
    pub fn supports(size: usize) -> bool {
        size.is_power_of_two() && size <= MAX_SRS_SIZE
    }

    /// The bases of coefficients.
    pub fn g(&self) -> &[Point<C>] {
        self.g.points()
    }

    /// The bases of coefficients, for sums.
    pub(crate) fn bases(&self) -> &Bases<C> {
        &self.g
    }

    /// The base of blinders.
    pub fn h(&self) -> Point<C> {
        self.h
    }

    /// The number of coefficient bases, a power of two.
    pub fn size(&self) -> usize {
        self.g().len()
    }

    /// Rounds of the inner-product argument: `log₂` of the size.
    pub fn rounds(&self) -> usize {
        self.g().len().trailing_zeros() as usize
    }

    /// Commitments to the Lagrange polynomials of the domain of `domain_size`-th roots of unity:
    /// `domain_size` commitments of `⌈domain_size / size⌉` chunks, computed once per size.
    ///
    /// # Panics
    /// If `domain_size` is not a power of two of at most 2^32.
    pub fn lagrange_basis(&self, domain_size: usize) -> Arc<Vec<Commitment<C>>> {
        self.lagrange(domain_size).commitments()
    }

    /// Takes `points` for the commitments of [`lagrange_basis`](Self::lagrange_basis), unless they are
    /// there already. A caller that keeps them answers for them: with others, what is committed to
    /// by evaluations is not what is opened.
    ///
    /// # Panics
    /// If the domain is larger than the SRS, or `points` are not as many as the domain has.
    pub fn provide_lagrange_basis(&self, domain_size: usize, points: Vec<Point<C>>) {
        assert_domain(domain_size);
        assert!(domain_size <= self.size(), "only bases in one chunk can be provided");
        assert_eq!(points.len(), domain_size, "a basis has a point for each element of the domain");
        self.lagrange.get_or_init(domain_size, || Arc::new(LagrangeBasis::provided(points)));
    }

    fn lagrange(&self, domain_size: usize) -> Arc<LagrangeBasis<C>> {
        assert_domain(domain_size);
        self.lagrange.get_or_init(domain_size, || Arc::new(lagrange::basis(self.g(), domain_size)))
    }

    /// Commits to a polynomial by its coefficients, lowest first, without blinding: a chunk per
    /// [`size`](Self::size) coefficients, padded with infinity to at least `num_chunks` chunks and
    /// never none.
    pub fn commit(&self, coefficients: &[C::ScalarField], num_chunks: usize) -> Commitment<C> {
        let chunks: Vec<&[C::ScalarField]> = coefficients.chunks(self.size()).collect();
        let mut sums = self.g.msm_many(&chunks);
        sums.resize(sums.len().max(num_chunks).max(1), ProjectivePoint::<C>::default());
        Commitment::new(ProjectivePoint::<C>::normalize_batch(&sums))
    }

    /// Commits to the polynomial of degree below `domain_size` with these values at the
    /// `domain_size`-th roots of unity, without blinding, in `⌈domain_size / size⌉` chunks. Missing
    /// values at the end count as zero, so a short list of public inputs needs no padding.
    ///
    /// # Panics
    /// As [`Srs::lagrange_basis`], or if there are more values than the domain has elements.
    pub fn commit_evaluations(
        &self,
        domain_size: usize,
        evals: &[C::ScalarField],
    ) -> Commitment<C> {
        assert!(evals.len() <= domain_size, "{} values on {domain_size} points", evals.len());
        if evals.is_empty() {
            // Many circuits have no public input: no reason to compute a basis.
            let chunks = domain_size.div_ceil(self.size());
            return Commitment::new(vec![Point::<C>::zero(); chunks]);
        }
        if domain_size > self.size() {
            assert_domain(domain_size);
            // A basis of k chunks is k transforms of all the domain: hours for sizes that a short
            // file can ask for. Interpolating first costs as much as one chunk, however many.
            let mut values = evals.to_vec();
            values.resize(domain_size, C::ScalarField::ZERO);
            let domain =
                Radix2EvaluationDomain::<C::ScalarField>::new(domain_size).expect("checked above");
            domain.ifft_in_place(&mut values);
            return self.commit(&values, domain_size.div_ceil(self.size()));
        }
        let basis = self.lagrange(domain_size);
        let sums: Vec<ProjectivePoint<C>> =
            basis.chunks().iter().map(|bases| bases.msm(evals)).collect();
        Commitment::new(ProjectivePoint::<C>::normalize_batch(&sums))
    }

    /// [`Self::commit_evaluations`] of several polynomials, for which the bases are prepared once.
    ///
    /// # Panics
    /// As [`Srs::commit_evaluations`].
    pub fn commit_evaluations_many(
        &self,
        domain_size: usize,
        columns: &[&[C::ScalarField]],
    ) -> Vec<Commitment<C>> {
        if domain_size > self.size() {
            return columns
                .iter()
                .map(|evals| self.commit_evaluations(domain_size, evals))
                .collect();
        }
        for evals in columns {
            assert!(evals.len() <= domain_size, "{} values on {domain_size} points", evals.len());
        }
        let basis = self.lagrange(domain_size);
        let sums = basis.chunks().first().map_or(Vec::new(), |bases| bases.msm_many(columns));
        ProjectivePoint::<C>::normalize_batch(&sums).into_iter().map(Commitment::single).collect()
    }

    /// Adds `blinders[i]·H` to chunk `i`.
    ///
    /// # Panics
    /// If there is not exactly one blinder per chunk.
    pub fn blind(&self, commitment: &Commitment<C>, blinders: &[C::ScalarField]) -> Commitment<C> {
        assert_eq!(commitment.len(), blinders.len(), "one blinder per chunk");
        let sums: Vec<ProjectivePoint<C>> = commitment
            .chunks
            .iter()
            .zip(blinders)
            .map(|(chunk, blinder)| self.h * *blinder + chunk)
            .collect();
        Commitment::new(ProjectivePoint::<C>::normalize_batch(&sums))
    }
}

fn assert_domain(size: usize) {
    assert!(
        size.is_power_of_two() && size.trailing_zeros() <= 32,
        "domain size {size} is not a power of two up to 2^32"
    );
}

impl<C: KimchiCurve> fmt::Debug for Srs<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Srs").field("curve", &C::NAME).field("size", &self.size()).finish()
    }
}

/// The first 31 bytes of a digest as a field element: each byte's bits are reversed, and the result
/// is read as a big-endian integer of 248 bits.
fn seed_to_field<F: PastaField>(digest: &[u8]) -> F {
    let value = digest.iter().take(31).fold([0u64; 4], |[a, b, c, d], byte| {
        let low = u64::from(byte.reverse_bits());
        [a << 8 | low, b << 8 | a >> 56, c << 8 | b >> 56, d << 8 | c >> 56]
    });
    F::from_limbs(value).expect("248 bits are below the modulus")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use ark_ff::Field;
    use ark_serialize::CanonicalSerialize;
    use mina_curves::{PallasConfig, VestaConfig};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        size: usize,
        g: BTreeMap<usize, String>,
        h: String,
    }

    fn hex<C: KimchiCurve>(point: &Point<C>) -> String {
        let mut bytes = Vec::new();
        point.serialize_compressed(&mut bytes).unwrap();
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn matches_upstream<C: KimchiCurve>(json: &str) {
        let vectors: Vectors = serde_json::from_str(json).unwrap();
        let srs = Srs::<C>::new(vectors.size);
        assert!(vectors.g.len() > 10);
        for (i, expected) in &vectors.g {
            assert_eq!(&hex(&srs.g()[*i]), expected, "{} base {i}", C::NAME);
        }
        assert_eq!(hex(&srs.h()), vectors.h, "{} h", C::NAME);
    }

    #[test]
    fn bases_match_upstream() {
        matches_upstream::<PallasConfig>(include_str!("../../../tests/vectors/srs/pallas.json"));
        matches_upstream::<VestaConfig>(include_str!("../../../tests/vectors/srs/vesta.json"));
    }

    #[test]
    fn shared_is_derived_once_even_from_inside_the_pool() {
        let all: Vec<_> = (0..64).into_par_iter().map(|_| Srs::<VestaConfig>::shared(8)).collect();
        assert!(all.iter().all(|srs| Arc::ptr_eq(srs, &all[0])));
        assert_eq!(Srs::<PallasConfig>::shared(8).size(), 8);
        all.par_iter().for_each(|srs| {
            assert_eq!(srs.lagrange_basis(16).len(), 16);
        });
    }

    #[test]
    fn unsupported_sizes() {
        for size in [0, 3, MAX_SRS_SIZE * 2, usize::MAX] {
            assert!(!Srs::<VestaConfig>::supports(size));
        }
        assert!(Srs::<VestaConfig>::supports(1));
    }

    #[test]
    fn commits_chunk_by_chunk_and_pads() {
        type F = mina_curves::Fp;
        let srs = Srs::<VestaConfig>::new(4);
        let f: Vec<F> = (1..=6u64).map(F::from).collect();
        let commitment = srs.commit(&f, 3);
        let sum = |coefficients: &[F]| {
            coefficients
                .iter()
                .zip(srs.g())
                .fold(ProjectivePoint::<VestaConfig>::default(), |acc, (c, g)| acc + *g * *c)
                .into_affine()
        };
        assert_eq!(commitment.chunks[0], sum(&f[..4]));
        assert_eq!(commitment.chunks[1], sum(&f[4..]));
        assert!(commitment.chunks[2].is_zero());
        assert_eq!(srs.commit(&[], 0).len(), 1);
        assert_eq!(srs.commit(&f, 0).len(), 2);
        let nothing = srs.commit_evaluations(8, &[]);
        assert!(nothing.len() == 2 && nothing.chunks.iter().all(|chunk| chunk.is_zero()));

        let blinded = srs.blind(&commitment, &[F::ONE, F::ZERO, F::from(2u64)]);
        assert_eq!(blinded.chunks[0], (commitment.chunks[0] + srs.h()).into_affine());
        assert_eq!(blinded.chunks[1], commitment.chunks[1]);
        assert_eq!(blinded.chunks[2], (srs.h() + srs.h()).into_affine());
    }

    #[test]
    fn many_polynomials_commit_as_one_by_one() {
        type F = mina_curves::Fp;
        let srs = Srs::<VestaConfig>::new(4);
        let values: Vec<F> = (1..=8u64).map(F::from).collect();
        for size in [1, 4, 8] {
            let columns = [&values[..size], &values[..1], &[]];
            let many = srs.commit_evaluations_many(size, &columns);
            let each = columns.map(|column| srs.commit_evaluations(size, column));
            assert_eq!(many, each, "on {size} points");
        }
    }

    /// 1024 chunks: through a Lagrange basis this would be 1024 transforms of 4096 points each.
    #[test]
    fn many_chunks_need_no_basis() {
        type F = mina_curves::Fp;
        let srs = Srs::<VestaConfig>::new(4);
        let commitment = srs.commit_evaluations(4096, &[F::ONE, F::from(2u64)]);
        assert_eq!(commitment.len(), 1024);
        assert!(srs.lagrange.is_empty());
    }
}
