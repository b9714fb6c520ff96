/* Whom the handles of the log stand for: what opens the names' commitments. */
#include <stdlib.h>
#include <string.h>

#include "common/crypto/commit.h"
#include "common/crypto/secret.h"
#include "coordinator/engine/ops.h"

/* NULL: everybody is asked for. */
static bool is_asked(const struct ent_json *names, const char *name)
{
    const char *asked = "";

    for (size_t i = 0; i < ent_json_len(names); i++) {
        if (ent_json_string(ent_json_at(names, i), "names", &asked) == ENT_E_OK &&
            strcmp(asked, name) == 0) {
            return true;
        }
    }
    return names == NULL;
}

static void put_line(struct ent_json_writer *w, struct ent_bytes who, const uint8_t salt[32],
                     const char *name)
{
    char hex[2 * 32 + 1];

    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_hex(who.data, who.len, hex);
    ent_json_put_key_string(w, "who", hex);
    ent_hex(salt, 32, hex);
    ent_json_put_key_string(w, "salt", hex);
    ent_json_put_key_string(w, "name", name);
    ent_json_put_close(w);
    ent_cleanse(hex, sizeof hex);
}

struct admitted {
    struct ent_leaf_member_admit leaf;
    uint64_t place;
};

/* The member.admit leaf below that place. NOT_FOUND: there is none. */
static enum ent_err admitted_below(struct ent_engine *e, uint64_t below, struct admitted *out)
{
    union ent_leaf_any any;
    struct ent_leaf_frame frame;
    struct ent_arena arena;
    struct ent_buf leaf;
    enum ent_err err;

    ENT_TRY(ent_store_log_newest(e->store, ENT_LEAF_MEMBER_ADMIT, below, &out->place));
    ent_arena_init(&arena, ENT_WIRE_ARENA_BYTES);
    ent_buf_init(&leaf, ENT_LEAF_MAX_BYTES);
    err = ent_store_log_leaf(e->store, out->place, &leaf);
    if (err == ENT_E_OK) {
        err = ent_leaf_decode((struct ent_bytes){leaf.data, leaf.len}, &arena, &frame, &any);
    }
    if (err == ENT_E_OK) {
        memcpy(out->leaf.handle, any.member_admit.handle, sizeof out->leaf.handle);
        memcpy(out->leaf.name_commit, any.member_admit.name_commit, sizeof out->leaf.name_commit);
    }
    ent_buf_release(&leaf);
    ent_arena_release(&arena);
    return err;
}

/* A name that does not open what was logged is none: `recover` brings a member back without it. */
static enum ent_err put_member(struct ent_engine *e, const struct ent_leaf_member_admit *leaf,
                               const char *name, struct ent_json_writer *w, bool *opens)
{
    uint8_t commit[32];
    uint8_t salt[32];

    ENT_TRY(ent_store_name_salt(e->store, leaf->handle, salt));
    ENT_TRY(ent_name_commit(salt, name, commit));
    *opens = memcmp(commit, leaf->name_commit, sizeof commit) == 0;
    if (*opens) {
        put_line(w, (struct ent_bytes){leaf->handle, sizeof leaf->handle}, salt, name);
    }
    ent_cleanse(salt, sizeof salt);
    return ENT_E_OK;
}

/* Those that the log admitted, the newest first; *unknown: whose names are not known here. */
static enum ent_err put_members(struct ent_engine *e, const struct ent_json *names,
                                struct ent_json_writer *w, uint64_t *unknown)
{
    struct admitted a = {.place = UINT64_MAX};
    enum ent_err err;

    while ((err = admitted_below(e, a.place, &a)) == ENT_E_OK) {
        uint32_t member = ent_members_find(e, a.leaf.handle);
        bool opens = true;

        if (member != ENT_NO_MEMBER && is_asked(names, e->members[member].name)) {
            ENT_TRY(put_member(e, &a.leaf, e->members[member].name, w, &opens));
        }
        *unknown += opens ? 0 : 1;
    }
    return err == ENT_E_NOT_FOUND ? ENT_E_OK : err;
}

/* One that was admitted without a name has none to disclose. */
static enum ent_err put_auditors(struct ent_engine *e, const struct ent_json *names,
                                 struct ent_json_writer *w)
{
    struct ent_store_auditor *list = NULL;
    size_t n = 0;

    ENT_TRY(ent_store_auditors(e->store, &list, &n));
    for (size_t i = 0; i < n; i++) {
        if (list[i].name[0] != '\0' && is_asked(names, list[i].name)) {
            put_line(w, (struct ent_bytes){list[i].seal_pub, sizeof list[i].seal_pub},
                     list[i].name_salt, list[i].name);
        }
    }
    free(list);
    return ENT_E_OK;
}

enum ent_err ent_ops_disclose(struct ent_engine *e, const struct ent_json *request,
                              struct ent_json_writer *out)
{
    const struct ent_json *names = ent_json_get(request, "names");
    uint64_t unknown = 0;

    ent_json_put_key(out, "lines");
    ent_json_put_array(out);
    ENT_TRY(put_members(e, names, out, &unknown));
    ENT_TRY(put_auditors(e, names, out));
    ent_json_put_close(out);
    ent_json_put_key_uint(out, "unknown", unknown);
    return ENT_E_OK;
}
