//! Memory shared with the X server, by descriptor: nothing in `/dev/shm`
//! carries its name, so nothing is left when we are killed.

use std::ffi::c_void;
use std::ptr::NonNull;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use x11rb::connection::Connection;
use x11rb::protocol::shm::{self, ConnectionExt as _};

use super::link::{Link, LinkError};
use crate::base::Size;

/// Room for one whole picture, 4 bytes a pixel.
pub(super) struct Segment {
    pub id: shm::Seg,
    map: NonNull<c_void>,
    len: usize,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread.
unsafe impl Send for Segment {}

impl Segment {
    pub fn attach(link: &Link, size: Size) -> Result<Self, LinkError> {
        let failed = |what| move |errno: rustix::io::Errno| LinkError::System { what, source: errno.into() };
        let len = size.area() as usize * 4;
        let fd = memfd_create(c"tandem-picture", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)
            .map_err(failed("memory for a picture"))?;
        ftruncate(&fd, len as u64).map_err(failed("memory for a picture"))?;
        // The X server shares the descriptor: it must not be able to cut the memory from under us.
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)
            .map_err(failed("sealing the memory for a picture"))?;
        // SAFETY: a new mapping of a descriptor that we own, at an address the system chooses.
        let map = unsafe { mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::SHARED, &fd, 0) }
            .map_err(failed("mapping the memory for a picture"))?;
        let Some(map) = NonNull::new(map) else {
            return Err(failed("mapping the memory for a picture")(rustix::io::Errno::NOMEM));
        };
        let id = link.conn.generate_id().map_err(LinkError::Id)?;
        let segment = Self { id, map, len };
        link.conn.shm_attach_fd(id, fd, false)?.check()?;
        Ok(segment)
    }

    pub fn len(&self) -> usize {
        self.len
    }

    pub fn detach(self, link: &Link) -> Result<(), LinkError> {
        link.conn.shm_detach(self.id)?;
        Ok(())
    }

    /// What the X server has written from `offset` on.
    pub fn pixels(&self, offset: usize, len: usize) -> &[u8] {
        let offset = offset.min(self.len);
        let len = len.min(self.len - offset);
        // SAFETY: the range is inside a live mapping that cannot shrink. The X
        // server writes into it only while it answers our own request, and the
        // caller has waited for the answers.
        unsafe { std::slice::from_raw_parts(self.map.as_ptr().cast::<u8>().add(offset), len) }
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        // SAFETY: the mapping was made by us with this length, and no slice of it outlives us.
        let _ = unsafe { munmap(self.map.as_ptr(), self.len) };
    }
}
