#include "common/base/log.h"

#include <stdarg.h>

#include "common/base/clock.h"

/* Set once by main before any thread starts, read-only afterwards. */
static enum ent_log_level max_level = ENT_LOG_INFO;
static FILE *out_file;

void ent_log_set(enum ent_log_level level, FILE *sink)
{
    max_level = level;
    out_file = sink;
}

enum ent_log_level ent_log_level(void)
{
    return max_level;
}

/* Control characters (a peer's text may be quoted) become '?', so that one entry is one line. */
static void clean(char *s)
{
    for (; *s != '\0'; s++) {
        if ((unsigned char)*s < 0x20 || *s == 0x7f) {
            *s = '?';
        }
    }
}

void ent_log(enum ent_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warn ", "info ", "debug"};
    char text[1024];
    char when[ENT_TIME_TEXT_BYTES];
    struct ent_clock clock = ent_clock_system();
    va_list ap;

    if (level > max_level) {
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    clean(text);
    ent_time_text(ent_clock_wall(&clock), when);
    (void)fprintf(out_file != NULL ? out_file : stderr, "%s %s %s\n", when, names[level], text);
}
