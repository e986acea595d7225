"""The rules of the house, each a function over a root folder that returns the faults it found, one line each.

``tests/test_house.py`` asks that this tree has none, and that each rule finds a fault that was planted.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from hatchling.builders.wheel import WheelBuilder

PACKAGES = ("schemas", "kernels", "streams")
MAX_LINES = 400
MAX_FUNCTION_LINES = 70
JIT = Path("kernels/_jit.py")
CLOCK = Path("streams/clock.py")
PICKLES = {"pickle", "_pickle", "cPickle", "cloudpickle", "dill", "joblib", "jsonpickle", "marshal", "shelve"}

# Written in pieces, so that these lines are no fault of their own.
HOMES = ("work", "root", "home", "Users", "tmp")
MACHINE_PATH = re.compile(r"(?<![\w.~$})/-])/(?:" + "|".join(HOMES) + r")/\w")
REGISTRY_HOSTS = re.compile(
    "|".join(
        re.escape(".".join(parts))
        for parts in (
            ("pypi", "org"),
            ("pythonhosted", "org"),
            ("repo", "maven", "apache", "org"),
            ("repo1", "maven", "org"),
            ("registry", "npmjs", "org"),
            ("crates", "io"),
            ("proxy", "golang", "org"),
            ("deb", "debian", "org"),
        )
    )
)
UNFINISHED = re.compile(r"\b(?:" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")
BUILT = {".venv", "build", "dist"}
# Their words are not ours to choose.
NOT_OURS = {
    "LICENSE",
    "requirements.lock",
    "deploy/requirements.lock",
    "requirements-eval.lock",
    "requirements-browser.lock",
    "tests/audit/requirements.lock",
    "tests/site/requirements.lock",
}
LINK = re.compile(r"(?<!\\)\]\(\s*<?([^)\s>]+)>?[^)]*\)")
NOT_PROVEN = re.compile(r"\bnot (?:judged|recorded|done)|judged by nothing")
FENCED = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)


def tracked(root: Path) -> list[Path]:
    """Every file that is, or would be, in the repository, relative to ``root``; in a plain folder, all."""
    if not (root / ".git").exists():
        files = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
        return sorted(path for path in files if path.parts[0] not in BUILT and "__pycache__" not in path.parts)
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, check=True, capture_output=True).stdout.decode()
    return sorted(Path(name) for name in listed.split("\0") if name and (root / name).is_file())


def python_files(root: Path, *tops: str) -> list[Path]:
    """The tracked Python files, of the folders ``tops`` where any are named."""
    return [path for path in tracked(root) if path.suffix == ".py" and (not tops or path.parts[0] in tops)]


def texts(root: Path) -> Iterator[tuple[Path, str]]:
    """Each tracked file of ours that is text, with its content."""
    for path in tracked(root):
        if path.as_posix() in NOT_OURS:
            continue
        data = (root / path).read_bytes()
        if b"\0" not in data:
            yield path, data.decode("utf-8", errors="replace")


@cache
def _parsed(path: Path, _changed_ns: int) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def tree(root: Path, path: Path) -> ast.Module:
    """The syntax tree of one Python file."""
    full = root / path
    return _parsed(full, full.stat().st_mtime_ns)


def imports(root: Path, path: Path) -> Iterator[tuple[int, str]]:
    """Each absolute import of a file, wherever it stands: line and dotted name."""
    for node in ast.walk(tree(root, path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.lineno, node.module or ""


def wheel_holds_three_packages(root: Path) -> list[str]:
    """The wheel's top level is exactly the three packages."""
    files = WheelBuilder(str(root)).recurse_included_files()
    tops = {Path(file.distribution_path).parts[0] for file in files}
    return [f"the wheel has {top}, which is none of ours" for top in sorted(tops - set(PACKAGES))] + [
        f"the wheel lacks {top}" for top in PACKAGES if top not in tops
    ]


