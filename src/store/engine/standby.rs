//! A node that waits until it may serve a store on a server.

use super::address::{Address, Location};
use super::error::StoreError;
use super::nodes::{Node, has_namesake, is_drained, leave, make, right, seen};
use super::server::check_ours;
use super::session::{Session, Use};
use super::tx::Tx;
use std::path::PathBuf;

/// A node that waits until it may serve.
pub struct Standby {
    address: Address,
    path: PathBuf,
    me: Node,
    line: Option<Tx>,
}

/// Whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Nobody serves: the store can be opened.
    Ours,
    /// Another node does, or will at once.
    Waits {
        /// Which one, as far as it is known.
        behind: String,
    },
}

impl Standby {
    /// A node that waits for a store on a server; nothing of one in a file.
    pub fn of(place: &Location, me: Node) -> Option<Self> {
        match place {
            Location::Server(address) => {
                Some(Self { address: address.clone(), path: place.shown().to_owned(), me, line: None })
            }
            Location::File(_) | Location::Unknown { .. } => None,
        }
    }

    /// Shows that the node lives, and asks whose turn it is. Blocks: for threads that may wait.
    pub fn turn(&mut self) -> Result<Turn, StoreError> {
        let line = match self.line.take() {
            Some(line) => line,
            None => self.connect().map_err(|e| e.at(&self.path))?,
        };
        let turn = self.ask(&line).map_err(|e| e.at(&self.path))?;
        self.line = Some(line);
        Ok(turn)
    }

    fn connect(&self) -> Result<Tx, StoreError> {
        let line = Tx::of_server(Session::there(&self.address, Use::Operator)?);
        check_ours(&line, &self.path)?;
        make(&line)?;
        Ok(line)
    }

    fn ask(&self, line: &Tx) -> Result<Turn, StoreError> {
        if has_namesake(line, &self.me)? {
            let behind = "another node of the same name (give each machine a name of its own)".to_owned();
            return Ok(Turn::Waits { behind });
        }
        seen(line, &self.me, "")?;
        let right = right(line, &self.me)?;
        if right.is_free && !is_drained(line, &self.me.name)? {
            return Ok(Turn::Ours);
        }
        Ok(Turn::Waits { behind: right.node })
    }

    /// The node ends without having served.
    pub fn leave(&mut self) {
        if let Some(line) = self.line.take()
            && let Err(e) = leave(&line, &self.me)
        {
            tracing::warn!(error = %e, "that this node ends could not be written down");
        }
    }
}
