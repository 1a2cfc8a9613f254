/* Words that must not be lost; and questions that have their answer on a channel of their
 * own, which goes with them: for a socket on which one side only ever sends, or many do. */
#ifndef MO_GEN_WIRE_QUESTION_H
#define MO_GEN_WIRE_QUESTION_H

#include "gen/wire/messages.h"

/* Sends one word, and waits for room, descriptors or memory where these are short: 0, also
 * when the other side has ended; -ECANCELED; what sending gave in the end.  [parks] */
int mo_word_tell(int fd, enum mo_msg what, molt_time limit);

/* Sends the question and waits: 0 and the answer, to be freed; -ENOTCONN: the other side has
 * closed fd; -EPIPE: it does not know the question, or has ended; -ETIMEDOUT; what sending or
 * waiting gave.  [parks] */
int mo_question_ask(int fd, enum mo_msg what, molt_time limit, mo_wire_msg *answer);
/* Answers one that has come (MO_FDS_ONE).  0; -EPIPE: who asked waits no longer. */
int mo_question_answer(const mo_wire_msg *m, json_t *body);

#endif
