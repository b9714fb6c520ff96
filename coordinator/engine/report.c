#include "coordinator/engine/report.h"

#include <math.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/plural.h"
#include "coordinator/engine/evaluation.h"
#include "coordinator/engine/report_read.h"

#define PLOT_WIDTH 60
#define PLOT_HEIGHT 8
#define ROUNDS_LEAST 3
#define OTHER_LINES 15            /* of a status beside rounds, members and refusals */
#define ROUNDS_SHOWN ((size_t)10) /* training rounds in the middle of a long run */

static void bytes_text(uint64_t bytes, char out[ENT_TIME_TEXT_BYTES])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double v = (double)bytes;
    size_t unit = 0;

    while (v >= 1000.0 && unit + 1 < sizeof units / sizeof units[0]) {
        v /= 1000.0;
        unit++;
    }
    (void)snprintf(out, ENT_TIME_TEXT_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", v, units[unit]);
}

static void date_text(uint64_t wall_ms, char out[ENT_TIME_TEXT_BYTES])
{
    if (wall_ms == 0) {
        (void)snprintf(out, ENT_TIME_TEXT_BYTES, "-");
    } else {
        ent_time_text(wall_ms, out);
    }
}

/* ---- roster ---- */

static int name_width(const struct ent_json *members)
{
    size_t width = 6;

    for (size_t i = 0; i < ent_json_len(members); i++) {
        size_t n = strlen(text(ent_json_at(members, i), "name"));

        width = n > width ? n : width;
    }
    return (int)width;
}

void ent_report_roster(const struct ent_json *status, size_t max_lines, FILE *out)
{
    const struct ent_json *members = ent_json_get(status, "members");
    int width = name_width(members);

    (void)max_lines; /* every member counts */

    if (ent_json_len(members) == 0) {
        (void)fprintf(out, "no members yet; entente-coordinator invite makes a token for one\n");
        return;
    }
    (void)fprintf(out, "%-*s  %-8s  %-20s  %-20s  %s\n", width, "member", "state", "last seen",
                  "certificate until", "handle");
    for (size_t i = 0; i < ent_json_len(members); i++) {
        const struct ent_json *m = ent_json_at(members, i);
        char seen[ENT_TIME_TEXT_BYTES];
        char until[ENT_TIME_TEXT_BYTES];

        date_text(number(m, "last_seen_ms"), seen);
        date_text(number(m, "certificate_expires_ms"), until);
        (void)fprintf(out, "%-*s  %-8s  %-20s  %-20s  %s\n", width, text(m, "name"),
                      text(m, "state"), yes(m, "connected") ? "connected" : seen, until,
                      text(m, "handle"));
    }
}

/* ---- rounds ---- */

struct series {
    double values[PLOT_WIDTH];
    size_t n;
    double lo;
    double hi;
    uint64_t first; /* training rounds at both ends */
    uint64_t last;
};

static bool is_validation(const struct ent_json *round)
{
    return strcmp(text(round, "split"), "validation") == 0 && isfinite(real(round, "auc"));
}

/* Pooled validation AUC, thinned out to the width of the plot. */
static void collect(const struct ent_json *rounds, struct series *s)
{
    size_t total = 0;
    size_t seen = 0;

    *s = (struct series){.lo = 1.0};
    for (size_t i = 0; i < ent_json_len(rounds); i++) {
        total += is_validation(ent_json_at(rounds, i)) ? 1 : 0;
    }
    for (size_t i = 0; i < ent_json_len(rounds); i++) {
        const struct ent_json *r = ent_json_at(rounds, i);
        size_t column;

        if (!is_validation(r)) {
            continue;
        }
        column = total <= PLOT_WIDTH ? seen : seen * PLOT_WIDTH / total;
        s->first = seen == 0 ? number(r, "train_round") : s->first;
        s->last = number(r, "train_round");
        s->values[column] = real(r, "auc");
        s->n = column + 1;
        s->lo = fmin(s->lo, s->values[column]);
        s->hi = fmax(s->hi, s->values[column]);
        seen++;
    }
}

