//! The transforms, one column at a time.

use super::*;
use crate::fft::bit_reverse;

/// Domains below this size are transformed term by term.
const SMALL: usize = LANES * LANES;

/// Elements that are taken through all short layers together: they should stay in the second-level
/// cache.
const CACHED: usize = 1 << 12;

/// A coset and its twiddles, in the lanes' representation: the `2^l` of layer `l`, which splits
/// blocks of `n/2^l` elements, start at `2^l − 1`.
#[derive(Clone, Debug)]
pub(crate) struct Twiddles<F> {
    log_size: u32,
    shift: F,
    root: F,
    forward: Vec<Raw>,
    /// Their inverses.
    inverse: Vec<Raw>,
}

impl<F: PastaField> Twiddles<F> {
    pub(crate) fn new(backend: LaneBackend, log_size: u32, shift: F) -> Option<Self> {
        if log_size > F::TWO_ADICITY || log_size >= usize::BITS - 8 {
            return None;
        }
        let root = F::get_root_of_unity(1 << log_size)?;
        let forward = layers(log_size, shift, root);
        let inverse = layers(log_size, shift.inverse()?, root.inverse()?);
        let enter = |values: &[F]| run(backend, Enter(values));
        let (forward, inverse) = (enter(&forward), enter(&inverse));
        Some(Self { log_size, shift, root, forward, inverse })
    }

    /// The points of the coset.
    pub(super) fn points(&self, backend: LaneBackend) -> Vec<Raw> {
        let mut points = powers(self.shift, self.root, self.size());
        bit_reverse(&mut points);
        run(backend, Enter(&points))
    }

    /// Coefficients to values, both in order, where they are long enough for lanes.
    ///
    /// A transform is linear: with twiddles in the lanes' representation the values keep theirs.
    #[cfg(feature = "std")]
    pub(crate) fn forward(&self, backend: LaneBackend, values: &mut [F]) {
        let coefficients: Vec<Raw> = values.iter().map(|x| x.montgomery().0).collect();
        let out = run(backend, Evaluate { coefficients: &coefficients, twiddles: self });
        for (i, word) in out.iter().enumerate() {
            values[reversed(i, self.log_size) as usize] = canonical(word);
        }
    }

    /// Values to `n` times the coefficients, both in order, where they are long enough for lanes.
    #[cfg(feature = "std")]
    pub(crate) fn backward(&self, backend: LaneBackend, values: &mut [F]) {
        let place = |i| reversed(i, self.log_size) as usize;
        let words: Vec<Raw> = (0..values.len()).map(|i| values[place(i)].montgomery().0).collect();
        let out = run(backend, Interpolate { values: &words, twiddles: self });
        for (value, word) in values.iter_mut().zip(&out) {
            *value = canonical(word);
        }
    }

    fn size(&self) -> usize {
        1 << self.log_size
    }
}

/// `first·ratio^i` for `count` values of `i`.
fn powers<F: PastaField>(first: F, ratio: F, count: usize) -> Vec<F> {
    core::iter::successors(Some(first), |power| Some(*power * ratio)).take(count).collect()
}

/// The twiddles of all layers: with `m = n/2^(l+1)`, twiddle `b` of layer `l` is `(s·ω^rev(b))^m`,
/// where `l` bits are reversed.
fn layers<F: PastaField>(log_size: u32, shift: F, root: F) -> Vec<F> {
    let mut all = Vec::with_capacity(1 << log_size);
    for layer in 0..log_size {
        let half = 1u64 << (log_size - layer - 1);
        let mut twiddles = powers(shift.pow([half]), root.pow([half]), 1 << layer);
        bit_reverse(&mut twiddles);
        all.extend(twiddles);
    }
    all
}

/// Coefficients to values.
pub(super) struct Evaluate<'a, F> {
    pub(super) coefficients: &'a [Raw],
    pub(super) twiddles: &'a Twiddles<F>,
}

/// Values to coefficients times `n`.
pub(super) struct Interpolate<'a, F> {
    pub(super) values: &'a [Raw],
    pub(super) twiddles: &'a Twiddles<F>,
}

