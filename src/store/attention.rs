//! Everything that waits for a person, whatever it waits for.

use super::engine::Tx;
use super::rows::{link, matched};
use super::{StoreError, anchors, leavers_with_access, name_of, pauses, reviews};
use crate::clock::Moment;
use crate::domain::work::machine::State;
use crate::domain::{Employee, Rulebook};
use serde::{Deserialize, Serialize};

/// Somebody or something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionItem {
    /// `leaver with access`, `paused`, `first contact`, `held`, `set quarantined`, `unreadable`, `review`, `ambiguous` or `remark`.
    pub what: String,
    pub org: Option<String>,
    pub tenant: String,
    pub profile: String,
    pub name: String,
    pub why: String,
}

/// All of it: who has left and still has access, the most urgent first; who is held or quarantined, matches to decide about, who cannot be read, and what is remarkable about people who
/// are done.
pub fn attention(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<AttentionItem>, StoreError> {
    let leavers = leavers_with_access(c, rules, now)?;
    let mut select = c.prepare(
        "SELECT w.state, t.org, l.tenant, l.profile, s.doc, w.reason FROM work w JOIN target t ON t.id = w.target
         JOIN link l ON l.target = w.target JOIN source s ON s.tenant = l.tenant AND s.profile = l.profile
         WHERE w.reason IS NOT NULL AND t.conflict IS NULL AND (w.state > 0 OR w.dirty_rev = w.done_rev)
         ORDER BY w.state DESC, t.org, w.target",
    )?;
    let rows = select.query_map([], |row| {
        let doc: String = row.get(4)?;
        let name = serde_json::from_str(&doc).map(|e: Employee| e.display()).unwrap_or_default();
        let what = match State::from_number(row.get(0)?) {
            State::Quarantined => "quarantined",
            State::Held => "held",
            State::Ready => "remark",
        };
        let (what, why) = (what.to_owned(), row.get(5)?);
        Ok(AttentionItem { what, org: row.get(1)?, tenant: row.get(2)?, profile: row.get(3)?, name, why })
    })?;
    let others: Vec<AttentionItem> = rows.collect::<Result<_, _>>()?;
    let is_reported = |item: &AttentionItem| {
        leavers.iter().any(|leaver| leaver.profile == item.profile && Some(&leaver.org) == item.org.as_ref())
    };
    let mut items: Vec<AttentionItem> = leavers
        .iter()
        .map(|leaver| AttentionItem {
            what: "leaver with access".into(),
            org: Some(leaver.org.clone()),
            tenant: leaver.tenant.clone(),
            profile: leaver.profile.clone(),
            name: leaver.name.clone(),
            why: format!("{}: {}; see `{}`", leaver.why, leaver.message, leaver.command),
        })
        .collect();
    items.extend(stopped(c, rules)?);
    items.extend(others.into_iter().filter(|item| !is_reported(item)));
    items.extend(reviews(c, false)?.into_iter().map(|review| AttentionItem {
        what: "review".into(),
        org: Some(review.org),
        tenant: review.tenant,
        profile: review.profile,
        name: review.name,
        why: format!("{}; look at it with `review show {}`", review.why, review.id),
    }));
    for double in anchors::doubles(c)? {
        let target = link::of_any_tenant(c, &double.org, &double.anchor)?;
        let (tenant, target) = target.unzip();
        let name = target.map(|target| name_of(c, target)).transpose()?.flatten().unwrap_or_default();
        let who: Vec<String> = double.accounts.iter().map(|account| account.described()).collect();
        items.push(AttentionItem {
            what: "ambiguous".into(),
            org: Some(double.org),
            tenant: tenant.unwrap_or_default(),
            profile: double.anchor,
            name,
            why: format!(
                "several accounts carry the anchor of this profile: {}; none is given to anybody by it: clear it in Okta \
                 on those that are not theirs",
                who.join(", ")
            ),
        });
    }
    let mut select = c.prepare("SELECT tenant, profile, why FROM unreadable ORDER BY tenant, profile")?;
    let rows = select.query_map([], |row| {
        let (tenant, profile, why) = (row.get(0)?, row.get(1)?, row.get(2)?);
        Ok(AttentionItem { what: "unreadable".into(), org: None, tenant, profile, name: String::new(), why })
    })?;
    for row in rows {
        items.push(row?);
    }
    Ok(items)
}

/// What nobody is worked on for: pauses, and tenants whose first contact nobody has accepted.
fn stopped(c: &Tx, rules: &Rulebook) -> Result<Vec<AttentionItem>, StoreError> {
    let all = |what: &str, org: Option<String>, tenant: &str, why: String| AttentionItem {
        what: what.into(),
        org,
        tenant: tenant.into(),
        profile: String::new(),
        name: String::new(),
        why,
    };
    let mut stopped: Vec<AttentionItem> = Vec::new();
    for pause in pauses(c)? {
        let why = format!("{}; see `pause --list`", pause.message());
        stopped.push(all("paused", pause.org, "every org", why));
    }
    for org in &rules.orgs {
        for tenant in &org.tenants {
            if matched::accepted_by(c, &org.name, tenant)?.is_none() {
                let why =
                    "nothing is written before the report of first contact is accepted: look at `adopt`".to_owned();
                stopped.push(all("first contact", Some(org.name.clone()), tenant, why));
            }
        }
    }
    Ok(stopped)
}
