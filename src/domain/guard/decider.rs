//! Who decides, and when enough of them have.
//!
//! **Invariant:** votes are counted by principal, never by name: whoever can write a name into a field has one vote.

use crate::clock::Moment;
use crate::domain::text::hex;
use aws_lc_rs::digest::{Context, SHA256, digest};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Somebody who decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decider {
    /// What people read. Beside the service it is a remark of the person who decides.
    pub name: String,
    principal: String,
    /// Whether an identity provider says who it is.
    over_provider: bool,
    /// The token by which they have come, where their principal does not say it.
    token: Option<String>,
    /// The account by which they have come, as org and id, where the provider is an org that is written to.
    account: Option<(String, String)>,
}

/// What a principal begins with whom nobody but an identity provider knows.
const PROVIDED: &str = "oidc:";
/// What a principal begins with who has a token of this name.
const TOKEN: &str = "token:";
/// What the voice of a principal ends with who has other ways, and came over an identity provider.
const OVER: &str = " over oidc";
/// What stands in the voice of a user of the operating system before the name of the token by which they have come.
const WITH: &str = " with token:";
/// What the voice of a principal ends with of whom it is not known who they are for the identity provider.
const UNPLACED: &str = " unplaced";
/// What the voice of a principal ends with whom the configuration does not know any more.
const GONE: &str = " gone";

/// The principal whose voice this is.
pub fn principal_of(voice: &str) -> &str {
    let bare = [OVER, UNPLACED, GONE].into_iter().find_map(|mark| voice.strip_suffix(mark)).unwrap_or(voice);
    bare.split_once(WITH).map_or(bare, |(principal, _)| principal)
}

/// The name of the token by which a user of the operating system has come.
pub(super) fn token_with(voice: &str) -> Option<&str> {
    voice.split_once(WITH).map(|(_, token)| token)
}

/// The name of the token that a principal is known by.
pub(super) fn token_of(principal: &str) -> Option<&str> {
    principal.strip_prefix(TOKEN)
}

/// The voice of a principal who came over an identity provider.
pub(super) fn over_provider(principal: &str) -> String {
    let mark = if is_provided(principal) { "" } else { OVER };
    format!("{principal}{mark}")
}

/// The voice of a principal who may be anybody whom the identity provider knows.
pub(super) fn unplaced(principal: &str) -> String {
    format!("{principal}{UNPLACED}")
}

/// The voice of a principal who may be anybody: their token is away, or is called otherwise by now.
pub(super) fn gone(principal: &str) -> String {
    format!("{principal}{GONE}")
}

/// The principal of somebody whom nobody but the identity provider of this address knows, by this id.
pub fn provided(issuer: &str, id: &str) -> String {
    // Another issuer's id of the same letters is somebody else.
    let issuer = hex(&digest(&SHA256, issuer.as_bytes()).as_ref()[..4]);
    format!("{PROVIDED}{issuer}:{id}")
}

