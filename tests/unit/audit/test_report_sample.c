#include "test_report_sample.h"

#include <string.h>

#include "common/base/mem.h"
#include "common/crypto/commit.h"
#include "common/task/task.h"
#include "tests/support/ent_test.h"

#define START_MS 1793500000000u
#define DAY_MS 86400000u

const char *const sample_names[SAMPLE_MEMBERS] = {"north shop", "south shop", "west shop",
                                                  "east shop"};

/* One more, zeroed. */
#define MORE(f_, name_)                                                                            \
    (more(&(f_)->name_, &(f_)->n_##name_, &(f_)->cap_##name_, sizeof *(f_)->name_))
static void *more(void *list, size_t *n, size_t *cap, size_t size)
{
    char *array;

    ENT_OK(ent_grow(list, cap, *n + 1, size));
    memcpy(&array, list, sizeof array);
    (*n)++;
    return array + (*n - 1) * size;
}

static void fill(uint8_t *out, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1103515245u + 12345u;
        out[i] = (uint8_t)(seed >> 16);
    }
}

static void text(ent_name_text out, const char *s)
{
    (void)snprintf(out, sizeof(ent_name_text), "%s", s);
}

static uint64_t next(struct ent_audit_facts *f, uint64_t step_ms)
{
    f->last_ms += step_ms;
    return f->size++;
}

static void members(struct ent_audit_facts *f)
{
    uint8_t salt[32];

    memset(salt, SAMPLE_SALT, sizeof salt);
    for (unsigned i = 0; i < SAMPLE_MEMBERS; i++) {
        struct ent_audit_member *m = MORE(f, members);

        fill(m->handle, sizeof m->handle, 100 + i);
        fill(m->statement_pub, 32, 200 + i);
        ENT_OK(ent_name_commit(salt, sample_names[i], m->name_commit));
        m->admit_seq = next(f, DAY_MS / 4);
        m->admit_ms = f->last_ms;
        m->witness = i < 3;
    }
}

static void round_of(struct ent_audit_facts *f, uint32_t task, uint32_t split, bool aborted)
{
    struct ent_audit_round *round = MORE(f, rounds);
    uint64_t place = f->n_rounds;

    round->run = 1;
    round->round = place;
    round->attempt = 1;
    round->task = task;
    round->split = split;
    round->open_seq = next(f, 60000);
    round->open_ms = f->last_ms;
    round->invited = SAMPLE_MEMBERS;
    round->joined = SAMPLE_MEMBERS - (place % 7 == 3);
    round->rejected = place % 11 == 5;
    round->dropped = aborted ? 3 : place % 7 == 3;
    round->accepted = SAMPLE_MEMBERS - round->rejected - round->dropped;
    for (unsigned i = 0; i < SAMPLE_MEMBERS; i++) {
        struct ent_audit_member *m = &f->members[i];

        m->invited++;
        if (i < round->accepted) {
            m->accepted++;
        } else if (i < round->accepted + round->dropped) {
            m->dropped++;
            m->withheld += !aborted;
            m->ends[aborted ? ENT_E_DROPPED : ENT_E_TIMEOUT]++;
        } else {
            m->rejected++;
            m->ends[ENT_E_NONFINITE]++;
        }
    }
    f->size += (uint64_t)2 * SAMPLE_MEMBERS;
    round->outcome = aborted ? ENT_AUDIT_ROUND_ABORTED : ENT_AUDIT_ROUND_CLOSED;
    round->code = aborted ? ENT_E_TOO_FEW : 0;
    round->end_seq = next(f, 240000);
    round->end_ms = f->last_ms;
    round->has_model = true;
    fill(round->model, 32, (unsigned)place);
}

static void release_of(struct ent_audit_facts *f, uint32_t kind, uint32_t train_round,
                       const uint8_t model[32])
{
    struct ent_audit_release *m = MORE(f, releases);

    m->seq = next(f, 1000);
    m->ms = f->last_ms;
    m->run = 1;
    m->round = f->n_rounds;
    m->leaf.kind = kind;
    m->leaf.train_round = train_round;
    memcpy(m->leaf.model, model, 32);
}

static void eval_of(struct ent_audit_facts *f, uint32_t split, const uint8_t model[32])
{
    struct ent_audit_eval *e = MORE(f, evals);
    static const char *const names[] = {"auc", "log_loss", "rows"};

    e->seq = next(f, 1000);
    e->ms = f->last_ms;
    e->run = 1;
    e->round = f->n_rounds;
    e->split = split;
    memcpy(e->model, model, 32);
    e->members = SAMPLE_MEMBERS;
    e->n_metrics = 3;
    for (size_t i = 0; i < 3; i++) {
        text(e->metrics[i].name, names[i]);
    }
    e->metrics[0].nano = 760912345 + (int64_t)f->n_rounds * 100000;
    e->metrics[1].nano = 432100000;
    e->metrics[2].nano = (int64_t)12034 * 1000000000;
}

static void run(struct ent_audit_facts *f, size_t n_rounds)
{
    struct ent_audit_run *r = MORE(f, runs);
    uint8_t best[32];

    r->seq = next(f, 1000);
    r->ms = f->last_ms;
    r->run = 1;
    fill(r->leaf.plan, 32, 7);
    r->leaf.train_rounds = (uint32_t)n_rounds;
    r->leaf.min_members = 3;
    r->leaf.n_auditors = 1;
    round_of(f, ENT_TASK_STATS, ENT_SPLIT_NONE, false);
    release_of(f, ENT_LOG_INITIAL, 0, f->rounds[f->n_rounds - 1].model);
    for (uint32_t i = 1; i <= n_rounds; i++) {
        round_of(f, ENT_TASK_TRAIN, ENT_SPLIT_NONE, i == 3);
        memcpy(best, f->rounds[f->n_rounds - 1].model, 32);
        release_of(f, ENT_LOG_TRAINED, i, best);
        round_of(f, ENT_TASK_EVALUATE, ENT_SPLIT_VALIDATION, false);
        eval_of(f, ENT_SPLIT_VALIDATION, best);
    }
    release_of(f, ENT_LOG_BEST, (uint32_t)n_rounds, best);
    eval_of(f, ENT_SPLIT_TEST, best);
}

static void action(struct ent_audit_facts *f, uint32_t what, size_t subject_len, unsigned seed)
{
    struct ent_audit_action *a = MORE(f, actions);

    a->seq = next(f, 30000);
    a->ms = f->last_ms;
    a->action = what;
    a->subject_len = subject_len;
    fill(a->subject, subject_len, seed);
}

static void people(struct ent_audit_facts *f)
{
    struct ent_audit_auditor *auditor = MORE(f, auditors);
    struct ent_audit_processing *p = MORE(f, processing);
    struct ent_audit_set *set = MORE(f, sets);
    struct ent_audit_build *build = MORE(f, builds);

    auditor->seq = next(f, 1000);
    auditor->ms = f->last_ms;
    fill(auditor->leaf.seal_pub, 32, 51);
    p->seq = next(f, 1000);
    p->ms = f->last_ms;
    text(p->leaf.purpose, "marketing.churn-prediction");
    text(p->leaf.lawful_basis, "gdpr-6-1-f");
    text(p->leaf.categories, "customers: purchases, visits");
    text(p->leaf.recipients, "members");
    p->leaf.retention_months = 24;
    p->leaf.has_dpia = true;
    fill(p->leaf.dpia, 32, 52);
    set->seq = next(f, 1000);
    set->ms = f->last_ms;
    set->version = 1;
    set->quorum = 2;
    set->n = 3;
    for (size_t i = 0; i < 3; i++) {
        memcpy(set->witnesses[i].handle, f->members[i].handle, 16);
    }
    build->seq = next(f, 1000);
    build->ms = f->last_ms;
    fill(build->leaf.elf, 32, 53);
    fill(build->leaf.selftest, 32, 54);
    text(build->leaf.version, "0.1.0");
    text(build->leaf.commit, "0123456789abcdef");
    text(build->leaf.compiler, "gcc 12.2.0");
    text(build->leaf.flags, "-ffp-contract-off -fno-fast-math -msse2 -mfpmath-sse -O2");
    text(build->leaf.openssl, "OpenSSL 3.0.17");
    text(build->leaf.sqlite, "SQLite 3.40.1");
}

static void finding(struct ent_audit_facts *f, unsigned check, enum ent_audit_status status,
                    uint64_t seq, const char *words)
{
    struct ent_audit_finding *one = MORE(f, findings);

    one->check = check;
    one->status = status;
    one->has_seq = seq > 0;
    one->seq = seq;
    (void)snprintf(one->text, sizeof one->text, "%s", words);
    f->checks[check - 1].status = status;
    f->checks[check - 1].n_fail += status == ENT_AUDIT_FAIL;
    f->checks[check - 1].n_incomplete += status == ENT_AUDIT_INCOMPLETE;
}

static void checks(struct ent_audit_facts *f, enum sample_kind kind)
{
    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        bool built = i != 12 && i != 13;

        f->checks[i].status = built ? ENT_AUDIT_OK : ENT_AUDIT_SKIP;
        (void)snprintf(f->checks[i].text, sizeof f->checks[i].text, "%s",
                       i == 12   ? "not built: privacy"
                       : i == 13 ? "not built: masking"
                                 : "all that the log names were looked at");
    }
    if (kind == SAMPLE_FAIL) {
        finding(f, 9, ENT_AUDIT_FAIL, 57,
                "round 3: member 7c1e..90 invited, joined (leaf 52), then neither accepted, "
                "rejected nor dropped");
        finding(f, 12, ENT_AUDIT_FAIL, 61, "a head that a member signed is not on this history");
    }
    if (kind != SAMPLE_PASS) {
        finding(f, 15, ENT_AUDIT_INCOMPLETE, 0, "no --key: 36 sealed updates were not opened");
    }
}

