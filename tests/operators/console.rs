//! The console: somebody signs in with a token, sees how things are, and decides; and whoever may not is told so.

use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::config::{ConsoleSettings, Role, Token, Tokens};
use namely_okta_sync::console;
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::Status as Hired;
use reqwest::header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use std::net::SocketAddr;

pub fn secret(role: Role) -> String {
    format!("{}-0123456789abcdef01234567", role.as_str())
}

/// A service with a console, and no browser yet.
pub struct Pages {
    pub address: SocketAddr,
    tokens: Tokens,
    client: reqwest::Client,
}

/// What was answered.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    pub fn location(&self) -> &str {
        self.headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

/// A browser that somebody has signed in with: its cookie, and the secret of its forms.
pub struct Browser<'p> {
    pub pages: &'p Pages,
    pub cookie: String,
}

impl Pages {
    pub fn of(rig: &Rig) -> Self {
        Self::with(rig, ConsoleSettings::default())
    }

    pub fn with(rig: &Rig, settings: ConsoleSettings) -> Self {
        Self::for_hr(rig, settings, false)
    }

    pub fn for_hr(rig: &Rig, settings: ConsoleSettings, hide_groups_from_hr: bool) -> Self {
        let token = |name: &str, role| Token {
            name: name.into(),
            role,
            token: secret(role).into(),
            end_access: false,
            uid: None,
            person: None,
            same: None,
        };
        let tokens = crate::admin::STAFF.map(|(name, role)| token(name, role));
        let tokens = Tokens::from(tokens);
        let served = Served { tokens: tokens.clone(), hide_groups_from_hr, ..Served::of(rig.service()) };
        let mount = console::mount(&served, &settings).expect("threads");
        let address = admin::serve(SocketAddr::from(([127, 0, 0, 1], 0)), served.with(mount)).expect("listens");
        Self { address, tokens, client: reqwest::Client::builder().redirect(Policy::none()).build().expect("a client") }
    }

    async fn sent(&self, request: reqwest::RequestBuilder) -> Answer {
        let answer = request.send().await.expect("answers");
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, text: answer.text().await.expect("a text") }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.sent(self.client.get(self.url(path))).await
    }

    pub async fn with_cookie(&self, path: &str, cookie: &str) -> Answer {
        self.sent(self.client.get(self.url(path)).header(COOKIE, cookie)).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Answer {
        self.sent(self.client.post(self.url(path)).form(form)).await
    }

    pub async fn signed_in(&self, role: Role) -> Browser<'_> {
        let answer = self.post("/sign-in", &[("token", &secret(role)), ("to", "/holds")]).await;
        assert_eq!((answer.status, answer.location()), (303, "/holds"), "{}", answer.text);
        let cookie = answer.headers.get(SET_COOKIE).and_then(|value| value.to_str().ok()).expect("a cookie").to_owned();
        assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
        Browser { pages: self, cookie: cookie.split(';').next().expect("a pair").to_owned() }
    }
}

impl Browser<'_> {
    pub async fn get(&self, path: &str) -> Answer {
        self.pages.sent(self.pages.client.get(self.pages.url(path)).header(COOKIE, &self.cookie)).await
    }

    /// Sends a form of a page, with what the page put into it; goes on where the answer leads.
    pub async fn post(&self, page: &str, path: &str, form: &[(&str, &str)]) -> Answer {
        let csrf = field(&self.get(page).await.text, "csrf");
        let form: Vec<(&str, &str)> = [("csrf", csrf.as_str())].iter().chain(form).copied().collect();
        let request = self.pages.client.post(self.pages.url(path)).header(COOKIE, &self.cookie).form(&form);
        let answer = self.pages.sent(request).await;
        if answer.status == 303 { self.get(answer.location().split('#').next().expect("a path")).await } else { answer }
    }
}

/// The value of a hidden field.
fn field(page: &str, name: &str) -> String {
    let (_, rest) =
        page.split_once(&format!("name=\"{name}\" value=\"")).unwrap_or_else(|| panic!("no {name}: {page}"));
    rest.split('"').next().expect("a value").to_owned()
}

