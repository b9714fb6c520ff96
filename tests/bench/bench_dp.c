/* What clipping by example costs: one step of the 64-128-64-1 model on 256 rows, plain (gradient of the mean) and clipped (norms,
 * factors, products, sums in double), in pairs A B A B of one run. One JSON object on standard output; "ratio" is that of
 * the best plain and the best clipped step. Apart: rows padded to whole blocks, the sample, the noise of one step.
 *
 *   bench_dp [PAIRS [KERNEL]]      default 20, and the best path of this processor; avx512, avx2 or portable */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "client/train/dp.h"
#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/math/kernels.h"
#include "common/math/math.h"
#include "common/math/stats.h"
#include "common/model/clip.h"
#include "common/privacy/dgauss.h"

#define N_ROWS 256u
#define N_INPUTS 64u
#define N_UNITS 10000u
#define HALF_S 0.02 /* of each half of a pair */
#define PAIRS_MAX 200

static const struct ent_model_layer mlp[] = {{.kind = ENT_MODEL_DENSE, .units = 128},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DENSE, .units = 64},
                                             {.kind = ENT_MODEL_RELU},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};

/* Sequences go through one by one. */
#define N_SEQS 32u
#define N_STEPS 20u
#define STEP_INPUTS 32u
static const struct ent_model_layer gru[] = {{.kind = ENT_MODEL_GRU, .units = 64},
                                             {.kind = ENT_MODEL_LAST},
                                             {.kind = ENT_MODEL_DENSE, .units = 1}};

struct bench {
    float x[N_ROWS * N_INPUTS];
    float y[N_ROWS];
    struct ent_model *plain;
    struct ent_model *clips;
    struct ent_model *gru_plain;
    struct ent_model *gru_clips;
    float steps[N_SEQS * N_STEPS * STEP_INPUTS];
    uint32_t lengths[N_SEQS];
    size_t dim; /* the larger of both models */
    double *sum;
    int64_t *noise;
    uint32_t words[N_UNITS];
    double bound;
    uint64_t clipped; /* rows, over all steps */
    uint64_t rows;
    uint64_t in; /* units drawn: keeps the loop alive */
};

/* ---- the kernel path: the link puts this in the place of ent_kernels (--wrap) ---- */

const struct ent_kernels *real_kernels(void) __asm__("__real_ent_kernels");
const struct ent_kernels *wrapped_kernels(void) __asm__("__wrap_ent_kernels");

static const struct ent_kernels *chosen; /* NULL: the best */

const struct ent_kernels *wrapped_kernels(void)
{
    return chosen != NULL ? chosen : real_kernels();
}

static enum ent_err choose(const char *name)
{
    const struct ent_kernels *all[] = {ent_kernels_avx512(), ent_kernels_avx2(),
                                       ent_kernels_portable()};

    for (size_t i = 0; i < ENT_ARRAY_LEN(all); i++) {
        if (all[i] != NULL && strcmp(all[i]->name, name) == 0) {
            chosen = all[i];
            return ENT_E_OK;
        }
    }
    return ent_err_note(ENT_E_NOT_FOUND, "this processor has no kernel path %s", name);
}

/* ---- steps ---- */

