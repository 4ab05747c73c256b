//! Everybody, as far as a list of people shows them: several tables at once, read in one pass.

use crate::domain::work::machine::State;
use crate::store::StoreError;
use crate::store::engine::Tx;

/// One profile of somebody, with what is known of them.
pub struct Row {
    pub target: i64,
    pub org: String,
    pub tenant: String,
    pub profile: String,
    /// The document of the profile.
    pub doc: String,
    /// The login of the account, as it is compared.
    pub login: Option<String>,
    pub status: Option<String>,
    /// Nothing of whom there was never anything to do.
    pub state: Option<State>,
    pub is_dirty: bool,
    pub reason: Option<String>,
    pub since: Option<i64>,
    /// Why nobody can tell which account is theirs.
    pub conflict: Option<String>,
    pub ended_at: Option<i64>,
}

/// Tells of everybody, profile by profile; the profiles of one target follow one another, those that are routed first.
pub fn everybody(c: &Tx, mut each: impl FnMut(Row)) -> Result<(), StoreError> {
    c.each(
        "SELECT t.id, t.org, l.tenant, l.profile, s.doc, a.login_key, a.status, w.state, w.dirty_rev > w.done_rev, w.reason,
           w.dirty_at, t.conflict, t.ended_at
         FROM target t JOIN link l ON l.target = t.id JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         LEFT JOIN account a ON a.org = t.org AND a.okta_id = t.okta_id LEFT JOIN work w ON w.target = t.id
         ORDER BY t.id, l.routed DESC, l.tenant, l.profile",
        [],
        |row| {
        each(Row {
            target: row.get(0)?,
            org: row.get(1)?,
            tenant: row.get(2)?,
            profile: row.get(3)?,
            doc: row.get(4)?,
            login: row.get(5)?,
            status: row.get(6)?,
            state: row.get::<Option<i64>>(7)?.map(State::from_number),
            is_dirty: row.get::<Option<bool>>(8)?.unwrap_or(false),
            reason: row.get(9)?,
            since: row.get(10)?,
            conflict: row.get(11)?,
            ended_at: row.get(12)?,
        });
        Ok(())
    })
}
