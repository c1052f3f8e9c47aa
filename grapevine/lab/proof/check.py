"""The command `check`, which proves from output files what a network did.

A row of the proof is a function from `Proof` to a `Row`, or to None where it has nothing to say.
Its docstring is what it claims, which people are shown; without a verdict it only shows figures.
Rows about messages are in delivery.py, others in deaths.py, malicious.py and clocks.py, most here.
"""

import collections
import itertools
import json
import math
import os
import pathlib
import re
from collections.abc import Callable, Iterator

from grapevine.events import about
from grapevine.lab.proof import deaths, delivery, graph
from grapevine.lab.proof.clocks import put_right
from grapevine.lab.proof.disturbances import (
    FAILS, HOLDS, ON_ITS_WAY, PROBE_TIME, UNCLEAR, Fault, clock, extend, judge, no_file, parts,
    quiet, shared)
from grapevine.lab.proof.events import ADDRESS
from grapevine.lab.proof.evidence import Proof, Row, quantile, row, worst
from grapevine.lab.proof.malicious import malicious
from grapevine.lab.proof.records import Records, read_folder
from grapevine.lab.proof.runs import PeerRun, standing
from grapevine.node import LATE_FOR
from grapevine.registrations import ANSWER_TIME, LONGEST_REST
from grapevine.settings import majority
from grapevine.terminal.command_line import Parser, printable, show
from grapevine.terminal.folders import parse_folders
from grapevine.terminal.screen import folded

ROUNDS, MORE = 3, 2.0  # liveness intervals plus seconds in which a peer has to be registered
LONGEST = 60.0  # seconds, the most of this sum
TRIES = ("tried", "registered", "unregistered", "refused")  # lines about a seed
TRIED = 2 * (LONGEST_REST + ANSWER_TIME)  # seconds in which a peer has tried another seed
SHORTEST = 1.0  # seconds between rounds at least, because a busy machine may do no more
SHARE = 0.5  # of the rounds due, at least
SHOWN = 5  # failures of one row that are shown
ROW = 18  # columns before what a row of the proof says
CODES = {HOLDS: 0, FAILS: 1, UNCLEAR: 3}  # exit codes

_NAMED = re.compile(rf"{ADDRESS}(:[0-9]+:[0-9]+)?")  # an address, or a message: IP:PORT:RUN:NUMBER


def prove(records: Records, here: set[str] | None = None) -> list[Row]:
    """Return all rows. `here` names the nodes of which there are files; None means all nodes."""
    proof = Proof(put_right(records), here)
    return [row for make in ROWS if (row := make(proof)) is not None]


def verdict_of(rows: list[Row]) -> str:
    return worst(row.verdict for row in rows)


def clocks(proof: Proof) -> Row | None:
    """The clocks of all machines agree, or could be put right."""
    return proof.records.clocks.row()


def files(proof: Proof) -> Row:
    """Every node that is named has a file, which tells all."""
    records, runs = proof.records, proof.all_runs
    why = [span.words for run in runs for span in proof.lacks(run)]
    why += [f"{name} is named like a node's file, and has no started: line"
            for name in records.unread()]
    why += [f"{node} says that it attacks, and scenario.txt does not"
            for node in sorted(proof.attacking - records.scenario.attacking)]
    if records.scenario.damaged:
        why.append(f"{records.scenario.damaged} damaged lines in scenario.txt")
    elsewhere = set(filter(proof.is_elsewhere, proof.strangers))
    why += [f"there is no file of {node}{proof.missing_from(node)}"
            for node in sorted(proof.strangers - elsewhere)]
    faults = [Fault(UNCLEAR, words) for words in why]
    faults += [Fault(FAILS, f"a line of {clock(at)} stands in the file of {run.address} where it "
                     "does not belong") for run in runs for at in run.misplaced]
    figures = f"{len({run.address for run in runs})} nodes have files"
    if elsewhere:
        figures += f"; {len(elsewhere)} have theirs on other machines"
    return row("files", figures, faults)


