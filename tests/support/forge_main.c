/* entente-forge DIR MEMBERS ROUNDS [SEED]: a forged federation's export (DIR) and policy (DIR.policy), for tests. */
#include <stdlib.h>

#include "tests/support/forge.h"

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
    char path[512];
    enum ent_err err = ent_forge_new(&options, &forge);

    if (err == ENT_E_OK) {
        err = ent_forge_export(forge, dir, false);
    }
    (void)snprintf(path, sizeof path, "%s.policy", dir);
    if (err == ENT_E_OK) {
        err = ent_forge_policy_file(forge, path);
    }
    if (err == ENT_E_OK) {
        (void)printf("%s: %zu leaves, %zu notes, %zu blobs; %s\n", dir, forge->n_leaves,
                     forge->n_notes, forge->n_blobs, path);
    }
    ent_forge_free(forge);
    return err;
}

int main(int argc, char **argv)
{
    enum ent_err err;

    if (argc != 4 && argc != 5) {
        (void)fprintf(stderr, "usage: %s DIR MEMBERS ROUNDS [SEED]\n", argv[0]);
        return ent_err_exit(ENT_E_USAGE);
    }
    err = make(argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10),
               argc == 5 ? strtoul(argv[4], NULL, 10) : 1);
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s: %s\n", argv[1], ent_err_message());
    }
    return ent_err_exit(err);
}