/// So many active people whom nobody reports to.
pub fn active(rig: &Rig, count: usize) -> Vec<usize> {
    let people = &rig.setup.people;
    let manages = |n: usize| people.iter().any(|p| p.manager == Some(n));
    let fits = |n: &usize| people[*n].status == Hired::Active && !people[*n].on_leave && !manages(*n);
    let found: Vec<usize> = (0..people.len()).filter(fits).take(count).collect();
    assert_eq!(found.len(), count);
    found
}

pub const NOBODY_LEAVES: &str = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n";

pub async fn held(people: usize, leavers: usize) -> (Rig, Vec<usize>) {
    let mut rig = Rig::new(Setup::of(people));
    rig.extra = NOBODY_LEAVES.into();
    rig.run().await;
    rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    let who = active(&rig, leavers);
    for n in &who {
        rig.edit(*n, |p| p.status = Hired::Inactive);
    }
    rig.until("they are held", async |rig| {
        let sql = "SELECT CAST(count(*) AS TEXT), '' FROM risk WHERE hold IS NOT NULL";
        rig.pairs(sql).await[0].0 == leavers.to_string()
    })
    .await;
    (rig, who)
}

#[test]
fn somebody_signs_in_opens_a_held_layoff_approves_three_and_the_rest_stay() {
    on_a_system(async {
        let (rig, who) = held(60, 8).await;
        let pages = Pages::of(&rig);
        let anna = pages.signed_in(Role::Approver).await;
        let tonight = anna.get("/").await;
        assert!(
            tonight.status == 200 && tonight.has("Not safe") | tonight.has("Somebody is needed"),
            "{}",
            tonight.text
        );
        let list = anna.get("/holds").await;
        assert!(list.has("hold 1") && list.has("deactivate") && list.has("waits for a decision"), "{}", list.text);
        let hold = anna.get("/holds/1").await;
        let name = |n: usize| rig.setup.people[n].last_name.clone();
        assert!(who.iter().all(|n| hold.has(&name(*n))) && hold.has("8 people"), "{}", hold.text);
        let targets: Vec<String> = hold
            .text
            .split("name=\"target\" value=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().expect("a number").to_owned())
            .collect();
        assert_eq!(targets.len(), 8);
        let code = field(&hold.text, "code");
        let ticked: Vec<(&str, &str)> = targets[..3].iter().map(|target| ("target", target.as_str())).collect();
        let form = [&[("code", code.as_str()), ("do", "approve-ticked")][..], &ticked].concat();
        let shown = anna.post("/holds/1", "/holds/1/decide", &form).await;
        assert!(
            shown.status == 200 && shown.has("3 people") && shown.has("5 people of this hold stay held"),
            "{}",
            shown.text
        );
        assert_eq!(rig.effects().iter().filter(|call| call.ends_with("/deactivate")).count(), 0, "nothing counts yet");
        let form = [&[("code", code.as_str())][..], &ticked].concat();
        let said = anna.post("/holds/1", "/holds/1/approve", &form).await;
        assert!(said.has("Approved"), "{}", said.text);
        rig.until("three have left", async |rig| {
            let okta = rig.world.okta.core();
            let gone = |n: &&usize| {
                okta.user_by_anchor(&rig.setup.people[**n].id).is_some_and(|u| u.status == Status::Deprovisioned)
            };
            who.iter().filter(gone).count() == 3
        })
        .await;
        let rest = anna.get("/holds").await;
        assert!(rest.has("holds/") && anna.get("/holds/1").await.has("5 people"), "the rest stay held: {}", rest.text);
        let again = anna.post("/holds/1", "/holds/1/approve", &form).await;
        assert!(again.has("flash refused"), "what was shown is not what is there any more: {}", again.text);
        rig.until("the audit says who has decided and who has signed in", async |rig| {
            let sql = "SELECT kind, row FROM audit WHERE kind IN ('signed_in', 'hold_ended')";
            let rows = rig.pairs(sql).await;
            ["signed_in", "hold_ended"].iter().all(|kind| rows.iter().any(|(k, row)| k == kind && row.contains("Anna")))
        })
        .await;
    });
}

#[test]
fn a_viewer_looks_and_decides_nothing_whatever_their_browser_sends() {
    on_a_system(async {
        let (rig, _) = held(30, 2).await;
        let pages = Pages::of(&rig);
        let vera = pages.signed_in(Role::Viewer).await;
        let hold = vera.get("/holds/1").await;
        assert!(hold.status == 200 && !hold.has("Approve all") && hold.has("An approver decides"), "{}", hold.text);
        let code = field(&hold.text, "code");
        for (path, form) in [
            ("/holds/1/decide", &[("code", code.as_str()), ("do", "approve-all")][..]),
            ("/holds/1/approve", &[("code", &code)]),
            ("/holds/1/reject", &[("code", &code)]),
            ("/pause", &[("why", "because")]),
            ("/people/1/retry", &[]),
            ("/people/1/undo", &[("code", &code)]),
        ] {
            let refused = vera.post("/holds/1", path, form).await;
            assert!(
                refused.has("flash refused") && refused.has("Vera has the role viewer; this needs the role"),
                "{path}: {}",
                refused.text
            );
        }
        assert_eq!(rig.pairs("SELECT CAST(id AS TEXT), by FROM vote").await, [] as [(String, String); 0]);
        let otto = pages.signed_in(Role::Operator).await;
        let paused = otto.post("/", "/pause", &[("why", "merger night"), ("org", ""), ("change", "")]).await;
        assert!(paused.has("Paused.") && paused.has("merger night") && paused.has("Not safe"), "{}", paused.text);
        let id = field(&paused.text, "id");
        assert!(otto.post("/", "/resume", &[("id", &id)]).await.has("Writes go on"));
    });
}

#[test]
fn without_a_session_of_this_very_site_nothing_is_shown_and_nothing_is_done() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let pages = Pages::of(&rig);
        for path in ["/", "/holds", "/holds/1", "/people", "/people/1", "/people/1/undo", "/help"] {
            let answer = pages.get(path).await;
            assert_eq!((answer.status, answer.location().starts_with("/sign-in?to=")), (303, true), "{path}");
        }
        let refused = pages.post("/sign-in", &[("token", "not-a-token-of-anybody-at-all")]).await;
        assert!(refused.status == 403 && refused.has("No such token") && refused.headers.get(SET_COOKIE).is_none());
        let otto = pages.signed_in(Role::Operator).await;
        let page = otto.get("/").await;
        let policy =
            page.headers.get("content-security-policy").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert!(policy.starts_with("default-src 'none'; script-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(page.headers.get("cache-control").and_then(|value| value.to_str().ok()), Some("no-store"));
        assert!(!page.has("<style") && !page.has(" style=") && !page.has(" onclick="), "nothing inline");
        let csrf = field(&page.text, "csrf");
        let post = |headers: &[(&'static str, &'static str)], csrf: &str| {
            let mut request = pages.client.post(pages.url("/pause")).header(COOKIE, &otto.cookie);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            pages.sent(request.form(&[("csrf", csrf), ("why", "an attack")]))
        };
        assert_eq!(post(&[("sec-fetch-site", "cross-site")], &csrf).await.status, 403);
        assert_eq!(post(&[("origin", "https://evil.example")], &csrf).await.status, 403);
        assert_eq!(post(&[], "").await.status, 403, "without the secret of the form");
        assert_eq!(
            post(&[("host", "evil.example")], &csrf).await.status,
            421,
            "a name that leads here and is not ours"
        );
        let rebound = pages.client.get(pages.url("/sign-in")).header("host", "evil.example");
        assert_eq!(pages.sent(rebound).await.status, 421);
        assert!(rig.pairs("SELECT by, why FROM pause").await.is_empty());
        otto.post("/", "/sign-out", &[]).await;
        assert_eq!(otto.get("/").await.status, 303, "a cookie that was copied opens nothing any more");
    });
}

