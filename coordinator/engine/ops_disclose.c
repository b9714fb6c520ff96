/* Whom the handles of the log stand for: what opens the names' commitments. */
#include <stdlib.h>
#include <string.h>

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

/* Who was invited and never came stands in no leaf. */
static enum ent_err put_members(struct ent_engine *e, const struct ent_json *names,
                                struct ent_json_writer *w)
{
    struct ent_store_member *roster = NULL;
    uint8_t salt[32];
    size_t n = 0;
    enum ent_err err;

    ENT_TRY(ent_store_roster(e->store, &roster, &n));
    err = ENT_E_OK;
    for (size_t i = 0; i < n && err == ENT_E_OK; i++) {
        if (roster[i].index == ENT_ROUND_NO_MEMBER || !is_asked(names, roster[i].name)) {
            continue;
        }
        err = ent_store_name_salt(e->store, roster[i].handle, salt);
        if (err == ENT_E_OK) {
            put_line(w, (struct ent_bytes){roster[i].handle, sizeof roster[i].handle}, salt,
                     roster[i].name);
        }
    }
    ent_cleanse(salt, sizeof salt);
    free(roster);
    return err;
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

    ent_json_put_key(out, "lines");
    ent_json_put_array(out);
    ENT_TRY(put_members(e, names, out));
    ENT_TRY(put_auditors(e, names, out));
    ent_json_put_close(out);
    return ENT_E_OK;
}
