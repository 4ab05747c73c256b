//! Signing in to the console over an identity provider: as far as groups say, once, for the browser that began it; and what whoever
//! owns that provider cannot decide alone.

use crate::administrators::{World, supers};
use crate::common::chromium::Chromium;
use crate::common::rig::{Rig, Setup, decider, on_a_system};
use crate::console::{Answer, Browser, Pages};
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::clock::Clock;
use namely_okta_sync::domain::{Decider, provided};
use namely_okta_sync::sandbox::okta::WebApp;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::store::{Ballot, HeldChanges, Voted, vote};
use reqwest::Url;
use reqwest::header::{LOCATION, SET_COOKIE};
use std::collections::BTreeMap;
use std::net::SocketAddr;

const SECRET: &str = "the secret of the console's client";
const APPROVERS: &str = "Sync Approvers";

/// What makes the org of a rig the provider of its console.
fn oidc(rig: &Rig) -> String {
    format!(
        "[admin.oidc]\nissuer = \"{}\"\nclient_id = \"0oaconsole\"\nclient_secret = \"env:OIDC_SECRET\"\nname = \"Okta\"\norg = \"sandbox\"\n\
         [admin.oidc.roles]\napprover = [\"{APPROVERS}\"]\nviewer = [\"IT\"]\n",
        rig.world.okta.url()
    )
}

/// The org of a rig says who somebody is.
fn over_okta(rig: &mut Rig) {
    rig.variables.push(("OIDC_SECRET".into(), SECRET.into()));
    rig.extra = oidc(rig);
}

/// A service whose console is opened over its org, where the first of these may approve, the second looks, and the third is nobody.
struct World3 {
    rig: Rig,
    pages: Pages,
    logins: Vec<String>,
}

impl World3 {
    async fn settled() -> Self {
        let mut rig = Rig::new(Setup::of(8));
        over_okta(&mut rig);
        let now = Clock::system().now();
        let logins: Vec<String> = {
            let mut okta = rig.world.okta.core();
            let (approvers, it) =
                (okta.seed_group(APPROVERS, "OKTA_GROUP", now), okta.seed_group("IT", "OKTA_GROUP", now));
            let active = okta.users().filter(|u| u.status == Status::Active && u.profile.contains_key("namelyId"));
            let found: Vec<(String, String)> = active
                .take(3)
                .map(|u| (u.id.clone(), u.profile["login"].as_str().expect("a login").to_owned()))
                .collect();
            okta.seed_member(&approvers, &found[0].0);
            okta.seed_member(&it, &found[1].0);
            found.into_iter().map(|(_, login)| login).collect()
        };
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let settings = rig.service().admin.console.clone();
        let pages = Pages::with(&rig, settings);
        rig.world.okta.core().options.web_apps.push(WebApp {
            client_id: "0oaconsole".into(),
            client_secret: SECRET.into(),
            redirects: ["127.0.0.1", "localhost"]
                .map(|host| format!("http://{host}:{}/sign-in/back", pages.address.port()))
                .to_vec(),
            groups_claim: true,
            codes_live: 60,
        });
        Self { rig, pages, logins }
    }

    /// Begins to sign in: where the provider is, and the cookie that binds it to a browser.
    async fn begun(&self) -> (Url, String) {
        let answer = self.pages.get("/sign-in/provider?to=/holds").await;
        assert_eq!(answer.status, 303, "{}", answer.text);
        (Url::parse(answer.location()).expect("a URL"), given(&answer, "sign-in"))
    }

    /// Says at the provider who somebody is; where the browser is sent then.
    async fn said(&self, url: &Url, login: &str) -> Result<Url, String> {
        let mut form: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        form.insert("login".into(), login.to_owned());
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        let mut at = url.clone();
        at.set_query(None);
        let answer = client.post(at).form(&form).send().await.expect("answers");
        match answer.headers().get(LOCATION) {
            Some(to) => Ok(Url::parse(to.to_str().expect("ASCII")).expect("a URL")),
            None => Err(answer.text().await.expect("a text")),
        }
    }

    async fn back(&self, to: &Url, cookie: &str) -> Answer {
        self.pages.with_cookie(&format!("{}?{}", to.path(), to.query().unwrap_or_default()), cookie).await
    }

    async fn signed_in(&self, n: usize) -> Answer {
        let (url, cookie) = self.begun().await;
        let to = self.said(&url, &self.logins[n]).await.expect("is sent back");
        self.back(&to, &cookie).await
    }
}