void sample_facts(enum sample_kind kind, size_t n_rounds, struct ent_audit_facts *out)
{
    *out = (struct ent_audit_facts){.size = 1,
                                    .first_ms = START_MS,
                                    .last_ms = START_MS,
                                    .has_genesis = true,
                                    .n_notes = 3 * n_rounds + 5,
                                    .pinned = true,
                                    .n_signatures = 1234,
                                    .cosigned_by = 3,
                                    .cosigned_of = 3,
                                    .cosigned_need = 2};
    (void)snprintf(out->origin, sizeof out->origin, "fed.example.org/four-shops-2026");
    text(out->genesis.name, "Four Shops 2026");
    fill(out->root, 32, 1);
    fill(out->genesis_hash, 32, 2);
    members(out);
    people(out);
    action(out, ENT_LOG_INVITE, 16, 100);
    action(out, ENT_LOG_POLICY, 0, 0);
    action(out, ENT_LOG_START, 32, 7);
    run(out, n_rounds);
    action(out, ENT_LOG_EXPORT, 0, 0);
    checks(out, kind);
    out->cosigned_size = out->size;
    out->cosigned_newest_s = out->last_ms / 1000 + 4;
}

struct ent_report_request sample_request(void)
{
    return (struct ent_report_request){.export_dir = "four shops.export",
                                       .policy = "north.policy",
                                       .out = "report.html",
                                       .has_checkpoint = true,
                                       .has_policy = true};
}

void page_make(struct page *page, const struct ent_audit_facts *facts,
               const struct ent_report_request *request)
{
    ent_buf_init(&page->buf, ENT_REPORT_PAGE_MAX_BYTES);
    ENT_OK(ent_report_html(facts, request, &page->buf));
    ENT_OK(ent_buf_str(&page->buf, &page->text));
}

void page_sample(struct page *page, enum sample_kind kind, size_t n_rounds)
{
    const struct ent_report_request request = sample_request();
    struct ent_audit_facts facts;

    sample_facts(kind, n_rounds, &facts);
    page_make(page, &facts, &request);
    ent_audit_facts_release(&facts);
}

bool page_says(const struct page *page, const char *text)
{
    return strstr(page->text, text) != NULL;
}

const char *page_at(const char *from, const char *text)
{
    const char *at = strstr(from, text);

    CU_ASSERT_PTR_NOT_NULL_FATAL(at);
    return at;
}

size_t page_count(const struct page *page, const char *text)
{
    size_t n = 0;

    for (const char *at = page->text; (at = strstr(at, text)) != NULL; at += strlen(text)) {
        n++;
    }
    return n;
}
