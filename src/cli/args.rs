//! The commands and their flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches, Parser, Subcommand};

use super::failure::Failure;
use super::remote::Reach;
use super::settings::Settings;
use super::source::{Source, example};
use super::table::{Kind, TABLE};
use super::{doctor, health, mcp, secret, serve, token};

/// What is wrong with the command, the settings or the machine ends with this code.
const WRONG: u8 = 2;

#[derive(Debug, Parser)]
#[command(name = "tandem", version, about = "A remote browser that a person and an AI agent share")]
struct Tandem {
    #[command(subcommand)]
    command: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start the server
    Serve(Flags),
    /// Make, list and revoke tokens, also while the server runs
    Token {
        #[command(subcommand)]
        what: token::What,
    },
    /// Keep, list and remove secrets that agents may type without reading them
    Secret {
        #[command(subcommand)]
        what: secret::What,
    },
    /// Check a configuration file, or print a commented example
    Config {
        #[command(subcommand)]
        what: Config,
    },
    /// Check what this machine lacks
    Doctor {
        #[command(flatten)]
        flags: Flags,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Ask the server on this machine whether it is ready for work; code 1 if not
    Health(Flags),
    /// Give an agent a room's tools over standard input and output
    Mcp(Reach),
    /// Put a room's browser on a local port, as Chromium's own debugging port would be
    Cdp(super::cdp::Bridge),
    /// Print the OpenAPI document
    Openapi,
    /// Measure a room on this machine: latency, CPU, sharpness
    #[cfg(feature = "bench")]
    Bench(crate::bench::BenchArgs),
}

#[derive(Debug, Subcommand)]
enum Config {
    /// Say what is wrong with a file, with the line
    Check { file: PathBuf },
    /// Print an example with every setting and its default
    Example,
}

/// A flag for every setting, and the file.
#[derive(Clone, Debug, Default)]
pub(super) struct Flags {
    config: Option<PathBuf>,
    values: BTreeMap<String, Vec<String>>,
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut flags = Self::default();
        flags.update_from_arg_matches(matches)?;
        Ok(flags)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        self.config = matches.get_one::<PathBuf>("config").cloned();
        for setting in TABLE {
            if let Some(values) = matches.get_many::<String>(setting.key) {
                self.values.insert(setting.key.to_owned(), values.cloned().collect());
            }
        }
        Ok(())
    }
}

impl Args for Flags {
    fn augment_args(mut command: Command) -> Command {
        let config = Arg::new("config").long("config").value_name("FILE");
        let config = config
            .value_parser(clap::value_parser!(PathBuf))
            .help("The file with settings [env: TANDEM_CONFIG]");
        command = command.arg(config);
        for setting in TABLE {
            let default = match setting.default_shown.unwrap_or(setting.default) {
                "" => String::new(),
                shown => format!(", default: {shown}"),
            };
            let help = format!("{} [env: {}{default}]", setting.help, setting.env());
            let arg = Arg::new(setting.key).long(setting.flag()).help(help);
            command = command.arg(match setting.kind {
                Kind::Switch => {
                    arg.num_args(0..=1).default_missing_value("true").require_equals(true).value_name("BOOL")
                }
                Kind::List => arg.action(ArgAction::Append).value_name("VALUE"),
                Kind::Number => arg.value_name("NUMBER"),
                Kind::Text => arg.value_name("VALUE"),
            });
        }
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl Flags {
    /// Settles the settings from these flags, the environment and the file.
    /// The one place that reads the environment.
    pub(super) fn settle(self) -> Result<(Settings, BTreeMap<String, String>), Failure> {
        let env: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let config = self.config.or_else(|| env.get("TANDEM_CONFIG").map(PathBuf::from));
        let file = config.map(|path| read(&path)).transpose()?;
        let root = rustix::process::geteuid().is_root();
        let source = Source { flags: self.values, env: env.clone(), file, root };
        match source.settle() {
            Ok(settings) => Ok((settings, env)),
            Err(wrong) => Err(Failure::new(
                wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join("\ntandem: "),
            )),
        }
    }
}

fn read(path: &Path) -> Result<(PathBuf, String), Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("cannot read the settings in {}: {error}", path.display())))?;
    Ok((path.to_owned(), text))
}

/// Runs the program.
pub fn run() -> ExitCode {
    // Wrong usage is told by clap, which ends with code 2 as well.
    let done = match Tandem::parse().command {
        What::Serve(flags) => runtime().and_then(|runtime| runtime.block_on(serve::serve(flags))),
        What::Token { what } => runtime().and_then(|runtime| runtime.block_on(token::run(what))),
        What::Secret { what } => runtime().and_then(|runtime| runtime.block_on(secret::run(what))),
        What::Config { what: Config::Check { file } } => check(&file),
        What::Config { what: Config::Example } => print(&example()),
        What::Doctor { flags, json } => {
            runtime().and_then(|runtime| runtime.block_on(doctor::run(flags, json)))
        }
        What::Health(flags) => runtime().and_then(|runtime| runtime.block_on(health::run(flags))),
        What::Mcp(reach) => runtime().and_then(|runtime| {
            let done = runtime.block_on(mcp::run(reach));
            // Reading from a terminal cannot be broken off.
            runtime.shutdown_background();
            done
        }),
        What::Openapi => print(&crate::server::openapi_json(&super::assemble::edges_document())),
        What::Cdp(bridge) => runtime().and_then(|runtime| runtime.block_on(super::cdp::run(bridge))),
        #[cfg(feature = "bench")]
        What::Bench(args) => runtime().and_then(|runtime| {
            let met = runtime.block_on(crate::bench::run(args));
            met.map(|met| if met { ExitCode::SUCCESS } else { ExitCode::FAILURE })
                .map_err(|error| Failure::new(format!("{error:#}")))
        }),
    };
    done.unwrap_or_else(|failure| {
        eprintln!("tandem: {failure}");
        ExitCode::from(WRONG)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().thread_name("tandem").build()?)
}

fn check(file: &Path) -> Result<ExitCode, Failure> {
    let flags = Flags { config: Some(file.to_owned()), ..Flags::default() };
    flags.settle()?;
    print(&format!("{} is right\n", file.display()))
}

/// Writes to stdout; that nobody reads any more is no error.
pub(super) fn print(text: &str) -> Result<ExitCode, Failure> {
    use std::io::Write as _;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_commands_are_sound_and_every_setting_has_a_flag() {
        Tandem::command().debug_assert();
        let parsed = Tandem::try_parse_from([
            "tandem",
            "serve",
            "--frame-rate",
            "30",
            "--allow-plain-http",
            "--public-url",
            "https://a",
            "--public-url=https://b",
        ]);
        let What::Serve(flags) = parsed.expect("parses").command else { panic!("another command") };
        assert_eq!(flags.values["frame_rate"], ["30"]);
        assert_eq!(flags.values["allow_plain_http"], ["true"]);
        assert_eq!(flags.values["public_url"], ["https://a", "https://b"]);
    }
}
