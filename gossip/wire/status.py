"""The lines `status:VERB:…`, of anti-entropy, rumors and trees; spread/ sends them. Pure."""

import functools
import re
from typing import NamedTuple

from gossip.intervals import Intervals, Range, format_ranges
from gossip.wire.fields import LINES, NUMBER, NUMBER_LIMIT, WireError
from gossip.wire.lines import RUN, check_run

RANGES_LIMIT = 8_000  # ranges in one status line
SHORT_ENTRY = 64  # bytes of an entry up to which its parsed form is cached
SLICES = 64  # slices of a digest, each 32 bits long
STATUS_TARGET = 50_000  # bytes after which entries continue on another line

NOTHING_SEEN = b"status:seen:\n"

_MEET = re.compile(rb"meet (?=digest:|parts:|seen:)")  # means nothing: peers once sent it
_HEX_STATUS = {"digest": 32, "parts": 8 * SLICES, "show": SLICES // 4}  # verb -> hex digits
_ENTRY_STATUS = {"seen", "want", "gone", "took", "knew", "prune", "graft"}
_BARE_STATUS = {b"sent": "sent", b"sent:": "sent", b"seen:": "seen", b"want:": "want"}

_HEX = re.compile(rb"[0-9a-f]+")
_ENTRY = re.compile(b"(%b)=([0-9,-]+)" % RUN)
_RANGE = re.compile(b"(%b)(?:-(%b))?" % (NUMBER.pattern, NUMBER.pattern))


class Status(NamedTuple):
    """A `status:` line. wire/README.md tells what each verb means."""

    verb: str
    digest: str = ""
    slices: tuple = ()  # numbers
    entries: tuple | list = ()  # run and ranges of each
    kind = "status"


def status(verb: str, body: str = "") -> bytes:
    return f"status:{verb}{':' if body else ''}{body}\n".encode()


def status_slices(verb: str, slices: list[int]) -> bytes:
    """Make `parts`, slices of a digest, or `show`, one bit for each."""
    digits = _HEX_STATUS[verb] // len(slices)
    return status(verb, "".join([f"{one:0{digits}x}" for one in slices]))


def status_entry(run: bytes, ranges: list[Range]) -> bytes:
    """Make an entry, `RUN=NUMBERS`, e.g. `127.0.0.1:5001:7=1-10,12`."""
    return run + b"=" + format_ranges(ranges).encode()


def status_entries(verb: str, entries: list[tuple[bytes, list[Range]]]) -> list[bytes]:
    """Make the status lines of entries, mostly a single line."""
    return status_lines(verb, [status_entry(run, ranges) for run, ranges in entries])


def status_lines(verb: str, entries: list[bytes]) -> list[bytes]:
    """Make the status lines of entries from `status_entry`."""
    lines, size, ranges = [], 0, 0
    for entry in entries:
        size, ranges = size + len(entry) + 1, ranges + _ranges_of(entry)
        if not lines or size > STATUS_TARGET or ranges > RANGES_LIMIT:
            lines.append([])
            size, ranges = len(entry) + 1, _ranges_of(entry)
        lines[-1].append(entry)
    return [b"status:%b:%b\n" % (verb.encode(), b" ".join(line)) for line in lines]


def entries(keys: list[tuple[bytes, int]]) -> list[tuple[bytes, list[Range]]]:
    """Return the entries that name messages, by their runs and numbers."""
    runs: dict[bytes, Intervals] = {}
    for run, number in keys:
        runs.setdefault(run, Intervals()).add(number)
    return [(run, numbers.ranges()) for run, numbers in runs.items()]


def _ranges_of(entries: bytes) -> int:
    return entries.count(b",") + entries.count(b" ") + 1


def _parse_ranges(text: bytes) -> list[Range]:
    ranges = []
    for field in text.split(b","):
        match = _RANGE.fullmatch(field)
        if not match:
            raise WireError("status with a bad range")
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last <= NUMBER_LIMIT:
            raise WireError("status with a bad range")
        ranges.append((first, last))
    if any(last + 1 >= first for (_, last), (first, _) in zip(ranges, ranges[1:])):
        return Intervals(ranges).ranges()
    return ranges  # the usual case: in order, and not touching


def parse_status(body: bytes) -> Status:
    body = body.removeprefix(b"meet ") if _MEET.match(body) else body
    if body in _BARE_STATUS:
        return Status(_BARE_STATUS[body])
    verb, _, rest = body.partition(b":")
    verb = verb.decode(errors="replace")
    if verb in _HEX_STATUS:
        if len(rest) != _HEX_STATUS[verb] or not _HEX.fullmatch(rest):
            raise WireError(f"status with a bad {verb}")
        if verb == "digest":
            return Status(verb, digest=rest.decode())
        size = 8 if verb == "parts" else len(rest)
        return Status(verb, slices=tuple(int(rest[at:at + size], 16)
                                         for at in range(0, len(rest), size)))
    if verb not in _ENTRY_STATUS:
        raise WireError("unknown kind of status")
    if _ranges_of(rest) > RANGES_LIMIT:
        raise WireError(f"status with more than {RANGES_LIMIT} ranges")
    entries = [_parse_short_entry(entry) if len(entry) <= SHORT_ENTRY else _parse_entry(entry)
               for entry in rest.split(b" ")]
    if len({run for run, _ in entries}) < len(entries):
        raise WireError("status with a run named twice")
    return Status(verb, entries=entries)


def _parse_entry(entry: bytes) -> tuple[bytes, list[Range]]:
    match = _ENTRY.fullmatch(entry)
    if not match:
        raise WireError("status with a bad entry")
    check_run(match[1])
    return match[1], _parse_ranges(match[2])


_parse_short_entry = functools.lru_cache(maxsize=16_384)(_parse_entry)  # mostly repetitions


LINES[b"status"] = parse_status
