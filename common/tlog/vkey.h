/* Verifier keys of signed notes: name+keyid+base64(type || public key). */
#ifndef ENT_COMMON_TLOG_VKEY_H
#define ENT_COMMON_TLOG_VKEY_H

#include <stdint.h>

#include "common/base/err.h"
#include "common/crypto/sign.h"
#include "common/schema/limits.h"

/* Names of keys and origins of logs. Bytes. */
#define ENT_VKEY_NAME_MAX_BYTES 255
/* A vkey as text, with its ending zero byte: name, '+', 8 hex digits, '+', 44 characters. */
#define ENT_VKEY_TEXT_MAX (ENT_VKEY_NAME_MAX_BYTES + 1 + 8 + 1 + 44 + 1)

/* Signature types of C2SP; no other is taken. */
enum ent_vkey_type { ENT_VKEY_LOG = 0x01, ENT_VKEY_COSIGNATURE = 0x04 };

struct ent_vkey {
    char name[ENT_VKEY_NAME_MAX_BYTES + 1];
    enum ent_vkey_type type;
    uint32_t id;
    uint8_t pub[ENT_SIGN_PUB_BYTES];
    /* NULL, or `pub` made ready by whoever verifies many notes with it; borrowed. */
    const struct ent_sign_pub *ready;
};

/* UTF-8, 1 to 255 bytes, no space of Unicode, no control character, no '+'. DATA, LIMIT. */
ENT_MUST enum ent_err ent_vkey_check_name(const char *name, size_t len);
/* The vkey of a public key. DATA (name), SIGNATURE (ent_sign_pub_check), LIMIT. */
ENT_MUST enum ent_err ent_vkey_of(const char *name, enum ent_vkey_type type,
                                  const uint8_t pub[ENT_SIGN_PUB_BYTES], struct ent_vkey *out);
/* What a member cosigns with: named `origin/handle`, the handle in hex. Errors as above. */
ENT_MUST enum ent_err ent_vkey_of_member(const char *origin,
                                         const uint8_t handle[ENT_WIRE_HANDLE_BYTES],
                                         const uint8_t pub[ENT_SIGN_PUB_BYTES],
                                         struct ent_vkey *out);
/* text: [len], one vkey and nothing else. DATA, LIMIT; UNSUPPORTED for another type; SIGNATURE for a
 * key that is none or of small order. The id must be the one that name, type and key give. */
ENT_MUST enum ent_err ent_vkey_parse(const char *text, size_t len, struct ent_vkey *out);
void ent_vkey_format(const struct ent_vkey *key, char out[ENT_VKEY_TEXT_MAX]);

#endif
