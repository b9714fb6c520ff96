/* Little-endian integers at any alignment, as kernels need them: on little-endian machines each is one load or store that
 * compilers vectorise (common/base/buf.h has the byte-wise forms for everything else). Inside of common/fixed. */
#ifndef ENT_COMMON_FIXED_LE_H
#define ENT_COMMON_FIXED_LE_H

#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define ENT_LE32(v_) __builtin_bswap32(v_)
#define ENT_LE64(v_) __builtin_bswap64(v_)
#else
#define ENT_LE32(v_) (v_)
#define ENT_LE64(v_) (v_)
#endif

static inline int32_t ent_le_get32(const uint8_t *p)
{
    uint32_t u;

    memcpy(&u, p, sizeof u);
    return (int32_t)ENT_LE32(u);
}

static inline int64_t ent_le_get64(const uint8_t *p)
{
    uint64_t u;

    memcpy(&u, p, sizeof u);
    return (int64_t)ENT_LE64(u);
}

static inline void ent_le_put32(uint8_t *p, int32_t v)
{
    uint32_t u = ENT_LE32((uint32_t)v);

    memcpy(p, &u, sizeof u);
}

static inline void ent_le_put64(uint8_t *p, int64_t v)
{
    uint64_t u = ENT_LE64((uint64_t)v);

    memcpy(p, &u, sizeof u);
}

#endif
