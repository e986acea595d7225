"""Writes the dashboards beside it: ``python -m deploy.grafana.generate``. A test holds the two together.

Gauges and counters are of one worker each, so every query adds up over the workers.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grafana_foundation_sdk.builders import bargauge, common, dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import (
    BigValueColorMode,
    BigValueGraphMode,
    LegendDisplayMode,
    LegendPlacement,
    TooltipDisplayMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef, Threshold, ThresholdsMode

HERE = Path(__file__).parent / "dashboards"
SOURCE = DataSourceRef(type_val="prometheus", uid="prometheus")
RATE = "$__rate_interval"
GREEN, RED = "green", "red"

Query = tuple[str, str]
"""PromQL, and the legend of its series."""


def _target(query: Query, at: int, instant: bool) -> Any:
    expression, legend = query
    made = (
        prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(chr(ord("A") + at)).datasource(SOURCE)
    )
    return made.instant() if instant else made.range()


def _finished(panel: Any, title: str, unit: str, said: str, queries: tuple[Query, ...], instant: bool) -> Any:
    panel = panel.title(title).description(said).unit(unit).datasource(SOURCE)
    for at, query in enumerate(queries):
        panel = panel.with_target(_target(query, at, instant))
    return panel


def number(title: str, unit: str, said: str, query: str, *, bad_from: float | None = None, wide: int = 4) -> Any:
    """One number, as it is now; red from ``bad_from`` on."""
    steps = [Threshold(value=None, color=GREEN)]
    if bad_from is not None:
        steps.append(Threshold(value=bad_from, color=RED))
    panel = (
        stat.Panel()
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]).values(False))
        .color_mode(BigValueColorMode.VALUE)
        .graph_mode(BigValueGraphMode.NONE)
        .thresholds(dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        .height(4)
        .span(wide)
    )
    return _finished(panel, title, unit, said, ((query, ""),), instant=True)


def course(title: str, unit: str, said: str, *queries: Query, wide: int = 12) -> Any:
    """Lines over time."""
    legend = (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    tooltip = common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI)
    panel = timeseries.Panel().legend(legend).tooltip(tooltip).height(8).span(wide)
    return _finished(panel, title, unit, said, queries, instant=False)


def bars(title: str, unit: str, said: str, query: Query, *, wide: int = 12) -> Any:
    """One bar for each series, as it is now."""
    reduce = common.ReduceDataOptions().calcs(["lastNotNull"]).values(False)
    panel = bargauge.Panel().reduce_options(reduce).orientation(VizOrientation.HORIZONTAL).height(9).span(wide)
    return _finished(panel, title, unit, said, (query,), instant=True)


# Not a rate: a worker has restored before it is first looked at.
SLOWEST_RESTORE = "histogram_quantile(0.99, sum by (le) (whaleline_restore_seconds_bucket))"


def quantile(share: float, name: str, by: str = "le") -> str:
    """A quantile over all workers of a histogram."""
    return f"histogram_quantile({share}, sum by ({by}) (rate({name}_bucket[{RATE}])))"


def hourly(expression: str) -> str:
    """A counter's increase in an hour, at its present rate."""
    return expression.replace("RATE", f"[{RATE}]") + " * 3600"


