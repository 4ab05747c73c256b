//! What the lists of an org are worth: they lag, and may lack accounts.

use crate::clock::Moment;
use std::time::Duration;

/// Lists show a change with a delay (`okta-api.md §3.2`): whatever was seen so shortly before is newer than the list.
pub const LAG: Duration = Duration::from_secs(60);

/// Whether what is known of an account is too fresh to be compared with a list that was begun at `started`: the list may show
/// what was there before.
pub fn is_too_fresh(observed: Moment, started: Moment) -> bool {
    observed + LAG > started
}

/// Whether so many accounts of `known` can have been deleted by hand: more of them missing from a list are more likely a
/// list that was not whole, and nothing may follow from that.
pub const fn is_believable(missing: usize, known: usize) -> bool {
    missing <= 10 || missing * 50 <= known
}

/// Whether an org none of whose accounts is among the `known` ones is another one than was known under its name. Of a few accounts it
/// cannot be said, nor by a list that shows nobody: that one is not believed (`is_believable`).
pub const fn is_another_org(known: usize, listed: usize, shows_any: bool) -> bool {
    known >= 5 && listed > 0 && !shows_any
}

/// Whether a list of an org that was begun at `started` was not whole if it does not show an account made at `created_at`
/// (milliseconds). Whose age is not known may have been there.
pub fn should_have_shown(started: Option<Moment>, created_at: Option<i64>) -> bool {
    match (created_at, started) {
        (Some(at), Some(started)) => Moment::from_millis(at) + LAG <= started,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_lacks_many_is_not_believed() {
        assert!(is_believable(10, 12) && is_believable(20, 1000));
        assert!(!is_believable(11, 500) && !is_believable(500, 1000));
    }

    #[test]
    fn what_was_seen_while_the_list_was_read_is_not_compared() {
        let started = Moment::from_secs(1000);
        assert!(is_too_fresh(started, started) && is_too_fresh(started - LAG + Duration::from_secs(1), started));
        assert!(!is_too_fresh(started - LAG, started));
    }

    #[test]
    fn a_list_must_show_what_was_there_long_enough_before_it_began() {
        let started = Some(Moment::from_secs(1000));
        assert!(should_have_shown(started, Some(940_000)) && !should_have_shown(started, Some(940_001)));
        assert!(
            should_have_shown(started, None) && should_have_shown(None, Some(0)),
            "what is not known proves nothing"
        );
    }
}
