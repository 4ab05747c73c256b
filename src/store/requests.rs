//! What people ask a running service for, from beside it.

use super::{Store, StoreError, append, pages};
use crate::audit::{Kind, Record};
use crate::clock::Moment;
use crate::identity::pins::Pins;
use crate::identity::{Cause, Class};
use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "wish")]
pub enum Wish {
    /// Read the whole org again, and compare.
    Reread,
    /// Bring these people to what Namely says, through the same safeguards as everything else.
    Fix { targets: Vec<i64> },
    /// Pin what an undo restores.
    Undo { pins: Vec<(i64, Pins)>, why: String },
    /// Let go of what was pinned.
    Release { targets: Vec<i64> },
}

/// A request that nobody has acted upon yet.
#[derive(Clone, Debug)]
pub struct Request {
    pub id: i64,
    pub org: String,
    pub wish: Wish,
}

/// Asks; returns the number of the request.
pub fn request(c: &Connection, org: &str, wish: &Wish, by: &str, now: Moment) -> Result<i64, StoreError> {
    c.execute(
        "INSERT INTO request (org, what, by, at) VALUES (?1, ?2, ?3, ?4)",
        params![org, serde_json::to_string(wish)?, by, now.millis()],
    )?;
    Ok(c.last_insert_rowid())
}

/// What came of a request, if anything did yet.
pub fn is_done(c: &Connection, id: i64) -> Result<Option<String>, StoreError> {
    Ok(c.query_row("SELECT done FROM request WHERE id = ?1", [id], |row| row.get(0)).optional()?.flatten())
}

impl Store {
    /// Requests to read an org again.
    pub async fn reread_requests(&self, org: &str) -> Result<Vec<Request>, StoreError> {
        let org = org.to_owned();
        self.run(move |c| Ok(open(c)?.into_iter().filter(|r| r.org == org && r.wish == Wish::Reread).collect())).await
    }

    /// A request was acted upon.
    pub async fn request_done(&self, id: i64, outcome: String) -> Result<(), StoreError> {
        self.run(move |c| done(c, id, &outcome)).await
    }

    /// Acts upon what people have asked for, but for reading an org again; returns how many people may be worked on.
    pub async fn apply_requests(&self, now: Moment) -> Result<usize, StoreError> {
        self.run(move |c| {
            let mut woken = 0;
            for request in open(c)? {
                let by: String = c.query_row("SELECT by FROM request WHERE id = ?1", [request.id], |row| row.get(0))?;
                let people = match &request.wish {
                    Wish::Reread => continue, // the reconciler's
                    Wish::Fix { targets } => fix(c, &request, targets, &by, now)?,
                    Wish::Undo { pins, why } => {
                        super::pins::pin(c, &request.org, pins, why, &by, now)?;
                        pins.len()
                    }
                    Wish::Release { targets } => {
                        for target in targets {
                            if super::pins::unpin(c, *target, &format!("let go by {by}"), now)? {
                                pages::mark_dirty(
                                    c,
                                    *target,
                                    &request.org,
                                    Class::Describe,
                                    super::ANY_BUCKET,
                                    Cause::Request,
                                    now,
                                )?;
                            }
                        }
                        targets.len()
                    }
                };
                woken += people;
                done(c, request.id, &format!("{people} people"))?;
            }
            Ok(woken)
        })
        .await
    }
}

fn fix(c: &Connection, request: &Request, targets: &[i64], by: &str, now: Moment) -> Result<usize, StoreError> {
    for target in targets {
        pages::mark_dirty(c, *target, &request.org, Class::Describe, super::ANY_BUCKET, Cause::Request, now)?;
        let detail = json!({ "what": "to be brought to what Namely says", "by": by });
        let record = Record::general(now, Kind::Requested, detail);
        append(c, &Record { target: Some(*target), org: Some(request.org.clone()), ..record })?;
    }
    Ok(targets.len())
}

fn open(c: &Connection) -> Result<Vec<Request>, StoreError> {
    let mut select = c.prepare_cached("SELECT id, org, what FROM request WHERE done IS NULL ORDER BY id")?;
    let rows: Vec<(i64, String, String)> =
        select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?.collect::<Result<_, _>>()?;
    let mut requests = Vec::new();
    for (id, org, what) in rows {
        match serde_json::from_str(&what) {
            Ok(wish) => requests.push(Request { id, org, wish }),
            // One that cannot be read holds up no other.
            Err(e) => done(c, id, &format!("failed: it cannot be read ({e})"))?,
        }
    }
    Ok(requests)
}

fn done(c: &Connection, id: i64, outcome: &str) -> Result<(), StoreError> {
    c.execute("UPDATE request SET done = ?2 WHERE id = ?1", params![id, outcome])?;
    Ok(())
}
