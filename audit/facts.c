#include "audit/facts.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "audit/inside.h"
#include "common/base/mem.h"
#include "common/schema/text.h"

const char *ent_audit_check_name(unsigned number)
{
    static const char *const names[ENT_AUDIT_CHECKS] = {
        "container, tiles and canonical leaves",
        "order, time and federation of the leaves",
        "root at every checkpoint",
        "signatures of the log",
        "quorum of the witnesses",
        "heads that others saw are prefixes",
        "course of rounds and runs",
        "signatures of the members",
        "complete cohorts",
        "weights",
        "chain of models",
        "heads inside statements",
        "privacy budget",
        "masking",
        "sealed updates, and noise",
        "retention",
    };

    ENT_BUG_ON(number < 1 || number > ENT_AUDIT_CHECKS);
    return names[number - 1];
}

void ent_audit_facts_release(struct ent_audit_facts *facts)
{
    free(facts->members);
    free(facts->rounds);
    free(facts->releases);
    free(facts->evals);
    free(facts->actions);
    free(facts->builds);
    free(facts->runs);
    free(facts->auditors);
    free(facts->processing);
    free(facts->sets);
    free(facts->erasures);
    free(facts->spendings);
    free(facts->noisings);
    free(facts->disputes);
    free(facts->findings);
    *facts = (struct ent_audit_facts){0};
}

enum ent_err ent_audit_more(const struct ent_audit_list *list, void *out)
{
    void *array;
    char *at = NULL;

    if (*list->n >= list->max) {
        if (list->lost != NULL) {
            (*list->lost)++;
        }
        memcpy(out, &at, sizeof at);
        return ENT_E_OK;
    }
    ENT_TRY(ent_grow(list->list, list->cap, *list->n + 1, list->size));
    memcpy(&array, list->list, sizeof array);
    at = (char *)array + *list->n * list->size;
    (*list->n)++;
    memset(at, 0, list->size);
    memcpy(out, &at, sizeof at);
    return ENT_E_OK;
}

/* File names of the caller may hold anything; what is printed and what is JSON does not. */
static void tame(char text[ENT_AUDIT_TEXT_MAX])
{
    char copy[ENT_AUDIT_TEXT_MAX];

    ent_text_fit(text, copy, sizeof copy - 1);
    memcpy(text, copy, sizeof copy);
}

enum ent_err ent_audit_find(struct ent_audit *a, unsigned check, enum ent_audit_status status,
                            uint64_t seq, const char *fmt, ...)
{
    struct ent_audit_check *c = &a->facts->checks[check - 1];
    uint64_t *count = status == ENT_AUDIT_FAIL ? &c->n_fail : &c->n_incomplete;
    struct ent_audit_finding *finding = NULL;
    va_list args;

    ENT_BUG_ON(status != ENT_AUDIT_FAIL && status != ENT_AUDIT_INCOMPLETE);
    c->status = c->status > status ? c->status : status;
    (*count)++;
    if (*count > ENT_AUDIT_FINDINGS_MAX) {
        return ENT_E_OK;
    }
    ENT_TRY(ENT_AUDIT_MORE(a->facts, findings, SIZE_MAX, &finding));
    finding->check = check;
    finding->status = status;
    finding->has_seq = seq != ENT_AUDIT_NO_SEQ;
    finding->seq = finding->has_seq ? seq : 0;
    va_start(args, fmt);
    (void)vsnprintf(finding->text, sizeof finding->text, fmt, args);
    va_end(args);
    tame(finding->text);
    return ENT_E_OK;
}

void ent_audit_say(struct ent_audit *a, unsigned check, enum ent_audit_status status,
                   const char *fmt, ...)
{
    struct ent_audit_check *c = &a->facts->checks[check - 1];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(c->text, sizeof c->text, fmt, args);
    va_end(args);
    tame(c->text);
    c->status = c->status > status ? c->status : status;
}

enum ent_audit_verdict ent_audit_verdict(const struct ent_audit_facts *facts)
{
    enum ent_audit_verdict verdict = ENT_AUDIT_PASS;

    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        if (facts->checks[i].status == ENT_AUDIT_FAIL) {
            return ENT_AUDIT_VIOLATED;
        }
        if (facts->checks[i].status == ENT_AUDIT_INCOMPLETE) {
            verdict = ENT_AUDIT_NOT_COMPLETE;
        }
    }
    return verdict;
}

const char *ent_audit_verdict_name(enum ent_audit_verdict verdict)
{
    static const char *const names[] = {"PASS", "INCOMPLETE", "FAIL"};

    return names[verdict];
}

/* "V1-V12, V15, V16": those that were done. */
static size_t add_checks(const struct ent_audit_facts *facts, char *out, size_t room)
{
    size_t n = 0;

    for (unsigned i = 0; i < ENT_AUDIT_CHECKS;) {
        unsigned last = i;

        if (facts->checks[i].status == ENT_AUDIT_SKIP) {
            i++;
            continue;
        }
        while (last + 1 < ENT_AUDIT_CHECKS && facts->checks[last + 1].status != ENT_AUDIT_SKIP) {
            last++;
        }
        last = last - i >= 2 ? last : i; /* two are named each */
        n += (size_t)snprintf(out + n, room - n, "%sV%u", n > 0 ? ", " : "", i + 1);
        if (last > i) {
            n += (size_t)snprintf(out + n, room - n, "-V%u", last + 1);
        }
        i = last + 1;
    }
    return n;
}

void ent_audit_verdict_text(const struct ent_audit_facts *facts, char out[ENT_AUDIT_TEXT_MAX])
{
    enum ent_audit_verdict verdict = ent_audit_verdict(facts);
    uint64_t n_fail = 0;
    uint64_t n_incomplete = 0;
    size_t n = (size_t)snprintf(out, ENT_AUDIT_TEXT_MAX, "%s (", ent_audit_verdict_name(verdict));

    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        n_fail += facts->checks[i].n_fail;
        n_incomplete += facts->checks[i].n_incomplete;
    }
    n += add_checks(facts, out + n, ENT_AUDIT_TEXT_MAX - n);
    (void)snprintf(out + n, ENT_AUDIT_TEXT_MAX - n, ": %llu violation%s, %llu not checkable)",
                   (unsigned long long)n_fail, n_fail == 1 ? "" : "s",
                   (unsigned long long)n_incomplete);
}

const struct ent_audit_member *ent_audit_member_of(const struct ent_audit_facts *facts,
                                                   const uint8_t handle[16])
{
    for (size_t i = 0; i < facts->n_members; i++) {
        if (memcmp(facts->members[i].handle, handle, 16) == 0) {
            return &facts->members[i];
        }
    }
    return NULL;
}

const char *ent_audit_base_name(enum ent_audit_base base)
{
    static const char *const names[] = {"none", "plan", "released", "other", "unknown"};

    return names[base];
}

uint64_t ent_audit_rerolls_of(const struct ent_audit_noising *run)
{
    return (uint64_t)run->withheld + run->aborted;
}

uint64_t ent_audit_rerolls(const struct ent_audit_facts *facts)
{
    uint64_t n = 0;

    for (size_t i = 0; i < facts->n_noisings; i++) {
        n += ent_audit_rerolls_of(&facts->noisings[i]);
    }
    return n;
}

void ent_audit_short(const uint8_t *bytes, size_t len, char out[ENT_AUDIT_SHORT_BYTES])
{
    (void)snprintf(out, ENT_AUDIT_SHORT_BYTES, "%02x%02x..%02x", bytes[0], bytes[1],
                   bytes[len - 1]);
}
