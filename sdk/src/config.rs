//! Settings: defaults, then a TOML file, then the environment, then flags, later ones first.
//!
//! One name everywhere: key `poll_ms` of section `[indexer]` in the file is `ZEKO_INDEXER_POLL_MS` in
//! the environment and `--poll-ms` of `zeko indexer`. Nested tables add their names in between. A
//! name that means nothing is an error in each of them.

use std::{
    fmt,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};
use toml::{Table, Value};
use zeko_sequencer::SequencerConfig;

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML, or a section is no table.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// Which.
        path: PathBuf,
        /// Where and why.
        reason: String,
    },
    /// An environment variable that means nothing.
    #[error("environment: there is no setting {name}")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// An environment variable with a value of the wrong kind.
    #[error("environment: {name}: expected {expected}, got {got}")]
    Value {
        /// Its name.
        name: String,
        /// What it must be.
        expected: &'static str,
        /// What it is.
        got: String,
    },
    /// There is no such setting, or a value cannot be.
    #[error("[{section}]: {reason}")]
    Invalid {
        /// Which section.
        section: &'static str,
        /// Why.
        reason: String,
    },
}

/// The settings of a service.
pub trait Section: Default + Serialize + DeserializeOwned {
    /// The table in the file, and the word after `ZEKO_` in the environment.
    const NAME: &'static str;

    /// Settings without a default, as `table.key`; in the environment they are text.
    const OPTIONAL: &'static [&'static str] = &[];
}

impl Section for SequencerConfig {
    const NAME: &'static str = "sequencer";
    const OPTIONAL: &'static [&'static str] =
        &["admin.listen", "admin.token", "fee_recipient", "genesis.network_name"];
}

/// Puts the settings of a service together. `environment` is what [`std::env::vars`] gives; `flags`
/// holds the flags that were given.
///
/// # Errors
/// [`ConfigError`].
pub fn load<S: Section>(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    flags: &impl Serialize,
) -> Result<S, ConfigError> {
    let invalid = |reason: String| ConfigError::Invalid { section: S::NAME, reason };
    let mut settings = Table::try_from(S::default()).map_err(|error| invalid(error.to_string()))?;
    if let Some(path) = file
        && let Some(section) = read_section(path, S::NAME)?
    {
        overlay(&mut settings, section);
    }
    let prefix = format!("ZEKO_{}_", S::NAME.to_uppercase());
    for (name, text) in environment {
        let Some(key) = name.strip_prefix(&prefix) else { continue };
        let optional = S::OPTIONAL.iter().find(|path| path.replace('.', "_").to_uppercase() == key);
        match optional {
            Some(path) => insert(&mut settings, path, text),
            None => set_from_environment(&mut settings, key, &name, &text)?,
        }
    }
    let flags = Table::try_from(flags).map_err(|error| invalid(error.to_string()))?;
    overlay(&mut settings, flags);
    settings.try_into().map_err(|error: toml::de::Error| invalid(error.message().to_owned()))
}

/// One table of a file that may have others.
fn read_section(path: &Path, name: &str) -> Result<Option<Table>, ConfigError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    let syntax = |reason: String| ConfigError::Syntax { path: path.to_owned(), reason };
    let mut file: Table =
        text.parse().map_err(|error: toml::de::Error| syntax(error.to_string()))?;
    match file.remove(name) {
        None => Ok(None),
        Some(Value::Table(section)) => Ok(Some(section)),
        Some(_) => Err(syntax(format!("{name} is no table"))),
    }
}

/// Replaces or adds what `over` has. Names and kinds are checked in the end.
fn overlay(settings: &mut Table, over: Table) {
    for (key, value) in over {
        match (settings.get_mut(&key), value) {
            (Some(Value::Table(old)), Value::Table(value)) => overlay(old, value),
            (_, value) => drop(settings.insert(key, value)),
        }
    }
}

/// Adds a setting that may not be there.
fn insert(settings: &mut Table, path: &str, text: String) {
    match path.split_once('.') {
        None => drop(settings.insert(path.into(), Value::String(text))),
        Some((table, rest)) => {
            let inner = settings.entry(table).or_insert_with(|| Value::Table(Table::new()));
            if let Value::Table(inner) = inner {
                insert(inner, rest, text);
            }
        }
    }
}

/// Finds the setting of an environment variable: keys in upper case, tables joined by underscores.
fn find<'t>(settings: &'t mut Table, key: &str) -> Option<&'t mut Value> {
    for (name, value) in settings {
        let name = name.to_uppercase();
        match value {
            Value::Table(table) => {
                let inner = key.strip_prefix(&name).and_then(|rest| rest.strip_prefix('_'));
                if let Some(found) = inner.and_then(|inner| find(table, inner)) {
                    return Some(found);
                }
            }
            value if name == key => return Some(value),
            _ => {}
        }
    }
    None
}

fn set_from_environment(
    settings: &mut Table,
    key: &str,
    name: &str,
    text: &str,
) -> Result<(), ConfigError> {
    let Some(old) = find(settings, key) else {
        return Err(ConfigError::Unknown { name: name.into() });
    };
    let parsed = match old {
        Value::String(_) => Some(Value::String(text.into())),
        Value::Integer(_) => text.parse().ok().map(Value::Integer),
        Value::Float(_) => text.parse().ok().map(Value::Float),
        Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(Value::Array(
            text.split(',').map(|item| Value::String(item.trim().into())).collect(),
        )),
        Value::Datetime(_) | Value::Table(_) => None,
    };
    *old = parsed.ok_or_else(|| ConfigError::Value {
        name: name.into(),
        expected: old.type_str(),
        got: text.into(),
    })?;
    Ok(())
}

