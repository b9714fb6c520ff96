/* Five bytes of configuration, then records of four bytes: what happens, to whom, how it is bent, how much time passes.
 * The round machine is stepped (and now and then thrown away and made anew from its rows, or fed with a bent row), the
 * laws of protocol.md 6 are checked after every step, and at the end, once everybody is well, the run must end. */
#include <stdlib.h>

#include "tests/unit/coordinator_round/world.h"

#define RECORDS_MAX 500

enum { OP_RESTART = ENT_EV_COUNT, OP_CALM, OP_BENT_ROW, OP_COUNT };

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ent_run_config config_of(const uint8_t *data, uint32_t n)
{
    struct ent_run_config c = world_config();

    c.min_members = 1 + data[1] % n;
    c.train_rounds = data[2] % 4;
    c.attempts = 1 + data[3] % 4;
    c.validate = (data[4] & 1) != 0;
    c.test = (data[4] & 2) != 0;
    c.gather_ms = (data[4] & 4) != 0 ? 100 : 0;
    c.join_ms = 1000;
    c.update_ms = 5000;
    c.retry_ms = 500;
    return c;
}

static void event(struct world *w, enum ent_event_kind kind, const uint8_t *record)
{
    struct ent_event ev = world_make(w, kind, record[1] % (w->r.n_members + 1));

    ev.code = (enum ent_err)(record[2] % ENT_E_COUNT);
    ev.round += (record[2] & 0x40) != 0;
    ev.attempt -= (record[2] & 0x80) != 0;
    ev.digest[31] = record[1] >> 6;
    ev.weight = record[2] & 0x0f;
    world_step(w, ev);
}

static void restart(struct world *w)
{
    struct ent_round before = w->r;
    struct ent_round_member members[WORLD_MEMBERS];

    memcpy(members, w->members, sizeof members);
    before.members = members;
    if (w->n_rows == 0) {
        return;
    }
    if (world_restart(w, w->n_rows) != ENT_E_OK ||
        (before.phase != ENT_PHASE_IDLE && !laws_same(&before, &w->r))) {
        abort();
    }
}

/* A row that the store never held: refused, or it fits; it never breaks the machine. On a copy. */
static void bent_row(const struct world *w, const uint8_t *record)
{
    struct ent_round_member members[WORLD_MEMBERS];
    struct ent_action list[4 * WORLD_MEMBERS + 16];
    struct ent_actions acts = {.list = list, .cap = (size_t)4 * w->r.n_members + 16};
    struct ent_round copy = w->r;
    struct ent_row row = w->n_rows == 0 ? (struct ent_row){0} : w->rows[record[1] % w->n_rows];

    memcpy(members, w->members, sizeof members);
    copy.members = members;
    if (w->r.phase == ENT_PHASE_CLOSE) { /* a phase without a row: replay never meets it */
        return;
    }
    row.kind = (enum ent_row_kind)(record[2] % 16);
    row.member = record[3] % 16;
    row.round = w->r.round;
    row.attempt = w->r.attempt;
    row.task = w->r.task;
    row.split = w->r.split;
    if (ent_round_replay(&copy, &row) == ENT_E_OK) {
        ent_round_resume(&copy, w->now_ms, &acts);
    }
}

static void record_step(struct world *w, const uint8_t *record)
{
    unsigned op = record[0] % OP_COUNT;

    w->now_ms += (uint64_t)record[3] * record[3];
    if (op < ENT_EV_COUNT) {
        event(w, (enum ent_event_kind)op, record);
    } else if (op == OP_RESTART) {
        restart(w);
    } else if (op == OP_BENT_ROW) {
        bent_row(w, record);
    } else {
        for (unsigned i = 0; i <= record[1] % 16; i++) {
            (void)world_calm_step(w);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_run_config config;
    struct world w;
    uint32_t n;

    if (size < 5) {
        return 0;
    }
    n = 1 + data[0] % (WORLD_MEMBERS - 1);
    config = config_of(data, n);
    world_init(&w, n, &config);
    world_event(&w, ENT_EV_RUN_START, 0);
    for (size_t i = 0; i < RECORDS_MAX && 5 + 4 * (i + 1) <= size && w.broken == NULL; i++) {
        record_step(&w, data + 5 + 4 * i);
    }
    if (w.broken == NULL) {
        world_settle(&w);
    }
    if (w.broken != NULL) {
        (void)fprintf(stderr, "law broken: %s\n", w.broken);
        abort();
    }
    world_release(&w);
    return 0;
}
