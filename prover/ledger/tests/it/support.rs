//! Reading vectors.

use std::{fs, io::Read, path::PathBuf};

use mina_curves::Fp;
use mina_ledger::types::{VerificationKey, from_decimal};
use serde_json::{Map, Value};

/// The text of a file under `tests/vectors`, decompressed if its name ends in `.gz`.
pub(crate) fn text(path: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors").join(path);
    let bytes = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut text = String::new();
    if path.ends_with(".gz") {
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
    } else {
        text = String::from_utf8(bytes).unwrap();
    }
    text
}

/// The JSON in a file under `tests/vectors`.
pub(crate) fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).unwrap()
}

/// A field element in JSON.
pub(crate) fn fp(value: &Value) -> Fp {
    from_decimal(value.as_str().unwrap()).unwrap()
}

/// Lists of field elements in JSON.
pub(crate) fn fps(value: &Value) -> Vec<Fp> {
    value.as_array().unwrap().iter().map(fp).collect()
}

/// Anything in JSON.
pub(crate) fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    T::deserialize(value).unwrap_or_else(|error| panic!("{error}: {value}"))
}

/// The verification keys of `hashing.json`, by hash.
pub(crate) fn keys(hashing: &Value) -> Map<String, Value> {
    hashing["vectors"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|vector| vector["kind"] == "verificationKeyHash")
        .map(|v| (v["output"].as_str().unwrap().to_owned(), v["input"]["data"].clone()))
        .collect()
}

/// Puts the data of verification keys next to their hashes in the JSON of an account.
pub(crate) fn with_key_data(account: &Value, keys: &Map<String, Value>) -> Value {
    let mut account = account.clone();
    if let Some(key) = account["zkapp"].get_mut("verificationKey").filter(|key| !key.is_null()) {
        key["data"] = keys[key["hash"].as_str().unwrap()].clone();
    }
    account
}

/// A verification key that vectors use.
pub(crate) fn some_key(index: usize) -> VerificationKey {
    let keys = keys(&json("ledger/hashing.json"));
    let (_, data) = keys.iter().nth(index).unwrap();
    VerificationKey::from_base64(data.as_str().unwrap()).unwrap()
}
