/* IN leaves, checkpoints, cosignatures, sealed updates · OUT the same, after any crash
 * OWNS the log's tables in DIR/federation.db; DIR/sealed/
 * THREADS as store.h · SOURCE audit.md 2.4, 2.5; docs/PROTOCOL.md 14
 *
 * The audit log in the store: what belongs together commits together, leaves with the rows that they
 * tell of. The tree's right edge is in memory; a rollback (also that of a failed commit) takes it
 * back. On commit the head in the database must be the one this store saw last: CORRUPT when another
 * program wrote. Leaves and nodes are never changed or removed; the database itself refuses to.
 *
 * A store opened for writing was verified (ent_store_log_verify). One opened read-only reads the
 * committed head anew with each call. Errors beside those named: IO, CORRUPT, NO_MEMORY. */
#ifndef ENT_COORDINATOR_STORE_LOG_H
#define ENT_COORDINATOR_STORE_LOG_H

#include "common/schema/bytes.h"
#include "common/schema/leaf_frame.h"
#include "common/tlog/merkle.h"
#include "common/tlog/vkey.h"
#include "coordinator/store/store.h"

/* How far the clock may step back before the log refuses to go on; until then time stands still. */
#define ENT_STORE_LOG_BACK_MAX_MS ((uint64_t)5 * 60 * 1000)
/* Orphans in DIR/sealed younger than this stay: should the database come from a backup, `recover` may
 * bring back the leaves that name them. */
#define ENT_STORE_SEALED_ORPHAN_MS ((uint64_t)24 * 60 * 60 * 1000)

/* ---- leaves (log.c) ---- */

/* Appends a leaf: message is the struct of frame->type (ent_leaf_encode); frame gives type, run and
 * round, the rest is filled in: schema, federation, seq, time_ms (now_ms, or the last leaf's time while
 * the clock is at most ENT_STORE_LOG_BACK_MAX_MS behind it; CLOCK beyond). `frame` gets what was
 * written, *idx the leaf's place, hash its RFC 6962 leaf hash; both may be NULL. The first leaf must be
 * log.genesis (CORRUPT: a directory without a log), and only the first. RANGE, LIMIT as ent_leaf_encode. */
ENT_MUST enum ent_err ent_store_log_append(struct ent_store *store, struct ent_leaf_frame *frame,
                                           const void *message, uint64_t now_ms, uint64_t *idx,
                                           uint8_t hash[ENT_MERKLE_BYTES]);
/* Appends ready bytes (`recover`, from a member's mirror). PROTOCOL: not a leaf, not the next one, of
 * another federation, or older than the last. hash may be NULL. */
ENT_MUST enum ent_err ent_store_log_append_bytes(struct ent_store *store, struct ent_bytes leaf,
                                                 uint8_t hash[ENT_MERKLE_BYTES]);

/* Leaves so far, with those of the open transaction; 0: this directory was made before there was a
 * log, or init was not finished. */
ENT_MUST enum ent_err ent_store_log_size(struct ent_store *store, uint64_t *size);
/* Size and root of the same. */
ENT_MUST enum ent_err ent_store_log_head(struct ent_store *store, uint64_t *size,
                                         uint8_t root[ENT_MERKLE_BYTES]);
/* The head that is committed: the only one that a note may be signed for. */
ENT_MUST enum ent_err ent_store_log_committed(struct ent_store *store, uint64_t *size,
                                              uint8_t root[ENT_MERKLE_BYTES]);
/* The root of the first `size` leaves. NOT_FOUND above the size of the log. */
ENT_MUST enum ent_err ent_store_log_root_at(struct ent_store *store, uint64_t size,
                                            uint8_t root[ENT_MERKLE_BYTES]);
/* An ent_merkle_node_fn with the store as ctx: proofs and tiles are made with it. */
ENT_MUST enum ent_err ent_store_log_node(void *store, unsigned level, uint64_t index,
                                         uint8_t out[ENT_MERKLE_BYTES]);

/* What leaf 0 fixes. NOT_FOUND: no log. */
struct ent_store_genesis {
    uint8_t hash[ENT_MERKLE_BYTES]; /* leaf hash, as printed for the contract */
    struct ent_vkey log;            /* key.name is the origin */
    uint8_t root_pub[32];
};
ENT_MUST enum ent_err ent_store_log_genesis(struct ent_store *store, struct ent_store_genesis *out);

/* Appends the bytes of one leaf to out. NOT_FOUND. */
ENT_MUST enum ent_err ent_store_log_leaf(struct ent_store *store, uint64_t idx,
                                         struct ent_buf *out);
/* Its RFC 6962 hash. NOT_FOUND. */
ENT_MUST enum ent_err ent_store_log_leaf_hash(struct ent_store *store, uint64_t idx,
                                              uint8_t hash[ENT_MERKLE_BYTES]);
/* Appends leaves first, first + 1, ... below `end`, each behind its big-endian u16 length (an entry
 * bundle), as many as take at most max_bytes together, but at least one. *n: how many (0 when
 * first >= end or the log ends there). */
