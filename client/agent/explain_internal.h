/* What explain_sample.c and explain.c share. Not for others. */
#ifndef ENT_CLIENT_AGENT_EXPLAIN_INTERNAL_H
#define ENT_CLIENT_AGENT_EXPLAIN_INTERNAL_H

#include "client/agent/explain.h"
#include "common/base/rng.h"

/* Each place of the sample has room for the longest sequence; of rows that is 1. */
struct ent_explainer {
    struct ent_explain_model of;
    struct ent_explain_options options;
    struct ent_rng rng;
    uint32_t cap;  /* places */
    uint32_t room; /* values of a place */
    uint64_t seen; /* rows that the sample is out of */
    bool labelled; /* rows without a label are no longer kept */
    struct ent_table sample;
    struct ent_table events; /* of sequences: where the columns are */
    struct ent_table view;   /* the sample with a group's columns replaced */
    struct ent_table view_events;
    struct ent_column *spares; /* [n_features] what replaces them */
    const char **groups;       /* [n_groups] columns of the source, in the schema's order */
    uint32_t n_groups;
    uint32_t *group_of;  /* [n_features] features of one column are disturbed together */
    uint32_t *positions; /* [n_positions] values that the model sees */
    uint32_t n_positions;
    uint32_t n_answers;
    float *y; /* [n_answers] */
};

/* Where the columns of the sample are. */
struct ent_table *ent_explainer_columns(struct ent_explainer *explainer);
/* A feature's value in row i to row k. */
void ent_explain_copy(const struct ent_feature *feature, const struct ent_column *from, uint32_t i,
                      struct ent_column *to, uint32_t k);

#endif
