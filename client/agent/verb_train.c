#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client/agent/verbs.h"
#include "client/agent/workplace.h"
#include "common/base/file.h"
#include "common/base/plural.h"
#include "common/json/json.h"

#define FEW_EPOCHS 12

struct teller {
    bool interactive;
    bool quiet;
    uint32_t epoch; /* the last one that was told */
};

/* The first, the last and every tenth epoch of many. */
static bool worth_a_line(uint32_t epoch, uint32_t epochs)
{
    return epochs <= FEW_EPOCHS || epoch == 1 || epoch == epochs || epoch % 10 == 0;
}

static void tell_round(const struct teller *t, const struct ent_train_progress *p)
{
    if (t->interactive) {
        printf("\r\033[Kround %u of %u", (unsigned)p->epoch, (unsigned)p->epochs);
        (void)fflush(stdout);
    } else if (worth_a_line(p->epoch, p->epochs)) {
        printf("round %u of %u\n", (unsigned)p->epoch, (unsigned)p->epochs);
    }
}

/* Lines of epochs when piped, one line in place on a terminal. */
static void tell(void *ctx, const struct ent_train_progress *p)
{
    struct teller *t = ctx;
    uint64_t an_epoch = p->rows_total / (p->epochs > 0 ? p->epochs : 1);
    bool whole = p->epoch > t->epoch && p->rows_done >= an_epoch * p->epoch;

    if (t->quiet) {
        return;
    }
    if (isnan(p->mean_loss)) { /* noised steps, told once a round */
        tell_round(t, p);
    } else if (t->interactive) {
        printf("\r\033[Kepoch %u of %u: %llu %%, loss %.4f", (unsigned)p->epoch,
               (unsigned)p->epochs,
               (unsigned long long)(p->rows_total > 0 ? p->rows_done * 100 / p->rows_total : 0),
               p->mean_loss);
        (void)fflush(stdout);
    } else if (whole) {
        t->epoch = p->epoch;
        if (!worth_a_line(p->epoch, p->epochs)) {
            return;
        }
        printf("epoch %u of %u: loss %.4f\n", (unsigned)p->epoch, (unsigned)p->epochs,
               p->mean_loss);
    }
}

static void print_metrics(const char *what, const struct ent_metrics *m)
{
    char found[ENT_WORKPLACE_FOUND_TEXT];

    if (m->rows == 0) {
        printf("%-11s no rows\n", what);
    } else if (m->outputs != ENT_OUTPUTS_BINARY) {
        printf("%-11s ", what);
        ent_workplace_print_values(m, stdout);
    } else if (isnan(m->auc)) {
        printf("%-11s log loss %.4f over %llu rows (one class only: no AUC)\n", what, m->log_loss,
               (unsigned long long)m->rows);
    } else {
        printf("%-11s AUC %.4f, log loss %.4f over %llu rows (%llu positive)\n", what, m->auc,
               m->log_loss, (unsigned long long)m->rows, (unsigned long long)m->positives);
        ent_workplace_found_text(m, found);
        printf("%-11s %s\n", "", found);
    }
}

static void put_metrics(struct ent_json_writer *w, const char *key, const struct ent_metrics *m)
{
    ent_json_put_key(w, key);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_workplace_put_metrics(w, m);
    ent_json_put_close(w);
}

static enum ent_err print_json(const struct ent_local_result *r, const char *path)
{
    struct ent_json_writer w;
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, (size_t)64 * 1024);
    ent_json_begin(&w, &text);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "model", path);
    ent_json_put_key_uint(&w, "rows", r->rows);
    ent_json_put_key(&w, "train_loss");
    if (isfinite(r->train_loss)) {
        ent_json_put_double(&w, r->train_loss);
    } else {
        ent_json_put_null(&w);
    }
    ent_json_put_key_uint(&w, "best_round", r->best_round);
    put_metrics(&w, "validation", &r->validation);
    put_metrics(&w, "test", &r->test);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        err = ent_workplace_print(&text);
    }
    ent_buf_release(&text);
    return err;
}

/* NULL: the plan has none. */
static const char *privacy_text(const struct ent_plan *plan)
{
    switch (plan->privacy.unit) {
    case ENT_PRIVACY_CUSTOMER:
        return "with the plan's clipping and noise; nothing of it left, so nothing is booked";
    case ENT_PRIVACY_MEMBER:
        return "without noise: in this plan the coordinator adds it, to the sum of many members";
    case ENT_PRIVACY_NONE:
        break;
    }
    return NULL;
}

static enum ent_err print_text(const struct ent_local_result *r, const struct ent_plan *plan,
                               const char *path, const struct teller *teller)
{
    if (teller->interactive) {
        printf("\r\033[K");
    }
    printf("%-11s %u %s", "trained on", (unsigned)r->rows, ent_plural(r->rows, "row", "rows"));
    if (isfinite(r->train_loss)) {
        printf(", loss %.4f in the last pass", r->train_loss);
    }
    printf("\n");
    if (privacy_text(plan) != NULL) {
        printf("%-11s %s\n", "privacy", privacy_text(plan));
    }
    print_metrics("validation", &r->validation);
    print_metrics("test", &r->test);
    printf("%-11s %s\n", "model", path);
    return ENT_E_OK;
}

static enum ent_err train(const struct ent_train_verb *verb, struct ent_workplace *w,
                          const char *path)
{
    struct teller teller = {.interactive = isatty(STDOUT_FILENO) == 1, .quiet = verb->json};
    struct ent_local local = {
        .model_path = path, .as_planned = true, .progress = tell, .ctx = &teller};
    struct ent_local_result result;

    ENT_TRY(ent_pipeline_local(w->pipeline, &local, &result));
    return verb->json ? print_json(&result, path)
                      : print_text(&result, ent_pipeline_plan(w->pipeline), path, &teller);
}

enum ent_err ent_verb_train(const void *options, const char *const *args, size_t n)
{
    const struct ent_train_verb *verb = options;
    struct ent_workplace w = {0};
    char *path = NULL;
    enum ent_err err;

    (void)args;
    (void)n;
    ENT_REQUIRE(verb->local, ENT_E_USAGE,
                "train works on this member's data alone: say --local (run trains with others)");
    ENT_TRY(ent_workplace_open(verb->dir, verb->config, verb->plan, &w));
    err = ent_path_join(w.dir, "local.safetensors", &path);
    if (err == ENT_E_OK) {
        err = train(verb, &w, verb->output != NULL ? verb->output : path);
    }
    free(path);
    ent_workplace_close(&w);
    return err;
}
