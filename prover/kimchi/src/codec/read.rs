//! From msgpack to checked values.

use std::sync::Arc;

use ark_serialize::{CanonicalDeserialize, CanonicalSerialize};
use mina_curves::{PastaField, Point};
use mina_poseidon::KimchiCurve;
use poly_commitment::{Commitment, OpeningProof};
use serde::de::DeserializeOwned;

use super::{CodecError, Statement, domain_bytes, raw, raw::Bytes, shared_srs};
use crate::{
    domain::Domain,
    features::{FeatureFlags, LookupFeatures},
    gate::Revision,
    index::{CircuitCurve, LookupIndex, VerifierIndex},
    proof::{AtPoints, Commitments, Evaluations, LookupCommitments, Proof, RecursionChallenge},
};

/// The three nested messages of a fixture, structure checked.
pub(super) struct Messages {
    proof: raw::Proof,
    index: raw::Index,
    public_input: Bytes,
    public_count: usize,
    flags: raw::Flags,
    endo: Option<Bytes>,
}

fn message<T: DeserializeOwned>(part: &'static str, bytes: &[u8]) -> Result<T, CodecError> {
    let mut reader = rmp_serde::Deserializer::new(std::io::Cursor::new(bytes));
    let value = T::deserialize(&mut reader)
        .map_err(|error| CodecError::Structure { part, reason: error.to_string() })?;
    let read = usize::try_from(reader.into_inner().position()).unwrap_or(usize::MAX);
    match bytes.len().saturating_sub(read) {
        0 => Ok(value),
        count => Err(CodecError::Trailing { part, count }),
    }
}

impl Messages {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, CodecError> {
        let fixture: raw::Fixture = message("fixture", bytes)?;
        Ok(Self {
            proof: message("proof", &fixture.proof.0)?,
            index: message("verifier index", &fixture.index.0)?,
            public_input: fixture.public_input,
            public_count: fixture.public_count,
            flags: fixture.flags,
            endo: fixture.endo,
        })
    }

    /// The domain size that the first eight bytes of the domain say.
    fn domain_size(&self) -> Option<usize> {
        let bytes = self.index.domain.0.first_chunk::<8>()?;
        usize::try_from(u64::from_le_bytes(*bytes)).ok()
    }

    /// Whether the domain is that of its size in the scalar field of `C`.
    pub(super) fn is_over<C: CircuitCurve>(&self) -> bool {
        let expected = self.domain_size().and_then(domain_bytes::<C>);
        expected.is_some_and(|bytes| bytes == self.index.domain.0)
    }

    pub(super) fn decode<C: CircuitCurve>(self) -> Result<Statement<C>, CodecError> {
        let flags = features(&self.flags);
        let domain = self.domain_size().and_then(Domain::new).ok_or(CodecError::Invalid {
            what: "domain",
            reason: "not a domain of 2-power size".into(),
        })?;
        let index = index::<C>(&self.index, domain)?;
        if index.features() != flags {
            let reason = "the flags are not those of the verifier index".into();
            return Err(CodecError::Invalid { what: "feature_flags", reason });
        }
        if let Some(endo) = &self.endo
            && scalar::<C>("endo", endo)? != index.endo()
        {
            let reason = "not the endomorphism coefficient of this curve's circuits".into();
            return Err(CodecError::Invalid { what: "endo", reason });
        }
        let public_input = self.public_input::<C>()?;
        Ok(Statement { index, proof: proof(&self.proof)?, public_input })
    }

    fn public_input<C: CircuitCurve>(&self) -> Result<Vec<C::ScalarField>, CodecError> {
        let bytes = &self.public_input.0;
        let expected = self.public_count.saturating_mul(32);
        if bytes.len() != expected {
            let what = "public_inputs_bytes".into();
            return Err(CodecError::Length { what, expected, got: bytes.len() });
        }
        let element = |(i, chunk): (usize, &[u8])| {
            scalar::<C>(&format!("public input {i}"), &Bytes(chunk.to_vec()))
        };
        bytes.chunks(32).enumerate().map(element).collect()
    }
}

fn scalar<C: KimchiCurve>(what: &str, bytes: &Bytes) -> Result<C::ScalarField, CodecError> {
    let (chunks, rest) = bytes.0.as_chunks::<8>();
    let [a, b, c, d] = chunks else {
        let (expected, got) = (32, bytes.0.len());
        return Err(CodecError::Length { what: what.into(), expected, got });
    };
    if !rest.is_empty() {
        let (expected, got) = (32, bytes.0.len());
        return Err(CodecError::Length { what: what.into(), expected, got });
    }
    C::ScalarField::from_limbs([*a, *b, *c, *d].map(u64::from_le_bytes))
        .ok_or_else(|| CodecError::Scalar { what: what.into(), field: C::ScalarField::NAME })
}

