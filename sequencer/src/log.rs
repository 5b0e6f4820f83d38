//! The write-ahead log: what has been acknowledged is here first.
//!
//! A file of frames: length (4 bytes), CRC-32 of the rest (4), kind (1), payload. A thread writes
//! what has gathered and flushes it once; whoever waits is told after that. The first frame tells
//! the number of the next one, so that the store can say which frames it has seen.
//!
//! A torn end is what a crash leaves of a write that nobody was told of: it is cut off. To keep the
//! file short it is rewritten with what is still needed, under another name, and renamed.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use mina_curves::PastaField;
use mina_ledger::{
    hash::TransactionHash,
    rollup::Message,
    types::{Length, PublicKey, Slot},
};

use crate::{
    bridge::{read_field, read_messages, write_messages},
    crash::crash_point,
};

/// What the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// The number of the next record.
    Start(u64),
    /// A command was accepted; `first`: ahead of all others.
    Accepted { command: Arc<[u8]>, first: bool },
    /// A command has left the mempool without a block.
    Dropped { hash: TransactionHash, reason: String },
    /// A block was opened.
    Opened(Opening),
    /// Messages of the L1 were consumed at the beginning of the open block.
    Consumed(Vec<Message>),
    /// Commands were executed in the open block, in this order, applied or not.
    Executed(Vec<(TransactionHash, bool)>),
    /// The open block was closed with this hash. If its batch was closed with it: whom its fees are for.
    Closed { hash: [u8; 32], ends_batch: Option<PublicKey> },
    /// All blocks from this height on were undone.
    RolledBack { height: Length, generation: u32 },
}

/// What is decided when a block is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) height: Length,
    pub(crate) slot: Slot,
    pub(crate) timestamp_ms: u64,
    pub(crate) generation: u32,
}

/// Why the log cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// Reading or writing failed.
    #[error("log {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The log does not begin as one.
    #[error("log {path}: not a log of this version")]
    Version {
        /// The file.
        path: PathBuf,
    },
    /// A record with a fitting checksum that is none.
    #[error("log {path}: unreadable record of kind {kind}")]
    Record {
        /// The file.
        path: PathBuf,
        /// Its kind.
        kind: u8,
    },
}

const HEADER: usize = 8;
/// Commands are much shorter; a longer frame is torn.
const MAX_FRAME: usize = 16 << 20;

impl Record {
    fn kind(&self) -> u8 {
        match self {
            Self::Start(_) => b'S',
            Self::Accepted { .. } => b'A',
            Self::Dropped { .. } => b'D',
            Self::Opened(_) => b'O',
            Self::Consumed(_) => b'M',
            Self::Executed(_) => b'E',
            Self::Closed { .. } => b'C',
            Self::RolledBack { .. } => b'R',
        }
    }

    fn payload(&self, out: &mut Vec<u8>) {
        match self {
            Self::Start(next) => out.extend(next.to_le_bytes()),
            Self::Accepted { command, first } => {
                out.push(u8::from(*first));
                out.extend_from_slice(command);
            }
            Self::Dropped { hash, reason } => {
                out.extend(hash.0);
                out.extend(reason.as_bytes());
            }
            Self::Opened(Opening { height, slot, timestamp_ms, generation }) => {
                out.extend(height.get().to_le_bytes());
                out.extend(slot.get().to_le_bytes());
                out.extend(timestamp_ms.to_le_bytes());
                out.extend(generation.to_le_bytes());
            }
            Self::Consumed(messages) => write_messages(messages, out),
            Self::Executed(commands) => {
                for (hash, applied) in commands {
                    out.extend(hash.0);
                    out.push(u8::from(*applied));
                }
            }
            Self::Closed { hash, ends_batch } => {
                out.extend(hash);
                if let Some(PublicKey { x, is_odd }) = ends_batch {
                    out.extend(x.to_limbs().into_iter().flat_map(u64::to_le_bytes));
                    out.push(u8::from(*is_odd));
                }
            }
            Self::RolledBack { height, generation } => {
                out.extend(height.get().to_le_bytes());
                out.extend(generation.to_le_bytes());
            }
        }
    }

