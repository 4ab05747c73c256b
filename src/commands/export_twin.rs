//! `export-twin`: a company and its orgs as they are, written as a file for `--data` in which nobody is named.
//!
//! **Invariant:** both sides are only read, and what is written went through the veil (`sandbox/data/twin.rs`). What is sensitive is
//! not even kept from what was read.

use super::finding::all;
use super::place::ConfigFile;
use crate::actors::poller::read_catalogue;
use crate::clock::Clock;
use crate::config::{self, Config, NamelyTenant, OktaOrg};
use crate::domain::Employee;
use crate::namely::NamelyClient;
use crate::namely::client::Reply as NamelyReply;
use crate::namely::wire::{ProfilesPage, Reader};
use crate::okta::OktaClient;
use crate::okta::wire::{GroupObject, User};
use crate::sandbox::data::{RealAccount, RealProfile, Twin};
use anyhow::{Context, anyhow, bail};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// Profiles on a page.
const PER_PAGE: usize = 50;

/// What Namely's limit counts in, and a little more.
const MINUTE: Duration = Duration::from_secs(61);
/// How often one page is asked for.
const ATTEMPTS: usize = 3;

/// Flags of `export-twin`.
#[derive(clap::Args, Clone, Debug)]
pub struct Options {
    /// Where the configuration is
    #[command(flatten)]
    pub config: ConfigFile,
    /// The tenant, where the configuration has several
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// The org whose accounts are written too, where the configuration has several
    #[arg(long, value_name = "NAME")]
    pub org: Option<String>,
    /// A custom field of Namely whose values are written as they are, leave_status for example; may be given several times
    #[arg(long, value_name = "FIELD")]
    pub keep_field: Vec<String>,
    /// The file to write; it must not be there yet
    #[arg(short, long, value_name = "FILE")]
    pub output: PathBuf,
}

/// Reads both sides and writes the twin.
pub async fn export_twin(options: Options) -> anyhow::Result<()> {
    let config = Config::load(&options.config.path()?)?;
    let tenant = one("tenant", &config.namely, |tenant| &tenant.name, options.tenant.as_deref())?;
    let org = one("org", &config.okta, |org| &org.name, options.org.as_deref())?;
    let mapping = &config.rulebook.mapping;
    let people = read_people(tenant, &config).await.with_context(|| format!("namely {}", tenant.name))?;
    let (groups, accounts) = read_org(org, &config).await.with_context(|| format!("okta {}", org.name))?;
    let mut twin = Twin::new(mapping.anchor(), options.keep_field.iter().cloned());
    let (addressed, nameless): (Vec<RealProfile>, Vec<RealProfile>) =
        people.into_iter().partition(|profile| !profile.email.is_empty());
    twin.add_profiles(&addressed);
    twin.add_groups(&groups);
    accounts.iter().for_each(|account| twin.add_account(account));
    // For the owner alone, and never over something that is there.
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&options.output)
        .with_context(|| format!("{} cannot be written", options.output.display()))?;
    file.write_all(twin.text().as_bytes())?;
    file.sync_all()?;
    say!(
        "{}: {} people of {}, {} accounts and {} groups of {}; names, addresses and other values are replaced, titles, \
         departments, offices, dates and names of groups are not",
        options.output.display(),
        addressed.len(),
        tenant.name,
        accounts.len(),
        groups.len(),
        org.name
    );
    if !nameless.is_empty() {
        say!("{} profiles have no email and are left out", nameless.len());
    }
    Ok(())
}

/// The one that is named, or the only one.
fn one<'a, T>(what: &str, all: &'a [T], name: impl Fn(&T) -> &String, wanted: Option<&str>) -> anyhow::Result<&'a T> {
    let names = || all.iter().map(|each| name(each).as_str()).collect::<Vec<_>>().join(", ");
    match (all, wanted) {
        ([only], None) => Ok(only),
        (_, None) => bail!("say which with --{what}: {}", names()),
        (_, Some(wanted)) => {
            let found = all.iter().find(|each| name(each) == wanted);
            found.ok_or_else(|| anyhow!("there is no {what} {wanted}; there are {}", names()))
        }
    }
}

