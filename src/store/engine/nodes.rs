//! The nodes of a store on a server: who lives, and which one serves. These two tables are there before all others, and for every
//! version: nodes of two versions stand side by side while one takes over from the other.
//!
//! **Invariant:** the right to serve is a row with a token that grows with every taker. Times are the database's; a node's own clock
//! never says whether a right has ended.

use super::error::StoreError;
use super::fence::LEASE;
use super::trouble::SqlError;
use super::tx::{Optional, Row, Tx};
use super::value::params;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Both tables. What serves is a task by name, so that there can be more than one.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS lease (name TEXT PRIMARY KEY, node TEXT NOT NULL, place TEXT NOT NULL, token BIGINT NOT NULL, since BIGINT NOT NULL,
  until BIGINT NOT NULL, session TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS node (name TEXT PRIMARY KEY, place TEXT NOT NULL, address TEXT NOT NULL, version TEXT NOT NULL,
  since BIGINT NOT NULL, seen BIGINT NOT NULL, drained BIGINT, state TEXT NOT NULL);
INSERT INTO lease VALUES ('serve', '', '', 0, 0, 0, '') ON CONFLICT DO NOTHING;";
/// What they are called: they make no database a store.
pub(super) const NAMES: &str = "('lease', 'node')";

/// The database's clock, in milliseconds.
const NOW: &str = "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
/// Who was not seen for longer does not live.
const SILENT_MS: i64 = 15_000;
/// Who was not seen for longer is forgotten.
const FORGOTTEN_MS: i64 = 86_400_000;
/// For how long whoever was drained leaves serving to others.
const DRAINED_MS: i64 = 60_000;

/// One process that serves a store, or waits to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// As it is named to people: the machine, and the port at which it is asked.
    pub name: String,
    /// Where it is asked.
    pub address: String,
    /// What no two processes have at the same time: whoever is here knows that its predecessor of the same place is gone. Nothing where
    /// there is no such thing.
    pub place: String,
}

impl Node {
    /// A process that others do not ask, and that does not come back.
    pub(super) fn unnamed() -> Self {
        let (machine, process) = (machine(), std::process::id());
        Self { name: format!("process {process} of {machine}"), address: String::new(), place: String::new() }
    }

    /// A node that listens at an address of this machine. It is bound, so whoever had it before is gone.
    pub fn at(listens: SocketAddr) -> Self {
        let (machine, port) = (machine(), listens.port());
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
        let network = std::fs::read_link("/proc/self/ns/net");
        let place = match (boot, network) {
            (Ok(boot), Ok(network)) => format!("{} {} {listens}", boot.trim(), network.display()),
            _ => String::new(),
        };
        Self { name: format!("{machine}:{port}"), address: format!("{machine}:{port}"), place }
    }
}

/// What this machine is called.
fn machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A node, as others see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenNode {
    /// As it is named to people.
    pub name: String,
    /// Where it is asked.
    pub address: String,
    /// Of the program.
    pub version: String,
    /// Whether it serves.
    pub serves: bool,
    /// Since when it serves, or waits to: milliseconds since 1970, by the clock of the database.
    pub since: i64,
    /// How long ago it was seen.
    pub seen_ms: i64,
    /// Whether it lives, as far as that is known.
    pub lives: bool,
    /// Whether it has been asked to hand over.
    pub is_drained: bool,
    /// What it says of itself, as JSON.
    #[serde(skip)]
    pub state: String,
}

/// Makes the tables, where the database is a store or is to become one.
pub(super) fn make(tx: &Tx) -> Result<(), StoreError> {
    let session = tx.server().ok_or(StoreError::Stopped)?;
    if are_there(tx)? {
        return Ok(());
    }
    session.begin_to_write()?;
    match session.batch(TABLES).and_then(|()| session.commit("")) {
        Ok(()) => Ok(()),
        Err(e) => {
            session.roll_back()?;
            Err(e.into())
        }
    }
}

fn are_there(tx: &Tx) -> Result<bool, SqlError> {
    let sql = format!("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename IN {NAMES}");
    Ok(tx.query_row(&sql, [], |row| row.get::<i64>(0))? == 2)
}

/// What is so of the right to serve.
pub(super) struct Right {
    /// Whose it is, or was.
    pub node: String,
    pub token: i64,
    /// The connection that has written under it.
    pub session: String,
    /// Whether it can be taken: it has ended, or belongs to a process that is gone.
    pub is_free: bool,
    /// For how long it lasts.
    pub left_ms: i64,
}

