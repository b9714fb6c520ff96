/* The label and the sequences of plan.yaml. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/config/scalar.h"
#include "common/feature/date.h"
#include "common/plan/plan_read.h"

static const struct ent_choice keeps[] = {
    {"last", ENT_KEEP_LAST}, {"first", ENT_KEEP_FIRST}, {"all", ENT_KEEP_ALL}, {NULL, 0}};

/* The map as its table reads it. */
struct sequence_entry {
    const char *unit;
    const struct ent_node *time;
    const char *format;
    uint32_t length;
    int keep;
    uint64_t gap_ms;
};

const struct ent_field ent_plan_sequence_fields[] = {
    {.key = "unit",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = offsetof(struct sequence_entry, unit),
     .help = "the column that says which events belong together; without a member's unit_key it is "
             "the customer, too"},
    {.key = "time",
     .kind = ENT_FIELD_NODE,
     .required = true,
     .offset = offsetof(struct sequence_entry, time),
     .takes = "a text, or a list of texts",
     .help =
         "a column, or a list of 1 to 8 that are compared one after the other; equal times stay "
         "in the order of the rows"},
    {.key = "format",
     .kind = ENT_FIELD_STRING,
     .offset = offsetof(struct sequence_entry, format),
     .lo = 1,
     .hi = ENT_DATE_FORMAT_MAX,
     .help = "of the one time column: iso, unix (seconds), or a pattern of YYYY MM DD hh mm ss; "
             "without it times are numbers"},
    {.key = "length",
     .kind = ENT_FIELD_U32,
     .offset = offsetof(struct sequence_entry, length),
     .lo = 1,
     .hi = ENT_MODEL_SEQ_MAX,
     .fallback = "50",
     .help = "events of the longest sequence; at least 2 where the label is the next event"},
    {.key = "keep",
     .kind = ENT_FIELD_CHOICE,
     .offset = offsetof(struct sequence_entry, keep),
     .choices = keeps,
     .fallback = "last",
     .help = "of a unit (or session) with more events: last, first, or all (several sequences)"},
    {.key = "gap",
     .kind = ENT_FIELD_DURATION,
     .offset = offsetof(struct sequence_entry, gap_ms),
     .lo = 1000,
     .hi = 3.2e12,
     .help = "a longer pause between two events of a unit begins a new session; needs format"},
    {0}};

/* A label's later window. */
struct later_entry {
    const char *from;
    const char *until;
};

const struct ent_field ent_plan_later_fields[] = {
    {.key = "from",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = offsetof(struct later_entry, from),
     .help = "the day (or time) from which events decide the label and are not seen by the model"},
    {.key = "until",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = offsetof(struct later_entry, until),
     .help = "the day at which the window ends; what comes at or after it is not used"},
    {0}};

static enum ent_err read_times(const struct ent_node *time, struct ent_arena *arena,
                               struct ent_sequence *out)
{
    static const struct ent_field list = {.key = "time",
                                          .kind = ENT_FIELD_STRINGS,
                                          .lo = 1,
                                          .hi = ENT_SEQUENCE_TIMES_MAX,
                                          .help = "columns"};
    static const struct ent_field one = {
        .key = "time", .kind = ENT_FIELD_STRING, .help = "a column"};
    struct ent_strings names;
    const char **single;

    if (time->kind == ENT_NODE_LIST) {
        ENT_TRY(ent_config_take_value(time, &list, arena, &names));
        out->times = names.items;
        out->n_times = names.n;
        return ENT_E_OK;
    }
    ENT_TRY(ent_arena_alloc(arena, 1, sizeof *single, &single));
    ENT_TRY(ent_config_take_value(time, &one, arena, &single[0]));
    out->times = single;
    out->n_times = 1;
    return ENT_E_OK;
}

/* Of what is read so far; `at` is the place that errors name. */
static enum ent_err check(const struct ent_sequence *s, const struct ent_node *at)
{
    char why[256];

    if (ent_sequence_check(s) == ENT_E_OK) {
        return ENT_E_OK;
    }
    (void)snprintf(why, sizeof why, "%s", ent_err_message());
    return ent_node_error(at, "%s", why);
}

static enum ent_err read_sequence(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    struct ent_sequence *s = &plan->sequence;
    struct sequence_entry entry = {0};

    ENT_TRY(ent_config_take(read->sequence, "sequence", ent_plan_sequence_fields, &plan->arena,
                            &entry));
    s->unit = entry.unit;
    s->format = entry.format;
    s->length = entry.length;
    s->keep = (enum ent_sequence_keep)entry.keep;
    s->gap_s = entry.gap_ms / 1000;
    ENT_TRY(read_times(entry.time, &plan->arena, s));
    if (plan->drop_duplicates) {
        return ent_node_error(read->sequence,
                              "clean: {duplicates: drop} is for rows: an event may happen twice");
    }
    ENT_TRY(check(s, read->sequence));
    plan->seq_max = s->length;
    return ENT_E_OK;
}

