"""The check of a standing link: everyone who asks waits for a reply."""

import threading

from gossip.overlay.link_check import LinkCheck
from tools.fakes import FakeLink


def test_every_asker_of_a_link_check_waits_for_a_reply():
    check, link, answers = LinkCheck(threading.Event()), FakeLink(), []
    threads = [threading.Thread(target=lambda: answers.append(
        check.answers(link, lambda: None, 0.2))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [False, False]
    assert check.answers(link, lambda: check.replied(link), 5.0)
