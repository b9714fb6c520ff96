/* The table of attacks is run and printed, row by row: what each should be found by, and was. */
#include <stdlib.h>
#include <string.h>

#include "audit/replay.h"
#include "common/base/mem.h"
#include "tests/unit/audit/attack.h"

#define CHECKS_TEXT 96

/* "V2 V3" of one status. */
static void list(const struct ent_audit_facts *facts, enum ent_audit_status status,
                 char out[CHECKS_TEXT])
{
    size_t at = 0;

    out[0] = '\0';
    for (unsigned i = 0; i < ENT_AUDIT_CHECKS; i++) {
        const struct ent_audit_check *check = &facts->checks[i];
        uint64_t n = status == ENT_AUDIT_FAIL ? check->n_fail : check->n_incomplete;

        if (n > 0) {
            at += (size_t)snprintf(out + at, CHECKS_TEXT - at, "%sV%u", at > 0 ? " " : "", i + 1);
        }
    }
}

/* As audit/main.c ends with. */
static int exit_of(enum ent_err err)
{
    switch (err) {
    case ENT_E_OK:
        return 0;
    case ENT_E_VIOLATION:
        return 1;
    case ENT_E_INCOMPLETE:
        return 3;
    default:
        return 4;
    }
}

/* The first two of each check. */
static void print_findings(const struct ent_audit_facts *facts)
{
    size_t n[ENT_AUDIT_CHECKS + 1] = {0};

    for (size_t i = 0; i < facts->n_findings; i++) {
        const struct ent_audit_finding *f = &facts->findings[i];

        if (++n[f->check] > 2) {
            continue;
        }
        (void)printf("      %s V%u: %s\n", f->status == ENT_AUDIT_FAIL ? "FAIL" : "INCOMPLETE",
                     f->check, f->text);
    }
}

static const char *replay_of(struct ent_export *export, const struct scene *s)
{
    struct ent_replay_options options = {.policy = s->verify.policy, .key = s->verify.key};
    struct ent_replay replay = {0};
    enum ent_err outcome;

    ENT_OK(ent_replay_export(export, &options, &replay));
    outcome = ent_replay_outcome(&replay);
    for (size_t i = 0; i < replay.n_findings && i < 2; i++) {
        (void)printf("      replay: %s\n", replay.findings[i].text);
    }
    ent_replay_release(&replay);
    return outcome == ENT_E_OK ? "PASS" : outcome == ENT_E_VIOLATION ? "FAIL" : "INCOMPLETE";
}

static bool is_said(const struct ent_audit_facts *facts, const char *words)
{
    for (size_t i = 0; i < facts->n_findings; i++) {
        if (strstr(facts->findings[i].text, words) != NULL) {
            return true;
        }
    }
    for (size_t i = 0; i < ENT_AUDIT_CHECKS; i++) {
        if (strstr(facts->checks[i].text, words) != NULL) {
            return true;
        }
    }
    return false;
}

static bool judge(const struct attack *attack, const char *says, struct scene *s)
{
    struct ent_audit_facts facts = {0};
    struct ent_export *export = NULL;
    const char *replay = "";
    char fail[CHECKS_TEXT];
    char incomplete[CHECKS_TEXT];
    bool same;
    int status;

    ENT_OK(ent_export_open(s->export, &export));
    ENT_OK(ent_audit_verify(export, &s->verify, &facts));
    status = exit_of(ent_audit_outcome(&facts));
    list(&facts, ENT_AUDIT_FAIL, fail);
    list(&facts, ENT_AUDIT_INCOMPLETE, incomplete);
    same = strcmp(fail, attack->fail) == 0 && strcmp(incomplete, attack->incomplete) == 0 &&
           status == attack->exit;
    same = same && (says[0] == '\0' || is_said(&facts, says));
    if (attack->replay[0] != '\0') {
        replay = replay_of(export, s);
        same = same && strcmp(replay, attack->replay) == 0;
    }
    (void)printf("%3d  %s%-62s %-9s %-4s %d %-10s  %-9s %-4s %d %-10s  %s\n", attack->row,
                 attack->variant >= ATTACK_CENTRAL ? "member: " : "", attack->what, attack->fail,
                 attack->incomplete, attack->exit, attack->replay, fail, incomplete, status, replay,
                 same ? "ok" : "FAILED");
    if (!same) {
        print_findings(&facts);
    }
    ent_audit_facts_release(&facts);
    ent_export_close(export);
    return same;
}

static void leave(struct scene *s)
{
    for (size_t i = 0; i < s->n_files; i++) {
        free(s->files[i]);
    }
    free(s->export);
    free(s->policy);
    free(s->honest);
    ent_forge_free(s->forge);
    ent_forge_free(s->other);
    ent_forge_free(s->sybils);
    ent_arena_release(&s->arena);
    free(s);
}

static bool run(const struct attack *attack, const char *says)
{
    struct scene *s = NULL;
    bool same;

    ENT_OK(ent_calloc(1, sizeof *s, &s));
    s->options = (struct ent_forge_options){.seed = 5,
                                            .n_members = ATTACK_MEMBERS,
                                            .train_rounds = 3,
                                            .validate = true,
                                            .test = true,
                                            .plain = true};
    s->variant = attack->variant % ATTACK_CENTRAL;
    s->central = attack->variant >= ATTACK_CENTRAL;
    s->member = ENT_FORGE_NOBODY;
    s->dir = ent_test_tmpdir();
    ent_arena_init(&s->arena, (size_t)16 << 20);
    attack->make(s);
    same = judge(attack, says, s);
    leave(s);
    return same;
}

/* says: [n], or NULL */
static void run_all(const struct attack *attacks, const char *const *says, size_t n)
{
    (void)printf("\n%-67s %-27s  %s\n", "row  attack", "expected: verify, replay", "found");
    for (size_t i = 0; i < n; i++) {
        CU_ASSERT(run(&attacks[i], says != NULL ? says[i] : ""));
    }
}

ENT_TEST(attack, log)
{
    run_all(attacks_log, NULL, n_attacks_log);
}

ENT_TEST(attack, rounds)
{
    run_all(attacks_rounds, NULL, n_attacks_rounds);
}

ENT_TEST(attack, what_the_log_names)
{
    run_all(attacks_named, NULL, n_attacks_named);
}

ENT_TEST(attack, budgets)
{
    run_all(attacks_budget, attacks_budget_say, n_attacks_budget);
}

ENT_TEST(attack, noise_of_the_coordinator)
{
    run_all(attacks_noise, attacks_noise_say, n_attacks_noise);
}

ENT_TEST(attack, what_replay_tells)
{
    run_all(attacks_replay, NULL, n_attacks_replay);
}
