#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/step/step.h"
#include "coordinator/engine/state.h"

#define SEQUENCE_BLOCK ((uint64_t)1 << 20) /* numbers taken from the store at once */

/* ---- writing ---- */

static enum ent_err next_sequence(struct ent_engine *e, uint64_t *out)
{
    if (e->sequence == e->sequence_end) {
        ENT_TRY(ent_store_counter_take(e->store, "sequence", SEQUENCE_BLOCK, &e->sequence));
        e->sequence_end = e->sequence + SEQUENCE_BLOCK;
    }
    *out = e->sequence++;
    return ENT_E_OK;
}

enum ent_err ent_message_header(struct ent_engine *e, enum ent_msg_type type,
                                const struct ent_about *about, struct ent_header *out)
{
    *out = (struct ent_header){
        .type = type, .run = about->run, .round = about->round, .attempt = about->attempt};
    memcpy(out->federation, e->home->issuer.federation, sizeof out->federation);
    return next_sequence(e, &out->sequence);
}

enum ent_err ent_message_write(struct ent_engine *e, enum ent_msg_type type,
                               const struct ent_about *about, const void *message,
                               struct ent_letter **out)
{
    struct ent_letter *letter = NULL;
    struct ent_header header;
    enum ent_err err;

    ENT_TRY(ent_letter_new(&letter));
    err = ent_message_header(e, type, about, &header);
    if (err == ENT_E_OK) {
        err = ent_wire_draft(&header, message, &letter->draft);
    }
    if (err != ENT_E_OK) {
        ent_letter_unref(letter);
        return err;
    }
    *out = letter;
    return ENT_E_OK;
}

/* A message that breaks its own bounds is our mistake, but costs no more than the one who should have got it: a line and
 * the connection. Everything else (store, memory, keys) ends the step. */
void ent_message_unsendable(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                            enum ent_err err)
{
    if (err != ENT_E_RANGE && err != ENT_E_LIMIT && err != ENT_E_PROTOCOL) {
        ent_engine_fail(e, err);
        return;
    }
    ent_refusal_count(e, conn != NULL ? conn->member : ENT_NO_MEMBER, err);
    if (ent_engine_may_say(e, &e->said_refused, "refusals")) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s to %s cannot be sent: %s", ent_msg_name(type),
                       conn == NULL                    ? "all"
                       : conn->member != ENT_NO_MEMBER ? e->members[conn->member].name
                                                       : conn->peer.address,
                       ent_err_message());
    }
    if (conn != NULL) {
        ent_post_close(e, conn);
    }
}

static bool wants_news(const struct ent_conn *conn)
{
    return conn->welcomed && conn->member != ENT_NO_MEMBER && !conn->closing;
}

/* One envelope for all that are up: it names no receiver. */
static void broadcast(struct ent_engine *e, enum ent_msg_type type, const struct ent_about *about,
                      const void *message)
{
    struct ent_letter *letter = NULL;
    enum ent_err err = ent_message_write(e, type, about, message, &letter);

    if (err != ENT_E_OK) {
        ent_message_unsendable(e, NULL, type, err);
        return;
    }
    for (size_t i = 0; i < e->n_conns; i++) {
        if (wants_news(e->conns[i])) {
            ent_post_letter(e, e->conns[i], (uint8_t)type, 0, letter);
        }
    }
    ent_letter_unref(letter);
}

struct ent_about ent_message_about(const struct ent_engine *e)
{
    return (struct ent_about){
        .run = e->run.config.run, .round = e->round.round, .attempt = e->round.attempt};
}

static void post_about(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                       const struct ent_about *about, uint64_t request, const void *message)
{
    struct ent_letter *letter = NULL;
    enum ent_err err = ent_message_write(e, type, about, message, &letter);

    if (err != ENT_E_OK) {
        ent_message_unsendable(e, conn, type, err);
        return;
    }
    ent_post_letter(e, conn, (uint8_t)type, request, letter);
    ent_letter_unref(letter);
}

void ent_message_post(struct ent_engine *e, struct ent_conn *conn, enum ent_msg_type type,
                      uint64_t request, const void *message)
{
    struct ent_about about = {.run = e->run.config.run};

    post_about(e, conn, type, &about, request, message);
}

/* ---- connection ---- */

struct ent_bytes ent_message_crl(const struct ent_engine *e)
{
    return e->home->crl.len <= ENT_WIRE_CRL_MAX_BYTES
               ? (struct ent_bytes){e->home->crl.data, e->home->crl.len}
               : (struct ent_bytes){0};
}

