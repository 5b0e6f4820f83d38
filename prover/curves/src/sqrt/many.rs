//! Many at once: the powers in lanes, the exponents one after the other.

use alloc::vec::Vec;
use core::marker::PhantomData;

#[cfg(all(feature = "std", target_arch = "x86_64"))]
use super::Adx;
use super::{Arithmetic, DIGITS, Portable, Powers, SqrtTable};
use crate::{
    fields::PastaField,
    lanes::{Kernel, LANES, LaneBackend, Lanes, Raw, run},
};

impl<F: PastaField> SqrtTable<F> {
    /// A square root of each element that has one.
    pub(crate) fn sqrt_many(&self, backend: LaneBackend, values: &[F]) -> Vec<Option<F>> {
        let powers = run(backend, InLanes(values));
        #[cfg(all(feature = "std", target_arch = "x86_64"))]
        if let Some(adx) = Adx::<F>::detect() {
            return self.roots(adx, values, &powers);
        }
        self.roots(Portable::<F>(PhantomData), values, &powers)
    }

    fn roots(
        &self,
        by: impl Arithmetic<Element = Raw>,
        values: &[F],
        powers: &[Powers<Raw>],
    ) -> Vec<Option<F>> {
        values.iter().zip(powers).map(|(x, powers)| self.root(by, *x, powers)).collect()
    }
}

/// The powers of each element.
struct InLanes<'a, F>(&'a [F]);

/// Arithmetic of eight elements.
struct Wide<F, L>(PhantomData<(F, L)>);

impl<F, L> Clone for Wide<F, L> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<F, L> Copy for Wide<F, L> {}

impl<F: PastaField, L: Lanes<F>> Arithmetic for Wide<F, L> {
    type Element = L;

    #[inline(always)]
    fn product(self, a: &L, b: &L) -> L {
        a.mul(b)
    }

    #[inline(always)]
    fn squared(self, a: &L) -> L {
        a.square()
    }
}

impl<F: PastaField> Kernel<F> for InLanes<'_, F> {
    type Output = Vec<Powers<Raw>>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<Powers<Raw>> {
        let (entry, exit) = (L::entry_factor(), L::exit_factor());
        let mut out = Vec::with_capacity(self.0.len());
        for chunk in self.0.chunks(LANES) {
            let mut words = [[0; 4]; LANES];
            for (word, x) in words.iter_mut().zip(chunk) {
                *word = x.montgomery().0;
            }
            let mut x = L::load(words.each_ref());
            if let Some(entry) = &entry {
                x = x.mul(entry);
            }
            let Powers { w, shifted } = Powers::of::<F, _>(Wide::<F, L>(PhantomData), &x);
            let store = |value: &L| match &exit {
                Some(exit) => value.mul(exit).store(),
                None => value.store(),
            };
            let (w, shifted) = (store(&w), shifted.each_ref().map(store));
            out.extend((0..chunk.len()).map(|lane| Powers {
                w: w[lane],
                shifted: core::array::from_fn::<_, DIGITS, _>(|k| shifted[k][lane]),
            }));
        }
        out
    }
}
