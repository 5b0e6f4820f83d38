//! Constraints, turned into programs that run on many rows at once.
//!
//! A value is a linear form of cells and products of forms, so constant factors and sums of any
//! depth cost nothing until a form is multiplied: then small factors become additions, and others
//! products with one reduction for three.

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    ops::{Add, Mul, Neg, Sub},
};

use ark_ff::PrimeField;
use mina_curves::cosets::{Program, Register, Step};
use mina_poseidon::PoseidonField;

use crate::env::Element;

/// Factors up to this one are cheaper as additions.
const SMALL: u64 = 4;

/// Where expressions live.
#[derive(Debug)]
pub(super) struct Arena<F>(RefCell<Forms<F>>);

impl<F: PoseidonField> Default for Arena<F> {
    fn default() -> Self {
        let forms = Forms {
            forms: Vec::new(),
            by_form: BTreeMap::new(),
            atoms: Vec::new(),
            by_atom: BTreeMap::new(),
        };
        Self(RefCell::new(forms))
    }
}

/// All forms and atoms, each kept once.
#[derive(Debug)]
struct Forms<F> {
    forms: Vec<Form<F>>,
    by_form: BTreeMap<Form<F>, FormId>,
    atoms: Vec<Atom>,
    by_atom: BTreeMap<Atom, AtomId>,
}

type FormId = usize;
type AtomId = usize;

/// `constant + Σ factor·atom`, without zero factors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form<F> {
    constant: F,
    terms: BTreeMap<AtomId, F>,
}

/// What linear forms are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Atom {
    Cell {
        column: u32,
        next: bool,
    },
    Product(FormId, FormId),
    /// A form that is computed before it is multiplied by a constant.
    Sum(FormId),
}

impl<F: PoseidonField> Form<F> {
    fn constant(constant: F) -> Self {
        Self { constant, terms: BTreeMap::new() }
    }

    fn add_term(&mut self, atom: AtomId, factor: F) {
        let sum = self.terms.entry(atom).or_insert(F::ZERO);
        *sum += factor;
        if *sum == F::ZERO {
            self.terms.remove(&atom);
        }
    }

    /// `self + factor·other`.
    fn add_scaled(mut self, other: &Self, factor: F) -> Self {
        self.constant += factor * other.constant;
        for (atom, coefficient) in &other.terms {
            self.add_term(*atom, factor * coefficient);
        }
        self
    }
}

impl<F: PoseidonField> Forms<F> {
    fn form(&mut self, form: Form<F>) -> FormId {
        if let Some(id) = self.by_form.get(&form) {
            return *id;
        }
        let id = self.forms.len();
        self.forms.push(form.clone());
        self.by_form.insert(form, id);
        id
    }

    fn atom(&mut self, atom: Atom) -> AtomId {
        let next = self.atoms.len();
        let id = *self.by_atom.entry(atom).or_insert(next);
        if id == next {
            self.atoms.push(atom);
        }
        id
    }

    fn atom_form(&mut self, atom: Atom) -> FormId {
        let mut form = Form::constant(F::ZERO);
        form.add_term(self.atom(atom), F::ONE);
        self.form(form)
    }

    fn linear(&mut self, a: FormId, b: FormId, factor: F) -> FormId {
        let sum = self.forms[a].clone().add_scaled(&self.forms[b], factor);
        self.form(sum)
    }

    fn scaled(&mut self, form: FormId, factor: F) -> FormId {
        let scaled = Form::constant(F::ZERO).add_scaled(&self.forms[form], factor);
        self.form(scaled)
    }

    fn product(&mut self, a: FormId, b: FormId) -> FormId {
        for (constant, other) in [(a, b), (b, a)] {
            if self.forms[constant].terms.is_empty() {
                return self.scaled(other, self.forms[constant].constant);
            }
        }
        self.atom_form(Atom::Product(a.min(b), a.max(b)))
    }
}

/// A value of every row.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expression<'a, F> {
    arena: &'a Arena<F>,
    form: FormId,
}