ENT_MUST enum ent_err ent_store_log_range(struct ent_store *store, uint64_t first, uint64_t end,
                                          size_t max_bytes, struct ent_buf *out, uint64_t *n);
/* The newest leaf of a type below `below` (UINT64_MAX: of all). NOT_FOUND, without a recorded message. */
ENT_MUST enum ent_err ent_store_log_newest(struct ent_store *store, unsigned type, uint64_t below,
                                           uint64_t *idx);
/* The newest of a type and a round of a run. NOT_FOUND likewise. */
ENT_MUST enum ent_err ent_store_log_of_round(struct ent_store *store, unsigned type, uint32_t run,
                                             uint64_t round, uint64_t *idx);
/* Leaves first ... end - 1 (those there are) of a type (0: of all) in order. An error of `each` ends the
 * walk and is returned. `each` may read from the store, not append to it. */
typedef enum ent_err (*ent_store_leaf_fn)(void *ctx, uint64_t idx, struct ent_bytes leaf);
ENT_MUST enum ent_err ent_store_log_each(struct ent_store *store, unsigned type, uint64_t first,
                                         uint64_t end, ent_store_leaf_fn each, void *ctx);

/* ---- what start-up proves (log_verify.c) ---- */

/* Every leaf is what its hash, place, time and federation say, every node and the head follow from
 * them, every stored note carries the root of its size and the log key's signature. CORRUPT names what
 * is wrong and says `recover`. Done by ent_store_open, unless the directory has no log. */
ENT_MUST enum ent_err ent_store_log_verify(struct ent_store *store);

/* ---- checkpoints and cosignatures (checkpoint.c) ---- */

struct ent_store_ckpt {
    uint64_t size;
    uint8_t root[ENT_MERKLE_BYTES];
    bool quorum; /* marked as cosigned by k */
};
/* Keeps the note that the log key signed over a committed head, without cosignatures. The same again
 * is fine. CORRUPT: the root is not that of this size, or another note stands there. */
ENT_MUST enum ent_err ent_store_ckpt_put(struct ent_store *store, uint64_t size,
                                         const uint8_t root[ENT_MERKLE_BYTES],
                                         struct ent_bytes note);
/* Marks it as cosigned by a quorum. NOT_FOUND. */
ENT_MUST enum ent_err ent_store_ckpt_set_quorum(struct ent_store *store, uint64_t size);
/* One checkpoint; its note with the cosignature lines so far is appended to note (may be NULL).
 * NOT_FOUND, without a recorded message. */
ENT_MUST enum ent_err ent_store_ckpt_get(struct ent_store *store, uint64_t size,
                                         struct ent_store_ckpt *out, struct ent_buf *note);
/* The newest below `below` (UINT64_MAX: of all), only among those with a quorum if asked so. NOT_FOUND
 * likewise. */
enum ent_store_ckpt_which { ENT_STORE_CKPT_ANY = 0, ENT_STORE_CKPT_QUORUM = 1 };
ENT_MUST enum ent_err ent_store_ckpt_newest(struct ent_store *store,
                                            enum ent_store_ckpt_which which, uint64_t below,
                                            struct ent_store_ckpt *out, struct ent_buf *note);
/* All of size first ... end - 1, ascending; note: with its cosignature lines, valid during the call. */
typedef enum ent_err (*ent_store_ckpt_fn)(void *ctx, const struct ent_store_ckpt *ckpt,
                                          struct ent_bytes note);
ENT_MUST enum ent_err ent_store_ckpts(struct ent_store *store, uint64_t first, uint64_t end,
                                      ent_store_ckpt_fn each, void *ctx);

/* A member's cosignature line of the stored note of that size; a second one of the same member is not
 * kept. NOT_FOUND: no such note. LIMIT: longer than a line is. Nothing is verified. */
ENT_MUST enum ent_err ent_store_cosig_put(struct ent_store *store, uint64_t size,
                                          const uint8_t handle[ENT_STORE_ID_BYTES],
                                          struct ent_bytes line);
/* Who cosigned the note of that size, by handle; line: with its newline. */
typedef enum ent_err (*ent_store_cosig_fn)(void *ctx, const uint8_t handle[ENT_STORE_ID_BYTES],
                                           struct ent_bytes line);
ENT_MUST enum ent_err ent_store_cosigs(struct ent_store *store, uint64_t size,
                                       ent_store_cosig_fn each, void *ctx);

/* ---- witness sets that are being agreed to (parties.c) ---- */

struct ent_store_agreed {
    uint8_t handle[ENT_STORE_ID_BYTES];
    struct ent_bytes header; /* the envelope's, verbatim; in what is read: behind the array */
    uint8_t payload_sha256[ENT_STORE_DIGEST_BYTES];
    uint8_t signature[64];
};
/* Opens a proposal, or, where one of the same bytes is open, goes on with it; one of other bytes is
 * replaced and its statements are gone. */
ENT_MUST enum ent_err ent_store_set_propose(struct ent_store *store, uint32_t version,
                                            struct ent_bytes set);
