/* Every setting of one server, with its final type.  Filled in this order, a
 * later one wins: defaults (mo_settings_init), the file (mo_config_fill), the
 * program's calls, the environment (mo_config_env, at molt_server_start()). */
#ifndef MO_WEB_SETTINGS_H
#define MO_WEB_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "molt.h"

typedef struct mo_settings {
	/* Strings are malloc'd and owned; NULL: not set. */
	char *address;	  /* comma list */
	int64_t unix_mode; /* of the files of unix: addresses, and who gets these */
	char *unix_user, *unix_group;
	char *https_addr; /* comma list; when NULL and a certificate is set, address is HTTPS */
	char *https_cert, *https_key;
	char *https_client_ca;
	bool https_client_required;
	char *server_agent;
	char *server_root, *index_files;
	bool index_folder;
	int64_t loops; /* 0: by CPUs */
	int64_t blocking_threads, blocking_queue;
	int64_t stack_size, max_header, max_body, max_connections, backlog;
	molt_time header_timeout, body_timeout, read_timeout, write_timeout, idle_timeout;
	bool keep_alive;
	int64_t ws_max_message, ws_max_queue;
	molt_time ws_ping, ws_close_spread;
	char *ws_origins; /* comma list */
	bool graceful;
	bool handover, tls_handover, tls_shed;
	int64_t tls_key_limit; /* records */
	int64_t bake_error_share, bake_error_min;
	molt_time bake_silence;
	molt_time bake_time, drain_timeout, shutdown_timeout, ready_timeout;
	int64_t max_generations;
	int64_t memory_budget;
	char *probe; /* comma list of "GET /health 200" */
	molt_time probe_timeout;
	bool preflight_owner, preflight_descriptors;
	int64_t preflight_memory; /* per cent of the process's size; 0: not looked at */
	char *admin_pattern; /* set: the admin page is on */
	char *admin_token;
	char *control_socket; /* path */
	char *takeover;	      /* path */
	char *exe_dirs; /* ':' list */
	bool dump_router_map;
	/* Logs of this server. */
	bool access_log, error_log;
	char *log_path; /* directory; NULL: stdout */
	char *access_log_file, *error_log_file; /* names in log_path; {Y} {m} {d} are replaced */
	bool log_stdout;
	int64_t log_level; /* enum molt_level of the process's log; -1: not set */
} mo_settings;

void mo_settings_init(mo_settings *s); /* the defaults of molt.h */
void mo_settings_fini(mo_settings *s);
/* Checks ranges and combinations of the whole.  *why: malloc'd sentence. -EINVAL. */
int mo_settings_check(const mo_settings *s, char **why);

#endif
