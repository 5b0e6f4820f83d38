//! Products of nine 29-bit limbs with their Montgomery reduction, in assembly.
//!
//! The columns that a row of the multiplication reaches stay in nine registers, which the rows take
//! turns in; everything else is read from memory where it is used. Given sums of columns, the
//! compiler spends a third more instructions on moving values to and from the stack. What limits
//! the rest is how long each row waits for the quotient of the one before: squares, which have fewer
//! products but as many quotients, are no faster this way, and are left to the compiler.
#![allow(unsafe_code)]

use core::arch::asm;

use super::Avx2;
use crate::lanes::{
    radix29::{LIMBS, Reduction},
    word::Word,
};

type Limbs = [Avx2; LIMBS];

/// Adds `ymm9·{b}[limb]` to a column.
macro_rules! multiply {
    ($limb:literal, $column:literal, $b:literal) => {
        concat!(
            "vpmuludq ymm10, ymm9, [{",
            $b,
            "} + 32*",
            $limb,
            "]\n",
            "vpaddq ",
            $column,
            ", ",
            $column,
            ", ymm10\n",
        )
    };
}

/// Adds `quotient·modulus[limb]` to a column.
macro_rules! reduce {
    ($limb:literal, $column:literal) => {
        concat!(
            "vpmuludq ymm10, ymm11, [{reduction} + 32*",
            $limb,
            "]\n",
            "vpaddq ",
            $column,
            ", ",
            $column,
            ", ymm10\n",
        )
    };
}

/// Clears the lowest column by a multiple of the modulus and makes it the highest.
macro_rules! clear {
    ($c0:literal $c1:literal $c2:literal $c3:literal $c4:literal $c8:literal) => {
        concat!(
            "vpsubq ymm11, ymm12, ",
            $c0,
            "\n",
            "vpand ymm11, ymm11, ymm13\n",
            "vpmuludq ymm14, ymm11, ymm15\n",
            "vpaddq ",
            $c0,
            ", ",
            $c0,
            ", ymm11\n",
            "vpsrlq ",
            $c0,
            ", ",
            $c0,
            ", 29\n",
            "vpaddq ",
            $c1,
            ", ",
            $c1,
            ", ",
            $c0,
            "\n",
            "vpaddq ",
            $c1,
            ", ",
            $c1,
            ", ymm14\n",
            reduce!(2, $c2),
            reduce!(3, $c3),
            reduce!(4, $c4),
            "vpsllq ymm14, ymm11, 22\n",
            "vpaddq ",
            $c8,
            ", ",
            $c8,
            ", ymm14\n",
            "vpxor ",
            $c0,
            ", ",
            $c0,
            ", ",
            $c0,
            "\n",
        )
    };
}

/// Row `i` of a product, but for its lowest product, which the row before has added already: what
/// the next row waits for should be waiting for nothing else.
macro_rules! row {
    ($next:literal, $load:literal, $b:literal, $c0:literal $c1:literal $c2:literal $c3:literal
     $c4:literal $c5:literal $c6:literal $c7:literal $c8:literal) => {
        concat!(
            multiply!(1, $c1, $b),
            multiply!(2, $c2, $b),
            multiply!(3, $c3, $b),
            multiply!(4, $c4, $b),
            multiply!(5, $c5, $b),
            multiply!(6, $c6, $b),
            multiply!(7, $c7, $b),
            multiply!(8, $c8, $b),
            $load, " ymm9, [{a} + 32*", $next, "]\n",
            multiply!(0, $c1, $b),
            clear!($c0 $c1 $c2 $c3 $c4 $c8),
        )
    };
}

/// All rows; columns 9 to 17 end up in `ymm0` to `ymm8`.
macro_rules! rows {
    ($load:literal, $b:literal) => {
        concat!(
            clear_columns!(),
            $load, " ymm9, [{a}]\n",
            multiply!(0, "ymm0", $b),
            row!(1, $load, $b, "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8"),
            row!(2, $load, $b, "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0"),
            row!(3, $load, $b, "ymm2" "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1"),
            row!(4, $load, $b, "ymm3" "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2"),
            row!(5, $load, $b, "ymm4" "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3"),
            row!(6, $load, $b, "ymm5" "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4"),
            row!(7, $load, $b, "ymm6" "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5"),
            row!(8, $load, $b, "ymm7" "ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm4" "ymm5" "ymm6"),
            multiply!(1, "ymm0", $b),
            multiply!(2, "ymm1", $b),
            multiply!(3, "ymm2", $b),
            multiply!(4, "ymm3", $b),
            multiply!(5, "ymm4", $b),
            multiply!(6, "ymm5", $b),
            multiply!(7, "ymm6", $b),
            multiply!(8, "ymm7", $b),
            clear!("ymm8" "ymm0" "ymm1" "ymm2" "ymm3" "ymm7"),
        )
    };
}

