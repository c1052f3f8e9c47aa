"""The gate of the live page, which judges the heads of requests.

Everything lies under a token that nobody guesses. The report has another token, because a script in
a report sees its own address, and may tell it to others. `Host` has to name this server, and so has
`Origin`, if there is any, so that the page of another site whose name leads here is refused. The
head is checked here as a whole; http.server is not used, because it takes invalid heads. Each
refusal is a status and a line.
"""

import email
import hmac
import re
import secrets
import unicodedata

from gossip.tools import parse_json

HEAD_LIMIT = 16 * 1024  # bytes of a request's head
BODY_LIMIT = 4 * 1024  # bytes of the body of an order
LOOPBACK = "127.0.0.1"
REPORT = "report"
_PATH = re.compile("|do|stream|node/[0-9]{1,6}")  # behind the token of the page
_HEAD = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,4096}) HTTP/1\.[01]\r\n"
                   rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n)*)\r\n")
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
        self.page = f"/{secrets.token_urlsafe(16)}/"
        self.report = f"/{secrets.token_urlsafe(16)}/{REPORT}"
        names = (host, "localhost") if host == LOOPBACK else (host,)
        self._hosts = {f"{name}:{port}".lower() for name in names}
        if port == 80:  # browsers leave it out
            self._hosts |= {name.lower() for name in names}
        self._origins = {f"http://{host}" for host in self._hosts}

    def judge(self, head: bytes, takes_orders: bool) -> tuple[str, int]:
        """Return the path behind the token, and the order's length. Or raise Refused."""
        match = _HEAD.fullmatch(head)
        if match is None:
            raise Refused(400, "this is no request")
        method, target, lines = (part.decode("latin-1") for part in match.groups())
        fields = email.message_from_string(lines)
        hosts, origins = ([value.strip(" \t").lower() for value in fields.get_all(name, [])]
                          for name in ("host", "origin"))
        demand(len(hosts) == 1 and hosts[0] in self._hosts, 403, "the Host is another one")
        demand(len(origins) < 2 and self._origins.issuperset(origins), 403,
               "the Origin is another one")
        begin, path = target[:len(self.page)], target[len(self.page):]
        if hmac.compare_digest(target, self.report):
            path = REPORT
        else:
            demand(hmac.compare_digest(begin, self.page) and _PATH.fullmatch(path)
                   and (takes_orders or path != "do"), 404, "there is nothing here")
        is_chunked, lengths = "transfer-encoding" in fields, fields.get_all("content-length", [])
        if path != "do":
            demand(method == "GET", 405, "only GET is allowed here")
            demand(not is_chunked and lengths in ([], ["0"]), 400, "a GET has no body")
            return path, 0
        demand(method == "POST", 405, "only POST is allowed here")
        demand(fields.get_content_type() == "application/json", 415, "orders are application/json")
        length = ",".join(lengths)
        demand(length and not is_chunked, 411, "an order has a Content-Length")
        demand(re.fullmatch("[0-9]{1,18}", length), 400, "this is no Content-Length")
        demand(int(length) <= BODY_LIMIT, 413, f"an order has {BODY_LIMIT} bytes at most")
        return path, int(length)


def parsed_order(body: bytes) -> dict:
    """Return the order in the body of a POST, or raise Refused."""
    try:
        order = parse_json(body.decode())  # of bytes, json would take UTF-16 as well
    except ValueError:
        raise Refused(400, "this is no JSON") from None
    demand(isinstance(order, dict), 400, "an order is a JSON object")
    demand(all(isinstance(order.get(name, ""), str) for name in ("do", "node", "text")), 400,
           "do, node and text are texts")
    demand(_NO_LETTERS.isdisjoint(map(unicodedata.category, order.get("text", ""))), 400,
           "a text is one line of letters")
    return order
