//! A running service can be asked and told over HTTP, by whoever has a token for it and by nobody else.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use namely_okta_sync::admin::routes::ROUTES;
use namely_okta_sync::admin::{self, Served};
use namely_okta_sync::config::{Role, Token};
use namely_okta_sync::sandbox::okta::users::Status;
use namely_okta_sync::sandbox::population::{Person, Status as Hired};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const HOOK: &str = "the-hooks-secret";

fn secret(role: Role) -> String {
    format!("{}-0123456789abcdef01234567", role.as_str())
}

/// One person for each role.
pub const STAFF: [(&str, Role); 5] = [
    ("Hana", Role::Hr),
    ("Aldo", Role::Auditor),
    ("Vera", Role::Viewer),
    ("Otto", Role::Operator),
    ("Anna", Role::Approver),
];

pub struct Api {
    address: SocketAddr,
    client: reqwest::Client,
}

impl Api {
    pub fn of(rig: &Rig) -> Self {
        Self::with(rig, false)
    }

    pub fn with(rig: &Rig, hide_groups_from_hr: bool) -> Self {
        let token = |name: &str, role| Token {
            name: name.into(),
            role,
            token: secret(role).into(),
            end_access: false,
            uid: None,
            person: None,
            same: None,
        };
        let tokens = STAFF.map(|(name, role)| token(name, role)).to_vec();
        let served = Served {
            tokens: tokens.into(),
            hook_secret: Some(HOOK.into()),
            hide_groups_from_hr,
            ..Served::of(rig.service())
        };
        let address = admin::serve(SocketAddr::from(([127, 0, 0, 1], 0)), served).expect("listens");
        Self { address, client: reqwest::Client::new() }
    }

    /// What `/readyz` answers.
    pub async fn ready(&self) -> Value {
        let answer = self.client.get(format!("http://{}/readyz", self.address)).send().await.expect("answers");
        answer.json().await.expect("JSON")
    }

    pub async fn ask(&self, role: Option<Role>, method: &str, path: &str, body: &str) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let mut request = self.client.request(method, format!("http://{}/api/v1{path}", self.address));
        if let Some(role) = role {
            request = request.bearer_auth(secret(role));
        }
        let answer = request.body(body.to_owned()).send().await.expect("answers");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

#[test]
fn a_hold_is_seen_and_decided_over_http_and_the_audit_says_by_whom() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(30));
        rig.extra = "[[safeguards.limits]]\nchange = \"deactivate\"\npeople = 0\nper = \"hour\"\n".into();
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let api = Api::of(&rig);
        let people = &rig.setup.people;
        let who = (0..people.len()).find(|n| people[*n].status == Hired::Active).expect("somebody");
        rig.edit(who, |p| p.status = Hired::Inactive);
        rig.until("they are held", async |_| {
            api.ask(Some(Role::Viewer), "GET", "/holds", "").await.1["holds"].as_array().is_some_and(|h| h.len() == 1)
        })
        .await;
        let (_, holds) = api.ask(Some(Role::Viewer), "GET", "/holds", "").await;
        let (id, code) = (holds["holds"][0]["id"].clone(), holds["holds"][0]["code"].clone());
        let (status, hold) = api.ask(Some(Role::Viewer), "GET", &format!("/holds/{id}"), "").await;
        assert!(status == 200 && hold["people"].as_array().is_some_and(|p| p.len() == 1), "{hold}");
        // A hold is there before those whom it is about have been let go of.
        rig.until("they wait for it", async |_| {
            api.ask(Some(Role::Viewer), "GET", "/status", "").await.1["orgs"]["sandbox"]["held"] == 1
        })
        .await;
        let (status, message) = api.ask(Some(Role::Viewer), "GET", "/status", "").await;
        assert!(
            status == 200
                && message["holds"].as_array().map(Vec::len) == Some(1)
                && message["orgs"]["sandbox"]["held"] == 1,
            "{message}"
        );
        let lacking = message["approvers"]["lacking"].as_str().unwrap_or_default();
        assert!(message["approvers"]["people"] == 1 && lacking.contains("[[admin.tokens]]"), "{message}");
        let approve = format!("/holds/{id}/approve");
        let (status, message) =
            api.ask(Some(Role::Operator), "POST", &approve, &json!({ "code": code }).to_string()).await;
        assert!(status == 403 && message["error"].as_str().is_some_and(|e| e.contains("approver")), "{message}");
        let (status, message) = api.ask(Some(Role::Approver), "POST", &approve, r#"{"code":"something-else"}"#).await;
        assert_eq!(status, 409, "{message}");
        let (status, message) =
            api.ask(Some(Role::Approver), "POST", &approve, &json!({ "code": code }).to_string()).await;
        assert_eq!((status, &message["by"]), (200, &json!("Anna")), "{message}");
        let anchor = people[who].id.clone();
        rig.until_okta("they have left", |okta| {
            okta.user_by_anchor(&anchor).is_some_and(|u| u.status == Status::Deprovisioned)
        })
        .await;
        rig.until("that is proved", async |rig| rig.backlog().await == 0).await;
        let (status, message) = api.ask(Some(Role::Viewer), "GET", &format!("/people/{}", people[who].email), "").await;
        assert!(status == 200 && message.to_string().contains("deactivated: applied"), "{message}");
        rig.until("the audit names who decided", async |rig| {
            let sql = "SELECT count(*) FROM audit WHERE kind = 'hold_ended' AND row LIKE '%Anna%'";
            rig.store().run(move |c| Ok(c.query_row(sql, [], |r| r.get::<i64>(0))?)).await.expect("reads") >= 1
        })
        .await;
    });
}

