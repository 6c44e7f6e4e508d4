//! Drawing people's marks on a picture: boxes and lines, each with its
//! number. Pure.

use image::{Rgb, RgbImage};

/// One mark in pixels of the picture.
pub(super) struct Drawn {
    pub is_box: bool,
    pub points: Vec<(f64, f64)>,
}

/// Half the width of a line.
const HALF: i32 = 1;
/// The side of a dot of a digit.
const DOT: i32 = 3;
const RED: Rgb<u8> = Rgb([214, 40, 40]);
const WHITE: Rgb<u8> = Rgb([255, 255, 255]);
/// Three dots by five for each digit, row by row.
const DIGITS: [[u8; 5]; 10] = [
    [7, 5, 5, 5, 7],
    [2, 6, 2, 2, 7],
    [7, 1, 7, 4, 7],
    [7, 1, 7, 1, 7],
    [5, 5, 7, 1, 1],
    [7, 4, 7, 1, 7],
    [7, 4, 7, 5, 7],
    [7, 1, 1, 1, 1],
    [7, 5, 7, 5, 7],
    [7, 5, 7, 1, 7],
];

/// Draws them in their order; the first one is number 1.
pub(super) fn paint(picture: &mut RgbImage, marks: &[Drawn]) {
    for mark in marks {
        let corners = match (mark.is_box, mark.points.as_slice()) {
            (true, [a, .., b]) => vec![*a, (b.0, a.1), *b, (a.0, b.1), *a],
            (_, points) => points.to_vec(),
        };
        // White below, so that it is seen on any ground.
        for (half, colour) in [(HALF + 2, WHITE), (HALF, RED)] {
            for pair in corners.windows(2) {
                line(picture, pair[0], pair[1], half, colour);
            }
        }
    }
    for (index, mark) in marks.iter().enumerate() {
        let left = mark.points.iter().map(|at| at.0).fold(f64::INFINITY, f64::min);
        let top = mark.points.iter().map(|at| at.1).fold(f64::INFINITY, f64::min);
        number(picture, (left as i32, top as i32), index + 1);
    }
}

/// Draws one frame without a number.
pub(super) fn frame(picture: &mut RgbImage, from: (f64, f64), to: (f64, f64)) {
    let corners = [from, (to.0, from.1), to, (from.0, to.1), from];
    for (half, colour) in [(HALF + 2, WHITE), (HALF, RED)] {
        for pair in corners.windows(2) {
            line(picture, pair[0], pair[1], half, colour);
        }
    }
}

fn line(picture: &mut RgbImage, from: (f64, f64), to: (f64, f64), half: i32, colour: Rgb<u8>) {
    let (width, height) = (f64::from(picture.width()), f64::from(picture.height()));
    let near = |at: (f64, f64)| (at.0.clamp(-8.0, width + 8.0), at.1.clamp(-8.0, height + 8.0));
    let (from, to) = (near(from), near(to));
    let steps = (to.0 - from.0).abs().max((to.1 - from.1).abs()).ceil().max(1.0);
    for step in 0..=steps as u32 {
        let part = f64::from(step) / steps;
        let at = (from.0 + (to.0 - from.0) * part, from.1 + (to.1 - from.1) * part);
        block(picture, at.0 as i32 - half, at.1 as i32 - half, 2 * half + 1, 2 * half + 1, colour);
    }
}

/// The mark's number on a plate at its upper left corner, wholly in the picture.
fn number(picture: &mut RgbImage, corner: (i32, i32), number: usize) {
    let digits: Vec<usize> = number.to_string().bytes().map(|digit| usize::from(digit - b'0')).collect();
    let width = (digits.len() as i32 * 4 + 1) * DOT;
    let height = 7 * DOT;
    let left = (corner.0 - width / 2).clamp(0, (picture.width() as i32 - width).max(0));
    let top = (corner.1 - height / 2).clamp(0, (picture.height() as i32 - height).max(0));
    block(picture, left - 1, top - 1, width + 2, height + 2, WHITE);
    block(picture, left, top, width, height, RED);
    for (place, digit) in digits.into_iter().enumerate() {
        for (row, dots) in DIGITS[digit].into_iter().enumerate() {
            for column in (0..3).filter(|column| dots & (4 >> column) != 0) {
                let x = left + (place as i32 * 4 + 1 + column) * DOT;
                block(picture, x, top + (row as i32 + 1) * DOT, DOT, DOT, WHITE);
            }
        }
    }
}

fn block(picture: &mut RgbImage, left: i32, top: i32, width: i32, height: i32, colour: Rgb<u8>) {
    for y in top.max(0)..(top + height).min(picture.height() as i32) {
        for x in left.max(0)..(left + width).min(picture.width() as i32) {
            picture.put_pixel(x as u32, y as u32, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_drawn_where_they_are_and_never_beyond_the_picture() {
        let mut picture = RgbImage::new(100, 80);
        let mark = |is_box, points| Drawn { is_box, points };
        paint(&mut picture, &[mark(true, vec![(20.0, 20.0), (90.0, 70.0)])]);
        assert_eq!(*picture.get_pixel(90, 45), RED);
        assert_eq!(*picture.get_pixel(55, 70), RED);
        assert_eq!(*picture.get_pixel(55, 45), Rgb([0, 0, 0]), "a box is empty");
        assert_eq!(*picture.get_pixel(20, 20), WHITE, "the number's own dots");
        paint(
            &mut picture,
            &[mark(false, vec![(-1e9, -1e9), (1e9, 1e9)]), mark(true, vec![(99.0, 79.0), (99.0, 79.0)])],
        );
        assert_eq!(picture.dimensions(), (100, 80));
    }
}
