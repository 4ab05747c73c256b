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
}

impl Point {
    /// All points, in the order in which a change passes them.
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

/// The variable that chooses a point: `IntentCommitted:3` dies there the third time, `panic:Planned:1` panics.
pub const VARIABLE: &str = "NAMELY_OKTA_SYNC_FAILPOINT";

/// The process has reached `point`.
#[cfg(not(debug_assertions))]
pub fn reach(_: Point) {}

/// The process has reached `point`.
#[cfg(debug_assertions)]
pub fn reach(point: Point) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};
    static CHOICE: OnceLock<Option<(bool, String, u64)>> = OnceLock::new();
    static REACHED: AtomicU64 = AtomicU64::new(0);
    let choice = CHOICE.get_or_init(|| {
        let text = std::env::var(VARIABLE).ok()?;
        let (panics, rest) = text.strip_prefix("panic:").map_or((false, text.as_str()), |rest| (true, rest));
        let (name, times) = rest.split_once(':')?;
        Some((panics, name.to_owned(), times.parse().ok()?))
    });
    let Some((panics, name, times)) = choice else { return };
    if *name == format!("{point:?}") && REACHED.fetch_add(1, Ordering::SeqCst) + 1 == *times {
        assert!(!panics, "the fail point {point:?} was asked to panic");
        std::process::abort();
    }
}
