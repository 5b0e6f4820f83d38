//! The two Fiat–Shamir sponges of Kimchi.
//!
//! The Fq-sponge absorbs commitments in the curve's base field and gives challenges as scalars;
//! the Fr-sponge absorbs evaluations in the scalar field.

use core::fmt::Debug;

use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, PrimeField};
use mina_curves::{PallasConfig, PastaCurve, PastaField, Point, ScalarChallenge, VestaConfig};

use crate::{permutation::PoseidonField, sponge::Sponge};

/// A Pasta curve both of whose fields have Poseidon constants: what Kimchi is generic over.
///
/// The bounds on the marker type let types that are generic over it derive the same traits.
pub trait KimchiCurve:
    PastaCurve<BaseField: PoseidonField, ScalarField: PoseidonField> + Copy + Debug + Eq
{
}

impl KimchiCurve for PallasConfig {}
impl KimchiCurve for VestaConfig {}

/// The sponge over the base field of `C`.
#[derive(Clone, Debug)]
pub struct FqSponge<C: KimchiCurve> {
    sponge: Sponge<C::BaseField>,
}

impl<C: KimchiCurve> Default for FqSponge<C> {
    fn default() -> Self {
        Self { sponge: Sponge::new() }
    }
}

impl<C: KimchiCurve> FqSponge<C> {
    /// An empty sponge.
    pub fn new() -> Self {
        Self::default()
    }

    /// Absorbs a base field element.
    pub fn absorb_base(&mut self, x: C::BaseField) {
        self.sponge.absorb(x);
    }

    /// Absorbs both coordinates of a point; the point at infinity counts as `(0, 0)`.
    pub fn absorb_point(&mut self, point: &Point<C>) {
        let (x, y) = point.xy().unwrap_or((C::BaseField::ZERO, C::BaseField::ZERO));
        self.sponge.absorb(x);
        self.sponge.absorb(y);
    }

    /// Absorbs points in order.
    pub fn absorb_points<'a>(&mut self, points: impl IntoIterator<Item = &'a Point<C>>) {
        for point in points {
            self.absorb_point(point);
        }
    }

    /// Absorbs a scalar: as it is where the scalar field is the smaller one, else its value shifted
    /// right by one, then its lowest bit.
    pub fn absorb_scalar(&mut self, x: C::ScalarField) {
        let bits = x.into_bigint();
        if C::ScalarField::MODULUS < C::BaseField::MODULUS {
            self.sponge.absorb(base_from_bits::<C>(bits));
        } else {
            let low = C::BaseField::from(bits.0[0] & 1);
            self.sponge.absorb(base_from_bits::<C>(bits >> 1));
            self.sponge.absorb(low);
        }
    }

    /// Squeezes a base field element.
    pub fn squeeze_base(&mut self) -> C::BaseField {
        self.sponge.squeeze()
    }

    /// Squeezes a 128-bit challenge: the low bits of one element.
    pub fn challenge(&mut self) -> ScalarChallenge {
        ScalarChallenge::from_low_bits(self.sponge.squeeze())
    }

    /// Squeezes an element and reads it as a scalar; zero if it is not below the scalar modulus.
    pub fn digest(mut self) -> C::ScalarField {
        C::ScalarField::from_limbs(self.sponge.squeeze().to_limbs()).unwrap_or(C::ScalarField::ZERO)
    }
}

/// `bits` as a base field element; the callers shift or compare so that it always fits.
fn base_from_bits<C: KimchiCurve>(bits: ark_ff::BigInteger256) -> C::BaseField {
    C::BaseField::from_bigint(bits).unwrap_or(C::BaseField::ZERO)
}

/// The sponge over the scalar field `F`.
#[derive(Clone, Debug)]
pub struct FrSponge<F: PoseidonField> {
    sponge: Sponge<F>,
}

impl<F: PoseidonField> Default for FrSponge<F> {
    fn default() -> Self {
        Self { sponge: Sponge::new() }
    }
}

impl<F: PoseidonField> FrSponge<F> {
    /// An empty sponge.
    pub fn new() -> Self {
        Self::default()
    }

    /// Absorbs one element.
    pub fn absorb(&mut self, x: F) {
        self.sponge.absorb(x);
    }

    /// Absorbs elements in order.
    pub fn absorb_all(&mut self, xs: &[F]) {
        self.sponge.absorb_all(xs);
    }

    /// Squeezes a 128-bit challenge: the low bits of one element.
    pub fn challenge(&mut self) -> ScalarChallenge {
        ScalarChallenge::from_low_bits(self.sponge.squeeze())
    }

    /// Squeezes an element.
    pub fn digest(mut self) -> F {
        self.sponge.squeeze()
    }
}
