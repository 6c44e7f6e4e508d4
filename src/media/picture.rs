//! One I420 picture (BT.601, limited range) and the map of what changed in it.
//! Owns the layout of the planes and the conversion from BGRX; knows no codec.
//!
//! One matrix serves both codecs: VP8 has no way to signal another, and H.264
//! signals this one in its VUI.

use std::ops::Range;

use yuv::{BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix};

use super::MediaError;
use crate::base::{Rect, Size};

/// The side of a macroblock, the unit in which both codecs think.
pub const BLOCK: u32 = 16;

/// Planes and their rows start at multiples of this, for the vector units.
const ALIGN: usize = 64;

/// Luma and two chroma planes in one allocation.
pub struct Picture {
    size: Size,
    buffer: Vec<u8>,
    planes: [Plane; 3],
}

/// Where one plane lies in the buffer.
#[derive(Clone, Copy)]
struct Plane {
    start: usize,
    stride: usize,
    /// Halvings against the luma plane in each direction: 0 or 1.
    shift: u32,
    rows: usize,
}

/// Which macroblocks changed since somebody last looked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeMap {
    columns: usize,
    marks: Vec<bool>,
}

impl Plane {
    fn range(self) -> Range<usize> {
        self.start..self.start + self.stride * self.rows
    }
}

impl Picture {
    /// A black picture.
    pub fn new(size: Size) -> Self {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let luma = width.next_multiple_of(ALIGN);
        let chroma = (width / 2).next_multiple_of(ALIGN);
        let bytes = luma * height + 2 * (chroma * height / 2);
        let mut buffer = vec![0; bytes + ALIGN];
        let start = buffer.as_ptr().align_offset(ALIGN).min(ALIGN);
        let u = start + luma * height;
        let v = u + chroma * height / 2;
        let planes = [
            Plane { start, stride: luma, shift: 0, rows: height },
            Plane { start: u, stride: chroma, shift: 1, rows: height / 2 },
            Plane { start: v, stride: chroma, shift: 1, rows: height / 2 },
        ];
        buffer[planes[0].range()].fill(16);
        buffer[u..v + chroma * height / 2].fill(128);
        Self { size, buffer, planes }
    }

    // Getters.

    pub fn size(&self) -> Size {
        self.size
    }

    /// The samples of plane 0 (luma), 1 or 2, row after row with `stride`.
    pub fn plane(&self, index: usize) -> &[u8] {
        &self.buffer[self.planes[index].range()]
    }

    pub fn stride(&self, index: usize) -> usize {
        self.planes[index].stride
    }

    // Handlers.

    /// Converts one rectangle of BGRX pixels into its place.
    pub fn patch(&mut self, rect: Rect, pixels: &[u8], stride: usize) -> Result<(), MediaError> {
        let inside = u64::from(rect.x) + u64::from(rect.width) <= u64::from(self.size.width())
            && u64::from(rect.y) + u64::from(rect.height) <= u64::from(self.size.height());
        if !inside || [rect.x, rect.y, rect.width, rect.height].iter().any(|side| side % 2 != 0) {
            return Err(MediaError::Patch { rect, size: self.size });
        }
        if rect.is_empty() {
            return Ok(());
        }
        let bytes_per_row = u32::try_from(stride).map_err(|_| MediaError::Pixels { rect })?;
        let [luma, u, v] = self.planes;
        let at =
            |plane: Plane| (rect.y >> plane.shift) as usize * plane.stride + (rect.x >> plane.shift) as usize;
        let (y_rest, chroma) = self.buffer.split_at_mut(u.start);
        let (u_rest, v_rest) = chroma.split_at_mut(v.start - u.start);
        let mut image = YuvPlanarImageMut {
            y_plane: BufferStoreMut::Borrowed(&mut y_rest[luma.start + at(luma)..]),
            y_stride: luma.stride as u32,
            u_plane: BufferStoreMut::Borrowed(&mut u_rest[at(u)..]),
            u_stride: u.stride as u32,
            v_plane: BufferStoreMut::Borrowed(&mut v_rest[at(v)..]),
            v_stride: v.stride as u32,
            width: rect.width,
            height: rect.height,
        };
        yuv::bgra_to_yuv420(
            &mut image,
            pixels,
            bytes_per_row,
            YuvRange::Limited,
            YuvStandardMatrix::Bt601,
            YuvConversionMode::Balanced,
        )
        .map_err(|_| MediaError::Pixels { rect })
    }

    /// Takes over the blocks of `other` that `changes` marks. Both have one size.
    pub fn copy_changed(&mut self, other: &Picture, changes: &ChangeMap) {
        debug_assert_eq!(self.size, other.size);
        for row in 0..changes.rows() {
            let Some(span) = changes.span(row) else { continue };
            for (to, from) in self.planes.into_iter().zip(other.planes) {
                let side = BLOCK as usize >> to.shift;
                let width = self.size.width() as usize >> to.shift;
                let (left, right) = (span.start * side, (span.end * side).min(width));
                for line in row * side..((row + 1) * side).min(to.rows) {
                    let target = to.start + line * to.stride;
                    let source = from.start + line * from.stride;
                    self.buffer[target + left..target + right]
                        .copy_from_slice(&other.buffer[source + left..source + right]);
                }
            }
        }
    }
}

impl ChangeMap {
    /// A map for this size, with every block marked: nobody has looked yet.
    pub fn full(size: Size) -> Self {
        let columns = size.width().div_ceil(BLOCK) as usize;
        let rows = size.height().div_ceil(BLOCK) as usize;
        Self { columns, marks: vec![true; columns * rows] }
    }

