//! From values to msgpack.

use ark_serialize::CanonicalSerialize;
use poly_commitment::Commitment;
use serde::Serialize;

use super::{CodecError, Statement, domain_bytes, raw, raw::Bytes};
use crate::{
    features::LookupFeatures,
    index::{CircuitCurve, LookupIndex, VerifierIndex},
    proof::{AtPoints, Evaluations, Proof},
};

fn failed(part: &'static str, error: impl core::fmt::Display) -> CodecError {
    CodecError::Structure { part, reason: error.to_string() }
}

fn message(part: &'static str, value: &impl Serialize) -> Result<Vec<u8>, CodecError> {
    rmp_serde::to_vec(value).map_err(|error| failed(part, error))
}

fn bytes(value: &impl CanonicalSerialize) -> Result<Bytes, CodecError> {
    let mut bytes = Vec::with_capacity(value.compressed_size());
    value.serialize_compressed(&mut bytes).map_err(|error| failed("element", error))?;
    Ok(Bytes(bytes))
}

fn list<T, U>(
    items: &[T],
    write: impl Fn(&T) -> Result<U, CodecError>,
) -> Result<Vec<U>, CodecError> {
    items.iter().map(write).collect()
}

fn optional<T, U>(
    item: &Option<T>,
    write: impl Fn(&T) -> Result<U, CodecError>,
) -> Result<Option<U>, CodecError> {
    item.as_ref().map(write).transpose()
}

fn commitment<C: CircuitCurve>(value: &Commitment<C>) -> Result<raw::Commitment, CodecError> {
    Ok(raw::Commitment { chunks: list(&value.chunks, bytes)? })
}

pub(super) fn statement<C: CircuitCurve>(value: &Statement<C>) -> Result<Vec<u8>, CodecError> {
    let features = value.index.features();
    let [range_check0, range_check1, foreign_field_add, foreign_field_mul, xor, rot] =
        features.optional_gates;
    let mut public_input = Vec::new();
    for x in &value.public_input {
        public_input.extend(bytes(x)?.0);
    }
    let fixture = raw::FixtureToWrite {
        proof: message("proof", &proof(&value.proof)?)?,
        index: message("verifier index", &index(&value.index)?)?,
        public_input,
        public_count: value.public_input.len(),
        flags: raw::Flags {
            range_check0,
            range_check1,
            foreign_field_add,
            foreign_field_mul,
            xor,
            rot,
            lookup: lookup_flags(&features.lookup),
        },
        endo: Some(bytes(&value.index.endo())?.0),
    };
    message("fixture", &fixture)
}

fn lookup_flags(features: &LookupFeatures) -> raw::LookupFlags {
    let [xor, lookup, range_check, foreign_field_mul] = features.patterns;
    raw::LookupFlags {
        patterns: (xor, lookup, range_check, foreign_field_mul),
        joint_lookup_used: features.joint_lookup_used,
        uses_runtime_tables: features.uses_runtime_tables,
    }
}

fn index<C: CircuitCurve>(value: &VerifierIndex<C>) -> Result<raw::Index, CodecError> {
    let domain = domain_bytes::<C>(value.domain.size())
        .ok_or_else(|| failed("domain", "no domain of this size"))?;
    let [generic, poseidon, complete_add, var_base_mul, endo_mul, endo_mul_scalar] =
        &value.selectors;
    let [range_check0, range_check1, foreign_field_add, foreign_field_mul, xor, rot] =
        &value.optional_selectors;
    Ok(raw::Index {
        domain: Bytes(domain),
        max_poly_size: value.max_poly_size,
        zk_rows: value.zk_rows as u64,
        public: value.public,
        previous: value.previous,
        sigma: list(&value.sigma, commitment)?,
        coefficients: list(&value.coefficients, commitment)?,
        generic: commitment(generic)?,
        poseidon: commitment(poseidon)?,
        complete_add: commitment(complete_add)?,
        var_base_mul: commitment(var_base_mul)?,
        endo_mul: commitment(endo_mul)?,
        endo_mul_scalar: commitment(endo_mul_scalar)?,
        range_check0: optional(range_check0, commitment)?,
        range_check1: optional(range_check1, commitment)?,
        foreign_field_add: optional(foreign_field_add, commitment)?,
        foreign_field_mul: optional(foreign_field_mul, commitment)?,
        xor: optional(xor, commitment)?,
        rot: optional(rot, commitment)?,
        shifts: list(&value.shifts, bytes)?,
        lookup: optional(&value.lookup, lookup_index)?,
    })
}

