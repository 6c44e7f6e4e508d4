//! Log lines go to stderr; stdout is for what was asked for.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;

use super::failure::Failure;
use super::settings::{LogFormat, Settings};

pub(super) fn start(settings: &Settings) -> Result<(), Failure> {
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter(&settings.log)?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match settings.log_format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| Failure::new(format!("cannot start the log: {error}")))
}

/// What the libraries below us say at the levels that are meant for users is
/// not for users: each session of an agent in three lines, each message of
/// Chromium that a library has no name for.
const LIBRARIES: &str = "rmcp=error,chromiumoxide=error";

fn filter(wanted: &str) -> Result<EnvFilter, Failure> {
    let plain = ["warn", "info"].contains(&wanted.to_ascii_lowercase().as_str());
    let filter = if plain { format!("{wanted},{LIBRARIES}") } else { wanted.to_owned() };
    Ok(EnvFilter::try_new(filter)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_of_the_users_own_is_left_as_it_is() {
        let shown = |wanted| filter(wanted).unwrap_or_else(|error| panic!("{error}")).to_string();
        assert!(shown("info").contains("rmcp=error"));
        for own in ["debug", "tandem=trace", "rmcp=info"] {
            assert_eq!(shown(own), own);
        }
    }
}
