//! The store itself, a file or a database of a server: how it is found, opened and locked, brought up to date, written by one thread
//! and read beside it.
//!
//! **Invariant:** nobody outside this folder names SQLite or PostgreSQL. What they get is a `Tx`; this folder knows none of the
//! tables but what makes them.

mod address;
#[cfg(test)]
pub mod asked;
mod condition;
mod error;
mod fence;
mod guest;
pub mod location;
mod many;
mod migrate;
mod nodes;
mod opening;
mod schema;
mod seat;
mod sent;
mod server;
mod session;
mod standby;
mod tls;
mod transfer;
mod trouble;
mod tx;
mod value;
mod words;
mod writer;

pub use address::{Address, Location};
pub use condition::Condition;
pub use error::StoreError;
pub use fence::Fence;
pub use guest::{Operator, Reader};
pub use location::beside;
pub use many::{Many, Of};
pub use nodes::{Node, SeenNode, drain, nodes};
pub use opening::lock;
pub use seat::Seat;
pub use standby::{Standby, Turn};
pub use transfer::{Held, copy, held, holds_something};
pub use trouble::{Failure, SqlError, Trouble};
pub use tx::{Optional, Row, Tx, alone};
pub(in crate::store) use value::params;
pub use value::{Bind, Value, params_from_iter};
pub use writer::Writer;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod searched_tests;
#[cfg(test)]
mod served_tests;
#[cfg(test)]
pub mod server_tests;
