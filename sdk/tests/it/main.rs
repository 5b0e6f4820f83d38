//! The local L1 and the command line through their front doors.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod abuse;
mod bridge;
mod command;
mod da;
mod docs;
mod faults;
mod kit;
mod l2;
mod local_l1;
mod operator;
mod overdue;
mod rollup;
mod settled;
mod supervisor;
