/* What the files of the session's machine share. Not for others. */
#ifndef ENT_CLIENT_AGENT_SESSION_INTERNAL_H
#define ENT_CLIENT_AGENT_SESSION_INTERNAL_H

#include "client/agent/session.h"

typedef void ent_session_fn(struct ent_session *s, const struct ent_session_event *ev,
                            struct ent_session_actions *out);

/* session.c */
struct ent_session_action *ent_session_act(struct ent_session_actions *out,
                                           enum ent_session_action_kind kind);
bool ent_session_same_digest(const uint8_t *a, const uint8_t *b);
bool ent_session_same_round(const struct ent_session *s, const struct ent_session_round *id);
bool ent_session_newer_round(const struct ent_session *s, const struct ent_session_round *id);
void ent_session_warn(struct ent_session *s, const struct ent_session_event *ev, enum ent_err code,
                      struct ent_session_actions *out);
void ent_session_drop_round(struct ent_session *s, struct ent_session_actions *out);

/* session_line.c: from dial to WELCOME, renewal, the end */
ent_session_fn ent_session_on_start;
ent_session_fn ent_session_on_stop;
ent_session_fn ent_session_on_tick;
ent_session_fn ent_session_on_opened;
ent_session_fn ent_session_on_closed;
ent_session_fn ent_session_on_welcome;
ent_session_fn ent_session_on_refused;
ent_session_fn ent_session_on_renewed;
ent_session_fn ent_session_on_bye;

/* session_round.c: runs, rounds and the bytes they need */
ent_session_fn ent_session_on_run_start;
ent_session_fn ent_session_on_offer;
ent_session_fn ent_session_on_fetched;
ent_session_fn ent_session_on_kept;
ent_session_fn ent_session_on_run_end;
ent_session_fn ent_session_on_round_open;
ent_session_fn ent_session_on_checked;
ent_session_fn ent_session_on_begin;
ent_session_fn ent_session_on_computed;
ent_session_fn ent_session_on_go;
ent_session_fn ent_session_on_ack;
ent_session_fn ent_session_on_round_over;
void ent_session_offer_again(struct ent_session *s, struct ent_session_actions *out);

#endif
