/* What the fuzz targets share.  Each target is one function over one input; a
 * broken property ends the process through MO_CHECK.  libFuzzer calls it with
 * inputs of its own, replay.c with the files of test/fuzz/corpus. */
#ifndef TEST_FUZZ_H
#define TEST_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A heap copy of exactly n bytes, so that a read beyond it is seen. */
static inline char *exact_copy(const void *data, size_t n)
{
	char *copy = malloc(n ? n : 1);

	MO_CHECK(copy != NULL);
	if (n > 0)
		memcpy(copy, data, n);
	return copy;
}

/* A row of numbers that depends on the input alone. */
static inline unsigned next_number(unsigned *seed, unsigned below)
{
	*seed = *seed * 1664525u + 1013904223u;
	return (*seed >> 16) % below;
}

#endif