void ent_message_welcome(struct ent_engine *e, struct ent_conn *conn)
{
    const struct ent_round_member *m = &e->round.members[conn->member];
    bool active = e->run.config.run != 0 && ent_round_active(&e->round);
    struct ent_msg_welcome w = {.time_ms = e->wall_ms,
                                .protocol = ENT_WIRE_PROTOCOL_MAX,
                                .last_sequence = e->members[conn->member].last_sequence,
                                .idle_ms = (uint32_t)e->home->config->idle_ms};

    if (active) {
        w.run = e->run.config.run;
        w.round = e->round.round;
        w.attempt = e->round.attempt;
        w.phase = e->round.phase;
        w.outcome = m->damaged ? ENT_STANDING_OFFERED : m->standing;
        w.has_plan = true;
        memcpy(w.plan, e->plan->digest, sizeof w.plan);
    }
    w.crl = ent_message_crl(e);
    ent_message_post(e, conn, ENT_MSG_WELCOME, 0, &w);
}

void ent_message_refuse(struct ent_engine *e, struct ent_conn *conn, enum ent_err code,
                        uint64_t sequence, const char *text)
{
    struct ent_msg_refused refused = {.code = code, .sequence = sequence, .time_ms = e->wall_ms};
    const char *who =
        conn->member != ENT_NO_MEMBER ? e->members[conn->member].name : conn->peer.address;

    ent_wire_text(refused.text, text);
    ent_refusal_count(e, conn->member, code);
    if (ent_engine_may_say(e, &e->said_refused, "refusals")) {
        ent_engine_say(e, ENT_SAY_TROUBLE, "%s: refused (%s): %s", who, ent_err_name(code),
                       refused.text);
    }
    ent_message_post(e, conn, ENT_MSG_REFUSED, 0, &refused);
}

void ent_message_bye(struct ent_engine *e, struct ent_conn *conn, enum ent_err code)
{
    struct ent_msg_bye bye = {.code = code};
    struct ent_buf body;

    ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    if (ent_msg_bye_encode(&bye, &body) == ENT_E_OK) {
        ent_post(e, conn, ENT_MSG_BYE, 0, &body);
    }
    ent_buf_release(&body);
    ent_post_close(e, conn);
}

void ent_message_bye_all(struct ent_engine *e, enum ent_err code)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        if (!e->conns[i]->enroll && e->conns[i]->welcomed) {
            ent_message_bye(e, e->conns[i], code);
        }
    }
}

/* ---- run ---- */

void ent_message_run_start(struct ent_engine *e, struct ent_conn *conn)
{
    struct ent_msg_run_start m = {.plan_bytes = ent_blob_len(e->plan_shelf.blob)};

    if (conn->told_run == e->run.config.run) {
        return;
    }
    conn->told_run = e->run.config.run;
    memcpy(m.plan, e->plan->digest, sizeof m.plan);
    m.has_base = !ent_all_zero(e->run.base, 32);
    memcpy(m.base, e->run.base, sizeof m.base);
    memcpy(m.selftest, e->selftest, sizeof m.selftest);
    ent_message_post(e, conn, ENT_MSG_RUN_START, 0, &m);
    if (memcmp(conn->known_plan, e->plan->digest, 32) != 0) {
        ent_pushes_offer(e, conn, ENT_OFFER_PLAN, e->plan->digest);
    }
}

size_t ent_message_metrics(const struct ent_run_metrics *metrics,
                           struct ent_msg_metric out[ENT_METRIC_VALUES])
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n = metrics->known ? ent_metrics_values(&metrics->m, values) : 0;

    for (size_t i = 0; i < n; i++) {
        out[i] = (struct ent_msg_metric){.nano = ent_step_nano(values[i].value)};
        (void)snprintf(out[i].name, sizeof out[i].name, "%s", values[i].name);
    }
    return n;
}

void ent_message_end(struct ent_engine *e, struct ent_conn *conn)
{
    const struct ent_last_end *end = &e->last_end;
    struct ent_about about = {.run = end->run};
    struct ent_msg_metric metrics[ENT_METRIC_VALUES];
    struct ent_msg_run_end m = {
        .code = end->code, .best_round = end->best_round, .metrics = metrics};
    struct ent_blob *best = NULL;

    if (!ent_trail_may_send(e, ENT_OFFER_BEST)) {
        e->audit.end_waits = true; /* all are told once the witnesses have covered it */
        e->audit.end_code = end->code;
        return;
    }
    m.n_metrics = ent_message_metrics(&end->test, metrics);
    if (!ent_all_zero(end->best, 32)) {
        if (ent_shelf_model(e, end->best, &best) == ENT_E_OK) {
            m.has_best = true;
            memcpy(m.best, end->best, sizeof m.best);
            m.best_bytes = ent_blob_len(best);
            ent_blob_unref(best);
        } else {
            ent_engine_say(e, ENT_SAY_TROUBLE, "the best model cannot be sent: %s",
                           ent_err_message());
        }
    }
    for (size_t i = 0; i < e->n_conns; i++) {
        if (!wants_news(e->conns[i]) || (conn != NULL && conn != e->conns[i])) {
            continue;
        }
        post_about(e, e->conns[i], ENT_MSG_RUN_END, &about, 0, &m);
        if (m.has_best) {
            ent_pushes_offer(e, e->conns[i], ENT_OFFER_BEST, end->best);
        }
    }
}