def floor() -> list[Any]:
    """For whoever runs the support floor: what it is told, and whether in time."""
    trouble = 'state=~"churn_risk.*|failed.*|vulnerable"'
    return [
        number("Incidents that hold alerts", "none", "Waves of alerts that wait for a person.",
               "sum(whaleline_incidents_open)", bad_from=1),
        number("Alerts held", "none", "In open incidents.", "sum(whaleline_alerts_in_incidents)", bad_from=1),
        number("Alerts waiting", "none", "Value and gaming alerts wait an hour, so that a wave can be seen.",
               "sum(whaleline_alerts_waiting)"),
        number("Alert latency p99", "s", "From the reason in the ledger to the alert; the objective is 5 s.",
               quantile(0.99, "whaleline_alert_seconds"), bad_from=5),
        number("Failed now", "none", "Customers whom we have failed and not made good.",
               'sum(whaleline_customers_in_state{kind="service_failure",state!="served"})'),
        number("Left in peace", "none", "Customers to whom nothing may be sold for now.",
               'sum(whaleline_customers_in_state{kind="hold",state="held"})'),
        course("Alerts in an hour", "short", "Entered, by kind.",
               (hourly('sum by (kind) (rate(whaleline_alerts_total{change="entered"}RATE))'), "{{kind}}")),
        course("Cleared in an hour", "short", "Cleared, by kind: every state can be left again.",
               (hourly('sum by (kind) (rate(whaleline_alerts_total{change="cleared"}RATE))'), "{{kind}}")),
        course("Customers in trouble", "short", "By state.",
               (f"sum by (state) (whaleline_customers_in_state{{{trouble}}})", "{{state}}")),
        course("Money at risk in new alerts, an hour", "short", "In units of the configured currency.",
               (hourly("sum by (kind) (rate(whaleline_alerts_at_risk_cents_totalRATE)) / 100"), "{{kind}}")),
        course("Alert latency", "s", "From the reason in the ledger to the committed alert.",
               (quantile(0.5, "whaleline_alert_seconds"), "p50"),
               (quantile(0.99, "whaleline_alert_seconds"), "p99")),
        course("Told in an hour", "short", "Alerts brought, failed or refused, by target.",
               (hourly("sum by (target, outcome) (rate(whaleline_deliveries_totalRATE))"), "{{target}}")),
        course("Held back in an hour", "short", "Alerts that incidents took in.",
               (hourly("sum by (kind) (rate(whaleline_alerts_held_totalRATE))"), "{{kind}}")),
        course("Holds placed and lifted in an hour", "short", "Who must be left in peace.",
               (hourly("sum by (change) (rate(whaleline_holds_totalRATE))"), "{{change}}")),
        course("Contacts sent in spite of a hold", "short", "Ever, over all customers.",
               ("sum(whaleline_hold_violations)", "violations")),
    ]  # fmt: skip


def value() -> list[Any]:
    """For whoever answers for the customers' value: the whale curve, what service costs and who caused it."""
    poor = 'kind=~"value_destroyer|fix_the_cause",state!="neutral"'
    good = 'kind=~"referral_ready|hidden_gem|good_news",state=~"referral_ready|hidden_gem|good_news"'
    return [
        number("Net of the year", "short", "Margin less all cost, in units of the configured currency.",
               'sum(whaleline_whale_net_cents{curve="all"}) / 100', wide=6),
        number("The prize", "short", "What would have been won had our own faults cost nothing.",
               'sum(whaleline_whale_net_cents{curve="faultless"}) / 100 '
               '- sum(whaleline_whale_net_cents{curve="all"}) / 100', wide=6),
        number("Taken away", "short", "What customers below zero take from the others' net.",
               "sum(whaleline_whale_loss_cents) / 100", wide=6),
        number("Customers below zero", "percentunit", "Share of the customers with money in the year.",
               'sum(whaleline_whale_customers{side="below_zero"}) / sum(whaleline_whale_customers)', wide=6),
        bars("Whale curve: net of the year by tenth of the customers", "short", "1 is the best tenth.",
             ("sort_desc(sum by (decile) (whaleline_whale_decile_cents) / 100)", "{{decile}}")),
        bars("What customers have cost, by who caused it", "short",
             "What the company caused never counts against a customer.",
             ("sum by (fault) (whaleline_cost_caused_cents) / 100", "{{fault}}")),
        course("Cost to serve in an hour, by channel", "short", "Contacts at the policy's prices.",
               (hourly("sum by (channel) (rate(whaleline_cost_to_serve_cents_totalRATE)) / 100"), "{{channel}}")),
        course("Customers by value", "short", "States of the value machine, and causes of ours to fix.",
               (f"sum by (state) (whaleline_customers_in_state{{{poor}}})", "{{state}}")),
        course("Changes of state in an hour", "short", "As concluded, held back or not.",
               (hourly("sum by (kind, after) (rate(whaleline_state_transitions_totalRATE))"), "{{after}}")),
        course("Good news", "short", "Ready to be asked for a referral, hidden gems, thanks owed.",
               (f"sum by (state) (whaleline_customers_in_state{{{good}}})", "{{state}}")),
        course("A policy in the shadow: customers entered", "short",
               "By both policies, by the live one alone, by the shadow alone; empty without a shadow.",
               ("sum by (kind, entered) (whaleline_shadow_entered_customers) > 0", "{{kind}} {{entered}}")),
        course("A policy in the shadow: who stands otherwise", "short",
               "Customers in another state than under the live policy, by kind of alert.",
               ("sum by (kind) (whaleline_shadow_differing_customers) > 0", "{{kind}}")),
        course("A policy in the shadow: alerts since it began", "short", "Those that ask for something.",
               ("sum by (policy) (whaleline_shadow_compared_alerts)", "{{policy}}")),
    ]  # fmt: skip


