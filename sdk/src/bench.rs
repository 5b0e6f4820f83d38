//! `zeko bench`: tables of timings beside named baselines.

mod circuits;
mod da;
mod kimchi;
mod ledger;
mod network;
mod pickles;
mod report;
mod sequencer;

pub(crate) use circuits::circuits;
pub(crate) use da::da;
pub(crate) use kimchi::kimchi;
pub(crate) use ledger::ledger;
pub(crate) use pickles::pickles;
pub(crate) use sequencer::sequencer;
