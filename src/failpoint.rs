//! Places at which tests let the process die, to prove that nothing is lost there. Builds with optimisation have none.

/// A point that a crash test can choose, named after what has just become durable (or not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    PageFetched,
    PageCommitted,
    WalkEnded,
    Claimed,
    Planned,
    IntentCommitted,
    AnswerRead,
    StepEnded,
    Finished,
    RowsWritten,
    /// A writer has got an order, and not looked at it yet.
    Ordered,
    /// A dispatcher has got claims, and not begun with them yet.
    Dispatched,
}

impl Point {
    /// All points between two durable steps, in the order in which a change passes them.
    pub const ALL: [Point; 10] = [
        Point::PageFetched,
        Point::PageCommitted,
        Point::WalkEnded,
        Point::Claimed,
        Point::Planned,
        Point::IntentCommitted,
        Point::AnswerRead,
        Point::StepEnded,
        Point::Finished,
        Point::RowsWritten,
    ];
}

/// The variable that chooses a point: `IntentCommitted:3` dies there the third time, `panic:Planned:1` panics, and
/// `lose:AnswerRead:2` loses what has got there.
pub const VARIABLE: &str = "NAMELY_OKTA_SYNC_FAILPOINT";

/// The process has reached `point`.
#[cfg(not(debug_assertions))]
pub fn reach(_: Point) {}

/// Whether what has reached `point` gets lost there.
#[cfg(not(debug_assertions))]
pub fn loses(_: Point) -> bool {
    false
}

#[cfg(debug_assertions)]
mod chosen {
    use super::{Point, VARIABLE};
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What happens at a point.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum How {
        Dies,
        Panics,
        Loses,
    }

    /// What happens now that `point` was reached by something to which one of `hows` can happen.
    pub fn at(point: Point, hows: &[How]) -> Option<How> {
        static CHOICE: OnceLock<Option<(How, String, u64)>> = OnceLock::new();
        static REACHED: AtomicU64 = AtomicU64::new(0);
        let choice = CHOICE.get_or_init(|| {
            let text = std::env::var(VARIABLE).ok()?;
            let prefixed = [("panic:", How::Panics), ("lose:", How::Loses)];
            let (how, rest) = prefixed
                .into_iter()
                .find_map(|(prefix, how)| Some((how, text.strip_prefix(prefix)?)))
                .unwrap_or((How::Dies, text.as_str()));
            let (name, times) = rest.split_once(':')?;
            Some((how, name.to_owned(), times.parse().ok()?))
        });
        let (how, name, times) = choice.as_ref()?;
        let is_chosen = hows.contains(how) && *name == format!("{point:?}");
        (is_chosen && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *times).then_some(*how)
    }
}

/// The process has reached `point`.
#[cfg(debug_assertions)]
pub fn reach(point: Point) {
    use chosen::How;
    if let Some(how) = chosen::at(point, &[How::Dies, How::Panics]) {
        assert!(how != How::Panics, "the fail point {point:?} was asked to panic");
        std::process::abort();
    }
}

/// Whether what has reached `point` gets lost there.
#[cfg(debug_assertions)]
pub fn loses(point: Point) -> bool {
    chosen::at(point, &[chosen::How::Loses]).is_some()
}