impl<F: PastaField> Kernel<F> for Evaluate<'_, F> {
    type Output = Vec<Raw>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<Raw> {
        let Self { coefficients, twiddles } = self;
        let size = twiddles.size();
        if size < SMALL {
            return small::<F, L>(coefficients, |i, j| {
                let point = twiddles.shift * twiddles.root.pow([reversed(i, twiddles.log_size)]);
                point.pow([j as u64])
            });
        }
        let mut vectors: Vec<L> = Vec::with_capacity(size / LANES);
        for chunk in coefficients.chunks_exact(LANES) {
            vectors.push(L::load(chunk_refs(chunk)));
        }
        let table = &twiddles.forward;
        let short = CACHED.min(size);
        let mut length = size;
        while length > short {
            split_blocks::<F, L>(&mut vectors, &table[size / length - 1..], 0, length / LANES);
            length /= 2;
        }
        let mut out = vec![[0; 4]; size];
        for block in 0..size / short {
            let part = &mut vectors[block * (short / LANES)..][..short / LANES];
            let mut length = short;
            while length > LANES {
                let first = block * (short / length);
                split_blocks::<F, L>(part, &table[size / length - 1..], first, length / LANES);
                length /= 2;
            }
            split_vectors::<F, L>(part, twiddles, block * short, &mut out);
        }
        out
    }
}

impl<F: PastaField> Kernel<F> for Interpolate<'_, F> {
    type Output = Vec<Raw>;

    #[inline(always)]
    fn run<L: Lanes<F>>(self) -> Vec<Raw> {
        let Self { values, twiddles } = self;
        let size = twiddles.size();
        if size < SMALL {
            let (shift, root) = (twiddles.shift, twiddles.root);
            let (Some(shift), Some(root)) = (shift.inverse(), root.inverse()) else {
                return Vec::new();
            };
            return small::<F, L>(values, |i, j| {
                (shift * root.pow([reversed(j, twiddles.log_size)])).pow([i as u64])
            });
        }
        let table = &twiddles.inverse;
        let short = CACHED.min(size);
        let mut vectors: Vec<L> = Vec::with_capacity(size / LANES);
        for block in 0..size / short {
            join_vectors::<F, L>(values, twiddles, block * short, short, &mut vectors);
            let part = &mut vectors[block * (short / LANES)..];
            let mut length = 2 * LANES;
            while length <= short {
                let first = block * (short / length);
                join_blocks::<F, L>(part, &table[size / length - 1..], first, length / LANES);
                length *= 2;
            }
        }
        let mut length = 2 * short;
        while length <= size {
            join_blocks::<F, L>(&mut vectors, &table[size / length - 1..], 0, length / LANES);
            length *= 2;
        }
        let mut out = Vec::with_capacity(size);
        for vector in &vectors {
            out.extend_from_slice(&vector.store());
        }
        out
    }
}

/// The low `bits` bits of `i` in reverse order.
#[inline(always)]
pub(super) fn reversed(i: usize, bits: u32) -> u64 {
    if bits == 0 { 0 } else { (i as u64).reverse_bits() >> (u64::BITS - bits) }
}

/// `Σ_j factor(i, j)·values[j]` for each `i`, without lanes.
#[inline(always)]
fn small<F: PastaField, L: Lanes<F>>(
    values: &[Raw],
    factor: impl Fn(usize, usize) -> F,
) -> Vec<Raw> {
    let mut out = Vec::with_capacity(values.len());
    for i in 0..values.len() {
        let mut sum = F::ZERO;
        for (j, value) in values.iter().enumerate() {
            sum += factor(i, j) * L::from_raw(value);
        }
        out.push(L::to_raw(sum));
    }
    out
}

#[inline(always)]
fn chunk_refs(chunk: &[Raw]) -> [&Raw; LANES] {
    let mut refs = [&chunk[0]; LANES];
    for lane in 1..LANES {
        refs[lane] = &chunk[lane];
    }
    refs
}

/// Splits every block of `length` vectors in `vectors`, the first of which is block `first` of its
/// layer: `(x, y) ← (x + t·y, x − t·y)`.
#[inline(always)]
fn split_blocks<F: PastaField, L: Lanes<F>>(
    vectors: &mut [L],
    twiddles: &[Raw],
    first: usize,
    length: usize,
) {
    for (block, twiddle) in vectors.chunks_exact_mut(length).zip(&twiddles[first..]) {
        let twiddle = L::splat(twiddle);
        let (low, high) = block.split_at_mut(length / 2);
        for (x, y) in low.iter_mut().zip(high) {
            (*x, *y) = split(x, y, &twiddle);
        }
    }
}

/// The reverse, twofold: `(x, y) ← (x + y, (x − y)/t)`.
#[inline(always)]
fn join_blocks<F: PastaField, L: Lanes<F>>(
    vectors: &mut [L],
    twiddles: &[Raw],
    first: usize,
    length: usize,
) {
    for (block, twiddle) in vectors.chunks_exact_mut(length).zip(&twiddles[first..]) {
        let twiddle = L::splat(twiddle);
        let (low, high) = block.split_at_mut(length / 2);
        for (x, y) in low.iter_mut().zip(high) {
            (*x, *y) = join(x, y, &twiddle);
        }
    }
}

