/* Figures of single members, which their policies let go: of their own test rows, beside the sum and never part of it.
 * What a member says of itself is kept and shown as its word; nothing is decided by it. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "coordinator/engine/state.h"

static enum ent_err check_names(const struct ent_msg_figures *m)
{
    for (size_t i = 0; i < m->n_metrics; i++) {
        ENT_REQUIRE(ent_metrics_is_name(m->metrics[i].name), ENT_E_PROTOCOL,
                    "figures: one of a name that is not known");
        for (size_t k = 0; k < i; k++) {
            ENT_REQUIRE(strcmp(m->metrics[i].name, m->metrics[k].name) != 0, ENT_E_PROTOCOL,
                        "figures: one of them stands twice");
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_own_take(struct ent_engine *e, uint32_t member, const struct ent_msg_figures *m)
{
    struct ent_engine_member *to = &e->members[member];
    struct ent_store_own *own = NULL;

    ENT_REQUIRE(e->round.task == ENT_ROUND_EVALUATE && e->round.split == ENT_ROUND_ON_TEST &&
                    e->round.members[member].standing != ENT_STANDING_NONE,
                ENT_E_PHASE, "figures of a member are of its test rows, in their round");
    ENT_TRY(check_names(m));
    ENT_TRY(ent_calloc(m->n_metrics, sizeof *own, &own));
    for (size_t i = 0; i < m->n_metrics; i++) {
        own[i] = (struct ent_store_own){.round = e->round.round,
                                        .index = member,
                                        .place = (uint32_t)i,
                                        .nano = m->metrics[i].nano};
        (void)snprintf(own[i].name, sizeof own[i].name, "%.64s", m->metrics[i].name);
    }
    free(to->own);
    to->own = own;
    to->n_own = m->n_metrics;
    return ENT_E_OK;
}

enum ent_err ent_own_store(struct ent_engine *e, const struct ent_row *row)
{
    for (uint32_t i = 0; i < e->n_members; i++) {
        const struct ent_engine_member *m = &e->members[i];
        bool counts = e->round.members[i].standing == ENT_STANDING_ACCEPTED;

        for (size_t k = 0; k < m->n_own && counts; k++) {
            ENT_TRY(ent_store_put_own(e->store, row->run, &m->own[k]));
        }
    }
    return ENT_E_OK;
}

void ent_own_forget(struct ent_engine *e)
{
    for (size_t i = 0; i < e->n_members; i++) {
        free(e->members[i].own);
        e->members[i].own = NULL;
        e->members[i].n_own = 0;
    }
}

enum ent_err ent_own_put(struct ent_engine *e, struct ent_json_writer *w, uint32_t run)
{
    struct ent_store_own *own = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_own(e->store, run, &own, &n));
    ent_json_put_key(w, "own_figures");
    ent_json_put_array(w);
    for (size_t i = 0; i < n; i++) {
        bool first = i == 0 || own[i].index != own[i - 1].index || own[i].round != own[i - 1].round;

        if (first) {
            ent_json_put_object(w, ENT_JSON_INSERTION);
            ent_json_put_key_string(w, "member", ent_engine_member_name(e, own[i].index));
            ent_json_put_key_uint(w, "round", own[i].round);
        }
        ent_json_put_key_double(w, own[i].name, (double)own[i].nano / 1e9);
        if (i + 1 == n || own[i + 1].index != own[i].index || own[i + 1].round != own[i].round) {
            ent_json_put_close(w);
        }
    }
    ent_json_put_close(w);
    free(own);
    return ENT_E_OK;
}
