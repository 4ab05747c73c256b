//! Who can sign in to the console of a sandbox that stays: one person for each role, over the simulated Okta, and a token.

use crate::clock::Moment;
use crate::config::Role;
use crate::sandbox::okta::users::Status;
use crate::sandbox::okta::{Okta, WebApp};
use serde_json::json;
use std::fmt::Write;
use std::net::SocketAddr;

/// What opens the console while the provider is down. It listens on this machine alone.
pub const TOKEN: &str = "sandbox-token-for-the-night-that-okta-is-down";
/// What the console proves itself with at the simulated Okta.
pub const SECRET: &str = "sandbox-secret-of-the-console";
const CLIENT: &str = "0oasandboxconsole";
/// Codes of sign-ins live for so many seconds of the sandbox's clock, which runs faster than people.
const CODES_LIVE: i64 = 3600;

/// Whom people are here, the group that lets them in, and what they may.
const PEOPLE: [(Role, &str, &str, &str); 5] = [
    (Role::Hr, "hr@example.com", "Sync HR", "sees starters, leavers and people in HR's words"),
    (Role::Auditor, "auditor@example.com", "Sync Auditors", "sees everything, decides nothing"),
    (Role::Viewer, "viewer@example.com", "Sync Viewers", "sees everything"),
    (Role::Operator, "operator@example.com", "Sync Operators", "pauses, resumes, tries once more"),
    (Role::Approver, "approver@example.com", "Sync Approvers", "decides"),
];

/// `[admin]` of its configuration: `token` and `secret` are where both secrets stand.
pub fn section(issuer: &str, token: &str, secret: &str) -> String {
    let mut text = format!(
        "\n# Who opens the console and asks the admin API.\n[[admin.tokens]]\nname = \"break-glass\"\nrole = \"approver\"\n\
         token = \"{token}\"\nperson = \"break-glass@example.com\"\n\n[admin.oidc]\nissuer = \"{issuer}\"\nclient_id = \"{CLIENT}\"\n\
         client_secret = \"{secret}\"\nname = \"Okta\"\norg = \"sandbox\"\n\n[admin.oidc.roles]\n"
    );
    for (role, _, group, _) in PEOPLE {
        let _ = writeln!(text, "{} = [\"{group}\"]", role.as_str());
    }
    text
}

/// Puts them into the org.
pub fn seed(okta: &mut Okta, now: Moment) {
    for (role, login, group, _) in PEOPLE {
        let group = okta.seed_group(group, "OKTA_GROUP", now);
        let profile = json!({ "login": login, "email": login, "firstName": "Sandbox", "lastName": role.as_str() });
        let user = okta.seed_user(profile, Status::Active, &[], now);
        okta.seed_member(&group, &user);
    }
}

/// Lets the org send browsers back to the console at this address.
pub fn register(okta: &mut Okta, console: SocketAddr) {
    let port = console.port();
    okta.options.web_apps.push(WebApp {
        client_id: CLIENT.into(),
        client_secret: SECRET.into(),
        redirects: ["127.0.0.1", "localhost"].map(|host| format!("http://{host}:{port}/sign-in/back")).to_vec(),
        groups_claim: true,
        codes_live: CODES_LIVE,
    });
}

/// How to open it, for people.
pub fn shown(console: SocketAddr) -> String {
    let mut text = format!("The console is at http://{console}/: sign in with Okta, without a password, as\n");
    for (_, login, _, may) in PEOPLE {
        let _ = writeln!(text, "  {login:<21} {may}");
    }
    let _ = write!(text, "or with the admin token {TOKEN}, as on the night that Okta is down.");
    text
}
