#!/usr/bin/env python3
"""Writes a C file with the contents of text files: embed.py OUT.c NAME=FILE ...

Each NAME becomes "const char NAME[]".  Run by the build."""
import sys


def literal(line):
    """One line as a C string; every byte outside plain ASCII in octal."""
    out = []
    for byte in line:
        char = chr(byte)
        if char in '"\\':
            out.append("\\" + char)
        elif 0x20 <= byte < 0x7f and char != "?":
            out.append(char)
        else:
            out.append("\\%03o" % byte)
    return '"' + "".join(out) + '"'


def main():
    parts = ["/* Made by tools/embed.py; do not edit. */"]
    for argument in sys.argv[2:]:
        name, path = argument.split("=", 1)
        with open(path, "rb") as file:
            lines = file.read().splitlines(keepends=True)
        parts.append("extern const char %s[];" % name)
        parts.append("const char %s[] =\n\t%s;" % (name, "\n\t".join(map(literal, lines)) or '""'))
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("\n".join(parts) + "\n")


main()
