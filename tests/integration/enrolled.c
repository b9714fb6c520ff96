#include "tests/integration/enrolled.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "certs/token.h"
#include "client/agent/agent.h"
#include "client/agent/enroll.h"
#include "common/base/buf.h"
#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/rng.h"
#include "common/json/json.h"
#include "common/net/link_mem.h"
#include "coordinator/engine/control.h"
#include "coordinator/engine/engine.h"
#include "tests/support/ent_test.h"
#include "tests/support/hooks.h"

static struct enrolled templates[ENROLLED_MEMBERS + 1]; /* by number of members */
static char root[ENROLLED_PATH_MAX];                    /* of all directories of this program */

/* ---- directories ---- */

void enrolled_path(char out[ENROLLED_PATH_MAX], const char *dir, const char *name)
{
    int n = snprintf(out, ENROLLED_PATH_MAX, "%s/%s", dir, name);

    ENT_BUG_ON(n < 0 || n >= ENROLLED_PATH_MAX);
}

static void remove_root(void)
{
    enrolled_remove(root);
}

/* Where fsync costs nothing: these tests end processes in their midst, not machines. */
static const char *root_dir(void)
{
    if (root[0] == '\0') {
        (void)snprintf(root, sizeof root, "/dev/shm/entente-test.XXXXXX");
        if (mkdtemp(root) == NULL) {
            (void)snprintf(root, sizeof root, "/tmp/entente-test.XXXXXX");
            ENT_BUG_ON(mkdtemp(root) == NULL);
        }
        ENT_BUG_ON(atexit(remove_root) != 0);
    }
    return root;
}

static void new_dir(char out[ENROLLED_PATH_MAX])
{
    enrolled_path(out, root_dir(), "XXXXXX");
    ENT_BUG_ON(mkdtemp(out) == NULL);
}

void enrolled_remove(const char *dir)
{
    char path[ENROLLED_PATH_MAX];
    char *const list[] = {path, NULL};
    FTS *fts;
    FTSENT *entry;

    (void)snprintf(path, sizeof path, "%s", dir);
    fts = fts_open(list, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    while (fts != NULL && (entry = fts_read(fts)) != NULL) {
        if (entry->fts_info != FTS_D) {
            (void)remove(entry->fts_accpath);
        }
    }
    if (fts != NULL) {
        (void)fts_close(fts);
    }
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    char bytes[65536];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0777);
    ssize_t n;

    ENT_BUG_ON(in < 0 || out < 0);
    while ((n = read(in, bytes, sizeof bytes)) > 0) {
        ENT_BUG_ON(write(out, bytes, (size_t)n) != n);
    }
    ENT_BUG_ON(n < 0);
    (void)close(in);
    (void)close(out);
}

void enrolled_copy(const char *from, char out[ENROLLED_PATH_MAX])
{
    new_dir(out);
    ENT_BUG_ON(rmdir(out) != 0);
    enrolled_copy_to(from, out);
}

