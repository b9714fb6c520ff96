/* IN one line · OUT standard error (or a test's sink) · OWNS level and sink, set once before
 * threads start THREADS any · SOURCE -
 *
 * "2026-11-24T14:02:07Z warn  brand-c: connection lost, ..." No secret and no customer value ever
 * goes in. */
#ifndef ENT_COMMON_BASE_LOG_H
#define ENT_COMMON_BASE_LOG_H

#include <stdio.h>

#include "common/base/err.h"

enum ent_log_level { ENT_LOG_ERROR, ENT_LOG_WARN, ENT_LOG_INFO, ENT_LOG_DEBUG };

void ent_log_set(enum ent_log_level level, FILE *sink);
enum ent_log_level ent_log_level(void);
void ent_log(enum ent_log_level level, const char *fmt, ...) ENT_PRINTF(2, 3);

#define ent_log_error(...) ent_log(ENT_LOG_ERROR, __VA_ARGS__)
#define ent_log_warn(...) ent_log(ENT_LOG_WARN, __VA_ARGS__)
#define ent_log_info(...) ent_log(ENT_LOG_INFO, __VA_ARGS__)
#define ent_log_debug(...) ent_log(ENT_LOG_DEBUG, __VA_ARGS__)

#endif
