/* Says what its main() finds: of a program that keeps something for itself, and of one that does
 * not; see MOLT_AT_START(). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "molt.h"

#ifdef KEEPS
MOLT_AT_START(KEEPS);
#endif

int main(void)
{
	static const char *const names[] = { "NOTIFY_SOCKET", "WATCHDOG_USEC", "LISTEN_FDS",
					     "MOLT_SUPERVISED" };

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		printf("%s %s\n", names[i], getenv(names[i]) ? getenv(names[i]) : "-");
	printf("stdin %s\n", fcntl(STDIN_FILENO, F_GETFD) < 0 ? "closed" : "open");
	printf("pid %d\n", (int)getpid());
	fflush(stdout);
	if (getenv("SIGNAL"))
		raise(SIGUSR1);
	/* Something of the library itself is needed, or its constructor would not be linked. */
	return molt_version()[0] == '\0';
}
