"""Mistakes that can be planted into peers and seeds, to see whether a test finds them.

Each is a function that is given pytest's `monkeypatch`, and undone by it.
"""

import functools
import math

from gossip.overlay import ring
from gossip.overlay.linking import Linking
from gossip.overlay.neighbours import NEIGHBOUR, Admission, Neighbours
from gossip.registering.joining import SEED, Joining
from gossip.registering.registry import Listing
from gossip.signing.known_runs import KnownRuns, Outcome, run_of
from gossip.spread.catch_up import CatchUp
from seed import Relays, Seed


def around(monkeypatch, owner, name: str):
    """Replace a method by what is decorated, which gets the method first."""
    original = getattr(owner, name)

    def plant(changed):
        monkeypatch.setattr(owner, name, functools.wraps(original)(
            lambda *arguments, **words: changed(original, *arguments, **words)))
    return plant


def a_seed_that_failed_is_not_tried_again(monkeypatch):
    @around(monkeypatch, Joining, "on_end")
    def on_end(original, self, link):
        original(self, link)
        if link.role == SEED:
            self._rows[link.peer].rest.due = math.inf


def an_offer_is_kept_after_its_link(monkeypatch):
    monkeypatch.setattr(CatchUp, "on_end", lambda self, link: None)


def a_lost_registration_is_not_probed(monkeypatch):
    monkeypatch.setattr(Seed, "_probe_lost", lambda self, row: None)


def a_dial_never_ends(monkeypatch):
    monkeypatch.setattr(Neighbours, "end_dial",
                        lambda self, address: address in self._dialling
                        and self._dialling[address][0])


def the_ring_link_leads_to_the_first_address(monkeypatch):
    monkeypatch.setattr(ring, "successors", lambda own, ordered: iter(ordered))


def a_row_is_removed_by_an_older_links_end(monkeypatch):
    @around(monkeypatch, Linking, "on_end")
    def on_end(original, self, link):
        present = self.neighbours.link(link.peer) if link.role == NEIGHBOUR else None
        if present not in (None, link):
            self._lost(present)
        original(self, link)


def misses_are_not_forgotten_after_a_reply(monkeypatch):
    @around(monkeypatch, Neighbours, "replied")
    def replied(original, self, address, time, now):
        row = self.row(address)
        misses = row and row.misses
        took = original(self, address, time, now)
        if row is not None:
            row.misses = misses
        return took


def a_report_is_not_passed_on_to_seeds(monkeypatch):
    monkeypatch.setattr(Relays, "tell", lambda self, line: None)


def gossip_is_sent_before_accepted(monkeypatch):
    @around(monkeypatch, Linking, "enter")
    def enter(original, self, link, admission):
        self._node.spreading.on_met(link)
        original(self, link, admission)


def a_second_link_always_wins(monkeypatch):
    def second(self, address, link, dialler, now, standing, silent):
        self._enter(address, link, dialler, now, True)
        self._write(f"disconnected:{address}:duplicate", f"connected:{address}")
        return Admission(True, "duplicate", replaced=standing.link, proven=True)
    monkeypatch.setattr(Neighbours, "_second", second)


def a_probe_of_a_silent_registration_never_ends(monkeypatch):
    monkeypatch.setattr(Listing, "probed", lambda self, alive: self.heard < self.probed_at)


def one_seed_that_names_a_run_is_believed(monkeypatch):
    @around(monkeypatch, KnownRuns, "answer")
    def answer(original, self, seed, key, starts, now):
        outcome = original(self, seed, key, starts, now)
        named = [run_of((key[0], start)) for start in starts or ()
                 if start and self.learn((key[0], start))]
        return outcome._replace(genuine=[*outcome.genuine, *named])


def one_seed_that_denies_a_run_is_believed(monkeypatch):
    @around(monkeypatch, KnownRuns, "answer")
    def answer(original, self, seed, key, starts, now):
        if key[1] and starts is not None and key[1] not in starts and self.is_open(key):
            return Outcome([], denied=key)
        return original(self, seed, key, starts, now)


def a_seed_that_does_not_answer_is_waited_for(monkeypatch):
    @around(monkeypatch, KnownRuns, "answer")
    def answer(original, self, seed, key, starts, now):
        return Outcome([]) if starts is None else original(self, seed, key, starts, now)


BY_CHANCE = [a_seed_that_failed_is_not_tried_again, an_offer_is_kept_after_its_link,
             a_lost_registration_is_not_probed, a_dial_never_ends,
             the_ring_link_leads_to_the_first_address, a_row_is_removed_by_an_older_links_end,
             a_probe_of_a_silent_registration_never_ends]
BY_KEPT = [misses_are_not_forgotten_after_a_reply, a_report_is_not_passed_on_to_seeds,
           gossip_is_sent_before_accepted, a_second_link_always_wins]
BY_SIGNED = [one_seed_that_denies_a_run_is_believed, a_seed_that_does_not_answer_is_waited_for]
