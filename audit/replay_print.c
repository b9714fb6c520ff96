#include <stdlib.h>
#include <string.h>

#include "audit/replay.h"
#include "common/base/plural.h"
#include "common/crypto/base64.h"
#include "common/json/json.h"
#include "common/task/task.h"

static const char *const status_names[] = {"identical", "incomplete", "differs"};
static const char *const status_marks[] = {"OK  ", "SKIP", "FAIL"};
static const char *const verdict_names[] = {"PASS", "INCOMPLETE", "FAIL"};

enum ent_err ent_replay_range(const char *text, struct ent_replay_options *out)
{
    char *end = NULL;
    unsigned long long first;
    unsigned long long last;
    bool good = text[0] >= '1' && text[0] <= '9';

    first = strtoull(text, &end, 10);
    last = first;
    if (good && *end == '-') {
        good = end[1] >= '1' && end[1] <= '9';
        last = strtoull(end + 1, &end, 10);
    }
    ENT_REQUIRE(good && *end == '\0' && first <= last && last <= (unsigned long long)INT64_MAX,
                ENT_E_USAGE, "--rounds %.40s: say A-B or A, rounds count from 1", text);
    out->first = first;
    out->last = last;
    return ENT_E_OK;
}

enum ent_err ent_replay_outcome(const struct ent_replay *replay)
{
    switch (replay->verdict) {
    case ENT_REPLAY_DIFFERS:
        return ent_err_note(ENT_E_VIOLATION, "replay does not give what the log says");
    case ENT_REPLAY_INCOMPLETE:
        return ent_err_note(ENT_E_INCOMPLETE, "not everything could be replayed");
    case ENT_REPLAY_IDENTICAL:
        break;
    }
    return ENT_E_OK;
}

static const char *selftest_text(const struct ent_replay *replay)
{
    if (replay->n_starts == 0) {
        return "the log says nothing of the coordinator's";
    }
    return replay->n_starts_differ == 0 ? "equal to the coordinator's"
                                        : "NOT equal to the coordinator's";
}

static enum ent_err print_round(const struct ent_replay_round *r, struct ent_buf *out)
{
    char model[ENT_AUDIT_SHORT_BYTES];

    ent_audit_short(r->model, sizeof r->model, model);
    if (r->run > 1) {
        ENT_TRY(ent_buf_addf(out, "%s  run %lu, round %-5llu", status_marks[r->status],
                             (unsigned long)r->run, (unsigned long long)r->round));
    } else {
        ENT_TRY(ent_buf_addf(out, "%s  round %-5llu", status_marks[r->status],
                             (unsigned long long)r->round));
    }
    return ent_buf_addf(out, "  %-8s  %4lu %s  %s%s%s\n", ent_task_name(r->task),
                        (unsigned long)r->updates, r->updates == 1 ? "update " : "updates",
                        !r->summed  ? "sum not replayed"
                        : r->noised ? "sum and noise identical"
                                    : "sum identical",
                        r->has_model ? "; newest model " : "", r->has_model ? model : "");
}

static enum ent_err print_head(const struct ent_replay *replay, struct ent_buf *out)
{
    char digest[65];

    ENT_TRY(ent_buf_addf(out, "origin      %s   size %llu\n", replay->origin,
                         (unsigned long long)replay->size));
    ENT_TRY(ent_buf_addf(out, "compiler    %s\nflags       %s\nkernels     %s\nbuild       %s\n",
                         replay->build.compiler, replay->build.flags, replay->kernels,
                         replay->build.build_id));
    ent_hex(replay->selftest, sizeof replay->selftest, digest);
    ENT_TRY(ent_buf_addf(out, "self-test   %s (%s)\n", digest, selftest_text(replay)));
    return ent_buf_addf(out, "not here    signatures, cohorts, witnesses: entente-audit verify\n");
}

/* Only where it is no model of this plan's or this log's. */
static enum ent_err print_bases(const struct ent_replay *replay, struct ent_buf *out)
{
    for (size_t i = 0; i < replay->n_bases; i++) {
        const struct ent_replay_base *b = &replay->bases[i];
        char model[ENT_AUDIT_SHORT_BYTES];

        ent_audit_short(b->model, sizeof b->model, model);
        if (b->is == ENT_AUDIT_BASE_OTHER) {
            ENT_TRY(ent_buf_addf(out,
                                 "NOTE  the run of leaf %llu starts from model %s, which is "
                                 "neither its plan's nor released in this log: nothing here says "
                                 "what it was made of\n",
                                 (unsigned long long)b->seq, model));
        } else if (b->is == ENT_AUDIT_BASE_UNKNOWN) {
            ENT_TRY(ent_buf_addf(out,
                                 "NOTE  the run of leaf %llu starts from model %s, which is not "
                                 "here: whether it is its plan's is not known\n",
                                 (unsigned long long)b->seq, model));
        }
    }
    return ENT_E_OK;
}

static enum ent_err print_verdict(const struct ent_replay *replay, struct ent_buf *out)
{
    ENT_TRY(ent_buf_addf(out, "VERDICT %s", verdict_names[replay->verdict]));
    if (replay->root_ok) {
        ENT_TRY(ent_buf_addf(out, " %llu/%llu rounds bit-identical",
                             (unsigned long long)replay->n_identical,
                             (unsigned long long)replay->n_closed));
    } else {
        ENT_TRY(ent_buf_addf(out, " nothing was replayed"));
    }
    return ent_buf_addf(out, "; rerolls %llu; build %.8s self-test %s\n",
                        (unsigned long long)replay->n_rerolls, replay->build.build_id,
                        replay->n_starts == 0          ? "not compared"
                        : replay->n_starts_differ == 0 ? "equal"
                                                       : "differs");
}

