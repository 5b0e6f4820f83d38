//! Named parts of a circuit.

use core::fmt;
use std::{borrow::Cow, collections::BTreeMap};

use crate::gate::GateKind;

/// A region of the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct RegionId(usize);

/// The outermost region, which has no name.
pub(super) const ROOT: RegionId = RegionId(0);

/// The tree of named regions. A name entered twice under one parent is the same region.
#[derive(Clone, Debug)]
pub(super) struct Regions {
    paths: Vec<String>,
    children: BTreeMap<(RegionId, Cow<'static, str>), RegionId>,
}

impl Default for Regions {
    fn default() -> Self {
        Self { paths: vec![String::new()], children: BTreeMap::new() }
    }
}

impl Regions {
    pub(super) fn child(&mut self, parent: RegionId, name: Cow<'static, str>) -> RegionId {
        let next = RegionId(self.paths.len());
        let path = match self.path(parent) {
            "" => name.to_string(),
            parent => format!("{parent}/{name}"),
        };
        let id = *self.children.entry((parent, name)).or_insert(next);
        if id == next {
            self.paths.push(path);
        }
        id
    }

    /// The names from the root, separated by `/`.
    pub(super) fn path(&self, id: RegionId) -> &str {
        self.paths.get(id.0).map_or("", String::as_str)
    }
}

/// How many rows a region takes, those of the regions inside it not included.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegionRows {
    /// The names of the region and those around it, outermost first, separated by `/`; empty for
    /// rows outside all regions.
    pub path: String,
    /// All rows.
    pub rows: usize,
    /// Rows of each kind. A generic row counts where its first half belongs.
    pub by_kind: BTreeMap<GateKind, usize>,
}

impl fmt::Display for RegionRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "(no region)" } else { &self.path };
        write!(f, "{path:40} {:>7}", self.rows)?;
        for (kind, rows) in &self.by_kind {
            write!(f, "  {kind:?} {rows}")?;
        }
        Ok(())
    }
}