fn point<C: KimchiCurve>(what: &str, bytes: &Bytes) -> Result<Point<C>, CodecError> {
    if bytes.0.len() != 33 {
        let (expected, got) = (33, bytes.0.len());
        return Err(CodecError::Length { what: what.into(), expected, got });
    }
    let refused = || CodecError::Point { what: what.into(), curve: C::NAME };
    let point = Point::<C>::deserialize_compressed(bytes.0.as_slice()).map_err(|_| refused())?;
    // arkworks ignores the unused bits of the last byte.
    let mut canonical = Vec::with_capacity(33);
    point.serialize_compressed(&mut canonical).map_err(|_| refused())?;
    if canonical == bytes.0 { Ok(point) } else { Err(refused()) }
}

fn commitment<C: KimchiCurve>(
    what: &str,
    raw: &raw::Commitment,
) -> Result<Commitment<C>, CodecError> {
    let chunks = raw.chunks.iter().map(|bytes| point::<C>(what, bytes));
    Ok(Commitment { chunks: chunks.collect::<Result<_, _>>()? })
}

/// An array of the values that `read` makes of `items`, named `what` and numbered.
fn array<T, U, const N: usize>(
    what: &str,
    items: &[T],
    read: impl Fn(&str, &T) -> Result<U, CodecError>,
) -> Result<[U; N], CodecError> {
    let read_one = |(i, item)| read(&format!("{what} {i}"), item);
    let values: Vec<U> = items.iter().enumerate().map(read_one).collect::<Result<_, _>>()?;
    let got = values.len();
    values.try_into().map_err(|_| CodecError::Length { what: what.into(), expected: N, got })
}

fn optional<T, U>(
    what: &str,
    item: &Option<T>,
    read: impl Fn(&str, &T) -> Result<U, CodecError>,
) -> Result<Option<U>, CodecError> {
    item.as_ref().map(|item| read(what, item)).transpose()
}

fn features(flags: &raw::Flags) -> FeatureFlags {
    FeatureFlags {
        optional_gates: [
            flags.range_check0,
            flags.range_check1,
            flags.foreign_field_add,
            flags.foreign_field_mul,
            flags.xor,
            flags.rot,
        ],
        lookup: lookup_features(&flags.lookup),
    }
}

fn lookup_features(flags: &raw::LookupFlags) -> LookupFeatures {
    let (xor, lookup, range_check, foreign_field_mul) = flags.patterns;
    LookupFeatures {
        patterns: [xor, lookup, range_check, foreign_field_mul],
        joint_lookup_used: flags.joint_lookup_used,
        uses_runtime_tables: flags.uses_runtime_tables,
    }
}

fn index<C: CircuitCurve>(
    raw: &raw::Index,
    domain: Domain<C::ScalarField>,
) -> Result<VerifierIndex<C>, CodecError> {
    let zk_rows = usize::try_from(raw.zk_rows).unwrap_or(usize::MAX);
    if zk_rows < 3 || zk_rows >= domain.size() {
        let reason = format!("{zk_rows} is below 3 or fills the domain of {}", domain.size());
        return Err(CodecError::Invalid { what: "zk_rows", reason });
    }
    if raw.public > domain.size() - zk_rows {
        let reason = format!("{} public inputs do not fit the domain", raw.public);
        return Err(CodecError::Invalid { what: "public", reason });
    }
    let shifts = array("shift", &raw.shifts, |what, bytes| scalar::<C>(what, bytes))?;
    if shifts != domain.shifts() {
        let reason = "not the shifts of the domain".into();
        return Err(CodecError::Invalid { what: "shift", reason });
    }
    let srs = shared_srs(raw.max_poly_size)?;
    let column = commitment::<C>;
    Ok(VerifierIndex {
        domain,
        max_poly_size: raw.max_poly_size,
        zk_rows,
        // The format is that of proof-systems 0.7.
        revision: Revision::Distinct,
        public: raw.public,
        previous: raw.previous,
        sigma: array("sigma_comm", &raw.sigma, column)?,
        coefficients: array("coefficients_comm", &raw.coefficients, column)?,
        selectors: [
            column("generic_comm", &raw.generic)?,
            column("psm_comm", &raw.poseidon)?,
            column("complete_add_comm", &raw.complete_add)?,
            column("mul_comm", &raw.var_base_mul)?,
            column("emul_comm", &raw.endo_mul)?,
            column("endomul_scalar_comm", &raw.endo_mul_scalar)?,
        ],
        optional_selectors: [
            optional("range_check0_comm", &raw.range_check0, column)?,
            optional("range_check1_comm", &raw.range_check1, column)?,
            optional("foreign_field_add_comm", &raw.foreign_field_add, column)?,
            optional("foreign_field_mul_comm", &raw.foreign_field_mul, column)?,
            optional("xor_comm", &raw.xor, column)?,
            optional("rot_comm", &raw.rot, column)?,
        ],
        shifts,
        lookup: raw.lookup.as_ref().map(lookup_index).transpose()?,
        srs: Arc::clone(&srs),
    })
}

