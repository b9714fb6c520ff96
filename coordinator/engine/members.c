#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/state.h"

enum ent_err ent_members_add(struct ent_engine *e, const struct ent_store_member *from)
{
    struct ent_engine_member *m;

    ENT_REQUIRE(from->index == e->n_members, ENT_E_CORRUPT, "the roster has a gap before member %u",
                (unsigned)from->index);
    ENT_TRY(ent_grow(&e->members, &e->cap_members, e->n_members + 1, sizeof *e->members));
    ENT_TRY(ent_grow(&e->member_refused, &e->cap_member_refused, e->n_members + 1,
                     sizeof *e->member_refused));
    m = &e->members[e->n_members++];
    memcpy(m->handle, from->handle, sizeof m->handle);
    (void)snprintf(m->name, sizeof m->name, "%s", from->name);
    memcpy(m->statement_pub, from->keys.statement_pub, sizeof m->statement_pub);
    memcpy(m->standing, from->keys.nonce_commit, sizeof m->standing);
    memcpy(m->log.witness_pub, from->keys.witness_pub, sizeof m->log.witness_pub);
    m->log.last_seen_ms = from->last_seen_ms;
    m->revoked = from->state == ENT_MEMBER_REVOKED;
    m->last_sequence = from->last_sequence;
    m->to_store = from->last_sequence;
    m->stored = from->last_sequence;
    m->traffic.index = from->index;
    return ENT_E_OK;
}

enum ent_err ent_members_load(struct ent_engine *e)
{
    struct ent_store_member *roster = NULL;
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_store_roster(e->store, &roster, &n));
    err = ENT_E_OK;
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        if (roster[i].index != ENT_ROUND_NO_MEMBER) {
            err = ent_members_add(e, &roster[i]);
        }
    }
    free(roster);
    return err;
}

uint32_t ent_members_find(const struct ent_engine *e, const uint8_t handle[ENT_HANDLE_BYTES])
{
    for (size_t i = 0; i < e->n_members; i++) {
        if (memcmp(e->members[i].handle, handle, ENT_HANDLE_BYTES) == 0) {
            return (uint32_t)i;
        }
    }
    return ENT_NO_MEMBER;
}

void ent_members_names(const struct ent_engine *e, ent_member_test wanted, char *out, size_t cap)
{
    size_t used = 0;
    size_t left_out = 0;

    out[0] = '\0';
    for (size_t i = 0; i < e->n_members; i++) {
        int n;

        if (!wanted(e, (uint32_t)i)) {
            continue;
        }
        if (left_out > 0 || used + strlen(e->members[i].name) + 24 > cap) {
            left_out++;
            continue;
        }
        n = snprintf(out + used, cap - used, "%s%s", used > 0 ? ", " : "", e->members[i].name);
        used += n > 0 ? (size_t)n : 0;
    }
    if (left_out > 0) {
        (void)snprintf(out + used, cap - used, " and %zu more", left_out);
    }
}

void ent_members_out(struct ent_engine *e, uint32_t member, const char *why)
{
    struct ent_event event = ent_engine_event(e, ENT_EV_REVOKED, member);
    struct ent_conn *conn = ent_conns_of(e, member);

    e->members[member].revoked = true;
    if (conn != NULL) {
        ent_message_refuse(e, conn, ENT_E_REVOKED, 0, why);
        ent_conns_unbind(e, conn);
        ent_post_close(e, conn);
    }
    ent_engine_feed(e, &event);
}