/// Whether the right to serve is free for `me`.
pub(super) fn right(tx: &Tx, me: &Node) -> Result<Right, StoreError> {
    let sql = format!("SELECT node, token, session, until - {NOW}, place FROM lease WHERE name = 'serve'");
    Ok(tx.query_row(&sql, [], |row| {
        let (left_ms, place): (i64, String) = (row.get(3)?, row.get(4)?);
        let is_ours = !me.place.is_empty() && place == me.place;
        Ok(Right {
            node: row.get(0)?,
            token: row.get(1)?,
            session: row.get(2)?,
            is_free: left_ms <= 0 || is_ours,
            left_ms,
        })
    })?)
}

/// Who has the right, for whoever may not have it.
pub(super) fn locked(right: &Right, path: PathBuf) -> StoreError {
    let seconds = (right.left_ms.max(0) + 999) / 1000;
    StoreError::Locked { path, holder: format!("{} (its lease lasts {seconds} s more)", right.node) }
}

/// Takes the right to serve, ending the connection of whoever had it, so that nothing of it is under way any more. Returns the token;
/// nothing if somebody else was faster, or it was renewed after all.
pub(super) fn take(tx: &Tx, me: &Node, found: &Right, session: &str) -> Result<Option<i64>, StoreError> {
    let line = tx.server().ok_or(StoreError::Stopped)?;
    end_sessions(tx, &found.session)?;
    line.begin_to_write()?;
    let taken = taken(tx, me, found, session).and_then(|token| {
        line.commit("")?;
        Ok(token)
    });
    if taken.is_err() && line.is_open() {
        line.roll_back()?;
    }
    taken
}

fn taken(tx: &Tx, me: &Node, found: &Right, session: &str) -> Result<Option<i64>, StoreError> {
    // Found free because of a place, it is free whatever its end is.
    let lease = LEASE.as_millis();
    let sql = format!(
        "UPDATE lease SET node = ?1, place = ?2, token = token + 1, since = {NOW}, until = {NOW} + {lease}, session = ?3
         WHERE name = 'serve' AND token = ?4 AND (until <= {NOW} OR ?5 = 1) RETURNING token"
    );
    let of_place = i64::from(found.left_ms > 0);
    let token: Option<i64> =
        tx.query_row(&sql, params![me.name, me.place, session, found.token, of_place], |row| row.get(0)).optional()?;
    if token.is_some() {
        seen(tx, me, "")?;
        tx.execute("UPDATE node SET drained = NULL WHERE drained IS NOT NULL", [])?;
    }
    Ok(token)
}

/// Ends connections by what they are called, where the server lets us; where not, what they hold ends with their time.
pub(super) fn end_sessions(tx: &Tx, called: &str) -> Result<(), StoreError> {
    if called.is_empty() {
        return Ok(());
    }
    let sql = "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE application_name = ?1 AND pid <> pg_backend_pid() AND usename = current_user";
    let ended: i64 = tx.query_row(sql, [called], |row| row.get(0))?;
    if ended > 0 {
        tracing::info!(ended, "the connection of whoever served before is ended");
    }
    Ok(())
}

/// Renews the right and shows that the node lives; `false` if the right is somebody else's.
pub(super) fn renew(tx: &Tx, me: &Node, token: i64, state: &str) -> Result<bool, StoreError> {
    let lease = LEASE.as_millis();
    let sql = format!("UPDATE lease SET until = {NOW} + {lease} WHERE name = 'serve' AND token = ?1");
    let is_ours = tx.execute(&sql, [token])? == 1;
    if is_ours {
        seen(tx, me, state)?;
    }
    Ok(is_ours)
}

/// Gives the right back: it can be taken at once.
pub(super) fn give_back(tx: &Tx, me: &Node, token: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE lease SET until = 0, session = '' WHERE name = 'serve' AND token = ?1", [token])?;
    leave(tx, me)
}

/// The node ends. That it was drained is remembered for as long as it counts.
pub(super) fn leave(tx: &Tx, me: &Node) -> Result<(), StoreError> {
    tx.execute("DELETE FROM node WHERE name = ?1 AND drained IS NULL", [&me.name])?;
    Ok(())
}

