#!/usr/bin/env python3
"""Makes the dashboards beside it, dashboards/*.json, and nothing else: `./dashboards.py`, or `./dashboards.py DIR`
to write them elsewhere. A dashboard is a list of rows, a row a title and its panels; each panel says in a sentence
what to see in it. Python 3 alone is needed."""

import json
import pathlib
import sys

DATASOURCE = {"type": "prometheus", "uid": "marquee"}
GREEN, YELLOW, RED, BLUE = "green", "yellow", "red", "blue"
# Every query is narrowed to the processes that are chosen at the top; at first all of them are.
PROCESS = 'job="marquee",instance=~"$instance"'


def only(metric, matchers=""):
    """A metric of the chosen processes."""
    return f"{metric}{{{PROCESS}{',' if matchers else ''}{matchers}}}"


def rate(metric, matchers="", by="", window="$__rate_interval"):
    """How much a counter grows in a second, summed up."""
    grouped = f" by ({by})" if by else ""
    return f"sum{grouped} (rate({only(metric, matchers)}[{window}]))"


def quantile(q, metric, matchers="", by=""):
    """A quantile of a histogram."""
    groups = ", ".join(part for part in ("le", by) if part)
    return f"histogram_quantile({q}, {rate(metric + '_bucket', matchers, groups)})"


def mean(metric, matchers="", by=""):
    """The mean of a histogram."""
    return f"{rate(metric + '_sum', matchers, by)} / ({rate(metric + '_count', matchers, by)} > 0)"


def ratio(part, whole):
    """A share: 0 where there is none of `part`, and nothing where there is no `whole`."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def thresholds(*steps):
    """Colours from values on: `thresholds(GREEN, (1, RED))`."""
    first, *rest = steps
    return {
        "mode": "absolute",
        "steps": [{"color": first, "value": None}] + [{"color": color, "value": value} for value, color in rest],
    }


def targets(queries):
    return [
        {"datasource": DATASOURCE, "refId": chr(ord("A") + at), "expr": expr, "legendFormat": legend, "range": True}
        for at, (expr, legend) in enumerate(queries)
    ]


def graph(title, description, unit, *queries, width=8, height=8, steps=None, low=0, high=None, stack=False):
    """Lines over time. `steps` draws a line where it becomes worth a look."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 25 if stack else 8,
        "showPoints": "never",
        "spanNulls": 60000,
        "stacking": {"mode": "normal" if stack else "none"},
        "thresholdsStyle": {"mode": "line" if steps else "off"},
    }
    defaults = {"unit": unit, "min": low, "custom": custom, "color": {"mode": "palette-classic"}}
    if high is not None:
        defaults["max"] = high
    if steps:
        defaults["thresholds"] = steps
    return {
        "type": "timeseries",
        "title": title,
        "description": description,
        "size": (width, height),
        "targets": targets(queries),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
    }


def stat(title, description, unit, query, width=3, height=4, steps=None, decimals=None, legend="", names=False):
    """One number, in the colour of how good it is. With `names` it is the legends that are shown."""
    defaults = {"unit": unit, "thresholds": steps or thresholds(BLUE), "color": {"mode": "thresholds"}}
    if decimals is not None:
        defaults["decimals"] = decimals
    panel = {
        "type": "stat",
        "title": title,
        "description": description,
        "size": (width, height),
        "targets": targets([(query, legend)]),
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {
            "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
            "colorMode": "background" if steps else "value",
            "graphMode": "none" if names else "area",
            "textMode": "name" if names else "auto",
        },
    }
    for target in panel["targets"]:
        target["instant"], target["range"] = names, not names
    return panel


