//! `tandem token`: works on the data directory, whether the server runs or not.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::args::{Flags, print};
use super::failure::Failure;
use crate::base::{Role, RoomId, ToolGroups};
use crate::server::{Secret, new_token};
use crate::store::{Store, StoreError, TokenId, UnixSeconds};

#[derive(Debug, Subcommand)]
pub(super) enum What {
    /// Make a token and print it, this once
    Create(Box<Create>),
    /// List the tokens, without their texts
    List(Box<List>),
    /// Revoke a token; whoever uses it is put out within two seconds
    Revoke(Box<Revoke>),
}

#[derive(Debug, Args)]
pub(super) struct Create {
    /// admin, controller, viewer or agent
    #[arg(long)]
    role: Role,
    /// Only for this room
    #[arg(long)]
    room: Option<RoomId>,
    /// What others see beside the pointer
    #[arg(long)]
    name: Option<String>,
    /// How long it is good: 30m, 12h, 7d
    #[arg(long = "for", value_parser = seconds)]
    lasts: Option<u64>,
    /// Which groups of tools it opens: core, vision, pdf, testing, network, storage, devtools, or all
    #[arg(long)]
    tools: Option<ToolGroups>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct List {
    /// Only those for this room
    #[arg(long)]
    room: Option<RoomId>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Debug, Args)]
pub(super) struct Revoke {
    /// The token's id, as `tandem token list` shows it
    id: String,
    #[command(flatten)]
    flags: Flags,
}

fn seconds(text: &str) -> Result<u64, String> {
    let wrong = || format!("'{text}' is no time; write it as 90s, 30m, 12h or 7d");
    let unit = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        Some('d') => 24 * 3600,
        _ => return Err(wrong()),
    };
    let count: u64 = text[..text.len() - 1].parse().map_err(|_| wrong())?;
    count.checked_mul(unit).ok_or_else(wrong)
}

pub(super) async fn run(what: What) -> Result<ExitCode, Failure> {
    match what {
        What::Create(create) => make(*create).await,
        What::List(list) => show(*list).await,
        What::Revoke(revoke) => end(*revoke).await,
    }
}

async fn make(create: Create) -> Result<ExitCode, Failure> {
    let (settings, _) = create.flags.settle()?;
    if create.role.may_administer() && create.room.is_some() {
        return Err(Failure::new(
            "an admin's token is for all rooms; leave --room out or choose another role",
        ));
    }
    let secret = Secret::random()?;
    let mut stored =
        new_token(&secret, create.role, create.room.clone(), create.name.as_deref(), create.lasts)
            .map_err(Failure::new)?;
    stored.tools = create.tools;
    // Before the first start there is no database yet, and nobody else either.
    let store = match Store::open_beside(&settings.data_dir) {
        Err(StoreError::Absent { .. }) => Store::open(&settings.data_dir)?,
        opened => opened?,
    };
    store.add_token(stored.clone()).await?;
    let base = super::serve::address(&settings);
    let room = create.room.unwrap_or_else(RoomId::main);
    eprintln!("token {} for the role {}; it is shown this once:", stored.id, create.role.as_str());
    let line = match create.role {
        Role::Agent => format!("{}\n", secret.reveal()),
        _ => format!("{base}/rooms/{room}?token={}\n", secret.reveal()),
    };
    print(&line)
}

async fn show(list: List) -> Result<ExitCode, Failure> {
    let (settings, _) = list.flags.settle()?;
    let tokens = Store::open_beside(&settings.data_dir)?.tokens(list.room).await?;
    let now = UnixSeconds::now();
    let state = |token: &crate::store::StoredToken| match (token.revoked_at, token.expires_at) {
        (Some(_), _) => "revoked".to_owned(),
        (None, Some(end)) if end <= now => "expired".to_owned(),
        (None, Some(end)) => format!("good for {} s", end.0 - now.0),
        (None, None) => "good".to_owned(),
    };
    let mut out = String::new();
    if list.json {
        let all: Vec<_> = tokens
            .iter()
            .map(|token| {
                serde_json::json!({
                    "id": token.id, "role": token.role, "room": token.room, "name": token.name,
                    "created_at": token.created_at, "expires_at": token.expires_at, "revoked_at": token.revoked_at,
                    "tools": token.tools.map(|tools| tools.to_string()),
                })
            })
            .collect();
        out = serde_json::to_string_pretty(&all)?;
        out.push('\n');
    } else if tokens.is_empty() {
        out.push_str("there are no tokens; make one with `tandem token create --role controller`\n");
    } else {
        out.push_str(&format!("{:<14}{:<12}{:<16}{:<20}{}\n", "ID", "ROLE", "ROOM", "NAME", "STATE"));
        for token in &tokens {
            let room = token.room.as_ref().map_or("(all)", RoomId::as_str);
            let (id, role) = (token.id.as_str(), token.role.as_str());
            out.push_str(&format!("{id:<14}{role:<12}{room:<16}{:<20}{}\n", token.name, state(token)));
        }
    }
    print(&out)
}

async fn end(revoke: Revoke) -> Result<ExitCode, Failure> {
    let (settings, _) = revoke.flags.settle()?;
    let none = || {
        Failure::new(format!(
            "there is no token {} that is not revoked yet; see `tandem token list`",
            revoke.id
        ))
    };
    let id = TokenId::new(&revoke.id).ok_or_else(none)?;
    let store = Store::open_beside(&settings.data_dir)?;
    if !store.revoke_token(id, UnixSeconds::now()).await? {
        return Err(none());
    }
    print(&format!("revoked {}\n", revoke.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_number_and_a_unit() {
        assert_eq!(seconds("90s"), Ok(90));
        assert_eq!(seconds("7d"), Ok(604_800));
        for wrong in
            ["", "s", "7", "d7", "-1h", "1.5h", "99999999999999999999d", "18446744073709551615d", "5ä"]
        {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
