/* IN client.yaml · OUT the member's settings: where its data is, how its columns map to the plan,
 * what it refuses OWNS the parsed struct · THREADS any (immutable after parsing) · SOURCE
 * protocol.md 5 */
#ifndef ENT_COMMON_PLAN_CLIENT_CONFIG_H
#define ENT_COMMON_PLAN_CLIENT_CONFIG_H

#include <stdint.h>

#include "common/base/arena.h"
#include "common/base/buf.h"
#include "common/base/err.h"
#include "common/config/config.h"
#include "common/task/task.h"

/* What is kept of the leaves of the audit log; the numbers are those of enum ent_mirror_keep. */
enum ent_client_mirror { ENT_CLIENT_MIRROR_FULL, ENT_CLIENT_MIRROR_HASHES, ENT_CLIENT_MIRROR_OFF };

enum ent_bad_rows { ENT_BAD_ROWS_FAIL, ENT_BAD_ROWS_DROP };

/* How this member spells a value that the plan declares. */
struct ent_spelling {
    const char *own;
    const char *plan;
    uint32_t line; /* where `plan` stands in the file */
    uint32_t column;
};

/* One of the plan's features, or its label, as this member has it. */
struct ent_column_map {
    const char *feature;
    const char *column; /* header name at the source; = feature when only spellings are given */
    const struct ent_spelling *spellings;
    uint32_t n_spellings;
    uint32_t line; /* where `feature` stands in the file */
    uint32_t column_at;
};

struct ent_data_config {
    const char *source;         /* a name out of client/data/sources.def: "csv" */
    const char *source_at;      /* "client.yaml:3:11: "; "" when the file does not say it */
    const char *path;           /* resolved against the directory of client.yaml */
    const char *labels;         /* idx: resolved; NULL = as the images are called */
    const char *more;           /* idx: resolved; NULL = none */
    char delimiter;             /* ',' ';' '\t'; 0 = detected from the header */
    struct ent_strings missing; /* spellings of a missing value, besides the blank field */
    enum ent_bad_rows bad_rows;
};

struct ent_policy_config {
    uint32_t tasks; /* bit 1 << ent_task_kind */
    uint32_t min_members;
    uint32_t runs_per_plan; /* 0 = any number */
    bool own_figures_go;    /* figures of its own test rows go to the coordinator's operator */
    struct ent_strings own_figures; /* which of them; none: all */
    uint32_t min_customers;         /* tasks over a part of the split with fewer are declined */
    uint32_t min_group;   /* of fewer customers than this, or than the plan's, sums are zeros */
    bool vocabulary_goes; /* plans whose statistics hold the buckets of a vocabulary */
    bool any_plan;
    const uint8_t (*plans)[32]; /* digests, when not any_plan */
    uint32_t n_plans;
    double epsilon_run;  /* of a scope's customers in one run, at `delta`; 0: no limit of its own */
    double epsilon_life; /* in all runs together; 0: no limit */
    double delta;
    bool any_purpose;
    struct ent_strings purposes; /* that it takes part in, when not any_purpose */
    bool noise_of_coordinator;   /* its noise is counted as noise: the member trusts it to add it */
    bool uncovered_goes;         /* rounds that no noise covers, beside an epsilon of its own */
};

#define ENT_CLIENT_SCOPE_MAX_BYTES 64

struct ent_client_config {
    struct ent_arena arena;
    const char *file;        /* for messages: "client.yaml"; NULL when it comes from none */
    const char *coordinator; /* HOST:PORT; NULL before enrolment */
    struct ent_data_config data;
    const struct ent_column_map *columns; /* only what differs from the plan's own names */
    uint32_t n_columns;
    const char *unit_key;   /* column of the customer's id; NULL = none */
    const char *split_file; /* resolved; NULL = none */
    const char *id; /* column that `score` passes through; NULL = unit_key, else the row number */
    struct ent_policy_config policy;
    const char *scope; /* the data scope: whose budget the data behind `data` is charged to */
    enum ent_client_mirror mirror;
    const uint8_t (*auditors)[32]; /* SHA-256 of their X25519 keys: who may get sealed updates */
    uint32_t n_auditors;
    bool plain_updates;    /* the coordinator may keep updates unsealed, 7 days at most */
    uint64_t memory_bytes; /* rows and training together; 0 (never out of a file): no bound */
};

/* dir: relative paths are relative to it. */
ENT_MUST enum ent_err ent_client_config_parse(const char *name, const char *dir,
                                              const uint8_t *yaml, size_t len,
                                              struct ent_client_config **out);
ENT_MUST enum ent_err ent_client_config_read(const char *path, struct ent_client_config **out);
void ent_client_config_free(struct ent_client_config *config);

/* The commented client.yaml that `enroll` writes; the data section is there to be edited.
 * coordinator: HOST:PORT. */
ENT_MUST enum ent_err ent_client_config_text(const char *coordinator, struct ent_buf *out);
/* The rest of client.yaml below `data` and `columns` (policy, comments), as `describe` writes it
 * too. */
ENT_MUST enum ent_err ent_client_config_policy_text(struct ent_buf *out);

#endif
