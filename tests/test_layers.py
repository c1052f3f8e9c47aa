"""Who may import whom: a table of folders, and three sentences about time, threads and sets."""

import ast
import sys

import pytest

from tests.tools.programs import ROOT

HALL = {"addresses", "intervals", "capacity", "settings", "events",
        "tools"}  # everyone may name it
CORE = ("wire", "node", "liveness", "registering", "overlay", "spread", "signing", "monitoring")
CONCEPTS = set(CORE[2:])
MAY_IMPORT = {  # folder -> what else than itself and the hall
    **{folder: set(CORE[:at]) for at, folder in enumerate(CORE)},  # those before it
    "net": {"wire"},
    "terminal": set(),
    "chat": {"wire", "spread", "node", "net", "terminal"},
    "voidphone": {"wire", "spread", "node", "net", "terminal"},
    "programs": {"node", "net", "chat", "voidphone", "terminal", "spread"},
    "front": {"library"},
    # and seed.py, peer.py by their paths
    "library": {"node", "net", "overlay", "programs", "terminal"},
    "seed.py": {*CONCEPTS, "wire", "node", "programs"},
    "peer.py": {*CONCEPTS, "wire", "node", "programs"},
    "runner.py": {"chat", "net", "programs", "terminal", "lab/experiments", "lab/pictures",
                  "lab/proof", "seed.py", "peer.py"},
    "lab/simulation": {"wire", "node"},
    "lab/experiments": {"wire", "signing", "monitoring", "node", "programs", "terminal",
                        "voidphone", "lab/simulation", "lab/proof"},
    "lab/proof": set(),
    "lab/pictures": {"lab/proof", "terminal"},
}
# here alone are clocks, sockets and threads
ASKS_THE_SYSTEM = {"net", "library", "chat", "voidphone", "terminal", "programs", "runner.py",
                   "lab/proof", "lab/experiments", "lab/pictures"}
OF_THE_SYSTEM = {"time", "socket", "select", "selectors"}
LOCKS = {"node": {"Lock"}}  # of links and output files; rules have none: their node has turns
FRONT = ROOT / "gossip" / "__init__.py"  # names what programs use
FAMILIES = ROOT / "gossip" / "addresses.py"  # names the families of addresses, opens no socket


def place_of(path):
    """The folder of gossip/ that a file stands in, `hall`, or the file's own name at the top."""
    if path == FRONT:
        return "front"
    parts = path.relative_to(ROOT).parts
    return parts[0] if len(parts) == 1 else folder(parts[1:-1])


def folder(parts):
    """The folder that a path below gossip/ names: `wire`, `lab/proof`, or `hall`."""
    return "/".join(parts[:2 if parts[0] == "lab" else 1]) if parts else "hall"


def sources():
    return [*ROOT.glob("*.py"), *(ROOT / "gossip").rglob("*.py")]


def imports(tree):
    """The names of all modules that are imported, with what is taken out of them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def wrong_imports(place, tree):
    """What a file that stands there must not import."""
    for name in imports(tree):
        top, *rest = name.split(".")
        if top in ("seed", "peer"):
            target = f"{top}.py"
        elif top == "gossip":
            target = folder(rest)
        elif top not in sys.stdlib_module_names:
            yield name
            continue
        else:
            continue
        if target not in HALL | {place} | MAY_IMPORT.get(place, set()):
            yield name


def system_words(place, tree):
    """What of the system's clocks, sockets and threads is used where it must not be."""
    if place in ASKS_THE_SYSTEM:
        return
    locks = LOCKS.get(place, set())
    for name in imports(tree):
        top = name.partition(".")[0]
        if top in OF_THE_SYSTEM:
            yield name
        elif top == "threading" and name != "threading" and name.partition(".")[2] not in locks:
            yield name
    for node in ast.walk(tree):
        if (isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
                and node.value.id == "threading" and node.attr not in locks):
            yield f"threading.{node.attr}"


def loops_over_sets(tree):
    """Loops and comprehensions over what is visibly a set: its order differs between runs."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.comprehension)):
            if is_set(node.iter):
                yield ast.unparse(node.iter)


def is_set(node):
    """Whether an expression is a set by its looks: a display, a comprehension, a call, or
    arithmetic with one or with the keys of a dictionary."""
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", "")
        return name in ("set", "frozenset")
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.BitAnd, ast.BitOr)):
        return any(is_set(side) or is_keys(side) for side in (node.left, node.right))
    return False


def is_keys(node):
    return isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "keys"


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_files_import_only_what_their_folder_may(path):
    tree, place = ast.parse(path.read_text()), place_of(path)
    assert list(wrong_imports(place, tree)) == []
    assert path == FAMILIES or list(system_words(place, tree)) == []
    if place in CONCEPTS | {"node", "seed.py", "peer.py"}:
        assert list(loops_over_sets(tree)) == []


def test_attackers_are_started_by_schedules_and_workers_alone():
    """So a peer, a seed or a verdict cannot know who is one. Nor may they read who says so."""
    name = "gossip.lab.experiments.attackers"
    assert sorted(path.name for path in sources() if any(
        one.startswith(name) for one in imports(ast.parse(path.read_text())))
    ) == ["schedules.py", "worker.py"]
    speaking = {place_of(path) for path in sources() if "misbehaving" in path.read_text()}
    assert speaking == {"lab/experiments", "lab/proof"}


@pytest.mark.parametrize("place, line", [
    ("wire", "from gossip.spread.flood import Flood"),
    ("overlay", "from gossip.spread.flood import Flood"),
    ("node", "from gossip.net.link import Link"), ("net", "from gossip.node.node import Node"),
    ("lab/proof", "from gossip import wire"), ("lab/pictures", "import gossip.node.link"),
    ("programs", "from gossip.lab.proof import check"),
    ("chat", "from gossip.voidphone.news import Item"), ("programs", "from peer import Peer"),
    ("peer.py", "from gossip.net.live_world import LiveWorld"), ("hall", "from gossip import wire"),
    ("registering", "import numpy")])
def test_a_wrong_import_is_found(place, line):
    assert list(wrong_imports(place, ast.parse(line)))


@pytest.mark.parametrize("place, line", [
    ("overlay", "import time"), ("node", "from socket import socket"), ("peer.py", "import select"),
    ("registering", "from threading import Event"), ("spread", "threading.Thread(target=print)"),
    ("liveness", "threading.Lock()"), ("node", "threading.Condition()")])
def test_a_word_of_the_system_is_found_where_it_is_not_allowed(place, line):
    assert list(system_words(place, ast.parse(line)))
    assert not list(system_words("net", ast.parse(line)))


@pytest.mark.parametrize("line", [
    "for a in {1, 2}: pass", "[a for a in set(b)]", "for a in b.keys() - c: pass",
    "for a in set(b) | c: pass"])
def test_a_loop_over_a_set_is_found(line):
    assert list(loops_over_sets(ast.parse(line)))
    assert not list(loops_over_sets(ast.parse("for a in sorted({1, 2}): pass")))
