/* Every setting of one server, with its final type.  Filled in this order, a
 * later one wins: defaults (mo_settings_init), the file (mo_config_fill), the
 * program's calls, the environment (mo_config_env, at molt_server_start()). */
#ifndef MO_CONFIG_SETTINGS_H
#define MO_CONFIG_SETTINGS_H

#include "config/config_keys.h"

/* The members are those of the table: config_keys.def says what each means. */
typedef struct mo_settings {
#define SERVER_KEY(kind, member, ...) MO_C_##kind member;
#include "config/config_keys.def"
} mo_settings;

void mo_settings_init(mo_settings *s); /* the defaults of molt.h */
void mo_settings_fini(mo_settings *s);
/* Checks ranges and combinations of the whole.  *why: malloc'd sentence. -EINVAL. */
int mo_settings_check(const mo_settings *s, char **why);

#endif
