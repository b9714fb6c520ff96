/* The trust policy of one log: C2SP tlog-policy, as far as a federation needs it: one log, named
 * witnesses, one group with a threshold.
 *
 *   # entente-genesis <hex of the first leaf's hash>
 *   log <vkey>
 *   witness <name> <vkey>
 *   group quorum 2 <name> <name> <name>
 *   quorum quorum */
#ifndef ENT_COMMON_TLOG_POLICY_H
#define ENT_COMMON_TLOG_POLICY_H

#include "common/schema/limits.h"
#include "common/tlog/note.h"

#define ENT_TLOG_POLICY_MAX_BYTES ((size_t)64 * 1024)
#define ENT_TLOG_WITNESSES_MAX ENT_LOG_WITNESSES_MAX

struct ent_tlog_witness {
    char name[ENT_VKEY_NAME_MAX_BYTES + 1]; /* within the policy; need not be the key's */
    struct ent_vkey key;                    /* of type ENT_VKEY_COSIGNATURE */
    bool in_quorum;                         /* whether it counts */
};

struct ent_tlog_policy {
    struct ent_vkey log; /* its name is the origin */
    size_t n_witnesses;
    struct ent_tlog_witness witnesses[ENT_TLOG_WITNESSES_MAX];
    size_t k; /* cosignatures needed of those in the quorum; 0 for `quorum none` */
    bool has_genesis;
    uint8_t genesis[ENT_MERKLE_BYTES]; /* hash of leaf 0 */
};

/* What a note is worth under a policy. */
struct ent_tlog_quorum {
    struct ent_note_opened opened;
    bool reached;
    size_t n_counted; /* of those in the quorum */
    bool cosigned[ENT_TLOG_WITNESSES_MAX];
    uint64_t time_s[ENT_TLOG_WITNESSES_MAX]; /* where cosigned */
};

/* text: [len]. DATA names the line; LIMIT; UNSUPPORTED for more than one log, more than one group or
 * a group of groups (legal C2SP, but no federation of ours). */
ENT_MUST enum ent_err ent_tlog_policy_parse(const char *text, size_t len,
                                            struct ent_tlog_policy *out);
/* Appends the form above. DATA when the policy could not be read back (names, keys, k). */
ENT_MUST enum ent_err ent_tlog_policy_write(const struct ent_tlog_policy *policy,
                                            struct ent_buf *out);
/* Opens a note with the policy's keys. Errors as ent_note_open; too few cosignatures are none:
 * reached = false. bytes stay borrowed by out->opened. */
ENT_MUST enum ent_err ent_tlog_policy_open(const struct ent_tlog_policy *policy, const char *bytes,
                                           size_t len, struct ent_tlog_quorum *out);

#endif
