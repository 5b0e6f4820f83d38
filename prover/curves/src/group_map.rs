//! The map from field elements to curve points of Wahby and Boneh (BW19, a Shallue–van de
//! Woestijne map), as Kimchi uses it for the SRS and for the inner-product argument.
//!
//! Sources: <https://eprint.iacr.org/2019/403>, and o1-labs/proof-systems `groupmap/src/lib.rs`
//! for the choice of parameters. For `y² = x³ + 5` the parameter is `u = 1`, with `f(u) = 6`.

use alloc::{vec, vec::Vec};

use ark_ff::{Field, MontFp};

use crate::{
    fields::{Fp, Fq, PastaField},
    lanes::LaneBackend,
};

/// Precomputed constants of the map for `y² = x³ + 5` over `F`.
#[derive(Clone, Copy, Debug)]
pub struct GroupMap<F> {
    u: F,
    fu: F,
    sqrt_neg_three_u_squared: F,
    sqrt_neg_three_u_squared_minus_u_over_2: F,
    inv_three_u_squared: F,
}

/// The constant 5 of both curve equations.
const B: u64 = 5;

pub(crate) static PALLAS_MAP: GroupMap<Fp> = GroupMap {
    u: Fp::ONE,
    fu: MontFp!("6"),
    sqrt_neg_three_u_squared: MontFp!(
        "17006931536212783554987228065028097629383328157457783420645920607630467569011"
    ),
    sqrt_neg_three_u_squared_minus_u_over_2: MontFp!(
        "8503465768106391777493614032514048814691664078728891710322960303815233784505"
    ),
    inv_three_u_squared: MontFp!(
        "19298681539552699237261830834781317975575370987961040477303117842899978420225"
    ),
};

pub(crate) static VESTA_MAP: GroupMap<Fq> = GroupMap {
    u: Fq::ONE,
    fu: MontFp!("6"),
    sqrt_neg_three_u_squared: MontFp!(
        "5885731217013704028947117152987276604395468276778445611234961748972736355487"
    ),
    sqrt_neg_three_u_squared_minus_u_over_2: MontFp!(
        "2942865608506852014473558576493638302197734138389222805617480874486368177743"
    ),
    inv_three_u_squared: MontFp!(
        "19298681539552699237261830834781317975575370987961098253119828498928908632065"
    ),
};

/// The map's constants, for circuits that compute it: with `s = √(-3u²)`, the candidates are
/// `x1 = c1 - t⁴·α·c2`, `x2 = -u - x1` and `x3 = u - (t² + fu)³·α·c3`, where `α` is the inverse of
/// `t²·(t² + fu)`.
#[derive(Clone, Copy, Debug)]
pub struct GroupMapConstants<F> {
    /// `u`.
    pub u: F,
    /// `f(u)`, the curve's right-hand side at `u`.
    pub fu: F,
    /// `(s - u)/2`.
    pub c1: F,
    /// `s`.
    pub c2: F,
    /// `1/(3u²)`.
    pub c3: F,
}

impl<F: PastaField> GroupMap<F> {
    /// The constants of the candidates.
    pub fn constants(&self) -> GroupMapConstants<F> {
        GroupMapConstants {
            u: self.u,
            fu: self.fu,
            c1: self.sqrt_neg_three_u_squared_minus_u_over_2,
            c2: self.sqrt_neg_three_u_squared,
            c3: self.inv_three_u_squared,
        }
    }

    /// The three candidate x-coordinates for `t`; at least one of them is on the curve.
    pub fn candidates(&self, t: F) -> [F; 3] {
        let t2 = t.square();
        let alpha = ((t2 + self.fu) * t2).inverse().unwrap_or(F::ZERO);
        self.candidates_with(t2, alpha)
    }

    /// `alpha` is the inverse of `t2·(t2 + f(u))`, or zero.
    fn candidates_with(&self, t2: F, alpha: F) -> [F; 3] {
        let x1 = self.sqrt_neg_three_u_squared_minus_u_over_2
            - t2.square() * alpha * self.sqrt_neg_three_u_squared;
        let x2 = -self.u - x1;
        let t2_plus_fu = t2 + self.fu;
        let x3 = self.u - t2_plus_fu.square() * t2_plus_fu * alpha * self.inv_three_u_squared;
        [x1, x2, x3]
    }

