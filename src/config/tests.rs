use super::*;

const GOOD: &str = r#"
[service]
store = "x.db"

[[namely]]
name = "acme"
url = "https://acme.namely.com/api/v1"
token = "env:NAMELY_TOKEN"
time_zone = "Europe/Berlin"

[[okta]]
name = "acme"
url = "https://acme.okta.com"
token = "env:OKTA_TOKEN"

[mapping.attributes]
nickName = "employee.preferred_name"
primaryPhone = false

[[mapping.groups]]
name = "everybody"
groups = ["Staff"]
"#;

fn parse(text: &str) -> Result<Config, Problems> {
    Config::parse(Path::new("conf/test.toml"), text, &|name| name.ends_with("TOKEN").then(|| "secret".into()))
}

fn problems(text: &str) -> Vec<String> {
    match parse(text) {
        Ok(_) => Vec::new(),
        Err(Problems(problems)) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_small_configuration_is_complete_by_its_defaults() {
    let config = parse(GOOD).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.service.runs, 64);
    assert_eq!(config.namely[0].pace, Pace::default());
    let names: Vec<&str> = config.rulebook.mapping.attribute_names().collect();
    assert!(
        names.contains(&"nickName") && names.contains(&"namelyId") && !names.contains(&"primaryPhone"),
        "{names:?}"
    );
}

#[test]
fn every_problem_is_told_at_once_with_its_place_and_what_to_do() {
    let text = GOOD
        .replace("store = \"x.db\"", "stor = \"x.db\"\nruns = 0")
        .replace("Europe/Berlin", "Berlin")
        .replace("token = \"env:OKTA_TOKEN\"", "token = \"00abc\"")
        .replace("https://acme.okta.com", "http://acme.okta.com")
        .replace("employee.preferred_name", "employee.nick")
        .replace("groups = [\"Staff\"]", "groups = \"Staff\"");
    let found = problems(&text);
    let has = |location: &str, word: &str| {
        assert!(found.iter().any(|p| p.contains(location) && p.contains(word)), "{location} {word} in {found:#?}");
    };
    has("conf/test.toml:3:1:", "did you mean store?");
    has("conf/test.toml:4:8:", "outside 1 to 1000");
    has(":10:", "not a zone");
    has(":14:7:", "okta[1].url: it would travel unencrypted to acme.okta.com; write an https URL");
    has(":15:", "a secret may not stand in this file");
    has(":18:12:", "employee has no field \"nick\"");
    has(":23:10:", "a list of texts is needed");
    assert!(found.iter().all(|p| !p.contains("00abc")), "a secret is never repeated: {found:#?}");
}

#[test]
fn a_file_that_is_not_toml_says_where() {
    let found = problems("[service\nstore = \"x\"\n");
    assert!(found.iter().any(|p| p.starts_with("conf/test.toml:1:") && p.contains("not TOML")), "{found:#?}");
}

#[test]
fn secrets_that_are_not_there_are_named_without_their_value() {
    let text = GOOD.replace("env:NAMELY_TOKEN", "env:NOT_THERE").replace("env:OKTA_TOKEN", "file:no/such/file");
    let found = problems(&text);
    assert!(found.iter().any(|p| p.contains("NOT_THERE is not set")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("conf/no/such/file")), "{found:#?}");
}

#[test]
fn a_store_is_a_file_or_a_database_whose_password_stands_elsewhere() {
    let with = |store: &str| GOOD.replacen("x.db", store, 1);
    let read = |store: &str, url: &'static str| {
        let environment = move |name: &str| match name {
            "STORE" => Some(url.to_owned()),
            name => name.ends_with("TOKEN").then(|| "secret".into()),
        };
        Config::parse(Path::new("conf/test.toml"), &with(store), &environment).map(|config| config.service.store)
    };
    let shown = |store: &str, url| read(store, url).unwrap_or_else(|e| panic!("{e}")).to_string();
    assert_eq!(shown("var/x.db", ""), "conf/var/x.db");
    assert_eq!(shown("postgres://sync@127.0.0.1/hr", ""), "postgres://sync@127.0.0.1:5432/hr");
    assert_eq!(shown("env:STORE", "postgres://sync:geheim@localhost/hr"), "postgres://sync@localhost:5432/hr");
    assert!(read("env:NOWHERE", "").expect_err("not there").to_string().contains("NOWHERE is not set"));
    for (store, url, why) in [
        ("postgres://sync:geheim@127.0.0.1/hr", "", "a password may not stand here"),
        ("env:STORE", "postgres://sync:geheim@db.acme.com/hr", "add ?sslmode=verify-full"),
        ("env:STORE", "sync.db", "write postgres://"),
    ] {
        let e = read(store, url).expect_err(why).to_string();
        assert!(e.contains(why), "{e}");
    }
}