#[inline(always)]
fn split<F: PastaField, L: Lanes<F>>(x: &L, y: &L, twiddle: &L) -> (L, L) {
    let product = y.mul(twiddle);
    (x.add(&product).tighten(), x.sub(&product).tighten())
}

#[inline(always)]
fn join<F: PastaField, L: Lanes<F>>(x: &L, y: &L, twiddle: &L) -> (L, L) {
    (x.add(y).tighten(), x.sub(y).mul(twiddle))
}

/// The twiddles, in layer `layer`, of the `index`-th part of each of eight blocks that are
/// neighbours, of which the first is block `first` among those of eight elements.
#[inline(always)]
fn lane_twiddles<F: PastaField, L: Lanes<F>>(
    table: &[Raw],
    (log_size, layer): (u32, u32),
    first: usize,
    index: usize,
) -> L {
    let start = (1usize << layer) - 1;
    // Parts per block of eight elements.
    let parts = (LANES << layer) >> log_size;
    let mut places = [0; LANES];
    for lane in 0..LANES {
        places[lane] = start + (first + lane) * parts + index;
    }
    L::load(gather(table, &places))
}

/// The last three layers, whose blocks are no longer than a vector: lanes take a block each.
#[inline(always)]
fn split_vectors<F: PastaField, L: Lanes<F>>(
    vectors: &[L],
    twiddles: &Twiddles<F>,
    start: usize,
    out: &mut [Raw],
) {
    let (bits, table) = (twiddles.log_size, &twiddles.forward);
    for (group, vectors) in vectors.chunks_exact(LANES).enumerate() {
        let first = start + group * SMALL;
        let blocks = first / LANES;
        let mut rows = [[[0; 4]; LANES]; LANES];
        for (row, vector) in rows.iter_mut().zip(vectors) {
            *row = vector.store();
        }
        let mut xs = [L::splat(&[0; 4]); LANES];
        for i in 0..LANES {
            let mut refs = [&rows[0][i]; LANES];
            for lane in 1..LANES {
                refs[lane] = &rows[lane][i];
            }
            xs[i] = L::load(refs);
        }
        for (layer, half) in [(bits - 3, 4), (bits - 2, 2), (bits - 1, 1)] {
            for part in 0..4 / half {
                let twiddle = lane_twiddles::<F, L>(table, (bits, layer), blocks, part);
                for i in part * 2 * half..part * 2 * half + half {
                    (xs[i], xs[i + half]) = split(&xs[i], &xs[i + half], &twiddle);
                }
            }
        }
        for (i, x) in xs.iter().enumerate() {
            for (lane, word) in x.store().into_iter().enumerate() {
                out[first + lane * LANES + i] = word;
            }
        }
    }
}

/// The reverse of [`split_vectors`], for `count` elements.
#[inline(always)]
fn join_vectors<F: PastaField, L: Lanes<F>>(
    values: &[Raw],
    twiddles: &Twiddles<F>,
    start: usize,
    count: usize,
    out: &mut Vec<L>,
) {
    let (bits, table) = (twiddles.log_size, &twiddles.inverse);
    for first in (start..start + count).step_by(SMALL) {
        let mut xs = [L::splat(&[0; 4]); LANES];
        for i in 0..LANES {
            let mut places = [0; LANES];
            for lane in 0..LANES {
                places[lane] = first + lane * LANES + i;
            }
            xs[i] = L::load(gather(values, &places));
        }
        for (layer, half) in [(bits - 1, 1), (bits - 2, 2), (bits - 3, 4)] {
            for part in 0..4 / half {
                let twiddle = lane_twiddles::<F, L>(table, (bits, layer), first / LANES, part);
                for i in part * 2 * half..part * 2 * half + half {
                    (xs[i], xs[i + half]) = join(&xs[i], &xs[i + half], &twiddle);
                }
            }
        }
        let mut rows = [[[0; 4]; LANES]; LANES];
        for (row, x) in rows.iter_mut().zip(&xs) {
            *row = x.store();
        }
        for lane in 0..LANES {
            let mut refs = [&rows[0][lane]; LANES];
            for i in 1..LANES {
                refs[i] = &rows[i][lane];
            }
            out.push(L::load(refs));
        }
    }
}