/// A span of time, written as `250ms`, `10s` or `3m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(end);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(format!("{text}: expected a span of time such as 250ms, 10s or 3m")),
        };
        let number: u64 = number.parse().map_err(|error| format!("{text}: {error}"))?;
        let millis = number.checked_mul(factor).ok_or_else(|| format!("{text}: too long"))?;
        Ok(Self(Duration::from_millis(millis)))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis if millis > 0 && millis % 1_000 == 0 => write!(f, "{}s", millis / 1_000),
            millis => write!(f, "{millis}ms"),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(default, deny_unknown_fields)]
    struct Sample {
        poll_ms: u64,
        listen: String,
        limits: Limits,
        #[serde(skip_serializing_if = "Option::is_none")]
        admin: Option<Admin>,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Admin {
        token: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Limits {
        max_depth: u32,
        strict: bool,
    }

    impl Default for Sample {
        fn default() -> Self {
            let limits = Limits { max_depth: 5, strict: true };
            Self { poll_ms: 1000, listen: "a:1".into(), limits, admin: None }
        }
    }

    impl Section for Sample {
        const NAME: &'static str = "sample";
        const OPTIONAL: &'static [&'static str] = &["admin.token"];
    }

    #[derive(Default, Serialize)]
    struct Flags {
        poll_ms: Option<u64>,
    }

    fn with(
        file: &str,
        environment: &[(&str, &str)],
        flags: &Flags,
    ) -> Result<Sample, ConfigError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zeko.toml");
        std::fs::write(&path, file).unwrap();
        let environment = environment.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        load(Some(&path), environment, flags)
    }

    #[test]
    fn later_sources_win() {
        let file = "[other]\nx = 1\n[sample]\npoll_ms = 1\nlisten = \"b:2\"\n[sample.limits]\nmax_depth = 6";
        let settings = with(file, &[], &Flags::default()).unwrap();
        let limits = Limits { max_depth: 6, strict: true };
        assert_eq!(settings, Sample { poll_ms: 1, listen: "b:2".into(), limits, admin: None });
        let environment = [
            ("ZEKO_SAMPLE_POLL_MS", "2"),
            ("ZEKO_SAMPLE_LIMITS_MAX_DEPTH", "7"),
            ("ZEKO_SAMPLE_LIMITS_STRICT", "false"),
            ("ZEKO_SAMPLE_ADMIN_TOKEN", "secret"),
            ("ZEKO_OTHER_X", "?"),
            ("PATH", "/bin"),
        ];
        let settings = with(file, &environment, &Flags { poll_ms: Some(3) }).unwrap();
        let limits = Limits { max_depth: 7, strict: false };
        assert_eq!(
            settings,
            Sample {
                poll_ms: 3,
                listen: "b:2".into(),
                limits,
                admin: Some(Admin { token: "secret".into() })
            }
        );
        assert_eq!(load::<Sample>(None, [], &Flags::default()).unwrap(), Sample::default());
    }

    #[test]
    fn a_sequencer_is_configured_like_the_others() {
        let none = Table::new();
        assert_eq!(load::<SequencerConfig>(None, [], &none).unwrap(), SequencerConfig::default());
        let environment = [
            ("ZEKO_SEQUENCER_BLOCK_MS", "500"),
            ("ZEKO_SEQUENCER_GENESIS_CHAIN_ID", "mine"),
            ("ZEKO_SEQUENCER_GENESIS_ACCOUNT_CREATION_FEE", "7"),
            ("ZEKO_SEQUENCER_ADMIN_LISTEN", "127.0.0.1:1"),
            ("ZEKO_SEQUENCER_ADMIN_TOKEN", "0123456789abcdef"),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let config: SequencerConfig = load(None, environment, &none).unwrap();
        assert_eq!((config.block_ms, config.genesis.chain_id.as_str()), (500, "mine"));
        assert_eq!(config.genesis.account_creation_fee.get(), 7);
        assert_eq!(config.admin.unwrap().listen.port(), 1);
    }

    #[test]
    fn spans_of_time() {
        for (text, millis, again) in
            [("250ms", 250, "250ms"), ("10s", 10_000, "10s"), ("3m", 180_000, "180s")]
        {
            let span: Span = text.parse().unwrap();
            assert_eq!((span.0.as_millis(), span.to_string().as_str()), (millis, again));
        }
        for text in ["", "10", "s", "-1s", "1h", "99999999999999999999s", "9999999999999999999m"] {
            assert!(text.parse::<Span>().is_err(), "{text}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        let none = Flags::default();
        for (file, environment, expected) in [
            ("[sample]\npol_ms = 1", &[][..], "pol_ms"),
            ("[sample]\npoll_ms = \"x\"", &[], "[sample]"),
            ("[sample]\npoll_ms = -1", &[], "[sample]"),
            ("sample = 3", &[], "no table"),
            ("[sample", &[], "zeko.toml"),
            ("", &[("ZEKO_SAMPLE_POL_MS", "1")], "ZEKO_SAMPLE_POL_MS"),
            ("", &[("ZEKO_SAMPLE_LIMITS_STRICT", "maybe")], "expected boolean"),
        ] {
            let error = with(file, environment, &none).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let missing = load::<Sample>(Some(Path::new("/no/such/file")), [], &none);
        assert!(matches!(missing, Err(ConfigError::Read { .. })));
    }
}