/* ---- the end of a round ---- */

static int by_member(const void *a, const void *b)
{
    const struct ent_msg_outcome *x = a;
    const struct ent_msg_outcome *y = b;

    return memcmp(x->member, y->member, sizeof x->member);
}

static enum ent_err outcomes(const struct ent_engine *e, struct ent_msg_round_close *m)
{
    ENT_TRY(ent_calloc(e->n_members, sizeof *m->outcomes, &m->outcomes));
    for (uint32_t i = 0; i < e->n_members; i++) {
        const struct ent_round_member *from = &e->round.members[i];
        struct ent_msg_outcome *to = &m->outcomes[m->n_outcomes];

        if (from->standing == ENT_STANDING_NONE) {
            continue;
        }
        memcpy(to->member, e->members[i].handle, sizeof to->member);
        to->standing = from->standing;
        to->code = from->standing == ENT_STANDING_ACCEPTED ? ENT_E_OK : from->reason;
        to->weight = from->standing == ENT_STANDING_ACCEPTED ? from->weight : 0;
        m->n_outcomes++;
    }
    qsort(m->outcomes, m->n_outcomes, sizeof *m->outcomes, by_member);
    return ENT_E_OK;
}

void ent_message_close(struct ent_engine *e, const struct ent_row *row)
{
    struct ent_about about = {.run = row->run, .round = row->round, .attempt = row->attempt};
    struct ent_msg_metric metrics[ENT_METRIC_VALUES];
    struct ent_msg_round_close m = {.sum_w = row->sum_w,
                                    .metrics = metrics,
                                    .train_done = e->round.train_done,
                                    .train_rounds = e->round.config.train_rounds};
    enum ent_err err = outcomes(e, &m);

    if (err != ENT_E_OK) {
        ent_engine_fail(e, err);
        return;
    }
    memcpy(m.round_open, e->round_open, sizeof m.round_open);
    memcpy(m.result, row->digest, sizeof m.result);
    m.has_model = !ent_all_zero(row->model, 32);
    memcpy(m.model, row->model, sizeof m.model);
    m.n_metrics = row->task == ENT_ROUND_EVALUATE ? ent_message_metrics(&e->metrics, metrics) : 0;
    broadcast(e, ENT_MSG_ROUND_CLOSE, &about, &m);
    free(m.outcomes);
}

void ent_message_abort(struct ent_engine *e, const struct ent_action *action)
{
    uint64_t wait = e->round.deadline_ms > e->now_ms ? e->round.deadline_ms - e->now_ms : 0;
    struct ent_msg_abort m = {.round = action->row.round,
                              .attempt = action->row.attempt,
                              .code = action->code,
                              .retry_ms = wait};

    for (size_t i = 0; i < e->n_conns; i++) {
        struct ent_buf body;
        enum ent_err err;

        if (!wants_news(e->conns[i])) {
            continue;
        }
        ent_buf_init(&body, ENT_WIRE_ENVELOPE_MAX_BYTES);
        err = ent_msg_abort_encode(&m, &body);
        if (err == ENT_E_OK) {
            ent_post(e, e->conns[i], ENT_MSG_ABORT, 0, &body);
        }
        ent_engine_fail(e, err);
        ent_buf_release(&body);
    }
}

void ent_message_ack(struct ent_engine *e, uint32_t member, const uint8_t digest[32],
                     enum ent_err code)
{
    const struct ent_upload *upload = &e->members[member].upload;
    struct ent_conn *conn = ent_conns_of(e, member);
    struct ent_about about = ent_message_about(e);
    struct ent_msg_ack ack = {.code = code == ENT_E_REPEAT ? ENT_E_OK : code,
                              .repeat = code == ENT_E_REPEAT,
                              .sequence = upload->sequence};

    if (conn == NULL) {
        return; /* it offers again when it comes back, and is answered then */
    }
    memcpy(ack.digest, digest, sizeof ack.digest);
    ack.has_round_open = true;
    memcpy(ack.round_open, e->round_open, sizeof ack.round_open);
    post_about(e, conn, ENT_MSG_ACK, &about, upload->request, &ack);
}
