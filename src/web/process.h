/* The process as one service: what gen asks of the servers, and the public
 * functions for restart, shutdown and waiting. */
#ifndef MO_WEB_PROCESS_H
#define MO_WEB_PROCESS_H

#include "gen/gen.h"

const mo_gen_host *mo_process_host(void);

#endif
