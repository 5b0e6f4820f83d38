//! Progress of a proof.

/// What is told when a round of the prover begins.
pub trait Trace {
    /// The round `name` begins, and the one before ends.
    fn round(&mut self, name: &'static str);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTrace;

impl Trace for NoTrace {
    fn round(&mut self, _: &'static str) {}
}

impl<F: FnMut(&'static str)> Trace for F {
    fn round(&mut self, name: &'static str) {
        self(name);
    }
}
