/* Any bytes as the line that an operator hands over. A token that is accepted must encode to the same line (but for blanks
 * around it), stay within its bounds, and its times must be comparable. */
#include <stdlib.h>
#include <string.h>

#include "certs/token.h"

/* NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void check_same(const struct ent_token *token, const uint8_t *data, size_t size)
{
    char again[ENT_TOKEN_TEXT_MAX];

    while (size > 0 && blank(data[0])) {
        data++;
        size--;
    }
    while (size > 0 && blank(data[size - 1])) {
        size--;
    }
    require(ent_token_encode(token, again) == ENT_E_OK);
    require(strlen(again) == size && memcmp(again, data, size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ent_token token;
    enum ent_err err = ent_token_decode((const char *)data, size, &token);

    if (err != ENT_E_OK) {
        require(err == ENT_E_TOKEN && ent_err_message()[0] != '\0');
        return 0;
    }
    require(memchr(token.address, '\0', sizeof token.address) != NULL);
    check_same(&token, data, size);
    require(ent_token_check_time(&token, 0) == (token.expiry_ms > 0 ? ENT_E_OK : ENT_E_EXPIRED));
    require(ent_token_check_time(&token, UINT64_MAX) == ENT_E_EXPIRED);
    ent_token_release(&token);
    return 0;
}
