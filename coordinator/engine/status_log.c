/* The log's part of `status`. */
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/ops.h"

static void put_witnesses(const struct ent_engine *e, struct ent_json_writer *w)
{
    const struct ent_trail_note *n = &e->audit.note;
    struct ent_witnesses newest;
    const struct ent_witnesses *set = &n->set;

    if (n->size == 0) { /* nothing was said yet in this program: who would be asked */
        ent_witness_in_force(&e->audit.history, e->audit.cosigned, &newest);
        set = &newest;
    }
    ent_json_put_key_uint(w, "quorum", set->quorum);
    ent_json_put_key(w, "witnesses");
    ent_json_put_array(w);
    for (size_t i = 0; i < set->n; i++) {
        uint32_t member = ent_members_find(e, set->list[i].handle);

        if (member == ENT_NO_MEMBER) {
            continue;
        }
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "name", e->members[member].name);
        ent_json_put_key_bool(w, "connected", e->members[member].conn != 0);
        ent_json_put_key_uint(w, "last_seen_ms", e->members[member].log.last_seen_ms);
        ent_json_put_key_bool(w, "cosigned", n->size > 0 && n->lines[i][0] != '\0');
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static enum ent_err put_auditors(struct ent_engine *e, struct ent_json_writer *w)
{
    struct ent_store_auditor *list = NULL;
    uint8_t fingerprint[32];
    size_t n = 0;
    enum ent_err err = ENT_E_OK;

    ENT_TRY(ent_store_auditors(e->store, &list, &n));
    ent_json_put_key(w, "auditors");
    ent_json_put_array(w);
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        err = ent_sha256(list[i].seal_pub, sizeof list[i].seal_pub, fingerprint);
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "name", list[i].name);
        ent_json_put_key_hex(w, "fingerprint", fingerprint, sizeof fingerprint);
        ent_json_put_key_uint(w, "admitted_ms", list[i].admitted_ms);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
    free(list);
    return err;
}

enum ent_err ent_status_log(struct ent_engine *e, struct ent_json_writer *w)
{
    const struct ent_trail *a = &e->audit;
    uint8_t root[ENT_MERKLE_BYTES];
    uint64_t size = 0;
    char names[768] = "";

    ENT_TRY(ent_store_log_committed(e->store, &size, root));
    ent_json_put_key(w, "log");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "origin", a->genesis.log.name);
    ent_json_put_key_hex(w, "genesis", a->genesis.hash, sizeof a->genesis.hash);
    ent_json_put_key_uint(w, "size", size);
    ent_json_put_key_hex(w, "root", root, sizeof root);
    ent_json_put_key_uint(w, "cosigned", a->cosigned);
    ent_json_put_key_uint(w, "note", a->note.size);
    ent_json_put_key_uint(w, "note_cosignatures", a->note.n_cosigned);
    put_witnesses(e, w);
    if (a->gate.waits || a->end_waits) {
        ent_trail_awaited(e, names, sizeof names);
    }
    ent_json_put_key_string(w, "awaited", names);
    ent_ops_put_awaited(e, "proposal", w);
    ENT_TRY(put_auditors(e, w));
    ent_json_put_key_uint(w, "plain_ms", e->home->config->plain_ms);
    ent_json_put_close(w);
    return ENT_E_OK;
}
