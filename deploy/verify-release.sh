#!/usr/bin/env bash
# Makes a release again, in another folder, from the commit that its provenance names, and compares every byte.
#
#   deploy/verify-release.sh [--binary PATH] [DIR]
#
# DIR is where the release is (dist). With --binary the packing alone is compared.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=()
if [ "${1:-}" = --binary ]; then
  binary=(--binary "$(realpath "$2")")
  shift 2
fi
dir=$(realpath "${1:-dist}")
(cd "$dir" && sha256sum --check --quiet --strict SHA256SUMS)
how() { # one word of the provenance: a path of keys
  python3 -c 'import json, sys
value = json.load(open(sys.argv[1]))["predicate"]["buildDefinition"]
for key in sys.argv[2:]: value = value[key]
print("\n".join(value) if isinstance(value, list) else value)' "$dir/provenance.json" "$@"
}
commit=$(how externalParameters commit)
[ "$(how internalParameters built)" = True ] || [ ${#binary[@]} -gt 0 ] ||
  { echo "error: that release packs a program that was made elsewhere; --binary names it" >&2; exit 1; }
if [ "$(how internalParameters rustc)" != "$(rustc -vV)" ]; then
  echo "note: another compiler is here than made the release; the bytes will differ" >&2
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone --quiet --no-checkout "$PWD" "$work/source"
git -C "$work/source" checkout --quiet "$commit"
"$work/source/deploy/release.sh" --out "$work/again" --version "$(how externalParameters version)" \
  --compression "$(how externalParameters compression)" "${binary[@]}" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }

if ! diff "$dir/SHA256SUMS" "$work/again/SHA256SUMS" >"$work/differs"; then
  echo "error: these differ (diffoscope says where; provenance.json names the tools that made the release):" >&2
  awk '/^[<>]/ { print $3 }' "$work/differs" | sort -u >&2
  exit 1
fi
echo "the same to the last bit: $(wc -l <"$dir/SHA256SUMS") files of commit $commit"