/* The processor's time: other programs on the machine take no part of it. */
static double now_s(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static enum ent_err build_gru(struct bench *b, struct ent_rng *rng)
{
    struct ent_model_options options = {.n_inputs = STEP_INPUTS,
                                        .layers = gru,
                                        .n_layers = ENT_ARRAY_LEN(gru),
                                        .batch_max = N_SEQS,
                                        .seq_max = N_STEPS,
                                        .training = true};

    for (size_t i = 0; i < N_SEQS * N_STEPS * STEP_INPUTS; i++) {
        b->steps[i] = (float)ent_rng_normal(rng);
    }
    for (size_t i = 0; i < N_SEQS; i++) {
        b->lengths[i] = N_STEPS;
    }
    ENT_TRY(ent_model_new(&options, &b->gru_plain));
    options.clips = true;
    ENT_TRY(ent_model_new(&options, &b->gru_clips));
    ent_model_init_params(b->gru_plain, rng);
    memcpy(ent_model_params(b->gru_clips), ent_model_params(b->gru_plain),
           ent_model_n_params(b->gru_plain) * sizeof(float));
    b->dim = ent_model_n_params(b->gru_plain);
    return ENT_E_OK;
}

static enum ent_err build(struct bench *b)
{
    struct ent_model_options options = {.n_inputs = N_INPUTS,
                                        .layers = mlp,
                                        .n_layers = ENT_ARRAY_LEN(mlp),
                                        .batch_max = N_ROWS,
                                        .training = true};
    struct ent_rng rng = ent_rng_init(7, 0);

    for (size_t i = 0; i < N_ROWS * N_INPUTS; i++) {
        b->x[i] = (float)ent_rng_normal(&rng);
    }
    for (size_t i = 0; i < N_ROWS; i++) {
        b->y[i] = ent_rng_float(&rng) < 0.5f ? 1.0f : 0.0f;
    }
    ENT_TRY(ent_model_new(&options, &b->plain));
    options.clips = true;
    ENT_TRY(ent_model_new(&options, &b->clips));
    ent_model_init_params(b->plain, &rng);
    memcpy(ent_model_params(b->clips), ent_model_params(b->plain),
           ent_model_n_params(b->plain) * sizeof(float));
    ENT_TRY(build_gru(b, &rng));
    if (b->dim < ent_model_n_params(b->plain)) {
        b->dim = ent_model_n_params(b->plain);
    }
    ENT_TRY(ent_calloc_aligned(b->dim, sizeof *b->sum, &b->sum));
    b->bound = 4.0; /* about half of the rows are clipped */
    return ent_calloc(b->dim, sizeof *b->noise, &b->noise);
}

static enum ent_err plain_step(struct bench *b)
{
    double loss;

    ent_model_step(b->plain, b->x, b->y, N_ROWS, NULL, &loss);
    return ENT_E_OK;
}

static enum ent_err clipped_step(struct bench *b)
{
    double norms[ENT_MODEL_CLIP_ROWS];
    struct ent_model_clip clip = {.bound = b->bound,
                                  .product_rows = ENT_MODEL_CLIP_ROWS, /* 64 x 256 = 2^14 */
                                  .sum = b->sum,
                                  .norms = norms};

    memset(b->sum, 0, ent_model_n_params(b->clips) * sizeof *b->sum);
    for (uint32_t from = 0; from < N_ROWS; from += ENT_MODEL_CLIP_ROWS) {
        clip.x = b->x + (size_t)from * N_INPUTS;
        clip.y = b->y + from;
        ent_model_step_clipped(b->clips, &clip);
        for (uint32_t i = 0; i < ENT_MODEL_CLIP_ROWS; i++) {
            b->clipped += norms[i] > b->bound ? 1 : 0;
        }
        b->rows += ENT_MODEL_CLIP_ROWS;
    }
    return ENT_E_OK;
}

static enum ent_err gru_plain_step(struct bench *b)
{
    struct ent_model_piece piece = {.x = b->steps,
                                    .y = b->y,
                                    .lengths = b->lengths,
                                    .n = N_SEQS,
                                    .n_total = N_SEQS,
                                    .first = true};
    double loss;

    ent_model_step_piece(b->gru_plain, &piece, NULL, &loss);
    return ENT_E_OK;
}

static enum ent_err gru_clipped_step(struct bench *b)
{
    double norm;
    struct ent_model_clip clip = {
        .bound = b->bound, .product_rows = 1, .sum = b->sum, .norms = &norm};

    memset(b->sum, 0, ent_model_n_params(b->gru_clips) * sizeof *b->sum);
    for (uint32_t i = 0; i < N_SEQS; i++) {
        clip.x = b->steps + (size_t)i * N_STEPS * STEP_INPUTS;
        clip.y = b->y + i;
        clip.lengths = b->lengths + i;
        ent_model_step_clipped(b->gru_clips, &clip);
    }
    return ENT_E_OK;
}

static enum ent_err sample_step(struct bench *b)
{
    struct ent_csprng csprng = ent_csprng_system();

    ENT_TRY(ent_csprng_bytes(&csprng, b->words, sizeof b->words));
    for (size_t i = 0; i < N_UNITS; i++) {
        b->in += b->words[i] < 110000000u ? 1 : 0;
    }
    return ENT_E_OK;
}

static enum ent_err noise_step(struct bench *b)
{
    static const uint8_t key[ENT_DGAUSS_KEY_BYTES] = {1};

    return ent_dgauss_fill(key, (uint64_t)1 << 34, 0, b->noise, ent_model_n_params(b->plain));
}

/* Seconds of one step: the mean over as many as fit. */
static enum ent_err measure(struct bench *b, enum ent_err (*step)(struct bench *b), double *out)
{
    double begin = now_s();
    unsigned n = 0;

    do {
        ENT_TRY(step(b));
        n++;
    } while (now_s() - begin < HALF_S);
    *out = (now_s() - begin) / n;
    return ENT_E_OK;
}

struct figures {
    double plain; /* seconds, the best of all pairs */
    double clipped;
    double median; /* of the pairs' ratios */
    double sample;
    double noise;
    double gru_plain;
    double gru_clipped;
};

static enum ent_err run(struct bench *b, size_t pairs, struct figures *out)
{
    double ratios[PAIRS_MAX];

    ENT_TRY(build(b));
    for (size_t i = 0; i < pairs; i++) {
        double plain;
        double clipped;

        ENT_TRY(measure(b, plain_step, &plain));
        ENT_TRY(measure(b, clipped_step, &clipped));
        ratios[i] = clipped / plain;
        out->plain = i == 0 || plain < out->plain ? plain : out->plain;
        out->clipped = i == 0 || clipped < out->clipped ? clipped : out->clipped;
    }
    out->median = ent_stats_median(ratios, pairs);
    ENT_TRY(measure(b, gru_plain_step, &out->gru_plain));
    ENT_TRY(measure(b, gru_clipped_step, &out->gru_clipped));
    ENT_TRY(measure(b, sample_step, &out->sample));
    return measure(b, noise_step, &out->noise);
}

static enum ent_err report(const struct bench *b, const struct figures *f)
{
    struct ent_buf out;
    struct ent_json_writer w;
    enum ent_err err;

    ent_buf_init(&out, 4096);
    ent_json_begin(&w, &out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "bench", "dp");
    ent_json_put_key_string(&w, "model", "64-128-64-1, 256 rows");
    ent_json_put_key_string(&w, "kernel", ent_math_kernel_name());
    ent_json_put_key_double(&w, "ratio", f->clipped / f->plain);
    ent_json_put_key_double(&w, "ratio_median", f->median);
    ent_json_put_key_double(&w, "plain_us", f->plain * 1e6);
    ent_json_put_key_double(&w, "clipped_us", f->clipped * 1e6);
    ent_json_put_key_double(&w, "clipped_share", (double)b->clipped / (double)b->rows);
    ent_json_put_key_double(&w, "padding_rows_mean", (ENT_MODEL_CLIP_ROWS - 1) / 2.0);
    ent_json_put_key_double(&w, "padding_us_most", f->clipped * 1e6 * ENT_MODEL_CLIP_ROWS / N_ROWS);
    ent_json_put_key_double(&w, "sampling_us_10000_units", f->sample * 1e6);
    ent_json_put_key_double(&w, "noise_us", f->noise * 1e6);
    ent_json_put_key_double(&w, "gru64_20_steps_32_sequences_plain_us", f->gru_plain * 1e6);
    ent_json_put_key_double(&w, "gru64_20_steps_32_sequences_clipped_us", f->gru_clipped * 1e6);
    ent_json_put_close(&w);
    err = ent_json_end(&w);
    if (err == ENT_E_OK) {
        printf("%.*s\n", (int)out.len, (const char *)out.data);
    }
    ent_buf_release(&out);
    return err;
}

int main(int argc, char **argv)
{
    static struct bench b;
    struct figures figures = {0};
    unsigned long pairs = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
    enum ent_err err;

    if (pairs < 1 || pairs > PAIRS_MAX) {
        (void)fprintf(stderr, "usage: bench_dp [PAIRS [KERNEL]]\n");
        return ent_err_exit(ENT_E_USAGE);
    }
    err = argc > 2 ? choose(argv[2]) : ENT_E_OK;
    if (err == ENT_E_OK) {
        err = run(&b, pairs, &figures);
    }
    if (err == ENT_E_OK) {
        err = report(&b, &figures);
    }
    if (err != ENT_E_OK) {
        (void)fprintf(stderr, "bench_dp: %s\n", ent_err_message());
    }
    ent_model_free(b.plain);
    ent_model_free(b.clips);
    ent_model_free(b.gru_plain);
    ent_model_free(b.gru_clips);
    free(b.sum);
    free(b.noise);
    return ent_err_exit(err);
}
