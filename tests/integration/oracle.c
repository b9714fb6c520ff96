#include "tests/integration/oracle.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "common/model/modelfile.h"
#include "common/plan/plan.h"
#include "tests/integration/noise.h"
#include "tests/integration/record.h"

struct oracle {
    struct box *box;
    struct ent_plan *plan;
    const struct ent_row *close;
    uint64_t base_round; /* of the OPEN row */
    uint8_t base[32];
    int64_t *sum;
    size_t dim;
    uint64_t sum_w;
    uint32_t n;
    float *moments[2]; /* [n_params] of the server's optimizer, from round to round */
};

static void wrong(const struct oracle *o, const char *what)
{
    box_break(o->box, 'b', "round %llu (%s): %s", (unsigned long long)o->close->round,
              ent_round_task_name(o->close->task), what);
}

/* ---- the sum ---- */

static int64_t load(const uint8_t *at, size_t bytes)
{
    uint64_t v = 0;

    for (size_t i = bytes; i > 0; i--) {
        v = v << 8 | at[i - 1];
    }
    return bytes == 4 ? (int64_t)(int32_t)(uint32_t)v : (int64_t)v;
}

static void add(struct oracle *o, const struct ent_row *accept)
{
    const struct record_bytes *payload = record_payload(o->box, accept->digest);
    size_t width = o->close->task == ENT_ROUND_TRAIN ? 4 : 8;
    size_t n;

    if (payload == NULL) {
        wrong(o, "an accepted update never passed over the wire");
        return;
    }
    n = (payload->len - ENT_UPDATE_SALT_BYTES) / width;
    if (o->sum == NULL) {
        o->dim = n;
        ENT_BUG_ON(ent_calloc(n, sizeof *o->sum, &o->sum) != ENT_E_OK);
    }
    if (n != o->dim) {
        wrong(o, "updates of different lengths");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        o->sum[i] += (int64_t)accept->weight *
                     load(payload->bytes + ENT_UPDATE_SALT_BYTES + i * width, width);
    }
    o->sum_w += accept->weight;
    o->n++;
}

static void check_digest(const struct oracle *o)
{
    uint8_t *bytes = NULL;
    uint8_t digest[32];

    ENT_BUG_ON(ent_calloc(o->dim, 8, &bytes) != ENT_E_OK);
    for (size_t i = 0; i < o->dim; i++) {
        for (size_t b = 0; b < 8; b++) {
            bytes[8 * i + b] = (uint8_t)((uint64_t)o->sum[i] >> (8 * b));
        }
    }
    ENT_BUG_ON(ent_sha256(bytes, 8 * o->dim, digest) != ENT_E_OK);
    free(bytes);
    if (memcmp(digest, o->close->digest, sizeof digest) != 0) {
        wrong(o, "the sum is not that of the accepted updates, each once");
    }
    if (o->sum_w != o->close->sum_w) {
        wrong(o, "sum_w is not that of the accepted updates");
    }
}

/* ---- models ---- */

static struct ent_modelfile *open_model(const struct oracle *o, const uint8_t digest[32],
                                        const struct record_bytes **bytes)
{
    struct ent_modelfile *file = NULL;
    struct ent_blob *blob = NULL;

    *bytes = record_model(o->box, digest);
    if (*bytes == NULL || ent_blob_new_copy((*bytes)->bytes, (*bytes)->len, &blob) != ENT_E_OK) {
        wrong(o, "a model is missing");
        return NULL;
    }
    box_must(o->box, ent_modelfile_read(blob, &file), "model file");
    ent_blob_unref(blob);
    return file;
}

/* What the plan's server optimizer makes of the mean update of one parameter (Hsu et al. 2019; Reddi et al. 2021). */
static double server_step(const struct oracle *o, size_t i, double delta)
{
    const struct ent_server_hyper *h = &o->plan->server.hyper;
    const char *name = o->plan->server.optim->name;
    float *m = &o->moments[0][i];
    float *v = &o->moments[1][i];

    if (strcmp(name, "momentum") == 0) {
        double next = h->momentum * (double)*m + delta;

        *m = (float)next;
        return h->rate * next;
    }
    if (strcmp(name, "fedadam") == 0) {
        double m_next = h->beta1 * (double)*m + (1.0 - h->beta1) * delta;
        double v_next = h->beta2 * (double)*v + (1.0 - h->beta2) * (delta * delta);

        *m = (float)m_next;
        *v = (float)v_next;
        return h->rate * m_next / (sqrt(v_next) + h->tau);
    }
    return h->rate * delta;
}

