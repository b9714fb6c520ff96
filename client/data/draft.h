/* IN profiles of a file's columns · OUT what becomes of each, and the two drafted files · OWNS nothing
 * THREADS any · SOURCE protocol.md 5
 *
 * Inside this room only. A plan is seen by every member: no count, no rate and no rare value of the file goes into it. */
#ifndef ENT_CLIENT_DATA_DRAFT_H
#define ENT_CLIENT_DATA_DRAFT_H

#include "client/data/describe.h"
#include "client/data/profile.h"

enum ent_role {
    ENT_ROLE_NUMBER,
    ENT_ROLE_CATEGORY,
    ENT_ROLE_BOOLEAN,
    ENT_ROLE_DATE,
    ENT_ROLE_LABEL,
    ENT_ROLE_ID,
    ENT_ROLE_EXCLUDED, /* by --without */
    ENT_ROLE_CONSTANT,
    ENT_ROLE_EMPTY,
    ENT_ROLE_FREE_TEXT,
    ENT_ROLE_UNUSABLE /* its name or its numbers cannot stand in a plan */
};

struct ent_draft_date {
    const char *format;
    const char *other; /* fits as many values: day and month cannot be told apart; NULL: none */
    uint64_t n_other;  /* values that are no such date */
    int64_t year;      /* of the last one: the age's reference is its last day */
    bool month;        /* parts besides the age */
    bool weekday;
    bool hour;
};

struct ent_draft_column {
    const struct ent_profile *profile;
    enum ent_role role;
    const char *why_unusable; /* UNUSABLE: static */
    double lo;                /* NUMBER: rounded outward; DATE: of its age in days */
    double hi;
    bool few_whole; /* NUMBER that may be a code */
    bool indicator; /* NUMBER that is missing somewhere */
    struct ent_draft_date date;
    uint64_t min_count;  /* CATEGORY: rarer values stay out */
    uint32_t n_declared; /* CATEGORY: values that go into the plan */
};

struct ent_draft {
    const struct ent_describe_options *options;
    const struct ent_profiles *profiles;
    struct ent_draft_column *columns; /* [profiles->n_columns] */
    uint32_t label;
    const char *positive;
    int unit; /* column of unit_key; -1 = none */
    bool words[ENT_PROFILE_WORDS];
    uint64_t n_undated; /* values of dates that are none */
};

/* columns: [n_columns] storage of the caller. USAGE (label), DATA (no feature is left). */
ENT_MUST enum ent_err ent_draft_decide(struct ent_draft *draft);
ENT_MUST enum ent_err ent_draft_plan(const struct ent_draft *draft, struct ent_buf *out);
ENT_MUST enum ent_err ent_draft_client(const struct ent_draft *draft, struct ent_buf *out);
void ent_draft_report(const struct ent_draft *draft, FILE *out);
/* draft_dates.c: fills what belongs to a DATE; false: the column is none. */
bool ent_draft_date(struct ent_draft_column *column);
ENT_MUST enum ent_err ent_draft_add_date(const struct ent_draft_column *column,
                                         struct ent_buf *out);
/* Whether the value goes into the plan. */
bool ent_draft_declares(const struct ent_draft_column *column,
                        const struct ent_profile_value *value);

#endif
