#include "tests/integration/faults.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "tests/integration/ghosts.h"
#include "tests/integration/record.h"

const char *fault_name(enum fault_kind kind)
{
    static const char *const names[FAULT_KINDS] = {"drop", "repeat",     "reorder",     "truncate",
                                                   "late", "disconnect", "coordinator", "member"};

    return names[kind];
}

void faults_init(struct box_faults *f, uint64_t seed, uint64_t now_ms)
{
    static const uint32_t intensities[] = {0, 40, 150, 400};

    *f = (struct box_faults){.rng = ent_rng_init(seed, 2)};
    f->focus = (enum fault_kind)(seed % FAULT_KINDS);
    f->focus_phase = (enum ent_phase)(seed / FAULT_KINDS % ENT_PHASE_COUNT);
    f->focus_left = 2 + ent_rng_below(&f->rng, 3);
    f->per_myriad = intensities[ent_rng_below(&f->rng, 4)];
    f->left = f->per_myriad > 0 ? 3 + ent_rng_below(&f->rng, 25) : 0;
    f->until_ms = now_ms + 10000 + ent_rng_below(&f->rng, 40000);
    f->kill_at = ent_rng_below(&f->rng, 2) == 0 ? 0 : 1 + ent_rng_below(&f->rng, 60);
    f->kill_before = ent_rng_below(&f->rng, 2) == 0;
    f->late_max_ms = ent_rng_below(&f->rng, 2) == 0 ? 300 : 15000;
    f->compute_max_ms = ent_rng_below(&f->rng, 2) == 0 ? 200 : 4000;
}

static bool one_in(struct box_faults *f, uint32_t n)
{
    return ent_rng_below(&f->rng, n) == 0;
}

static bool over(const struct box *box)
{
    return box->time.mono_ms >= box->faults->until_ms;
}

static void count(struct box *box, enum fault_kind kind)
{
    box->faults->matrix[kind][box_phase(box)]++;
}

/* Whether the focus is on this kind, and the coordinator where it is to happen; spends it then. */
static bool focused(struct box *box, enum fault_kind kind)
{
    struct box_faults *f = box->faults;

    if (f->focus_left == 0 || f->focus != kind || f->focus_phase != box_phase(box) || over(box)) {
        return false;
    }
    f->focus_left--;
    return true;
}

static bool background(struct box *box, uint32_t one_in_n)
{
    struct box_faults *f = box->faults;

    if (f->left == 0 || over(box) || !one_in(f, one_in_n)) {
        return false;
    }
    f->left--;
    return true;
}

/* ---- frames ---- */

static struct ent_link_mem_fault of_kind(struct box *box, const struct ent_link_mem_frame *frame,
                                         enum fault_kind kind)
{
    struct box_faults *f = box->faults;
    struct record_conn *conn = record_conn(box, frame->dialer_conn);

    count(box, kind);
    if (enrolled_env("ENTENTE_VERBOSE") != NULL) {
        (void)fprintf(stderr, "%8llu %s: %s of a %s %s %s\n", (unsigned long long)box->time.mono_ms,
                      ent_phase_name(box_phase(box)), fault_name(kind),
                      frame->type == ENT_FRAME_DATA ? "data frame" : ent_msg_name(frame->type),
                      frame->to_listener ? "from" : "to",
                      conn->member != BOX_NOBODY ? enrolled_name(conn->member) : "somebody");
    }
    switch (kind) {
    case FAULT_DROP:
        conn->wounded = true;
        return (struct ent_link_mem_fault){ENT_LINK_MEM_DROP, 0};
    case FAULT_REPEAT:
        return (struct ent_link_mem_fault){ENT_LINK_MEM_REPEAT, 0};
    case FAULT_REORDER:
        conn->wounded = true;
        return (struct ent_link_mem_fault){ENT_LINK_MEM_REORDER, 1 + ent_rng_below(&f->rng, 3)};
    case FAULT_TRUNCATE:
        conn->wounded = true;
        /* Lengths differ by a byte or two from program to program (signatures of certificates): the seed's stream
         * must not depend on them. */
        return (struct ent_link_mem_fault){ENT_LINK_MEM_TRUNCATE,
                                           ent_rng_u32(&f->rng) % (frame->len + 1)};
    case FAULT_LATE:
        return (struct ent_link_mem_fault){ENT_LINK_MEM_DELAY,
                                           1 + ent_rng_below(&f->rng, f->late_max_ms)};
    default:
        return (struct ent_link_mem_fault){ENT_LINK_MEM_CUT, 0};
    }
}

