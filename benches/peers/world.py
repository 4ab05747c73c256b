"""One simulated Namely and one simulated Okta for one contestant: HR's edits, and what the org's own history says happened."""

import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

DEPARTMENTS = ["Engineering", "Sales", "Finance", "Support", "Marketing", "Operations", "Legal", "Product"]
NAMELY_TOKEN, OKTA_TOKEN = "sandbox-namely-token", "00sandbox-token"


def ask(url, method="GET", body=None, headers=None):
    """Answer and headers; what is no success is raised."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=120) as answer:
        text = answer.read()
        return json.loads(text) if text else None, answer.headers


class World:
    """Both simulators on ports of their own. Namely knows `people`, Okta nobody; the groups of all departments are there."""

    def __init__(self, program, people):
        self.processes = []
        namely = self.start(program, ["namely", "--no-limits", "--employees", str(people)])
        self.okta_url = self.start(program, ["okta"])
        self.namely_url = namely
        self.groups = {}
        for name in DEPARTMENTS:
            group, _ = self.okta("POST", "/groups", {"profile": {"name": f"Department {name}"}})
            self.groups[group["id"]] = name
        users_found, users = self.okta("GET", "/users?limit=1")
        _, user = self.okta("POST", f"/users/{users_found[0]['id']}", {"profile": {}})
        # A membership counts with the groups, not with the one group.
        _, groups = self.okta("GET", "/groups?limit=1")
        self.limits = {name: int(headers["x-rate-limit-limit"])
                       for name, headers in (("create", users), ("update", user), ("member", groups))}
        self.people = self.everybody()
        # Every state that each person was to have, in order.
        self.versions = {id: [self.state(person)] for id, person in self.people.items()}
        self.read, self.waiting = 0, []
        self.exchanges, self.accounts, self.reached = [], {}, {}
        self.out_of_order = 0
        self.follow()

    def start(self, program, arguments):
        command = [program, "simulate", arguments[0], "--listen", "127.0.0.1:0", *arguments[1:]]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.processes.append(process)
        return re.search(r"simulated at (\S+)", process.stdout.readline()).group(1)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()

    def environment(self):
        return {**os.environ, "NAMELY_URL": self.namely_url, "NAMELY_TOKEN": NAMELY_TOKEN,
                "OKTA_URL": self.okta_url, "OKTA_TOKEN": OKTA_TOKEN}

    def okta(self, method, path, body=None):
        return ask(f"{self.okta_url}/api/v1{path}", method, body, {"Authorization": f"SSWS {OKTA_TOKEN}"})

    # HR

    def namely(self, method, path, body=None):
        return ask(f"{self.namely_url}{path}", method, body, {"Authorization": f"Bearer {NAMELY_TOKEN}"})[0]

    def everybody(self):
        people, page = {}, 1
        with ThreadPoolExecutor(8) as pool:
            while True:
                numbers = range(page, page + 8)
                found = list(pool.map(lambda n: self.namely("GET", f"/profiles?page={n}&per_page=50")["profiles"], numbers))
                people.update((person["id"], person) for part in found for person in part)
                page += 8
                if any(len(part) < 50 for part in found):
                    return people

    @staticmethod
    def department(person):
        return next(group["name"] for group in person["links"]["groups"] if group["name"] in DEPARTMENTS)

    def state(self, person):
        return {"department": self.department(person), "gone": person["user_status"] == "inactive"}

    def edit(self, ids, change):
        """HR changes all of these at once; `change` makes what is sent out of the profile."""

        def one(id):
            self.namely("PUT", f"/profiles/{id}", {"profiles": [change(self.people[id])]})
            return id, self.namely("GET", f"/profiles/{id}")["profiles"][0]

        with ThreadPoolExecutor(24) as pool:
            for id, person in pool.map(one, ids):
                self.people[id] = person
                self.versions[id].append(self.state(person))

    def move(self, ids, by):
        def change(person):
            others = [{"name": g["name"]} for g in person["links"]["groups"] if g["name"] not in DEPARTMENTS]
            there = (DEPARTMENTS.index(self.department(person)) + by) % len(DEPARTMENTS)
            return {"links": {"groups": [{"name": DEPARTMENTS[there]}, *others]}}

        self.edit(ids, change)

    def hire(self, count):
        def one(n):
            person = {"first_name": "New", "last_name": f"Joiner {n}", "email": f"new.joiner.{n}@example.com",
                      "start_date": "2026-01-05", "user_status": "active",
                      "links": {"groups": [{"name": DEPARTMENTS[n % len(DEPARTMENTS)]}, {"name": "Lisbon"}]}}
            self.namely("POST", "/profiles", {"profiles": [person]})

        with ThreadPoolExecutor(24) as pool:
            list(pool.map(one, range(count)))
        for id, person in self.everybody().items():
            if id not in self.people:
                self.people[id] = person
                self.versions[id] = [self.state(person)]

    # What happened

    def follow(self):
        """Reads the org's history on, and plays it: calls under way are looked at again."""
        shown, _ = ask(f"{self.okta_url}/_history?from={self.read}")
        for exchange in shown["exchanges"]:
            if exchange["answered"] is None:
                break
            self.read += 1
            self.exchanges.append(exchange)
            if exchange["applied"] and exchange["user"]:
                self.play(exchange)

    def play(self, exchange):
        method, parts = exchange["method"], exchange["path"].strip("/").split("/")[2:]
        account = self.accounts.setdefault(
            exchange["user"], {"anchor": None, "department": None, "groups": set(), "live": True})
        profile = exchange["body"].get("profile", {}) if isinstance(exchange["body"], dict) else {}
        fits = None
        if method == "POST" and parts == ["users"]:
            account.update(anchor=profile.get("namelyId"), department=profile.get("department"))
            account["groups"] |= {self.groups[id] for id in exchange["body"].get("groupIds", [])}
            fits = lambda state: state["department"] == account["department"] and not state["gone"]
        elif method == "POST" and len(parts) == 2:
            account["department"] = profile.get("department", account["department"])
            fits = lambda state: state["department"] == account["department"] and not state["gone"]
        elif parts[0] == "groups" and parts[1] in self.groups:
            name = self.groups[parts[1]]
            (account["groups"].add if method == "PUT" else account["groups"].discard)(name)
            fits = lambda state: (state["department"] == name and not state["gone"]) == (method == "PUT")
        elif parts[-1] in ("deactivate", "suspend"):
            account["live"] = False
            account.setdefault("ended", exchange["answered"])
            fits = lambda state: state["gone"]
        elif parts[-1] in ("activate", "unsuspend"):
            account["live"] = True
            fits = lambda state: not state["gone"]
        versions = self.versions.get(account["anchor"])
        if fits and versions:
            reached = self.reached.get(account["anchor"], 0)
            found = next((n for n in range(reached, len(versions)) if fits(versions[n])), None)
            self.out_of_order += found is None
            self.reached[account["anchor"]] = reached if found is None else found

    def held(self):
        """Accounts by the person whose they are."""
        found = {}
        for account in self.accounts.values():
            found.setdefault(account["anchor"], []).append(account)
        return found

    def missing(self):
        """People whom the org does not hold as Namely says."""
        held = self.held()

        def right(id):
            state, accounts = self.versions[id][-1], held.get(id, [])
            if state["gone"]:
                return not any(account["live"] for account in accounts)
            return len(accounts) == 1 and accounts[0]["live"] and accounts[0]["department"] == state["department"] \
                and accounts[0]["groups"] == {state["department"]}

        return [id for id in self.versions if not right(id)]

    def doubles(self):
        return sum(len(accounts) - 1 for anchor, accounts in self.held().items() if anchor and len(accounts) > 1)

    def disagreements(self):
        """Accounts that the org shows otherwise than its history makes them: none, or the figures are wrong."""
        wrong, after = 0, ""
        members = {}
        for group, name in self.groups.items():
            more = ""
            while True:
                users, headers = self.okta("GET", f"/groups/{group}/users?limit=200{more}")
                for user in users:
                    members.setdefault(user["id"], set()).add(name)
                cursor = re.search(r'[?&]after=([^&>]+)[^>]*>; *rel="next"', " ".join(headers.get_all("Link") or []))
                if cursor is None:
                    break
                more = f"&after={cursor.group(1)}"
        seen = 0
        while True:
            users, headers = self.okta("GET", f"/users?limit=200{after}")
            for user in users:
                account = self.accounts.get(user["id"])
                if account is None or not account["live"] or not account["anchor"]:
                    wrong += user["profile"].get("namelyId") is not None
                    continue
                seen += 1
                wrong += account["groups"] != members.get(user["id"], set()) \
                    or account["department"] != user["profile"].get("department")
            cursor = re.search(r'[?&]after=([^&>]+)[^>]*>; *rel="next"', " ".join(headers.get_all("Link") or []))
            if cursor is None:
                return wrong + abs(seen - sum(account["live"] for account in self.accounts.values() if account["anchor"]))
            after = f"&after={cursor.group(1)}"
