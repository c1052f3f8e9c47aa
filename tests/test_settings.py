"""Settings: majorities, and the seeds of config.txt."""

import pytest

from gossip.settings import majority, parse_config


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
    ("[::ffff:127.0.0.1]:1", 1)])
def test_a_bad_config_line_is_named_with_its_number(text, number):
    with pytest.raises(ValueError, match=f"line {number}:"):
        parse_config(text.encode())
    with pytest.raises(ValueError, match="no seed"):
        parse_config(b"# nothing\n")
