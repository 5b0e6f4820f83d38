//! The multiplication kernel.
//!
//! Both halves of a scalar are cut into signed digits of [`WINDOW`] bits. All lanes double
//! together; a digit picks one of the multiples `1..=2^(WINDOW−1)` of the lane's point, its image
//! under the endomorphism, and a sign. Where the points of each vector share a scalar, lanes need not
//! add at the same places of different scalars: the digits are odd, of one bit more, and five of six
//! are zero.
#![allow(clippy::needless_range_loop)]

use alloc::{vec, vec::Vec};
use core::marker::PhantomData;

use ark_ff::Field;

use super::block::{Block, invert_all};
use crate::{
    curves::PastaCurve,
    fields::PastaField,
    lanes::{LANES, Lanes, Op, Raw},
    msm::glv::Half,
};

/// Bits of a digit.
const WINDOW: u32 = 4;

/// Multiples of each point that are made ready: the first ones, or the first odd ones.
const MULTIPLES: usize = 1 << (WINDOW - 1);

/// One multiple: `x`, `ξ·x`, `y`, `−y`.
#[derive(Clone, Copy)]
struct Multiple {
    x: [Raw; 2],
    y: [Raw; 2],
}

/// Points in Jacobian coordinates, `x = X/Z²`, `y = Y/Z³`.
struct Jacobian<L> {
    x: L,
    y: L,
    z: L,
}

/// `halves[i][0]·P + halves[i][1]·φ(P)` for point `i`, or `None` if some result or intermediate sum
/// is exceptional (infinity among them).
#[inline(always)]
pub(crate) fn scale<C: PastaCurve, L: Lanes<C::BaseField>>(
    points: &Block<L>,
    halves: &[[Half; 2]],
) -> Option<Block<L>> {
    let digits = Digits::new(halves);
    let table = multiples::<C, L>(points, digits.odd)?;
    let one = L::splat(&L::to_raw(C::BaseField::ONE));
    let mut sums = Vec::with_capacity(points.x.len());
    let mut zs = Vec::with_capacity(points.x.len());
    for vector in 0..points.x.len() {
        let mut sum = Jacobian { x: one, y: one, z: one };
        let mut started = [false; LANES];
        for window in (0..digits.count).rev() {
            if started != [false; LANES] {
                for _ in 0..digits.bits {
                    sum = L::outline(Double(&sum, PhantomData));
                }
            }
            for half in 0..2 {
                let row = digits.row(window, half, vector);
                if *row != [0; LANES] {
                    let table = &table[vector * LANES..];
                    add_digits(&mut sum, &mut started, (row, digits.odd), table, half, &one);
                }
            }
        }
        if started != [true; LANES] {
            return None;
        }
        zs.push(sum.z);
        sums.push(sum);
    }
    invert_all::<C::BaseField, L>(&mut zs)?;
    let mut out = points.clone();
    for (i, (sum, inverse)) in sums.iter().zip(&zs).enumerate() {
        let square = inverse.square();
        out.x[i] = sum.x.mul(&square);
        out.y[i] = sum.y.mul(&square.mul(inverse));
    }
    Some(out)
}

/// The first (odd) multiples of all points, point by point.
#[inline(always)]
fn multiples<C: PastaCurve, L: Lanes<C::BaseField>>(
    points: &Block<L>,
    odd: bool,
) -> Option<Vec<[Multiple; MULTIPLES]>> {
    let zero = L::splat(&[0; 4]);
    let endo = L::splat(&L::to_raw(C::ENDO_BASE));
    let empty = Multiple { x: [[0; 4]; 2], y: [[0; 4]; 2] };
    let mut table = vec![[empty; MULTIPLES]; points.x.len() * LANES];
    let mut multiple = points.clone();
    let twice = points.double::<C>()?;
    for index in 0..MULTIPLES {
        if odd && index > 0 {
            multiple = multiple.add::<C>(&twice)?;
        } else if index == 1 {
            multiple = twice.clone();
        } else if index > 1 {
            multiple = multiple.add::<C>(points)?;
        }
        for (vector, (x, y)) in multiple.x.iter().zip(&multiple.y).enumerate() {
            let (x0, x1) = (x.store(), x.mul(&endo).store());
            let (y0, y1) = (y.store(), zero.sub_tight(y).store());
            for lane in 0..LANES {
                let entry = &mut table[vector * LANES + lane][index];
                *entry = Multiple { x: [x0[lane], x1[lane]], y: [y0[lane], y1[lane]] };
            }
        }
    }
    Some(table)
}

