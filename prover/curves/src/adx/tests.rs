use ark_ff::BigInteger256;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    fields::{Fp, Fq},
    lanes::subtract_once,
};

/// Zero and values around the multiples of the modulus and of powers of two, up to `2.9·p`, and
/// random ones between.
fn samples<F: PastaField>(rng: &mut ChaCha20Rng) -> Vec<Words> {
    let p = F::MODULUS.0;
    let plus = |a: Words, b: Words| {
        let mut out = BigInteger256::new(a);
        assert!(!ark_ff::BigInteger::add_with_carry(&mut out, &BigInteger256::new(b)));
        out.0
    };
    let minus = |a: Words| {
        let mut out = BigInteger256::new(a);
        let _ = ark_ff::BigInteger::sub_with_borrow(&mut out, &BigInteger256::new([1, 0, 0, 0]));
        out.0
    };
    let twice = plus(p, p);
    let mut out = vec![[0; 4], [1, 0, 0, 0], minus(p), p, minus(twice), twice];
    for bit in 0..255 {
        let mut power = [0; 4];
        power[bit / 64] = 1 << (bit % 64);
        out.extend([power, minus(power)]);
    }
    out.push([u64::MAX, u64::MAX, u64::MAX, (1 << 63) | (3 << 60)]);
    for _ in 0..200 {
        let mut x: Words = rng.r#gen();
        x[3] %= (1 << 63) | (3 << 60);
        if rng.r#gen() {
            x[rng.gen_range(0..4)] = [0, u64::MAX][rng.gen_range(0..2)] >> 2;
        }
        out.push(x);
    }
    out
}

fn element<F: PastaField>(mut x: Words) -> F {
    for _ in 0..3 {
        x = subtract_once(x, F::MODULUS.0);
    }
    F::from_montgomery(BigInteger256::new(x))
}

fn agrees<F: PastaField>() {
    let Some(adx) = Adx::<F>::detect() else { return };
    let mut rng = ChaCha20Rng::seed_from_u64(11);
    let xs = samples::<F>(&mut rng);
    for (i, a) in xs.iter().enumerate() {
        assert_eq!(element::<F>(adx.square(a)), ark_ff::Field::square(&element::<F>(*a)), "{a:?}");
        for b in xs.iter().skip(i % 7).step_by(7) {
            let expected = element::<F>(*a) * element::<F>(*b);
            assert_eq!(element::<F>(adx.mul(a, b)), expected, "{a:?} {b:?}");
        }
    }
    let canonical = |x: &Words| element::<F>(*x).montgomery().0;
    // Below 1.4·p: 1.4²/4 + 2·1.4/4 + 1 is below 3.
    let half = |x: Words| if x[3] >> 62 > 0 { [x[0], x[1], x[2], x[3] >> 1] } else { x };
    for _ in 0..20_000 {
        let mut pick = || xs[rng.gen_range(0..xs.len())];
        let (a, b) = (half(pick()), half(pick()));
        let rest = [half(pick()), half(pick())];
        let (row, constant) = ([canonical(&pick()), canonical(&pick())], canonical(&pick()));
        let first = adx.wide(&a, &b);
        let product = element::<F>(a) * element::<F>(b);
        let sum: F = row.iter().zip(&rest).map(|(a, b)| element::<F>(*a) * element::<F>(*b)).sum();
        let expected = product + sum + element::<F>(constant);
        let found = adx.row(&row, &Powers { first, rest }, &constant);
        assert!(found[3] < 3 << 61, "{found:?}");
        assert_eq!(element::<F>(found), expected, "{row:?} {rest:?} {a:?} {b:?}");
    }
}

#[test]
fn adx_is_arkworks() {
    agrees::<Fp>();
    agrees::<Fq>();
}
