//! What keeps a walk from being evidence.

/// Why a walk proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// A page was not read, and why.
    #[error("page {page}: {why}")]
    Page { page: usize, why: String },
    #[error("up to page {page} Namely shows the same {shown} people again and again: it ignores `page`")]
    Repeats { page: usize, shown: usize },
    #[error("page {page} is not the last one, and Namely has shown {shown} people: it does not end")]
    Endless { page: usize, shown: usize },
    #[error("Namely says there are {total} profiles, and page {page} shows more than {shown}: it does not end")]
    TooMany { total: u64, page: usize, shown: usize },
    #[error("Namely says there are {total} profiles, the pages showed {seen}")]
    Missing { total: u64, seen: u64 },
    #[error("Namely did not say how many profiles there are (meta.total_count)")]
    NoTotal,
}
