/* IN what a simulation found · OUT text, CSV or JSON · OWNS nothing · THREADS one · SOURCE - */
#ifndef ENT_SIMULATE_PRINT_H
#define ENT_SIMULATE_PRINT_H

#include "simulate/compare.h"
#include "simulate/sweep.h"

/* One run's figures. */
struct ent_simulated_run {
    uint64_t seed;
    uint64_t combination; /* of the sweep */
    enum ent_err failed;  /* OK; otherwise there are no figures: this setting of a sweep diverged */
    struct ent_federation_result federated;
    struct ent_comparison comparison; /* with --compare */
};

struct ent_simulation {
    const struct ent_plan *plan;
    const struct ent_population *population;
    const struct ent_sweep *sweep; /* n = 0: none */
    struct ent_federation_memory memory;
    uint64_t table_bytes;
    uint32_t threads;
    const char *division; /* "by job" */
    bool compare;
    bool each;   /* a line for each member */
    bool course; /* figures after each training round */
    struct ent_simulated_run *runs;
    uint32_t n_runs;
};

/* "log loss 0.6690, AUC 0.9055", or what else there is of these outputs. */
void ent_print_figures(const struct ent_metrics *metrics, FILE *out);
struct ent_json_writer;
/* print_rows.c: rows that are not used, members that lack rows or classes, columns that are not what they look like. */
void ent_print_rows(const struct ent_population *population, FILE *out);
void ent_put_rows(const struct ent_population *population, struct ent_json_writer *w);
/* print_compare.c: members alone, federated, pooled; the columns are those that the label's kind has. */
void ent_print_comparison(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                          FILE *out);
void ent_put_comparison(struct ent_json_writer *w, const struct ent_simulation *sim,
                        const struct ent_comparison *c);
/* print_privacy.c: behind a round, ", epsilon 0.81 of 2"; of a run, its lines and its key `privacy`. Nothing without privacy. */
void ent_print_spent(const struct ent_simulated_privacy *privacy, FILE *out);
void ent_print_privacy(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                       FILE *out);
void ent_put_privacy(struct ent_json_writer *w, const struct ent_simulated_privacy *privacy);
void ent_print_memory(const struct ent_simulation *sim, FILE *out);
void ent_print_population(const struct ent_simulation *sim, FILE *out);
void ent_print_run(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                   FILE *out);
/* Mean and standard error over the runs; nothing for one run. */
void ent_print_mean(const struct ent_simulation *sim, FILE *out);
void ent_print_csv_head(const struct ent_simulation *sim, FILE *out);
void ent_print_csv_row(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                       FILE *out);
struct ent_json_writer;
/* The key `course` of a run: figures of the test rows after each training round. */
void ent_print_course(struct ent_json_writer *w, const struct ent_federation_result *result);
ENT_MUST enum ent_err ent_print_json(const struct ent_simulation *sim, FILE *out);

#endif
