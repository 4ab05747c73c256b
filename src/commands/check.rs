//! `check`: is the configuration sound, and do both sides answer as it needs?

use super::admin_roles::{Given, grant_findings, list_finding};
use super::approvers;
use super::finding::{self, Finding, all, bad, good, warning};
use super::permissions::role_finding;
use super::place::ConfigFile;
use super::places::places;
use super::table::{columns, wrapped};
use crate::actors::poller::read_catalogue;
use crate::clock::Clock;
use crate::config::{self, Config, NamelyTenant, OktaOrg};
use crate::domain::Rulebook;
use crate::domain::account::group_rule::OktaRule;
use crate::domain::mapping::desired::Mapping;
use crate::domain::mapping::rules::AppRule;
use crate::domain::{Directory, Group};
use crate::http::{address, ignored_proxies};
use crate::namely::client::Reply as NamelyReply;
use crate::namely::wire::ProfilesPage;
use crate::namely::{NamelyClient, Reader};
use crate::notify::channel::Kind;
use crate::okta::OktaClient;
use crate::okta::auth::{Credentials, NoToken};
use crate::okta::schema::{misfits, unfit};
use crate::okta::wire::{GroupObject, GroupRule};
use crate::store::{Location, Store, StoreError, ambiguous_anchors, population, renamed_in, unconfigured};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;

/// Flags of `check`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// The configuration that is checked
    #[command(flatten)]
    pub config: ConfigFile,
    /// Check the file only: call nobody, and need no secret
    #[arg(long)]
    pub offline: bool,
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// Where on a line it begins what was found.
const INDENT: usize = 34;

