//! What is told of profiles that complete walks do not show, and that a page shows again.

use super::engine::Tx;
use super::rows::{link, missing};
use super::{StoreError, append};
use crate::audit::details::{Missing, MissingNews};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;

/// A page shows a profile that was missing.
pub(super) fn is_back(c: &Tx, tenant: &str, profile: &str, now: Moment) -> Result<(), StoreError> {
    if missing::remove(c, tenant, profile)?.is_some() {
        note_news(c, (tenant, profile), (MissingNews::Back, None), None, now)?;
    }
    Ok(())
}

/// One row for each target of the profile, or one of the tenant if it has none.
pub(super) fn note_news(
    c: &Tx,
    (tenant, profile): (&str, &str),
    (news, since): (MissingNews, Option<Moment>),
    said: Option<(&Author, &str)>,
    now: Moment,
) -> Result<(), StoreError> {
    let event = Event::Missing(Missing {
        news,
        since: since.map(|since| since.to_string()),
        why: said.map(|(_, why)| why.to_owned()),
        author: said.map(|(author, _)| author.clone()),
    });
    let mut records: Vec<Record> = link::in_orgs(c, tenant, profile)?
        .into_iter()
        .map(|(org, target)| Record::about(target, org, now, event.clone()))
        .collect();
    if records.is_empty() {
        records.push(Record::general(now, event));
    }
    for record in records {
        append(c, &Record { tenant: Some(tenant.to_owned()), profile: Some(profile.to_owned()), ..record })?;
    }
    Ok(())
}