fn lookup_index<C: KimchiCurve>(raw: &raw::LookupIndex) -> Result<LookupIndex<C>, CodecError> {
    let column = commitment::<C>;
    let features = lookup_features(&raw.info.features);
    let selectors = [
        optional("xor lookup selector", &raw.selectors.xor, column)?,
        optional("lookup selector", &raw.selectors.lookup, column)?,
        optional("range check lookup selector", &raw.selectors.range_check, column)?,
        optional("ffmul lookup selector", &raw.selectors.foreign_field_mul, column)?,
    ];
    let runtime_table_selector =
        optional("runtime_tables_selector", &raw.runtime_table_selector, column)?;
    // Without a combiner of the transcript's, joined values could be made to collide.
    let consistent = features.joint_lookup_used == (features.max_joint_size() > 1)
        && raw.joint_lookup_used == features.joint_lookup_used
        && raw.info.max_per_row == features.max_per_row()
        && raw.info.max_joint_size as usize == features.max_joint_size()
        && selectors.each_ref().map(Option::is_some) == features.patterns
        && features.patterns.contains(&true)
        && runtime_table_selector.is_some() == features.uses_runtime_tables
        && !raw.table.is_empty();
    if !consistent {
        let reason = "the parts of the lookup index contradict each other".into();
        return Err(CodecError::Invalid { what: "lookup_index", reason });
    }
    Ok(LookupIndex {
        features,
        table: raw.table.iter().map(|c| column("lookup_table", c)).collect::<Result<_, _>>()?,
        selectors,
        table_ids: optional("table_ids", &raw.table_ids, column)?,
        runtime_table_selector,
    })
}

fn proof<C: CircuitCurve>(raw: &raw::Proof) -> Result<Proof<C>, CodecError> {
    let column = commitment::<C>;
    let lookup = |raw: &raw::LookupCommitments| -> Result<_, CodecError> {
        Ok(LookupCommitments {
            sorted: raw.sorted.iter().map(|c| column("sorted", c)).collect::<Result<_, _>>()?,
            aggregation: column("aggreg", &raw.aggregation)?,
            runtime: optional("runtime", &raw.runtime, column)?,
        })
    };
    let previous = |(i, raw): (usize, &raw::Previous)| {
        let what = format!("previous challenge {i}");
        let challenges = raw.challenges.iter().map(|bytes| scalar::<C>(&what, bytes));
        Ok(RecursionChallenge {
            challenges: challenges.collect::<Result<_, _>>()?,
            commitment: column(&what, &raw.commitment)?,
        })
    };
    Ok(Proof {
        commitments: Commitments {
            witness: array("w_comm", &raw.commitments.witness, column)?,
            permutation: column("z_comm", &raw.commitments.permutation)?,
            quotient: column("t_comm", &raw.commitments.quotient)?,
            lookup: raw.commitments.lookup.as_ref().map(lookup).transpose()?,
        },
        opening: opening(&raw.opening)?,
        evaluations: evaluations::<C>(&raw.evaluations)?,
        ft_zeta_omega: scalar::<C>("ft_eval1", &raw.ft_zeta_omega)?,
        previous: raw.previous.iter().enumerate().map(previous).collect::<Result<_, _>>()?,
    })
}

fn opening<C: KimchiCurve>(raw: &raw::Opening) -> Result<OpeningProof<C>, CodecError> {
    let round = |(i, (l, r)): (usize, &(Bytes, Bytes))| {
        Ok((point::<C>(&format!("L {i}"), l)?, point::<C>(&format!("R {i}"), r)?))
    };
    Ok(OpeningProof {
        lr: raw.lr.iter().enumerate().map(round).collect::<Result<_, CodecError>>()?,
        delta: point::<C>("delta", &raw.delta)?,
        z1: scalar::<C>("z1", &raw.z1)?,
        z2: scalar::<C>("z2", &raw.z2)?,
        sg: point::<C>("sg", &raw.sg)?,
    })
}

