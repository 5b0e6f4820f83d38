//! Solvency: the preimage of a public hash holds at least a public price.
//!
//! Somebody has published `hash(balance, salt)` and now shows that the balance covers a price,
//! without showing the balance. Run with `cargo run --release -p kimchi --example preimage`.
#![allow(clippy::print_stdout, missing_docs)]

use std::time::Instant;

use kimchi::{
    ProverIndex,
    builder::{BuiltCircuit, CircuitBuilder, Values, WitnessGenerator, check},
    verify,
};
use mina_curves::{Fp, VestaConfig};
use mina_poseidon::{Kimchi, hash};
use poly_commitment::Srs;
use rand::rngs::OsRng;

/// Amounts are below `2^AMOUNT_BITS`.
const AMOUNT_BITS: usize = 64;

/// What everybody sees.
struct Statement {
    commitment: Fp,
    price: u64,
}

/// What only the prover knows.
struct Secret {
    balance: u64,
    salt: Fp,
}

type Input = (Statement, Secret);

impl Statement {
    /// The statement, on numbers.
    fn holds(&self, secret: &Secret) -> bool {
        let opened = hash::<Fp, Kimchi>(&[Fp::from(secret.balance), secret.salt]);
        opened == self.commitment && secret.balance >= self.price
    }
}

/// The statement, as a circuit: the same two lines, on variables.
fn constrain(cs: &mut CircuitBuilder<Fp, Input>) {
    let commitment = cs.public_input(|v: &Values<'_, Fp, Input>| v.input().0.commitment);
    let price = cs.public_input(|v| Fp::from(v.input().0.price));
    let balance = cs.witness(|v| Fp::from(v.input().1.balance));
    let salt = cs.witness(|v| v.input().1.salt);

    cs.region("the commitment opens", |cs| {
        let opened = cs.poseidon_hash(&[balance, salt]);
        cs.assert_equal(opened, commitment);
    });
    cs.region("the balance covers the price", |cs| {
        // Field elements have no order, and a difference below zero is one of some 2^254: that it
        // is short says that it is not negative, given that both are short.
        cs.assert_bits(price, AMOUNT_BITS);
        cs.assert_bits(balance, AMOUNT_BITS);
        cs.assert_bits(balance - price, AMOUNT_BITS);
    });
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut cs = CircuitBuilder::new();
    constrain(&mut cs);
    let (circuit, generator) = cs.finish()?;
    println!("{} rows", circuit.rows());
    for region in circuit.report() {
        println!("  {region}");
    }

    prove_and_verify(&circuit, &generator, 1_000)?;
    explain(&circuit, &generator, 6_000)
}

/// An input in which the hidden balance is 5000.
fn input(price: u64) -> Input {
    let secret = Secret { balance: 5_000, salt: Fp::from(0x0005_a175_a175_u64) };
    let commitment = hash::<Fp, Kimchi>(&[Fp::from(secret.balance), secret.salt]);
    (Statement { commitment, price }, secret)
}

fn prove_and_verify(
    circuit: &BuiltCircuit<Fp>,
    generator: &WitnessGenerator<Fp, Input>,
    price: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let (statement, secret) = input(price);
    assert!(statement.holds(&secret));
    let public = [statement.commitment, Fp::from(statement.price)];
    let witness = generator.witness(&(statement, secret))?;
    check(circuit, &witness)?;

    let index = ProverIndex::<VestaConfig>::new(circuit.circuit().clone(), Srs::shared(1 << 7))?;
    let start = Instant::now();
    let proof = index.prove(&witness, &[], &mut OsRng)?;
    println!("a price of {price}: proved in {:.0?}", start.elapsed());
    let start = Instant::now();
    verify(index.verifier_index(), &proof, &public, &mut OsRng)?;
    println!("a price of {price}: verified in {:.0?}", start.elapsed());
    Ok(())
}

/// What the checker says about a price that the balance does not cover.
fn explain(
    circuit: &BuiltCircuit<Fp>,
    generator: &WitnessGenerator<Fp, Input>,
    price: u64,
) -> Result<(), Box<dyn std::error::Error>> {
    let (statement, secret) = input(price);
    assert!(!statement.holds(&secret));
    let witness = generator.witness(&(statement, secret))?;
    match check(circuit, &witness) {
        Ok(()) => Err("the checker missed it".into()),
        Err(error) => {
            println!("a price of {price}: {error}");
            Ok(())
        }
    }
}
