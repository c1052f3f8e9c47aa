"""A real browser in the hands of a test: DevTools over a socket, by the standard library."""

import base64
import itertools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading

from tests.tools.waiting import wait_until

BROWSER = next(filter(None, map(
    shutil.which, ("chromium", "google-chrome", "chromium-browser"))), None)
PATIENCE = 60.0  # seconds for an answer
FLAGS = ("--headless=new", "--no-first-run", "--no-default-browser-check", "--disable-gpu",
         "--disable-extensions", "--disable-sync", "--disable-background-networking",
         "--disable-component-update", "--disable-dev-shm-usage", "--no-proxy-server",
         "--window-size=1280,800", "--remote-debugging-port=0")


class Messages:
    """One end of a WebSocket: texts go out whole, and come in whole."""

    def __init__(self, url: str):
        host, port, path = re.fullmatch(r"ws://([^:/]+):(\d+)(/.*)", url).groups()
        self._sock = socket.create_connection((host, int(port)), PATIENCE)
        self._stream = self._sock.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self._sock.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            f"Sec-WebSocket-Key: {key}\r\n\r\n").encode())
        status = self._stream.readline()
        assert b" 101 " in status, status
        while self._stream.readline().strip():
            pass  # the rest of the answer's head
        self._sock.settimeout(None)  # a reader waits as long as it takes

    def send(self, text: str) -> None:
        data, mask = text.encode(), os.urandom(4)
        size = len(data)
        head = (bytes([0x81, 0x80 | size]) if size < 126
                else b"\x81\xfe" + size.to_bytes(2, "big") if size < 65536
                else b"\x81\xff" + size.to_bytes(8, "big"))
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(data))
        self._sock.sendall(head + mask + masked)

    def receive(self) -> str | None:
        """The next text; None at the end. The other end neither masks nor asks for answers."""
        whole = b""
        while True:
            head = self._stream.read(2)
            if len(head) < 2 or head[0] & 15 == 8:
                return None
            size = head[1] & 127
            if size > 125:
                size = int.from_bytes(self._stream.read(2 if size == 126 else 8), "big")
            data = self._stream.read(size)
            if head[0] & 15 in (0, 1):
                whole += data
                if head[0] & 128:
                    return whole.decode()

    def end(self) -> None:
        """End the stream, for the thread that reads it, too."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the other end was first

    def close(self) -> None:
        self._stream.close()
        self._sock.close()


class Tab:
    """A page of the browser: what it was asked, what it answered, and what it told by itself."""

    def __init__(self, url: str):
        self._messages = Messages(url)
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict] = {}
        self._answered = threading.Condition()  # guards _answers, _told and _ended
        self._ended = False
        self.session: str | None = None
        self._told: list[dict] = []  # what came unasked
        self._reader = threading.Thread(target=self._read, name="browser")
        self._reader.start()

    def _read(self) -> None:
        while (text := self._messages.receive()) is not None:
            message = json.loads(text)
            with self._answered:
                if "id" in message:
                    self._answers[message["id"]] = message
                else:
                    self._told.append(message)
                self._answered.notify_all()
        with self._answered:
            self._ended = True
            self._answered.notify_all()

    def ask(self, method: str, **params) -> dict:
        """What the browser answers; AssertionError when it refuses."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self._messages.send(json.dumps(message))
        with self._answered:
            self._answered.wait_for(lambda: number in self._answers or self._ended, PATIENCE)
            answer = self._answers.pop(number, {"error": "no answer"})
        assert "error" not in answer, (method, answer)
        return answer["result"]

    def open(self, url: str) -> None:
        """Open a page, and hear of all its requests and errors from the first one on."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target,
                                flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Page.navigate", url=url)

    def value(self, expression: str):
        """The value of an expression in the page, by way of JSON."""
        answer = self.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def becomes(self, expression: str, what: str) -> None:
        """Wait until an expression of the page holds; it fails when the page is not there yet."""
        wait_until(lambda: self.value(f"(() => {{ try {{ return Boolean({expression}); }} "
                                      f"catch {{ return false; }} }})()"), what=what, pause=0.05)

    def heard(self, method: str) -> list[dict]:
        """What the browser has told of one kind since the page was opened."""
        with self._answered:
            return [message["params"] for message in self._told if message["method"] == method]

    def errors(self) -> list[dict]:
        """All that went wrong in the page: exceptions, and errors on its console."""
        return (self.heard("Runtime.exceptionThrown")
                + [call for call in self.heard("Runtime.consoleAPICalled")
                   if call["type"] in ("error", "assert")]
                + [entry for entry in self.heard("Log.entryAdded")
                   if entry["entry"]["level"] == "error"])

    def requests(self) -> list[str]:
        """The address of everything that the page has asked for."""
        return [request["request"]["url"] for request in self.heard("Network.requestWillBeSent")]

    def close(self) -> None:
        self._messages.end()
        self._reader.join(PATIENCE)
        assert not self._reader.is_alive()
        self._messages.close()


class Browser:
    """A browser without a screen and with a profile of its own; it ends with all its processes."""

    def __init__(self, folder):
        unsafe = ["--no-sandbox"] if os.geteuid() == 0 else []  # root gets no sandbox
        self._errors = folder / "browser.txt"
        # its socket lies here: the path of `folder` may be too long for one
        self._scratch = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        with self._errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [BROWSER, *FLAGS, *unsafe, f"--user-data-dir={folder / 'profile'}", "about:blank"],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors,
                start_new_session=True, env=os.environ | {"TMPDIR": self._scratch.name})

    def url(self) -> str:
        """Where it listens for DevTools."""
        def found():
            assert self._process.poll() is None, self._errors.read_text(errors="replace")
            return re.search(r"DevTools listening on (ws://\S+)",
                             self._errors.read_text(errors="replace"))
        return wait_until(found, what="the browser to listen")[1]

    def __enter__(self):
        try:
            self.tab = Tab(self.url())
        except BaseException:
            self.__exit__()
            raise
        return self.tab

    def __exit__(self, *error):
        if hasattr(self, "tab"):
            self.tab.close()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # all of it has ended
        self._process.wait(10)
        self._scratch.cleanup()
