/* Numbers that go over the wire and that both sides write down, because neither includes the other. */
#include "client/agent/session.h"
#include "coordinator/round/round.h"

_Static_assert((int)ENT_SEEN_NONE == (int)ENT_STANDING_NONE &&
                   (int)ENT_SEEN_INVITED == (int)ENT_STANDING_INVITED &&
                   (int)ENT_SEEN_JOINED == (int)ENT_STANDING_JOINED &&
                   (int)ENT_SEEN_OFFERED == (int)ENT_STANDING_OFFERED &&
                   (int)ENT_SEEN_ACCEPTED == (int)ENT_STANDING_ACCEPTED &&
                   (int)ENT_SEEN_REJECTED == (int)ENT_STANDING_REJECTED &&
                   (int)ENT_SEEN_DROPPED == (int)ENT_STANDING_DROPPED,
               "how the coordinator sees a member");
