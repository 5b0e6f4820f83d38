//! One multiplication at a time, with the instructions MULX, ADCX and ADOX of x86-64: two chains of
//! carries side by side, which compilers do not make.
//!
//! # Values
//! Elements are four little-endian 64-bit words in arkworks' Montgomery form (`x·2^256`), not fully
//! reduced. Both moduli are `p = 2^254 + c` with `c < 2^126`, so that of the four products of a
//! reduction by one word, one is a shift and one is zero. Bounds are in the docs of each function, as
//! multiples of `p`, and hold up to a factor of `1 + 2^-100`.
//!
//! Timing depends on nothing.
#![allow(unsafe_code)]

use core::{arch::asm, marker::PhantomData};

use crate::fields::PastaField;

/// An element, not fully reduced.
pub(crate) type Words = [u64; 4];

/// Whether this processor has the instructions.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx")
}

/// `-1/p mod 2^64`, and the two low words of `p`.
struct Reduction<F>(PhantomData<F>);

impl<F: PastaField> Reduction<F> {
    const WORDS: [u64; 3] = {
        let low = F::MODULUS.0[0];
        let mut inverse = 1u64;
        let mut bits = 1;
        while bits < 64 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(low.wrapping_mul(inverse)));
            bits *= 2;
        }
        [inverse.wrapping_neg(), low, F::MODULUS.0[1]]
    };
}

/// Lines that add the product of the word at `$b` and the four at `$a` to `t0‥t4`.
#[rustfmt::skip]
macro_rules! row {
    ($b:literal, $a:literal, $t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "mov rdx, [", $b, "]\n",
            "xor {h:e}, {h:e}\n", // clears both carries
            "mulx {h}, {l}, [", $a, "]\n",
            "adcx ", $t0, ", {l}\n",
            "adox ", $t1, ", {h}\n",
            "mulx {h}, {l}, [", $a, " + 8]\n",
            "adcx ", $t1, ", {l}\n",
            "adox ", $t2, ", {h}\n",
            "mulx {h}, {l}, [", $a, " + 16]\n",
            "adcx ", $t2, ", {l}\n",
            "adox ", $t3, ", {h}\n",
            "mulx {h}, {l}, [", $a, " + 24]\n",
            "adcx ", $t3, ", {l}\n",
            "adox ", $t4, ", {h}\n",
            "adc ", $t4, ", 0\n",
        )
    };
}

/// Lines that find the quotient `m = -t0/p mod 2^64`, and add what `m·p` has besides its low word to
/// `t1‥t3` and `$top`, where `t0 + m·p ≡ 0 mod 2^64` carries if `t0` is not zero: the words above
/// the low one of `m·(p0 + 2^64·p1)` in `h` and `x`, of `m·2^254` in `l` and `rdx`.
#[rustfmt::skip]
macro_rules! reduce {
    ($t0:literal, $t1:literal, $t2:literal, $t3:literal, $($top:literal),+) => {
        concat!(
            "mov rdx, [{reduction}]\n",
            "imul rdx, ", $t0, "\n",
            "mulx {h}, {l}, [{reduction} + 8]\n",
            "mulx {x}, {l}, [{reduction} + 16]\n",
            "add {h}, {l}\n",
            "mov {l}, rdx\n",
            "adc {x}, 0\n",
            "shl {l}, 62\n",
            "shr rdx, 2\n",
            "neg ", $t0, "\n",
            "adc ", $t1, ", {h}\n",
            "adc ", $t2, ", {x}\n",
            "adc ", $t3, ", {l}\n",
            $($top, "\n",)+
        )
    };
}

/// Multiplication of elements of `F`, for those who have seen that it is [`available`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Adx<F>(PhantomData<F>);

impl<F: PastaField> Adx<F> {
    /// Multiplication, if it is [`available`].
    #[inline(always)]
    pub(crate) fn detect() -> Option<Self> {
        available().then_some(Self(PhantomData))
    }

