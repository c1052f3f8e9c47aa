"""The check: proves from the output files alone that a network did what it should.

Every row of the proof is a function from `Proof` to a `Row`, or to None where it has nothing to
say. Those about messages are in delivery.py, others in deaths.py and malicious.py, most here.
"""

import collections
import itertools
import json
import math
import pathlib
import re
import time

from gossip.lab.proof import deaths, delivery, graph
from gossip.lab.proof.clocks import put_right
from gossip.lab.proof.events import ADDRESS, REFUSED, Spans, when
from gossip.lab.proof.evidence import (
    ON_ITS_WAY, REGISTER_LIMIT, Proof, Row, origin_of, pause, quantile, start_time)
from gossip.lab.proof.malicious import malicious
from gossip.lab.proof.records import Records, read_folder
from gossip.lab.proof.runs import FULL, PROBE_TIME, PeerRun
from gossip.settings import majority

ROUNDS, MORE = 3, 2.0  # liveness intervals, and seconds, in which a peer has to be registered
LONGEST = 60.0  # seconds: the same at most
MUTE = "no answer to register"  # of a seed: until then no other one is tried in its place
BANNED = f"{REFUSED}: kicked"  # by seeds that have found it malicious
SHORTEST = 1.0  # seconds: rounds that are due more often may come so rarely on a busy machine
SHARE = 0.5  # of the rounds due, at least
SHOWN = 5  # failures of one row that are shown
CLAIMS = {  # row -> what it proves; one without a verdict only shows figures
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
    "full": "Which files reached --file-limit: of what came later they prove nothing.",
    "beginnings": "No file goes on with what began in a file that is missing.",
    "unread": "Which files are named like a node's, and tell of none.",
    "earlier": "Which files are of an earlier version, and prove less.",
    "elsewhere": "Which messages and seeds are of other machines: those prove them.",
    "malicious": "Who attacked was kicked in time; nobody else was.",
}

_NAMED = re.compile(rf"{ADDRESS}(:[0-9]+:[0-9]+)?")  # an address, or a message: IP:PORT:RUN:NUMBER


def prove(records: Records, here: set[str] | None = None) -> list[Row]:
    """All rows of the proof. `here`: the nodes of which there are files; None: all."""
    records = put_right(records)
    proof = Proof(records, here)
    rows = [records.clocks.row(), delivery.gossips(proof), delivery.broadcast(proof),
            delivery.once(proof), delivery.latency(proof), registered(proof), liveness(proof),
            deaths.dead(proof), degrees(proof), pieces(proof), threads(proof), malicious(proof),
            full(proof), beginnings(proof), unread(records), earlier(records), elsewhere(proof)]
    return [row for row in rows if row is not None]


def registered(proof: Proof) -> Row | None:
    """Every run that had the time was once registered with a majority of the seeds, if known."""
    known = min((seed.known for seed in proof.seeds if seed.known), default=0)
    if not known:
        return None
    wanted = majority(known)
    since = {run: run.registrations.since_with(wanted) for run in proof.peers}
    took = [at - run.first for run, at in since.items() if at is not None]
    failures = [f"{proof.name(run)} was never registered with {wanted} seeds at once"
                for run, at in since.items()
                if at is None and not run.chat and _had_to_register(proof, run, wanted)]
    figures = f"{len(took)} runs with {wanted} seeds of {known}"
    if took:
        figures += f", after {quantile(took, 0.5):.2f} s (median), {max(took):.2f} s (max)"
    return Row("registered", not failures, figures, failures)


def _had_to_register(proof: Proof, run: PeerRun, wanted: int) -> bool:
    """Tell whether `wanted` seeds were up, and in reach of a run, at once for long enough."""
    lost = [word for _, word in run.registrations.all if word.lost is not None]
    if any(word.lost.startswith(BANNED) for word in lost):
        return False
    patience = min(LONGEST, ROUNDS * run.setting("liveness-interval") + MORE)
    times = _in_reach(proof, run)
    for begin in {max(run.first, begin) for spans in times.values() for begin, _ in spans}:
        until = run.late.later(begin, patience)
        if any(word.lost == MUTE and begin < word.at <= until + REGISTER_LIMIT for word in lost):
            until += REGISTER_LIMIT
        if sum(spans.cover(begin, until) for spans in times.values()) >= wanted:
            return True
    return False


