/* A coordinator's store for 15-log-crash.sh, which makes system calls of `step` fail.
 *
 *   make DIR         a federation with a log
 *   step DIR TAG     one step of the log; what it hands out is appended to DIR/handed
 *   look DIR         the head, after the whole start-up check; fails unless all that was handed out is a
 *                    prefix of it; hands it out as well
 *   fill DIR N NOTES a log of N more leaves and NOTES notes
 *   time DIR         milliseconds of opening, and of the check of the log in it */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/file.h"
#include "tests/unit/coordinator_store/make.h"
#include "tests/unit/coordinator_store/make_log.h"

static enum ent_err
with(const char *dir, enum ent_err (*what)(struct ent_store *, const char *, char **), char **args)
{
    struct ent_store *store = NULL;
    enum ent_err err;

    ENT_TRY(ent_store_open(dir, &store));
    err = what(store, dir, args);
    ent_store_close(store);
    return err;
}

static enum ent_err begin(struct ent_store *store, const char *dir, char **args)
{
    (void)dir;
    (void)args;
    return log_begin(store);
}

static enum ent_err make(const char *dir)
{
    struct ent_store_identity id = {.name = "acme", .created_ms = NOW};

    memset(id.federation, 0xfe, sizeof id.federation);
    ENT_TRY(ent_store_create(dir, &id));
    return with(dir, begin, NULL);
}

static enum ent_err open_handed(const char *dir, int *fd)
{
    char *path = NULL;

    ENT_TRY(ent_path_join(dir, "handed", &path));
    *fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    free(path);
    ENT_REQUIRE(*fd >= 0, ENT_E_IO, "handed cannot be opened");
    return ENT_E_OK;
}

static enum ent_err step(struct ent_store *store, const char *dir, char **args)
{
    enum ent_err err;
    int fd = -1;

    ENT_TRY(open_handed(dir, &fd));
    err = log_step(store, (uint32_t)strtoul(args[0], NULL, 10), fd);
    (void)close(fd);
    return err;
}

static enum ent_err look(struct ent_store *store, const char *dir, char **args)
{
    uint64_t size = 0;
    uint8_t root[32];
    char hex[65];
    char *path = NULL;
    enum ent_err err;
    int fd = -1;

    (void)args;
    ENT_TRY(ent_path_join(dir, "handed", &path));
    err = log_check(store, path);
    free(path);
    ENT_TRY(err);
    ENT_TRY(open_handed(dir, &fd));
    err = log_hand_out(store, fd);
    (void)close(fd);
    ENT_TRY(err);
    ENT_TRY(ent_store_log_head(store, &size, root));
    ent_hex(root, sizeof root, hex);
    (void)printf("%llu %s\n", (unsigned long long)size, hex);
    return ENT_E_OK;
}

static enum ent_err fill(struct ent_store *store, const char *dir, char **args)
{
    size_t n = strtoul(args[0], NULL, 10);
    size_t notes = strtoul(args[1], NULL, 10);
    size_t group = notes == 0 ? n : n / notes;
    uint8_t sealed[1][32] = {{0}};
    uint8_t payload[32] = {0};

    (void)dir;
    for (size_t done = 0; done < n && group > 0; done += group) {
        ENT_TRY(ent_store_begin(store));
        for (size_t i = 0; i < group; i++) {
            ent_put_be64(sealed[0], done + i);
            ENT_TRY(log_add_accept(store, payload, sealed, 1, NOW));
        }
        ENT_TRY(ent_store_commit(store));
        ENT_TRY(log_put_note(store));
    }
    return ENT_E_OK;
}

static enum ent_err timed(const char *dir)
{
    struct ent_clock clock = ent_clock_system();
    struct ent_store *store = NULL;
    uint64_t start = ent_clock_mono(&clock);
    uint64_t opened;
    uint64_t checked;
    enum ent_err err;

    ENT_TRY(ent_store_open(dir, &store));
    opened = ent_clock_mono(&clock);
    err = ent_store_log_verify(store);
    checked = ent_clock_mono(&clock);
    ent_store_close(store);
    (void)printf("open %llu ms, of these the log %llu ms\n", (unsigned long long)(opened - start),
                 (unsigned long long)(checked - opened));
    return err;
}

static enum ent_err run(int argc, char **argv)
{
    const char *verb = argc > 2 ? argv[1] : "";

    if (strcmp(verb, "make") == 0) {
        return make(argv[2]);
    }
    if (strcmp(verb, "step") == 0 && argc == 4) {
        return with(argv[2], step, argv + 3);
    }
    if (strcmp(verb, "look") == 0) {
        return with(argv[2], look, NULL);
    }
    if (strcmp(verb, "fill") == 0 && argc == 5) {
        return with(argv[2], fill, argv + 3);
    }
    if (strcmp(verb, "time") == 0) {
        return timed(argv[2]);
    }
    return ent_err_note(ENT_E_USAGE, "make, step, look, fill or time, and a directory");
}

int main(int argc, char **argv)
{
    enum ent_err err = run(argc, argv);

    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "%s\n", ent_err_message());
    }
    return ent_err_exit(err);
}
