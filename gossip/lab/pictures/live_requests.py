"""Requests: who may ask the live page's server for what, decided from the bytes of a request.

Pure. Everything lies under a token that nobody guesses; the report under another one: a script in
it sees its own address, and may tell that to others. `Host` has to name this server, and
`Origin`, where there is one, too: so a page of another site that had its name point here is
refused. Each refusal is a status and one line.
"""

import hmac
import json
import re
from typing import NamedTuple

HEAD_LIMIT = 16 * 1024  # bytes of a request's head
BODY_LIMIT = 4 * 1024  # bytes of the body of an order
LOOPBACK = "127.0.0.1"
REPORT = b"report"
_LINE_ENDS = "\x7f\x85\u2028\u2029"  # and the like, beside the first 32 characters
_HEAD = re.compile(rb"([A-Z]{1,16}) ([!-~]{1,4096}) HTTP/1\.[01]"
                   rb"((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[^\x00-\x08\x0a-\x1f\x7f]*)*)")


class Refused(Exception):
    """The request is answered with this status, and one line why."""

    def __init__(self, status: int, why: str):
        super().__init__(why)
        self.status = status


class Request(NamedTuple):
    """A request that may be answered."""

    what: str  # page, stream, report, node or do
    number: int = 0  # of a node
    order: dict | None = None  # the body of `do`


class Gate:
    """Lets requests through that come to this port with this token; with the other one, only
    those for the report. `host` is how a URL names the IP."""

    def __init__(self, port: int, token: str, report_token: str, host: str = LOOPBACK):
        names = (host, "localhost") if host == LOOPBACK else (host,)
        self._hosts = {f"{name}:{port}".encode().lower() for name in names}
        self._origins = {b"http://" + host for host in self._hosts}
        self._token, self._report_token = token.encode(), report_token.encode()

    def judge(self, data: bytes, takes_orders: bool) -> Request | None:
        """The request in these bytes; None when it is not complete yet; Refused."""
        head, found, body = data.partition(b"\r\n\r\n")
        if len(head) > HEAD_LIMIT:
            raise Refused(431, "the head of the request is too long")
        if not found:
            return None
        match = _HEAD.fullmatch(head)
        if match is None:
            raise Refused(400, "this is no request")
        fields = _fields(match[3])
        self._check_source(fields)
        method, path = match[1], self._path(match[2])
        if path == "do" and takes_orders:
            return _order(method, fields, body)
        request = _wanted(path)
        if method != b"GET":
            raise Refused(405, "only GET is allowed here")
        if b"transfer-encoding" in fields or fields.get(b"content-length", [b"0"]) != [b"0"]:
            raise Refused(400, "a GET has no body")
        return request

    def _check_source(self, fields: dict[bytes, list[bytes]]) -> None:
        hosts = fields.get(b"host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise Refused(403, "the Host is another one")
        origins = fields.get(b"origin", [])
        if len(origins) > 1 or any(origin.lower() not in self._origins for origin in origins):
            raise Refused(403, "the Origin is another one")

    def _path(self, target: bytes) -> str:
        """Return the path behind the token."""
        slash, token, rest = target[:1], *target[1:].partition(b"/")[::2]
        is_report = hmac.compare_digest(token, self._report_token)
        is_right = hmac.compare_digest(token, self._token) or is_report
        if slash != b"/" or not is_right or b"/" not in target[1:] or (
                is_report != (rest == REPORT)):
            raise Refused(404, "there is nothing here")
        return rest.decode("ascii")


def _fields(lines: bytes) -> dict[bytes, list[bytes]]:
    """The values of each field of a head, by its name in small letters."""
    fields: dict[bytes, list[bytes]] = {}
    for line in lines.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    return fields


def _wanted(path: str) -> Request:
    if path == "":
        return Request("page")
    if path in ("stream", REPORT.decode()):
        return Request(path)
    match = re.fullmatch("node/([0-9]{1,6})", path)
    if match is None:
        raise Refused(404, "there is nothing here")
    return Request("node", int(match[1]))


def _order(method: bytes, fields: dict[bytes, list[bytes]], body: bytes) -> Request | None:
    """The order in the body of a POST."""
    if method != b"POST":
        raise Refused(405, "only POST is allowed here")
    kind = fields.get(b"content-type", [b""])
    if len(kind) != 1 or kind[0].partition(b";")[0].strip().lower() != b"application/json":
        raise Refused(415, "orders are application/json")
    lengths = fields.get(b"content-length", [])
    if b"transfer-encoding" in fields or not lengths:
        raise Refused(411, "an order has a Content-Length")
    if len(lengths) != 1 or not re.fullmatch(rb"[0-9]{1,18}", lengths[0]):
        raise Refused(400, "this is no Content-Length")
    length = int(lengths[0])
    if length > BODY_LIMIT:
        raise Refused(413, f"an order has {BODY_LIMIT} bytes at most")
    if len(body) < length:
        return None
    return Request("do", order=_parsed(body[:length]))


def _parsed(body: bytes) -> dict:
    try:
        order = json.loads(body.decode())  # by itself it would take UTF-16 as well
    except (ValueError, RecursionError):
        raise Refused(400, "this is no JSON") from None
    if not isinstance(order, dict):
        raise Refused(400, "an order is a JSON object")
    if not all(isinstance(order.get(name, ""), str) for name in ("do", "node", "text")):
        raise Refused(400, "do, node and text are texts")
    text = order.get("text", "")
    if any(ord(letter) < 32 or letter in _LINE_ENDS for letter in text):
        raise Refused(400, "a text is one line")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Refused(400, "a text has half a letter")
    return order