struct ent_link_mem_fault faults_of_frame(struct box *box, const struct ent_link_mem_frame *frame)
{
    static const struct ent_link_mem_fault pass = {ENT_LINK_MEM_PASS, 0};
    struct box_faults *f = box->faults;
    bool message = frame->type == ENT_FRAME_DATA || frame->type >= ENT_FRAME_FIRST_MESSAGE;
    bool from_dying =
        frame->to_listener && box->stepping != BOX_NOBODY && box->members[box->stepping].dying;

    if (from_dying) {
        return (struct ent_link_mem_fault){ENT_LINK_MEM_CUT, 0};
    }
    if (ghosts_take_frame(box, frame)) {
        return (struct ent_link_mem_fault){ENT_LINK_MEM_DROP, 0};
    }
    if (box->engine == NULL || (!message && !one_in(f, 8))) {
        return pass;
    }
    if (f->focus < FAULT_WIRE_KINDS && message && one_in(f, 2) && focused(box, f->focus)) {
        return of_kind(box, frame, f->focus);
    }
    if (f->per_myriad > 0 && ent_rng_below(&f->rng, 10000) < f->per_myriad && background(box, 1)) {
        return of_kind(box, frame, (enum fault_kind)ent_rng_below(&f->rng, FAULT_WIRE_KINDS));
    }
    return pass;
}

/* ---- connections ---- */

/* The newest connection of a member; 0: none. */
static ent_conn_id conn_of(const struct box *box, uint32_t member)
{
    const struct box_record *rec = box->record;

    for (size_t i = rec->n_conns; i > 0; i--) {
        if (rec->conns[i - 1].member == member) {
            return rec->conns[i - 1].dialer;
        }
    }
    return 0;
}

static uint32_t somebody(struct box *box)
{
    uint32_t start = ent_rng_below(&box->faults->rng, box->n_members);

    for (uint32_t i = 0; i < box->n_members; i++) {
        uint32_t member = (start + i) % box->n_members;

        if (box->members[member].agent != NULL && member != box->stepping) {
            return member;
        }
    }
    return BOX_NOBODY;
}

static void heal(struct box *box, bool all)
{
    struct box_record *rec = box->record;

    for (size_t i = 0; i < rec->n_conns; i++) {
        if (rec->conns[i].wounded && (all || one_in(box->faults, 60))) {
            rec->conns[i].wounded = false;
            ent_link_mem_cut(box->net, rec->conns[i].dialer);
        }
    }
}

/* ---- ends of processes ---- */

/* The disk did not keep what it was given: one update in the coordinator's or a member's directory is altered. Its
 * owner must see it and ask again, or say that it is lost. */
static void damage_update(const char *dir)
{
    char updates[ENROLLED_PATH_MAX];
    char first[ENROLLED_PATH_MAX] = ""; /* by name: directories list in any order */
    char path[ENROLLED_PATH_MAX];
    struct dirent *entry;
    FILE *file;
    DIR *list;

    enrolled_path(updates, dir, "updates");
    list = opendir(updates);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): the stream is ours alone */
    while (list != NULL && (entry = readdir(list)) != NULL) {
        if (entry->d_name[0] != '.' && (first[0] == '\0' || strcmp(entry->d_name, first) < 0)) {
            (void)snprintf(first, sizeof first, "%s", entry->d_name);
        }
    }
    if (list != NULL) {
        (void)closedir(list);
    }
    if (first[0] != '\0') {
        enrolled_path(path, updates, first);
        file = fopen(path, "r+b");
        ENT_BUG_ON(file == NULL || fputc('!', file) == EOF || fclose(file) != 0);
    }
}

static void restart_member(struct box *box, uint32_t member)
{
    struct box_faults *f = box->faults;

    count(box, FAULT_MEMBER);
    box_kill_member(box, member);
    if (one_in(f, 6)) {
        damage_update(box->members[member].dir);
    }
    box->members[member].start_ms =
        box->time.mono_ms + (one_in(f, 2) ? 0 : ent_rng_below(&f->rng, 4000));
}

void faults_engine_killed(struct box *box)
{
    struct box_faults *f = box->faults;

    f->killed = false;
    box_kill_engine(box);
    if (!over(box) && one_in(f, 4)) {
        damage_update(box->fed);
    }
    box->engine_start_ms = box->time.mono_ms + (one_in(f, 2) ? 0 : ent_rng_below(&f->rng, 4000));
}

