//! Files that a prompt names by their place: below the project's directory
//! and nowhere else, whatever links lie on the way.

use std::path::{Component, Path, PathBuf};

use super::port::PortError;

/// The address of a file of the project, for an agent that reads it by itself.
pub(super) async fn file_url(directory: &Path, path: &str) -> Result<String, PortError> {
    let told: String = path.chars().take(80).collect();
    let relative = Path::new(path);
    let below = relative.components().all(|part| matches!(part, Component::Normal(_)));
    if path.is_empty() || path.contains('\0') || !below {
        return Err(PortError::Refused(format!(
            "{told:?} is no path below the project's directory; give it relative to that, without .."
        )));
    }
    let place = match tokio::fs::canonicalize(directory).await {
        Ok(real) => directory.join(within(&real, relative, &told).await?),
        // An agent on another machine has a directory of its own, and its own walls around it.
        Err(_) => directory.join(relative),
    };
    url::Url::from_file_path(place)
        .map(String::from)
        .map_err(|()| PortError::Refused("the project's directory has no absolute path".into()))
}

/// What a prompt is told when there is no directory to work in any more.
pub(super) fn homeless(directory: &dyn std::fmt::Display) -> PortError {
    PortError::Refused(format!(
        "the directory {directory} is gone; make it again, or work in another project"
    ))
}

/// Where a file really is, from the directory on.
async fn within(real: &Path, relative: &Path, told: &str) -> Result<PathBuf, PortError> {
    // Of what is outside nobody learns whether it is there.
    let none = || {
        PortError::Refused(format!(
            "{told:?} is no file below the project's directory; choose one of those that @ offers"
        ))
    };
    let found = tokio::fs::canonicalize(real.join(relative)).await.map_err(|_| none())?;
    let inside = found.strip_prefix(real).map_err(|_| none())?.to_owned();
    match tokio::fs::metadata(&found).await {
        Ok(metadata) if metadata.is_file() => Ok(inside),
        _ => Err(none()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_named_below_the_project_only_also_by_links() {
        let (dir, outside) = (tempfile::tempdir().expect("dir"), tempfile::tempdir().expect("dir"));
        let (here, there) = (dir.path().join("a b"), outside.path().join("secret"));
        std::fs::create_dir_all(here.join("src")).expect("dir");
        std::fs::write(here.join("src/ü.rs"), "x").expect("written");
        std::fs::write(&there, "x").expect("written");
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, here.join(name)).expect("link");
        link(&there, "out.txt");
        link(outside.path(), "out");
        link(&here.join("src/ü.rs"), "in.rs");
        let root = url::Url::from_directory_path(&here).expect("an address").to_string();
        let url = file_url(&here, "src/ü.rs").await.expect("inside");
        assert_eq!(url, format!("{root}src/%C3%BC.rs"));
        assert_eq!(file_url(&here, "in.rs").await.expect("a link inside"), url, "as what it leads to");
        for wrong in [
            "",
            "/etc/passwd",
            "../x",
            "src/../../x",
            ".",
            "a\0b",
            "none.txt",
            "src",
            "out.txt",
            "out/secret",
        ] {
            assert!(matches!(file_url(&here, wrong).await, Err(PortError::Refused(_))), "{wrong:?}");
        }
        // The project's own way may be a link.
        let by = dir.path().join("by");
        std::os::unix::fs::symlink(&here, &by).expect("link");
        assert!(file_url(&by, "src/ü.rs").await.is_ok_and(|url| url.contains("/by/src/")));
    }
}
