//! What the oracle reads of a store in a database of a server: asked as an outsider, with a client and statements of its own, and
//! written into a file like that of any other store. It blocks, and its client wants a thread without a runtime.

use postgres::{Client, NoTls};
use rusqlite::Connection;
use std::error::Error;
use std::path::Path;

/// The tables as far as the oracle looks at them.
const TABLES: &str = "CREATE TABLE audit (seq, at, kind, row); CREATE TABLE work (target, state, reason);
  CREATE TABLE link (profile, target);";

/// Writes the audit of the store at `url` into the file `to`, which is made anew. The connection is not encrypted.
pub fn copied(url: &str, to: &Path) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut client = Client::connect(url, NoTls)?;
    if to.exists() {
        std::fs::remove_file(to)?;
    }
    let mut file = Connection::open(to)?;
    let copy = file.transaction()?;
    copy.execute_batch(TABLES)?;
    for row in client.query("SELECT seq, at, kind, row FROM audit ORDER BY seq", &[])? {
        let (seq, at, kind, text): (i64, i64, String, String) = (row.get(0), row.get(1), row.get(2), row.get(3));
        copy.execute("INSERT INTO audit VALUES (?1, ?2, ?3, ?4)", (seq, at, kind, text))?;
    }
    for row in client.query("SELECT target, state, reason FROM work", &[])? {
        let (target, state, reason): (i64, i64, Option<String>) = (row.get(0), row.get(1), row.get(2));
        copy.execute("INSERT INTO work VALUES (?1, ?2, ?3)", (target, state, reason))?;
    }
    for row in client.query("SELECT profile, target FROM link", &[])? {
        let (profile, target): (String, i64) = (row.get(0), row.get(1));
        copy.execute("INSERT INTO link VALUES (?1, ?2)", (profile, target))?;
    }
    copy.commit()?;
    Ok(())
}
