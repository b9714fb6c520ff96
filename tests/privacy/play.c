#include "tests/privacy/play.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "coordinator/store/dp.h"
#include "tests/support/ent_test.h"

#define WATCHED 0u       /* the member whose ledger is real */
#define BOOKED_MAX 60u   /* more than any plan of 50 rounds has room for */
#define ATTEMPTS_MAX 400 /* of a case */
#define JOIN_MS 30001u
#define UPDATE_MS 600001u
#define ARENA_BYTES ((size_t)16 * 1024 * 1024)

enum fate { GOOD, NO_JOIN, SILENT, LOST };

static const struct ent_round *round_of(const struct play *p)
{
    return ent_engine_round(p->fed.engine);
}

static void all_hello(struct play *p)
{
    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        fed_hello(&p->fed.members[i]);
    }
}

static void restart(struct play *p)
{
    fed_restart(&p->fed);
    all_hello(p);
    p->tally->restarts++;
}

void play_new(struct play *p, struct play_tally *tally)
{
    memset(p, 0, sizeof *p);
    p->tally = tally;
    p->csprng = ent_csprng_system();
    fed_new_inline(&p->fed, CASE_MEMBERS);
    p->fed.trusting = true;
    (void)snprintf(p->dir, sizeof p->dir, "%s", ent_test_tmpdir());
    ENT_OK(ent_state_open(p->dir, &p->state));
    all_hello(p);
    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        p->ledgers[i] = 1;
    }
}

void play_free(struct play *p)
{
    ENT_OK(ent_ledger_check(p->state));
    ent_state_close(p->state);
    fed_free(&p->fed);
}

/* ---- a fresh accountant ---- */

/* One booking after the other, each a list of its own, until one does not fit. */
static uint32_t count_most(struct play *p)
{
    struct ent_store_dp_event booked;
    struct ent_dp_event *list = NULL;
    struct ent_dp_limit limit = {.eps = p->c->plan->privacy.epsilon,
                                 .delta = p->c->plan->privacy.delta};
    struct ent_dp_round round = {.events = &booked.event, .n = 1};
    uint32_t n = 0;
    bool fits = true;

    ENT_OK(ent_store_dp_newest(p->fed.home->store, p->run, &booked));
    ENT_OK(ent_calloc(BOOKED_MAX, sizeof *list, &list));
    while (n < BOOKED_MAX) {
        ENT_OK(ent_account_fits(list, n, &round, &limit, &fits));
        if (!fits) {
            break;
        }
        list[n++] = booked.event;
    }
    CU_ASSERT(n < BOOKED_MAX);
    free(list);
    return n;
}

/* ---- what the coordinator says ---- */

/* *left: 0 when the run is over, for then nothing is announced. */
static void read_run(struct play *p, uint64_t *left, char *state, size_t cap)
{
    struct ent_json *status = fed_ask(&p->fed, "{\"verb\":\"status\"}");
    const struct ent_json *run = ent_json_get(status, "run");
    const struct ent_json *rounds = ent_json_get(ent_json_get(run, "privacy"), "rounds_left");
    const char *text = "";

    *left = 0;
    if (rounds != NULL || round_of(p)->phase != ENT_PHASE_IDLE) {
        ENT_OK(ent_json_uint(rounds, "rounds_left", INT64_MAX, left));
    }
    ENT_OK(ent_json_string(ent_json_get(run, "state"), "state", &text));
    (void)snprintf(state, cap, "%s", text);
    ent_json_free(status);
}

/* Attempts that still run, had they all an input: the one that is open now is booked already. */
static void check_announced(struct play *p)
{
    uint32_t fit = p->most - p->booked;
    uint64_t left = 0;
    char state[32];

    read_run(p, &left, state, sizeof state);
    left += round_of(p)->phase == ENT_PHASE_JOIN ? 1 : 0;
    CU_ASSERT_EQUAL(left, fit < p->to_close ? fit : p->to_close);
}

