"""Documentation, code, rules, dashboards and runbooks speak of the same metrics and the same alerts."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.registry import CollectorRegistry

from deploy.grafana import generate
from streams.canary import CanaryMetrics
from streams.metrics import DELAY_SECONDS, Metrics
from streams.notify.metrics import DeliveryMetrics
from tests.streams.test_metrics import exposed, of_a_shadow

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
RUNBOOKS = ROOT / "docs" / "runbooks"
OBJECTIVES = {"AlertsLate": 0.01, "JudgingLate": 0.005, "CanaryLate": 0.01}
BURNS = {
    "1h": (14.4, "5m", "page"),
    "6h": (6, "30m", "page"),
    "1d": (3, "2h", "ticket"),
    "3d": (1, "6h", "ticket"),
}
NAME = re.compile(r"\b(?:whaleline|process|scrape)_[a-z0-9_]+")
SUFFIX = re.compile(r"_(?:bucket|count|sum)$")


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def queries() -> Iterator[tuple[str, str, str]]:
    """(dashboard, panel, PromQL) of every query in the committed dashboards."""
    for uid in generate.DASHBOARDS:
        board = json.loads((generate.HERE / f"{uid}.json").read_text(encoding="utf-8"))
        for panel in board["panels"]:
            for target in panel["targets"]:
                yield uid, panel["title"], target["expr"]


def known() -> dict[str, set[str]]:
    """Every metric there is and its labels."""
    canary = CollectorRegistry()
    CanaryMetrics(canary)
    DeliveryMetrics(canary, [])
    theirs: dict[str, set[str]] = {"scrape_samples_scraped": set()}
    for family in Metrics().registry.collect():
        if family.name.startswith("process_"):
            theirs |= {sample.name: set() for sample in family.samples}
    build = {"whaleline_build_info": {"version", "layout", "python"}}
    return exposed(Metrics().registry) | of_a_shadow() | exposed(canary) | theirs | build


def unknown(expression: str) -> set[str]:
    """Metrics that the expression names and nobody exposes."""
    names = known()
    used = set(NAME.findall(re.sub(r"whaleline:[\w:]+|\"[^\"]*\"|job", "", expression)))
    return {one for one in used if one not in names and SUFFIX.sub("", one) not in names}


@pytest.mark.parametrize("uid", generate.DASHBOARDS)
def test_the_committed_dashboard_is_what_the_code_writes(uid: str) -> None:
    assert (generate.HERE / f"{uid}.json").read_text(encoding="utf-8") == generate.made(uid), (
        "run `python -m deploy.grafana.generate`"
    )


def test_every_metric_in_rules_and_dashboards_exists() -> None:
    used = [query for _, _, query in queries()] + [rule["expr"] for rule in rules()]
    assert len(used) > 90
    assert set().union(*map(unknown, used)) == set()
    assert unknown('sum(rate(whaleline_evnts_total{topic="x"}[5m]))') == {"whaleline_evnts_total"}


def test_every_recorded_series_that_is_used_is_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = "\n".join([query for _, _, query in queries()] + [rule["expr"] for rule in alerts()])
    assert set(re.findall(r"whaleline:[\w:]+", used)) == recorded


def test_the_labels_that_are_asked_for_exist() -> None:
    """Of each ``metric{label=`` and of each ``by (label)`` over metrics of ours."""
    names, everywhere = known(), {"le", "instance", "job", "__name__"}
    for expression in [query for _, _, query in queries()] + [rule["expr"] for rule in rules()]:
        for name, inside in re.findall(r"(whaleline_\w+)\{([^}]*)\}", expression):
            metric = name if name in names else SUFFIX.sub("", name)
            assert set(re.findall(r"(\w+)\s*[=!]", inside)) <= names[metric] | everywhere, expression
        used = [one if one in names else SUFFIX.sub("", one) for one in NAME.findall(expression)]
        theirs = set().union(*(names[one] for one in used if one in names)) | everywhere
        for labels in re.findall(r"by \(([^)]*)\)", expression):
            assert {one.strip() for one in labels.split(",")} <= theirs, expression


def test_the_edges_that_objectives_ask_for_are_buckets() -> None:
    """A bucket that is not there makes a rule silent for ever."""
    edges = {str(edge) for edge in DELAY_SECONDS}
    asked = set(re.findall(r'le="([^"]+)"', "\n".join(rule["expr"] for rule in rules())))
    assert asked
    assert asked <= edges


def test_burn_rates_follow_the_table() -> None:
    for name, budget in OBJECTIVES.items():
        ours = {one["labels"]["window"]: one for one in alerts() if one["alert"] == f"Whaleline{name}"}
        assert ours.keys() == BURNS.keys()
        for window, (factor, short, severity) in BURNS.items():
            found = re.findall(r"ratio_rate(\w+) > ([\d.]+) \* ([\d.]+)", ours[window]["expr"])
            assert found == [(window, f"{factor}", f"{budget}"), (short, f"{factor}", f"{budget}")]
            assert ours[window]["labels"]["severity"] == severity


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    pages = {}
    for one in alerts():
        assert one["labels"]["severity"] in {"page", "ticket"}
        assert set(one["annotations"]) == {"summary", "description", "runbook_url"}
        page = ROOT / one["annotations"]["runbook_url"]
        text = page.read_text(encoding="utf-8")
        assert f"`{one['alert']}`" in text
        assert "## Look" in text
        assert "## Do" in text
        pages[page.name] = page
    assert {page.name for page in RUNBOOKS.glob("*.md")} == set(pages)


def test_every_alert_fires_in_a_test_and_is_silent_in_one() -> None:
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in PROMETHEUS.glob("*.test.yml")]
    told = [test for file in files for test in file["tests"]]
    checks = [(check["alertname"], check["exp_alerts"]) for test in told for check in test["alert_rule_test"]]
    names = {one["alert"] for one in alerts()}
    assert {name for name, expected in checks if expected} == names
    assert {name for name, expected in checks if not expected} == names


def test_inhibition_names_alerts_that_exist() -> None:
    config = yaml.safe_load((ROOT / "deploy/alertmanager/alertmanager.yml").read_text(encoding="utf-8"))
    names = {one["alert"] for one in alerts()}
    for rule in config["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            found = re.fullmatch(r'alertname=~?"(Whaleline)(\(.*\)|\w+)"', matcher)
            for one in found[2].strip("()").split("|") if found else ():
                assert f"Whaleline{one}" in names, matcher
