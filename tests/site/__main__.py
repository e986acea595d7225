"""``make docs``: stage the Markdown of the repository, build it as a site, and follow every link in it.

Nothing of it leaves ``build/docs``; ``build/docs/site/index.html`` is where to begin reading.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tests.house_rules import tracked

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "docs"
ZENSICAL = ROOT / "build" / "docs-tools" / "bin" / "zensical"
LINK = re.compile(r"\]\(([^)#\s]+)[^)]*\)")
WHOLE_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\(([^)#\s]+)\)")
INDEXES = {"docs/decisions": "Decisions", "docs/runbooks": "Runbooks"}
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)


def stage(root: Path, into: Path) -> None:
    """Copy every tracked page, and whatever file a page links to; a folder of pages gets an index of its own."""
    shutil.rmtree(into, ignore_errors=True)
    pages = [root / path for path in tracked(root) if path.suffix == ".md"]
    for page in pages:
        _copy(root, page, into)
        for target in _targets(page):
            if target.is_file() and target.suffix != ".md" and target.is_relative_to(root):
                _copy(root, target, into)
    for folder, title in INDEXES.items():
        lines = [f"# {title}", ""]
        for page in sorted((into / folder).glob("*.md")):
            found = TITLE.search(page.read_text())
            lines.append(f"- [{found[1] if found else page.stem}]({page.name})")
        (into / folder / "index.md").write_text("\n".join(lines) + "\n")


def _targets(page: Path) -> Iterator[Path]:
    for link in LINK.findall(page.read_text()):
        if not urlsplit(link).scheme:
            yield (page.parent / unquote(link)).resolve()


def _copy(root: Path, path: Path, into: Path) -> None:
    place = into / path.relative_to(root)
    place.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copyfile(path, place)
        return

    def of_a_site(link: re.Match[str]) -> str:
        """On a forge a link to a folder lists it; a site has a page for that, or no link."""
        folder = (path.parent / unquote(link[2])).resolve()
        if not folder.is_dir():
            return link[0]
        shown = str(folder.relative_to(root)) in INDEXES
        return f"[{link[1]}]({link[2].rstrip('/')}/index.md)" if shown else link[1]

    place.write_text(WHOLE_LINK.sub(of_a_site, path.read_text()))


class _Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for name in ("href", "src"):
            if given.get(name):
                self.links.append(str(given[name]))
        for name in ("id", "name"):
            if given.get(name):
                self.anchors.add(str(given[name]))


def dead_links(site: Path) -> list[str]:
    """Links of built pages that lead nowhere within the site, each with its page."""
    pages: dict[Path, _Page] = {}
    for path in site.rglob("*.html"):
        pages[path] = page = _Page()
        page.feed(path.read_text())
    found = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc or link.startswith("/"):
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if target.is_dir():
                target /= "index.html"
            anchors = pages[target].anchors if target in pages else None
            lost = not target.exists() or (
                parts.fragment and anchors is not None and unquote(parts.fragment) not in anchors
            )
            if lost:
                found.append(f"{path.relative_to(site)}: {link}")
    return sorted(set(found))


def main() -> int:
    """Build it; 1 for a warning or a link that leads nowhere."""
    stage(ROOT, BUILD / "stage")
    shutil.copyfile(Path(__file__).with_name("zensical.toml"), BUILD / "zensical.toml")
    shutil.rmtree(BUILD / "site", ignore_errors=True)
    built = subprocess.run([ZENSICAL, "build", "--clean", "--strict"], cwd=BUILD, check=False)
    if built.returncode:
        return built.returncode
    lost = dead_links(BUILD / "site")
    for line in lost:
        print(f"leads nowhere: {line}", file=sys.stderr)
    count = len(list((BUILD / "site").rglob("*.html")))
    print(f"{count} pages in {(BUILD / 'site').relative_to(ROOT)}, {len(lost)} links that lead nowhere")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
