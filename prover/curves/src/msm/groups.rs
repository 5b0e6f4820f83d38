//! Sums of many groups of affine points at once.
//!
//! Every group is halved by adding its points in pairs, round after round, and all additions of a
//! round share one inversion (Montgomery's trick). An addition costs five multiplications and a
//! squaring, against eleven and more in projective coordinates, and the additions of a round are
//! independent, so they run in lanes.
//!
//! The chord formula fails where both points have the same x. That shows as a zero product of all
//! denominators, and the whole batch is then redone in projective coordinates.

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, Field};

use crate::{
    curves::{PastaCurve, Point, ProjectivePoint},
    lanes::{Kernel, LANES, Lanes, Raw},
    multiples::{Pair, chords, invert_all},
};

/// An affine point, not infinity, in the domain of the lane implementation in use.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct RawPoint {
    pub(crate) x: Raw,
    pub(crate) y: Raw,
}

/// A list of points.
pub(crate) trait Source: Sync {
    /// Coordinates of point `i`.
    fn get(&self, i: usize) -> (&Raw, &Raw);

    /// Says that point `i` is needed soon.
    #[inline(always)]
    fn prefetch(&self, _i: usize) {}
}

impl Source for [RawPoint] {
    #[inline(always)]
    fn get(&self, i: usize) -> (&Raw, &Raw) {
        (&self[i].x, &self[i].y)
    }
}

/// Points and the key of each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sums {
    pub(crate) keys: Vec<u32>,
    pub(crate) points: Vec<RawPoint>,
}

/// The kernel: sums of the points of `source` that follow each other and have the same key, of which
/// there is one for each point. Sums that are infinity are left out.
pub(crate) struct SumGroups<'a, C, S: ?Sized> {
    pub(crate) source: &'a S,
    pub(crate) keys: &'a [u32],
    /// A round of fewer pairs is not worth its inversion: what is left of the groups then comes as
    /// several sums with the same key. At least 1, which leaves nothing.
    pub(crate) least: usize,
    pub(crate) curve: PhantomData<C>,
}

impl<C: PastaCurve, S: Source + ?Sized> Kernel<C::BaseField> for SumGroups<'_, C, S> {
    type Output = Sums;

    #[inline(always)]
    fn run<L: Lanes<C::BaseField>>(self) -> Sums {
        sum_in_pairs::<C, L, S>(self.source, self.keys, self.least)
            .unwrap_or_else(|| sum_projectively::<C, L, S>(self.source, self.keys))
    }
}

/// One round's pairs: pair `i` is point `left[i]` and the next one, its sum goes to `left[i] − i`:
/// so many points have gone from before it.
#[derive(Default)]
struct Pairs {
    left: Vec<u32>,
    /// Points without a partner, which only move: from, to.
    moves: Vec<(u32, u32)>,
    /// The keys after the round.
    keys: Vec<u32>,
}

impl Pairs {
    /// Plans a round. Where groups end is hard to predict, so every point is written to all lists,
    /// and these only grow by those that belong there.
    #[inline(never)]
    fn plan(&mut self, keys: &[u32]) {
        let len = keys.len();
        self.left.resize(len, 0);
        self.moves.resize(len, (0, 0));
        self.keys.resize(len, 0);
        let (left, unpaired, kept) = (&mut self.left[..], &mut self.moves[..], &mut self.keys[..]);
        let (mut pairs, mut moves, mut to) = (0, 0, 0);
        // Whether the point before has taken this one as its partner.
        let mut taken = false;
        for from in 0..len {
            let key = keys[from];
            let takes = !taken & (from + 1 < len) & (key == keys[(from + 1).min(len - 1)]);
            left[pairs] = from as u32;
            unpaired[moves] = (from as u32, to as u32);
            kept[to] = key;
            pairs += usize::from(takes);
            moves += usize::from(!taken & !takes);
            to += usize::from(!taken);
            taken = takes;
        }
        self.left.truncate(pairs);
        self.moves.truncate(moves);
        self.keys.truncate(to);
    }
}