/// Adds one digit's multiple in each lane: nothing for the digit 0, and where the sum has not
/// started the multiple itself.
#[inline(always)]
fn add_digits<F: PastaField, L: Lanes<F>>(
    sum: &mut Jacobian<L>,
    started: &mut [bool; LANES],
    (digits, odd): (&[i8; LANES], bool),
    table: &[[Multiple; MULTIPLES]],
    half: usize,
    one: &L,
) {
    let (mut begin, mut add) = ([false; LANES], [false; LANES]);
    let first = &table[0][0];
    let (mut xs, mut ys) = ([&first.x[0]; LANES], [&first.y[0]; LANES]);
    for lane in 0..LANES {
        let digit = digits[lane];
        let index = usize::from(digit.unsigned_abs()).saturating_sub(1) >> usize::from(odd);
        let entry = &table[lane][index];
        xs[lane] = &entry.x[half];
        ys[lane] = &entry.y[usize::from(digit < 0)];
        begin[lane] = digit != 0 && !started[lane];
        add[lane] = digit != 0 && started[lane];
        started[lane] |= digit != 0;
    }
    let (x, y) = (L::load(xs), L::load(ys));
    if add != [false; LANES] {
        let added = L::outline(AddAffine { point: sum, x: &x, y: &y, field: PhantomData });
        if add == [true; LANES] {
            *sum = added;
            return;
        }
        sum.x = sum.x.select(&added.x, &add);
        sum.y = sum.y.select(&added.y, &add);
        sum.z = sum.z.select(&added.z, &add);
    }
    if begin != [false; LANES] {
        sum.x = sum.x.select(&x, &begin);
        sum.y = sum.y.select(&y, &begin);
        sum.z = sum.z.select(one, &begin);
    }
}

/// Doubling on `y² = x³ + b`: two multiplications, five squarings.
struct Double<'a, F, L>(&'a Jacobian<L>, PhantomData<F>);

impl<F: PastaField, L: Lanes<F>> Op for Double<'_, F, L> {
    type Output = Jacobian<L>;

    #[inline(always)]
    fn run(self) -> Jacobian<L> {
        let p = self.0;
        let b = p.y.square();
        // s = 4·x·y², e = 3·x², c = 8·y⁴
        let s = twice(&twice(&p.x.mul(&b)));
        let a = p.x.square();
        let e = twice(&a).add(&a).tighten();
        let c = twice(&twice(&twice(&b.square())));
        let x = e.square_sub2(&s, &s);
        let y = s.sub(&x).mul_sub(&e, &c);
        Jacobian { x, y, z: p.y.add(&p.y).mul(&p.z) }
    }
}

#[inline(always)]
fn twice<F: PastaField, L: Lanes<F>>(x: &L) -> L {
    x.add(x).tighten()
}

/// Addition of an affine point: eight multiplications, three squarings. If the points have the
/// same x, the result has Z = 0, and so has everything computed from it.
struct AddAffine<'a, F, L> {
    point: &'a Jacobian<L>,
    x: &'a L,
    y: &'a L,
    field: PhantomData<F>,
}