fn lookup_index<C: CircuitCurve>(value: &LookupIndex<C>) -> Result<raw::LookupIndex, CodecError> {
    let [xor, lookup, range_check, foreign_field_mul] = &value.selectors;
    Ok(raw::LookupIndex {
        joint_lookup_used: value.features.joint_lookup_used,
        table: list(&value.table, commitment)?,
        selectors: raw::Selectors {
            xor: optional(xor, commitment)?,
            lookup: optional(lookup, commitment)?,
            range_check: optional(range_check, commitment)?,
            foreign_field_mul: optional(foreign_field_mul, commitment)?,
        },
        table_ids: optional(&value.table_ids, commitment)?,
        info: raw::LookupInfo {
            max_per_row: value.features.max_per_row(),
            max_joint_size: value.features.max_joint_size() as u32,
            features: lookup_flags(&value.features),
        },
        runtime_table_selector: optional(&value.runtime_table_selector, commitment)?,
    })
}

fn proof<C: CircuitCurve>(value: &Proof<C>) -> Result<raw::Proof, CodecError> {
    let commitments = &value.commitments;
    Ok(raw::Proof {
        commitments: raw::Commitments {
            witness: list(&commitments.witness, commitment)?,
            permutation: commitment(&commitments.permutation)?,
            quotient: commitment(&commitments.quotient)?,
            lookup: optional(&commitments.lookup, |lookup| {
                Ok(raw::LookupCommitments {
                    sorted: list(&lookup.sorted, commitment)?,
                    aggregation: commitment(&lookup.aggregation)?,
                    runtime: optional(&lookup.runtime, commitment)?,
                })
            })?,
        },
        opening: raw::Opening {
            lr: list(&value.opening.lr, |(l, r)| Ok((bytes(l)?, bytes(r)?)))?,
            delta: bytes(&value.opening.delta)?,
            z1: bytes(&value.opening.z1)?,
            z2: bytes(&value.opening.z2)?,
            sg: bytes(&value.opening.sg)?,
        },
        evaluations: evaluations::<C>(&value.evaluations)?,
        ft_zeta_omega: bytes(&value.ft_zeta_omega)?,
        previous: list(&value.previous, |previous| {
            Ok(raw::Previous {
                challenges: list(&previous.challenges, bytes)?,
                commitment: commitment(&previous.commitment)?,
            })
        })?,
    })
}

fn evaluations<C: CircuitCurve>(
    value: &Evaluations<Vec<C::ScalarField>>,
) -> Result<raw::Evaluations, CodecError> {
    let at = |at: &AtPoints<Vec<C::ScalarField>>| -> Result<raw::At, CodecError> {
        Ok(raw::At { zeta: list(&at.zeta, bytes)?, zeta_omega: list(&at.zeta_omega, bytes)? })
    };
    let [generic, poseidon, complete_add, var_base_mul, endo_mul, endo_mul_scalar] =
        &value.selectors;
    let [range_check0, range_check1, foreign_field_add, foreign_field_mul, xor, rot] =
        &value.optional_selectors;
    let [xor_lookup, lookup_gate_lookup, range_check_lookup, foreign_field_mul_lookup] =
        &value.lookup_selectors;
    Ok(raw::Evaluations {
        public: optional(&value.public, at)?,
        witness: list(&value.witness, at)?,
        permutation: at(&value.permutation)?,
        sigma: list(&value.sigma, at)?,
        coefficients: list(&value.coefficients, at)?,
        generic: at(generic)?,
        poseidon: at(poseidon)?,
        complete_add: at(complete_add)?,
        var_base_mul: at(var_base_mul)?,
        endo_mul: at(endo_mul)?,
        endo_mul_scalar: at(endo_mul_scalar)?,
        range_check0: optional(range_check0, at)?,
        range_check1: optional(range_check1, at)?,
        foreign_field_add: optional(foreign_field_add, at)?,
        foreign_field_mul: optional(foreign_field_mul, at)?,
        xor: optional(xor, at)?,
        rot: optional(rot, at)?,
        lookup_aggregation: optional(&value.lookup_aggregation, at)?,
        lookup_table: optional(&value.lookup_table, at)?,
        lookup_sorted: list(&value.lookup_sorted, |sorted| optional(sorted, at))?,
        runtime_table: optional(&value.runtime_table, at)?,
        runtime_table_selector: optional(&value.runtime_table_selector, at)?,
        xor_lookup: optional(xor_lookup, at)?,
        lookup_gate_lookup: optional(lookup_gate_lookup, at)?,
        range_check_lookup: optional(range_check_lookup, at)?,
        foreign_field_mul_lookup: optional(foreign_field_mul_lookup, at)?,
    })
}
