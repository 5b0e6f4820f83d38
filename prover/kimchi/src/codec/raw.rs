//! The structs as msgpack sees them: field order and nesting of upstream's types.

use core::fmt;

use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{SeqAccess, Visitor},
};

/// Bytes, read from a byte string or a list of integers, written as a byte string.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

/// The most elements reserved before any is read.
const RESERVE: usize = 1 << 12;

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct BytesVisitor;

        impl<'de> Visitor<'de> for BytesVisitor {
            type Value = Bytes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                Ok(Bytes(bytes.to_vec()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Bytes, A::Error> {
                let mut bytes = Vec::with_capacity(seq.size_hint().unwrap_or(0).min(RESERVE));
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Bytes(bytes))
            }
        }

        deserializer.deserialize_byte_buf(BytesVisitor)
    }
}

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

/// A commitment: a struct of one list of chunks.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct Commitment {
    pub(super) chunks: Vec<Bytes>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Fixture {
    pub(super) proof: Bytes,
    pub(super) index: Bytes,
    pub(super) public_input: Bytes,
    pub(super) public_count: usize,
    pub(super) flags: Flags,
    #[serde(default)]
    pub(super) endo: Option<Bytes>,
}

/// As [`Fixture`], with the byte lists that upstream's reader expects.
#[derive(Debug, Serialize)]
pub(super) struct FixtureToWrite {
    pub(super) proof: Vec<u8>,
    pub(super) index: Vec<u8>,
    pub(super) public_input: Vec<u8>,
    pub(super) public_count: usize,
    pub(super) flags: Flags,
    pub(super) endo: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(super) struct Flags {
    pub(super) range_check0: bool,
    pub(super) range_check1: bool,
    pub(super) foreign_field_add: bool,
    pub(super) foreign_field_mul: bool,
    pub(super) xor: bool,
    pub(super) rot: bool,
    pub(super) lookup: LookupFlags,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub(super) struct LookupFlags {
    pub(super) patterns: (bool, bool, bool, bool),
    pub(super) joint_lookup_used: bool,
    pub(super) uses_runtime_tables: bool,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Proof {
    pub(super) commitments: Commitments,
    pub(super) opening: Opening,
    pub(super) evaluations: Evaluations,
    pub(super) ft_zeta_omega: Bytes,
    pub(super) previous: Vec<Previous>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Commitments {
    pub(super) witness: Vec<Commitment>,
    pub(super) permutation: Commitment,
    pub(super) quotient: Commitment,
    pub(super) lookup: Option<LookupCommitments>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct LookupCommitments {
    pub(super) sorted: Vec<Commitment>,
    pub(super) aggregation: Commitment,
    pub(super) runtime: Option<Commitment>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Opening {
    pub(super) lr: Vec<(Bytes, Bytes)>,
    pub(super) delta: Bytes,
    pub(super) z1: Bytes,
    pub(super) z2: Bytes,
    pub(super) sg: Bytes,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Previous {
    pub(super) challenges: Vec<Bytes>,
    pub(super) commitment: Commitment,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct At {
    pub(super) zeta: Vec<Bytes>,
    pub(super) zeta_omega: Vec<Bytes>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Evaluations {
    pub(super) public: Option<At>,
    pub(super) witness: Vec<At>,
    pub(super) permutation: At,
    pub(super) sigma: Vec<At>,
    pub(super) coefficients: Vec<At>,
    pub(super) generic: At,
    pub(super) poseidon: At,
    pub(super) complete_add: At,
    pub(super) var_base_mul: At,
    pub(super) endo_mul: At,
    pub(super) endo_mul_scalar: At,
    pub(super) range_check0: Option<At>,
    pub(super) range_check1: Option<At>,
    pub(super) foreign_field_add: Option<At>,
    pub(super) foreign_field_mul: Option<At>,
    pub(super) xor: Option<At>,
    pub(super) rot: Option<At>,
    pub(super) lookup_aggregation: Option<At>,
    pub(super) lookup_table: Option<At>,
    pub(super) lookup_sorted: Vec<Option<At>>,
    pub(super) runtime_table: Option<At>,
    pub(super) runtime_table_selector: Option<At>,
    pub(super) xor_lookup: Option<At>,
    pub(super) lookup_gate_lookup: Option<At>,
    pub(super) range_check_lookup: Option<At>,
    pub(super) foreign_field_mul_lookup: Option<At>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Index {
    pub(super) domain: Bytes,
    pub(super) max_poly_size: usize,
    pub(super) zk_rows: u64,
    pub(super) public: usize,
    pub(super) previous: usize,
    pub(super) sigma: Vec<Commitment>,
    pub(super) coefficients: Vec<Commitment>,
    pub(super) generic: Commitment,
    pub(super) poseidon: Commitment,
    pub(super) complete_add: Commitment,
    pub(super) var_base_mul: Commitment,
    pub(super) endo_mul: Commitment,
    pub(super) endo_mul_scalar: Commitment,
    pub(super) range_check0: Option<Commitment>,
    pub(super) range_check1: Option<Commitment>,
    pub(super) foreign_field_add: Option<Commitment>,
    pub(super) foreign_field_mul: Option<Commitment>,
    pub(super) xor: Option<Commitment>,
    pub(super) rot: Option<Commitment>,
    pub(super) shifts: Vec<Bytes>,
    pub(super) lookup: Option<LookupIndex>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct LookupIndex {
    pub(super) joint_lookup_used: bool,
    pub(super) table: Vec<Commitment>,
    pub(super) selectors: Selectors,
    pub(super) table_ids: Option<Commitment>,
    pub(super) info: LookupInfo,
    pub(super) runtime_table_selector: Option<Commitment>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct Selectors {
    pub(super) xor: Option<Commitment>,
    pub(super) lookup: Option<Commitment>,
    pub(super) range_check: Option<Commitment>,
    pub(super) foreign_field_mul: Option<Commitment>,
}

#[derive(Debug, Deserialize, Serialize)]
pub(super) struct LookupInfo {
    pub(super) max_per_row: usize,
    pub(super) max_joint_size: u32,
    pub(super) features: LookupFlags,
}
