#!/usr/bin/env python3
"""Makes the pages of section 3 from include/molt.h and its parts: one page for each section of the
header, and a link page for each function and type, so that "man molt_req_param" finds its page.

Usage: tools/man3.py DIRECTORY [HEADER...]    writes the pages
       tools/man3.py --list [HEADER...]       prints their file names
What is read is always include/molt.h with its parts.  meson names the headers too, so that it
configures anew when one of them has changed.

How the header is read:
  section      "/* ---- title ---- */" until the next one; what comes before the first one is
               the page molt_types
  item         a comment with the declarations below it, up to an empty line or the next comment
  prose        a comment with an empty line below it
  mark         "[any]" or "[parks]" at the end of an item's comment, or behind a declaration
"""
import os
import re
import sys

HEADER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "include", "molt.h")
# What frames a part: the comment at its top, its guard, the parts that it needs.
FRAME = re.compile(r'\A/\*.*?\*/\n|^#(?:ifndef|define) MOLT_\w+_H\n|^#include "molt/\w+\.h"\n', re.S | re.M)
# The page of a section whose title begins so; another section's page has the title's first word.
PAGES = (("servers", "molt_server"), ("the process", "molt_process"), ("state", "molt_state"),
         ("routes", "molt_routes"), ("reading the request", "molt_request"),
         ("writing the response", "molt_response"), ("events", "molt_events"),
         ("WebSocket", "molt_websocket"), ("requests that wait", "molt_steps"),
         ("waiting and blocking", "molt_waiting"), ("memory", "molt_memory"),
         ("configuration", "molt_configuration"), ("logging", "molt_logging"),
         ("errors", "molt_errors"))
MARKS = {"any": "may be called from any thread, at any time",
         "parks": "may suspend the calling handler, never the event loop"}
MARK = re.compile(r"\[(any|parks)\]")
AT_END = re.compile(r"(\s*\[(?:any|parks)\])+\s*$")
CONSTANT = re.compile(r"#define MOLT_(?!API\b|PRINTF\b|H\b)\w+\b(?!\()")
ERRNO = re.compile(r"-(E[A-Z0-9]{2,})\b")


def header_files():
    """The paths of molt.h and of its parts, in the order in which it includes them."""
    with open(HEADER, encoding="ascii") as f:
        parts = re.findall(r'(?m)^#include "(molt/\w+\.h)"$', f.read())
    return [HEADER] + [os.path.join(os.path.dirname(HEADER), part) for part in parts]


def header_text():
    """molt.h with its parts in it, as if it was one file."""
    text = ""
    for path in header_files():
        with open(path, encoding="ascii") as f:
            text += FRAME.sub("", f.read()) if text else f.read()
    return text


class Item:
    """text: the comment's lines; code: the declarations with their own comments;
    functions: (result, name, [arguments], own comment); types: names."""

    def __init__(self, text):
        self.text, self.code, self.functions, self.types = text, [], [], []
        self.marks = {}  # of a function: the set of its marks

    def add(self, code):
        self.code.append(code)
        if code.startswith("#"):
            return
        bare = re.sub(r"/\*.*?\*/", " ", code, flags=re.S).strip()
        if bare.startswith("MOLT_API"):
            result, name, arguments = re.match(
                r"MOLT_API\s+(?:MOLT_\w+\s+)*(.*?)(molt_\w+)\s*\((.*?)\)\s*(?:MOLT_\w+(?:\([^)]*\))?\s*)*;$",
                bare, re.S).groups()
            own = " ".join(re.findall(r"/\*\s*(.*?)\s*\*/", code, re.S))
            self.functions.append((" ".join(result.split()), name, split(arguments), own))
        else:
            self.types += re.findall(r"typedef[^;{]*?\b(molt_\w+)\(", bare) or \
                re.findall(r"(?s)^typedef.*\b(molt_\w+);$", bare) or \
                re.findall(r"^enum (molt_\w+)", bare)

    def finish(self):
        end = set(MARK.findall(AT_END.search(" ".join(self.text)).group(0))) \
            if AT_END.search(" ".join(self.text)) else set()
        for _, name, _, own in self.functions:
            self.marks[name] = end | set(MARK.findall(own))
        while self.text and AT_END.search(self.text[-1]):
            self.text[-1] = AT_END.sub("", self.text[-1])
            if not self.text[-1].strip():
                self.text.pop()
        return self


def split(arguments):
    """At the commas outside of parentheses."""
    parts = [" ".join(p.split()) for p in re.split(r",(?![^(]*\))", arguments)]
    return parts


def comment_lines(comment):
    """Without the frame; the indentation inside is kept."""
    inner = re.sub(r"^/\*\s?|\s*\*/$", "", comment.strip())
    return [re.sub(r"^\s*\* ?", "", line).rstrip() if i else line.rstrip()
            for i, line in enumerate(inner.split("\n"))]


