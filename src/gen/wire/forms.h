/* In which versions two generations speak and hand over: the handover protocol itself,
 * and each form of state that a connection takes along (a form: "tls", or the name of a
 * protocol whose connections have a state).
 *
 * Both sides name their ranges, in "takeover", "offer" and "ready":
 *
 *   protocol            the lowest version of the handover protocol: programs before the
 *   protocol_highest    ranges compare it with the only one that they know; absent: the same
 *   tls_state           the same for the state of TLS; absent: none is taken
 *   tls_state_highest
 *   forms               {name: [lowest, highest]} of each other form; absent (older
 *                       programs): version 1 of whatever form
 *
 * Without a common version of the protocol there is no restart (EPROTO).  Without one of a
 * form, connections with such a state stay where they are and drain. */
#ifndef MO_GEN_WIRE_FORMS_H
#define MO_GEN_WIRE_FORMS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/versions.h"
#include "gen/gen.h"

#define MO_FORM_TLS "tls"

/* What a neighbour and this program have in common: the versions; 0: none. */
typedef struct mo_forms {
	int protocol;
	struct {
		const char *name; /* of the host's list */
		int version;
	} form[MO_GEN_FORMS];
	size_t n;
} mo_forms;

/* Adds what this program speaks to a message. */
void mo_forms_name(json_t *body, const mo_gen_host *host);
/* The protocol alone: for a message before there is a host. */
void mo_forms_name_protocol(json_t *body);
/* What a message names, against what this program speaks. */
void mo_forms_read(mo_forms *f, const json_t *body, const mo_gen_host *host);
/* NULL when the protocol of a message can be spoken here; else why not, owned.  WHO sent
 * the message, for the sentence. */
char *mo_forms_refuse(const json_t *body, const char *who);
/* The common version of a form: how to write it for that neighbour; 0: not at all. */
int mo_forms_version(const mo_forms *f, const char *name);

#endif
