"""A few commands of the WebDriver protocol, spoken to chromedriver directly."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
         "--disable-background-networking", "--disable-component-update", "--hide-scrollbars"]  # fmt: skip
ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


def missing() -> str | None:
    """Why there is no browser to test with, or None."""
    lacking = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"needs {' and '.join(lacking)} on the PATH" if lacking else None


class Browser:
    """Headless Chromium with a profile of its own, at one window size; a context manager."""

    def __init__(self, width: int, height: int, dark: bool = False) -> None:
        self.width, self.height, self.dark = width, height, dark

    def __enter__(self) -> Browser:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._profile = tempfile.TemporaryDirectory(prefix="lss-chromium-", ignore_cleanup_errors=True)
        self._process = subprocess.Popen(
            ["chromedriver", f"--port={self._port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        options = {
            "binary": shutil.which("chromium"),
            "args": [*FLAGS, f"--user-data-dir={self._profile.name}"],
            "mobileEmulation": {"deviceMetrics": {"width": self.width, "height": self.height, "pixelRatio": 1.0}},
        }
        wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}}
        self._session = ""
        for attempt in range(100):
            try:
                answer = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
                break
            except (URLError, ConnectionError):
                if attempt == 99:
                    self.__exit__()
                    raise
                time.sleep(0.1)
        self._session = f"/session/{answer['sessionId']}"
        features = [{"name": "prefers-color-scheme", "value": "dark" if self.dark else "light"}]
        self.devtools("Emulation.setEmulatedMedia", {"features": features})
        return self

    def __exit__(self, *_: object) -> None:
        try:
            if self._session:
                self._ask("DELETE", "")
        finally:
            self._process.terminate()
            self._process.wait()
            self._profile.cleanup()

    def open(self, page: Path) -> None:
        """Load a local page."""
        self._ask("POST", "/url", {"url": page.resolve().as_uri()})

    def run(self, script: str, *arguments: Any) -> Any:
        """The value a script returns."""
        return self._ask("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def click(self, selector: str) -> None:
        """Click on the first element that matches, as a user does: it must be visible."""
        result = self._ask("POST", "/element", {"using": "css selector", "value": selector})
        self.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", result)
        self._ask("POST", f"/element/{result[ELEMENT]}/click", {})

    def press(self, *keys: str) -> None:
        """Press and release keys one after the other (WebDriver's code points for special ones)."""
        actions = [{"type": kind, "value": key} for key in keys for kind in ("keyDown", "keyUp")]
        self._ask("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def console(self) -> list[str]:
        """Messages of the console since the last call."""
        return [entry["message"] for entry in self._ask("POST", "/se/log", {"type": "browser"})]

    def devtools(self, command: str, arguments: dict[str, Any]) -> Any:
        """A command of the DevTools protocol."""
        return self._ask("POST", "/goog/cdp/execute", {"cmd": command, "params": arguments})

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """A picture of the window, or of the whole page."""
        shot = self.devtools("Page.captureScreenshot", {"captureBeyondViewport": whole})
        path.write_bytes(base64.b64decode(shot["data"]))

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(f"http://127.0.0.1:{self._port}{self._session}{path}", data, method=method)
        with urlopen(request, timeout=60) as answer:
            return json.loads(answer.read())["value"]
