//! One multiplication at a time, with the instructions MULX, ADCX and ADOX of x86-64: two chains of
//! carries side by side, which compilers do not make.
//!
//! # Values
//! Elements are four little-endian 64-bit words in arkworks' Montgomery form (`x·2^256`), not fully
//! reduced. Both moduli are `p = 2^254 + c` with `c < 2^126`, so that of the four products of a
//! reduction by one word, one is a shift and one is zero. Bounds are in the docs of each function, as
//! multiples of `p`, and hold up to a factor of `1 + 2^-100`.
//!
//! Timing depends on nothing but, at the end of a row, on where one of eight multiples of `p` lies.
#![allow(unsafe_code)]

#[cfg(test)]
mod tests;

use core::{arch::asm, marker::PhantomData};

use crate::fields::PastaField;

/// An element, not fully reduced.
pub(crate) type Words = [u64; 4];

/// Whether this processor has the instructions.
pub(crate) fn available() -> bool {
    is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx")
}

/// `-1/p mod 2^64`, the two low words of `p`, and behind them, for each value of the three top bits
/// of a number, a multiple of `p` that is not above it and leaves less than `1.5·p`.
struct Reduction<F>(PhantomData<F>);

impl<F: PastaField> Reduction<F> {
    const WORDS: [u64; 35] = {
        let low = F::MODULUS.0[0];
        let mut inverse = 1u64;
        let mut bits = 1;
        while bits < 64 {
            inverse = inverse.wrapping_mul(2u64.wrapping_sub(low.wrapping_mul(inverse)));
            bits *= 2;
        }
        let mut words = [0; 35];
        [words[0], words[1], words[2]] = [inverse.wrapping_neg(), low, F::MODULUS.0[1]];
        let c = (F::MODULUS.0[1] as u128) << 64 | low as u128;
        let mut top = 0;
        while top < 8 {
            let multiple = [0, 0, 0, 1, 1, 2, 2, 3][top];
            // Below 2^128, and the third word of `p` is zero.
            let product = c * multiple as u128;
            words[3 + 4 * top] = product as u64;
            words[4 + 4 * top] = (product >> 64) as u64;
            words[6 + 4 * top] = multiple << 62;
            top += 1;
        }
        words
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

    /// `a·b` without reduction.
    #[inline(always)]
    pub(crate) fn wide(self, a: &Words, b: &Words) -> [u64; 8] {
        let mut out = [0; 8];
        let (r4, r5, r6, r7);
        // SAFETY: reads 32 bytes behind `a` and `b`, writes 32 behind `out`, and registers; who has a
        // `Self` has seen that the processor has the instructions.
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
                "mov [{out}], {t0}",
                "xor {t0:e}, {t0:e}",
                row!("{b} + 8", "{a}", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                "mov [{out} + 8], {t1}",
                "xor {t1:e}, {t1:e}",
                row!("{b} + 16", "{a}", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                "mov [{out} + 16], {t2}",
                "xor {t2:e}, {t2:e}",
                row!("{b} + 24", "{a}", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                "mov [{out} + 24], {t3}",
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
                out = in(reg) out.as_mut_ptr(),
                t0 = out(reg) r5,
                t1 = out(reg) r6,
                t2 = out(reg) r7,
                t3 = out(reg) _,
                t4 = out(reg) r4,
                l = out(reg) _,
                h = out(reg) _,
                out("rdx") _,
                options(nostack),
            );
        }
        [out[4], out[5], out[6], out[7]] = [r4, r5, r6, r7];
        out
    }

    /// `powers.first + Σ row[i]·powers.rest[i] + constant`, below 1.5, if the number
    /// `first/2^256 + Σ row[i]·rest[i]/4 + constant` is below 3.
    #[inline(always)]
    pub(crate) fn row(self, row: &[Words; 2], powers: &Powers, constant: &Words) -> Words {
        let (r0, r1, r2, r3);
        // SAFETY: reads 64 bytes behind `row`, 128 behind `powers`, 32 behind `constant`, and of
        // `reduction` 24 and then 32 of the 256 behind those, at an index below 8; writes registers;
        // who has a `Self` has seen that the processor has the instructions.
        unsafe {
            asm!(
                "mov {t0}, [{xs}]",
                "mov {t1}, [{xs} + 8]",
                "mov {t2}, [{xs} + 16]",
                "mov {t3}, [{xs} + 24]",
                "xor {t4:e}, {t4:e}",
                row!("{xs} + 64", "{row}", "{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                row!("{xs} + 96", "{row} + 32", "{t0}", "{t1}", "{t2}", "{t3}", "{t4}"),
                reduce!("{t0}", "{t1}", "{t2}", "{t3}", "adc {t4}, rdx"),
                "xor {t0:e}, {t0:e}",
                row!("{xs} + 72", "{row}", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                row!("{xs} + 104", "{row} + 32", "{t1}", "{t2}", "{t3}", "{t4}", "{t0}"),
                reduce!("{t1}", "{t2}", "{t3}", "{t4}", "adc {t0}, rdx"),
                "xor {t1:e}, {t1:e}",
                row!("{xs} + 80", "{row}", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                row!("{xs} + 112", "{row} + 32", "{t2}", "{t3}", "{t4}", "{t0}", "{t1}"),
                reduce!("{t2}", "{t3}", "{t4}", "{t0}", "adc {t1}, rdx"),
                "xor {t2:e}, {t2:e}",
                row!("{xs} + 88", "{row}", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                row!("{xs} + 120", "{row} + 32", "{t3}", "{t4}", "{t0}", "{t1}", "{t2}"),
                reduce!("{t3}", "{t4}", "{t0}", "{t1}", "adc {t2}, rdx"),
                // The high half of the first product, and the constant.
                "add {t4}, [{xs} + 32]",
                "adc {t0}, [{xs} + 40]",
                "adc {t1}, [{xs} + 48]",
                "adc {t2}, [{xs} + 56]",
                "add {t4}, [{constant}]",
                "adc {t0}, [{constant} + 8]",
                "adc {t1}, [{constant} + 16]",
                "adc {t2}, [{constant} + 24]",
                // A multiple of p by the top bits.
                "mov {l}, {t2}",
                "shr {l}, 61",
                "shl {l}, 5",
                "sub {t4}, [{reduction} + {l} + 24]",
                "sbb {t0}, [{reduction} + {l} + 32]",
                "sbb {t1}, 0",
                "sbb {t2}, [{reduction} + {l} + 48]",
                xs = in(reg) core::ptr::from_ref(powers),
                row = in(reg) row.as_ptr(),
                constant = in(reg) constant.as_ptr(),
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
}

/// What a row of a matrix of three columns, the first of ones, is multiplied with.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Powers {
    /// Still to be reduced.
    pub(crate) first: [u64; 8],
    pub(crate) rest: [Words; 2],
}
