//! What means nothing is refused where it is asked for, in words that say what to do; over HTTP and on the command line alike.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::rig::{Rig, Setup, on_a_system};
use crate::decisions::Api;
use namely_okta_sync::admin::routes::{Kind, ROUTES, Route};
use serde_json::{Map, Value, json};

/// The program beside the service: its exit code and what it says.
async fn cli(rig: &Rig, args: &[&str]) -> (Option<i32>, String) {
    let config = config_file(&rig.world, rig.folder.path());
    let args: Vec<String> = args.iter().map(|arg| (*arg).to_owned()).collect();
    let run = move || {
        let output = program().env("USER", "Ann").args(args).arg("--config").arg(config).output().expect("runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    tokio::task::spawn_blocking(run).await.expect("runs")
}

/// A body in which everything says something.
fn full(route: &Route) -> Map<String, Value> {
    let value = |kind: Kind| match kind {
        Kind::Text | Kind::Document => json!("something"),
        Kind::Flag => json!(true),
        Kind::Number => json!(1),
        Kind::Numbers => json!([1]),
        Kind::Texts => json!(["something"]),
        Kind::People => json!([{ "target": 1, "basis": "x", "changes": {} }]),
    };
    route.body.iter().map(|field| (field.name.to_owned(), value(field.kind))).collect()
}

#[test]
fn no_route_takes_a_text_that_says_nothing_or_a_list_of_nobody() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(5)).await;
        let api = Api::of(&rig);
        let (mut tried, mut taken) = (0, Vec::new());
        for route in ROUTES {
            let path = route.path.replace("{org}", "sandbox").replace("{person}", "nobody").replace("{id}", "1");
            for field in route.body {
                let nothing = match field.kind {
                    Kind::Text | Kind::Document => {
                        vec![json!(""), json!("  \t"), json!("\u{200b}\u{feff}"), Value::Null]
                    }
                    Kind::Flag => vec![json!("yes"), Value::Null],
                    Kind::Number => vec![json!(1.5), json!("1"), json!(u64::MAX), Value::Null],
                    Kind::Numbers => vec![json!([]), json!([1.0]), json!([u64::MAX]), json!([null]), Value::Null],
                    Kind::Texts => vec![json!([]), json!([""]), json!(["\u{200b}"]), json!("x"), Value::Null],
                    Kind::People => vec![json!([]), json!([1]), json!({}), Value::Null],
                };
                for value in nothing {
                    let mut body = full(route);
                    body.insert(field.name.to_owned(), value.clone());
                    let (status, message) = api.ask("ann", route.method, &path, body.into()).await;
                    let message = message["error"].as_str().unwrap_or_default();
                    if status != 400 || !message.starts_with(field.name) {
                        taken
                            .push(format!("{} {path} with {} = {value}: {status} {message}", route.method, field.name));
                    }
                    tried += 1;
                }
            }
            for field in route.query.iter().filter(|field| field.kind == Kind::Text) {
                let (status, message) = api.ask("ann", "GET", &format!("{path}?{}=%20", field.name), Value::Null).await;
                let message = message["error"].as_str().unwrap_or_default();
                if status != 400 || !message.starts_with(field.name) {
                    taken.push(format!("{path}?{}=%20: {status} {message}", field.name));
                }
                tried += 1;
            }
        }
        assert!(tried > 100 && taken.is_empty(), "of {tried}:\n{}", taken.join("\n"));
        let (_, paused) = api.ask("ann", "GET", "/pauses", Value::Null).await;
        assert_eq!(paused["pauses"], json!([]), "nothing was paused");
    });
}

