"""The lines of anti-entropy: read as written, refused when they break the grammar."""

import pytest

from gossip import wire


@pytest.mark.parametrize("line, value", [
    (wire.status_slices("show", [5]), wire.Status("show", slices=(5,))),
    (wire.status("digest", "0" * 32), wire.Status("digest", "0" * 32)),
    (wire.status_slices("parts", list(range(64))), wire.Status("parts", slices=tuple(range(64)))),
    (wire.status("sent"), wire.Status("sent")),
    (wire.status_entries("want", [(b"[::1]:1:7", [(1, 3), (5, 5)])])[0],
     wire.Status("want", entries=[(b"[::1]:1:7", [(1, 3), (5, 5)])])),
])
def test_every_status_line_is_read_as_it_was_written(line, value):
    assert line.endswith(b"\n")
    assert wire.parse(line[:-1]) == value


@pytest.mark.parametrize("line", ["digest:" + "0" * 32, "parts:" + "1" * 512,
                                  "seen:127.0.0.1:1:7=1-3", "seen:"])
def test_what_peers_once_said_when_they_met_is_understood(line):
    met, plain = (wire.parse(f"status:{word}{line}".encode()) for word in ("meet ", ""))
    assert met == plain


@pytest.mark.parametrize("verb", ["seen", "want"])
def test_a_vector_and_a_question_may_be_empty(verb):
    assert wire.parse(f"status:{verb}:".encode()) == wire.Status(verb)
    assert wire.parse(wire.NOTHING_SEEN[:-1]) == wire.Status("seen")


@pytest.mark.parametrize("line", [
    b"status:", b"status:want:x=1", b"status:digest:zz",
    b"status:show", b"status:meet want:127.0.0.1:1:7=3", b"status:meet show:" + b"0" * 16,
    b"status:sent:x", b"status:want", b"status:seen", b"status:gone:", b"status:meet want:",
    b"status:parts:" + b"0" * 511, b"status:meet meet digest:" + b"0" * 32,
    b"status:want:127.0.0.1:1:7=3-1", b"status:want:127.0.0.1:1:7=1-99999999999999999999"])
def test_a_status_line_that_breaks_the_grammar_is_refused(line):
    with pytest.raises(wire.WireError):
        wire.parse(line)
