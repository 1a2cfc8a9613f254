"""A browser for tests of pages and of connections."""
import json
import os
import subprocess
import time

import ws
from case import SLOW, eventually


class Browser:
    """Headless Chromium, driven by its debugging protocol.  directory: an empty one, for
    its profile; it is busy until close()."""

    def __init__(self, directory, url):
        self.proc = subprocess.Popen(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
             "--ignore-certificate-errors", "--remote-debugging-port=0",
             "--user-data-dir=" + directory, url], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.ws = None
        self.number = 0
        self.attach(os.path.join(directory, "DevToolsActivePort"))

    def attach(self, path):
        end = time.monotonic() + 30 * SLOW
        while not os.path.exists(path) or open_lines(path) < 2:
            if time.monotonic() > end or self.proc.poll() is not None:
                raise AssertionError("chromium does not start")
            time.sleep(0.05)
        with open(path) as f:
            port = int(f.readline())
        page = None
        while not page:
            text = subprocess.check_output(["curl", "-sS", "--noproxy", "*",
                                            "http://127.0.0.1:%d/json/list" % port])
            page = next((p for p in json.loads(text) if p["type"] == "page"), None)
        path = "/" + page["webSocketDebuggerUrl"].split("/", 3)[3]
        self.ws = ws.WebSocket(("127.0.0.1", port), path, timeout=30 * SLOW)

    def call(self, method, **params):
        """The result of a method of the protocol; the browser's refusal is an error."""
        self.number += 1
        self.ws.send(json.dumps({"id": self.number, "method": method, "params": params}))
        while True:
            message = json.loads(self.ws.recv())
            if message.get("id") == self.number:
                if "result" not in message:
                    raise AssertionError("%s: %s" % (method, message))
                return message["result"]

    def evaluate(self, script):
        """The value of an expression, after its promise is kept; None when it throws."""
        answer = self.call("Runtime.evaluate", expression=script, awaitPromise=True,
                           returnByValue=True)
        return answer["result"].get("value")

    def resize(self, width, height=1000):
        """Gives the page a size in CSS pixels, which may be narrower than a window can be."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=False)
        if not eventually(lambda: self.evaluate("innerWidth") == width):
            raise AssertionError("the page is not %d px wide" % width)

    def close(self):
        if self.ws:
            self.ws.close_socket()
        self.proc.terminate()
        self.proc.wait()


def open_lines(path):
    with open(path) as f:
        return len(f.readlines())
