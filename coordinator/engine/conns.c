#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/engine/state.h"

struct ent_conn *ent_conns_find(struct ent_engine *e, bool enroll, ent_conn_id id)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        if (e->conns[i]->id == id && e->conns[i]->enroll == enroll) {
            return e->conns[i];
        }
    }
    return NULL;
}

struct ent_conn *ent_conns_of(struct ent_engine *e, uint32_t member)
{
    ent_conn_id id = member < e->n_members ? e->members[member].conn : 0;

    return id != 0 ? ent_conns_find(e, false, id) : NULL;
}

enum ent_err ent_conns_add(struct ent_engine *e, bool enroll, ent_conn_id id,
                           const struct ent_peer *peer, struct ent_conn **out)
{
    struct ent_conn *conn = NULL;

    ENT_TRY(ent_grow(&e->conns, &e->cap_conns, e->n_conns + 1, sizeof(struct ent_conn *)));
    ENT_TRY(ent_calloc(1, sizeof *conn, &conn));
    conn->id = id;
    conn->enroll = enroll;
    conn->member = ENT_NO_MEMBER;
    if (peer != NULL) {
        conn->peer = *peer;
    }
    e->conns[e->n_conns++] = conn;
    *out = conn;
    return ENT_E_OK;
}

void ent_conns_remove(struct ent_engine *e, struct ent_conn *conn)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        if (e->conns[i] == conn) {
            e->conns[i] = e->conns[--e->n_conns];
            break;
        }
    }
    ent_pushes_release(conn);
    free(conn);
}

void ent_conns_unbind(struct ent_engine *e, struct ent_conn *conn)
{
    uint32_t member = conn->member;
    struct ent_event down;

    if (member == ENT_NO_MEMBER) {
        return;
    }
    conn->member = ENT_NO_MEMBER;
    e->members[member].conn = 0;
    e->members[member].seen_ms = e->wall_ms;
    e->members[member].log.last_seen_ms = e->wall_ms;
    e->refusals_dirty = true; /* flushed with the counters */
    ent_pushes_release(conn);
    ent_uploads_cancel(e, member, true);
    down = ent_engine_event(e, ENT_EV_DOWN, member);
    ent_engine_feed(e, &down);
    ent_party_cosigned(e, member, UINT64_MAX); /* one that leaves is out with its connection */
}

void ent_conns_bind(struct ent_engine *e, struct ent_conn *conn, uint32_t member)
{
    conn->member = member;
    conn->welcomed = true;
    e->members[member].conn = conn->id;
    e->members[member].seen_ms = e->wall_ms;
    e->members[member].log.last_seen_ms = e->wall_ms;
}
