"""The gate of the live page: which requests are let in, and what is an order.

Everything lies under a token that nobody guesses. The report has another token, because a script in
a report sees its own address, and may tell it to others. `Host` has to name this server, and so has
`Origin`, if there is any, so that the page of another site whose name leads here is refused. Each
refusal is a status and a line.
"""

import email.message
import re
import secrets
import unicodedata

from grapevine.typed import parse_json

BODY_LIMIT = 4 * 1024  # bytes of the body of an order
LOOPBACK = "127.0.0.1"
REPORT = "report"
_PATH = re.compile("|do|stream|node/[0-9]{1,6}")  # behind the token of the page
_NO_LETTERS = {"Cc", "Cs", "Zl", "Zp"}  # control characters, surrogates, ends of lines


class Refused(Exception):
    """A refusal of a request, with a status and a reason."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


def demand(holds: object, status: int, why: str) -> None:
    if not holds:
        raise Refused(status, why)


class Gate:
    """A gate for requests with the right host, port and token."""

    def __init__(self, port: int, host: str = LOOPBACK):
        self.page, self.report = (f"/{secrets.token_urlsafe(16)}/{end}" for end in ("", REPORT))
        names = {host.lower(), "localhost"} if host == LOOPBACK else {host.lower()}
        self._hosts = {f"{name}:{port}" for name in names}
        self._hosts |= names if port == 80 else set()  # browsers leave it out

    def judge(self, method: str, target: str, fields: email.message.Message) -> str:
        """Return the path of a request behind the token, or raise Refused."""
        hosts, origins = ([value.strip().lower() for value in fields.get_all(name, [])]
                          for name in ("host", "origin"))
        demand(len(hosts) == 1 and hosts[0] in self._hosts, 403, "the Host is another one")
        demand(not origins or origins == [f"http://{hosts[0]}"], 403, "the Origin is another one")
        begin, path = target[:len(self.page)], target[len(self.page):]
        demand(_are_same(target, self.report) or _are_same(begin, self.page)
               and _PATH.fullmatch(path), 404, "there is nothing here")
        allowed = "POST" if path == "do" else "GET"
        demand(method == allowed, 405, f"only {allowed} is allowed here")
        return path


def _are_same(one: str, other: str) -> bool:
    """Compare in a time that tells nothing."""
    return secrets.compare_digest(one.encode(), other.encode())


def length_of(fields: email.message.Message) -> int:
    """Return the length of an order, or raise Refused."""
    demand(fields.get_content_type() == "application/json", 415, "orders are application/json")
    length = fields.get("content-length", "")
    demand(re.fullmatch("[0-9]{1,18}", length), 411, "an order has a Content-Length")
    demand(int(length) <= BODY_LIMIT, 413, f"an order has {BODY_LIMIT} bytes at most")
    return int(length)


def parse_order(body: bytes) -> dict:
    """Return the order in the body of a POST, or raise Refused."""
    try:
        order = parse_json(body.decode())
    except ValueError:
        raise Refused(400, "this is no JSON") from None
    demand(isinstance(order, dict) and all(isinstance(order.get(name, ""), str) for name in (
        "do", "node", "text")), 400, "an order is a JSON object; do, node and text are texts")
    demand(_NO_LETTERS.isdisjoint(map(unicodedata.category, order.get("text", ""))), 400,
           "a text is one line of letters")
    return order
