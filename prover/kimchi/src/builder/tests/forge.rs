//! The attacks of [`testing`](crate::builder::testing) find holes.

use std::collections::BTreeSet;

use ark_ff::{AdditiveGroup, Field};
use mina_curves::Fp;

use crate::builder::{Values, testing::Lab};

/// `q·b = a` does not say that `q` is a quotient where `a = b = 0`.
fn unsound_division() -> Lab<Fp, [Fp; 2]> {
    Lab::new(|cs| {
        let [a, b] = cs.witnesses(|v: &Values<'_, Fp, [Fp; 2]>| *v.input());
        let quotient = cs.witness(move |v| v[a] * v[b].inverse().unwrap_or(Fp::ZERO));
        cs.assert_mul(quotient, b, a);
    })
}

#[test]
fn a_free_cell_is_found() {
    let lab = unsound_division();
    // While one of the two is zero, the other may be anything.
    let (quotient, divisor) = ((0, 0), (0, 1));
    let free = BTreeSet::from([quotient, divisor]);
    assert_eq!(lab.unnoticed_cells(&[Fp::ZERO; 2]), free);
    assert_eq!(lab.unnoticed_classes(&[Fp::ZERO; 2]), free);
    let input = [Fp::from(6u64), Fp::from(3u64)];
    assert!(lab.unnoticed_cells(&input).is_empty());
    assert_eq!(lab.kernel_dimension(&input), 2);
}

/// The sum of two cells is constrained, the cells are not: only together can they move.
#[test]
fn a_free_direction_is_found() {
    let lab = Lab::<Fp, Fp>::new(|cs| {
        let x = cs.witness(|v| *v.input());
        let [low, high] = cs.witnesses(move |v| [v[x], Fp::ZERO]);
        cs.assert_zero(low + high * Fp::from(16u64) - x);
        cs.assert_constant(x, Fp::from(7u64));
    });
    let input = Fp::from(7u64);
    assert!(lab.unnoticed_cells(&input).is_empty());
    assert!(lab.unnoticed_classes(&input).is_empty());
    assert_eq!(lab.kernel_dimension(&input), 1);
}