/// Loads constants and clears the columns.
macro_rules! clear_columns {
    () => {
        "vpxor ymm12, ymm12, ymm12
         vmovdqa ymm13, [{reduction}]
         vmovdqa ymm15, [{reduction} + 32]
         vpxor ymm0, ymm0, ymm0
         vpxor ymm1, ymm1, ymm1
         vpxor ymm2, ymm2, ymm2
         vpxor ymm3, ymm3, ymm3
         vpxor ymm4, ymm4, ymm4
         vpxor ymm5, ymm5, ymm5
         vpxor ymm6, ymm6, ymm6
         vpxor ymm7, ymm7, ymm7
         vpxor ymm8, ymm8, ymm8
        "
    };
}

/// Carries from one column to the next, and writes the limb to the even places of `out`.
macro_rules! carry_even {
    ($limb:literal, $column:literal, $next:literal) => {
        concat!(
            "vpsrlq ymm10, ",
            $column,
            ", 29\n",
            "vpand ",
            $column,
            ", ",
            $column,
            ", ymm13\n",
            "vpaddq ",
            $next,
            ", ",
            $next,
            ", ymm10\n",
            "vmovdqa [{out} + 32*",
            $limb,
            "], ",
            $column,
            "\n",
        )
    };
}

/// The same, joining the limb to what `out` has in its even places.
macro_rules! carry_odd {
    ($limb:literal, $column:literal, $next:literal) => {
        concat!(
            "vpsrlq ymm10, ",
            $column,
            ", 29\n",
            "vpand ",
            $column,
            ", ",
            $column,
            ", ymm13\n",
            "vpsllq ",
            $column,
            ", ",
            $column,
            ", 32\n",
            "vpaddq ",
            $next,
            ", ",
            $next,
            ", ymm10\n",
            "vpor ",
            $column,
            ", ",
            $column,
            ", [{out} + 32*",
            $limb,
            "]\n",
            "vmovdqa [{out} + 32*",
            $limb,
            "], ",
            $column,
            "\n",
        )
    };
}

macro_rules! finish_even {
    () => {
        concat!(
            carry_even!(0, "ymm0", "ymm1"),
            carry_even!(1, "ymm1", "ymm2"),
            carry_even!(2, "ymm2", "ymm3"),
            carry_even!(3, "ymm3", "ymm4"),
            carry_even!(4, "ymm4", "ymm5"),
            carry_even!(5, "ymm5", "ymm6"),
            carry_even!(6, "ymm6", "ymm7"),
            carry_even!(7, "ymm7", "ymm8"),
            "vmovdqa [{out} + 32*8], ymm8\n",
        )
    };
}

macro_rules! finish_odd {
    () => {
        concat!(
            carry_odd!(0, "ymm0", "ymm1"),
            carry_odd!(1, "ymm1", "ymm2"),
            carry_odd!(2, "ymm2", "ymm3"),
            carry_odd!(3, "ymm3", "ymm4"),
            carry_odd!(4, "ymm4", "ymm5"),
            carry_odd!(5, "ymm5", "ymm6"),
            carry_odd!(6, "ymm6", "ymm7"),
            carry_odd!(7, "ymm7", "ymm8"),
            "vpsllq ymm8, ymm8, 32\n",
            "vpor ymm8, ymm8, [{out} + 32*8]\n",
            "vmovdqa [{out} + 32*8], ymm8\n",
        )
    };
}

/// Moves the odd places of a limb of `b` to the even ones of `odd`.
macro_rules! odd {
    ($limb:literal) => {
        concat!(
            "vmovshdup ymm9, [{b} + 32*",
            $limb,
            "]\n",
            "vmovdqa [{odd} + 32*",
            $limb,
            "], ymm9\n",
        )
    };
}

/// `a·b` in Montgomery form. The limbs of both factors may have 32 bits, as long as no column
/// exceeds 64.
#[target_feature(enable = "avx2")]
#[inline]
pub(super) fn mul(a: &Limbs, b: &Limbs, reduction: &Reduction) -> Limbs {
    let mut out = [Avx2::splat64(0); LIMBS];
    let mut odd = [Avx2::splat64(0); LIMBS];
    // SAFETY: all accesses are to the nine aligned vectors of `a`, `b`, `out` and `odd` and to the
    // five of `reduction`.
    unsafe {
        asm!(
            rows!("vmovdqa", "b"),
            finish_even!(),
            odd!(0),
            odd!(1),
            odd!(2),
            odd!(3),
            odd!(4),
            odd!(5),
            odd!(6),
            odd!(7),
            odd!(8),
            rows!("vmovshdup", "odd"),
            finish_odd!(),
            a = in(reg) a,
            b = in(reg) b,
            odd = in(reg) &mut odd,
            out = in(reg) &mut out,
            reduction = in(reg) reduction,
            out("ymm0") _, out("ymm1") _, out("ymm2") _, out("ymm3") _, out("ymm4") _,
            out("ymm5") _, out("ymm6") _, out("ymm7") _, out("ymm8") _, out("ymm9") _,
            out("ymm10") _, out("ymm11") _, out("ymm12") _, out("ymm13") _, out("ymm14") _,
            out("ymm15") _,
            options(nostack, preserves_flags),
        );
    }
    out
}
