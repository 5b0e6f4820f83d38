//! Opening databases of sled.

use std::time::{Duration, Instant};

/// How long to wait for a database that was closed just now.
const CLOSING: Duration = Duration::from_secs(5);

/// Opens a database. Threads of sled hold its lock for a moment after it has been dropped, so whoever
/// follows another one in the same process may be too early: waits for a few seconds.
///
/// # Errors
/// What [`sled::Config::open`] says then.
pub fn open(config: &sled::Config) -> sled::Result<sled::Db> {
    let deadline = Instant::now() + CLOSING;
    loop {
        match config.open() {
            // The version of sled is fixed, and with it what it says.
            Err(sled::Error::Io(error))
                if error.to_string().starts_with("could not acquire lock")
                    && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            opened => return opened,
        }
    }
}