/// The pair of a cookie that an answer gives.
fn given(answer: &Answer, name: &str) -> String {
    let mut all = answer.headers.get_all(SET_COOKIE).iter().filter_map(|value| value.to_str().ok());
    let found = all
        .find(|value| value.starts_with(&format!("{name}=")))
        .unwrap_or_else(|| panic!("no {name}: {}", answer.text));
    found.split(';').next().expect("a pair").to_owned()
}

#[test]
fn whoever_signs_in_over_okta_may_what_their_groups_say_and_stands_in_the_audit_by_name() {
    on_a_system(async {
        let world = World3::settled().await;
        assert!(world.pages.get("/sign-in").await.text.contains("Sign in with Okta"));
        for (n, role) in [(0, "approver"), (1, "viewer")] {
            let answer = world.signed_in(n).await;
            assert!(answer.status == 200 && answer.text.contains("url=&#x2f;holds"), "{}", answer.text);
            let page = world.pages.with_cookie("/access", &given(&answer, "console")).await;
            assert!(page.text.contains(&world.logins[n]) && page.text.contains("<td>provider</td>"), "{}", page.text);
            assert!(page.text.contains(role), "{}", page.text);
        }
        let nobody = world.signed_in(2).await;
        assert!(nobody.status == 403 && nobody.text.contains("in none of the groups"), "{}", nobody.text);
        assert!(nobody.headers.get(SET_COOKIE).is_none());
        let rows = world.rig.pairs("SELECT kind, row FROM audit WHERE kind LIKE 'sign%' ORDER BY seq").await;
        let words: Vec<&str> = rows.iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(words, ["signed_in", "signed_in", "sign_in_refused"], "{rows:?}");
        assert!(rows[0].1.contains(&world.logins[0]) && rows[0].1.contains("oidc:"), "{rows:?}");
    });
}

#[test]
fn what_comes_back_counts_once_for_the_browser_that_began_it_and_only_as_the_provider_signed_it() {
    on_a_system(async {
        let world = World3::settled().await;
        let (url, cookie) = world.begun().await;
        let to = world.said(&url, &world.logins[0]).await.expect("is sent back");
        let stolen = world.pages.get(&format!("{}?{}", to.path(), to.query().unwrap_or_default())).await;
        assert!(stolen.status == 403 && stolen.text.contains("begin again"), "{}", stolen.text);
        let (_, other) = world.begun().await;
        assert_eq!(world.back(&to, &other).await.status, 403, "another browser's");
        assert_eq!(world.back(&to, &cookie).await.status, 200);
        assert_eq!(world.back(&to, &cookie).await.status, 403, "it was used");
        let (url, cookie) = world.begun().await;
        let mut to = world.said(&url, &world.logins[0]).await.expect("is sent back");
        let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        to.query_pairs_mut().clear().append_pair("code", "guessed").append_pair("state", &state);
        let guessed = world.back(&to, &cookie).await;
        assert!(guessed.status == 403 && guessed.text.contains("invalid_grant"), "{}", guessed.text);
        let (url, cookie) = world.begun().await;
        let mut to = world.said(&url, &world.logins[0]).await.expect("is sent back");
        let state = to.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
        to.query_pairs_mut().clear().append_pair("error", "access_denied").append_pair("state", &state);
        assert!(world.back(&to, &cookie).await.text.contains("access_denied"));
    });
}

#[test]
fn where_the_provider_lists_no_groups_or_is_away_that_is_said_and_a_token_still_opens() {
    on_a_system(async {
        let world = World3::settled().await;
        world.rig.world.okta.core().options.web_apps[0].groups_claim = false;
        let answer = world.signed_in(0).await;
        assert!(answer.status == 403 && answer.text.contains("lists no groups"), "{}", answer.text);
        world.rig.world.okta.core().options.web_apps[0].client_secret = "another secret".into();
        assert!(world.signed_in(0).await.text.contains("invalid_client"));
        world.pages.signed_in(namely_okta_sync::config::Role::Approver).await;
        let away = serde_json::json!({ "login": "away@example.com", "email": "away@example.com" });
        world.rig.world.okta.core().seed_user(away, Status::Suspended, &[], Clock::system().now());
        let (url, _) = world.begun().await;
        for login in ["away@example.com", "nobody@example.com"] {
            assert!(world.said(&url, login).await.is_err_and(|page| page.contains("Unable to sign in")));
        }
    });
}

