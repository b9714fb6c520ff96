#include "tests/integration/record.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/crypto/sha256.h"
#include "coordinator/store/noise.h"
#include "tests/integration/laws.h"
#include "tests/support/ent_test.h"

/* ---- rows and models ---- */

struct reading {
    struct ent_row *rows;
    size_t n;
    size_t cap;
};

static enum ent_err add_row(void *ctx, const struct ent_row *row, uint64_t wall_ms)
{
    struct reading *r = ctx;

    (void)wall_ms;
    ENT_TRY(ent_grow(&r->rows, &r->cap, r->n + 1, sizeof *r->rows));
    r->rows[r->n++] = *row;
    return ENT_E_OK;
}

size_t record_rows_of(struct box *box, uint32_t run, struct ent_row **out)
{
    struct reading r = {0};

    box_must(box, ent_store_rows(box->record->reader, run, add_row, &r), "rows");
    *out = r.rows;
    return r.n;
}

static uint32_t newest_run(struct box *box)
{
    struct ent_store_run *runs = NULL;
    uint32_t run = 0;
    size_t n = 0;

    box_must(box, ent_store_run_list(box->record->reader, &runs, &n), "runs");
    for (size_t i = 0; i < n; i++) {
        run = runs[i].config.run > run ? runs[i].config.run : run;
    }
    free(runs);
    return run;
}

static void add_bytes(struct record_bytes **list, size_t *n, size_t *cap, const uint8_t digest[32],
                      const void *bytes, size_t len)
{
    struct record_bytes *b;

    ENT_BUG_ON(ent_grow(list, cap, *n + 1, sizeof **list) != ENT_E_OK);
    b = &(*list)[(*n)++];
    memcpy(b->digest, digest, sizeof b->digest);
    ENT_BUG_ON(ent_calloc(len, 1, &b->bytes) != ENT_E_OK);
    memcpy(b->bytes, bytes, len);
    b->len = len;
}

/* The engine removes models that nobody needs any more: keep a copy. */
static void capture_model(struct box *box, const uint8_t digest[32])
{
    struct box_record *rec = box->record;
    struct ent_buf bytes;
    char *path = NULL;

    if (ent_all_zero(digest, 32) || record_model(box, digest) != NULL) {
        return;
    }
    ent_buf_init(&bytes, (size_t)16 << 20);
    box_must(box, ent_store_model_path(rec->reader, digest, &path), "model path");
    if (path != NULL && ent_file_read(path, &bytes) == ENT_E_OK) {
        add_bytes(&rec->models, &rec->n_models, &rec->cap_models, digest, bytes.data, bytes.len);
    } else {
        box_break(box, 'd', "a committed row names a model that is not there: %s",
                  ent_err_message());
    }
    free(path);
    ent_buf_release(&bytes);
}

const struct record_seed *record_seed(const struct box *box, const struct ent_row *of)
{
    const struct box_record *rec = box->record;

    for (size_t i = 0; i < rec->n_seeds; i++) {
        const struct record_seed *s = &rec->seeds[i];

        if (s->run == of->run && s->round == of->round && s->attempt == of->attempt) {
            return s;
        }
    }
    return NULL;
}

/* The engine forgets it when the attempt is over. */
static void capture_seed(struct box *box, const struct ent_row *open)
{
    struct box_record *rec = box->record;
    struct record_seed s = {.run = open->run, .round = open->round, .attempt = open->attempt};

    if (record_seed(box, open) == NULL &&
        ent_store_noise_get(rec->reader, open, s.seed) == ENT_E_OK) {
        ENT_BUG_ON(ent_grow(&rec->seeds, &rec->cap_seeds, rec->n_seeds + 1, sizeof *rec->seeds) !=
                   ENT_E_OK);
        rec->seeds[rec->n_seeds++] = s;
    }
}

void record_commit(struct box *box)
{
    struct box_record *rec = box->record;
    struct ent_row *rows = NULL;
    size_t n;

    if (rec == NULL) {
        return;
    }
    rec->run = newest_run(box);
    n = rec->run != 0 ? record_rows_of(box, rec->run, &rows) : 0;
    for (size_t i = 0; i < n; i++) {
        if (rows[i].kind == ENT_ROW_CLOSE || rows[i].kind == ENT_ROW_OPEN) {
            capture_model(box, rows[i].model);
        }
        if (rows[i].kind == ENT_ROW_OPEN) {
            capture_seed(box, &rows[i]);
        }
    }
    free(rec->rows);
    rec->rows = rows;
    rec->n_rows = n;
}

