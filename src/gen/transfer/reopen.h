/* Opens the log files of this process anew for another generation, which was asked to
 * (web/run/log_reopen.h): on a thread that may wait for a disk, one at a time, and what is
 * asked for meanwhile once more behind it. */
#ifndef MO_GEN_TRANSFER_REOPEN_H
#define MO_GEN_TRANSFER_REOPEN_H

#include <jansson.h>

/* The answer is a "reopened" message with by and n, to be sent by say() to whoever serves.
 * On the control thread. */
void mo_reopen_begin(long long by, long long n, void (*say)(json_t *body));

#endif
