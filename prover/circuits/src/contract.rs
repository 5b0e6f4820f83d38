//! The contract: the program of the rollup account on the L1.
//!
//! | rule | update of the rollup account | rests on |
//! |---|---|---|
//! | [`DepositRule`] | pays in, appends to the inbox | nothing |
//! | [`CommitRule`] | replaces ledger, inbox, outbox, progress and data | a batch, a certificate |
//! | [`PayoutRule`] | pays the next entries of the outbox | what is left of it, unless nothing is |
//!
//! The statement of a proof is what Mina makes of the update that it authorises: the hash of its body
//! and that of its calls. Every field of the body is a constant or follows from what the rule proves,
//! but for the account's key and the hash of its verification key, which Mina looks up.

mod account;
mod commit;
mod deposit;
mod payout;

use mina_ledger::{
    rollup::{
        BatchStatement, Commit, Deposit, Hashed, Payout, RollupAccount, SettlementError,
        SettlementParameters,
    },
    types::{
        AccountUpdate, Authorization, Body, CallForest, Proof, PublicKey, TypeError,
        VerificationKey,
    },
};
use pickles::{
    CompileError, KeyCache, Program, ProofsVerified, ProveError, ProvedStatement, Rule, RuleHandle,
    account_update_proof_bytes,
};
use rand::{CryptoRng, RngCore};

pub use account::RollupAccountVar;
pub use commit::{CommitInput, CommitRule, SettledVar};
pub use deposit::{DepositInput, DepositRule};
pub use payout::{PayoutInput, PayoutRule, PayoutStateVar, PayoutVar};

/// Why there is no contract, or no update of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContractError {
    /// Compiling.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// What is to be proved is not so.
    #[error(transparent)]
    Settlement(#[from] SettlementError),
    /// A name, a key or a forest.
    #[error(transparent)]
    Type(#[from] TypeError),
    /// Proving.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The sequencer's key is not on the curve.
    #[error("there is no such key as the sequencer's")]
    Key,
    /// An earlier proof is of something else.
    #[error("the proof of the {what} is of something else")]
    Statement {
        /// Which.
        what: &'static str,
    },
}

/// The keys of the programs whose proofs a contract takes.
#[derive(Clone, Debug)]
pub struct ContractKeys {
    /// Of the program that proves batches: its proofs have the hash of a [`BatchStatement`] as their
    /// only statement.
    pub batch: pickles::VerificationKey,
    /// Of the [fold program](crate::fold::FoldProgram).
    pub fold: pickles::VerificationKey,
}

/// The compiled contract of a rollup.
#[derive(Debug)]
pub struct Contract {
    parameters: SettlementParameters,
    program: Program,
    deposit: RuleHandle<DepositRule>,
    commit: RuleHandle<CommitRule>,
    payout: RuleHandle<PayoutRule>,
}

impl Contract {
    /// Compiles the contract of a rollup, with keys from `cache` if there is one.
    ///
    /// # Errors
    /// [`ContractError::Compile`], [`ContractError::Type`].
    pub fn compile(
        parameters: SettlementParameters,
        keys: &ContractKeys,
        cache: Option<KeyCache>,
    ) -> Result<Self, ContractError> {
        let mut builder = Program::builder(ProofsVerified::N2);
        if let Some(cache) = cache {
            builder.cache(cache);
        }
        let ContractKeys { batch, fold } = keys;
        let deposit = builder.rule(DepositRule::new(parameters.clone()));
        let commit =
            builder.rule(CommitRule::new(parameters.clone(), batch.clone(), fold.clone())?);
        let payout = builder.rule(PayoutRule::new(parameters.clone(), fold.clone()));
        Ok(Self { parameters, program: builder.compile()?, deposit, commit, payout })
    }

    /// The program.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// What the contract was compiled for.
    pub fn parameters(&self) -> &SettlementParameters {
        &self.parameters
    }

    /// The key that the rollup account has.
    pub fn verification_key(&self) -> VerificationKey {
        let key = self.program.verification_key();
        VerificationKey::new(key.to_bytes(), key.hash())
    }

    /// The rollup account with this key.
    pub fn account(&self, public_key: PublicKey) -> RollupAccount {
        RollupAccount { public_key, key_hash: self.program.verification_key().hash() }
    }

    /// The update that makes a deposit.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn deposit(
        &self,
        account: PublicKey,
        deposit: &Deposit,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<AccountUpdate, ContractError> {
        let account = self.account(account);
        let body = deposit.body(&account, &self.parameters)?;
        let input = DepositInput { account, deposit: *deposit };
        self.prove(self.deposit, input, &[], body, rng)
    }

    /// The update that settles a batch, with the proof of the batch and that of its certificate.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn commit(
        &self,
        account: PublicKey,
        commit: &Commit,
        [batch, certificate]: [ProvedStatement; 2],
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<AccountUpdate, ContractError> {
        let account = self.account(account);
        let body = commit.body(&account, &self.parameters)?;
        for (what, proof, statement) in [
            ("batch", &batch, BatchStatement::digest(&commit.batch)),
            ("certificate", &certificate, commit.certified().digest()),
        ] {
            if proof.app_state != [statement] {
                return Err(ContractError::Statement { what });
            }
        }
        let input = CommitInput::new(account, *commit).ok_or(ContractError::Key)?;
        self.prove(self.commit, input, &[Some(batch), Some(certificate)], body, rng)
    }

    /// The update that pays entries of the outbox, and its children. `fold` is the proof of
    /// [`Payout::fold`], `None` if it shows nothing.
    ///
    /// # Errors
    /// [`ContractError`].
    pub fn payout(
        &self,
        account: PublicKey,
        payout: &Payout,
        fold: Option<ProvedStatement>,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<CallForest, ContractError> {
        let account = self.account(account);
        let era = self.parameters.domain.era();
        let body = payout.body(&account, era)?;
        let left = payout.fold();
        let fits = match &fold {
            Some(fold) => fold.app_state == [left.digest()],
            None => left.from == left.to,
        };
        if !fits {
            return Err(ContractError::Statement { what: "rest of the outbox" });
        }
        let input = PayoutInput::new(account, payout)?;
        let update = self.prove(self.payout, input, &[fold], body, rng)?;
        let mut forest = CallForest::flat([update]);
        for child in payout.children(era)? {
            forest.push(child, 1)?;
        }
        Ok(forest)
    }

    /// An update with its proof.
    fn prove<R: Rule>(
        &self,
        rule: RuleHandle<R>,
        input: R::Input,
        previous: &[Option<ProvedStatement>],
        body: Body,
        rng: &mut (impl RngCore + CryptoRng),
    ) -> Result<AccountUpdate, ContractError> {
        let proved = self.program.prove(rule, input, previous, rng)?;
        let proof = Proof(account_update_proof_bytes(&proved.proof).into());
        Ok(AccountUpdate { body, authorization: Authorization::Proof(proof) })
    }
}
