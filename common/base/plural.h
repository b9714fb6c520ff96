/* IN a number · OUT the word that goes with it · OWNS nothing · THREADS any · SOURCE - */
#ifndef ENT_COMMON_BASE_PLURAL_H
#define ENT_COMMON_BASE_PLURAL_H

#include <stdint.h>

static inline const char *ent_plural(uint64_t n, const char *one, const char *many)
{
    return n == 1 ? one : many;
}

#endif
