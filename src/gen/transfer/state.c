/* Named state on its way to the next generation; see state.h. */
#include "gen/transfer/state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "gen/os/memfd.h"
#include "gen/wire/messages.h"

#define BATCH (MO_WIRE_FDS / 2) /* one has at most two descriptors */
#define WHY_MAX 200

/* One key. */
typedef struct item {
	mo_list node;
	char key[MO_STATE_KEY_MAX + 1];
	int memory; /* sealed; -1: no bytes */
	size_t len;
	int fd;        /* of the program's; -1 */
	bool taken;    /* came: the program has it */
	char *refused; /* came: why */
} item;

static struct {
	pthread_mutex_t lock;
	bool ready; /* the lists are lists */
	mo_list given, came;
	size_t bytes; /* given */
	int count;    /* given */
} st = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void lock(void)
{
	pthread_mutex_lock(&st.lock);
	if (!st.ready) {
		mo_list_init(&st.given);
		mo_list_init(&st.came);
		st.ready = true;
	}
}

static void unlock(void)
{
	pthread_mutex_unlock(&st.lock);
}

static bool is_key(const char *key)
{
	size_t n = key ? strlen(key) : 0;

	if (n == 0 || n > MO_STATE_KEY_MAX)
		return false;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)key[i] <= 0x20 || (unsigned char)key[i] >= 0x7f)
			return false;
	return true;
}

static item *find(mo_list *list, const char *key)
{
	MO_LIST_EACH (node, list) {
		item *i = MO_CONTAINER_OF(node, item, node);

		if (strcmp(i->key, key) == 0)
			return i;
	}
	return NULL;
}

static item *new_item(const char *key, size_t len)
{
	item *i = mo_calloc(1, sizeof(*i));

	memcpy(i->key, key, strlen(key));
	i->memory = i->fd = -1;
	i->len = len;
	return i;
}

static void let_go(item *i)
{
	if (i->memory >= 0)
		close(i->memory);
	if (i->fd >= 0)
		close(i->fd);
	i->memory = i->fd = -1;
}

static void free_item(item *i)
{
	if (!i)
		return;
	let_go(i);
	free(i->refused);
	free(i);
}

static void unlink_given(item *i)
{
	mo_list_remove(&i->node);
	st.bytes -= i->len;
	st.count--;
	free_item(i);
}

/* ---- giving -------------------------------------------------------------------- */

static int write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int seal_bytes(const void *buf, size_t len)
{
	int fd = mo_memfd_new("molt-state"), rc;

	if (fd < 0)
		return fd;
	rc = write_all(fd, buf, len);
	if (rc == 0)
		rc = mo_memfd_seal(fd);
	if (rc == 0)
		return fd;
	close(fd);
	return rc;
}

static int fill(item *i, const void *buf, int fd)
{
	if (i->len > 0) {
		i->memory = seal_bytes(buf, i->len);
		if (i->memory < 0)
			return i->memory;
	}
	if (fd < 0)
		return 0;
	i->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	return i->fd < 0 ? -errno : 0;
}

/* What came and goes on to a successor: nobody has taken, refused or replaced it. */
static bool passes_on(const item *i)
{
	return !i->taken && !i->refused && !find(&st.given, i->key);
}

/* What goes to a successor, those given first, into out where that is given. */
static size_t collect(item **out)
{
	size_t n = 0;

	MO_LIST_EACH (node, &st.given) {
		if (out)
			out[n] = MO_CONTAINER_OF(node, item, node);
		n++;
	}
	MO_LIST_EACH (node, &st.came) {
		item *i = MO_CONTAINER_OF(node, item, node);

		if (!passes_on(i))
			continue;
		if (out)
			out[n] = i;
		n++;
	}
	return n;
}

static size_t goes_on(void)
{
	return collect(NULL);
}

/* Puts it in the place of old, which may be NULL. */
static int put(item *i, item *old)
{
	size_t bytes = st.bytes - (old ? old->len : 0);

	if (!old &&
	    (st.count == MO_STATE_KEYS || (!find(&st.came, i->key) && goes_on() >= MO_STATE_ALL)))
		return -ENOSPC;
	if (i->len > MO_STATE_BYTES - bytes)
		return -EFBIG;
	if (old)
		unlink_given(old);
	mo_list_append(&st.given, &i->node);
	st.bytes += i->len;
	st.count++;
	return 0;
}

