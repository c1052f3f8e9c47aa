"""The console of a peer: what is typed, and what is shown."""

from tests.tools.files import lines_of
from tests.tools.ports import free_port
from tests.tools.programs import ROOT, Program, peer_file
from tests.tools.waiting import wait_until


def test_what_is_typed_arrives_byte_for_byte(flags, seeds):
    ports = [free_port(), free_port()]
    text = "a:b \u00e4\u4e2d\U0001f347  \x1b[31m \u2028\u202e \\x "
    with Program("peer.py", ports[0], *flags, "--gossip-count", 0) as one, \
            Program("peer.py", ports[1], *flags, "--gossip-count", 0) as other:
        linked = f"connected:127.0.0.1:{ports[1]}"
        wait_until(lambda: linked in lines_of(peer_file(flags, ports[0])))
        one.type(f"say {text}\n")
        one.process.stdin.write(b"say \xff\xfe\nsay " + b"x" * 70_000 + b"\nsay\nhuh\nsay last\n")
        one.process.stdin.flush()
        shown = "a:b \u00e4\u4e2d\U0001f347  " + r"\x1b[31m \u2028\u202e \\x "
        wait_until(lambda: any(e.startswith("received:") and e.endswith(":2:last")
                               for e in lines_of(peer_file(flags, ports[1]))))
        assert any(e.startswith("received:") and e.endswith(f":1:{shown}")
                   for e in lines_of(peer_file(flags, ports[1])))
        one.type("messages\npeers\nhelp\nquit\n")
        code, out, err = one.finish()
        other.type("quit\n")
        assert (code, err) == (0, "")
        assert "not UTF-8" in out and "too long" in out and "unknown command" in out
        assert f":1:{shown}" in out and f"neighbours (1): 127.0.0.1:{ports[1]}" in out
        assert "\x1b" not in out and other.finish()[0] == 0


def test_what_the_filter_forbids_is_not_said(flags, seeds):
    port, words = free_port(), ROOT / "gossip" / "lab" / "experiments" / "filter.txt"
    with Program("peer.py", port, *flags, "--gossip-count", 0, "--filter", words) as peer:
        wait_until(lambda: "registered:" in "".join(lines_of(peer_file(flags, port))))
        peer.type("say one\nsay a Virus!\nsay antivirus\nquit\n")
        code, out, err = peer.finish()
        assert (code, err) == (0, "")
    assert out.splitlines().count("it has a forbidden word; nothing was sent") == 1
    said = [event.split(":")[-2:] for event in lines_of(peer_file(flags, port))
            if event.startswith("generated:")]
    assert said == [["1", "one"], ["2", "antivirus"]]
