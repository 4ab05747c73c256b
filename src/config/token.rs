//! Who may use the admin API with a token, and what for.

use super::reader::{At, Reader, Section};
use super::role::{Permission, Role};
use super::secret::{Secrets, is_absent};
use crate::domain::plan::limits::Holder;
use crate::domain::{Decider, hex};
use arc_swap::ArcSwap;
use aws_lc_rs::digest::{Context, SHA256};
use secrecy::{ExposeSecret, SecretString};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Characters that a token has at least.
const SHORTEST_TOKEN: usize = 24;

/// Somebody who may ask.
#[derive(Clone, Debug)]
pub struct Token {
    /// Who it is: it stands in the audit.
    pub name: String,
    /// What may be asked with it.
    pub role: Role,
    /// At least 24 characters; compared in constant time.
    pub token: SecretString,
    /// Whether it may end access before HR has, whatever its role.
    pub end_access: bool,
    /// The user of the operating system who is the same person, where they can also write into the store.
    pub uid: Option<u32>,
    /// What the identity provider calls whoever holds it: both are one person, with one vote.
    pub person: Option<String>,
    /// Whose vote a decision of this token is, where several tokens are one person's.
    pub same: Option<Decider>,
}

impl Token {
    /// Who decides with it.
    pub fn decider(&self) -> Decider {
        match &self.same {
            Some(first) => Decider::of_other_token(&self.name, first.principal()),
            None => Decider::of_token(&self.name, self.uid),
        }
    }

    /// Who holds it, for whose voice a vote is.
    pub fn holder(&self) -> Holder {
        Holder {
            token: self.name.clone(),
            principal: self.decider().principal().to_owned(),
            person: self.person.clone(),
        }
    }

    /// What changes with the token, with its role and with whose it is; says nothing about it.
    pub fn badge(&self) -> String {
        let mut parts = Context::new(&SHA256);
        for part in [self.token.expose_secret(), self.decider().principal(), &self.name, self.role.as_str()] {
            parts.update(&part.len().to_be_bytes());
            parts.update(part.as_bytes());
        }
        hex(parts.finish().as_ref())
    }
}

/// The tokens that hold now: exchanged while the service runs, so that one that was taken away ends at once.
#[derive(Clone)]
pub struct Tokens(Arc<ArcSwap<Vec<Token>>>);

impl Tokens {
    /// Those that hold at this moment.
    pub fn load(&self) -> Arc<Vec<Token>> {
        self.0.load_full()
    }

    /// From now on these hold, and no others.
    pub fn exchange(&self, tokens: Vec<Token>) {
        self.0.store(Arc::new(tokens));
    }
}

impl<T: Into<Vec<Token>>> From<T> for Tokens {
    fn from(tokens: T) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(tokens.into())))
    }
}

/// Tokens of one person have one vote: that of the first of them that is a user's of the operating system, or of the first.
pub(super) fn join(tokens: &mut [Token]) {
    let key = |token: &Token| token.person.as_deref().map(str::to_lowercase);
    for n in 0..tokens.len() {
        let Some(person) = key(&tokens[n]) else { continue };
        let theirs = || tokens.iter().filter(|token| key(token).as_ref() == Some(&person));
        let first = theirs().find(|token| token.uid.is_some()).or_else(|| theirs().next());
        let same = first.map(|token| Decider::of_token(&token.name, token.uid));
        tokens[n].same = same;
    }
}

/// How many people can approve over the API: principals, not tokens.
pub fn approvers(tokens: &[Token]) -> usize {
    let who = tokens.iter().filter(|token| token.role.may(Permission::Decide)).map(Token::decider);
    who.map(|who| who.principal().to_owned()).collect::<BTreeSet<_>>().len()
}

/// A secret by which others prove who they are: long enough that nobody guesses it.
pub(super) fn strong(r: &mut Reader, key: &str, at: At<String>, secrets: &Secrets) -> Option<SecretString> {
    let span = at.span.clone();
    let secret = secrets.resolve(r, key, at)?;
    if !is_absent(&secret) && secret.expose_secret().len() < SHORTEST_TOKEN {
        let what = if key.ends_with("token") { "token" } else { "secret" };
        r.problem(
            span,
            format!("{key}: a {what} needs at least {SHORTEST_TOKEN} characters; make one with `openssl rand -hex 32`"),
        );
        return None;
    }
    Some(secret)
}

/// Reads one of `[[admin.tokens]]`.
pub(super) fn admin_token(r: &mut Reader, mut s: Section, secrets: &Secrets) -> Option<Token> {
    let name = s.required_text(r, "name", "ann");
    let roles = Role::ALL.map(|role| (role.as_str(), role));
    let role = s.choice(r, "role", &roles);
    let key = format!("{}.token", s.path);
    let token = s.required_text(r, "token", "env:ADMIN_TOKEN").and_then(|at| strong(r, &key, at, secrets));
    let end_access = s.flag(r, "end_access").unwrap_or(false);
    let uid = s.has("uid").then(|| s.number(r, "uid", 0..=i64::from(u32::MAX), 0));
    let uid = uid.and_then(|uid| u32::try_from(uid).ok());
    let person = s.text(r, "person").map(|at| at.value);
    s.finish(r);
    Some(Token { name: name?.value, role, token: token?, end_access, uid, person, same: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, uid: Option<u32>, person: Option<&str>) -> Token {
        Token {
            name: name.into(),
            role: Role::Approver,
            token: "a token of twenty-four characters".into(),
            end_access: false,
            uid,
            person: person.map(str::to_owned),
            same: None,
        }
    }

    #[test]
    fn tokens_that_are_one_persons_have_one_vote_together() {
        let mut tokens = [
            token("ann", None, Some("ann@acme.com")),
            token("ann.laptop", Some(501), Some("Ann@acme.com")),
            token("ben", None, Some("ben@acme.com")),
            token("cleo", None, None),
        ];
        assert_eq!(approvers(&tokens), 4);
        join(&mut tokens);
        assert_eq!(approvers(&tokens), 3);
        assert_eq!(tokens[0].decider().principal(), "uid:501", "as who writes into the store");
        assert_eq!(tokens[1].decider().voice(), "uid:501 with token:ann.laptop", "by which token they have come");
        assert_eq!((&*tokens[0].decider().name, tokens[2].decider().principal()), ("ann", "token:ben"));
    }
}