/* ---- labels of sequences ---- */

static enum ent_err say(struct ent_arena *arena, const char *fmt, const char *what,
                        const char **out)
{
    char text[300];
    char *kept;
    int n = snprintf(text, sizeof text, "%s %s", fmt, what);

    ENT_BUG_ON(n < 0 || (size_t)n >= sizeof text); /* names have at most 256 bytes */
    ENT_TRY(ent_arena_strndup(arena, text, (size_t)n, &kept));
    *out = kept;
    return ENT_E_OK;
}

static enum ent_err read_next(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const struct ent_node *at = ent_node_get(ent_node_get(read->root, "label"), "next");

    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        if (strcmp(f->name, read->label.next) != 0) {
            continue;
        }
        if (f->type != ENT_FEATURE_CATEGORY) {
            return ent_node_error(at, "what comes next is predicted of a category; '%.80s' is none",
                                  f->name);
        }
        plan->sequence.label = ENT_SEQUENCE_NEXT;
        plan->sequence.next = i;
        ENT_TRY(check(&plan->sequence, ent_node_get(read->sequence, "length")));
        plan->label_kind = ENT_LABEL_CLASSES;
        plan->n_classes = ent_feature_n_codes(f) - 1;
        if (plan->n_classes < 2) {
            return ent_node_error(at, "'%.80s' has one value only: there is nothing to predict",
                                  f->name);
        }
        return say(&plan->arena, "next", f->name, &plan->label_name);
    }
    return ent_node_error(at, "there is no feature '%.80s' whose next value could be predicted",
                          read->label.next);
}

static enum ent_err read_moment(const struct ent_node *map, const char *key, const char *text,
                                int64_t *out)
{
    if (!ent_date_parse("iso", text, strlen(text), out)) {
        return ent_node_bad(ent_node_get(map, key), key, "must be a day, as 2024-12-31");
    }
    return ENT_E_OK;
}

static enum ent_err read_later(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    struct ent_sequence *s = &plan->sequence;
    struct later_entry entry = {0};

    ENT_TRY(
        ent_config_take(read->label.later, "later", ent_plan_later_fields, &plan->arena, &entry));
    ENT_TRY(read_moment(read->label.later, "from", entry.from, &s->from_s));
    ENT_TRY(read_moment(read->label.later, "until", entry.until, &s->until_s));
    s->label = ENT_SEQUENCE_LATER;
    plan->label_kind = ENT_LABEL_POSITIVE;
    ENT_TRY(check(s, read->label.later));
    return say(&plan->arena, "an event from", entry.from, &plan->label_name);
}

/* ---- labels of rows ---- */

static enum ent_err read_values(struct ent_plan_read *read)
{
    static const struct ent_field field = {.key = "values",
                                           .kind = ENT_FIELD_STRINGS,
                                           .lo = 2,
                                           .hi = ENT_PLAN_MAX_VALUES,
                                           .help = "values"};
    struct ent_plan *plan = &read->plan;
    const struct ent_node *twice;
    struct ent_strings values;

    ENT_TRY(ent_config_take_value(read->label.values, &field, &plan->arena, &values));
    for (const struct ent_node *e = read->label.values->first; e != NULL; e = e->next) {
        if (e->text[0] == '\0' || ent_text_has_blank_ends(e->text)) {
            return ent_node_error(e, "a value of the label is blank or has blanks at its ends: "
                                     "members' values come without them");
        }
    }
    ENT_TRY(ent_plan_find_repeat(read->label.values, ent_node_text, &twice));
    if (twice != NULL) {
        return ent_node_error(twice, "value '%.60s' of the label stands here a second time",
                              twice->text);
    }
    plan->label_kind = ENT_LABEL_CLASSES;
    plan->label_values = values.items;
    plan->n_classes = values.n;
    return ENT_E_OK;
}

