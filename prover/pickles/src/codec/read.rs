//! From S-expressions to proofs.

use ark_ec::AffineRepr;
use kimchi::{AtPoints, Commitments, Evaluations, MAX_SORTED};
use mina_curves::{
    Fp, Fq, PallasConfig, PastaCurve, PastaField, Point, ScalarChallenge, VestaConfig,
};
use poly_commitment::{Commitment, OpeningProof};

use super::{ProofError, sexp::Sexp};
use crate::{
    constants::{STEP_ROUNDS, WRAP_ROUNDS},
    proof::{
        BranchData, Plonk, Proof, ProofState, ProofsVerified, StepEvaluations, StepFlags,
        StepMessages, WrapMessages,
    },
};

/// Chunks of a wrap proof's quotient.
const QUOTIENT_CHUNKS: usize = 7;

/// An expression with the names of the fields that lead to it.
#[derive(Clone, Copy)]
struct Node<'s, 'a> {
    sexp: &'s Sexp<'a>,
    path: &'s Path<'s>,
}

struct Path<'s> {
    parent: Option<&'s Self>,
    name: &'s str,
}

impl Path<'_> {
    fn text(&self) -> String {
        match self.parent {
            None => self.name.into(),
            Some(parent) => format!("{}.{}", parent.text(), self.name),
        }
    }
}

type Result<T> = std::result::Result<T, ProofError>;

impl<'s, 'a> Node<'s, 'a> {
    fn shape(&self, expected: impl Into<String>) -> ProofError {
        ProofError::Shape { path: self.path.text(), expected: expected.into() }
    }

    fn list(&self) -> Result<&'s [Sexp<'a>]> {
        match self.sexp {
            Sexp::List(items) => Ok(items),
            _ => Err(self.shape("a list")),
        }
    }

    fn atom(&self) -> Result<&'a str> {
        match self.sexp {
            Sexp::Atom(text) => Ok(text),
            _ => Err(self.shape("an atom")),
        }
    }

    /// The fields of a record that has just these names, in this order.
    fn record<const N: usize>(&self, names: [&str; N]) -> Result<[&'s Sexp<'a>; N]> {
        let expected = || self.shape(format!("a record of {}", names.join(", ")));
        let items: &[Sexp<'a>; N] = self.list()?.try_into().map_err(|_| expected())?;
        let mut fields = Vec::with_capacity(N);
        for (item, name) in items.iter().zip(names) {
            match item {
                Sexp::List(pair) => match pair.as_slice() {
                    [Sexp::Atom(got), value] if *got == name => fields.push(value),
                    _ => return Err(expected()),
                },
                _ => return Err(expected()),
            }
        }
        fields.try_into().map_err(|_| expected())
    }

    fn child<'t>(sexp: &'t Sexp<'a>, path: &'t Path<'t>) -> Node<'t, 'a> {
        Node { sexp, path }
    }

    /// Exactly `N` items, each read by `read`.
    fn array<T, const N: usize>(&self, read: impl Fn(Self) -> Result<T>) -> Result<[T; N]> {
        let items = self.vector(N, read)?;
        items.try_into().map_err(|_| self.shape(format!("a list of {N}")))
    }

    /// Exactly `length` items.
    fn vector<T>(&self, length: usize, read: impl Fn(Self) -> Result<T>) -> Result<Vec<T>> {
        let items = self.list()?;
        if items.len() != length {
            return Err(self.shape(format!("a list of {length}")));
        }
        items.iter().map(|sexp| read(Node { sexp, path: self.path })).collect()
    }

    fn option<T>(&self, read: impl Fn(Self) -> Result<T>) -> Result<Option<T>> {
        match self.list()? {
            [] => Ok(None),
            [sexp] => read(Node { sexp, path: self.path }).map(Some),
            _ => Err(self.shape("an optional value")),
        }
    }

    fn field<F: PastaField>(self) -> Result<F> {
        let error = || ProofError::Number { path: self.path.text(), expected: F::NAME };
        let digits = self.atom()?.strip_prefix("0x").ok_or_else(error)?;
        if digits.len() != 64 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'A'..=b'F')) {
            return Err(error());
        }
        let mut limbs = [0u64; 4];
        for (limb, start) in limbs.iter_mut().zip([48, 32, 16, 0]) {
            *limb = u64::from_str_radix(&digits[start..start + 16], 16).map_err(|_| error())?;
        }
        F::from_limbs(limbs).ok_or_else(error)
    }

    fn limbs<const N: usize>(self) -> Result<[u64; N]> {
        self.array(|node| {
            let error = || ProofError::Number {
                path: node.path.text(),
                expected: "64 bits in hexadecimal",
            };
            let digits = node.atom()?;
            if digits.len() != 16 || !digits.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
            {
                return Err(error());
            }
            u64::from_str_radix(digits, 16).map_err(|_| error())
        })
    }

    fn challenge(self) -> Result<ScalarChallenge> {
        self.limbs::<2>().map(ScalarChallenge)
    }

    /// A challenge in a record of its own.
    fn scalar_challenge(self) -> Result<ScalarChallenge> {
        let [inner] = self.record(["inner"])?;
        Node { sexp: inner, path: self.path }.challenge()
    }

    fn bulletproof_challenge(self) -> Result<ScalarChallenge> {
        let [prechallenge] = self.record(["prechallenge"])?;
        Node { sexp: prechallenge, path: self.path }.scalar_challenge()
    }

    fn bool(self) -> Result<bool> {
        match self.atom()? {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(self.shape("true or false")),
        }
    }

    fn point<C: PastaCurve>(self) -> Result<Point<C>> {
        let [x, y] = self.array(Node::field)?;
        let point = Point::<C>::new_unchecked(x, y);
        match !point.is_zero() && point.is_on_curve() {
            true => Ok(point),
            false => Err(ProofError::Point { path: self.path.text(), curve: C::NAME }),
        }
    }
}

