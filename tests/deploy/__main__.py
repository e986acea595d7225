"""``make deploy-check``: every deployment file passes the validator of its reader, and each sees a mistake.

Needs Go, kubectl and openssl, none of which it installs. No cluster is asked; started is only a desk behind a real
oauth2-proxy, for the sign-in.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from tests.deploy import signin

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).parent
TOOLS = ROOT / "build" / "deploy-check"
KUBERNETES = ROOT / "deploy" / "kubernetes"
CORE = [
    *(
        KUBERNETES / "base" / f"{name}.yaml"
        for name in ("account", "worker", "canary", "desk", "disruption", "network")
    ),
    KUBERNETES / "notify" / "notify.yaml",
]
CUSTOM = [KUBERNETES / name for name in ("monitoring/monitors.yaml", "monitoring/rules.yaml", "keda/scale.yaml")]
STRIMZI = [KUBERNETES / "strimzi" / name for name in ("topics.yaml", "users.yaml")]
COMPOSE = [ROOT / "docker-compose.yml", ROOT / "compose.ha.yml"]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
NGINX = ROOT / "deploy" / "desk" / "nginx.conf"
EXAMPLE = KUBERNETES / "example"


class Missing(Exception):
    """A tool that cannot be installed from a package index is not there; the message says which."""


def tool(name: str) -> str:
    """A validator's path in the environment of its own."""
    return str(TOOLS / "bin" / name)


