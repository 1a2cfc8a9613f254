"""A client that is another program, to whom a test speaks and whose words it waits for."""
import os
import re
import subprocess
import threading
import time

from server import SLOW


class Talker:
    def __init__(self, argv):
        self.proc = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                     stderr=subprocess.STDOUT)
        self.text = ""  # all that it has said
        self.grown = threading.Condition()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            piece = os.read(self.proc.stdout.fileno(), 65536)
            if not piece:
                return
            with self.grown:
                self.text += piece.decode("latin-1")
                self.grown.notify()

    def say(self, text):
        self.proc.stdin.write(text.encode())
        self.proc.stdin.flush()

    def wait(self, pattern, since=0):
        """The first match behind text[since:], which may be still to come."""
        end = time.monotonic() + 20 * SLOW
        with self.grown:
            while True:
                found = re.search(pattern, self.text[since:])
                if found:
                    return found
                left = end - time.monotonic()
                if left < 0 or not self.grown.wait(left):
                    raise AssertionError("no /%s/ in %s" % (pattern, self.text[since:][-3000:]))

    def close(self):
        if self.proc.poll() is None:
            self.proc.kill()
        self.proc.wait()
        self.reader.join()
        self.proc.stdin.close()
        self.proc.stdout.close()
