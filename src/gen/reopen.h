/* Opens the log files of this process anew for another generation, which was asked to
 * (web/log_reopen.h): on a thread that may wait for a disk, one at a time, and what is
 * asked for meanwhile once more behind it. */
#ifndef MO_GEN_REOPEN_H
#define MO_GEN_REOPEN_H

/* The answer goes on our line to whoever serves: "reopened" with by and n (elders.h).
 * On the control thread. */
void mo_reopen_begin(long long by, long long n);

#endif