async fn read_people(tenant: &NamelyTenant, config: &Config) -> anyhow::Result<Vec<RealProfile>> {
    let client = NamelyClient::new(&tenant.url, tenant.token.clone(), tenant.transport.clone())?;
    let catalogue = read_catalogue(&client, &tenant.group_types).await.map_err(anyhow::Error::msg)?;
    let reader = Reader::new(&config.rulebook.reads());
    let mut people: BTreeMap<String, RealProfile> = BTreeMap::new();
    let mut promised = 0;
    for page in 1.. {
        let page = read_page(&client, &format!("/profiles?page={page}&per_page={PER_PAGE}")).await?;
        promised = page.total_count.unwrap_or(promised);
        for profile in &page.profiles {
            let employee =
                reader.read(profile, &catalogue).map_err(|problem| anyhow!("a profile cannot be read: {problem:?}"))?;
            people.insert(employee.id.clone(), real(employee));
        }
        if page.profiles.len() < PER_PAGE {
            break;
        }
    }
    let shown = people.len() as u64;
    if shown < promised {
        bail!("Namely has shown {shown} of {promised} profiles; nothing is written, try again");
    }
    Ok(people.into_values().collect())
}

/// One page; where Namely says that it is asked too often, after a minute once more.
async fn read_page(client: &NamelyClient, target: &str) -> anyhow::Result<ProfilesPage> {
    for _ in 0..ATTEMPTS {
        match client.get(target).await {
            NamelyReply::Answered { status: 200, body, .. } => return Ok(ProfilesPage::read(&body)?),
            NamelyReply::Answered { status: 406 | 429, .. } => tokio::time::sleep(MINUTE).await,
            NamelyReply::Answered { status, .. } => bail!("HTTP {status} on {target}"),
            NamelyReply::Failed(why) => bail!("{target}: {why}"),
        }
    }
    bail!("{target}: Namely is asked too often, by others too; try again later")
}

fn real(employee: Employee) -> RealProfile {
    let date = |date: Option<jiff::civil::Date>| date.map(|date| date.to_string()).unwrap_or_default();
    RealProfile {
        id: employee.id,
        email: employee.email,
        first_name: employee.first_name,
        last_name: employee.last_name,
        preferred_name: employee.preferred_name,
        employee_id: employee.employee_id,
        user_status: employee.user_status.to_string(),
        start_date: date(employee.start_date),
        departure_date: date(employee.departure_date),
        job_title: employee.job_title,
        job_tier: employee.job_tier,
        department: employee.departments.into_iter().next().unwrap_or_default(),
        office: employee.offices.into_iter().next().unwrap_or_default(),
        employee_type: employee.employee_type,
        direct_dial: employee.office_direct_dial,
        manager: employee.manager.map(|manager| manager.id),
        custom: employee.custom,
    }
}

/// Groups that the mapping governs, and every account with those of them that it is in.
async fn read_org(org: &OktaOrg, config: &Config) -> anyhow::Result<(BTreeSet<String>, Vec<RealAccount>)> {
    let mapping = &config.rulebook.mapping;
    let scopes = config::scopes(&config.rulebook, &org.name);
    let credentials = config::with_scopes((*org.credentials.current()).clone(), &scopes);
    let client = OktaClient::new(&org.url, credentials, &Clock::system(), org.transport.clone())?;
    let groups: Vec<GroupObject> = list(&client, "/api/v1/groups?limit=200").await?;
    let governed: Vec<crate::domain::Group> =
        groups.into_iter().map(Into::into).filter(|group| mapping.manages(group)).collect();
    let mut members: HashMap<String, BTreeSet<String>> = HashMap::new();
    for group in &governed {
        let found: Vec<User> = list(&client, &format!("/api/v1/groups/{}/users?limit=200", group.id)).await?;
        for user in found {
            members.entry(user.id).or_default().insert(group.name.clone());
        }
    }
    // A search shows those who are deactivated too; a list does not.
    let users: Vec<User> = list(&client, "/api/v1/users?search=id%20pr&limit=200").await?;
    let attributes: BTreeSet<&str> = mapping.attribute_names().collect();
    let kept = |name: &str| attributes.contains(name) || ["login", "email", "firstName", "lastName"].contains(&name);
    let accounts = users.into_iter().map(|user| RealAccount {
        groups: members.remove(&user.id).unwrap_or_default(),
        status: user.status,
        profile: user.profile.into_iter().filter(|(name, value)| kept(name) && !value.is_null()).collect(),
    });
    let accounts = accounts.collect();
    Ok((governed.into_iter().map(|group| group.name).collect(), accounts))
}

async fn list<T: DeserializeOwned>(client: &OktaClient, target: &str) -> anyhow::Result<Vec<T>> {
    let found = all(client, target).await.map_err(|why| anyhow!("{target}: {why}"))?;
    serde_json::from_value(found).with_context(|| format!("{target}: the answer cannot be read"))
}
