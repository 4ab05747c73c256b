"""Brings Okta to what Namely says, as an engineer writes it with Okta's own SDK for Python.

sync.py IN_FLIGHT RETRIES EVERY
    people at a time (0: all at once); retries of the SDK after a 429 ("default": the SDK's own two); a pass begins so many
    seconds after the last one began, or when that ends (0: one pass)

Reads NAMELY_URL, NAMELY_TOKEN, OKTA_URL, OKTA_TOKEN. Prints what each pass did as a line of JSON.
"""

import asyncio
import json
import logging
import os
import re
import sys
import time

import aiohttp
from okta import models
from okta.client import Client

IN_FLIGHT, RETRIES, EVERY = int(sys.argv[1]), sys.argv[2], float(sys.argv[3])
PAGE = 50
done = {}


def good(answer):
    """The value of an answer; an error is raised."""
    value, _, error = answer if len(answer) == 3 else (None, *answer)
    if error is not None:
        raise RuntimeError(f"Okta: {error}")
    return value


async def every(things, work):
    """Does `work` for everything, so many at a time; what fails is counted, and the rest goes on."""
    places = asyncio.Semaphore(IN_FLIGHT or len(things) or 1)

    async def one(thing):
        async with places:
            try:
                await work(thing)
            except Exception as why:  # the next run tries again
                done["failed"] += 1
                print(why, file=sys.stderr)

    await asyncio.gather(*(one(thing) for thing in things))


async def namely():
    """Everybody, from all pages; eight pages at a time."""
    headers = {"Authorization": f"Bearer {os.environ['NAMELY_TOKEN']}"}
    async with aiohttp.ClientSession(headers=headers) as session:

        async def page(number):
            url = f"{os.environ['NAMELY_URL']}/profiles?page={number}&per_page={PAGE}"
            async with session.get(url) as answer:
                answer.raise_for_status()
                return (await answer.json())["profiles"]

        people, number = {}, 1
        while True:
            pages = await asyncio.gather(*(page(n) for n in range(number, number + 8)))
            people.update((person["id"], person) for found in pages for person in found)
            number += 8
            if any(len(found) < PAGE for found in pages):
                return list(people.values())


async def pages(call, *ids):
    """All of a list of Okta, page by page: the next one is in the Link header."""
    found, after = [], None
    while True:
        answer = await call(*ids, limit=200, after=after)
        found.extend(good(answer))
        cursor = re.search(r'[?&]after=([^&>]+)[^>]*>; *rel="next"', answer[1].headers.get("Link", ""))
        if cursor is None:
            return found
        after = cursor.group(1)


def wanted(person):
    return {
        "login": person["email"], "email": person["email"], "firstName": person["preferred_name"] or person["first_name"],
        "lastName": person["last_name"], "title": person["job_title"]["title"], "namelyId": person["id"],
    }


async def run(okta):
    """One pass."""
    done.update(changed=0, failed=0)
    people = await namely()
    accounts = {user.profile.to_dict().get("namelyId"): user for user in await pages(okta.list_users)}
    groups = {}
    for group in await pages(okta.list_groups):
        groups[group.profile.actual_instance.name] = group.id
    departments = {name: group for name, group in groups.items() if name.startswith("Department ")}
    held = {}
    for group in departments.values():
        for user in await pages(okta.list_group_users, group):
            held.setdefault(user.id, set()).add(group)

    async def bring(person):
        account, profile = accounts.get(person["id"]), wanted(person)
        if person["user_status"] == "inactive":
            if account is not None:
                good(await okta.revoke_user_sessions(account.id, oauth_tokens=True))
                good(await okta.deactivate_user(account.id))
                done["changed"] += 1
            return
        names = [group["name"] for group in person["links"]["groups"] if f"Department {group['name']}" in departments]
        profile["department"] = names[0]
        changed = False
        if account is None:
            body = models.CreateUserRequest.from_dict({"profile": profile})
            user, has, changed = good(await okta.create_user(body, activate=True)).id, set(), True
        else:
            user, has = account.id, held.get(account.id, set())
            before = account.profile.to_dict()
            if any(before.get(name) != value for name, value in profile.items()):
                good(await okta.update_user(user, models.UpdateUserRequest.from_dict({"profile": profile})))
                changed = True
        group = departments[f"Department {names[0]}"]
        if group not in has:
            good(await okta.assign_user_to_group(group, user))
            changed = True
        for old in has - {group}:
            good(await okta.unassign_user_from_group(old, user))
            changed = True
        done["changed"] += changed

    # Leavers first.
    await every(sorted(people, key=lambda person: person["user_status"] != "inactive"), bring)
    print(json.dumps(done), flush=True)


async def main():
    config = {"orgUrl": os.environ["OKTA_URL"], "token": os.environ["OKTA_TOKEN"]}
    if RETRIES != "default":
        config["rateLimit"] = {"maxRetries": int(RETRIES)}
    okta = Client(config)
    while True:
        began = time.monotonic()
        try:
            await run(okta)
        except Exception as why:  # a list could not be read: the next pass tries again
            print(json.dumps({"aborted": str(why)}), flush=True)
        if not EVERY:
            return
        await asyncio.sleep(max(0.0, began + EVERY - time.monotonic()))


os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"  # the simulated org speaks HTTP
logging.disable(logging.CRITICAL)
asyncio.run(main())
