#include <pthread.h>
#include <string.h>
#include <time.h>

#include "common/base/file.h"
#include "coordinator/engine/control.h"
#include "tests/support/ent_test.h"

static enum ent_err echo(void *ctx, const char *request, struct ent_buf *reply)
{
    (void)ctx;
    return ent_buf_addf(reply, "{\"got\":%zu}", strlen(request));
}

static enum ent_err stopping(void *ctx, const char *request, struct ent_buf *reply)
{
    (void)ctx;
    (void)request;
    (void)reply;
    return ENT_E_STOPPED;
}

static enum ent_err slow(void *ctx, const char *request, struct ent_buf *reply)
{
    struct timespec moment = {.tv_nsec = 200000000L};

    (void)nanosleep(&moment, NULL);
    return echo(ctx, request, reply);
}

struct asker {
    const char *dir;
    pthread_t thread;
    enum ent_err err;
};

static void *ask(void *arg)
{
    struct asker *asker = arg;
    struct ent_buf reply;

    ent_buf_init(&reply, 1000);
    asker->err = ent_control_ask(asker->dir, "{\"a\":1}", &reply);
    ent_buf_release(&reply);
    return NULL;
}

/* A verb that asks in the very moment in which serve ends is told so, and asks again: `status` in a loop must not fail. */
ENT_TEST(control, who_asks_while_it_ends_is_told)
{
    const char *dir = ent_test_tmpdir();
    struct timespec moment = {.tv_nsec = 50000000L};
    struct ent_control *control = NULL;
    struct asker askers[3] = {{.dir = dir}, {.dir = dir}, {.dir = dir}};
    struct asker late = {.dir = dir};

    ENT_OK(ent_control_new(dir, stopping, NULL, &control));
    (void)ask(&late);
    CU_ASSERT_EQUAL(late.err, ENT_E_BUSY);
    ent_control_free(control);
    ENT_OK(ent_control_new(dir, slow, NULL, &control));
    for (size_t i = 0; i < 3; i++) { /* the first is answered, the others wait to be accepted */
        CU_ASSERT_EQUAL_FATAL(pthread_create(&askers[i].thread, NULL, ask, &askers[i]), 0);
        (void)nanosleep(&moment, NULL);
    }
    ent_control_free(control);
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(pthread_join(askers[i].thread, NULL), 0);
        CU_ASSERT_EQUAL(askers[i].err, i == 0 ? ENT_E_OK : ENT_E_BUSY);
    }
}

ENT_TEST(control, a_socket_left_by_a_dead_one_is_replaced)
{
    const char *dir = ent_test_tmpdir();
    struct ent_control *control = NULL;
    struct ent_buf reply;
    char path[160];
    FILE *f;

    ent_buf_init(&reply, 1000);
    CU_ASSERT_EQUAL(ent_control_ask(dir, "{}", &reply), ENT_E_NOT_FOUND);
    (void)snprintf(path, sizeof path, "%s/control.sock", dir);
    f = fopen(path, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    CU_ASSERT_EQUAL(fclose(f), 0);
    CU_ASSERT_EQUAL(ent_control_ask(dir, "{}", &reply), ENT_E_NOT_FOUND);
    ENT_OK(ent_control_new(dir, echo, NULL, &control));
    ENT_OK(ent_control_ask(dir, "{\"a\":1}", &reply));
    CU_ASSERT_EQUAL(reply.len, strlen("{\"got\":7}"));
    ent_control_free(control);
    CU_ASSERT_FALSE(ent_file_exists(path));
    ent_buf_release(&reply);
}
