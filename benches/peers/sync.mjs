// Brings Okta to what Namely says, as an engineer writes it with Okta's own SDK for Node.
//
// sync.mjs IN_FLIGHT RETRIES EVERY
//     people at a time (0: all at once); retries of the SDK after a 429 ("default": the SDK's own two); a pass begins so
//     many seconds after the last one began, or when that ends (0: one pass)
//
// Reads NAMELY_URL, NAMELY_TOKEN, OKTA_URL, OKTA_TOKEN. Prints what each pass did as a line of JSON.

import okta from '@okta/okta-sdk-nodejs';

const [inFlight, retries, every] = [Number(process.argv[2]), process.argv[3], Number(process.argv[4])];
const PAGE = 50;

/** Does `work` for everything, so many at a time; what fails is counted, and the rest goes on. */
async function forAll(things, done, work) {
  const rest = [...things];
  const worker = async () => {
    while (rest.length > 0) {
      const thing = rest.shift();
      try {
        await work(thing);
      } catch (why) { // the next run tries again
        done.failed += 1;
        console.error(String(why));
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight || things.length }, worker));
}

/** Everybody, from all pages; eight pages at a time. */
async function namely() {
  const headers = { Authorization: `Bearer ${process.env.NAMELY_TOKEN}` };
  const page = async (number) => {
    const answer = await fetch(`${process.env.NAMELY_URL}/profiles?page=${number}&per_page=${PAGE}`, { headers });
    if (!answer.ok) throw new Error(`Namely: ${answer.status}`);
    return (await answer.json()).profiles;
  };
  const people = new Map();
  for (let number = 1; ; number += 8) {
    const pages = await Promise.all(Array.from({ length: 8 }, (_, n) => page(number + n)));
    pages.flat().forEach((person) => people.set(person.id, person));
    if (pages.some((found) => found.length < PAGE)) return [...people.values()];
  }
}

async function all(list) {
  const found = [];
  await (await list).each((item) => { found.push(item); });
  return found;
}

const wanted = (person) => ({
  login: person.email, email: person.email, firstName: person.preferred_name || person.first_name,
  lastName: person.last_name, title: person.job_title.title, namelyId: person.id,
});

/** One pass. */
async function run(client) {
  const done = { changed: 0, failed: 0 };
  const people = await namely();
  const accounts = new Map();
  for (const user of await all(client.userApi.listUsers({ limit: 200 }))) accounts.set(user.profile.namelyId, user);
  const departments = new Map();
  for (const group of await all(client.groupApi.listGroups({ limit: 200 }))) {
    if (group.profile.name.startsWith('Department ')) departments.set(group.profile.name, group.id);
  }
  const held = new Map();
  for (const groupId of departments.values()) {
    for (const user of await all(client.groupApi.listGroupUsers({ groupId, limit: 200 }))) {
      held.set(user.id, (held.get(user.id) ?? new Set()).add(groupId));
    }
  }

  async function bring(person) {
    const account = accounts.get(person.id);
    if (person.user_status === 'inactive') {
      if (account) {
        await client.userApi.revokeUserSessions({ userId: account.id, oauthTokens: true });
        await client.userApi.deactivateUser({ userId: account.id });
        done.changed += 1;
      }
      return;
    }
    const department = person.links.groups.map((group) => group.name).find((name) => departments.has(`Department ${name}`));
    const profile = { ...wanted(person), department };
    let [userId, changed] = [account?.id, false];
    const has = held.get(userId) ?? new Set();
    if (!account) {
      userId = (await client.userApi.createUser({ body: { profile }, activate: true })).id;
      changed = true;
    } else if (Object.entries(profile).some(([name, value]) => account.profile[name] !== value)) {
      await client.userApi.updateUser({ userId, user: { profile } });
      changed = true;
    }
    const groupId = departments.get(`Department ${department}`);
    if (!has.has(groupId)) {
      await client.groupApi.assignUserToGroup({ groupId, userId });
      changed = true;
    }
    for (const old of has) {
      if (old !== groupId) {
        await client.groupApi.unassignUserFromGroup({ groupId: old, userId });
        changed = true;
      }
    }
    done.changed += changed ? 1 : 0;
  }

  // Leavers first.
  const order = [...people].sort((a, b) => (a.user_status !== 'inactive') - (b.user_status !== 'inactive'));
  await forAll(order, done, bring);
  console.log(JSON.stringify(done));
}

const config = { orgUrl: process.env.OKTA_URL, token: process.env.OKTA_TOKEN };
if (retries !== 'default') {
  config.requestExecutor = new okta.DefaultRequestExecutor({ maxRetries: Number(retries) });
}
const client = new okta.Client(config);
for (;;) {
  const began = Date.now();
  try {
    await run(client);
  } catch (why) { // a list could not be read: the next pass tries again
    console.log(JSON.stringify({ aborted: String(why) }));
  }
  if (!every) break;
  await new Promise((resume) => { setTimeout(resume, Math.max(0, began + every * 1000 - Date.now())); });
}
