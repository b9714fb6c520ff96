/* The witness in each member: keeps the log's tree, cosigns what extends it, agrees to what it is asked. Nothing of it
 * stands in the inbox. */
#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/coordinator_engine/fed.h"

static void hear_leaves(struct fed_member *m, const struct ent_envelope *env)
{
    struct ent_msg_leaves leaves;
    size_t at = 0;

    ENT_OK(ent_msg_leaves_decode(env->payload, env->payload_len, &m->fed->arena, &leaves));
    CU_ASSERT_EQUAL_FATAL(leaves.first, m->witness.tree.size);
    while (at + 2 <= leaves.bundle.len) {
        size_t len = ent_get_be16(leaves.bundle.data + at);
        uint8_t hash[32];

        at += 2;
        CU_ASSERT_FATAL(at + len <= leaves.bundle.len);
        ENT_OK(ent_sha256_leaf(leaves.bundle.data + at, len, hash));
        ENT_OK(ent_merkle_append(&m->witness.tree, &m->witness.hash, hash, NULL, NULL));
        at += len;
    }
    CU_ASSERT_EQUAL(at, leaves.bundle.len);
}

void fed_cosign(struct fed_member *m, const struct ent_checkpoint *c)
{
    struct ent_msg_cosign cosign = {.size = c->size, .time_s = m->fed->time.wall_ms / 1000};
    struct ent_note note;
    struct ent_buf text;
    struct ent_buf line;
    struct ent_buf body;
    char name[ENT_VKEY_NAME_MAX_BYTES + 1];
    char hex[33];
    uint8_t bytes[76];
    size_t n = 0;
    const char *base64;

    ent_buf_init(&text, ENT_NOTE_MAX_BYTES);
    ent_buf_init(&line, ENT_NOTE_LINE_MAX_BYTES);
    ent_buf_init(&body, 256);
    ent_hex(m->handle, sizeof m->handle, hex);
    CU_ASSERT_FATAL((size_t)snprintf(name, sizeof name, "%s/%s", c->origin, hex) < sizeof name);
    ENT_OK(ent_note_begin(c, &text));
    ENT_OK(ent_note_sign(&text, c->origin, m->fed->home->log_key)); /* any: it is not cosigned */
    ENT_OK(ent_note_parse((const char *)text.data, text.len, &note));
    ENT_OK(ent_note_cosign(&note, name, m->key, cosign.time_s, &line));
    base64 = memchr(line.data + 4, ' ', line.len - 4);
    CU_ASSERT_PTR_NOT_NULL_FATAL(base64);
    ENT_OK(ent_base64_decode(ENT_BASE64, base64 + 1,
                             (size_t)((const char *)line.data + line.len - 1 - base64 - 1), bytes,
                             sizeof bytes, &n));
    CU_ASSERT_EQUAL(n, sizeof bytes);
    memcpy(cosign.root, c->root, sizeof cosign.root);
    memcpy(cosign.signature, bytes + 12, sizeof cosign.signature);
    if (m->witness.lies) {
        cosign.signature[5] ^= 1;
    }
    ENT_OK(ent_msg_cosign_encode(&cosign, &body));
    fed_send_frame(m, ENT_MSG_COSIGN, 0, &body);
    ent_buf_release(&text);
    ent_buf_release(&line);
    ent_buf_release(&body);
}

static void hear_checkpoint(struct fed_member *m, const struct ent_envelope *env)
{
    struct ent_msg_checkpoint msg;
    struct ent_note_opened *opened = NULL;
    struct ent_vkey log;
    struct ent_store_genesis genesis;
    uint8_t root[32];

    ENT_OK(ent_msg_checkpoint_decode(env->payload, env->payload_len, &m->fed->arena, &msg));
    ENT_OK(ent_store_log_genesis(m->fed->home->store, &genesis));
    log = genesis.log;
    ENT_OK(ent_arena_alloc(&m->fed->arena, 1, sizeof *opened, (void **)&opened));
    ENT_OK(ent_note_open((const char *)msg.note.data, msg.note.len, log.name, &log, 1, opened));
    ENT_OK(ent_merkle_root(&m->witness.tree, &m->witness.hash, root));
    CU_ASSERT_EQUAL(opened->checkpoint.size, m->witness.tree.size);
    CU_ASSERT(memcmp(root, opened->checkpoint.root, sizeof root) == 0);
    m->witness.n_checkpoints++;
    if (!m->witness.silent) {
        m->witness.seen_size = opened->checkpoint.size;
        memcpy(m->witness.seen_root, root, sizeof root);
        fed_cosign(m, &opened->checkpoint);
    }
}

static void hear_propose(struct fed_member *m, const struct ent_envelope *env)
{
    struct ent_msg_propose propose;
    struct ent_msg_agree agree;
    struct ent_header header = fed_header(m, ENT_MSG_AGREE);

    header.run = 0;
    header.round = 0;
    header.attempt = 0;
    ENT_OK(ent_msg_propose_decode(env->payload, env->payload_len, &m->fed->arena, &propose));
    agree.set = propose.set;
    m->witness.n_proposed++;
    if (!m->witness.silent) {
        fed_send(m, &header, &agree);
    }
}

bool fed_witness(struct fed_member *m, const struct fed_frame *frame)
{
    struct ent_envelope env;

    if (frame->type != ENT_MSG_LEAVES && frame->type != ENT_MSG_CHECKPOINT &&
        frame->type != ENT_MSG_PROPOSE) {
        return false;
    }
    env = fed_open(m, frame);
    if (frame->type == ENT_MSG_LEAVES) {
        hear_leaves(m, &env);
    } else if (frame->type == ENT_MSG_CHECKPOINT) {
        hear_checkpoint(m, &env);
    } else {
        hear_propose(m, &env);
    }
    return true;
}

void fed_freeze(struct fed *fed, size_t n)
{
    struct ent_json *reply;
    bool frozen = false;

    for (size_t i = 0; i < n; i++) {
        fed_hello(&fed->members[i]);
    }
    ent_json_free(fed_ask(fed, "{\"verb\":\"policy\"}"));
    fed_pump(fed);
    reply = fed_ask(fed, "{\"verb\":\"policy\"}");
    ENT_OK(ent_json_bool(ent_json_get(reply, "frozen"), "frozen", &frozen));
    CU_ASSERT(frozen);
    ent_json_free(reply);
    fed_restart(fed); /* as if nobody had been here */
}