#[inline(always)]
fn sum_in_pairs<C: PastaCurve, L: Lanes<C::BaseField>, S: Source + ?Sized>(
    source: &S,
    keys: &[u32],
    least: usize,
) -> Option<Sums> {
    let mut pairs = Pairs::default();
    pairs.plan(keys);
    let mut points = vec![RawPoint { x: [0; 4], y: [0; 4] }; pairs.keys.len()];
    let mut stash = Vec::with_capacity(pairs.left.len().div_ceil(LANES) + 1);
    let products = collect::<C, L, S>(source, &pairs, &mut stash);
    for (i, (from, to)) in pairs.moves.iter().enumerate() {
        if let Some((next, _)) = pairs.moves.get(i + PREFETCH * LANES) {
            source.prefetch(*next as usize);
        }
        let (x, y) = source.get(*from as usize);
        points[*to as usize] = RawPoint { x: *x, y: *y };
    }
    add_all::<C, L>(&pairs, &stash, products, &mut points)?;
    let mut keys = core::mem::take(&mut pairs.keys);
    loop {
        pairs.plan(&keys);
        if pairs.left.len() < least {
            return Some(Sums { keys, points });
        }
        // A round never writes behind where it reads, and all reading of pairs is done first.
        let products = collect::<C, L, [RawPoint]>(&points, &pairs, &mut stash);
        for (from, to) in &pairs.moves {
            points[*to as usize] = points[*from as usize];
        }
        add_all::<C, L>(&pairs, &stash, products, &mut points)?;
        core::mem::swap(&mut keys, &mut pairs.keys);
        points.truncate(keys.len());
    }
}

/// Running products that take turns: a multiplication need not wait for the one before.
const CHAINS: usize = 4;

/// Vectors whose additions are computed side by side, for the same reason. Divides [`CHAINS`].
const ABREAST: usize = 2;

/// Eight pairs of points, and the product of the denominators before theirs in their chain.
struct Operands<L> {
    x: [L; 2],
    y: [L; 2],
    prefix: L,
}

/// Fills `stash` with the pairs of a round, a multiple of [`ABREAST`] vectors. Returns the product
/// of the denominators of each chain.
#[inline(always)]
fn collect<C: PastaCurve, L: Lanes<C::BaseField>, S: Source + ?Sized>(
    source: &S,
    pairs: &Pairs,
    stash: &mut Vec<Operands<L>>,
) -> [L; CHAINS] {
    // Lanes past the end add two fixed points with different x.
    let one = L::to_raw(C::BaseField::ONE);
    let filler = ([0; 4], one);
    let mut products = [L::splat(&one); CHAINS];
    stash.clear();
    let vectors = pairs.left.len().div_ceil(LANES * ABREAST) * ABREAST;
    for i in 0..vectors {
        prefetch_chunk(source, &pairs.left, i + PREFETCH);
        let rest = pairs.left.get(i * LANES..).unwrap_or_default();
        let (x1, x2, y1, y2) = gather(source, &rest[..rest.len().min(LANES)], &filler);
        let (x1, x2) = (L::load(x1), L::load(x2));
        let product = &mut products[i % CHAINS];
        stash.push(Operands { x: [x1, x2], y: [L::load(y1), L::load(y2)], prefix: *product });
        *product = x2.sub(&x1).mul(product);
    }
    products
}

/// Adds the pairs in `stash`, or returns `None` if the chord formula fails for some pair.
#[inline(always)]
fn add_all<C: PastaCurve, L: Lanes<C::BaseField>>(
    pairs: &Pairs,
    stash: &[Operands<L>],
    mut inverses: [L; CHAINS],
    out: &mut [RawPoint],
) -> Option<()> {
    if stash.is_empty() {
        return Some(());
    }
    invert_all(&mut inverses)?;
    for (i, abreast) in stash.chunks_exact(ABREAST).enumerate().rev() {
        let first = i * ABREAST;
        let mut shares = [inverses[0]; ABREAST];
        for j in 0..ABREAST {
            shares[j] = abreast[j].prefix.mul(&inverses[(first + j) % CHAINS]);
        }
        for j in 0..ABREAST {
            let [x1, x2] = &abreast[j].x;
            let inverse = &mut inverses[(first + j) % CHAINS];
            *inverse = x2.sub(x1).mul(inverse);
        }
        let [a, b] = [&abreast[0], &abreast[1]];
        let sums = chords([
            Pair { x: [&a.x[0], &a.x[1]], y: [&a.y[0], &a.y[1]], inverse: &shares[0] },
            Pair { x: [&b.x[0], &b.x[1]], y: [&b.y[0], &b.y[1]], inverse: &shares[1] },
        ]);
        for (j, sum) in sums.iter().enumerate() {
            let start = (first + j) * LANES;
            let left = pairs.left.get(start..).unwrap_or_default();
            let (xs, ys) = (sum.0.store(), sum.1.store());
            for (lane, left) in left.iter().take(LANES).enumerate() {
                out[*left as usize - (start + lane)] = RawPoint { x: xs[lane], y: ys[lane] };
            }
        }
    }
    Some(())
}

