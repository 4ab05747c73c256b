//! What is told of profiles that complete walks do not show, and that a page shows again.

use super::engine::Tx;
use super::rows::missing::Verdict;
use super::rows::{link, missing, source};
use super::{StoreError, append};
use crate::audit::details::{Missing, MissingNews};
use crate::audit::{Author, Event, Record};
use crate::clock::Moment;
use crate::domain::record::document::{ShownAgain, is_there_again};

/// A page that was asked for at `sent` shows a profile that was missing; whether it is missing no more. What a person has decided
/// about it is not undone by what may be an old answer.
pub(super) fn is_back(c: &Tx, tenant: &str, shown: &ShownAgain, sent: Moment, now: Moment) -> Result<bool, StoreError> {
    let profile = &shown.profile;
    if let Some(gone) = missing::find(c, tenant, profile)? {
        let held = source::load(c, tenant, profile)?.and_then(|held| held.held.edited);
        if gone.verdict == Some(Verdict::End) && !is_there_again(shown, held, sent) {
            return Ok(false);
        }
        missing::remove(c, tenant, profile)?;
        note_news(c, (tenant, profile), (MissingNews::Back, None), None, now)?;
    }
    Ok(true)
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