const struct ent_row *record_row(const struct box *box, enum ent_row_kind kind, uint64_t round,
                                 uint32_t attempt, uint32_t member)
{
    const struct box_record *rec = box->record;

    for (size_t i = rec->n_rows; i > 0; i--) {
        const struct ent_row *row = &rec->rows[i - 1];

        if (row->kind == kind && row->round == round && row->attempt == attempt &&
            (member == BOX_NOBODY || row->member == member)) {
            return row;
        }
    }
    return NULL;
}

const struct ent_row *record_end(const struct box *box)
{
    const struct box_record *rec = box->record;
    const struct ent_row *last = rec->n_rows > 0 ? &rec->rows[rec->n_rows - 1] : NULL;

    return last != NULL && last->kind == ENT_ROW_END ? last : NULL;
}

bool record_run_ended(const struct box *box)
{
    return record_end(box) != NULL;
}

static const struct record_bytes *find_bytes(const struct record_bytes *list, size_t n,
                                             const uint8_t digest[32])
{
    for (size_t i = 0; i < n; i++) {
        if (memcmp(list[i].digest, digest, 32) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

const struct record_bytes *record_payload(const struct box *box, const uint8_t digest[32])
{
    return find_bytes(box->record->payloads, box->record->n_payloads, digest);
}

const struct record_bytes *record_model(const struct box *box, const uint8_t digest[32])
{
    return find_bytes(box->record->models, box->record->n_models, digest);
}

/* ---- frames ---- */

struct record_conn *record_conn(struct box *box, ent_conn_id dialer)
{
    struct box_record *rec = box->record;
    struct record_conn *c;

    for (size_t i = rec->n_conns; i > 0; i--) {
        if (rec->conns[i - 1].dialer == dialer) {
            return &rec->conns[i - 1];
        }
    }
    ENT_BUG_ON(ent_grow(&rec->conns, &rec->cap_conns, rec->n_conns + 1, sizeof *rec->conns) !=
               ENT_E_OK);
    c = &rec->conns[rec->n_conns++];
    *c = (struct record_conn){.dialer = dialer, .member = BOX_NOBODY};
    return c;
}

struct record_offer *record_offer_of(const struct box *box, uint32_t member, uint32_t run,
                                     uint64_t round, uint32_t attempt)
{
    const struct box_record *rec = box->record;

    for (size_t i = 0; i < rec->n_offers; i++) {
        struct record_offer *o = &rec->offers[i];

        if (o->member == member && o->run == run && o->round == round && o->attempt == attempt) {
            return o;
        }
    }
    return NULL;
}

/* One update an attempt, byte for byte the same however often it is sent (law b). */
static void note_offer(struct box *box, uint32_t member, const struct ent_link_mem_frame *frame,
                       const struct ent_envelope *env)
{
    const struct ent_header *h = &env->header;
    struct box_record *rec = box->record;
    struct record_offer *o = record_offer_of(box, member, h->run, h->round, h->attempt);

    if (o == NULL) {
        ENT_BUG_ON(ent_grow(&rec->offers, &rec->cap_offers, rec->n_offers + 1,
                            sizeof *rec->offers) != ENT_E_OK);
        o = &rec->offers[rec->n_offers++];
        *o = (struct record_offer){.member = member,
                                   .run = h->run,
                                   .round = h->round,
                                   .attempt = h->attempt,
                                   .request = frame->request,
                                   .rows_log2 = h->update.rows_log2,
                                   .len = frame->len};
        memcpy(o->digest, env->payload_sha256, sizeof o->digest);
        ENT_BUG_ON(ent_calloc(frame->len, 1, &o->body) != ENT_E_OK);
        memcpy(o->body, frame->body, frame->len);
    } else if (o->len != frame->len || memcmp(o->body, frame->body, frame->len) != 0) {
        box_break(box, 'b', "%s sent two different updates for round %llu, attempt %u",
                  enrolled_name(member), (unsigned long long)h->round, (unsigned)h->attempt);
    }
    o->times++;
}

void record_sequence(struct box *box, uint32_t member, const struct ent_envelope *env)
{
    struct box_record *rec = box->record;
    struct record_sequence *q;

    for (size_t i = rec->n_sequences; i > 0; i--) {
        q = &rec->sequences[i - 1];
        if (q->member != member || q->sequence != env->header.sequence) {
            continue;
        }
        if (memcmp(q->statement, env->statement, sizeof q->statement) != 0) {
            box_break(box, 'd', "sequence number %llu of %s was used for two messages",
                      (unsigned long long)q->sequence,
                      member != BOX_NOBODY ? enrolled_name(member) : "the coordinator");
        }
        return;
    }
    ENT_BUG_ON(ent_grow(&rec->sequences, &rec->cap_sequences, rec->n_sequences + 1,
                        sizeof *rec->sequences) != ENT_E_OK);
    q = &rec->sequences[rec->n_sequences++];
    q->member = member;
    q->sequence = env->header.sequence;
    memcpy(q->statement, env->statement, sizeof q->statement);
}

/* A payload, as DATA or inside its envelope. */
static void note_payload(struct box *box, const uint8_t *bytes, size_t len)
{
    struct box_record *rec = box->record;
    uint8_t digest[32];

    ENT_BUG_ON(ent_sha256(bytes, len, digest) != ENT_E_OK);
    if (record_payload(box, digest) == NULL) {
        add_bytes(&rec->payloads, &rec->n_payloads, &rec->cap_payloads, digest, bytes, len);
    }
}

static void note_from_member(struct box *box, struct record_conn *conn,
                             const struct ent_link_mem_frame *frame)
{
    struct ent_bytes body = {frame->body, frame->len};
    struct ent_envelope env;
    uint32_t member;

    if (frame->type == ENT_FRAME_DATA) {
        note_payload(box, frame->body, frame->len);
        return;
    }
    if (ent_msg_info(frame->type) == NULL || !ent_msg_info(frame->type)->enveloped) {
        return;
    }
    if (ent_wire_open(frame->type, ENT_SENDER_MEMBER, body, &box->record->arena, &env) !=
        ENT_E_OK) {
        box_break(box, 'x', "an agent sent a %s that cannot be read: %s", ent_msg_name(frame->type),
                  ent_err_message());
        return;
    }
    member = box_member_of_handle(box, env.header.sender);
    record_sequence(box, member, &env);
    if (frame->type == ENT_MSG_HELLO) {
        conn->member = member;
    } else if (frame->type == ENT_MSG_UPDATE) {
        note_offer(box, member, frame, &env);
        if (env.payload_len > 0) {
            note_payload(box, env.payload, env.payload_len);
        }
    }
}

void record_frame(struct box *box, const struct ent_link_mem_frame *frame)
{
    struct box_record *rec = box->record;
    struct record_conn *conn = record_conn(box, frame->dialer_conn);

    if (frame->type == ENT_FRAME_PING || frame->type == ENT_FRAME_PONG) {
        return;
    }
    ent_arena_release(&rec->arena);
    ent_arena_init(&rec->arena, (size_t)4 << 20);
    if (frame->to_listener) {
        note_from_member(box, conn, frame);
    } else if (frame->type != ENT_FRAME_DATA) {
        laws_of_frame(box, conn->member, frame);
    }
}

/* ---- life ---- */

void record_new(struct box *box)
{
    ENT_BUG_ON(ent_calloc(1, sizeof *box->record, &box->record) != ENT_E_OK);
    ent_arena_init(&box->record->arena, (size_t)4 << 20);
    ENT_OK(ent_store_open_readonly(box->fed, &box->record->reader));
}

static void free_bytes(struct record_bytes *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(list[i].bytes);
    }
    free(list);
}

void record_free(struct box *box)
{
    struct box_record *rec = box->record;

    ent_store_close(rec->reader);
    ent_arena_release(&rec->arena);
    for (size_t i = 0; i < rec->n_offers; i++) {
        free(rec->offers[i].body);
    }
    free(rec->offers);
    free(rec->seeds);
    free_bytes(rec->payloads, rec->n_payloads);
    free_bytes(rec->models, rec->n_models);
    free(rec->rows);
    free(rec->conns);
    free(rec->sequences);
    free(rec);
    box->record = NULL;
}
