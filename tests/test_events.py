"""Events: their kind, what they are about, and the fields of a gossip line."""

import pytest

from gossip.events import about, gossip_fields, parted


@pytest.mark.parametrize("event, parts", [
    ("connected:127.0.0.1:5002", ("connected", "127.0.0.1:5002", "")),
    ("disconnected:[::1]:5002:left", ("disconnected", "[::1]:5002", "left")),
    ("refused:127.0.0.1:5002:a:b", ("refused", "127.0.0.1:5002", "a:b")),
    ("stopped:quit", ("stopped", "", "quit")), ("late", ("late", "", ""))])
def test_an_event_has_a_kind_an_address_and_a_rest(event, parts):
    assert parted(event) == parts and about(event.partition(":")[2]) == parts[1:]


def test_a_gossip_line_has_a_time_an_origin_a_start_a_number_and_a_text():
    assert gossip_fields("gmessage:12.500000:[::1]:5:7:3:a:b\n") == (12.5, "[::1]:5", 7, 3, "a:b\n")
    assert gossip_fields("gmessage:12.5:somewhere") is None
    assert gossip_fields("x gmessage:12.500000:127.0.0.1:5:7:3:a") is None
