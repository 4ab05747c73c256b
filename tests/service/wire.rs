//! What the network and a server in the wrong hands can do to a read: it fails, in bounded time and memory, and nobody
//! takes what is missing for what is gone.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::common::stub::{Say, Stub, ok};
use flate2::Compression;
use flate2::write::GzEncoder;
use namely_okta_sync::clock::Clock;
use namely_okta_sync::http::{LARGEST_PAGE, Transport};
use namely_okta_sync::namely::NamelyClient;
use namely_okta_sync::namely::client::Reply as NamelyReply;
use namely_okta_sync::okta::auth::Credentials;
use namely_okta_sync::okta::outcome::{Answered, Reply};
use namely_okta_sync::okta::{OktaClient, Request};
use namely_okta_sync::sandbox::faults::{Fault, Kind, Next};
use std::io::Write;
use std::time::Duration;

fn okta(url: &str, timeout: Duration) -> OktaClient {
    let token = Credentials::Token("00secret-token".into());
    OktaClient::new(url, token, &Clock::system(), timeout).expect("a client")
}

async fn answered(url: &str) -> Answered {
    match okta(url, Duration::from_secs(10)).send(&Request::get("/api/v1/users?limit=200")).await {
        Reply::Answered(answer) => answer,
        other => panic!("{other:?}"),
    }
}

async fn namely(url: &str, transport: impl Into<Transport>) -> NamelyReply {
    let client = NamelyClient::new(&format!("{url}/api/v1"), secrecy::SecretString::from("secret-token"), transport)
        .expect("a client");
    client.get("/profiles?page=1&per_page=50").await
}

fn failed(reply: NamelyReply) -> String {
    match reply {
        NamelyReply::Failed(why) => why,
        other => panic!("{other:?}"),
    }
}

/// The most memory that this process has had, in MiB.
fn most_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a high-water mark");
    line.split_ascii_whitespace().nth(1).expect("a number").parse::<usize>().expect("a number") >> 10
}

/// Blanks that unpack to so many MiB.
fn bomb(mebibytes: usize) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    let block = vec![b' '; 1 << 20];
    for _ in 0..mebibytes {
        packed.write_all(&block).expect("packs");
    }
    packed.finish().expect("packs")
}

#[test]
fn an_answer_that_unpacks_to_far_more_than_is_allowed_costs_some_megabytes_and_is_a_failed_read() {
    on_a_system(async {
        let packed = bomb(128);
        assert!(packed.len() < 2 << 20, "{}", packed.len());
        let server = Stub::start(move |_| Say::All(ok("content-encoding: gzip\r\n", &packed))).await;
        let before = most_memory();
        let answer = answered(&server.url()).await;
        assert!(answer.unusable().is_some_and(|why| why.contains("larger than 8 MiB")) && answer.body.is_empty());
        let why = failed(namely(&server.url(), Duration::from_secs(10)).await);
        assert!(why.contains("larger than 8 MiB"), "{why}");
        assert!(most_memory() - before < 64, "{} MiB", most_memory() - before);
    });
}

#[test]
fn an_answer_without_end_is_left_where_it_becomes_too_large() {
    on_a_system(async {
        // Twice as much as is allowed, in chunks, and the headers say that it is short.
        let body = [b"1000\r\n".to_vec(), vec![b' '; 0x1000], b"\r\n".to_vec()].concat().repeat(LARGEST_PAGE / 0x800);
        let server = Stub::start(move |_| Say::All(ok("transfer-encoding: chunked\r\n", &body))).await;
        assert!(answered(&server.url()).await.unusable().is_some_and(|why| why.contains("larger than 8 MiB")));
    });
}

#[test]
fn an_answer_that_is_shorter_than_it_says_is_a_failed_read() {
    on_a_system(async {
        let server = Stub::start(|_| Say::All(ok("content-length: 50\r\n", b"[]"))).await;
        let reply = okta(&server.url(), Duration::from_secs(10)).send(&Request::get("/api/v1/users")).await;
        assert!(matches!(&reply, Reply::Lost(why) if why.contains("broke off")), "{reply:?}");
        let why = failed(namely(&server.url(), Duration::from_secs(10)).await);
        assert!(why.contains("broke off"), "{why}");
    });
}

