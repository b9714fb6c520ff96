#include "common/tlog/note_line.h"

#include <string.h>

#include "common/crypto/base64.h"
#include "common/tlog/lines.h"

#define DASH "\xE2\x80\x94 " /* U+2014 and a space */
#define DASH_BYTES (sizeof DASH - 1)
#define ID_BYTES 4
#define TIME_BYTES 8
#define LOG_BYTES (ID_BYTES + ENT_SIGN_BYTES)
#define COSIGNATURE_BYTES (ID_BYTES + TIME_BYTES + ENT_SIGN_BYTES)
#define HEADER_MAX 48 /* "cosignature/v1\ntime " and 20 digits */

size_t ent_note_line_trim(const char *line, size_t len)
{
    return len > 0 && line[len - 1] == '\n' ? len - 1 : len;
}

enum ent_err ent_note_line_parse(const char *line, size_t len, struct ent_note_line *out)
{
    struct ent_note_line l = {.name = line + DASH_BYTES};
    const char *space;
    uint8_t id[ID_BYTES];
    size_t n = 0;

    ENT_REQUIRE(len <= ENT_NOTE_MAX_BYTES, ENT_E_LIMIT, "a signature line of %zu bytes", len);
    ENT_REQUIRE(len > DASH_BYTES && memcmp(line, DASH, DASH_BYTES) == 0, ENT_E_DATA,
                "a signature line begins with a long dash and a space");
    space = memchr(l.name, ' ', len - DASH_BYTES);
    ENT_REQUIRE(space != NULL, ENT_E_DATA, "a signature line without a signature");
    l.name_len = (size_t)(space - l.name);
    ENT_TRY(ent_vkey_check_name(l.name, l.name_len));
    l.base64 = space + 1;
    l.base64_len = len - DASH_BYTES - l.name_len - 1;
    ENT_TRY(ent_lines_base64(l.base64, l.base64_len, &n, id));
    ENT_REQUIRE(n > ID_BYTES, ENT_E_DATA, "a signature of %zu bytes", n);
    l.id = ent_get_be32(id);
    *out = l;
    return ENT_E_OK;
}

bool ent_note_line_is_of(const struct ent_note_line *line, const struct ent_vkey *key)
{
    return line->id == key->id && ent_lines_is(line->name, line->name_len, key->name);
}

/* What a key of this type signs: parts[2]. */
static void message_of(const struct ent_note *note, enum ent_vkey_type type, uint64_t time_s,
                       char header[HEADER_MAX], struct ent_part parts[2])
{
    int n = 0;

    if (type == ENT_VKEY_COSIGNATURE) {
        n = snprintf(header, HEADER_MAX, "cosignature/v1\ntime %llu\n", (unsigned long long)time_s);
    }
    parts[0] = (struct ent_part){header, (size_t)n};
    parts[1] = (struct ent_part){note->text, note->text_len};
}

enum ent_err ent_note_line_verify(const struct ent_note_line *line, const struct ent_note *note,
                                  const struct ent_vkey *key, uint64_t *time_s)
{
    bool cosigned = key->type == ENT_VKEY_COSIGNATURE;
    size_t want = cosigned ? COSIGNATURE_BYTES : LOG_BYTES;
    uint8_t bytes[COSIGNATURE_BYTES];
    char header[HEADER_MAX];
    struct ent_part parts[2];
    uint64_t time = 0;
    size_t n = 0;
    enum ent_err err =
        ent_base64_decode(ENT_BASE64, line->base64, line->base64_len, bytes, sizeof bytes, &n);

    ENT_REQUIRE(err == ENT_E_OK && n == want, ENT_E_SIGNATURE,
                "the signature of %s has the wrong length", key->name);
    if (cosigned) {
        time = ent_get_be64(bytes + ID_BYTES);
        ENT_REQUIRE(time <= (uint64_t)INT64_MAX, ENT_E_SIGNATURE,
                    "the cosignature of %s is of no time", key->name);
    }
    message_of(note, key->type, time, header, parts);
    err = key->ready != NULL
              ? ent_sign_pub_verify(key->ready, parts, 2, bytes + want - ENT_SIGN_BYTES)
              : ent_sign_verify(key->pub, parts, 2, bytes + want - ENT_SIGN_BYTES);
    if (err != ENT_E_OK) {
        return ent_err_prefix(err, "key %s", key->name);
    }
    *time_s = time;
    return ENT_E_OK;
}

enum ent_err ent_note_line_sign(const struct ent_note *note, enum ent_vkey_type type,
                                const struct ent_sign_key *key, uint64_t time_s,
                                uint8_t signature[ENT_SIGN_BYTES])
{
    char header[HEADER_MAX];
    struct ent_part parts[2];

    message_of(note, type, time_s, header, parts);
    return ent_sign(key, parts, 2, signature);
}

enum ent_err ent_note_line_add(const struct ent_vkey *key, uint64_t time_s,
                               const uint8_t signature[ENT_SIGN_BYTES], struct ent_buf *out)
{
    bool cosigned = key->type == ENT_VKEY_COSIGNATURE;
    size_t len = cosigned ? COSIGNATURE_BYTES : LOG_BYTES;
    uint8_t bytes[COSIGNATURE_BYTES];
    char base64[(COSIGNATURE_BYTES + 2) / 3 * 4 + 1];

    ent_put_be32(bytes, key->id);
    if (cosigned) {
        ent_put_be64(bytes + ID_BYTES, time_s);
    }
    memcpy(bytes + len - ENT_SIGN_BYTES, signature, ENT_SIGN_BYTES);
    ent_base64_encode(ENT_BASE64, bytes, len, base64);
    return ent_buf_addf(out, DASH "%s %s\n", key->name, base64);
}