fn evaluations<C: CircuitCurve>(
    raw: &raw::Evaluations,
) -> Result<Evaluations<Vec<C::ScalarField>>, CodecError> {
    let at = |what: &str, raw: &raw::At| -> Result<AtPoints<Vec<C::ScalarField>>, CodecError> {
        let chunks = |list: &[Bytes]| -> Result<Vec<C::ScalarField>, CodecError> {
            list.iter().map(|bytes| scalar::<C>(what, bytes)).collect()
        };
        Ok(AtPoints { zeta: chunks(&raw.zeta)?, zeta_omega: chunks(&raw.zeta_omega)? })
    };
    Ok(Evaluations {
        public: optional("public evaluation", &raw.public, at)?,
        witness: array("w", &raw.witness, at)?,
        permutation: at("z", &raw.permutation)?,
        sigma: array("s", &raw.sigma, at)?,
        coefficients: array("coefficients", &raw.coefficients, at)?,
        selectors: [
            at("generic_selector", &raw.generic)?,
            at("poseidon_selector", &raw.poseidon)?,
            at("complete_add_selector", &raw.complete_add)?,
            at("mul_selector", &raw.var_base_mul)?,
            at("emul_selector", &raw.endo_mul)?,
            at("endomul_scalar_selector", &raw.endo_mul_scalar)?,
        ],
        optional_selectors: [
            optional("range_check0_selector", &raw.range_check0, at)?,
            optional("range_check1_selector", &raw.range_check1, at)?,
            optional("foreign_field_add_selector", &raw.foreign_field_add, at)?,
            optional("foreign_field_mul_selector", &raw.foreign_field_mul, at)?,
            optional("xor_selector", &raw.xor, at)?,
            optional("rot_selector", &raw.rot, at)?,
        ],
        lookup_aggregation: optional("lookup_aggregation", &raw.lookup_aggregation, at)?,
        lookup_table: optional("lookup_table", &raw.lookup_table, at)?,
        lookup_sorted: array("lookup_sorted", &raw.lookup_sorted, |what, e| optional(what, e, at))?,
        runtime_table: optional("runtime_lookup_table", &raw.runtime_table, at)?,
        runtime_table_selector: optional(
            "runtime_lookup_table_selector",
            &raw.runtime_table_selector,
            at,
        )?,
        lookup_selectors: [
            optional("xor_lookup_selector", &raw.xor_lookup, at)?,
            optional("lookup_gate_lookup_selector", &raw.lookup_gate_lookup, at)?,
            optional("range_check_lookup_selector", &raw.range_check_lookup, at)?,
            optional("foreign_field_mul_lookup_selector", &raw.foreign_field_mul_lookup, at)?,
        ],
    })
}

#[cfg(test)]
mod tests {
    use ark_ec::{AffineRepr, short_weierstrass::SWCurveConfig};
    use ark_ff::{Field, PrimeField};
    use mina_curves::{Fp, Fq, VestaConfig};

    use super::*;

    fn bytes(limbs: [u64; 4]) -> Vec<u8> {
        limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect()
    }

    fn refused<T: core::fmt::Debug>(result: Result<T, CodecError>, expected: &str) {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn scalars_are_canonical_and_of_32_bytes() {
        let read = |bytes: Vec<u8>| scalar::<VestaConfig>("z1", &Bytes(bytes));
        assert_eq!(read(bytes([7, 0, 0, 0])), Ok(Fp::from(7u64)));
        refused(read(bytes(Fp::MODULUS.0)), "z1: not below the modulus of fp");
        refused(read(bytes([u64::MAX; 4])), "z1: not below the modulus of fp");
        refused(read(vec![0; 31]), "z1: expected length 32, got 31");
        refused(read(vec![0; 33]), "z1: expected length 32, got 33");
        refused(read(vec![0; 40]), "z1: expected length 32, got 40");
        refused(read(vec![]), "z1: expected length 32, got 0");
    }

    #[test]
    fn points_are_on_the_curve_and_canonical() {
        let read = |bytes: Vec<u8>| point::<VestaConfig>("sg", &Bytes(bytes));
        let mut generator = Vec::new();
        VestaConfig::GENERATOR.serialize_compressed(&mut generator).unwrap();
        assert!(read(generator.clone()).is_ok());

        let off_curve = (2u64..).find(|x| {
            let rhs = Fq::from(*x) * Fq::from(*x) * Fq::from(*x) + Fq::from(5u64);
            rhs.sqrt().is_none()
        });
        let mut point = bytes([off_curve.unwrap(), 0, 0, 0]);
        point.push(0);
        refused(read(point), "sg: not the canonical encoding of a point on vesta");

        let mut above = bytes(Fq::MODULUS.0);
        above.push(0);
        refused(read(above), "sg: not the canonical encoding");
        let mut flags = generator.clone();
        flags[32] |= 1;
        refused(read(flags), "sg: not the canonical encoding");
        refused(read(generator[..32].to_vec()), "sg: expected length 33, got 32");

        let mut infinity = vec![0; 33];
        infinity[32] = 0x40;
        assert!(read(infinity.clone()).unwrap().is_zero());
        infinity[0] = 1;
        refused(read(infinity), "sg: not the canonical encoding");
    }
}
