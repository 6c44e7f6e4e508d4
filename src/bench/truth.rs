//! What a room's display really shows, read from its X server by the cookie
//! that the room keeps for its own programs.

use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context, ensure};
use x11rb::connection::Connection;
use x11rb::protocol::xproto::{ConnectionExt as _, ImageFormat};
use x11rb::rust_connection::{DefaultStream, RustConnection};

/// Rows of BGRX.
pub(super) struct Truth {
    pub width: u32,
    pub height: u32,
    pub bgrx: Vec<u8>,
}

/// Takes the whole display of the room whose run directory this is.
pub(super) fn grab(display_dir: &Path) -> anyhow::Result<Truth> {
    let number: u32 = std::fs::read_to_string(display_dir.join("display"))?.trim().parse()?;
    let authority = std::fs::read(display_dir.join("xauthority"))?;
    ensure!(authority.len() > 16, "no cookie");
    let cookie = authority[authority.len() - 16..].to_vec();
    let stream = UnixStream::connect(format!("/tmp/.X11-unix/X{number}"))?;
    let (stream, _) = DefaultStream::from_unix_stream(stream)?;
    let connection =
        RustConnection::connect_to_stream_with_auth_info(stream, 0, b"MIT-MAGIC-COOKIE-1".to_vec(), cookie)?;
    let root = connection.setup().roots.first().context("no screen")?.root;
    let size = connection.get_geometry(root)?.reply()?;
    let image = connection
        .get_image(ImageFormat::Z_PIXMAP, root, 0, 0, size.width, size.height, u32::MAX)?
        .reply()?;
    Ok(Truth { width: size.width.into(), height: size.height.into(), bgrx: image.data })
}
