//! The shape of a proof, checked before anything is computed on it.

use poly_commitment::Commitment;

use super::Instance;
use crate::{
    error::VerifyError,
    features::FeatureFlags,
    index::CircuitCurve,
    proof::{AtPoints, Column, MAX_SORTED, Proof, opened_columns},
};

/// Checks every length that the verifier relies on.
pub(super) fn check<C: CircuitCurve>(
    instance: &Instance<'_, C>,
    features: &FeatureFlags,
) -> Result<(), VerifyError> {
    let Instance { index, proof, public_input } = *instance;
    let (expected, got) = (index.public, public_input.len());
    if expected != got {
        return Err(VerifyError::PublicInputLength { expected, got });
    }
    previous(instance)?;
    let chunks = index.chunks();
    commitments(proof, features, chunks)?;
    for (i, commitment) in index.commitments().into_iter().enumerate() {
        chunk_count(&format!("index column {i}"), commitment, chunks)?;
    }
    evaluations(proof, features, chunks)
}

fn previous<C: CircuitCurve>(instance: &Instance<'_, C>) -> Result<(), VerifyError> {
    let Instance { index, proof, .. } = *instance;
    let (expected, got) = (index.previous, proof.previous.len());
    if expected != got {
        return Err(VerifyError::PreviousChallenges { expected, got });
    }
    let expected = index.srs.size().ilog2() as usize;
    for (i, previous) in proof.previous.iter().enumerate() {
        let got = previous.challenges.len();
        // Exactly: the transcript absorbs challenges without their number, and a sponge does not tell
        // trailing zeros from nothing, while the polynomial they stand for is another.
        if got != expected {
            return Err(VerifyError::PreviousChallengeLength { index: i, expected, got });
        }
        chunk_count(&format!("previous challenge {i}"), &previous.commitment, 1)?;
    }
    Ok(())
}

fn chunk_count<C: CircuitCurve>(
    name: &str,
    commitment: &Commitment<C>,
    expected: usize,
) -> Result<(), VerifyError> {
    let got = commitment.chunks.len();
    if got == expected {
        Ok(())
    } else {
        Err(VerifyError::CommitmentChunks { name: name.into(), expected, got })
    }
}

fn commitments<C: CircuitCurve>(
    proof: &Proof<C>,
    features: &FeatureFlags,
    chunks: usize,
) -> Result<(), VerifyError> {
    let commitments = &proof.commitments;
    for (i, commitment) in commitments.witness.iter().enumerate() {
        chunk_count(&format!("witness column {i}"), commitment, chunks)?;
    }
    chunk_count("the permutation accumulator", &commitments.permutation, chunks)?;
    let (most, got) = (7 * chunks, commitments.quotient.chunks.len());
    if got > most {
        let name = "the quotient".into();
        return Err(VerifyError::CommitmentChunks { name, expected: most, got });
    }

    let (expected, got) = (features.uses_lookups(), commitments.lookup.is_some());
    if expected != got {
        return Err(VerifyError::LookupCommitments { expected, got });
    }
    let Some(lookup) = &commitments.lookup else { return Ok(()) };
    let (expected, got) = (features.lookup.max_per_row() + 1, lookup.sorted.len());
    if expected != got {
        return Err(VerifyError::SortedColumns { expected, got });
    }
    for (i, commitment) in lookup.sorted.iter().enumerate() {
        chunk_count(&format!("sorted column {i}"), commitment, chunks)?;
    }
    chunk_count("the lookup accumulator", &lookup.aggregation, chunks)?;
    match (features.lookup.uses_runtime_tables, &lookup.runtime) {
        (true, Some(runtime)) => chunk_count("the runtime table", runtime, chunks),
        (false, None) => Ok(()),
        (true, None) => Err(VerifyError::MissingCommitment(Column::RuntimeTable)),
        (false, Some(_)) => Err(VerifyError::CommitmentChunks {
            name: "the runtime table".into(),
            expected: 0,
            got: 1,
        }),
    }
}

fn evaluations<C: CircuitCurve>(
    proof: &Proof<C>,
    features: &FeatureFlags,
    chunks: usize,
) -> Result<(), VerifyError> {
    let evaluations = &proof.evaluations;
    let chunk_count = |name: String, at: &AtPoints<Vec<C::ScalarField>>| {
        for got in [at.zeta.len(), at.zeta_omega.len()] {
            if got != chunks {
                return Err(VerifyError::EvaluationChunks { name, expected: chunks, got });
            }
        }
        Ok(())
    };
    if let Some(public) = &evaluations.public {
        chunk_count("the public input".into(), public)?;
    }
    let expected = opened_columns(features);
    for column in &expected {
        let at = evaluations.get(*column).ok_or(VerifyError::MissingEvaluation(*column))?;
        chunk_count(format!("{column:?}"), at)?;
    }
    for column in optional_columns() {
        if evaluations.get(column).is_some() && !expected.contains(&column) {
            return Err(VerifyError::UnexpectedEvaluation(column));
        }
    }
    Ok(())
}

/// Every column whose evaluation may be missing.
fn optional_columns() -> impl Iterator<Item = Column> {
    crate::OPTIONAL_GATES
        .into_iter()
        .map(Column::Selector)
        .chain((0..MAX_SORTED).map(Column::LookupSorted))
        .chain([Column::LookupAggregation, Column::LookupTable])
        .chain([Column::RuntimeTable, Column::RuntimeTableSelector])
        .chain(crate::LOOKUP_PATTERNS.into_iter().map(Column::LookupSelector))
}
