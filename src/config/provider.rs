//! `[admin.oidc]`: the identity provider that says who somebody is who opens the console.

use super::net::Http;
use super::reader::{At, Reader, Section};
use super::role::{Permission, Role};
use super::secret::Secrets;
use super::token::{Token, strong};
use crate::domain::guard::decider::provided;
use crate::domain::plan::limits::{Provided, SignIn};
use crate::domain::{Decider, Mapping};
use crate::http::Transport;
use crate::http::address::{self, Shape};
use reqwest::Url;
use secrecy::SecretString;
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;

/// A call to the provider, at most: somebody waits for it.
const TIMEOUT: Duration = Duration::from_secs(10);

/// An identity provider, by OpenID Connect.
#[derive(Clone, Debug)]
pub struct Provider {
    /// What people call it.
    pub name: String,
    /// Exactly as it calls itself in its tokens.
    pub issuer: String,
    /// What the provider knows this service by.
    pub client_id: String,
    /// What it proves itself with.
    pub client_secret: SecretString,
    /// The claim that lists groups.
    pub groups: String,
    /// Groups by what their members may do, in the order of `Role::ALL`.
    pub roles: Vec<(Role, Vec<String>)>,
    /// The org whose own sign-in it is, if it is one that is kept true here.
    pub org: Option<String>,
    /// How it is reached.
    pub transport: Transport,
    /// Where it stands in the file.
    place: Range<usize>,
}

impl Provider {
    /// The role of most permissions that members of these groups have; nothing for members of none that is named.
    pub fn role(&self, groups: &[String]) -> Option<Role> {
        let has = |named: &[String]| named.iter().any(|name| groups.contains(name));
        self.roles.iter().find(|(_, named)| has(named)).map(|(role, _)| *role)
    }

    /// Who somebody is whom it knows by `id` and calls `name`: the person of a token too, where the token names them
    /// by either.
    pub fn decider(&self, id: &str, name: &str, tokens: &[Token]) -> Decider {
        let is_theirs =
            |token: &&Token| token.person.as_deref().is_some_and(|person| person.eq_ignore_ascii_case(name));
        // The id is theirs for ever; what people are called may be somebody else's tomorrow.
        let by_id = tokens.iter().find(|token| token.person.as_deref() == Some(id));
        let also = by_id.or_else(|| tokens.iter().find(is_theirs)).map(Token::decider);
        let who = Decider::of_provider(&provided(&self.issuer, id), name, also.as_ref());
        match &self.org {
            Some(org) => who.by_account(org, id),
            None => who,
        }
    }

    /// What it means for whose voice a vote is.
    pub fn provided(&self) -> Provided {
        Provided { issuer: self.issuer.clone(), org: self.org.clone() }
    }

    /// What its groups give in the org that it belongs to.
    pub fn sign_in(&self) -> Option<SignIn> {
        let approvers = self.roles.iter().filter(|(role, _)| role.may(Permission::Decide));
        let approvers: BTreeSet<String> = approvers.flat_map(|(_, groups)| groups.iter().cloned()).collect();
        self.org.clone().map(|org| SignIn { org, approvers })
    }
}

/// Reads `[admin.oidc]`; nothing where it is not written.
pub fn read(r: &mut Reader, mut s: Section, secrets: &Secrets, http: &Http) -> Option<Provider> {
    let path = s.path.clone();
    let issuer = s.required_text(r, "issuer", "https://acme.okta.com").and_then(|at| {
        let read = address::read(&at.value, Shape::Base);
        read.map_err(|why| r.problem(at.span, format!("{path}.issuer: {why}"))).ok().map(|url| (at.value, url))
    });
    let client_id = s.required_text(r, "client_id", "0oa1b2c3d4e5f6g7h8i9");
    let key = format!("{path}.client_secret");
    let secret = s.required_text(r, "client_secret", "env:OIDC_SECRET").and_then(|at| strong(r, &key, at, secrets));
    let name = s.text(r, "name").map(|at| at.value);
    let groups = s.text(r, "groups").map_or_else(|| "groups".to_owned(), |at| at.value);
    let org = s.text(r, "org").map(|at| at.value);
    let location = s.location();
    let mut named = s.section(r, "roles");
    let roles: Vec<(Role, Vec<String>)> = Role::ALL
        .into_iter()
        .filter_map(|role| named.texts(r, role.as_str()).map(|at: At<Vec<String>>| (role, at.value)))
        .filter(|(_, groups)| !groups.is_empty())
        .collect();
    named.finish(r);
    if roles.is_empty() {
        let message = format!("{path}.roles: nobody could sign in; write for example [{path}.roles] viewer = [\"IT\"]");
        r.problem(location.clone(), message);
    }
    s.finish(r);
    let (issuer, url) = issuer?;
    let name = name.unwrap_or_else(|| url.host_str().unwrap_or_default().to_owned());
    Some(Provider {
        name,
        issuer,
        client_id: client_id?.value,
        client_secret: secret?,
        groups,
        roles,
        org,
        transport: http.transport(TIMEOUT),
        place: location,
    })
}

/// Finds out whose sign-in it is, and refuses what must not be: rules that could make somebody an approver, and tokens that could
/// give one person two votes. `orgs` are names and addresses.
pub fn settle<'a>(
    r: &mut Reader,
    provider: &mut Provider,
    tokens: &[Token],
    orgs: impl Iterator<Item = (&'a str, &'a str)> + Clone,
    mapping: Option<&Mapping>,
) {
    match &provider.org {
        None => {
            let issuer = Url::parse(&provider.issuer).ok();
            let is_same = |url: &str| {
                let both = issuer.as_ref().zip(Url::parse(url).ok());
                both.is_some_and(|(issuer, url)| address::is_same_origin(issuer, &url))
            };
            provider.org = orgs.clone().find(|(_, url)| is_same(url)).map(|(name, _)| name.to_owned());
        }
        Some(named) if orgs.clone().all(|(name, _)| name != named) => {
            r.problem(provider.place.clone(), format!("admin.oidc.org: there is no [[okta]] with the name {named:?}"));
        }
        Some(_) => {}
    }
    let approvers = provider.sign_in().map(|sign_in| sign_in.approvers).unwrap_or_default();
    for group in &approvers {
        let rules = mapping.map(Mapping::group_rules).unwrap_or_default();
        if let Some(rule) = rules.iter().find(|rule| rule.governs("", group)) {
            let message = format!(
                "admin.oidc.roles.approver: the rule {:?} of [[mapping.groups]] governs {group:?}: whoever edits Namely could make \
                 themselves an approver; name a group that no rule governs",
                rule.label
            );
            r.problem(provider.place.clone(), message);
        }
    }
    let has_approvers = provider.roles.iter().any(|(role, _)| role.may(Permission::Decide));
    for token in
        tokens.iter().filter(|token| has_approvers && token.role.may(Permission::Decide) && token.person.is_none())
    {
        let message = format!(
            "admin.tokens: {:?} approves and does not say whose it is: somebody who also signs in over admin.oidc would have two \
             votes; write person = \"ANN@ACME.COM\", as the provider calls them",
            token.name
        );
        r.problem(provider.place.clone(), message);
    }
}
