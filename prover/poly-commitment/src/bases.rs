//! Points that many sums are over, with tables of their multiples.
//!
//! A table is built by the sum that makes it worth its time, so a process that compiles one circuit or
//! verifies one proof has none. All tables of a process share [`TABLE_BUDGET`]; bases that come when it is
//! spent get fewer multiples, or none.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use mina_curves::{FixedBases, Point, ProjectivePoint};
use mina_poseidon::KimchiCurve;

/// Bytes that all tables of multiples of a process may take, beside the 64 of each base that some sum was
/// over, which stay as long as the base does. A table is 6 MiB at most, and a prover of both curves has
/// SRS and domains of half a dozen sizes.
pub const TABLE_BUDGET: usize = 64 << 20;

/// What is left of [`TABLE_BUDGET`].
static LEFT: AtomicUsize = AtomicUsize::new(TABLE_BUDGET);

/// Points, ready for sums.
pub(crate) struct Bases<C: KimchiCurve> {
    points: Vec<Point<C>>,
    /// The points for the lanes, with or without multiples, from the first sum on. The lock is never
    /// held while threads of the pool work.
    ready: RwLock<Option<Ready<C>>>,
    /// Whether a table was built, is being built, or is of no use.
    grown: AtomicBool,
}

struct Ready<C> {
    bases: Arc<FixedBases<C>>,
    /// Keeps its part of the budget as long as the table is there.
    _share: Share,
}

impl<C: KimchiCurve> Bases<C> {
    pub(crate) fn new(points: Vec<Point<C>>) -> Self {
        Self { points, ready: RwLock::new(None), grown: AtomicBool::new(false) }
    }

    pub(crate) fn points(&self) -> &[Point<C>] {
        &self.points
    }

    /// `Σ scalars[i]·points[i]` over the shorter of the two lists.
    pub(crate) fn msm(&self, scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
        self.msm_from(0, scalars)
    }

    /// `Σ scalars[i]·points[first + i]`, as far as there are points.
    pub(crate) fn msm_from(&self, first: usize, scalars: &[C::ScalarField]) -> ProjectivePoint<C> {
        let bases = self.ready();
        let sum = bases.msm_from(first, scalars);
        self.grow(&bases, &LEFT);
        sum
    }

    /// One [`msm`](Self::msm) for each list of scalars.
    pub(crate) fn msm_many(&self, scalars: &[&[C::ScalarField]]) -> Vec<ProjectivePoint<C>> {
        if scalars.iter().all(|scalars| scalars.is_empty()) {
            return vec![ProjectivePoint::<C>::default(); scalars.len()];
        }
        let bases = self.ready();
        let sums = bases.msm_many(scalars);
        self.grow(&bases, &LEFT);
        sums
    }

    fn ready(&self) -> Arc<FixedBases<C>> {
        // A lock is only held to read or to set a value, so a poisoned one is usable.
        let ready = self.ready.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = ready.as_ref() {
            return Arc::clone(&ready.bases);
        }
        drop(ready);
        // Several threads may do this at the same time; one of them is heard.
        let bases = Arc::new(FixedBases::new(&self.points));
        let mut ready = self.ready.write().unwrap_or_else(PoisonError::into_inner);
        let ready = ready.get_or_insert(Ready { bases, _share: Share::none(&LEFT) });
        Arc::clone(&ready.bases)
    }

    /// Replaces `bases` by a table once that is worth its time.
    fn grow(&self, bases: &FixedBases<C>, left: &'static AtomicUsize) {
        // No table is sooner worth its time than two multiples are: that is quick to say.
        if self.grown.load(Ordering::Relaxed) || !bases.worth(2) {
            return;
        }
        let count = FixedBases::<C>::best_multiples(bases.len(), left.load(Ordering::Relaxed));
        if !bases.worth(count) || self.grown.swap(true, Ordering::Relaxed) || count < 2 {
            return;
        }
        // Others may have taken it in the meantime.
        let bytes = (count as usize - 1) * bases.bytes();
        let Some(share) = Share::take(left, bytes) else { return };
        let Some(bases) = bases.with_multiples(count) else { return };
        let ready = Ready { bases: Arc::new(bases), _share: share };
        *self.ready.write().unwrap_or_else(PoisonError::into_inner) = Some(ready);
    }
}

/// A part of a budget, given back when it is dropped.
struct Share {
    of: &'static AtomicUsize,
    bytes: usize,
}

impl Share {
    fn none(of: &'static AtomicUsize) -> Self {
        Self { of, bytes: 0 }
    }

