/* What score.c and score_rich.c share. Not for others. */
#ifndef ENT_CLIENT_AGENT_SCORE_INTERNAL_H
#define ENT_CLIENT_AGENT_SCORE_INTERNAL_H

#include "client/agent/score.h"
#include "client/data/prep.h"
#include "client/data/split.h"
#include "client/data/table.h"
#include "client/task/fill.h"
#include "common/model/modelfile.h"

struct ent_scorer {
    const struct ent_score_options *options;
    const struct ent_client_config *config;
    struct ent_client_config plain; /* without a client.yaml */
    const char *id;
    struct ent_modelfile *file;
    struct ent_model *model;
    struct ent_schema schema;
    struct ent_prep *prep;
    float *x;         /* [block][n_inputs]; plain rows */
    float *prob;      /* [block] */
    uint32_t *wanted; /* --rows: ascending */
    uint32_t n_wanted;
    struct ent_histogram histogram;
    struct ent_explainer *explainer; /* NULL: not asked for */
    struct ent_buf out;
    char *tmp; /* NULL: the output is standard output, or there is none */
    int fd;
    uint64_t n_source_rows;
    struct ent_score_result result;
};

bool ent_scorer_wants(const struct ent_scorer *s, uint32_t source_row);
/* The id of a row, without what follows it. */
ENT_MUST enum ent_err ent_scorer_write_id(struct ent_scorer *s, const struct ent_table *table,
                                          uint32_t row);
ENT_MUST enum ent_err ent_scorer_flush(struct ent_scorer *s, bool only_when_full);
void ent_scorer_take_counts(struct ent_scorer *s, const struct ent_table *table);

/* score_rich.c: models of sequences, tokens, classes or numbers. */
bool ent_score_is_rich(const struct ent_model_info *info);
/* The header of the output behind the id. */
ENT_MUST enum ent_err ent_score_rich_header(struct ent_scorer *s);
ENT_MUST enum ent_err ent_score_rich(struct ent_scorer *s);

#endif