def registered(proof: Proof) -> Row | None:
    """Every peer was registered with more than half of the seeds at once."""
    known = min((seed.known for seed in proof.seeds if seed.known), default=0)
    if not known:
        named = [seed for run in proof.peers for event in TRIES for _, seed, *_ in run.told(event)]
        if proof.seeds or all(proof.is_elsewhere(about(seed)[0]) for seed in named):
            return None
        return Row("registered", UNCLEAR, "there is no file of a seed")
    wanted = majority(known)
    times = {run: shared(run.registrations.values(), wanted) for run in proof.peers}
    took = [enough[0][0] - run.first for run, enough in times.items() if enough]
    faults = [fault for run, enough in times.items() for fault in (
        *(_unregistered(proof, run, wanted) if not enough and not run.chat else ()),
        *_unknown_to_seeds(proof, run),
        *(_idle(proof, run, enough, wanted) if not run.chat else ()))]
    figures = f"{len(took)} runs with {wanted} seeds of {known}"
    if took:
        figures += f", after {quantile(took, 0.5):.2f} s (median), {max(took):.2f} s (max)"
    return row("registered", figures, faults)


def _unregistered(proof: Proof, run: PeerRun, wanted: int) -> Iterator[Fault]:
    """Judge a run that was never registered with so many seeds. It needs a time in which as many
    were not disturbed, and longer if others were, whose answers it may have awaited; if there is
    none, what disturbed the others counts."""
    need, end = min(LONGEST, ROUNDS * run.interval + MORE), run.end
    if proof.seeds_up(run.first, end, wanted) <= need:
        return
    words = f"{run} was never registered with {wanted} seeds at once"
    spans = sorted((proof.trouble(run, seed, (run, seed)) for seed in sorted(proof.registries)),
                   key=lambda spans: -quiet(run.first, end, spans))
    others = [span for each in spans[wanted - 1:] for span in each]
    need += ANSWER_TIME * any(span.overlaps(run.first, end) > 0 for span in others)
    times = shared([parts(run.first, end, each) for each in spans], wanted)
    if any(until - begin >= need for begin, until in times):
        yield Fault(FAILS, words)
    else:
        yield judge(words, run.first, end, math.inf, others)


def _idle(proof: Proof, run: PeerRun, enough: list, wanted: int) -> Iterator[Fault]:
    """A run that is registered with too few seeds tries others, again and again."""
    told = sorted(at for event in TRIES for at in run.when(event))
    for begin, end in parts(run.first, run.end, enough):
        tries = [begin, *(at for at in told if begin < at < end), end]
        for since, until in itertools.pairwise(tries):
            if quiet(since, until, run.late) > TRIED:
                count = len(standing(run.registrations, since, since))
                yield proof.by_file(f"{run} was registered with {count} seeds of {wanted}, and "
                                    f"tried no other from {clock(since)} to {clock(until)}", run)


def _unknown_to_seeds(proof: Proof, run: PeerRun) -> Iterator[Fault]:
    """Judge a run that calls itself registered with a seed whose files do not tell of it. What it
    wrote last before it died may be lost."""
    for seed, registrations in run.registrations.items():
        lives = proof.registries.get(seed, [])
        times = [one.begin for one in registrations if one.stood
                 for life in [life for life in lives if life.first <= one.begin][-1:]
                 if not 0 < one.begin - life.end <= 2 * life.interval]
        if times and not any(life.told("registered", run.address, run.first - ON_ITS_WAY)
                             for life in lives):
            yield proof.by_file(f"{run} was registered with seed {seed}, whose files do not tell "
                                "of it", run, *lives)


def liveness(proof: Proof) -> Row:
    """Neighbours asked each other for a sign of life, round after round."""
    faults = [
        proof.by_file(f"{run} asked its neighbours in {asked} rounds of {due}", run)
        for run in proof.peers if not run.chat
        and (asked := len(set(run.told("liveness request")))) < SHARE * (
            due := _rounds_due(run, min(run.last, run.end)))]
    counts = [sum(len(run.told(f"liveness {what}")) for run in proof.peers)
              for what in ("request", "reply", "missed")]
    return row("liveness", "{} requests, {} replies, {} misses".format(*counts), faults)