impl<F: PastaField, L: Lanes<F>> Op for AddAffine<'_, F, L> {
    type Output = Jacobian<L>;

    #[inline(always)]
    fn run(self) -> Jacobian<L> {
        let p = self.point;
        let zz = p.z.square();
        let u = self.x.mul(&zz);
        let s = p.z.mul(&zz).mul(self.y);
        let h = u.sub_tight(&p.x);
        let r = s.sub_tight(&p.y);
        let hh = h.square();
        let hhh = hh.mul(&h);
        let v = hh.mul(&p.x);
        let x = r.square_sub2(&hhh, &v).sub_tight(&v);
        let y = v.sub(&x).mul_sub(&r, &p.y.mul(&hhh));
        Jacobian { x, y, z: p.z.mul(&h) }
    }
}

/// Digits of all halves, by place, half and vector; lanes without a scalar get the digits of the
/// first lane of their vector, whose point they hold.
struct Digits {
    /// Bits from a place to the next.
    bits: u32,
    /// Whether all digits but zero are odd.
    odd: bool,
    count: usize,
    /// Vectors of different scalars: one if all are the same.
    vectors: usize,
    rows: Vec<[i8; LANES]>,
}

impl Digits {
    fn new(halves: &[[Half; 2]]) -> Self {
        let bits = |half: &Half| u128::BITS - half.magnitude.leading_zeros();
        let longest = halves.iter().flatten().map(bits).max().unwrap_or(0);
        let one_each = |lanes: &[[Half; 2]]| lanes.iter().all(|pair| *pair == lanes[0]);
        if halves.chunks(LANES).all(one_each) {
            Self::shared(halves, longest)
        } else {
            Self::each(halves, longest)
        }
    }

    /// Of one scalar for each vector: digits are odd and below `2^WINDOW`, and each is followed by
    /// `WINDOW` zeros.
    fn shared(halves: &[[Half; 2]], longest: u32) -> Self {
        const MODULUS: u128 = 2 << WINDOW;
        let scalars = match halves.first() {
            Some(first) if halves.iter().all(|pair| pair == first) => &halves[..1],
            _ => halves,
        };
        let vectors = scalars.len().div_ceil(LANES);
        // One more for the carry of the last digit.
        let count = longest as usize + 1;
        let mut rows = vec![[0; LANES]; count * 2 * vectors];
        for (vector, pair) in scalars.iter().step_by(LANES).enumerate() {
            for (half, value) in pair.iter().enumerate() {
                let mut rest = value.magnitude;
                for place in 0..count {
                    if rest & 1 == 1 {
                        let mut digit = (rest & (MODULUS - 1)) as i8;
                        rest &= !(MODULUS - 1);
                        if digit >= 1 << WINDOW {
                            digit -= MODULUS as i8;
                            rest += MODULUS;
                        }
                        let digit = if value.negative { -digit } else { digit };
                        rows[(place * 2 + half) * vectors + vector] = [digit; LANES];
                    }
                    rest >>= 1;
                }
            }
        }
        Self { bits: 1, odd: true, count, vectors, rows }
    }

    /// Of each its own.
    fn each(halves: &[[Half; 2]], longest: u32) -> Self {
        // One bit more for the carry of the last signed digit.
        let count = (longest + 1).div_ceil(WINDOW) as usize;
        let vectors = halves.len().div_ceil(LANES);
        let mut rows = vec![[0; LANES]; count * 2 * vectors];
        for index in 0..vectors * LANES {
            let (vector, lane) = (index / LANES, index % LANES);
            let pair = halves.get(index).unwrap_or(&halves[vector * LANES]);
            for (half, value) in pair.iter().enumerate() {
                let mut rest = value.magnitude;
                for window in 0..count {
                    let mut digit = (rest & ((1 << WINDOW) - 1)) as i8;
                    rest >>= WINDOW;
                    if digit > MULTIPLES as i8 {
                        digit -= 1 << WINDOW;
                        rest += 1;
                    }
                    let digit = if value.negative { -digit } else { digit };
                    rows[(window * 2 + half) * vectors + vector][lane] = digit;
                }
            }
        }
        Self { bits: WINDOW, odd: false, count, vectors, rows }
    }

    fn row(&self, window: usize, half: usize, vector: usize) -> &[i8; LANES] {
        &self.rows[(window * 2 + half) * self.vectors + vector.min(self.vectors - 1)]
    }
}
