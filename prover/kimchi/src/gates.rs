//! The constraints of every gate.

mod complete_add;
mod endo_mul;
mod endo_mul_scalar;
mod foreign_field;
mod generic;
mod poseidon;
mod range_check;
mod rot64;
mod var_base_mul;
mod xor16;

use crate::{env::Env, gate::GateKind};

pub use poseidon::{ROUNDS_PER_ROW, round_columns};

/// The most constraints that one gate has; gates share the powers of alpha below this.
pub const MAX_CONSTRAINTS: usize = 21;

/// Runs the constraints of `kind` on the row that `env` shows and hands each, in order, to `emit`:
/// all are zero if and only if the row satisfies the gate (lookups apart).
#[inline(always)]
pub fn constraints<E: Env>(kind: GateKind, env: &E, emit: &mut impl FnMut(E::V)) {
    match kind {
        GateKind::Zero | GateKind::Lookup => {}
        GateKind::Generic => generic::constraints(env, emit),
        GateKind::Poseidon => poseidon::constraints(env, emit),
        GateKind::CompleteAdd => complete_add::constraints(env, emit),
        GateKind::VarBaseMul => var_base_mul::constraints(env, emit),
        GateKind::EndoMul => endo_mul::constraints(env, emit),
        GateKind::EndoMulScalar => endo_mul_scalar::constraints(env, emit),
        GateKind::RangeCheck0 => range_check::constraints_0(env, emit),
        GateKind::RangeCheck1 => range_check::constraints_1(env, emit),
        GateKind::ForeignFieldAdd => foreign_field::constraints_add(env, emit),
        GateKind::ForeignFieldMul => foreign_field::constraints_mul(env, emit),
        GateKind::Xor16 => xor16::constraints(env, emit),
        GateKind::Rot64 => rot64::constraints(env, emit),
    }
}

impl GateKind {
    /// The number of constraints that [`constraints`] emits for this gate, with
    /// [`Revision::Distinct`](crate::Revision::Distinct).
    pub const fn constraint_count(self) -> usize {
        match self {
            Self::Zero | Self::Lookup => 0,
            Self::Generic => 2,
            Self::Poseidon => 15,
            Self::CompleteAdd => 7,
            Self::VarBaseMul | Self::RangeCheck1 => 21,
            Self::EndoMul => 12,
            Self::EndoMulScalar | Self::ForeignFieldMul | Self::Rot64 => 11,
            Self::RangeCheck0 => 10,
            Self::ForeignFieldAdd => 4,
            Self::Xor16 => 3,
        }
    }

    /// The degree of the gate's constraints in the columns, selector included.
    pub const fn degree(self) -> usize {
        match self {
            Self::Zero | Self::Lookup => 0,
            Self::Generic | Self::CompleteAdd => 4,
            Self::Poseidon => 8,
            Self::VarBaseMul => 7,
            Self::EndoMul | Self::EndoMulScalar | Self::Rot64 => 5,
            Self::RangeCheck0 | Self::RangeCheck1 | Self::ForeignFieldMul => 5,
            Self::ForeignFieldAdd => 4,
            Self::Xor16 => 2,
        }
    }
}