impl<F: PoseidonField> Arena<F> {
    fn expression(&self, make: impl FnOnce(&mut Forms<F>) -> FormId) -> Expression<'_, F> {
        Expression { arena: self, form: make(&mut self.0.borrow_mut()) }
    }

    /// The cell of a column.
    pub(super) fn cell(&self, column: u32, next: bool) -> Expression<'_, F> {
        self.expression(|forms| forms.atom_form(Atom::Cell { column, next }))
    }

    /// The same value on every row.
    pub(super) fn constant(&self, value: F) -> Expression<'_, F> {
        self.expression(|forms| forms.form(Form::constant(value)))
    }

    /// `Σ weights[i]·terms[i]`. Terms with small factors are summed before they are weighted, others
    /// have their factors weighted, so that what several expressions share is multiplied once.
    pub(super) fn combine<'a>(
        &'a self,
        terms: &[Expression<'a, F>],
        weights: &[F],
    ) -> Expression<'a, F> {
        self.expression(|forms| {
            let mut sum = Form::constant(F::ZERO);
            for (term, weight) in terms.iter().zip(weights) {
                let form = forms.forms[term.form].clone();
                let (small, large): (BTreeMap<_, _>, BTreeMap<_, _>) =
                    form.terms.into_iter().partition(|(_, factor)| small(*factor).is_some());
                for (atom, factor) in large {
                    sum.add_term(atom, factor * weight);
                }
                if small.len() < 2 {
                    sum.constant += form.constant * weight;
                    small
                        .into_iter()
                        .for_each(|(atom, factor)| sum.add_term(atom, factor * weight));
                    continue;
                }
                let part = forms.form(Form { constant: form.constant, terms: small });
                sum.add_term(forms.atom(Atom::Sum(part)), *weight);
            }
            forms.form(sum)
        })
    }

    /// The program that computes `result`.
    pub(super) fn compile(&self, result: Expression<'_, F>) -> Program<F> {
        let forms = self.0.borrow();
        let mut compiler = Compiler {
            forms: &forms,
            constants: vec![F::ZERO],
            code: Vec::new(),
            of_atom: BTreeMap::new(),
            of_form: BTreeMap::new(),
        };
        let last = compiler.form(result.form);
        let zero = Value::Constant(0);
        compiler.push(Code::Add(last, zero));
        compiler.finish()
    }
}

/// `factor` as a small integer, with its sign.
fn small<F: PrimeField>(factor: F) -> Option<(u64, bool)> {
    (1..=SMALL).find_map(|k| {
        let small = F::from(k);
        if factor == small {
            Some((k, false))
        } else if factor == -small {
            Some((k, true))
        } else {
            None
        }
    })
}

impl<F: PoseidonField> Add for Expression<'_, F> {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        self.arena.expression(|forms| forms.linear(self.form, other.form, F::ONE))
    }
}

impl<F: PoseidonField> Sub for Expression<'_, F> {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        self.arena.expression(|forms| forms.linear(self.form, other.form, -F::ONE))
    }
}

impl<F: PoseidonField> Mul for Expression<'_, F> {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        self.arena.expression(|forms| forms.product(self.form, other.form))
    }
}

impl<F: PoseidonField> Neg for Expression<'_, F> {
    type Output = Self;

    fn neg(self) -> Self {
        self.scale(-F::ONE)
    }
}

impl<F: PoseidonField> Element<F> for Expression<'_, F> {
    fn double(self) -> Self {
        self + self
    }

    fn square(self) -> Self {
        self * self
    }

    fn scale(self, factor: F) -> Self {
        self.arena.expression(|forms| forms.scaled(self.form, factor))
    }

    fn add_constant(self, constant: F) -> Self {
        self + self.arena.constant(constant)
    }
}

/// A constant or the result of a step, by its number.
#[derive(Clone, Copy)]
enum Value {
    Constant(usize),
    Result(usize),
}

/// A [`Step`] on [`Value`]s: how many constants there are is known at the end only.
enum Code {
    Cell { column: u32, next: bool },
    Add(Value, Value),
    Sub(Value, Value),
    Mul(Value, Value),
    Dot([Value; 3], [Value; 3], Value),
}

