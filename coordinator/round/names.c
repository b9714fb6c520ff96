#include "coordinator/round/round.h"

#define NAME_OF(table_, at_)                                                                       \
    ((size_t)(at_) < sizeof(table_) / sizeof((table_)[0]) && (table_)[(size_t)(at_)] != NULL       \
         ? (table_)[(size_t)(at_)]                                                                 \
         : "unknown")

const char *ent_phase_name(enum ent_phase phase)
{
    static const char *const names[] = {"idle", "wait", "join", "update", "close", "release"};

    return NAME_OF(names, phase);
}

const char *ent_standing_name(enum ent_standing standing)
{
    static const char *const names[] = {"not invited", "invited",  "joined", "offered",
                                        "accepted",    "rejected", "dropped"};

    return NAME_OF(names, standing);
}

const char *ent_event_name(enum ent_event_kind kind)
{
    static const char *const names[] = {
        "run_start", "stop",  "tick",   "up",         "down",   "revoked",       "join", "decline",
        "lost",      "offer", "update", "update_bad", "result", "result_failed", "gate", "damaged"};

    return NAME_OF(names, kind);
}

const char *ent_row_name(enum ent_row_kind kind)
{
    static const char *const names[] = {NULL,    "run_start", "open",   "invite", "join",
                                        "begin", "accept",    "reject", "drop",   "close",
                                        "abort", "release",   "end",    "stop"};

    return NAME_OF(names, kind);
}

const char *ent_round_task_name(enum ent_round_task task)
{
    static const char *const names[] = {NULL, "stats", "train", "evaluate"};

    return NAME_OF(names, task);
}

const char *ent_round_split_name(enum ent_round_split split)
{
    static const char *const names[] = {"none", "train", "validation", "test"};

    return NAME_OF(names, split);
}
