//! How many calls may be under way at once.

/// Answers without complaint after which one more simultaneous call is tried.
const GOOD_ANSWERS: u32 = 50;
/// Answers without complaint after which the number that Okta complained about is tried again.
const FORGET_AFTER: u32 = 5000;

/// Limits simultaneous calls: additive increase up to just below what Okta once complained about, halved when it
/// complains (`okta-api.md §4.6`).
#[derive(Debug)]
pub struct Concurrency {
    most: usize,
    /// Below what was too many the last time.
    ceiling: usize,
    cap: usize,
    in_flight: usize,
    /// Of them, calls that nobody waits for any more and that may still be under way at Okta.
    lingering: usize,
    good: u32,
    since_complaint: u32,
}

impl Concurrency {
    /// At most `most` calls at once.
    pub fn new(most: usize) -> Self {
        Self { most, ceiling: most, cap: most, in_flight: 0, lingering: 0, good: 0, since_complaint: 0 }
    }

    /// From now on at most `most` calls at once.
    pub fn set_most(&mut self, most: usize) {
        *self = Self { in_flight: self.in_flight, lingering: self.lingering, ..Self::new(most) };
    }

    /// Takes a place, if one is free; of every five, one is for terminations only.
    pub fn try_enter(&mut self, urgent: bool) -> bool {
        let free = self.in_flight < if urgent { self.cap } else { self.cap - self.cap / 5 };
        self.in_flight += usize::from(free);
        free
    }

    /// Gives a place back that was not used.
    pub fn give_up(&mut self) {
        self.in_flight = self.in_flight.saturating_sub(1);
    }

    /// Keeps the place of a call that was given up: it may still be under way there, and be counted. Half of the places
    /// can be kept, so that somebody can find out whether the trouble is over; false if this one cannot.
    pub fn keep(&mut self) -> bool {
        let keeps = self.lingering < self.cap / 2;
        self.lingering += usize::from(keeps);
        keeps
    }

    /// Gives back a place that was kept.
    pub fn let_go(&mut self) {
        self.lingering = self.lingering.saturating_sub(1);
        self.give_up();
    }

    /// Gives the place of a call back that was answered; `too_many` if Okta complained about simultaneous calls.
    pub fn answered(&mut self, too_many: bool) {
        if too_many {
            // Each complaint lowers it, also several about one crowd: too few is mended by good answers, too many is not.
            self.ceiling = self.ceiling.min(self.in_flight.saturating_sub(1)).max(1);
            self.cap = (self.cap / 2).clamp(1, self.ceiling);
            (self.good, self.since_complaint) = (0, 0);
        } else {
            self.good += 1;
            self.since_complaint += 1;
            if self.since_complaint >= FORGET_AFTER && self.ceiling < self.most {
                self.ceiling += 1;
                self.since_complaint = 0;
            }
            if self.good >= GOOD_ANSWERS && self.cap < self.ceiling {
                self.cap += 1;
                self.good = 0;
            }
        }
        self.in_flight = self.in_flight.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_halves_the_calls_at_once_and_good_answers_bring_them_back_to_just_below_it() {
        let mut concurrency = Concurrency::new(16);
        for _ in 0..16 {
            assert!(concurrency.try_enter(true));
        }
        assert!(!concurrency.try_enter(true));
        concurrency.answered(true);
        assert_eq!(concurrency.cap, 8);
        assert!(!concurrency.try_enter(true), "fifteen are still under way");
        for _ in 0..15 {
            concurrency.answered(false);
        }
        for _ in 0..GOOD_ANSWERS * 20 {
            assert!(concurrency.try_enter(true));
            concurrency.answered(false);
        }
        assert_eq!(concurrency.cap, 15, "sixteen were too many");
        for _ in 0..FORGET_AFTER {
            assert!(concurrency.try_enter(true));
            concurrency.answered(false);
        }
        assert_eq!(concurrency.cap, 16, "after a long time it is tried again");
    }

    #[test]
    fn calls_that_nobody_waits_for_any_more_keep_half_of_the_places_at_most() {
        let mut concurrency = Concurrency::new(4);
        assert_eq!((0..9).filter(|_| concurrency.try_enter(true)).count(), 4);
        assert_eq!((0..3).map(|_| concurrency.keep()).collect::<Vec<_>>(), [true, true, false]);
        concurrency.answered(false);
        assert!(concurrency.try_enter(true), "the place of the third is free");
        assert!(!concurrency.try_enter(true), "two may still be under way, and two are");
        concurrency.set_most(8);
        assert_eq!((0..9).filter(|_| concurrency.try_enter(true)).count(), 4, "they count under another number too");
        concurrency.let_go();
        assert!(concurrency.try_enter(true));
        assert!(!concurrency.try_enter(true));
    }

    #[test]
    fn a_crowd_leaves_places_for_terminations() {
        let mut concurrency = Concurrency::new(16);
        let crowd = (0..20).filter(|_| concurrency.try_enter(false)).count();
        assert_eq!(crowd, 13);
        assert_eq!((0..20).filter(|_| concurrency.try_enter(true)).count(), 3);
    }
}