/// Writes a program, each atom and form once.
struct Compiler<'a, F> {
    forms: &'a Forms<F>,
    /// The first one is zero.
    constants: Vec<F>,
    code: Vec<Code>,
    of_atom: BTreeMap<AtomId, Value>,
    of_form: BTreeMap<FormId, Value>,
}

impl<F: PoseidonField> Compiler<'_, F> {
    fn push(&mut self, code: Code) -> Value {
        self.code.push(code);
        Value::Result(self.code.len() - 1)
    }

    fn constant(&mut self, value: F) -> Value {
        let known = self.constants.iter().position(|constant| *constant == value);
        Value::Constant(known.unwrap_or_else(|| {
            self.constants.push(value);
            self.constants.len() - 1
        }))
    }

    fn atom(&mut self, atom: AtomId) -> Value {
        if let Some(value) = self.of_atom.get(&atom) {
            return *value;
        }
        let value = match self.forms.atoms[atom] {
            Atom::Cell { column, next } => self.push(Code::Cell { column, next }),
            Atom::Product(a, b) => {
                let (a, b) = (self.form(a), self.form(b));
                self.push(Code::Mul(a, b))
            }
            Atom::Sum(form) => self.form(form),
        };
        self.of_atom.insert(atom, value);
        value
    }

    fn form(&mut self, id: FormId) -> Value {
        if let Some(value) = self.of_form.get(&id) {
            return *value;
        }
        let form = &self.forms.forms[id];
        let (mut added, mut subtracted, mut weighted) = (Vec::new(), Vec::new(), Vec::new());
        for (atom, factor) in &form.terms {
            let value = self.atom(*atom);
            match small(*factor) {
                Some((count, false)) => added.extend((0..count).map(|_| value)),
                Some((count, true)) => subtracted.extend((0..count).map(|_| value)),
                None => weighted.push((self.constant(*factor), value)),
            }
        }
        // Nothing yet is better than zero where something will be added.
        let mut sum = (form.constant != F::ZERO).then(|| self.constant(form.constant));
        for group in weighted.chunks(3) {
            sum = Some(match group {
                [(w0, x0), (w1, x1), (w2, x2)] => {
                    let plus = sum.unwrap_or(Value::Constant(0));
                    self.push(Code::Dot([*w0, *w1, *w2], [*x0, *x1, *x2], plus))
                }
                rest => rest
                    .iter()
                    .fold(sum, |sum, (w, x)| {
                        let product = self.push(Code::Mul(*x, *w));
                        Some(self.plus(sum, product))
                    })
                    .unwrap_or(Value::Constant(0)),
            });
        }
        for value in added {
            sum = Some(self.plus(sum, value));
        }
        for value in subtracted {
            let before = sum.unwrap_or(Value::Constant(0));
            sum = Some(self.push(Code::Sub(before, value)));
        }
        let value = sum.unwrap_or(Value::Constant(0));
        self.of_form.insert(id, value);
        value
    }

    fn plus(&mut self, sum: Option<Value>, value: Value) -> Value {
        match sum {
            Some(sum) => self.push(Code::Add(sum, value)),
            None => value,
        }
    }

    fn finish(self) -> Program<F> {
        let first = self.constants.len();
        let register = |value: Value| -> Register {
            match value {
                Value::Constant(index) => index as Register,
                Value::Result(index) => (first + index) as Register,
            }
        };
        let steps = self.code.into_iter().map(|code| match code {
            Code::Cell { column, next } => Step::Cell { column, next },
            Code::Add(a, b) => Step::Add(register(a), register(b)),
            Code::Sub(a, b) => Step::Sub(register(a), register(b)),
            Code::Mul(a, b) => Step::Mul(register(a), register(b)),
            Code::Dot(weights, xs, plus) => Step::Dot {
                weights: weights.map(register),
                xs: xs.map(register),
                plus: register(plus),
            },
        });
        let steps = steps.collect();
        Program::new(self.constants, steps)
    }
}