#[test]
fn a_browser_goes_to_okta_and_comes_back_signed_in() {
    on_a_system(async {
        let Some(chromium) = Chromium::start(true).await else { return };
        let world = World3::settled().await;
        // By another name than the org's, so that one is another site to the other.
        chromium.open(&format!("http://localhost:{}/holds", world.pages.address.port())).await;
        chromium.shows("Sign in with Okta").await;
        chromium.press("Sign in with Okta").await;
        chromium.shows("Simulated Okta").await;
        chromium.type_into("//input[@name='login']", &world.logins[0]).await;
        chromium.press("Sign in").await;
        chromium.shows("Sign out").await;
        chromium.shows(&world.logins[0]).await;
        assert_eq!(chromium.complaints().await, Vec::<String>::new());
    });
}

async fn say(world: &World, hold: &HeldChanges, by: Decider) -> Voted {
    let (id, code, now) = (hold.id, hold.code.clone(), world.rig.world.clock.now());
    let rules = world.rig.store().rules().load();
    let said = world
        .rig
        .store()
        .run(move |c| vote(c, &rules, &Ballot { hold: id, approve: true, seen: &code, only: None, by: &by }, now));
    said.await.expect("votes")
}

#[test]
fn about_an_administrator_of_the_org_that_says_who_people_are_it_takes_a_token_too() {
    on_a_system(async {
        let world = World::prepared(over_okta, supers(3)).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        let over = |id: &str| Decider::of_provider(&provided("https://acme.okta.com", id), id, None);
        assert_eq!(say(&world, &hold, over("ann")).await, Voted::Needs { more: 1, with_token: true });
        assert_eq!(say(&world, &hold, over("ben")).await, Voted::Needs { more: 1, with_token: true });
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Suspended, "whoever owns the org could be any of them");
        let token = decider("Cleo");
        let same = Decider::of_provider("oidc:cleo", "cleo", Some(&token));
        assert_eq!(say(&world, &hold, same.clone()).await, Voted::Needs { more: 1, with_token: true });
        assert_eq!(say(&world, &hold, same).await, Voted::Again);
        assert_eq!(say(&world, &hold, token).await, Voted::Decided, "the same person, and now with a token");
        world.until_status(0, Status::Deprovisioned).await;
    });
}

/// Tokens of two people, as the provider calls them.
fn tokens(people: [(&str, &str); 2]) -> String {
    let one = |(name, person): (&str, &str)| {
        format!(
            "[[admin.tokens]]\nname = \"{name}\"\nrole = \"approver\"\ntoken = \"env:TOKEN_{}\"\nperson = \"{person}\"\n",
            name.to_uppercase()
        )
    };
    people.map(one).concat()
}

/// The org says who somebody is, and secrets of two tokens are there.
fn with_tokens(rig: &mut Rig) {
    over_okta(rig);
    for name in ["ANN", "BEN"] {
        rig.variables.push((format!("TOKEN_{name}"), format!("a token of {name} of many characters")));
    }
}

/// Ids and logins of the second and the third.
fn logins_of(rig: &Rig, who: &[usize]) -> Vec<(String, String)> {
    let okta = rig.world.okta.core();
    let user = |n: &usize| okta.user_by_anchor(&rig.setup.people[*n].id).expect("an account");
    let login = |n: &usize| user(n).profile["login"].as_str().expect("a login").to_owned();
    who[1..3].iter().map(|n| (user(n).id.clone(), login(n))).collect()
}

/// The configuration says this too from here on.
async fn reloaded(world: &mut World, extra: String) {
    world.rig.extra = extra;
    let by = Decider::of_service("a reload");
    world.rig.service().reload(world.rig.config(), &by).await.expect("is exchanged");
}

#[test]
fn whoever_has_left_decides_nothing_with_a_token_that_says_whose_it_is() {
    on_a_system(async {
        let mut logins = Vec::new();
        let mut world = World::prepared(with_tokens, |rig, who| {
            supers(3)(rig, &who[3..]);
            logins = logins_of(rig, who);
        })
        .await;
        let extra = world.rig.extra.clone();
        reloaded(&mut world, tokens([("ann", &logins[0].0), ("ben", &logins[1].1)]) + &extra).await;
        world.leave(1);
        world.until_status(1, Status::Deprovisioned).await;
        let served = Served { tokens: world.rig.service().tokens(), ..Served::of(world.rig.service()) };
        let address = admin::serve(SocketAddr::from(([127, 0, 0, 1], 0)), served).expect("listens");
        let paused = async |name: &str| {
            let asked = reqwest::Client::new().post(format!("http://{address}/api/v1/pause"));
            let body = serde_json::json!({ "why": "incident" }).to_string();
            let answer = asked.bearer_auth(format!("a token of {name} of many characters")).body(body).send();
            let answer = answer.await.expect("answers");
            (answer.status().as_u16(), answer.text().await.expect("a text"))
        };
        let (status, message) = paused("ANN").await;
        assert!(status == 409 && message.contains("is to have no access now"), "{status} {message}");
        assert_eq!(paused("BEN").await.0, 200);
    });
}

