#include <string.h>

#include "common/schema/limits.h"
#include "common/schema/pbarena.h"
#include "common/schema/text.h"
#include "tests/support/ent_test.h"

ENT_TEST(text, names)
{
    static const char all[] = "AZaz09 ._:/@+-";

    CU_ASSERT_TRUE(ent_text_is_name(all, sizeof all - 1));
    CU_ASSERT_FALSE(ent_text_is_name(all, sizeof all)); /* the zero byte is none of them */
    for (int c = 0; c < 256; c++) {
        char s = (char)c;
        bool listed =
            c != 0 &&
            strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._:/@+-", s) !=
                NULL;

        CU_ASSERT_EQUAL(ent_text_is_name(&s, 1), listed);
    }
}

/* Every code point, encoded here a second time: valid exactly when it should be. */
ENT_TEST(text, every_code_point)
{
    size_t wrong = 0;

    for (uint32_t c = 0; c < 0x120000; c++) {
        char s[4];
        size_t n;
        bool refused = c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0x61C ||
                       (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
                       (c >= 0x2060 && c <= 0x206F) || (c >= 0xD800 && c < 0xE000) ||
                       (c >= 0xFDD0 && c < 0xFDF0) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
                       (c & 0xFFFF) >= 0xFFFE || c > 0x10FFFF;

        if (c < 0x80) {
            n = 1;
            s[0] = (char)c;
        } else if (c < 0x800) {
            n = 2;
            s[0] = (char)(0xC0 | c >> 6);
            s[1] = (char)(0x80 | (c & 0x3F));
        } else if (c < 0x10000) {
            n = 3;
            s[0] = (char)(0xE0 | c >> 12);
            s[1] = (char)(0x80 | (c >> 6 & 0x3F));
            s[2] = (char)(0x80 | (c & 0x3F));
        } else {
            n = 4;
            s[0] = (char)(0xF0 | c >> 18);
            s[1] = (char)(0x80 | (c >> 12 & 0x3F));
            s[2] = (char)(0x80 | (c >> 6 & 0x3F));
            s[3] = (char)(0x80 | (c & 0x3F));
        }
        wrong += ent_text_is_printable(s, n) == refused;
        wrong += n > 1 && ent_text_is_printable(s, n - 1);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

ENT_TEST(pbarena, is_bounded_and_aligned)
{
    struct ent_pbarena a;
    size_t total = 0;
    void *p;

    ENT_OK(ent_pbarena_init(&a));
    while ((p = ent_pbarena_alloc(&a, 33)) != NULL) {
        CU_ASSERT_EQUAL_FATAL((uintptr_t)p % 16, 0);
        total += 33;
    }
    CU_ASSERT(total > ENT_WIRE_ARENA_BYTES / 2 && total <= ENT_WIRE_ARENA_BYTES);
    CU_ASSERT_PTR_NULL(ent_pbarena_alloc(&a, SIZE_MAX));
    CU_ASSERT_PTR_NULL(ent_pbarena_alloc(&a, SIZE_MAX - 8));
    ent_pbarena_release(&a);
}