def _rounds_due(run: PeerRun, end: float) -> int:
    """Return how many rounds were due while it was awake and had a neighbour. A late peer does not
    judge a suspect, which is not asked meanwhile."""
    late = [(begin, at + LATE_FOR) for begin, at in run.late]
    times = [span for links in run.links.values() for link in links
             for span in parts(link.begin, min(link.end, end), late)]
    awake = end - run.first - quiet(run.first, end, times) - ON_ITS_WAY  # the last may be late
    return int(max(0.0, awake) // max(SHORTEST, run.interval))


def degrees(proof: Proof) -> Row:
    """How many neighbours peers had when most of them were up."""
    law = graph.PowerLaw(proof.peers)
    if not law.degrees:
        return Row("degrees", "", "no peer said what its degree is")
    figures = (f"minimum {law.degrees[0]}, median {quantile(law.degrees, 0.5):g}, "
               f"maximum {law.degrees[-1]}")
    if law.fitted and law.predicted:
        figures += (f"; P(k) ~ k^-a with a = {law.fitted} for k from {law.low} to {law.high}; "
                    f"the capacities of these peers predict {law.predicted}")
    return Row("degrees", "", figures)


def pieces(proof: Proof) -> Row:
    """The network did not stay apart."""
    if any(map(proof.is_elsewhere, proof.strangers)):
        return Row("pieces", "", "links lead to peers elsewhere: only all files tell")
    if any(run.chat for run in proof.peers):
        return Row("pieces", "", "chat servers in a line are not looked at")
    (history, apart), over = _history(proof), graph.end_of(proof.peers)
    begin, faults = min((run.first for run in proof.peers), default=0.0), []
    for run in proof.peers:
        need = PROBE_TIME + (run.misses + 4) * run.interval + ANSWER_TIME
        spans = apart.get(run, [])
        end = run.end
        if not run.links and end - run.first > need:  # the longest time with somebody else
            spans = sorted([(max(run.first, other.first), min(end, other.end))
                            for other in proof.peers if other is not run],
                           key=lambda span: span[1] - span[0])[-1:]
        faults += [_apart(proof, run, [other for other in proof.peers if other is not run
                                       and not any(one < until and since < end
                                                   for one, end in apart.get(other, ()))],
                          since, until, need) for since, until in spans
                   if min(quiet(since, until, run.late), proof.seeds_up(since, until, 1))
                   > (need if until < over else PROBE_TIME + 2 * run.interval + ANSWER_TIME)]
    times = shared([[(since, until) for since, until, count in history if count > 1]], 1)
    figures = "the graph was never in more than one piece" if history else "no peer had a neighbour"
    if times:
        seconds = [until - since for since, until in times]
        figures = (f"in more than one piece for {sum(seconds):.2f} s in all, {max(seconds):.2f} s "
                   f"at most at a time, {max(count for *_, count in history)} pieces at most")
    if history and history[-1][2] == 1:
        since = times[-1][1] if times else history[0][0]
        figures += f"; in one since {since - begin:.2f} s after the start"
    return row("pieces", figures, faults)


def _history(proof: Proof) -> tuple[list[tuple[float, float, int]], dict[PeerRun, list]]:
    """Return how many pieces the graph had from when until when, and when which runs were apart
    from the largest."""
    history, apart = [], collections.defaultdict(list)
    for begin, end, graph_then in graph.replay(proof.peers):
        history.append((begin, end, len(graph_then)))
        torn = graph_then.all() if len(graph_then) > 1 else []
        whole = max(torn, default=(), key=lambda piece: (
            len(piece), -min(run.first for run in piece)))
        for run in (run for piece in torn if piece is not whole for run in piece):
            extend(apart[run], begin, end)
    return history, apart


def _apart(proof: Proof, run: PeerRun, others: list[PeerRun], begin: float, end: float,
           need: float) -> Fault:
    """Judge a run that was apart from others for so long. Of the seeds, and of the others, the one
    counts that was disturbed least. Whoever has no file may have linked them."""
    linked = {peer for one in proof.peers for peer in one.links}
    spans = [span for nodes in (
        map(proof.trouble, sorted(proof.registries)),
        (proof.trouble(other.address) + proof.around(other) for other in others))
        for span in max(nodes, key=lambda spans: quiet(begin, end, spans), default=[])]
    spans += map(no_file, sorted(linked & proof.strangers) if run.links else ())
    words = (f"was apart from the largest piece from {clock(begin)} to {clock(end)}" if run.links
             else "never had a neighbour")
    return judge(f"{run} {words}", begin, end, need, spans + proof.around(run))


def threads(proof: Proof) -> Row:
    """No thread died of an error."""
    faults = [Fault(FAILS, f"{run.address}: {text}") for run in proof.all_runs
              for text in run.failures]
    return row("threads", f"{len(faults)} threads failed", faults)


ROWS = (
    clocks, delivery.gossips, delivery.broadcast, delivery.once, delivery.latency, registered,
    liveness, deaths.dead, degrees, pieces, threads, malicious, files)
CLAIMS = {make.__name__: make.__doc__ or "" for make in ROWS}  # row -> what it proves, for people


def check_folders(arguments: list[str]) -> int:
    """The command `check`: the proof of a folder of output files, or a verdict for each of several.
    """
    parser = Parser(prog="runner.py check", description="Prove from output files what happened.")
    parser.switch("--json", "write the rows as JSON, one object a line for each folder")
    folders, args = parse_folders(parser, arguments, many=True, more="; of several folders each "
                                  "has a verdict, and what fails")
    judge = check_as_json if args.json else judge_folder if len(folders) > 1 else check_folder
    verdicts = []
    for verdict, text in map(judge, folders):
        text = "\n".join(map(printable, text.split("\n")))  # much of it comes from others' files
        show(folded(text, ROW) if os.isatty(1) and not args.json else text)
        verdicts.append(verdict)
    return CODES[worst(verdicts)]


def format_rows(rows: list[Row]) -> str:
    """Return the proof as text, each row above its details."""
    lines = []
    for one in rows:
        lines.append(str(one))
        lines += [f"{'':<{ROW}} {failure}" for failure in one.details[:SHOWN]]
        if len(one.details) > SHOWN:
            lines.append(f"{'':<{ROW}} and {len(one.details) - SHOWN} more")
    return "\n".join(lines)


def check_folder(folder: pathlib.Path) -> tuple[str, str]:
    """Return the verdict about a folder, and its proof as text, of which it is the last line."""
    verdict, rows, error = _proved(folder, with_texts)
    return verdict, error or f"{format_rows(rows)}\n{'verdict':<10} {verdict}"


def judge_folder(folder: pathlib.Path) -> tuple[str, str]:
    """Return the verdict, and a text with the rows that do not hold."""
    verdict, rows, error = _proved(folder, with_texts)
    text = error or format_rows([row for row in rows if row.verdict in (FAILS, UNCLEAR)])
    return verdict, "\n       ".join([f"{verdict}  {printable(str(folder))}", *text.splitlines()])


def check_as_json(folder: pathlib.Path) -> tuple[str, str]:
    """Return the verdict, and all rows or an `error` as JSON."""
    verdict, rows, error = _proved(folder, lambda _, rows: rows)
    found = {"folder": str(folder), "verdict": verdict, "rows": [row._asdict() for row in rows]}
    return verdict, json.dumps(found | ({"error": error} if error else {}))


def _proved(folder: pathlib.Path, named: Callable) -> tuple[str, list[Row], str]:
    """Return the verdict, the rows with messages as they are `named`, and why there are none."""
    try:
        records = read_folder(folder)
        rows = prove(records)
    except ValueError as error:
        return FAILS, [], str(error)
    return verdict_of(rows), named(records, rows), ""


def with_texts(records: Records, rows: list[Row]) -> list[Row]:
    """Name messages in details like `"message 3" of 5001`. Peers beside them are named by their
    ports alone if all peers have one IP."""
    origins = {message: run for run in records.peers for message in run.generated}
    ips = {run.address.rpartition(":")[0] for run in records.peers}

    def short(match: re.Match) -> str:
        ip, _, port = match[1].rpartition(":")
        name = port if ips == {ip} else match[1]
        origin = origins.get(match[0])
        if origin is None:
            return name if match[2] is None else match[0]
        return f'"{printable(origin.generated[match[0]].text)}" of {name}{origin.since}'

    return [row._replace(details=[
        _NAMED.sub(short, detail)
        if any(match[0] in origins for match in _NAMED.finditer(detail)) else detail
        for detail in row.details]) for row in rows]
