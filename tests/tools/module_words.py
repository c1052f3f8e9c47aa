"""What tests of modules say, and hear, and wait for, in few words.

What somebody hears next shows that nothing was told to them before.
"""

import socket
import struct

from gossip.voidphone import messages
from gossip.voidphone.messages import Announce, Notification, PeerNotification, Validation
from tests.tools.files import events
from tests.tools.modules import EASY_BITS, work_for
from tests.tools.waiting import wait_until

TYPE, FENCE, PROBE = 1337, 9999, 9998
LONGEST_ANNOUNCED, LONGEST_SPREAD = 65_527, 65_525  # bytes of data
IGNORED = "validations of what does not wait"
LATE = "messages without a validation in time"
OLD = "messages that were old"
UNWANTED = "messages of a type that no module wants"
MIB = 1 << 20


def start(modules, patience=60.0, **keys):
    return modules.module(patience, **keys)


def announce(end, data=b"news", ttl=0, data_type=TYPE):
    end.say(Announce(ttl, data_type, data))


def told(end) -> Notification:
    """The next message to a client of the API, which has to be a notification."""
    message = end.hear()
    assert isinstance(message, Notification), message
    return message


def validate(end, notification, valid=True):
    end.say(Validation(notification.id, valid))


def heard(end) -> PeerNotification:
    """The next news that a neighbour hears."""
    return end.hear_kind("peer_notification")


def hears_next(ends, announcer, data=b"fence"):
    """Whether neighbours hear next what is announced now, and nothing before."""
    announce(announcer, data, 0, FENCE)
    return all(heard(end).data == data for end in ends)


def counted(module, what, number=1):
    wait_until(lambda: module.status().get(what, 0) == number, what=what)


def nothing_waits(module):
    wait_until(lambda: module.relay.pending.count() == 0, what="every message to be decided")


def link_of(module, end):
    port = end.sock.getsockname()[1]
    return next(link for link in module._links if link.remote == f"127.0.0.1:{port}")


def news_from(peer, data=b"news", ttl=5, number=7, data_type=TYPE):
    peer.say(PeerNotification(ttl, number, data_type, data))


NEWS = messages.PeerNotification(255, 1, 7, b"news")
LOCAL = "127.0.0.1"


def endpoint(address) -> bytes:
    return socket.inet_aton(address.ip) + struct.pack(">H", address.port)


def view(module) -> set:
    return set(module.view.addresses())


def refused(module, end, words: str) -> None:
    """The connection ends, with a line that says why."""
    assert end.hear_end()
    wait_until(lambda: any(event.startswith("refused:") and words in event
                           for event in events(module)), what=f"a refusal for {words!r}")


def still_there(end) -> None:
    """A neighbour that is asked answers: what was said before has been handled."""
    end.say(messages.PeerRequest())
    end.hear_kind("peer_response")


def work(end, nonce: int):
    """The right answer to a nonce."""
    return messages.VerificationResponse(nonce, work_for(nonce, EASY_BITS), end.address)
