/* What left the federation: releases, models; and the annexes that list each round and each release. */
#include <inttypes.h>
#include <string.h>

#include "audit/report_internal.h"
#include "common/base/plural.h"
#include "common/task/task.h"

/* ---- privacy ---- */

static void kind_row(struct ent_report *r, const char *kind, const char *tells, uint64_t n,
                     uint64_t covered)
{
    ent_report_row(r);
    ent_report_cell(r, kind);
    ent_report_text(r, "wide", tells);
    ent_report_number(r, n);
    ent_report_number(r, covered);
    ent_report_number(r, n > covered ? n - covered : 0);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static uint64_t covered_figures(const struct ent_audit_facts *f)
{
    uint64_t n = 0;

    for (size_t i = 0; i < f->n_evals; i++) {
        n += f->evals[i].dp_covered ? 1 : 0;
    }
    return n;
}

void ent_report_privacy(struct ent_report *r)
{
    struct ent_report_exposed e;
    uint64_t figures = covered_figures(r->facts);
    char bare[ENT_REPORT_NUMBER_BYTES];
    char all[ENT_REPORT_NUMBER_BYTES];
    uint64_t total;

    ent_report_exposed(r->facts, &e);
    total = e.statistics + e.figures + e.models;
    ent_report_section(r, "privacy", "Privacy: what was released");
    ent_html_open(r->h, "p", "note");
    if (r->facts->n_spendings == 0) {
        ent_html_put(r->h, "strong", NULL, "No run of this log promises differential privacy.");
        ent_html_textf(r->h, " No budget is kept. Nothing in this log bounds what somebody could "
                             "infer about a customer from what was released.");
    } else {
        ent_html_put(r->h, "strong", NULL,
                     "The budget bounds what was released under noise, and nothing else.");
    }
    ent_html_textf(r->h, " %s of %s %s not covered by noise.",
                   ent_report_count(total - e.covered, bare), ent_report_count(total, all),
                   ent_plural(total, "release is", "releases are"));
    ent_html_close(r->h);
    ent_html_line(r->h);
    ent_report_budgets(r);
    ent_report_table(r, ENT_REPORT_CARDS, "Releases by kind",
                     "Kind|What it holds|#Released|#Covered by noise|#Not covered");
    kind_row(r, "Pooled statistics",
             "sums over all accepted members (counts, means, spreads, categories), from which the "
             "first model's scales are made",
             e.statistics, 0);
    kind_row(r, "Evaluation figures",
             "error figures over all accepted members, at the time of a round", e.figures, figures);
    kind_row(r, "Models", "weights, sent to the members of the federation", e.models,
             e.covered - figures);
    ent_report_table_end(r);
    ent_html_put(r->h, "p", "small",
                 "Single updates are not released: the coordinator adds them up, and each of them "
                 "is seen by it and, where one was "
                 "admitted, by the auditor. Annex B lists each release.");
    ent_report_end(r);
}

/* ---- models ---- */

static void figure_cell(struct ent_report *r, const uint8_t model[32])
{
    uint32_t split = 0;
    const struct ent_msg_metric *m = ent_report_figure(r->facts, model, "auc", &split);
    char text[ENT_REPORT_NUMBER_BYTES];

    if (m == NULL) {
        ent_report_cell(r, "not logged");
        return;
    }
    ent_report_textf(r, "w", "%s (%s)", ent_report_nano(m->nano, text),
                     split == ENT_SPLIT_TEST         ? "test"
                     : split == ENT_SPLIT_VALIDATION ? "validation"
                                                     : "training");
}

static void model_row(struct ent_report *r, const struct ent_audit_release *m)
{
    ent_report_row(r);
    ent_report_hex(r, m->leaf.model, 32);
    ent_report_text(r, "w", ent_report_release_word(m->leaf.kind));
    ent_report_number(r, m->run);
    if (m->leaf.train_round > 0) {
        ent_report_number(r, m->leaf.train_round);
    } else {
        ent_report_text(r, "n", "-");
    }
    figure_cell(r, m->leaf.model);
    ent_report_time(r, m->ms);
    ent_report_number(r, m->seq);
    ent_report_cell(r, m->leaf.dp_covered ? "yes" : "no");
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void model_table(struct ent_report *r, const char *label, bool all)
{
    const struct ent_audit_facts *f = r->facts;
    uint64_t listed = 0;
    uint64_t n = 0;

    ent_report_table(r, all ? ENT_REPORT_SCROLLS : ENT_REPORT_CARDS, label,
                     "Digest (SHA-256)|Kind|#Run|#Round|AUC (rows)|Released at|#Entry|Noise");
    for (size_t i = 0; i < f->n_releases; i++) {
        if (!all && f->releases[i].leaf.kind == ENT_LOG_TRAINED) {
            continue;
        }
        n++;
        if (listed < ENT_REPORT_ROWS_MAX) {
            model_row(r, &f->releases[i]);
            listed++;
        }
    }
    ent_report_table_end(r);
    ent_report_more(r, "models", listed, n, f->lost_releases);
}

static void given_model(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    char hex[2 * 32 + 1];

    if (!f->has_model) {
        ent_html_put(r->h, "p", "small",
                     "No model file was given (--model): whether a file in use is one of these was "
                     "not checked.");
        return;
    }
    ent_hex(f->model, 32, hex);
    if (f->model_released) {
        ent_html_putf(
            r->h, "p", NULL,
            "The model file that was given (SHA-256 %s) is the %s, released at entry %" PRIu64 ".",
            hex, ent_report_release_word(f->model_is.leaf.kind), f->model_is.seq);
    } else {
        ent_html_putf(r->h, "p", NULL,
                      "The model file that was given (SHA-256 %s) is none of the released models.",
                      hex);
    }
}

void ent_report_models(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    uint64_t trained = 0;
    char text[ENT_REPORT_NUMBER_BYTES];

    ent_report_section(r, "models", "Models released");
    given_model(r);
    if (f->n_releases == 0) {
        ent_html_put(r->h, "p", NULL, "None.");
        ent_report_end(r);
        return;
    }
    for (size_t i = 0; i < f->n_releases; i++) {
        trained += f->releases[i].leaf.kind == ENT_LOG_TRAINED ? 1 : 0;
    }
    if (trained < f->n_releases) {
        model_table(r, "First and best models", false);
    }
    if (trained > 0) {
        ent_html_putf(r->h, "p", NULL,
                      "Besides, %s %s of single training rounds went to the members: annex B.",
                      ent_report_count(trained, text), ent_plural(trained, "model", "models"));
    }
    ent_report_end(r);
}

/* ---- annexes ---- */

static const char *outcome_word(const struct ent_audit_round *round)
{
    switch (round->outcome) {
    case ENT_AUDIT_ROUND_CLOSED:
        return "completed";
    case ENT_AUDIT_ROUND_ABORTED:
        return "given up";
    case ENT_AUDIT_ROUND_OPEN:
        break;
    }
    return "not ended";
}

static void round_row(struct ent_report *r, const struct ent_audit_round *round)
{
    ent_report_row(r);
    ent_report_number(r, round->run);
    ent_report_number(r, round->round);
    ent_report_number(r, round->attempt);
    ent_report_text(r, "w", ent_report_task(round->task, round->split));
    ent_report_time(r, round->open_ms);
    ent_report_number(r, round->invited);
    ent_report_number(r, round->accepted);
    ent_report_number(r, round->rejected);
    ent_report_number(r, round->dropped);
    if (round->outcome == ENT_AUDIT_ROUND_ABORTED) {
        ent_report_textf(r, NULL, "%s: %s", outcome_word(round), ent_report_code(round->code));
    } else {
        ent_report_cell(r, outcome_word(round));
    }
    ent_report_number(r, round->open_seq);
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void annex_rounds(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_rounds < ENT_REPORT_ROWS_MAX ? f->n_rounds : ENT_REPORT_ROWS_MAX;

    ent_report_section(r, "annex-a", "Annex A: rounds");
    if (f->n_rounds == 0) {
        ent_html_put(r->h, "p", NULL, "None.");
        ent_report_end(r);
        return;
    }
    ent_report_table(r, ENT_REPORT_SCROLLS, "Rounds",
                     "#Run|#Round|#Attempt|Task|Opened "
                     "at|#Invited|#Accepted|#Rejected|#Dropped|Outcome|#Entry");
    for (size_t i = 0; i < listed; i++) {
        round_row(r, &f->rounds[i]);
    }
    ent_report_table_end(r);
    ent_report_more(r, "rounds", listed, f->n_rounds, f->lost_rounds);
    ent_report_end(r);
}

static void annex_statistics(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = 0;

    ent_html_put(r->h, "h3", NULL, "Pooled statistics");
    ent_report_table(r, ENT_REPORT_SCROLLS, "Statistics",
                     "#Run|#Round|#Members|Released at|#Entry|Noise");
    for (size_t i = 0; i < f->n_rounds && listed < ENT_REPORT_ROWS_MAX; i++) {
        const struct ent_audit_round *round = &f->rounds[i];

        if (!ent_report_is_statistics(round)) {
            continue;
        }
        ent_report_row(r);
        ent_report_number(r, round->run);
        ent_report_number(r, round->round);
        ent_report_number(r, round->accepted);
        ent_report_time(r, round->end_ms);
        ent_report_number(r, round->end_seq);
        ent_report_cell(r, "no");
        ent_html_close(r->h);
        ent_html_line(r->h);
        listed++;
    }
    ent_report_table_end(r);
}

static void eval_row(struct ent_report *r, const struct ent_audit_eval *e)
{
    char text[ENT_REPORT_NUMBER_BYTES];

    ent_report_row(r);
    ent_report_number(r, e->run);
    ent_report_number(r, e->round);
    ent_report_text(r, "w", ent_report_task(ENT_TASK_EVALUATE, e->split));
    ent_report_number(r, e->members);
    ent_report_td(r, "wide");
    for (size_t i = 0; i < e->n_metrics; i++) {
        ent_html_textf(r->h, "%s%s %s", i > 0 ? ", " : "", e->metrics[i].name,
                       ent_report_nano(e->metrics[i].nano, text));
    }
    ent_report_td_end(r);
    ent_report_time(r, e->ms);
    ent_report_number(r, e->seq);
    ent_report_cell(r, e->dp_covered ? "yes" : "no");
    ent_html_close(r->h);
    ent_html_line(r->h);
}

static void annex_figures(struct ent_report *r)
{
    const struct ent_audit_facts *f = r->facts;
    size_t listed = f->n_evals < ENT_REPORT_ROWS_MAX ? f->n_evals : ENT_REPORT_ROWS_MAX;

    ent_html_put(r->h, "h3", NULL, "Evaluation figures");
    ent_report_table(r, ENT_REPORT_SCROLLS, "Evaluation figures",
                     "#Run|#Round|What|#Members|Figures|Released at|#Entry|Noise");
    for (size_t i = 0; i < listed; i++) {
        eval_row(r, &f->evals[i]);
    }
    ent_report_table_end(r);
    ent_report_more(r, "evaluations", listed, f->n_evals, f->lost_evals);
}

void ent_report_annexes(struct ent_report *r)
{
    struct ent_report_exposed e;

    ent_report_exposed(r->facts, &e);
    annex_rounds(r);
    ent_report_section(r, "annex-b", "Annex B: releases");
    if (e.statistics + e.figures + e.models == 0) {
        ent_html_put(r->h, "p", NULL, "None.");
    }
    if (e.statistics > 0) {
        annex_statistics(r);
    }
    if (e.figures > 0) {
        annex_figures(r);
    }
    if (e.models > 0) {
        ent_html_put(r->h, "h3", NULL, "Models");
        model_table(r, "Models", true);
    }
    ent_report_end(r);
}