    fn frame(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0; HEADER]);
        out.push(self.kind());
        self.payload(out);
        let body = out.get(start + HEADER..).unwrap_or_default();
        let (length, crc) = (body.len() as u32, crc32fast::hash(body));
        if let Some(header) = out.get_mut(start..start + HEADER) {
            let (first, second) = header.split_at_mut(4);
            first.copy_from_slice(&length.to_le_bytes());
            second.copy_from_slice(&crc.to_le_bytes());
        }
    }

    fn read(kind: u8, payload: &[u8]) -> Option<Self> {
        let u32_at = |at: usize| Some(u32::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*payload.get(at..)?.first_chunk()?));
        Some(match kind {
            b'S' => Self::Start(u64_at(0)?),
            b'A' => {
                let (first, command) = payload.split_first()?;
                Self::Accepted { command: command.into(), first: *first == 1 }
            }
            b'D' => {
                let (hash, reason) = payload.split_first_chunk()?;
                let reason = String::from_utf8_lossy(reason).into_owned();
                Self::Dropped { hash: TransactionHash(*hash), reason }
            }
            b'O' => Self::Opened(Opening {
                height: Length::new(u32_at(0)?),
                slot: Slot::new(u32_at(4)?),
                timestamp_ms: u64_at(8)?,
                generation: u32_at(16)?,
            }),
            b'M' => Self::Consumed(read_messages(payload)?),
            b'E' => {
                let (entries, rest) = payload.as_chunks::<33>();
                if !rest.is_empty() {
                    return None;
                }
                let read = |entry: &[u8; 33]| {
                    let (hash, applied) = entry.split_first_chunk()?;
                    Some((TransactionHash(*hash), *applied.first()? == 1))
                };
                Self::Executed(entries.iter().map(read).collect::<Option<_>>()?)
            }
            b'C' => match payload.split_first_chunk()? {
                (hash, []) => Self::Closed { hash: *hash, ends_batch: None },
                (hash, recipient) => match recipient.split_first_chunk()? {
                    (x, [odd @ (0 | 1)]) => {
                        let recipient = PublicKey { x: read_field(x)?, is_odd: *odd == 1 };
                        Self::Closed { hash: *hash, ends_batch: Some(recipient) }
                    }
                    _ => return None,
                },
            },
            b'R' => Self::RolledBack { height: Length::new(u32_at(0)?), generation: u32_at(4)? },
            _ => return None,
        })
    }
}

type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

enum Request {
    Append { frames: Vec<u8>, done: Option<Done> },
    Rewrite { frames: Vec<u8>, done: Done },
}

/// The log, open for writing.
pub(crate) struct Log {
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
    next: AtomicU64,
    length: Arc<AtomicU64>,
}

/// What opening a log found.
pub(crate) struct Opened {
    pub(crate) log: Log,
    /// Every record with its number.
    pub(crate) records: Vec<(u64, Record)>,
}

impl Log {
    /// Opens the log in `dir`, cuts off a torn end and reads everything.
    pub(crate) fn open(dir: &Path) -> Result<Opened, LogError> {
        let path = dir.join("log");
        let error = |source| LogError::Io { path: path.clone(), source };
        // What was being rewritten when the process died is not the log.
        match std::fs::remove_file(dir.join("log.new")) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(error(source)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(error)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(error)?;
        let (records, good) = read_records(&bytes, &path)?;
        if good < bytes.len() {
            let cut = bytes.len() - good;
            tracing::warn!(bytes = cut, "the log ends in the middle of a write; cut off");
            file.set_len(good as u64).map_err(error)?;
        }
        file.seek(SeekFrom::Start(good as u64)).map_err(error)?;
        if records.is_empty() {
            let mut frames = Vec::new();
            Record::Start(1).frame(&mut frames);
            file.write_all(&frames).map_err(error)?;
        }
        file.sync_all().map_err(error)?;
        sync_dir(dir).map_err(error)?;
        let length = Arc::new(AtomicU64::new(file.metadata().map_err(error)?.len()));
        let records = number(records, &path)?;
        let next = records.last().map_or(1, |(number, _)| number + 1);
        let (requests, queue) = mpsc::channel();
        let writer =
            Writer { dir: dir.to_owned(), file, length: Arc::clone(&length), failed: None };
        let thread = std::thread::Builder::new()
            .name("log".into())
            .spawn(move || writer.run(&queue))
            .map_err(error)?;
        let next = AtomicU64::new(next);
        let log = Self { requests: Some(requests), thread: Some(thread), next, length };
        Ok(Opened { log, records })
    }

    /// Appends records; `done` is called once they are safe, or cannot be made so. The number of
    /// the last.
    ///
    /// Calls from one thread keep their order; those that belong together have to hold a lock.
    pub(crate) fn append(&self, records: &[Record], done: Option<Done>) -> u64 {
        let mut frames = Vec::new();
        records.iter().for_each(|record| record.frame(&mut frames));
        let count = records.len() as u64;
        let next = self.next.fetch_add(count, Ordering::SeqCst);
        self.send(Request::Append { frames, done });
        (next + count).saturating_sub(1)
    }

    fn send(&self, request: Request) {
        let failed = match &self.requests {
            Some(requests) => requests.send(request).err().map(|error| error.0),
            None => Some(request),
        };
        let done = match failed {
            None | Some(Request::Append { done: None, .. }) => return,
            Some(Request::Append { done: Some(done), .. } | Request::Rewrite { done, .. }) => done,
        };
        done(Err("the log has been closed".into()));
    }

    /// As [`Log::append`], and waits.
    pub(crate) fn append_and_wait(&self, records: &[Record]) -> Result<u64, String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let done = move |result| {
            // The other side waits.
            let _ = sender.send(result);
        };
        let number = self.append(records, Some(Box::new(done)));
        receiver.recv().map_err(|_| "the log has been closed".to_owned())??;
        Ok(number)
    }