static void plot(const struct series *s, FILE *out)
{
    double span = s->hi - s->lo > 1e-9 ? s->hi - s->lo : 1e-9;

    if (s->n < 2) {
        return;
    }
    (void)fprintf(out, "\npooled validation AUC by training round\n");
    for (int row = PLOT_HEIGHT - 1; row >= 0; row--) {
        char line[PLOT_WIDTH + 1];
        double level = s->lo + span * row / (PLOT_HEIGHT - 1);

        for (size_t i = 0; i < s->n; i++) {
            int at = (int)((s->values[i] - s->lo) / span * (PLOT_HEIGHT - 1) + 0.5);

            line[i] = at == row ? '*' : ' ';
        }
        line[s->n] = '\0';
        (void)fprintf(out, "  %.4f |%s\n", level, line);
    }
    (void)fprintf(out, "         +");
    for (size_t i = 0; i < s->n; i++) {
        (void)fputc('-', out);
    }
    (void)fprintf(out, "\n          %-*llu%llu\n", (int)(s->n > 4 ? s->n - 2 : 2),
                  (unsigned long long)s->first, (unsigned long long)s->last);
}

/* A long run shows both its ends, every step-th training round, and whatever went otherwise than planned. */
static bool worth_showing(const struct ent_json *rounds, size_t i)
{
    const struct ent_json *r = ent_json_at(rounds, i);
    size_t n = ent_json_len(rounds);
    uint64_t step = (n / 2 / ROUNDS_SHOWN + 1 + 4) / 5 * 5;

    return n <= 4 * ROUNDS_SHOWN || i < 3 || i + 3 >= n || number(r, "train_round") % step == 0 ||
           number(r, "accepted") < number(r, "invited") || number(r, "attempt") > 1;
}

static void figure_text(double figure, int digits, char out[32])
{
    if (isfinite(figure)) {
        (void)snprintf(out, 32, "%.*f", digits, figure);
    } else {
        (void)snprintf(out, 32, "-");
    }
}

/* The last `max` rounds, or the choice above (max = 0). */
static void print_rounds(const struct ent_json *rounds, size_t max, FILE *out)
{
    size_t n = ent_json_len(rounds);
    size_t left_out = 0;

    (void)fprintf(out, "%5s  %-19s  %8s  %9s  %7s  %9s  %9s  %9s\n", "round", "task", "members",
                  "log loss", "AUC", "in", "out", "time");
    for (size_t i = 0; i < ent_json_len(rounds); i++) {
        const struct ent_json *r = ent_json_at(rounds, i);
        bool evaluate = strcmp(text(r, "task"), "evaluate") == 0;
        char task[48];
        char members[32];
        char loss[32] = "";
        char auc[32] = "";
        char in[ENT_TIME_TEXT_BYTES];
        char sent[ENT_TIME_TEXT_BYTES];
        char time[ENT_TIME_TEXT_BYTES];

        if (max > 0 && n > max ? i + max < n + 1 : !worth_showing(rounds, i)) {
            left_out++;
            continue;
        }
        (void)snprintf(task, sizeof task, "%s%s%s", text(r, "task"), evaluate ? " " : "",
                       evaluate ? text(r, "split") : "");
        (void)snprintf(members, sizeof members, "%llu of %llu",
                       (unsigned long long)number(r, "accepted"),
                       (unsigned long long)number(r, "invited"));
        if (evaluate) {
            figure_text(real(r, "log_loss"), 5, loss);
            figure_text(real(r, "auc"), 4, auc);
        }
        bytes_text(number(r, "bytes_in"), in);
        bytes_text(number(r, "bytes_out"), sent);
        ent_duration_text(number(r, "duration_ms"), time);
        (void)fprintf(out, "%5llu  %-19s  %8s  %9s  %7s  %9s  %9s  %9s\n",
                      (unsigned long long)number(r, "round"), task, members, loss, auc, in, sent,
                      time);
    }
    if (left_out > 0) {
        (void)fprintf(out, "       (%zu more %s: entente-coordinator status --json has all)\n",
                      left_out, ent_plural(left_out, "round", "rounds"));
    }
}

