#include "common/tlog/vkey.h"

#include <string.h>

#include "common/base/buf.h"
#include "common/base/mem.h"
#include "common/crypto/base64.h"
#include "common/schema/text.h"

#define ID_CHARS 8
#define KEY_BYTES (1 + ENT_SIGN_PUB_BYTES)

/* White space of Unicode that ent_text_is_printable lets through, as UTF-8. */
static const char *const spaces[] = {
    " ",
    "\xC2\xA0",     /* U+00A0 */
    "\xE1\x9A\x80", /* U+1680 */
    "\xE2\x80\x80",
    "\xE2\x80\x81",
    "\xE2\x80\x82",
    "\xE2\x80\x83",
    "\xE2\x80\x84",
    "\xE2\x80\x85",
    "\xE2\x80\x86",
    "\xE2\x80\x87",
    "\xE2\x80\x88",
    "\xE2\x80\x89",
    "\xE2\x80\x8A", /* U+2000 ... U+200A */
    "\xE2\x80\xAF", /* U+202F */
    "\xE2\x81\x9F", /* U+205F */
    "\xE3\x80\x80", /* U+3000 */
};

enum ent_err ent_vkey_check_name(const char *name, size_t len)
{
    ENT_REQUIRE(len > 0, ENT_E_DATA, "a key without a name");
    ENT_REQUIRE(len <= ENT_VKEY_NAME_MAX_BYTES, ENT_E_LIMIT,
                "a key's name of %zu bytes, at most %d", len, ENT_VKEY_NAME_MAX_BYTES);
    ENT_REQUIRE(ent_text_is_printable(name, len) && memchr(name, '+', len) == NULL, ENT_E_DATA,
                "a key's name with a '+' or a character that cannot be shown");
    for (size_t i = 0; i < ENT_ARRAY_LEN(spaces); i++) {
        size_t n = strlen(spaces[i]);

        for (size_t at = 0; at + n <= len; at++) {
            ENT_REQUIRE(memcmp(name + at, spaces[i], n) != 0, ENT_E_DATA,
                        "a key's name with a space");
        }
    }
    return ENT_E_OK;
}

/* SHA-256(name || "\n" || type || public key), first four bytes. */
static enum ent_err id_of(const struct ent_vkey *key, uint32_t *id)
{
    uint8_t type = (uint8_t)key->type;
    struct ent_part parts[4] = {
        {key->name, strlen(key->name)}, {"\n", 1}, {&type, 1}, {key->pub, ENT_SIGN_PUB_BYTES}};
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_TRY(ent_sha256_parts(parts, 4, digest));
    *id = ent_get_be32(digest);
    return ENT_E_OK;
}

static enum ent_err make(const char *name, size_t len, enum ent_vkey_type type,
                         const uint8_t pub[ENT_SIGN_PUB_BYTES], struct ent_vkey *out)
{
    struct ent_vkey key = {.type = type};

    ENT_TRY(ent_vkey_check_name(name, len));
    ENT_TRY(ent_sign_pub_check(pub));
    memcpy(key.name, name, len);
    memcpy(key.pub, pub, ENT_SIGN_PUB_BYTES);
    ENT_TRY(id_of(&key, &key.id));
    *out = key;
    return ENT_E_OK;
}

enum ent_err ent_vkey_of(const char *name, enum ent_vkey_type type,
                         const uint8_t pub[ENT_SIGN_PUB_BYTES], struct ent_vkey *out)
{
    return make(name, strlen(name), type, pub, out);
}

enum ent_err ent_vkey_of_member(const char *origin, const uint8_t handle[ENT_WIRE_HANDLE_BYTES],
                                const uint8_t pub[ENT_SIGN_PUB_BYTES], struct ent_vkey *out)
{
    char hex[2 * ENT_WIRE_HANDLE_BYTES + 1];
    char name[ENT_VKEY_NAME_MAX_BYTES + 1];
    int n;

    ent_hex(handle, ENT_WIRE_HANDLE_BYTES, hex);
    n = snprintf(name, sizeof name, "%s/%s", origin, hex);
    ENT_REQUIRE(n > 0 && (size_t)n < sizeof name, ENT_E_LIMIT, "the log's origin is too long");
    return ent_vkey_of(name, ENT_VKEY_COSIGNATURE, pub, out);
}

static enum ent_err parse_id(const char *hex, uint32_t *id)
{
    uint32_t v = 0;

    for (size_t i = 0; i < ID_CHARS; i++) {
        char c = hex[i];
        bool digit = c >= '0' && c <= '9';

        ENT_REQUIRE(digit || (c >= 'a' && c <= 'f'), ENT_E_DATA,
                    "a verifier key's id is eight lower-case hex digits");
        v = v << 4 | (uint32_t)(digit ? c - '0' : c - 'a' + 10);
    }
    *id = v;
    return ENT_E_OK;
}

/* Base64 may hold '+', names may not: the first two separate. */
enum ent_err ent_vkey_parse(const char *text, size_t len, struct ent_vkey *out)
{
    const char *plus = len > 0 ? memchr(text, '+', len) : NULL;
    size_t name_len = plus != NULL ? (size_t)(plus - text) : 0;
    uint8_t bytes[KEY_BYTES] = {0};
    struct ent_vkey key;
    size_t n = 0;
    uint32_t id = 0;

    ENT_REQUIRE(len < ENT_VKEY_TEXT_MAX, ENT_E_LIMIT, "a verifier key of %zu characters", len);
    ENT_REQUIRE(plus != NULL && len - name_len > ID_CHARS + 2 && plus[1 + ID_CHARS] == '+',
                ENT_E_DATA, "a verifier key is NAME+ID+KEY");
    ENT_TRY(parse_id(plus + 1, &id));
    ENT_TRY(ent_base64_decode(ENT_BASE64, plus + ID_CHARS + 2, len - name_len - ID_CHARS - 2, bytes,
                              sizeof bytes, &n));
    ENT_REQUIRE(bytes[0] == ENT_VKEY_LOG || bytes[0] == ENT_VKEY_COSIGNATURE, ENT_E_UNSUPPORTED,
                "a verifier key of type %u; only 1 (log) and 4 (witness) are used here", bytes[0]);
    ENT_REQUIRE(n == KEY_BYTES, ENT_E_DATA, "a verifier key of %zu bytes, not %d", n, KEY_BYTES);
    ENT_TRY(make(text, name_len, bytes[0], bytes + 1, &key));
    ENT_REQUIRE(key.id == id, ENT_E_DATA,
                "the id of a verifier key is not that of its name and key");
    *out = key;
    return ENT_E_OK;
}

void ent_vkey_format(const struct ent_vkey *key, char out[ENT_VKEY_TEXT_MAX])
{
    uint8_t bytes[KEY_BYTES] = {(uint8_t)key->type};
    char base64[45];

    memcpy(bytes + 1, key->pub, ENT_SIGN_PUB_BYTES);
    ent_base64_encode(ENT_BASE64, bytes, sizeof bytes, base64);
    (void)snprintf(out, ENT_VKEY_TEXT_MAX, "%s+%08x+%s", key->name, (unsigned)key->id, base64);
}
