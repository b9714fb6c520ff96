#include "tests/integration/harness.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/engine/control.h"
#include "tests/integration/faults.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

void box_break(struct box *box, char law, const char *fmt, ...)
{
    va_list args;

    if (box->broken) {
        return;
    }
    box->broken = true;
    box->law = law;
    va_start(args, fmt);
    (void)vsnprintf(box->text, sizeof box->text, fmt, args);
    va_end(args);
}

void box_must(struct box *box, enum ent_err err, const char *what)
{
    if (err != ENT_E_OK) {
        box_break(box, 'x', "%s: %s (%s)", what, ent_err_message(), ent_err_name(err));
    }
}

static bool verbose(void)
{
    return enrolled_env("ENTENTE_VERBOSE") != NULL;
}

/* ---- hooks of the test link ---- */

static void on_point(void *ctx, const char *name)
{
    struct box *box = ctx;

    if (strcmp(name, "store-after-commit") == 0 && box->engine_steps) {
        box->n_commits++;
        record_commit(box);
    }
    if (box->kill_point != NULL && strcmp(name, box->kill_point) == 0 && --box->kill_nth == 0) {
        box->kill_point = NULL;
        box->kill_due = true;
    }
    if (box->faults != NULL) {
        faults_at_point(box, name);
    }
}

static bool is_planted(void *ctx, const char *bug)
{
    struct box *box = ctx;

    if (strcmp(bug, "killed-before-commit") == 0 && box->kill_due) {
        return true;
    }
    if (strcmp(bug, "killed-before-commit") == 0 || strcmp(bug, "killed-after-commit") == 0) {
        return box->faults != NULL &&
               faults_kill_engine(box, strcmp(bug, "killed-before-commit") == 0);
    }
    return box->plant != NULL && strcmp(bug, box->plant) == 0;
}

/* Salts and nonces are the seed's too. Agents of two threads would draw in no fixed order: not then. */
static bool draw(void *ctx, void *out, size_t len)
{
    struct box *box = ctx;
    struct ent_rng rng;
    uint8_t *at = out;

    if (box->threads > 1) {
        return false;
    }
    rng = ent_rng_init(box->stream++, 99);
    for (size_t i = 0; i < len; i++) {
        at[i] = (uint8_t)ent_rng_u32(&rng);
    }
    return true;
}

static struct ent_link_mem_fault on_frame(void *ctx, const struct ent_link_mem_frame *frame)
{
    struct box *box = ctx;

    record_frame(box, frame);
    return box->faults != NULL ? faults_of_frame(box, frame)
                               : (struct ent_link_mem_fault){ENT_LINK_MEM_PASS, 0};
}

/* ---- life ---- */

void box_new(struct box *box, uint64_t seed, uint32_t n_members)
{
    const struct enrolled *from = enrolled_template(n_members);

    memset(box, 0, sizeof *box);
    box->time = (struct ent_clock_fake){.mono_ms = 1000, .wall_ms = ENROLLED_WALL_MS + 5000};
    box->clock = ent_clock_of_fake(&box->time);
    box->rng = ent_rng_init(seed, 1);
    box->stream = seed << 20;
    box->threads = 1;
    box->engine_start_ms = BOX_NEVER;
    box->stepping = BOX_NOBODY;
    box->n_members = n_members;
    enrolled_copy(from->dir, box->dir);
    enrolled_path(box->fed, box->dir, "fed");
    ENT_OK(ent_link_mem_net_new(box->clock, &box->net));
    ent_link_mem_set_hook(box->net, on_frame, box);
    for (uint32_t i = 0; i < BOX_MEMBERS; i++) {
        struct box_member *m = &box->members[i];
        char name[8];

        m->box = box;
        m->index = i;
        m->start_ms = BOX_NEVER;
        (void)snprintf(name, sizeof name, "m%u", (unsigned)i);
        enrolled_path(m->dir, box->dir, name);
    }
    box->hooks = (struct ent_test_hooks){
        .point = on_point, .planted = is_planted, .random = draw, .ctx = box};
    ent_test_hooks_set(&box->hooks);
    record_new(box);
}

void box_free(struct box *box)
{
    for (uint32_t i = 0; i < BOX_MEMBERS; i++) {
        box_kill_member(box, i);
    }
    box_kill_engine(box);
    ent_link_mem_net_free(box->net);
    record_free(box);
    ent_test_hooks_set(NULL);
    enrolled_remove(box->dir);
}

static void engine_says(void *ctx, enum ent_say kind, const char *line)
{
    struct box *box = ctx;

    (void)kind;
    if (strstr(line, " declines: ") != NULL) {
        box->n_declined++;
        (void)snprintf(box->declined, sizeof box->declined, "%s", line);
    }
    if (verbose()) {
        (void)fprintf(stderr, "%8llu coordinator: %s\n", (unsigned long long)box->time.mono_ms,
                      line);
    }
}

