#include <string.h>

#include "common/base/buf.h"
#include "coordinator/round/phases.h"

/* Today everybody who is there; sampling will narrow it here. */
bool ent_select_invites(const struct ent_round *round, uint32_t member)
{
    return round->members[member].enrolled && round->members[member].up;
}

bool ent_round_out_of_patience(const struct ent_round *round)
{
    return round->config.patience > 0 && round->config.validate && round->best_rows > 0 &&
           round->train_done - round->best_train >= round->config.patience;
}

static bool next_train_or_test(const struct ent_round *r, struct ent_row *open)
{
    if (r->train_done < r->config.train_rounds && !ent_round_out_of_patience(r)) {
        open->task = ENT_ROUND_TRAIN;
        open->split = ENT_ROUND_ON_TRAIN;
        return true;
    }
    open->task = ENT_ROUND_EVALUATE;
    open->split = ENT_ROUND_ON_TEST;
    return r->config.test;
}

/* The course of a run (protocol.md 4) as: what follows the round that closed last. */
static bool next_round(const struct ent_round *r, struct ent_row *open)
{
    if (r->closed.kind == 0 && r->config.no_stats) {
        return next_train_or_test(r, open);
    }
    if (r->closed.kind == 0) {
        open->task = ENT_ROUND_STATS;
        open->split = ENT_ROUND_ON_TRAIN;
        return true;
    }
    switch (r->closed.task) {
    case ENT_ROUND_STATS:
        return next_train_or_test(r, open);
    case ENT_ROUND_TRAIN:
        if (!r->config.validate) {
            return next_train_or_test(r, open);
        }
        open->task = ENT_ROUND_EVALUATE;
        open->split = ENT_ROUND_ON_VALIDATION;
        return true;
    case ENT_ROUND_EVALUATE:
        return r->closed.split == ENT_ROUND_ON_VALIDATION && next_train_or_test(r, open);
    }
    return false;
}

bool ent_select_next(const struct ent_round *round, struct ent_row *open)
{
    struct ent_row next = {.round = round->round, .attempt = round->attempt + 1};

    if (round->next == ENT_ROUND_NEXT_ATTEMPT) {
        next.task = round->task;
        next.split = round->split;
        memcpy(next.model, round->base, sizeof next.model);
        *open = next;
        return true;
    }
    if (!next_round(round, &next)) {
        return false;
    }
    next.round = round->round + 1;
    next.attempt = 1;
    /* Test rows are spent once, on the best model; without one that was evaluated, on the newest. */
    if (next.split == ENT_ROUND_ON_TEST && !ent_all_zero(round->best, sizeof round->best)) {
        memcpy(next.model, round->best, sizeof next.model);
    } else {
        memcpy(next.model, round->model, sizeof next.model);
    }
    *open = next;
    return true;
}

bool ent_select_last(const struct ent_round *round)
{
    struct ent_round after = *round;
    struct ent_row more = {0};

    after.next = ENT_ROUND_NEXT_ROUND; /* as its RELEASE row will leave it */
    return round->stopping || !ent_select_next(&after, &more);
}

struct wide {
    uint64_t hi;
    uint64_t lo;
};

/* 64 x 64 -> 128 bits, schoolbook with 32-bit halves. */
static struct wide multiply(uint64_t a, uint64_t b)
{
    uint64_t low = (a & UINT32_MAX) * (b & UINT32_MAX);
    uint64_t mid1 = (a >> 32) * (b & UINT32_MAX) + (low >> 32);
    uint64_t mid2 = (a & UINT32_MAX) * (b >> 32) + (mid1 & UINT32_MAX);

    return (struct wide){.hi = (a >> 32) * (b >> 32) + (mid1 >> 32) + (mid2 >> 32),
                         .lo = (mid2 << 32) | (low & UINT32_MAX)};
}

bool ent_select_less(uint64_t a, uint64_t a_rows, uint64_t b, uint64_t b_rows)
{
    struct wide left = multiply(a, b_rows);
    struct wide right = multiply(b, a_rows);

    return left.hi < right.hi || (left.hi == right.hi && left.lo < right.lo);
}

bool ent_round_trains_next(const struct ent_round *round)
{
    struct ent_row open = {0};

    return round->phase == ENT_PHASE_WAIT && ent_select_next(round, &open) &&
           open.task == ENT_ROUND_TRAIN;
}