#[test]
fn writes_are_paused_and_resumed_over_http() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let api = Api::of(&rig);
        let (status, message) = api.ask(Some(Role::Operator), "POST", "/pause", r#"{"why":"merger night"}"#).await;
        assert_eq!((status, &message["by"]), (200, &json!("Otto")), "{message}");
        let before = rig.effects().len();
        let who = rig.setup.people.iter().position(|p| p.status == Hired::Active).expect("somebody");
        rig.edit(who, |p| p.direct_dial = "+1 555 42".into());
        rig.until("somebody waits", async |_| {
            let (_, message) = api.ask(Some(Role::Viewer), "GET", "/backlog", "").await;
            message["people"].as_array().is_some_and(|p| !p.is_empty())
        })
        .await;
        assert_eq!(rig.effects().len(), before);
        let (_, message) = api.ask(Some(Role::Viewer), "GET", "/pauses", "").await;
        assert_eq!(message["pauses"][0]["why"], "merger night");
        assert_eq!(api.ask(Some(Role::Operator), "POST", "/resume", "").await.0, 200);
        rig.until("the change arrives", async |rig| rig.effects().len() > before && rig.backlog().await == 0).await;
        assert_eq!(api.ask(Some(Role::Operator), "POST", "/resume", "").await.0, 404, "nothing is paused any more");
        let (status, message) = api.ask(Some(Role::Operator), "POST", "/reconcile", r#"{"org":"sandbox"}"#).await;
        assert!(status == 200 && message["requests"]["sandbox"].is_i64(), "{message}");
    });
}

#[test]
fn one_person_is_read_at_once_when_somebody_or_the_hr_system_asks() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(12));
        // Nobody would look by themselves.
        rig.poll_every = Some(Duration::from_secs(1_000_000));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let api = Api::of(&rig);
        let people = &rig.setup.people;
        let mut active = (0..people.len()).filter(|n| people[*n].status == Hired::Active);
        let (first, second) = (active.next().expect("one"), active.next().expect("another"));
        let phone = |okta: &namely_okta_sync::sandbox::okta::Okta, n: usize| {
            okta.user_by_anchor(&people[n].id).and_then(|u| u.profile.get("primaryPhone").cloned())
        };
        rig.edit(first, |p| p.direct_dial = "+1 555 71".into());
        let body = json!({ "tenant": "sandbox", "profile": people[first].id }).to_string();
        let (status, message) = api.ask(Some(Role::Operator), "POST", "/poll", &body).await;
        assert_eq!(status, 200, "{message}");
        rig.until_okta("the change is there", |okta| phone(okta, first) == Some(json!("+1 555 71"))).await;

        rig.edit(second, |p| p.direct_dial = "+1 555 72".into());
        let body = json!({ "tenant": "sandbox", "profile": people[second].id }).to_string();
        let time = rig.world.clock.now().secs();
        let hook = async |body: &str, signature: &str| {
            let post = api.client.post(format!("http://{}/hooks/poll", api.address)).header("x-timestamp", time);
            let sent = post.header("x-signature-256", signature).body(body.to_owned()).send().await.expect("answers");
            (sent.status().as_u16(), sent.text().await.expect("a text"))
        };
        assert_eq!(hook(&body, "sha256=00").await.0, 401);
        let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, HOOK.as_bytes());
        let signed = |body: &str| {
            let tag = aws_lc_rs::hmac::sign(&key, format!("{time}.{body}").as_bytes());
            format!("sha256={}", namely_okta_sync::domain::hex(tag.as_ref()))
        };
        assert_eq!(hook(&body, &signed(&body)).await.0, 200);
        assert_eq!(hook(&body, &signed(&body)).await.0, 409, "whoever sends it again has read it on its way");
        rig.until_okta("that change too", |okta| phone(okta, second) == Some(json!("+1 555 72"))).await;
        for (body, expected, words) in [
            (r#"{"tenant":"elsewhere","profile":"x"}"#, 404, "there are sandbox"),
            (r#"{"tenant":"sandbox","profile":"../fields"}"#, 409, "not the UUID"),
        ] {
            let (status, message) = api.ask(Some(Role::Operator), "POST", "/poll", body).await;
            assert!(status == expected && message.to_string().contains(words), "{status} {message}");
        }
        let unknown = r#"{"tenant":"sandbox","profile":"0000"}"#;
        let (status, message) = api.ask(Some(Role::Operator), "POST", "/poll", unknown).await;
        assert!(status == 404 && message.to_string().contains("no profile 0000 of sandbox"), "{status} {message}");
        let (status, message) = hook(unknown, &signed(unknown)).await;
        assert!(status == 404 && message.contains("no profile 0000 of sandbox"), "{status} {message}");
        assert!(rig.service().readiness.is_ready(), "a profile that is not there is nobody's outage");
    });
}