def engine() -> list[Any]:
    """For whoever keeps it running."""
    return [
        number("Workers", "none", "Workers that answer.", 'sum(up{job="whaleline"})', wide=4),
        number("Partitions nobody has", "none", "Of all topics.",
               "sum(max by (topic) (whaleline_topic_partitions)) - sum(whaleline_partitions_assigned)",
               bad_from=1),
        number("Partitions judged", "none", "Restored and judged.", "sum(whaleline_partitions_ready)"),
        number("Customers", "short", "In all partitions.", "sum(whaleline_customers)"),
        number("Whole way p99", "s", "The canary's, from the source topic to a reader; the objective is 5 s.",
               quantile(0.99, "whaleline_canary_seconds"), bad_from=5),
        number("Series", "none", "What one worker exposes.", 'max(scrape_samples_scraped{job="whaleline"})'),
        course("Source records a second", "cps", "Read and refused, by topic.",
               (f"sum by (topic, outcome) (rate(whaleline_events_total[{RATE}]))", "{{topic}} {{outcome}}")),
        course("Ledger events a second", "cps", "Judged, by what became of them.",
               (f"sum by (outcome) (rate(whaleline_judged_events_total[{RATE}]))", "{{outcome}}")),
        course("Lag", "short", "Records not in the ledger yet, and ledger records not judged yet.",
               ("sum by (topic) (whaleline_source_lag_records)", "{{topic}}"),
               ("sum(whaleline_ledger_lag_records)", "ledger")),
        course("Ledger delay", "s", "From a record's append until it is judged; the objective is 30 s.",
               (quantile(0.5, "whaleline_ledger_delay_seconds"), "p50"),
               (quantile(0.99, "whaleline_ledger_delay_seconds"), "p99")),
        course("Writing and publishing p99", "s", "Waiting for the broker.",
               (quantile(0.99, "whaleline_ledger_write_seconds"), "ledger batch"),
               (quantile(0.99, "whaleline_publish_seconds"), "publication")),
        course("Judging", "percentunit", "Share of one core spent in judging, by worker.",
               (f"rate(whaleline_judge_seconds_sum[{RATE}])", "{{instance}}")),
        course("Dead letters in an hour", "short", "By reason.",
               (hourly("sum by (topic, reason) (rate(whaleline_dead_letters_totalRATE)) > 0"), "{{reason}}")),
        course("Budget of the objectives, burn over an hour", "short", "1 spends the month's budget in a month.",
               ("whaleline:alerts_late:ratio_rate1h / 0.01", "alerts"),
               ("whaleline:judging_late:ratio_rate1h / 0.005", "judging"),
               ("whaleline:canary_late:ratio_rate1h / 0.01", "canary")),
        course("Assignments in an hour, and the worst restore", "short", "Each rebalance is one for each worker.",
               (hourly("sum(rate(whaleline_assignments_totalRATE))"), "assignments"),
               (SLOWEST_RESTORE, "restore p99 since the workers began, s")),
        course("Publications a second", "cps", "Transactions, and the changelog records in them.",
               (f"sum(rate(whaleline_publications_total[{RATE}]))", "publications"),
               (f"sum(rate(whaleline_changelog_records_total[{RATE}]))", "changelog records")),
        course("CPU", "percentunit", "Share of one core, by worker.",
               (f'rate(process_cpu_seconds_total{{job="whaleline"}}[{RATE}])', "{{instance}}"), wide=8),
        course("Memory", "bytes", "Resident, by worker.",
               ('process_resident_memory_bytes{job="whaleline"}', "{{instance}}"), wide=8),
        course("Versions", "none", "Workers of each version.",
               ("count by (version) (whaleline_build_info)", "{{version}}"), wide=8),
    ]  # fmt: skip


DASHBOARDS = {
    "whaleline-floor": ("Whaleline: support floor", floor),
    "whaleline-value": ("Whaleline: value and whale curve", value),
    "whaleline-engine": ("Whaleline: engine", engine),
}


def made(uid: str) -> str:
    """One dashboard's file."""
    title, panels = DASHBOARDS[uid]
    whole = (
        dashboard.Dashboard(title)
        .uid(uid)
        .tags(["whaleline"])
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .timezone("utc")
        .refresh("30s")
        .time("now-6h", "now")
        .readonly()
    )
    for at, panel in enumerate(panels(), 1):
        whole = whole.with_panel(panel.id(at))
    return json.dumps(json.loads(JSONEncoder().encode(whole.build())), indent=1, sort_keys=True) + "\n"


def main() -> None:
    """Write all of them."""
    HERE.mkdir(exist_ok=True)
    for uid in DASHBOARDS:
        (HERE / f"{uid}.json").write_text(made(uid), encoding="utf-8")


if __name__ == "__main__":
    main()