/// How many vectors ahead points are asked for.
const PREFETCH: usize = 4;

/// Prefetches the points of the pairs in vector `chunk`, if there is such a vector.
#[inline(always)]
fn prefetch_chunk<S: Source + ?Sized>(source: &S, left: &[u32], chunk: usize) {
    if let Some(start) = chunk.checked_mul(LANES).filter(|start| *start < left.len()) {
        for left in left[start..].iter().take(LANES) {
            source.prefetch(*left as usize);
            source.prefetch(*left as usize + 1);
        }
    }
}

type Lane8<'a> = [&'a Raw; LANES];

/// Coordinates `x1, x2, y1, y2` of up to eight pairs; missing ones are `filler.0` for the first
/// point and `filler.1` for the second.
#[inline(always)]
fn gather<'a, S: Source + ?Sized>(
    source: &'a S,
    left: &[u32],
    filler: &'a (Raw, Raw),
) -> (Lane8<'a>, Lane8<'a>, Lane8<'a>, Lane8<'a>) {
    let mut x1 = [&filler.0; LANES];
    let mut x2 = [&filler.1; LANES];
    let (mut y1, mut y2) = (x1, x2);
    for (lane, left) in left.iter().enumerate() {
        let left = *left as usize;
        (x1[lane], y1[lane]) = source.get(left);
        (x2[lane], y2[lane]) = source.get(left + 1);
    }
    (x1, x2, y1, y2)
}

/// The inverses of all lanes, or `None` if one is zero.
#[inline(always)]
pub(crate) fn invert<F: crate::PastaField, L: Lanes<F>>(x: &L) -> Option<L> {
    let raw = x.store();
    let mut values = [F::ZERO; LANES];
    for lane in 0..LANES {
        values[lane] = L::from_raw(&raw[lane]);
        if values[lane].is_zero() {
            return None;
        }
    }
    ark_ff::serial_batch_inversion_and_mul(&mut values, &F::ONE);
    let mut raw = [[0; 4]; LANES];
    for lane in 0..LANES {
        raw[lane] = L::to_raw(values[lane]);
    }
    Some(L::load(raw.each_ref()))
}

/// The same sums without assumptions on the points.
#[inline(always)]
fn sum_projectively<C: PastaCurve, L: Lanes<C::BaseField>, S: Source + ?Sized>(
    source: &S,
    keys: &[u32],
) -> Sums {
    let (mut sums, mut sum_keys) = (Vec::new(), Vec::new());
    for (i, key) in keys.iter().enumerate() {
        let (x, y) = source.get(i);
        let point = Point::<C>::new_unchecked(L::from_raw(x), L::from_raw(y));
        if sum_keys.last() != Some(key) {
            sum_keys.push(*key);
            sums.push(ProjectivePoint::<C>::ZERO);
        }
        if let Some(sum) = sums.last_mut() {
            *sum += point;
        }
    }
    let mut out = Sums::default();
    for (key, sum) in sum_keys.into_iter().zip(ProjectivePoint::<C>::normalize_batch(&sums)) {
        if !sum.is_zero() {
            out.keys.push(key);
            out.points.push(RawPoint { x: L::to_raw(sum.x), y: L::to_raw(sum.y) });
        }
    }
    out
}
