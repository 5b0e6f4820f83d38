//! Who proves next: what settles goes before what somebody wants to deposit, else who came first.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::oneshot;

/// What waits in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Priority {
    /// Commits and payouts.
    Settlement,
    /// Deposits, which anybody can ask for.
    Deposit,
}

#[derive(Debug, Default)]
struct State {
    is_taken: bool,
    settlement: VecDeque<oneshot::Sender<Turn>>,
    deposits: VecDeque<oneshot::Sender<Turn>>,
}

/// A line of those who want to prove, one at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Line(Arc<Mutex<State>>);

/// Somebody's turn, for as long as it is held; of nobody once it has been passed on.
#[derive(Debug)]
pub(super) struct Turn(Option<Line>);

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(line) = self.0.take() else { return };
        loop {
            let next = {
                let mut state = line.state();
                let next = state.settlement.pop_front().or_else(|| state.deposits.pop_front());
                state.is_taken = next.is_some();
                next
            };
            let Some(next) = next else { return };
            match next.send(Self(Some(line.clone()))) {
                Ok(()) => return,
                // Nobody waits there any more. There may be very many of them: no recursion.
                Err(mut turn) => turn.0 = None,
            }
        }
    }
}

impl Line {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn; `None` never happens while the line is there.
    pub(super) async fn turn(&self, priority: Priority) -> Option<Turn> {
        let turn = {
            let mut state = self.state();
            if !state.is_taken {
                state.is_taken = true;
                return Some(Turn(Some(self.clone())));
            }
            let (sender, turn) = oneshot::channel();
            let waiting = match priority {
                Priority::Settlement => &mut state.settlement,
                Priority::Deposit => &mut state.deposits,
            };
            waiting.retain(|sender| !sender.is_closed());
            waiting.push_back(sender);
            turn
        };
        turn.await.ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn settlement_goes_before_deposits_that_came_earlier() {
        let line = Line::default();
        let running = line.turn(Priority::Deposit).await.unwrap();
        let (done, mut order) = tokio::sync::mpsc::unbounded_channel();
        let all = [
            ("a", Priority::Deposit),
            ("b", Priority::Deposit),
            ("c", Priority::Settlement),
            ("gone", Priority::Settlement),
            ("d", Priority::Settlement),
        ];
        let mut tasks = Vec::new();
        for (name, priority) in all {
            let (line, done) = (line.clone(), done.clone());
            tasks.push(tokio::spawn(async move {
                let turn = line.turn(priority).await.unwrap();
                done.send(name).unwrap();
                drop(turn);
            }));
            // So that they come in this order.
            tokio::task::yield_now().await;
        }
        tasks.remove(3).abort();
        drop(running);
        for expected in ["c", "d", "a", "b"] {
            assert_eq!(order.recv().await, Some(expected));
        }
        for task in tasks {
            task.await.unwrap();
        }
        // Those who have gone take no place, however many they are.
        let running = line.turn(Priority::Deposit).await.unwrap();
        for _ in 0..1000 {
            let turn = line.turn(Priority::Deposit);
            assert!(tokio::time::timeout(Duration::ZERO, turn).await.is_err());
        }
        assert_eq!(line.state().deposits.len(), 1);
        drop(running);
        // Nobody is left who could be waited for.
        assert!(line.turn(Priority::Deposit).await.is_some());
    }
}
