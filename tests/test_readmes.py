"""The READMEs: each is short, and every link in them leads somewhere."""

import pathlib
import re

import pytest

from tests.tools.programs import run

ROOT = pathlib.Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "tests" / "README.md",
         *sorted(ROOT.glob("gossip/**/README.md"))]
FIRST_LIMIT, LIMIT = 150, 250  # lines
LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page):
    """What a link may name behind `#`: the headings, and what is marked by hand."""
    text = page.read_text()
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S), re.M)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)">', text))


def broken(page):
    """The links of a page that lead nowhere."""
    for link in LINK.findall(re.sub(r"`[^`\n]*`", "", page.read_text())):
        target, _, anchor = link.partition("#")
        there = (page.parent / target).resolve() if target else page
        if "://" in link:
            continue
        if not there.exists() or anchor and anchor not in anchors(there):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.parent.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert list(broken(page)) == []


def test_a_link_that_leads_nowhere_is_found(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# One\n[a](#one) [b](#two) [c](other.md) [d](README.md#one) `[e](#no)`\n")
    assert list(broken(page)) == ["#two", "other.md"]


def test_every_page_is_short():
    lines = {str(page.relative_to(ROOT)): len(page.read_text().splitlines()) for page in PAGES}
    first = lines.pop("README.md")
    assert first <= FIRST_LIMIT and all(count <= LIMIT for count in lines.values()), lines


def test_the_first_page_leads_to_every_other_one():
    linked = {(ROOT / link.partition("#")[0]).resolve()
              for link in LINK.findall((ROOT / "README.md").read_text())}
    assert set(PAGES) - {ROOT / "README.md"} <= linked


def test_the_schedule_that_is_shown_is_what_the_command_above_it_shows():
    page = (ROOT / "gossip" / "lab" / "simulation" / "README.md").read_text()
    command, *shown = re.findall(r"^    (.*)$", page.partition("## Accidents")[0], re.M)
    code, out, _ = run(*command.split()[1:])
    said = out.splitlines()
    assert code == 0 and shown and not [line for line in shown
                          if not any(one.startswith(line.rstrip("…").rstrip()) for one in said)]