#[test]
fn an_encoding_that_was_not_asked_for_is_a_failed_read() {
    on_a_system(async {
        for encoding in ["br", "deflate", "zstd", "gzip, gzip"] {
            let head = format!("content-encoding: {encoding}\r\n");
            let server = Stub::start(move |_| Say::All(ok(&head, b"[]"))).await;
            assert!(
                answered(&server.url()).await.unusable().is_some_and(|why| why.contains("not asked for")),
                "{encoding}"
            );
            let heads = server.heads.lock().expect("locks").clone();
            assert!(heads[0].to_ascii_lowercase().contains("accept-encoding: gzip\r\n"), "{heads:?}");
        }
    });
}

#[test]
fn a_body_that_trickles_for_ever_ends_with_the_timeout() {
    on_a_system(async {
        let server = Stub::start(|_| Say::Trickle(ok("content-length: 1000000\r\n", b"["))).await;
        let short = Duration::from_millis(300);
        let reply = okta(&server.url(), short).send(&Request::get("/api/v1/users")).await;
        assert!(matches!(&reply, Reply::Lost(_)), "{reply:?}");
        assert!(failed(namely(&server.url(), short).await).contains("timed out"));
    });
}

#[test]
fn a_redirect_is_never_followed() {
    on_a_system(async {
        let elsewhere = Stub::start(|_| Say::All(ok("", b"[]"))).await;
        let to = format!("HTTP/1.1 307 Moved\r\nlocation: {}/x\r\ncontent-length: 0\r\n\r\n", elsewhere.url());
        let server = Stub::start(move |_| Say::All(to.clone().into_bytes())).await;
        assert_eq!(answered(&server.url()).await.status, 307);
        assert!(matches!(
            namely(&server.url(), Duration::from_secs(10)).await,
            NamelyReply::Answered { status: 307, .. }
        ));
        assert_eq!(elsewhere.calls(), 0);
    });
}

#[test]
fn a_next_page_at_another_server_is_a_failed_read_and_never_gets_the_token() {
    on_a_system(async {
        let elsewhere = Stub::start(|_| Say::All(ok("", b"[]"))).await;
        let foreign = [
            format!("link: <{}/api/v1/users?after=1>; rel=\"next\"\r\n", elsewhere.url()),
            "link: <https://127.0.0.1/api/v1/users?after=1>; rel=\"next\"\r\n".into(),
            "link: </api/v1/groups?after=1>; rel=\"next\"\r\n".into(),
            "link: <oops; rel=\"next\"\r\n".into(),
        ];
        for head in foreign {
            let said = head.clone();
            let server = Stub::start(move |_| Say::All(ok(&said, b"[]"))).await;
            let answer = answered(&server.url()).await;
            assert!(answer.unusable().is_some() && answer.next.is_none(), "{head}: {answer:?}");
        }
        let here = "link: </api/v1/users?after=1>; rel=\"next\"\r\n";
        for (head, href) in [
            ("", format!("{}/api/v1/users?after=1", elsewhere.url())),
            (here, format!("{}/api/v1/users?after=1", elsewhere.url())),
            ("", "/api/v1/groups?after=1".into()),
            ("", "http://[oops".into()),
        ] {
            let body = serde_json::json!({ "value": [], "_links": { "next": { "href": href } } }).to_string();
            let server = Stub::start(move |_| Say::All(ok(head, body.as_bytes()))).await;
            let answer = answered(&server.url()).await;
            assert!(answer.unusable().is_some() && answer.next.is_none(), "{head}{href}: {answer:?}");
        }
        assert_eq!(elsewhere.calls(), 0);
    });
}

