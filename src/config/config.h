/* The configuration file and the environment.  One table in config_keys.def
 * declares every key: name, type, unit, range, default, documentation.
 *
 * A mapping below "server" is a named server.  It takes over the keys that
 * stand right below "server", except its addresses, its certificate and the log
 * level (two servers cannot listen at one place).  The same holds for
 * MOLT_SERVER_<KEY> and MOLT_SERVER_<NAME>_<KEY>.
 *
 * Set-up functions: one thread, before anything is served. */
#ifndef MO_CONFIG_H
#define MO_CONFIG_H

#include "config/config_keys.h"
#include "config/settings.h"

/* molt_config_load(), but for the servers that there are already. */
int mo_config_load(const char *path);
/* Puts what the loaded file says about server name ("default": the keys right
 * below "server"; another: "server.<name>" over those) into s.  Nothing when no
 * file was loaded. */
void mo_config_fill(const char *server, mo_settings *s);
/* Puts MOLT_SERVER_<KEY> and, for a named server, MOLT_SERVER_<NAME>_<KEY> into
 * s (the latter wins).  *why: malloc'd sentence that names the variable.  -EINVAL.
 * The first call warns about MOLT_SERVER_ variables that no server can mean. */
int mo_config_env(const char *server, mo_settings *s, char **why);
/* Takes secrets out of the environment, once, so that children of handlers do not inherit
 * them; they count on for mo_config_env(), and a successor gets them (gen/os/origin.h).  Before
 * other threads are started. */
void mo_config_env_hide(void);
/* Sets up the process log from section "logger" and MOLT_LOGGER_<KEY>; leaves
 * alone what neither mentions.  *why: malloc'd sentence.  -EINVAL, or what
 * opening the file gave. */
int mo_config_logger(char **why);
/* Puts what the loaded file says in section "logger" into l. */
void mo_config_fill_logger(mo_logger_settings *l);
/* Why the last molt_config_load() failed, or NULL. */
const char *mo_config_error(void);

/* What molt_config_load() does with the text of the file; path is for messages.
 * On failure the configuration before it stays. */
int mo_config_parse(const char *path, const char *text, size_t n);
/* Frees everything, as if nothing had been loaded. */
void mo_config_reset(void);

#endif