def packages_share_a_parent(places: dict[str, Path]) -> list[str]:
    """The three packages, each given with the folder it comes from, lie side by side: none is another's."""
    parents = {name: place.resolve().parent for name, place in places.items()}
    if len(set(parents.values())) == 1:
        return []
    return [f"{name} comes from {parent}" for name, parent in sorted(parents.items())]


def no_stdlib_names(root: Path) -> list[str]:
    """No module of ours is named as one of the standard library's."""
    names = {
        (path, name)
        for path in python_files(root, *PACKAGES)
        for name in (*path.parts[1:-1], path.stem)
        if name in sys.stdlib_module_names
    }
    return [f"{path}: {name} is a module of the standard library" for path, name in sorted(names)]


def files_are_short(root: Path) -> list[str]:
    """A file fits on a walk."""
    lengths = ((path, len((root / path).read_bytes().splitlines())) for path in python_files(root))
    return [f"{path}: {length} lines" for path, length in lengths if length >= MAX_LINES]


def functions_are_short(root: Path) -> list[str]:
    """A function fits on a screen, its docstring left out."""
    faults = []
    for path in python_files(root):
        for node in ast.walk(tree(root, path)):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            told = node.body[0] if ast.get_docstring(node) is not None else None
            spoken = (told.end_lineno or told.lineno) - told.lineno + 1 if told else 0
            length = (node.end_lineno or node.lineno) - node.lineno + 1 - spoken
            if length > MAX_FUNCTION_LINES:
                faults.append(f"{path}:{node.lineno}: {node.name} has {length} lines")
    return faults


def no_fastmath(root: Path) -> list[str]:
    """Only the door to numba may speak of fastmath, and only to switch it off."""
    faults = []
    for path in python_files(root, *PACKAGES):
        for node in ast.walk(tree(root, path)):
            if isinstance(node, ast.keyword) and node.arg == "fastmath":
                off = isinstance(node.value, ast.Constant) and node.value.value is False
                if path != JIT or not off:
                    faults.append(f"{path}:{node.value.lineno}: fastmath")
            elif isinstance(node, ast.Constant) and node.value == "fastmath":
                faults.append(f"{path}:{node.lineno}: fastmath")
    return faults


def one_door_to_numba(root: Path) -> list[str]:
    """Only ``kernels/_jit.py`` imports numba or llvmlite."""
    return [
        f"{path}:{line}: imports {name}"
        for path in python_files(root, *PACKAGES)
        if path != JIT
        for line, name in imports(root, path)
        if name.split(".")[0] in {"numba", "llvmlite"}
    ]


def one_clock(root: Path) -> list[str]:
    """Only ``streams/clock.py`` imports time, and nobody else asks a date what day it is."""
    faults = []
    for path in python_files(root, *PACKAGES):
        if path == CLOCK:
            continue
        faults += [f"{path}:{line}: imports {name}" for line, name in imports(root, path) if name == "time"]
        for node in ast.walk(tree(root, path)):
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                owner = ast.unparse(node.value).split(".")[-1]
                if owner in {"datetime", "date"}:
                    faults.append(f"{path}:{node.lineno}: {owner}.{node.attr}")
    return faults


def no_machine_paths(root: Path) -> list[str]:
    """No file names a path of somebody's machine."""
    return _lines_with(root, MACHINE_PATH)


def no_registry_hosts(root: Path) -> list[str]:
    """No file, the locks included, names the host of a package registry."""
    faults = _lines_with(root, REGISTRY_HOSTS)
    for name in sorted(NOT_OURS):
        if (root / name).exists():
            found = REGISTRY_HOSTS.search((root / name).read_text(encoding="utf-8"))
            faults += [f"{name}: {found.group()}"] if found else []
    return faults


def nothing_unfinished(root: Path) -> list[str]:
    """No file leaves a note to finish it later."""
    return _lines_with(root, UNFINISHED)


def links_lead_somewhere(root: Path) -> list[str]:
    """Each relative link in a Markdown file names a file or folder that is there."""
    faults = []
    for path, text in texts(root):
        if path.suffix != ".md":
            continue
        for target in LINK.findall(FENCED.sub("", text)):
            name = target.split("#")[0]
            if not name or re.match(r"[a-z][a-z0-9+.-]*:", target):
                continue
            place = root / name.lstrip("/") if name.startswith("/") else root / path.parent / name
            if not place.exists():
                faults.append(f"{path}: {target} is not there")
    return faults


