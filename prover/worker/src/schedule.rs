//! Which job is next. Pure: no clock, no disk, no proofs but those that are put in.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use pickles::ProvedStatement;

use crate::{
    backend::Limits,
    plan::{Job, Plan, Rule, StatementHash},
    progress::{Times, longest_chain},
};

/// Where a job stands.
#[derive(Debug)]
enum State {
    /// A job that rests on it is done, or it is not known yet whether there is a proof.
    Unneeded,
    /// To be done.
    Waiting,
    /// To be done again, then.
    Delayed(Instant),
    /// Since then.
    Running(Instant),
    /// Done.
    Done(Arc<ProvedStatement>),
}

#[derive(Debug)]
struct Entry {
    job: Arc<Job>,
    /// The batches that it belongs to. A running job stays without any.
    batches: BTreeSet<u64>,
    state: State,
    attempts: u32,
}

#[derive(Debug)]
struct Batch {
    plan: Arc<Plan>,
    /// Proofs from earlier are still looked up.
    is_restoring: bool,
    restored: usize,
}

/// A job to start, with the proofs that it rests on.
#[derive(Debug)]
pub(crate) struct Start {
    pub(crate) job: Arc<Job>,
    pub(crate) previous: Vec<Arc<ProvedStatement>>,
}

/// Numbers of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    pub(crate) is_restoring: bool,
    pub(crate) jobs: usize,
    pub(crate) done: usize,
    pub(crate) restored: usize,
    pub(crate) running: usize,
    /// Seconds until it is done.
    pub(crate) seconds: Option<f64>,
}

/// The jobs of all batches. A job that several need is one job.
#[derive(Debug)]
pub(crate) struct Schedule {
    limits: Limits,
    /// Bytes for each rule.
    memory: [u64; Rule::ALL.len()],
    batches: BTreeMap<u64, Batch>,
    jobs: BTreeMap<StatementHash, Entry>,
    next: u64,
    reserved: u64,
    running: usize,
}

impl Schedule {
    pub(crate) fn new(limits: Limits, memory: impl Fn(Rule) -> u64) -> Self {
        Self {
            limits,
            memory: Rule::ALL.map(memory),
            batches: BTreeMap::new(),
            jobs: BTreeMap::new(),
            next: 0,
            reserved: 0,
            running: 0,
        }
    }

    fn memory_of(&self, rule: Rule) -> u64 {
        self.memory.get(rule.index()).copied().unwrap_or(u64::MAX)
    }

