#include "common/base/err.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_BYTES 512
#define MAX_EXIT_STATUS 255

static const struct {
    const char *name;
    const char *text;
    int exit_status;
} table[ENT_E_COUNT] = {
#define ENT_ERR(code_, exit_, text_) [ENT_E_##code_] = {#code_, text_, exit_},
#include "common/base/err.def"
#undef ENT_ERR
};

static _Thread_local char message[MESSAGE_BYTES];
static _Thread_local char lower[32];

bool ent_err_valid(unsigned long code)
{
    return code < (unsigned long)ENT_E_COUNT;
}

const char *ent_err_name(enum ent_err err)
{
    size_t i = 0;

    if (!ent_err_valid(err)) {
        return "unknown";
    }
    for (; table[err].name[i] != '\0' && i + 1 < sizeof lower; i++) {
        char c = table[err].name[i];

        lower[i] = (char)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
    }
    lower[i] = '\0';
    return lower;
}

const char *ent_err_text(enum ent_err err)
{
    return ent_err_valid(err) ? table[err].text : "unknown error";
}

int ent_err_exit(enum ent_err err)
{
    return ent_err_valid(err) ? table[err].exit_status : table[ENT_E_INTERNAL].exit_status;
}

enum ent_err ent_err_record(enum ent_err err, const char *fmt, ...)
{
    char text[MESSAGE_BYTES]; /* an argument may be the recorded message itself */
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    memcpy(message, text, sizeof message);
    return err;
}

enum ent_err ent_err_prefix(enum ent_err err, const char *fmt, ...)
{
    char prefix[MESSAGE_BYTES];
    char joined[2 * MESSAGE_BYTES + 2];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(prefix, sizeof prefix, fmt, ap);
    va_end(ap);
    (void)snprintf(joined, sizeof joined, "%s: %s", prefix,
                   message[0] != '\0' ? message : ent_err_text(err));
    (void)snprintf(message, sizeof message, "%.*s", MESSAGE_BYTES - 1, joined);
    return err;
}

const char *ent_err_message(void)
{
    return message;
}

void ent_err_print_exit_statuses(FILE *out)
{
    (void)fprintf(out, "Exit statuses:\n");
    for (int status = 0; status <= MAX_EXIT_STATUS; status++) {
        for (int i = 0; i < ENT_E_COUNT; i++) {
            if (table[i].exit_status == status) {
                (void)fprintf(out, "  %3d  %s\n", status, table[i].text);
            }
        }
    }
}

_Noreturn void ent_bug(const char *file, int line, const char *what)
{
    (void)fprintf(stderr, "entente: bug at %s:%d: %s\n", file, line, what);
    abort();
}
