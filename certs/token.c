#include "certs/token.h"

#include <string.h>

#include "common/base/address.h"
#include "common/base/clock.h"
#include "common/crypto/base64.h"
#include "common/crypto/secret.h"

#define BODY_BYTES                                                                                 \
    (ENT_FEDERATION_BYTES + ENT_HANDLE_BYTES + ENT_SHA256_BYTES + ENT_TOKEN_SECRET_BYTES + 8)
#define CHECK_BYTES 4
#define RAW_BYTES (BODY_BYTES + CHECK_BYTES)
#define BODY_CHARS ((size_t)RAW_BYTES / 3 * 4 + 3) /* 92 = 30 * 3 + 2 bytes */

_Static_assert(RAW_BYTES % 3 == 2, "BODY_CHARS");
_Static_assert(sizeof "entente1." + ENT_TOKEN_ADDRESS_MAX + BODY_CHARS <= ENT_TOKEN_TEXT_MAX,
               "longest token");

static const char prefix[] = "entente1.";
static const char check_label[] = "entente/token/v1"; /* hashed with its zero byte */

static enum ent_err check_of(const char *address, const uint8_t body[BODY_BYTES],
                             uint8_t out[CHECK_BYTES])
{
    uint8_t digest[ENT_SHA256_BYTES];
    struct ent_part parts[4] = {{check_label, sizeof check_label},
                                {prefix, sizeof prefix - 1},
                                {address, strlen(address)},
                                {body, BODY_BYTES}};

    ENT_TRY(ent_sha256_parts(parts, 4, digest));
    memcpy(out, digest, CHECK_BYTES);
    return ENT_E_OK;
}

static bool is_address(const char *address)
{
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t port;

    return ent_address_split(address, host, &port) && port != 0;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t len)
{
    memcpy(to, bytes, len);
    return to + len;
}

static const uint8_t *take(const uint8_t *from, void *bytes, size_t len)
{
    memcpy(bytes, from, len);
    return from + len;
}

enum ent_err ent_token_encode(const struct ent_token *token, char out[ENT_TOKEN_TEXT_MAX])
{
    uint8_t raw[RAW_BYTES];
    uint8_t *p = raw;
    int n;

    ENT_REQUIRE(memchr(token->address, '\0', sizeof token->address) != NULL &&
                    is_address(token->address),
                ENT_E_TOKEN, "the address of a token must be HOST:PORT");
    p = put(p, token->federation, sizeof token->federation);
    p = put(p, token->handle, sizeof token->handle);
    p = put(p, token->listener_sha256, sizeof token->listener_sha256);
    p = put(p, token->secret, sizeof token->secret);
    ent_put_be64(p, token->expiry_ms);
    p += 8;
    ENT_TRY(check_of(token->address, raw, p));
    n = snprintf(out, ENT_TOKEN_TEXT_MAX, "%s%s.", prefix, token->address);
    ENT_BUG_ON(n < 0 || (size_t)n + BODY_CHARS + 1 > ENT_TOKEN_TEXT_MAX);
    ent_base64_encode(ENT_BASE64_URL, raw, sizeof raw, out + n);
    ent_cleanse(raw, sizeof raw);
    return ENT_E_OK;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void trim(const char **text, size_t *len)
{
    while (*len > 0 && is_blank((*text)[0])) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && is_blank((*text)[*len - 1])) {
        (*len)--;
    }
}

static enum ent_err decode_body(const char *body, size_t len, uint8_t raw[RAW_BYTES])
{
    size_t n = 0;

    ENT_REQUIRE(
        len >= BODY_CHARS, ENT_E_TOKEN,
        "the token is cut off: %zu of %zu characters after its address; paste the whole line", len,
        BODY_CHARS);
    ENT_REQUIRE(len == BODY_CHARS, ENT_E_TOKEN,
                "the token is too long: %zu characters after its address instead of %zu", len,
                BODY_CHARS);
    if (ent_base64_decode(ENT_BASE64_URL, body, len, raw, RAW_BYTES, &n) != ENT_E_OK ||
        n != RAW_BYTES) {
        return ent_err_note(ENT_E_TOKEN,
                            "the token is mistyped: a character that cannot stand in it");
    }
    return ENT_E_OK;
}

/* The last dot ends the address: base64url has none. */
static enum ent_err split(const char *text, size_t len, size_t *address_len)
{
    const size_t start = sizeof prefix - 1;
    size_t dot = len;

    ENT_REQUIRE(len > 0, ENT_E_TOKEN,
                "no token was given; it is the line that `entente-coordinator invite` printed");
    ENT_REQUIRE(len < ENT_TOKEN_TEXT_MAX, ENT_E_TOKEN,
                "this is not an enrolment token: it is too long");
    if (len >= 7 && memcmp(text, "entente", 7) == 0 &&
        (len < start || memcmp(text, prefix, start) != 0)) {
        return ent_err_note(
            ENT_E_TOKEN,
            "the token is cut off, or made for another version: it must begin with \"%s\"", prefix);
    }
    ENT_REQUIRE(len >= start && memcmp(text, prefix, start) == 0, ENT_E_TOKEN,
                "this is not an enrolment token: it must begin with \"%s\"", prefix);
    while (dot > start && text[dot - 1] != '.') {
        dot--;
    }
    ENT_REQUIRE(dot > start + 1, ENT_E_TOKEN, "the token is cut off: it has no address and body");
    *address_len = dot - 1 - start;
    ENT_REQUIRE(*address_len < ENT_TOKEN_ADDRESS_MAX, ENT_E_TOKEN,
                "the token's address is too long");
    return ENT_E_OK;
}

enum ent_err ent_token_decode(const char *text, size_t len, struct ent_token *out)
{
    struct ent_token token = {0};
    uint8_t raw[RAW_BYTES];
    uint8_t check[CHECK_BYTES];
    const uint8_t *p = raw;
    size_t address_len = 0;
    size_t used;

    trim(&text, &len);
    ENT_TRY(split(text, len, &address_len));
    used = sizeof prefix - 1;
    memcpy(token.address, text + used, address_len);
    ENT_REQUIRE(strlen(token.address) == address_len && is_address(token.address), ENT_E_TOKEN,
                "the token is cut off or mistyped: its address is not HOST:PORT");
    used += address_len + 1;
    ENT_TRY(decode_body(text + used, len - used, raw));
    p = take(p, token.federation, sizeof token.federation);
    p = take(p, token.handle, sizeof token.handle);
    p = take(p, token.listener_sha256, sizeof token.listener_sha256);
    p = take(p, token.secret, sizeof token.secret);
    token.expiry_ms = ent_get_be64(p);
    ENT_TRY(check_of(token.address, raw, check));
    ENT_REQUIRE(ent_ct_equal(check, p + 8, CHECK_BYTES), ENT_E_TOKEN,
                "the token is mistyped: its check does not fit; copy the whole line again");
    ent_cleanse(raw, sizeof raw);
    *out = token;
    ent_cleanse(&token, sizeof token);
    return ENT_E_OK;
}

enum ent_err ent_token_check_time(const struct ent_token *token, uint64_t wall_ms)
{
    char when[ENT_TIME_TEXT_BYTES];

    ent_time_text(token->expiry_ms, when);
    ENT_REQUIRE(wall_ms < token->expiry_ms, ENT_E_EXPIRED,
                "the token expired at %s; ask the operator to invite you again", when);
    return ENT_E_OK;
}

void ent_token_release(struct ent_token *token)
{
    ent_cleanse(token, sizeof *token);
}
