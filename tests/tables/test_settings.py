"""Settings: capacities, the seeds of config.txt, filtered words."""

import collections
import math

import pytest

from grapevine.addresses import address_of
from grapevine.settings import (
    LARGEST, SMALLEST, Settings, capacity_of, parse_capacity, parse_config, parse_filter,
    word_finder)
from tests.tables.samples import peer


def test_settings_are_shown_in_one_line_without_what_only_seeds_need():
    shown = Settings(capacity="fixed:4", filter=("virus", "a:b")).shown()
    fields = dict(field.split("=") for field in shown.split(":"))
    assert fields["capacity"] == "fixed 4" and fields["filter"] == "2"
    assert fields["liveness-interval"] == "13.0" and "registrations-per-ip" not in fields
    assert fields["sign"] == "no" and ":sign=yes:" in f"{Settings(sign=True).shown()}:"


# Capacities.

@pytest.mark.parametrize("text", ["rule", "fixed:2", "fixed:10", "fixed:9999", "powerlaw:2.5",
                                  "powerlaw:0.001", "powerlaw:10", "powerlaw:10.000"])
def test_a_rule_of_capacity_is_read_as_it_is_written(text):
    assert parse_capacity(text) == text


@pytest.mark.parametrize("text", [
    "", "rule:", "rule:1", "9", "fixed", "fixed:", "fixed:0", "fixed:1", "fixed:02", "fixed:10000",
    "fixed:6 ", "powerlaw:0", "powerlaw:0.0001", "powerlaw:10.001", "powerlaw:11", "powerlaw:-1",
    "powerlaw:nan", "powerlaw:1e1", "powerlaw:2."])
def test_what_is_no_rule_of_capacity_is_told(text):
    with pytest.raises(ValueError, match="fixed:K"):
        parse_capacity(text)


def test_the_plain_rule_depends_on_the_last_two_digits_of_the_port():
    for port in range(5000, 5300):
        expected = max(3, int(40 * 1.5 ** (-(port % 100) / 10)))
        assert capacity_of(peer(port), "rule") == expected
    assert capacity_of(peer(5000), "rule") == 40 and capacity_of(peer(5099), "rule") == 3
    assert capacity_of(peer(5000), "fixed:17") == 17


@pytest.mark.parametrize("alpha", [1.0, 2.5])
def test_drawn_capacities_follow_their_power_law(alpha):
    count, rule = 10_000, f"powerlaw:{alpha}"
    drawn = collections.Counter(capacity_of(address_of(f"10.0.{n >> 8}.{n & 255}", 1 + n), rule)
                                for n in range(count))
    weights = {k: k ** -alpha for k in range(SMALLEST, LARGEST + 1)}
    assert (SMALLEST, LARGEST) == (3, 60) and set(drawn) <= set(weights)
    for k, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(drawn[k] / count - share) < 5 * math.sqrt(share / count), k


def test_every_peer_computes_the_same_capacity_of_an_address():
    rule = "powerlaw:2.5"
    first = [capacity_of(peer(port), rule) for port in range(5000, 5400)]
    capacity_of.cache_clear()
    assert [capacity_of(peer(port), rule) for port in range(5000, 5400)] == first
    assert [capacity_of(peer(port), rule) for port in (5001, 5002, 5003)] == [5, 17, 3]


# Files.

def test_config_may_have_commas_comments_blank_lines_a_mark_and_repetitions():
    text = ("\ufeff# seeds\r\n127.0.0.1:8080\r\n\r\n127.0.0.1,8081 # second\n127.0.0.1:8080\n"
            "[::1]:1\nLocalhost 9\n")
    assert [str(seed) for seed in parse_config(text.encode())] == [
        "127.0.0.1:8080", "127.0.0.1:8081", "[::1]:1", "localhost:9"]


def test_a_first_line_without_a_digit_is_a_header():
    for text in (b"IP,Port\n127.0.0.1,8081\n", b"# ours\n\nIP Port\n127.0.0.1,8081\n"):
        assert [str(seed) for seed in parse_config(text)] == ["127.0.0.1:8081"]


@pytest.mark.parametrize("data, fault", [
    (b"", "no seed"), (b"# nothing\n\n", "no seed"), (b"IP,Port\n", "no seed"),
    (b"127.0.0.1:8080\nnonsense\n", "line 2:"), (b"\n0.0.0.0:1", "line 2:"),
    (b"host:80\n10.0.0.300:80", "line 2:"), (b"127.0.0.1,8081\nIP,Port\n", "line 2:"),
    (b"a:1\n\xff:2\n", "line 2: not UTF-8"),
    (b"10.0.0.1:8080\n\n127.0.0.1:8080\n127.0.0.1:8080\n", "line 3: 127.0.0.1:8080 is another"),
    (b"10.0.0.1:8080\n[fd07::1]:8080\n", "line 2: 10.0.0.1:8080 and .fd07::1.:8080 are of IPv4"),
    (b"localhost:8080\nhost-a:8080\n", "line 1: localhost:8080 is another .* as host-a:8080 does")])
def test_a_bad_config_is_told_by_the_number_of_its_line(data, fault):
    with pytest.raises(ValueError, match=fault):
        parse_config(data)


def test_a_filter_has_one_word_a_line_each_once():
    text = "\ufeff virus \r\n\nclick\nvirus\n#!@\n\u4e2d\n"
    assert parse_filter(text.encode()) == ("virus", "click", "#!@", "\u4e2d")
    for data, fault in ((b" \r\n\n", "no word"), (b"virus\n\xff\n", "line 2:")):
        with pytest.raises(ValueError, match=fault):
            parse_filter(data)


NESTED = ("a", "ab", "abc", "abcd", "abce", "Abd", "b.d", "bad", "#!", "#!a",
          "éa", "éab")
WORDS = ("virus", "click", "#!@", "c++", "a.b", "spam.com", "\u4e2d")


@pytest.mark.parametrize("text", [
    "virus", "a virus.", "(Virus)", "VIRUS", "anti-virus", "click, now", "what #!@ is", "#!@",
    "in c++", "see a.b", "\u4e2d"])
def test_a_whole_word_is_found_in_any_case(text):
    assert word_finder(WORDS)(text)


@pytest.mark.parametrize("text", [
    "", "antivirus", "viruses", "virus_", "#!@#!@", "x#!@", "#!@x", "c+", "c+++", "axb", "a.bc",
    "spam com", "\u4e2d\u4e2d", "vi rus"])
def test_a_part_of_another_word_is_no_word(text):
    assert not word_finder(WORDS)(text)
    assert word_finder(()) is None


@pytest.mark.parametrize("word", NESTED)
def test_of_words_that_begin_alike_each_is_found_as_if_it_were_the_only_one(word):
    find, single = word_finder(NESTED), [word_finder((each,)) for each in NESTED]
    assert find(word) and find(word.upper())
    for text in f"an {word} !", f"{word}zz", f"zz{word}", f"zz {word[:-1]}":
        assert bool(find(text)) == any(each(text) for each in single), text
