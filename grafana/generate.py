#!/usr/bin/env python3
"""Makes the dashboards, so that ids, units, variables and links are the same everywhere.

`generate.py` writes grafana/dashboards/*.json; `generate.py --check` fails if they are not what it would write.
"""

import json
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).parent
P = "namely_okta_sync_"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
I, O, T = 'instance=~"$instance"', 'org=~"$org"', 'tenant=~"$tenant"'
# Where the operators of this installation read docs/runbook.md.
RUNBOOK = os.environ.get("RUNBOOK_URL", "docs/runbook.md")
RED = [(None, "green"), (1, "red")]


def query(expr, legend="", instant=False):
    return {"datasource": SOURCE, "expr": expr, "legendFormat": legend or "__auto", "refId": "A", "instant": instant, "range": not instant}


def panel(kind, title, queries, unit="short", width=6, height=7, steps=None, about="", **options):
    targets = [{**query(*(q if isinstance(q, tuple) else (q,)), instant=kind in ("stat", "table")), "refId": chr(65 + n)} for n, q in enumerate(queries)]
    thresholds = {"mode": "absolute", "steps": [{"value": v, "color": c} for v, c in (steps or [(None, "blue")])]}
    made = {
        "type": kind, "title": title, "description": about, "datasource": SOURCE, "targets": targets,
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": thresholds, "min": 0}, "overrides": []},
        "options": options, "gridPos": {"w": width, "h": height},
    }
    if kind == "stat":
        made["options"] = {"colorMode": "background", "reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none", **options}
    if kind == "timeseries":
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}, **options}
    return made


def stat(title, expr, unit="short", steps=None, width=4, about=""):
    return panel("stat", title, [expr], unit, width, 4, steps, about)


def graph(title, queries, unit="short", width=12, about="", **options):
    return panel("timeseries", title, queries, unit, width, 8, None, about, **options)


def quantiles(name, by=I):
    return [(f"histogram_quantile({q}, sum by (le) (rate({P}{name}_bucket{{{by}}}[$__rate_interval])))", label) for q, label in ((0.5, "half"), (0.99, "99 of 100"))]


def variable(name, label):
    return {
        "name": name, "type": "query", "datasource": SOURCE, "label": label, "multi": True, "includeAll": True,
        "current": {"text": "All", "value": "$__all"}, "refresh": 2, "sort": 1,
        "query": {"query": f"label_values({P}{'ready' if name == 'instance' else 'runs' if name == 'org' else 'namely_profiles'}, {name})", "refId": "v"},
    }


