//! Circuits in terms of variables, and a checker that says what a bad witness violates.
//!
//! A [`CircuitBuilder`] turns a statement into gates once. With them comes a [`WitnessGenerator`],
//! the closures by which the builder was told how to compute each private value: it makes a witness
//! for every input to be proved. That the shape of a circuit depends on no witness is a matter of
//! types: while it is built there is none.
//!
//! ```
//! use kimchi::builder::{CircuitBuilder, check};
//! use mina_curves::Fp;
//!
//! /// I know the factors of a public number.
//! struct Factors(Fp, Fp);
//!
//! let mut cs = CircuitBuilder::<Fp, Factors>::new();
//! let number = cs.public_input(|v| v.input().0 * v.input().1);
//! let a = cs.witness(|v| v.input().0);
//! let b = cs.witness(|v| v.input().1);
//! let product = cs.mul(a, b);
//! cs.assert_equal(product, number);
//!
//! let (circuit, generator) = cs.finish()?;
//! assert_eq!(circuit.rows(), 2);
//! let mut witness = generator.witness(&Factors(Fp::from(3u64), Fp::from(5u64)))?;
//! check(&circuit, &witness)?;
//!
//! witness[1][1] = Fp::from(4u64);
//! let error = check(&circuit, &witness).unwrap_err();
//! assert!(error.to_string().contains("row 1, Generic, constraint 0"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Values are [`Var`]s; sums of them with constant factors are [`Linear`] and cost nothing until
//! they are used. [`Boolean`], [`PointVar`] and [`SpongeVar`] are variables that are known to be
//! more than a field element. Parts of a circuit are named by [`CircuitBuilder::region`], after
//! which [`BuiltCircuit::report`] counts rows and the checker names faults.

mod arithmetic;
mod bits;
mod boolean;
mod check;
mod circuit;
mod cs;
mod describe;
mod element;
mod endo_scalar;
mod field;
mod linear;
mod point;
mod poseidon;
mod region;
mod scale;
#[cfg(any(test, feature = "test-utils"))]
pub mod testing;
#[cfg(test)]
mod tests;
mod witness;

pub use boolean::Boolean;
pub use check::{CellValue, CheckError, check, violations};
pub use circuit::{BuildError, BuiltCircuit};
pub use cs::CircuitBuilder;
pub use element::{Arena, Element};
pub use endo_scalar::ChallengeVar;
pub use field::CircuitField;
pub use linear::{Linear, Var};
pub use point::PointVar;
pub use poseidon::SpongeVar;
pub use region::RegionRows;
pub use scale::{half, scale_endo, scale_shifted};
pub use witness::{Values, WitnessError, WitnessGenerator};