    // Getters.

    /// Whether this is a map for pictures of this size.
    pub fn fits(&self, size: Size) -> bool {
        let (columns, rows) = (size.width().div_ceil(BLOCK) as usize, size.height().div_ceil(BLOCK) as usize);
        self.columns == columns && self.marks.len() == columns * rows
    }

    pub fn columns(&self) -> usize {
        self.columns
    }

    pub fn rows(&self) -> usize {
        self.marks.len().checked_div(self.columns).unwrap_or(0)
    }

    /// One mark a block, row after row.
    pub fn marks(&self) -> &[bool] {
        &self.marks
    }

    pub fn count(&self) -> usize {
        self.marks.iter().filter(|mark| **mark).count()
    }

    /// From the first to after the last marked block of a row.
    fn span(&self, row: usize) -> Option<Range<usize>> {
        let marks = &self.marks[row * self.columns..(row + 1) * self.columns];
        let first = marks.iter().position(|mark| *mark)?;
        let last = marks.iter().rposition(|mark| *mark)?;
        Some(first..last + 1)
    }

    // Handlers.

    pub fn mark(&mut self, rect: Rect) {
        if rect.is_empty() || self.columns == 0 {
            return;
        }
        let columns = (rect.x / BLOCK) as usize
            ..(rect.right().div_ceil(BLOCK) as usize).clamp((rect.x / BLOCK) as usize, self.columns);
        let last = (rect.bottom().div_ceil(BLOCK) as usize).min(self.rows());
        for row in (rect.y / BLOCK) as usize..last {
            self.marks[row * self.columns..(row + 1) * self.columns][columns.clone()].fill(true);
        }
    }

    pub fn mark_all(&mut self) {
        self.marks.fill(true);
    }

    pub fn clear(&mut self) {
        self.marks.fill(false);
    }

    /// Marks the first `most` blocks of whose index `wanted` says so, besides what is marked.
    pub fn mark_where(&mut self, most: usize, wanted: impl Fn(usize) -> bool) {
        let unmarked = self.marks.iter_mut().enumerate().filter(|(_, mark)| !**mark);
        for (_, mark) in unmarked.filter(|(index, _)| wanted(*index)).take(most) {
            *mark = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width: u32, height: u32) -> Size {
        Size::new(width, height).expect("a valid size")
    }

    fn grey(rect: Rect, level: u8) -> Vec<u8> {
        vec![level; rect.area() as usize * 4]
    }

    #[test]
    fn colours_become_limited_range_bt601() {
        // Luma and chroma of pure colours by the standard's own formula.
        for (bgrx, want) in [
            ([0, 0, 0, 0], [16, 128, 128]),
            ([255, 255, 255, 0], [235, 128, 128]),
            ([0, 0, 255, 0], [81, 90, 240]),
            ([0, 255, 0, 0], [145, 54, 34]),
            ([255, 0, 0, 0], [41, 240, 110]),
        ] {
            let mut picture = Picture::new(size(200, 200));
            let rect = picture.size().rect();
            picture.patch(rect, &bgrx.repeat(rect.area() as usize), 800).expect("it fits");
            for (plane, want) in want.into_iter().enumerate() {
                let got = picture.plane(plane)[0];
                assert!(got.abs_diff(want) <= 1, "{bgrx:?} plane {plane}: {got}, not {want}");
            }
        }
    }

    #[test]
    fn a_patch_outside_or_too_short_is_refused_with_a_reason() {
        let mut picture = Picture::new(size(200, 200));
        let outside = Rect { x: 100, y: 0, width: 102, height: 2 };
        assert!(matches!(picture.patch(outside, &grey(outside, 1), 408), Err(MediaError::Patch { .. })));
        let huge = Rect { x: u32::MAX - 1, y: 0, width: 2, height: 2 };
        assert!(matches!(picture.patch(huge, &[0; 64], 8), Err(MediaError::Patch { .. })));
        let odd = Rect { x: 1, y: 0, width: 2, height: 2 };
        assert!(matches!(picture.patch(odd, &grey(odd, 1), 8), Err(MediaError::Patch { .. })));
        let short = Rect { x: 0, y: 0, width: 4, height: 4 };
        assert!(matches!(picture.patch(short, &[0; 8], 16), Err(MediaError::Pixels { .. })));
    }

    #[test]
    fn planes_and_rows_are_aligned() {
        let picture = Picture::new(size(1366, 768));
        for index in 0..3 {
            assert_eq!(picture.plane(index).as_ptr() as usize % ALIGN, 0);
            assert_eq!(picture.stride(index) % ALIGN, 0);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn copying_what_changed_leaves_no_difference(
            rects in prop::collection::vec((0..150u32, 0..150u32, 0..40u32, 0..40u32, any::<u8>()), 1..6)
        ) {
            let size = size(314, 222);
            let (mut source, mut copy) = (Picture::new(size), Picture::new(size));
            let mut changes = ChangeMap::full(size);
            changes.clear();
            for (x, y, width, height, level) in rects {
                let rect = Rect { x: x * 2, y: y * 2, width: width * 2, height: height * 2 }.clip(size);
                source.patch(rect, &grey(rect, level), rect.width as usize * 4).expect("inside");
                changes.mark(rect);
            }
            copy.copy_changed(&source, &changes);
            for plane in 0..3 {
                prop_assert!(copy.plane(plane) == source.plane(plane));
            }
        }
    }
}