/// Checks; the exit code is 1 if anything is wrong.
pub async fn check(options: Options) -> anyhow::Result<ExitCode> {
    let mut findings = Vec::new();
    let file = options.config.path()?;
    // Whoever calls nobody needs no secret.
    let loaded = if options.offline { Config::without_secrets(&file) } else { Config::load(&file) };
    match loaded {
        Err(problems) => findings.extend(problems.0.iter().map(|p| bad("configuration", p.to_string()))),
        Ok(config) => {
            findings.push(good("configuration", format!("{} is sound", file.display())));
            findings.extend(store_findings(&config.service.store, config.audit.sealing.is_named, options.offline));
            if config.service.store.file().is_some() || !options.offline {
                findings.extend(anchors(&config));
                findings.extend(not_configured(&config));
            }
            findings.extend(places(&config));
            findings.push(approvers::number_finding(&config));
            findings.extend(network_findings(&config, &|name| std::env::var(name).ok()));
            findings.extend(config.exposed_secrets(&file).into_iter().map(|why| warning("secrets", why)));
            if !options.offline {
                for tenant in &config.namely {
                    findings.extend(probe_namely(tenant, &config.rulebook).await);
                }
                for org in &config.okta {
                    findings.extend(probe_okta(org, &config).await);
                }
            }
        }
    }
    let sound = findings.iter().all(|f| f.ok);
    if options.json {
        println!("{}", serde_json::to_string_pretty(&serde_json::json!({ "ok": sound, "findings": findings }))?);
    } else {
        for finding in &findings {
            let word = match (finding.ok, finding.warning) {
                (false, _) => "BAD ",
                (true, true) => "WARN",
                (true, false) => "ok  ",
            };
            let line = format!("{word} {:<28} {}", finding.what, finding.found);
            println!("{}", columns().map_or_else(|| line.clone(), |columns| wrapped(&line, columns, INDENT)));
        }
    }
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Of a store in a database: how its server is known, and whether it can be reached. Of a file its folder says all.
fn store_findings(store: &Location, has_key: bool, offline: bool) -> Vec<Finding> {
    let Location::Server(address) = store else { return Vec::new() };
    let what = "store";
    let mut findings = match address.check() {
        Err(why) => vec![bad(what, why)],
        Ok(Some(remark)) => vec![warning(what, format!("{store}: {remark}"))],
        Ok(None) => Vec::new(),
    };
    if !has_key {
        let remark = "no audit.signing_key: each node would seal the audit with a key of its own, so name one before a second node stands by";
        findings.push(warning(what, remark));
    }
    if !offline {
        findings.push(match Store::reader(store) {
            Ok(_) => good(what, format!("{store} can be read")),
            Err(StoreError::NotThere(why)) => good(what, format!("{why}; `run` makes one")),
            Err(e) => bad(what, e.to_string()),
        });
    }
    findings
}

/// Whether one account can be told from another by its anchor, as far as the service has read Okta.
fn anchors(config: &Config) -> Option<Finding> {
    let store = &config.service.store;
    let what = "anchors of accounts";
    if store.file().is_some_and(|file| !file.exists()) {
        return None;
    }
    let found = Store::reader(store).and_then(|c| ambiguous_anchors(&c));
    Some(match found {
        Ok(found) if found.is_empty() => good(what, "no two accounts carry the same one"),
        Ok(found) => bad(what, format!("{}; clear it in Okta on those that are not theirs", found.join("; "))),
        Err(e) => good(what, format!("not looked at: {e}")),
    })
}

/// Orgs and tenants that the store knows people of, and that the configuration does not have.
fn not_configured(config: &Config) -> Vec<Finding> {
    let store = &config.service.store;
    if store.file().is_some_and(|file| !file.exists()) {
        return Vec::new();
    }
    let found = Store::reader(store)
        .and_then(|c| Ok((renamed_in(&c, &config.addresses())?, unconfigured(&c, &config.rulebook)?)));
    match found {
        Ok((Some(why), _)) => vec![bad("names", why)],
        Ok((None, found)) => found.iter().map(|one| bad(&one.name, one.message())).collect(),
        Err(e) => vec![good("what is not configured", format!("not looked at: {e}"))],
    }
}

/// What should be known about the ways out of this machine.
fn network_findings(config: &Config, environment: &dyn Fn(&str) -> Option<String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(proxy) = &config.http.proxy {
        findings.push(good("proxy", format!("{} is used, but not to this machine", address::shown(proxy))));
    }
    let ignored = ignored_proxies(environment);
    if !ignored.is_empty() {
        let advice = match config.http.proxy {
            None => "; if Okta is reached through a proxy only, name it as http.proxy",
            Some(_) => "",
        };
        let set = ignored.join(", ");
        findings.push(good("proxy", format!("{set} of the environment is set and not used{advice}")));
    }
    for channel in &config.notify {
        if let Kind::Mail { readable: true, .. } = channel.kind {
            let message = "mail with names of people travels unencrypted to its server (insecure_relay = true)";
            findings.push(good(&format!("notify {}", channel.name), message));
        }
    }
    findings
}

async fn probe_namely(tenant: &NamelyTenant, rulebook: &Rulebook) -> Vec<Finding> {
    let what = |part: &str| format!("namely {} {part}", tenant.name);
    let client = match NamelyClient::new(&tenant.url, tenant.token.clone(), tenant.transport.clone()) {
        Ok(client) => client,
        Err(e) => return vec![bad(&what("client"), e.to_string())],
    };
    let token = what("token");
    let page = match client.get("/profiles?page=1&per_page=50").await {
        NamelyReply::Answered { status: 200, body, .. } => ProfilesPage::read(&body).map_err(|e| e.to_string()),
        NamelyReply::Answered { status: status @ (401 | 403), .. } => Err(format!(
            "HTTP {status}: Namely refuses the token; make one as an administrator whose own profile stays active"
        )),
        NamelyReply::Answered { status, .. } => {
            Err(format!("HTTP {status} on {}/profiles; is the url right?", tenant.url))
        }
        NamelyReply::Failed(why) => Err(format!("{why}; is the url {} right?", tenant.url)),
    };
    let page = match page {
        Ok(page) => page,
        Err(why) => return vec![bad(&token, why)],
    };
    let mut findings = vec![good(&token, format!("accepted; {} profiles", page.total_count.unwrap_or(0)))];
    let (wanted, made) = (tenant.pace.hot_interval, tenant.pace.between_passes());
    if made > wanted {
        let why = format!(
            "hot_interval asks for a pass every {wanted:?}; with {} requests a minute there is one every {made:?}, so that walks go on",
            tenant.pace.per_minute
        );
        findings.push(warning(&what("poll"), why));
    }
    let reader = Reader::new(&rulebook.reads());
    let invisible = reader.invisible_keys(&page.profiles);
    let keys = what("mapped fields");
    findings.push(match (page.profiles.is_empty(), invisible.as_slice()) {
        (true, _) => good(&keys, "nobody there yet to look at"),
        (_, []) => good(&keys, format!("all {} are visible", reader.required().len())),
        (_, hidden) => bad(
            &keys,
            format!(
                "the token does not see {}; give its owner the permission, or take the field out of the mapping",
                hidden.join(", ")
            ),
        ),
    });
    let known = client.get("/profiles/fields").await;
    findings.extend(custom_finding(&what("custom fields"), &rulebook.reads().custom, known));
    let groups = what("groups");
    findings.push(match read_catalogue(&client, &tenant.group_types).await {
        Err(why) => bad(&groups, why),
        Ok(catalogue) => match catalogue.counts() {
            (0, ..) if reader.required().contains("links") => bad(
                &groups,
                "no group type is called as in namely.departments; name the type of your departments there",
            ),
            (departments, offices, others) => {
                good(&groups, format!("{departments} departments, {offices} offices, {others} others"))
            }
        },
    });
    findings
}

/// Whether the custom fields that the mapping reads are in Namely's catalogue.
fn custom_finding(what: &str, custom: &BTreeSet<String>, catalogue: NamelyReply) -> Option<Finding> {
    let body = match catalogue {
        _ if custom.is_empty() => return None,
        NamelyReply::Answered { status: 200, body, .. } => body,
        NamelyReply::Answered { status, .. } => return Some(bad(what, format!("HTTP {status} on /profiles/fields"))),
        NamelyReply::Failed(why) => return Some(bad(what, why)),
    };
    let fields: Value = serde_json::from_slice(&body).unwrap_or_default();
    let known: Vec<&str> =
        fields["fields"].as_array().into_iter().flatten().filter_map(|f| f["name"].as_str()).collect();
    let unknown: Vec<&str> = custom.iter().map(String::as_str).filter(|name| !known.contains(name)).collect();
    Some(match unknown.as_slice() {
        [] if custom.len() == 1 => good(what, "the one that is mapped is in Namely's catalogue"),
        [] => good(what, format!("all {} are in Namely's catalogue", custom.len())),
        unknown => bad(
            what,
            format!("Namely's catalogue has no field {}; correct the name, it is not the label", unknown.join(", ")),
        ),
    })
}

async fn probe_okta(org: &OktaOrg, config: &Config) -> Vec<Finding> {
    let rulebook: &Rulebook = &config.rulebook;
    let what = |part: &str| format!("okta {} {part}", org.name);
    let mapping = &rulebook.mapping;
    let scopes = config::scopes(rulebook, &org.name);
    let credentials = config::with_scopes((*org.credentials.current()).clone(), &scopes);
    let client = match OktaClient::new(&org.url, credentials, &Clock::system(), org.transport.clone()) {
        Ok(client) => client,
        Err(why) => return vec![bad(&what("client"), why.to_string())],
    };
    let mut findings = Vec::new();
    if matches!(*org.credentials.current(), Credentials::ServiceApp(_)) {
        let (name, missing) = (what("scopes"), missing_scopes(&client, &scopes).await);
        if missing.is_err() || missing.as_ref().is_ok_and(|missing| !missing.is_empty()) {
            return vec![scope_finding(&name, missing)];
        }
        findings.push(scope_finding(&name, missing));
    }
    let get = async |target: &str| finding::get(&client, target).await;
    match get("/api/v1/users?limit=1").await {
        Ok(_) => findings.push(good(&what("token"), "accepted, may read users")),
        Err(why) => {
            return vec![bad(&what("token"), format!("{why}; is {} an Okta org, and the token alive?", org.url))];
        }
    }
    let permissions = what("permissions");
    findings.push(role_finding(&permissions, &client, &org.credentials.current(), rulebook, &org.name).await);
    match get("/api/v1/meta/schemas/user/default").await {
        Ok(schema) => {
            findings.push(schema_finding(&what("user schema"), &misfits(&schema, rulebook), mapping));
            findings.extend(values_finding(&what("values"), &schema, org, config));
        }
        Err(why) => findings.push(bad(&what("user schema"), why)),
    }
    if !mapping.app_rules().is_empty() {
        findings.extend(match all(&client, "/api/v1/apps?limit=200").await {
            Ok(apps) => app_findings(&what("apps"), &apps, mapping),
            Err(why) => vec![bad(&what("apps"), why)],
        });
    }
    if let Some(relation) = rulebook.org(&org.name).and_then(|org| org.manager_relation.clone()) {
        let definitions = get("/api/v1/meta/schemas/user/linkedObjects").await;
        findings.push(link_finding(&what("manager link"), &relation, definitions));
    }
    if mapping.user_type().is_some() {
        findings.push(match get("/api/v1/meta/types/user").await {
            Ok(types) => {
                let names = types.as_array().into_iter().flatten().filter_map(|t| t["name"].as_str());
                good(&what("user types"), names.collect::<Vec<_>>().join(", "))
            }
            Err(why) => bad(&what("user types"), why),
        });
    }
    findings.extend(approvers::people_finding(&client, &org.name, config).await);
    let list = get("/api/v1/iam/assignees/users?limit=100").await;
    findings.push(list_finding(&what("administrators"), list));
    let groups = all(&client, "/api/v1/groups?limit=200").await.and_then(readable::<Vec<GroupObject>>);
    let rules = all(&client, "/api/v1/groups/rules?limit=200").await.and_then(readable::<Vec<GroupRule>>);
    match (groups, rules) {
        (Ok(groups), Ok(rules)) => {
            let groups: Vec<Group> = groups.into_iter().map(Group::from).collect();
            let rules: Vec<OktaRule> = rules.into_iter().map(OktaRule::from).collect();
            findings.extend(group_findings(&what("groups"), groups.clone(), &rules, mapping));
            let deciding = rulebook.safeguards.deciding(&org.name);
            let given = Given { groups, rules: &rules, mapping, deciding: &deciding };
            findings.extend(grant_findings(&client, &what("admin roles"), given).await);
        }
        (Err(why), _) | (_, Err(why)) => findings.push(bad(&what("groups"), why)),
    }
    findings
}

/// The scopes that the app needs and cannot get. An error says why it gets none at all.
async fn missing_scopes(client: &OktaClient, scopes: &[&'static str]) -> Result<Vec<&'static str>, NoToken> {
    let mut missing = Vec::new();
    for scope in scopes.iter().copied() {
        match client.auth().try_scope(scope).await {
            Ok(()) => {}
            Err(NoToken::Scope { .. }) => missing.push(scope),
            Err(other) => return Err(other),
        }
    }
    Ok(missing)
}

fn scope_finding(what: &str, missing: Result<Vec<&'static str>, NoToken>) -> Finding {
    match missing {
        Ok(missing) if missing.is_empty() => good(what, "every scope that is needed was granted"),
        Ok(missing) => bad(
            what,
            format!("grant the app {} under Applications > API scopes in Okta's admin console", missing.join(", ")),
        ),
        Err(why) => bad(what, why.to_string()),
    }
}

fn schema_finding(what: &str, misfits: &[String], mapping: &Mapping) -> Finding {
    match misfits {
        [] => good(what, format!("all {} mapped attributes exist and fit", mapping.attribute_names().count())),
        misfits => bad(what, misfits.join("; ")),
    }
}

/// Whose values Okta's schema would refuse, of everybody whom the store knows.
fn values_finding(what: &str, schema: &Value, org: &OktaOrg, config: &Config) -> Option<Finding> {
    const NAMED: usize = 3;
    if config.service.store.file().is_some_and(|file| !file.exists()) {
        return None;
    }
    let (rules, now) = (&config.rulebook, Clock::system().now());
    let mut unfit_values: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    let mut people = 0;
    let read = Store::reader(&config.service.store).and_then(|c| {
        population(&c, &org.name, |stored| {
            for person in stored {
                let Some(case) = person.case(rules, &org.name, now)? else { continue };
                if !rules.lifecycle(&case, now).entitlement.counts() {
                    continue;
                }
                people += 1;
                let Ok(desired) = rules.desired(&case, now) else { continue };
                for (name, value) in &desired.attributes {
                    if let Some(why) = unfit(schema, name, value) {
                        unfit_values.entry((name.clone(), why)).or_default().push(case.person.display());
                    }
                }
            }
            Ok(())
        })
    });
    if let Err(e) = read {
        return Some(good(what, format!("not looked at: {e}")));
    }
    if unfit_values.is_empty() {
        return Some(good(what, format!("of {people} people fit the schema in length and in what is allowed")));
    }
    let message = unfit_values.iter().map(|((name, why), who)| {
        let some = who.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
        format!("{name} of {} people is {why}: {some}", who.len())
    });
    Some(bad(what, message.collect::<Vec<_>>().join("; ")))
}

/// The linked object that leads to managers, and the user types that the mapping may name.
fn link_finding(what: &str, relation: &str, definitions: Result<Value, String>) -> Finding {
    let has = |all: &Value| all.as_array().into_iter().flatten().any(|d| d["primary"]["name"] == relation);
    match definitions {
        Ok(all) if has(&all) => good(what, format!("{relation:?} leads to the manager")),
        Ok(_) => bad(
            what,
            format!(
                "there is no linked object {relation:?}; add it under Directory > Profile Editor > Linked Objects, or set \
                 manager_link = false"
            ),
        ),
        Err(why) => bad(what, why),
    }
}

fn app_findings(what: &str, apps: &Value, mapping: &Mapping) -> Vec<Finding> {
    let text = |app: &Value, key: &str| app[key].as_str().unwrap_or_default().to_owned();
    let apps = apps.as_array().into_iter().flatten().map(|app| (text(app, "id"), text(app, "label")));
    let directory = Directory::default().with_apps(apps);
    let finding = |rule: &AppRule| match (directory.find_app(&rule.app), directory.apps_called(&rule.app).as_slice()) {
        (Some(_), _) => good(what, format!("{:?} exists", rule.app)),
        (None, []) => {
            bad(what, format!("{}: there is no app {:?}; correct the name, or add the app", rule.label, rule.app))
        }
        (None, several) => bad(
            what,
            format!(
                "{}: several apps are called {:?}; name one of them by its id: {}",
                rule.label,
                rule.app,
                several.join(", ")
            ),
        ),
    };
    mapping.app_rules().iter().map(finding).collect()
}

/// A list of Okta's as what it should be: what cannot be read is no empty list.
fn readable<T: DeserializeOwned>(list: Value) -> Result<T, String> {
    serde_json::from_value(list).map_err(|e| format!("Okta's list cannot be read ({e})"))
}

fn group_findings(what: &str, groups: Vec<Group>, rules: &[OktaRule], mapping: &Mapping) -> Vec<Finding> {
    let rule_owned = rules.iter().flat_map(|rule| rule.groups.iter().cloned()).collect();
    let directory = Directory::new(groups, rule_owned);
    let mut findings = Vec::new();
    for (name, rule) in mapping.listed_groups() {
        findings.push(match directory.find(name) {
            Some(group) if directory.is_rule_owned(&group.id) => {
                good(what, format!("{name:?} is filled by a group rule of Okta and left to it"))
            }
            Some(group) if !group.writable => {
                bad(what, format!("{}: nobody can write memberships of {name:?}; name another group", rule.label))
            }
            Some(_) => good(what, format!("{name:?} exists")),
            None if rule.create => good(what, format!("{name:?} will be created when the first person needs it")),
            None => bad(what, format!("{}: there is no group {name:?}; create it, or set create = true", rule.label)),
        });
    }
    let managed = directory.groups().filter(|g| mapping.manages(g)).count();
    findings.push(good(what, format!("{managed} of {} are managed", directory.groups().count())));
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_list_that_cannot_be_read_is_no_empty_list() {
        let groups = json!([{ "id": "00g1", "type": "OKTA_GROUP", "profile": { "name": "Staff" } }]);
        assert_eq!(readable::<Vec<GroupObject>>(groups).map(|read| read.len()), Ok(1));
        for odd in [json!([{ "id": 7 }]), json!(null), json!(["Staff"])] {
            let why = readable::<Vec<GroupObject>>(odd).map(drop).expect_err("unreadable");
            assert!(why.contains("cannot be read"), "{why}");
        }
    }
}