def statement_end(text, at):
    """Behind the ';' that ends the declaration at text[at:], and behind its own comment."""
    depth = 0
    for m in re.compile(r"/\*.*?\*/|[{};]", re.S).finditer(text, at):
        depth += {"{": 1, "}": -1}.get(m.group(0), 0)
        if m.group(0) == ";" and depth == 0:
            own = re.compile(r"[ \t]*/\*.*?\*/[ \t]*(?=\n)", re.S).match(text, m.end())
            return own.end() if own else m.end()
    raise SystemExit("man3.py: a declaration without end: " + text[at:at + 60])


def items_of(text):
    """The items of a section in their order; prose is an item without code.  A type below a
    function begins another one."""
    found, current, at = [], None, 0
    text = text.replace('extern "C" {', "")
    while at < len(text):
        empty = re.compile(r"\n[ \t]*(?=\n)").match(text, at)
        if empty:
            current, at = None, empty.end()
        elif text[at].isspace():
            at += 1
        elif text.startswith("/*", at):
            end = text.index("*/", at) + 2
            current = Item(comment_lines(text[at:end]))
            found.append(current)
            at = end
        elif text[at] == "}":  # of extern "C"
            at += 1
        else:
            macro = re.compile(r"#(?:.*\\\n)*.*").match(text, at)
            end = macro.end() if macro else statement_end(text, at)
            if macro and not CONSTANT.match(macro.group(0)):
                at = end
                continue
            if current is None or (current.functions and text.startswith("typedef", at)):
                current = Item([])
                found.append(current)
            current.add(text[at:end])
            at = end
    return [item.finish() for item in found]


def sections(header):
    """(page, title, items) of each section that declares something."""
    body = header[header.index("*/") + 2:]
    parts = re.split(r"/\* -{4,} (.+?) -+ \*/[ \t]*\n", body)
    named = [("molt_types", "types that every part uses", parts[0])]
    for title, text in zip(parts[1::2], parts[2::2]):
        page = [page for start, page in PAGES if title.startswith(start)]
        named.append((page[0] if page else "molt_" + re.findall(r"[a-z]+", title.lower())[0],
                      title, text))
    made = [(page, title, items_of(text)) for page, title, text in named]
    made = [m for m in made if any(item.code for item in m[2])]
    declared = len(re.findall(r"(?m)^MOLT_API ", header))
    read = sum(len(item.functions) for _, _, items in made for item in items)
    if declared != read or len({page for page, _, _ in made}) != len(made):
        raise SystemExit("man3.py: %d functions are declared, %d were read" % (declared, read))
    return made


def convention(header, word):
    """What the header's head says about threads, parking ...: one text."""
    text = re.search(r"(?m)^ \*   %s +((?:.*\n \*    +)*.*)$" % word, header).group(1)
    return re.sub(r"\n \* +", " ", text)


# ---- roff ---------------------------------------------------------------------------

def escaped(line):
    line = line.replace("\\", "\\e")
    line = re.sub(r"(?<![A-Za-z0-9])-|-(?![A-Za-z0-9])", r"\\-", line)
    return re.sub(r"^([.'])", r"\\&\1", line)


def literal(lines):
    shift = min(len(l) - len(l.lstrip()) for l in lines if l.strip())
    shown = [l[shift:].replace("\\", "\\e").replace("-", "\\-") for l in lines]
    return [".Bd -literal"] + [re.sub(r"^([.'])", r"\\&\1", l) for l in shown] + [".Ed"]


def filled(text):
    """One sentence a line, as roff likes it."""
    text = MARK.sub(lambda m: "from any thread" if m.group(1) == "any" else "parking", text)
    return [escaped(s.strip()) for s in re.split(r"(?<=[.:;])  +", text) if s.strip()]


def paragraphs(lines):
    """Text is filled; what is indented stays as it is."""
    out, text, table = [], [], []

    def flush():
        if text and out and out[-1] == ".Ed":
            out.append(".Pp")
        # A line that ends with a full stop ends a sentence.
        out.extend(filled(" ".join(l + " " if l.endswith(".") else l for l in text)))
        if table:
            out.extend(literal(table))
        text.clear()
        table.clear()

    for line in lines:
        if not line.strip():
            flush()
            if out and out[-1] not in (".Ed", ".Pp"):
                out.append(".Pp")
        elif line.startswith("  "):
            table.append(line)
        else:
            if table:
                flush()
            text.append(line)
    flush()
    return out[:-1] if out and out[-1] == ".Pp" else out


def prototype(function):
    result, name, arguments, _ = function
    if max(map(len, arguments)) > 50:  # more than .Fa can break
        return [".Bd -literal", result, "%s(%s);" % (name, ",\n    ".join(arguments)), ".Ed"]
    if arguments == ["void"]:
        return [".Ft " + result, ".Fn %s void" % name]
    return [".Ft " + result, ".Fo " + name] + ['.Fa "%s"' % a for a in arguments] + [".Fc"]


