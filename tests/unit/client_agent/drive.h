/* A session driven by hand. */
#ifndef ENT_TESTS_UNIT_CLIENT_AGENT_DRIVE_H
#define ENT_TESTS_UNIT_CLIENT_AGENT_DRIVE_H

#include "client/agent/session.h"

struct drive {
    struct ent_session s;
    struct ent_session_actions out; /* of the last step */
    uint64_t now_ms;
};

extern const uint8_t plan_digest[32];
extern const uint8_t base_digest[32];
extern const uint8_t update_digest[32];
extern const uint8_t best_digest[32];

struct ent_session_event drive_event(enum ent_session_event_kind kind);
void drive_go(struct drive *d, struct ent_session_event ev);
void drive_send(struct drive *d, enum ent_session_event_kind kind);
const struct ent_session_action *drive_find(const struct drive *d,
                                            enum ent_session_action_kind kind);
bool drive_did(const struct drive *d, enum ent_session_action_kind kind);
void drive_begin(struct drive *d);
void drive_welcome(struct drive *d, uint64_t round, enum ent_session_standing standing,
                   enum ent_session_update update);
void drive_no_run(struct drive *d);
void drive_open_round(struct drive *d, bool has_plan, bool has_base);
void drive_offer(struct drive *d, enum ent_session_bytes what, const uint8_t *digest,
                 uint64_t bytes);
void drive_result(struct drive *d, enum ent_session_event_kind kind, enum ent_err code);
void drive_up(struct drive *d);
/* The line breaks and is dialed again, up to HELLO. */
void drive_reconnect(struct drive *d);
/* Bring the machine to a state by its ordinary way. */
void drive_bring(struct drive *d, enum ent_session_state state);

#endif
