"""What programs do by mistake or by chance: nothing breaks."""

import contextlib
import enum
import signal
import sys
import threading
import time
import zipfile

import pytest

import grapevine
from grapevine.peer import Peer
from tests.library.tools import alarm, free_address, python, running, wait_until_free
from tests.tools.programs import DEADLINE, ROOT, wait_until

NETWORK = """
import grapevine, sys, threading
with grapevine.network(2, seeds=1, monitor=sys.argv[1:] == ["monitor"]) as net:
    net[0].say("x")
    print(net[1].next(30).text)
"""


def test_what_is_said_of_an_enum_is_its_value(net):
    net[0].say(enum.Enum("Word", {"ONE": "the value of one"}, type=str).ONE)
    assert net[1].next(DEADLINE).text == "the value of one"


def test_questions_are_answered_while_what_was_said_waits_for_slow_readers(net, monkeypatch):
    one, _ = net
    monkeypatch.setattr(Peer, "is_crowded", lambda _: True)
    one.say_all(["x" * 60_000] * 60)
    assert one.status()["messages held"] < 60


class Shot(Exception):
    """Raised by a handler of signals, as KeyboardInterrupt is."""


# a shot that hits a callback of the garbage collector, which some plugins have, is lost
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("call", ["say", "neighbours", "status", "caught_up"])
def test_signals_in_the_middle_of_a_call_leave_the_peer_whole(net, call):
    one, other = net
    calls = {"say": lambda: one.say("x"), "neighbours": lambda: one.neighbours,
             "status": one.status, "caught_up": lambda: one.caught_up(0)}

    def shoot(*_):
        shots.append(1)
        raise Shot

    shots = []
    while len(shots) < 200:
        with contextlib.suppress(Shot), alarm(shoot, 0.0005, 0.2):
            while True:
                calls[call]()
    last = one.say("the last")

    def have_come():  # or the oldest might be dropped between two that are taken
        status = other.status()
        return last.number == status["messages not taken yet"] + status[
            "messages dropped, because they were not taken"]

    wait_until(have_come, 30)
    numbers = []
    while not numbers or numbers[-1] != last.number:
        numbers.append(other.next(30).number)
    assert numbers == list(range(numbers[0], last.number + 1)), "no number is lost"


def test_a_handler_of_signals_may_say_and_take_something(net):
    said = []

    def say(*_):
        said.append(net[0].say("in a handler"))

    with alarm(say, 0.001, 0.001):
        texts = [net[0].say("x") for _ in range(2_000)]
    heard = [net[1].next(30).number for _ in range(len(said) + len(texts))]
    assert said and sorted(heard) == list(range(1, len(heard) + 1))


@pytest.mark.parametrize("pause", [0.0, 0.2])
def test_a_handler_of_signals_may_ask_a_peer_that_has_ended_and_may_outlast_the_wait(
        net, monkeypatch, pause):
    def ask(*_):
        calls.append(1)
        assert calls == [1], "the main thread hangs"
        net[0].caught_up(0)
        time.sleep(pause)

    calls, status = [], Peer.status
    net[0].close()
    if not pause:  # it comes in the midst of the answer
        monkeypatch.setattr(Peer, "status", lambda peer: signal.raise_signal(signal.SIGALRM)
                            or status(peer))
    with alarm(ask, 0.005 if pause else 5.0, 5.0):
        assert net[0].status()["neighbours"]
    assert calls == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("delay", [0.0003, 0.0005, 0.0007, 0.001])
def test_a_signal_during_join_leaves_nobody_at_the_port(delay):
    def shoot(*_):
        raise Shot

    peer, address = None, free_address()
    with contextlib.suppress(Shot), alarm(shoot, delay):
        peer = grapevine.join(address, seeds=[free_address()])
    if peer is not None:
        peer.close()
    wait_until_free(address)


def test_a_program_may_end_with_peers_that_nobody_has_closed():
    code, out, err = python("-X", "dev", "-W", "ignore::ResourceWarning", "-c", """
import grapevine
net = grapevine.network(3)
net[0].say("x")
print(net[1].next(30).text)
""")
    assert (code, out, err) == (0, "x\n", "")


def test_who_asks_is_answered_while_other_threads_say_without_end(net):
    answers, until = [], time.monotonic() + DEADLINE

    def talk() -> None:
        while len(answers) < 5 and time.monotonic() < until:
            net[0].say("x" * 64)

    def ask() -> None:
        while len(answers) < 5:
            answers.append(net[0].status())

    with running(talk, talk, ask):
        pass
    assert time.monotonic() < until


