//! Every address of the configuration that carries a secret or names people is read by what it is, never by how it looks.

use namely_okta_sync::config::Config;
use namely_okta_sync::config::manual::entries;
use std::collections::BTreeSet;
use std::path::Path;

/// Keys that look like an address, and are one that something travels to.
const ADDRESSES: [(&str, &str); 7] = [
    (
        "namely.url",
        "[[namely]]\nname = \"acme\"\nurl = ADDRESS\ntoken = \"env:TOKEN\"\ntime_zone = \"America/New_York\"\n",
    ),
    ("okta.url", "[[okta]]\nname = \"main\"\nurl = ADDRESS\ntoken = \"env:TOKEN\"\n"),
    ("audit.http.url", "[[audit.http]]\nname = \"siem\"\nurl = ADDRESS\ntoken = \"env:TOKEN\"\n"),
    ("notify.url", "[[notify]]\nname = \"it\"\nkind = \"slack\"\nurl = \"env:ADDRESS\"\n"),
    ("notify.server", MAIL),
    (
        "admin.oidc.issuer",
        "[admin.oidc]\nissuer = ADDRESS\nclient_id = \"0oa1\"\nclient_secret = \"env:TOKEN\"\n[admin.oidc.roles]\nviewer = [\"IT\"]\n",
    ),
    ("telemetry.traces", "[telemetry]\ntraces = ADDRESS\n"),
];
const MAIL: &str = "[[notify]]\nname = \"hr\"\nkind = \"mail\"\nserver = \"env:ADDRESS\"\nfrom = \"a@acme.com\"\nto = [\"b@acme.com\"]\n";
/// Keys that look like one, and are not: where is listened, and what everything else is reached through.
const OTHERS: [&str; 2] = ["service.listen", "http.proxy"];

/// What a configuration with this address is refused with; nothing if it is taken.
fn refused(key: &str, address: &str) -> Option<String> {
    let (_, part) = ADDRESSES.iter().find(|(known, _)| *known == key).expect("a key");
    let good = [
        (
            "namely.url",
            "[[namely]]\nname = \"acme\"\nurl = \"https://acme.namely.com/api/v1\"\ntoken = \"env:TOKEN\"\ntime_zone = \"America/New_York\"\n",
        ),
        ("okta.url", "[[okta]]\nname = \"main\"\nurl = \"https://acme.okta.com\"\ntoken = \"env:TOKEN\"\n"),
    ];
    let rest: String = good.iter().filter(|(known, _)| *known != key).map(|(_, text)| *text).collect();
    let written = serde_json::to_string(address).expect("a string");
    let text = rest + &part.replace("\"env:ADDRESS\"", "\"env:WHERE\"").replace("ADDRESS", &written);
    let variable =
        |name: &str| Some(if name == "WHERE" { address } else { "a-secret-of-enough-characters-0123" }.to_owned());
    Config::parse(Path::new("test.toml"), &text, &variable).err().map(|problems| problems.to_string())
}

#[test]
fn no_key_that_holds_an_address_is_forgotten() {
    let seems_so = |key: &str, example: &str| {
        let last = key.rsplit('.').next().unwrap_or_default();
        let named = ["url", "server", "host", "endpoint", "address", "listen", "proxy", "traces", "receiver", "relay"];
        example.contains("://") || example.contains("_URL") || named.contains(&last)
    };
    let found: BTreeSet<String> = entries()
        .into_iter()
        .filter(|entry| seems_so(&entry.key, &entry.example.as_ref().map(ToString::to_string).unwrap_or_default()))
        .map(|entry| entry.key)
        .collect();
    let known: BTreeSet<String> = ADDRESSES.iter().map(|(key, _)| *key).chain(OTHERS).map(str::to_owned).collect();
    assert_eq!(found, known, "add a new one here, and read it with http::address");
}

#[test]
fn no_address_leads_where_anybody_can_listen_however_it_is_spelt() {
    let bad = [
        "HOST-WITHOUT-SCHEME",
        "http://evil.example",
        "HTTP://evil.example",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://localhost@evil.example",
        "http://127.0.0.1:80@evil.example",
        "http://localhost\\@evil.example",
        "https://user:hunter2@good.example",
        "https://user@good.example",
        "https://good.example#x",
        "https://good.example:0",
        "https://good.example:65536",
        "https://good .example",
        "https://good\n.example",
        "https:\\\\good.example",
        "https://good.example\t:8443",
        "https://",
        "http://[::1%25lo]:1",
        "http://[::2]",
        "http://[::ffff:10.0.0.1]",
        "http://0.0.0.0",
        "http://[::]",
        "http://2886729729",
        "http://0xac.16.1.1",
        "http://0300.0250.1.1",
        "http://128.0.0.1",
        "http://localhost..",
        "http://lоcalhost",
        "https://ехample.com",
        "ftp://good.example",
        "javascript:alert(1)",
        "file:///etc/passwd",
    ];
    let good = [
        "https://good.example",
        "HTTPS://GOOD.example:8443",
        "https://good.example.",
        "https://xn--e1afmkfd.example",
        "http://127.0.0.1:1",
        "http://LOCALHOST:1",
        "http://localhost.:1",
        "http://[::1]:1",
        "http://[::ffff:127.0.0.1]:1",
        "http://2130706433:1",
        "http://0x7f.1:1",
        "http://0177.0.0.1:1",
        "http://127.255.255.254:1",
    ];
    let mut wrong = Vec::new();
    for (key, _) in ADDRESSES.iter().filter(|(key, _)| *key != "notify.server") {
        if *key == "telemetry.traces" && !cfg!(feature = "otel") {
            continue; // refused whatever it is
        }
        for address in bad {
            match refused(key, address) {
                Some(why) if why.contains(key.rsplit('.').next().expect("a key")) && !why.contains("hunter2") => {}
                other => wrong.push(format!("{key} = {address}: {other:?}")),
            }
        }
        for address in good {
            if let Some(why) = refused(key, address) {
                wrong.push(format!("{key} = {address}: {why}"));
            }
        }
    }
    for (key, address) in [
        ("okta.url", "https://good.example/path"),
        ("okta.url", "https://good.example?x"),
        ("okta.url", "https://good.example?"),
        ("namely.url", "https://good.example/api?x"),
        ("namely.url", "https://good.example/api/../../x?"),
        ("notify.server", "smtp://good.example"),
        ("notify.server", "SMTP://good.example"),
        ("notify.server", "smtp://user:hunter2@127.0.0.1"),
        ("notify.server", "smtp://2130706434"),
        ("notify.server", "smtp://127.0.0.1.evil.example"),
        ("notify.server", "smtp://localhost@evil.example"),
        ("notify.server", "smtps://good.example:0"),
        ("notify.server", "smtps://good.example/path"),
        ("notify.server", "smtp://good.example?TLS=required"),
        ("notify.server", "smtp://good.example?tls=required&tls=none"),
        ("notify.server", "http://good.example"),
    ] {
        match refused(key, address) {
            Some(why) if !why.contains("hunter2") => {}
            other => wrong.push(format!("{key} = {address}: {other:?}")),
        }
    }
    for address in ["smtps://good.example", "smtp://good.example?tls=required", "smtp://[::1]:25", "smtp://127.0.0.1"] {
        if let Some(why) = refused("notify.server", address) {
            wrong.push(format!("notify.server = {address}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