/* A round that closes and the next one that opens are one transaction. */
static void check_books(struct play *p)
{
    uint32_t booked = p->booked + (round_of(p)->phase == ENT_PHASE_JOIN ? 1 : 0);
    struct ent_store_dp_account *accounts = NULL;
    size_t n = 0;

    ENT_OK(ent_store_dp_accounts(p->fed.home->store, p->run, &accounts, &n));
    CU_ASSERT_EQUAL(n, booked > 0 ? CASE_MEMBERS : 0);
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT_EQUAL(accounts[i].booked, booked);
        CU_ASSERT(accounts[i].spent_nano <= accounts[i].limit_nano);
    }
    free(accounts);
}

/* ---- an attempt ---- */

static void decline(struct play *p)
{
    struct fed_member *m = &p->fed.members[WATCHED];
    struct ent_msg_decline d = {
        .code = ENT_E_BUDGET, .text = "no budget", .has_salt = true, .kind = ENT_REFUSAL_BUDGET};
    struct ent_header header = fed_header(m, ENT_MSG_DECLINE);

    memcpy(d.round_open, m->open_hash, sizeof d.round_open);
    fed_send(m, &header, &d);
}

static void say_lost(struct fed_member *m)
{
    struct ent_msg_lost lost = {0};
    struct ent_header header = fed_header(m, ENT_MSG_LOST);

    memcpy(lost.round_open, m->open_hash, sizeof lost.round_open);
    fed_send(m, &header, &lost);
}

static void draw_fates(struct play *p, enum fate fates[CASE_MEMBERS])
{
    bool trouble = ent_rng_below(&p->rng, 8) < p->c->trouble;
    bool all_silent = ent_rng_below(&p->rng, 4) == 0;

    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        uint32_t roll = ent_rng_below(&p->rng, 8);

        fates[i] = !trouble     ? GOOD
                   : all_silent ? SILENT
                   : roll < 3   ? GOOD
                   : roll < 5   ? LOST
                   : roll == 5  ? NO_JOIN
                                : SILENT;
    }
}

static void join(struct play *p, const enum fate fates[CASE_MEMBERS], bool *watched)
{
    *watched = false;
    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        fed_hear(&p->fed.members[i]);
        if (i == WATCHED && !play_purse_fits(p)) {
            decline(p);
        } else if (fates[i] != NO_JOIN) {
            fed_join(&p->fed.members[i]);
            *watched = *watched || i == WATCHED;
        }
    }
    fed_pump(&p->fed);
    if (round_of(p)->phase == ENT_PHASE_JOIN) {
        fed_pass(&p->fed, JOIN_MS);
    }
}

/* Returns whether an input may have arrived: a coordinator that was restarted does not remember, and gives nothing back. */
static bool update(struct play *p, const enum fate fates[CASE_MEMBERS], bool watched)
{
    bool input = false;

    if (watched) {
        p->charge.at.round = round_of(p)->round;
        p->charge.at.attempt = round_of(p)->attempt;
        play_purse_book(p);
        p->tally->lost += fates[WATCHED] == LOST ? 1 : 0;
    }
    if (ent_rng_below(&p->rng, 32) == 0) {
        restart(p);
        input = true;
    }
    for (size_t i = 0; i < CASE_MEMBERS && round_of(p)->phase == ENT_PHASE_UPDATE; i++) {
        struct fed_member *m = &p->fed.members[i];

        if (i == WATCHED && !watched) {
            continue;
        }
        if (fates[i] == GOOD) {
            fed_offer(m, 1000);
            input = true;
        } else if (fates[i] == LOST) {
            say_lost(m);
        }
        fed_pump(&p->fed);
    }
    if (round_of(p)->phase == ENT_PHASE_UPDATE) {
        fed_pass(&p->fed, UPDATE_MS);
    }
    return input;
}

static void settle(struct play *p, uint32_t done_before, bool input)
{
    if (round_of(p)->train_done > done_before) {
        p->to_close--;
        p->booked++;
        p->tally->rounds++;
    } else if (input) {
        p->booked++;
        p->tally->kept++;
        p->tally->rounds++;
    } else {
        p->tally->refunded++;
    }
}

