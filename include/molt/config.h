/* SPDX-License-Identifier: MIT
 *
 * The configuration.
 * Programs include molt.h, which includes this file. */
#ifndef MOLT_CONFIG_H
#define MOLT_CONFIG_H

#include "molt/types.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- configuration --------------------------------------------------- */

/* Reads YAML; section "server" configures servers by name, "logger" the log;
 * doc/configuration.md has the keys.  Call it before molt_server_get() or right after: what the
 * program sets later wins over the file, the environment (MOLT_SERVER_<KEY>) wins over both.
 * Reports every unknown key and wrong type with file:line through the log and returns -EINVAL;
 * -ENOENT when there is no file.  Read again by each new generation. */
MOLT_API int molt_config_load(const char *path);
/* A value of the file by its path, "app.title".  Owned by the library. */
MOLT_API const char *molt_config_str(const char *dotted_key, const char *fallback);
MOLT_API int64_t molt_config_int(const char *dotted_key, int64_t fallback);

#ifdef __cplusplus
}
#endif
#endif