#[test]
fn who_has_signed_in_and_gets_a_token_afterwards_has_one_vote_whatever_their_login_is_by_then() {
    on_a_system(async {
        let mut logins = Vec::new();
        let held = |rig: &mut Rig| {
            with_tokens(rig);
            rig.extra += "[safeguards]\nfour_eyes = true\n[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\n";
        };
        let mut world = World::prepared(held, |rig, who| logins = logins_of(rig, who)).await;
        let login = |n: usize| logins[n].1.as_str();
        world.leave(0);
        let hold = world.held("deactivate").await;
        let session = Decider::of_provider(&provided(&world.rig.world.okta.url(), &logins[0].0), login(0), None);
        assert_eq!(say(&world, &hold, session).await, Voted::Needs { more: 1, with_token: false });
        let (extra, ann) = (world.rig.extra.clone(), Decider::of_token("ann", None));
        let with = |person: &str| tokens([("ann", person), ("ben", login(1))]) + &extra;
        reloaded(&mut world, with(login(0))).await;
        let more = Voted::Needs { more: 1, with_token: false };
        assert_eq!(say(&world, &hold, ann.clone()).await, more, "her login leads to who has signed in");
        reloaded(&mut world, with("her.login.of.before@example.com")).await;
        world.rig.quiet().await;
        assert_ne!(world.status(0), Status::Deprovisioned, "nobody is called so: she may be who has signed in");
        let ben = Decider::of_token("ben", None);
        assert_eq!(say(&world, &hold, ben).await, Voted::Decided);
        world.until_status(0, Status::Deprovisioned).await;
    });
}

/// The first of them may decide here, three others are administrators of the org.
fn an_approver(rig: &Rig, who: &[usize]) {
    let mut okta = rig.world.okta.core();
    let group = okta.seed_group(APPROVERS, "OKTA_GROUP", Clock::system().now());
    let id = okta.user_by_anchor(&rig.setup.people[who[0]].id).expect("an account").id.clone();
    okta.seed_member(&group, &id);
    who[1..4].iter().for_each(|n| okta.seed_administrator(&rig.setup.people[*n].id));
}

#[test]
fn whoever_may_decide_here_is_treated_as_an_administrator_when_they_leave() {
    on_a_system(async {
        let world = World::prepared(over_okta, an_approver).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert_eq!(hold.needs, 2, "{hold:?}");
        world.rig.quiet().await;
        assert_eq!(world.status(0), Status::Suspended);
        world.approve(&hold).await;
        world.until_status(0, Status::Deprovisioned).await;
    });
}

#[test]
fn whoever_may_decide_here_is_an_administrator_before_anybody_has_read_their_groups() {
    on_a_system(async {
        let held = |rig: &mut Rig| {
            over_okta(rig);
            rig.extra += "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\n";
        };
        let world = World::prepared(held, an_approver).await;
        world.leave(0);
        world.until_status(0, Status::Suspended).await;
        let hold = world.held("deactivate").await;
        assert_eq!(hold.needs, 2, "apart from the limit: {hold:?}");
    });
}

#[test]
fn whoever_has_left_decides_nothing_although_they_are_signed_in() {
    on_a_system(async {
        let world = World3::settled().await;
        let cookie = given(&world.signed_in(0).await, "console");
        let browser = Browser { pages: &world.pages, cookie };
        let login = world.logins[0].clone();
        let n = world.rig.setup.people.iter().position(|one| one.email.eq_ignore_ascii_case(&login)).expect("somebody");
        world.rig.edit(n, |person| person.status = namely_okta_sync::sandbox::population::Status::Inactive);
        world
            .rig
            .until("HR's edit is seen", async |rig| {
                let rows = rig.pairs("SELECT kind, row FROM audit WHERE kind = 'observed'").await;
                rows.iter().any(|(_, row)| row.contains("inactive"))
            })
            .await;
        let page = browser.post("/", "/pause", &[("why", "incident")]).await.text;
        assert!(page.contains("is to have no access now"), "{page}");
        assert_eq!(world.rig.pairs("SELECT by, why FROM pause").await, Vec::<(String, String)>::new());
    });
}