#[test]
fn wrong_tokens_are_counted_and_answered_later_each_time_and_whoever_has_the_right_one_never_waits() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let url = format!("http://{}/api/v1/status", api.address);
        let ask = async |token: &str| {
            #[expect(clippy::disallowed_methods, reason = "how long somebody waits is meant in their own time")]
            let start = std::time::Instant::now();
            let status = api.client.get(&url).bearer_auth(token).send().await.expect("answers").status().as_u16();
            (status, start.elapsed())
        };
        let mut waited = Vec::new();
        for n in 0..7 {
            let (status, time) = ask(&format!("wrong-{n}")).await;
            assert_eq!(status, 401);
            waited.push(time.as_millis());
        }
        // Three cost nothing; then a tenth of a second, twice that, and twice that again.
        for (nth, at_least) in [(3, 100), (4, 200), (5, 400), (6, 800)] {
            assert!(waited[nth] >= at_least, "the {}. was answered after {} ms: {waited:?}", nth + 1, waited[nth]);
        }
        let (status, time) = ask(&secret(Role::Viewer)).await;
        assert!(status == 200 && time.as_millis() < waited[6], "{status} after {time:?}");
        let refused = &rig.service().metrics.parts.admin_refused;
        assert_eq!(refused.with_label_values(&["token"]).get(), 7, "the metric counts them");
        assert_eq!(api.client.get(&url).send().await.expect("answers").status(), 401);
        assert_eq!(refused.with_label_values(&["token"]).get(), 7, "who sends none guesses nothing");
    });
}

