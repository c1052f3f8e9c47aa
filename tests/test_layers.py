"""Imports point downwards only, and nothing outside the standard library is imported."""

import ast
import sys

from tools.programs import ROOT

LAYERS = [
    {"addresses", "chat.doorstep", "intervals", "proof.pieces"},
    {"capacity", "wire.fields"},
    {"wire.gossip_line"},
    {"wire.status"},
    {"wire.lines"},
    {"wire"},
    {"proof.powerlaw", "settings", "spread.run", "voidphone.ini", "voidphone.messages",
     "voidphone.view", "voidphone.work"},
    {"chat.log", "liveness.rounds", "node.counters", "node.waiting_room", "overlay.peer_list",
     "overlay.ring", "seeds.cadence", "seeds.registrations", "seeds.registry",
     "spread.message_list", "spread.origin", "spread.rumors"},
    {"overlay.neighbours", "overlay.places", "spread.catch_up", "voidphone.client",
     "voidphone.news"},
    {"net.link", "net.listener", "node.output_file", "terminal.keyboard", "terminal.screen"},
    {"net.datagrams", "net.flusher", "spread.anti_entropy", "spread.flood", "spread.mongering",
     "voidphone.doorway", "voidphone.outbox"},
    {"spread.spreading"},
    {"liveness.pool", "node.node", "overlay.link_check"},
    {"chat.server", "liveness.prober", "voidphone.gossip_module"},
    {"terminal.limits"},
    {"programs.console", "proof.records", "terminal.command_line", "terminal.signals"},
    {"programs.starting", "proof.graph"},
    {"programs.chat_program", "programs.voidphone_program"},
    {"proof.degrees"},
    {"pictures.charts", "pictures.layout", "proof.check"},
    {"pictures.report"},
    {"pictures.plot"},
    {"chat.console", "experiments.network", "experiments.progress", "experiments.worker"},
    {"experiments.voidphone_processes"},
    {"experiments.bench", "experiments.voidphone_experiment"},
    {"experiments.voidphone_bench"},
]


def imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if is_module(full) else node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.is_dir() or path.with_suffix(".py").exists()


def test_imports_point_downwards():
    rank = {name: at for at, layer in enumerate(LAYERS) for name in layer}
    for path in (ROOT / "gossip").rglob("*.py"):
        if path.stem == "__init__":
            continue
        name = ".".join(path.relative_to(ROOT / "gossip").with_suffix("").parts)
        for module in imports(path):
            if module.startswith("gossip."):
                assert rank[module.partition(".")[2]] < rank[name], (name, module)


def test_only_the_standard_library_is_imported():
    for path in [*ROOT.glob("*.py"), *(ROOT / "gossip").rglob("*.py")]:
        for module in imports(path):
            top = module.partition(".")[0]
            assert top in sys.stdlib_module_names | {"gossip", "seed", "peer"}, (path, module)