#[test]
fn sensitive_fields_cannot_be_mapped() {
    let found = problems(&GOOD.replace("employee.preferred_name", "employee.custom.ssn"));
    assert!(found.iter().any(|p| p.contains("ssn is sensitive")), "{found:#?}");
}

#[test]
fn a_rule_that_would_own_every_group_is_refused() {
    let rule = "names = \"employee.department\"\nowns = \"*\"";
    let found = problems(&GOOD.replace("groups = [\"Staff\"]", rule));
    assert!(found.iter().any(|p| p.contains("every group of the org")), "{found:#?}");
}

#[test]
fn rules_are_told_apart_by_what_they_say_and_not_by_comments() {
    let rules = |text: &str| parse(text).unwrap_or_else(|e| panic!("{e}")).rules;
    assert_eq!(rules(GOOD), rules(&format!("# a comment\n{GOOD}")));
    assert_ne!(rules(GOOD), rules(&GOOD.replace("\"Staff\"", "\"Crew\"")));
}

#[test]
fn an_empty_file_says_what_is_missing() {
    let found = problems("");
    assert!(
        found.iter().any(|p| p.contains("[[namely]]")) && found.iter().any(|p| p.contains("[[okta]]")),
        "{found:#?}"
    );
}

#[test]
fn an_address_that_carries_a_secret_is_encrypted_or_of_this_machine() {
    let extra = r#"
[[audit.http]]
name = "siem"
url = "AUDIT"
[[notify]]
name = "soc"
kind = "webhook"
url = "env:HOOK"
[[notify]]
name = "it"
kind = "mail"
server = "env:MAIL"
from = "it@acme.com"
to = ["it@acme.com"]
"#;
    let good = ("https://acme.namely.com/api/v1", "https://Acme.okta.com", "https://siem.acme.com/x?y", "smtps://mail");
    let read = |namely: &str, okta: &str, audit: &str, hook: &str, mail: &str, more: &str| {
        let text = GOOD.replace("https://acme.namely.com/api/v1", namely).replace("https://acme.okta.com", okta);
        let text = format!("{text}{}{more}", extra.replace("AUDIT", audit));
        let read = Config::parse(Path::new("conf/test.toml"), &text, &|name| {
            Some(match name {
                "HOOK" => hook.to_owned(),
                "MAIL" => mail.to_owned(),
                _ => "secret".to_owned(),
            })
        });
        read.map_err(|problems| problems.to_string())
    };
    let config = read(good.0, good.1, good.2, good.2, good.3, "").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.okta[0].url, "https://acme.okta.com");
    for bad in [
        "http://acme.com",
        "http://127.0.0.1.evil.example",
        "http://localhost@evil.example",
        "https://user:hunter2@acme.com",
        "nonsense",
    ] {
        for (at, location) in [
            (0, "7:7: namely[1].url"),
            (1, "13:7: okta[1].url"),
            (2, "26:7: audit.http[1].url"),
            (3, "30:7: notify[1].url"),
        ] {
            let mut all = [good.0, good.1, good.2, good.2];
            all[at] = bad;
            let why = read(all[0], all[1], all[2], all[3], good.3, "").map(drop).expect_err(bad);
            assert!(why.contains(location) && !why.contains("hunter2"), "{bad} at {location}: {why}");
        }
    }
    let mail = |server: &str, more: &str| read(good.0, good.1, good.2, good.2, server, more).map(drop);
    assert_eq!(mail("smtp://127.0.0.1:25", ""), Ok(()));
    let why = mail("smtp://ann:hunter2@mail.acme.com", "").expect_err("readable");
    assert!(
        why.contains("34:10: notify[2].server") && why.contains("insecure_relay") && !why.contains("hunter2"),
        "{why}"
    );
    assert_eq!(mail("smtp://ann:hunter2@mail.acme.com", "insecure_relay = true\n"), Ok(()));
    assert!(
        read(good.0, "https://acme.okta.com/admin", good.2, good.2, good.3, "")
            .is_err_and(|why| why.contains("no path"))
    );
}

#[test]
fn a_token_that_no_request_can_carry_is_refused_at_the_start_and_not_shown() {
    let read = |namely: &str, okta: &str| {
        let (namely, okta) = (namely.to_owned(), okta.to_owned());
        let of = move |name: &str| Some(if name.contains("NAMELY") { namely.clone() } else { okta.clone() });
        Config::parse(Path::new("conf/test.toml"), GOOD, &of).map(drop).map_err(|e| e.to_string())
    };
    assert_eq!(read("good", "good"), Ok(()));
    let why = read("s3cret\nsecond line", "good").expect_err("no header value");
    assert!(why.contains("namely[1].token") && why.contains("no header can carry") && !why.contains("s3cret"), "{why}");
    let why = read("good", "s3cret\u{7f}").expect_err("no header value");
    assert!(why.contains("okta[1].token") && !why.contains("s3cret"), "{why}");
}