def heatmap(title, description, metric, matchers="", width=8, height=8):
    """A histogram over time."""
    query = f"sum by (le) (increase({only(metric + '_bucket', matchers)}[$__rate_interval]))"
    made = targets([(query, "{{le}}")])
    made[0]["format"] = "heatmap"
    return {
        "type": "heatmap",
        "title": title,
        "description": description,
        "size": (width, height),
        "targets": made,
        "fieldConfig": {"defaults": {}, "overrides": []},
        "options": {
            "calculate": False,
            "cellGap": 1,
            "color": {"mode": "scheme", "scheme": "Oranges", "steps": 64, "exponent": 0.5},
            "yAxis": {"unit": "s"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "legend": {"show": False},
        },
    }


def states(title, description, query, legend, width=8, height=8):
    """Up or down over time, a line for each."""
    up_down = {"0": {"text": "away", "color": RED}, "1": {"text": "up", "color": GREEN}}
    return {
        "type": "state-timeline",
        "title": title,
        "description": description,
        "size": (width, height),
        "targets": targets([(query, legend)]),
        "fieldConfig": {
            "defaults": {
                "mappings": [{"type": "value", "options": up_down}],
                "thresholds": thresholds(RED, (1, GREEN)),
                "color": {"mode": "thresholds"},
                "custom": {"fillOpacity": 70, "lineWidth": 0},
            },
            "overrides": [],
        },
        "options": {"mergeValues": True, "showValue": "never", "legend": {"showLegend": False}},
    }


def where_there_is_one(panels):
    """Says so in the panels of an engine that this house may do without."""
    for panel in panels:
        panel["fieldConfig"]["defaults"]["noValue"] = "not in use"
    return panels


def dashboard(uid, title, description, *rows):
    """Rows from the top, the panels of each from the left; what does not fit goes below."""
    panels, top = [], 0
    for name, members in rows:
        panels.append({"type": "row", "title": name, "collapsed": False, "panels": [], "size": (24, 1)})
        panels[-1]["gridPos"] = {"x": 0, "y": top, "w": 24, "h": 1}
        left, top, deepest = 0, top + 1, 0
        for panel in members:
            width, height = panel["size"]
            if left + width > 24:
                left, top, deepest = 0, top + deepest, 0
            panel["gridPos"] = {"x": left, "y": top, "w": width, "h": height}
            panel["datasource"] = DATASOURCE
            panels.append(panel)
            left, deepest = left + width, max(deepest, height)
        top += deepest
    for number, panel in enumerate(panels, 1):
        panel["id"] = number
        del panel["size"]
    instance = {
        "name": "instance",
        "label": "Process",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": 'label_values(up{job="marquee"}, instance)', "refId": "instance"},
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
    }
    firing = {
        "name": "Alerts",
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": RED,
        "expr": 'ALERTS{alertname=~"Marquee.+",alertstate="firing"}',
        "titleFormat": "{{alertname}}",
    }
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["marquee"],
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "schemaVersion": 39,
        "templating": {"list": [instance]},
        "annotations": {"list": [firing]},
        "links": [{"type": "dashboards", "tags": ["marquee"], "title": "Marquee", "asDropdown": False, "includeVars": True, "keepTime": True}],
        "panels": panels,
    }


REQUESTS, SECONDS = "http_requests_total", "http_request_duration_seconds"
LATE = thresholds(GREEN, (0.25, YELLOW), (1, RED))
NONE_IS_GOOD = thresholds(GREEN, (1, RED))

