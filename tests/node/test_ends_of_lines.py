"""Lines that end in CRLF, as telnet sends them: for every node the same as those that end in LF."""

import hashlib

import pytest

from gossip import wire
from gossip.signing.grammar import Signer
from tests.tools.files import count, received
from tests.tools.nets import linked_net
from tests.tools.waiting import wait_until

ENDS = ["\r\n", "\n", "\r\r\n"]


def test_seed_and_peer_understand_who_types_into_telnet(net):
    seed, = net.seeds(1)
    fake, end = net.fake(), net.dial(seed)
    end.send(f"peer list\r\nregister:{fake.address}\r\n".encode())
    assert [end.hear(), end.hear()] == ["peer list:", "registered successfully"]
    end = net.dial(net.peer())
    end.send(f"Liveness Request:1.000000:{fake.address}\r\n".encode())
    assert end.hear().startswith(f"Liveness Reply:1.000000:{fake.address}:")


@pytest.mark.parametrize("sign", [False, True])
def test_a_message_is_the_same_however_its_line_ends(net, sign):
    peers, fake, witness = linked_net(net, 2, sign=sign), net.fake(), net.fake()
    signer = fake.signer = Signer(fake.address, bytes(32))
    end, heard = net.neighbour(peers[0], fake), net.neighbour(peers[1], witness)
    lines = [wire.gossip("1.000000", fake.address, signer.start, number, f"text {number}")
             for number in range(1, len(ENDS) + 2)]
    covers = signer.cover(1, [hashlib.sha256(line).digest() for line in lines]) if sign else []
    *lines, last = [line.decode() for line in lines]
    for turn in range(len(ENDS)):
        ends = ENDS[turn:] + ENDS[:turn]
        end.send("".join([*[cover.decode() + "\r\n" for cover in covers],
                          *[line + at_end for line, at_end in zip(lines, ends)]]).encode())
    end.say(last)
    lines.append(last)
    assert sorted(heard.hear_until("gmessage:") for _ in lines) == lines
    texts = [line.removeprefix("gmessage:") for line in lines]
    wait_until(lambda: all(len(received(peer)) >= len(texts) for peer in peers))
    assert sorted(received(peers[0])) == sorted(received(peers[1])) == texts
    assert not any(count(peer, "corrupt:") for peer in peers)


def test_a_text_that_ends_like_a_line_is_signed_as_it_arrives(net):
    peers = linked_net(net, 2, sign=True)
    peers[0].gossip(["one\r", "two\rlines\r\r", "\r"])
    wait_until(lambda: len(received(peers[1])) == 3)
    assert [line.rpartition(":")[2] for line in received(peers[1])] == [
        "one", "two\\x0dlines", ""]
    assert count(peers[1], "corrupt:") == 0