def test_the_longest_timeout_is_a_wait(net):
    threading.Timer(0.2, net[0].say, ("x",)).start()
    assert net[1].next(timeout=1e12).text == "x"


# Where the programs of Grapevine lie.

@pytest.fixture
def strangers(tmp_path):
    """A folder with other programs of the same names, a program, and an archive of Grapevine."""
    for name in ("peer.py", "seed.py", "runner.py"):
        (tmp_path / name).write_text("raise SystemExit('this is not Grapevine')\n")
    (tmp_path / "program.py").write_text(NETWORK)
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as packed:
        for path in [*ROOT.glob("*.py"), *(ROOT / "grapevine").rglob("*.py")]:
            packed.write(path, path.relative_to(ROOT))
    return tmp_path


@pytest.mark.parametrize("arguments, environment", [
    (["program.py", "monitor"], {}), (["-c", NETWORK], {"PYTHONSAFEPATH": "1"}),
    (["-c", NETWORK], {"PYTHONPATH": "all.zip"})], ids=["beside", "safe path", "zip"])
def test_a_program_runs_beside_programs_of_the_same_names(strangers, arguments, environment):
    assert python(*arguments, cwd=strangers, **environment) == (0, "x\n", "")


def test_no_module_of_the_package_imports_what_may_be_somebodys_own(strangers):
    code, out, err = python("-c", """
import importlib, pathlib, sys
import grapevine
for path in sorted(pathlib.Path(grapevine.__file__).parent.rglob("*.py")):
    parts = path.relative_to(pathlib.Path(grapevine.__file__).parent).with_suffix("").parts
    importlib.import_module(".".join(["grapevine", *parts]).removesuffix(".__init__"))
print({"peer", "seed", "runner"} & set(sys.modules))
""", cwd=strangers)
    assert (code, out, err) == (0, "set()\n", "")


def test_a_current_folder_that_is_gone_changes_nothing(tmp_path):
    (tmp_path / "gone").mkdir()
    (tmp_path / "program.py").write_text("import os\nos.rmdir(os.getcwd())\n" + NETWORK + """
for named in {}, {"seeds": ["127.0.0.1:9"], "outputs": "here"}:
    try:
        grapevine.join(**named)
    except (grapevine.NoSeed, grapevine.Refused) as error:
        print(str(error)[:20])
""")
    assert python(tmp_path / "program.py", cwd=tmp_path / "gone") == (
        0, "x\nno config.txt beside\ncannot write into he\n", "")


def test_threads_that_run_out_during_a_join_leave_nothing(monkeypatch):
    address, start = free_address(), threading.Thread.start
    for name, why in (("hand", "nodes need threads: can't start"), ("writer", "cannot listen on"),
                      ("listener", "cannot listen on"), ("liveness", "cannot listen on"),
                      ("callbacks", "cannot listen on")):
        def refuse(thread):
            if thread.name.startswith(name):
                raise RuntimeError("can't start new thread")
            start(thread)

        monkeypatch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(grapevine.Refused, match=why):
            grapevine.join(address, seeds=["127.0.0.1:9"])
    monkeypatch.undo()
    grapevine.join(address, seeds=["127.0.0.1:9"]).close()


def test_a_generator_that_is_left_half_way_keeps_no_program_from_its_end(tmp_path):
    (tmp_path / "program.py").write_text("""
import grapevine

def texts(net):
    with grapevine.join(0, host="127.0.0.1", seeds=net.seeds) as peer:
        yield from peer

with grapevine.network(peers=1) as net:
    net[0].say("x")
    running = texts(net)
    print(next(running).text)
""")
    assert python(tmp_path / "program.py", seconds=DEADLINE) == (0, "x\n", "")


def test_importing_the_package_starts_nothing_and_loads_no_library():
    code, out, err = python("-c", """
import sys, grapevine
print(sorted(name for name in sys.modules if name.startswith(("grapevine", "socket"))))
import grapevine.addresses
print(grapevine.join.__name__, hasattr(grapevine, "nothing"))
""")
    assert (code, out, err) == (0, "['grapevine']\njoin False\n", "")


def test_a_python_that_is_too_old_is_told_in_one_line():
    code, out, err = python("-c", "import sys; sys.version_info = (3, 9, 1); import grapevine")
    assert (code, out) == (1, "")
    assert err == f"Grapevine needs Python 3.10 or newer; this is 3.9 ({sys.executable})\n"