enum ent_err ent_replay_print(const struct ent_replay *replay, bool each, struct ent_buf *out)
{
    ENT_TRY(print_head(replay, out));
    for (size_t i = 0; each && i < replay->n_rounds; i++) {
        ENT_TRY(print_round(&replay->rounds[i], out));
    }
    if (each && replay->lost_rounds > 0) {
        ENT_TRY(ent_buf_addf(out, "... and %llu more rounds\n",
                             (unsigned long long)replay->lost_rounds));
    }
    ENT_TRY(print_bases(replay, out));
    for (size_t i = 0; i < replay->n_findings; i++) {
        ENT_TRY(ent_buf_addf(out, "%s  %s\n", status_marks[replay->findings[i].status],
                             replay->findings[i].text));
    }
    if (replay->lost_findings > 0) {
        ENT_TRY(ent_buf_addf(out, "... and %llu more findings\n",
                             (unsigned long long)replay->lost_findings));
    }
    return print_verdict(replay, out);
}

static void put_round(struct ent_json_writer *w, const struct ent_replay_round *r)
{
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_uint(w, "run", r->run);
    ent_json_put_key_uint(w, "round", r->round);
    ent_json_put_key_uint(w, "attempt", r->attempt);
    ent_json_put_key_string(w, "task", ent_task_name(r->task));
    ent_json_put_key_uint(w, "updates", r->updates);
    ent_json_put_key_uint(w, "leaf", r->seq);
    ent_json_put_key_string(w, "status", status_names[r->status]);
    ent_json_put_key_bool(w, "sum_identical", r->summed);
    ent_json_put_key_bool(w, "noise", r->noised);
    ent_json_put_key_hex(w, "result", r->result, 32);
    if (r->has_model) {
        ent_json_put_key_hex(w, "model", r->model, 32);
    }
    ent_json_put_close(w);
}

static void put_build(struct ent_json_writer *w, const struct ent_replay *replay)
{
    ent_json_put_key(w, "build");
    ent_json_put_object(w, ENT_JSON_INSERTION);
    ent_json_put_key_string(w, "version", replay->build.version);
    ent_json_put_key_string(w, "commit", replay->build.commit);
    ent_json_put_key_string(w, "compiler", replay->build.compiler);
    ent_json_put_key_string(w, "flags", replay->build.flags);
    ent_json_put_key_string(w, "kernels", replay->kernels);
    ent_json_put_key_string(w, "build_id", replay->build.build_id);
    ent_json_put_key_hex(w, "selftest", replay->selftest, 32);
    ent_json_put_close(w);
    ent_json_put_key_uint(w, "coordinator_starts", replay->n_starts);
    ent_json_put_key_uint(w, "coordinator_starts_with_another_selftest", replay->n_starts_differ);
}

static void put_bases(struct ent_json_writer *w, const struct ent_replay *replay)
{
    ent_json_put_key(w, "bases");
    ent_json_put_array(w);
    for (size_t i = 0; i < replay->n_bases; i++) {
        const struct ent_replay_base *b = &replay->bases[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "leaf", b->seq);
        ent_json_put_key_string(w, "is", ent_audit_base_name(b->is));
        ent_json_put_key_hex(w, "model", b->model, 32);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

static void put_lists(struct ent_json_writer *w, const struct ent_replay *replay)
{
    put_bases(w, replay);
    ent_json_put_key(w, "rounds");
    ent_json_put_array(w);
    for (size_t i = 0; i < replay->n_rounds; i++) {
        put_round(w, &replay->rounds[i]);
    }
    ent_json_put_close(w);
    ent_json_put_key(w, "findings");
    ent_json_put_array(w);
    for (size_t i = 0; i < replay->n_findings; i++) {
        const struct ent_replay_finding *f = &replay->findings[i];

        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_string(w, "status", status_names[f->status]);
        ent_json_put_key_uint(w, "run", f->run);
        ent_json_put_key_uint(w, "round", f->round);
        ent_json_put_key_string(w, "text", f->text);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}

enum ent_err ent_replay_print_json(const struct ent_replay *replay, struct ent_buf *out)
{
    struct ent_json_writer w;

    ent_json_begin(&w, out);
    ent_json_put_object(&w, ENT_JSON_INSERTION);
    ent_json_put_key_string(&w, "verdict", verdict_names[replay->verdict]);
    ent_json_put_key_string(&w, "origin", replay->origin);
    ent_json_put_key_uint(&w, "size", replay->size);
    ent_json_put_key_hex(&w, "root", replay->root, 32);
    ent_json_put_key_bool(&w, "root_identical", replay->root_ok);
    put_build(&w, replay);
    ent_json_put_key_uint(&w, "rounds_identical", replay->n_identical);
    ent_json_put_key_uint(&w, "rounds_closed", replay->n_closed);
    ent_json_put_key_uint(&w, "releases_identical", replay->n_released);
    ent_json_put_key_uint(&w, "attempts_aborted", replay->n_aborted);
    ent_json_put_key_uint(&w, "rounds_with_noise", replay->n_noised);
    ent_json_put_key_uint(&w, "rerolls", replay->n_rerolls);
    put_lists(&w, replay);
    ent_json_put_key_uint(&w, "rounds_not_listed", replay->lost_rounds);
    ent_json_put_key_uint(&w, "findings_not_listed", replay->lost_findings);
    ent_json_put_close(&w);
    ENT_TRY(ent_json_end(&w));
    return ent_buf_add(out, "\n", 1);
}