    fn take(of: &'static AtomicUsize, bytes: usize) -> Option<Self> {
        of.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes))
            .ok()?;
        Some(Self { of, bytes })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.fetch_add(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, UniformRand};
    use mina_curves::{Fp, PallasConfig, VestaConfig};
    use mina_poseidon::FqSponge;
    use rand::SeedableRng;
    use rand_chacha::ChaCha20Rng;
    use rayon::prelude::*;

    use super::*;
    use crate::{OpenPolynomial, Srs};

    fn multiples<C: KimchiCurve>(bases: &Bases<C>) -> u32 {
        bases.ready().multiples()
    }

    fn random(n: usize) -> Vec<Fp> {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        (0..n).map(|_| Fp::rand(&mut rng)).collect()
    }

    /// Sums until the bases have grown, or a hundred.
    fn use_often(bases: &Bases<VestaConfig>, left: &'static AtomicUsize) -> usize {
        let scalars = random(64);
        (0..100)
            .find(|_| {
                let ready = bases.ready();
                let _ = ready.msm(&scalars);
                bases.grow(&ready, left);
                multiples(bases) > 1
            })
            .unwrap_or(100)
    }

    #[test]
    fn tables_grow_with_use_within_the_budget() {
        static LEFT: AtomicUsize = AtomicUsize::new(64 * 64 * 20);
        let points = || Srs::<VestaConfig>::new(64).g().to_vec();
        let first = Bases::new(points());
        let scalars = random(64);
        let plain = first.msm(&scalars);
        let sums = use_often(&first, &LEFT);
        assert!((10..100).contains(&sums), "{sums}");
        assert!(multiples(&first) > 5);
        assert_eq!(first.msm(&scalars), plain);
        assert_eq!(first.msm_from(60, &scalars), first.msm_from(60, &scalars[..4]));
        let taken = (multiples(&first) as usize - 1) * 64 * 64;
        assert_eq!(LEFT.load(Ordering::Relaxed), 64 * 64 * 20 - taken);

        // What is left is less, or nothing.
        let second = Bases::new(points());
        use_often(&second, &LEFT);
        assert!((2..=multiples(&first)).contains(&multiples(&second)));
        assert_eq!(second.msm(&scalars), plain);
        static NONE: AtomicUsize = AtomicUsize::new(64 * 64 - 1);
        let third = Bases::new(points());
        assert_eq!(use_often(&third, &NONE), 100);
        assert_eq!(multiples(&third), 1);
        drop((first, second, third));
        assert_eq!(LEFT.load(Ordering::Relaxed), 64 * 64 * 20);
        assert_eq!(NONE.load(Ordering::Relaxed), 64 * 64 - 1);
    }

    /// Neither sums over a few of the bases nor zeros make a table.
    #[test]
    fn little_use_makes_no_table() {
        let srs = Srs::<VestaConfig>::new(1 << 10);
        let mut scalars = vec![Fp::ZERO; 1 << 10];
        scalars[..8].copy_from_slice(&random(8));
        for _ in 0..100 {
            srs.commit(&scalars, 1);
            srs.commit(&scalars[..3], 1);
        }
        assert_eq!(multiples(srs.bases()), 1);
    }

    /// What an SRS computes does not depend on whether it has tables.
    #[test]
    fn commitments_and_openings_with_and_without_tables() {
        let (used, fresh) = (Srs::<VestaConfig>::new(64), Srs::<VestaConfig>::new(64));
        let scalars = random(64);
        let expected = fresh.commit(&scalars, 1);
        // From many threads at once, while the table is being built.
        let many: Vec<_> = (0..100).into_par_iter().map(|_| used.commit(&scalars, 1)).collect();
        assert!(many.iter().all(|commitment| *commitment == expected));
        assert!(multiples(used.bases()) > 5);
        assert_eq!(multiples(fresh.bases()), 1);
        assert_eq!(used.commit(&scalars[..5], 1), fresh.commit(&scalars[..5], 1));
        let open = |srs: &Srs<VestaConfig>| {
            let polynomial =
                OpenPolynomial { coefficients: (&scalars).into(), blinders: vec![scalars[1]] };
            let sponge = FqSponge::<VestaConfig>::default();
            let mut rng = ChaCha20Rng::seed_from_u64(2);
            srs.open(&[polynomial], &scalars[..2], scalars[3], scalars[4], sponge, &mut rng)
        };
        assert_eq!(open(&used), open(&fresh));
        let wrap = Bases::<PallasConfig>::new(Vec::new());
        assert_eq!(wrap.msm(&[]), ProjectivePoint::<PallasConfig>::default());
    }
}