#[test]
fn where_nobody_could_sign_in_there_is_no_console_and_it_can_be_switched_off() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let nobody = Served::of(rig.service());
        assert!(console::mount(&nobody, &ConsoleSettings::default()).expect("threads").is_none());
        let pages = Pages::with(&rig, ConsoleSettings { serve: false, ..ConsoleSettings::default() });
        assert_eq!((pages.get("/").await.status, pages.get("/sign-in").await.status), (404, 404));
        assert_eq!(pages.get("/healthz").await.status, 200);
    });
}

#[test]
fn people_are_found_and_one_of_them_is_explained_whatever_their_name_is() {
    on_a_system(async {
        let mut setup = Setup::of(120);
        let hostile = "<script>alert(1)</script> \u{202e}gnirts \"'&";
        setup.people[5].last_name = hostile.into();
        setup.people[6].last_name = "Łukasiewicz-Þórr 🦀".into();
        let mut rig = Rig::new(setup);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let pages = Pages::of(&rig);
        let vera = pages.signed_in(Role::Viewer).await;
        let first = vera.get("/people?sort=name").await;
        assert!(
            first.status == 200 && first.has("1 to 50 of 120") && first.has("page=2") && !first.has("<script>alert"),
            "{}",
            first.text
        );
        let found = vera.get("/people?text=lukasiewicz").await;
        assert!(
            found.has("Łukasiewicz-Þórr 🦀") && found.has("1 to 1 of 1; the filter hides 119 of 120"),
            "{}",
            found.text
        );
        let target = found
            .text
            .split("href=\"/people/")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a link")
            .to_owned();
        let person = vera.get(&format!("/people/{target}")).await;
        assert!(
            person.status == 200 && person.has("Nothing would change") && person.has("What happened"),
            "{}",
            person.text
        );
        let named = vera.get("/people?text=script").await;
        let target = named
            .text
            .split("href=\"/people/")
            .nth(1)
            .and_then(|rest| rest.split('"').next())
            .expect("a link")
            .to_owned();
        let person = vera.get(&format!("/people/{target}")).await;
        assert!(person.has("&lt;script&gt;alert(1)") && !person.has("<script>alert"), "{}", person.text);
        let table = vera.get("/people?text=lukasiewicz&format=csv").await;
        assert!(table.text.starts_with("name,email,") && table.text.lines().count() == 2, "{}", table.text);
        assert_eq!(vera.get("/people/999999").await.status, 404);
        assert_eq!(vera.get("/people?state=lost").await.status, 400);
    });
}

