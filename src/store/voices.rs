//! Whose voices are heard: what the configuration says of tokens, and the accounts that it means.

use super::StoreError;
use super::engine::Tx;
use super::rows::account;
use crate::domain::guard::decider::people;
use crate::domain::guard::voices::Hearing;
use crate::domain::{Decider, Rulebook};

/// Who may have a voice, by the rules and accounts of now.
pub(super) fn hearing<'a>(c: &Tx, rules: &'a Rulebook) -> Result<Hearing<'a>, StoreError> {
    let voices = &rules.safeguards.voices;
    let accounts = voices.holders.iter().map(|holder| match (voices.org(), &holder.person) {
        (Some(org), Some(person)) => account_of(c, org, person),
        _ => Ok(None),
    });
    Ok(Hearing::new(voices, accounts.collect::<Result<_, _>>()?))
}

/// The account that is meant by an id or a login.
fn account_of(c: &Tx, org: &str, person: &str) -> Result<Option<String>, StoreError> {
    if account::is_known(c, org, person)? {
        return Ok(Some(person.to_owned()));
    }
    Ok(account::by_login(c, org, person)?.map(|account| account.id))
}

/// The account of the org of the provider that somebody is who decides, as org and id, where it is known.
pub fn account_of_decider(c: &Tx, rules: &Rulebook, by: &Decider) -> Result<Option<(String, String)>, StoreError> {
    if let Some((org, id)) = by.account() {
        return Ok(Some((org.to_owned(), id.to_owned())));
    }
    let hearing = hearing(c, rules)?;
    Ok(hearing.account(&by.voice(), &by.name).map(|(org, id)| (org.to_owned(), id.to_owned())))
}

/// Whether two principals, each with the name that they had, may be one person.
pub(super) fn may_be_one(hearing: &Hearing, one: (&str, &str), other: (&str, &str)) -> bool {
    let voices = [one, other].map(|(principal, name)| hearing.whose(principal, name));
    people(voices.iter().map(String::as_str)) < 2
}