int molt_state_give(const char *key, const void *buf, size_t len, int fd)
{
	item *i;
	int rc;

	if (!is_key(key) || (len > 0 && !buf) || fd < -1)
		return -EINVAL;
	if (len > MO_STATE_BYTES)
		return -EFBIG;
	i = new_item(key, len);
	rc = fill(i, buf, fd);
	lock();
	if (rc == 0)
		rc = put(i, find(&st.given, key));
	unlock();
	if (rc < 0)
		free_item(i);
	return rc;
}

int molt_state_drop(const char *key)
{
	item *i;

	if (!is_key(key))
		return -EINVAL;
	lock();
	i = find(&st.given, key);
	if (i)
		unlink_given(i);
	unlock();
	return i ? 0 : -ENOENT;
}

/* ---- the offer ------------------------------------------------------------------- */

/* One message of up to BATCH of them.  The descriptors are duplicates, for another
 * thread may give or take meanwhile. */
static json_t *pack(item *const *all, size_t n, int *fds, int *nfds)
{
	json_t *list = json_array();

	*nfds = 0;
	for (size_t k = 0; k < n; k++) {
		const item *i = all[k];

		json_array_append_new(list, json_pack("[s, I, b]", i->key, (json_int_t)i->len,
						      (int)(i->fd >= 0)));
		if (i->len > 0)
			fds[(*nfds)++] = fcntl(i->memory, F_DUPFD_CLOEXEC, 3);
		if (i->fd >= 0)
			fds[(*nfds)++] = fcntl(i->fd, F_DUPFD_CLOEXEC, 3);
	}
	return mo_message_new(MO_MSG_STATE, "{s:o}", "list", list);
}

/* Each message with its descriptors. */
typedef struct batch {
	json_t *body;
	int fds[MO_WIRE_FDS], nfds;
} batch;

/* malloc'd; how many. */
static size_t pack_all(batch **out, size_t *n, size_t *bytes)
{
	size_t batches = 0;
	item **all;

	lock();
	*n = collect(NULL);
	all = mo_calloc(*n + 1, sizeof(item *));
	*out = mo_calloc(*n / BATCH + 1, sizeof(batch));
	collect(all);
	for (size_t k = 0; k < *n; k++)
		*bytes += all[k]->len;
	for (size_t at = 0; at < *n; at += BATCH) {
		size_t part = *n - at < BATCH ? *n - at : BATCH;
		batch *p = &(*out)[batches++];

		p->body = pack(all + at, part, p->fds, &p->nfds);
	}
	unlock();
	free(all);
	return batches;
}

static int send_batch(batch *p, int (*send)(void *, json_t *, const int *, int), void *arg)
{
	for (int i = 0; i < p->nfds; i++)
		if (p->fds[i] < 0) {
			json_decref(p->body);
			return -EMFILE;
		}
	return send(arg, p->body, p->fds, p->nfds);
}

int mo_state_offer(int (*send)(void *arg, json_t *body, const int *fds, int n), void *arg,
		   json_t **told)
{
	batch *all;
	size_t n, bytes = 0, batches = pack_all(&all, &n, &bytes);
	int rc = 0;

	*told = n ? json_pack("{s:I, s:I}", "offered", (json_int_t)n, "bytes", (json_int_t)bytes)
		  : NULL;
	for (size_t k = 0; k < batches; k++) {
		if (rc == 0)
			rc = send_batch(&all[k], send, arg);
		else
			json_decref(all[k].body);
		for (int i = 0; i < all[k].nfds; i++)
			if (all[k].fds[i] >= 0)
				close(all[k].fds[i]);
	}
	free(all);
	return rc;
}

/* ---- the arrival -------------------------------------------------------------------- */

static int next_fd(mo_wire_msg *m, int *at)
{
	int fd = *at < m->nfds ? m->fds[*at] : -1;

	if (fd >= 0)
		m->fds[(*at)++] = -1;
	return fd;
}

int mo_state_arrive(mo_wire_msg *m)
{
	json_t *list = json_object_get(m->body, "list"), *one;
	size_t k, n = 0;
	int at = 0, rc = 0;

	lock();
	MO_LIST_EACH (node, &st.came)
		n++;
	json_array_foreach (list, k, one) {
		const char *key;
		json_int_t len;
		int has_fd;
		item *i;

		if (++n > MO_STATE_ALL + MO_STATE_KEYS ||
		    json_unpack(one, "[s, I, b]", &key, &len, &has_fd) < 0 || !is_key(key) ||
		    len < 0 || len > (json_int_t)MO_STATE_BYTES || find(&st.came, key)) {
			rc = -EPROTO;
			break;
		}
		i = new_item(key, (size_t)len);
		i->memory = len > 0 ? next_fd(m, &at) : -1;
		i->fd = has_fd ? next_fd(m, &at) : -1;
		if ((len > 0 && i->memory < 0) || (has_fd && i->fd < 0))
			rc = -EPROTO;
		mo_list_append(&st.came, &i->node);
	}
	unlock();
	return rc == 0 && at != m->nfds ? -EPROTO : rc;
}