/// Shows that a node lives, and what it says of itself.
pub(super) fn seen(tx: &Tx, me: &Node, state: &str) -> Result<(), StoreError> {
    let sql = format!(
        "INSERT INTO node (name, place, address, version, since, seen, drained, state)
         VALUES (?1, ?2, ?3, ?4, {NOW}, {NOW}, NULL, ?5)
         ON CONFLICT (name) DO UPDATE SET place = excluded.place, address = excluded.address, version = excluded.version,
           since = CASE WHEN node.seen < excluded.seen - {SILENT_MS} THEN excluded.since ELSE node.since END,
           seen = excluded.seen, state = excluded.state"
    );
    tx.execute(&sql, params![me.name, me.place, me.address, env!("CARGO_PKG_VERSION"), state])?;
    let forgotten = format!("DELETE FROM node WHERE seen < {NOW} - {FORGOTTEN_MS}");
    tx.execute(&forgotten, [])?;
    Ok(())
}

/// Whether another process lives that is called the same: then nobody could tell the two apart.
pub(super) fn has_namesake(tx: &Tx, me: &Node) -> Result<bool, StoreError> {
    let sql = format!("SELECT count(*) FROM node WHERE name = ?1 AND place <> ?2 AND seen > {NOW} - {SILENT_MS}");
    Ok(tx.query_row(&sql, [&me.name, &me.place], |row| row.get::<i64>(0))? > 0)
}

/// Whether somebody has asked the node to hand over, and another one lives that can.
pub(super) fn is_drained(tx: &Tx, name: &str) -> Result<bool, StoreError> {
    let sql = format!(
        "SELECT count(*) FROM node n WHERE n.name = ?1 AND n.drained > {NOW} - {DRAINED_MS} AND EXISTS
           (SELECT 1 FROM node o WHERE o.name <> n.name AND o.seen > {NOW} - {SILENT_MS}
              AND (o.drained IS NULL OR o.drained <= {NOW} - {DRAINED_MS}))"
    );
    Ok(tx.query_row(&sql, [name], |row| row.get::<i64>(0))? > 0)
}

/// Every node that was seen lately, the one that serves first; none of a store in a file, which only one process can serve.
pub fn nodes(tx: &Tx) -> Result<Vec<SeenNode>, StoreError> {
    if tx.server().is_none() || !are_there(tx)? {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT n.name, n.address, n.version, l.name IS NOT NULL, coalesce(l.since, n.since), {NOW} - n.seen,
           n.drained IS NOT NULL AND n.drained > {NOW} - {DRAINED_MS}, n.state
         FROM node n LEFT JOIN lease l ON l.name = 'serve' AND l.node = n.name AND l.until > {NOW}
         ORDER BY (l.name IS NULL), n.name"
    );
    let read = |row: &Row| {
        let seen_ms: i64 = row.get(5)?;
        Ok(SeenNode {
            name: row.get(0)?,
            address: row.get(1)?,
            version: row.get(2)?,
            serves: row.get(3)?,
            since: row.get(4)?,
            seen_ms,
            lives: seen_ms <= SILENT_MS,
            is_drained: row.get(6)?,
            state: row.get(7)?,
        })
    };
    let mut select = tx.prepare(&sql)?;
    let found = select.query_map([], read)?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Has a node hand over to another one that lives.
pub fn drain(c: &Tx, name: &str) -> Result<(), StoreError> {
    let all = nodes(c)?;
    let named = |one: &&SeenNode| one.name == name;
    if all.is_empty() {
        return Err(StoreError::NotNow(
            "the store is a file, which one service serves: there is no other node to hand over to".into(),
        ));
    }
    if !all.iter().any(|one| named(&one) && one.lives) {
        let known: Vec<&str> = all.iter().filter(|one| one.lives).map(|one| one.name.as_str()).collect();
        return Err(StoreError::NotThere(format!("no node {name:?} lives; there are {}", known.join(", "))));
    }
    if !all.iter().any(|one| !named(&one) && one.lives && !one.is_drained) {
        return Err(StoreError::NotNow(format!(
            "no other node lives that could take over from {name}: start one first, or stop {name} with SIGTERM"
        )));
    }
    c.execute(&format!("UPDATE node SET drained = {NOW} WHERE name = ?1"), [name])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_nodes_of_a_machine_at_one_port_of_two_addresses_are_two() {
        let at = |address: &str| Node::at(address.parse().expect("an address")).place;
        assert_eq!(at("127.0.0.1:9464"), at("127.0.0.1:9464"));
        assert!(at("127.0.0.1:9464") != at("127.0.0.2:9464") || at("127.0.0.1:9464").is_empty());
    }
}
