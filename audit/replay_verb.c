#include "audit/replay.h"
#include "audit/verbs.h"
#include "common/math/math.h"

#define TEXT_MAX ((size_t)64 * 1024 * 1024) /* bytes: 65,536 rounds of JSON */

static enum ent_err show(const struct ent_replay *replay, const struct ent_audit_verb *o)
{
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, TEXT_MAX);
    err =
        o->json ? ent_replay_print_json(replay, &text) : ent_replay_print(replay, !o->quiet, &text);
    if (err == ENT_E_OK) {
        err = ent_audit_write(&text);
    }
    ent_buf_release(&text);
    return err;
}

static enum ent_err run(struct ent_export *export, const struct ent_audit_verb *o,
                        const struct ent_replay_options *options)
{
    struct ent_replay replay = {0};
    enum ent_err err = ent_replay_export(export, options, &replay);

    if (err == ENT_E_OK) {
        err = show(&replay, o);
    }
    if (err == ENT_E_OK) {
        err = ent_replay_outcome(&replay);
    }
    ent_replay_release(&replay);
    return err;
}

enum ent_err ent_verb_audit_replay(const void *options, const char *const *args, size_t n_args)
{
    const struct ent_audit_verb *o = options;
    struct ent_replay_options replay = {.policy = o->policy, .key = o->key};
    struct ent_export *export = NULL;
    enum ent_err err;

    (void)n_args;
    if (o->rounds != NULL) {
        ENT_TRY(ent_replay_range(o->rounds, &replay));
    }
    ent_math_init();
    ENT_TRY(ent_export_open(args[0], &export));
    err = run(export, o, &replay);
    ent_export_close(export);
    return err;
}
