"""A program that uses the library passes a strict check of types."""

import importlib.util

import pytest

from tests.library.tools import python

PROGRAM = '''
import asyncio
import grapevine

def show(message: grapevine.Message) -> None:
    data: bytes | None = message.data
    print(message.origin, message.number + 1, message.text.upper(), data)

def main() -> None:
    with grapevine.seeds("config.txt") as seeds, grapevine.join(
            0, seeds=seeds.addresses, on_message=show, serve=True, sign=True) as peer:
        said: grapevine.Message = peer.say("hello")
        both: list[grapevine.Message] = peer.say_all(["one", "two"])
        heard: list[str] = [one.text for one in peer]
        joined: bool = peer.joined.wait(1)
        print(said, both, heard, joined, peer.next(timeout=1).came_from, peer.status())
    with grapevine.network(peers=5) as net:
        one: grapevine.Peer = net[0]
        net.kill(2)
    try:
        one.say_bytes(b"x")
    except (grapevine.PortInUse, grapevine.NoSeed, grapevine.Refused) as error:
        print(error)

async def talk() -> None:
    async with grapevine.aio.join(5001) as peer:
        said: grapevine.Message = await peer.say("hello")
        await peer.say_all(text for text in ("one", "two"))
        async for message in peer:
            show(message)
    other: grapevine.aio.Peer = await grapevine.aio.join(0)
    print(said, other.address)

main()
asyncio.run(talk())
'''


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="needs mypy")
@pytest.mark.parametrize("wrong, found", [("", 0), ("grapevine.join('x').say(1)\n", 1)])
def test_a_program_passes_the_strict_check_of_mypy(tmp_path, wrong, found):
    (tmp_path / "program.py").write_text(PROGRAM + wrong)
    code, out, _ = python("-m", "mypy", "--strict", "--cache-dir", tmp_path / "cache",
                          tmp_path / "program.py", cwd=tmp_path)
    assert code == found, out
