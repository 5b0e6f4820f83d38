//! Every implementation against arkworks, on edge values and random ones.

use ark_ff::{BigInteger, BigInteger256};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{
    Kernel, LANES, LaneBackend, Lanes, Raw,
    radix29::Radix29,
    radix52::Radix52,
    run,
    scalar::Scalar,
    word::{PortableWide, PortableWord},
};
use crate::fields::{Fp, Fq, PastaField};

/// The largest stored value that counts as tight, `1.6·p` rounded down.
fn tight_limit<F: PastaField>() -> BigInteger256 {
    let mut limit = F::MODULUS;
    let mut half = F::MODULUS;
    half.div2();
    limit.add_with_carry(&half);
    half.div2();
    half.div2();
    half.div2();
    limit.add_with_carry(&half);
    limit
}

/// Representations at the edges of what may be stored, with random ones between them.
/// `redundant` adds those at or above the modulus.
fn samples<F: PastaField>(redundant: bool) -> Vec<Raw> {
    let modulus = F::MODULUS.0;
    let mut out = vec![[0; 4], [1, 0, 0, 0], [u64::MAX, u64::MAX, u64::MAX, (1 << 62) - 1]];
    for k in 0..255 {
        let mut power = [0; 4];
        power[k / 64] = 1 << (k % 64);
        if k < 254 {
            let mut minus = BigInteger256::new(modulus);
            minus.sub_with_borrow(&BigInteger256::new(power));
            out.extend([power, minus.0]);
            minus = BigInteger256::new(power);
            minus.sub_with_borrow(&BigInteger256::one());
            out.push(minus.0);
        }
    }
    for bits in [28, 29, 30, 51, 52, 53, 64] {
        // All limbs of a radix full, or every second one.
        let mut full = [u64::MAX, u64::MAX, u64::MAX, (1 << 62) - 1];
        let mut alternate = [0; 4];
        for bit in 0..254 {
            if bit / bits % 2 == 0 {
                alternate[bit / 64] |= 1 << (bit % 64);
            } else if bit % bits == 0 {
                full[bit / 64] &= !(1 << (bit % 64));
            }
        }
        out.extend([full, alternate]);
    }
    if redundant {
        out.push(modulus);
        for offset in [1, 2, u64::from(u32::MAX)] {
            let mut x = F::MODULUS;
            x.add_with_carry(&BigInteger256::from(offset));
            out.push(x.0);
        }
        out.push(tight_limit::<F>().0);
    }
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    out.extend((0..400).map(|_| F::rand(&mut rng).montgomery().0));
    out
}

/// Runs all operations on pairs of samples and compares with `F`.
struct Compare {
    redundant: bool,
}

fn values<F: PastaField, L: Lanes<F>>(x: &L) -> [F; LANES] {
    x.store().map(|raw| L::from_raw(&raw))
}

fn assert_tight<F: PastaField, L: Lanes<F>>(x: &L) {
    for raw in x.store() {
        assert!(BigInteger256::new(raw) <= tight_limit::<F>(), "{raw:x?} is not tight");
    }
}

fn assert_lanes<F: PastaField, L: Lanes<F>>(x: &L, expected: impl Fn(usize) -> F) {
    assert_tight(x);
    assert_eq!(values(x), core::array::from_fn(expected));
}

impl<F: PastaField> Kernel<F> for Compare {
    type Output = usize;