/* The open proposal; its bytes are appended to set. NOT_FOUND, without a recorded message. */
ENT_MUST enum ent_err ent_store_set_proposed(struct ent_store *store, uint32_t *version,
                                             struct ent_buf *set);
/* A statement of a member on it; a second one of the same member is not kept. */
ENT_MUST enum ent_err ent_store_set_agree(struct ent_store *store,
                                          const struct ent_store_agreed *agreed);
/* All of them, by handle. Caller frees *out (one piece). */
ENT_MUST enum ent_err ent_store_set_agreed(struct ent_store *store, struct ent_store_agreed **out,
                                           size_t *n);
/* The proposal became a leaf (same transaction), or is given up. Fine without one. */
ENT_MUST enum ent_err ent_store_set_drop(struct ent_store *store);

/* ---- auditors, and what names are committed with (parties.c) ---- */

struct ent_store_auditor {
    uint8_t seal_pub[32]; /* X25519 */
    uint8_t sign_pub[32]; /* Ed25519 */
    char name[ENT_STORE_NAME_MAX + 1];
    uint8_t name_salt[32];
    uint64_t admitted_ms;
    uint64_t leaf; /* auditor.admit */
};
/* EXISTS: admitted already. */
ENT_MUST enum ent_err ent_store_auditor_add(struct ent_store *store,
                                            const struct ent_store_auditor *auditor);
/* In the order of their admission. Caller frees *out. */
ENT_MUST enum ent_err ent_store_auditors(struct ent_store *store, struct ent_store_auditor **out,
                                         size_t *n);

/* The salt of the member's name commitment: made at its first use (fresh random bytes), the same ever
 * after. NOT_FOUND: no such member. */
ENT_MUST enum ent_err ent_store_name_salt(struct ent_store *store,
                                          const uint8_t handle[ENT_STORE_ID_BYTES],
                                          uint8_t salt[32]);

/* ---- sealed updates: DIR/sealed/<aa>/<64 hex digits of the SHA-256> (sealed.c) ---- */

/* Written piece by piece, then commit: the file is durable under its name, its directory with the next
 * ent_store_commit at the latest, so before a leaf that names it. Frees the writer also on error.
 * discard: nothing remains; NULL is fine. */
struct ent_store_sealed;
ENT_MUST enum ent_err ent_store_sealed_begin(struct ent_store *store,
                                             struct ent_store_sealed **out);
ENT_MUST enum ent_err ent_store_sealed_write(struct ent_store_sealed *writer, const void *bytes,
                                             size_t len);
ENT_MUST enum ent_err ent_store_sealed_commit(struct ent_store_sealed *writer_take,
                                              uint8_t digest[ENT_STORE_DIGEST_BYTES]);
void ent_store_sealed_discard(struct ent_store_sealed *writer_take);
/* Makes the names given since durable (ent_store_commit does it too). */
ENT_MUST enum ent_err ent_store_sealed_sync(struct ent_store *store);
/* Caller frees. */
ENT_MUST enum ent_err ent_store_sealed_path(const struct ent_store *store,
                                            const uint8_t digest[ENT_STORE_DIGEST_BYTES],
                                            char **out);
/* Removes the file; fine if it is gone. Order: the leaf blob.erase commits first, then this. */
ENT_MUST enum ent_err ent_store_sealed_remove(struct ent_store *store,
                                              const uint8_t digest[ENT_STORE_DIGEST_BYTES]);
/* What update.accept leaves (updates) and round.close leaves (seeds of noise) name and no blob.erase leaf does. Each of
 * these leaves keeps this list in its own transaction. */
struct ent_store_kept {
    uint8_t digest[ENT_STORE_DIGEST_BYTES];
    uint64_t leaf;    /* update.accept, round.close */
    uint64_t time_ms; /* of that leaf */
    bool plain;       /* the payload itself: named by the update's own digest */
};
/* By leaf, then in the leaf's order; only those whose leaf is older than before_ms (UINT64_MAX: all),
 * and only plain ones if asked so. Caller frees *out. */
enum ent_store_kept_which { ENT_STORE_KEPT_ALL = 0, ENT_STORE_KEPT_PLAIN = 1 };
ENT_MUST enum ent_err ent_store_sealed_list(struct ent_store *store,
                                            enum ent_store_kept_which which, uint64_t before_ms,
                                            struct ent_store_kept **out, size_t *n);
/* At start: unfinished files go, and files that the list does not name (a crash came between file and
 * leaf, or between blob.erase and its removal) once they are orphan_ms old (ENT_STORE_SEALED_ORPHAN_MS;
 * those of a blob.erase leaf at once). *n_removed may be NULL. */
ENT_MUST enum ent_err ent_store_sealed_sweep(struct ent_store *store, uint64_t now_ms,
                                             uint64_t orphan_ms, size_t *n_removed);

/* ---- counted for tests and bars ---- */

/* Durable SQLite commits through this store; files of sealed updates made durable. */
uint64_t ent_store_commits(const struct ent_store *store);
uint64_t ent_store_sealed_files(const struct ent_store *store);

#endif
