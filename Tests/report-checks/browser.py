"""A headless Chromium, driven over its own DevTools protocol.

Needs Debian's packages `chromium` and `python3-websocket` and nothing else.
"""

import base64
import json
import pathlib
import shutil
import subprocess
import tempfile
import time

import websocket

START_SECONDS = 60


class Failure(Exception):
    """Something on a page is not as it should be."""


class Browser:
    """Starts Chromium and ends it; a page of its own for each report."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-report-")
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if program is None:
            raise Failure("chromium is not installed: apt-get install chromium python3-websocket")
        self.process = subprocess.Popen(
            [
                program, "--headless=new", "--no-sandbox", "--disable-gpu",
                "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
                "--disable-component-update", "--disable-extensions", "--hide-scrollbars",
                "--remote-debugging-port=0", f"--user-data-dir={self.folder}", "about:blank",
            ],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.port = self._port()

    def _port(self):
        place = pathlib.Path(self.folder) / "DevToolsActivePort"
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            if place.exists() and place.read_text().strip():
                return int(place.read_text().split()[0])
            if self.process.poll() is not None:
                raise Failure(f"chromium ended with status {self.process.returncode}")
            time.sleep(0.05)
        raise Failure("chromium did not start")

    def page(self, width=1600, height=1000, dark=False):
        import urllib.request

        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/json/new?about:blank", method="PUT")
        target = json.load(urllib.request.urlopen(request))
        page = Page(target["webSocketDebuggerUrl"])
        page.size(width, height)
        page.theme("dark" if dark else "light")
        return page

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Page:
    """One page: what it logs, what it asks for, and what a reader does to it."""

    def __init__(self, address):
        self.socket = websocket.create_connection(
            address, timeout=120, suppress_origin=True, max_size=None)
        self.count = 0
        # Console messages of any kind, exceptions, and what was asked for beside the file itself.
        self.complaints = []
        self.requests = []
        self.loaded = False
        for domain in ["Page", "Runtime", "Log", "Network", "Accessibility"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.count += 1
        number = self.count
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self.socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise Failure(f"{method}: {message['error']['message']}")
                return message["result"]
            self._note(message)

    def _note(self, message):
        method, values = message.get("method"), message.get("params", {})
        if method == "Page.loadEventFired":
            self.loaded = True
        elif method == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(
                " ".join(str(part.get("value", part.get("description"))) for part in values["args"]))
        elif method == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.complaints.append(
                details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded":
            self.complaints.append(values["entry"]["text"])

    def size(self, width, height):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
            mobile=False)

    def theme(self, scheme, media=""):
        self.call(
            "Emulation.setEmulatedMedia", media=media,
            features=[{"name": "prefers-color-scheme", "value": scheme}])

    def open(self, path):
        """Opens a file and waits until it is loaded; the seconds that this took."""
        self.loaded = False
        start = time.monotonic()
        self.call("Page.navigate", url=pathlib.Path(path).resolve().as_uri())
        while not self.loaded:
            self._note(json.loads(self.socket.recv()))
        # What the page's own program still had to do is done when an answer comes.
        self.evaluate("document.body.offsetHeight")
        return time.monotonic() - start

    def evaluate(self, expression):
        result = self.call(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            details = result["exceptionDetails"]
            raise Failure(details.get("exception", {}).get("description") or details["text"])
        return result["result"].get("value")

    def mouse(self, kind, x, y, **more):
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def move(self, x, y):
        self.mouse("mouseMoved", x, y)

    def click(self, x, y):
        self.move(x, y)
        for kind in ["mousePressed", "mouseReleased"]:
            self.mouse(kind, x, y, button="left", clickCount=1)

    def wheel(self, x, y, delta):
        self.mouse("mouseWheel", x, y, deltaX=0, deltaY=delta)

    def press(self, key, text=None):
        codes = {
            "Tab": 9, "Enter": 13, "Escape": 27, "Home": 36, "ArrowLeft": 37, "ArrowUp": 38,
            "ArrowRight": 39, "ArrowDown": 40,
        }
        values = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0]))}
        if text or len(key) == 1:
            values["text"] = text or key
        self.call("Input.dispatchKeyEvent", type="keyDown", **values)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def screenshot(self, path, whole=True):
        values = {"format": "png", "captureBeyondViewport": whole}
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            values["clip"] = {
                "x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self.call("Page.captureScreenshot", **values)["data"]
        pathlib.Path(path).write_bytes(base64.b64decode(data))

    def pdf(self):
        return base64.b64decode(
            self.call("Page.printToPDF", printBackground=True, paperWidth=8.27, paperHeight=11.69)[
                "data"])

    def names(self):
        """Role and name of everything that a reader's program is told of."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        return [
            (node.get("role", {}).get("value"), node.get("name", {}).get("value", ""))
            for node in nodes if not node.get("ignored")]

    def close(self):
        self.socket.close()
