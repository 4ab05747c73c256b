//! Places at which tests let the process die, to prove that nothing is lost there. Builds with optimisation have none.

/// A point that a crash test can choose, named after what has just become durable (or not).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    /// A page of Namely was read; nothing of it is on disk.
    PageFetched,
    /// What the page says is on disk; nobody was told.
    PageCommitted,
    /// The last page was read; that the walk is complete is not on disk.
    WalkEnded,
    /// Leases are on disk; no run has begun.
    Claimed,
    /// A run knows its first step; no intent is on disk.
    Planned,
    /// The intent is on disk; the call was not sent.
    IntentCommitted,
    /// Okta has answered; the outcome is not on disk.
    AnswerRead,
    /// The outcome is on disk; the run has not gone on.
    StepEnded,
    /// The work is done on disk; its run has not ended.
    Finished,
    /// A sink has taken audit rows; its cursor has not moved.
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
/// `lose:AnswerRead:2` loses what has got there; `panic:timekeeper:1` lets the timekeeper panic the first time it begins anything.
/// Several are separated by commas.
pub const VARIABLE: &str = "NAMELY_OKTA_SYNC_FAILPOINT";

/// The process has reached `point`.
#[cfg(not(debug_assertions))]
pub fn reach(_: Point) {}

/// A part of the service begins a piece of its work.
#[cfg(not(debug_assertions))]
pub fn begin(_: &str) {}

/// Whether what has reached `point` gets lost there.
#[cfg(not(debug_assertions))]
pub fn loses(_: Point) -> bool {
    false
}

#[cfg(debug_assertions)]
mod chosen {
    use super::VARIABLE;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What happens at a point.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum How {
        Dies,
        Panics,
        Loses,
    }

    /// What happens at a point the n-th time it is reached.
    struct Choice {
        how: How,
        point: String,
        times: u64,
        reached: AtomicU64,
    }

    impl Choice {
        fn read(text: &str) -> Option<Self> {
            let prefixed = [("panic:", How::Panics), ("lose:", How::Loses)];
            let (how, rest) = prefixed
                .into_iter()
                .find_map(|(prefix, how)| Some((how, text.strip_prefix(prefix)?)))
                .unwrap_or((How::Dies, text));
            let (point, times) = rest.split_once(':')?;
            Some(Self { how, point: point.to_owned(), times: times.parse().ok()?, reached: AtomicU64::new(0) })
        }
    }

    /// What happens now that `point` was reached by something to which one of `hows` can happen.
    pub fn at(point: &str, hows: &[How]) -> Option<How> {
        static CHOICES: OnceLock<Vec<Choice>> = OnceLock::new();
        let choices = CHOICES.get_or_init(|| {
            let text = std::env::var(VARIABLE);
            text.iter().flat_map(|text| text.split(',')).filter_map(Choice::read).collect()
        });
        let choice = choices.iter().find(|choice| choice.point == point && hows.contains(&choice.how))?;
        (choice.reached.fetch_add(1, Ordering::SeqCst) + 1 == choice.times).then_some(choice.how)
    }
}

/// The process has reached `point`.
#[cfg(debug_assertions)]
pub fn reach(point: Point) {
    begin(&format!("{point:?}"));
}

/// A part of the service begins a piece of its work.
#[cfg(debug_assertions)]
pub fn begin(part: &str) {
    use chosen::How;
    if let Some(how) = chosen::at(part, &[How::Dies, How::Panics]) {
        assert!(how != How::Panics, "the fail point {part} was asked to panic");
        std::process::abort();
    }
}

/// Whether what has reached `point` gets lost there.
#[cfg(debug_assertions)]
pub fn loses(point: Point) -> bool {
    chosen::at(&format!("{point:?}"), &[chosen::How::Loses]).is_some()
}
