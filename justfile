# `just` lists what there is. Everything here is an ordinary command that can be typed without it.

_default:
    @just --list --unsorted

# Does it compile, tests and benchmarks included?
check:
    cargo check --all-targets --all-features

# Unit tests: seconds, once they are built
unit:
    cargo nextest run --lib --all-features

# Tests of one program of tests/ whose name contains WORDS: `just test service termination`
test program words:
    cargo nextest run --all-features --test {{program}} -E 'test({{words}})'

# What the documents, the map of rooms and the vocabulary promise
documents:
    cargo nextest run --all-features --test program -E 'test(docs) + test(words) + test(links) + test(handbook) + test(by_hand) + test(examples) + test(deploy)'

# What must hold before a change is offered: formatting, lints, unit tests, documents
ready:
    cargo fmt --check
    cargo clippy --all-targets --all-features -- -D warnings
    just unit
    just documents

# Everything, as CI runs it
ci:
    .ci/run

# Both sides simulated on this machine, and the service between them: `just sandbox --scenario reorg`
sandbox *flags:
    cargo run --release -- sandbox {{flags}}

# Every order of HR's events in two companies and two orgs; or so many of each story, drawn by a seed
orders count="all" seed="20261127":
    ORDERS={{count}} ORDERS_SEED={{seed}} cargo test --all-features --test service tenants_orders

# Chaos for so many minutes; a seed makes the same dice
chaos minutes="5" seed="41":
    CHAOS_MINUTES={{minutes}} CHAOS_SEED={{seed}} cargo test --all-features --test chaos -- --nocapture

# This service beside scripts on Okta's SDKs, in real time: `just compare --people 130`
compare *flags:
    benches/peers/run.sh {{flags}}

# After a change of config/example.toml
schema:
    cargo run --quiet -- config schema > config/schema.json

# After a change of grafana/generate.py
dashboards:
    python3 grafana/generate.py

# Licences, sources and banned crates
deny:
    cargo deny --offline check bans licenses sources

# Packages, sums, SBOM and licences, into dist/
release *flags:
    deploy/release.sh {{flags}}

# Builds again in another folder and compares with dist/
verify-release *flags:
    deploy/verify-release.sh {{flags}}

# The documents as a book in target/book (mdBook is installed by hand: `cargo install mdbook`)
book:
    mdbook build
