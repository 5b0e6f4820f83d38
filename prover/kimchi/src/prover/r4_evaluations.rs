//! Round 4: every polynomial at `ζ` and `ζω`, and the linearization `ft`.

use ark_ff::{AdditiveGroup, Field};
use rayon::prelude::*;

use super::{
    ProverIndex,
    error::ProverError,
    polynomial::{add_scaled, evaluate as evaluate_at},
    r1_witness::CommittedWitness,
    r2_permutation::Accumulator,
    r3_quotient::Quotient,
};
use crate::{
    index::CircuitCurve,
    linearization::{Parameters, ft_zeta, permutation_scalar},
    proof::{AtPoints, Evaluations},
    transcript::Challenges,
};

/// What the prover claims about `ζ` and `ζω`.
pub(super) struct Evaluated<F> {
    pub(super) public: AtPoints<Vec<F>>,
    pub(super) evaluations: Evaluations<Vec<F>>,
}

/// The polynomial `f - (ζ^n - 1)·t`, chunks joined.
pub(super) struct Linearized<F> {
    pub(super) coefficients: Vec<F>,
    pub(super) blinder: F,
    pub(super) ft_zeta_omega: F,
}

pub(super) fn evaluate<C: CircuitCurve>(
    index: &ProverIndex<C>,
    witness: &CommittedWitness<C>,
    accumulator: &Accumulator<C>,
    challenges: &Challenges<C::ScalarField>,
) -> Evaluated<C::ScalarField> {
    let zeta = challenges.zeta;
    let zeta_omega = zeta * index.domain().generator();
    let at = |coefficients: &Vec<C::ScalarField>| AtPoints {
        zeta: vec![evaluate_at(coefficients, zeta)],
        zeta_omega: vec![evaluate_at(coefficients, zeta_omega)],
    };
    let all = |columns: &[Vec<C::ScalarField>]| -> Vec<_> { columns.par_iter().map(at).collect() };
    let fixed = &index.fixed;
    let (witness_values, sigma) = (all(&witness.coefficients), all(&fixed.sigma));
    let (coefficients, selectors) = (all(&fixed.coefficients), all(&fixed.selectors));
    let public = at(&witness.public);
    Evaluated {
        evaluations: Evaluations {
            public: Some(public.clone()),
            witness: std::array::from_fn(|i| witness_values[i].clone()),
            permutation: at(&accumulator.coefficients),
            sigma: std::array::from_fn(|i| sigma[i].clone()),
            coefficients: std::array::from_fn(|i| coefficients[i].clone()),
            selectors: std::array::from_fn(|i| selectors[i].clone()),
            optional_selectors: [const { None }; 6],
            lookup_aggregation: None,
            lookup_table: None,
            lookup_sorted: [const { None }; crate::MAX_SORTED],
            runtime_table: None,
            runtime_table_selector: None,
            lookup_selectors: [const { None }; 4],
        },
        public,
    }
}

/// The linearization; an error if it does not have the value at `ζ` that the constraints ask for,
/// which is to say that they do not hold.
pub(super) fn linearize<C: CircuitCurve>(
    index: &ProverIndex<C>,
    evaluated: &Evaluated<C::ScalarField>,
    quotient: &Quotient<C>,
    challenges: &Challenges<C::ScalarField>,
) -> Result<Linearized<C::ScalarField>, ProverError> {
    let verifier = index.verifier_index();
    let zeta = challenges.zeta;
    let zeta_omega = zeta * index.domain().generator();
    let zeta_to_chunk = zeta.pow([verifier.max_poly_size as u64]);
    let parameters = Parameters {
        domain: (index.domain(), zeta),
        zk_rows: verifier.zk_rows,
        shifts: &verifier.shifts,
        endo: verifier.endo(),
        revision: verifier.revision,
        features: index.features(),
    };
    // One chunk per column, so no power of ζ joins any but the quotient's.
    let one = C::ScalarField::ONE;
    let joined = evaluated.evaluations.combine(AtPoints { zeta: one, zeta_omega: one });
    let scalar = permutation_scalar(&parameters, &joined, challenges);

    let length = verifier.max_poly_size.min(quotient.coefficients.len());
    let mut coefficients = vec![C::ScalarField::ZERO; length.max(index.domain().size())];
    if let Some(last_sigma) = index.fixed.sigma.last() {
        add_scaled(&mut coefficients, last_sigma, scalar);
    }
    let vanishing = index.domain().vanishing(zeta);
    let mut power = -vanishing;
    for chunk in quotient.coefficients.chunks(verifier.max_poly_size) {
        add_scaled(&mut coefficients, chunk, power);
        power *= zeta_to_chunk;
    }
    // The quotient comes from as many values as it has coefficients: whether the constraints are
    // divisible by ζ^n - 1 at all shows only here, at a point that was chosen afterwards.
    let public = evaluated.public.zeta.first().copied().unwrap_or_default();
    if evaluate_at(&coefficients, zeta) != ft_zeta(&parameters, &joined, challenges, public) {
        return Err(ProverError::Constraint);
    }
    let blinder = quotient
        .blinders
        .iter()
        .rev()
        .fold(C::ScalarField::ZERO, |acc, blinder| acc * zeta_to_chunk + blinder);
    Ok(Linearized {
        ft_zeta_omega: evaluate_at(&coefficients, zeta_omega),
        coefficients,
        blinder: -vanishing * blinder,
    })
}
