"""Attacks on a network: read from text, and dealt out to peers."""

import random

import pytest

from gossip.addresses import address_of
from gossip.lab.experiments.accidents import FORBIDDEN, SHARE, Attack, parse_malice
from tests.tools.programs import ROOT

PEERS = [address_of("127.0.0.1", 5000 + number) for number in range(20)]


@pytest.mark.parametrize("text", ["none", "drop:4", "tamper:2:0.5,mute:1", "onoff:3:1"])
def test_what_a_text_names_is_shown_as_the_same_text(text):
    assert str(parse_malice(text)) == text


def test_a_share_that_is_not_named_is_the_usual_one():
    assert parse_malice("tamper:2") == (Attack("tamper", 2, SHARE),)
    assert parse_malice("none") == () and parse_malice("none").count() == 0


@pytest.mark.parametrize("text", [
    "", "drop", "drop:", "drop:x", "drop:0", "drop:-1", "drop:1.5", "drop:1:0", "drop:1:1.1",
    "drop:1:nan", "drop:1:x", "drop:1:0.5:2", "kind:1", "drop:1,", "drop:1,drop:2", "none,drop:1"])
def test_a_text_that_names_no_attack_is_refused(text):
    with pytest.raises(ValueError):
        parse_malice(text)


def test_roles_go_to_different_peers_who_know_their_kind_alone():
    roles = parse_malice("drop:3,collude:4:0.5").deal(PEERS, random.Random(1))
    assert len(roles) == 7 and set(roles) <= set(PEERS)
    colluding = {peer for peer, role in roles.items() if role.kind == "collude"}
    assert len(colluding) == 4
    for peer in colluding:
        assert set(roles[peer].accomplices) == colluding - {peer} and roles[peer].share == 0.5
    assert roles != parse_malice("drop:3,collude:4:0.5").deal(PEERS, random.Random(2))
    few = PEERS[:5]  # as when a schedule is made smaller
    assert set(parse_malice("drop:3,collude:4:0.5").deal(few, random.Random(1))) == set(few)


def test_words_are_forbidden_where_somebody_says_them():
    assert "virus" in parse_malice("drop:1,forbidden:1").words().words
    assert not parse_malice("drop:1").words().words


def test_the_forbidden_words_are_installed_with_the_program():
    assert FORBIDDEN.is_file() and FORBIDDEN.parent == ROOT / "gossip" / "lab" / "experiments"
    project = (ROOT / "pyproject.toml").read_text()
    assert f'"gossip.lab.experiments" = ["{FORBIDDEN.name}"]' in project
