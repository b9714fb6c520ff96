/* The enrolment token: one line that an operator hands to a member out of band.
 *
 *   entente1.HOST:PORT.BASE64URL
 *
 * BASE64URL is federation id[16], handle[16], SHA-256 of the enrolment listener's certificate[32],
 * secret[16], expiry u64 (big-endian, wall clock in milliseconds) and check[4], the first bytes of
 * SHA-256("entente/token/v1\0" || "entente1." || HOST:PORT || the 88 bytes before). A token dies on
 * its first use, right or wrong: with the check a slip of the pen is found before anything is sent.
 * Never on a command line, never in a log. */
#ifndef ENT_CERTS_TOKEN_H
#define ENT_CERTS_TOKEN_H

#include <stdint.h>

#include "certs/certs.h"

#define ENT_TOKEN_SECRET_BYTES 16
#define ENT_TOKEN_ADDRESS_MAX 262 /* HOST of 255, colon, port, zero byte */
#define ENT_TOKEN_TEXT_MAX 400    /* with the ending zero byte */
#define ENT_TOKEN_VALID_MS (72 * UINT64_C(3600000))

struct ent_token {
    char
        address[ENT_TOKEN_ADDRESS_MAX]; /* of the enrolment listener, "host:port" or "[::1]:port" */
    uint8_t federation[ENT_FEDERATION_BYTES];
    uint8_t handle[ENT_HANDLE_BYTES];
    uint8_t listener_sha256[ENT_SHA256_BYTES];
    uint8_t secret[ENT_TOKEN_SECRET_BYTES];
    uint64_t expiry_ms;
};

/* TOKEN when the address is not HOST:PORT. */
ENT_MUST enum ent_err ent_token_encode(const struct ent_token *token, char out[ENT_TOKEN_TEXT_MAX]);
/* Blanks and line ends around it are fine. TOKEN with a sentence: not a token, cut off, mistyped.
 */
ENT_MUST enum ent_err ent_token_decode(const char *text, size_t len, struct ent_token *out);
/* EXPIRED, saying since when. */
ENT_MUST enum ent_err ent_token_check_time(const struct ent_token *token, uint64_t wall_ms);
void ent_token_release(struct ent_token *token); /* cleanses */

#endif
