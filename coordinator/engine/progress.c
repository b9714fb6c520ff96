#include "coordinator/engine/progress.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#define REDRAW_MS 200

void ent_progress_init(struct ent_progress *p, FILE *out, const struct ent_clock *clock)
{
    *p = (struct ent_progress){.out = out, .terminal = isatty(fileno(out)) == 1, .clock = *clock};
}

void ent_progress_end(struct ent_progress *p)
{
    if (p->line_open) {
        (void)fprintf(p->out, "\r\033[K");
        p->line_open = false;
    }
    (void)fflush(p->out);
}

/* "about 2 min left", from the pace of the rounds since this process saw the run; "" before the first one closed. */
static void time_left(const struct ent_progress *p, char *out, size_t cap)
{
    const struct ent_round *r = ent_engine_round(p->engine);
    uint64_t closed = r->phase == ENT_PHASE_WAIT || r->round == 0 ? r->round : r->round - 1;
    uint64_t done = closed >= p->run_from_round ? closed + 1 - p->run_from_round : 0;
    uint64_t left = ent_engine_total_rounds(p->engine) - closed;
    uint64_t ms;
    char text[ENT_TIME_TEXT_BYTES];

    out[0] = '\0';
    if (p->run == 0 || done == 0 || left == 0) {
        return;
    }
    ms = (ent_clock_mono(&p->clock) - p->run_from_ms) / done * left;
    if (ms < 1000) {
        (void)snprintf(out, cap, "less than 1 s left");
        return;
    }
    ent_duration_text(ms, text);
    (void)snprintf(out, cap, "about %s left", text);
}

static void note_run(struct ent_progress *p)
{
    const struct ent_round *r = ent_engine_round(p->engine);

    if (!ent_round_active(r)) {
        p->run = 0;
    } else if (p->run != r->config.run && r->round > 0) {
        p->run = r->config.run;
        p->run_from_ms = ent_clock_mono(&p->clock);
        p->run_from_round = r->round;
    }
}

void ent_progress_say(void *ctx, enum ent_say kind, const char *line)
{
    struct ent_progress *p = ctx;
    char left[64] = "";

    bool closed = kind == ENT_SAY_ROUND && strstr(line, "closed with") != NULL;

    if (p->engine != NULL && closed) {
        note_run(p);
        time_left(p, left, sizeof left);
    }
    if (p->terminal && closed) {
        return; /* the updating line shows it */
    }
    ent_progress_end(p);
    (void)fprintf(p->out, "%s%s%s\n", line, left[0] != '\0' ? ", " : "", left);
    (void)fflush(p->out);
}

static uint32_t count_invited(const struct ent_round *r)
{
    return r->n_members - ent_round_count(r, ENT_STANDING_NONE);
}

static void draw(struct ent_progress *p)
{
    const struct ent_round *r = ent_engine_round(p->engine);
    char left[64];
    char figures[64] = "";
    char spent[48];
    double loss;
    double auc;

    if (ent_engine_metrics(p->engine, &loss, &auc)) {
        int n = isfinite(loss) ? snprintf(figures, sizeof figures, "  log loss %.4f", loss) : 0;

        if (isfinite(auc)) {
            (void)snprintf(figures + n, sizeof figures - (size_t)n, "  AUC %.4f", auc);
        }
    }
    ent_engine_spent_text(p->engine, spent, sizeof spent);
    time_left(p, left, sizeof left);
    (void)fprintf(p->out, "\r\033[Kround %llu/%u  %s  %s  %u of %u in%s%s%s  %s",
                  (unsigned long long)r->round, (unsigned)ent_engine_total_rounds(p->engine),
                  ent_round_task_name(r->task), ent_phase_name(r->phase),
                  (unsigned)ent_round_count(r, ENT_STANDING_ACCEPTED), (unsigned)count_invited(r),
                  figures, spent[0] != '\0' ? "  " : "", spent, left);
    (void)fflush(p->out);
    p->line_open = true;
}

void ent_progress_update(struct ent_progress *p)
{
    uint64_t now = ent_clock_mono(&p->clock);
    const struct ent_round *r = ent_engine_round(p->engine);

    note_run(p);
    if (!p->terminal) {
        return;
    }
    if (!ent_round_active(r) || r->round == 0) {
        ent_progress_end(p);
    } else if (now - p->drawn_ms >= REDRAW_MS) {
        draw(p);
        p->drawn_ms = now;
    }
}
