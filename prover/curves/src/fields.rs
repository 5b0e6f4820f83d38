//! The two Pasta prime fields.
//!
//! Source: <https://electriccoin.co/blog/the-pasta-curves-for-halo-2-and-beyond/>; both moduli are
//! `2^254 + c` with `c < 2^126`, two-adicity 32 and multiplicative generator 5.

use alloc::boxed::Box;

use ark_ff::{BigInteger256, Fp256, MontBackend, MontConfig, PrimeField};
use once_cell::race::OnceBox;

use crate::sqrt::SqrtTable;

/// Parameters of [`Fp`].
#[derive(Debug, MontConfig)]
#[modulus = "28948022309329048855892746252171976963363056481941560715954676764349967630337"]
#[generator = "5"]
pub struct FpParams;

/// Parameters of [`Fq`].
#[derive(Debug, MontConfig)]
#[modulus = "28948022309329048855892746252171976963363056481941647379679742748393362948097"]
#[generator = "5"]
pub struct FqParams;

/// Base field of Pallas, scalar field of Vesta: the field of Mina's ledger and of step circuits.
pub type Fp = Fp256<MontBackend<FpParams, 4>>;

/// Base field of Vesta, scalar field of Pallas: the field of wrap circuits.
pub type Fq = Fp256<MontBackend<FqParams, 4>>;

/// What generic code over "one of the two Pasta fields" may rely on.
pub trait PastaField: PrimeField<BigInt = BigInteger256> {
    /// `"fp"` or `"fq"`.
    const NAME: &'static str;

    /// The canonical value of `self` as four little-endian 64-bit limbs.
    fn to_limbs(self) -> [u64; 4] {
        self.into_bigint().0
    }

    /// The element whose canonical value is `limbs` (little-endian), or `None` if that is not
    /// below the modulus.
    fn from_limbs(limbs: [u64; 4]) -> Option<Self> {
        Self::from_bigint(BigInteger256::new(limbs))
    }

    /// The element whose Montgomery form (its value times `2^256`) is `words`, which must be below
    /// the modulus.
    #[doc(hidden)]
    fn from_montgomery(words: BigInteger256) -> Self;

    /// The Montgomery form of `self`.
    #[doc(hidden)]
    fn montgomery(self) -> BigInteger256;

    /// Where the domains of [`Domain::cached`](crate::fft::Domain::cached) are kept.
    #[cfg(feature = "std")]
    #[doc(hidden)]
    fn domains() -> &'static [std::sync::OnceLock<Option<crate::fft::Domain<Self>>>; 33];

    /// What [`Self::square_root`] needs.
    #[doc(hidden)]
    fn sqrt_table() -> &'static SqrtTable<Self>;

    /// A square root, if there is one: the one that arkworks' `sqrt` finds, in half the time.
    ///
    /// The time depends on the element.
    fn square_root(self) -> Option<Self> {
        Self::sqrt_table().sqrt(self)
    }

    /// The element with the 128-bit value `low + 2^64·high`.
    fn from_u128_limbs([low, high]: [u64; 2]) -> Self {
        Self::from((u128::from(high) << 64) | u128::from(low))
    }
}

impl PastaField for Fp {
    const NAME: &'static str = "fp";

    #[cfg(feature = "std")]
    fn domains() -> &'static [std::sync::OnceLock<Option<crate::fft::Domain<Self>>>; 33] {
        static DOMAINS: [std::sync::OnceLock<Option<crate::fft::Domain<Fp>>>; 33] =
            [const { std::sync::OnceLock::new() }; 33];
        &DOMAINS
    }

    fn sqrt_table() -> &'static SqrtTable<Self> {
        static TABLE: OnceBox<SqrtTable<Fp>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(SqrtTable::new()))
    }

    fn from_montgomery(words: BigInteger256) -> Self {
        Self::new_unchecked(words)
    }

    fn montgomery(self) -> BigInteger256 {
        self.0
    }
}

impl PastaField for Fq {
    const NAME: &'static str = "fq";

    #[cfg(feature = "std")]
    fn domains() -> &'static [std::sync::OnceLock<Option<crate::fft::Domain<Self>>>; 33] {
        static DOMAINS: [std::sync::OnceLock<Option<crate::fft::Domain<Fq>>>; 33] =
            [const { std::sync::OnceLock::new() }; 33];
        &DOMAINS
    }

    fn sqrt_table() -> &'static SqrtTable<Self> {
        static TABLE: OnceBox<SqrtTable<Fq>> = OnceBox::new();
        TABLE.get_or_init(|| Box::new(SqrtTable::new()))
    }

    fn from_montgomery(words: BigInteger256) -> Self {
        Self::new_unchecked(words)
    }

    fn montgomery(self) -> BigInteger256 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;

    use super::*;

    fn root_of_unity<F: PastaField>() {
        let mut root = F::TWO_ADIC_ROOT_OF_UNITY;
        for _ in 0..31 {
            root.square_in_place();
        }
        assert_eq!(root, -F::ONE);
        assert_eq!(F::TWO_ADICITY, 32);
        assert!(F::GENERATOR.legendre().is_qnr());
    }

    #[test]
    fn two_adic_roots() {
        root_of_unity::<Fp>();
        root_of_unity::<Fq>();
    }

    #[test]
    fn limbs_round_trip_and_refuse_the_modulus() {
        let x = Fp::from(3u64).inverse().unwrap();
        assert_eq!(Fp::from_limbs(x.to_limbs()), Some(x));
        assert_eq!(Fp::from_limbs(Fp::MODULUS.0), None);
        assert_eq!(Fq::from_limbs(Fp::MODULUS.0).map(|x| x.to_limbs()), Some(Fp::MODULUS.0));
        assert_eq!(Fq::from_limbs(Fq::MODULUS.0), None);
    }
}
