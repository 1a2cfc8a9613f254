/* Programs that must never serve: each is made in the temporary directory, a
 * restart to it is asked for under load, and afterwards the same process must
 * serve.  At the end a good restart must work. */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "prove/prove.h"

#define MAX_PROGRAM ((size_t)256 * 1024 * 1024)

/* The program under proof, as bytes to be spoiled. */
struct image {
	char *data;
	size_t len;
};

static void exits(FILE *f, const struct image *i)
{
	fputs("#!/bin/sh\necho 'cannot open the database' >&2\nexit 1\n", f);
}

static void exits_well(FILE *f, const struct image *i)
{
	fputs("#!/bin/sh\nexit 0\n", f);
}

static void crashes(FILE *f, const struct image *i)
{
	fputs("#!/bin/sh\nulimit -c 0\nkill -SEGV $$\n", f);
}

static void hangs(FILE *f, const struct image *i)
{
	fputs("#!/bin/sh\nexec sleep 600\n", f);
}

static void no_interpreter(FILE *f, const struct image *i)
{
	fputs("#!/nonexistent/interpreter\n", f);
}

static void is_text(FILE *f, const struct image *i)
{
	fputs("This is no program.\n", f);
}

static void is_empty(FILE *f, const struct image *i)
{
}

static void is_whole(FILE *f, const struct image *i)
{
	fwrite(i->data, 1, i->len, f);
}

/* Half of what is loaded; what follows that (symbols) may well be missing. */
static void is_half(FILE *f, const struct image *i)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;
	size_t end = 0;

	memcpy(&head, i->data, sizeof(head));
	for (size_t n = 0; n < head.e_phnum; n++) {
		size_t at = head.e_phoff + n * sizeof(part);

		if (at > i->len - sizeof(part))
			break;
		memcpy(&part, i->data + at, sizeof(part));
		if (part.p_type == PT_LOAD && part.p_offset + part.p_filesz > end)
			end = part.p_offset + part.p_filesz;
	}
	fwrite(i->data, 1, (end < i->len ? end : i->len) / 2, f);
}

static void is_head(FILE *f, const struct image *i)
{
	fwrite(i->data, 1, i->len < 40 ? i->len : 40, f);
}

/* A copy of the program for a machine that is not this one. */
static void wrong_machine(FILE *f, const struct image *i)
{
	Elf64_Half machine;

	memcpy(&machine, i->data + offsetof(Elf64_Ehdr, e_machine), sizeof(machine));
	machine = machine == EM_S390 ? EM_SPARCV9 : EM_S390;
	memcpy(i->data + offsetof(Elf64_Ehdr, e_machine), &machine, sizeof(machine));
	is_whole(f, i);
}

/* A copy whose first instruction is outside of its code. */
static void wrong_entry(FILE *f, const struct image *i)
{
	memset(i->data + offsetof(Elf64_Ehdr, e_entry), 0, sizeof(Elf64_Addr));
	is_whole(f, i);
}

static const struct bad {
	const char *name;
	void (*make)(FILE *f, const struct image *i); /* NULL: there is no such file */
	mode_t mode;
	bool of_elf; /* made of the program, which must be one of this machine */
} bads[] = {
	{ "missing", NULL, 0, false },
	{ "empty", is_empty, 0755, false },
	{ "text", is_text, 0755, false },
	{ "not executable", is_whole, 0644, true },
	{ "writable by all", is_whole, 0777, true },
	{ "truncated", is_half, 0755, true },
	{ "only a head", is_head, 0755, true },
	{ "wrong machine", wrong_machine, 0755, true },
	{ "no interpreter", no_interpreter, 0755, false },
	{ "crashes at start", wrong_entry, 0755, true },
	{ "SIGSEGV in its start", crashes, 0755, false },
	{ "exits with 1", exits, 0755, false },
	{ "exits with 0", exits_well, 0755, false },
	{ "hangs", hangs, 0755, false },
};

static struct image read_image(pid_t pid)
{
	char *path = mo_fmt("/proc/%d/exe", (int)pid);
	FILE *f = fopen(path, "r");
	struct image i = { NULL, 0 };
	struct stat st;

