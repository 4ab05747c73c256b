#!/bin/sh
# Measures this service beside scripts on Okta's SDKs, on simulated orgs that are the same for all: see README.md.
#
#   benches/peers/run.sh                  1,300 people, in real time: about forty minutes
#   benches/peers/run.sh --people 130     a tenth
#
# PROGRAM is the program to measure, if not target/release/namely-okta-sync, which is built first.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
root=$(CDPATH='' cd -- "$here/../.." && pwd)
folder=${CARGO_TARGET_DIR:-$root/target}/peers
mkdir -p "$folder"

skipped() {
    echo "SKIPPED: $1" >&2
}

if ! command -v python3 > /dev/null; then
    skipped "the comparison needs python3"
    exit 0
fi
if [ -z "${PROGRAM:-}" ]; then
    cargo build --release --locked --manifest-path "$root/Cargo.toml"
    PROGRAM=${CARGO_TARGET_DIR:-$root/target}/release/namely-okta-sync
fi

if python3 -m venv "$folder/python" && "$folder/python/bin/pip" install --quiet --requirement "$here/requirements.txt"; then
    set -- --python "$folder/python/bin/python" "$@"
else
    skipped "Okta's SDK for Python cannot be installed here; it needs python3 with venv, and PyPI"
fi
mkdir -p "$folder/node"
cp "$here/package.json" "$here/package-lock.json" "$here/sync.mjs" "$folder/node"
if command -v npm > /dev/null && (cd "$folder/node" && npm ci --silent --no-audit --no-fund); then
    set -- --node "$folder/node" "$@"
else
    skipped "Okta's SDK for Node cannot be installed here; it needs node 20 with npm, and its registry"
fi

rm -rf "$folder/run"
exec python3 "$here/run.py" "$PROGRAM" "$folder/run" --json "$folder/figures.json" "$@"