void enrolled_copy_to(const char *from, const char *to)
{
    char source[ENROLLED_PATH_MAX];
    char *const list[] = {source, NULL};
    size_t skip = strlen(from);
    FTS *fts;
    FTSENT *entry;

    ENT_BUG_ON(mkdir(to, 0700) != 0);
    (void)snprintf(source, sizeof source, "%s", from);
    fts = fts_open(list, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    ENT_BUG_ON(fts == NULL);
    while ((entry = fts_read(fts)) != NULL) {
        char path[ENROLLED_PATH_MAX];

        if (entry->fts_level == 0) {
            continue;
        }
        enrolled_path(path, to, entry->fts_path + skip + 1);
        if (entry->fts_info == FTS_D) {
            ENT_BUG_ON(mkdir(path, 0700) != 0);
        } else if (entry->fts_info == FTS_F) {
            copy_file(entry->fts_path, path, entry->fts_statp->st_mode);
        }
    }
    (void)fts_close(fts);
}

/* ---- data ---- */

const char *enrolled_name(uint32_t member)
{
    static const char *const names[ENROLLED_MEMBERS] = {"brand-a", "brand-b", "brand-c", "brand-d",
                                                        "brand-e"};

    return names[member];
}

/* Customers of one brand: what decides is the same everywhere, who they are is not. */
static void write_data(const char *member_dir, uint32_t member)
{
    static const char *const jobs[] = {"admin", "nurse", "pilot", "smith"};
    struct ent_rng rng = ent_rng_init(7, member);
    char path[ENROLLED_PATH_MAX];
    FILE *out;

    enrolled_path(path, member_dir, "data.csv");
    out = fopen(path, "w");
    ENT_BUG_ON(out == NULL);
    (void)fprintf(out, "id,age,job,loan,y\n");
    for (uint32_t i = 0; i < ENROLLED_ROWS(member); i++) {
        uint32_t age = 18 + ent_rng_below(&rng, 40) + 6 * member;
        uint32_t job = (ent_rng_below(&rng, 3) + member) % 4;
        bool loan = ent_rng_below(&rng, 2) == 1;
        double z = 0.06 * ((double)age - 45) + (job == 1 ? 1.0 : 0.0) - (loan ? 0.8 : 0.0);
        bool y = z + ent_rng_normal(&rng) > 0;

        (void)fprintf(out, "%u-%u,%u,%s,%s,%s\n", (unsigned)member, (unsigned)i, (unsigned)age,
                      jobs[job], loan ? "yes" : "no", y ? "yes" : "no");
    }
    ENT_BUG_ON(fclose(out) != 0);
}

void enrolled_config(const char *member_dir, const char *policy)
{
    char path[ENROLLED_PATH_MAX];
    FILE *out;

    enrolled_path(path, member_dir, "client.yaml");
    out = fopen(path, "w");
    ENT_BUG_ON(out == NULL);
    (void)fprintf(out,
                  "coordinator: main:7443\n"
                  "data: {source: csv, path: data.csv}\n"
                  "unit_key: id\n"
                  "policy: {%s%s%s}\n",
                  strstr(policy, "min_customers") == NULL ? "min_customers: 1, " : "",
                  strstr(policy, "min_group") == NULL ? "min_group: 1, " : "", policy);
    ENT_BUG_ON(fclose(out) != 0);
}

/* ---- enrolment ---- */

struct office {
    struct ent_clock_fake time;
    struct ent_home *home;
    struct ent_engine *engine;
    struct ent_link_mem_net *net;
    struct ent_link *enroll;
    struct ent_link *main;
    struct enrolled *out;
    struct witness {
        struct office *office;
        uint32_t member;
        struct ent_agent *agent;
    } witnesses[ENROLLED_MEMBERS];
};

static enum ent_err open_link(void *ctx, const uint8_t pin[ENT_SHA256_BYTES],
                              ent_link_handler handler, void *handler_ctx, struct ent_link **out)
{
    const struct ent_link_mem_identity nobody = {0};
    struct office *office = ctx;

    (void)pin;
    return ent_link_mem_new(office->net, &nobody, NULL, handler, handler_ctx, out);
}

static struct ent_token invite(struct office *office, const char *name)
{
    struct ent_json *json = NULL;
    struct ent_token token;
    struct ent_buf reply;
    const char *text = NULL;
    char ask[128];

    (void)snprintf(ask, sizeof ask, "{\"verb\":\"invite\",\"name\":\"%s\"}", name);
    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    ENT_OK(ent_engine_request(office->engine, ask, &reply));
    ENT_OK(ent_json_parse((const char *)reply.data, reply.len, ENT_CONTROL_REPLY_MAX_BYTES, 16,
                          &json));
    ENT_OK(ent_json_string(ent_json_get(json, "token"), "token", &text));
    ENT_OK(ent_token_decode(text, strlen(text), &token));
    ent_json_free(json);
    ent_buf_release(&reply);
    return token;
}

static void enrol(struct office *office, uint32_t member)
{
    struct ent_enroll_options options = {
        .clock = ent_clock_of_fake(&office->time), .open = open_link, .ctx = office};
    struct ent_enroll_result result;
    struct ent_enroll *enroll = NULL;
    char dir[ENROLLED_PATH_MAX];
    char name[16];
    bool done = false;

    (void)snprintf(name, sizeof name, "m%u", (unsigned)member);
    enrolled_path(dir, office->out->dir, name);
    options.dir = dir;
    options.token = invite(office, enrolled_name(member));
    memcpy(office->out->handles[member], options.token.handle, ENT_HANDLE_BYTES);
    ENT_OK(ent_enroll_new(&options, &enroll));
    for (int turn = 0; turn < 20 && !done; turn++) {
        (void)ent_link_mem_pump(office->net, 1000);
        ENT_OK(ent_engine_step(office->engine));
        ENT_OK(ent_enroll_step(enroll, &done, &result));
    }
    CU_ASSERT_FATAL(done);
    CU_ASSERT_STRING_EQUAL(result.name, enrolled_name(member));
    ent_enroll_free(enroll);
    write_data(dir, member);
    enrolled_config(dir, "tasks: [stats, train, evaluate], min_members: 2, plans: any");
}

/* ---- the witness set ---- */

static enum ent_err open_main(void *ctx, ent_link_handler handler, void *handler_ctx,
                              struct ent_link **out)
{
    struct witness *w = ctx;
    struct ent_link_mem_identity identity = {0};
    char uri[ENT_CERTS_URI_BYTES];

    ent_certs_member_uri(w->office->out->federation, w->office->out->handles[w->member], uri);
    identity.uri = uri;
    return ent_link_mem_new(w->office->net, &identity, NULL, handler, handler_ctx, out);
}

static bool is_frozen(struct office *office)
{
    struct ent_buf reply;
    const char *text = NULL;
    bool frozen;

    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    ENT_OK(ent_engine_request(office->engine, "{\"verb\":\"policy\"}", &reply));
    ENT_OK(ent_buf_str(&reply, &text));
    frozen = strstr(text, "\"frozen\":true") != NULL;
    ent_buf_release(&reply);
    return frozen;
}

static void freeze(struct office *office, uint32_t n_members)
{
    bool frozen = false;
    int more = 5; /* the note that covers it is cosigned too */

    for (uint32_t i = 0; i < n_members; i++) {
        struct witness *w = &office->witnesses[i];
        struct ent_agent_options options = {.clock = ent_clock_of_fake(&office->time),
                                            .transport = {.ctx = w, .open = open_main},
                                            .jitter_seed = 1};
        char dir[ENROLLED_PATH_MAX];
        char name[16];

        *w = (struct witness){.office = office, .member = i};
        (void)snprintf(name, sizeof name, "m%u", (unsigned)i);
        enrolled_path(dir, office->out->dir, name);
        options.dir = dir;
        ENT_OK(ent_agent_new(&options, &w->agent));
    }
    for (int turn = 0; turn < 200 && more > 0; turn++) {
        (void)ent_link_mem_pump(office->net, 1000);
        ENT_OK(ent_engine_step(office->engine));
        for (uint32_t i = 0; i < n_members; i++) {
            (void)ent_agent_step(office->witnesses[i].agent);
        }
        frozen = frozen || (turn > 5 && is_frozen(office));
        more -= frozen ? 1 : 0;
    }
    CU_ASSERT_FATAL(frozen);
    for (uint32_t i = 0; i < n_members; i++) {
        ent_agent_free(office->witnesses[i].agent);
    }
}

static void make_template(struct enrolled *out, uint32_t n_members)
{
    struct office office = {.time = {.mono_ms = 1000, .wall_ms = ENROLLED_WALL_MS}, .out = out};
    struct ent_clock clock = ent_clock_of_fake(&office.time);
    struct ent_setup_options setup = {.name = "box", .host = "main", .clock = clock};
    struct ent_engine_options options = {.clock = clock};
    const struct ent_link_mem_identity identity = {0};
    struct ent_setup_result result;
    char fed[ENROLLED_PATH_MAX];

    new_dir(out->dir);
    enrolled_path(fed, out->dir, "fed");
    setup.dir = fed;
    ENT_OK(ent_setup_init(&setup, &result));
    memcpy(out->federation, result.federation, sizeof out->federation);
    ENT_OK(ent_link_mem_net_new(clock, &office.net));
    ENT_OK(ent_home_open(fed, &clock, &office.home));
    options.home = office.home;
    ENT_OK(ent_engine_new(&options, &office.engine));
    ENT_OK(ent_link_mem_new(office.net, &identity, NULL, ent_engine_on_enroll, office.engine,
                            &office.enroll));
    ENT_OK(ent_link_mem_new(office.net, &identity, NULL, ent_engine_on_main, office.engine,
                            &office.main));
    ent_engine_attach(office.engine, office.main, office.enroll);
    ENT_OK(ent_link_listen(office.enroll, "main:7444", (char[300]){0}, 300));
    ENT_OK(ent_engine_start(office.engine));
    for (uint32_t i = 0; i < n_members; i++) {
        enrol(&office, i);
    }
    ent_link_free(office.enroll); /* one listener a host in memory */
    ent_engine_attach(office.engine, office.main, NULL);
    ENT_OK(ent_link_listen(office.main, "main:7443", (char[300]){0}, 300));
    freeze(&office, n_members);
    ent_link_free(office.main);
    ent_engine_free(office.engine);
    ent_home_close(office.home);
    ent_link_mem_net_free(office.net);
}

const char *enrolled_env(const char *name)
{
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): nobody sets it while tests run */
}

/* Ids and handles are the same in every program, so that a seed's course is. (Keys are not: nothing depends on them.) */
static bool draw(void *ctx, void *out, size_t len)
{
    struct ent_rng *rng = ctx;
    uint8_t *at = out;

    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)ent_rng_u32(rng);
    }
    return true;
}

const struct enrolled *enrolled_template(uint32_t n_members)
{
    struct ent_rng rng = ent_rng_init(1, 98);
    const struct ent_test_hooks hooks = {.random = draw, .ctx = &rng};
    struct enrolled *template = &templates[n_members];

    ENT_BUG_ON(n_members < 2 || n_members > ENROLLED_MEMBERS);
    if (template->dir[0] == '\0') {
        FILE *nowhere = fopen("/dev/null", "w");

        if (enrolled_env("ENTENTE_VERBOSE") != NULL) {
            ent_log_set(ENT_LOG_DEBUG, stderr);
        } else if (nowhere != NULL) {
            ent_log_set(ENT_LOG_ERROR, nowhere);
        }
        ent_test_hooks_set(&hooks);
        make_template(template, n_members);
        ent_test_hooks_set(NULL);
    }
    return template;
}
