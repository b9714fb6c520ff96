#include <string.h>

#include "tests/support/ent_test.h"
#include "tests/unit/client_agent/support.h"

/* The coordinator came back from an old backup and opens what this member has left behind: it declines, goes on with the
 * next one, and gives nothing to a coordinator that begins without it. */
ENT_TEST(agent, an_attempt_before_the_one_joined_last_is_declined)
{
    struct script s;
    struct ent_msg_decline m;
    struct ent_msg_round_open open;
    struct ent_agent_status status;

    script_running(&s);
    s.round = 5;
    script_round(&s, ENT_TASK_STATS, false);
    script_kill(&s);
    script_restart(&s);
    script_welcome(&s, NULL);
    script_run_start(&s);
    s.round = 4;
    open = script_open_msg(&s, ENT_TASK_TRAIN);
    script_open(&s, &open);
    (void)script_take(&s, ENT_MSG_DECLINE, &m, NULL);
    CU_ASSERT_EQUAL(m.code, ENT_E_STALE);
    script_begin(&s);
    CU_ASSERT(script_nothing(&s));
    ent_agent_status(s.agent, &status);
    CU_ASSERT_FALSE(status.stopped);
    s.round = 6;
    script_round(&s, ENT_TASK_TRAIN, true);
    script_free(&s);
}
