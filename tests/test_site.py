"""The documentation's site: pages are staged as a site needs them, and a link that leads nowhere is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.site.__main__ import ROOT, dead_links, stage

PAGE = '<h1 id="top">x</h1><a href="{}">y</a><img src="{}">'


def test_pages_are_staged_with_what_they_link_to(tmp_path: Path) -> None:
    stage(ROOT, tmp_path)
    home = (tmp_path / "README.md").read_text()
    assert "(docs/decisions/index.md)" in home
    assert (tmp_path / "docs/images/desk-light.png").is_file()
    assert (tmp_path / "docs/examples/mapping.toml").is_file()
    decisions = (tmp_path / "docs/decisions/index.md").read_text()
    assert "(0001-one-ledger.md)" in decisions
    assert "](kubernetes/)" not in (tmp_path / "deploy/README.md").read_text()


@pytest.mark.parametrize(
    ("link", "image", "lost"),
    [
        ("other.html#there", "pic.png", []),
        ("other.html#here", "pic.png", ["one.html: other.html#here"]),
        ("#top", "pic.png", []),
        ("#nowhere", "pic.png", ["one.html: #nowhere"]),
        ("gone.html", "gone.png", ["one.html: gone.html", "one.html: gone.png"]),
        ("https://example.org/gone", "sub/", []),
    ],
)
def test_a_link_that_leads_nowhere_is_found(link: str, image: str, lost: list[str], tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(PAGE.format(link, image))
    (tmp_path / "other.html").write_text('<p id="there">z</p>')
    (tmp_path / "pic.png").touch()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/index.html").touch()
    assert dead_links(tmp_path) == lost