def described(item):
    """The part of DESCRIPTION of an item."""
    own = [(name, MARK.sub("", text).strip()) for _, name, _, text in item.functions]
    types = [c for c in item.code if not c.startswith("MOLT_API")]
    out = []
    if not item.code:
        return [".Pp"] + paragraphs(item.text)
    for name in item.types:
        out.append(".It Vt %s" % name)
    for _, name, _, _ in item.functions:
        out.append(".It Fn %s" % name)
    if not out:
        out.append(".It Constants")
    if not item.text and not types:
        out = [l for name, text in own for l in [".It Fn %s" % name] + filled(text)]
        own = []
    out = [".Bl -tag -width Ds"] + out + paragraphs(item.text)
    for name, text in own:
        if text and len(own) > 1:
            out += [".Pp", ".Fn %s :" % name] + filled(text)
        elif text:
            out += filled(text)
    if types:
        out += literal("\n".join(types).expandtabs(8).split("\n"))
    return out + [".El"]


def types(items):
    return [name for item in items for name in item.types]


def listed(names, macro):
    return "\n".join(joined(names, macro)) + "\n"


def joined(names, macro):
    """A line for each name with its macro, and commas between them."""
    return [".%s %s%s" % (macro, n, " ," if i + 1 < len(names) else "")
            for i, n in enumerate(names)]


def return_value(items):
    functions = [f for item in items for f in item.functions]
    numbers = [f for f in functions if f[0] == "int"]
    out, errors = [], {}
    if numbers:
        out += ["Functions of the type", ".Vt int", "return 0, or a negative", ".Va errno",
                "value, unless", ".Sx DESCRIPTION", "says otherwise.",
                ".Xr molt_strerror 3", "turns such a value into text."]
    if any("*" in f[0] for f in functions):
        out += ["Who owns what a pointer leads to, and when it is", ".Dv NULL ,", "is said in",
                ".Sx DESCRIPTION ."]
    for item in items:
        for _, name, _, own in item.functions:
            for error in set(ERRNO.findall(" ".join(item.text) + " " + own)):
                errors.setdefault(error, []).append(name)
    return out, errors


def threads(items, header):
    out = []
    for mark, words in MARKS.items():
        names = [n for item in items for _, n, _, _ in item.functions if mark in item.marks[n]]
        if names:
            out += joined(names, "Fn") + [words + ".", ".Pp"]
    rule = convention(header, "threads").partition("Marked [any]")[0]
    if all("any" in item.marks[n] for item in items for _, n, _, _ in item.functions):
        return out[:-1]
    return out + ["Else:"] + filled(rule)


def page_text(page, title, items, homes, header, version):
    functions = [f for item in items for f in item.functions]
    names = [f[1] for f in functions] or types(items)
    returned, errors = return_value(items)
    seen = set(re.findall(r"\b(molt_\w+)\(\)", "\n".join(l for i in items for l in i.text)))
    others = sorted({homes[n] for n in seen if n in homes} - {page})
    out = ['.\\" Made by tools/man3.py from include/molt.h.', ".Dd November 29, 2026",
           ".Dt %s 3" % page.upper(), ".Os Molt " + version, ".Sh NAME"]
    out += joined([page] + [n for n in names if n != page], "Nm")
    out += [".Nd " + title, ".Sh SYNOPSIS", ".In molt.h"]
    for function in functions:
        out += prototype(function)
    out += [".Sh DESCRIPTION"]
    for item in items:
        out += described(item)
    if out[out.index(".Sh DESCRIPTION") + 1] == ".Pp":
        del out[out.index(".Sh DESCRIPTION") + 1]
    if returned:
        out += [".Sh RETURN VALUES"] + returned
    if errors:
        out += [".Sh ERRORS", ".Sx DESCRIPTION", "tells when the functions return it:", ".Bl -tag -width Er"]
        for error in sorted(errors):
            out += [".It Bq Er " + error] + joined(errors[error], "Fn")
        out += [".El"]
    if functions:
        out += [".Sh THREADS"] + threads(items, header)
    out += [".Sh SEE ALSO"]
    out += joined([name + " 3" for name in ["libmolt"] + others] + ["molt 7"], "Xr")
    return "\n".join(out) + "\n"


def pages(header):
    """{file name: text}: the pages, and a link for each name that has none."""
    made, homes, out = sections(header), {}, {}
    version = re.search(r'molt_version\(void\);.*"([0-9.]+)"', header).group(1)
    for page, _, items in made:
        for item in items:
            for name in [f[1] for f in item.functions] + item.types:
                homes.setdefault(name, page)
    for name, page in homes.items():
        out[name + ".3"] = ".so man3/%s.3\n" % page
    for page, title, items in made:
        out[page + ".3"] = page_text(page, title, items, homes, header, version)
    return out


def main():
    made = pages(header_text())
    if sys.argv[1] == "--list":
        print("\n".join(sorted(made)))
        return
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, text in made.items():
        with open(os.path.join(sys.argv[1], name), "w", encoding="ascii") as f:
            f.write(text)


if __name__ == "__main__":
    main()