HOUSE = dashboard(
    "marquee-house",
    "Marquee: house",
    "Is all well, for whom is it not, and where to look.",
    ("Now", [
        stat("Processes up", "Processes that answer Prometheus.", "short", f"sum({only('up')})", steps=thresholds(RED, (1, GREEN))),
        stat("Databases away", "Databases that did not answer a process that asked.", "short", f"sum(1 - {only('database_up')})", steps=NONE_IS_GOOD),
        stat("Alerts", "Alerts that fire now; Prometheus says which and what to do.", "short", 'count(ALERTS{alertname=~"Marquee.+",alertstate="firing"}) or vector(0)', steps=NONE_IS_GOOD),
        stat("Requests", "Requests answered in a second.", "reqps", rate(REQUESTS), decimals=1),
        stat("Failures", "The share of requests that failed by our fault (5xx, but for uploads that have no room).", "percentunit", ratio(rate(REQUESTS, 'status=~"5..",status!="507"'), rate(REQUESTS)), steps=thresholds(GREEN, (0.001, YELLOW), (0.01, RED)), decimals=2),
        stat("p99", "99 % of answers begin within this time.", "s", quantile(0.99, SECONDS), steps=LATE),
        stat("Live pages", "Open pages that are sent live numbers.", "short", f"sum({only('live_streams')})"),
        stat("Dead letters", "Events that a service could not take.", "short", f"sum(max by (service) ({only('dead_letters')}))", steps=NONE_IS_GOOD),
    ]),
    ("Requests", [
        graph("Answers by status", "What visitors are answered. 5xx is our fault, 429 and 4xx theirs.", "reqps", (rate(REQUESTS, by="status"), "{{status}}"), stack=True),
        graph("Time until the answer begins", "All routes together. A quarter of a second is what alerts allow.", "s", (quantile(0.5, SECONDS), "p50"), (quantile(0.95, SECONDS), "p95"), (quantile(0.99, SECONDS), "p99"), steps=LATE),
        heatmap("Times", "How many answers took how long.", SECONDS),
        graph("Busiest routes", "The ten routes that are asked most.", "reqps", (f"topk(10, {rate(REQUESTS, by='method, route')})", "{{method}} {{route}}"), height=9),
        graph("Slowest routes", "The ten routes whose p95 is highest.", "s", (f"topk(10, {quantile(0.95, SECONDS, by='method, route')})", "{{method}} {{route}}"), height=9, steps=LATE),
        graph("Refused and failed", "Where answers are 4xx or 5xx, by route.", "reqps", (f"topk(10, {rate(REQUESTS, 'status=~%s' % json.dumps('[45]..'), by='method, route, status')})", "{{status}} {{method}} {{route}}"), height=9),
        graph("In flight", "Requests whose answer has not begun, and open live pages.", "short", (f"sum({only('http_requests_in_flight')})", "requests"), (f"sum({only('live_streams')})", "live pages")),
        graph("Reads saved for live pages", "Open pages that change at once, of tickets or of counters, share one look at the database.", "ops", (rate("live_reads_total"), "asked for"), (rate("live_looks_total"), "looks")),
        graph("Sessions known already", "The share of requests with a session whose token this process need not check again. Little of it after a start is as it should be.", "percentunit", (ratio(rate("cache_lookups_total", 'cache="sessions",result="hit"', by="instance"), rate("cache_lookups_total", 'cache="sessions"', by="instance")), "{{instance}}"), high=1),
        graph("Ended sessions", "Sessions that were signed out of before their time, as each process knows. Processes that differ for long do not hear each other.", "short", (f"{only('sessions_revoked')}", "{{instance}}")),
    ]),
    ("Between the services", [
        graph("Events that wait to be published", "In the outboxes. They grow while NATS or a consumer's database is away.", "short", (f"max by (service) ({only('outbox_waiting')})", "{{service}}")),
        graph("Age of the oldest of them", "Half a minute is worth an alert.", "s", (f"max by (service) ({only('outbox_oldest_seconds')})", "{{service}}"), steps=thresholds(GREEN, (30, RED))),
        graph("Lag of copies (p99)", "How old events are when a consumer has taken them in: how far what it knows is behind.", "s", (quantile(0.99, "events_delivery_seconds", by="consumer"), "{{consumer}}"), steps=thresholds(GREEN, (5, RED))),
    ]),
    ("Processes", [
        graph("Processor", "Cores that each process keeps busy.", "short", (rate("process_cpu_seconds_total", by="instance", window="5m"), "{{instance}}"), width=6),
        graph("Memory", "Resident memory.", "bytes", (only("process_resident_memory_bytes"), "{{instance}}"), width=6),
        graph("Files and connections", "Open ones, of those that may be.", "percentunit", (f"{only('process_open_fds')} / ({only('process_max_fds')} > 0)", "{{instance}}"), width=6, high=1, steps=thresholds(GREEN, (0.8, RED))),
        graph("Free disk", "What is left of the disk that has the data directory.", "percentunit", (f"{only('data_disk_available_bytes')} / {only('data_disk_size_bytes')}", "{{instance}}"), width=6, high=1, steps=thresholds(RED, (0.1, GREEN))),
        graph("Threads", "A number that grows without end is a leak.", "short", (only("process_threads"), "{{instance}}"), width=6, height=6),
        stat("Running for", "How long each process has been up.", "s", f"time() - {only('process_start_time_seconds')}", width=9, height=6, legend="{{instance}}"),
        stat("Version", "What runs. Two names at a time are an upgrade under way.", "short", f"count by (version, os, arch) ({only('marquee_build_info')})", width=9, height=6, legend="{{version}} on {{os}} {{arch}}", names=True),
    ]),
)

