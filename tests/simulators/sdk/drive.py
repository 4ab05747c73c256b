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


async def a_life():
    """Every step of a user's life that the service takes, and every list that it reads."""
    client = Client({"orgUrl": URL, "token": TOKEN, "rateLimit": {"maxRetries": 0}})
    steps = {}

    async def shows(user_id):
        """The status, once nothing goes on any more."""
        while True:
            user = good(await client.get_user(user_id))
            if user.transitioning_to_status is None:
                return user.status.value
            await asyncio.sleep(0.1)

    schema = good(await client.get_user_schema("default"))
    steps["schema"] = schema.definitions.base.properties.login.max_length
    kinds = good(await client.list_user_types())
    steps["types"] = [kind.name for kind in kinds]
    boss = good(await client.create_user(
        models.CreateUserRequest.from_dict({"profile": profile("boss@example.com").to_dict()}), activate=True))
    body = models.CreateUserRequest.from_dict({"profile": profile("life@example.com", department="Sales").to_dict()})
    user = good(await client.create_user(body, activate=False))
    steps["hired"] = await shows(user.id)
    token = good(await client.activate_user(user.id, send_email=False))
    steps["link"] = token.activation_url.startswith("http")
    steps["begins"] = await shows(user.id)
    steps["link again"] = good(await client.reactivate_user(user.id, send_email=False)).activation_url != token.activation_url
    good(await client.assign_linked_object_value_for_primary(user.id, "manager", boss.id))
    links = good(await client.list_linked_objects_for_user(user.id, "manager"))
    steps["manager"] = len(links)
    group = good(await client.add_group(models.AddGroupRequest.from_dict({"profile": {"name": "Department Sales"}})))
    good(await client.assign_user_to_group(group.id, user.id))
    ruled = good(await client.add_group(models.AddGroupRequest.from_dict({"profile": {"name": "Ruled"}})))
    rule = good(await client.create_group_rule(models.CreateGroupRuleRequest.from_dict({
        "type": "group_rule", "name": "Sales", "actions": {"assignUserToGroups": {"groupIds": [ruled.id]}},
        "conditions": {"expression": {"type": "urn:okta:expression:1.0", "value": 'user.department=="Sales"'}}})))
    good(await client.activate_group_rule(rule.id))
    rules = good(await client.list_group_rules())
    steps["rules"] = [(rule.name, rule.status.value) for rule in rules]
    members = good(await client.list_group_users(ruled.id))
    steps["ruled"] = [member.id == user.id for member in members]
    app = good(await client.create_application(models.BookmarkApplication.from_dict({
        "name": "bookmark", "label": "Payroll", "signOnMode": "BOOKMARK",
        "settings": {"app": {"url": "https://example.com", "requestIntegration": False}}})))
    good(await client.assign_user_to_application(app.id, models.AppUserAssignRequest.from_dict(
        {"id": user.id, "scope": "USER", "credentials": {"userName": "life"}})))
    assigned = good(await client.get_application_user(app.id, user.id))
    steps["app"] = assigned.credentials.user_name
    good(await client.update_application_user(app.id, user.id, models.AppUserUpdateRequest(
        models.AppUserCredentialsRequestPayload.from_dict({"credentials": {"userName": "life2"}}))))
    users = good(await client.list_application_users(app.id))
    steps["named"] = [each.credentials.user_name for each in users]
    steps["roles"] = good(await client.list_assigned_roles_for_user(user.id))
    steps["administrators"] = len(good(await client.list_users_with_role_assignments()).value)
    limits = good(await client.list_principal_rate_limit_entities(filter='principalType eq "SSWS_TOKEN"'))
    steps["share"] = limits[0].default_percentage
    moved = models.UpdateUserRequest.from_dict({"profile": {"department": "Legal", "title": "Counsel"}})
    steps["moved"] = good(await client.update_user(user.id, moved)).profile.department
    left = good(await client.list_user_groups(user.id))
    steps["groups"] = sorted(g.profile.actual_instance.name for g in left)
    whole = models.UpdateUserRequest.from_dict({"credentials": {"password": {"value": "correct horse"}}})
    good(await client.update_user(user.id, whole))
    found = good(await client.list_users(
        search='profile.department eq "Legal" and (profile.title pr or status eq "STAGED")', sort_by="profile.lastName",
        sort_order="asc"))
    steps["found"] = [each.profile.login for each in found]
    good(await client.revoke_user_sessions(user.id, oauth_tokens=True))
    good(await client.deactivate_user(user.id))
    steps["left"] = await shows(user.id)
    good(await client.activate_user(user.id, send_email=False))
    steps["back"] = await shows(user.id)
    signed_in = good(await client.create_user(models.CreateUserRequest.from_dict(
        {"profile": profile("active@example.com").to_dict(), "credentials": {"password": {"value": "correct horse"}}})))
    good(await client.suspend_user(signed_in.id))
    steps["away"] = await shows(signed_in.id)
    good(await client.unsuspend_user(signed_in.id))
    steps["returned"] = await shows(signed_in.id)
    good(await client.unassign_user_from_group(group.id, user.id))
    good(await client.delete_linked_object_for_user(user.id, "manager"))
    good(await client.deactivate_group_rule(rule.id))
    good(await client.delete_group_rule(rule.id))
    good(await client.delete_group(ruled.id))
    good(await client.delete_user(user.id))
    good(await client.delete_user(user.id))
    _, _, error = await client.get_user(user.id)
    steps["deleted"] = getattr(error, "error_code", str(error))
    return steps


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
    seen["life"] = await a_life()
    print(json.dumps(seen))


logging.disable(logging.CRITICAL)
asyncio.run(main())
