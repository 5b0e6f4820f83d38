//! What nodes ask of a command before they look at a ledger. Source: Mina
//! `mina_base/user_command.ml`, `zkapp_command.ml` (`valid_size`).

use alloc::vec::Vec;
use core::fmt;

use mina_curves::Fp;

use crate::types::{Amount, AuthKind, Era, PublicKey, SignedCommand, SlotSpan, ZkappCommand};

/// Mina's smallest fee: 0.001 MINA.
pub const MINIMUM_FEE: Amount = Amount::new(1_000_000);

/// Why a command is not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum WellFormednessError {
    /// The fee is below the smallest.
    #[error("insufficient fee")]
    InsufficientFee,
    /// A vesting schedule of period zero.
    #[error("zero vesting period")]
    ZeroVestingPeriod,
    /// Permissions of another version of the rules.
    #[error("incompatible version")]
    IncompatibleVersion,
    /// The account updates cost too much to prove.
    #[error("zkapp transaction too expensive")]
    TooExpensive,
    /// Too many field elements in events.
    #[error("too many event elements")]
    TooManyEvents,
    /// Too many field elements in actions.
    #[error("too many action elements")]
    TooManyActions,
    /// An update has another kind of authorization than it commits to.
    #[error("authorization of another kind than committed to")]
    AuthorizationKind,
    /// An update sets or checks another number of state fields than the era has.
    #[error("wrong number of state fields")]
    StateLength,
    /// A public key that is not on the curve.
    #[error("invalid public key")]
    PublicKey,
    /// A verification key with another hash than given.
    #[error("verification key does not have the given hash")]
    VerificationKey,
}

/// Everything that is wrong with a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Malformed(pub Vec<WellFormednessError>);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl core::error::Error for Malformed {}

/// Collects errors, each once.
#[derive(Default)]
struct Errors(Vec<WellFormednessError>);

impl Errors {
    fn check(&mut self, error: WellFormednessError, holds: bool) {
        if !holds && !self.0.contains(&error) {
            self.0.push(error);
        }
    }

    fn into_result(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed(self.0)) }
    }
}

/// What the transaction logic itself relies on.
///
/// # Errors
/// [`Malformed`].
pub fn check_structure(command: &ZkappCommand, era: Era) -> Result<(), Malformed> {
    use WellFormednessError as E;
    let mut errors = Errors::default();
    let state_len = era.app_state_len();
    for update in command.account_updates.updates() {
        let body = &update.body;
        let timing = body.update.timing;
        errors.check(
            E::ZeroVestingPeriod,
            timing.is_none_or(|timing| timing.vesting_period != SlotSpan::ZERO),
        );
        errors.check(
            E::AuthorizationKind,
            body.authorization_kind.kind() == update.authorization.kind(),
        );
        errors.check(
            E::StateLength,
            body.update.app_state.len() == state_len
                && body.preconditions.account.state.len() == state_len,
        );
    }
    errors.into_result()
}

/// Proved, paired and single segments of a command in Mina's transaction SNARK: the fee payer and
/// the updates in order, two without a proof together wherever they follow each other.
pub fn segments(command: &ZkappCommand) -> (usize, usize, usize) {
    let (mut proved, mut pairs, mut singles) = (0, 0, 0);
    let mut open = true; // the fee payer
    for update in command.account_updates.updates() {
        match (update.authorization.kind(), open) {
            (AuthKind::Proof, _) => {
                proved += 1;
                singles += usize::from(open);
                open = false;
            }
            (_, true) => {
                pairs += 1;
                open = false;
            }
            (_, false) => open = true,
        }
    }
    (proved, pairs, singles + usize::from(open))
}

fn elements(lists: &[Vec<Fp>]) -> usize {
    lists.iter().map(Vec::len).sum()
}

/// Everything a node asks of a zkApp command by itself.
///
/// # Errors
/// [`Malformed`], with everything that is wrong.
pub fn check_zkapp_command(
    command: &ZkappCommand,
    era: Era,
    minimum_fee: Amount,
) -> Result<(), Malformed> {
    check_zkapp_command_with(command, era, minimum_fee, &|_| false)
}

/// As [`check_zkapp_command`], without looking for the points of keys that are `known` to have one:
/// each takes a square root.
///
/// # Errors
/// [`Malformed`], with everything that is wrong.
pub fn check_zkapp_command_with(
    command: &ZkappCommand,
    era: Era,
    minimum_fee: Amount,
    known: &dyn Fn(&PublicKey) -> bool,
) -> Result<(), Malformed> {
    let has_point = |key: &PublicKey| known(key) || key.to_point().is_some();
    use WellFormednessError as E;
    let mut errors = Errors::default();
    errors.check(E::InsufficientFee, command.fee_payer.body.fee >= minimum_fee);
    if let Err(Malformed(structure)) = check_structure(command, era) {
        structure.into_iter().for_each(|error| errors.check(error, false));
    }
    errors.check(E::PublicKey, has_point(&command.fee_payer.body.public_key));
    let (mut events, mut actions) = (0, 0);
    for update in command.account_updates.updates() {
        let body = &update.body;
        events += elements(&body.events);
        actions += elements(&body.actions);
        let version = body.update.permissions.map(|p| p.set_verification_key.txn_version);
        errors.check(
            E::IncompatibleVersion,
            version.is_none_or(|version| version == era.txn_version()),
        );
        errors.check(E::PublicKey, has_point(&body.public_key));
        let key = body.update.verification_key.as_ref();
        errors.check(E::VerificationKey, key.is_none_or(|key| key.check_hash().is_ok()));
    }
    let (proved, pairs, singles) = segments(command);
    errors.check(E::TooExpensive, era.allows_segments(proved, pairs, singles));
    errors.check(E::TooManyEvents, events <= era.max_event_elements());
    errors.check(E::TooManyActions, actions <= era.max_event_elements());
    errors.into_result()
}

/// Everything a node asks of a payment or delegation by itself.
///
/// # Errors
/// [`Malformed`], with everything that is wrong.
pub fn check_signed_command(command: &SignedCommand, minimum_fee: Amount) -> Result<(), Malformed> {
    check_signed_command_with(command, minimum_fee, &|_| false)
}

/// As [`check_signed_command`], without looking for the points of keys that are `known` to have one.
///
/// # Errors
/// [`Malformed`], with everything that is wrong.
pub fn check_signed_command_with(
    command: &SignedCommand,
    minimum_fee: Amount,
    known: &dyn Fn(&PublicKey) -> bool,
) -> Result<(), Malformed> {
    let has_point = |key: &PublicKey| known(key) || key.to_point().is_some();
    use WellFormednessError as E;
    let mut errors = Errors::default();
    let payload = &command.payload;
    errors.check(E::InsufficientFee, payload.fee >= minimum_fee);
    errors.check(E::PublicKey, has_point(&payload.fee_payer));
    errors.check(E::PublicKey, has_point(&payload.receiver()));
    errors.into_result()
}