static void new_moments(struct oracle *o)
{
    size_t n = ent_plan_n_params(o->plan);

    ENT_BUG_ON(ent_calloc(n, sizeof(float), &o->moments[0]) != ENT_E_OK);
    ENT_BUG_ON(ent_calloc(n, sizeof(float), &o->moments[1]) != ENT_E_OK);
    for (size_t i = 0; i < n; i++) {
        o->moments[1][i] = (float)(o->plan->server.hyper.tau * o->plan->server.hyper.tau);
    }
}

/* The file that the round must have made: the base's description with its own lineage, and stepped parameters. */
static void expected_model(const struct oracle *o, const struct ent_modelfile *base,
                           struct ent_buf *out)
{
    const float *params = ent_modelfile_params(base);
    struct ent_model_info info = base->info;
    double scale = 1.0;
    double c;
    size_t n = 0;

    memcpy(info.federation, enrolled_template(o->box->n_members)->federation,
           sizeof info.federation);
    memcpy(info.plan, o->plan->digest, sizeof info.plan);
    memcpy(info.base, o->base, sizeof info.base);
    info.run = o->close->run;
    info.round = o->close->round;
    box_must(o->box, ent_modelfile_header(&info, out, &n), "model header");
    for (uint32_t i = 0; i < o->plan->scale_bits; i++) {
        scale *= 2.0;
    }
    c = 1.0 / ((double)o->sum_w * scale);
    for (size_t i = 0; i < n && i < o->dim; i++) {
        float stepped = (float)((double)params[i] + server_step(o, i, (double)o->sum[i] * c));

        box_must(o->box, ent_buf_add(out, &stepped, sizeof stepped), "model");
    }
}

static void check_train(const struct oracle *o)
{
    const struct record_bytes *base_bytes = NULL;
    const struct record_bytes *made = record_model(o->box, o->close->model);
    struct ent_modelfile *base = open_model(o, o->base, &base_bytes);
    struct ent_buf expected;

    ent_buf_init(&expected, (size_t)64 << 20);
    if (base != NULL) {
        expected_model(o, base, &expected);
        if (made == NULL || made->len != expected.len ||
            memcmp(made->bytes, expected.data, expected.len) != 0) {
            wrong(o, "the model is not the base stepped by the sum");
        }
    }
    ent_buf_release(&expected);
    ent_modelfile_free(base);
}

/* The initial model standardises by the pooled statistics. */
static void check_stats(const struct oracle *o)
{
    const struct record_bytes *bytes = NULL;
    struct ent_modelfile *file = open_model(o, o->close->model, &bytes);
    struct ent_task_sizes sizes = ent_plan_task_sizes(o->plan);
    struct ent_fits *fits = NULL;

    box_must(o->box, ent_task_stats_finish(&sizes, o->sum, o->dim, &fits), "statistics");
    if (file != NULL && !ent_fits_same(file->info.fits, fits->fit, o->plan->n_features)) {
        wrong(o, "the model does not prepare its inputs by the summed statistics");
    }
    ent_fits_free(fits);
    ent_modelfile_free(file);
}

static void check_evaluate(const struct oracle *o)
{
    const int64_t *negatives = o->sum + ENT_EVAL_CELLS_AT;
    const int64_t *positives = negatives + ENT_EVAL_CELLS;
    int64_t won = 0; /* twice: a pair in one cell is half won */
    int64_t pairs =
        o->sum[ENT_EVAL_POSITIVES] * (o->sum[ENT_EVAL_ROWS] - o->sum[ENT_EVAL_POSITIVES]);
    uint64_t auc;

    for (size_t i = 0; i < ENT_EVAL_CELLS; i++) {
        for (size_t j = 0; j < i; j++) {
            won += 2 * positives[i] * negatives[j];
        }
        won += positives[i] * negatives[i];
    }
    auc = pairs > 0 ? (uint64_t)(0.5 * (double)won / (double)pairs * 0x1p32) : 0;
    if (o->close->rows != (uint64_t)o->sum[ENT_EVAL_ROWS] ||
        o->close->loss_sum != (uint64_t)o->sum[ENT_EVAL_LOSS]) {
        wrong(o, "rows or loss are not those of the sum");
    }
    if (o->close->auc != auc) {
        wrong(o, "the AUC is not that of the sum");
    }
}

