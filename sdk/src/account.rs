//! `zeko account`.

use std::{
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use mina_ledger::types::PrivateKey;
use zeko_sdk::{
    client::Client,
    keys::{KeyFile, KeyPair},
};
use zeroize::Zeroizing;

#[derive(Debug, Subcommand)]
pub(crate) enum Account {
    /// Make a new key, encrypted with a password.
    New {
        /// Where to write it; an existing file is never replaced.
        file: PathBuf,
        #[command(flatten)]
        password: Password,
    },
    /// Encrypt a private key (EK…) that is read from standard input.
    Import {
        /// Where to write it; an existing file is never replaced.
        file: PathBuf,
        #[command(flatten)]
        password: Password,
    },
    /// Show whose key a file holds, and with a node's URL what the account has.
    Show {
        /// The key file.
        file: PathBuf,
        /// A node's GraphQL.
        #[arg(long, env = "ZEKO_NODE_URL")]
        url: Option<String>,
        /// Print the private key too, after asking for the password.
        #[arg(long)]
        private: bool,
        #[command(flatten)]
        password: Password,
    },
}

/// Where the password comes from: a file, the environment, or the terminal.
#[derive(Debug, Args)]
pub(crate) struct Password {
    /// A file whose first line is the password.
    #[arg(long, env = "ZEKO_ACCOUNT_PASSWORD_FILE")]
    password_file: Option<PathBuf>,
}

impl Password {
    fn given(&self) -> anyhow::Result<Option<Zeroizing<String>>> {
        if let Some(file) = &self.password_file {
            let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
            let text = Zeroizing::new(text);
            let line = text.lines().next().unwrap_or_default();
            return Ok(Some(Zeroizing::new(line.to_owned())));
        }
        Ok(std::env::var("ZEKO_ACCOUNT_PASSWORD").ok().map(Zeroizing::new))
    }

    fn open(&self) -> anyhow::Result<Zeroizing<String>> {
        match self.given()? {
            Some(password) => Ok(password),
            None => Ok(Zeroizing::new(rpassword::prompt_password("Password: ")?)),
        }
    }

    pub(crate) fn choose(&self) -> anyhow::Result<Zeroizing<String>> {
        if let Some(password) = self.given()? {
            return Ok(password);
        }
        let first = Zeroizing::new(rpassword::prompt_password("New password: ")?);
        let again = Zeroizing::new(rpassword::prompt_password("Again: ")?);
        if first != again {
            bail!("the passwords differ");
        }
        Ok(first)
    }
}

/// Opens a key file.
pub(crate) fn unlock(file: &Path, password: &Password) -> anyhow::Result<KeyPair> {
    let key = KeyFile::read(file)?;
    Ok(key.decrypt(&password.open()?, file)?)
}

#[allow(clippy::print_stdout, reason = "the account is the command's output")]
pub(crate) fn run(command: &Account) -> anyhow::Result<()> {
    match command {
        Account::New { file, password } => write(&KeyPair::random()?, file, password),
        Account::Import { file, password } => {
            let mut text = Zeroizing::new(String::new());
            std::io::stdin().take(1024).read_to_string(&mut text)?;
            let private = PrivateKey::from_base58(text.trim()).context("standard input")?;
            write(&KeyPair::new(private), file, password)
        }
        Account::Show { file, url, private, password } => {
            let key = KeyFile::read(file)?;
            println!("public key   {}", key.public_key().to_base58());
            if *private {
                let pair = key.decrypt(&password.open()?, file)?;
                println!("private key  {}", pair.private.to_base58());
            }
            let Some(url) = url else { return Ok(()) };
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            match runtime.block_on(Client::new(url)?.account(&key.public_key()))? {
                None => println!("account      none"),
                Some(account) => {
                    println!(
                        "balance      {}",
                        zeko_sdk::amount::format_mina(account.balance.total)
                    );
                    println!("next nonce   {}", account.inferred_nonce.get());
                }
            }
            Ok(())
        }
    }
}

#[allow(clippy::print_stdout, reason = "the public key is the command's output")]
fn write(pair: &KeyPair, file: &Path, password: &Password) -> anyhow::Result<()> {
    KeyFile::encrypt(pair, &password.choose()?)?.write(file)?;
    println!("{}", pair.public.to_base58());
    Ok(())
}