RESERVE = 'method="POST",route="/api/orders"'
PAY = 'method="POST",route="/api/payments"'
DOOR = 'route="/api/admissions/{code}/redeem"'

SALE = dashboard(
    "marquee-sale",
    "Marquee: sale",
    "How the sale goes: holds, money, the door.",
    ("Now", [
        stat("Holds", "Holds that will end if nothing becomes of them.", "short", f"max({only('holds_active')})"),
        stat("Sold in the last hour", "Admissions of orders that became complete.", "short", f"sum(increase({only('admissions_issued_total')}[1h]))", decimals=0),
        stat("Captured in the last hour", "In the currency of the house.", "short", f"sum(increase({only('payments_amount_total', 'status=%s' % json.dumps('captured'))}[1h])) / 100", decimals=2),
        stat("Orders that complete", "Of the orders of the last hour. Holds last a quarter of an hour by default, so it follows late.", "percentunit", f"sum(increase({only('orders_total', 'status=%s' % json.dumps('complete'))}[1h])) / (sum(increase({only('orders_total', 'status=%s' % json.dumps('created'))}[1h])) > 0)", decimals=0),
        stat("Payments pending", "Payments whose outcome is not known yet.", "short", f"max({only('payments_pending')})", steps=thresholds(GREEN, (10, YELLOW), (100, RED))),
        stat("Oldest of them", "It is asked about after fifteen seconds; two minutes are worth an alert.", "s", f"max({only('payments_pending_oldest_seconds')})", steps=thresholds(GREEN, (30, YELLOW), (120, RED))),
        stat("Refunds to do", "Refunds that were asked for and are not done.", "short", f"max({only('refunds_pending')})", steps=thresholds(GREEN, (1, YELLOW), (20, RED))),
        stat("Holds overdue", "For how long the hold that should have ended first has been overdue.", "s", f"max({only('holds_overdue_seconds')})", steps=thresholds(GREEN, (10, YELLOW), (60, RED))),
    ]),
    ("Orders", [
        graph("Orders", "What orders become. Those that are cancelled were let go, expired, or refunded.", "ops", (rate("orders_total", by="status"), "{{status}}")),
        graph("Holds that are asked for", "201 is a hold; 400 says that it was sold out, or what was wrong; 503 that we do not keep up.", "reqps", (rate(REQUESTS, RESERVE, by="status"), "{{status}}"), stack=True),
        graph("Time to a hold", "The crowd's way in: durable when answered.", "s", (quantile(0.5, SECONDS, RESERVE), "p50"), (quantile(0.99, SECONDS, RESERVE), "p99"), steps=LATE),
        graph("Holds in one transaction", "A crowd rides in groups.", "short", (mean("db_lane_size", 'db="orders"'), "mean"), (quantile(0.99, "db_lane_size", 'db="orders"'), "p99")),
        graph("Waiting for a hold", "Callers in the lane of orders, and the longest wait among them.", "short", (f"sum({only('db_lane_waiting', 'db=%s' % json.dumps('orders'))})", "callers"), (f"max({only('db_lane_oldest_seconds', 'db=%s' % json.dumps('orders'))})", "seconds")),
        graph("Refused by the lane", "Commands that got a 503, as the lane was full or did not keep up.", "ops", (rate("db_lane_refused_total", 'db="orders"', by="why"), "{{why}}")),
    ]),
    ("Money", [
        graph("Payments", "What payments become.", "ops", (rate("payments_total", by="status"), "{{status}}")),
        graph("Answers to those who pay", "201 is paid, 402 declined, 503 not known yet.", "reqps", (rate(REQUESTS, PAY, by="status"), "{{status}}"), stack=True),
        graph("Money", "Captured and given back, an hour's worth, in the currency of the house.", "short", (f"sum by (status) (increase({only('payments_amount_total', 'status=~%s' % json.dumps('captured|refunded'))}[1h])) / 100", "{{status}}")),
        graph("The gateway's time", "It is waited for for ten seconds.", "s", (quantile(0.5, "gateway_seconds", 'outcome="answered"'), "p50"), (quantile(0.99, "gateway_seconds", 'outcome="answered"'), "p99"), steps=thresholds(GREEN, (3, YELLOW), (10, RED))),
        graph("Calls of the gateway", "Those that came to nothing are asked again.", "ops", (rate("gateway_seconds_count", by="outcome"), "{{outcome}}"), stack=True),
        graph("Waiting", "Payments without an outcome, and refunds to do.", "short", (f"max({only('payments_pending')})", "payments"), (f"max({only('refunds_pending')})", "refunds")),
    ]),
    ("The door", [
        graph("Admissions", "Codes that are redeemed by the API: 200 lets in, 409 was used before, 410 was refunded.", "reqps", (rate(REQUESTS, DOOR, by="status"), "{{status}}"), width=12),
        graph("Holds", "Holds that will end if nothing becomes of them.", "short", (f"max({only('holds_active')})", "holds"), width=12),
    ]),
)

