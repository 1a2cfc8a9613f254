/* The configuration file and the environment.  One table in config.c declares
 * every key: name, type, unit, range, default, documentation. */
#ifndef MO_WEB_CONFIG_H
#define MO_WEB_CONFIG_H

#include "web/settings.h"

/* Puts what the loaded file says about server name ("default": the keys right
 * below "server"; another: "server.<name>" over those) into s.  Nothing when no
 * file was loaded. */
void mo_config_fill(const char *server, mo_settings *s);
/* Puts MOLT_SERVER_<KEY> and, for a named server, MOLT_SERVER_<NAME>_<KEY> into
 * s (the latter wins).  *why: malloc'd sentence that names the variable.  -EINVAL. */
int mo_config_env(const char *server, mo_settings *s, char **why);
/* Sets up the process log from section "logger" and MOLT_LOGGER_<KEY>. */
int mo_config_logger(char **why);
/* Sticky failure of molt_config_load(): the sentence, or NULL. */
const char *mo_config_error(void);

#endif