/// Reads the fields of a record into variables of their names.
macro_rules! fields {
    ($node:expr, $($name:ident),+ $(,)?) => {
        let node = $node;
        let values = node.record([$(stringify!($name)),+])?;
        let mut values = values.into_iter();
        $(
            let path = Path { parent: Some(node.path), name: stringify!($name) };
            // `record` has as many values as names.
            let Some(value) = values.next() else { return Err(node.shape(stringify!($name))) };
            let $name = Node::child(value, &path);
        )+
    };
}

pub(super) fn proof(sexp: &Sexp<'_>, width: ProofsVerified) -> Result<Proof> {
    let path = Path { parent: None, name: "proof" };
    fields!(Node { sexp, path: &path }, statement, prev_evals, proof);
    let step_evaluations = step_evaluations(prev_evals)?;
    let wrap = wrap_proof(proof)?;
    fields!(statement, proof_state, messages_for_next_step_proof);
    Ok(Proof {
        state: state(proof_state, width)?,
        step_messages: step_messages(messages_for_next_step_proof, width)?,
        step_evaluations,
        wrap,
    })
}

fn state(node: Node<'_, '_>, width: ProofsVerified) -> Result<ProofState> {
    fields!(node, deferred_values, sponge_digest_before_evaluations, messages_for_next_wrap_proof);
    let digest_limbs = sponge_digest_before_evaluations.limbs::<4>()?;
    let sponge_digest = Fp::from_limbs(digest_limbs).ok_or_else(|| ProofError::Number {
        path: sponge_digest_before_evaluations.path.text(),
        expected: Fp::NAME,
    })?;
    let wrap_messages = {
        fields!(
            messages_for_next_wrap_proof,
            challenge_polynomial_commitment,
            old_bulletproof_challenges
        );
        WrapMessages {
            challenge_polynomial_commitment: challenge_polynomial_commitment
                .point::<VestaConfig>()?,
            old_bulletproof_challenges: old_bulletproof_challenges
                .vector(width.count(), |list| {
                    list.array::<_, WRAP_ROUNDS>(Node::bulletproof_challenge)
                })?,
        }
    };
    fields!(deferred_values, plonk, bulletproof_challenges, branch_data);
    Ok(ProofState {
        plonk: self::plonk(plonk)?,
        bulletproof_challenges: bulletproof_challenges
            .array::<_, STEP_ROUNDS>(Node::bulletproof_challenge)?,
        branch_data: self::branch_data(branch_data)?,
        sponge_digest,
        wrap_messages,
    })
}

