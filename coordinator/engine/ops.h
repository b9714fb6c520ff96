/* IN a request (one JSON object) · OUT a reply (one JSON object) · OWNS nothing · THREADS engine · SOURCE protocol.md 4
 *
 *   {"verb": "status"}                                      federation, run, members, rounds, refusals
 *   {"verb": "roster"}                                      members
 *   {"verb": "invite", "name": N}                           {"token": ..., "expires_ms": ...}
 *   {"verb": "revoke", "name": N}
 *   {"verb": "start", "name": FILE, "plan": TEXT [, "base": PATH]}     {"run": ..., "serving": bool, "rounds": ...}
 *   {"verb": "stop"}
 *   {"verb": "policy"}     {"frozen": bool, "version": ..., "awaited": [NAME], "policy": TEXT}
 *   {"verb": "export", "to": PATH [, "since": ROUND]}
 *   {"verb": "admit-auditor", "x25519": HEX, "ed25519": HEX, "name": N}
 *   {"verb": "disclose" [, "names": [N]]}       {"lines": [{"who": HANDLE or X25519, "salt": HEX, "name": N}], "unknown": ...}
 *
 * A request that cannot be carried out is answered {"error": {"code": "exists", "text": ...}}. */
#ifndef ENT_COORDINATOR_ENGINE_OPS_H
#define ENT_COORDINATOR_ENGINE_OPS_H

#include "common/json/json.h"
#include "coordinator/engine/state.h"

ENT_MUST enum ent_err ent_ops_invite(struct ent_engine *e, const struct ent_json *request,
                                     struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_revoke(struct ent_engine *e, const struct ent_json *request,
                                     struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_start(struct ent_engine *e, const struct ent_json *request,
                                    struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_stop(struct ent_engine *e, struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_policy(struct ent_engine *e, struct ent_json_writer *out);
/* Names of those whose word on the proposed witness set is missing, under `key`. */
void ent_ops_put_awaited(struct ent_engine *e, const char *key, struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_admit_auditor(struct ent_engine *e, const struct ent_json *request,
                                            struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_export(struct ent_engine *e, const struct ent_json *request,
                                     struct ent_json_writer *out);
/* Of everybody that the log admitted under a name, or of those asked for: what opens the commitment. */
ENT_MUST enum ent_err ent_ops_disclose(struct ent_engine *e, const struct ent_json *request,
                                       struct ent_json_writer *out);
/* One leaf operator.action by itself. */
ENT_MUST enum ent_err ent_ops_action(struct ent_engine *e, enum ent_log_action action,
                                     const void *subject, size_t len);
/* A run needs a frozen witness set, and min_members of at least its quorum. */
ENT_MUST enum ent_err ent_ops_check_witnesses(const struct ent_engine *e, uint32_t min_members);
/* "auditors": how many updates are sealed to, "plain": whether they are kept unsealed. */
ENT_MUST enum ent_err ent_ops_put_kept(struct ent_engine *e, struct ent_json_writer *out);
ENT_MUST enum ent_err ent_status_log(struct ent_engine *e, struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_roster(struct ent_engine *e, struct ent_json_writer *out);
ENT_MUST enum ent_err ent_ops_status(struct ent_engine *e, struct ent_json_writer *out);

/* Ask whoever holds DIR: the program that serves it, or, when nobody does, an engine of our own that is made for this
 * one request. text: gets the reply as it came (maximum ENT_CONTROL_REPLY_MAX_BYTES); *reply: the same, parsed (caller
 * frees). The reply's error, if it holds one, is returned with its text noted. */
ENT_MUST enum ent_err ent_ops_ask(const char *dir, const char *request, struct ent_buf *text,
                                  struct ent_json **reply);

#endif
