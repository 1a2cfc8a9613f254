/* Starting a server: from its settings to accepting connections. */
#ifndef MO_WEB_START_SERVER_START_H
#define MO_WEB_START_SERVER_START_H

#include "web/core/server.h"

/* server_takeover.c: before the offer is read; a failure is remembered on s. */
int mo_server_takeover(molt_server *s);

#endif