/* A member that was revoked without having taken part has no place in the table of a run. */
static bool was_away(const struct ent_json *members, const struct ent_json *traffic)
{
    bool revoked = false;

    for (size_t i = 0; i < ent_json_len(members); i++) {
        const struct ent_json *m = ent_json_at(members, i);

        if (strcmp(text(m, "name"), text(traffic, "member")) == 0) {
            revoked = strcmp(text(m, "state"), "revoked") == 0;
        }
    }
    return revoked && number(traffic, "rounds") == 0;
}

static void print_traffic(const struct ent_json *traffic, const struct ent_json *members, FILE *out)
{
    int width = 6;

    for (size_t i = 0; i < ent_json_len(traffic); i++) {
        int n = (int)strlen(text(ent_json_at(traffic, i), "member"));

        width = n > width ? n : width;
    }
    (void)fprintf(out, "\n%-*s  %6s  %10s  %10s\n", width, "member", "rounds", "sent", "received");
    for (size_t i = 0; i < ent_json_len(traffic); i++) {
        const struct ent_json *t = ent_json_at(traffic, i);
        char in[ENT_TIME_TEXT_BYTES];
        char sent[ENT_TIME_TEXT_BYTES];

        if (was_away(members, t)) {
            continue;
        }
        bytes_text(number(t, "bytes_in"), in);
        bytes_text(number(t, "bytes_out"), sent);
        (void)fprintf(out, "%-*s  %6llu  %10s  %10s\n", width, text(t, "member"),
                      (unsigned long long)number(t, "rounds"), in, sent);
    }
}

static void print_test(const struct ent_json *rounds, FILE *out)
{
    for (size_t i = 0; i < ent_json_len(rounds); i++) {
        const struct ent_json *r = ent_json_at(rounds, i);

        if (strcmp(text(r, "split"), "test") == 0) {
            (void)fprintf(out, "pooled test rows: ");
            if (number(r, "rows") == 0) {
                (void)fprintf(out, "none to judge by: of these every member has none, or has fewer "
                                   "customers than the floor (min_group) and sent zeros\n");
                continue;
            }
            if (isfinite(real(r, "auc"))) {
                (void)fprintf(out, "AUC %.4f, ", real(r, "auc"));
            }
            (void)fprintf(out, "log loss %.5f, %llu rows of %llu members\n", real(r, "log_loss"),
                          (unsigned long long)number(r, "rows"),
                          (unsigned long long)number(r, "accepted"));
        }
    }
}

void ent_report_run(const struct ent_json *status, FILE *out)
{
    const struct ent_json *run = ent_json_get(status, "run");
    const struct ent_json *rounds = ent_json_get(run, "rounds");
    uint64_t started = number(run, "started_ms");
    uint64_t ended = number(run, "ended_ms");
    char time[ENT_TIME_TEXT_BYTES];
    struct series s;

    (void)fprintf(out, "\nrun %llu: %s\n\n", (unsigned long long)number(run, "number"),
                  text(run, "state"));
    print_rounds(rounds, 0, out);
    collect(rounds, &s);
    plot(&s, out);
    print_traffic(ent_json_get(run, "traffic"), ent_json_get(status, "members"), out);
    (void)fprintf(out, "\n");
    print_test(rounds, out);
    ent_evaluation_print(run, out);
    ent_evaluation_print_own(run, out);
    ent_report_privacy(run, out);
    if (yes(run, "stopped_early")) {
        (void)fprintf(
            out, "training ended after %llu of %llu rounds: %llu in a row without a better %s\n",
            (unsigned long long)number(run, "train_done"),
            (unsigned long long)number(run, "train_rounds"),
            (unsigned long long)number(run, "patience"),
            strcmp(text(run, "best_by"), "auc") == 0 ? "AUC" : "log loss");
    }
    if (text(run, "best")[0] != '\0') {
        (void)fprintf(out, "best model: models/%s.safetensors", text(run, "best"));
        if (number(run, "best_train_round") > 0) { /* older databases do not say */
            (void)fprintf(out, " (training round %llu)",
                          (unsigned long long)number(run, "best_train_round"));
        }
        (void)fprintf(out, "\n");
    }
    ent_duration_text(ended > started ? ended - started : 0, time);
    (void)fprintf(out, "time: %s\n", time);
}

