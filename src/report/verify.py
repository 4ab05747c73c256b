#!/usr/bin/env python3
"""Verifies this evidence pack with nothing but Python's own library: checksums, the chain of rows, the checkpoints' hashes.

The signatures of the checkpoints are verified with OpenSSL; README.txt says how.
"""
import hashlib
import json
import pathlib
import sys

here = pathlib.Path(__file__).resolve().parent
bad = []

for line in (here / "SHA256SUMS").read_text().splitlines():
    digest, name = line.split("  ", 1)
    if hashlib.sha256((here / name).read_bytes()).hexdigest() != digest:
        bad.append(f"{name} is not what was written")

before, seq, hashes = None, None, {}
for line in (here / "audit.jsonl").read_text(encoding="utf-8").splitlines():
    claimed = json.loads(line)["hash"]
    text = line[line.index(',"row":') + len(',"row":'):-1]
    row = json.loads(text)["seq"]
    if before is not None:
        if row != seq + 1:
            bad.append(f"rows {seq + 1} to {row - 1} are missing")
        elif hashlib.sha256(before + text.encode()).hexdigest() != claimed:
            bad.append(f"row {row} does not hang on the row before it")
    elif row == 1 and hashlib.sha256(text.encode()).hexdigest() != claimed:
        bad.append("row 1 is not what was written")
    before, seq, hashes[row] = bytes.fromhex(claimed), row, claimed

checked = 0
for line in (here / "checkpoints.jsonl").read_text().splitlines():
    checkpoint = json.loads(line)
    if checkpoint["seq"] in hashes:
        checked += 1
        if hashes[checkpoint["seq"]] != checkpoint["hash"]:
            bad.append(f"the chain up to row {checkpoint['seq']} is not the one that was sealed at {checkpoint['at']}")

print("\n".join(bad) if bad else f"good: {len(hashes)} rows hang together, {checked} checkpoints fit")
sys.exit(1 if bad else 0)
