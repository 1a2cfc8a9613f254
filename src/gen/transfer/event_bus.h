/* Events that are published, between the generations that live at once: an event
 * reaches each subscriber once, in whichever generation its connection is.
 *
 * All events of a process pass through its control thread, one after another:
 * host->event() gives one to the loops, and each link takes it to the neighbour.
 *
 *   link   to             numbers
 *   up     predecessor    each event counts; it is kept until the predecessor says
 *                         that it has seen it
 *   down   successor      none: the channel's order is enough
 *
 * What matters is who gives connections to whom: a successor that was rolled back
 * and gives them back is above its predecessor from then on, which may have several
 * above it, and one successor below.
 *
 * A subscriber that moves from the predecessor (P) to the successor (S):
 *   - P's events before it was packed were given to it in P, and go down the
 *     channel before it does, when it is no subscriber of S yet;
 *   - P's events after that go down behind it, and S gives them to it;
 *   - S's events come up to P in order; "seen" says with the connection how many
 *     of them P had given it.  S gives it those that came after (missed).
 * One that S refuses was never away: what P published or saw meanwhile was added
 * to its output.
 *
 * Always: on the control thread, except where marked. */
#ifndef MO_GEN_TRANSFER_EVENT_BUS_H
#define MO_GEN_TRANSFER_EVENT_BUS_H

#include <stddef.h>
#include <stdint.h>

#include "gen/gen.h"
#include "gen/wire/wire.h"

#define MO_EVENT_MAX (64u * 1024) /* all parts of one event; fits one message */

typedef struct mo_event {
	_Atomic int refs;
	molt_str topic, name, id, data; /* NUL-terminated */
	char bytes[];
} mo_event;

/* Whether name and id are of one line, as fields of an event stream must be.  [any] */
bool mo_event_is_lined(molt_str name, molt_str id);
/* The sum of the parts is at most MO_EVENT_MAX. [any] */
mo_event *mo_event_new(molt_str topic, molt_str name, molt_str id, molt_str data);
mo_event *mo_event_ref(mo_event *e); /* [any] */
void mo_event_unref(mo_event *e);    /* [any] */

/* Takes e over.  false: there is no control thread; e stays the caller's. [any] */
bool mo_event_bus_publish(mo_event *e);

/* ---- the predecessor's side: down ---- */

void mo_event_bus_down_open(int fd);
void mo_event_bus_down_close(void);
/* From the turn in which connections are packed: events published later wait for
 * release.  Returns how many events of the successor have been given out. */
uint64_t mo_event_bus_hold(void);
/* Sends the events from before the hold; may park. */
void mo_event_bus_settle(void);
void mo_event_bus_release(void);
void mo_event_bus_from_below(const mo_wire_msg *m);
/* Tells the successor what was seen, when that has changed. */
void mo_event_bus_tell_seen(void);

/* ---- the successor's side: up ---- */

void mo_event_bus_up_open(int fd);
void mo_event_bus_up_close(int fd); /* also when there is none */
void mo_event_bus_from_above(int fd, const mo_wire_msg *m);
void mo_event_bus_seen(int fd, uint64_t number);
/* From here to the end of the pin none that is kept is dropped, whatever comes or breaks:
 * what was known of a connection that is taken is known until it is served.  false: there
 * is no such link. */
bool mo_event_bus_pin(int fd);
void mo_event_bus_unpin(int fd);
/* No event goes to the predecessor between the two, so that what waits for room in the channel
 * gets it: a flood of events would take each that becomes free. */
void mo_event_bus_give_way(int fd);
void mo_event_bus_go_on(int fd);
/* The events behind number, oldest first; the array is malloc'd, each event one
 * reference.  -ENOENT: some are no longer kept. */
int mo_event_bus_missed(int fd, uint64_t number, mo_event ***out, size_t *n);

/* ---- a rollback: the sides change ----
 *
 * One message marks the place in the predecessor's order from which its events
 * count: it turns when that has been sent, the successor when it is read. */

/* The successor below is above from here on. */
void mo_event_bus_turn_up(int fd);
/* The predecessor above is below from here on. */
void mo_event_bus_turn_down(int fd);

#endif
