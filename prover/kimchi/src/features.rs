//! Which optional parts of the proof system a circuit uses.

use crate::gate::{GateKind, OPTIONAL_GATES};

/// The ways in which rows look values up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LookupPattern {
    /// Four xors of nybbles.
    Xor,
    /// Three (index, value) pairs in the table that column 0 names.
    Lookup,
    /// Four 12-bit limbs in columns 3-6.
    RangeCheck,
    /// Four 12-bit limbs in columns 7-10.
    ForeignFieldMul,
}

/// All patterns, in the order of evaluation and opening.
pub const LOOKUP_PATTERNS: [LookupPattern; 4] = [
    LookupPattern::Xor,
    LookupPattern::Lookup,
    LookupPattern::RangeCheck,
    LookupPattern::ForeignFieldMul,
];

impl LookupPattern {
    /// Lookups per row.
    pub const fn lookups_per_row(self) -> usize {
        match self {
            Self::Lookup => 3,
            Self::Xor | Self::RangeCheck | Self::ForeignFieldMul => 4,
        }
    }

    /// Values per lookup.
    pub const fn joint_size(self) -> usize {
        match self {
            Self::Xor => 3,
            Self::Lookup => 2,
            Self::RangeCheck | Self::ForeignFieldMul => 1,
        }
    }
}

/// What a circuit that looks values up needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupFeatures {
    /// For each of [`LOOKUP_PATTERNS`], whether some row uses it.
    pub patterns: [bool; 4],
    /// Whether some table has more than one column, so that a joint combiner is drawn.
    pub joint_lookup_used: bool,
    /// Whether some table is chosen by the prover.
    pub uses_runtime_tables: bool,
}

impl LookupFeatures {
    /// The patterns in use, in order.
    pub fn used_patterns(&self) -> impl Iterator<Item = LookupPattern> + '_ {
        LOOKUP_PATTERNS.into_iter().zip(self.patterns).filter(|(_, used)| *used).map(|(p, _)| p)
    }

    /// Whether `pattern` is in use.
    pub fn uses(&self, pattern: LookupPattern) -> bool {
        self.used_patterns().any(|used| used == pattern)
    }

    /// The most lookups in one row.
    pub fn max_per_row(&self) -> usize {
        self.used_patterns().map(LookupPattern::lookups_per_row).max().unwrap_or(0)
    }

    /// The most values in one lookup.
    pub fn max_joint_size(&self) -> usize {
        self.used_patterns().map(LookupPattern::joint_size).max().unwrap_or(0)
    }
}

/// Which optional gates and lookups a circuit uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureFlags {
    /// For each of [`OPTIONAL_GATES`], whether it is used.
    pub optional_gates: [bool; 6],
    /// Lookups; without any pattern, there is no lookup argument.
    pub lookup: LookupFeatures,
}

impl FeatureFlags {
    /// Whether the circuit has a selector for `gate`.
    pub fn has_selector(&self, gate: GateKind) -> bool {
        match OPTIONAL_GATES.iter().position(|optional| *optional == gate) {
            Some(i) => self.optional_gates[i],
            None => !matches!(gate, GateKind::Zero | GateKind::Lookup),
        }
    }

    /// The optional gates in use, in order.
    pub fn used_optional_gates(&self) -> impl Iterator<Item = GateKind> + '_ {
        OPTIONAL_GATES
            .into_iter()
            .zip(self.optional_gates)
            .filter(|(_, used)| *used)
            .map(|(g, _)| g)
    }

    /// Whether there is a lookup argument.
    pub fn uses_lookups(&self) -> bool {
        self.lookup.patterns.contains(&true)
    }
}
