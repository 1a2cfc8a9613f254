"""The admin page in a browser: at no width is anything cut, hidden or outside its box."""
import os
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
from browser import Browser  # noqa: E402
from case import Case, eventually, main, needs, program  # noqa: E402

# Around the width at which a row of the table becomes a block (1120 px), and the ends.
WIDTHS = (1920, 1280, 1121, 1120, 800, 400, 320)

# Counters as high as they come; what the reader may open is open.
FILL = """
document.querySelectorAll('td.n').forEach(e => { e.textContent = '9999999999'; });
document.querySelectorAll('td:last-child').forEach(e => {
  const one = e.firstElementChild || document.createElement('span');
  e.innerHTML = '';
  for (const n of '12345') {
    const next = one.cloneNode();
    next.textContent = n + 'xx: 9999999999';
    e.append(next, ' ');
  }
});
document.querySelectorAll('details').forEach(e => { e.open = true; });
"""

# The faults of the page as texts.  The page renews its state by a timer, so both run at once.
MEASURE = """
const faults = [];
const told = (what, node) => faults.push(what + ': ' + (node.tagName || 'text') + ' ' +
  node.textContent.trim().slice(0, 60));
const narrow = getComputedStyle(document.querySelector('thead') || document.body).display == 'none';
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
while (walker.nextNode()) {
  const node = walker.currentNode, parent = node.parentElement;
  if (!node.textContent.trim() || parent.closest('script') || narrow && parent.closest('thead'))
    continue;
  const range = document.createRange();
  range.selectNodeContents(node);
  const rects = [...range.getClientRects()].filter(r => r.width);
  if (!rects.length) told('hidden', node);
  if (parent.matches('td:first-child') && rects.length > 1) told('broken', node);
  const box = (parent.closest('td, th, dd, dt, button, section') || document.body);
  const edge = box.getBoundingClientRect();
  if (rects.some(r => r.right > edge.right + 1 || r.left < edge.left - 1)) told('outside', node);
}
for (const e of document.querySelectorAll('section, section *')) {
  if (!e.getClientRects().length) continue;
  const outer = e.closest('section').getBoundingClientRect();
  const own = e.getBoundingClientRect();
  if (own.right > outer.right + 1 || own.left < outer.left - 1) told('outside its section', e);
  if (getComputedStyle(e).overflowX != 'visible' && e.scrollWidth > e.clientWidth && e.clientWidth)
    told('cut', e);
}
if (document.documentElement.scrollWidth > innerWidth) faults.push('the page scrolls sideways');
document.querySelectorAll('tbody tr').forEach(row => {
  [...row.cells].forEach((cell, i) => {
    const title = document.querySelectorAll('th')[i].textContent;
    const label = getComputedStyle(cell, '::before').content;
    if (label != (narrow ? JSON.stringify(title) : 'none')) told('labelled ' + label, cell);
  });
});
return faults;
"""


class Page(Case):
    def started(self):
        """A server with long names, restarted once, and once in vain with a long last line."""
        directory = os.path.join(self.directory(), "a-directory-with-a-long-name")
        os.mkdir(directory)
        exe = os.path.join(directory, "an_application_with_a_name_without_a_place_to_break")
        with open(program("test/programs/app"), "rb") as f:
            good = f.read()
        self.write(exe, good)
        srv = self.server(exe, listeners=3,
                          address="127.0.0.1:0,127.0.0.2:0,unix:%s/a-socket.sock" % directory)
        self.assertEqual(self.admin(srv, "restart").status, 200)
        self.write(exe, b"#!/bin/sh\necho %s >&2\nexit 1\n" % (b"long" * 60))
        self.assertEqual(self.admin(srv, "restart").status, 502)
        self.fetch(srv, "/no-such")
        return srv, exe

    def write(self, path, data):
        new = path + ".new"
        with open(new, "wb") as f:
            f.write(data)
        os.chmod(new, 0o755)
        os.rename(new, path)

    def faults(self, browser):
        return browser.evaluate("(() => {%s%s})()" % (FILL, MEASURE))

    @needs("chromium")
    def test_nothing_is_cut_at_any_width(self):
        srv, exe = self.started()
        url = "http://127.0.0.1:%d/debug/admin" % srv.port
        pages = {"the page": url, "the question": "%s/restart?%s" % (
            url, urllib.parse.urlencode({"newExeFilePath": exe}))}
        b = Browser(self.directory(), "about:blank")
        self.addCleanup(b.close)
        for name, address in pages.items():
            b.call("Page.navigate", url=address)
            self.assertTrue(eventually(lambda: b.evaluate(
                "location.href == '%s' && document.readyState" % address) == "complete", 10))
            if name == "the page":
                self.assertEqual(b.evaluate("document.querySelectorAll('td').length"), 8)
                self.assertIn("longlong", b.evaluate("document.querySelector('pre').textContent"))
            for width in WIDTHS:
                with self.subTest(page=name, width=width):
                    b.resize(width)
                    self.assertEqual(self.faults(b), [])


if __name__ == "__main__":
    main()
