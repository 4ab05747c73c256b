//! Whose voice a vote is, as the configuration says now: what two principals were when they voted may be one person since.
//!
//! **Invariant:** whatever the configuration said meanwhile, one person has one vote; where it is not known whether two are one
//! person, they are.

use crate::domain::guard::decider::{
    gone, is_provided, over_provider, principal_of, provided, token_of, token_with, unplaced,
};
use crate::domain::plan::limits::{Holder, Voices};

/// Who may have a voice, and by which accounts.
#[derive(Clone, Debug)]
pub struct Hearing<'a> {
    voices: &'a Voices,
    accounts: Vec<Option<String>>,
}

impl<'a> Hearing<'a> {
    /// Of what the configuration says, with the account of each holder in the org of the provider, in their order.
    pub fn new(voices: &'a Voices, accounts: Vec<Option<String>>) -> Self {
        Self { voices, accounts }
    }

    /// Whose voice one is that was written down as `voice`, by somebody who was called `name` then.
    pub fn whose(&self, voice: &str, name: &str) -> String {
        let principal = principal_of(voice);
        let Some(n) = self.holder(voice, name) else {
            // A token that is called otherwise by now, or is away, may have been any of the others.
            let is_away = token_of(principal).is_some() || token_with(voice).is_some();
            let others = !self.voices.holders.is_empty() && !is_provided(voice);
            return if is_away && others { gone(principal) } else { voice.to_owned() };
        };
        let holder = &self.voices.holders[self.first_of(n)];
        match is_provided(voice) {
            true => over_provider(&holder.principal),
            false if self.is_unplaced(n) => unplaced(&holder.principal),
            false => holder.principal.clone(),
        }
    }

