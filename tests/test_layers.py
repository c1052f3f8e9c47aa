"""Imports point downwards only, and nothing outside the standard library is imported."""

import ast
import sys

from helpers import ROOT

LAYERS = [
    {"addresses", "intervals", "proof.pieces", "chat.doorstep"},
    {"wire.lines", "capacity"},
    {"wire"},
    {"settings", "proof.powerlaw", "voidphone.messages", "voidphone.ini", "voidphone.work",
     "voidphone.view"},
    {"spread.message_list", "overlay.ring", "liveness.rounds", "overlay.peer_list", "seeds.registrations", "seeds.registry",
     "spread.rumors", "node.waiting_room", "seeds.cadence", "spread.origin", "node.counters", "chat.log"},
    {"spread.catch_up", "overlay.neighbours", "overlay.places", "voidphone.news", "voidphone.client"},
    {"net.link", "node.output_file", "terminal.screen", "terminal.keyboard", "net.listener"},
    {"net.flusher", "spread.flood", "spread.mongering", "spread.anti_entropy", "net.datagrams", "voidphone.doorway",
     "voidphone.outbox"},
    {"spread.spreading"},
    {"node.node", "overlay.link_check", "liveness.pool"},
    {"liveness.prober", "chat.server", "voidphone.gossip_module"},
    {"terminal.limits"},
    {"programs.console", "proof.records", "terminal.signals", "terminal.command_line"},
    {"programs.starting", "proof.graph"},
    {"programs.chat_program", "programs.voidphone_program"},
    {"proof.degrees"},
    {"proof.check", "pictures.layout", "pictures.charts"},
    {"pictures.report"},
    {"pictures.plot"},
    {"experiments.network", "experiments.progress", "experiments.worker", "chat.console"},
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