/* ---- status ---- */

static void print_phase(const struct ent_json *run, FILE *out)
{
    const struct ent_json *waiting = ent_json_get(run, "waiting_for");
    char left[ENT_TIME_TEXT_BYTES];

    if (text(run, "phase")[0] == '\0') {
        return;
    }
    (void)fprintf(out, "round %llu of %llu", (unsigned long long)number(run, "round"),
                  (unsigned long long)number(run, "rounds_total"));
    if (text(run, "task")[0] != '\0') {
        (void)fprintf(out, " (%s), attempt %llu", text(run, "task"),
                      (unsigned long long)number(run, "attempt"));
    }
    (void)fprintf(out, ", phase %s, %llu %s in", text(run, "phase"),
                  (unsigned long long)number(run, "accepted"),
                  ent_plural(number(run, "accepted"), "update", "updates"));
    if (number(run, "deadline_left_ms") >= 1000) {
        ent_duration_text(number(run, "deadline_left_ms"), left);
        (void)fprintf(out, ", at most %s left", left);
    } else if (number(run, "deadline_left_ms") > 0) {
        (void)fprintf(out, ", less than 1 s left");
    }
    if (number(run, "best_train_round") > 0) {
        (void)fprintf(out, ", best so far training round %llu",
                      (unsigned long long)number(run, "best_train_round"));
    }
    (void)fprintf(out, "%s\n", yes(run, "stopping") ? ", stops after this round" : "");
    if (text(run, "missing")[0] != '\0') {
        (void)fprintf(out,
                      "held: %s is missing or damaged; copy it there from a backup (a model also "
                      "from a member's models/ folder), or end the run with stop\n",
                      text(run, "missing"));
    }
    if (ent_json_len(waiting) > 0) {
        (void)fprintf(out, "waiting for");
        for (size_t i = 0; i < ent_json_len(waiting); i++) {
            const char *name = "";

            if (ent_json_string(ent_json_at(waiting, i), "name", &name) == ENT_E_OK) {
                (void)fprintf(out, "%s %s", i > 0 ? "," : "", name);
            }
        }
        (void)fprintf(out, "\n");
    }
}

/* Who said no to the last opening, and why: a run that waits for it would look as if nobody was there. */
static void print_declining(const struct ent_json *members, FILE *out)
{
    for (size_t i = 0; i < ent_json_len(members); i++) {
        const struct ent_json *m = ent_json_at(members, i);
        const struct ent_json *says = ent_json_get(m, "declines");

        if (says != NULL) {
            (void)fprintf(out, "%s declines: %s (%llu %s in this run)\n", text(m, "name"),
                          text(says, "text"), (unsigned long long)number(says, "times"),
                          ent_plural(number(says, "times"), "time", "times"));
        }
    }
}

static void print_asked(const struct ent_json *asked, FILE *out)
{
    for (size_t i = 0; i < ent_json_len(asked); i++) {
        const char *name = "";

        if (ent_json_string(ent_json_at(asked, i), "name", &name) == ENT_E_OK) {
            (void)fprintf(out, "%s%s", i > 0 ? ", " : "asked to agree to the witness set: ", name);
        }
    }
    (void)fprintf(out, "%s", ent_json_len(asked) > 0 ? "\n" : "");
}

