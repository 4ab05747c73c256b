#!/usr/bin/env bash
# Makes what is published: a stripped tar.gz and a .deb, a list of components (CycloneDX), the licences of third parties, a
# provenance statement and sums. The same commit and the same compiler give the same bytes (verify-release.sh).
#
#   deploy/release.sh [--out DIR] [--version V] [--binary PATH] [--compression xz|gzip|none]
#
# --binary packs a program that is there instead of building one, --version gives the package another version than
# Cargo.toml's: both are for tests, and the provenance says so.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC

name=namely-okta-sync features=otel
out=dist version= binary= compression=xz
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2 ;;
    --version) version=$2 ;;
    --binary) binary=$(realpath "$2") ;;
    --compression) compression=$2 ;;
    *) echo "error: $1 is no flag of this script; its first lines name them" >&2; exit 64 ;;
  esac
  shift 2
done
for tool in cargo python3 git strip objdump dpkg-deb gzip tar sha256sum; do
  command -v "$tool" >/dev/null || { echo "error: $tool is not here; Debian: binutils dpkg git python3" >&2; exit 1; }
done
: "${version:=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)}"
commit=$(git rev-parse HEAD)
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
target=$(rustc -vV | sed -n 's/^host: //p')
architecture=$(dpkg --print-architecture)
maintainer=${MAINTAINER:-namely-okta-sync <root@localhost>}

if [ -z "$binary" ]; then
  [ -z "$(git status --porcelain)" ] || { echo "error: the commit is not what is here; commit or stash first" >&2; exit 1; }
  # Paths of this machine stand for nothing: neither in Rust's panics nor in C's assertions.
  cargo_home=${CARGO_HOME:-$HOME/.cargo} sysroot=$(rustc --print sysroot)
  export RUSTFLAGS="--remap-path-prefix=$PWD=. --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"
  export CFLAGS="-ffile-prefix-map=$PWD=. -ffile-prefix-map=$cargo_home=/cargo" CARGO_INCREMENTAL=0
  export CXXFLAGS=$CFLAGS
  cargo build --release --locked --features "$features" --target-dir target/publish
  binary=$PWD/target/publish/release/$name built=yes
fi

rm -rf "$out"
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# What both packages hold.
files=$work/files
mkdir -p "$files"/{man,completions,grafana}
strip --strip-all -o "$files/$name" "$binary"
libraries=$(objdump -p "$files/$name" | awk '$1 == "NEEDED" && $2 !~ /^(libc|libm|libgcc_s|ld-linux.*)\.so/ { print $2 }')
[ -z "$libraries" ] || { echo "error: the package does not depend on $libraries" >&2; exit 1; }
"$files/$name" man "$files/man" >/dev/null
for shell in bash zsh fish; do "$files/$name" completions "$shell" >"$files/completions/$name.$shell"; done
cp -r README.md CHANGELOG.md SECURITY.md LICENSE docs config "$files/"
cp -r grafana/dashboards grafana/rules "$files/grafana/"
python3 deploy/components.py --version "$version" --features "$features" --target "$target" --commit "$commit" --out "$out"
cp "$out/$name-$version.cdx.json" "$out/THIRD-PARTY-LICENSES.txt" "$files/"
chmod -R u=rwX,go=rX "$files"
same_time() { find "$1" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +; }

# The archive: unpack it anywhere.
archive=$name-$version-$target
cp -r "$files" "$work/$archive"
cp "deploy/systemd/$name.service" "$work/$archive/"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu \
  -C "$work" -cf - "$archive" | gzip "$([ "$compression" = none ] && echo -1 || echo -9)" --no-name >"$out/$archive.tar.gz"

# The package: the unit runs as a user of its own instead of a dynamic one, so that the command line can be that user too.
deb=$work/deb share=$work/deb/usr/share
mkdir -p "$deb"/{DEBIAN,etc/$name,usr/bin,usr/lib/systemd/system,var/lib/$name}
mkdir -p "$share"/{bash-completion/completions,zsh/vendor-completions,fish/vendor_completions.d,man/man1,doc/$name,$name}
cp "$files/$name" "$deb/usr/bin/"
sed -e "s,/usr/local/bin/,/usr/bin/," -e "s,^DynamicUser=yes,User=$name\nGroup=$name\nStateDirectoryMode=0700," \
  "deploy/systemd/$name.service" >"$deb/usr/lib/systemd/system/$name.service"
