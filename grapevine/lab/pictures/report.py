"""The command `plot`: the report, a page about a network, with its pictures and tables.

The page needs nothing but itself: it holds the output file of every node, compressed (of a long one
only the end), and page.js unpacks and lists the file that a reader chooses. Because files may hold
hostile text, all text is escaped here, and page.js sets text only, never markup. The tables hold
nothing that a node may say freely, because a spreadsheet could take it for a formula. The same
files give the same bytes.
"""

import base64
import csv
import html
import io
import json
import math
import os
import pathlib
import string
import zlib
from collections.abc import Iterable
from itertools import accumulate

from grapevine.lab.pictures import charts
from grapevine.lab.pictures.charts import Curve, Lane, Points
from grapevine.lab.pictures.network import drawn_peers, network_svg
from grapevine.lab.proof import check, delivery, graph
from grapevine.lab.proof.clocks import put_right
from grapevine.lab.proof.disturbances import FAILS, HOLDS, UNCLEAR
from grapevine.lab.proof.evidence import Row
from grapevine.lab.proof.records import NAMED, Records, read_folder
from grapevine.terminal.command_line import FAILED, CommandError, Parser, printable, show
from grapevine.terminal.folders import PICTURES, REPORT, TABLES, parse_folders

TAIL = 2 * 1024 * 1024  # bytes of one node's file in the page, at most
WHOLE = 128 * 1024 * 1024  # bytes of all files together in the page, at most
SHOWN = 20  # failures of a row that are shown
_VERDICTS = {HOLDS: ("holds", "✓ holds"), FAILS: ("fails", "✗ FAILS"),
             UNCLEAR: ("none", "? unclear"), "": ("none", "figures")}


def plot(arguments: list[str]) -> None:
    parser = Parser(prog="runner.py plot",
                    description="Draw degrees.svg, network.svg and report.html into the folder.")
    parser.add_argument("--csv", action="store_true",
                        help="write the figures behind them, too, as tables beside the report")
    folders, args = parse_folders(parser, arguments, many=True)
    for folder in folders:
        try:
            paths = plot_folder(folder, args.csv)
        except ValueError as error:
            raise CommandError(str(error), FAILED) from None
        show("\n".join(printable(str(path)) for path in paths))
        if os.isatty(1):
            show(f"open this one in a browser:\n{paths[-1].resolve().as_uri()}")


def plot_folder(folder: pathlib.Path, with_tables: bool = False) -> list[pathlib.Path]:
    """Write pictures and report, and return their paths, the report's last. ValueError when no file
    of a peer is in the folder."""
    records = put_right(read_folder(folder))
    pictures = charts.degrees_svg(records), network_svg(records)
    texts = {**dict(zip(PICTURES, pictures)), **(_tables(records) if with_tables else {}),
             REPORT: _page(records, folder, *pictures)}
    for name, content in texts.items():
        try:
            (folder / name).write_bytes(content.encode("utf-8", "replace"))
        except OSError as error:  # of a full disk it names no file
            raise OSError(error.errno, error.strerror, str(folder / name)) from None
    return [folder / name for name in texts]


