//! Secrets are exchanged by a reload, in everything that uses them, and whoever verifies the audit can follow its key.

use crate::common::config::config_file;
use crate::common::program::program;
use crate::common::receiver::Receiver;
use crate::common::rig::{Rig, Setup, comes_true, on_a_system};
use crate::common::running::Running;
use crate::common::store::dirty;
use namely_okta_sync::audit::SigningKey;
use namely_okta_sync::domain::hex;
use namely_okta_sync::sandbox::population::Status as Hired;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const HOOK: [&str; 2] = ["hook-secret-of-before-0123456789", "hook-secret-of-now-0123456789abcd"];
const SIEM: [&str; 2] = ["siem-token-of-before-0123456789", "siem-token-of-now-0123456789abcd"];
const CHANNEL: [&str; 2] = ["channel-secret-of-before-0123456789", "channel-secret-of-now-0123456789abc"];

fn signed(secret: &str, message: &[u8]) -> String {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, secret.as_bytes());
    format!("sha256={}", hex(aws_lc_rs::hmac::sign(&key, message).as_ref()))
}

/// Whether something comes true; says what is in the log if it does not.
async fn until(what: &str, log: &Path, holds: impl AsyncFn() -> bool) {
    let so = comes_true(holds).await;
    assert!(so, "waited in vain until {what}\n{}", std::fs::read_to_string(log).unwrap_or_default());
}

fn cli(config: &Path, args: &[&str]) -> (i32, String) {
    let output = program().args(args).arg("--config").arg(config).output().expect("runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout) + &text(&output.stderr))
}

#[test]
fn the_secrets_of_a_channel_the_hook_a_receiver_and_the_signing_key_are_taken_by_a_reload_and_the_audit_is_vouched_for()
{
    on_a_system(async {
        let rig = Rig::new(Setup::of(12));
        let (siem, channel, folder) = (Receiver::default(), Receiver::default(), rig.folder.path().to_owned());
        let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).expect("writes");
        let keys = [(); 2].map(|()| SigningKey::generate().expect("a key"));
        let rotate = |n: usize| {
            write("hook", HOOK[n]);
            write("siem", SIEM[n]);
            write("channel", CHANNEL[n]);
            write("audit-key.pem", &keys[n].1);
        };
        rotate(0);
        write("channel-url", &channel.start());
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a port");
        let config = config_file(&rig.world, &folder);
        let text = std::fs::read_to_string(&config).expect("reads");
        let text = text.replace("127.0.0.1:0", &free.to_string()).replacen(
            "[audit]\n",
            "[audit]\ncheckpoint = \"1s\"\nsigning_key = \"file:audit-key.pem\"\n",
            1,
        );
        let more = format!(
            "\n[admin]\nhook_secret = \"file:hook\"\n[[audit.http]]\nname = \"siem\"\nurl = \"{}\"\ntoken = \"file:siem\"\n\
             [[notify]]\nname = \"it\"\nkind = \"webhook\"\nurl = \"file:channel-url\"\nsecret = \"file:channel\"\nevery = \"1s\"\n\
             events = [\"leaver_done\"]\n",
            siem.start()
        );
        std::fs::write(&config, text + &more).expect("writes");
        let log = folder.join("log");
        let service = Running::service(&config, &log, None);
        let store = folder.join("store.db");
        until("everybody is compared", &log, async || dirty(&store) == Some((0, 0))).await;
        let authorised = || siem.authorised.lock().expect("locks").last().cloned().unwrap_or_default();
        until("rows are delivered", &log, async || authorised().ends_with(SIEM[0])).await;
        let seals = || {
            let text = std::fs::read_to_string(folder.join("audit-checkpoints.jsonl")).unwrap_or_default();
            let keys = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            keys.map(|line| line["key"].as_str().unwrap_or_default().to_owned()).collect::<Vec<_>>()
        };
        until("the audit is sealed", &log, async || !seals().is_empty()).await;

        rotate(1);
        assert!(Command::new("kill").args(["-HUP", &service.0.id().to_string()]).status().expect("kill").success());
        let names = ["admin.hook_secret", "audit.http[siem].token", "notify[it].secret", "audit.signing_key"];
        until("it says what was exchanged", &log, async || {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            names.iter().all(|name| said.contains(&format!("{name} (contents)")))
        })
        .await;
        let client = reqwest::Client::new();
        let hook = async |secret: &str| {
            #[expect(clippy::disallowed_methods, reason = "the program runs on the clock of this machine")]
            let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a time").as_secs();
            let body = json!({ "tenant": "sandbox", "profile": rig.setup.people[0].id }).to_string();
            let message = format!("{time}.{body}");
            let post = client.post(format!("http://{free}/hooks/poll")).header("x-timestamp", time);
            let post = post.header("x-signature-256", signed(secret, message.as_bytes())).body(body);
            post.send().await.expect("answers").status().as_u16()
        };
        assert_eq!(
            (hook(HOOK[0]).await, hook(HOOK[1]).await),
            (401, 200),
            "the hook is believed by the new secret alone"
        );
        let who = rig.setup.people.iter().position(|person| person.status == Hired::Active).expect("somebody");
        rig.edit(who, |person| person.status = Hired::Inactive);
        until("somebody hears of the leaver", &log, async || !channel.bodies().is_empty()).await;
        let (body, signature) = (channel.bodies(), channel.signatures.lock().expect("locks").clone());
        assert_eq!(signature.last(), Some(&signed(CHANNEL[1], body.last().expect("a body").as_bytes())));
        until("rows are delivered with the new token", &log, async || authorised().ends_with(SIEM[1])).await;
        let [old, new] = [keys[0].0.public(), keys[1].0.public()];
        until("the new key seals", &log, async || seals().last() == Some(&new)).await;
        let handed_over = seals();
        assert!(handed_over.contains(&old), "{handed_over:?}");

        // Whoever knows one of the two keys follows it to the other.
        let (code, text) = cli(&config, &["audit", "verify"]);
        assert!(code == 0 && text.contains(&format!("signed by {new}")), "{text}");
        let (code, text) = cli(&config, &["audit", "verify", "--key", &old]);
        assert_eq!(code, 0, "{text}");
        let (code, text) =
            cli(&config, &["audit", "verify", "--key", &SigningKey::generate().expect("a key").0.public()]);
        assert!(code == 4 && text.contains("not signed by the key"), "{text}");
        let pack = folder.join("pack");
        let (code, text) = cli(&config, &["evidence", "--from", "1d", "-o", &pack.display().to_string()]);
        assert_eq!(code, 0, "{text}");
        let output = Command::new("python3").arg(pack.join("verify.py")).arg(&new).output().expect("runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        let audited = std::fs::read_to_string(folder.join("audit.jsonl")).expect("rows");
        assert!(audited.contains(&old) && audited.contains(&new), "the audit names both keys");
        for secret in [HOOK, SIEM, CHANNEL].into_iter().flatten() {
            assert!(!audited.contains(secret), "the values of secrets are nowhere");
        }
    });
}
