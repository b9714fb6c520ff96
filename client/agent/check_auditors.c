#include "client/agent/check_auditors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/policy/policy.h"
#include "client/state/log.h"
#include "common/base/file.h"

static bool has_state(const char *dir)
{
    char *path = NULL;
    bool there;

    if (ent_path_join(dir, "state.db", &path) != ENT_E_OK) {
        return false;
    }
    there = ent_file_exists(path);
    free(path);
    return there;
}

enum ent_err ent_check_auditors_read(const struct ent_workplace *w, struct ent_check_auditors *out)
{
    struct ent_state *state = NULL;
    struct ent_tree_head head;
    enum ent_err err;

    memset(out, 0, sizeof *out);
    if (!w->enrolled || !has_state(w->dir)) {
        return ENT_E_OK;
    }
    ENT_TRY(ent_state_open_reader(w->dir, &state));
    err = ent_state_head_get(state, &head);
    if (err == ENT_E_OK) {
        out->seen = head.size > 0;
        err = ent_state_log_auditors(state, out->keys, ENT_LOG_AUDITORS_MAX, &out->n);
    }
    ent_state_close(state);
    return err;
}

static bool is_listed(const struct ent_workplace *w, const struct ent_check_auditors *auditors,
                      size_t i)
{
    return ent_policy_check_auditors(w->config, &auditors->keys[i], 1, false) == ENT_E_OK;
}

enum ent_err ent_check_auditors_ask(const struct ent_workplace *w,
                                    const struct ent_check_auditors *auditors)
{
    return ent_policy_check_auditors(w->config, auditors->keys, auditors->n, false);
}

enum ent_err ent_check_auditors_print(const struct ent_workplace *w,
                                      const struct ent_check_auditors *auditors)
{
    char hex[2 * ENT_SHA256_BYTES + 1];

    printf("auditors, to whom copies of this member's updates are sealed in runs that start from "
           "now on:\n");
    if (!auditors->seen) {
        printf("  not known before the first `entente-client run`, which reads the log\n");
    } else if (auditors->n == 0) {
        printf("  none was admitted: no copy is kept\n");
    }
    for (size_t i = 0; i < auditors->n; i++) {
        ENT_TRY(ent_policy_fingerprint(auditors->keys[i], hex));
        printf("  %s  %s\n", hex,
               is_listed(w, auditors, i)
                   ? "listed in client.yaml"
                   : "NOT LISTED in client.yaml: rounds with it are declined");
    }
    printf("  unsealed copies (plain): %s\n\n",
           w->config->plain_updates ? "allowed by client.yaml, 7 days at most" : "not allowed");
    return ENT_E_OK;
}

enum ent_err ent_check_auditors_put(const struct ent_workplace *w,
                                    const struct ent_check_auditors *auditors,
                                    struct ent_json_writer *json)
{
    char hex[2 * ENT_SHA256_BYTES + 1];

    ent_json_put_key_bool(json, "log_seen", auditors->seen);
    ent_json_put_key_bool(json, "plain_allowed", w->config->plain_updates);
    ent_json_put_key(json, "auditors");
    ent_json_put_array(json);
    for (size_t i = 0; i < auditors->n; i++) {
        ENT_TRY(ent_policy_fingerprint(auditors->keys[i], hex));
        ent_json_put_object(json, ENT_JSON_INSERTION);
        ent_json_put_key_string(json, "fingerprint", hex);
        ent_json_put_key_bool(json, "listed", is_listed(w, auditors, i));
        ent_json_put_close(json);
    }
    ent_json_put_close(json);
    return ENT_E_OK;
}
