//! Private keys in files, encrypted with a password: Argon2id into XChaCha20-Poly1305.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    path::{Path, PathBuf},
};

use argon2::{Algorithm, Argon2, Params, Version};
use base64::{Engine, engine::general_purpose::STANDARD};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use mina_ledger::types::{PrivateKey, PublicKey};
use rand::{RngCore, rngs::OsRng};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::KeyPair;

/// The shortest password for a new file, in characters.
pub const MIN_PASSWORD: usize = 8;

const FORMAT: u32 = 1;
const CIPHER: &str = "xchacha20-poly1305";
const KDF: &str = "argon2id";

/// What a new file costs to open: OWASP's first choice, twice over.
const MEMORY_KIB: u32 = 64 * 1024;
const ITERATIONS: u32 = 3;

/// The most that a file may ask of whoever opens it.
const MAX_MEMORY_KIB: u32 = 1024 * 1024;
const MAX_ITERATIONS: u32 = 16;

/// The longest file that is read.
const MAX_LEN: u64 = 1 << 16;

/// Why a key file cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file system.
    #[error("{}: {source}", path.display())]
    Io {
        /// Of which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Not a key file, or one of another version.
    #[error("{}: {reason}", path.display())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The password is wrong, or the file was changed.
    #[error("{}: wrong password, or a damaged file", path.display())]
    Password {
        /// Which file.
        path: PathBuf,
    },
    /// The password is too short for a new file.
    #[error("a password has at least {MIN_PASSWORD} characters, this one {got}")]
    Weak {
        /// How many it has.
        got: usize,
    },
    /// Encryption or randomness failed.
    #[error("encryption: {0}")]
    Crypto(String),
}

/// A key file: who it is for is readable, the private key is not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyFile {
    version: u32,
    public_key: PublicKey,
    kdf: Kdf,
    cipher: String,
    nonce: String,
    ciphertext: String,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kdf {
    name: String,
    memory_kib: u32,
    iterations: u32,
    salt: String,
}

impl Kdf {
    fn derive(&self, password: &str) -> Result<Zeroizing<[u8; 32]>, String> {
        if self.name != KDF {
            return Err(format!("key derivation {}: expected {KDF}", self.name));
        }
        if self.memory_kib > MAX_MEMORY_KIB || self.iterations > MAX_ITERATIONS {
            return Err("key derivation that costs too much".into());
        }
        let salt = STANDARD.decode(&self.salt).map_err(|error| error.to_string())?;
        let params = Params::new(self.memory_kib, self.iterations, 1, Some(32));
        let params = params.map_err(|error| error.to_string())?;
        let mut key = Zeroizing::new([0; 32]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into(password.as_bytes(), &salt, key.as_mut())
            .map_err(|error| error.to_string())?;
        Ok(key)
    }
}

/// What the ciphertext is bound to.
fn associated(public: &PublicKey) -> Vec<u8> {
    format!("zeko key file {FORMAT} {}", public.to_base58()).into_bytes()
}

impl KeyFile {
    /// Encrypts a pair.
    ///
    /// # Errors
    /// [`KeyFileError::Weak`], [`KeyFileError::Crypto`].
    pub fn encrypt(pair: &KeyPair, password: &str) -> Result<Self, KeyFileError> {
        let got = password.chars().count();
        if got < MIN_PASSWORD {
            return Err(KeyFileError::Weak { got });
        }
        let crypto = |error: &dyn std::fmt::Display| KeyFileError::Crypto(error.to_string());
        let (mut salt, mut nonce) = ([0; 16], [0; 24]);
        OsRng.try_fill_bytes(&mut salt).map_err(|error| crypto(&error))?;
        OsRng.try_fill_bytes(&mut nonce).map_err(|error| crypto(&error))?;
        let salt = STANDARD.encode(salt);
        let (memory_kib, iterations) = (MEMORY_KIB, ITERATIONS);
        let kdf = Kdf { name: KDF.into(), memory_kib, iterations, salt };
        let key = kdf.derive(password).map_err(|error| crypto(&error))?;
        let secret = Zeroizing::new(pair.private.to_base58());
        let aad = associated(&pair.public);
        let payload = Payload { msg: secret.as_bytes(), aad: &aad };
        let ciphertext = XChaCha20Poly1305::new(key.as_ref().into())
            .encrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|error| crypto(&error))?;
        Ok(Self {
            version: FORMAT,
            public_key: pair.public,
            kdf,
            cipher: CIPHER.into(),
            nonce: STANDARD.encode(nonce),
            ciphertext: STANDARD.encode(ciphertext),
        })
    }