def _page(records: Records, folder: pathlib.Path, degrees: str, network: str) -> str:
    """Return the text of report.html around two charts."""
    text, style, script = (
        pathlib.Path(__file__).with_name(f"page.{kind}").read_text(encoding="utf-8")
        for kind in ("html", "css", "js"))
    rows, files, curves = check.prove(records), node_files(folder), curves_of(records)
    names = json.dumps([[name, left_out] for name, _, left_out in files])
    lanes, length = timeline(records)
    came = list(delivery.timed(records.peers))
    times = [each.at - each.made for each in came if not each.late]
    latency = (f'<div class="chart">{charts.latency_chart(times)}</div>' if times else
               "<p>Nothing was delivered.</p>")
    badness = (f'<section aria-labelledby="badness-title">\n<h2 id="badness-title">Badness</h2>\n'
               f'<div class="chart">{charts.badness_chart(curves, length)}</div>\n</section>')
    return string.Template(text).substitute(
        style=style, script=script, verdict=_verdict(rows), summary=_summary(records, length),
        proof="\n".join(map(_proof_row, rows)), degrees=degrees, network=network,
        timeline=charts.timeline_chart(lanes, length), badness=badness if curves else "",
        latency=f"{latency}<p>{len(came) - len(times):,} deliveries to peers that joined after the "
                "message was generated are left out.</p>",
        names=names.replace("<", "\\u003c"),  # a name cannot end the element that it stands in
        files="\n".join(f'<script type="text/plain" id="file-{number}">'
                        f"{base64.b64encode(zlib.compress(data)).decode()}</script>"
                        for number, (_, data, _) in enumerate(files)))


