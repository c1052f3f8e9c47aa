"""Settings: majorities, the seeds of config.txt, and the word filter."""

import pytest

from gossip.settings import Filter, Settings, majority, parse_config, parse_filter
from tests.tools.programs import ROOT


@pytest.mark.parametrize("seeds, needed",
                         [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3), (6, 4), (7, 4), (8, 5), (9, 5)])
def test_any_two_majorities_share_a_seed(seeds, needed):
    assert majority(seeds) == needed
    assert 2 * needed > seeds


def test_config_takes_commas_comments_blank_lines_crlf_and_repetitions():
    text = "# seeds\r\n127.0.0.1:8080\r\n\r\n127.0.0.1,8081 # second\n127.0.0.1:8080\n[::1]:1\n"
    assert [str(seed) for seed in parse_config(text.encode())] == [
        "127.0.0.1:8080", "127.0.0.1:8081", "[::1]:1"]


@pytest.mark.parametrize("text, number", [
    ("127.0.0.1:8080\nnonsense\n", 2), ("0.0.0.0:1", 1), ("1 27.0.0.1:80", 1),
    ("[::ffff:127.0.0.1]:1", 1), ("host:80\n10.0.0.300:80", 2), ("host:0", 1)])
def test_a_bad_config_line_is_named_with_its_number(text, number):
    with pytest.raises(ValueError, match=f"line {number}:"):
        parse_config(text.encode())
    with pytest.raises(ValueError, match="no seed"):
        parse_config(b"# nothing\n")


def test_a_first_line_without_a_digit_is_a_header():
    for text in (b"IP,Port\n127.0.0.1,8081\n", b"# ours\n\nIP Port\n127.0.0.1,8081\n"):
        assert [str(seed) for seed in parse_config(text)] == ["127.0.0.1:8081"]
    with pytest.raises(ValueError, match="line 2: 'IP,Port' is not IP:PORT"):
        parse_config(b"127.0.0.1,8081\nIP,Port\n")


def test_a_config_that_mixes_loopback_with_other_addresses_is_an_error():
    for other in (b"10.0.0.1:8080", b"host-a:8080"):
        with pytest.raises(ValueError, match="^line 3: 127.0.0.1:8080 is another seed on every "
                           "machine; give its address in the network, as line 1 does "
                           f".{other.decode()}.$"):
            parse_config(other + b"\n\n127.0.0.1:8080\n127.0.0.1:8081\n")


def test_a_seed_may_have_a_name_and_one_line_is_one_seed():
    text = b"host-a:8080\nHOST-A,8080\nhost-a.:8080\nhost_b 8080\n10.0.0.1:8080\nhost-a:8081\n"
    assert [str(seed) for seed in parse_config(text)] == [
        "host-a:8080", "host-a.:8080", "host_b:8080", "10.0.0.1:8080", "host-a:8081"]


def test_a_filter_has_one_word_a_line_each_once():
    text = "\ufeff virus \r\n\nclick\nvirus\n#!@\n\u4e2d\n"
    assert parse_filter(text.encode()) == ("virus", "click", "#!@", "\u4e2d")


def test_a_filter_without_words_or_with_other_bytes_is_an_error():
    with pytest.raises(ValueError, match="no word"):
        parse_filter(b" \r\n\n")
    with pytest.raises(ValueError, match="line 2:"):
        parse_filter(b"virus\n\xff\n")


def test_the_filter_of_the_experiments_has_four_words():
    path = ROOT / "gossip" / "lab" / "experiments" / "filter.txt"
    assert parse_filter(path.read_bytes()) == ("virus", "click", "cyber", "#!@")


FOUND = Filter("", ("virus", "click", "#!@", "c++", "a.b", "\u4e2d")).search()


@pytest.mark.parametrize("text", [
    "virus", "a virus.", "(Virus)", "VIRUS", "virus-free", "click, now", "what #!@ is", "#!@",
    "in c++", "c++ is", "see a.b", "\u4e2d", "anti-virus"])
def test_a_text_with_a_whole_word_of_the_filter_is_found(text):
    assert FOUND(text)


@pytest.mark.parametrize("text", [
    "", "antivirus", "viruses", "virus_", "clicks", "#!@#!@", "x#!@", "#!@x", "c+", "c+++", "axb",
    "a.bc", "\u4e2d\u4e2d", "vi rus"])
def test_a_part_of_another_word_is_no_word(text):
    assert not FOUND(text)


def test_a_filter_is_shown_by_its_number_of_words_and_without_one_nothing_is_searched():
    assert Filter().search() is None
    assert "filter=2:" in Settings(filter=Filter("x", ("virus", "click"))).words()
    assert "filter=0:" in Settings().words()