WATCH = 'route="/video"'
UPLOAD = 'route=~"/api/videos|/api/uploads.*",method=~"POST|PATCH"'

STREAMING = dashboard(
    "marquee-streaming",
    "Marquee: streaming",
    "Who watches, what is uploaded, and what is kept.",
    ("Now", [
        stat("Viewers", "Viewers to whom bytes were delivered in the last half minute.", "short", f"sum({only('video_viewers')})"),
        stat("Plays in the last hour", "Sittings: viewers who began to watch.", "short", f"sum(increase({only('video_plays_total')}[1h]))", decimals=0),
        stat("Delivered", "Bytes of videos in a second.", "Bps", rate("video_delivered_bytes_total"), decimals=1),
        stat("Failures", "The share of requests for videos that failed by our fault (5xx).", "percentunit", ratio(rate(REQUESTS, f'{WATCH},status=~"5.."'), rate(REQUESTS, WATCH)), steps=thresholds(GREEN, (0.001, YELLOW), (0.01, RED)), decimals=2),
        stat("Published in the last hour", "Uploads that became videos.", "short", f"sum(increase({only('video_uploads_total', 'outcome=%s' % json.dumps('published'))}[1h]))", decimals=0),
        stat("Objects", "Videos, posters and captions that are kept, when it was last looked.", "short", f"max({only('storage_objects')})"),
        stat("Kept", "Their bytes.", "bytes", f"max({only('storage_bytes')})"),
        stat("Orphans", "What nobody needs, and is left. It is let go within the hour, unless it is most of all there is.", "short", f"max({only('storage_orphans')}) + max({only('video_orphans')})", steps=NONE_IS_GOOD),
    ]),
    ("Watching", [
        graph("Viewers", "Viewers to whom bytes were delivered in the last half minute, by process.", "short", (f"sum by (instance) ({only('video_viewers')})", "{{instance}}"), stack=True),
        graph("Plays", "Viewers who began to watch, in a second.", "ops", (rate("video_plays_total"), "plays")),
        graph("Delivered", "Bytes of videos, by process.", "Bps", (rate("video_delivered_bytes_total", by="instance"), "{{instance}}"), stack=True),
        graph("Requests by status", "206 is a part, 304 is known already, 401 has no ticket, 416 asks beyond the end. 5xx is our fault: see whether storage answers.", "reqps", (rate(REQUESTS, WATCH, by="status"), "{{status}}"), stack=True),
        graph("Time until the answer begins", "Until the first bytes of a video can leave.", "s", (quantile(0.5, SECONDS, WATCH), "p50"), (quantile(0.99, SECONDS, WATCH), "p99"), steps=LATE),
        graph("Ended deliveries", "Viewers who were no longer admitted while they watched: refunded, closed, or made private.", "ops", (rate("video_ended_total"), "ended")),
        graph("Videos known already", "The share of requests for which this process need not ask its database what the video is.", "percentunit", (ratio(rate("cache_lookups_total", 'cache="videos",result="hit"', by="instance"), rate("cache_lookups_total", 'cache="videos"', by="instance")), "{{instance}}"), width=24, high=1),
    ]),
    ("Uploads", [
        graph("What becomes of them", "Refused is what is no video; given up are those that nobody went on with.", "ops", (rate("video_uploads_total", by="outcome"), "{{outcome}}")),
        graph("Answers to those who upload", "413 is too large, 415 no video, 507 is beyond the quota or a full disk.", "reqps", (rate(REQUESTS, UPLOAD, by="status"), "{{status}}"), stack=True),
        graph("Written", "Bytes of uploads that storage has written, and of what it has published.", "Bps", (rate("storage_received_bytes_total"), "written"), (rate("storage_published_bytes_total"), "published")),
    ]),
    ("Objects", [
        graph("Kept", "Bytes of all objects. Copies say the same of what they share.", "bytes", (f"max({only('storage_bytes')})", "bytes"), width=6),
        graph("Objects", "Videos, posters and captions.", "short", (f"max({only('storage_objects')})", "objects"), width=6),
        graph("Let go", "What had no row or was abandoned, in a second; and what was published.", "ops", (rate("storage_collected_total"), "let go"), (rate("storage_published_total"), "published"), width=6),
        graph("Orphans", "What nobody needs, and is left. A day of that is worth an alert.", "short", (f"max by (instance) ({only('storage_orphans')})", "{{instance}}: without a row"), (f"max by (instance) ({only('video_orphans')})", "{{instance}}: without a video"), width=6, steps=NONE_IS_GOOD),
    ]),
)

