//! Handing over to another node, on somebody's request.

use super::append;
use super::engine::{StoreError, Tx, drain as set_drained};
use crate::audit::details::Drained;
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::Decider;

/// Has a node hand over to another one that lives, which is written down.
pub fn drain(c: &Tx, node: &str, by: &Decider, now: Moment) -> Result<(), StoreError> {
    set_drained(c, node)?;
    let author = Author::new(&*by.name, by.principal());
    append(c, &Record::general(now, Event::Drained(Drained { node: node.to_owned(), author })))?;
    Ok(())
}
