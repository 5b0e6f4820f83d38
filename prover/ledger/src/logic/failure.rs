//! Why a command has no effect beyond its fee. Source: Mina `transaction_status.ml`.

use alloc::{
    borrow::ToOwned,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::fmt;

/// Defines the failures with the names that Mina's GraphQL gives them.
macro_rules! failures {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// Why an account update, payment, delegation, fee transfer or coinbase fails.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum TransactionFailure {
            $($(#[$doc])* $variant,)*
            /// The precondition on this element of the state does not hold.
            AccountAppStatePrecondition(
                /// The index of the element.
                u32
            ),
        }

        impl TransactionFailure {
            /// Mina's name, without the index.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                    Self::AccountAppStatePrecondition(_) => {
                        "Account_app_state_precondition_unsatisfied"
                    }
                }
            }

            /// The failure with this name.
            pub fn from_name(name: &str, index: Option<u32>) -> Option<Self> {
                match (name, index) {
                    $(($name, None) => Some(Self::$variant),)*
                    ("Account_app_state_precondition_unsatisfied", Some(index)) => {
                        Some(Self::AccountAppStatePrecondition(index))
                    }
                    _ => None,
                }
            }
        }
    };
}

failures! {
    /// Reserved by Mina.
    Predicate = "Predicate",
    /// The payer of a payment has less than the amount.
    SourceNotPresent = "Source_not_present",
    /// The new delegate has no account.
    ReceiverNotPresent = "Receiver_not_present",
    /// The amount is less than the fee of creating the receiver's account.
    AmountInsufficientToCreateAccount = "Amount_insufficient_to_create_account",
    /// The creation fee of an account cannot come out of a token other than MINA.
    CannotPayCreationFeeInToken = "Cannot_pay_creation_fee_in_token",
    /// The sender has less than the amount.
    SourceInsufficientBalance = "Source_insufficient_balance",
    /// The balance would fall below what has vested.
    SourceMinimumBalanceViolation = "Source_minimum_balance_violation",
    /// The receiver's account exists already.
    ReceiverAlreadyExists = "Receiver_already_exists",
    /// The account does not own the token.
    TokenOwnerNotCaller = "Token_owner_not_caller",
    /// A balance would leave its range.
    Overflow = "Overflow",
    /// The excess of the whole block would leave its range.
    GlobalExcessOverflow = "Global_excess_overflow",
    /// The excess of the command would leave its range.
    LocalExcessOverflow = "Local_excess_overflow",
    /// The supply change of the command would leave its range.
    LocalSupplyIncreaseOverflow = "Local_supply_increase_overflow",
    /// The supply change of the whole block would leave its range.
    GlobalSupplyIncreaseOverflow = "Global_supply_increase_overflow",
    /// A signed command cannot be applied to a zkApp account.
    SignedCommandOnZkappAccount = "Signed_command_on_zkapp_account",
    /// The account has no zkApp part.
    ZkappAccountNotPresent = "Zkapp_account_not_present",
    /// The balance may not change so.
    UpdateNotPermittedBalance = "Update_not_permitted_balance",
    /// The account may not be accessed so.
    UpdateNotPermittedAccess = "Update_not_permitted_access",
    /// The vesting schedule may not be set so, or is set already.
    UpdateNotPermittedTiming = "Update_not_permitted_timing",
    /// The delegate may not be set so.
    UpdateNotPermittedDelegate = "Update_not_permitted_delegate",
    /// The state may not be set so.
    UpdateNotPermittedAppState = "Update_not_permitted_app_state",
    /// The verification key may not be set so.
    UpdateNotPermittedVerificationKey = "Update_not_permitted_verification_key",
    /// Actions may not be emitted so.
    UpdateNotPermittedActionState = "Update_not_permitted_action_state",
    /// The URI may not be set so.
    UpdateNotPermittedZkappUri = "Update_not_permitted_zkapp_uri",
    /// The token symbol may not be set so.
    UpdateNotPermittedTokenSymbol = "Update_not_permitted_token_symbol",
    /// The permissions may not be set so.
    UpdateNotPermittedPermissions = "Update_not_permitted_permissions",
    /// The nonce may not be incremented so.
    UpdateNotPermittedNonce = "Update_not_permitted_nonce",
    /// What is voted for may not be set so.
    UpdateNotPermittedVotingFor = "Update_not_permitted_voting_for",
    /// A signature could be used again.
    ZkappCommandReplayCheckFailed = "Zkapp_command_replay_check_failed",
    /// The fee payer does not increment its nonce.
    FeePayerNonceMustIncrease = "Fee_payer_nonce_must_increase",
    /// The fee payer is not signed for.
    FeePayerMustBeSigned = "Fee_payer_must_be_signed",
    /// The balance precondition does not hold.
    AccountBalancePrecondition = "Account_balance_precondition_unsatisfied",
    /// The nonce precondition does not hold.
    AccountNoncePrecondition = "Account_nonce_precondition_unsatisfied",
    /// The receipt chain hash precondition does not hold.
    AccountReceiptChainHashPrecondition = "Account_receipt_chain_hash_precondition_unsatisfied",
    /// The delegate precondition does not hold.
    AccountDelegatePrecondition = "Account_delegate_precondition_unsatisfied",
    /// The action state precondition does not hold.
    AccountActionStatePrecondition = "Account_action_state_precondition_unsatisfied",
    /// The precondition on whether the state is proved does not hold.
    AccountProvedStatePrecondition = "Account_proved_state_precondition_unsatisfied",
    /// The precondition on whether the account is new does not hold.
    AccountIsNewPrecondition = "Account_is_new_precondition_unsatisfied",
    /// A network precondition does not hold.
    ProtocolStatePrecondition = "Protocol_state_precondition_unsatisfied",
    /// The slot is not within `validWhile`.
    ValidWhilePrecondition = "Valid_while_precondition_unsatisfied",
    /// The proof is for another verification key than the account's.
    UnexpectedVerificationKeyHash = "Unexpected_verification_key_hash",
    /// The nonce is not that of the account.
    IncorrectNonce = "Incorrect_nonce",
    /// The changes do not add up to zero.
    InvalidFeeExcess = "Invalid_fee_excess",
    /// Another update of the command failed.
    Cancelled = "Cancelled",
}

impl fmt::Display for TransactionFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccountAppStatePrecondition(index) => write!(f, "{} {index}", self.name()),
            _ => f.write_str(self.name()),
        }
    }
}

/// Failures by update, the fee payer first; within an update the last check comes first, as in
/// Mina.
pub type FailureTable = Vec<Vec<TransactionFailure>>;

/// The JSON of a failure: its name, and the index if it has one.
impl serde::Serialize for TransactionFailure {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut parts: Vec<String> = vec![self.name().to_owned()];
        if let Self::AccountAppStatePrecondition(index) = self {
            parts.push(index.to_string());
        }
        parts.serialize(serializer)
    }
}
