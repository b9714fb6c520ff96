/* A log to keep: keys of fixed seeds, leaves that differ, notes over the committed head. */
#ifndef ENT_TESTS_COORDINATOR_STORE_MAKE_LOG_H
#define ENT_TESTS_COORDINATOR_STORE_MAKE_LOG_H

#include "coordinator/store/log.h"

#define LOG_ORIGIN "fed.example/acme"

/* log.genesis as leaf 0; false on an error. Callable in a child: asserts nothing. */
enum ent_err log_begin(struct ent_store *store);
/* One leaf operator.action whose subject is `tag`; at time `now_ms`. */
enum ent_err log_add(struct ent_store *store, uint32_t tag, uint64_t now_ms);
/* n of them in one transaction, tags from `tag` on. */
enum ent_err log_add_many(struct ent_store *store, uint32_t tag, size_t n);
/* A leaf update.accept that names these digests (payload digest: `payload`). */
enum ent_err log_add_accept(struct ent_store *store, const uint8_t payload[32],
                            uint8_t (*sealed)[32], size_t n, uint64_t now_ms);
/* The note that the log key signs over the committed head, appended. */
enum ent_err log_note(struct ent_store *store, struct ent_buf *note);
/* ... put in the store. */
enum ent_err log_put_note(struct ent_store *store);
/* The cosignature line of a member whose handle is 16 times `tag`, over a note. */
enum ent_err log_cosign(const struct ent_buf *note, uint8_t tag, struct ent_buf *line);
/* ---- what a crash is tried on ---- */

enum { LOG_STEP = 4 }; /* leaves */
/* A step as the engine takes them: a sealed file and LOG_STEP leaves in one commit, the head handed out
 * (a record of 40 bytes on `handed`), its note with a cosignature in a second commit. */
enum ent_err log_step(struct ent_store *store, uint32_t tag, int handed);
/* The record of the committed head alone. */
enum ent_err log_hand_out(struct ent_store *store, int fd);
/* Every head in the file `handed` (none: fine) is a prefix of the log, and every file that a leaf names
 * is there. DIGEST, NOT_FOUND. */
enum ent_err log_check(struct ent_store *store, const char *handed);

/* From make.c: a store with a log of n leaves (genesis is the first). */
struct ent_store *make_log(const char **dir, size_t n);

#endif
