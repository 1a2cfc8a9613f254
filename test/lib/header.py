"""The public header as tests read it: molt.h with its parts, as one text."""
import os
import sys

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(SOURCE, "tools"))
import man3  # noqa: E402

INCLUDE = os.path.join(SOURCE, "include")


def text():
    return man3.header_text()


def files():
    """Relative to INCLUDE: molt.h, then its parts in its order."""
    return [os.path.relpath(path, INCLUDE) for path in man3.header_files()]
