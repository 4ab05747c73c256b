"""Drives the simulated Okta org with Okta's own Python SDK, and prints what it saw as one JSON object.

Arguments: URL, SSWS token, client id, file with the service app's private key (PEM), key id.
"""

import asyncio
import json
import logging
import os
import sys

from okta import models
from okta.client import Client

URL, TOKEN, CLIENT_ID, KEY_FILE, KEY_ID = sys.argv[1:6]
# The simulated org speaks HTTP.
os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"


def good(answer):
    """The value of an answer; an error ends the program."""
    value, response, error = (answer if len(answer) == 3 else (None, *answer))
    if error is not None:
        raise RuntimeError(f"the SDK reports an error: {error}")
    return value


def profile(login, **more):
    return models.UserProfile.from_dict(
        {"login": login, "email": login, "firstName": "Mary", "lastName": "Smith", **more}
    )


async def with_ssws():
    client = Client({"orgUrl": URL, "token": TOKEN, "rateLimit": {"maxRetries": 0}})
    seen = {}
    group = good(await client.add_group(
        models.AddGroupRequest.from_dict({"profile": {"name": "SDK group", "description": "made by the SDK"}})))
    body = models.CreateUserRequest.from_dict({"profile": {
        "login": "mary@example.com", "email": "mary@example.com", "firstName": "Mary", "lastName": "Smith",
        "namelyId": "u-1"}, "groupIds": [group.id]})
    user = good(await client.create_user(body, activate=True))
    seen["created"] = str(user.status.value)
    seen["members"] = [u.id == user.id for u in good(await client.list_group_users(group.id))]
    other = good(await client.add_group(models.AddGroupRequest.from_dict({"profile": {"name": "Other"}})))
    good(await client.assign_user_to_group(other.id, user.id))
    good(await client.unassign_user_from_group(group.id, user.id))
    seen["groups"] = sorted(g.profile.actual_instance.name for g in good(await client.list_user_groups(user.id)))
    update = models.UpdateUserRequest.from_dict({"profile": {"title": "Analyst"}})
    seen["title"] = good(await client.update_user(user.id, update)).profile.title
    seen["read"] = good(await client.get_user("mary@example.com")).profile.title
    good(await client.revoke_user_sessions(user.id, oauth_tokens=True))
    good(await client.deactivate_user(user.id))
    seen["left"] = str(good(await client.get_user(user.id)).status.value)
    seen["listed"] = [u.profile.login for u in good(await client.list_users(filter='status eq "DEPROVISIONED"'))]
    _, _, error = await client.get_user("nobody@example.com")
    seen["missing"] = getattr(error, "error_code", str(error))
    kinds = [e.event_type for e in good(await client.list_log_events())]
    seen["logged"] = "user.lifecycle.deactivate" in kinds
    return seen


async def with_a_service_app(dpop):
    client = Client({"orgUrl": URL, "authorizationMode": "PrivateKey", "clientId": CLIENT_ID + ("-dpop" if dpop else ""),
                     "privateKey": open(KEY_FILE).read(), "kid": KEY_ID, "dpopEnabled": dpop,
                     "scopes": ["okta.users.read", "okta.groups.read"], "rateLimit": {"maxRetries": 0}})
    users = good(await client.list_users())
    groups = good(await client.list_groups())
    forbidden = await client.add_group(models.AddGroupRequest.from_dict({"profile": {"name": "Not allowed"}}))
    return {"users": len(users), "groups": len(groups), "write_refused": forbidden[-1] is not None}


async def main():
    seen = {"ssws": await with_ssws(), "bearer": await with_a_service_app(False), "dpop": await with_a_service_app(True)}
    print(json.dumps(seen))


logging.disable(logging.CRITICAL)
asyncio.run(main())