    /// Batches that are not done.
    pub(crate) fn batches(&self) -> impl Iterator<Item = u64> + '_ {
        self.batches.keys().copied()
    }

    /// Jobs under way, and bytes that they may use.
    pub(crate) fn running(&self) -> (usize, u64) {
        (self.running, self.reserved)
    }

    /// Jobs that are to be done and are not under way.
    pub(crate) fn waiting(&self) -> usize {
        let is_waiting = |entry: &&Entry| matches!(entry.state, State::Waiting | State::Delayed(_));
        self.jobs.values().filter(is_waiting).count()
    }

    /// The batch that has this statement.
    pub(crate) fn batch_of(&self, root: StatementHash) -> Option<u64> {
        self.batches.iter().find(|(_, batch)| batch.plan.root() == root).map(|(id, _)| *id)
    }

    /// Whether some batch has a job with this statement.
    pub(crate) fn is_wanted(&self, statement: StatementHash) -> bool {
        self.jobs.get(&statement).is_some_and(|entry| !entry.batches.is_empty())
    }

    /// Adds a batch. Nothing of it starts before [`Self::restored`].
    pub(crate) fn add(&mut self, plan: Arc<Plan>) -> u64 {
        let id = self.next;
        self.next += 1;
        for job in plan.jobs() {
            let entry = self.jobs.entry(job.statement).or_insert_with(|| Entry {
                job: Arc::clone(job),
                batches: BTreeSet::new(),
                state: State::Unneeded,
                attempts: 0,
            });
            entry.batches.insert(id);
        }
        self.batches.insert(id, Batch { plan, is_restoring: true, restored: 0 });
        id
    }

    /// The proofs of a batch that are there from earlier; whether the batch is done by them.
    pub(crate) fn restored(
        &mut self,
        id: u64,
        mut found: BTreeMap<StatementHash, Arc<ProvedStatement>>,
    ) -> Option<Arc<ProvedStatement>> {
        let batch = self.batches.get_mut(&id)?;
        batch.is_restoring = false;
        let mut open = vec![batch.plan.root()];
        while let Some(statement) = open.pop() {
            let Some(entry) = self.jobs.get_mut(&statement) else { continue };
            match (&entry.state, found.remove(&statement)) {
                (State::Done(_), _) => continue,
                (State::Unneeded | State::Waiting | State::Delayed(_), Some(proof)) => {
                    entry.state = State::Done(proof);
                    batch.restored += 1;
                    continue;
                }
                (State::Unneeded, None) => entry.state = State::Waiting,
                (State::Waiting | State::Delayed(_) | State::Running(_), _) => {}
            }
            open.extend(&entry.job.previous);
        }
        self.proof(id)
    }

    /// The proof of a batch, if there is one.
    fn proof(&self, id: u64) -> Option<Arc<ProvedStatement>> {
        match &self.jobs.get(&self.batches.get(&id)?.plan.root())?.state {
            State::Done(proof) => Some(Arc::clone(proof)),
            _ => None,
        }
    }

    /// The next job, if one can start: of the oldest batch first, and in the order of its plan. A job
    /// for which there is no room is not overtaken, so that each has its turn.
    pub(crate) fn start(&mut self, now: Instant) -> Option<Start> {
        if self.running >= self.limits.proofs {
            return None;
        }
        let start = self.ready(now)?;
        let memory = self.memory_of(start.job.rule());
        let reserved = self.reserved.checked_add(memory)?;
        if reserved > self.limits.memory {
            return None;
        }
        let entry = self.jobs.get_mut(&start.job.statement)?;
        entry.state = State::Running(now);
        entry.attempts += 1;
        self.reserved = reserved;
        self.running += 1;
        Some(start)
    }

    fn ready(&self, now: Instant) -> Option<Start> {
        let batches = self.batches.values().filter(|batch| !batch.is_restoring);
        for job in batches.flat_map(|batch| batch.plan.jobs()) {
            let state = self.jobs.get(&job.statement).map(|entry| &entry.state);
            let is_due = match state {
                Some(State::Waiting) => true,
                Some(State::Delayed(until)) => *until <= now,
                _ => false,
            };
            let done = |statement: &StatementHash| match &self.jobs.get(statement)?.state {
                State::Done(proof) => Some(Arc::clone(proof)),
                _ => None,
            };
            if is_due && let Some(previous) = job.previous.iter().map(done).collect() {
                return Some(Start { job: Arc::clone(job), previous });
            }
        }
        None
    }

    /// When the next job that failed is to be tried again.
    pub(crate) fn next_retry(&self) -> Option<Instant> {
        let until = |entry: &Entry| match entry.state {
            State::Delayed(until) => Some(until),
            _ => None,
        };
        self.jobs.values().filter_map(until).min()
    }

    /// A running job has ended: gives back what it used.
    fn ended(&mut self, statement: StatementHash, state: State) {
        let Some(entry) = self.jobs.get_mut(&statement) else { return };
        entry.state = state;
        let rule = entry.job.rule();
        if entry.batches.is_empty() {
            self.jobs.remove(&statement);
        }
        self.reserved = self.reserved.saturating_sub(self.memory_of(rule));
        self.running = self.running.saturating_sub(1);
    }

    /// A job is done; the batches that are done by it, with their proof.
    pub(crate) fn done(
        &mut self,
        statement: StatementHash,
        proof: &Arc<ProvedStatement>,
    ) -> Vec<u64> {
        self.ended(statement, State::Done(Arc::clone(proof)));
        let is_root = |(_, batch): &(&u64, &Batch)| batch.plan.root() == statement;
        self.batches.iter().filter(is_root).map(|(id, _)| *id).collect()
    }

    /// How often a job has been tried.
    pub(crate) fn attempts(&self, statement: StatementHash) -> u32 {
        self.jobs.get(&statement).map_or(0, |entry| entry.attempts)
    }

    /// A job is to be tried again.
    pub(crate) fn retry(&mut self, statement: StatementHash, until: Instant) {
        self.ended(statement, State::Delayed(until));
    }

    /// A job cannot be done; the batches that cannot be proved for it.
    pub(crate) fn failed(&mut self, statement: StatementHash) -> Vec<u64> {
        let batches = self.jobs.get(&statement).map(|entry| entry.batches.iter().copied());
        let batches = batches.map(Iterator::collect).unwrap_or_default();
        // Another batch that needs it tries anew.
        self.ended(statement, State::Waiting);
        if let Some(entry) = self.jobs.get_mut(&statement) {
            entry.attempts = 0;
        }
        batches
    }

    /// Removes a batch; its jobs that no other batch has.
    pub(crate) fn remove(&mut self, id: u64) -> Vec<Arc<Job>> {
        let Some(batch) = self.batches.remove(&id) else { return Vec::new() };
        let mut unused = Vec::new();
        for job in batch.plan.jobs() {
            let Some(entry) = self.jobs.get_mut(&job.statement) else { continue };
            entry.batches.remove(&id);
            if entry.batches.is_empty() {
                unused.push(Arc::clone(job));
                if !matches!(entry.state, State::Running(_)) {
                    self.jobs.remove(&job.statement);
                }
            }
        }
        unused
    }

    /// How far a batch is.
    pub(crate) fn counts(&self, id: u64, times: &Times, now: Instant) -> Option<Counts> {
        let batch = self.batches.get(&id)?;
        let mut counts = Counts {
            is_restoring: batch.is_restoring,
            jobs: batch.plan.jobs().len(),
            restored: batch.restored,
            seconds: self.seconds(id, times, now),
            ..Counts::default()
        };
        if batch.is_restoring {
            return Some(counts);
        }
        for job in batch.plan.jobs() {
            match self.jobs.get(&job.statement).map(|entry| &entry.state) {
                Some(State::Running(_)) => counts.running += 1,
                Some(State::Done(_) | State::Unneeded) => counts.done += 1,
                _ => {}
            }
        }
        Some(counts)
    }

    /// Seconds until a batch is done: what is left of it and of those before it, divided among as many
    /// as prove at once, but no less than the longest chain of its jobs.
    fn seconds(&self, id: u64, times: &Times, now: Instant) -> Option<f64> {
        let Batch { plan, is_restoring: false, .. } = self.batches.get(&id)? else { return None };
        let mut left = BTreeMap::new();
        for job in self.batches.range(..=id).flat_map(|(_, batch)| batch.plan.jobs()) {
            let whole = times.of(job.rule())?;
            let seconds = match self.jobs.get(&job.statement)?.state {
                State::Waiting | State::Delayed(_) => whole,
                State::Running(since) => (whole - (now - since).as_secs_f64()).max(0.0),
                State::Done(_) | State::Unneeded => continue,
            };
            left.insert(job.statement, seconds);
        }
        let largest = self.memory.iter().copied().max().unwrap_or(0).max(1);
        let fit = usize::try_from(self.limits.memory / largest).unwrap_or(usize::MAX);
        let at_once = self.limits.proofs.min(fit).max(1);
        let all = left.values().sum::<f64>() / at_once as f64;
        Some(all.max(longest_chain(plan, &left)))
    }
}