static void clear(struct play *p)
{
    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        fed_hear(&p->fed.members[i]);
        fed_clear_inbox(&p->fed.members[i]);
    }
}

/* False: the run is over. */
static bool attempt(struct play *p)
{
    enum fate fates[CASE_MEMBERS];
    uint32_t done_before;
    bool watched = false;
    bool input = false;
    bool restarted = false;

    for (int i = 0; i < 200 && round_of(p)->phase == ENT_PHASE_WAIT; i++) {
        fed_pass(&p->fed, 1000);
    }
    if (round_of(p)->phase != ENT_PHASE_JOIN) {
        return false;
    }
    CU_ASSERT(p->booked < p->most); /* the fresh accountant had room for it */
    if (ent_rng_below(&p->rng, 32) == 0) {
        restart(p);
        restarted = true;
    }
    draw_fates(p, fates);
    done_before = round_of(p)->train_done;
    join(p, fates, &watched);
    if (round_of(p)->phase == ENT_PHASE_UPDATE) {
        input = update(p, fates, watched) || restarted;
    }
    settle(p, done_before, input);
    check_books(p);
    clear(p);
    return true;
}

/* ---- a case ---- */

static void begin(struct play *p, const struct privacy_case *c)
{
    struct ent_store_dp_event booked;
    struct ent_dp_spent spent;

    p->c = c;
    p->rng = ent_rng_init(0x706c6179u, c->number);
    p->run++;
    p->to_close = c->plan->rounds;
    p->booked = 0;
    for (size_t i = 0; i < CASE_MEMBERS; i++) {
        struct fed_member *m = &p->fed.members[i];

        p->ledgers[i] = m->ledger > 0 ? m->ledger : p->ledgers[i];
        m->ledger = c->unit == ENT_PRIVACY_CUSTOMER ? p->ledgers[i] : 0;
    }
    ent_arena_release(&p->fed.arena);
    ent_arena_init(&p->fed.arena, ARENA_BYTES);
    fed_start_run(&p->fed, c->text);
    CU_ASSERT_EQUAL_FATAL(round_of(p)->phase, ENT_PHASE_JOIN);
    p->most = count_most(p);
    CU_ASSERT(p->most >= p->to_close); /* the noise was derived for that many */
    ENT_OK(ent_store_dp_newest(p->fed.home->store, p->run, &booked));
    ENT_OK(ent_account_spent(&booked.event, 1, c->plan->privacy.delta, &spent));
    CU_ASSERT_EQUAL(spent.accountant == ENT_DP_BY_PLD, c->sampled);
    p->tally->pld += spent.accountant == ENT_DP_BY_PLD ? 1 : 0;
    play_purse_begin(p, &booked.event);
}

void play_case(struct play *p, const struct privacy_case *c)
{
    uint64_t left = 0;
    char state[32];
    int n = 0;

    begin(p, c);
    check_announced(p);
    while (n < ATTEMPTS_MAX && attempt(p)) {
        n++;
        if (ent_rng_below(&p->rng, 6) == 0 && round_of(p)->phase != ENT_PHASE_IDLE) {
            check_announced(p);
            play_purse_check(p);
        }
    }
    CU_ASSERT_EQUAL(round_of(p)->phase, ENT_PHASE_IDLE);
    read_run(p, &left, state, sizeof state);
    CU_ASSERT_EQUAL(left, 0);
    CU_ASSERT_STRING_EQUAL(state, p->to_close == 0 ? "complete" : "out of budget");
    CU_ASSERT(p->to_close == 0 || p->booked == p->most);
    CU_ASSERT_EQUAL(ent_engine_ended_code(p->fed.engine),
                    p->to_close == 0 ? ENT_E_OK : ENT_E_BUDGET);
    p->tally->out_of_budget += p->to_close > 0 ? 1 : 0;
    play_purse_end(p);
}
