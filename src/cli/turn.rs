//! The secret that a TURN server shares with us: given, read, or made.

use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use super::failure::Failure;
use super::settings::Settings;
use crate::server::{Secret, Turn};

/// The TURN server that the settings name, if they do.
pub(super) fn server(settings: &Settings, env: Option<&str>) -> Result<Option<Turn>, Failure> {
    let given = env.filter(|text| !text.is_empty());
    if settings.turn_url.is_empty() {
        return Ok(None);
    }
    let (secret, from) = match (given, &settings.turn_secret_file) {
        (Some(secret), _) => (secret.to_owned(), "TANDEM_TURN_SECRET".to_owned()),
        (None, Some(path)) => (read_or_make(path)?, format!("--turn-secret-file {}", path.display())),
        (None, None) => {
            return Err(Failure::new(
                "--turn-url needs the secret of that server, by TANDEM_TURN_SECRET or --turn-secret-file; \
                 for one with a fixed user and password use --ice-servers",
            ));
        }
    };
    let turn = Turn::new(settings.turn_url.clone(), secret.trim());
    turn.map(Some).map_err(|error| Failure::new(format!("{from}: {error}")))
}

/// The file is made for the server beside us, which may be another user's: who
/// may enter its directory may read it.
fn read_or_make(path: &Path) -> Result<String, Failure> {
    let wrong =
        |error: std::io::Error| Failure::new(format!("--turn-secret-file {}: {error}", path.display()));
    match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        read => return read.map_err(wrong),
    }
    let secret = Secret::random()?;
    let mut options = std::fs::File::options();
    let mut file = options.write(true).create_new(true).mode(0o644).open(path).map_err(wrong)?;
    file.write_all(secret.reveal().as_bytes()).and_then(|()| file.sync_all()).map_err(wrong)?;
    Ok(secret.reveal().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Source;

    fn settled(pairs: &[(&str, &str)]) -> Settings {
        let flags = pairs.iter().map(|(key, value)| ((*key).to_owned(), vec![(*value).to_owned()])).collect();
        Source { flags, root: true, ..Source::default() }.settle().unwrap_or_else(|wrong| panic!("{wrong:?}"))
    }

    #[test]
    fn a_secret_is_made_once_and_read_after() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("secret").display().to_string();
        let settings = settled(&[("turn_url", "turn:t.example"), ("turn_secret_file", &path)]);
        assert!(server(&settings, None).is_ok_and(|turn| turn.is_some()));
        let made = std::fs::read_to_string(&path).expect("made");
        assert!(server(&settings, None).is_ok() && made.len() > 40);
        assert_eq!(std::fs::read_to_string(&path).expect("there"), made);
    }

    #[test]
    fn turn_without_a_secret_is_refused_and_a_short_one_is_named() {
        let told =
            |env| server(&settled(&[("turn_url", "turn:t.example")]), env).err().map(|e| e.to_string());
        assert!(told(None).is_some_and(|told| told.contains("TANDEM_TURN_SECRET")));
        assert!(told(Some("short")).is_some_and(|told| told.contains("16 characters")));
        assert!(server(&settled(&[]), None).is_ok_and(|turn| turn.is_none()));
    }
}
