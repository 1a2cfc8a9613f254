#!/usr/bin/env python3
"""Makes man/libmolt.3, the index of functions by group, from include/molt.h and its parts.

Usage: tools/man_index.py >man/libmolt.3
"""
import man3

TOP = r""".\" Made by tools/man_index.py from include/molt.h.
.Dd November 22, 2026
.Dt LIBMOLT 3
.Os
.Sh NAME
.Nm libmolt
.Nd functions for web servers that replace their own program while they serve
.Sh SYNOPSIS
.In molt.h
.Pp
Link with
.Fl lmolt ,
or with what
.Ql pkg-config --cflags --libs molt
prints.
.Sh DESCRIPTION
This is the index by groups.
Each group has a page, made from the comments of
.In molt.h ,
that tells of each function the units, ownership, errors and rules for threads;
each function leads there by its name, as
.Ql man molt_req_param .
.Pp
Functions that return
.Vt int
return 0 or a negative
.Va errno
value, which
.Fn molt_strerror
turns into text.
"""
BOTTOM = r""".Sh EXAMPLES
.Bd -literal -offset indent
#include <molt.h>

static void hello(molt_req *r)
{
	molt_res_puts(r, "Hello!");
}

int main(void)
{
	molt_server *s = molt_server_get(NULL);

	molt_bind(molt_routes(s), "/", hello, NULL);
	molt_server_set_graceful(s, true);
	molt_server_set_port(s, 8199);
	return molt_server_run(s);
}
.Ed
.Sh SEE ALSO
.Xr molt 7
"""


def main():
    out = TOP
    for page, title, items in man3.sections(man3.header_text()):
        names = [name for item in items for _, name, _, _ in item.functions]
        out += ".Ss %s\n.Xr %s 3 :\n" % (title[0].upper() + title[1:], page)
        out += man3.listed(names or man3.types(items), "Fn" if names else "Vt")
    print(out + BOTTOM, end="")


if __name__ == "__main__":
    main()
