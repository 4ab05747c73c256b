//! Everything that waits for a person, whatever it waits for.

use super::ended::ended_access;
use super::missing::{MissingPerson, MissingState, missing_people};
use super::unconfigured::{Section, unconfigured};
use crate::clock::Moment;
use crate::domain::Rulebook;
use crate::domain::work::machine::State;
use crate::store::StoreError;
use crate::store::anchors;
use crate::store::directories::directory_of;
use crate::store::engine::Tx;
use crate::store::leavers_with_access;
use crate::store::name_of;
use crate::store::pauses;
use crate::store::reviews::reviews;
use crate::store::rows::source::name_in;
use crate::store::rows::{link, matched, org, people};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Beyond so many people of a tenant it is the tenant that is not shown.
const MANY_MISSING: usize = 20;

/// Somebody or something that waits for a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttentionItem {
    /// `leaver with access`, `access ended`, `not configured`, `paused`, `group deleted`, `first contact`, `held`, `quarantined`, `missing`,
    /// `unreadable`, `review`, `ambiguous` or `remark`.
    pub what: String,
    /// The org, by its name in the configuration; `None` if it is about every org or none.
    pub org: Option<String>,
    /// The tenant, by its name in the configuration; `every tenant` or `every org` of what stops them all, or empty.
    pub tenant: String,
    /// UUID of the profile; empty if it is about no single one.
    pub profile: String,
    /// The person's name; empty if it is about nobody alone, or the name is not known.
    pub name: String,
    /// What is so, and where a command helps, which.
    pub why: String,
}

/// All of it: who has left and still has access, the most urgent first; who is held or quarantined, matches to decide about, who cannot be read, and what is remarkable about people who
/// are done.
pub fn attention(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<AttentionItem>, StoreError> {
    let leavers = leavers_with_access(c, rules, now)?;
    let others = people::remarked(c)?.into_iter().map(|one| AttentionItem {
        what: match one.state {
            State::Quarantined => "quarantined".into(),
            State::Held => "held".into(),
            State::Ready => "remark".into(),
        },
        org: Some(one.org),
        tenant: one.tenant,
        profile: one.profile,
        name: name_in(&one.doc),
        why: one.reason,
    });
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
            why: format!("{}; see `{}`", leaver.reason(), leaver.command),
        })
        .collect();
    items.extend(ended_access(c)?.into_iter().filter(|one| one.followed_at.is_none()).map(|one| AttentionItem {
        what: "access ended".into(),
        why: one.message(),
        org: Some(one.org),
        tenant: String::new(),
        profile: String::new(),
        name: one.name,
    }));
    items.extend(stopped(c, rules)?);
    items.extend(others.filter(|item| !is_reported(item)));
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
    items.extend(missing(c, rules, now)?);
    items.extend(people::unreadable(c)?.into_iter().map(|(tenant, profile, why)| AttentionItem {
        what: "unreadable".into(),
        org: None,
        tenant,
        profile,
        name: String::new(),
        why,
    }));
    Ok(items)
}

/// Who is missing and waits for a decision; many of a tenant are one line.
fn missing(c: &Tx, rules: &Rulebook, now: Moment) -> Result<Vec<AttentionItem>, StoreError> {
    let mut by_tenant: BTreeMap<String, Vec<MissingPerson>> = BTreeMap::new();
    for one in missing_people(c, rules, false, now)? {
        if one.state == MissingState::Undecided && !one.accounts.is_empty() {
            by_tenant.entry(one.tenant.clone()).or_default().push(one);
        }
    }
    let mut items = Vec::new();
    let item = |tenant: &str, profile: String, name: String, why: String| AttentionItem {
        what: "missing".into(),
        org: None,
        tenant: tenant.to_owned(),
        profile,
        name,
        why,
    };
    for (tenant, people) in by_tenant {
        let since = people.iter().map(|one| one.since).min().unwrap_or_default();
        let since = Moment::from_millis(since);
        if people.len() > MANY_MISSING {
            let why = format!(
                "Namely does not show {} people of {tenant} any more, the first since {since}; nobody's access ends by that: \
                 can the token still see everybody? See `missing list`",
                people.len()
            );
            items.push(item(&tenant, String::new(), String::new(), why));
            continue;
        }
        for one in people {
            let since = Moment::from_millis(one.since);
            let why = format!(
                "Namely does not show this profile since {since}; access stays as it is: `missing end {0} --why TEXT` if they \
                 have left, `missing keep {0} --why TEXT` if they stay",
                one.profile
            );
            items.push(item(&tenant, one.profile, one.name, why));
        }
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
    for one in unconfigured(c, rules)? {
        let why = one.message();
        stopped.push(match one.what {
            Section::Org => all("not configured", Some(one.name), "every tenant", why),
            Section::Tenant => all("not configured", None, &one.name, why),
        });
    }
    for pause in pauses(c)? {
        let why = format!("{}; see `pause --list`", pause.message());
        stopped.push(all("paused", pause.org, "every org", why));
    }
    for org in &rules.orgs {
        let directory = directory_of(c, &org.name)?;
        let gone = directory.iter().flat_map(|directory| directory.gone().iter()).filter(|one| one.again.is_none());
        for one in gone {
            let why = one.message().replace("ORG", &org.name);
            stopped.push(all("group deleted", Some(org.name.clone()), "every tenant", why));
        }
        for tenant in &org.tenants {
            if matched::accepted_by(c, &org.name, tenant)?.is_some() {
                continue;
            }
            // There is a report once both sides were read.
            let both = org::is_read(c, &org.name)? && org::is_walked(c, tenant)?;
            let why = match both {
                true => "nothing is written before the report of first contact is accepted: look at `adopt`".to_owned(),
                false => {
                    format!("nothing is written before {} and {tenant} were read as a whole: see `status`", org.name)
                }
            };
            stopped.push(all("first contact", Some(org.name.clone()), tenant, why));
        }
    }
    Ok(stopped)
}
