/* IN a seed · OUT what goes wrong, and how often in which phase of the coordinator · OWNS its plan
 * THREADS as the box · SOURCE protocol.md 6
 *
 * A schedule has a background of faults over all frames, and a focus: one kind in one phase, which it brings about as
 * soon as the run passes there. CLOSE and RELEASE are passed within one step of the engine; there the hook points let the
 * rest of the world move: a connection breaks, its member comes back, frames go over the wire while the coordinator sums.
 *
 * Frames get lost only together with their connection on the real link. Here the loss comes first (drop, truncate,
 * reorder), and the connection follows later: after a while, or at the latest when the faults stop. */
#ifndef ENT_TESTS_INTEGRATION_FAULTS_H
#define ENT_TESTS_INTEGRATION_FAULTS_H

#include "tests/integration/harness.h"

enum fault_kind {
    FAULT_DROP,
    FAULT_REPEAT,
    FAULT_REORDER,
    FAULT_TRUNCATE,
    FAULT_LATE,
    FAULT_CUT,
    FAULT_ENGINE, /* the coordinator is killed, between steps or before or after a commit, and starts again; an update
                     that it kept may be damaged then */
    FAULT_MEMBER, /* the same for a member, also between its own steps of work */
    FAULT_KINDS
};
#define FAULT_WIRE_KINDS FAULT_ENGINE /* those before it happen to frames */

/* An update that a member sends again later, as if the network had kept it. */
struct fault_ghost {
    uint32_t turns; /* left; 0: none under way */
    ent_conn_id conn;
    uint64_t request;
    uint8_t digest[32];
    const uint8_t *body; /* the record's */
    size_t len;
    bool sent;
    bool granted; /* its GO came: the bytes follow */
};

struct box_faults {
    struct ent_rng rng;
    uint32_t per_myriad; /* of frames */
    enum fault_kind focus;
    enum ent_phase focus_phase;
    uint32_t focus_left;
    uint32_t left;     /* of the background */
    uint64_t until_ms; /* nothing goes wrong afterwards */
    uint64_t kill_at;  /* this commit of the coordinator, once; 0: none */
    bool kill_before;
    bool killed; /* the engine died in the step that is going on */
    bool moving; /* a hook point lets others move: the faults of hook points rest */
    bool healed; /* connections that lost something are gone */
    uint32_t late_max_ms;
    uint32_t compute_max_ms;
    struct fault_ghost ghosts[BOX_MEMBERS];
    uint32_t matrix[FAULT_KINDS][ENT_PHASE_COUNT];
};

const char *fault_name(enum fault_kind kind);
void faults_init(struct box_faults *faults, uint64_t seed, uint64_t now_ms);
/* Every turn: what is due by time or chance. */
void faults_tick(struct box *box);
uint64_t faults_next_ms(const struct box *box);
struct ent_link_mem_fault faults_of_frame(struct box *box, const struct ent_link_mem_frame *frame);
void faults_at_point(struct box *box, const char *name);
/* Asked before and after each commit. */
bool faults_kill_engine(struct box *box, bool before);
void faults_engine_killed(struct box *box);

#endif
