/* Shared by recover_project.c and recover_rounds.c: the leaf at hand, and what both do with it. */
#ifndef ENT_COORDINATOR_STORE_RECOVER_AT_H
#define ENT_COORDINATOR_STORE_RECOVER_AT_H

#include "coordinator/store/recover.h"

struct ent_at {
    struct ent_projection *p;
    const struct ent_leaf_frame *frame;
    const union ent_leaf_any *any;
    struct ent_arena *arena;
};

/* ---- recover_project.c ---- */
struct ent_recovered ent_at_change(const struct ent_at *at, enum ent_recovered_kind kind);
ENT_MUST enum ent_err ent_at_emit(const struct ent_at *at, const struct ent_recovered *change);
/* A row of the machine's attempt; put: fed to the machine, then emitted. */
struct ent_row ent_at_row(const struct ent_at *at, enum ent_row_kind kind, uint32_t member);
ENT_MUST enum ent_err ent_at_put(const struct ent_at *at, const struct ent_row *row);
ENT_MUST enum ent_err ent_at_put_by_rows(const struct ent_at *at, const struct ent_row *row,
                                         bool by_rows);
ENT_MUST enum ent_err ent_at_put_plain(const struct ent_at *at, enum ent_row_kind kind);
enum ent_err ent_at_unfit(const struct ent_at *at, const char *why); /* CORRUPT */
ENT_MUST enum ent_err ent_at_member(const struct ent_at *at, const uint8_t *handle, uint32_t *out);
/* What a member said: its number was used. member, out: may be NULL. */
ENT_MUST enum ent_err ent_at_said(const struct ent_at *at, struct ent_bytes header,
                                  uint32_t *member, struct ent_header *out);

/* ---- recover_rounds.c ---- */
ENT_MUST enum ent_err ent_at_open(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_join(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_accept(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_ended(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_close(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_abort(const struct ent_at *at);
ENT_MUST enum ent_err ent_at_result(const struct ent_at *at);

#endif
