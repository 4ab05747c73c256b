//! Which page of the profiles edited last is asked for next.
//!
//! **Invariant:** a pass that breaks off is made up for: what it had still to read lies below pages without news, and one of the next
//! passes goes through those.

use crate::clock::Moment;

/// A pass goes on as long as it finds changes, but not for ever: the walk sees the rest.
const PAGES: usize = 20;
/// Pages without news that the first pass of a run goes through: the run before may have ended in the middle of one.
const AFTER_A_START: usize = 2;

/// What a page of it shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    News,
    NoNews,
    Nobody,
}

/// The pass over the profiles edited last.
pub(super) struct Hot {
    /// When its next page is asked for.
    pub due: Moment,
    pub in_flight: bool,
    next_page: usize,
    /// Pages without news of the pass under way.
    unchanged: usize,
    /// So many of them lie above what was not read.
    above_unread: usize,
}

impl Hot {
    pub fn new(now: Moment) -> Self {
        Self { due: now, in_flight: false, next_page: 1, unchanged: 0, above_unread: AFTER_A_START }
    }

    /// The page to ask for now; it counts as sent.
    pub fn send(&mut self, next_due: Moment) -> usize {
        (self.in_flight, self.due) = (true, next_due);
        self.next_page
    }

    /// A page was read, and what it showed is committed.
    pub fn on_page(&mut self, page: usize, shows: Shows, now: Moment) {
        self.in_flight = false;
        self.unchanged += usize::from(shows == Shows::NoNews);
        let goes_on = match shows {
            Shows::News => true,
            Shows::NoNews => self.unchanged <= self.above_unread,
            Shows::Nobody => false,
        };
        if goes_on && page < PAGES {
            (self.next_page, self.due) = (page + 1, now);
        } else {
            (self.next_page, self.unchanged, self.above_unread) = (1, 0, 0);
        }
    }

    /// A page was not read: the next pass begins anew, and goes as deep.
    pub fn on_failure(&mut self, page: usize) {
        self.in_flight = false;
        self.above_unread = self.above_unread.max(page.saturating_sub(1));
        (self.next_page, self.unchanged) = (1, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment::from_secs(0);

    /// The pages that a pass asks for, where those below `news` show changes.
    fn pass(hot: &mut Hot, news: usize) -> usize {
        let mut page = hot.send(NOW);
        assert_eq!(page, 1, "a pass begins with what was edited last");
        loop {
            hot.on_page(page, if page < news { Shows::News } else { Shows::NoNews }, NOW);
            match hot.send(NOW) {
                1 => return page,
                next => page = next,
            }
        }
    }

    #[test]
    fn a_pass_goes_on_while_it_finds_changes_and_the_first_one_a_little_further() {
        let mut hot = Hot::new(NOW);
        assert_eq!(pass(&mut hot, 1), 3);
        assert_eq!([pass(&mut hot, 1), pass(&mut hot, 4), pass(&mut hot, 100)], [1, 4, PAGES]);
    }

    #[test]
    fn a_page_that_was_not_read_is_reached_by_the_next_pass_whatever_lies_above_it() {
        let mut hot = Hot::new(NOW);
        pass(&mut hot, 1);
        for page in 1..=3 {
            assert_eq!(hot.send(NOW), page);
            hot.on_page(page, Shows::News, NOW);
        }
        let unread = hot.send(NOW);
        hot.on_failure(unread);
        assert_eq!(hot.send(NOW), 1);
        hot.on_failure(1);
        // Two pages of news have come meanwhile: the fourth one of before is the sixth.
        assert_eq!(pass(&mut hot, 3), 6);
        assert_eq!(pass(&mut hot, 1), 1);
    }

    #[test]
    fn an_empty_page_is_the_end() {
        let mut hot = Hot::new(NOW);
        let page = hot.send(NOW);
        hot.on_page(page, Shows::Nobody, NOW);
        assert_eq!(hot.send(NOW), 1);
    }
}
