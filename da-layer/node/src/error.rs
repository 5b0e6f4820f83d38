//! Why a node does not start, or stops.

use std::{fmt::Display, io, path::Path};

/// Why a node does not start, or stops.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DaError {
    /// The configuration is wrong: fix it.
    #[error("configuration: {what}: {reason}")]
    Config {
        /// Which setting.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{path}: {error}")]
    Io {
        /// The file.
        path: String,
        /// Why.
        #[source]
        error: io::Error,
    },
    /// The database fails.
    #[error("database: {0}")]
    Database(#[from] sled::Error),
    /// What is stored cannot be read: restore it, or start from nothing and catch up.
    #[error("stored data: {what} is damaged: {reason}")]
    Damaged {
        /// What.
        what: String,
        /// In which way.
        reason: String,
    },
    /// The engine of consensus fails.
    #[error("consensus: {0}")]
    Consensus(String),
    /// A task ended that should not have.
    #[error("{task} ended: {reason}")]
    Task {
        /// Which one.
        task: &'static str,
        /// Why.
        reason: String,
    },
}

impl DaError {
    pub(crate) fn config(what: &'static str, reason: impl Display) -> Self {
        Self::Config { what, reason: reason.to_string() }
    }

    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + '_ {
        move |error| Self::Io { path: path.display().to_string(), error }
    }

    pub(crate) fn damaged(what: impl Into<String>, reason: impl Display) -> Self {
        Self::Damaged { what: what.into(), reason: reason.to_string() }
    }
}