    /// Replaces everything by `records`; numbers go on.
    pub(crate) fn rewrite(&self, records: &[Record]) -> Result<(), String> {
        let mut frames = Vec::new();
        let next = self.next.fetch_add(records.len() as u64, Ordering::SeqCst);
        Record::Start(next).frame(&mut frames);
        records.iter().for_each(|record| record.frame(&mut frames));
        let (sender, receiver) = mpsc::sync_channel(1);
        let done: Done = Box::new(move |result| {
            let _ = sender.send(result);
        });
        self.send(Request::Rewrite { frames, done });
        receiver.recv().map_err(|_| "the log has been closed".to_owned())?
    }

    /// Bytes of the file.
    pub(crate) fn length(&self) -> u64 {
        self.length.load(Ordering::Relaxed)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log").field("next", &self.next).finish_non_exhaustive()
    }
}

/// The records before the first frame that is torn, and where that begins.
fn read_records(bytes: &[u8], path: &Path) -> Result<(Vec<Record>, usize), LogError> {
    let mut records = Vec::new();
    let mut rest = bytes;
    while let Some((header, tail)) = rest.split_first_chunk::<HEADER>() {
        let [a, b, c, d, e, f, g, h] = *header;
        let (length, crc) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        let length = length as usize;
        if !(1..=MAX_FRAME).contains(&length) {
            break;
        }
        let Some((body, tail)) = tail.split_at_checked(length) else { break };
        if crc32fast::hash(body) != crc {
            break;
        }
        let Some((kind, payload)) = body.split_first() else { break };
        let record = Record::read(*kind, payload)
            .ok_or_else(|| LogError::Record { path: path.to_owned(), kind: *kind })?;
        records.push(record);
        rest = tail;
    }
    Ok((records, bytes.len() - rest.len()))
}

