/* Text in HTML pages. */
#ifndef MO_WEB_OUT_HTML_H
#define MO_WEB_OUT_HTML_H

#include "base/buf.h"

/* Appends text so that it means itself, in content and in quoted attributes. */
void mo_html_escape(mo_buf *out, const char *text);

#endif