/* The engine dies inside the call when a fault says so; any other error is our own failure. */
static void engine_call(struct box *box, enum ent_err (*call)(struct ent_engine *engine),
                        const char *what)
{
    enum ent_err err;

    box->engine_steps = true;
    box->depth++;
    err = call(box->engine);
    box->depth--;
    box->engine_steps = false;
    if (err == ENT_E_STOPPED && box->kill_due) {
        box->kill_due = false;
        box_kill_engine(box);
        box->engine_start_ms = box->time.mono_ms + 500;
    } else if (err == ENT_E_STOPPED && box->faults != NULL && box->faults->killed) {
        faults_engine_killed(box);
    } else {
        box_must(box, err, what);
    }
}

void box_start_engine(struct box *box)
{
    struct ent_engine_options options = {
        .clock = box->clock, .retry_ms = 2000, .say = engine_says, .ctx = box};
    const struct ent_link_mem_identity identity = {0};
    char bound[300];

    box->engine_start_ms = BOX_NEVER;
    box_must(box, ent_home_open(box->fed, &box->clock, &box->home), "home");
    if (box->home == NULL) {
        return;
    }
    options.home = box->home;
    box_must(box, ent_engine_new(&options, &box->engine), "engine");
    if (box->engine == NULL) {
        return;
    }
    ENT_OK(
        ent_link_mem_new(box->net, &identity, NULL, ent_engine_on_main, box->engine, &box->main));
    ent_engine_attach(box->engine, box->main, NULL);
    ENT_OK(ent_link_listen(box->main, "main:1", bound, sizeof bound));
    engine_call(box, ent_engine_start, "engine start");
}

void box_step_engine(struct box *box)
{
    if (box->engine != NULL) {
        engine_call(box, ent_engine_step, "engine step");
    }
}

void box_kill_engine(struct box *box)
{
    ent_link_free(box->main);
    ent_engine_free(box->engine);
    ent_home_close(box->home);
    box->main = NULL;
    box->engine = NULL;
    box->home = NULL;
}

static void member_says(void *ctx, enum ent_agent_say kind, const char *line)
{
    struct box_member *m = ctx;

    (void)kind;
    if (verbose()) {
        (void)fprintf(stderr, "%8llu %s: %s\n", (unsigned long long)m->box->time.mono_ms,
                      enrolled_name(m->index), line);
    }
}

static enum ent_err open_link(void *ctx, ent_link_handler handler, void *handler_ctx,
                              struct ent_link **out)
{
    struct ent_link_mem_identity identity = {0};
    struct box_member *m = ctx;
    const struct enrolled *from = enrolled_template(m->box->n_members);
    char uri[ENT_CERTS_URI_BYTES];

    ent_certs_member_uri(from->federation, from->handles[m->index], uri);
    identity.uri = uri;
    ENT_TRY(ent_link_mem_new(m->box->net, &identity, NULL, handler, handler_ctx, &m->link));
    *out = m->link;
    return ENT_E_OK;
}

void box_start_member(struct box *box, uint32_t member)
{
    struct box_member *m = &box->members[member];
    struct ent_agent_options options = {.dir = m->dir,
                                        .clock = box->clock,
                                        .transport = {.ctx = m, .open = open_link},
                                        .jitter_seed = 1 + ent_rng_u32(&box->rng),
                                        .say = member_says,
                                        .say_ctx = m};

    m->start_ms = BOX_NEVER;
    m->dying = false;
    box_must(box, ent_agent_new(&options, &m->agent), enrolled_name(member));
}

void box_kill_member(struct box *box, uint32_t member)
{
    struct box_member *m = &box->members[member];

    ent_agent_free(m->agent);
    m->agent = NULL;
    m->link = NULL;
}

/* ---- the operator ---- */

void box_ask(struct box *box, const char *request)
{
    struct ent_buf reply;
    const char *text = NULL;

    ent_buf_init(&reply, ENT_CONTROL_REPLY_MAX_BYTES);
    box_must(box, ent_engine_request(box->engine, request, &reply), "request");
    box_must(box, ent_buf_str(&reply, &text), "reply");
    if (text != NULL && strstr(text, "\"error\"") != NULL) {
        box_break(box, 'x', "the operator's request was not carried out: %s", text);
    }
    ent_buf_release(&reply);
}

void box_start_run(struct box *box, const char *plan, const char *base)
{
    struct ent_json_writer w;
    struct ent_buf request;
    const char *text = NULL;

    ent_buf_init(&request, (size_t)1024 * 1024);
    ent_json_begin(&w, &request);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verb", "start");
    ent_json_put_key_string(&w, "name", "plan.yaml");
    ent_json_put_key_string(&w, "plan", plan);
    if (base != NULL) {
        ent_json_put_key_string(&w, "base", base);
    }
    ent_json_put_close(&w);
    ENT_OK(ent_json_end(&w));
    ENT_OK(ent_buf_str(&request, &text));
    box_ask(box, text);
    ent_buf_release(&request);
    record_commit(box); /* the rows are now those of this run: none yet */
}
