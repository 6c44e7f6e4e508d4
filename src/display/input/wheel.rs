//! Fine wheel deltas to the notches that X has.
//!
//! XTEST knows only whole notches. A track pad sends many small deltas, so
//! what is left over is kept; and so that a slow start does not feel dead, a
//! notch is given at a third of its way and the rest is owed.

use std::time::{Duration, Instant};

const NOTCH: i32 = 120;
const FIRST: i32 = 40;
/// After this long the hand has started anew.
const PAUSE: Duration = Duration::from_millis(400);
/// More notches than this in one input are no hand's.
const MOST: i32 = 60;

/// One axis.
#[derive(Debug, Default)]
pub(super) struct Axis {
    /// How far the wheel was turned in `direction` since it turned that way,
    /// less the notches given for it; negative while some is owed.
    balance: i32,
    direction: i32,
    last: Option<Instant>,
}

impl Axis {
    /// Notches to give now; their sign is their direction.
    pub fn handle_delta(&mut self, now: Instant, delta: i32) -> i32 {
        if delta == 0 {
            return 0;
        }
        let paused = self.last.is_none_or(|last| now.saturating_duration_since(last) > PAUSE);
        self.last = Some(now);
        if paused || self.direction != delta.signum() {
            (self.balance, self.direction) = (0, delta.signum());
        }
        self.balance += delta.saturating_abs().min(MOST * NOTCH);
        if self.balance < FIRST {
            return 0;
        }
        let notches = (self.balance - FIRST) / NOTCH + 1;
        self.balance -= notches * NOTCH;
        notches * self.direction
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_whole_notch_is_one_notch_and_a_slow_start_is_felt() {
        let (t, mut axis) = (Instant::now(), Axis::default());
        assert_eq!((0..5).map(|_| axis.handle_delta(t, 120)).sum::<i32>(), 5);
        let later = t + Duration::from_secs(1);
        let given: Vec<i32> = (0..16).map(|_| axis.handle_delta(later, -10)).collect();
        assert_eq!(given.iter().sum::<i32>(), -2);
        assert_eq!(given.iter().position(|notch| *notch != 0), Some(3));
    }

    #[test]
    fn a_turn_of_direction_is_felt_at_once() {
        let (t, mut axis) = (Instant::now(), Axis::default());
        assert_eq!(axis.handle_delta(t, 50), 1);
        assert_eq!(axis.handle_delta(t, -50), -1);
    }

    proptest! {
        #[test]
        fn no_more_than_a_notch_is_ever_owed_or_held_back(deltas in prop::collection::vec(1..400i32, 1..200)) {
            let (t, mut axis) = (Instant::now(), Axis::default());
            let (mut turned, mut given) = (0, 0);
            for delta in deltas {
                turned += delta;
                given += axis.handle_delta(t, delta) * NOTCH;
                prop_assert!((turned - given).abs() < NOTCH);
            }
        }

        #[test]
        fn an_absurd_delta_is_bounded(delta in any::<i32>()) {
            prop_assert!(Axis::default().handle_delta(Instant::now(), delta).abs() <= MOST);
        }
    }
}