/// How many people these voices are for certain. Who may be anybody whom the provider knows may be each of those whom nobody else
/// knows, and whom the configuration does not know any more may be any of the others.
pub fn people<'a>(voices: impl Iterator<Item = &'a str>) -> usize {
    let (mut all, mut unplaced, mut over, mut away) =
        (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for voice in voices {
        let principal = principal_of(voice);
        if voice.ends_with(GONE) {
            away.insert(principal);
            continue;
        }
        all.insert(principal);
        if voice.ends_with(UNPLACED) {
            unplaced.insert(principal);
        } else if is_provided(voice) {
            over.insert(principal);
        }
    }
    let doubtful = unplaced.difference(&over).count();
    let strangers = over.iter().filter(|principal| principal.starts_with(PROVIDED)).count();
    (all.len() - doubtful.min(strangers)).max(away.len())
}

/// Whether nobody but an identity provider says whose voice this is.
pub fn is_provided(voice: &str) -> bool {
    voice.starts_with(PROVIDED) || voice.ends_with(OVER)
}

impl Decider {
    /// The person of an admin token. The user of the operating system who is the same person, if the configuration names
    /// one, is the same principal; so are all tokens of that user.
    pub fn of_token(name: &str, uid: Option<u32>) -> Self {
        let principal = uid.map_or_else(|| format!("{TOKEN}{name}"), user);
        let token = uid.map(|_| name.to_owned());
        Self { name: name.to_owned(), principal, over_provider: false, token, account: None }
    }

    /// Whoever has a token of this name beside another one, and is this principal by that.
    pub fn of_other_token(name: &str, principal: &str) -> Self {
        let token = (token_of(principal).is_none()).then(|| name.to_owned());
        Self { token, ..Self::known(name, principal) }
    }

    /// Somebody whom an identity provider says, who is this principal to it (`provided`). `also` is who has a token as the same
    /// person: then both have one vote.
    pub fn of_provider(principal: &str, name: &str, also: Option<&Self>) -> Self {
        let principal = also.map_or_else(|| principal.to_owned(), |also| also.principal.clone());
        Self { name: name.to_owned(), principal, over_provider: true, token: None, account: None }
    }

    /// A user of the operating system who writes into the store, under whatever name.
    pub fn of_user(uid: u32, name: &str) -> Self {
        Self { name: name.to_owned(), principal: user(uid), over_provider: false, token: None, account: None }
    }

    /// Whoever was written down as this principal.
    pub fn known(name: &str, principal: &str) -> Self {
        Self {
            name: name.to_owned(),
            principal: principal.to_owned(),
            over_provider: false,
            token: None,
            account: None,
        }
    }

    /// The service itself, as its configuration says or the operating system tells it: nobody else has decided.
    pub fn of_service(name: &str) -> Self {
        Self { name: name.to_owned(), principal: "service".into(), over_provider: false, token: None, account: None }
    }

    /// The same, who has come by this account of an org that is written to.
    #[must_use]
    pub fn by_account(self, org: &str, id: &str) -> Self {
        Self { account: Some((org.to_owned(), id.to_owned())), ..self }
    }

    /// The account by which they have come, as org and id.
    pub fn account(&self) -> Option<(&str, &str)> {
        self.account.as_ref().map(|(org, id)| (org.as_str(), id.as_str()))
    }

    /// Who it is, whatever name was given.
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// What a vote of theirs is kept under: the principal, and whether it came over an identity provider.
    pub fn voice(&self) -> String {
        match &self.token {
            _ if self.over_provider => over_provider(&self.principal),
            Some(token) => format!("{}{WITH}{token}", self.principal),
            None => self.principal.clone(),
        }
    }
}

fn user(uid: u32) -> String {
    format!("uid:{uid}")
}

/// The user who runs a command: whoever has called `sudo`, where the command runs as root. Nobody else is believed about
/// that: the variable could say anything.
pub fn caller(uid: u32, sudo_uid: Option<&str>) -> u32 {
    let behind = sudo_uid.and_then(|text| text.trim().parse().ok());
    if uid == 0 { behind.unwrap_or(uid) } else { uid }
}

/// The code of what somebody is shown, one text for each thing: a decision gives it back, and counts only while it is the code
/// of what would be decided about.
pub fn code(shown: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut context = Context::new(&SHA256);
    for text in shown {
        context.update(text.as_ref().as_bytes());
        context.update(b"\x1e");
    }
    hex(&context.finish().as_ref()[..4])
}

/// What the approvals so far come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tally {
    Decided,
    /// So many more principals must approve.
    Needs(i64),
    /// One person was enough, and everybody can still say no until then.
    Alone {
        until: Moment,
    },
}

