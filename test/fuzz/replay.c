/* Runs a fuzz target over every file of the directories named on the command
 * line; no fuzzer and no clang needed.  Fails when there was no file. */
#include <dirent.h>
#include <stdio.h>

#include "fuzz.h"

#define INPUT_MAX (1u << 20)

static int replay_file(const char *path)
{
	uint8_t *bytes = malloc(INPUT_MAX);
	FILE *f = fopen(path, "rb");
	size_t n;

	MO_CHECK(bytes != NULL);
	if (!f) {
		perror(path);
		free(bytes);
		return 1;
	}
	n = fread(bytes, 1, INPUT_MAX, f);
	fclose(f);
	printf("%s: %zu bytes\n", path, n);
	fflush(stdout);
	LLVMFuzzerTestOneInput(bytes, n);
	free(bytes);
	return 0;
}

static int replay_dir(const char *path, int *count)
{
	DIR *dir = opendir(path);
	char file[4096];
	int failed = 0;

	if (!dir) {
		perror(path);
		return 1;
	}
	for (struct dirent *e; (e = readdir(dir)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, e->d_name);
		failed |= replay_file(file);
		++*count;
	}
	closedir(dir);
	return failed;
}

int main(int argc, char **argv)
{
	int count = 0, failed = 0;

	for (int i = 1; i < argc; i++)
		failed |= replay_dir(argv[i], &count);
	printf("%d files\n", count);
	return failed || count == 0;
}