cp "$files"/man/* "$share/man/man1/"
cp "$files/completions/$name.bash" "$share/bash-completion/completions/$name"
cp "$files/completions/$name.zsh" "$share/zsh/vendor-completions/_$name"
cp "$files/completions/$name.fish" "$share/fish/vendor_completions.d/$name.fish"
cp -r "$files"/{README.md,CHANGELOG.md,SECURITY.md,THIRD-PARTY-LICENSES.txt,docs,"$name-$version.cdx.json"} "$share/doc/$name/"
cp deploy/debian/copyright "$share/doc/$name/copyright"
printf '%s (%s) stable; urgency=medium\n\n  * CHANGELOG.md says what has changed.\n\n -- %s  %s\n' \
  "$name" "$version" "$maintainer" "$(date --rfc-email --date="@$SOURCE_DATE_EPOCH")" >"$share/doc/$name/changelog"
cp -r "$files/config" "$files/grafana" "$share/$name/"
gzip -9 --no-name "$share"/man/man1/* "$share/doc/$name"/{changelog,THIRD-PARTY-LICENSES.txt}
for script in postinst prerm postrm; do install -m 755 "deploy/debian/$script" "$deb/DEBIAN/$script"; done
glibc=$(objdump -T "$files/$name" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -1 | cut -d_ -f2)
sed -e "s/@VERSION@/$version/" -e "s/@ARCHITECTURE@/$architecture/" -e "s/@GLIBC@/$glibc/" \
  -e "s/@MAINTAINER@/$maintainer/" \
  -e "s/@SIZE@/$(find "$deb" -type f -printf '%s\n' | awk '{ kib += int(($1 + 1023) / 1024) } END { print kib }')/" \
  deploy/debian/control >"$deb/DEBIAN/control"
(cd "$deb" && find usr -type f | sort | xargs md5sum >DEBIAN/md5sums)
same_time "$deb"
package=${name}_${version}_$architecture.deb
dpkg-deb --root-owner-group --uniform-compression "-Z$compression" --build "$deb" "$out/$package" >/dev/null

# How it was made, in the words of in-toto and SLSA. It is not signed: whoever publishes signs SHA256SUMS.
built=${built:-no} python3 - "$out" "$commit" "$features" "$target" "$version" "$compression" <<'P'
import hashlib, json, os, pathlib, subprocess, sys
out, asked = pathlib.Path(sys.argv[1]), dict(zip(["commit", "features", "target", "version", "compression"], sys.argv[2:]))
digest = lambda path: {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
said = lambda *command: subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
statement = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": path.name, "digest": digest(path)} for path in sorted(out.iterdir())],
    "predicateType": "https://slsa.dev/provenance/v1",
    "predicate": {
        "buildDefinition": {
            "buildType": "urn:namely-okta-sync:deploy/release.sh",
            "externalParameters": asked,
            "internalParameters": {
                "built": os.environ["built"] == "yes",
                "SOURCE_DATE_EPOCH": int(os.environ["SOURCE_DATE_EPOCH"]),
                "rustc": said("rustc", "-vV").splitlines(),
                "cargo": said("cargo", "--version"),
                "cc": said("cc", "--version").splitlines()[0],
                **{tool: said(tool, "--version").splitlines()[0] for tool in ["strip", "gzip", "tar", "dpkg-deb"]},
            },
            "resolvedDependencies": [
                {"uri": "git:HEAD", "digest": {"gitCommit": asked["commit"]}},
                {"uri": "Cargo.lock", "digest": digest(pathlib.Path("Cargo.lock"))},
            ],
        },
        "runDetails": {"builder": {"id": "urn:namely-okta-sync:whoever-ran-the-script"}},
    },
}
(out / "provenance.json").write_text(json.dumps(statement, indent=1) + "\n")
P
(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
chmod 644 "$out"/*
ls -l "$out"
