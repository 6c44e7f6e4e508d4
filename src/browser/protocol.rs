//! The description of the DevTools protocol, out of Chromium's own package.
//!
//! The pipe does not tell it; it lies, compressed, among the resources beside
//! the program, so what is read here fits the Chromium that runs.

use std::io::Read;
use std::path::{Path, PathBuf};

/// The resources, and a bound for what is read of them.
const RESOURCES: &str = "resources.pak";
const LARGEST_PACKAGE: u64 = 256 << 20;
const LARGEST_PROTOCOL: u64 = 32 << 20;
/// How a resource compressed by brotli begins; six bytes of its length follow.
const BROTLI: [u8; 2] = [0x1e, 0x9b];

/// Reads it. Nothing when it is not where it was in every Chromium so far.
pub(super) async fn read(executable: &Path) -> Option<String> {
    let package = package(executable)?;
    tokio::task::spawn_blocking(move || {
        let bytes = bounded(std::fs::File::open(package).ok()?, LARGEST_PACKAGE)?;
        resources(&bytes)?.find_map(protocol)
    })
    .await
    .ok()?
}

fn package(executable: &Path) -> Option<PathBuf> {
    let found = match executable.components().count() {
        1 => std::env::split_paths(&std::env::var_os("PATH")?)
            .map(|dir| dir.join(executable))
            .find(|path| path.is_file())?,
        _ => executable.to_owned(),
    };
    Some(std::fs::canonicalize(found).ok()?.parent()?.join(RESOURCES))
}

/// The resources of a package of version 5: a head of 12 bytes, then for each
/// its id in two bytes and its place in four.
fn resources(package: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let number = |at: usize| Some(u32::from_le_bytes(package.get(at..at + 4)?.try_into().ok()?) as usize);
    if number(0)? != 5 {
        return None;
    }
    let count = usize::from(u16::from_le_bytes(package.get(8..10)?.try_into().ok()?));
    Some((0..count).filter_map(move |index| {
        let at = 12 + index * 6 + 2;
        package.get(number(at)?..number(at + 6)?)
    }))
}

/// The resource as text, if it is the description.
fn protocol(resource: &[u8]) -> Option<String> {
    let compressed = resource.strip_prefix(&BROTLI)?.get(6..)?;
    let mut text = brotli_decompressor::Decompressor::new(compressed, 64 << 10);
    let mut head = [0; 64];
    text.read_exact(&mut head).ok()?;
    let opening: Vec<u8> = head.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    if !opening.starts_with(br#"{"version":{"major":"#) {
        return None;
    }
    let rest = bounded(text, LARGEST_PROTOCOL)?;
    let text = String::from_utf8([&head[..], &rest].concat()).ok()?;
    serde_json::from_str::<serde::de::IgnoredAny>(&text).ok()?;
    Some(text)
}

/// All of it, unless there is more than `most`.
fn bounded(source: impl Read, most: u64) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    source.take(most + 1).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= most).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_package_has_no_resources() {
        assert!(resources(b"").is_none());
        assert!(resources(&[4; 40]).is_none());
        let mut torn = vec![5, 0, 0, 0, 0, 0, 0, 0, 255, 255, 0, 0];
        torn.extend([7; 20]);
        assert_eq!(resources(&torn).expect("a package").count(), 0);
        assert!(protocol(b"{}").is_none() && protocol(&[0x1e, 0x9b, 1, 2, 3, 4, 5, 6, 7, 8]).is_none());
    }
}
