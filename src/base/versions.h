/* Versions of something that two programs of neighbouring releases both read and write: a
 * protocol, the form of a state.  Each program has a range of them, without gaps.
 *
 * Always: a new version only adds, and the range keeps the old one as long as programs
 * that know nothing newer may still run; what is written is of a version that the reader
 * has named. */
#ifndef MO_BASE_VERSIONS_H
#define MO_BASE_VERSIONS_H

typedef struct mo_versions {
	int lowest, highest; /* both 0: there is none */
} mo_versions;

/* The highest version of both ranges; 0: none is of both. */
static inline int mo_versions_common(mo_versions a, mo_versions b)
{
	int lowest = a.lowest > b.lowest ? a.lowest : b.lowest;
	int highest = a.highest < b.highest ? a.highest : b.highest;

	return lowest > 0 && lowest <= highest ? highest : 0;
}

#endif