bool faults_kill_engine(struct box *box, bool before)
{
    struct box_faults *f = box->faults;
    bool wish;

    if (f->moving || !box->engine_steps || box->engine == NULL || box->depth != 1 ||
        box->engine_start_ms != BOX_NEVER) {
        return false;
    }
    wish =
        f->kill_at != 0 && box->n_commits >= f->kill_at && before == f->kill_before && !over(box);
    if (wish) {
        f->kill_at = 0;
    }
    if (!wish && !(f->focus == FAULT_ENGINE && one_in(f, 2) && focused(box, FAULT_ENGINE))) {
        return false;
    }
    count(box, FAULT_ENGINE);
    f->killed = true;
    return true;
}

static void tick_engine(struct box *box)
{
    struct box_faults *f = box->faults;

    if (box->engine == NULL) {
        return;
    }
    if (background(box, 400) ||
        (f->focus == FAULT_ENGINE && one_in(f, 8) && focused(box, FAULT_ENGINE))) {
        count(box, FAULT_ENGINE);
        faults_engine_killed(box);
    }
}

static void tick_members(struct box *box)
{
    struct box_faults *f = box->faults;
    uint32_t member = somebody(box);

    if (member != BOX_NOBODY && box->engine != NULL &&
        (background(box, 150) ||
         (f->focus == FAULT_MEMBER && one_in(f, 6) && focused(box, FAULT_MEMBER)))) {
        restart_member(box, member);
    }
}

void faults_tick(struct box *box)
{
    struct box_faults *f = box->faults;

    tick_engine(box);
    tick_members(box);
    ghosts_tick(box);
    if (!f->healed) {
        heal(box, over(box));
        f->healed = over(box);
    }
}

uint64_t faults_next_ms(const struct box *box)
{
    const struct box_faults *f = box->faults;

    return f->healed ? BOX_NEVER : f->until_ms;
}

/* ---- hook points ---- */

/* While the coordinator sums: a member loses its connection and comes back. */
static void stir(struct box *box)
{
    uint32_t member = somebody(box);
    ent_conn_id conn = member != BOX_NOBODY ? conn_of(box, member) : 0;

    if (conn == 0) {
        return;
    }
    (void)focused(box, FAULT_CUT);
    count(box, FAULT_CUT);
    ent_link_mem_cut(box->net, conn);
    box_move_others(box);
    box_pass(box, 1001);
    for (int i = 0; i < 3; i++) {
        box_move_others(box);
    }
}

static void at_engine_point(struct box *box)
{
    struct box_faults *f = box->faults;
    enum ent_phase phase = box_phase(box);
    uint32_t member;

    if (f->focus_left == 0 || f->focus_phase != phase || over(box) ||
        (phase != ENT_PHASE_CLOSE && phase != ENT_PHASE_RELEASE) || f->focus == FAULT_ENGINE) {
        return;
    }
    f->moving = true;
    member = somebody(box);
    if (f->focus != FAULT_MEMBER) {
        stir(box);
    } else if (member != BOX_NOBODY && focused(box, FAULT_MEMBER)) {
        restart_member(box, member);
    }
    f->moving = false;
}

/* Computing takes time, and the world goes on meanwhile. */
static void compute(struct box *box)
{
    struct box_faults *f = box->faults;

    box_pass(box, ent_rng_below(&f->rng, f->compute_max_ms));
    if (one_in(f, 4)) {
        f->moving = true;
        (void)ent_link_mem_pump(box->net, 100000);
        box_step_engine(box);
        (void)ent_link_mem_pump(box->net, 100000);
        f->moving = false;
    }
}

static void at_member_point(struct box *box, const char *name)
{
    struct box_faults *f = box->faults;
    struct box_member *m = &box->members[box->stepping];

    if (strcmp(name, "agent.computing") == 0 && !over(box)) {
        compute(box);
    }
    if (strncmp(name, "agent.", 6) != 0 || m->dying || box->engine == NULL) {
        return;
    }
    if (background(box, 60) ||
        (f->focus == FAULT_MEMBER && one_in(f, 3) && focused(box, FAULT_MEMBER))) {
        count(box, FAULT_MEMBER);
        m->dying = true;
        m->start_ms = box->time.mono_ms + (one_in(f, 2) ? 0 : ent_rng_below(&f->rng, 4000));
    }
}

void faults_at_point(struct box *box, const char *name)
{
    if (box->faults->moving || box->depth != 1) {
        return;
    }
    if (box->engine_steps) {
        at_engine_point(box);
    } else if (box->stepping != BOX_NOBODY) {
        at_member_point(box, name);
    }
}
