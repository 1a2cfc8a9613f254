/* The test application: one route for each thing that the tests look at and the
 * demo does not have.  Built twice, with BUILD "1" and "2", to be replaced by a
 * newer version of itself. */
#ifndef TEST_APP_H
#define TEST_APP_H

#include <molt.h>

#ifndef BUILD
#define BUILD "1"
#endif

/* A text as the void * argument of a callback, which only reads it. */
static inline void *app_text(const char *text)
{
	return (void *)(uintptr_t)text;
}

/* The number in query parameter name; fallback when there is none. */
int app_number(molt_req *r, const char *name, int fallback);

/* A request with ?hold= says that it has begun; the file that it waits for, or NULL. */
const char *app_hold(molt_req *r);
bool app_held(const char *path);        /* it has not been released */
int app_hold_sleep(const char *path);   /* until then, as molt_sleep() does; its error */
void app_hold_thread(const char *path); /* the same, blocking its thread */

void app_http_routes(molt_server *s);    /* requests, answers, routing */
void app_wait_routes(molt_server *s);    /* handlers that wait, block, stream */
void app_step_routes(molt_server *s);    /* requests in parts */
void app_ws_routes(molt_server *s);      /* WebSockets, event streams */
void app_once_routes(molt_server *s);    /* requests whose execution is counted */
void app_state_routes(molt_server *s);   /* state for the next generation */
void app_process_routes(molt_server *s); /* what the process is and does */

#endif