/* ---- taking ---------------------------------------------------------------------------- */

static int read_bytes(int fd, size_t len, void **out)
{
	struct stat file = { 0 };
	size_t have = 0;
	char *p;

	if (len > 0 && (fstat(fd, &file) < 0 || (uintmax_t)file.st_size < len))
		return -EBADMSG;
	p = malloc(len + 1);
	if (!p)
		return -ENOMEM;
	while (have < len) {
		ssize_t n = pread(fd, p + have, len - have, (off_t)have);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			free(p);
			return n < 0 ? -errno : -EBADMSG;
		}
		have += (size_t)n;
	}
	p[len] = '\0';
	*out = p;
	return 0;
}

/* The item is marked as taken; what it held is the caller's. */
static int claim(const char *key, item *out)
{
	item *i;

	lock();
	i = find(&st.came, key);
	if (i && (i->taken || i->refused))
		i = NULL;
	if (i) {
		*out = *i;
		i->taken = true;
		i->memory = i->fd = -1;
	}
	unlock();
	return i ? 0 : -ENOENT;
}

/* It could not be read: it stays, for another try or for the next successor. */
static void give_back(const char *key, item *got)
{
	item *i;

	lock();
	i = find(&st.came, key);
	if (i && i->taken && !i->refused) {
		i->taken = false;
		i->memory = got->memory;
		i->fd = got->fd;
		got->memory = got->fd = -1;
	}
	unlock();
}

static struct {
	int (*read)(char **why);
} offer;

void mo_state_comes_by(int (*read_offer)(char **why))
{
	offer.read = read_offer;
}

/* The offer may not have been read yet: a program takes its state first of all. */
static int await_offer(void)
{
	char *why = NULL;
	int rc = offer.read ? offer.read(&why) : 0;

	if (rc < 0)
		mo_error("no state can be taken: %s", why);
	free(why);
	return rc;
}

int molt_state_take(const char *key, void **buf, size_t *len, int *fd)
{
	void *bytes = NULL;
	item got = { .memory = -1, .fd = -1 };
	int rc;

	if (!is_key(key) || !buf != !len)
		return -EINVAL;
	rc = await_offer();
	if (rc == 0)
		rc = claim(key, &got);
	if (rc < 0)
		return rc;
	if (buf)
		rc = read_bytes(got.memory, got.len, &bytes);
	if (rc < 0)
		give_back(key, &got);
	if (rc == 0 && buf) {
		*buf = bytes;
		*len = got.len;
	}
	if (rc == 0 && fd) {
		*fd = got.fd;
		got.fd = -1;
	}
	let_go(&got);
	return rc;
}

int molt_state_refuse(const char *key, const char *why)
{
	item *i;

	if (!is_key(key) || !why)
		return -EINVAL;
	if (await_offer() < 0)
		return -ENOENT;
	lock();
	i = find(&st.came, key);
	if (i) {
		let_go(i);
		free(i->refused);
		i->refused = mo_strndup(why, strnlen(why, WHY_MAX));
	}
	unlock();
	if (!i)
		return -ENOENT;
	mo_warn("the predecessor's state \"%s\" is not understood: %s", key, why);
	return 0;
}

json_t *mo_state_report(void)
{
	json_t *refused = json_array();
	int taken = 0, kept = 0;

	lock();
	MO_LIST_EACH (node, &st.came) {
		item *i = MO_CONTAINER_OF(node, item, node);
		/* A sentence that is no UTF-8 is told without its text. */
		json_t *why = i->refused ? json_string(i->refused) : NULL;

		if (i->refused)
			json_array_append_new(refused, json_pack("{s:s, s:o}", "key", i->key, "why",
								 why ? why : json_string("")));
		else if (i->taken)
			taken++;
		else
			kept++;
	}
	unlock();
	return json_pack("{s:i, s:i, s:o}", "taken", taken, "kept", kept, "refused", refused);
}

void mo_state_reset(void)
{
	lock();
	while (!mo_list_empty(&st.given))
		unlink_given(MO_CONTAINER_OF(st.given.next, item, node));
	while (!mo_list_empty(&st.came)) {
		item *i = MO_CONTAINER_OF(st.came.next, item, node);

		mo_list_remove(&i->node);
		free_item(i);
	}
	unlock();
}
