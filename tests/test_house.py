"""The rules of the house hold in this tree, and each of them sees a fault when there is one."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import house_rules as rules

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = '[project]\nname = "whaleline"\nversion = "0.1.0"\n'
WHEEL = '[tool.hatch.build.targets.wheel]\npackages = ["schemas", "kernels", "streams"{more}]\n'
NOTE = "TO" + "DO"
LONG_FUNCTION = "def walk():\n" + "    pass\n" * 70

STORY = "`tests/stories/test_ink.py`: `test_a`, `test_b`"
SEEDS = "| idea | events | judged by | story |\n|---|---|---|---|\n| an idea | `event` | {judge} | {story} |\n"

# A clean little tree, and per rule some faults: a file added or replaced, and what the rule says of it.
CLEAN = {
    "pyproject.toml": PYPROJECT + WHEEL.format(more=""),
    "schemas/__init__.py": "",
    "kernels/__init__.py": '"""Here fastmath is only spoken of."""\n',
    "kernels/_jit.py": "import numba\n\n\ndef kernel(f):\n    return numba.njit(f, fastmath=False)\n",
    "streams/__init__.py": "",
    "streams/clock.py": "import time\n\n\ndef now_ms():\n    return time.time_ns() // 1_000_000\n",
    "tests/test_clock.py": "import time\n",
    "requirements.lock": "click==8.3.3 \\\n    --hash=sha256:00\nruff==0.17.6 \\\n    --hash=sha256:01\n",
    "deploy/requirements.lock": "click==8.3.3 \\\n    --hash=sha256:00\n",
    "docs/model.md": "# Model\n",
    "docs/seeds.md": SEEDS.format(judge="`kernels/decay.py`", story=STORY),
    "tests/stories/test_ink.py": "def test_a():\n    pass\n\n\ndef test_b():\n    pass\n",
    "README.md": "[model](docs/model.md#model), [ours](#here), [theirs](https://example.org/x)\n"
    "```\n[not a link](nowhere.md)\n```\n",
}
FAULTS = [
    (rules.wheel_holds_three_packages, "pyproject.toml", PYPROJECT + WHEEL.format(more=', "tests"'), "tests"),
    (rules.no_stdlib_names, "streams/queue.py", "", "queue"),
    (rules.no_stdlib_names, "kernels/json/decode.py", "", "json"),
    (rules.files_are_short, "tests/test_long.py", "x = 1\n" * 400, "400 lines"),
    (rules.functions_are_short, "streams/judge.py", LONG_FUNCTION, "walk has 71 lines"),
    (rules.no_fastmath, "kernels/_jit.py", "import numba\nf = numba.njit(fastmath=True)\n", ":2: fastmath"),
    (
        rules.no_fastmath,
        "kernels/decay.py",
        "from ._jit import kernel\nf = kernel(fastmath=False)\n",
        ":2: fastmath",
    ),
    (rules.no_fastmath, "kernels/decay.py", 'options = {"fastmath": True}\n', ":1: fastmath"),
    (
        rules.one_door_to_numba,
        "kernels/decay.py",
        "def f():\n    from numba import njit\n",
        ":2: imports numba",
    ),
    (rules.one_door_to_numba, "streams/judge.py", "import numba.typed as t\n", "imports numba.typed"),
    (rules.one_clock, "streams/judge.py", "from time import monotonic\n", "imports time"),
    (
        rules.one_clock,
        "schemas/events.py",
        "import datetime\nx = datetime.datetime.now(None)\n",
        "datetime.now",
    ),
    (rules.no_pickle, "streams/judge.py", "def f():\n    import pickle\n", ":2: imports pickle"),
    (rules.no_pickle, "tests/test_a.py", "from joblib import load\n", ":1: imports joblib"),
    (rules.no_pickle, "streams/replay.py", "x = load(path, allow_pickle=True)\n", ":1: allow_pickle"),
    (rules.no_pickle, "streams/app.py", "t = topic('a', value_serializer='pickle')\n", "value_serializer"),
    (
        rules.no_forgotten_stop,
        "streams/judge.py",
        "async def f():\n    await asyncio.wait_for(g(), 1)\n",
        ":2: asyncio",
    ),
    (rules.no_machine_paths, "docs/model.md", "see /ro" + "ot/notes\n", "docs/model.md:1"),
    (rules.no_machine_paths, "streams/config.py", "LIBS = '/tm" + "p/kafka'\n", "streams/config.py:1"),
    (rules.no_registry_hosts, "docs/model.md", "from https://pypi" + ".org/simple\n", "docs/model.md:1"),
    (
        rules.no_registry_hosts,
        "requirements.lock",
        "--index-url https://pypi" + ".org/simple\n",
        "requirements.lock",
    ),
    (rules.nothing_unfinished, "kernels/decay.py", f"# {NOTE}: the formula\n", "kernels/decay.py:1"),
    (rules.links_lead_somewhere, "docs/model.md", "[gone](gone.md)\n", "gone.md"),
    (rules.links_lead_somewhere, "README.md", "![gone](/docs/gone.png)\n", "gone.png"),
    (rules.every_seed_has_a_story, "docs/seeds.md", SEEDS.format(judge="x", story="–"), "a cell is empty"),
    (rules.every_seed_has_a_story, "docs/seeds.md", SEEDS.format(judge="not judged yet", story=STORY), "not done"),
    (rules.every_seed_has_a_story, "docs/seeds.md", SEEDS.format(judge="x", story=STORY + ", `test_c`"), "test_c"),
    (
        rules.every_seed_has_a_story,
        "docs/seeds.md",
        SEEDS.format(judge="x", story=STORY.partition(":")[0]),
        "no test",
    ),
    (
        rules.every_seed_has_a_story,
        "docs/seeds.md",
        SEEDS.format(judge="x", story="`tests/stories/test_gone.py`: `test_a`"),
        "test_gone",
    ),
    (
        rules.locks_agree,
        "deploy/requirements.lock",
        "click==8.3.2 \\\n    --hash=sha256:00\n",
        "click==8.3.2",
    ),
]


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return root


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_this_tree_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize("rule", rules.RULES, ids=lambda rule: rule.__name__)
def test_a_clean_tree_has_no_fault(rule: Callable[[Path], list[str]], tmp_path: Path) -> None:
    assert rule(plant(tmp_path, CLEAN)) == []


@pytest.mark.parametrize(
    ("rule", "name", "content", "said"), FAULTS, ids=[f"{fault[0].__name__}-{fault[1]}" for fault in FAULTS]
)
def test_a_planted_fault_is_found(
    rule: Callable[[Path], list[str]], name: str, content: str, said: str, tmp_path: Path
) -> None:
    found = rule(plant(tmp_path, CLEAN | {name: content}))
    assert len(found) == 1
    assert said in found[0]


def test_every_rule_has_a_planted_fault() -> None:
    assert {fault[0] for fault in FAULTS} == set(rules.RULES)


def test_a_lost_package_is_found(tmp_path: Path) -> None:
    lost = plant(
        tmp_path, CLEAN | {"pyproject.toml": PYPROJECT + WHEEL.replace('"schemas", ', "").format(more="")}
    )
    assert rules.wheel_holds_three_packages(lost) == ["the wheel lacks schemas"]


def test_only_what_git_would_keep_is_judged() -> None:
    files = {path.as_posix() for path in rules.tracked(ROOT)}
    assert {"pyproject.toml", "tests/test_house.py"} <= files
    assert not [name for name in files if name.startswith((".venv/", "build/", ".git/"))]


def test_the_three_packages_come_from_one_place() -> None:
    places = {}
    for name in rules.PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.submodule_search_locations
        places[name] = Path(next(iter(spec.submodule_search_locations)))
    assert rules.packages_share_a_parent(places) == []
    assert places["streams"].resolve().parent == ROOT


def test_a_package_of_somebody_else_is_found(tmp_path: Path) -> None:
    places = {name: tmp_path / "ours" / name for name in rules.PACKAGES}
    assert rules.packages_share_a_parent(places) == []
    places["schemas"] = tmp_path / "site-packages" / "schemas"
    assert rules.packages_share_a_parent(places) == [
        f"kernels comes from {tmp_path / 'ours'}",
        f"schemas comes from {tmp_path / 'site-packages'}",
        f"streams comes from {tmp_path / 'ours'}",
    ]


def test_no_installed_distribution_brings_our_names() -> None:
    """Public packages with these names exist; one installed over ours replaces its files without a word."""
    owners = importlib.metadata.packages_distributions()
    for name in rules.PACKAGES:
        assert set(owners.get(name, ())) <= {"whaleline"}, name
