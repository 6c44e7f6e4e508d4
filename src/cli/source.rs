//! Where settings come from: a flag wins over the environment, that over the
//! file, that over the default. All three are handed in, so that this is
//! tested without touching the environment.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::settings::Settings;
use super::table::{Kind, Setting, TABLE};

/// What was found in each place.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// Values by key, as typed.
    pub flags: BTreeMap<String, Vec<String>>,
    /// The environment, whole.
    pub env: BTreeMap<String, String>,
    /// The name and the text of the file.
    pub file: Option<(PathBuf, String)>,
    /// True when Tandem runs as root.
    pub root: bool,
}

/// What is wrong with a setting, where, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    #[error("--{flag}: {why}")]
    Flag { flag: String, why: String },
    #[error("{name}: {why}")]
    Env { name: String, why: String },
    #[error("{}:{line}:{column}: {why}", file.display())]
    File { file: PathBuf, line: usize, column: usize, why: String },
    #[error("there is no home directory to keep data in; set --data-dir")]
    NoHome,
}

impl Source {
    /// The settings; or all that is wrong with them.
    pub fn settle(&self) -> Result<Settings, Vec<SettingsError>> {
        let mut settings = Settings::blank(PathBuf::new());
        let mut wrong = Vec::new();
        let file = match &self.file {
            Some((name, text)) => match read_file(name, text) {
                Ok(values) => values,
                Err(found) => {
                    wrong.extend(found);
                    BTreeMap::new()
                }
            },
            None => BTreeMap::new(),
        };
        for setting in TABLE {
            let default = split(setting, setting.default);
            let applied = (setting.apply)(&mut settings, &default);
            debug_assert!(applied.is_ok(), "the default of {} is refused: {applied:?}", setting.key);
            // A wrong line in the file is told even when a flag hides it.
            if let Some((values, place)) = file.get(setting.key)
                && let Err(why) = (setting.apply)(&mut settings, values)
            {
                let (file, line, column) = place.clone();
                wrong.push(SettingsError::File {
                    file,
                    line,
                    column,
                    why: format!("{}: {why}", setting.key),
                });
            }
            if let Some(value) = self.env.get(&setting.env())
                && let Err(why) = (setting.apply)(&mut settings, &split(setting, value))
            {
                wrong.push(SettingsError::Env { name: setting.env(), why });
            }
            if let Some(values) = self.flags.get(setting.key) {
                let values: Vec<String> = values.iter().flat_map(|value| split(setting, value)).collect();
                if let Err(why) = (setting.apply)(&mut settings, &values) {
                    wrong.push(SettingsError::Flag { flag: setting.flag().to_owned(), why });
                }
            }
        }
        if settings.data_dir.as_os_str().is_empty() {
            match self.default_data_dir() {
                Some(path) => settings.data_dir = path,
                None => wrong.push(SettingsError::NoHome),
            }
        }
        if wrong.is_empty() { Ok(settings) } else { Err(wrong) }
    }

