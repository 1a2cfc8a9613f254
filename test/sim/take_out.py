#!/usr/bin/env python3
"""Takes a mend out of a file of the library: take_out.py NAME SOURCE OUT

The simulator must find what was mended, in an image that is built from OUT (meson.build). A text
that is not in the file exactly once ends the build: whoever changes the mend changes it here."""
import sys

# Of each: the file, the number of a schedule a little before the one that finds the fault, the text
# of the mend, and what stood there without it.
MENDS = {
    # Faults that were found by reading and in use, before there was a simulator.
    "late_pack": ("pack_round.c", 700, "if (packed.open && packed.round == round)", "if (round)"),
    "receipt_back": ("predecessor.c", 600, "\tmo_successor_tell_receipt(p->receipt->body);\n", ""),
    # What the simulator found.
    "claim": ("standby.c", 11300, "\treturn mo_supervisor_client_claim();\n", "\treturn true;\n"),
    "older_claim": ("successor.c", 37800, "if (!mo_older_claim() && ", "if (false && "),
    "begun": ("rollback.c", 9000, "\tmo_child_kill_next(&p->child);\n", ""),
    "alone": ("drain.c", 83200, "\t\tif (say == MO_DRAIN_ALONE)\n\t\t\treturn ALONE;\n\t\tif (load.requests",
              "\t\tif (load.requests"),
    "cut": ("wire.c", 31200, "\t\tlose_fds(out);\n\tout->packet", "\t\treturn lose_fds(out), -EBADMSG;\n\tout->packet"),
}
MOST = 20000  # schedules from there on


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join("%s %s %d %d" % (name, mend[0], mend[1], MOST) for name, mend in MENDS.items()))
        return
    name, source, out = sys.argv[1:]
    _, _, text, without = MENDS[name]
    whole = open(source).read()
    if whole.count(text) != 1:
        sys.exit("%s: the mend \"%s\" is there %d times; test/sim/take_out.py names it"
                 % (source, name, whole.count(text)))
    with open(out, "w") as f:
        f.write(whole.replace(text, without))


main()
