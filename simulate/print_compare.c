/* Members alone, the federation, all rows together: three lines of the figures that the label has. */
#include <inttypes.h>
#include <math.h>

#include "common/json/json.h"
#include "simulate/print.h"

static void print_figure(double v, FILE *out)
{
    if (isfinite(v)) {
        (void)fprintf(out, " %10.4f", v);
    } else {
        (void)fprintf(out, " %10s", "-");
    }
}

static void print_compared(const char *what, const struct ent_compared *c, enum ent_label_kind kind,
                           FILE *out)
{
    (void)fprintf(out, "  %-14s", what);
    if (kind != ENT_LABEL_NUMBER) {
        print_figure(c->members, out);
        print_figure(c->pooled, out);
    }
    if (kind != ENT_LABEL_POSITIVE) {
        print_figure(c->members_loss, out);
        print_figure(c->pooled_loss, out);
    }
    if (kind == ENT_LABEL_CLASSES) {
        print_figure(c->pooled_hit10, out);
    }
    (void)fprintf(out, "\n");
}

static void print_head(enum ent_label_kind kind, FILE *out)
{
    (void)fprintf(out, "  %-14s %10s %10s", "", "members", "pooled");
    switch (kind) {
    case ENT_LABEL_POSITIVE:
        (void)fprintf(out, "   (test AUC: mean of the members', all rows)\n");
        break;
    case ENT_LABEL_CLASSES:
        (void)fprintf(out,
                      " %10s %10s %10s   (test AUC and loss: mean of the members', all rows)\n",
                      "loss, mem.", "loss, all", "hit@10");
        break;
    case ENT_LABEL_NUMBER:
        (void)fprintf(out, "   (test squared error, in squares of half the label's range: mean of "
                           "the members', all rows)\n");
        break;
    }
}

static void print_table(const struct ent_comparison *c, enum ent_label_kind kind, FILE *out)
{
    static const char *const guesses[] = {[ENT_LABEL_POSITIVE] = "0.5",
                                          [ENT_LABEL_CLASSES] = "0.5, or an even guess",
                                          [ENT_LABEL_NUMBER] = "1"};

    print_head(kind, out);
    print_compared("members alone", &c->alone, kind, out);
    print_compared("federated", &c->federated, kind, out);
    print_compared("pooled", &c->pooled, kind, out);
    if (c->n_untrained > 0) {
        (void)fprintf(out, "  (%u of %u members cannot train alone and count as %s)\n",
                      (unsigned)c->n_untrained,
                      (unsigned)(kind == ENT_LABEL_POSITIVE ? c->n_compared : c->n_members),
                      guesses[kind]);
    }
}

static void print_each(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                       FILE *out)
{
    const struct ent_comparison *c = &run->comparison;
    bool ranks = sim->plan->label_kind != ENT_LABEL_NUMBER;

    (void)fprintf(out, "  %-20s %8s %10s %10s %10s", "member", "rows", "alone", "federated",
                  "pooled");
    if (ranks) {
        (void)fprintf(out, " %10s   (test loss, then AUC)\n", "federated");
    } else {
        (void)fprintf(out, "   (test squared error)\n");
    }
    for (uint32_t i = 0; i < c->n_members; i++) {
        const struct ent_metrics *m = &run->federated.members[i];

        if (m->rows == 0) {
            continue;
        }
        (void)fprintf(out, "  %-20.20s %8" PRIu64, sim->population->members[i].name, m->rows);
        print_figure(c->alone_members[i].log_loss, out);
        print_figure(m->log_loss, out);
        print_figure(c->pooled_members[i].log_loss, out);
        if (ranks) {
            print_figure(m->auc, out);
        }
        (void)fprintf(out, "\n");
    }
}

void ent_print_comparison(const struct ent_simulation *sim, const struct ent_simulated_run *run,
                          FILE *out)
{
    print_table(&run->comparison, sim->plan->label_kind, out);
    if (sim->each) {
        print_each(sim, run, out);
    }
}

static void put_compared(struct ent_json_writer *w, const char *key, const struct ent_compared *c,
                         enum ent_label_kind kind)
{
    bool number = kind == ENT_LABEL_NUMBER;

    ent_json_put_key(w, key);
    ent_json_put_object(w, ENT_JSON_INSERTION);
    if (!number) {
        ent_json_put_key_double(w, "members_auc", c->members);
        ent_json_put_key_double(w, "auc", c->pooled);
    }
    if (kind != ENT_LABEL_POSITIVE) {
        ent_json_put_key_double(w, number ? "members_squared_error" : "members_log_loss",
                                c->members_loss);
        ent_json_put_key_double(w, number ? "squared_error" : "log_loss", c->pooled_loss);
    }
    if (isfinite(c->pooled_hit10)) {
        ent_json_put_key_double(w, "hit_10", c->pooled_hit10);
    }
    ent_json_put_close(w);
}

void ent_put_comparison(struct ent_json_writer *w, const struct ent_simulation *sim,
                        const struct ent_comparison *c)
{
    put_compared(w, "alone", &c->alone, sim->plan->label_kind);
    put_compared(w, "federated", &c->federated, sim->plan->label_kind);
    put_compared(w, "pooled", &c->pooled, sim->plan->label_kind);
}