COUNT = 'route=~"/increment|/api/increment|/api/increments"'
ALONE = 'route=~"/increment|/api/increment"'
BATCH = 'route="/api/increments"'
LANE = 'db="counters"'

COUNTERS = dashboard(
    "marquee-counters",
    "Marquee: counters",
    "Every 200 is durable; nothing waits for ten seconds.",
    ("Now", [
        stat("Oldest increment that is not durable", "Ten seconds is the promise. Increments are refused before it is broken.", "s", f"max({only('counter_oldest_unpersisted_age_seconds')})", width=6, steps=thresholds(GREEN, (1, YELLOW), (3, RED))),
        stat("Increments", "Made durable in a second.", "ops", rate("counter_increments_total"), width=6, decimals=0),
        stat("In one commit", "The mean.", "short", mean("counter_batch_size"), width=4, decimals=1),
        stat("Refused", "Requests of the last hour that got a 503.", "short", f"sum(increase({only('counter_refused_total')}[1h]))", width=4, steps=NONE_IS_GOOD, decimals=0),
        stat("p99", "99 % of increments that are sent alone are answered, and so durable, within this time.", "s", quantile(0.99, SECONDS, ALONE), width=4, steps=LATE),
    ]),
    ("Increments", [
        graph("Increments", "Made durable in a second, by process.", "ops", (rate("counter_increments_total", by="instance"), "{{instance}}"), stack=True),
        graph("Increments in one commit", "Those that arrive while a commit is under way share the next one.", "short", (quantile(0.5, "counter_batch_size"), "p50"), (quantile(0.99, "counter_batch_size"), "p99"), (mean("counter_batch_size"), "mean")),
        graph("Age of the oldest that is not durable", "The most within a minute, by process. From three seconds on new ones are refused, so it stays below the ten of the promise.", "s", (f"max by (instance) (max_over_time({only('counter_oldest_unpersisted_age_seconds')}[1m]))", "{{instance}}"), steps=thresholds(GREEN, (1, YELLOW), (3, RED))),
        graph("Time of a transaction", "Of the committer of counters, from its begin until it is durable.", "s", (quantile(0.5, "db_lane_seconds", LANE), "p50"), (quantile(0.99, "db_lane_seconds", LANE), "p99"), steps=LATE),
        heatmap("Times of transactions", "How many took how long.", "db_lane_seconds", LANE),
        graph("Waiting", "Callers that wait for the committer, and requests in one of its transactions.", "short", (f"sum({only('db_lane_waiting', LANE)})", "callers"), (mean("db_lane_size", LANE), "in a transaction")),
    ]),
    ("Requests", [
        graph("Requests by route", "Increments alone, in batches, and reads.", "reqps", (rate(REQUESTS, 'route=~"/increment|/api/increments?|/api/counters.*"', by="method, route"), "{{method}} {{route}}")),
        graph("Answers by status", "503 says that it could not be made durable in time.", "reqps", (rate(REQUESTS, COUNT, by="status"), "{{status}}"), stack=True),
        graph("Time until the answer begins (p99)", "Increments alone, and reads.", "s", (quantile(0.99, SECONDS, 'route=~"/increment|/api/increment|/api/counters.*"', by="route"), "{{route}}"), steps=LATE),
        graph("Time of a batch", "Until all of its body has arrived and is counted; the sender's line and the size of the body are in it.", "s", (quantile(0.5, SECONDS, BATCH), "p50"), (quantile(0.99, SECONDS, BATCH), "p99")),
        graph("Refused", "By the service, and by its lane, as it was full or did not keep up.", "ops", (rate("counter_refused_total"), "requests"), (rate("db_lane_refused_total", LANE, by="why"), "lane: {{why}}")),
        graph("In no picture", "Changes of counters that pages do not draw, as more than 2,048 changed within ten seconds. The counters lack nothing.", "ops", (rate("counter_unsampled_total", by="instance"), "{{instance}}"), width=8),
        graph("Commits of the database", "Each waits for the disk once.", "s", (quantile(0.99, "db_commit_seconds", LANE), "p99"), (quantile(0.5, "db_commit_seconds", LANE), "p50"), steps=LATE),
    ]),
)

