/* IN - · OUT - · OWNS the last error's text, one per thread · THREADS any · SOURCE err.def
 *
 * Whatever can fail returns `enum ent_err` (must be used); results go out by pointer, last; outputs
 * are untouched on error. Who detects an error records its context once with ent_err_note; callers
 * pass the code up unchanged; only main and the engine print. A bug of ours aborts (ENT_BUG_ON);
 * what a peer or a file can cause returns an error. */
#ifndef ENT_COMMON_BASE_ERR_H
#define ENT_COMMON_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define ENT_MUST __attribute__((warn_unused_result))
#define ENT_PRINTF(fmt_, args_) __attribute__((format(printf, fmt_, args_)))

enum ent_err {
#define ENT_ERR(code_, exit_, text_) ENT_E_##code_,
#include "common/base/err.def"
#undef ENT_ERR
    ENT_E_COUNT
};

/* "ENT_E_DATA" without its prefix, in lower case: "data". Static. */
const char *ent_err_name(enum ent_err err);

/* The general sentence of err.def. Static. */
const char *ent_err_text(enum ent_err err);

/* The exit status that a program ends with on this error. */
int ent_err_exit(enum ent_err err);

/* Whether a number from a peer is a code of ours. */
bool ent_err_valid(unsigned long code);

/* Record what, where and what to do (one line, no customer value, no secret) and return `err`. The
 * text replaces the one recorded before on this thread; at most 511 bytes are kept. */
enum ent_err ent_err_record(enum ent_err err, const char *fmt, ...) ENT_PRINTF(2, 3);
/* The macro gives the code back itself, so that the compiler sees an error where one is returned. */
#define ent_err_note(err_, ...)                                                                    \
    __extension__({                                                                                \
        const enum ent_err ent_note_err_ = (err_);                                                 \
        (void)ent_err_record(ent_note_err_, __VA_ARGS__);                                          \
        ent_note_err_;                                                                             \
    })

/* The text recorded last on this thread; "" if none. Valid until the next note on this thread. */
const char *ent_err_message(void);

/* Put more context before the recorded message: "brand-a.csv: line 7: ...". Returns err. */
enum ent_err ent_err_prefix(enum ent_err err, const char *fmt, ...) ENT_PRINTF(2, 3);

/* All of err.def as lines "  status  meaning", for --help. */
void ent_err_print_exit_statuses(FILE *out);

/* The two macros that hide control flow. */
#define ENT_TRY(call_)                                                                             \
    do {                                                                                           \
        enum ent_err ent_try_err_ = (call_);                                                       \
        if (ent_try_err_ != ENT_E_OK) {                                                            \
            return ent_try_err_;                                                                   \
        }                                                                                          \
    } while (0)

#define ENT_REQUIRE(cond_, err_, ...)                                                              \
    do {                                                                                           \
        if (!(cond_)) {                                                                            \
            return ent_err_note((err_), __VA_ARGS__);                                              \
        }                                                                                          \
    } while (0)

/* A state that only our own mistake can bring about. */
_Noreturn void ent_bug(const char *file, int line, const char *what);
#define ENT_BUG_ON(cond_)                                                                          \
    do {                                                                                           \
        if (cond_) {                                                                               \
            ent_bug(__FILE__, __LINE__, #cond_);                                                   \
        }                                                                                          \
    } while (0)

#endif
