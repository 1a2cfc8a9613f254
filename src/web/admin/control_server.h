/* The control socket: a server of the library. */
#ifndef MO_WEB_ADMIN_CONTROL_SERVER_H
#define MO_WEB_ADMIN_CONTROL_SERVER_H

#include "molt.h"

/* Opens the control socket that s or the supervisor wants, unless there is one.  By
 * molt_server_start(); a failure is remembered on s. */
int mo_control_server_start(molt_server *s);

#endif