def every_seed_has_a_story(root: Path) -> list[str]:
    """No cell of ``docs/seeds.md`` is empty, and each row names tests that stand in the story files it names."""
    seeds, faults = root / "docs" / "seeds.md", []
    lines = seeds.read_text(encoding="utf-8").splitlines() if seeds.is_file() else []
    for number, line in enumerate(lines, 1):
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if not line.startswith("| ") or cells[0] == "idea":
            continue
        where = f"docs/seeds.md:{number}"
        if len(cells) != 4 or not all(cell.strip("–- ") for cell in cells) or NOT_PROVEN.search(line):
            faults.append(f"{where}: a cell is empty, or says that something is not done")
            continue
        stories = [part.split("`: ") for part in cells[-1].split("; ")]
        faults += [f"{where}: {said}" for said in (_of_a_story(root, story) for story in stories) if said]
    return faults


def _of_a_story(root: Path, story: list[str]) -> str:
    """What is wrong with one file and its tests as a row names them."""
    path = Path(story[0].strip("`"))
    if path.parts[:2] != ("tests", "stories") or not (root / path).is_file():
        return f"there is no story {path}"
    there = {node.name for node in ast.walk(tree(root, path)) if isinstance(node, ast.FunctionDef)}
    named = re.findall(r"`(test_\w+)`", story[1]) if len(story) == 2 else []
    missing = [name for name in named if name not in there]
    return f"{path} has no {', '.join(missing)}" if missing else "" if named else f"{path}: no test is named"


def locks_agree(root: Path) -> list[str]:
    """The image installs the same releases that the tests ran with."""
    ours, image = (_pins(root / name) for name in ("requirements.lock", "deploy/requirements.lock"))
    return [f"deploy/requirements.lock: {pin}" for pin in sorted(image - ours)]


def _pins(lock: Path) -> set[str]:
    return {
        line.rstrip(" \\") for line in lock.read_text(encoding="utf-8").splitlines() if re.match(r"\w.*==", line)
    }


def _lines_with(root: Path, pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{path}:{number}: {found.group()}"
        for path, text in texts(root)
        for number, line in enumerate(text.splitlines(), 1)
        if (found := pattern.search(line))
    ]


def no_pickle(root: Path) -> list[str]:
    """Nobody reads or writes objects that run code when they are read."""
    faults = []
    for path in python_files(root):
        faults += [
            f"{path}:{line}: imports {name}" for line, name in imports(root, path) if name.split(".")[0] in PICKLES
        ]
        for node in ast.walk(tree(root, path)):
            if not isinstance(node, ast.keyword) or node.arg is None:
                continue
            said = ast.unparse(node.value)
            if (node.arg == "allow_pickle" and said != "False") or (
                node.arg.endswith("serializer") and "pickle" in said
            ):
                faults.append(f"{path}:{node.value.lineno}: {node.arg} = {said}")
    return faults


def no_forgotten_stop(root: Path) -> list[str]:
    """Nobody waits with ``asyncio.wait_for``: before 3.12 it forgets a cancellation that comes with the answer."""
    return [
        f"{path}:{node.lineno}: asyncio.wait_for, where asyncio.timeout forgets no cancellation"
        for path in python_files(root, "streams")
        for node in ast.walk(tree(root, path))
        if isinstance(node, ast.Attribute) and ast.unparse(node) == "asyncio.wait_for"
    ]


RULES: tuple[Callable[[Path], list[str]], ...] = (
    wheel_holds_three_packages,
    no_stdlib_names,
    files_are_short,
    functions_are_short,
    no_fastmath,
    one_door_to_numba,
    one_clock,
    no_pickle,
    no_forgotten_stop,
    no_machine_paths,
    no_registry_hosts,
    nothing_unfinished,
    links_lead_somewhere,
    every_seed_has_a_story,
    locks_agree,
)
