/* entente-forge: forged federations for tests, and the sample exports of deploy/examples/audit.
 *
 *   entente-forge make DIR MEMBERS ROUNDS [SEED]   an export (DIR) and its policy (DIR.policy)
 *   entente-forge private DIR MEMBERS ROUNDS       the same with noise at the coordinator, and the auditor's key (DIR.x25519)
 *   entente-forge sample DIR                       honest.export, dropped.export, witness.policy, receipt
 *
 * Same arguments, same bytes (make: but for the sealed updates). */
#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "tests/support/forge.h"

#define SAMPLE_SEED 2026
#define SAMPLE_MEMBERS 3
#define DROPPED_ROUND 3 /* the second training round */
#define DROPPED_MEMBER 1

static enum ent_err export_to(struct ent_forge *forge, const char *dir, const char *name)
{
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(dir, name, &path));
    err = ent_forge_export(forge, path, false);
    if (err == ENT_E_OK) {
        (void)printf("%s: %zu leaves, %zu notes, %zu blobs\n", path, forge->n_leaves,
                     forge->n_notes, forge->n_blobs);
    }
    free(path);
    return err;
}

static enum ent_err make(const char *dir, unsigned long members, unsigned long rounds,
                         unsigned long seed)
{
    struct ent_forge_options options = {.seed = seed,
                                        .n_members = members,
                                        .train_rounds = (uint32_t)rounds,
                                        .validate = true,
                                        .test = true,
                                        .n_auditors = 1};
    struct ent_forge *forge = NULL;
    char path[4096];
    enum ent_err err = ent_forge_new(&options, &forge);

    if (err == ENT_E_OK) {
        err = ent_forge_export(forge, dir, false);
    }
    (void)snprintf(path, sizeof path, "%s.policy", dir);
    if (err == ENT_E_OK) {
        err = ent_forge_policy_file(forge, path);
    }
    ent_forge_free(forge);
    return err;
}

/* Of unit member: a join is withheld, an attempt fails. */
static enum ent_err make_private(const char *dir, unsigned long members, unsigned long rounds)
{
    static const struct ent_forge_fault faults[] = {{1, 1, 0, ENT_FORGE_TIMEOUT},
                                                    {1, 1, 1, ENT_FORGE_NO_JOIN}};
    struct ent_forge_options options = {.seed = 1,
                                        .n_members = members,
                                        .train_rounds = (uint32_t)rounds,
                                        .n_auditors = 1,
                                        .privacy = true,
                                        .central = true,
                                        .person_members = 3,
                                        .faults = faults,
                                        .n_faults = members > 4 ? 2 : 0};
    struct ent_forge *forge = NULL;
    char path[4096];
    enum ent_err err = ent_forge_new(&options, &forge);

    if (err == ENT_E_OK) {
        err = ent_forge_export(forge, dir, false);
    }
    (void)snprintf(path, sizeof path, "%s.policy", dir);
    if (err == ENT_E_OK) {
        err = ent_forge_policy_file(forge, path);
    }
    (void)snprintf(path, sizeof path, "%s.x25519", dir);
    if (err == ENT_E_OK) {
        err = ent_x25519_key_save(forge->seal[0], path);
    }
    ent_forge_free(forge);
    return err;
}

/* ---- the samples ---- */

struct dropping {
    uint32_t weight;
    uint8_t survivors[(SAMPLE_MEMBERS + 7) / 8];
};

/* The coordinator took the update, gave its receipt, and leaves it out of log and sum. */
static enum ent_err drop(void *ctx, struct ent_forge_leaf_event *event)
{
    struct dropping *d = ctx;
    struct ent_leaf_round_close *close = &event->any->round_close;

    if (event->frame->round != DROPPED_ROUND) {
        return ENT_E_OK;
    }
    if (event->frame->type == ENT_LEAF_UPDATE_ACCEPT && event->member == DROPPED_MEMBER) {
        d->weight = event->any->update_accept.weight;
        event->drop = true;
    } else if (event->frame->type == ENT_LEAF_ROUND_CLOSE) {
        memcpy(d->survivors, close->survivors.data, sizeof d->survivors);
        d->survivors[0] &= (uint8_t) ~(1u << DROPPED_MEMBER);
        close->survivors.data = d->survivors;
        close->sum_w -= d->weight;
    }
    return ENT_E_OK;
}

static enum ent_err write_receipt(struct ent_forge *honest, const char *dir)
{
    struct ent_buf bytes;
    char *path = NULL;
    enum ent_err err;

    ent_buf_init(&bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
    err = ent_path_join(dir, "receipt", &path);
    if (err == ENT_E_OK) {
        err = ent_forge_receipt(honest, DROPPED_ROUND, DROPPED_MEMBER, &bytes);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_new(path, bytes.data, bytes.len, 0600);
    }
    ent_buf_release(&bytes);
    free(path);
    return err;
}

static enum ent_err sample_in(const char *dir, struct ent_forge *honest, struct ent_forge *dropped)
{
    char *policy = NULL;
    enum ent_err err;

    ENT_TRY(ent_dir_make(dir));
    ENT_TRY(export_to(honest, dir, "honest.export"));
    ENT_TRY(export_to(dropped, dir, "dropped.export"));
    ENT_TRY(write_receipt(honest, dir));
    ENT_TRY(ent_path_join(dir, "witness.policy", &policy));
    err = ent_forge_policy_file(honest, policy);
    free(policy);
    return err;
}

static enum ent_err sample(const char *dir)
{
    struct dropping dropping = {0};
    struct ent_forge_options options = {.seed = SAMPLE_SEED,
                                        .n_members = SAMPLE_MEMBERS,
                                        .train_rounds = 3,
                                        .test = true,
                                        .plain = true};
    struct ent_forge *honest = NULL;
    struct ent_forge *dropped = NULL;
    enum ent_err err = ent_forge_new(&options, &honest);

    if (err == ENT_E_OK) {
        options.hook = drop;
        options.hook_ctx = &dropping;
        err = ent_forge_new(&options, &dropped);
    }
    if (err == ENT_E_OK) {
        err = sample_in(dir, honest, dropped);
    }
    ent_forge_free(honest);
    ent_forge_free(dropped);
    return err;
}

int main(int argc, char **argv)
{
    enum ent_err err;

    if (argc == 3 && strcmp(argv[1], "sample") == 0) {
        err = sample(argv[2]);
    } else if ((argc == 5 || argc == 6) && strcmp(argv[1], "make") == 0) {
        err = make(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10),
                   argc == 6 ? strtoul(argv[5], NULL, 10) : 1);
    } else if (argc == 5 && strcmp(argv[1], "private") == 0) {
        err = make_private(argv[2], strtoul(argv[3], NULL, 10), strtoul(argv[4], NULL, 10));
    } else {
        (void)fprintf(stderr,
                      "usage: %s make DIR MEMBERS ROUNDS [SEED]\n"
                      "       %s private DIR MEMBERS ROUNDS\n"
                      "       %s sample DIR\n",
                      argv[0], argv[0], argv[0]);
        return ent_err_exit(ENT_E_USAGE);
    }
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", argv[2], ent_err_message());
    }
    return ent_err_exit(err);
}