    /// Whose key it is; not authenticated before [`Self::decrypt`].
    pub fn public_key(&self) -> PublicKey {
        self.public_key
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`KeyFileError::Io`], [`KeyFileError::Format`].
    pub fn read(path: &Path) -> Result<Self, KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let format = |reason: String| KeyFileError::Format { path: path.to_owned(), reason };
        if path.metadata().map_err(io)?.len() > MAX_LEN {
            return Err(format("too long for a key file".into()));
        }
        let bytes = std::fs::read(path).map_err(io)?;
        let file: Self =
            serde_json::from_slice(&bytes).map_err(|error| format(error.to_string()))?;
        if file.version != FORMAT || file.cipher != CIPHER {
            let reason = format!(
                "expected version {FORMAT} with {CIPHER}, got version {} with {}",
                file.version, file.cipher
            );
            return Err(format(reason));
        }
        Ok(file)
    }

    /// Writes a new file that only its owner may read. An existing file is never replaced.
    ///
    /// # Errors
    /// [`KeyFileError::Io`].
    pub fn write(&self, path: &Path) -> Result<(), KeyFileError> {
        let io = |source| KeyFileError::Io { path: path.to_owned(), source };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path).map_err(io)?;
        let json = serde_json::to_string_pretty(self).map_err(|error| io(error.into()))?;
        file.write_all(json.as_bytes()).and_then(|()| file.sync_all()).map_err(io)
    }

    /// The key pair. `path` is for messages.
    ///
    /// # Errors
    /// [`KeyFileError::Password`], [`KeyFileError::Format`].
    pub fn decrypt(&self, password: &str, path: &Path) -> Result<KeyPair, KeyFileError> {
        let format = |reason: String| KeyFileError::Format { path: path.to_owned(), reason };
        let wrong = || KeyFileError::Password { path: path.to_owned() };
        let key = self.kdf.derive(password).map_err(format)?;
        let decode = |text: &str| STANDARD.decode(text).map_err(|error| format(error.to_string()));
        let (nonce, ciphertext) = (decode(&self.nonce)?, decode(&self.ciphertext)?);
        let nonce: [u8; 24] =
            nonce.try_into().map_err(|_| format("the nonce has another length".into()))?;
        let aad = associated(&self.public_key);
        let payload = Payload { msg: &ciphertext, aad: &aad };
        let secret = XChaCha20Poly1305::new(key.as_ref().into())
            .decrypt(XNonce::from_slice(&nonce), payload)
            .map_err(|_| wrong())?;
        let secret = Zeroizing::new(secret);
        let text = std::str::from_utf8(&secret).map_err(|_| wrong())?;
        let pair = KeyPair::new(PrivateKey::from_base58(text).map_err(|_| wrong())?);
        if pair.public != self.public_key {
            return Err(format("the public key belongs to another private key".into()));
        }
        Ok(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::development_key;

    #[test]
    fn round_trips_and_notices_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        let pair = development_key("test", 0);
        assert!(matches!(KeyFile::encrypt(&pair, "short"), Err(KeyFileError::Weak { got: 5 })));
        KeyFile::encrypt(&pair, "correct horse").unwrap().write(&path).unwrap();
        // Never replaced.
        let again = KeyFile::encrypt(&pair, "correct horse").unwrap();
        assert!(matches!(again.write(&path), Err(KeyFileError::Io { .. })));
        let file = KeyFile::read(&path).unwrap();
        let opened = file.decrypt("correct horse", &path).unwrap();
        assert_eq!(opened.private, pair.private);
        let wrong = file.decrypt("wrong horses", &path).unwrap_err();
        assert!(matches!(wrong, KeyFileError::Password { .. }));

        let mut other = file.clone();
        other.public_key = development_key("test", 1).public;
        assert!(matches!(
            other.decrypt("correct horse", &path),
            Err(KeyFileError::Password { .. })
        ));
        let mut greedy = file.clone();
        greedy.kdf.memory_kib = u32::MAX;
        assert!(matches!(greedy.decrypt("correct horse", &path), Err(KeyFileError::Format { .. })));
        let mut changed = file;
        changed
            .ciphertext
            .replace_range(0..1, if changed.ciphertext.starts_with('A') { "B" } else { "A" });
        assert!(matches!(
            changed.decrypt("correct horse", &path),
            Err(KeyFileError::Password { .. })
        ));
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.json");
        KeyFile::encrypt(&development_key("test", 0), "long enough").unwrap().write(&path).unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
