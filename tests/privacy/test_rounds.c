/* "Rounds left" is exactly the number that then run, over a thousand random plans and policies: at the coordinator's budget
 * and in a member's purse, one booked at a time, whatever fails in between. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/privacy/play.h"
#include "tests/support/ent_test.h"

#define CASES 1000u
#define PARTS 4u
#define CHUNK 25u /* cases of one federation */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SHARE 5u /* one case in so many: a sanitizer looks at the ways, not at the numbers */
#else
#define SHARE 1u
#endif

static void play_part(uint32_t part)
{
    uint32_t n = CASES / PARTS / SHARE;
    struct play_tally tally = {0};

    for (uint32_t i = 0; i < n; i += CHUNK) {
        struct play p;

        play_new(&p, &tally);
        for (uint32_t k = i; k < i + CHUNK && k < n; k++) {
            unsigned before = CU_get_number_of_failures();
            struct privacy_case c;

            case_draw(part * (CASES / PARTS) + k, &c);
            play_case(&p, &c);
            if (CU_get_number_of_failures() > before) {
                (void)printf("\ncase %u:\n%s", (unsigned)c.number, c.text);
            }
            case_release(&c);
        }
        play_free(&p);
    }
    (void)printf("\n    %u cases, %u of them by PLD: %u rounds booked, %u of them aborted, %u "
                 "given back, %u updates lost, %u restarts; %u runs out of budget, %u purses "
                 "empty before the end ",
                 n, tally.pld, tally.rounds, tally.kept, tally.refunded, tally.lost, tally.restarts,
                 tally.out_of_budget, tally.purse_empty);
    CU_ASSERT(tally.pld >= n / 5);
    CU_ASSERT(tally.kept > n / 4 && tally.refunded > n / 4 && tally.lost > n / 20);
    CU_ASSERT(tally.restarts > n / 4);
    CU_ASSERT(tally.out_of_budget > n / 5 && tally.purse_empty > n / 10);
}

ENT_TEST(rounds_a, announced_are_those_that_run)
{
    play_part(0);
}

ENT_TEST(rounds_b, announced_are_those_that_run)
{
    play_part(1);
}

ENT_TEST(rounds_c, announced_are_those_that_run)
{
    play_part(2);
}

ENT_TEST(rounds_d, announced_are_those_that_run)
{
    play_part(3);
}
