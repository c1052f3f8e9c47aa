"""The check, which proves from output files what a network did.

A row of the proof is a function from `Proof` to a `Row`, or to None where it has nothing to say;
`files` makes several. Rows about messages are in delivery.py, others in deaths.py, malicious.py
and clocks.py, most here.
"""

import collections
import itertools
import json
import math
import pathlib
import re

from grapevine.lab.proof import deaths, delivery, graph
from grapevine.lab.proof.clocks import put_right
from grapevine.lab.proof.events import ADDRESS, NOT_REACHED, REFUSED, Spans, when
from grapevine.lab.proof.evidence import (
    ON_ITS_WAY, REGISTER_LIMIT, Proof, Row, origin_of, pause, quantile, start_time)
from grapevine.lab.proof.malicious import malicious
from grapevine.lab.proof.records import Records, machine_of, read_folder
from grapevine.lab.proof.runs import PROBE_TIME, PeerRun
from grapevine.settings import majority

ROUNDS, MORE = 3, 2.0  # liveness intervals plus seconds in which a peer has to be registered
LONGEST = 60.0  # seconds, the most of this sum
# Answers for which a peer waits, before it tries another seed: none, or a late refusal
SLOW = "no answer to register", NOT_REACHED
BANNED = f"{REFUSED}: kicked"  # by seeds that have found it malicious
SHORTEST = 1.0  # seconds between rounds at least, because a busy machine may do no more
SHARE = 0.5  # of the rounds due, at least
SHOWN = 5  # failures of one row that are shown
CLAIMS = {  # row -> what it proves; a row without a verdict only shows figures
    "clocks": "The clocks of all machines agree, or could be put right.",
    "gossips": "Every peer generated what its settings say.",
    "broadcast": "Every message reached every peer that was up, or came later.",
    "once": "Nothing was received twice.",
    "latency": "How long messages took; none was received before it was generated.",
    "registered": "Every peer was registered with more than half of the seeds at once.",
    "liveness": "Neighbours asked each other for a sign of life, round after round.",
    "dead": "Who died was reported and removed; nobody who lived was.",
    "degrees": "How many neighbours peers had when most of them were up.",
    "pieces": "The network did not stay apart.",
    "threads": "No thread died of an error.",
    "lost": "Which files lack lines that a full disk refused.",
    "beginnings": "No file lacks the line with which its node started.",
    "unread": "Which files are named like a node's, and tell of none.",
    "elsewhere": "Which messages and seeds are of other machines: those prove them.",
    "malicious": "Who attacked was kicked in time; nobody else was.",
}

_NAMED = re.compile(rf"{ADDRESS}(:[0-9]+:[0-9]+)?")  # an address, or a message: IP:PORT:RUN:NUMBER


def prove(records: Records, here: set[str] | None = None) -> list[Row]:
    """Return all rows. `here` names the nodes of which there are files; None means all nodes."""
    records = put_right(records)
    proof = Proof(records, here)
    rows = [records.clocks.row(), delivery.gossips(proof), delivery.broadcast(proof),
            delivery.once(proof), delivery.latency(proof), registered(proof), liveness(proof),
            deaths.dead(proof), degrees(proof), pieces(proof), threads(proof), malicious(proof),
            *files(proof, records), elsewhere(proof)]
    return [row for row in rows if row is not None]


def registered(proof: Proof) -> Row | None:
    """Check that runs with enough time registered with most seeds at once."""
    known = min((seed.known for seed in proof.seeds if seed.known), default=0)
    if not known:
        return None
    wanted = majority(known)
    since = {run: run.registrations.since_with(wanted) for run in proof.peers}
    took = [at - run.first for run, at in since.items() if at is not None]
    failures = [f"{proof.name(run)} was never registered with {wanted} seeds at once"
                for run, at in since.items()
                if at is None and not run.chat and _had_to_register(proof, run, wanted)]
    failures += _unknown_to_seeds(proof)
    figures = f"{len(took)} runs with {wanted} seeds of {known}"
    if took:
        figures += f", after {quantile(took, 0.5):.2f} s (median), {max(took):.2f} s (max)"
    return Row("registered", not failures, figures, failures)