    fn default_data_dir(&self) -> Option<PathBuf> {
        if self.root {
            return Some("/var/lib/tandem".into());
        }
        let absolute = |name: &str| self.env.get(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
            .map(|base| base.join("tandem"))
    }
}

fn split(setting: &Setting, text: &str) -> Vec<String> {
    match setting.kind {
        Kind::List => text.split(',').map(str::to_owned).collect(),
        _ => vec![text.to_owned()],
    }
}

type Place = (PathBuf, usize, usize);
type Values = BTreeMap<&'static str, (Vec<String>, Place)>;

/// The values of a file by key, or all that is wrong with its form.
fn read_file(name: &Path, text: &str) -> Result<Values, Vec<SettingsError>> {
    let place = |span: Range<usize>| {
        let before = text.get(..span.start.min(text.len())).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (name.to_owned(), line, column)
    };
    let error = |span: Range<usize>, why: String| {
        let (file, line, column) = place(span);
        SettingsError::File { file, line, column, why }
    };
    let (table, broken) = DeTable::parse_recoverable(text);
    if !broken.is_empty() {
        let told =
            |found: toml::de::Error| error(found.span().unwrap_or(0..0), found.message().replace('\n', ", "));
        return Err(broken.into_iter().map(told).collect());
    }
    let (mut values, mut wrong) = (BTreeMap::new(), Vec::new());
    for (key, value) in table.get_ref().iter() {
        let Some(setting) = TABLE.iter().find(|setting| setting.key == key.get_ref().as_ref()) else {
            wrong.push(error(key.span(), unknown(key.get_ref().as_ref())));
            continue;
        };
        match strings(setting.kind, value.get_ref()) {
            Some(found) => {
                values.insert(setting.key, (found, place(value.span())));
            }
            None => {
                let wanted = match setting.kind {
                    Kind::Text => "a text in quotes",
                    Kind::Number => "a whole number without quotes",
                    Kind::Switch => "true or false, without quotes",
                    Kind::List => "a list of texts, as in [\"one\", \"two\"]",
                };
                let found = value.get_ref().type_str();
                wrong.push(error(value.span(), format!("{} is {wanted}, not {found}", setting.key)));
            }
        }
    }
    if wrong.is_empty() { Ok(values) } else { Err(wrong) }
}

fn strings(kind: Kind, value: &DeValue<'_>) -> Option<Vec<String>> {
    match kind {
        Kind::Text => Some(vec![value.as_str()?.to_owned()]),
        Kind::Number => Some(vec![value.as_integer()?.to_string()]),
        Kind::Switch => Some(vec![value.as_bool()?.to_string()]),
        Kind::List => {
            value.as_array()?.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect()
        }
    }
}

fn unknown(key: &str) -> String {
    let nearest = TABLE.iter().map(|setting| (distance(key, setting.key), setting.key)).min();
    match nearest {
        Some((steps, near)) if steps <= 3.max(key.len() / 3) => {
            format!("there is no setting '{key}'; did you mean '{near}'?")
        }
        _ => format!("there is no setting '{key}'; `tandem config example` lists them"),
    }
}

/// How many letters to add, drop or change from one word to the other.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (i, a) in from.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, b) in to.iter().enumerate() {
            let change = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = change.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

/// The commented example file.
pub fn example() -> String {
    let mut out = String::from(
        "# Tandem's settings. Each line shows its default; take the # away to change it.\n\
         # A flag (--frame-rate 30) wins over the environment (TANDEM_FRAME_RATE=30),\n\
         # and that over this file. `tandem config check FILE` says what is wrong with one.\n",
    );
    for setting in TABLE {
        let value = match setting.kind {
            Kind::Text => format!("{:?}", setting.default),
            Kind::Number | Kind::Switch => setting.default.to_owned(),
            Kind::List => "[]".to_owned(),
        };
        let note = setting.default_shown.map(|shown| format!("  # {shown}")).unwrap_or_default();
        writeln!(out, "\n# {}\n# {} = {value}{note}", setting.help, setting.key).expect("a string takes all");
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(file: &str, env: &[(&str, &str)], flags: &[(&str, &str)]) -> Source {
        let mut env: BTreeMap<String, String> =
            env.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        env.entry("HOME".into()).or_insert("/home/ada".into());
        Source {
            flags: flags.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect(),
            env,
            file: Some(("t.toml".into(), file.to_owned())),
            root: false,
        }
    }

    fn complaints(file: &str) -> Vec<String> {
        source(file, &[], &[]).settle().err().unwrap_or_default().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
        let file = "frame_rate = 10";
        let rate = |source: Source| source.settle().map(|settings| settings.frame_rate).expect("right");
        assert_eq!(rate(source("", &[], &[])), 60);
        assert_eq!(rate(source(file, &[], &[])), 10);
        assert_eq!(rate(source(file, &[("TANDEM_FRAME_RATE", "20")], &[])), 20);
        assert_eq!(rate(source(file, &[("TANDEM_FRAME_RATE", "20")], &[("frame_rate", "30")])), 30);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_told_with_its_place_and_the_remedy() {
        for (file, told) in [
            ("\nlissten = \"x\"", "t.toml:2:1: there is no setting 'lissten'; did you mean 'listen'?"),
            (
                "colour_of_the_sky = 1",
                "t.toml:1:1: there is no setting 'colour_of_the_sky'; `tandem config example` lists them",
            ),
            ("frame_rate = \"60\"", "t.toml:1:14: frame_rate is a whole number without quotes, not string"),
            ("frame_rate = 0", "t.toml:1:14: frame_rate: '0' is not a whole number from 1 to 120"),
            (
                "room_size = \"9x9\"",
                "t.toml:1:13: room_size: 9x9 is not a size a room can have; use 200 to 3840 pixels a side",
            ),
            (
                "public_url = [\"example.org\"]",
                "t.toml:1:14: public_url: 'example.org' is no address of a site; write it as https://tandem.example.org, without a path",
            ),
        ] {
            assert_eq!(complaints(file), [told]);
        }
        let broken = complaints("listen = ");
        assert!(broken.first().is_some_and(|line| line.starts_with("t.toml:1:")), "{broken:?}");
        assert_eq!(complaints("max_rooms = 0\nlog_format = \"xml\"").len(), 2);
        let secret = complaints("ice_servers = [\"turn:ada:hunter2example.org\"]");
        assert!(!secret[0].contains("hunter2"), "{secret:?}");
    }

    #[test]
    fn a_wrong_flag_and_a_wrong_variable_are_named() {
        let wrong =
            source("", &[("TANDEM_MAX_ROOMS", "many")], &[("listen", "here")]).settle().err().expect("wrong");
        let told: Vec<String> = wrong.iter().map(ToString::to_string).collect();
        assert_eq!(told[0], "--listen: 'here' is not right: invalid socket address syntax");
        assert_eq!(told[1], "TANDEM_MAX_ROOMS: 'many' is not a whole number from 1 to 100");
    }

    #[test]
    fn lists_come_from_all_places() {
        let env = [("TANDEM_RTC_PUBLIC_ADDRESS", "203.0.113.9, 2001:db8::1")];
        let settings = source("ice_servers = [\"turn:ada:se:cret@turn.example.org:3478\"]", &env, &[])
            .settle()
            .unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert_eq!(settings.rtc_public_address.len(), 2);
        assert_eq!(settings.ice_servers[0].credential.as_deref(), Some("se:cret"));
        assert_eq!(settings.data_dir, Path::new("/home/ada/.local/share/tandem"));
    }

    #[test]
    fn the_example_is_right_when_every_line_is_used() {
        let used: String = example()
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(rest)
                    if rest.split_once(" = ").is_some_and(|(key, _)| TABLE.iter().any(|s| s.key == key)) =>
                {
                    format!("{rest}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(used.contains("\nframe_rate = 60"));
        assert_eq!(complaints(&used), Vec::<String>::new());
    }

    #[test]
    fn the_committed_example_is_what_the_table_says() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tandem.example.toml");
        if std::env::var_os("TANDEM_BLESS").is_some() {
            std::fs::write(&path, example()).expect("written");
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            found == example(),
            "tandem.example.toml is out of date; run TANDEM_BLESS=1 cargo test --lib cli::"
        );
    }
}