def run(*command: str, cwd: Path | None = None) -> str | None:
    """What a command complained of; None if it was content."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)
    return f"{done.stdout}{done.stderr}".strip() or "it ended with an error" if done.returncode else None


def install() -> None:
    """Make the environment of the validators, and build the strict reader, where they are not there yet."""
    lock = HERE / "requirements.lock"
    _once("pip", [lock], _install_python)
    sources = [HERE / "strict" / name for name in ("main.go", "go.mod", "go.sum")]
    _once("go", sources, _build_strict)
    _once("proxy", [HERE / "proxy" / name for name in ("go.mod", "go.sum")], _build_proxy)


def _once(name: str, sources: Sequence[Path], make: Callable[[], None]) -> None:
    stamp = TOOLS / f"{name}.sha256"
    wanted = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="ascii") != wanted:
        make()
        stamp.write_text(wanted, encoding="ascii")


def _install_python() -> None:
    venv.create(TOOLS, with_pip=True)
    command = ["pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes", "-r"]
    subprocess.run([tool("python"), "-m", *command, str(HERE / "requirements.lock")], check=True)


def _build_strict() -> None:
    go = shutil.which("go")
    if go is None:
        raise Missing("go is not installed: compose files and custom resources are read by Go programs")
    print("Building the strict reader, once; a few minutes", flush=True)
    subprocess.run([go, "build", "-o", tool("strict"), "."], cwd=HERE / "strict", check=True)


def _build_proxy() -> None:
    print("Building oauth2-proxy, once; a few minutes", flush=True)
    command = ["go", "build", "-o", tool("oauth2-proxy"), "github.com/oauth2-proxy/oauth2-proxy/v7"]
    subprocess.run(command, cwd=HERE / "proxy", check=True)


# ---------------------------------------------------------------- the validators: files -> a complaint or None


def compose_schema(files: Sequence[Path]) -> str | None:
    """Each file alone against the compose specification's schema."""
    return run(tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", *map(str, files))


def compose_load(files: Sequence[Path]) -> str | None:
    """The files as one project, by the loader of docker compose."""
    return run(tool("strict"), "compose", *map(str, files))


def dockerfile(files: Sequence[Path]) -> str | None:
    """hadolint, to which a warning is a fault."""
    return run(tool("hadolint"), "--failure-threshold", "style", *map(str, files))


def core(files: Sequence[Path]) -> str | None:
    """Kubernetes' own schemas, unknown fields refused."""
    return run(tool("kubernetes-validate"), "--strict", "--quiet", *map(str, files))


def custom(files: Sequence[Path]) -> str | None:
    """The Go types of Prometheus Operator and KEDA, unknown fields refused."""
    return run(tool("strict"), "resources", *map(str, files))


def strimzi(files: Sequence[Path]) -> str | None:
    """Our own schema of the few fields that we use of Strimzi's resources."""
    with tempfile.TemporaryDirectory() as folder:
        single = []
        for file in files:
            for number, document in enumerate(yaml.safe_load_all(file.read_text(encoding="utf-8"))):
                single.append(Path(folder) / f"{file.stem}-{number}.json")
                single[-1].write_text(json.dumps(document), encoding="utf-8")
        return run(tool("check-jsonschema"), "--schemafile", str(HERE / "strimzi.schema.json"), *map(str, single))


def nginx(files: Sequence[Path]) -> str | None:
    """A parser that knows nginx's directives and where they may stand."""
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "nginx.conf"
        whole.write_text(f"events {{}}\nhttp {{ include {files[0]}; }}\n", encoding="utf-8")
        done = subprocess.run(
            [tool("crossplane"), "parse", "--strict", str(whole)], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
        return None if found["status"] == "ok" else str(found["errors"])


def kustomize(folders: Sequence[Path]) -> str | None:
    """What kubectl builds of the example overlay."""
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise Missing("kubectl is not installed: the kustomization was not built")
    return run(kubectl, "kustomize", str(folders[0] / EXAMPLE.relative_to(ROOT)))


Validator = Callable[[Sequence[Path]], str | None]
# A validator, its files, and the mistakes that it must see: in which file, what becomes what.
CHECKS: list[tuple[Validator, list[Path], list[tuple[Path, str, str]]]] = [
    (
        compose_schema,
        COMPOSE,
        [
            (COMPOSE[0], "healthcheck:", "helthcheck:"),
            (COMPOSE[0], "env_file:", "env_fil:"),
            (COMPOSE[1], "environment:", "enviroment:"),
        ],
    ),
    (
        compose_load,
        COMPOSE,
        [
            (COMPOSE[0], "depends_on: [prometheus]", "depends_on: [prometeus]"),
            (COMPOSE[0], "- grafana:/var", "- grafna:/var"),
            (COMPOSE[0], "- kernels:/var", "- kernls:/var"),
            (COMPOSE[1], "kafka-3: { condition: service_healthy }", "kafka-4: { condition: service_healthy }"),
        ],
    ),
    (
        dockerfile,
        [DOCKERFILE],
        [(DOCKERFILE, "\nUSER 10001:10001", "\nUSER root"), (DOCKERFILE, "WORKDIR /build", "WORKDIR build")],
    ),
    (
        core,
        CORE,
        [
            (CORE[0], "automountServiceAccountToken: false", "automountServiceAcountToken: false"),
            (CORE[1], "          resources:", "          resorces:"),
            (CORE[2], "livenessProbe:", "livenesProbe:"),
            (CORE[3], "readinessProbe:", "readynessProbe:"),
            (CORE[4], "maxUnavailable: 1", "maxUnavailabe: 1"),
            (CORE[5], "podSelector:", "podSelectr:"),
            (CORE[6], "secretRef:", "secretReff:"),
            (CORE[6], "ipBlock:", "ipBlok:"),
        ],
    ),
    (
        custom,
        CUSTOM,
        [
            (CUSTOM[0], "endpoints:", "enpoints:"),
            (CUSTOM[1], "annotations:", "anotations:"),
            (CUSTOM[2], "maxReplicaCount:", "maxReplicaCont:"),
        ],
    ),
    (
        strimzi,
        STRIMZI,
        [(STRIMZI[0], "partitions:", "partitons:"), (STRIMZI[1], "operations:", "operation:")],
    ),
    (nginx, [NGINX], [(NGINX, "proxy_buffering off", "proxy_bufering off")]),
]


def planted(files: Sequence[Path], mistake: tuple[Path, str, str], folder: Path) -> list[Path]:
    """Copies of the files, one of them with the mistake."""
    where, right, wrong = mistake
    out = []
    for file in files:
        text = file.read_text(encoding="utf-8")
        if file == where:
            assert right in text, f"{file.name} does not hold {right!r} any more: plant another mistake"
            text = text.replace(right, wrong, 1)
        out.append(folder / file.name)
        out[-1].write_text(text, encoding="utf-8")
    return out


def check() -> None:
    """All of it; raises ``AssertionError`` with the complaint."""
    install()
    for validator, files, mistakes in CHECKS:
        complaint = validator(files)
        assert complaint is None, f"{validator.__name__}: {complaint}"
        for mistake in mistakes:
            with tempfile.TemporaryDirectory() as folder:
                seen = validator(planted(files, mistake, Path(folder)))
            assert seen, f"{validator.__name__} does not see {mistake[2]!r} in {mistake[0].name}"
        names = ", ".join(file.name for file in files)
        print(f"{validator.__name__}: {names}: fine; {len(mistakes)} planted mistakes were seen", flush=True)
    assert (complaint := kustomize([ROOT])) is None, f"kustomize: {complaint}"
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(ROOT / "deploy", Path(folder) / "deploy")
        for missing in ("base/network.yaml", "notify/targets.toml"):
            file = Path(folder) / "deploy/kubernetes" / missing
            text = file.read_bytes()
            file.unlink()
            assert kustomize([Path(folder)]), f"kustomize does not see that {missing} is missing"
            file.write_bytes(text)
        assert kustomize([Path(folder)]) is None, "kustomize complains of files that are whole"
    print("kustomize: the example overlay is built; two missing files were seen", flush=True)
    signin.check(tool("oauth2-proxy"), ROOT / "deploy" / "desk" / "oauth2-proxy.cfg")
    print("sign-in: a person came to a desk through oauth2-proxy; two planted mistakes were seen", flush=True)


def main() -> int:
    """Run the check."""
    try:
        check()
    except Missing as reason:
        print(reason, file=sys.stderr)
        return 1
    print("all is well")
    return 0


if __name__ == "__main__":
    sys.exit(main())
