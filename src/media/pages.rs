//! Made-up pages of text for the tests: strokes with soft edges on white, in
//! words and lines, so that they cost an encoder what real text costs.

use std::sync::LazyLock;

use super::picture::Picture;
use crate::base::{Rect, Size};

/// A page taller than the display, as BGRX rows.
#[derive(Clone)]
pub struct Page {
    pub width: u32,
    pub height: u32,
    pixels: Vec<u8>,
}

/// Numbers that are the same in each run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self, below: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % u64::from(below.max(1))) as u32
    }
}

impl Page {
    /// The page that most tests look at, drawn once: dense black text.
    pub fn tall() -> Self {
        static PAGE: LazyLock<Page> = LazyLock::new(|| Page::text(1280, 6000));
        PAGE.clone()
    }

    /// An article, drawn once: paragraphs between margins, coloured headings and words.
    pub fn article() -> Self {
        static PAGE: LazyLock<Page> = LazyLock::new(|| Page::paragraphs(1280, 3000));
        PAGE.clone()
    }

    fn paragraphs(width: u32, height: u32) -> Self {
        let mut page = Self { width, height, pixels: vec![255; (width * height * 4) as usize] };
        let mut random = Random(11);
        let mut y = 24;
        while y + 200 < height {
            let mut x = 48;
            for _ in 0..4 {
                x = page.word(x, y, &mut random, 2, [0xd8, 0x4e, 0x1d]);
            }
            y += 44;
            for line in 0..5 {
                // The last line of a paragraph ends early.
                let end = width - if line == 4 { 600 } else { 100 };
                let mut x = 48;
                while x < end {
                    let ink = match random.next(12) {
                        0 => [0x09, 0x53, 0xb4],
                        1 => [0xaf, 0x1c, 0xa2],
                        _ => [0x22; 3],
                    };
                    x = page.word(x, y, &mut random, 1, ink);
                }
                y += 22;
            }
            y += 16;
        }
        page
    }

    /// Draws a word in one colour (BGR); gives where the next one begins.
    fn word(&mut self, mut x: u32, y: u32, random: &mut Random, scale: u32, ink: [u8; 3]) -> u32 {
        let from = x;
        for _ in 0..3 + random.next(6) {
            self.glyph(x, y, random.next(52), scale);
            x += 9 * scale;
        }
        for row in y..(y + 14 * scale).min(self.height) {
            for column in from..x.min(self.width) {
                let at = ((row * self.width + column) * 4) as usize;
                for (value, ink) in self.pixels[at..at + 3].iter_mut().zip(ink) {
                    // Black on white becomes the ink on white.
                    *value = 255 - ((u32::from(255 - *value) * u32::from(255 - ink)) / 255) as u8;
                }
            }
        }
        x + 6 * scale
    }

    fn text(width: u32, height: u32) -> Self {
        let mut page = Self { width, height, pixels: vec![255; (width * height * 4) as usize] };
        let mut random = Random(7);
        let mut y = 24;
        while y + 24 < height {
            let heading = random.next(14) == 0;
            let end = width * (60 + random.next(35)) / 100;
            let mut x = 60;
            while x < end {
                for _ in 0..2 + random.next(8) {
                    page.glyph(x, y, random.next(52), if heading { 2 } else { 1 });
                    x += if heading { 16 } else { 8 };
                }
                x += 6;
            }
            y += if heading { 40 } else { 20 };
        }
        page
    }

    /// One letter of an alphabet of strokes, at most 8x14 (times `scale`).
    pub fn glyph(&mut self, x: u32, y: u32, letter: u32, scale: u32) {
        let mut random = Random(u64::from(letter) * 977 + 3);
        for _ in 0..3 {
            let (x0, y0) = (random.next(6) as f32, random.next(12) as f32);
            let (x1, y1) = match random.next(3) {
                0 => (x0, (y0 + 8.0) % 12.0),
                1 => ((x0 + 4.0) % 6.0, y0),
                _ => (random.next(6) as f32, random.next(12) as f32),
            };
            for step in 0..40 {
                let t = step as f32 / 39.0;
                let (cx, cy) = (x0 + (x1 - x0) * t, y0 + (y1 - y0) * t);
                for py in 0..13 * scale {
                    for px in 0..7 * scale {
                        let (dx, dy) = (px as f32 / scale as f32 - cx, py as f32 / scale as f32 - cy);
                        let ink = 1.2 - (dx * dx + dy * dy).sqrt();
                        if ink > 0.0 {
                            self.darken(x + px, y + py, (ink.min(1.0) * 210.0) as u8);
                        }
                    }
                }
            }
        }
    }

    fn darken(&mut self, x: u32, y: u32, ink: u8) {
        if x < self.width && y < self.height {
            let at = ((y * self.width + x) * 4) as usize;
            for value in &mut self.pixels[at..at + 3] {
                *value = (*value).min(255 - ink);
            }
        }
    }

    /// Puts the whole page in one colour.
    pub fn blacken(&mut self) {
        self.pixels.fill(30);
    }

    /// The pixels of `rect` in the view whose first row is `top`.
    pub fn part(&self, top: u32, rect: Rect) -> (&[u8], usize) {
        let stride = self.width as usize * 4;
        (&self.pixels[(top + rect.y) as usize * stride + rect.x as usize * 4..], stride)
    }
}

/// The likeness of luma, in dB, of a decoded plane without padding.
pub fn luma_psnr(picture: &Picture, decoded: &[u8], decoded_stride: usize) -> f64 {
    let (width, height) = (picture.size().width() as usize, picture.size().height() as usize);
    let mut sum = 0u64;
    for row in 0..height {
        let ours = &picture.plane(0)[row * picture.stride(0)..][..width];
        let theirs = &decoded[row * decoded_stride..][..width];
        sum += ours.iter().zip(theirs).map(|(a, b)| u64::from(a.abs_diff(*b)).pow(2)).sum::<u64>();
    }
    if sum == 0 {
        return 99.0;
    }
    10.0 * (255.0 * 255.0 * (width * height) as f64 / sum as f64).log10()
}

/// The likeness, in dB, of a decoded luma plane to what a display shows: against
/// BT.601 luma of the pixels themselves, never rounded.
pub fn display_psnr(pixels: &[u8], stride: usize, size: Size, decoded: &[u8], decoded_stride: usize) -> f64 {
    let (width, height) = (size.width() as usize, size.height() as usize);
    let mut sum = 0.0;
    for row in 0..height {
        let ours = pixels[row * stride..].chunks_exact(4).take(width);
        for (pixel, shown) in ours.zip(&decoded[row * decoded_stride..]) {
            let [blue, green, red] = [pixel[0], pixel[1], pixel[2]].map(f64::from);
            let luma = 0.299 * red + 0.587 * green + 0.114 * blue;
            sum += (luma - (f64::from(*shown) - 16.0) * 255.0 / 219.0).powi(2);
        }
    }
    10.0 * (255.0 * 255.0 * (width * height) as f64 / sum.max(1e-9)).log10()
}