def _unknown_to_seeds(proof: Proof) -> list[str]:
    """Return a failure for each run that was registered with a seed on its machine whose files do
    not tell of it. A seed without a last word may have lost its last lines in a power failure."""
    lives, failures = collections.defaultdict(list), []
    for seed in proof.seeds:
        lives[seed.address].append(seed)
    for address, of_seed in lives.items():
        if address in proof.headless or any(life.lacks_lines for life in of_seed):
            continue
        is_whole = all(life.ended is not None for life in of_seed)
        for run in proof.peers:
            times = [word.at for word in run.registrations.words.get(address, ())
                     if word.lost is None and machine_of(address) == machine_of(run.address)]
            is_covered = any(life.first <= at - ON_ITS_WAY and at + ON_ITS_WAY <= life.last
                             for at in times for life in of_seed)
            if (times and (is_whole or is_covered)
                    and not any(when(life.registered, run.address, run.first - ON_ITS_WAY)
                                for life in of_seed)):
                failures.append(f"{proof.name(run)} was registered with seed {address}, whose "
                                "files do not tell of it: is one missing, or of another network?")
    return failures


def _had_to_register(proof: Proof, run: PeerRun, wanted: int) -> bool:
    """Tell whether a run could reach `wanted` seeds for long enough."""
    lost = [word for _, word in run.registrations.all if word.lost is not None]
    if any(word.lost.startswith(BANNED) for word in lost):
        return False
    patience = min(LONGEST, ROUNDS * run.interval + MORE)
    times = _in_reach(proof, run)
    for begin in {max(run.first, begin) for spans in times.values() for begin, _ in spans}:
        until = run.late.later(begin, patience)
        if any(word.lost.startswith(SLOW) and begin < word.at <= until + REGISTER_LIMIT
               for word in lost):
            until += REGISTER_LIMIT
        if sum(spans.cover(begin, until) for spans in times.values()) >= wanted:
            return True
    return False


def _in_reach(proof: Proof, run: PeerRun) -> dict[str, Spans]:
    """Return when each seed was up and in reach of a run. The run's words tell this (evidence.py),
    or a line that the run or the seed wrote because the other spoke. A late seed may have read old
    lines. A run tries a lost seed again after a pause, and notices a silent seed later."""
    end, words = min(run.last, proof.end_of(run)), run.registrations.words
    times = {seed: Spans((begin + pause(run.first, begin),
                          min(end if seed in words else end - REGISTER_LIMIT, until))
                         for begin, until in spans)
             for seed, spans in proof.seed_times(run).items()}
    for seed in proof.seeds:
        signs = [at for at in when([*seed.registered, *seed.listed], run.address, run.first, end)
                 if not any(begin < at <= until + ON_ITS_WAY for begin, until in seed.late)]
        signs += when(run.lists, seed.address, run.first, end)
        if signs:
            begin = min(signs)
            over = when(seed.removed, run.address, begin)
            over += [word.at for word in words.get(seed.address, ())
                     if word.lost is not None and word.at >= begin]
            times[seed.address].append((begin, min([*over, end, seed.end(proof.newest)])))
    return times


def liveness(proof: Proof) -> Row:
    """Check that runs asked in at least half of the rounds due."""
    failures = [f"{proof.name(run)} asked its neighbours in {len(run.rounds)} rounds of {rounds}"
                for run in proof.peers if not (run.chat or run.lacks_lines)
                and len(run.rounds) < SHARE * (
                    rounds := _rounds_due(run, min(run.last, proof.end_of(run))))]
    return Row("liveness", not failures,
               f"{sum(run.rounds.total() for run in proof.peers)} requests, "
               f"{sum(len(run.replies) for run in proof.peers)} replies, "
               f"{sum(len(run.missed) for run in proof.peers)} misses", failures)


