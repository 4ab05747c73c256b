//! The file itself: how it is found, opened and locked, brought up to date, written by one thread and read beside it.
//!
//! **Invariant:** nobody outside this folder names SQLite. What they get is a `Tx`; this folder knows none of the tables but what
//! makes them.

mod error;
mod guest;
pub mod location;
mod migrate;
mod opening;
mod trouble;
mod tx;
mod value;
mod writer;

pub use error::StoreError;
pub use guest::{Operator, Reader};
pub use opening::lock;
pub use trouble::{Condition, Failure, Trouble};
pub use tx::{Optional, Row, SqlError, Tx, alone};
pub(in crate::store) use value::params;
pub use value::{Bind, Value, params_from_iter};
pub use writer::Writer;

use std::path::{Path, PathBuf};

/// A file beside the store: its name and a suffix.
pub fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
