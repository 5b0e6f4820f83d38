//! Pallas and Vesta, and the trait through which generic code sees either.

use ark_ec::{
    CurveConfig,
    short_weierstrass::{Affine, Projective, SWCurveConfig},
};
use ark_ff::{AdditiveGroup, Field, MontFp};

use crate::{
    fields::{Fp, Fq, PastaField},
    group_map::{GroupMap, PALLAS_MAP, VESTA_MAP},
    msm::EndoLattice,
};

/// Parameters of [`Pallas`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PallasConfig;

/// Parameters of [`Vesta`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VestaConfig;

/// An affine point of Pallas: `y² = x³ + 5` over [`Fp`], of order `|Fq|`.
pub type Pallas = Affine<PallasConfig>;

/// An affine point of Vesta: `y² = x³ + 5` over [`Fq`], of order `|Fp|`.
pub type Vesta = Affine<VestaConfig>;

/// An affine point of the curve `C`.
pub type Point<C> = Affine<C>;

/// A point of the curve `C` in Jacobian coordinates.
pub type ProjectivePoint<C> = Projective<C>;

impl CurveConfig for PallasConfig {
    type BaseField = Fp;
    type ScalarField = Fq;
    const COFACTOR: &'static [u64] = &[1];
    const COFACTOR_INV: Fq = Fq::ONE;
}

impl SWCurveConfig for PallasConfig {
    // (0, 0) is not on the curve, so it can stand for the point at infinity: points are 64 bytes.
    type ZeroFlag = ();
    const COEFF_A: Fp = Fp::ZERO;
    const COEFF_B: Fp = MontFp!("5");
    const GENERATOR: Pallas = Affine::new_unchecked(
        Fp::ONE,
        MontFp!("12418654782883325593414442427049395787963493412651469444558597405572177144507"),
    );

    fn mul_by_a(_: Fp) -> Fp {
        Fp::ZERO
    }
}

impl CurveConfig for VestaConfig {
    type BaseField = Fq;
    type ScalarField = Fp;
    const COFACTOR: &'static [u64] = &[1];
    const COFACTOR_INV: Fp = Fp::ONE;
}

impl SWCurveConfig for VestaConfig {
    type ZeroFlag = ();
    const COEFF_A: Fq = Fq::ZERO;
    const COEFF_B: Fq = MontFp!("5");
    const GENERATOR: Vesta = Affine::new_unchecked(
        Fq::ONE,
        MontFp!("11426906929455361843568202299992114520848200991084027513389447476559454104162"),
    );

    fn mul_by_a(_: Fq) -> Fq {
        Fq::ZERO
    }
}

/// One of the two curves of the Pasta cycle.
pub trait PastaCurve: SWCurveConfig<BaseField: PastaField, ScalarField: PastaField> {
    /// The other curve, whose base field is this one's scalar field and the reverse.
    type Other: PastaCurve<BaseField = Self::ScalarField, ScalarField = Self::BaseField>;

    /// `"pallas"` or `"vesta"`.
    const NAME: &'static str;

    /// `ξ`: the cube root of unity with `φ(x, y) = (ξ·x, y)` on the curve.
    const ENDO_BASE: Self::BaseField;

    /// `λ`: the scalar with `φ(P) = [λ]P`.
    const ENDO_SCALAR: Self::ScalarField;

    /// The lattice behind the splitting of scalars along the endomorphism.
    #[doc(hidden)]
    const ENDO_LATTICE: EndoLattice;

    /// The map from base field elements to points.
    fn group_map() -> &'static GroupMap<Self::BaseField>;
}

impl PastaCurve for PallasConfig {
    type Other = VestaConfig;
    const NAME: &'static str = "pallas";
    const ENDO_BASE: Fp =
        MontFp!("20444556541222657078399132219657928148671392403212669005631716460534733845831");
    const ENDO_SCALAR: Fq =
        MontFp!("26005156700822196841419187675678338661165322343552424574062261873906994770353");

    const ENDO_LATTICE: EndoLattice = EndoLattice {
        a: 0x49e6_9d16_40a8_9953_8cb1_2793_0000_0000,
        b: 0x49e6_9d16_40f0_4915_7fca_e1c7_0000_0001,
        a_over_r: [0x32c4_9e4b_ffff_ffff, 0x279a_7459_02a2_654e, 1],
        b_over_r: [0xff2b_871c_0000_0003, 0x279a_7459_03c1_2455, 1],
    };

    fn group_map() -> &'static GroupMap<Fp> {
        &PALLAS_MAP
    }
}

impl PastaCurve for VestaConfig {
    type Other = PallasConfig;
    const NAME: &'static str = "vesta";
    const ENDO_BASE: Fq =
        MontFp!("2942865608506852014473558576493638302197734138389222805617480874486368177743");
    const ENDO_SCALAR: Fp =
        MontFp!("8503465768106391777493614032514048814691664078728891710322960303815233784505");

    const ENDO_LATTICE: EndoLattice = EndoLattice {
        a: 0x49e6_9d16_40f0_4915_7fca_e1c7_0000_0000,
        b: 0x49e6_9d16_40a8_9953_8cb1_2793_0000_0001,
        a_over_r: [0xff2b_871b_ffff_ffff, 0x279a_7459_03c1_2455, 1],
        b_over_r: [0x32c4_9e4c_0000_0003, 0x279a_7459_02a2_654e, 1],
    };

    fn group_map() -> &'static GroupMap<Fq> {
        &VESTA_MAP
    }
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, CurveGroup};
    use ark_ff::Zero;

    use super::*;

    fn endomorphism<C: PastaCurve>() {
        let g = C::GENERATOR;
        assert!(g.is_on_curve());
        let image = Point::<C>::new_unchecked(g.x * C::ENDO_BASE, g.y);
        assert_eq!((g * C::ENDO_SCALAR).into_affine(), image);
        assert!(C::ENDO_SCALAR != C::ScalarField::ONE);
        let order = <C::ScalarField as ark_ff::PrimeField>::MODULUS;
        assert!(g.mul_bigint(order).is_zero());
    }

    #[test]
    fn endomorphism_is_scalar_multiplication() {
        endomorphism::<PallasConfig>();
        endomorphism::<VestaConfig>();
    }
}