#[test]
fn what_is_about_nothing_is_refused_over_http_and_by_the_command_line_and_a_word_is_enough_to_pause() {
    on_a_system(async {
        let rig = Rig::settled(Setup::of(12)).await;
        let api = Api::of(&rig);
        let (known, email) = (rig.setup.people[3].id.clone(), rig.setup.people[3].email.clone());
        let first = rig.store().run(|c| Ok(c.query_row("SELECT min(target) FROM link", [], |r| r.get::<i64>(0))?));
        let target = first.await.expect("reads");
        let get = |path: &str| ("GET", path.to_owned(), Value::Null);
        let post = |path: &str, body: Value| ("POST", path.to_owned(), body);
        let mut wrong = Vec::new();
        let person = json!({ "target": target, "basis": "x", "changes": {} });
        let plan = |people: Value| json!({ "plan": "x", "rules": "x", "people": people });
        for ((method, path, body), wanted, words) in [
            (get("/links?person=nobody"), 404, "nobody is called \"nobody\""),
            (get("/links?org=sandbox&person=nobody"), 404, "nobody is called \"nobody\""),
            (get("/links?org=sandbox&org=sandbox"), 400, "org is given more than once"),
            (get("/undo"), 400, "say what to take back"),
            (get("/undo?to=2026-05-04T06:00:00Z"), 400, "say what to take back"),
            (get("/undo?org=sandbox"), 400, "say what to take back"),
            (get("/undo?run=4711"), 404, "there is no run 4711"),
            (get("/undo?run=-1"), 404, "there is no run -1"),
            (get("/undo?rows=999999"), 404, "there is no row 999999"),
            (get("/undo?rows=1,999999"), 404, "there is no row 999999"),
            (get("/undo?rows=1,"), 400, "is no number"),
            (get("/undo?rows=1"), 404, "nothing to take back"),
            (get("/undo?from=9000-01-01T00:00:00Z"), 404, "nothing to take back"),
            (get("/undo?from=2026-05-04T06:00:00Z&to=2026-05-04T06:00:00Z"), 400, "from must lie before to"),
            (post("/undo", json!({ "code": "x", "rows": [1, 999_999] })), 404, "there is no row 999999"),
            (post("/undo", json!({ "code": "x", "run": 4711 })), 404, "there is no run 4711"),
            (post("/undo", json!({ "code": "x", "org": "sandbox" })), 400, "say what to take back"),
            (post("/undo/release", json!({})), 400, "say of whom"),
            (post("/undo/release", json!({ "org": "sandbox" })), 400, "say of whom"),
            (post("/undo/release", json!({ "targets": [target] })), 400, "say of whom"),
            (post("/undo/release", json!({ "org": "sandbox", "targets": [target] })), 404, "nothing is pinned"),
            (post("/undo/release", json!({ "person": email })), 404, "nothing is pinned"),
            (post("/undo/release", json!({ "person": email, "targets": [target] })), 400, "not both"),
            (post("/fix", json!({ "org": "sandbox", "targets": [target, 999_999] })), 404, "no target 999999"),
            (post("/fix", json!({ "org": "sandbox", "targets": [-1] })), 404, "no target -1"),
            (post("/plans/approve", plan(json!([person, person]))), 400, "more than once"),
            (
                post("/plans/approve", plan(json!([{ "target": 1.5, "basis": "x", "changes": {} }]))),
                400,
                "cannot be read",
            ),
            (post("/orgs/sandbox/adopt", json!({ "code": "x" })), 409, "was accepted already"),
            (post("/pause", json!({ "why": "..." })), 400, "why says nothing"),
            (get("/holds/+7"), 400, "is not a number"),
            (get("/holds/99999999999999999999"), 404, "there is no hold 99999999999999999999"),
            (get("/reviews/-1"), 404, "there is no review -1"),
            (get("/people/%20"), 404, "nobody is called"),
        ] {
            let (status, message) = api.ask("ann", method, &path, body.clone()).await;
            let message = message["error"].as_str().unwrap_or_default();
            let begins_small = message.chars().next().is_some_and(|first| !first.is_uppercase());
            if status != wanted || !message.contains(words) || !begins_small || message.ends_with('.') {
                wrong.push(format!("{method} {path} {body}: {status} {message}; not {wanted} {words}"));
            }
        }
        let asked = rig.store().run(|c| Ok(c.query_row("SELECT count(*) FROM request", [], |r| r.get::<i64>(0))?));
        assert_eq!(asked.await.expect("reads"), 0, "nothing of it was asked for");

        // The same on the command line.
        for (args, wanted, words) in [
            (&["links", "list", "--person", "nobody"][..], 1, "nobody is called"),
            (&["links", "show", "nobody"], 1, "links list"),
            (&["links", "split", &known, "x", "--why", " "], 64, "why says nothing"),
            (&["undo"], 64, "say what to take back"),
            (&["undo", "--run", "4711"], 1, "there is no run 4711"),
            (&["undo", "--row", "1", "--row", "999999"], 1, "there is no row 999999"),
            (&["undo", "--from", "2026-05-04", "--to", "2026-05-03"], 64, "from must lie before to"),
            (&["undo", "--from", "yesterday"], 64, "how long ago"),
            (&["undo", "--release"], 64, "say of whom"),
            (&["undo", "--release", "--person", &email], 1, "nothing is pinned"),
            (&["undo", "--release", "--person", &email, "--run", "3"], 64, "cannot be used with"),
            (&["pause", "--why", ""], 64, "why says nothing"),
            (&["pause", "--why", "\u{200b}"], 64, "why says nothing"),
            (&["pause", "--why", "x", "--change", "everything"], 64, "not a kind of change"),
            (&["pause", "--why", "x", "--org", "elsewhere"], 1, "there is no org \"elsewhere\""),
            (&["resume", "4711"], 1, "nothing to resume"),
            (&["holds", "show", "4711"], 1, "there is no hold 4711"),
            (&["holds", "approve", "4711", ""], 64, "code says nothing"),
            (&["holds", "show", "seven"], 64, "invalid value"),
            (&["review", "accept", "4711", "x"], 1, "not in the queue"),
            (&["quarantine", "retry"], 64, "a person, or --all"),
            (&["quarantine", "retry", "nobody"], 1, "nobody is called"),
            (&["explain", "nobody"], 1, "nobody is called"),
            (&["timeline", "nobody"], 1, "nobody is called"),
            (&["timeline", &email, "--org", "elsewhere"], 1, "there is no org \"elsewhere\""),
            (&["plan", "--person", "nobody"], 1, "nobody is called"),
            (&["plan", "--org", "elsewhere"], 1, "there is no org \"elsewhere\""),
            (&["plan", "--since", "yesterday"], 64, "how long ago"),
            (&["plan", "--since", "2h", "--everybody"], 64, "do not go together"),
            (&["plan", "--valid", "never"], 64, "length of time"),
            (&["reconcile", "--org", "elsewhere"], 1, "there is no org \"elsewhere\""),
            (&["audit", "list", "--person", "nobody"], 1, "nobody is called"),
            (&["audit", "list", "--kind", "nonsense"], 64, "\"nonsense\" is no kind of row"),
            (&["audit", "list", "--run", "4711"], 1, "there is no run 4711"),
            (&["audit", "list", "--since", "1h", "--until", "2h"], 64, "--since must lie before --until"),
            (&["audit", "list", "--limit", "0"], 64, "invalid value"),
            (&["audit", "prune", "--before", "yesterday"], 64, "how long ago"),
            (&["evidence", "--from", "1h", "--to", "2h", "-o", "pack"], 64, "--from must lie before --to"),
            (&["adopt", "--accept", "sandbox", "--code", "x"], 1, "was accepted already"),
            (&["mapping", "test", "nobody"], 1, "nobody is called"),
            (&["nonsense"], 64, "unrecognized subcommand"),
        ] {
            let (code, said) = cli(&rig, args).await;
            if code != Some(wanted) || !said.contains(words) || said.contains("panicked") {
                wrong.push(format!("{args:?}: {code:?} {said}; not {wanted} {words}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        // Nothing disagrees: there is nobody to mend, and nothing is asked for.
        let (code, said) = cli(&rig, &["reconcile", "--fix", "--by", "Ann"]).await;
        assert!(code == Some(0) && said.contains("nobody is to be mended"), "{code:?} {said}");

        // One word is a reason; so it is in any script.
        for why in ["stop", "停", "!1"] {
            let (status, message) = api.ask("ann", "POST", "/pause", json!({ "why": why })).await;
            assert_eq!((status, &message["why"]), (200, &json!(why)), "{message}");
        }
        let (code, said) = cli(&rig, &["pause", "--why", "stop"]).await;
        assert!(code == Some(0) && said.contains("is stopped from now on"), "{said}");
    });
}
