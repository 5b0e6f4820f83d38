//! Integration tests of the proof system.

mod vectors;
