/* Answering with an open file. */
#ifndef MO_WEB_FILES_FILE_H
#define MO_WEB_FILES_FILE_H

#include <sys/stat.h>

#include "http/conn/exchange.h"

/* How to open a file that a client may name: what is put there after the look at its
 * kind must not block the loop. */
#define MO_FILE_FLAGS (O_RDONLY | O_NONBLOCK)

/* Answers with the regular file fd, of which st says the truth; name gives the
 * type, unless the program has set one.  max_age: Cache-Control, 0 for none.
 * Conditions and ranges are looked at for GET and HEAD when the status is 200.
 * fd stays the caller's, and may be closed afterwards.  0, -EALREADY (the head
 * was sent), or what sending gave.  [parks] */
int mo_file_answer(molt_req *r, int fd, const struct stat *st, const char *name, molt_time max_age);

#endif
