/* The names of a connection's states, for the sentence that ends a process whose
 * connection takes a way that is not in its table; see conn_state.h. */
#include "http/conn/conn_state.h"

#include "base/check.h"

_Static_assert(MO_CONN_STATES <= 8, "the table has eight bits for each state");

const char *mo_conn_state_name(unsigned state)
{
	static const char *const names[] = {
		[MO_CONN_NEW] = "NEW",         [MO_CONN_HANDSHAKE] = "HANDSHAKE",
		[MO_CONN_IDLE] = "IDLE",       [MO_CONN_HEAD] = "HEAD",
		[MO_CONN_RUNNING] = "RUNNING", [MO_CONN_LINGER] = "LINGER",
		[MO_CONN_MOVING] = "MOVING",   [MO_CONN_CLOSED] = "CLOSED",
	};

	return state < MO_CONN_STATES ? names[state] : "unknown";
}

noreturn void mo_conn_state_broken(unsigned from, unsigned to)
{
	MO_DIE("invariant broken: a connection that is %s cannot become %s",
	       mo_conn_state_name(from), mo_conn_state_name(to));
}