#[test]
fn whoever_has_no_token_a_role_too_low_or_a_broken_request_is_told_so() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let error = |message: &Value| message["error"].as_str().unwrap_or_default().to_owned();
        for route in ROUTES {
            let path = route.path.replace("{id}", "1").replace("{person}", "nobody").replace("{org}", "sandbox");
            let (status, message) = api.ask(None, route.method, &path, "").await;
            assert!(status == 401 && error(&message).contains("Authorization"), "{path}: {status} {message}");
            if !Role::Viewer.may(route.needs) {
                let (status, message) = api.ask(Some(Role::Viewer), route.method, &path, "").await;
                assert!(
                    status == 403 && error(&message).contains("Vera has the role viewer"),
                    "{path}: {status} {message}"
                );
            }
        }
        let operator = Some(Role::Operator);
        for (method, path, body, expected, words) in [
            ("POST", "/pause", "{", 400, "not JSON"),
            ("POST", "/pause", "{}", 400, "why is missing"),
            ("POST", "/pause", r#"{"why":"x","org":"elsewhere"}"#, 404, "there is no org \"elsewhere\""),
            ("POST", "/pause", r#"{"why":"x","change":"everything"}"#, 400, "not a kind of change"),
            ("POST", "/quarantine/retry", r#"{"person":"nobody"}"#, 404, "nobody"),
            ("POST", "/quarantine/retry", "", 200, ""), // everybody who is quarantined, and nobody is
            ("DELETE", "/pause", "", 405, "only POST"),
            ("GET", "/holds/seven", "", 400, "not a number"),
            ("GET", "/holds/7", "", 404, "there is no hold 7"),
            ("GET", "/holds?all=perhaps", "", 400, "all must be true or false"),
            ("GET", "/holds?every=true", "", 400, "no field \"every\" here; there are all"),
            ("GET", "/status?all=true", "", 400, "there are none"),
            ("GET", "/starters?days=-1", "", 400, "-1 days"),
            ("GET", "/starters?org=other", "", 404, "there is no org \"other\""),
            ("GET", "/people/nobody%20at%20all", "", 404, "nobody is called \"nobody at all\""),
            ("GET", "/nowhere", "", 404, "openapi.json"),
        ] {
            let (status, message) = api.ask(operator, method, path, body).await;
            assert!(status == expected && error(&message).contains(words), "{method} {path}: {status} {message}");
        }
        let large = format!(r#"{{"why":"{}"}}"#, "x".repeat(100_000));
        let (status, message) = api.ask(operator, "POST", "/pause", &large).await;
        assert!(status == 413 && error(&message).contains("65536"), "{status} {message}");
        assert_eq!(
            api.ask(Some(Role::Viewer), "GET", "/pauses", "").await.1["pauses"],
            json!([]),
            "nothing was paused"
        );
    });
}

#[test]
fn a_slow_client_is_cut_off_and_holds_up_nobody() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let mut slow = TcpStream::connect(api.address).expect("connects");
        slow.write_all(b"GET /metrics HT").expect("writes");
        assert_eq!(api.ask(Some(Role::Viewer), "GET", "/holds", "").await.0, 200);
        let ended = tokio::task::spawn_blocking(move || {
            slow.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
            let mut text = String::new();
            slow.read_to_string(&mut text).map(|_| text)
        });
        let text = ended.await.expect("reads").expect("it is answered or closed");
        assert!(text.is_empty() || text.contains("408"), "{text}");
        // Nor does a body that never comes.
        for (path, head) in [
            ("/hooks/poll", String::new()),
            ("/api/v1/pause", format!("Authorization: Bearer {}\r\n", secret(Role::Operator))),
        ] {
            let mut slow = TcpStream::connect(api.address).expect("connects");
            let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\n{head}Content-Length: 50\r\n\r\n{{\"why\"");
            slow.write_all(head.as_bytes()).expect("writes");
            let ended = tokio::task::spawn_blocking(move || {
                slow.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout");
                let mut answer = [0; 512];
                slow.read(&mut answer).map(|n| String::from_utf8_lossy(&answer[..n]).into_owned())
            });
            let text = ended.await.expect("reads").expect("it is answered");
            assert!(text.contains("408") && text.contains("in time"), "{path}: {text}");
        }
    });
}

#[test]
fn the_openapi_document_describes_exactly_what_is_there() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let (status, document) = api.ask(None, "GET", "/openapi.json", "").await;
        assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
        let mut described = 0;
        for (path, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                described += 1;
                let path = path
                    .trim_start_matches("/api/v1")
                    .replace("{id}", "1")
                    .replace("{person}", "nobody")
                    .replace("{org}", "sandbox");
                let (status, message) = api.ask(Some(Role::Approver), &method.to_uppercase(), &path, "").await;
                assert!(status != 405 && !message.to_string().contains("not here"), "{method} {path}: {message}");
                let known = operation["responses"].as_object().expect("answers").contains_key(&status.to_string());
                assert!(known, "{method} {path} answers {status}, which is not described");
            }
        }
        assert_eq!(described, ROUTES.len());
    });
}

#[test]
fn status_says_in_the_terminal_what_waits_and_whether_anybody_answers() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let config = config_file(&rig.world, rig.folder.path());
        let cli = |args: &[&str]| {
            let output = program().args(args).arg("--config").arg(&config).output().expect("runs");
            (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let (code, text) = cli(&["status"]);
        assert!(code == Some(2) && text.contains("no service answers") && text.contains("sandbox"), "{text}");
        assert!(!text.contains('\x1b'), "no colours where nobody watches");
        let api = Api::of(&rig);
        let text = std::fs::read_to_string(&config).expect("reads").replace("127.0.0.1:0", &api.address.to_string());
        std::fs::write(&config, text).expect("writes");
        // The service of this test shares its thread with whoever waits for the command.
        let command = tokio::task::spawn_blocking({
            let config = config.clone();
            move || program().args(["status", "--json", "--config"]).arg(config).output().expect("runs")
        });
        let output = command.await.expect("runs");
        let message: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert!(
            output.status.success() && message["ready"] == true && message["orgs"]["sandbox"]["held"] == 0,
            "{message}"
        );
    });
}

