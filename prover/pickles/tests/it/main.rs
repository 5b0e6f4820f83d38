//! Integration tests of Pickles.

mod vectors;