fn plonk(node: Node<'_, '_>) -> Result<Plonk> {
    fields!(node, alpha, beta, gamma, zeta, joint_combiner, feature_flags);
    let flags = feature_flags.record(StepFlags::NAMES)?;
    let mut bits = [false; 8];
    for (bit, sexp) in bits.iter_mut().zip(flags) {
        *bit = Node { sexp, path: feature_flags.path }.bool()?;
    }
    Ok(Plonk {
        alpha: alpha.scalar_challenge()?,
        beta: beta.challenge()?,
        gamma: gamma.challenge()?,
        zeta: zeta.scalar_challenge()?,
        joint_combiner: joint_combiner.option(Node::scalar_challenge)?,
        flags: StepFlags::from_array(bits),
    })
}

fn branch_data(node: Node<'_, '_>) -> Result<BranchData> {
    fields!(node, proofs_verified, domain_log2);
    let proofs_verified = match proofs_verified.atom()? {
        "N0" => ProofsVerified::N0,
        "N1" => ProofsVerified::N1,
        "N2" => ProofsVerified::N2,
        _ => return Err(proofs_verified.shape("N0, N1 or N2")),
    };
    let domain_log2 = match domain_log2.sexp {
        Sexp::Char(byte) => *byte,
        Sexp::Atom(text) if text.len() == 1 => text.as_bytes()[0],
        _ => return Err(domain_log2.shape("one character")),
    };
    Ok(BranchData { proofs_verified, domain_log2 })
}

fn step_messages(node: Node<'_, '_>, width: ProofsVerified) -> Result<StepMessages> {
    fields!(node, app_state, challenge_polynomial_commitments, old_bulletproof_challenges);
    if !app_state.list()?.is_empty() {
        return Err(app_state.shape("an empty list"));
    }
    // These have one element for each proof that was verified, which may be fewer than `width`.
    let commitments = challenge_polynomial_commitments.list()?.len();
    let challenges = old_bulletproof_challenges.list()?.len();
    if commitments > width.count() || commitments != challenges {
        let expected = format!("at most {} and as many as there are challenges", width.count());
        return Err(challenge_polynomial_commitments.shape(expected));
    }
    Ok(StepMessages {
        challenge_polynomial_commitments: challenge_polynomial_commitments
            .vector(commitments, Node::point::<PallasConfig>)?,
        old_bulletproof_challenges: old_bulletproof_challenges
            .vector(challenges, |list| list.array::<_, STEP_ROUNDS>(Node::bulletproof_challenge))?,
    })
}

/// Two values, at `ζ` and at `ζω`.
fn at<F: PastaField>(node: Node<'_, '_>) -> Result<AtPoints<F>> {
    let [zeta, zeta_omega] = node.array(Node::field)?;
    Ok(AtPoints { zeta, zeta_omega })
}

/// Two lists of one chunk.
fn at_chunks<F: PastaField>(node: Node<'_, '_>) -> Result<AtPoints<Vec<F>>> {
    let [zeta, zeta_omega] = node.array(|chunks| chunks.vector(1, Node::field))?;
    Ok(AtPoints { zeta, zeta_omega })
}

fn single<F: PastaField>(node: Node<'_, '_>) -> Result<AtPoints<Vec<F>>> {
    let AtPoints { zeta, zeta_omega } = at(node)?;
    Ok(AtPoints { zeta: vec![zeta], zeta_omega: vec![zeta_omega] })
}

fn step_evaluations(node: Node<'_, '_>) -> Result<StepEvaluations> {
    fields!(node, evals, ft_eval1);
    let ft_zeta_omega = ft_eval1.field()?;
    fields!(evals, public_input, evals);
    Ok(StepEvaluations { public: at(public_input)?, columns: step_columns(evals)?, ft_zeta_omega })
}

