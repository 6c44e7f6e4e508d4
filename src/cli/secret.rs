//! `tandem secret`: works on the data directory, whether the server runs or not.

use std::io::{IsTerminal as _, Read as _};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::args::{Flags, print};
use super::failure::Failure;
use super::settings::Settings;
use crate::base::{Redacted, RoomId};
use crate::policy::{LONGEST_SECRET, MOST_SECRET_ORIGINS, SecretKind, SecretName, SecretOrigin};
use crate::store::{Store, StoreError, StoredSecret, UnixSeconds};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Keep a secret that agents may type without reading it; the value comes on standard input
    Set(Box<Set>),
    /// List the secrets, without their values
    List(Box<List>),
    /// Remove a secret
    Rm(Box<Remove>),
}

#[derive(Debug, Args)]
pub(super) struct Set {
    /// What agents write behind secret:, such as shop-password
    name: SecretName,
    /// Where it may be typed: https://shop.example, or https://*.shop.example for the hosts below
    #[arg(long = "origin", required = true)]
    origins: Vec<SecretOrigin>,
    /// Which fields it fits: text, password, totp (an otpauth:// address or a key in base32)
    #[arg(long, default_value = "password")]
    kind: SecretKind,
    /// Only in this room
    #[arg(long)]
    room: Option<RoomId>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct Remove {
    name: SecretName,
    #[command(flatten)]
    flags: Flags,
}

pub(super) async fn run(what: What) -> Result<ExitCode, Failure> {
    match what {
        What::Set(set) => keep(*set).await,
        What::List(list) => show(*list).await,
        What::Rm(remove) => end(*remove).await,
    }
}

fn beside(settings: &Settings) -> Result<Store, StoreError> {
    Ok(with_key(Store::open_beside(&settings.data_dir)?, settings))
}

/// The store, with the key of the secrets where the settings say.
pub(super) fn with_key(store: Store, settings: &Settings) -> Store {
    match &settings.secrets_key_file {
        Some(path) => store.with_secrets_key(path),
        None => store,
    }
}

async fn keep(set: Set) -> Result<ExitCode, Failure> {
    let (settings, _) = set.flags.settle()?;
    if set.origins.len() > MOST_SECRET_ORIGINS {
        return Err(Failure::new(format!("a secret has at most {MOST_SECRET_ORIGINS} origins")));
    }
    let value = value_from_input()?;
    set.kind.check(value.reveal()).map_err(Failure::new)?;
    // Before the first start there is no database yet, and nobody else either.
    let store = match beside(&settings) {
        Err(StoreError::Absent { .. }) => with_key(Store::open(&settings.data_dir)?, &settings),
        opened => opened?,
    };
    let secret = StoredSecret {
        name: set.name.clone(),
        kind: set.kind,
        origins: set.origins,
        room: set.room,
        made_at: UnixSeconds::now(),
        made_by: "tandem secret set".into(),
        used_at: None,
    };
    let is_new = store.put_secret(secret, value).await?;
    let done = if is_new { "set" } else { "replaced" };
    print(&format!("{done} secret:{}\n", set.name))
}

/// One line, without its end.
fn value_from_input() -> Result<Redacted<String>, Failure> {
    let input = std::io::stdin();
    if input.is_terminal() {
        eprintln!("Type the value and press Enter, then Ctrl-D. It is shown as you type; better pipe it in.");
    }
    let mut text = String::new();
    // A character has at most four bytes, and what is longer is told by the check.
    let most = 4 * (LONGEST_SECRET as u64 + 2);
    let read = input.lock().take(most).read_to_string(&mut text);
    read.map_err(|error| Failure::new(format!("the value cannot be read from standard input: {error}")))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(Redacted::new(line.strip_suffix('\r').unwrap_or(line).to_owned()))
}

async fn show(list: List) -> Result<ExitCode, Failure> {
    let (settings, _) = list.flags.settle()?;
    let store = beside(&settings)?;
    let secrets = store.secrets().await?;
    if let Err(error) = store.check_secrets().await {
        eprintln!("{error}");
    }
    let mut out = String::new();
    if list.json {
        let one = |secret: &StoredSecret| {
            serde_json::json!({
                "name": secret.name, "kind": secret.kind, "origins": secret.origins, "room": secret.room,
                "made_at": secret.made_at, "made_by": secret.made_by, "used_at": secret.used_at,
            })
        };
        out = serde_json::to_string_pretty(&secrets.iter().map(one).collect::<Vec<_>>())?;
        out.push('\n');
    } else if secrets.is_empty() {
        out.push_str("there are no secrets; set one with `tandem secret set NAME --origin https://…`\n");
    } else {
        out.push_str(&format!("{:<28}{:<10}{:<14}{}\n", "NAME", "KIND", "ROOM", "ORIGINS"));
        for secret in &secrets {
            let room = secret.room.as_ref().map_or("(all)", RoomId::as_str);
            let origins: Vec<_> = secret.origins.iter().map(ToString::to_string).collect();
            let (name, kind) = (secret.name.as_str(), secret.kind.as_str());
            out.push_str(&format!("{name:<28}{kind:<10}{room:<14}{}\n", origins.join(" ")));
        }
    }
    print(&out)
}

async fn end(remove: Remove) -> Result<ExitCode, Failure> {
    let (settings, _) = remove.flags.settle()?;
    let store = beside(&settings)?;
    if !store.remove_secret(remove.name.clone()).await? {
        return Err(Failure::new(format!("there is no secret {}; see `tandem secret list`", remove.name)));
    }
    print(&format!("removed secret:{}\n", remove.name))
}