def _rounds_due(run: PeerRun, end: float) -> int:
    """Return how many rounds were due while some neighbour was no suspect."""
    limit, times = run.setting("liveness-misses"), Spans()
    for peer, links in run.links.items():
        suspected = [(missed.at, min(when(run.replies, peer, missed.at), default=math.inf))
                     for missed in run.missed if missed.peer == peer and missed.count >= limit]
        for link in links:
            times += Spans([(link.begin, link.end)]).common([(0.0, end)]).minus(
                span for span in suspected if span[0] >= link.begin)
    return int(sum((until - begin - run.late.common([(begin, until)]).total())
                   // max(SHORTEST, run.interval) for begin, until in times.merged()))


def degrees(proof: Proof) -> Row:
    """Show the degrees at the network's largest, and their power law."""
    law = graph.PowerLaw(proof.records)
    if not law.degrees:
        return Row("degrees", None, "no peer said what its degree is")
    figures = (f"minimum {law.degrees[0]}, median {law.degrees[len(law.degrees) // 2]}, "
               f"maximum {law.degrees[-1]}")
    if law.fitted and law.predicted:
        figures += (f"; P(k) ~ k^-a with a = {law.fitted} for k from {law.low} to {law.high}; "
                    f"the capacities of these peers predict {law.predicted}")
    return Row("degrees", None, figures)


def pieces(proof: Proof) -> Row:
    """Check that no pieces stay apart whose peers had to meet."""
    if any(map(proof.is_elsewhere, proof.strangers())):
        return Row("pieces", None, "links lead to peers elsewhere: only all files tell")
    end = graph.end_of(proof.records)
    history, last = graph.replay(proof.records)
    up = [run for run in proof.peers if proof.end_of(run) >= end]
    alone = [f"{proof.name(run)} never had a neighbour" for run in up
             if not run.links and not run.chat and not proof.headless
             and any(other is not run and proof.had_time_to_meet(run, other) for other in up)]
    if not history:
        return Row("pieces", False if alone else None, "chat servers in a line are not looked at"
                   if any(run.chat for run in proof.peers) else "no peer had a neighbour", alone)
    spans, failures = graph.spans_apart(history, end), []
    figures = f"the graph{' of the others' * bool(alone)} was never in more than one piece"
    if spans:
        longest = max(until - begin for begin, until in spans)
        figures = (f"in more than one piece for {spans.total():.2f} s in all, {longest:.2f} s "
                   f"at most at a time, {max(number for _, number in history)} pieces at most")
    since, count = history[-1]
    if count == 1:
        start = min(run.first for run in proof.peers if proof.end_of(run) >= since)
        figures += f"; in one since {since - start:.2f} s after the start"
    elif count:
        apart = end - spans[-1][0]
        patience = PROBE_TIME + max((run.setting("liveness-misses") + 3) * run.interval
                                    for run in proof.peers)
        runs = {run.address: run for run in proof.peers}
        if apart > patience and not proof.headless and any(
                proof.had_to_meet(runs[one], runs[other])
                for first, second in itertools.combinations(last.all(), 2)
                for one in first for other in second):
            failures = [f"the graph is in {count} pieces at the end, and has been in more than one "
                        f"for {apart:.0f} s{proof.beside(proof.strangers())}"]
    failures += alone
    return Row("pieces", not failures, figures, failures)


def threads(proof: Proof) -> Row:
    failures = [f"{run.address}: {text}" for run in [*proof.peers, *proof.attackers, *proof.seeds]
                for text in run.failures]
    return Row("threads", not failures, f"{len(failures)} threads failed", failures)


def files(proof: Proof, records: Records) -> list[Row]:
    """Name the files that prove less, or nothing, in a row for each reason."""
    runs = [*proof.peers, *proof.attackers, *proof.seeds]
    headless = [f"{name}: the line with which {node} started is missing, or damaged"
                for name, node in records.headless()]
    unread = records.unread()
    lacking = [run.address for run in runs if run.lacks_lines]
    rows = [Row("lost", None, f"{len(lacking)} files lack lines that a full disk refused", lacking),
            Row("beginnings", False, f"{len(headless)} files lack their beginning: nothing is "
                "proved about their nodes", headless),
            Row("unread", None, "files named like a node's, but without a started: line: "
                f"{len(unread)}", unread)]
    return [row for row in rows if row.details]


def elsewhere(proof: Proof) -> Row | None:
    """Name the nodes whose files are on other machines."""
    messages = {message for run in proof.peers for message in run.received}
    said = list(filter(proof.is_elsewhere, map(origin_of, messages)))
    seeds = {seed for run in proof.peers for seed in run.registrations.ever()
             if proof.is_elsewhere(seed)}
    peers = {*said, *filter(proof.is_elsewhere, proof.strangers())}
    ports = collections.defaultdict(list)  # by kind and IP
    for kind, nodes in (("seeds", seeds), ("peers", peers)):
        for node in sorted(nodes, key=lambda node: (len(node), node)):
            ip, _, port = node.rpartition(":")
            ports[f"{kind} of {ip}"].append(port)
    details = [f"{whose}: {' '.join(them)}" for whose, them in ports.items()]
    return Row("elsewhere", None, f"only files of others tell of {len(said)} messages of "
               f"{len(peers)} peers, and of {len(seeds)} seeds", details) if details else None


def format_rows(rows: list[Row]) -> str:
    """Return the proof as text, each row above its details."""
    lines = []
    for row in rows:
        lines.append(str(row))
        lines += [f"{'':<17} {failure}" for failure in row.details[:SHOWN]]
        if len(row.details) > SHOWN:
            lines.append(f"{'':<17} and {len(row.details) - SHOWN} more")
    return "\n".join(lines)


def holds(rows: list[Row]) -> bool:
    return all(row.holds is not False for row in rows)


def check_folder(folder: pathlib.Path, shown=lambda row: True) -> tuple[bool, str]:
    """Return whether the proof of a folder holds, and its text."""
    try:
        return check_records(read_folder(folder), shown)
    except ValueError as error:
        return False, str(error)


def check_records(records: Records, shown=lambda row: True) -> tuple[bool, str]:
    """Return whether the proof holds, and the text of the rows `shown`."""
    rows = prove(records)
    return holds(rows), format_rows(with_texts(records, list(filter(shown, rows))))


def judge_folder(folder: pathlib.Path) -> tuple[bool, str]:
    """Return the verdict, and a text with the rows that fail."""
    is_good, text = check_folder(folder, lambda row: (
        row.holds is False or row.holds is None and row.details))
    verdict = "holds" if is_good else "FAILS"
    return is_good, "\n       ".join([f"{verdict}  {folder}", *text.splitlines()])


def check_as_json(folder: pathlib.Path) -> tuple[bool, str]:
    """Return the verdict, and all rows or an `error` as JSON."""
    try:
        rows = prove(read_folder(folder))
        verdict = {"holds": holds(rows), "rows": [row._asdict() for row in rows]}
    except ValueError as error:
        verdict = {"holds": False, "rows": [], "error": str(error)}
    return verdict["holds"], json.dumps({"folder": str(folder), **verdict})


def with_texts(records: Records, rows: list[Row]) -> list[Row]:
    """Name messages in details like `"message 3" of 5001`. Peers beside them are named by their
    ports alone if all peers have one IP."""
    origins = {message: run for run in records.peers for message in run.texts}
    lives = collections.Counter(run.address for run in records.peers)
    ips = {address.rpartition(":")[0] for address in lives}

    def short(match: re.Match) -> str:
        ip, _, port = match[1].rpartition(":")
        name = port if ips == {ip} else match[1]
        origin = origins.get(match[0])
        if origin is None:
            return name if match[2] is None else match[0]
        since = start_time(origin) if lives[origin.address] > 1 else ""
        text = "".join(c if c.isprintable() else "?" for c in origin.texts[match[0]])
        return f'"{text}" of {name}{since}'

    return [row._replace(details=[
        _NAMED.sub(short, detail)
        if any(match[0] in origins for match in _NAMED.finditer(detail)) else detail
        for detail in row.details]) for row in rows]
