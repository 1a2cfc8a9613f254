/* From a request to its handler: what the http layer calls. */
#ifndef MO_WEB_RUN_DISPATCH_H
#define MO_WEB_RUN_DISPATCH_H

#include "http/conn/exchange.h"

extern const mo_http_app mo_web_app;

#endif
