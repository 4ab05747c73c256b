#!/usr/bin/env python3
"""Verifies this evidence pack with nothing but Python's own library.

    python3 verify.py PUBLIC_KEY

PUBLIC_KEY is the Ed25519 key of the service, 64 hexadecimal digits, as it was given to you by other means: not the one in this folder,
which whoever makes a false pack can write too. Ends with 0 if all is good, 1 if something is not as it was written, 3 if nothing was
found but nobody vouches for the pack.
"""
import hashlib
import json
import pathlib
import sys

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    w, x = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    y, z = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = x - w, z - y, z + y, x + w
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def times(n, point):
    sum_ = (0, 1, 1, 0)
    while n > 0:
        if n & 1:
            sum_ = add(sum_, point)
        point, n = add(point, point), n >> 1
    return sum_


def x_of(y, sign):
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P != 0:
        x = x * ROOT % P
    if (x * x - square) % P != 0 or (x == 0 and sign):
        return None
    return P - x if x & 1 != sign else x


def point_of(text):
    y = int.from_bytes(text, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = x_of(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE = (x_of(BASE_Y, 0), BASE_Y, 1, x_of(BASE_Y, 0) * BASE_Y % P)


def is_signed(key, message, signature):
    """Whether a message was signed (Ed25519, RFC 8032)."""
    if len(key) != 32 or len(signature) != 64:
        return False
    a, r, s = point_of(key), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= L:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + key + message).digest(), "little") % L
    left, right = times(s, BASE), add(r, times(h, a))
    return all((left[i] * right[2] - right[i] * left[2]) % P == 0 for i in (0, 1))


here = pathlib.Path(__file__).resolve().parent
bad, doubts = [], []
key = sys.argv[1].strip().lower() if len(sys.argv) > 1 else None
keys = {key}

manifest = (here / "manifest.json").read_bytes()
says = json.loads(manifest)
signature = here / "manifest.sig"
if key is None:
    doubts.append("no public key was given: python3 verify.py PUBLIC_KEY")
elif not signature.exists():
    doubts.append("the pack is not signed: the key of the service could not be read where it was made")
else:
    text = b"namely-okta-sync evidence\n" + hashlib.sha256(manifest).hexdigest().encode() + b"\n"
    if not is_signed(bytes.fromhex(key), text, bytes.fromhex(signature.read_text().strip())):
        bad.append("manifest.json is not signed by the key that was given")
    else:
        # Those that the key came after, or was exchanged for, as its holder says.
        keys.update(says.get("keys", []))
if says.get("pruned"):
    doubts.append("the span was not all there when this was made: " + says["pruned"])

for name, digest in says["files"].items():
    if not (here / name).exists():
        bad.append(f"{name} is missing")
    elif hashlib.sha256((here / name).read_bytes()).hexdigest() != digest:
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
first, last = (min(hashes), max(hashes)) if hashes else (None, None)
if (first, last) != (says["first_row"], says["last_row"]) or (last and hashes[last] != says["last_hash"]):
    bad.append(f"rows {says['first_row']} to {says['last_row']} were written, {first} to {last} are here")

checked = 0
for line in (here / "checkpoints.jsonl").read_text().splitlines():
    point = json.loads(line)
    text = "namely-okta-sync audit checkpoint\n{store}\n{seq}\n{hash}\n{at}\n".format(**point).encode()
    if key is not None and point["seq"] in hashes:
        signer = bytes.fromhex(point["key"])
        if point["key"] not in keys or not is_signed(signer, text, bytes.fromhex(point["signature"])):
            bad.append(f"the checkpoint of row {point['seq']} is not signed by the key that was given")
    if point["seq"] in hashes:
        checked += 1
        if hashes[point["seq"]] != point["hash"]:
            bad.append(f"the chain up to row {point['seq']} is not the one that was sealed at {point['at']}")

for line in bad:
    print(line)
word = "broken" if bad else "not vouched" if doubts else "good"
print(f"{word}: {len(hashes)} rows, {checked} checkpoints fit")
for line in doubts:
    print(line)
sys.exit(1 if bad else 3 if doubts else 0)
