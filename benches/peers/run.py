"""The comparison: see README.md. Run by run.sh, which installs what it needs.

run.py PROGRAM FOLDER [--people N] [--simulators PROGRAM] [--python PYTHON] [--node FOLDER] [--json FILE]
"""

import argparse
import datetime
import json
import math
import os
import pathlib
import platform
import signal
import subprocess
import sys
import threading
import time
import traceback

from world import World

HERE = pathlib.Path(__file__).resolve().parent
EVERY = 60
PATIENCE = 45 * 60
TWICE = 20
started = time.monotonic()


def movers(people):
    return people * 6 // 13


def late_joiners(people):
    return people * 3 // 13


def floors(people, limits):
    """Seconds that Okta's limits alone need, in whole minutes, with the fewest calls there can be."""
    windows = lambda calls, limit: 60 * math.ceil(calls / limits[limit])
    moves = movers(people) + TWICE
    return {
        "join": windows(people, "create"), "survive": windows(late_joiners(people), "create"),
        "reorganize": max(windows(moves, "update"), windows(2 * moves, "member")),
    }


def say(who, what):
    print(f"{time.monotonic() - started:6.0f} s  {who}: {what}", file=sys.stderr, flush=True)


class Script:
    """A script on one of Okta's SDKs: a pass every minute, or when the last one ends."""

    is_service = False

    def __init__(self, name, command, in_flight, retries):
        self.name, self.command, self.arguments = name, command, [str(in_flight), retries]
        # All at once is there to show what comes of it, and that is seen in the first part: the others would take hours.
        self.only_joins = not in_flight
        self.process, self.passes = None, []

    def prepare(self, world, folder):
        self.environment, self.folder = world.environment(), folder
        return self

    def start(self, every=EVERY):
        with open(self.folder / "err.log", "a") as log:
            self.process = subprocess.Popen(
                [*self.command, *self.arguments, str(every)],
                env=self.environment, stdout=subprocess.PIPE, stderr=log, text=True)
        threading.Thread(target=self.listen, args=(self.process.stdout,), daemon=True).start()

    def listen(self, lines):
        for line in lines:
            if line.startswith("{"):
                self.passes.append(json.loads(line))

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Ends it between two passes: nothing is under way."""
        self.kill()

    def again(self, world):
        """Once more, with nothing to do."""
        self.start(every=0)
        self.process.wait()


class Service:
    """This service, its own program."""

    is_service = True
    only_joins = False
    name = "this service"
    passes = []

    def __init__(self, program):
        self.program = program

    def prepare(self, world, folder):
        text = (HERE / "service.toml").read_text()
        for name, value in (("FOLDER", folder), ("NAMELY_URL", world.namely_url), ("OKTA_URL", world.okta_url)):
            text = text.replace(name, str(value)).replace(f"env:{value}", f"env:{name}")
        self.config, self.folder, self.environment = folder / "config.toml", folder, world.environment()
        self.config.write_text(text)
        return self

    def start(self):
        with open(self.folder / "err.log", "a") as log:
            self.process = subprocess.Popen(
                [self.program, "run", "--config", self.config], env=self.environment, stdout=log, stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()

    def again(self, world):
        """Started once more, with nothing to do: it reads both sides and goes on for two minutes."""
        self.start()
        time.sleep(120)
        self.stop()


class Contest:
    """One contestant in a world of its own."""

    def __init__(self, contestant, options, folder):
        self.who, self.options, self.folder = contestant, options, folder
        self.figures = {}

    def run(self):
        self.folder.mkdir(parents=True)
        self.world = World(self.options.simulators, self.options.people)
        try:
            self.who.prepare(self.world, self.folder)
            self.join()
            if not self.who.only_joins:
                self.reorganize()
                self.repeat()
                self.survive()
            self.who.stop()
            # The lists are read in a window of their own.
            time.sleep(61)
            self.world.follow()
            self.figures["disagreements"] = self.world.disagreements()
        except Exception:
            say(self.who.name, traceback.format_exc())
            self.figures["error"] = True
        finally:
            if getattr(self.who, "process", None):
                self.who.kill()
            self.world.stop()

    def wait(self, until, patience=PATIENCE):
        end = time.monotonic() + patience
        while not until():
            if time.monotonic() > end:
                return False
            time.sleep(0.5)
            self.world.follow()
        return True

    def settled(self):
        return not self.world.missing()

    def measure(self, name, begin, **more):
        """What the history from number `begin` on says."""
        self.world.follow()
        exchanges = self.world.exchanges[begin:]
        writes = [e for e in exchanges if e["method"] != "GET"]
        effects = [e for e in writes if e["applied"]]
        wall = (max(e["answered"] for e in effects) - writes[0]["arrived"]) / 1000 if effects else 0
        refused = [e for e in exchanges if e["status"] == 429]
        self.figures[name] = {
            "wall": wall, "writes": len(writes), "effects": len(effects), "reads": len(exchanges) - len(writes),
            "refused": len(refused), "missing": len(self.world.missing()), "doubles": self.world.doubles(),
            "out_of_order": self.world.out_of_order, **more,
        }
        say(self.who.name, f"{name}: {self.figures[name]}")

    def join(self):
        world = self.world
        begin = len(world.exchanges)
        self.who.start()
        more = {}
        if not self.who.is_service:
            self.wait(lambda: self.who.passes or self.settled())
            self.wait(lambda: self.who.passes)
            world.follow()
            more = {"after_one_pass": len(world.missing())}
        self.wait(self.settled)
        self.measure("join", begin, **more)

    def reorganize(self):
        world = self.world
        ids = sorted(world.people)
        moved = ids[: movers(self.options.people)]
        leavers, twice = ids[-5:], moved[-TWICE:]
        self.idle()
        begin = len(world.exchanges)
        world.move(moved, 1)
        self.wait(lambda: any(e["method"] != "GET" for e in world.exchanges[begin:]))
        time.sleep(min(30, self.options.people / 40))
        left = time.time() * 1000
        world.edit(leavers, lambda _: {"user_status": "inactive"})
        world.move(twice, 1)
        say(self.who.name, "five have left, twenty have moved again")
        self.wait(self.settled)
        held = world.held()
        revoked = [max(account.get("ended", math.inf) for account in held[id]) - left for id in leavers if id in held]
        self.measure("reorganize", begin, revoke=sorted(ms / 1000 for ms in revoked))

    def idle(self):
        """Waits until nothing has been written for a while: what came before has ended, the pass of a script too."""
        passes = len(self.who.passes)
        if not self.who.is_service:
            self.wait(lambda: len(self.who.passes) > passes, 600)
        quiet = lambda: all(e["method"] == "GET" or e["arrived"] < time.time() * 1000 - 20_000 for e in self.world.exchanges[-200:])
        self.wait(quiet, 600)

    def repeat(self):
        world = self.world
        self.idle()
        if self.who.is_service:
            begin = len(world.exchanges)
            time.sleep(120)
            self.measure("idle", begin)
        self.who.stop()
        world.follow()
        begin = len(world.exchanges)
        self.who.again(world)
        self.measure("repeat", begin)

    def survive(self):
        world, count = self.world, late_joiners(self.options.people)
        world.hire(count)
        begin = len(world.exchanges)
        self.who.start()
        made = lambda: sum(e["applied"] and e["path"] == "/api/v1/users" for e in world.exchanges[begin:])
        self.wait(lambda: made() >= count // 3)
        self.who.kill()
        say(self.who.name, f"killed after {made()} of {count}")
        time.sleep(2)
        self.who.start()
        self.wait(self.settled)
        time.sleep(5)
        self.measure("survive", begin)


def version(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def table(result, people, limits):
    """The figures as docs/comparison.md shows them."""
    heads, floor = ["", *result], floors(people, limits)
    rows = []

    def row(what, cell):
        cells = [what]
        for name, figures in result.items():
            try:
                cells.append(cell(figures, name == Service.name))
            except (KeyError, IndexError):
                cells.append("did not end" if figures.get("error") else "–")
        rows.append(cells)

    def wall(name):
        def cell(figures, _):
            spent = figures[name]["wall"]
            return f"{spent:,.0f} s ÷ {floor[name]} s = {spent / floor[name]:.2f}"

        row("wall ÷ floor", cell)

    def group(name, title):
        rows.append([f"**{title}**", *("" for _ in result)])
        wall(name)
        row("calls that write, reads beside them", lambda f, _: f"{f[name]['writes']:,}, {f[name]['reads']:,}")
        row("429", lambda f, _: f"{f[name]['refused']:,}")

    group("join", f"{people:,} joiners, each into a group")
    row("not in place after its first pass", lambda f, own: "no passes" if own else f"{f['join']['after_one_pass']:,}")
    row("not in place at the end", lambda f, _: f"{f['join']['missing']:,}")
    group("reorganize", f"{movers(people):,} change the department; 5 leave and 20 change again in the middle")
    row("access of the 5 revoked after HR's edit", lambda f, _: f"{f['reorganize']['revoke'][0]:,.1f} to {f['reorganize']['revoke'][-1]:,.1f} s")
    row("not in place at the end", lambda f, _: f"{f['reorganize']['missing']:,}")
    rows.append(["**the same once more: nothing to do**", *("" for _ in result)])
    row("calls that write, reads, started again", lambda f, _: f"{f['repeat']['writes']:,}, {f['repeat']['reads']:,}")
    row("… in two minutes of going on", lambda f, own: f"{f['idle']['writes']:,}, {f['idle']['reads']:,}" if own else "")
    rows.append([f"**kill -9 in the middle of {late_joiners(people):,} joiners, started again**", *("" for _ in result)])
    wall("survive")
    row("calls that write, 429", lambda f, _: f"{f['survive']['writes']:,}, {f['survive']['refused']:,}")
    row("not in place at the end, accounts twice", lambda f, _: f"{f['survive']['missing']:,}, {f['survive']['doubles']:,}")
    rows.append(["**in all**", *("" for _ in result)])
    row("effects out of order", lambda f, _: f"{f.get('survive', f['join'])['out_of_order']:,}")
    lines = ["| " + " | ".join(cells) + " |" for cells in [heads, *rows]]
    lines.insert(1, "|---" * len(heads) + "|")
    return "\n".join(lines)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("folder", type=pathlib.Path)
    arguments.add_argument("--people", type=int, default=1300)
    arguments.add_argument("--simulators")
    arguments.add_argument("--python", help="a Python that has the SDK; without it these scripts are left out")
    arguments.add_argument("--node", type=pathlib.Path, help="a folder with the SDK and sync.mjs; without it these are left out")
    arguments.add_argument("--json", type=pathlib.Path)
    options = arguments.parse_args()
    options.simulators = options.simulators or options.program
    contestants = [Service(options.program)]
    versions = [version([options.program, "--version"])]
    languages = []
    if options.python:
        languages.append(("Python", [options.python, str(HERE / "sync.py")]))
        versions.append(version([options.python, "--version"]))
        versions.append("okta " + version([options.python, "-c", "import importlib.metadata as m; print(m.version('okta'))"]))
    if options.node:
        languages.append(("Node", ["node", str(options.node / "sync.mjs")]))
        versions.append("Node " + version(["node", "--version"]))
        manifest = options.node / "node_modules/@okta/okta-sdk-nodejs/package.json"
        versions.append("@okta/okta-sdk-nodejs " + json.loads(manifest.read_text())["version"])
    for language, command in languages:
        contestants.append(Script(f"{language}, one at a time", command, 1, "default"))
        contestants.append(Script(f"{language}, 16 in flight, retries", command, 16, "10"))
        contestants.append(Script(f"{language}, all at once", command, 0, "default"))
    contests = [Contest(who, options, options.folder / str(n)) for n, who in enumerate(contestants)]
    threads = [threading.Thread(target=contest.run) for contest in contests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    result = {contest.who.name: contest.figures for contest in contests}
    if options.json:
        kept = {"people": options.people, "limits": contests[0].world.limits, "figures": result}
        options.json.write_text(json.dumps(kept, indent=1))
    print(f"{datetime.date.today()}, {os.cpu_count()} cores, {platform.machine()}, {platform.system()}; "
          f"{', '.join(versions)}; token at 50 % of the Workforce limits; time scale 1\n")
    print(table(result, options.people, contests[0].world.limits))
    wrong = sum(figures.get("disagreements", 1) for figures in result.values())
    print(f"\nhistory and state of the orgs disagree about {wrong} accounts")
    # Only this service answers for its figures.
    own = result["this service"]
    clean = not wrong and all(own[name]["missing"] + own[name]["refused"] + own[name]["doubles"] == 0
                              for name in ("join", "reorganize", "survive"))
    return 0 if clean and own["repeat"]["writes"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
