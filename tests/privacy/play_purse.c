#include <stdlib.h>
#include <string.h>

#include "tests/privacy/play.h"
#include "tests/support/ent_test.h"

#define EARLIER_RUN 100000u /* the runs of the case's own come after */

struct asked {
    struct ent_dp_event *run;
    struct ent_dp_event *life;
    struct ent_purse purse;
};

/* Out of the books themselves, each time anew. */
static void read_books(struct play *p, struct asked *out)
{
    struct ent_purse_books books = {.scope = p->charge.scope};

    *out = (struct asked){0};
    ENT_OK(ent_ledger_events(p->state, p->charge.scope, 0, &out->life, &books.n_life));
    ENT_OK(ent_ledger_events(p->state, p->charge.scope, p->charge.at.run, &out->run, &books.n_run));
    books.life = out->life;
    books.run = out->run;
    ent_purse_of(&p->c->policy, &p->c->plan->privacy, &books, &out->purse);
}

static void release(struct asked *asked)
{
    free(asked->run);
    free(asked->life);
}

static uint32_t announce(struct play *p)
{
    struct asked asked;
    uint64_t left = 0;

    read_books(p, &asked);
    ENT_OK(ent_purse_left(&asked.purse, &p->charge.event, CASE_ROUNDS_MAX - p->spent, &left));
    release(&asked);
    return (uint32_t)left;
}

static void reopen(struct play *p)
{
    ent_state_close(p->state);
    ENT_OK(ent_state_open(p->dir, &p->state));
    p->tally->restarts++;
}

static void book_earlier(struct play *p)
{
    struct ent_ledger_charge earlier = p->charge;

    for (uint32_t i = 0; i < p->c->n_before; i++) {
        earlier.at = (struct ent_attempt){EARLIER_RUN + p->c->number, i + 1, 1};
        earlier.event = p->c->before[i];
        ENT_OK(ent_ledger_book(p->state, &p->csprng, &earlier, NULL));
    }
}

void play_purse_begin(struct play *p, const struct ent_dp_event *unit)
{
    p->charge = (struct ent_ledger_charge){
        .scope = p->c->scope, .at = {p->run, 1, 1}, .plan = p->c->plan->digest};
    ENT_OK(ent_purse_event(&p->c->plan->privacy, unit, &p->charge.event));
    book_earlier(p);
    p->spent = 0;
    p->announced = announce(p);
    p->refused = p->announced == 0;
}

bool play_purse_fits(struct play *p)
{
    struct asked asked;
    enum ent_err err;

    if (p->spent == CASE_ROUNDS_MAX || (p->refused && ent_rng_below(&p->rng, 4) > 0)) {
        return false; /* more was not asked for; nothing fits any more, mostly not asked again */
    }
    read_books(p, &asked);
    err = ent_purse_ask(&asked.purse, &p->charge.event);
    release(&asked);
    CU_ASSERT(err == ENT_E_OK || err == ENT_E_BUDGET);
    if (err != ENT_E_OK) { /* the first refusal, and every one after it */
        CU_ASSERT_EQUAL(p->spent, p->announced);
        p->refused = true;
    }
    return err == ENT_E_OK;
}

void play_purse_book(struct play *p)
{
    ENT_OK(ent_ledger_book(p->state, &p->csprng, &p->charge, NULL));
    p->spent++;
    if (ent_rng_below(&p->rng, 24) == 0) {
        reopen(p);
    }
    if (ent_rng_below(&p->rng, 4) == 0) { /* its update is asked for again: no second charge */
        ENT_OK(ent_ledger_book(p->state, &p->csprng, &p->charge, NULL));
    }
}

void play_purse_check(struct play *p)
{
    CU_ASSERT_EQUAL(announce(p), p->announced - p->spent);
}

void play_purse_end(struct play *p)
{
    play_purse_check(p);
    p->tally->purse_empty += p->refused ? 1 : 0;
    while (play_purse_fits(p)) {
        p->charge.at.round++;
        p->charge.at.attempt = 1 + ent_rng_below(&p->rng, 3);
        play_purse_book(p);
    }
    CU_ASSERT_EQUAL(p->spent, p->announced);
}