MERGER = [
    stat("Safe", f"max({P}audit_chain_broken{{{I}}}) + max(max_over_time({P}run_panics_total{{{I}}}[5m]) - min_over_time({P}run_panics_total{{{I}}}[5m]))", steps=RED, about="0: the audit is whole, and no run has panicked in five minutes"),
    stat("Leavers with access", f'sum({P}leavers_with_access{{{I},{O},why!="by_decision"}}) or vector(0)', steps=RED, about="people who have left and still have access; `status` names the first, `attention` all"),
    stat("Ready", f"min({P}ready{{{I}}})", steps=[(None, "red"), (1, "green")], about="1 when nothing is missing; /readyz says what is"),
    stat("People waiting", f"sum({P}backlog{{{I},{O}}})"),
    stat("Done in", f"max({P}backlog_eta_seconds{{{I},{O}}})", "s", about="What Okta's limits alone need for the backlog"),
    stat("Held for a decision", f"sum({P}held{{{I},{O}}})", steps=[(None, "green"), (1, "orange")], about="`holds list` shows them"),
    stat("Quarantined", f"sum({P}quarantined{{{I},{O}}})", steps=[(None, "green"), (1, "orange")], about="`quarantine list` shows them with what to do"),
    stat("Oldest termination", f'max({P}backlog_oldest_age_seconds{{{I},{O},priority="revoke"}})', "s", [(None, "green"), (5, "orange"), (60, "red")]),
    stat("Oldest waiting", f"max({P}backlog_oldest_age_seconds{{{I},{O}}})", "s"),
    stat("Namely last seen", f'time() - min({P}namely_last_page_timestamp_seconds{{{I},{T},pass="hot"}})', "s", [(None, "green"), (60, "orange"), (300, "red")]),
    stat("Okta paused", f"max({P}okta_paused{{{I},{O}}}) or vector(0)", steps=RED),
    stat("Writes paused", f"max({P}writes_paused{{{I}}})", steps=RED, about="by somebody; `resume` ends it"),
    stat("429 of our own", f'sum({P}okta_429_total{{{I},{O},cause="own"}}) or vector(0)', steps=RED, about="a defect, if it is not 0"),
    graph("Backlog by priority", [(f"sum by (priority) ({P}backlog{{{I},{O}}})", "{{priority}}")]),
    graph("People finished per minute", [(f"60 * sum(rate({P}done_total{{{I}}}[$__rate_interval]))", "finished"), (f"60 * sum by (priority) (rate({P}profiles_changed_total{{{I},{T}}}[$__rate_interval]))", "seen: {{priority}}")]),
    graph("From seen to access cut", quantiles("revoke_seconds"), "s"),
    graph("From seen to proved in Okta", quantiles("detect_to_done_seconds"), "s"),
    graph("Calls by outcome per minute", [(f"60 * sum by (outcome) (rate({P}okta_calls_total{{{I},{O}}}[$__rate_interval]))", "{{outcome}}")]),
    graph("What is left of each window", [(f"{P}okta_rate_limit_remaining{{{I},{O}}}", "{{org}} {{bucket}}")]),
]
BUDGET = [
    graph("Limit", [(f"{P}okta_rate_limit{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("Calls per minute", [(f"60 * sum by (org, bucket) (rate({P}okta_calls_total{{{I},{O}}}[$__rate_interval]))", "{{org}} {{bucket}}")]),
    graph("Left of the window", [(f"{P}okta_rate_limit_remaining{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("Kept for terminations", [(f"{P}okta_rate_limit_reserved{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("The window ends in", [(f"clamp_min({P}okta_rate_limit_reset_timestamp_seconds{{{I},{O}}} - time(), 0)", "{{org}} {{bucket}}")], "s"),
    graph("Under way", [(f"{P}okta_in_flight{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("Waiting for the counter", [(f"{P}okta_waiting{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("Calls that the backlog needs", [(f"{P}backlog_calls{{{I},{O}}}", "{{org}} {{bucket}}")]),
    graph("Time that the backlog needs", [(f"{P}backlog_eta_seconds{{{I},{O}}}", "{{org}}")], "s"),
    graph("429 by cause", [(f"sum by (cause) (increase({P}okta_429_total{{{I},{O}}}[$__rate_interval])) or vector(0)", "{{cause}}")], about="own: a defect; foreign: others spend the org's counter; concurrency: too many calls at once"),
    graph("Refused again in the same words", [(f"sum by (org) (increase({P}repeated_refusals_total{{{I},{O}}}[$__rate_interval])) or vector(0)", "{{org}}")], about="each waits twice as long as the time before"),
    graph("Answers about somebody else", [(f"sum by (org) (increase({P}okta_anomalies_total{{{I},{O}}}[$__rate_interval])) or vector(0)", "{{org}}")], about="not used; several stop writes until answers are right again"),
    graph("Time of a call", quantiles("okta_call_seconds", f"{I},{O}"), "s"),
    graph("Windows of each bucket", [(f"{P}okta_rate_limit_windows{{{I},{O}}}", "{{org}} {{bucket}}")], about="more than one where answers have proved it"),
    graph("Paused", [(f"{P}okta_paused{{{I},{O}}} or vector(0)", "{{org}} {{scope}}")]),
    graph("Okta last answered", [(f"time() - {P}okta_last_answer_timestamp_seconds{{{I},{O}}}", "{{org}}")], "s", about="an API token dies after 30 idle days"),
]
NAMELY = [
    graph("Pages per minute", [(f"60 * sum by (tenant, pass, result) (rate({P}namely_pages_total{{{I},{T}}}[$__rate_interval]))", "{{tenant}} {{pass}} {{result}}")]),
    graph("Age of the newest page", [(f"time() - {P}namely_last_page_timestamp_seconds{{{I},{T}}}", "{{tenant}} {{pass}}")], "s"),
    graph("Age of the last complete walk", [(f"time() - {P}namely_last_complete_walk_timestamp_seconds{{{I},{T}}}", "{{tenant}}")], "s"),
    graph("Walks by completeness", [(f"sum by (tenant, complete) (increase({P}namely_walks_total{{{I},{T}}}[$__rate_interval]))", "{{tenant}} complete={{complete}}")]),
    graph("From the edit to the answer that showed it", quantiles("namely_source_lag_seconds", f"{I},{T}"), "s", about="where updated_at moved"),
    graph("Profiles that changed, per minute", [(f"60 * sum by (tenant, priority) (rate({P}profiles_changed_total{{{I},{T}}}[$__rate_interval]))", "{{tenant}} {{priority}}")]),
    graph("Profiles known", [(f"{P}namely_profiles{{{I},{T}}}", "{{tenant}}")]),
    graph("Profiles that cannot be read", [(f"sum by (tenant) ({P}namely_unreadable_profiles{{{I},{T}}}) or vector(0)", "{{tenant}}")]),
    graph("People not shown any more", [(f"sum by (tenant) ({P}missing_people{{{I},{T}}})", "{{tenant}}")], about="complete walks do not show them, they have access, and nobody has decided; `missing list` names them"),
    graph("Throttled by Namely", [(f"sum by (tenant) (increase({P}namely_throttled_total{{{I},{T}}}[$__rate_interval])) or vector(0)", "{{tenant}}")]),
    graph("Days until a credential expires", [(f"({P}credential_expiry_timestamp_seconds{{{I}}} - time()) / 86400 or vector(0)", "{{side}} {{name}}")], "d"),
]
SAFETY = [
    stat("Terminations slower than a second", "max(namely_okta_sync:revoke_slow:ratio6h) or vector(0)", "percentunit", [(None, "green"), (0.01, "orange"), (0.06, "red")], 6, "of the last six hours; one of a hundred is allowed"),
    stat("Audit chain", f"max({P}audit_chain_broken{{{I}}})", steps=RED, width=6, about="0: as it was written"),
    stat("Last verified", f"time() - max({P}audit_verified_timestamp_seconds{{{I}}})", "s", width=6),
    stat("Audit rows", f"max({P}audit_rows{{{I}}})", width=6),
    graph("Leavers with access", [(f"sum by (org, why) ({P}leavers_with_access{{{I},{O}}})", "{{org}} {{why}}")], about="for longer than alerts.leaver_access, by the reason"),
    graph("For how long the first of them has access", [(f"{P}leaver_access_oldest_seconds{{{I},{O}}}", "{{org}}")], "s"),
    graph("Used of each safeguard", [(f"{P}safeguard_used_ratio{{{I},{O},{T}}}", "{{org}} {{tenant}} {{change}} per {{per}}")], "percentunit", about="at 100 % whoever comes next is held"),
    graph("Holds that wait", [(f"sum by (org, change) ({P}holds{{{I},{O}}})", "{{org}} {{change}}")]),
    graph("Age of the oldest hold", [(f"{P}hold_oldest_age_seconds{{{I},{O}}}", "{{org}} {{change}}")], "s"),
    graph("People held, people quarantined", [(f"sum by (org) ({P}held{{{I},{O}}})", "held {{org}}"), (f"sum by (org) ({P}quarantined{{{I},{O}}})", "quarantined {{org}}")]),
    graph("Writes paused", [(f"{P}writes_paused{{{I}}}", "{{org}} {{change}}")]),
    graph("Plans by verdict, per minute", [(f"60 * sum by (verdict) (rate({P}plans_total{{{I}}}[$__rate_interval]))", "{{verdict}}")]),
    graph("Audit rows not sealed yet", [(f"{P}audit_unsealed_rows{{{I}}}", "{{instance}}")]),
    graph("Audit rows that sinks have not taken", [(f"{P}audit_sink_lag_rows{{{I}}}", "{{sink}}")]),
    graph("Age of the oldest of them", [(f"{P}audit_sink_lag_seconds{{{I}}}", "{{sink}}")], "s"),
    graph("Deliveries per minute", [(f"60 * sum by (sink) (rate({P}audit_rows_delivered_total{{{I}}}[$__rate_interval]))", "{{sink}}"), (f"60 * sum by (sink) (rate({P}audit_sink_failures_total{{{I}}}[$__rate_interval])) or vector(0)", "failed {{sink}}")]),
    graph("Messages", [(f"sum by (channel) (increase({P}notifications_total{{{I}}}[$__rate_interval])) or vector(0)", "{{channel}}"), (f"sum by (channel) (increase({P}notification_failures_total{{{I}}}[$__rate_interval])) or vector(0)", "failed {{channel}}")]),
]
INTERNALS = [
    stat("Version", f"{P}build_info{{{I}}}", width=6, about="the label says which"),
    stat("Up for", f"time() - max(process_start_time_seconds{{{I}}})", "s", width=6),
    stat("Memory", f"max(process_resident_memory_bytes{{{I}}})", "bytes", width=6),
    stat("Run panics", f"sum({P}run_panics_total{{{I}}})", steps=RED, width=6),
    graph("Which node serves", [(f"{P}serves{{{I}}}", "{{instance}}")], about="1: serves; 0: stands by"),
    graph("Nodes that live", [(f"max({P}nodes{{{I}}})", "nodes")], about="as the one that serves sees them"),
    graph("Store trouble", [(f"{P}store_trouble{{{I}}}", "{{kind}}")]),
    graph("Runs released because nothing was heard of them", [(f"increase({P}runs_overdue_total{{{I}}}[5m])", "{{org}}")]),
    graph("Actors that failed by a mistake", [(f"increase({P}actor_failures_total{{{I}}}[5m])", "{{actor}}")]),
    graph("Runs", [(f"{P}runs{{{I},{O}}}", "{{org}}")]),
    graph("Calls of a plan", quantiles("plan_calls"), about="what one change needs"),
    graph("Calls per plan", [("namely_okta_sync:calls_per_change:ratio5m", "{{instance}}")]),
    graph("Revisions finished per second", [("namely_okta_sync:done:rate5m", "{{instance}}")]),
    graph("Wait for room in a mailbox, 99 of 100", [(f"histogram_quantile(0.99, sum by (le, actor) (rate({P}mailbox_wait_seconds_bucket{{{I}}}[$__rate_interval])))", "{{actor}}")], "s"),
    graph("Time of a group commit", quantiles("store_commit_seconds"), "s"),
    graph("Jobs of a group commit", quantiles("store_jobs_per_commit")),
    graph("Size of the store", [(f"{P}store_bytes{{{I}}}", "{{file}}")], "bytes"),
    graph("CPU", [(f"rate(process_cpu_seconds_total{{{I}}}[$__rate_interval])", "{{instance}}")], "percentunit"),
    graph("Open files", [(f"process_open_fds{{{I}}}", "{{instance}}"), (f"process_max_fds{{{I}}}", "limit {{instance}}")]),
    graph("Threads", [(f"process_threads{{{I}}}", "{{instance}}")]),
    graph("Wrong tokens and signatures", [(f"sum by (what) (increase({P}admin_refused_total{{{I}}}[$__rate_interval]))", "{{what}}")]),
    graph("Exchanges of the configuration", [(f"sum by (result) (increase({P}config_reloads_total{{{I}}}[$__rate_interval]))", "{{result}}")]),
    graph("Memory over time", [(f"process_resident_memory_bytes{{{I}}}", "resident"), (f"process_virtual_memory_bytes{{{I}}}", "virtual")], "bytes"),
]
DASHBOARDS = {
    "merger-night": ("Merger night", MERGER),
    "okta-budget": ("Okta budget", BUDGET),
    "namely-detection": ("Namely and detection", NAMELY),
    "safety-compliance": ("Safety and compliance", SAFETY),
    "internals": ("Internals", INTERNALS),
}


def placed(panels):
    x = y = tallest = 0
    for number, made in enumerate(panels, 1):
        spot = made["gridPos"]
        if x + spot["w"] > 24:
            x, y, tallest = 0, y + tallest, 0
        made["id"], made["gridPos"] = number, {**spot, "x": x, "y": y}
        x, tallest = x + spot["w"], max(tallest, spot["h"])
    return panels


def annotation(name, expr, colour, text):
    return {"name": name, "datasource": SOURCE, "enable": True, "iconColor": colour, "expr": expr, "titleFormat": name, "textFormat": text, "step": "15s"}


def dashboard(name, title, panels):
    return {
        "uid": f"nos-{name}", "title": title, "tags": ["namely-okta-sync"], "editable": False, "schemaVersion": 39,
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"}, "timezone": "browser", "graphTooltip": 1,
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus", "current": {"text": "Prometheus", "value": "prometheus"}},
            {"name": "runbook", "type": "constant", "hide": 2, "query": RUNBOOK},
            variable("instance", "Instance"), variable("org", "Okta org"), variable("tenant", "Namely company"),
        ]},
        "annotations": {"list": [
            annotation("run", "changes(process_start_time_seconds[30s]) > 0", "blue", "the service was started"),
            annotation("hold", f"delta({P}holds[30s]) > 0", "orange", "a hold on {{change}} in {{org}}"),
        ]},
        "links": [
            {"type": "dashboards", "title": "namely-okta-sync", "tags": ["namely-okta-sync"], "asDropdown": True, "includeVars": True, "keepTime": True},
            {"type": "link", "title": "Runbook", "icon": "doc", "targetBlank": True, "url": "${runbook}"},
        ],
        "panels": placed(panels),
    }


def main():
    wrong = []
    for name, (title, panels) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, panels), indent=1, ensure_ascii=False) + "\n"
        path = HERE / "dashboards" / f"{name}.json"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            wrong.append(str(path))
    if wrong:
        sys.exit(f"not what grafana/generate.py writes: {', '.join(wrong)}; run it")


main()
