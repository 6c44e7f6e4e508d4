//! Readers of the values of settings: from texts, as a flag, the environment or
//! the file has them, into what a setting holds. What they refuse, they say how
//! to write.

use std::path::PathBuf;
use std::str::FromStr;

use crate::server::wire::IceServer;

pub(super) fn root(text: &str) -> Result<PathBuf, String> {
    let path = PathBuf::from(text);
    match path.is_absolute() {
        true => Ok(path),
        false => Err(format!("'{text}' is no absolute path")),
    }
}

pub(super) fn one(values: &[String]) -> Result<&str, String> {
    match values {
        [one] => Ok(one.trim()),
        _ => Err("one value is expected".into()),
    }
}

pub(super) fn parse<T: FromStr>(text: &str) -> Result<T, String>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error| {
        let error = format!("{error}");
        if error.contains(text) && !text.is_empty() {
            error
        } else {
            format!("'{text}' is not right: {error}")
        }
    })
}

pub(super) fn set<T: FromStr>(slot: &mut T, values: &[String]) -> Result<(), String>
where
    T::Err: std::fmt::Display,
{
    *slot = parse(one(values)?)?;
    Ok(())
}

pub(super) fn number<T: FromStr + PartialOrd + From<u8> + std::fmt::Display>(
    slot: &mut T,
    values: &[String],
    least: u32,
    most: u32,
) -> Result<(), String> {
    let text = one(values)?;
    let refused = || format!("'{text}' is not a whole number from {least} to {most}");
    let bounds = (least.to_string().parse::<T>(), most.to_string().parse::<T>());
    match (text.parse::<T>(), bounds) {
        (Ok(value), (Ok(least), Ok(most))) if least <= value && value <= most => *slot = value,
        _ => return Err(refused()),
    }
    Ok(())
}

pub(super) fn text(slot: &mut String, values: &[String]) -> Result<(), String> {
    match one(values)? {
        "" => Err("a value is expected".into()),
        value => {
            *slot = value.to_owned();
            Ok(())
        }
    }
}

pub(super) fn path(slot: &mut PathBuf, values: &[String]) -> Result<(), String> {
    let mut value = String::new();
    text(&mut value, values)?;
    *slot = value.into();
    Ok(())
}

/// Zero is no limit.
pub(super) fn limit(slot: &mut Option<u32>, values: &[String], least: u32, most: u32) -> Result<(), String> {
    if one(values)? == "0" {
        *slot = None;
        return Ok(());
    }
    let mut value = 0u32;
    number(&mut value, values, least, most).map_err(|error| format!("{error}, nor 0"))?;
    *slot = Some(value);
    Ok(())
}

pub(super) fn optional(values: &[String], mut store: impl FnMut(PathBuf)) -> Result<(), String> {
    match one(values)? {
        "" => {}
        value => store(value.into()),
    }
    Ok(())
}

pub(super) fn list<T>(
    slot: &mut Vec<T>,
    values: &[String],
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<(), String> {
    let values = values.iter().map(|value| value.trim()).filter(|value| !value.is_empty());
    *slot = values.map(parse).collect::<Result<_, _>>()?;
    Ok(())
}

pub(super) fn ice_server(text: &str) -> Result<IceServer, String> {
    let wrong = || "an ICE server is written stun:host:port or turn:USER:SECRET@host:port".to_owned();
    let (scheme, rest) = text.split_once(':').ok_or_else(wrong)?;
    let fits = |host: &str| !host.is_empty() && !host.contains(['@', '/', ' ', '<', '>', '"']);
    match scheme {
        "stun" | "stuns" if fits(rest) => {
            Ok(IceServer { urls: vec![text.to_owned()], username: None, credential: None })
        }
        "turn" | "turns" => {
            // The secret is not repeated in the error.
            let (account, host) = rest.rsplit_once('@').ok_or_else(wrong)?;
            let (user, secret) = account.split_once(':').ok_or_else(wrong)?;
            if !fits(host) || user.is_empty() || secret.is_empty() {
                return Err(wrong());
            }
            Ok(IceServer {
                urls: vec![format!("{scheme}:{host}")],
                username: Some(user.to_owned()),
                credential: Some(secret.to_owned()),
            })
        }
        _ => Err(wrong()),
    }
}
