#include <stdlib.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/mem.h"
#include "tests/unit/audit/attack.h"

static char *in(const char *dir, const char *name)
{
    char *path = NULL;

    ENT_OK(ent_path_join(dir, name, &path));
    return path;
}

/* ---- the federation ---- */

void scene_act(struct ent_forge *forge, uint32_t action)
{
    struct ent_leaf_operator_action leaf = {.action = action};

    ENT_OK(ent_forge_append(forge, ENT_LEAF_OPERATOR_ACTION, ENT_FORGE_NOBODY, &leaf));
}

static void play(struct scene *s, ent_forge_hook hook, struct ent_forge **out)
{
    s->options.hook = hook;
    s->options.hook_ctx = s;
    ENT_OK(ent_forge_new(&s->options, out));
    scene_act(*out, ENT_LOG_INVITE);
    scene_act(*out, ENT_LOG_CONFIGURE);
    scene_act(*out, ENT_LOG_EXPORT);
    ENT_OK(ent_forge_publish(*out));
}

void scene_play(struct scene *s, ent_forge_hook hook)
{
    uint64_t absent = s->options.absent;

    s->options.absent = 0;
    play(s, NULL, &s->other);
    s->options.absent = absent;
    play(s, hook, &s->forge);
    s->policy = in(s->dir, "policy");
    ENT_OK(ent_forge_policy_file(s->other, s->policy));
    s->verify.policy = s->policy;
}

void scene_export(struct scene *s, bool any_note)
{
    s->export = in(s->dir, "export");
    ENT_OK(ent_forge_export(s->forge, s->export, any_note));
}

void scene_keep_honest(struct scene *s)
{
    s->honest = in(s->dir, "honest");
    ENT_OK(ent_forge_export(s->forge, s->honest, false));
}

static void copy_over(const char *from, const char *to, const char *name)
{
    char *path = in(to, name);
    struct ent_buf bytes;

    ent_buf_init(&bytes, ENT_NOTE_MAX_BYTES);
    ENT_OK(ent_file_read_in(from, name, &bytes));
    ENT_OK(ent_file_write_atomic(path, bytes.data, bytes.len, 0600));
    ent_buf_release(&bytes);
    free(path);
}

void scene_honest_note(struct scene *s, uint64_t size)
{
    char name[64];

    (void)snprintf(name, sizeof name, "checkpoints/%llu.note", (unsigned long long)size);
    copy_over(s->honest, s->export, name);
}

void scene_honest_notes(struct scene *s)
{
    copy_over(s->honest, s->export, "checkpoint");
    for (size_t i = 0; i < s->other->n_notes; i++) {
        scene_honest_note(s, s->other->notes[i].size);
    }
}

/* ---- afterwards ---- */

void scene_edit(struct scene *s, size_t index, scene_edit_fn edit)
{
    struct ent_forge_leaf *leaf = &s->forge->leaves[index];
    struct ent_leaf_frame frame;
    union ent_leaf_any any;
    struct ent_buf bytes;

    ENT_OK(ent_leaf_decode((struct ent_bytes){leaf->bytes, leaf->len}, &s->arena, &frame, &any));
    edit(s, &frame, &any);
    ent_buf_init(&bytes, ENT_LEAF_MAX_BYTES);
    ENT_OK(ent_leaf_encode(&frame, &any, &bytes));
    ENT_OK(ent_forge_replace(s->forge, index, (struct ent_bytes){bytes.data, bytes.len}));
    ent_buf_release(&bytes);
}

void scene_resign(struct scene *s, uint64_t colluding)
{
    struct ent_forge_rebuild with = {.log_key = true, .colluding = colluding};

    ENT_OK(ent_forge_rebuild(s->forge, &with));
}

/* ---- what the auditor was handed ---- */

const char *scene_file(struct scene *s, const char *name, const void *bytes, size_t len)
{
    char *path = in(s->dir, name);

    CU_ASSERT_FATAL(s->n_files < ATTACK_FILES_MAX);
    ENT_OK(ent_file_write_atomic(path, bytes, len, 0600));
    s->files[s->n_files++] = path;
    return path;
}

void scene_head(struct scene *s, const struct ent_forge *forge, size_t note)
{
    const struct ent_buf *text = &forge->notes[note].text;

    s->heads[0] = scene_file(s, "head.note", text->data, text->len);
    s->verify.heads = s->heads;
    s->verify.n_heads = 1;
}

void scene_receipt(struct scene *s, uint64_t round, size_t member)
{
    struct ent_buf bytes;

    ent_buf_init(&bytes, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_forge_receipt(s->other, round, member, &bytes));
    s->receipts[0] = scene_file(s, "receipt", bytes.data, bytes.len);
    s->verify.receipts = s->receipts;
    s->verify.n_receipts = 1;
    ent_buf_release(&bytes);
}

void scene_key(struct scene *s)
{
    char *path = in(s->dir, "auditor.x25519");

    ENT_OK(ent_x25519_key_save(s->other->seal[0], path));
    s->files[s->n_files++] = path;
    s->verify.key = path;
}

/* ---- hooks ---- */

bool scene_is(const struct scene *s, const struct ent_forge_leaf_event *event, unsigned type)
{
    return event->frame->type == type && event->frame->round == s->round &&
           (event->member == s->member || event->member == ENT_FORGE_NOBODY);
}

struct ent_bytes scene_copy(struct scene *s, struct ent_bytes bytes)
{
    uint8_t *copy = NULL;

    ENT_OK(ent_arena_alloc(&s->arena, bytes.len, 1, &copy));
    memcpy(copy, bytes.data, bytes.len);
    return (struct ent_bytes){copy, bytes.len};
}

static struct ent_bytes header_bytes(struct scene *s, const struct ent_header *header)
{
    struct ent_draft draft = {0};
    struct ent_bytes out;

    ent_buf_init(&draft.body, ENT_WIRE_ENVELOPE_MAX_BYTES);
    ENT_OK(ent_wire_draft_payload(header, (struct ent_bytes){0}, &draft));
    out = scene_copy(s, (struct ent_bytes){draft.body.data + draft.header_at, draft.header_len});
    ent_buf_release(&draft.body);
    return out;
}

size_t scene_payload_bytes(struct scene *s, const struct ent_leaf_statement *update)
{
    struct ent_header header;

    ENT_OK(ent_leaf_header(update->header, &s->arena, &header));
    return header.update.payload_bytes;
}

void scene_restate(struct scene *s, struct ent_leaf_statement *statement, scene_header_fn change,
                   const struct ent_sign_key *key)
{
    struct ent_header header;

    ENT_OK(ent_leaf_header(statement->header, &s->arena, &header));
    change(s, &header);
    statement->header = header_bytes(s, &header);
    ENT_OK(ent_forge_sign(key, statement));
}