#[test]
fn every_screen_opens_says_what_is_empty_and_exports_what_it_shows() {
    on_a_system(async {
        let mut setup = Setup::of(40);
        // Somebody new, whom nobody can give an account: no login can be made for them.
        setup.people[3].email = String::new();
        let mut rig = Rig::new(setup);
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let pages = Pages::of(&rig);
        let otto = pages.signed_in(Role::Operator).await;
        for (path, shown) in [
            ("/", "Safe"),
            ("/holds", "Nothing waits for a decision"),
            ("/holds?all=true", "Nothing waits for a decision"),
            ("/people", "1 to 40 of 40"),
            ("/people?sort=-since&state=done", "Search"),
            ("/quarantine", "quarantine"),
            ("/starters", "days"),
            ("/starters?days=90&sort=name", "90 days"),
            ("/leavers", "With access for longer than 5 min"),
            ("/leavers?text=a&sort=-ended", "Who has left, and who will"),
            ("/matches", "No match waits for a decision"),
            ("/audit", "routine rows are hidden"),
            ("/audit?routine=true&kind=&text=sandbox", "row "),
            ("/audit?kind=signed_in&from=2020-01-01&to=2100-01-01", "Otto has signed in"),
            ("/orgs", "sandbox"),
            ("/access", "this session"),
            ("/help", "Who may what"),
        ] {
            let page = otto.get(path).await;
            assert!(
                page.status == 200 && page.text.to_lowercase().contains(&shown.to_lowercase()),
                "{path}: {}",
                page.text
            );
            assert!(page.has("Sign out") && !page.has("undefined"), "{path}: {}", page.text);
        }
        for path in ["/holds", "/people", "/quarantine", "/starters", "/leavers", "/matches", "/audit"] {
            for (format, kind) in [("csv", "text/csv"), ("json", "application/json")] {
                let file = otto.get(&format!("{path}?format={format}")).await;
                let given = file.headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
                assert!(file.status == 200 && given.starts_with(kind), "{path}: {given}");
            }
        }
        assert_eq!(otto.get("/matches/7").await.status, 404);
        assert_eq!(otto.get("/audit?kind=nonsense").await.status, 400);
        let ended = otto.post("/access", "/reload", &[]).await;
        assert!(ended.has("flash refused"), "this service has no file: {}", ended.text);
    });
}

