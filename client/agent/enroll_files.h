/* The files of an enrolment: built in a staging directory, moved into place at the end. Not for other rooms. */
#ifndef ENT_CLIENT_AGENT_ENROLL_FILES_H
#define ENT_CLIENT_AGENT_ENROLL_FILES_H

#include "client/agent/identity.h"
#include "common/wire/messages.h"

struct ent_enroll_files {
    char *dir;
    char *staging; /* DIR/enrolling */
    bool made_dir; /* DIR was not there before */
    bool finished;
    struct ent_tls_key *tls;
    struct ent_sign_key *statement;
    struct ent_sign_key *witness;
};

struct ent_enroll_request {
    struct ent_buf csr; /* caller's */
    uint8_t nonce_commit[ENT_SHA256_BYTES];
    uint64_t sequence;
};

/* EXISTS when a member is enrolled in dir. Makes the keys. */
ENT_MUST enum ent_err ent_enroll_files_begin(const char *dir, struct ent_enroll_files *out);
/* First nonce and sequence number, out of the state that the member will keep; the signing request. */
ENT_MUST enum ent_err ent_enroll_files_request(struct ent_enroll_files *files,
                                               struct ent_enroll_request *out);
/* Check what the coordinator issued, write everything, move it into dir; member.json is moved last. */
ENT_MUST enum ent_err ent_enroll_files_finish(struct ent_enroll_files *files,
                                              const struct ent_msg_enrolled *m, uint64_t wall_ms,
                                              bool *config_written);
/* Frees; removes the staging directory (and DIR, if it was made for this) unless finished. */
void ent_enroll_files_end(struct ent_enroll_files *files);

#endif
