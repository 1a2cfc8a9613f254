/* Escaping for HTML; used by every page that the library makes itself. */
#include "web/out/html.h"

void mo_html_escape(mo_buf *out, const char *text)
{
	for (const char *p = text; *p; p++) {
		switch (*p) {
		case '&':
			mo_buf_puts(out, "&amp;");
			break;
		case '<':
			mo_buf_puts(out, "&lt;");
			break;
		case '>':
			mo_buf_puts(out, "&gt;");
			break;
		case '"':
			mo_buf_puts(out, "&quot;");
			break;
		case '\'':
			mo_buf_puts(out, "&#39;");
			break;
		default:
			mo_buf_putc(out, *p);
		}
	}
}
