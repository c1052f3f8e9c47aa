"""The live page as its files say it, without a browser: what it may do, and what it names."""

import base64
import hashlib
import re

import pytest

from grapevine.lab.pictures import live_server
from tests.tools.programs import ROOT

PICTURES = ROOT / "grapevine" / "lab" / "pictures"
HTML = (PICTURES / "live_page.html").read_text(encoding="utf-8")
PARTS = {name: (PICTURES / name).read_text(encoding="utf-8") for name in live_server.SCRIPTS}
SCRIPT = "".join(PARTS.values())
CSS = "".join((PICTURES / name).read_text(encoding="utf-8") for name in live_server.STYLES)
PEER_STATES = {"joining", "up", "lost", "dead", "left", "gone"}
OF_A_SEED = {"seed", "seedGone"}  # up and gone
MARKUP = ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "Function(",
          "DOMParser", "createContextualFragment", "setHTML", "srcdoc", "import(")


def test_the_page_names_no_address_outside():
    text = HTML + CSS + SCRIPT
    assert re.findall(r"(?i)\b(?:https?|wss?|ftp|file|blob):", text) == []
    assert not re.search(r"[\"'`(]//|url\(|@import|@font-face", text)
    assert re.findall(r"(?:src|href|action|srcset|poster)=\"([^\"]*)\"", HTML) == ["data:,"]
    assert not re.search(r"<(?:img|iframe|object|embed|image|use|base|form|video|audio)\b", HTML)


@pytest.mark.parametrize("word", MARKUP)
def test_text_never_becomes_markup(word):
    assert word not in SCRIPT


def test_the_page_has_one_style_and_one_script_and_no_handler_of_its_own():
    assert HTML.count("<style") == HTML.count("<script") == 1
    assert "<style>$style</style>" in HTML and "<script>$script</script>" in HTML
    assert not re.search(r"\son\w+=|\sstyle=|javascript:", HTML + SCRIPT)
    assert "</script" not in SCRIPT and "<!--" not in SCRIPT and "</style" not in CSS
    whole, policy = live_server.page()
    assert CSS in whole and SCRIPT in whole and "$" not in HTML.replace("$style", "").replace(
        "$script", "").replace("$orders", "")
    for text in (CSS, SCRIPT):
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy


def test_every_file_of_the_script_is_read():
    assert {path.name for path in PICTURES.glob("live_*.js")} == set(PARTS)


def test_every_element_that_the_script_asks_for_is_there():
    ids = re.findall(r"\bid=\"([^\"]+)\"", HTML)
    assert len(ids) == len(set(ids))
    asked = set(re.findall(r"(?:(?:byId|chosen)\(\"|querySelectorAll\(\"#)([\w-]+)", SCRIPT))
    assert asked and asked <= set(ids)
    assert set(re.findall(r"\bbyId\(([^\"][^)]*)\)", SCRIPT)) == {"id"}  # those of `chosen`
    assert set(re.findall(r"#([a-z][\w-]*)(?=[^;]*\{)", CSS)) <= set(ids)
    assert set(re.findall(r"aria-labelledby=\"([^\"]+)\"", HTML)) <= set(ids)


def shapes():
    """The names of the script's shapes, and the body of each."""
    table = re.search(r"\nconst SHAPES = \{\n(.*?)\n\};", SCRIPT, re.DOTALL)[1]
    return {name: body.strip() for name, body in
            re.findall(r"^  (\w+)\(brush, [^)]*\) \{(.*?)\},$", table, re.DOTALL | re.MULTILINE)}


def test_every_state_has_a_shape_of_its_own_and_a_place_in_the_legend():
    drawn = shapes()
    legend = re.findall(r"<li><canvas data-shape=\"(\w+)\"></canvas>([^<]+)</li>", HTML)
    assert PEER_STATES | OF_A_SEED | {"silent"} <= set(drawn)
    assert [name for name, _ in legend if name not in drawn] == []
    assert set(drawn) == {name for name, _ in legend}
    assert len({words for _, words in legend}) == len(legend)
    plain = [re.sub(r"ink\.\w+", "colour", body) for body in drawn.values()]
    assert len(set(plain)) == len(plain)  # by shape, not by colour alone


def test_every_colour_of_the_script_is_there_in_light_and_in_dark():
    dark = "".join(re.findall(r"@media \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}", CSS,
                              re.DOTALL))
    light = "".join(re.findall(r"(?m)^:root \{(.*?)\}", CSS, re.DOTALL))
    names = re.findall(r"\"(\w+)\"", re.search(
        r"for \(const name of \[(.*?)\]\) \{\s*this\.ink", SCRIPT, re.DOTALL)[1])
    assert len(names) > 10
    for colours in (light, dark):
        assert [name for name in names if f"--{name}:" not in colours] == []
    used = set(re.findall(r"\bink\.(\w+)", SCRIPT))
    assert used <= set(names)
    assert set(re.findall(r"var\(--([\w-]+)\)", CSS)) <= set(re.findall(r"--([\w-]+):", light))


def test_nothing_demands_a_window_that_is_wider_than_a_phone():
    style = (PICTURES / "live_page.css").read_text(encoding="utf-8")
    assert all(int(width) <= 320 for width in re.findall(r"width: (\d+)px;", style))