    /// `a·b`, below `ab/4 + 1`, for `a` below 2.9.
    #[inline(always)]
    pub(crate) fn mul(self, a: &Words, b: &Words) -> Words {
        let (r0, r1, r2, r3);
        // SAFETY: reads 32 bytes behind `a` and `b` and 24 behind `reduction`, writes registers;
        // who has a `Self` has seen that the processor has the instructions.
        unsafe {
            asm!(
                "mov rdx, [{b}]",
                "mulx {t1}, {t0}, [{a}]",
                "mulx {t2}, {l}, [{a} + 8]",
                "add {t1}, {l}",
                "mulx {t3}, {l}, [{a} + 16]",
                "adc {t2}, {l}",
                "mulx {t4}, {l}, [{a} + 24]",
                "adc {t3}, {l}",
                "adc {t4}, 0",
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "adc {t4}, rdx"),
                "xor {t0:e}, {t0:e}",
                row!("{b} + 8", "{a}", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                reduce!("{t1}", "{t2}", "{t3}", "{t4}", "adc {t0}, rdx"),
                "xor {t1:e}, {t1:e}",
                row!("{b} + 16", "{a}", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                reduce!("{t2}", "{t3}", "{t4}", "{t0}", "adc {t1}, rdx"),
                "xor {t2:e}, {t2:e}",
                row!("{b} + 24", "{a}", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                reduce!("{t3}", "{t4}", "{t0}", "{t1}", "adc {t2}, rdx"),
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                reduction = in(reg) Reduction::<F>::WORDS.as_ptr(),
                t4 = out(reg) r0,
                t0 = out(reg) r1,
                t1 = out(reg) r2,
                t2 = out(reg) r3,
                t3 = out(reg) _,
                l = out(reg) _,
                h = out(reg) _,
                x = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }

    /// `a²`, below `a²/4 + 1`, for `a` below 3.4.
    #[inline(always)]
    pub(crate) fn square(self, a: &Words) -> Words {
        let (r0, r1, r2, r3);
        // SAFETY: reads 32 bytes behind `a` and 24 behind `reduction`, writes registers; who has a
        // `Self` has seen that the processor has the instructions.
        unsafe {
            asm!(
                // Products of different words.
                "mov rdx, [{a}]",
                "mulx {t2}, {t1}, [{a} + 8]",
                "mulx {t3}, {l}, [{a} + 16]",
                "add {t2}, {l}",
                "mulx {t4}, {l}, [{a} + 24]",
                "adc {t3}, {l}",
                "mov rdx, [{a} + 8]",
                "adc {t4}, 0",
                "mulx {h}, {l}, [{a} + 16]",
                "mulx {t5}, {t6}, [{a} + 24]",
                "add {t6}, {h}",
                "adc {t5}, 0",
                "add {t3}, {l}",
                "mov rdx, [{a} + 16]",
                "adc {t4}, {t6}",
                "mulx {t6}, {l}, [{a} + 24]",
                "adc {t5}, {l}",
                "adc {t6}, 0",
                // Twice that, and squares.
                "xor {t7:e}, {t7:e}",
                "mov rdx, [{a}]",
                "adcx {t1}, {t1}",
                "mulx {h}, {t0}, rdx",
                "mov rdx, [{a} + 8]",
                "adox {t1}, {h}",
                "adcx {t2}, {t2}",
                "mulx {h}, {l}, rdx",
                "adox {t2}, {l}",
                "adcx {t3}, {t3}",
                "adox {t3}, {h}",
                "mov rdx, [{a} + 16]",
                "adcx {t4}, {t4}",
                "mulx {h}, {l}, rdx",
                "adox {t4}, {l}",
                "adcx {t5}, {t5}",
                "mov rdx, [{a} + 24]",
                "adox {t5}, {h}",
                "adcx {t6}, {t6}",
                "mulx {h}, {l}, rdx",
                "adox {t6}, {l}",
                "adcx {t7}, {t7}",
                "adox {t7}, {h}",
                // The low half is reduced, then the high one added.
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "mov {t0}, rdx", "adc {t0}, 0"),
                reduce!("{t1}", "{t2}", "{t3}", "{t0}", "mov {t1}, rdx", "adc {t1}, 0"),
                reduce!("{t2}", "{t3}", "{t0}", "{t1}", "mov {t2}, rdx", "adc {t2}, 0"),
                reduce!("{t3}", "{t0}", "{t1}", "{t2}", "mov {t3}, rdx", "adc {t3}, 0"),
                "add {t0}, {t4}",
                "adc {t1}, {t5}",
                "adc {t2}, {t6}",
                "adc {t3}, {t7}",
                a = in(reg) a.as_ptr(),
                reduction = in(reg) Reduction::<F>::WORDS.as_ptr(),
                t0 = out(reg) r0,
                t1 = out(reg) r1,
                t2 = out(reg) r2,
                t3 = out(reg) r3,
                t4 = out(reg) _,
                t5 = out(reg) _,
                t6 = out(reg) _,
                t7 = out(reg) _,
                l = out(reg) _,
                h = out(reg) _,
                x = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }

    /// `(start/2^256 + Σ row[i]·xs[i])`, below `Σ row[i]·xs[i]/4 + 1`, for a row whose sum is below
    /// 2.9.
    #[inline(always)]
    pub(crate) fn dot(self, row: &[Words; 3], xs: &[Words; 3], start: &Words) -> Words {
        let (r0, r1, r2, r3);
        // SAFETY: reads 96 bytes behind `row` and `xs` and 24 behind `reduction`, writes registers;
        // who has a `Self` has seen that the processor has the instructions.
        unsafe {
            asm!(
                "xor {t4:e}, {t4:e}",
                row!("{xs}", "{row}", "{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                row!("{xs} + 32", "{row} + 32", "{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                row!("{xs} + 64", "{row} + 64", "{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "adc {t4}, rdx"),
                "xor {t0:e}, {t0:e}",
                row!("{xs} + 8", "{row}", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                row!("{xs} + 40", "{row} + 32", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                row!("{xs} + 72", "{row} + 64", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                reduce!("{t1}", "{t2}", "{t3}", "{t4}", "adc {t0}, rdx"),
                "xor {t1:e}, {t1:e}",
                row!("{xs} + 16", "{row}", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                row!("{xs} + 48", "{row} + 32", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                row!("{xs} + 80", "{row} + 64", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                reduce!("{t2}", "{t3}", "{t4}", "{t0}", "adc {t1}, rdx"),
                "xor {t2:e}, {t2:e}",
                row!("{xs} + 24", "{row}", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                row!("{xs} + 56", "{row} + 32", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                row!("{xs} + 88", "{row} + 64", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                reduce!("{t3}", "{t4}", "{t0}", "{t1}", "adc {t2}, rdx"),
                xs = in(reg) xs.as_ptr(),
                row = in(reg) row.as_ptr(),
                reduction = in(reg) Reduction::<F>::WORDS.as_ptr(),
                t4 = out(reg) r0,
                t0 = inout(reg) start[0] => r1,
                t1 = inout(reg) start[1] => r2,
                t2 = inout(reg) start[2] => r3,
                t3 = inout(reg) start[3] => _,
                l = out(reg) _,
                h = out(reg) _,
                x = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        [r0, r1, r2, r3]
    }
}

#[cfg(test)]
mod tests {
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
            let _ =
                ark_ff::BigInteger::sub_with_borrow(&mut out, &BigInteger256::new([1, 0, 0, 0]));
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
        // 1/2^256 in Montgomery form is the word 1.
        let down = element::<F>([1, 0, 0, 0]);
        for (i, a) in xs.iter().enumerate() {
            assert_eq!(
                element::<F>(adx.square(a)),
                ark_ff::Field::square(&element::<F>(*a)),
                "{a:?}"
            );
            for b in xs.iter().skip(i % 7).step_by(7) {
                let expected = element::<F>(*a) * element::<F>(*b);
                assert_eq!(element::<F>(adx.mul(a, b)), expected, "{a:?} {b:?}");
            }
        }
        let third = |x: &Words| element::<F>(*x).montgomery().0;
        for _ in 0..20_000 {
            let mut pick = || xs[rng.gen_range(0..xs.len())];
            let (state, start) = ([pick(), pick(), pick()], third(&pick()));
            // Sums of rows below 2.9.
            let row =
                [third(&pick()), third(&pick()), [u64::MAX, u64::MAX, u64::MAX, (1 << 61) - 1]];
            let sum: F =
                row.iter().zip(&state).map(|(a, b)| element::<F>(*a) * element::<F>(*b)).sum();
            let expected = sum + element::<F>(start) * down;
            assert_eq!(element::<F>(adx.dot(&row, &state, &start)), expected, "{row:?} {state:?}");
        }
    }

    #[test]
    fn adx_is_arkworks() {
        agrees::<Fp>();
        agrees::<Fq>();
    }
}
