"""The chat log: texts in the order of their arrival."""

from gossip.chat.server import chat_log
from tests.tools.chat import A, B, gossip_line


def test_the_log_has_the_order_of_arrival_and_each_runs_messages_in_number_order():
    lines = [gossip_line(A, 7, 2, "a2"), gossip_line(B, 9, 1, "b1"), gossip_line(A, 8, 1, "c1"),
             b"signed:x:" + gossip_line(A, 7, 1, "a1")]
    assert chat_log(lines) == b"a1,b1,c1,a2"
    assert chat_log([]) == b"<empty>"
