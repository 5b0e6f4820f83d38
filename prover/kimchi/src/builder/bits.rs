//! Bits and ranges.

use ark_ff::BigInteger;

use super::{boolean::Boolean, cs::CircuitBuilder, field::CircuitField, linear::Linear};

/// Bits that a row of [`GateKind::EndoMulScalar`](crate::GateKind) decomposes.
const BITS_PER_ROW: usize = 16;

impl<F: CircuitField, I> CircuitBuilder<F, I> {
    /// The bits of a value below `2^count`, lowest first; `2·count` halves. To only show that a
    /// value is in range, [`assert_bits`](Self::assert_bits) is an eighth of that.
    ///
    /// # Panics
    /// If `count` is above 254: a value could then have two decompositions.
    pub fn to_bits(&mut self, x: impl Into<Linear<F>>, count: usize) -> Vec<Boolean<F>> {
        assert!(count <= 254, "{count} bits are more than a field element has");
        let x = x.into();
        let source = x.clone();
        let bits = self.try_witnesses(count, move |v| {
            let value = v.evaluate(&source).into_bigint();
            Ok((0..count).map(|i| F::from(value.get_bit(i))).collect())
        });
        let bits: Vec<Boolean<F>> = bits.into_iter().map(|x| Boolean::assert(self, x)).collect();
        self.assert_equal(Linear::from_bits(&bits), x);
        bits
    }

    /// Asserts that a value is below `2^bits`, in `⌈bits/16⌉` rows, or twice that unless `bits` is a
    /// multiple of 16, or 2 less than one.
    ///
    /// # Panics
    /// If `bits` is above 224.
    pub fn assert_bits(&mut self, x: impl Into<Linear<F>>, bits: usize) {
        assert!(bits <= 224, "range checks go up to 224 bits, not {bits}");
        let x = self.reduce(x);
        let rows = bits.div_ceil(BITS_PER_ROW);
        let excess = rows * BITS_PER_ROW - bits;
        // The first crumb of a row can be wired, the others not.
        self.crumbs(x, rows, excess == 2);
        if excess > 0 && excess != 2 {
            // x is below 2^(bits + excess), so the product does not reach the modulus, and that it
            // is below 2^(bits + excess) too says that x is below 2^bits.
            let shifted = self.reduce(x * F::from(1u64 << excess));
            self.crumbs(shifted, rows, false);
        }
        if rows == 0 {
            self.assert_zero(x);
        }
    }
}