#[test]
fn a_token_that_is_taken_away_or_gives_another_role_ends_what_was_signed_in_with_it() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(8)).await;
        let pages = Pages::of(&rig);
        let (anna, otto) = (pages.signed_in(Role::Approver).await, pages.signed_in(Role::Operator).await);
        assert_eq!((anna.get("/holds").await.status, otto.get("/holds").await.status), (200, 200));
        let held = pages.tokens.load();
        let vera = held.iter().find(|token| token.role == Role::Viewer).expect("there").clone();
        let demoted = held.iter().find(|token| token.role == Role::Operator).cloned();
        let demoted = Token { role: Role::Viewer, ..demoted.expect("there") };
        let call = || pages.client.get(pages.url("/api/v1/status")).bearer_auth(secret(Role::Approver));
        assert_eq!(pages.sent(call()).await.status, 200);
        pages.tokens.exchange(vec![vera, demoted]);
        assert_eq!(pages.sent(call()).await.status, 401, "the token is gone");
        for gone in [&anna, &otto] {
            let answer = gone.get("/holds").await;
            assert!(answer.status == 303 && answer.location().starts_with("/sign-in"), "{}", answer.location());
        }
        let again = pages.post("/sign-in", &[("token", &secret(Role::Operator)), ("to", "/holds")]).await;
        assert_eq!(again.status, 303, "the other role is theirs from now on");
    });
}

#[test]
fn quarantined_people_are_shown_by_cause_and_tried_again_and_a_session_is_ended_by_another() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(30)).await;
        let who = active(&rig, 2);
        // An attribute that Okta refuses.
        for n in &who {
            rig.edit(*n, |p| p.email = "not an address".into());
        }
        let pages = Pages::of(&rig);
        let otto = pages.signed_in(Role::Operator).await;
        rig.until("somebody is quarantined or done", async |rig| rig.backlog().await == 0).await;
        let page = otto.get("/quarantine").await;
        if page.has("By cause") {
            let tried = otto.post("/quarantine", "/quarantine/retry", &[]).await;
            assert!(tried.has("tried once more"), "{}", tried.text);
        } else {
            assert!(page.has("Nobody is quarantined"), "{}", page.text);
        }
        let vera = pages.signed_in(Role::Viewer).await;
        let access = otto.get("/access").await;
        let (_, rest) = access.text.split_once("/sessions/").expect("a session");
        let number = rest.split('/').next().expect("a number");
        assert!(
            otto.post("/access", &format!("/sessions/{number}/end"), &[]).await.has("The session of Vera is ended")
        );
        assert_eq!(vera.get("/").await.status, 303);
    });
}

#[test]
fn access_is_ended_before_hr_has_typed_it_and_given_back_by_who_has_asked_for_it() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(20)).await;
        let pages = Pages::of(&rig);
        let anna = pages.signed_in(Role::Approver).await;
        let who = active(&rig, 1)[0];
        let email = rig.setup.people[who].email.clone();
        let list = anna.get(&format!("/people?text={email}")).await;
        let target = list.text.split("href=\"/people/").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
        let page = format!("/people/{target}");
        assert!(anna.get(&page).await.has("End access now"));
        let end = format!("{page}/end");
        let shown = anna.get(&end).await;
        assert!(shown.has("although Namely says nothing of it") && shown.has("memberships"), "{}", shown.text);
        let status = |rig: &Rig| rig.world.okta.core().user_by_anchor(&rig.setup.people[who].id).expect("there").status;
        assert!(anna.post(&end, &end, &[]).await.has("say why"));
        assert_eq!(status(&rig), Status::Active);
        let said = anna.post(&end, &end, &[("why", "a stolen laptop")]).await;
        assert!(said.has("Access ends now"), "{}", said.text);
        rig.until("they are out", async |rig| status(rig) == Status::Deprovisioned).await;
        rig.until("the page says so", async |_| anna.get(&end).await.has("a stolen laptop")).await;
        let said = anna.post(&end, &format!("{page}/restore"), &[("why", "it was found")]).await;
        assert!(said.has("Given back"), "{}", said.text);
        rig.until("Namely decides again", async |rig| status(rig) != Status::Deprovisioned).await;
    });
}
