//! How sharp each block of the picture is for the viewer, and so what painting
//! over is still worth. Pure.

use super::picture::ChangeMap;
use super::rate::SHARP;

/// A sharpening frame that spends less than this on a block has nothing left to do.
const BITS_OF_A_FINISHED_BLOCK: usize = 40;
/// A codec that cannot get sharper is not asked for ever: times over the whole picture.
const MOST_PASSES: usize = 6;
/// Nor is a line so slow that this many steps did not get there.
const MOST_STEPS: u8 = 100;

/// The quantiser that each block was last coded with.
#[derive(Debug, Default)]
pub struct Sharpness {
    blocks: Vec<u8>,
    /// Since the last new content: blocks sharpened at the finest, and sharpening frames.
    finest: usize,
    steps: u8,
}

impl Sharpness {
    pub fn new(blocks: usize) -> Self {
        Self { blocks: vec![u8::MAX; blocks], finest: 0, steps: 0 }
    }

    // Getters.

    pub fn is_coarser(&self, block: usize, qp: u8) -> bool {
        self.blocks.get(block).is_some_and(|coded| *coded > qp)
    }

    pub fn count_coarser(&self, qp: u8) -> usize {
        self.blocks.iter().filter(|coded| **coded > qp).count()
    }

    /// The coarsest block that is not sharp; nothing when all are.
    pub fn worst(&self) -> Option<u8> {
        self.blocks.iter().copied().max().filter(|worst| *worst > SHARP)
    }

    // Handlers.

    /// A frame showed new content in the marked blocks.
    pub fn handle_frame(&mut self, changes: &ChangeMap, qp: u8) {
        (self.finest, self.steps) = (0, 0);
        for (block, _) in self.blocks.iter_mut().zip(changes.marks()).filter(|(_, marked)| **marked) {
            *block = qp;
        }
    }

    /// A sharpening frame of `bytes` went over the marked blocks.
    pub fn handle_paint(&mut self, changes: &ChangeMap, qp: u8, bytes: usize) {
        let busy = bytes * 8 > changes.count() * BITS_OF_A_FINISHED_BLOCK;
        let again = qp <= SHARP && busy && self.finest < MOST_PASSES * self.blocks.len();
        self.finest += if qp <= SHARP { changes.count() } else { 0 };
        self.steps = self.steps.saturating_add(1);
        let spent = self.steps >= MOST_STEPS;
        let coded = if spent {
            SHARP
        } else if again {
            SHARP + 1
        } else {
            qp
        };
        for (block, _) in self.blocks.iter_mut().zip(changes.marks()).filter(|(_, marked)| **marked) {
            *block = (*block).min(coded);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Rect, Size};
    use proptest::prelude::*;

    #[test]
    fn a_caret_leaves_the_rest_of_the_page_sharp() {
        let mut all = ChangeMap::full(Size::DEFAULT);
        let mut sharpness = Sharpness::new(all.marks().len());
        sharpness.handle_frame(&all, 30);
        sharpness.handle_paint(&all, SHARP, 0);
        assert_eq!(sharpness.worst(), None);
        all.clear();
        all.mark(Rect { x: 100, y: 100, width: 2, height: 16 });
        sharpness.handle_frame(&all, 24);
        assert_eq!(sharpness.worst(), Some(24));
        let coarse = (0..all.marks().len()).filter(|block| sharpness.is_coarser(*block, SHARP)).count();
        assert_eq!(coarse, 2);
    }

    proptest! {
        #[test]
        fn painting_over_always_ends(steps in prop::collection::vec((0..60u8, 0..500_000usize), 100)) {
            let all = ChangeMap::full(Size::DEFAULT);
            let mut sharpness = Sharpness::new(all.marks().len());
            sharpness.handle_frame(&all, 40);
            for (qp, bytes) in steps {
                sharpness.handle_paint(&all, qp, bytes);
            }
            prop_assert_eq!(sharpness.worst(), None);
        }
    }
}