	if (f && fstat(fileno(f), &st) == 0 && st.st_size > 0 && (size_t)st.st_size < MAX_PROGRAM) {
		i.data = mo_malloc((size_t)st.st_size);
		i.len = fread(i.data, 1, (size_t)st.st_size, f);
	}
	if (f)
		fclose(f);
	free(path);
	return i;
}

static bool is_elf64(const struct image *i)
{
	return i->len > sizeof(Elf64_Ehdr) && memcmp(i->data, ELFMAG, SELFMAG) == 0 &&
	       i->data[EI_CLASS] == ELFCLASS64;
}

/* Spoils a copy, so that each starts from the true bytes. */
static bool make_file(const struct bad *b, const char *path, const struct image *image)
{
	struct image copy = { mo_malloc(image->len + 1), image->len };
	FILE *f;
	bool good;

	unlink(path);
	if (image->len)
		memcpy(copy.data, image->data, image->len);
	f = b->make ? fopen(path, "w") : NULL;
	good = f || !b->make;
	if (f) {
		b->make(f, &copy);
		good = fclose(f) == 0 && chmod(path, b->mode) == 0;
	}
	free(copy.data);
	return good;
}

static void note(mo_prove *p, json_t *list, const struct bad *b, const mo_answer *a, pid_t before,
		 double took)
{
	const json_t *receipt = json_object_get(a->body, "receipt");
	const char *outcome = json_string_value(json_object_get(a->body, "outcome"));
	const char *reason = json_string_value(json_object_get(a->body, "reason"));
	const char *phase = json_string_value(json_object_get(receipt, "phase"));
	bool refused = a->status >= 300;
	pid_t now = mo_program_serving(p);

	if (!refused)
		mo_prove_blame(p, "bad versions: \"%s\" was said to serve", b->name);
	if (now != before)
		mo_prove_blame(p, "bad versions: after \"%s\" pid %d serves instead of %d", b->name,
			       (int)now, (int)before);
	json_array_append_new(list, json_pack("{s:s, s:b, s:s?, s:s?, s:s?, s:f}", "name", b->name,
					      "good", refused && now == before, "outcome", outcome,
					      "phase", phase, "reason", reason, "ms", took));
}

static void try_one(mo_prove *p, json_t *list, const struct bad *b, const struct image *image)
{
	char *path = mo_fmt("%s/version", p->dir);
	pid_t before = mo_program_serving(p);
	molt_time begun = mo_now();
	mo_answer a;
	int rc;

	if (!make_file(b, path, image)) {
		mo_prove_blame(p, "bad versions: %s cannot be written: %s", path, strerror(errno));
	} else {
		rc = mo_program_restart(p, path, &a);
		if (rc == 0) {
			note(p, list, b, &a, before, (double)(mo_now() - begun));
			mo_answer_free(&a);
		} else if (!mo_prove_interrupted) {
			mo_prove_blame(p, "bad versions: no answer to \"%s\": %s", b->name,
				       molt_strerror(rc));
		}
	}
	unlink(path);
	free(path);
}

void mo_prove_bad_versions(mo_prove *p)
{
	mo_load *l = mo_prove_load_begin(p);
	struct image image = read_image(mo_program_serving(p));
	json_t *list = json_array();
	mo_answer a = { 0 };

	json_object_set_new(p->seen, "bad_versions", list);
	for (size_t i = 0; i < MO_COUNTOF(bads) && !mo_prove_interrupted; i++) {
		mo_prove_progress("bad version %zu/%zu: %s", i + 1, MO_COUNTOF(bads), bads[i].name);
		if (bads[i].of_elf && !is_elf64(&image))
			mo_prove_skip(p, bads[i].name,
				      "the program's file cannot be read, or is no ELF64");
		else if (bads[i].make == hangs && p->o.control)
			mo_prove_skip(p, bads[i].name,
				      "the readyTimeout of a running program is its own");
		else
			try_one(p, list, &bads[i], &image);
	}
	if (!mo_prove_interrupted && (mo_program_restart(p, NULL, &a) < 0 || a.status >= 300))
		mo_prove_blame(p, "bad versions: the good restart after them failed");
	mo_answer_free(&a);
	free(image.data);
	mo_prove_load_end(p, l, "bad versions");
}