ENGINES = dashboard(
    "marquee-engines",
    "Marquee: engines",
    "Databases, their queues, and the bus.",
    ("Databases", [
        states("Databases", "Whether each answered the scrape. A gap is a process that did not.", f"min by (service) ({only('database_up')})", "{{service}}"),
        graph("Commit (p99)", "Time that commits take to be durable: the disk's, or the server's.", "s", (quantile(0.99, "db_commit_seconds", by="db"), "{{db}}"), steps=LATE),
        graph("Commits", "In a second.", "ops", (rate("db_commit_seconds_count", by="db"), "{{db}}")),
    ]),
    ("Lanes", [
        graph("Commands in one transaction", "The mean, where callers share transactions.", "short", (mean("db_lane_size", by="db"), "{{db}}")),
        graph("Time of a transaction (p99)", "Until it is durable.", "s", (quantile(0.99, "db_lane_seconds", by="db"), "{{db}}"), steps=LATE),
        graph("Waiting", "Callers in the lanes.", "short", (f"sum by (db) ({only('db_lane_waiting')})", "{{db}}")),
        graph("Longest wait", "Who has waited for three seconds is told that we do not keep up.", "s", (f"max by (db) ({only('db_lane_oldest_seconds')})", "{{db}}"), width=12, steps=thresholds(GREEN, (3, RED))),
        graph("Refused", "Commands that got a 503.", "ops", (rate("db_lane_refused_total", by="db, why"), "{{db}}: {{why}}"), width=12),
    ]),
    ("SQLite", where_there_is_one([
        graph("Jobs in one commit", "The mean. Many say that a crowd shares the price of a sync.", "short", (mean("db_group_size", by="db"), "{{db}}"), width=12),
        graph("Wait for the writer (p99)", "A file has one writer.", "s", (quantile(0.99, "db_writer_wait_seconds", by="db"), "{{db}}"), width=12, steps=LATE),
    ])),
    ("PostgreSQL", where_there_is_one([
        graph("Connections at work", "Of those that a process may open for a service (DATABASE_CONNECTIONS).", "percentunit", (f"max by (db) ({only('db_pool_in_use')} / {only('db_pool_connections_max')})", "{{db}}"), width=6, high=1),
        graph("Open connections", "Over all processes. PostgreSQL's max_connections is the bound.", "short", (f"sum by (db) ({only('db_pool_connections')})", "{{db}}"), width=6, stack=True),
        graph("Wait for a connection (p99)", "Connecting included. After two seconds it is a 503.", "s", (quantile(0.99, "db_pool_wait_seconds", by="db"), "{{db}}"), width=6, steps=thresholds(GREEN, (0.5, YELLOW), (2, RED))),
        graph("Waiting for a connection", "Jobs, at the moment of a scrape.", "short", (f"sum by (db) ({only('db_pool_waiting')})", "{{db}}"), width=6),
        graph("Transactions run again", "Deadlocks, lost races and broken connections.", "ops", (rate("db_repeats_total", by="db"), "{{db}}"), width=24),
    ])),
    ("Events", [
        graph("Taken in", "Events that consumers were brought.", "ops", (rate("events_delivered_total", by="consumer"), "{{consumer}}")),
        graph("Age of the oldest at work", "Of those that a consumer is taking in now. It grows while one is stuck, of which the lag of copies says nothing.", "s", (f"max by (consumer) ({only('events_oldest_waiting_seconds')})", "{{consumer}}"), steps=thresholds(GREEN, (30, RED))),
        graph("Age when the bus has them (p99)", "From the commit to the stream, or, in one process, to all consumers.", "s", (quantile(0.99, "outbox_delivery_seconds", by="service"), "{{service}}"), steps=thresholds(GREEN, (5, RED))),
        graph("Parked, missed, dropped", "Events that a consumer could not take, or came too late for; messages between processes that were not sent.", "ops", (rate("events_parked_total", by="consumer"), "parked by {{consumer}}"), (rate("events_missed_total", by="consumer"), "missed by {{consumer}}"), (rate("broadcasts_dropped_total"), "messages dropped"), width=24),
    ]),
    ("Caches", [
        graph("Answers by where they were", "In this process (hit), in Redis, or in the database (miss). Tokens whose signature is known are not among them.", "ops", (rate("cache_lookups_total", 'cache!="sessions"', by="cache, result"), "{{cache}}: {{result}}"), stack=True),
        graph("Reads of the databases", "What misses come to: many who miss at once share a read. Refused is what was not remembered, as a write came between.", "ops", (rate("cache_loads_total", by="cache"), "{{cache}}"), (rate("cache_fills_refused_total", by="cache"), "{{cache}}: refused")),
        graph("Oldest answer", "Of those that were remembered, beside the bound, above which none may be.", "s", (f"max by (cache) ({only('cache_age_served_seconds')})", "{{cache}}"), (f"max by (cache) ({only('cache_age_bound_seconds')})", "{{cache}}: bound")),
    ]),
    ("Redis", where_there_is_one([
        states("Redis", "Whether it answers each process. While it does not, databases do.", only("cache_redis_up"), "{{instance}}", width=12),
        graph("Failed calls", "Calls of Redis that came to nothing, or took too long.", "ops", (rate("cache_redis_failures_total", by="instance"), "{{instance}}"), width=12),
    ])),
    ("NATS", where_there_is_one([
        states("NATS", "Whether each process is connected.", only("nats_connected"), "{{instance}}", width=6),
        graph("Stored in streams", "Events that NATS has acknowledged.", "ops", (rate("events_published_total", by="service"), "{{service}}"), width=6),
        graph("Yet to read", "Events in the streams, by consumer.", "short", (f"sum by (consumer) ({only('events_backlog')})", "{{consumer}}"), width=6, steps=thresholds(GREEN, (1000, RED))),
        graph("Partitions held", "How the copies share the reading: by process, over all consumers.", "short", (f"sum by (instance) ({only('partitions_held')})", "{{instance}}"), width=6),
    ])),
)

if __name__ == "__main__":
    here = pathlib.Path(__file__).resolve().parent
    place = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else here / "dashboards"
    for made in (HOUSE, SALE, STREAMING, COUNTERS, ENGINES):
        text = json.dumps(made, indent=1, ensure_ascii=False) + "\n"
        (place / f"{made['uid'].removeprefix('marquee-')}.json").write_text(text, encoding="utf-8")
