/* What became of the rows, and which members have less than they need. */
#include <inttypes.h>

#include "common/json/json.h"
#include "simulate/print.h"

static void print_dropped(const struct ent_table *t, FILE *out)
{
    const struct {
        uint64_t n;
        const char *what;
    } causes[] = {{t->n_unlabelled, "without a label"},
                  {t->n_bad, "do not parse"},
                  {t->n_outlier_rows, "with an outlier"},
                  {t->n_duplicates, "equal to an earlier one"}};
    const char *separator = "";

    if (t->n_unlabelled + t->n_bad + t->n_outlier_rows + t->n_duplicates == 0) {
        return;
    }
    (void)fprintf(out, "  of %" PRIu64 " rows read are not used: ", t->n_source_rows);
    for (size_t i = 0; i < sizeof causes / sizeof causes[0]; i++) {
        if (causes[i].n > 0) {
            (void)fprintf(out, "%s%" PRIu64 " %s", separator, causes[i].n, causes[i].what);
            separator = ", ";
        }
    }
    (void)fprintf(out, "\n");
}

enum lack { NO_POSITIVE, POSITIVE_ONLY, NO_TARGET };

static enum lack lack_of(const struct ent_simulated_member *m)
{
    if (m->targets.n > 0) {
        return NO_TARGET;
    }
    return m->positives == 0 ? NO_POSITIVE : POSITIVE_ONLY;
}

/* Why they decline, by the first of them: the sentence that it says in a federation. */
static void print_declining(const struct ent_population *p, uint32_t n, enum lack lack, FILE *out)
{
    static const char *const words[] = {[NO_POSITIVE] = "without a positive row",
                                        [POSITIVE_ONLY] = "with positive rows only",
                                        [NO_TARGET] = "without a target"};

    for (uint32_t i = 0; n > 0 && i < p->n_members; i++) {
        const struct ent_simulated_member *m = &p->members[i];

        if (m->n_rows > 0 && lack_of(m) == lack && ent_population_check_member(p, i) != ENT_E_OK) {
            (void)fprintf(out, "  %u %s: every round declined (%.80s: %s)\n", (unsigned)n,
                          words[lack], m->name, ent_err_message());
            return;
        }
    }
}

static void print_members(const struct ent_population *p, FILE *out)
{
    const struct ent_population_counts *c = &p->counts;

    if (c->without_rows > 0) {
        (void)fprintf(out, "  %u without rows: every round declined\n", (unsigned)c->without_rows);
    }
    print_declining(p, c->without_positive, NO_POSITIVE, out);
    print_declining(p, c->positive_only, POSITIVE_ONLY, out);
    print_declining(p, c->without_target, NO_TARGET, out);
    if (c->without_train_rows > 0) {
        (void)fprintf(out, "  %u without training rows: training rounds declined\n",
                      (unsigned)c->without_train_rows);
    }
    if (c->one_class > 0) {
        (void)fprintf(out, "  %u with one class only in the training rows\n",
                      (unsigned)c->one_class);
    }
    if (c->lone_values > 0) {
        (void)fprintf(out, "  %u category values that one member only has (%u members)\n",
                      (unsigned)c->lone_values, (unsigned)c->lone_members);
    }
}

static void print_note(void *ctx, const char *line)
{
    (void)fprintf(ctx, "  %s\n", line);
}

void ent_print_rows(const struct ent_population *population, FILE *out)
{
    print_dropped(population->table, out);
    print_members(population, out);
    ent_table_notes(population->table, print_note, out);
}

void ent_put_rows(const struct ent_population *p, struct ent_json_writer *w)
{
    const struct ent_table *t = p->table;

    ent_json_put_key_uint(w, "source_rows", t->n_source_rows);
    ent_json_put_key_uint(w, "bad_rows", t->n_bad);
    ent_json_put_key_uint(w, "unlabelled_rows", t->n_unlabelled);
    ent_json_put_key_uint(w, "outlier_rows", t->n_outlier_rows);
    ent_json_put_key_uint(w, "duplicate_rows", t->n_duplicates);
    ent_json_put_key_uint(w, "without_rows", p->counts.without_rows);
    ent_json_put_key_uint(w, "without_positive", p->counts.without_positive);
    ent_json_put_key_uint(w, "positive_only", p->counts.positive_only);
    ent_json_put_key_uint(w, "without_target", p->counts.without_target);
    ent_json_put_key_uint(w, "without_train_rows", p->counts.without_train_rows);
    ent_json_put_key_uint(w, "one_class", p->counts.one_class);
    ent_json_put_key_uint(w, "lone_values", p->counts.lone_values);
    ent_json_put_key_uint(w, "lone_members", p->counts.lone_members);
}
