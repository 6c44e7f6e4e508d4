//! Places and sizes on the display, in device pixels.

use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

/// The smallest side a display may have, in pixels.
pub const MIN_SIDE: u32 = 200;
/// The largest side a display may have, in pixels.
pub const MAX_SIDE: u32 = 3840;

/// A display's size in pixels. Both sides are even, which 4:2:0 video needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, TS, ToSchema)]
#[serde(try_from = "RawSize")]
pub struct Size {
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct RawSize {
    width: u32,
    height: u32,
}

/// A size that no display here can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{width}x{height} is not a size a room can have; use {MIN_SIDE} to {MAX_SIDE} pixels a side")]
pub struct SizeError {
    width: u32,
    height: u32,
}

/// A point in display pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
pub struct Point {
    pub x: i32,
    pub y: i32,
}

/// A rectangle in display pixels; may be empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Rect {
    pub x: u32,
    pub y: u32,
    pub width: u32,
    pub height: u32,
}

impl Size {
    /// The size of a room that asked for none.
    pub const DEFAULT: Size = Size { width: 1280, height: 720 };

    /// Checks a size; odd sides are rounded down to even ones.
    pub fn new(width: u32, height: u32) -> Result<Self, SizeError> {
        let sides = MIN_SIDE..=MAX_SIDE;
        if !sides.contains(&width) || !sides.contains(&height) {
            return Err(SizeError { width, height });
        }
        Ok(Self { width: width & !1, height: height & !1 })
    }

    pub fn width(self) -> u32 {
        self.width
    }

    pub fn height(self) -> u32 {
        self.height
    }

    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    pub fn rect(self) -> Rect {
        Rect { x: 0, y: 0, width: self.width, height: self.height }
    }

    /// The nearest point inside.
    pub fn clamp(self, point: Point) -> Point {
        Point { x: point.x.clamp(0, self.width as i32 - 1), y: point.y.clamp(0, self.height as i32 - 1) }
    }
}

impl TryFrom<RawSize> for Size {
    type Error = SizeError;
    fn try_from(raw: RawSize) -> Result<Self, SizeError> {
        Size::new(raw.width, raw.height)
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

impl std::str::FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let (width, height) = text
            .split_once(['x', 'X'])
            .and_then(|(w, h)| Some((w.parse().ok()?, h.parse().ok()?)))
            .ok_or_else(|| format!("'{text}' is no size; write it as 1280x720"))?;
        Size::new(width, height).map_err(|error| error.to_string())
    }
}

impl Rect {
    pub fn is_empty(self) -> bool {
        self.width == 0 || self.height == 0
    }

    pub fn right(self) -> u32 {
        self.x + self.width
    }

    pub fn bottom(self) -> u32 {
        self.y + self.height
    }

    pub fn area(self) -> u64 {
        u64::from(self.width) * u64::from(self.height)
    }

    /// The smallest rectangle that holds both.
    pub fn union(self, other: Rect) -> Rect {
        if self.is_empty() {
            return other;
        }
        if other.is_empty() {
            return self;
        }
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        Rect {
            x,
            y,
            width: self.right().max(other.right()) - x,
            height: self.bottom().max(other.bottom()) - y,
        }
    }

    /// The part inside `size`.
    pub fn clip(self, size: Size) -> Rect {
        let x = self.x.min(size.width);
        let y = self.y.min(size.height);
        Rect { x, y, width: self.right().min(size.width) - x, height: self.bottom().min(size.height) - y }
    }

    /// Grown outwards to even coordinates, so that chroma samples are whole.
    pub fn even(self) -> Rect {
        let (x, y) = (self.x & !1, self.y & !1);
        Rect { x, y, width: ((self.right() + 1) & !1) - x, height: ((self.bottom() + 1) & !1) - y }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn absurd_sizes_are_refused_also_from_json() {
        for (w, h) in [(0, 0), (1, 720), (1280, u32::MAX), (3841, 720)] {
            assert!(Size::new(w, h).is_err(), "{w}x{h}");
        }
        assert!(serde_json::from_str::<Size>(r#"{"width":0,"height":9}"#).is_err());
        assert_eq!("1281x721".parse::<Size>().map(|s| s.to_string()), Ok("1280x720".into()));
        assert!("12".parse::<Size>().is_err());
    }

    fn rect() -> impl Strategy<Value = Rect> {
        (0..4000u32, 0..4000u32, 0..4000u32, 0..4000u32).prop_map(|(x, y, width, height)| Rect {
            x,
            y,
            width,
            height,
        })
    }

    proptest! {
        #[test]
        fn a_union_holds_both_and_an_even_rect_holds_the_rect(a in rect(), b in rect()) {
            let u = a.union(b);
            for r in [a, b].into_iter().filter(|r| !r.is_empty()) {
                prop_assert!(u.x <= r.x && u.y <= r.y && u.right() >= r.right() && u.bottom() >= r.bottom());
            }
            let e = a.even();
            prop_assert!(e.x <= a.x && e.right() >= a.right() && e.x % 2 == 0 && e.width % 2 == 0);
        }

        #[test]
        fn a_clipped_rect_is_inside(a in rect()) {
            let c = a.clip(Size::DEFAULT);
            prop_assert!(c.right() <= 1280 && c.bottom() <= 720);
        }
    }
}
