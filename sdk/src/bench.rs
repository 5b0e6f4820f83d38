//! `zeko bench`: tables of timings beside named baselines.

mod kimchi;
mod ledger;
mod pickles;
mod report;

pub(crate) use kimchi::kimchi;
pub(crate) use ledger::ledger;
pub(crate) use pickles::pickles;
