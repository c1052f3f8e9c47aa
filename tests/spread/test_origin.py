"""The origin: numbers its messages, refuses what is too long."""

import pytest

from gossip.spread.origin import Origin, TooLong
from tests.tools.fakes import peer


def test_the_origin_numbers_its_messages_and_refuses_what_is_too_long():
    origin = Origin(peer(1), 9)
    assert origin.lines(["a", "b"], 1.5) == [
        b"gmessage:1.500000:127.0.0.1:1:9:1:a", b"gmessage:1.500000:127.0.0.1:1:9:2:b"]
    with pytest.raises(TooLong):
        origin.lines(["\u00e4" * 32_768], 1.5)
    assert origin.lines(["c\r\r"], 1.5)[0].endswith(b":3:c")
