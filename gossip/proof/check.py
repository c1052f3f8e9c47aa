"""The check: proves from the output files alone that a network did what it should.

Every row of the proof is a function from `Proof` to a `Row`. The rows about messages are in
delivery.py, the rows about deaths in deaths.py, the one about attackers in malicious.py, the others
here.
"""

import collections
import itertools
import json
import pathlib
import re
import time

from gossip.proof import deaths, delivery, graph, registering, rounds
from gossip.proof.malicious import malicious
from gossip.proof.degrees import PowerLaw
from gossip.proof.events import ADDRESS
from gossip.proof.evidence import Proof, Row, start_time
from gossip.proof.records import Records, read_folder
from gossip.proof.runs import FULL, PROBE_TIME

SHOWN = 5  # failures of one row that are shown
CLAIMS = {  # row -> what it proves; one without a verdict only shows figures
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
    "unread": "Which files are named like a node's, and tell of none.",
    "malicious": "Who attacked was kicked in time; nobody else was.",
}

_NAMED = re.compile(rf"{ADDRESS}(:[0-9]+:[0-9]+)?")  # an address, or a message: IP:PORT:RUN:NUMBER


def prove(records: Records) -> list[Row]:
    """All rows of the proof."""
    proof = Proof(records)
    rows = [delivery.gossips(proof), delivery.broadcast(proof), delivery.once(proof),
            delivery.latency(proof), registering.registered(proof), rounds.liveness(proof),
            deaths.dead(proof), degrees(proof), pieces(proof), threads(proof), malicious(proof),
            full(proof), unread(records)]
    return [row for row in rows if row is not None]


def degrees(proof: Proof) -> Row:
    """The degrees when most peers were up, and the power law that fits them best."""
    law = PowerLaw(proof.records)
    if not law.degrees:
        return Row("degrees", None, "no peer said what its degree is", [])
    figures = (f"minimum {law.degrees[0]}, median {law.degrees[len(law.degrees) // 2]}, "
               f"maximum {law.degrees[-1]}")
    if law.fitted and law.predicted:
        figures += (f"; P(k) ~ k^-a with a = {law.fitted} for k from {law.low} to {law.high}; "
                    f"the capacities of these peers predict {law.predicted}")
    return Row("degrees", None, figures, [])


def pieces(proof: Proof) -> Row:
    """How long the graph was in several pieces; it fails if the graph stays so for too long, unless
    no two of different pieces ever had to meet, as no seed was up (company.py). Nobody knows how
    long it stays so when a file is full."""
    end = graph.end_of(proof.records)
    history = graph.history(proof.records)
    if not history:
        return Row("pieces", None, "chat servers in a line are not looked at"
                   if any(run.chat for run in proof.peers) else "no peer had a neighbour", [])
    spans = graph.spans_apart(history, end)
    figures = "the graph was never in more than one piece"
    if spans:
        figures = (f"in more than one piece for {sum(s.end - s.begin for s in spans):.2f} s in "
                   f"all, {max(s.end - s.begin for s in spans):.2f} s at most at a time, "
                   f"{max(s.most for s in spans)} pieces at most")
    if history[-1][1] == 1:
        start = min(run.first for run in proof.peers)
        figures += f"; in one since {history[-1][0] - start:.2f} s after the start"
    failures = []
    patience = max((run.setting("liveness-misses") + 3) * run.setting("liveness-interval")
                   for run in proof.peers) + PROBE_TIME
    if (history[-1][1] > 1 and end - spans[-1].begin > patience
            and not proof.full and _had_to_meet(proof, graph.pieces_at_end(proof.records))):
        failures = [f"the graph is in {history[-1][1]} pieces at the end, and has been in more "
                    f"than one for {end - spans[-1].begin:.0f} s"]
    return Row("pieces", not failures, figures, failures)


def _had_to_meet(proof: Proof, apart: list[set[str]]) -> bool:
    """Whether two peers of different pieces had to be in one."""
    runs = {run.address: run for run in proof.peers}
    return any(proof.company.had_to_meet(runs[one], runs[other])
               for first, second in itertools.combinations(apart, 2)
               for one in first for other in second)


def threads(proof: Proof) -> Row:
    """No thread of any node died of an error."""
    failures = [f"{run.address}: {text}" for run in [*proof.peers, *proof.seeds]
                for text in run.failures]
    return Row("threads", not failures, f"{len(failures)} threads failed", failures)


def full(proof: Proof) -> Row | None:
    """The files that are full; None without one."""
    since = {**proof.full, **{run.address: run.last for run in proof.attackers
                              if run.ended == FULL},
             **{f"seed {run.address}": run.last for run in proof.seeds if run.full}}
    if not since:
        return None
    facts = [f"{name} since {time.strftime('%F %T', time.gmtime(at))}: nothing is proved about it "
             f"from then on" for name, at in since.items()]
    return Row("full", None, f"{len(since)} files reached their limit", facts)


def unread(records: Records) -> Row | None:
    """The files that are named like a node's and tell of none; None without one."""
    names = records.unread()
    if not names:
        return None
    return Row("unread", None, "files named like a node's, but without a started: line: "
               f"{len(names)}", names)


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
    """Check the output files of a folder; returns (whether the proof holds, its text)."""
    try:
        return check_records(read_folder(folder))
    except ValueError as error:
        return False, str(error)


def check_records(records: Records) -> tuple[bool, str]:
    """The same for records that have been read already."""
    rows = prove(records)
    return holds(rows), format_rows(with_texts(records, rows))


def judge_folder(folder: pathlib.Path) -> tuple[bool, str]:
    """The same in one line, and below it the rows that fail, or name files that prove nothing."""
    try:
        records = read_folder(folder)
    except ValueError as error:
        return False, f"FAILS  {folder}\n       {error}"
    rows = prove(records)
    shown = [row for row in rows if row.holds is False or row.holds is None and row.details]
    lines = format_rows(with_texts(records, shown)).splitlines()
    verdict = "holds" if holds(rows) else "FAILS"
    return holds(rows), "\n       ".join([f"{verdict}  {folder}", *lines])


def check_as_json(folder: pathlib.Path) -> tuple[bool, str]:
    """The same as an object of JSON on one line, with all details and the whole names of messages;
    without an output file of a peer, `error` says so."""
    verdict = {"folder": str(folder), "holds": False, "rows": []}
    try:
        rows = prove(read_folder(folder))
        verdict |= {"holds": holds(rows), "rows": [row._asdict() for row in rows]}
    except ValueError as error:
        verdict["error"] = str(error)
    return verdict["holds"], json.dumps(verdict)


def with_texts(records: Records, rows: list[Row]) -> list[Row]:
    """The rows with messages named by text and origin, like `"message 3" of 5001`, in their
    details, and peers beside them by their ports alone if all peers have one IP."""
    origins = {message: run for run in records.peers for message in run.texts}
    lives = collections.Counter(run.address for run in records.peers)
    ips = {address.rpartition(":")[0] for address in lives}

    def short(match: re.Match) -> str:
        address, origin = match[1], origins.get(match[0])
        ip, _, port = address.rpartition(":")
        name = port if ips == {ip} else address
        if origin is None:
            return name if match[2] is None else match[0]
        since = start_time(origin) if lives[address] > 1 else ""
        text = "".join(c if c.isprintable() else "?" for c in origin.texts[match[0]])
        return f'"{text}" of {name}{since}'

    def told(detail: str) -> str:
        if not any(match[0] in origins for match in _NAMED.finditer(detail)):
            return detail
        return _NAMED.sub(short, detail)

    return [row._replace(details=[told(detail) for detail in row.details]) for row in rows]