static void check_close(struct oracle *o)
{
    if (o->sum == NULL) {
        wrong(o, "closed without any update");
        return;
    }
    check_digest(o);
    if (o->box->broken) {
        return;
    }
    if (o->close->task == ENT_ROUND_TRAIN) {
        check_train(o);
    } else if (o->close->task == ENT_ROUND_STATS) {
        check_stats(o);
    } else {
        check_evaluate(o);
    }
}

/* ---- the run ---- */

static void check_round(struct oracle *o, const struct ent_row *rows, size_t at)
{
    const struct ent_row *close = &rows[at];

    o->close = close;
    o->sum = NULL;
    o->sum_w = 0;
    o->n = 0;
    for (size_t i = 0; i < at; i++) {
        if (rows[i].round != close->round || rows[i].attempt != close->attempt) {
            continue;
        }
        if (rows[i].kind == ENT_ROW_OPEN) {
            memcpy(o->base, rows[i].model, sizeof o->base);
        } else if (rows[i].kind == ENT_ROW_ACCEPT) {
            add(o, &rows[i]);
        }
    }
    if (o->sum != NULL && o->plan->privacy.unit == ENT_PRIVACY_MEMBER &&
        close->task == ENT_ROUND_TRAIN) {
        noise_add(o->box, o->plan, close, o->sum, o->dim);
    }
    check_close(o);
    free(o->sum);
}

struct best {
    bool by_auc;
    const uint8_t *model;
    uint64_t auc;
    uint64_t loss;
    uint64_t rows;
};

static bool is_better(const struct best *best, const struct ent_row *close)
{
    if (best->by_auc && close->auc != best->auc) {
        return close->auc > best->auc;
    }
    return close->loss_sum * best->rows < best->loss * close->rows;
}

/* The model with the smallest mean validation loss (or the largest AUC), the earlier one when two are equal. */
static void note_best(struct best *best, const struct ent_row *open, const struct ent_row *close)
{
    if (close->task != ENT_ROUND_EVALUATE || close->split != ENT_ROUND_ON_VALIDATION ||
        close->rows == 0) {
        return;
    }
    if (best->model == NULL || is_better(best, close)) {
        *best = (struct best){best->by_auc, open->model, close->auc, close->loss_sum, close->rows};
    }
}

static void check_best(struct box *box, const struct best *best)
{
    const struct ent_row *end = record_end(box);

    if (end != NULL && best->model != NULL && memcmp(end->model, best->model, 32) != 0) {
        box_break(box, 'b', "the run's best model is not that of the best validation figure");
    }
}

uint32_t oracle_check(struct box *box, const char *plan)
{
    const struct box_record *rec = box->record;
    struct oracle o = {.box = box};
    struct best best = {0};
    const struct ent_row *open = NULL;
    uint32_t n_train = 0;

    box_must(box, ent_plan_parse("plan.yaml", (const uint8_t *)plan, strlen(plan), &o.plan),
             "plan");
    best.by_auc = o.plan->best_by == ENT_BEST_BY_AUC;
    new_moments(&o);
    for (size_t i = 0; i < rec->n_rows && !box->broken; i++) {
        open = rec->rows[i].kind == ENT_ROW_OPEN ? &rec->rows[i] : open;
        if (rec->rows[i].kind == ENT_ROW_CLOSE && open != NULL) {
            check_round(&o, rec->rows, i);
            note_best(&best, open, &rec->rows[i]);
            n_train += rec->rows[i].task == ENT_ROUND_TRAIN ? 1 : 0;
        }
    }
    check_best(box, &best);
    free(o.moments[0]);
    free(o.moments[1]);
    ent_plan_free(o.plan);
    return n_train;
}
