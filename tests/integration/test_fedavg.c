/* Federated averaging with one full-batch step and weights by rows is gradient descent on all rows together, up to the
 * grid. The other side is computed here in double by loops of its own: reading, standardising, forward, backward.
 *
 * One round from a base w with members k of n_k of n rows, step size h, gradient g_k of member k's mean loss:
 *   exact:      w' = w - h * sum_k n_k / n * g_k = w - h * g,            g that of the pooled mean loss
 *   federated:  each delta is rounded to a multiple of 2^-s: off by at most 2^-(s + 1), and so is their weighted mean;
 *               float32 arithmetic adds at most FLOAT_ERROR at these sizes.
 * So |w'_federated - w'_exact| <= d = 2^-(s + 1) + FLOAT_ERROR in every parameter (asserted round by round, from the
 * round's own base). Over R rounds an error e grows to at most (1 + h * L) * e + d; with h * L <= 1, which this data
 * satisfies, it stays below (2^R - 1) * d (asserted at the end, against a descent that never saw the federation). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/model/modelfile.h"
#include "tests/integration/laws.h"
#include "tests/integration/oracle.h"
#include "tests/integration/record.h"
#include "tests/support/ent_test.h"

#define ROUNDS 5
#define RATE 0.2
#define FLOAT_ERROR 0x1p-21
#define INPUTS 7
#define UNITS 4
#define W1 ((size_t)INPUTS * UNITS) /* parameters of the first weights */
#define PARAMS (W1 + UNITS + UNITS + 1)
#define ROWS_MAX 512
#define MEMBERS 4

struct pooled {
    double x[ROWS_MAX][INPUTS];
    double y[ROWS_MAX];
    uint32_t n;
};

/* ---- data ---- */

static void read_row(const char *line, double mean, double sd, double x[INPUTS], double *y)
{
    static const char *const jobs[] = {"admin", "nurse", "pilot"};
    char id[32];
    char job[16];
    char loan[8];
    char label[8];
    double age = 0;
    int n = sscanf(line, "%31[^,],%lf,%15[^,],%7[^,],%7[a-z]", id, &age, job, loan, label);
    size_t at = 3; /* other */

    CU_ASSERT_EQUAL_FATAL(n, 5);
    memset(x, 0, INPUTS * sizeof *x);
    age = age < 18 ? 18 : age > 95 ? 95 : age;
    x[0] = (age - mean) / sd;
    for (size_t i = 0; i < 3; i++) {
        at = strcmp(job, jobs[i]) == 0 ? i : at;
    }
    x[1 + at] = 1;
    x[strcmp(loan, "yes") == 0 ? 6 : 5] = 1;
    *y = strcmp(label, "yes") == 0 ? 1 : 0;
}

static void read_all(const struct box *box, double mean, double sd, struct pooled *out)
{
    out->n = 0;
    for (uint32_t m = 0; m < MEMBERS; m++) {
        char path[ENROLLED_PATH_MAX];
        char line[256];
        FILE *in;

        enrolled_path(path, box->members[m].dir, "data.csv");
        in = fopen(path, "r");
        CU_ASSERT_FATAL(in != NULL && fgets(line, sizeof line, in) != NULL);
        while (fgets(line, sizeof line, in) != NULL) {
            CU_ASSERT_FATAL(out->n < ROWS_MAX);
            read_row(line, mean, sd, out->x[out->n], &out->y[out->n]);
            out->n++;
        }
        (void)fclose(in);
    }
}

/* ---- the descent ---- */

/* Gradient of one row's loss, added to g. */
static void add_gradient(const double *w, const double *x, double y, double *g)
{
    const double *b1 = &w[W1];
    const double *v = b1 + UNITS;
    double h[UNITS] = {0};
    double z = v[UNITS];
    double dz;

    for (size_t u = 0; u < UNITS; u++) {
        double a = b1[u];

        for (size_t i = 0; i < INPUTS; i++) {
            a += x[i] * w[i * UNITS + u];
        }
        h[u] = a > 0 ? a : 0;
        z += h[u] * v[u];
    }
    dz = 1.0 / (1.0 + exp(-z)) - y;
    for (size_t u = 0; u < UNITS; u++) {
        double da = h[u] > 0 ? dz * v[u] : 0;

        for (size_t i = 0; i < INPUTS; i++) {
            g[i * UNITS + u] += da * x[i];
        }
        g[W1 + u] += da;
        g[W1 + UNITS + u] += dz * h[u];
    }
    g[PARAMS - 1] += dz;
}

static void descend(const struct pooled *data, double *w)
{
    double g[PARAMS] = {0};

    for (uint32_t i = 0; i < data->n; i++) {
        add_gradient(w, data->x[i], data->y[i], g);
    }
    for (size_t i = 0; i < PARAMS; i++) {
        w[i] -= RATE * g[i] / data->n;
    }
}

/* ---- the federation ---- */

