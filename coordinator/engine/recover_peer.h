/* Inside this room: members on the line while a directory is recovered. */
#ifndef ENT_COORDINATOR_ENGINE_RECOVER_PEER_H
#define ENT_COORDINATOR_ENGINE_RECOVER_PEER_H

#include <stdatomic.h>

#include "common/tlog/note.h"
#include "common/wire/wire.h"
#include "coordinator/engine/queue.h"
#include "coordinator/engine/recover.h"
#include "coordinator/store/recover.h"

/* What is left where the leaves cannot be had. */
#define ENT_RECOVER_REMAINS                                                                        \
    "wait for a member that keeps the log whole (mirror: full) and run recover again; if there "   \
    "is none, this federation's log ends here: make a new federation with init"

/* A member of the roster as it is here. */
struct ent_recover_peer {
    struct ent_store_member member;
    struct ent_wire_signer signer;
    ent_conn_id conn; /* 0: not here */
    bool heard;       /* said what it saw */
    uint64_t seen_size;
    uint8_t seen_root[ENT_MERKLE_BYTES];
    struct ent_buf note; /* that it cosigned last; empty: none, or not one of this log */
    uint64_t note_size;
    uint8_t note_root[ENT_MERKLE_BYTES];
    uint8_t reply_type; /* 0: none has come */
    struct ent_buf reply;
};

/* Opened and not said HELLO yet, or refused. */
struct ent_recover_stranger {
    ent_conn_id conn;
    struct ent_peer peer;
};

struct ent_recovery {
    struct ent_recovery_options options;
    struct ent_home *home;
    struct ent_store *store;
    struct ent_link *main;
    struct ent_queue queue;
    struct ent_store_genesis genesis;
    struct ent_recover_peer *peers;
    size_t n_peers;
    struct ent_recover_stranger *strangers;
    size_t n_strangers;
    size_t cap_strangers;
    struct ent_arena arena; /* of the message at hand */
    uint64_t sequence;
    uint64_t here; /* leaves of this directory, before */
    struct ent_recover_leaves leaves;
    size_t from;          /* peer that gave them */
    struct ent_buf plans; /* one behind the other: digest, be32 length, bytes */
};

void ent_recover_say(struct ent_recovery *r, const char *fmt, ...) ENT_PRINTF(2, 3);
/* What has come, and what comes within max_ms. */
ENT_MUST enum ent_err ent_recover_step(struct ent_recovery *r, uint64_t max_ms);
/* Its answer: reply_type and reply are set. DROPPED: it is gone; TIMEOUT. */
ENT_MUST enum ent_err ent_recover_ask(struct ent_recovery *r, struct ent_recover_peer *peer,
                                      const struct ent_msg_pull *pull);
/* All pieces of something that is named by a digest (or the note: digest NULL), into `write`. NOT_FOUND: it has none. */
typedef enum ent_err (*ent_recover_write_fn)(void *ctx, const uint8_t *bytes, size_t len);
ENT_MUST enum ent_err ent_recover_pull(struct ent_recovery *r, struct ent_recover_peer *peer,
                                       enum ent_pull_kind kind, const uint8_t *digest,
                                       ent_recover_write_fn write, void *ctx);
enum ent_err ent_recover_write_buf(void *ctx, const uint8_t *bytes,
                                   size_t len); /* a struct ent_buf */
void ent_recover_bye(struct ent_recovery *r);

/* ---- recover_files.c ---- */
/* A plan that the leaves name, kept until they are put back. NOT_FOUND: nobody has it. */
ENT_MUST enum ent_err ent_recover_pull_plan(struct ent_recovery *r, const uint8_t digest[32]);
/* An ent_recover_plan_fn: one of those, or a bug. */
ENT_MUST enum ent_err ent_recover_plan_of(void *recovery, const uint8_t digest[32],
                                          struct ent_buf *out);
/* Behind the commit. What nobody has is said. */
void ent_recover_pull_models(struct ent_recovery *r, const struct ent_recover_needs *needs);

/* ---- recover_note.c ---- */
/* The notes that the leaves end in, with their cosignatures: sorted by size. `notes` and what they point to: the
 * caller's arena. */
ENT_MUST enum ent_err ent_recover_notes(struct ent_recovery *r, struct ent_arena *arena,
                                        struct ent_recover_note **notes, size_t *n);

#endif
