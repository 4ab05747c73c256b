//! How much tests have asked on a thread: statements of a file, and ways to a server and back.

use std::cell::Cell;

thread_local! {
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Something is asked.
pub(super) fn again() {
    ASKED.set(ASKED.get() + 1);
}

/// How often something was.
pub fn so_far() -> usize {
    ASKED.get()
}
