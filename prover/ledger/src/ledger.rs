//! x
/// Height of the tree.
pub const DEPTH: usize = 35;
