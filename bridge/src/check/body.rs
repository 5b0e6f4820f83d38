//! What an update of the rollup account is, and in what two differ.

use mina_ledger::{rollup::Field, types::Body};

use super::ContractRule;

/// The rule that the update is closest to, by what it writes.
pub(super) fn rule(body: &Body, has_children: bool) -> ContractRule {
    let writes =
        |field: &Field| body.update.app_state.get(field.index()).is_some_and(Option::is_some);
    let settled = [Field::Root, Field::Inbox, Field::Outbox, Field::Progress, Field::Data];
    let pays = writes(&Field::Payout);
    if settled.iter().filter(|field| writes(field)).count() > 1 {
        ContractRule::Commit
    } else if pays || has_children && body.actions.is_empty() {
        ContractRule::Payout
    } else {
        ContractRule::Deposit
    }
}

/// The first part in which an update is not the expected one; nothing if it is.
pub(super) fn difference(expected: &Body, got: &Body) -> Option<&'static str> {
    let (update, other) = (&expected.update, &got.update);
    let (asks, others) = (&expected.preconditions, &got.preconditions);
    let same = [
        ("the account", expected.account_id() == got.account_id()),
        ("the state that it writes", update.app_state == other.app_state),
        ("what it sets", update == other),
        ("the balance change", expected.balance_change == got.balance_change),
        ("the events", expected.events == got.events),
        ("the actions", expected.actions == got.actions),
        ("the state that it asks for", asks.account.state == others.account.state),
        ("the slots", asks.valid_while == others.valid_while),
        ("what it asks for", asks == others),
        // Whatever else a body has.
        ("how it is to be applied", expected == got),
    ];
    same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}
