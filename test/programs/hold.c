/* Requests that a test holds (Case.held() of test/lib/case.py): ?hold=PATH names a file that
 * does not exist.  The request makes it when it has begun, and goes on when the file is gone:
 * the test has removed it, or its directory at the test's end. */
#include "app.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *app_hold(molt_req *r)
{
	const char *path = molt_req_query(r, "hold");
	int fd;

	if (!path)
		return NULL;
	fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0) { /* two requests of one name: no test can tell what it has held */
		molt_log(MOLT_ERROR, "hold %s: %s", path, strerror(errno));
		abort();
	}
	close(fd);
	return path;
}

bool app_held(const char *path)
{
	return path && access(path, F_OK) == 0;
}

int app_hold_sleep(const char *path)
{
	int err = 0;

	while (!err && app_held(path))
		err = molt_sleep(1);
	return err;
}

void app_hold_thread(const char *path)
{
	struct timespec t = { 0, 1000000 };

	while (app_held(path))
		nanosleep(&t, NULL);
}