#[test]
fn matches_and_links_are_decided_over_http_by_approvers_with_the_code_of_what_was_shown() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let api = Api::of(&rig);
        let (first, second) = (rig.setup.people[3].clone(), rig.setup.people[4].clone());
        // HR makes the profile of somebody a second time, under another name: whether it is the same person is asked.
        let twin = Person {
            id: "0e9f4a10-0000-4000-8000-000000000031".into(),
            first_name: "Quite".into(),
            last_name: "Different".into(),
            manager: None,
            ..first.clone()
        };
        rig.hire(twin.clone());
        let queue = async || api.ask(Some(Role::Viewer), "GET", "/reviews", "").await.1["reviews"].clone();
        rig.until("it is asked", async |_| queue().await.as_array().is_some_and(|queue| !queue.is_empty())).await;
        let id = queue().await[0]["id"].clone();
        let (status, shown) = api.ask(Some(Role::Viewer), "GET", &format!("/reviews/{id}"), "").await;
        let code = shown["outlook"]["code"].as_str().expect("a code").to_owned();
        assert_eq!((status, &shown["review"]["profile"]), (200, &json!(twin.id)));
        let (status, shown) = api.ask(Some(Role::Viewer), "GET", &format!("/links/{}", second.id), "").await;
        assert_eq!(status, 200, "{shown}");
        let with = |code: &str| json!({ "code": code }).to_string();
        let split =
            |profile: &str, code: &str| json!({ "org": "sandbox", "profile": profile, "code": code }).to_string();
        let (approver, bare) = (Role::Approver, "{}".to_owned());
        let of = |verdict: &str| format!("/reviews/{id}/{verdict}");
        for (role, method, path, body, wanted, words) in [
            (None, "GET", "/reviews".to_owned(), String::new(), 401, ""),
            (None, "GET", "/links".into(), String::new(), 401, ""),
            (Some(approver), "GET", "/reviews/9999".into(), String::new(), 404, "9999"),
            (Some(approver), "GET", "/links/nobody".into(), String::new(), 404, "nobody"),
            (Some(Role::Viewer), "POST", of("accept"), with(&code), 403, "approver"),
            (Some(Role::Operator), "POST", of("reject"), with(&code), 403, "approver"),
            (Some(Role::Operator), "POST", "/links/split".into(), split(&second.id, "x"), 403, "approver"),
            (Some(approver), "POST", of("accept"), bare.clone(), 400, "code is missing"),
            (Some(approver), "POST", of("reject"), bare.clone(), 400, "code is missing"),
            (Some(approver), "POST", of("accept"), with("other"), 409, "look at it again"),
            (Some(approver), "POST", of("reject"), with("other"), 409, "look at it again"),
            (Some(approver), "POST", "/reviews/9999/accept".into(), with(&code), 404, "not in the queue"),
            (Some(approver), "POST", "/reviews/9999/reject".into(), with(&code), 404, "not in the queue"),
            (Some(approver), "POST", "/reviews/x/reject".into(), with(&code), 400, "not a number"),
            (Some(approver), "POST", "/links/split".into(), split("nobody", "x"), 404, "links list"),
            (Some(approver), "POST", "/links/split".into(), split(&second.id, "x"), 409, ""),
            (Some(approver), "POST", "/links/split".into(), json!({ "org": "sandbox" }).to_string(), 400, "is missing"),
            (Some(approver), "POST", "/orgs/nowhere/adopt".into(), with("x"), 404, "nowhere"),
            (Some(approver), "POST", "/orgs/sandbox/adopt".into(), bare, 400, "code is missing"),
            (Some(Role::Operator), "POST", "/orgs/sandbox/adopt".into(), with("x"), 403, "approver"),
        ] {
            let (status, message) = api.ask(role, method, &path, &body).await;
            let message = message["error"].as_str().unwrap_or_default();
            assert!(status == wanted && message.contains(words), "{method} {path} {body}: HTTP {status} {message}");
        }
        assert_eq!(queue().await[0]["id"], id, "nothing of that has decided it");
        let (status, message) = api.ask(Some(approver), "POST", &of("reject"), &with(&code)).await;
        assert_eq!((status, &message["by"]), (200, &json!("Anna")), "{message}");
        let (status, message) = api.ask(Some(approver), "POST", &of("reject"), &with(&code)).await;
        assert_eq!(status, 404, "it is decided: {message}");
        rig.until("they get an account of their own, or wait for a login", async |_| {
            queue().await.as_array().is_some_and(Vec::is_empty)
        })
        .await;
    });
}