static void make_plan(uint32_t scale_bits, char *out, size_t size)
{
    int n = snprintf(
        out, size,
        "features: [{name: age, type: number, range: [18, 95]},\n"
        "  {name: job, type: category, values: [admin, nurse, pilot]}, {name: loan, type: "
        "boolean}]\n"
        "min_group: 1\n"
        "label: {name: y, positive: \"yes\"}\n"
        "split: {validation: 0, test: 0}\n"
        "model: {layers: [{dense: %d}, relu, {dense: 1}], loss: bce}\n"
        "training: {rounds: %d, epochs: 1, batch: full, optimizer: {sgd: {rate: %g, momentum: 0}},"
        " seed: 11}\n"
        "aggregation: {rule: fedavg, scale_bits: %u, min_members: 4,\n"
        "  weights: {fixed: {brand-a: %u, brand-b: %u, brand-c: %u, brand-d: %u}}}\n",
        UNITS, ROUNDS, RATE, (unsigned)scale_bits, ENROLLED_ROWS(0), ENROLLED_ROWS(1),
        ENROLLED_ROWS(2), ENROLLED_ROWS(3));

    CU_ASSERT_FATAL(n > 0 && (size_t)n < size);
}

/* Parameters of a committed model; *mean and *sd: of the first feature. */
static void load_model(const struct box *box, const uint8_t digest[32], double w[PARAMS],
                       double *mean, double *sd)
{
    const struct record_bytes *bytes = record_model(box, digest);
    struct ent_modelfile *file = NULL;
    struct ent_blob *blob = NULL;

    CU_ASSERT_PTR_NOT_NULL(bytes);
    if (bytes == NULL) {
        return;
    }
    ENT_OK(ent_blob_new_copy(bytes->bytes, bytes->len, &blob));
    ENT_OK(ent_modelfile_read(blob, &file));
    ent_blob_unref(blob);
    CU_ASSERT_EQUAL_FATAL(file->n_params, PARAMS);
    for (size_t i = 0; i < PARAMS; i++) {
        w[i] = (double)ent_modelfile_params(file)[i];
    }
    *mean = file->info.fits[0].mean;
    *sd = file->info.fits[0].sd;
    ent_modelfile_free(file);
}

static double distance(const double a[PARAMS], const double b[PARAMS])
{
    double most = 0;

    for (size_t i = 0; i < PARAMS; i++) {
        most = fabs(a[i] - b[i]) > most ? fabs(a[i] - b[i]) : most;
    }
    return most;
}

static double compare(const struct box *box, double bound)
{
    static struct pooled data;
    const struct box_record *rec = box->record;
    double alone[PARAMS] = {0}; /* the descent that never saw the federation */
    double step[PARAMS] = {0};  /* one step from the round's base */
    double w[PARAMS] = {0};
    double most = 0;
    double mean = 0;
    double sd = 1;
    uint32_t rounds = 0;

    for (size_t i = 0; i < rec->n_rows; i++) {
        if (rec->rows[i].kind != ENT_ROW_CLOSE) {
            continue;
        }
        load_model(box, rec->rows[i].model, w, &mean, &sd);
        if (rec->rows[i].task == ENT_ROUND_STATS) {
            read_all(box, mean, sd, &data);
            memcpy(alone, w, sizeof alone);
        } else {
            descend(&data, alone);
            descend(&data, step);
            most = distance(w, step) > most ? distance(w, step) : most;
            rounds++;
        }
        memcpy(step, w, sizeof step);
    }
    CU_ASSERT_EQUAL(rounds, ROUNDS);
    CU_ASSERT(most <= bound);
    CU_ASSERT(distance(w, alone) <= ((1 << ROUNDS) - 1) * bound);
    printf("\n  one round off by %.2e (bound %.2e), %d rounds by %.2e (bound %.2e)", most, bound,
           ROUNDS, distance(w, alone), ((1 << ROUNDS) - 1) * bound);
    return most;
}

static double federate(uint32_t scale_bits)
{
    struct box box;
    char plan[1024];
    double most;

    make_plan(scale_bits, plan, sizeof plan);
    box_new(&box, scale_bits, MEMBERS);
    for (uint32_t i = 0; i < MEMBERS; i++) {
        box.weights[i] = ENROLLED_ROWS(i);
        box_start_member(&box, i);
    }
    box_start_engine(&box);
    box_start_run(&box, plan, NULL);
    CU_ASSERT(box_run(&box, box_run_over, 600000));
    CU_ASSERT_EQUAL(oracle_check(&box, plan), ROUNDS);
    laws_of_rows(&box, MEMBERS);
    if (box.broken) {
        printf("\nlaw %c: %s\n", box.law, box.text);
    }
    CU_ASSERT_FATAL(!box.broken);
    most = compare(&box, 1.0 / (double)(UINT64_C(2) << scale_bits) + FLOAT_ERROR);
    box_free(&box);
    return most;
}

ENT_TEST(fedavg, full_batch_is_pooled_gradient_descent)
{
    double coarse = federate(12);

    CU_ASSERT(coarse >
              0x1p-16); /* the grid is what is seen, not a tolerance that hides everything */
    (void)federate(16);
    (void)federate(20);
}