fn step_columns(node: Node<'_, '_>) -> Result<Evaluations<Vec<Fp>>> {
    fields!(
        node,
        w,
        coefficients,
        z,
        s,
        generic_selector,
        poseidon_selector,
        complete_add_selector,
        mul_selector,
        emul_selector,
        endomul_scalar_selector,
        range_check0_selector,
        range_check1_selector,
        foreign_field_add_selector,
        foreign_field_mul_selector,
        xor_selector,
        rot_selector,
        lookup_aggregation,
        lookup_table,
        lookup_sorted,
        runtime_lookup_table,
        runtime_lookup_table_selector,
        xor_lookup_selector,
        lookup_gate_lookup_selector,
        range_check_lookup_selector,
        foreign_field_mul_lookup_selector
    );
    Ok(Evaluations {
        public: None,
        witness: w.array(at_chunks)?,
        permutation: at_chunks(z)?,
        sigma: s.array(at_chunks)?,
        coefficients: coefficients.array(at_chunks)?,
        selectors: [
            at_chunks(generic_selector)?,
            at_chunks(poseidon_selector)?,
            at_chunks(complete_add_selector)?,
            at_chunks(mul_selector)?,
            at_chunks(emul_selector)?,
            at_chunks(endomul_scalar_selector)?,
        ],
        optional_selectors: [
            range_check0_selector.option(at_chunks)?,
            range_check1_selector.option(at_chunks)?,
            foreign_field_add_selector.option(at_chunks)?,
            foreign_field_mul_selector.option(at_chunks)?,
            xor_selector.option(at_chunks)?,
            rot_selector.option(at_chunks)?,
        ],
        lookup_aggregation: lookup_aggregation.option(at_chunks)?,
        lookup_table: lookup_table.option(at_chunks)?,
        lookup_sorted: lookup_sorted.array::<_, MAX_SORTED>(|node| node.option(at_chunks))?,
        runtime_table: runtime_lookup_table.option(at_chunks)?,
        runtime_table_selector: runtime_lookup_table_selector.option(at_chunks)?,
        lookup_selectors: [
            xor_lookup_selector.option(at_chunks)?,
            lookup_gate_lookup_selector.option(at_chunks)?,
            range_check_lookup_selector.option(at_chunks)?,
            foreign_field_mul_lookup_selector.option(at_chunks)?,
        ],
    })
}

fn wrap_proof(node: Node<'_, '_>) -> Result<kimchi::Proof<PallasConfig>> {
    fields!(node, commitments, evaluations, ft_eval1, bulletproof);
    let commitment = |node: Node<'_, '_>| -> Result<Commitment<PallasConfig>> {
        Ok(Commitment { chunks: vec![node.point::<PallasConfig>()?] })
    };
    let commitments = {
        fields!(commitments, w_comm, z_comm, t_comm);
        Commitments {
            witness: w_comm.array(commitment)?,
            permutation: commitment(z_comm)?,
            quotient: Commitment {
                chunks: t_comm.vector(QUOTIENT_CHUNKS, Node::point::<PallasConfig>)?,
            },
            lookup: None,
        }
    };
    fields!(bulletproof, lr, z_1, z_2, delta, challenge_polynomial_commitment);
    let round = |node: Node<'_, '_>| {
        let [l, r] = node.array(Node::point::<PallasConfig>)?;
        Ok((l, r))
    };
    Ok(kimchi::Proof {
        commitments,
        opening: OpeningProof {
            lr: lr.vector(WRAP_ROUNDS, round)?,
            delta: delta.point::<PallasConfig>()?,
            z1: z_1.field()?,
            z2: z_2.field()?,
            sg: challenge_polynomial_commitment.point::<PallasConfig>()?,
        },
        evaluations: wrap_columns(evaluations)?,
        ft_zeta_omega: ft_eval1.field()?,
        previous: Vec::new(),
    })
}

fn wrap_columns(node: Node<'_, '_>) -> Result<Evaluations<Vec<Fq>>> {
    fields!(
        node,
        w,
        coefficients,
        z,
        s,
        generic_selector,
        poseidon_selector,
        complete_add_selector,
        mul_selector,
        emul_selector,
        endomul_scalar_selector
    );
    Ok(Evaluations {
        public: None,
        witness: w.array(single)?,
        permutation: single(z)?,
        sigma: s.array(single)?,
        coefficients: coefficients.array(single)?,
        selectors: [
            single(generic_selector)?,
            single(poseidon_selector)?,
            single(complete_add_selector)?,
            single(mul_selector)?,
            single(emul_selector)?,
            single(endomul_scalar_selector)?,
        ],
        optional_selectors: [const { None }; 6],
        lookup_aggregation: None,
        lookup_table: None,
        lookup_sorted: [const { None }; MAX_SORTED],
        runtime_table: None,
        runtime_table_selector: None,
        lookup_selectors: [const { None }; 4],
    })
}