#[test]
fn a_proxy_is_a_bare_address_without_a_password() {
    let read = |proxy: &str| parse(&format!("{GOOD}\n[http]\nproxy = \"{proxy}\"\n"));
    let config = read("http://proxy.acme.com:3128").unwrap_or_else(|e| panic!("{e}"));
    assert!(config.okta[0].transport.proxy.is_some() && config.namely[0].transport.proxy.is_some());
    for bad in [
        "proxy.acme.com:3128",
        "http://ann:hunter2@proxy.acme.com",
        "http://proxy.acme.com/x",
        "socks5://proxy",
        "http://proxy:0",
    ] {
        let why = read(bad).map(drop).expect_err(bad).to_string();
        assert!(why.contains(":25:9: http.proxy") && !why.contains("hunter2"), "{bad}: {why}");
    }
}

#[test]
#[cfg(feature = "otel")]
fn traces_leave_this_machine_only_encrypted() {
    let message = |url: &str| problems(&format!("{GOOD}\n[telemetry]\ntraces = \"{url}\"\n")).join("; ");
    for (url, says) in [
        ("http://collector.example.com:4318", "unencrypted"),
        ("https://user:pw@collector.example.com", "no name and no password"),
        ("collector:4318", "no scheme"),
    ] {
        let found = message(url);
        assert!(found.contains("telemetry.traces") && found.contains(says), "{url}: {found}");
    }
    for url in ["http://127.0.0.1:4318", "https://collector.example.com/v1/traces"] {
        assert_eq!(message(url), "", "{url}");
    }
}

const OIDC: &str = r#"
[admin.oidc]
issuer = "https://acme.okta.com"
client_id = "0oa1"
client_secret = "env:OIDC_TOKEN"
"#;

fn with_oidc(more: &str) -> Result<Config, Problems> {
    let text = format!("{GOOD}{OIDC}{more}");
    let secret = |name: &str| name.ends_with("TOKEN").then(|| "a secret of more than 24 characters".into());
    Config::parse(Path::new("conf/test.toml"), &text, &secret)
}

#[test]
fn it_is_known_which_org_lets_people_into_the_console_and_what_its_groups_give() {
    let groups = "approver = [\"Sync Approvers\"]\nviewer = [\"IT\"]\nauditor = [\"Audit\"]\nhr = [\"People\"]\n";
    let config = with_oidc(&format!("[admin.oidc.roles]\n{groups}"));
    let config = config.unwrap_or_else(|e| panic!("{e}"));
    let provider = config.admin.console.provider.as_ref().expect("is there");
    assert_eq!((provider.org.as_deref(), provider.name.as_str()), (Some("acme"), "acme.okta.com"));
    let role = |groups: &[&str]| {
        let groups: Vec<String> = groups.iter().map(|name| (*name).to_owned()).collect();
        provider.role(&groups).map(Role::as_str)
    };
    assert_eq!(
        [role(&["IT", "Sync Approvers"]), role(&["People", "Audit"]), role(&["People"]), role(&["it"])],
        [Some("approver"), Some("auditor"), Some("hr"), None]
    );
    let sign_in = config.rulebook.safeguards.sign_in.as_ref().expect("is known");
    assert!(sign_in.org == "acme" && sign_in.approvers.contains("Sync Approvers"));
}

#[test]
fn a_provider_that_would_give_somebody_more_than_they_have_is_refused_with_what_to_write() {
    let said = |more: &str| match with_oidc(more) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    };
    let governed =
        "[[mapping.groups]]\nname = \"sync\"\nnames = \"['Sync ' + employee.job_title]\"\nowns = \"Sync *\"\n";
    let token = "[[admin.tokens]]\nname = \"ann\"\nrole = \"approver\"\ntoken = \"env:ANN_TOKEN\"\n";
    let both = said(&format!("[admin.oidc.roles]\napprover = [\"Sync Approvers\"]\n{governed}{token}"));
    assert!(both.contains("governs \"Sync Approvers\"") && both.contains("person = "), "{both}");
    let theirs = token.replace("role", "person = \"ann@acme.com\"\nrole");
    assert_eq!(said(&format!("[admin.oidc.roles]\napprover = [\"Sync Approvers\"]\n{theirs}")), "");
    let for_hr = "[admin.oidc.roles]\nhr = [\"Sync HR\"]\nauditor = [\"Sync Audit\"]\n";
    assert_eq!(said(&format!("{for_hr}{governed}")), "", "groups that decide nothing may be governed by a rule");
    assert!(said("").contains("nobody could sign in"));
    assert!(
        said("org = \"other\"\n[admin.oidc.roles]\nviewer = [\"IT\"]\n")
            .contains("no [[okta]] with the name \"other\"")
    );
}
