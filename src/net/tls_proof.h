/* Does this OpenSSL tell what tls_secrets.h takes it to tell?  That rests on the order of its
 * callbacks, which no manual promises, and after a record that was counted wrongly two records
 * would be sealed with one number.  So before the first connection of a process may move, the
 * process makes a connection of each TLS version in memory: OpenSSL's own client goes on with a
 * server that has shed OpenSSL, which works only when keys and both numbers are right. */
#ifndef MO_NET_TLS_PROOF_H
#define MO_NET_TLS_PROOF_H

enum mo_tls_versions { MO_TLS_V13 = 1, MO_TLS_V12 = 2, MO_TLS_VERSIONS = 3 };

/* Of which versions connections may go on without OpenSSL.  Found out at the first call, which
 * logs a warning for each that may not; the others return at once. [any] */
unsigned mo_tls_proven(void);

#endif
