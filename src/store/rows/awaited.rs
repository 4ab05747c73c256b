//! The table `awaited`: what people wait for who are quarantined, each thing by its key.

use crate::clock::Moment;
use crate::domain::plan::awaited::{Awaited, Refused};
use crate::store::StoreError;
use crate::store::engine::{Tx, params};

/// A target waits for these things, and for no others.
pub fn set(c: &Tx, org: &str, target: i64, awaited: &[Awaited]) -> Result<(), StoreError> {
    c.prepare_cached("DELETE FROM awaited WHERE target = ?1")?.execute([target])?;
    for one in awaited {
        c.prepare_cached("INSERT INTO awaited (target, org, what) VALUES (?1,?2,?3) ON CONFLICT DO NOTHING")?
            .execute(params![target, org, one.key()])?;
    }
    Ok(())
}

/// Who waits for something.
pub fn who(c: &Tx, org: &str, awaited: &Awaited) -> Result<Vec<i64>, StoreError> {
    let mut select = c.prepare_cached("SELECT target FROM awaited WHERE org = ?1 AND what = ?2 ORDER BY target")?;
    Ok(select.query_map(params![org, awaited.key()], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Everything that anybody of an org waits for, each once. What cannot be read is waited for by nobody who could be woken.
pub fn all(c: &Tx, org: &str) -> Result<Vec<Awaited>, StoreError> {
    let mut select = c.prepare_cached("SELECT DISTINCT what FROM awaited WHERE org = ?1 ORDER BY what")?;
    let keys: Vec<String> = select.query_map([org], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(keys.iter().filter_map(|key| Awaited::parse(key)).collect())
}

/// Who waits for permissions and is quarantined: the org, the permission's key, and the person.
pub fn refused(c: &Tx) -> Result<Vec<(String, String, Refused)>, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT a.org, a.what, w.target, w.due_at, w.attempt FROM awaited a JOIN work w ON w.target = a.target
         WHERE w.state = 1 AND w.dirty_rev > w.done_rev AND a.what >= 'permission ' AND a.what < 'permission!'
         ORDER BY a.org, a.what, w.target",
    )?;
    let rows = select.query_map([], |row| {
        let refused = Refused { target: row.get(2)?, due_at: Moment::from_millis(row.get(3)?), attempt: row.get(4)? };
        Ok((row.get(0)?, row.get(1)?, refused))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Whether somebody waits for a login.
pub fn waits_for_login(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut select =
        c.prepare_cached("SELECT 1 FROM awaited WHERE target = ?1 AND what >= 'login ' AND what < 'login!' LIMIT 1")?;
    Ok(select.exists([target])?)
}

/// Whether somebody waits for a name in an app.
pub fn waits_for_app_name(c: &Tx, target: i64) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM awaited WHERE target = ?1 AND what >= 'app_name ' AND what < 'app_name!' LIMIT 1",
    )?;
    Ok(select.exists([target])?)
}

/// Whether anybody of an org waits for a login, or for a name in an app.
pub fn is_name(c: &Tx, org: &str) -> Result<bool, StoreError> {
    let mut select = c.prepare_cached(
        "SELECT 1 FROM awaited WHERE org = ?1
           AND (what >= 'login ' AND what < 'login!' OR what >= 'app_name ' AND what < 'app_name!') LIMIT 1",
    )?;
    Ok(select.exists([org])?)
}
