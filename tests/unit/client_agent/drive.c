#include "tests/unit/client_agent/drive.h"

#include <string.h>

const uint8_t plan_digest[32] = {1};
const uint8_t base_digest[32] = {2};
const uint8_t update_digest[32] = {3};
const uint8_t best_digest[32] = {4};

struct ent_session_event drive_event(enum ent_session_event_kind kind)
{
    struct ent_session_event ev = {.kind = kind, .id = {7, 3, 1}};

    return ev;
}

void drive_go(struct drive *d, struct ent_session_event ev)
{
    ev.now_ms = d->now_ms;
    ent_session_step(&d->s, &ev, &d->out);
}

void drive_send(struct drive *d, enum ent_session_event_kind kind)
{
    drive_go(d, drive_event(kind));
}

const struct ent_session_action *drive_find(const struct drive *d,
                                            enum ent_session_action_kind kind)
{
    for (size_t i = 0; i < d->out.n; i++) {
        if (d->out.list[i].kind == kind) {
            return &d->out.list[i];
        }
    }
    return NULL;
}

bool drive_did(const struct drive *d, enum ent_session_action_kind kind)
{
    return drive_find(d, kind) != NULL;
}

void drive_begin(struct drive *d)
{
    *d = (struct drive){.now_ms = 1000};
    ent_session_init(&d->s, 5);
}

void drive_welcome(struct drive *d, uint64_t round, enum ent_session_standing standing,
                   enum ent_session_update update)
{
    struct ent_session_event ev = drive_event(ENT_SEV_WELCOME);

    ev.id.round = round;
    ev.standing = standing;
    ev.update = update;
    ev.has_plan = true;
    memcpy(ev.digest, plan_digest, 32);
    memcpy(ev.stored, update_digest, 32);
    drive_go(d, ev);
}

void drive_no_run(struct drive *d)
{
    struct ent_session_event ev = drive_event(ENT_SEV_WELCOME);

    ev.id = (struct ent_session_round){0};
    drive_go(d, ev);
}

void drive_open_round(struct drive *d, bool has_plan, bool has_base)
{
    struct ent_session_event ev = drive_event(ENT_SEV_ROUND_OPEN);

    memcpy(ev.digest, plan_digest, 32);
    memcpy(ev.base, base_digest, 32);
    ev.has_plan = has_plan;
    ev.has_base = has_base;
    ev.needs_base = true;
    drive_go(d, ev);
}

void drive_offer(struct drive *d, enum ent_session_bytes what, const uint8_t *digest,
                 uint64_t bytes)
{
    struct ent_session_event ev = drive_event(ENT_SEV_OFFER);

    ev.offer = what;
    ev.bytes = bytes;
    ev.request = 9;
    memcpy(ev.digest, digest, 32);
    drive_go(d, ev);
}

void drive_result(struct drive *d, enum ent_session_event_kind kind, enum ent_err code)
{
    struct ent_session_event ev = drive_event(kind);

    ev.code = code;
    memcpy(ev.digest, update_digest, 32);
    drive_go(d, ev);
}

void drive_up(struct drive *d)
{
    drive_begin(d);
    drive_send(d, ENT_SEV_START);
    drive_send(d, ENT_SEV_OPENED);
    drive_no_run(d);
}

/* Bring the machine to a state by its ordinary way. */
void drive_bring(struct drive *d, enum ent_session_state state)
{
    drive_begin(d);
    if (state == ENT_SESSION_STOPPED) {
        drive_send(d, ENT_SEV_STOP);
    }
    if (state == ENT_SESSION_DOWN || state == ENT_SESSION_STOPPED) {
        return;
    }
    drive_send(d, ENT_SEV_START);
    if (state == ENT_SESSION_DIALING) {
        return;
    }
    drive_send(d, ENT_SEV_OPENED);
    if (state == ENT_SESSION_HELLO) {
        return;
    }
    drive_no_run(d);
    if (state == ENT_SESSION_READY) {
        return;
    }
    drive_open_round(d, state != ENT_SESSION_OPENED, state != ENT_SESSION_BASE);
    if (state == ENT_SESSION_OPENED) {
        return;
    }
    drive_result(d, ENT_SEV_CHECKED, ENT_E_OK);
    if (state == ENT_SESSION_JOINED) {
        return;
    }
    drive_send(d, ENT_SEV_BEGIN);
    if (state == ENT_SESSION_BASE || state == ENT_SESSION_COMPUTE) {
        return;
    }
    drive_result(d, ENT_SEV_COMPUTED, ENT_E_OK);
    if (state == ENT_SESSION_OFFERED) {
        return;
    }
    drive_send(d, ENT_SEV_GO);
    if (state == ENT_SESSION_SENDING) {
        return;
    }
    drive_result(d, ENT_SEV_ACK, ENT_E_OK);
}

void drive_reconnect(struct drive *d)
{
    drive_result(d, ENT_SEV_CLOSED, ENT_E_NET);
    d->now_ms += ENT_SESSION_BACKOFF_MAX_MS + 1;
    drive_send(d, ENT_SEV_TICK);
    drive_send(d, ENT_SEV_OPENED);
}