    /// The account by which somebody is known to the org of the provider: their own, or that which their token names.
    pub fn account<'v>(&'v self, voice: &'v str, name: &str) -> Option<(&'v str, &'v str)> {
        let of_token = || self.accounts.get(self.holder(voice, name)?)?.as_deref();
        self.voices.org().zip(self.id_of(voice).or_else(of_token))
    }

    /// The id by which the provider knows somebody.
    fn id_of<'v>(&self, voice: &'v str) -> Option<&'v str> {
        principal_of(voice).strip_prefix(&*provided(&self.voices.provider.as_ref()?.issuer, ""))
    }

    /// The first of the holders who are one person, however the configuration names them: whose principal is theirs.
    fn first_of(&self, n: usize) -> usize {
        let account = self.accounts.get(n).and_then(Option::as_ref);
        let is_same = |other: &usize| account.is_some() && self.accounts[*other].as_ref() == account;
        (0..self.accounts.len()).find(is_same).unwrap_or(n)
    }

    fn holder(&self, voice: &str, name: &str) -> Option<usize> {
        let (holders, principal) = (&self.voices.holders, principal_of(voice));
        if let Some(token) = token_of(principal) {
            return holders.iter().position(|holder| holder.token == token);
        }
        let Some(id) = self.id_of(voice) else {
            // A token whose user is another by now is known by its name.
            let with = token_with(voice).and_then(|token| holders.iter().position(|holder| holder.token == token));
            return with.or_else(|| holders.iter().position(|holder| holder.principal == principal));
        };
        // The id is theirs for ever; what people are called may be somebody else's tomorrow.
        let by_id = (0..holders.len()).find(|n| {
            let is_account = self.accounts.get(*n).is_some_and(|account| account.as_deref() == Some(id));
            is_account || holders[*n].person.as_deref() == Some(id)
        });
        let is_called =
            |holder: &Holder| holder.person.as_ref().is_some_and(|person| person.eq_ignore_ascii_case(name));
        by_id.or_else(|| holders.iter().position(is_called))
    }

    /// Whether nobody of the org is whom the configuration says that this holder is: they may be anybody of it.
    fn is_unplaced(&self, n: usize) -> bool {
        let is_known = self.accounts.get(n).is_some_and(Option::is_some);
        self.voices.org().is_some() && self.voices.holders[n].person.is_some() && !is_known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::guard::decider::{Decider, people};
    use crate::domain::plan::limits::Provided;

    const ISSUER: &str = "https://acme.okta.com";

    fn holder(token: &str, principal: &str, person: Option<&str>) -> Holder {
        Holder { token: token.into(), principal: principal.into(), person: person.map(str::to_owned) }
    }

    fn voices(holders: &[Holder]) -> Voices {
        let provider = Provided { issuer: ISSUER.into(), org: Some("acme".into()) };
        Voices { holders: holders.to_vec(), provider: Some(provider) }
    }

    /// How many people these are, each as kept and as they were called.
    fn heard(hearing: &Hearing, said: &[(&str, &str)]) -> usize {
        let all: Vec<String> = said.iter().map(|(voice, name)| hearing.whose(voice, name)).collect();
        people(all.iter().map(String::as_str))
    }

    #[test]
    fn who_has_signed_in_before_a_reload_brought_their_token_has_one_vote_with_both() {
        let session = Decider::of_provider(&provided(ISSUER, "00u1"), "ann@acme.com", None).voice();
        let said = [(&*session, "ann@acme.com"), ("token:ann", "ann")];
        let before = voices(&[holder("ann", "token:ann", None)]);
        assert_eq!(heard(&Hearing::new(&before, vec![None]), &said), 2);
        for person in ["00u1", "Ann@acme.com"] {
            let after = voices(&[holder("ann", "token:ann", Some(person))]);
            let hearing = Hearing::new(&after, vec![Some("00u1".into())]);
            assert_eq!(heard(&hearing, &said), 1, "{person}");
            assert!(is_provided(&hearing.whose(&session, "ann@acme.com")), "how they came is known still");
        }
    }

    #[test]
    fn a_login_that_is_another_since_leads_to_the_same_account_and_whoever_is_nobody_may_be_anybody() {
        let session = Decider::of_provider(&provided(ISSUER, "00u1"), "ann.smith@acme.com", None).voice();
        let said = [(&*session, "ann.smith@acme.com"), ("token:ann", "ann")];
        let of = voices(&[holder("ann", "token:ann", Some("ann@acme.com")), holder("ben", "token:ben", Some("00u2"))]);
        let unknown = Hearing::new(&of, vec![None, Some("00u2".into())]);
        assert_eq!(heard(&unknown, &said), 1, "nobody is called so any more: who has signed in may be she");
        assert_eq!(heard(&unknown, &[said[1], ("token:ben", "ben")]), 2, "two tokens are two people");
        assert_eq!(heard(&unknown, &[said[0], said[1], ("token:ben", "ben")]), 2);
        let known = Hearing::new(&of, vec![Some("00u9".into()), Some("00u2".into())]);
        assert_eq!(heard(&known, &said), 2, "she is somebody else");
    }

    #[test]
    fn a_token_that_is_a_user_of_the_operating_system_since_is_the_same_voice() {
        let of = voices(&[holder("ann", "uid:501", None)]);
        let hearing = Hearing::new(&of, vec![None]);
        assert_eq!(heard(&hearing, &[("token:ann", "ann"), ("uid:501", "root")]), 1);
        let before = Decider::of_token("ann", Some(500)).voice();
        assert_eq!(heard(&hearing, &[(&before, "ann"), ("uid:501", "root")]), 1, "another user since");
        let away = Decider::of_token("ben", Some(502)).voice();
        assert_eq!(heard(&hearing, &[(&away, "ben"), ("uid:501", "root")]), 1, "a token that is away");
        assert_eq!(
            heard(&hearing, &[("uid:0", "ann"), ("uid:501", "ann")]),
            2,
            "beside the service a name is a remark"
        );
    }

    #[test]
    fn tokens_that_mean_one_account_are_one_person_however_each_names_it() {
        let of = voices(&[holder("ann", "token:ann", Some("ann@acme.com")), holder("ci", "token:ci", Some("00u1"))]);
        let hearing = Hearing::new(&of, vec![Some("00u1".into()), Some("00u1".into())]);
        assert_eq!(heard(&hearing, &[("token:ann", "ann"), ("token:ci", "ci")]), 1);
        let session = Decider::of_provider(&provided(ISSUER, "00u1"), "ann@acme.com", None).voice();
        assert_eq!(heard(&hearing, &[("token:ci", "ci"), (&session, "ann@acme.com")]), 1);
        assert_eq!(hearing.account("token:ci", "ci"), Some(("acme", "00u1")));
    }

    #[test]
    fn a_token_that_is_away_or_called_otherwise_since_may_have_been_any_of_the_others() {
        let of =
            voices(&[holder("ann.smith", "token:ann.smith", Some("00u1")), holder("ben", "token:ben", Some("00u2"))]);
        let hearing = Hearing::new(&of, vec![Some("00u1".into()), Some("00u2".into())]);
        let (away, again) = (("token:ann", "ann"), ("token:ann.smith", "ann.smith"));
        assert_eq!(heard(&hearing, &[away, again]), 1);
        assert_eq!(heard(&hearing, &[away, again, ("token:ben", "ben")]), 2, "the two who are known");
        assert_eq!(heard(&hearing, &[away, ("token:cleo", "cleo")]), 2, "both were two people then");
    }
}
