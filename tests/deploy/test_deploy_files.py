"""What the deployment files say of us is so: commands, settings, ports, paths, topics, rights and limits."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import click
import jsonschema
import pytest
import yaml

from deploy.grafana.generate import HERE as DASHBOARDS
from deploy.kubernetes import generate
from schemas.policy import parse
from streams.cli import main
from streams.config import ENVIRONMENT, RULES, Config, load
from streams.connection import client_of
from streams.desk.access import load_access
from streams.desk.board import READ
from streams.notify.targets import EXAMPLE, TargetError, load_targets
from streams.rights import rights
from streams.topics import BEFORE, TopicNames
from streams.watchdog import STOP_S

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
NOTIFY = BASE.parent / "notify"
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
HA = yaml.safe_load((ROOT / "compose.ha.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = [name for name, service in SERVICES.items() if str(service.get("image", "")).startswith("whaleline")]
TARGETS = "/etc/whaleline/targets.toml"
PROBES = {"/livez", "/readyz"}


def documents() -> Iterator[dict[str, Any]]:
    for path in (*sorted(BASE.glob("*.yaml")), NOTIFY / "notify.yaml"):
        yield from yaml.safe_load_all(path.read_text(encoding="utf-8"))


def of_kind(*kinds: str) -> list[dict[str, Any]]:
    return [one for one in documents() if one["kind"] in kinds]


def pods() -> list[tuple[str, dict[str, Any]]]:
    return [
        (one["metadata"]["name"], one["spec"]["template"]["spec"]) for one in of_kind("StatefulSet", "Deployment")
    ]


def understood(command: list[str]) -> bool:
    """Whether our command line takes it; nothing is run."""
    group: click.Command = main
    rest = list(command)
    while isinstance(group, click.Group) and rest and rest[0] in group.commands:
        group = group.commands[rest.pop(0)]
    try:
        group.make_context(command[0], rest)
    except click.ClickException:
        return False
    return isinstance(group, click.Group) is False or bool(getattr(group, "invoke_without_command", False))


@pytest.mark.parametrize("name", OURS)
def test_every_command_of_the_compose_file_is_ours(name: str) -> None:
    assert understood([str(one) for one in SERVICES[name]["command"]])


def test_every_command_of_kubernetes_is_ours() -> None:
    commands = [container["args"] for _, pod in pods() for container in pod["containers"]]
    assert commands == [["canary"], ["desk"], ["worker"], ["notify", "run", TARGETS]]
    assert all(map(understood, commands))
    assert not understood(["wroker"])
    assert not understood(["simulate", "--rte", "50"])
    assert not understood(["topics"])


def test_every_setting_is_known_and_usable() -> None:
    variables = {ENVIRONMENT + key.upper() for key in RULES}
    for services in (SERVICES, HA["services"]):
        for service in services.values():
            environment = service.get("environment", {})
            ours = {key: str(value) for key, value in environment.items() if key.startswith(ENVIRONMENT)}
            assert set(ours) <= variables
            load(None, ours)
    assert set(generate.SETTINGS) <= variables
    config = load(None, generate.SETTINGS)
    assert config.app_id == generate.APP_ID
    assert parse((BASE / "policy.toml").read_text(encoding="utf-8")).digest == parse("").digest
    assert not load_access(str(BASE / "access.toml"), config.desk_bind).open


def test_every_deployment_says_how_it_reaches_kafka() -> None:
    """Compose waives it by name; in Kubernetes each pod has its own certificate, where the settings look."""
    for name in OURS:
        told = {**SERVICES[name]["environment"], **HA["services"].get(name, {}).get("environment", {})}
        assert client_of(load(None, told)) == {}, name
    assert "WHALELINE_KAFKA_SECURITY: plaintext" in (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    config = load(None, generate.SETTINGS)
    assert config.kafka_security == "ssl"
    users = {one["metadata"]["name"] for one in yaml.safe_load_all(generate.users())}
    for name, pod in pods():
        (mount,) = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "kafka"]
        (volume,) = [one["projected"] for one in pod["volumes"] if one["name"] == "kafka"]
        files = {
            f"{mount['mountPath']}/{at['path']}" for one in volume["sources"] for at in one["secret"]["items"]
        }
        assert files == {config.kafka_ca_file, config.kafka_cert_file, config.kafka_key_file}, name
        secrets = {one["secret"]["name"] for one in volume["sources"]}
        assert len(secrets & users) == 1, name
        assert mount["readOnly"], name
    (policy,) = [one for one in of_kind("NetworkPolicy") if one["metadata"]["name"] == "whaleline"]
    opened = {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}
    assert opened == {int(config.broker.rpartition(":")[2]), 53}


def test_compose_opens_ports_on_loopback_only_and_drops_what_it_can() -> None:
    for name, service in SERVICES.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert name == "kafka" or service["read_only"], name
        assert re.search(r":v?\d+\.\d+", service["image"]), f"{name} runs whatever is newest"
    for name in ("worker", "canary", "desk", "notify", "prometheus", "alertmanager", "grafana", "kafka"):
        assert "healthcheck" in SERVICES[name], name
    for name in ("kafka-2", "kafka-3"):
        assert HA["services"][name]["cap_drop"] == ["ALL"]


def test_the_images_are_the_same_everywhere() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.M)
    assert version is not None
    image = f"whaleline:{version[1]}"
    assert {SERVICES[name]["image"] for name in OURS} == {image}
    containers = [one for _, pod in pods() for one in (*pod["containers"], *pod["initContainers"])]
    assert {one["image"] for one in containers} == {image}


def test_prometheus_finds_the_compose_services_and_grafana_finds_prometheus() -> None:
    scraped = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    jobs = {job["job_name"]: job for job in scraped["scrape_configs"]}
    for job, service in (("whaleline", "worker"), ("whaleline-canary", "canary"), ("whaleline-notify", "notify")):
        (found,) = jobs[job]["dns_sd_configs"]
        assert found["names"] == [service]
        assert str(found["port"]) == SERVICES[service]["environment"]["WHALELINE_METRICS_PORT"]
    source = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    )
    assert source["datasources"][0]["url"] == "http://prometheus:9090"
    provider = yaml.safe_load(
        (DEPLOY / "grafana/provisioning/dashboards/whaleline.yml").read_text(encoding="utf-8")
    )
    folder = provider["providers"][0]["options"]["path"]
    assert f"./{DASHBOARDS.relative_to(ROOT)}:{folder}:ro" in SERVICES["grafana"]["volumes"]
    listed = yaml.safe_load((DEPLOY / "grafana/kustomization.yaml").read_text(encoding="utf-8"))
    names = {Path(one).name for one in listed["configMapGenerator"][0]["files"]}
    assert names == {path.name for path in DASHBOARDS.glob("*.json")}


@pytest.mark.parametrize("name", generate.FILES)
def test_what_is_written_for_kubernetes_is_what_the_code_writes(name: str) -> None:
    written = (generate.HERE / name).read_text(encoding="utf-8")
    assert written == generate.FILES[name](), "run `python -m deploy.kubernetes.generate`"


def test_rights_are_for_what_each_process_touches() -> None:
    names = TopicNames()
    everything = {getattr(names, one) for one in names.__dataclass_fields__}
    granted = {
        process: {one.name: set(one.operations) for one in given if one.kind == "topic"}
        for process, given in rights(names, "whaleline").items()
    }
    assert set(granted["worker"]) == set(granted["operator"]) == everything
    reads = {
        process: {topic for topic, what in given.items() if "Read" in what} for process, given in granted.items()
    }
    writes = {
        process: {topic for topic, what in given.items() if "Write" in what} for process, given in granted.items()
    }
    sources, by_hand = {names.support_calls, names.purchases}, {names.deliveries}
    assert reads["worker"] == sources | {names.ledger, names.customers}
    assert writes["worker"] == everything - sources - by_hand
    shadows = {BEFORE + names.alerts, BEFORE + names.insights}
    assert reads["desk"] == {getattr(names, role) for role in READ} | {names.customers} | shadows
    assert writes["desk"] == {names.ledger, names.support_calls, names.desk_actions}
    assert all(
        "Delete" not in what and "Alter" not in what for given in granted.values() for what in given.values()
    )


def test_scaling_stops_at_the_ledgers_partitions() -> None:
    written = (generate.HERE / "keda" / "scale.yaml").read_text(encoding="utf-8")
    scale, login = (one["spec"] for one in yaml.safe_load_all(written))
    config = load(None, generate.SETTINGS)
    assert scale["maxReplicaCount"] == config.ledger_partitions
    asked = scale["triggers"][0]["metadata"]
    assert (asked["topic"], asked["consumerGroup"]) == (config.topics.ledger, config.app_id)
    assert asked["bootstrapServers"] == config.broker
    assert {one["name"] for one in login["secretTargetRef"]} == {"whaleline-cluster-ca-cert", "whaleline-scaler"}


def test_pods_are_locked_down_probed_and_given_time_to_stop() -> None:
    for name, pod in pods():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in (*pod["containers"], *pod["initContainers"]):
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"], name
            assert locked["allowPrivilegeEscalation"] is False, name
            assert locked["capabilities"] == {"drop": ["ALL"]}, name
            limits = container["resources"]
            assert limits["limits"]["memory"] == limits["requests"]["memory"], name
        (container,) = pod["containers"]
        ports = {port["name"] for port in container["ports"]}
        for probe in ("readinessProbe", "livenessProbe"):
            asked = container[probe]["httpGet"]
            assert asked["path"] in PROBES, name
            assert asked["port"] in ports, name
        assert container["livenessProbe"]["httpGet"]["path"] == "/livez", "a probe of the broker would kill all"
    worker = dict(pods())["whaleline"]
    assert worker["terminationGracePeriodSeconds"] > STOP_S
    startup = worker["containers"][0]["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 900, "a large base is restored for minutes"


def test_deliveries_have_one_carrier_targets_that_can_be_read_and_secrets_from_elsewhere(tmp_path: Path) -> None:
    """Two would tell everything twice; what is secret stands in no file of ours."""
    (carrier,) = (one["spec"] for one in of_kind("Deployment") if one["metadata"]["name"] == "whaleline-notify")
    assert (carrier["replicas"], carrier["strategy"]) == (1, {"type": "Recreate"})
    service = SERVICES["notify"]
    assert (service["profiles"], service["deploy"]) == (["notify"], {"replicas": 1})
    assert service["command"] == ["notify", "run", TARGETS]
    assert f"./deploy/notify/targets.toml:{TARGETS}:ro" in service["volumes"]
    (container,) = carrier["template"]["spec"]["containers"]
    assert {"mountPath": TARGETS, "subPath": "targets.toml"}.items() <= container["volumeMounts"][-1].items()
    assert {"secretRef": {"name": "whaleline-targets"}} in container["envFrom"]
    for path in (DEPLOY / "notify" / "targets.toml", NOTIFY / "targets.toml"):
        assert path.read_text(encoding="utf-8") == EXAMPLE, "run `whaleline notify targets`"
        assert [one.name for one in load_targets(path, {"FLOOR_SECRET": "s"})] == ["floor"]
        with pytest.raises(TargetError, match="FLOOR_SECRET is not set"):
            load_targets(path, {})
    assert "/deploy/notify/secrets.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").split()


def test_only_deliveries_may_reach_the_internet_and_by_https_alone() -> None:
    open_to = {
        one["metadata"]["name"]: rule
        for one in of_kind("NetworkPolicy")
        for rule in one["spec"].get("egress", [])
        if any("ipBlock" in to for to in rule["to"])
    }
    assert list(open_to) == ["whaleline-notify"]
    (rule,) = open_to.values()
    assert rule["ports"] == [{"protocol": "TCP", "port": 443}]
    (block,) = (to["ipBlock"] for to in rule["to"])
    for inside in ("10.0.0.10", "127.0.0.1", "169.254.169.254", "172.20.0.1", "192.168.1.1"):
        assert any(ip_address(inside) in ip_network(one) for one in block["except"]), inside


def test_the_sign_in_leads_to_the_desk_and_holds_no_secret() -> None:
    """What it does is tried by `make deploy-check`, with a real oauth2-proxy."""
    found = tomllib.loads((DEPLOY / "desk" / "oauth2-proxy.cfg").read_text(encoding="utf-8"))
    assert found["upstreams"] == [f"http://127.0.0.1:{Config().desk_port}/"]
    assert not [name for name in found if "secret" in name]


def test_selectors_select() -> None:
    labels = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for one in of_kind("StatefulSet", "Deployment")
    }
    chosen = [one["spec"]["selector"]["matchLabels"] for one in of_kind("PodDisruptionBudget")]
    chosen += [one["spec"]["podSelector"]["matchLabels"] for one in of_kind("NetworkPolicy")]
    chosen += [one["spec"]["selector"] for one in of_kind("Service")]
    for selector in chosen:
        assert any(selector.items() <= these.items() for these in labels.values()), selector
    ports = {
        port["port"]
        for one in of_kind("NetworkPolicy")
        for rule in one["spec"].get("ingress", [])
        for port in rule["ports"]
    }
    assert ports == {int(generate.SETTINGS["WHALELINE_METRICS_PORT"]), Config().desk_port}


def test_every_resource_of_a_kustomization_is_there() -> None:
    found = [*(DEPLOY / "kubernetes").glob("*/kustomization.yaml"), DEPLOY / "grafana/kustomization.yaml"]
    assert len(found) == 7
    for path in found:
        listed = yaml.safe_load(path.read_text(encoding="utf-8"))
        files = [*listed.get("resources", []), *listed.get("components", [])]
        for made in listed.get("configMapGenerator", []):
            files += [*made.get("files", []), *made.get("envs", [])]
        assert files
        for name in files:
            assert (path.parent / name).exists(), f"{path}: {name}"
        if path.parent != BASE.parent / "example":
            beside = {one.name for one in path.parent.glob("*.yaml")} - {"kustomization.yaml"}
            assert beside <= set(files), f"{path.parent} has files that nobody lists"


def test_the_image_is_built_in_two_stages_and_run_by_nobody() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("FROM ") for line in lines) == 2
    assert any(re.fullmatch(r"ARG BASE=python:3\.\d+\.\d+-slim-\w+", line) for line in lines)
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    compiled = [line for line in lines if "whaleline compile" in line]
    assert len(compiled) == 1
    kept = {word.split("=", 1)[1] for line in compiled for word in shlex.split(line) if "NUMBA_CACHE_DIR" in word}
    assert kept == {"/opt/whaleline/kernels"}
    copied = {container["command"][2] for _, pod in pods() for container in pod["initContainers"]}
    assert copied == {"/opt/whaleline/kernels/."}


STRIMZI = jsonschema.Draft202012Validator(json.loads((Path(__file__).parent / "strimzi.schema.json").read_text()))


@pytest.mark.parametrize("name", ["topics.yaml", "users.yaml"])
def test_what_strimzi_reads_keeps_to_its_schema(name: str) -> None:
    """``make deploy-check`` asks it too; a setting of a topic is changed more often than that is run."""
    documents = list(yaml.safe_load_all((BASE.parent / "strimzi" / name).read_text(encoding="utf-8")))
    assert [error.message for one in documents for error in STRIMZI.iter_errors(one)] == []
    documents[0]["spec"]["surprise"] = 1
    assert not STRIMZI.is_valid(documents[0])
