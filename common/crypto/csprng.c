#include "common/crypto/csprng.h"

#include <limits.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/rand.h>

struct ent_csprng ent_csprng_system(void)
{
    return (struct ent_csprng){0};
}

static bool injected(void *out, size_t len)
{
#ifdef ENT_TEST_LINK
    return ent_hook_random(out, len);
#else
    (void)out;
    (void)len;
    return false;
#endif
}

enum ent_err ent_csprng_bytes(struct ent_csprng *csprng, void *out, size_t len)
{
    size_t done = 0;

    csprng->n_bytes += len;
    if (injected(out, len)) {
        return ENT_E_OK;
    }
    while (done < len) {
        size_t step = len - done < INT_MAX ? len - done : INT_MAX;

        if (RAND_priv_bytes((unsigned char *)out + done, (int)step) != 1) {
            ERR_clear_error();
            memset(out, 0, len);
            return ent_err_note(ENT_E_INTERNAL, "the system's random generator failed");
        }
        done += step;
    }
    return ENT_E_OK;
}

/* Rejection: values at or above the largest multiple of bound are drawn again. */
enum ent_err ent_csprng_below(struct ent_csprng *csprng, uint64_t bound, uint64_t *out)
{
    uint64_t skip;
    uint64_t v;

    ENT_BUG_ON(bound == 0);
    skip = (UINT64_MAX % bound + 1) % bound; /* 2^64 mod bound */
    do {
        ENT_TRY(ent_csprng_bytes(csprng, &v, sizeof v));
    } while (v > UINT64_MAX - skip);
    *out = v % bound;
    return ENT_E_OK;
}
