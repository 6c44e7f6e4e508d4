//! How close a shown picture is to the display, in decibels.

/// Luma of an RGB pixel, ITU-R BT.601.
fn luma(red: u8, green: u8, blue: u8) -> f64 {
    0.299 * f64::from(red) + 0.587 * f64::from(green) + 0.114 * f64::from(blue)
}

/// Peak signal-to-noise ratio of luma between two pictures of the same size,
/// the first as rows of BGRX, the second as rows of RGBA.
/// Identical pictures give infinity.
pub(super) fn luma_psnr(bgrx: &[u8], rgba: &[u8]) -> f64 {
    let pixels = bgrx.chunks_exact(4).zip(rgba.chunks_exact(4));
    let (mut error, mut count) = (0.0, 0u64);
    for (ours, shown) in pixels {
        let difference = luma(ours[2], ours[1], ours[0]) - luma(shown[0], shown[1], shown[2]);
        error += difference * difference;
        count += 1;
    }
    10.0 * (255.0 * 255.0 / (error / count.max(1) as f64)).log10()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_are_infinitely_close_and_one_step_off_is_48_decibels() {
        let bgrx = [10, 20, 30, 0].repeat(100);
        let rgba = [30, 20, 10, 255].repeat(100);
        assert_eq!(luma_psnr(&bgrx, &rgba), f64::INFINITY);
        let brighter = [31, 21, 11, 255].repeat(100);
        assert!((luma_psnr(&bgrx, &brighter) - 48.13).abs() < 0.01);
    }
}
