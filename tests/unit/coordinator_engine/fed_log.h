/* The coordinator's log, read back and decoded, for the engine's tests. */
#ifndef ENT_TESTS_COORDINATOR_ENGINE_FED_LOG_H
#define ENT_TESTS_COORDINATOR_ENGINE_FED_LOG_H

#include "coordinator/engine/state.h"
#include "tests/unit/coordinator_engine/fed.h"

#define FED_LEAVES 512

struct fed_leaf {
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    uint8_t hash[32];
};

struct fed_log {
    struct ent_arena arena;
    struct fed_leaf *leaves;
    size_t n;
};

/* Every leaf of it, strictly decoded. */
void fed_log_read(struct fed *fed, struct fed_log *out);
void fed_log_free(struct fed_log *log);
const struct fed_leaf *fed_log_find(const struct fed_log *log, enum ent_leaf_type type, size_t nth);
/* One round from its round.open at `at` to its round.close: each of n invited joined and was accepted. The place behind. */
size_t fed_log_round(const struct fed_log *log, size_t at, uint64_t round, size_t n);
/* A statement that this member signed. */
void fed_log_check_said(struct fed_member *m, const struct ent_leaf_statement *said, uint32_t type);
/* Cosignature lines of members on a note that verify. */
size_t fed_log_cosignatures(struct fed *fed, const struct ent_buf *note);
/* The newest note's head, cosigned by a member by hand. */
void fed_cosign_head(struct fed_member *m);

#endif
