//! Tests of the builder: what it builds is satisfied by honest witnesses and by no others.

mod arithmetic;
mod forge;
mod gadgets;
mod gates;

use super::testing::{Lab, rng};