static enum ent_err read_range(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    const struct ent_node *range = read->label.range;
    double ends[2] = {0.0, 0.0};
    uint32_t i = 0;

    if (range->kind != ENT_NODE_LIST || range->n != 2) {
        return ent_node_bad(range, "range", "must be a list of two numbers, [LO, HI]");
    }
    for (const struct ent_node *e = range->first; e != NULL; e = e->next) {
        if (e->kind != ENT_NODE_SCALAR || !ent_scalar_double(e->text, strlen(e->text), &ends[i]) ||
            fabs(ends[i]) > 1e30) {
            return ent_node_bad(e, "range", "each end must be a number between -1e30 and 1e30");
        }
        i++;
    }
    if (!((float)ends[0] < (float)ends[1])) {
        return ent_node_error(range, "range of the label: %g is not below %g", ends[0], ends[1]);
    }
    plan->label_kind = ENT_LABEL_NUMBER;
    plan->label_lo = ends[0];
    plan->label_hi = ends[1];
    return ENT_E_OK;
}

static enum ent_err read_row_label(struct ent_plan_read *read, const struct ent_node *at)
{
    struct ent_plan *plan = &read->plan;
    int ways =
        (read->label.positive != NULL) + (read->label.values != NULL) + (read->label.range != NULL);

    if (read->label.name == NULL) {
        return ent_node_error(at, "label: name is missing: the label's column");
    }
    if (ways != 1) {
        return ent_node_error(at, "label needs one of positive (that value against all others), "
                                  "values (one of these), and range (a number)");
    }
    plan->label_name = read->label.name;
    plan->label_positive = "";
    if (read->label.positive != NULL) {
        plan->label_positive = read->label.positive;
        plan->label_kind = ENT_LABEL_POSITIVE;
        return ENT_E_OK;
    }
    return read->label.values != NULL ? read_values(read) : read_range(read);
}

static enum ent_err read_label(struct ent_plan_read *read)
{
    const struct ent_node *at = ent_node_get(read->root, "label");
    bool of_sequences = read->label.next != NULL || read->label.later != NULL;
    bool of_rows = read->label.name != NULL || read->label.positive != NULL ||
                   read->label.values != NULL || read->label.range != NULL;

    if (read->sequence == NULL && of_sequences) {
        return ent_node_error(at, "next and later are labels of sequences: the plan has none");
    }
    if (read->sequence == NULL) {
        return read_row_label(read, at);
    }
    if (of_rows || (read->label.next != NULL) == (read->label.later != NULL)) {
        return ent_node_error(at, "the label of sequences is next: FEATURE, or later: {from: DAY, "
                                  "until: DAY}");
    }
    read->plan.label_positive = "";
    return read->label.next != NULL ? read_next(read) : read_later(read);
}

/* ---- what the model takes ---- */

/* One embedding for each category that has one, in the order of the features. */
static enum ent_err add_embeddings(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    uint32_t n = ent_features_n_tokens(plan->features, plan->n_features);

    if (n > ENT_PLAN_MAX_LAYERS - ENT_PLAN_MAX_LIST) {
        return ent_node_error(read->features,
                              "%u features with an embedding; at most %u may have "
                              "one",
                              (unsigned)n, (unsigned)(ENT_PLAN_MAX_LAYERS - ENT_PLAN_MAX_LIST));
    }
    ENT_TRY(ent_arena_alloc(&plan->arena, n, sizeof *plan->layers, &plan->layers));
    for (uint32_t i = 0; i < plan->n_features; i++) {
        const struct ent_feature *f = &plan->features[i];

        if (f->embed > 0) {
            plan->layers[plan->n_embeddings++] = (struct ent_layer_spec){
                .kind = ENT_MODEL_EMBEDDING, .units = f->embed, .values = ent_feature_n_codes(f)};
        }
    }
    return ENT_E_OK;
}

enum ent_err ent_plan_read_sequence(struct ent_plan_read *read)
{
    if (read->sequence != NULL) {
        ENT_TRY(read_sequence(read));
    }
    ENT_TRY(read_label(read));
    return add_embeddings(read);
}

enum ent_err ent_plan_check_pooling(struct ent_plan_read *read)
{
    struct ent_plan *plan = &read->plan;
    bool pooled = false;

    for (uint32_t i = 0; i < plan->n_layers; i++) {
        enum ent_model_layer_kind kind = plan->layers[i].kind;

        pooled = pooled || kind == ENT_MODEL_LAST || kind == ENT_MODEL_MAX_POOL ||
                 kind == ENT_MODEL_MEAN_POOL;
    }
    if (plan->sequence.label == ENT_SEQUENCE_LATER && !pooled) {
        return ent_node_error(read->layers, "the label is one of the whole sequence: the layers "
                                            "need last, max_pool or mean_pool");
    }
    plan->sequence.per_step = plan->sequence.label == ENT_SEQUENCE_NEXT && !pooled;
    return ENT_E_OK;
}
