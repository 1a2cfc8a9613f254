/* How many descriptors this process has open (and one more, for the look). */
#ifndef DESCRIPTORS_H
#define DESCRIPTORS_H

#include <dirent.h>

static inline int open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