def node_files(folder: pathlib.Path) -> list[tuple[str, bytes, int]]:
    """Return for each node's file, seeds first, its name without the suffix, its end, and how many
    lines were before that."""
    paths = [path for path in folder.iterdir() if NAMED.fullmatch(path.name) and path.is_file()]
    limit, found = min(TAIL, WHOLE // max(1, len(paths))), []
    for path in sorted(paths, key=lambda path: (path.name[0] == "p", len(path.name), path.name)):
        data, before = b"", 0
        with path.open("rb") as file:
            while chunk := file.read(TAIL):
                data, more = tail(data + chunk, limit)
                before += more
        name = path.stem.encode(errors="replace").decode()  # a browser refuses any other
        found.append((name, data, before))
    return found


def tail(data: bytes, limit: int) -> tuple[bytes, int]:
    """Return the last whole lines within `limit`, and how many were before."""
    if len(data) <= limit:
        return data, 0
    cut = data.find(b"\n", len(data) - limit - 1) + 1 or len(data) - limit
    return data[cut:], data.count(b"\n", 0, cut)


def _verdict(rows: list[Row]) -> str:
    """Return the sentence that tells whether the proof holds."""
    failing, unclear = ([html.escape(row.name) for row in rows if row.verdict == verdict]
                        for verdict in (FAILS, UNCLEAR))
    claims = sum(bool(row.verdict) for row in rows)
    style, words, why = "holds", "✓ The proof holds.", (
        f"All {claims} claims are true of these files.")
    if failing:
        style, words, why = "fails", "✗ The proof fails.", (
            f"{len(failing)} of {claims} claims do not hold: {', '.join(failing)}.")
    elif unclear:
        style, words, why = "none", "? The proof is unclear.", (
            f"These files cannot tell {len(unclear)} of {claims} claims: {', '.join(unclear)}.")
    return f'<p class="verdict {style}"><strong>{words}</strong> {why}</p>'


def _summary(records: Records, length: float) -> str:
    runs = records.peers
    peers = len({run.address for run in runs})
    figures = {
        "peers": peers, **({"runs of peers": len(runs)} if len(runs) > peers else {}),
        "died": sum(run.is_dead for run in runs),
        "seeds": len({run.address for run in records.seeds}),
        "messages": len({message for run in runs for message in run.generated}),
        "deliveries": sum(len(run.received) for run in runs),
        "seconds": round(length, 1)}
    return "".join(f"<div><dt>{name}</dt><dd>{value:,}</dd></div>"
                   for name, value in figures.items())


def _proof_row(row: Row) -> str:
    style, verdict = _VERDICTS[row.verdict]
    more = [f"and {len(row.details) - SHOWN:,} more"] if len(row.details) > SHOWN else []
    items = [f"<li>{html.escape(failure)}</li>" for failure in [*row.details[:SHOWN], *more]]
    return (f'<tr><th scope="row">{html.escape(row.name)}</th>'
            f'<td><span class="mark {style}">{verdict}</span></td>'
            f"<td>{html.escape(row.figures)}"
            f'<div class="claim">{check.CLAIMS.get(row.name, "")}</div>'
            + (f"<ul>{''.join(items)}</ul>" if items else "") + "</td></tr>")


def _start(records: Records) -> float:
    return min(run.first for run in [*records.peers, *records.seeds])


def curves_of(records: Records) -> list[Curve]:
    """Return the curves of all judged or kicked peers, attackers last."""
    start = _start(records)
    points: dict[str, Points] = {}
    for at, badness in (judged for seed in records.seeds for judged in seed.judged):
        for peer, value in badness.items():
            points.setdefault(peer, []).append((at - start, value))
    kicks = {kick.peer: (kick.at - start, kick.badness) for kick in sorted(  # the first stays
        (kick for seed in records.seeds for kick in seed.kicks), reverse=True)}
    attackers = {run.address for run in records.peers if run.malice is not None}
    curves = [Curve(peer, sorted(points.get(peer, [])), peer in attackers, kicks.get(peer))
              for peer in sorted(points.keys() | kicks.keys())]
    return sorted(curves, key=lambda curve: curve.attacks)


def timeline(records: Records) -> tuple[list[Lane], float]:
    """Return the lanes of the timeline and its length in seconds."""
    runs, seeds, newest, start = records.peers, records.seeds, records.newest, _start(records)
    moments = {
        "peers started": [run.first for run in runs],
        "peers died": [run.ended_at for run in runs if run.is_dead],
        "found dead by a peer": [at for run in runs for at in run.when("dead")],
        "reported to a seed": [at for seed in seeds for at in seed.when("dead report")],
        "removed by a seed": [at for seed in seeds for at in seed.when("removed")],
        "kicked by a seed": [kick.at for seed in seeds for kick in seed.kicks],
        "peers left": [run.left for run in runs if run.left < math.inf],
    }
    moves = sorted([(run.first, 1) for run in runs] + [(run.end, -1) for run in runs
                                                       if run.end < newest])
    up = list(zip([at for at, _ in moves], accumulate(move for _, move in moves)))
    lanes = []
    for name, changes, end in (
            ("peers up", up, newest),
            ("pieces of the graph", graph.history(runs), graph.end_of(runs))):
        changes += [(max(end, at), count) for at, count in changes[-1:]]  # once more at the end
        lanes.append(Lane(name, [at - start for at, _ in changes], [count for _, count in changes]))
    lanes += [Lane(name, [at - start for at in times]) for name, times in moments.items()]
    return lanes, newest - start


def _tables(records: Records) -> dict[str, str]:
    """Return the texts of all tables by file name."""
    start = _start(records)
    return dict(zip(TABLES, (
        _table("peer degree capacity up died attacks kicked", (  # when most were up, as it is drawn
            (peer.address, peer.degree, peer.capacity, peer.up, peer.died,
             peer.malice is not None, peer.kicked)
            for peer in drawn_peers(records, graph.largest(records.peers)))),
        _table("message peer generated received milliseconds joined_later", (
            (came.message, came.run.address, f"{came.made - start:.6f}", f"{came.at - start:.6f}",
             f"{(came.at - came.made) * 1e3:.3f}", came.late)
            for came in delivery.timed(records.peers))),
        _table("lane seconds value", (
            (lane.name, f"{moment:.6f}", value) for lane in timeline(records)[0]
            for moment, value in zip(lane.moments, lane.values or [""] * len(lane.moments)))),
        _table("peer attacks seconds badness", (
            (curve.peer, curve.attacks, f"{seconds:.6f}", f"{badness:.3f}")
            for curve in curves_of(records) for seconds, badness in curve.points)))))


def _table(headings: str, rows: Iterable[tuple]) -> str:
    """Return comma-separated values with headings. True and False are yes and no."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([headings.split(), *(
        [{True: "yes", False: "no"}[cell] if isinstance(cell, bool) else cell for cell in row]
        for row in rows)])
    return text.getvalue()
