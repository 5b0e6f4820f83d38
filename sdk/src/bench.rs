//! `zeko bench`: tables of timings beside named baselines.

mod kimchi;
mod report;

pub(crate) use kimchi::kimchi;