    fn run<L: Lanes<F>>(self) -> usize {
        let samples = samples::<F>(self.redundant);
        let vector = |start: usize, step: usize| {
            let raw: [Raw; LANES] =
                core::array::from_fn(|i| samples[(start + i * step) % samples.len()]);
            (L::load(raw.each_ref()), raw.map(|x| L::from_raw(&x)), raw)
        };
        let mut compared = 0;
        for start in 0..samples.len() {
            for step in [1, 7, 31] {
                let (x, a, raw) = vector(start, step);
                let (y, b, _) = vector(start * 3 + step, 5);
                let (z, c, _) = vector(start * 5 + 2 * step, 3);
                assert_eq!(x.store(), raw);
                assert_lanes(&x.mul(&y), |i| a[i] * b[i]);
                assert_lanes(&x.square(), |i| a[i].square());
                assert_lanes(&x.sub(&y).tighten(), |i| a[i] - b[i]);
                assert_lanes(&x.sub2(&y, &z).tighten(), |i| a[i] - b[i] - c[i]);
                assert_lanes(&x.sub(&y).mul(&z), |i| (a[i] - b[i]) * c[i]);
                assert_lanes(&x.sub_tight(&y), |i| a[i] - b[i]);
                assert_lanes(&x.square_sub2(&y, &z), |i| a[i].square() - b[i] - c[i]);
                assert_lanes(&x.mul_sub(&y, &z), |i| a[i] * b[i] - c[i]);
                assert_lanes(&x.sub2(&y, &z).mul_sub(&y, &z), |i| {
                    (a[i] - b[i] - c[i]) * b[i] - c[i]
                });
                assert_lanes(&x.add(&y).tighten(), |i| a[i] + b[i]);
                assert_lanes(&x.add(&y).mul(&z), |i| (a[i] + b[i]) * c[i]);
                let mask = core::array::from_fn(|i| (start >> (i % 5)) & 1 == 1);
                assert_lanes(&x.select(&y, &mask), |i| if mask[i] { b[i] } else { a[i] });
                assert_lanes(&x.tighten(), |i| a[i]);
                let dot = L::dot(&[x, y, z], &[y, z, x], &y);
                let expected = |i: usize| a[i] * b[i] + b[i] * c[i] + c[i] * a[i] + b[i];
                assert_eq!(values(&dot), core::array::from_fn(expected));
                assert_lanes(&dot.square(), |i| expected(i).square());
                assert_lanes(&dot.mul(&dot), |i| expected(i).square());
                assert_lanes(&L::splat(&raw[3]), |_| a[3]);
                compared += 1;
            }
        }
        compared += conversions::<F, L>();
        compared
    }
}

/// Into the implementation's domain and back, by scalars and by vectors.
fn conversions<F: PastaField, L: Lanes<F>>() -> usize {
    let samples = samples::<F>(false);
    for chunk in samples.chunks_exact(LANES) {
        let xs: [F; LANES] =
            core::array::from_fn(|i| F::from_montgomery(BigInteger256::new(chunk[i])));
        for x in xs {
            assert_eq!(L::from_raw(&L::to_raw(x)), x);
        }
        let words = xs.map(|x| x.montgomery().0);
        let mut v = L::load(words.each_ref());
        if let Some(factor) = L::entry_factor() {
            v = v.mul(&factor);
        }
        assert_eq!(values(&v), xs);
        if let Some(factor) = L::exit_factor() {
            v = v.mul(&factor);
        }
        let back = v.store().map(|raw| {
            let raw = super::subtract_once(raw, F::MODULUS.0);
            F::from_montgomery(BigInteger256::new(raw))
        });
        assert_eq!(back, xs);
    }
    samples.len() / LANES
}

#[test]
fn portable_29_bit_limbs() {
    let compare = || Compare { redundant: true };
    assert!(Kernel::<Fp>::run::<Radix29<Fp, PortableWord>>(compare()) > 1000);
    assert!(Kernel::<Fq>::run::<Radix29<Fq, PortableWord>>(compare()) > 1000);
}

#[test]
fn portable_52_bit_limbs() {
    let compare = || Compare { redundant: true };
    assert!(Kernel::<Fp>::run::<Radix52<Fp, PortableWide>>(compare()) > 1000);
    assert!(Kernel::<Fq>::run::<Radix52<Fq, PortableWide>>(compare()) > 1000);
}

#[test]
fn scalar_lanes() {
    let compare = || Compare { redundant: false };
    assert!(Kernel::<Fp>::run::<Scalar<Fp>>(compare()) > 1000);
    assert!(Kernel::<Fq>::run::<Scalar<Fq>>(compare()) > 1000);
}

/// On a machine without vectors these run the scalar implementation once more.
#[test]
fn detected_vectors() {
    for backend in [LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
        let redundant = LaneBackend::detect() != LaneBackend::Scalar
            && (backend == LaneBackend::Avx2 || backend == LaneBackend::detect());
        assert!(run::<Fp, _>(backend, Compare { redundant }) > 1000);
        assert!(run::<Fq, _>(backend, Compare { redundant }) > 1000);
    }
}
