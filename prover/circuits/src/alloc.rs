//! Private values that belong together.

use std::vec::IntoIter;

use ark_ff::AdditiveGroup;
use kimchi::builder::Var;
use mina_curves::Fp;
use mina_ledger::types::Era;

use crate::{Boolean, Cs, Linear, number::UIntVar};

/// A circuit twin that is made of variables in a fixed order.
pub trait Allocate: Sized {
    /// What it is the twin of.
    type Native;

    /// The values, in order; as many for every native value of an era.
    fn values(native: &Self::Native, era: Era, out: &mut Vec<Fp>);

    /// Takes the variables in the order of [`values`](Self::values), and constrains each to what its
    /// type says.
    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self;
}

/// Variables or constants to be taken, one after another.
#[derive(Debug)]
pub struct Cells {
    era: Era,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Vars(IntoIter<Var<Fp>>),
    Constants(IntoIter<Fp>),
}

impl Cells {
    /// The era, which decides how long some lists are.
    pub fn era(&self) -> Era {
        self.era
    }

    /// The next one, whatever it is.
    pub fn field(&mut self) -> Linear {
        match &mut self.source {
            Source::Vars(vars) => next(vars).into(),
            Source::Constants(constants) => next(constants).into(),
        }
    }

    /// The next one, a bit; one half.
    pub fn bit<I>(&mut self, cs: &mut Cs<I>) -> Boolean {
        match &mut self.source {
            Source::Vars(vars) => Boolean::assert(cs, next(vars)),
            Source::Constants(constants) => Boolean::constant(next(constants) != Fp::ZERO),
        }
    }

    /// The next one, a number in range; `BITS/16` rows.
    pub fn uint<I, const BITS: usize>(&mut self, cs: &mut Cs<I>) -> UIntVar<BITS> {
        match &mut self.source {
            Source::Vars(vars) => UIntVar::assert(cs, next(vars)),
            // Of a native number of the same type.
            Source::Constants(constants) => UIntVar::assume(next(constants)),
        }
    }
}

/// The next of as many elements as there are values.
fn next<T>(elements: &mut IntoIter<T>) -> T {
    elements.next().expect("an element for every value")
}

/// Allocates the twin of what `source` gives; `sample` is any value of the same shape.
pub fn witness<T, I>(
    cs: &mut Cs<I>,
    era: Era,
    sample: &T::Native,
    source: impl Fn(&I) -> &T::Native + Send + Sync + 'static,
) -> T
where
    T: Allocate,
{
    let mut shape = Vec::new();
    T::values(sample, era, &mut shape);
    let vars = cs.try_witnesses(shape.len(), move |v| {
        let mut values = Vec::new();
        T::values(source(v.input()), era, &mut values);
        Ok(values)
    });
    T::assign(cs, &mut Cells { era, source: Source::Vars(vars.into_iter()) })
}

/// The twin of a constant; without cost.
pub fn constant<T: Allocate, I>(cs: &mut Cs<I>, era: Era, native: &T::Native) -> T {
    let mut values = Vec::new();
    T::values(native, era, &mut values);
    T::assign(cs, &mut Cells { era, source: Source::Constants(values.into_iter()) })
}

/// A field element.
impl Allocate for Linear {
    type Native = Fp;

    fn values(native: &Fp, _: Era, out: &mut Vec<Fp>) {
        out.push(*native);
    }

    fn assign<I>(_: &mut Cs<I>, cells: &mut Cells) -> Self {
        cells.field()
    }
}

/// A bit.
impl Allocate for Boolean {
    type Native = bool;

    fn values(native: &bool, _: Era, out: &mut Vec<Fp>) {
        out.push(Fp::from(*native));
    }

    fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        cells.bit(cs)
    }
}

/// A value that may be missing, with something of its type in its place.
#[derive(Clone, Debug)]
pub struct OptionVar<T> {
    /// Whether it is there.
    pub is_some: Boolean,
    /// The value; of any kind where there is none.
    pub value: T,
}

impl<T: Allocate> OptionVar<T> {
    /// The values of an option, `default` in place of none.
    pub fn values(native: Option<&T::Native>, default: &T::Native, era: Era, out: &mut Vec<Fp>) {
        out.push(Fp::from(native.is_some()));
        T::values(native.unwrap_or(default), era, out);
    }

    /// Takes the variables in the order of [`values`](Self::values).
    pub fn assign<I>(cs: &mut Cs<I>, cells: &mut Cells) -> Self {
        Self { is_some: cells.bit(cs), value: T::assign(cs, cells) }
    }
}
