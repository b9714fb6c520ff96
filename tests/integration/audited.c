#include "tests/integration/audited.h"

#include <stdlib.h>
#include <string.h>

#include "audit/replay.h"
#include "audit/verify.h"
#include "common/base/file.h"

struct paths {
    char export[ENROLLED_PATH_MAX + 16];
    char policy[ENROLLED_PATH_MAX + 32];
    char key[ENROLLED_PATH_MAX + 16];
};

static void write_export(struct box *box, const struct paths *paths)
{
    char request[ENROLLED_PATH_MAX + 64];

    if (box->engine == NULL) {
        box_start_engine(box);
    }
    (void)snprintf(request, sizeof request, "{\"verb\":\"export\",\"to\":\"%s\"}", paths->export);
    box_ask(box, request);
}

static void write_key(struct box *box, const struct paths *paths, const uint8_t *secret)
{
    struct ent_x25519_key *key = NULL;

    if (secret != NULL && !ent_file_exists(paths->key)) {
        box_must(box, ent_x25519_key_of_secret(secret, &key), "auditor's key");
        box_must(box, ent_x25519_key_save(key, paths->key), "auditor's key");
        ent_x25519_key_free(key);
    }
}

static const char *first_finding(const struct ent_audit_facts *facts, enum ent_audit_status status)
{
    for (size_t i = 0; i < facts->n_findings; i++) {
        if (facts->findings[i].status == status) {
            return facts->findings[i].text;
        }
    }
    return "";
}

static void verify(struct box *box, const struct paths *paths, struct ent_export *export,
                   bool has_key)
{
    struct ent_audit_options options = {
        .policy = paths->policy, .key = has_key ? paths->key : NULL, .threads = 1};
    struct ent_audit_facts facts = {0};
    enum ent_audit_verdict verdict;

    box_must(box, ent_audit_verify(export, &options, &facts), "verify");
    verdict = ent_audit_verdict(&facts);
    if (verdict == ENT_AUDIT_VIOLATED) {
        box_break(box, 'm', "verify: %s", first_finding(&facts, ENT_AUDIT_FAIL));
    } else if (verdict == ENT_AUDIT_NOT_COMPLETE && has_key) {
        box_break(box, 'm', "verify: %s", first_finding(&facts, ENT_AUDIT_INCOMPLETE));
    }
    for (size_t i = 0; i < facts.n_findings; i++) {
        if (facts.findings[i].check != 15) {
            box_break(box, 'm', "verify: V%u %s", facts.findings[i].check, facts.findings[i].text);
        }
    }
    ent_audit_facts_release(&facts);
}

static void replay(struct box *box, const struct paths *paths, struct ent_export *export,
                   bool has_key)
{
    struct ent_replay_options options = {.policy = paths->policy,
                                         .key = has_key ? paths->key : NULL};
    struct ent_replay replay = {0};

    box_must(box, ent_replay_export(export, &options, &replay), "replay");
    if (replay.verdict == ENT_REPLAY_DIFFERS ||
        (has_key && replay.verdict != ENT_REPLAY_IDENTICAL)) {
        box_break(box, 'm', "replay: %s",
                  replay.n_findings > 0 ? replay.findings[0].text : "not identical");
    }
    ent_replay_release(&replay);
}

void laws_of_audit(struct box *box, const uint8_t *secret)
{
    struct ent_export *export = NULL;
    struct paths paths;

    (void)snprintf(paths.export, sizeof paths.export, "%s/export", box->dir);
    (void)snprintf(paths.policy, sizeof paths.policy, "%s/witness.policy", box->members[0].dir);
    (void)snprintf(paths.key, sizeof paths.key, "%s/dpo.key", box->dir);
    write_export(box, &paths);
    write_key(box, &paths, secret);
    if (box->broken) {
        return;
    }
    box_must(box, ent_export_open(paths.export, &export), "export");
    if (export != NULL) {
        verify(box, &paths, export, secret != NULL);
        replay(box, &paths, export, secret != NULL);
    }
    ent_export_close(export);
}