#[test]
fn an_org_is_read_to_its_end_however_its_address_is_spelled() {
    on_a_system(async {
        let mut rig = Rig::new(Setup::of(202));
        let url = rig.world.okta.url();
        rig.okta_url = Some(url.replace("127.0.0.1", "LOCALHOST"));
        let spelled = url.replace("127.0.0.1", "LocalHost");
        rig.world.okta.core().faults.add(Fault::always("GET", "/api/v1/users?", Kind::Next(Next::Origin(spelled))));
        rig.run().await;
        rig.until("both sides agree", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
        let accounts = rig.store().run(|c| Ok(c.query_row("SELECT count(*) FROM account", [], |row| row.get(0))?));
        let accounts: i64 = accounts.await.expect("reads");
        assert!(accounts >= 202, "{accounts}");
        assert_eq!(rig.effects(), Vec::<String>::new());
    });
}

/// Whatever a list of accounts leads to, the org is not read, nobody is written, and it says why until it can be read.
async fn never_the_end(kind: Kind, word: &str) {
    let mut rig = Rig::new(Setup::of(202));
    rig.world.okta.core().faults.add(Fault::always("GET", "/api/v1/users?limit", kind));
    rig.run().await;
    rig.until("the reason is told", async |rig| {
        rig.service().readiness.reasons().values().any(|why| why.contains(word))
    })
    .await;
    assert_eq!(rig.effects(), Vec::<String>::new(), "{word}");
    rig.world.okta.core().faults.clear();
    rig.until("it mends by itself", async |rig| rig.service().readiness.is_ready() && rig.backlog().await == 0).await;
    assert_eq!(rig.effects(), Vec::<String>::new(), "everybody had an account");
}

#[test]
fn a_list_that_goes_on_at_another_server_is_not_read_and_nobody_is_made_twice() {
    on_a_system(never_the_end(Kind::Next(Next::Origin("http://localhost:1".into())), "leads to another server"));
}

#[test]
fn a_list_that_leads_back_into_itself_is_not_read_and_nobody_is_made_twice() {
    on_a_system(never_the_end(Kind::Next(Next::First), "leads back to a page"));
}

#[test]
fn a_list_whose_next_page_cannot_be_read_is_not_read_and_nobody_is_made_twice() {
    on_a_system(never_the_end(Kind::Next(Next::Text("http://[oops".into())), "cannot be read"));
}

#[test]
fn a_proxy_is_used_if_the_configuration_names_it_and_never_to_this_machine() {
    on_a_system(async {
        let proxy = Stub::start(|_| Say::All(ok("", br#"{"profiles":[]}"#))).await;
        let named = Transport { timeout: Duration::from_secs(10), proxy: Some(proxy.url().parse().expect("a URL")) };
        let far = namely("http://acme.invalid", named.clone()).await;
        assert!(matches!(far, NamelyReply::Answered { status: 200, .. }), "{far:?}");
        assert!(proxy.heads.lock().expect("locks")[0].starts_with("GET http://acme.invalid/api/v1/profiles"));
        let here = Stub::start(|_| Say::All(ok("", br#"{"profiles":[]}"#))).await;
        for host in ["127.0.0.1", "localhost", "LOCALHOST"] {
            let url = format!("http://{host}:{}", here.address.port());
            assert!(matches!(namely(&url, named.clone()).await, NamelyReply::Answered { status: 200, .. }), "{url}");
        }
        assert_eq!((proxy.calls(), here.calls()), (1, 3));
    });
}

#[test]
fn proxies_of_the_environment_are_named_by_check_and_never_used() {
    on_a_system(async {
        let rig = Rig::new(Setup::of(3));
        let config = config_file(&rig.world, rig.folder.path());
        let proxy = Stub::start(|_| Say::All(ok("", b"{}"))).await;
        let url = proxy.url();
        let run = move |arguments: Vec<String>| {
            let mut command = program();
            for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
                command.env(name, &url);
            }
            command.env("NAMELY_OKTA_SYNC_TOKEN", "a-token-that-is-nobody's").args(arguments).output().expect("runs")
        };
        let at = config.display().to_string();
        let service = rig.world.okta.url();
        let outputs = tokio::task::spawn_blocking(move || {
            let check = run(vec!["check".into(), "--config".into(), at]);
            let status = run(vec!["status".into(), "--service".into(), service]);
            (check, status)
        });
        let (check, status) = outputs.await.expect("runs");
        let message = String::from_utf8_lossy(&check.stdout);
        assert!(check.status.success() && message.contains("HTTPS_PROXY, HTTP_PROXY"), "{message}");
        assert!(message.contains("is set and not used") && message.contains("http.proxy"), "{message}");
        assert!(!status.status.success(), "a simulator is no service");
        assert_eq!(proxy.calls(), 0);
    });
}