fn number(records: Vec<Record>, path: &Path) -> Result<Vec<(u64, Record)>, LogError> {
    let mut records = records.into_iter();
    match records.next() {
        None => Ok(Vec::new()),
        Some(Record::Start(next)) => Ok((next..).zip(records).collect()),
        Some(_) => Err(LogError::Version { path: path.to_owned() }),
    }
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

/// The thread's side.
struct Writer {
    dir: PathBuf,
    file: File,
    length: Arc<AtomicU64>,
    /// After one failure nothing is written any more: the end of the file is unknown.
    failed: Option<String>,
}

impl Writer {
    fn run(mut self, queue: &mpsc::Receiver<Request>) {
        while let Ok(first) = queue.recv() {
            let mut frames = Vec::new();
            let mut waiting = Vec::new();
            let mut next = Some(first);
            let mut rewrite = None;
            while let Some(request) = next.take().or_else(|| queue.try_recv().ok()) {
                match request {
                    Request::Append { frames: more, done } => {
                        frames.extend(more);
                        waiting.extend(done);
                    }
                    Request::Rewrite { frames: all, done } => {
                        rewrite = Some((all, done));
                        break;
                    }
                }
            }
            let result = self.guarded(|writer| writer.append(&frames));
            for done in waiting {
                done(result.clone());
            }
            if let Some((frames, done)) = rewrite {
                done(self.guarded(|writer| writer.rewrite(&frames)));
            }
        }
    }

    fn guarded(&mut self, write: impl FnOnce(&mut Self) -> io::Result<()>) -> Result<(), String> {
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        write(self).map_err(|error| {
            let reason = format!("the log cannot be written: {error}");
            tracing::error!("{reason}");
            self.failed = Some(reason.clone());
            reason
        })
    }

    fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        if frames.is_empty() {
            return Ok(());
        }
        self.file.write_all(frames)?;
        crash_point("log/written");
        self.file.sync_data()?;
        crash_point("log/synced");
        self.length.fetch_add(frames.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn rewrite(&mut self, frames: &[u8]) -> io::Result<()> {
        let new = self.dir.join("log.new");
        let mut file = File::create(&new)?;
        file.write_all(frames)?;
        file.sync_all()?;
        crash_point("log/rewrite-written");
        std::fs::rename(&new, self.dir.join("log"))?;
        sync_dir(&self.dir)?;
        crash_point("log/rewrite-renamed");
        self.length.store(frames.len() as u64, Ordering::Relaxed);
        self.file = file;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records() -> Vec<Record> {
        let hash = TransactionHash([7; 32]);
        let (height, generation) = (Length::new(3), 2);
        vec![
            Record::Accepted { command: [1, 2, 3].into(), first: true },
            Record::Accepted { command: [].into(), first: false },
            Record::Dropped { hash, reason: "expired".into() },
            Record::Opened(Opening { height, slot: Slot::new(4), timestamp_ms: 5, generation }),
            Record::Executed(vec![(hash, true), (hash, false)]),
            Record::Executed(Vec::new()),
            Record::Consumed(vec![Message::Unopened(7u64.into())]),
            Record::Closed {
                hash: [9; 32],
                ends_batch: Some(PublicKey { x: 5u64.into(), is_odd: true }),
            },
            Record::RolledBack { height, generation },
        ]
    }

    fn directory(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("zeko-log-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_block_is_closed_with_its_batch_or_without() {
        let closed = Record::Closed { hash: [9; 32], ends_batch: None };
        let mut payload = Vec::new();
        closed.payload(&mut payload);
        assert_eq!(Record::read(b'C', &payload), Some(closed));
        for length in [31, 33, 64, 66] {
            payload.resize(length, 0);
            assert_eq!(Record::read(b'C', &payload), None, "{length}");
        }
    }

    #[test]
    fn records_come_back_and_torn_ends_go() {
        let dir = directory("torn");
        let Opened { log, records: found } = Log::open(&dir).unwrap();
        assert!(found.is_empty());
        assert_eq!(log.append_and_wait(&records()).unwrap(), 9);
        drop(log);
        let whole = std::fs::read(dir.join("log")).unwrap();
        let Opened { log, records: found } = Log::open(&dir).unwrap();
        assert_eq!(found, (1..).zip(records()).collect::<Vec<_>>());
        drop(log);
        // Cut anywhere, the records before the cut are there, and writing goes on.
        for cut in (17..whole.len()).step_by(7) {
            std::fs::write(dir.join("log"), &whole[..cut]).unwrap();
            let Opened { log, records: found } = Log::open(&dir).unwrap();
            assert_eq!(found, (1..).zip(records()).take(found.len()).collect::<Vec<_>>());
            let number = log.append_and_wait(&[Record::Consumed(Vec::new())]).unwrap();
            assert_eq!(number, found.len() as u64 + 1);
            drop(log);
            let Opened { records: again, .. } = Log::open(&dir).unwrap();
            assert_eq!(again.len(), found.len() + 1, "cut at {cut}");
        }
        // A flipped bit is not read as something else.
        for at in (17..whole.len()).step_by(7) {
            let mut bad = whole.clone();
            bad[at] ^= 1;
            std::fs::write(dir.join("log"), &bad).unwrap();
            let found = Log::open(&dir).unwrap().records;
            assert_eq!(found, (1..).zip(records()).take(found.len()).collect::<Vec<_>>());
            assert!(found.len() < 9, "bit at {at}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn rewriting_keeps_the_numbers() {
        let dir = directory("rewrite");
        let log = Log::open(&dir).unwrap().log;
        log.append_and_wait(&records()).unwrap();
        log.rewrite(&records()[..2]).unwrap();
        assert_eq!(log.append_and_wait(&[Record::Consumed(Vec::new())]).unwrap(), 12);
        drop(log);
        let found = Log::open(&dir).unwrap().records;
        let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
        assert_eq!(numbers, [10, 11, 12]);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
