#include "tests/unit/client_agent/support.h"

#include <stdlib.h>
#include <string.h>

#include "client/train/trainer.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/model/modelfile.h"
#include "tests/support/ent_test.h"

const char *support_file(const char *dir, const char *name, const char *text, size_t len)
{
    static char paths[8][512];
    static size_t next;
    char *path = paths[next++ % 8];

    (void)snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    ENT_OK(ent_file_write_atomic(path, text, len, 0600));
    return path;
}

const char *support_plan_text(void)
{
    return "features:\n"
           "  - {name: age, type: number, range: [0, 100]}\n"
           "  - {name: income, type: number, range: [0, 1000], indicator: true}\n"
           "  - {name: job, type: category, values: [a, b, c]}\n"
           "  - {name: loan, type: boolean}\n"
           "min_group: 1\n"
           "label: {name: y, positive: \"yes\"}\n"
           "split: {key: 1, validation: 0.2, test: 0.2}\n"
           "model: {layers: [{dense: 8}, relu, {dropout: 0.2}, {dense: 1}], loss: bce}\n"
           "training: {rounds: 3, epochs: 2, batch: 16, optimizer: {sgd: {rate: 0.1}}, seed: 7}\n"
           "aggregation: {rule: fedavg, weights: examples_log2, scale_bits: 20, min_members: 3, "
           "join: 30s, update: 10min, attempts: 3}\n";
}

const char *support_client_text(void)
{
    return "coordinator: localhost:7443\n"
           "data: {source: csv, path: data.csv, bad_rows: drop}\n"
           "unit_key: id\n"
           "policy: {tasks: [stats, train, evaluate], min_members: 3, min_group: 1, plans: any}\n";
}

char *support_csv(uint32_t n, uint64_t seed)
{
    static const char *const jobs[] = {"a", "b", "c", "zzz", ""};
    struct ent_rng rng = ent_rng_init(seed, 0);
    struct ent_buf text;
    const char *out = NULL;
    char *copy = NULL;

    ent_buf_init(&text, (size_t)64 * 1024 * 1024);
    ENT_OK(ent_buf_addf(&text, "age,income,job,loan,y,id\n"));
    for (uint32_t i = 0; i < n; i++) {
        float age = ent_rng_float(&rng) * 110.0F;
        float income = ent_rng_float(&rng) * 1000.0F;
        uint32_t job = ent_rng_below(&rng, 5);
        float score =
            age / 100.0F + income / 1000.0F + (job == 1 ? 0.5F : 0.0F) + ent_rng_float(&rng) * 0.8F;
        bool no_income = ent_rng_below(&rng, 10) == 0;

        ENT_OK(ent_buf_addf(&text, "%.1f,", (double)age));
        if (!no_income) {
            ENT_OK(ent_buf_addf(&text, "%.2f", (double)income));
        }
        ENT_OK(ent_buf_addf(&text, ",%s,%s,%s,c%u\n", jobs[job],
                            ent_rng_below(&rng, 2) == 0 ? "yes" : "no", score > 1.5F ? "yes" : "no",
                            (unsigned)i));
    }
    ENT_OK(ent_buf_str(&text, &out));
    ENT_OK(ent_strdup(out, &copy));
    ent_buf_release(&text);
    return copy;
}

struct ent_blob *support_model(const struct ent_plan *plan, const char *dir, uint64_t seed)
{
    struct ent_fit fits[8] = {{0}};
    struct ent_model_layer layers[8];
    struct ent_model_options options;
    struct ent_model_info info = {.loss = "bce"};
    struct ent_rng rng = ent_rng_init(seed, 0);
    struct ent_blob *blob = NULL;
    float *params = NULL;
    const char *path;

    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        fits[i] = (struct ent_fit){.mean = (f->lo + f->hi) / 2,
                                   .sd = f->hi > f->lo ? (f->hi - f->lo) / 4 : 1};
    }
    ent_plan_model_options(plan, 64, layers, &options);
    info.features = plan->features;
    info.fits = fits;
    info.n_features = plan->n_features;
    info.n_inputs = plan->n_inputs;
    info.layers = layers;
    info.n_layers = plan->n_layers;
    info.label_name = plan->label_name;
    info.label_positive = plan->label_positive;
    memcpy(info.plan, plan->digest, sizeof info.plan);
    ENT_OK(ent_calloc(ent_plan_n_params(plan), sizeof *params, &params));
    ENT_OK(ent_model_init_vector(&options, &rng, params));
    path = support_file(dir, "model.tmp", "", 0);
    ENT_OK(ent_modelfile_write(path, &info, params, ent_plan_n_params(plan)));
    ENT_OK(ent_blob_new_file(path, &blob));
    free(params);
    return blob;
}