def _in_reach(proof: Proof, run: PeerRun) -> dict[str, Spans]:
    """Return when each seed was up and in reach of a run. The run's words tell that (evidence.py),
    or a line that one of the two wrote because the other spoke, unless the seed was late and read
    old lines. A run tries a lost seed again after a pause, and notices a silent seed later."""
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
    """It fails if a run with neighbours asked them in fewer than half of the rounds due."""
    failures = [f"{proof.name(run)} asked its neighbours in {len(run.rounds)} rounds of {rounds}"
                for run in proof.peers if not run.chat and len(run.rounds) < SHARE * (
                    rounds := _rounds_due(run, min(run.last, proof.end_of(run))))]
    return Row("liveness", not failures,
               f"{sum(run.requests for run in proof.peers)} requests, "
               f"{sum(len(run.replies) for run in proof.peers)} replies, "
               f"{sum(len(run.missed) for run in proof.peers)} misses", failures)


def _rounds_due(run: PeerRun, end: float) -> int:
    """Count the rounds in which a run had to ask until its end: one an interval, while it was not
    late and had a neighbour that was no suspect (with too many misses since it answered)."""
    interval, limit = run.setting("liveness-interval"), run.setting("liveness-misses")
    times = Spans()
    for peer, links in run.links.items():
        suspected = [(missed.at, min(when(run.replies, peer, missed.at), default=math.inf))
                     for missed in run.missed if missed.peer == peer and missed.count >= limit]
        for link in links:
            times += Spans([(link.begin, link.end)]).common([(0.0, end)]).minus(
                span for span in suspected if span[0] >= link.begin)
    return int(sum((until - begin - run.late.common([(begin, until)]).total())
                   // max(SHORTEST, interval) for begin, until in times.merged()))


def degrees(proof: Proof) -> Row:
    """The degrees when most peers were up, and the power law that fits them."""
    law = graph.PowerLaw(proof.records)
    if not law.degrees:
        return Row("degrees", None, "no peer said what its degree is", [])
    figures = (f"minimum {law.degrees[0]}, median {law.degrees[len(law.degrees) // 2]}, "
               f"maximum {law.degrees[-1]}")
    if law.fitted and law.predicted:
        figures += (f"; P(k) ~ k^-a with a = {law.fitted} for k from {law.low} to {law.high}; "
                    f"the capacities of these peers predict {law.predicted}")
    return Row("degrees", None, figures, [])


def pieces(proof: Proof) -> Row:
    """How long the graph was in several pieces; it fails if that lasts too long, and peers of
    different pieces had to meet (evidence.py). When a file is full nobody knows."""
    if any(map(proof.is_elsewhere, proof.strangers())):
        return Row("pieces", None, "links lead to peers elsewhere: only all files tell", [])
    end = graph.end_of(proof.records)
    history, last = graph.replay(proof.records)
    if not history:
        return Row("pieces", None, "chat servers in a line are not looked at"
                   if any(run.chat for run in proof.peers) else "no peer had a neighbour", [])
    spans, failures = graph.spans_apart(history, end), []
    figures = "the graph was never in more than one piece"
    if spans:
        lengths = [span.end - span.begin for span in spans]
        figures = (f"in more than one piece for {sum(lengths):.2f} s in all, {max(lengths):.2f} s "
                   f"at most at a time, {max(span.most for span in spans)} pieces at most")
    since, count = history[-1]
    if count == 1:
        start = min(run.first for run in proof.peers)
        figures += f"; in one since {since - start:.2f} s after the start"
    elif count:
        apart = end - spans[-1].begin
        patience = max((run.setting("liveness-misses") + 3) * run.setting("liveness-interval")
                       for run in proof.peers) + PROBE_TIME
        runs = {run.address: run for run in proof.peers}
        if apart > patience and not proof.full and any(
                proof.had_to_meet(runs[one], runs[other])
                for first, second in itertools.combinations(last.all(), 2)
                for one in first for other in second):
            failures = [f"the graph is in {count} pieces at the end, and has been in more than one "
                        f"for {apart:.0f} s{proof.beside(proof.strangers())}"]
    return Row("pieces", not failures, figures, failures)


def threads(proof: Proof) -> Row:
    """No thread of any node died of an error."""
    failures = [f"{run.address}: {text}" for run in [*proof.peers, *proof.seeds]
                for text in run.failures]
    return Row("threads", not failures, f"{len(failures)} threads failed", failures)


def full(proof: Proof) -> Row | None:
    """The files that are full."""
    runs = [*proof.peers, *proof.attackers, *proof.seeds]
    since = {("seed " if run in proof.seeds else "") + run.address: run.last
             for run in runs if run.ended == FULL}
    return _facts("full", f"{len(since)} files reached their limit", [
        f"{name} since {time.strftime('%F %T', time.gmtime(at))}: nothing is proved about it from "
        "then on" for name, at in since.items()])


def beginnings(proof: Proof) -> Row | None:
    """No run goes on in a file whose beginning is in none."""
    failures = [f"the file before {name} is missing, in which {node} started; put it beside this "
                "one" for name, node in proof.headless]
    return _facts("beginnings", f"{len(failures)} files go on without a beginning: nothing is "
                  "proved about their nodes", failures, holds=False)


def unread(records: Records) -> Row | None:
    """The files that are named like a node's and tell of none."""
    names = records.unread()
    return _facts("unread", "files named like a node's, but without a started: line: "
                  f"{len(names)}", names)


def earlier(records: Records) -> Row | None:
    """The files of earlier versions, which do not tell enough."""
    names = [f"{run.address}: nobody knows whether it was late"
             for run in records.peers if not run.tells_lateness]
    names += [f"seed {run.address}: only what peers say tells whether it was up"
              for run in records.seeds if not run.tells_lateness]
    return _facts("earlier", f"{len(names)} runs of an earlier version: they prove less", names)


def elsewhere(proof: Proof) -> Row | None:
    """How much only the files of other machines can tell."""
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
    return _facts("elsewhere", f"only files of others tell of {len(said)} messages of {len(peers)} "
                  f"peers, and of {len(seeds)} seeds",
                  [f"{whose}: {' '.join(them)}" for whose, them in ports.items()])


def _facts(name: str, figures: str, details: list[str], holds: bool | None = None) -> Row | None:
    """Return a row, or None where there are no details."""
    return Row(name, holds, figures, details) if details else None


def format_rows(rows: list[Row]) -> str:
    """The proof as text: one line a row, and the details of the row below it."""
    lines = []
    for row in rows:
        verdict = {True: "holds", False: "FAILS", None: ""}[row.holds]
        lines.append(f"{row.name:<10} {verdict:<6} {row.figures}")
        lines += [f"{'':<17} {failure}" for failure in row.details[:SHOWN]]
        if len(row.details) > SHOWN:
            lines.append(f"{'':<17} and {len(row.details) - SHOWN} more")
    return "\n".join(lines)


def holds(rows: list[Row]) -> bool:
    """Whether no row fails."""
    return all(row.holds is not False for row in rows)


def check_folder(folder: pathlib.Path) -> tuple[bool, str]:
    """Check the output files of a folder; return whether the proof holds, and its text."""
    try:
        return check_records(read_folder(folder))
    except ValueError as error:
        return False, str(error)


def check_records(records: Records, shown=lambda row: True) -> tuple[bool, str]:
    """Check records that have been read; `shown` tells which rows the text has."""
    rows = prove(records)
    return holds(rows), format_rows(with_texts(records, list(filter(shown, rows))))


def judge_folder(folder: pathlib.Path) -> tuple[bool, str]:
    """Give the verdict in a line, above the rows that fail, or name files that prove nothing."""
    try:
        is_good, text = check_records(read_folder(folder), lambda row: (
            row.holds is False or row.holds is None and row.details))
    except ValueError as error:
        is_good, text = False, str(error)
    verdict = "holds" if is_good else "FAILS"
    return is_good, "\n       ".join([f"{verdict}  {folder}", *text.splitlines()])


def check_as_json(folder: pathlib.Path) -> tuple[bool, str]:
    """Write the rows as an object of JSON, with all details and whole names, or an `error`."""
    verdict = {"folder": str(folder), "holds": False, "rows": []}
    try:
        rows = prove(read_folder(folder))
        verdict |= {"holds": holds(rows), "rows": [row._asdict() for row in rows]}
    except ValueError as error:
        verdict["error"] = str(error)
    return verdict["holds"], json.dumps(verdict)


def with_texts(records: Records, rows: list[Row]) -> list[Row]:
    """Name messages in the details of rows by text and origin, like `"message 3" of 5001`, and
    peers beside them by their ports alone if all peers have one IP."""
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
