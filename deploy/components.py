#!/usr/bin/env python3
"""Says what the program is made of: every crate that is linked or that builds it, the C libraries inside crates, their licences.

Writes namely-okta-sync-VERSION.cdx.json (CycloneDX 1.6) and THIRD-PARTY-LICENSES.txt from `cargo metadata` and Cargo.lock alone,
without anything that differs between two machines or two moments.
"""

import argparse
import datetime
import hashlib
import json
import os
import pathlib
import re
import subprocess
import tomllib
import uuid

NAME = "namely-okta-sync"
# C libraries whose source a crate carries: scanners know them by these names, not by the crate's.
# crate: (name, licence, file that says the version, pattern)
BUNDLED = {
    "libsqlite3-sys": ("sqlite", "blessing", "sqlite3/sqlite3.h", r'#define SQLITE_VERSION\s+"([\d.]+)"'),
    "aws-lc-sys": (
        "aws-lc",
        "ISC AND (Apache-2.0 OR ISC)",
        "aws-lc/include/openssl/base.h",
        r'AWSLC_VERSION_NUMBER_STRING "([\d.]+)"',
    ),
    "libmimalloc-sys": (
        "mimalloc",
        "MIT",
        "c_src/mimalloc/{major}/include/mimalloc.h",
        r"#define MI_MALLOC_VERSION\s+(\d)(\d\d)(\d\d)",
    ),
}
TEXTS = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)([-._].*)?$", re.IGNORECASE)


def graph(features, target):
    """The crates that are linked into the program, and those that only build it."""
    command = ["cargo", "metadata", "--format-version=1", "--locked", "--filter-platform", target, "--features", features]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    crates = {package["id"]: package for package in found["packages"]}
    nodes = {node["id"]: node for node in found["resolve"]["nodes"]}
    root = found["resolve"]["root"]

    def needs(crate, kinds):
        deps = nodes[crate]["deps"]
        return sorted(dep["pkg"] for dep in deps if any(kind["kind"] in kinds for kind in dep["dep_kinds"]))

    def reach(kinds):
        seen, todo = set(), [root]
        while todo:
            crate = todo.pop()
            if crate not in seen:
                seen.add(crate)
                todo.extend(needs(crate, kinds))
        return seen

    linked, whole = reach([None]), reach([None, "build"])
    return crates, nodes, root, linked, whole, needs


def licence(package):
    """Its licence as an SPDX expression: some manifests use the slash of former times."""
    return re.sub(r"\s*/\s*", " OR ", package["license"] or "")


def bundled(package, node):
    name, spdx, path, pattern = BUNDLED[package["name"]]
    folder = pathlib.Path(package["manifest_path"]).parent
    path = path.format(major="v3" if "v3" in node["features"] else "v2")
    parts = re.search(pattern, (folder / path).read_text())
    if not parts:
        raise SystemExit(f"error: {folder / path} does not say its version as it did; mend BUNDLED in this script")
    return name, ".".join(str(int(n)) for n in ".".join(parts.groups()).split(".")), spdx


def components(args, crates, nodes, root, linked, whole, needs):
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    sums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    listed, edges = [], []
    purl = lambda package: f"pkg:cargo/{package['name']}@{package['version']}"
    for crate in sorted(whole, key=lambda crate: (crates[crate]["name"], crates[crate]["version"])):
        package = crates[crate]
        on = [purl(crates[other]) for other in needs(crate, [None, "build"])]
        if package["name"] in BUNDLED:
            name, version, spdx = bundled(package, nodes[crate])
            inside = f"pkg:generic/{name}@{version}"
            described = f"C source inside the crate {package['name']}"
            listed.append(
                {
                    "type": "library",
                    "bom-ref": inside,
                    "name": name,
                    "version": version,
                    "description": described,
                    "licenses": [{"expression": spdx}],
                    "purl": inside,
                }
            )
            on.append(inside)
            edges.append({"ref": inside, "dependsOn": []})
        edges.append({"ref": purl(package), "dependsOn": sorted(on)})
        if crate != root:
            listed.append(
                {
                    "type": "library",
                    "bom-ref": purl(package),
                    "name": package["name"],
                    "version": package["version"],
                    "scope": "required" if crate in linked else "excluded",
                    "hashes": [{"alg": "SHA-256", "content": sums[package["name"], package["version"]]}],
                    "licenses": [{"expression": licence(package)}],
                    "purl": purl(package),
                }
            )
    moment = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    own = crates[root]
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'{NAME} {args.version} {args.commit} {args.target}')}",
        "version": 1,
        "metadata": {
            "timestamp": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": purl(own),
                "name": NAME,
                "version": args.version,
                "licenses": [{"expression": own["license"]}],
                "purl": purl(own),
                "properties": [
                    {"name": "git:commit", "value": args.commit},
                    {"name": "cargo:features", "value": args.features},
                    {"name": "cargo:target", "value": args.target},
                ],
            },
        },
        "components": sorted(listed, key=lambda component: component["bom-ref"]),
        "dependencies": sorted(edges, key=lambda edge: edge["ref"]),
    }


def texts(crates, root, linked):
    """The licence texts of what is linked, each once, with the crates that it covers."""
    by_text, said, without = {}, {}, []
    for crate in sorted(linked - {root}, key=lambda crate: (crates[crate]["name"], crates[crate]["version"])):
        package = crates[crate]
        folder = pathlib.Path(package["manifest_path"]).parent
        name = f"{package['name']} {package['version']} ({licence(package)})"
        found = [path for path in sorted(folder.iterdir()) if path.is_file() and TEXTS.match(path.name)]
        if not found:
            without.append(name)
        for path in found:
            text = path.read_text(errors="replace").replace("\r\n", "\n").strip()
            key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            said.setdefault(key, text)
            names = by_text.setdefault(key, [])
            if name not in names:
                names.append(name)
    lines = [
        "What others have written and this program contains, with their licences. The C libraries inside libsqlite3-sys (SQLite,",
        "in the public domain), aws-lc-sys (AWS-LC) and libmimalloc-sys (mimalloc) come with the texts of these crates.",
        "",
    ]
    if without:
        lines += ["These crates carry no text of their licence; their manifests name it:", ""]
        lines += [f"  {name}" for name in without] + [""]
    for key, names in sorted(by_text.items(), key=lambda item: item[1]):
        lines += ["=" * 100, *names, "-" * 100, said[key], ""]
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    for flag in ["version", "features", "target", "commit", "out"]:
        parser.add_argument(f"--{flag}", required=True)
    args = parser.parse_args()
    crates, nodes, root, linked, whole, needs = graph(args.features, args.target)
    out = pathlib.Path(args.out)
    bom = components(args, crates, nodes, root, linked, whole, needs)
    (out / f"{NAME}-{args.version}.cdx.json").write_text(json.dumps(bom, indent=1) + "\n")
    (out / "THIRD-PARTY-LICENSES.txt").write_text(texts(crates, root, linked))


if __name__ == "__main__":
    main()
