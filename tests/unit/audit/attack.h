/* The table of attacks (audit.md 5): each builds an export, makes one change with every key that this attacker holds,
 * and says which checks must find it, exactly, and what the program ends with. */
#ifndef ENT_TESTS_UNIT_AUDIT_ATTACK_H
#define ENT_TESTS_UNIT_AUDIT_ATTACK_H

#include "audit/verify.h"
#include "tests/support/ent_test.h"
#include "tests/support/forge.h"

#define ATTACK_MEMBERS 5 /* f = 1, k = 4 */
#define ATTACK_FILES_MAX 4
#define ATTACK_CENTRAL 0x100u /* added to a variant: unit member, noise at the coordinator */

/* What an attack works on. */
struct scene {
    struct ent_forge_options options; /* how the forge is made */
    struct ent_forge *forge;
    struct ent_forge *other; /* what would have been, without the attack */
    const char *dir;
    char *export; /* paths */
    char *policy;
    char *honest; /* the export before the attack, where one was made */
    struct ent_audit_options verify;
    char *files[ATTACK_FILES_MAX]; /* that options point to; freed at the end */
    size_t n_files;
    const char *heads[ATTACK_FILES_MAX];
    const char *receipts[ATTACK_FILES_MAX];
    struct ent_arena arena;
    /* for hooks */
    uint64_t round;
    size_t member;
    uint32_t weight; /* of what was dropped */
    unsigned variant;
    bool done;
    struct ent_leaf_statement kept;
    struct ent_leaf_config_set config;
    uint8_t bits[(ATTACK_MEMBERS + 7) / 8];
    uint8_t erased[32];
    struct ent_forge *sybils; /* invented members */
    bool central;             /* of the attack */
};

struct attack {
    int row; /* of audit.md 5; 0: a control, which must pass */
    const char *what;
    void (*make)(struct scene *scene);
    unsigned variant;
    const char *fail;       /* "V2 V3" */
    const char *incomplete; /* "V5" */
    int exit;
    const char *replay; /* its verdict; "": not asked */
};

/* The parts of the table: rows about the log, about rounds, and about what the log names. */
extern const struct attack attacks_log[];
extern const size_t n_attacks_log;
extern const struct attack attacks_rounds[];
extern const size_t n_attacks_rounds;
extern const struct attack attacks_named[];
extern const size_t n_attacks_named;
extern const struct attack attacks_budget[];
extern const size_t n_attacks_budget;
extern const char *const attacks_budget_say[]; /* words of a finding of each */
extern const struct attack attacks_noise[];
extern const size_t n_attacks_noise;
extern const char *const attacks_noise_say[];
extern const struct attack attacks_replay[];
extern const size_t n_attacks_replay;

/* ---- helpers ---- */

/* s->other: the honest federation; s->forge: the same, with `hook` (may be NULL). Five members, three training rounds with validation, a test round; `hook` may be NULL. Ends with some
 * operator's actions, so that the last leaves are nobody's base. The policy is that of the honest federation. */
void scene_play(struct scene *s, ent_forge_hook hook);
/* The export of what the forge holds now. */
void scene_export(struct scene *s, bool any_note);
/* An honest export first, at s->honest. */
void scene_keep_honest(struct scene *s);
/* Notes of the honest export over those of s->export: tiles changed, nothing signed again. */
void scene_honest_notes(struct scene *s);
/* That of one size only. */
void scene_honest_note(struct scene *s, uint64_t size);
/* One operator's action, at the end of a log. */
void scene_act(struct ent_forge *forge, uint32_t action);
/* Changes one leaf after the fact: decoded, changed, encoded. */
typedef void (*scene_edit_fn)(struct scene *s, struct ent_leaf_frame *frame,
                              union ent_leaf_any *any);
void scene_edit(struct scene *s, size_t index, scene_edit_fn edit);
/* C signs everything again, and `colluding` members cosign again. */
void scene_resign(struct scene *s, uint64_t colluding);
/* A file of the scene's directory with these bytes; the path lives as long as the scene. */
const char *scene_file(struct scene *s, const char *name, const void *bytes, size_t len);
/* Note i of a forge as a member's --head. */
void scene_head(struct scene *s, const struct ent_forge *forge, size_t note);
/* Its receipt for the accepted update of (round, member) as --receipt. */
void scene_receipt(struct scene *s, uint64_t round, size_t member);
/* --key: the auditor's. */
void scene_key(struct scene *s);
/* Whether the event is a leaf of that type, round and member. */
bool scene_is(const struct scene *s, const struct ent_forge_leaf_event *event, unsigned type);
/* Copy that lives with the scene. */
struct ent_bytes scene_copy(struct scene *s, struct ent_bytes bytes);
/* Bytes of the payload that an update's statement is of. */
size_t scene_payload_bytes(struct scene *s, const struct ent_leaf_statement *update);
/* A statement of the member, changed by `change`, signed again by `key`. */
typedef void (*scene_header_fn)(struct scene *s, struct ent_header *header);
void scene_restate(struct scene *s, struct ent_leaf_statement *statement, scene_header_fn change,
                   const struct ent_sign_key *key);

#endif