static void print_log(const struct ent_json *log, FILE *out)
{
    const struct ent_json *asked = ent_json_get(log, "proposal");

    if (log == NULL) {
        return;
    }
    if (ent_json_len(ent_json_get(log, "witnesses")) == 0) {
        (void)fprintf(out,
                      "log: %llu %s; nobody witnesses it yet: entente-coordinator policy, once "
                      "the members are enrolled and connected\n",
                      (unsigned long long)number(log, "size"),
                      ent_plural(number(log, "size"), "leaf", "leaves"));
        print_asked(asked, out);
        return;
    }
    (void)fprintf(
        out, "log: %llu leaves, the first %llu cosigned by a quorum (%llu of %zu)\n",
        (unsigned long long)number(log, "size"), (unsigned long long)number(log, "cosigned"),
        (unsigned long long)number(log, "quorum"), ent_json_len(ent_json_get(log, "witnesses")));
    if (text(log, "awaited")[0] != '\0') {
        (void)fprintf(out, "waiting for witnesses: %s\n", text(log, "awaited"));
    }
    print_asked(asked, out);
}

static void print_refusals(const struct ent_json *refusals, FILE *out)
{
    if (ent_json_len(refusals) == 0) {
        return;
    }
    (void)fprintf(out, "\nrefused so far\n");
    for (size_t i = 0; i < ent_json_len(refusals); i++) {
        const struct ent_json *r = ent_json_at(refusals, i);
        const char *member = text(r, "member");
        char last[ENT_TIME_TEXT_BYTES];

        date_text(number(r, "last_ms"), last);
        (void)fprintf(out, "  %-20s %-15s %6llu  last %s\n",
                      member[0] != '\0' ? member : "(nobody known)", text(r, "cause"),
                      (unsigned long long)number(r, "count"), last);
    }
}

/* What is left of max_lines for rounds, beside what is always shown. */
static size_t rounds_that_fit(const struct ent_json *status, size_t max_lines)
{
    size_t refusals = ent_json_len(ent_json_get(status, "refusals"));
    size_t others = OTHER_LINES + ent_json_len(ent_json_get(status, "members")) +
                    (refusals > 0 ? refusals + 2 : 0);

    if (max_lines == 0) {
        return 0;
    }
    return max_lines > others + ROUNDS_LEAST ? max_lines - others : ROUNDS_LEAST;
}

void ent_report_status(const struct ent_json *status, size_t max_lines, FILE *out)
{
    const struct ent_json *federation = ent_json_get(status, "federation");
    const struct ent_json *run = ent_json_get(status, "run");

    (void)fprintf(out, "federation %s, %s%s%s\n", text(federation, "name"),
                  yes(federation, "serving") ? "serving on " : "not serving",
                  yes(federation, "serving") ? text(federation, "address") : "", "");
    if (ent_json_kind(run) == ENT_JSON_OBJECT) {
        (void)fprintf(out, "run %llu: %s, %llu of %llu training rounds done\n",
                      (unsigned long long)number(run, "number"), text(run, "state"),
                      (unsigned long long)number(run, "train_done"),
                      (unsigned long long)number(run, "train_rounds"));
        print_phase(run, out);
        print_declining(ent_json_get(status, "members"), out);
        print_log(ent_json_get(status, "log"), out);
        ent_report_privacy(run, out);
        if (ent_json_len(ent_json_get(run, "rounds")) > 0) {
            (void)fprintf(out, "\n");
            print_rounds(ent_json_get(run, "rounds"), rounds_that_fit(status, max_lines), out);
        }
        if (ent_json_len(ent_json_get(run, "own_figures")) > 0) {
            (void)fprintf(out, "\n");
            ent_evaluation_print_own(run, out);
        }
    } else {
        (void)fprintf(out, "no run yet; entente-coordinator start begins one\n");
        print_log(ent_json_get(status, "log"), out);
    }
    (void)fprintf(out, "\n");
    ent_report_roster(status, max_lines, out);
    print_refusals(ent_json_get(status, "refusals"), out);
}