/// Counts approvals: who has approved, and when. `alone` is how long everybody has for saying no where the configuration
/// says that there is only one approver; then one approval is enough for what needs two.
pub fn tally<'a>(
    needs: i64,
    approvals: impl IntoIterator<Item = (&'a str, Moment)>,
    alone: Option<Duration>,
    now: Moment,
) -> Tally {
    let (mut first, mut voices): (BTreeMap<&str, Moment>, _) = (BTreeMap::new(), BTreeSet::new());
    for (voice, at) in approvals {
        let known = first.entry(principal_of(voice)).or_insert(at);
        *known = (*known).min(at);
        voices.insert(voice);
    }
    let more = needs - i64::try_from(people(voices.into_iter())).unwrap_or(i64::MAX);
    if more <= 0 {
        return Tally::Decided;
    }
    match (alone, first.values().max()) {
        (Some(delay), Some(last)) if *last + delay <= now => Tally::Decided,
        (Some(delay), Some(last)) => Tally::Alone { until: *last + delay },
        _ => Tally::Needs(more),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn at(secs: i64) -> Moment {
        Moment::from_secs(secs)
    }

    #[test]
    fn one_person_has_one_vote_under_any_name_over_any_token_and_beside_the_service() {
        let people = [Decider::of_token("laptop", Some(1000)), Decider::of_token("ci", Some(1000))];
        let beside = [Decider::of_user(1000, "Ann"), Decider::of_user(1000, "Ben")];
        let all: Vec<_> = people.iter().chain(&beside).map(|one| (one.principal(), at(0))).collect();
        assert_eq!(tally(2, all.iter().copied(), None, at(9)), Tally::Needs(1));
        let other = Decider::of_token("ben", None);
        assert_eq!(tally(2, all.into_iter().chain([(other.principal(), at(1))]), None, at(9)), Tally::Decided);
    }

    #[test]
    fn one_person_has_one_vote_with_a_token_and_over_a_provider_and_it_is_known_which_it_was() {
        let token = Decider::of_token("ann", None);
        let of_provider = |id, name, also| Decider::of_provider(&provided("https://acme.okta.com", id), name, also);
        let (provided, other) =
            (of_provider("00u1", "ann@acme.com", Some(&token)), of_provider("00u2", "ben@acme.com", None));
        let of = |all: &[&Decider]| {
            let voices: Vec<String> = all.iter().map(|one| one.voice()).collect();
            tally(2, voices.iter().map(|voice| (voice.as_str(), at(0))), None, at(9))
        };
        assert_eq!(of(&[&token, &provided]), Tally::Needs(1));
        assert_eq!(of(&[&provided, &other]), Tally::Decided);
        assert_eq!([&token, &provided, &other].map(|one| is_provided(&one.voice())), [false, true, true]);
        assert_eq!([&token, &provided].map(|one| principal_of(&one.voice()).to_owned()), ["token:ann", "token:ann"]);
    }

    #[test]
    fn only_root_is_believed_about_who_has_called_sudo() {
        assert_eq!(caller(0, Some("1000")), 1000);
        assert_eq!(caller(0, None), 0);
        assert_eq!(caller(0, Some("somebody")), 0);
        assert_eq!(caller(1000, Some("1001")), 1000, "anybody can set a variable");
    }

    #[test]
    fn a_single_approver_waits_for_the_delay_and_nobody_waits_without_an_approval() {
        let alone = |votes: &[(&'static str, Moment)], now| tally(2, votes.iter().copied(), Some(HOUR), now);
        assert_eq!(alone(&[], at(99_999)), Tally::Needs(2));
        assert_eq!(alone(&[("a", at(10))], at(3609)), Tally::Alone { until: at(3610) });
        assert_eq!(alone(&[("a", at(10))], at(3610)), Tally::Decided);
        assert_eq!(alone(&[("a", at(10)), ("a", at(3000))], at(3610)), Tally::Decided, "it counts from the first time");
        assert_eq!(alone(&[("a", at(10)), ("b", at(11))], at(11)), Tally::Decided, "two people need not wait");
    }

    proptest! {
        #[test]
        fn whatever_is_said_how_often_it_is_decided_by_as_many_principals_as_it_needs(
            votes in proptest::collection::vec((0..4u8, 0..100i64), 0..20),
            needs in 1..4i64,
        ) {
            let named: Vec<(String, Moment)> = votes.iter().map(|(who, when)| (format!("p{who}"), at(*when))).collect();
            let who: std::collections::BTreeSet<u8> = votes.iter().map(|(who, _)| *who).collect();
            let found = tally(needs, named.iter().map(|(who, when)| (who.as_str(), *when)), None, at(100));
            let more = needs - i64::try_from(who.len()).expect("few");
            prop_assert_eq!(found, if more <= 0 { Tally::Decided } else { Tally::Needs(more) });
        }
    }
}