    /// The point `(x, y)` that `t` maps to: the first candidate with a square right-hand side, and
    /// the square root that arkworks' Tonelli–Shanks returns.
    pub fn to_group(&self, t: F) -> (F, F) {
        self.first_on_curve(self.candidates(t))
    }

    /// [`Self::to_group`] of many elements, with one inversion for all and the square roots in lanes.
    pub fn to_group_many(&self, ts: &[F]) -> Vec<(F, F)> {
        self.map_many(LaneBackend::detect(), ts)
    }

    fn map_many(&self, backend: LaneBackend, ts: &[F]) -> Vec<(F, F)> {
        let squares: Vec<F> = ts.iter().map(F::square).collect();
        let mut alphas: Vec<F> = squares.iter().map(|t2| (*t2 + self.fu) * t2).collect();
        ark_ff::batch_inversion(&mut alphas);
        let candidates: Vec<[F; 3]> = squares
            .into_iter()
            .zip(alphas)
            .map(|(t2, alpha)| self.candidates_with(t2, alpha))
            .collect();
        let mut points = vec![None; ts.len()];
        let mut open: Vec<usize> = (0..ts.len()).collect();
        for candidate in [0, 1, 2] {
            let x = |i: &usize| candidates[*i][candidate];
            let right: Vec<F> = open.iter().map(|i| x(i).square() * x(i) + F::from(B)).collect();
            for (i, root) in open.iter().zip(F::sqrt_table().sqrt_many(backend, &right)) {
                points[*i] = root.map(|y| (x(i), y));
            }
            open.retain(|i| points[*i].is_none());
        }
        let last =
            |(point, xs): (Option<_>, [F; 3])| point.unwrap_or_else(|| self.first_on_curve(xs));
        points.into_iter().zip(candidates).map(last).collect()
    }

    fn first_on_curve(&self, candidates: [F; 3]) -> (F, F) {
        for x in candidates {
            let rhs = x.square() * x + F::from(B);
            if let Some(y) = rhs.square_root() {
                return (x, y);
            }
        }
        // f(x1)·f(x2)·f(x3) is a square for every t, so one of the three factors is one; only a
        // wrong constant in this file could lead here.
        debug_assert!(false, "no candidate on the curve");
        (F::ZERO, F::ZERO)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constants<F: PastaField>(map: &GroupMap<F>) {
        let minus_three = -F::from(3u64);
        assert_eq!(minus_three.sqrt(), Some(map.sqrt_neg_three_u_squared));
        let half = F::from(2u64).inverse().unwrap();
        assert_eq!(
            (map.sqrt_neg_three_u_squared - F::ONE) * half,
            map.sqrt_neg_three_u_squared_minus_u_over_2
        );
        assert_eq!(map.inv_three_u_squared * F::from(3u64), F::ONE);
    }

    #[test]
    fn constants_are_what_they_are_named() {
        constants(&PALLAS_MAP);
        constants(&VESTA_MAP);
    }

    fn batches<F: PastaField>(map: &GroupMap<F>) {
        let ts: Vec<F> = (0..150u64).map(F::from).collect();
        let expected: Vec<(F, F)> = ts.iter().map(|t| map.to_group(*t)).collect();
        for (x, y) in &expected {
            assert_eq!(y.square(), x.square() * x + F::from(5u64));
        }
        for backend in [LaneBackend::Scalar, LaneBackend::Avx2, LaneBackend::Avx512Ifma] {
            for n in [0, 1, 9, 150] {
                assert_eq!(map.map_many(backend, &ts[..n]), expected[..n], "{backend:?}");
            }
        }
    }

    #[test]
    fn maps_onto_the_curve_and_batches_agree() {
        batches(&PALLAS_MAP);
        batches(&VESTA_MAP);
    }
}
