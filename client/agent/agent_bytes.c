#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client/agent/agent_internal.h"
#include "client/agent/course.h"
#include "client/agent/io.h"
#include "client/policy/policy.h"
#include "common/base/file.h"
#include "common/base/hooks.h"
#include "common/base/log.h"
#include "common/model/modelfile.h"

#define MODELS_KEPT 4
#define PLANS_KEPT 8

/* ---- fetch: the coordinator's offer, granted ---- */

static void answer_fetch(struct ent_agent *agent, enum ent_err code)
{
    struct ent_agent_item *item = ent_agent_item(agent, ENT_SEV_FETCHED);

    if (item != NULL) {
        item->ev.code = code;
        if (code != ENT_E_OK) {
            item->say = ENT_SAY_WARN;
            (void)snprintf(item->line, sizeof item->line, "%s: %s",
                           code == ENT_E_POLICY || code == ENT_E_LIMIT ? "not downloaded"
                                                                       : "a download failed",
                           ent_err_message());
        }
        ent_agent_push_first(agent, item);
    }
}

static enum ent_err open_sink(struct ent_agent *agent, const struct ent_session_action *action,
                              struct ent_sink **out)
{
    int fd;
    enum ent_err err;

    if (action->offer == ENT_BYTES_PLAN) {
        return ent_sink_new_memory(action->bytes, out);
    }
    ENT_TRY(ent_path_join(agent->dir, "incoming.part", &agent->fetch.tmp));
    fd = open(agent->fetch.tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        return ent_agent_io(agent->fetch.tmp);
    }
    err = ent_sink_new_file(fd, agent->fetch.tmp, action->bytes, out);
    if (err != ENT_E_OK) {
        (void)close(fd);
        return err;
    }
    ent_sink_no_sync(*out); /* a model that a power failure damages is fetched again */
    return ENT_E_OK;
}

uint64_t ent_agent_model_max(const struct ent_plan *plan)
{
    return 8 + (uint64_t)ENT_MODELFILE_HEADER_MAX + 4 * (uint64_t)ent_plan_n_params(plan);
}

static enum ent_err check_model_bytes(const struct ent_plan *plan, uint64_t bytes)
{
    ENT_REQUIRE(bytes <= ent_agent_model_max(plan), ENT_E_LIMIT,
                "a model of %llu bytes was offered; one of this plan has at most %llu",
                (unsigned long long)bytes, (unsigned long long)ent_agent_model_max(plan));
    return ENT_E_OK;
}

static enum ent_err check_model(struct ent_agent *agent, uint64_t bytes)
{
    const struct ent_plan *have = ent_pipeline_plan(agent->pipeline);
    struct ent_plan *plan = NULL;
    char *path = NULL;
    enum ent_err err;

    if (have != NULL && memcmp(have->digest, agent->session.plan, sizeof have->digest) == 0) {
        return check_model_bytes(have, bytes);
    }
    ENT_TRY(ent_agent_plan_path(agent, agent->session.plan, &path));
    err = ent_plan_read(path, &plan);
    free(path);
    if (err == ENT_E_NOT_FOUND) {
        return ent_err_note(ENT_E_LIMIT, "a model was offered before its plan");
    }
    if (err == ENT_E_OK) {
        err = check_model_bytes(plan, bytes);
    }
    ent_plan_free(plan);
    return err;
}

/* Before anything is fetched or kept: POLICY, LIMIT. */
static enum ent_err check_offer(struct ent_agent *agent, const struct ent_session_action *action,
                                uint64_t bytes)
{
    if (action->offer == ENT_BYTES_PLAN) {
        return ent_policy_check_plan(&agent->config->policy, action->digest);
    }
    return check_model(agent, bytes);
}

void ent_agent_fetch(struct ent_agent *agent, const struct ent_session_action *action)
{
    struct ent_sink *sink = NULL;
    enum ent_err err;

    ent_agent_fetch_drop(agent);
    err = check_offer(agent, action, action->bytes);
    if (err == ENT_E_POLICY || err == ENT_E_LIMIT) {
        answer_fetch(agent, err);
        ent_agent_send_go(agent, action->request, action->bytes); /* none of it */
        return;
    }
    agent->fetch.action = *action;
    if (err == ENT_E_OK) {
        err = open_sink(agent, action, &sink);
    }
    if (err == ENT_E_OK) {
        err = ent_link_expect(agent->link, agent->conn, action->request, sink);
        if (err != ENT_E_OK) {
            ent_sink_free(sink);
        }
    }
    if (err == ENT_E_NOT_FOUND) {
        return; /* the connection is gone: CLOSED follows */
    }
    if (err != ENT_E_OK) {
        answer_fetch(agent, err);
        return;
    }
    ent_agent_send_go(agent, action->request, 0);
}

void ent_agent_fetch_drop(struct ent_agent *agent)
{
    free(agent->fetch.tmp);
    agent->fetch = (struct ent_agent_fetch){0};
}

/* Beside the one that just came, the newest ones: what else the coordinator ever sent is of no use. */
struct plan_file {
    char name[(size_t)2 * ENT_SHA256_BYTES + sizeof ".yaml"];
    struct timespec at;
};

static bool older(const struct plan_file *a, const struct plan_file *b)
{
    return a->at.tv_sec != b->at.tv_sec ? a->at.tv_sec < b->at.tv_sec
                                        : a->at.tv_nsec < b->at.tv_nsec;
}

/* The oldest plan but `keep`; how many there are at all. */
static size_t oldest_plan(DIR *dir, const char *keep, struct plan_file *out)
{
    const struct dirent *entry;
    size_t n = 0;

    out->name[0] = '\0';
    rewinddir(dir);
    while ((entry = readdir(dir)) != NULL) { // NOLINT(concurrency-mt-unsafe): a stream of its own
        struct plan_file file;
        struct stat st;

        if (strlen(entry->d_name) != sizeof file.name - 1 ||
            fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            continue;
        }
        n++;
        memcpy(file.name, entry->d_name, sizeof file.name);
        file.at = st.st_mtim;
        if (strcmp(file.name, keep) != 0 && (out->name[0] == '\0' || older(&file, out))) {
            *out = file;
        }
    }
    return n;
}

static enum ent_err prune_plans(const struct ent_agent *agent, const uint8_t *digest)
{
    struct plan_file oldest;
    struct plan_file keep;
    char *path = NULL;
    DIR *dir;

    ent_hex(digest, ENT_SHA256_BYTES, keep.name);
    memcpy(keep.name + 2 * (size_t)ENT_SHA256_BYTES, ".yaml", sizeof ".yaml");
    ENT_TRY(ent_path_join(agent->dir, "plans", &path));
    dir = opendir(path);
    if (dir == NULL) {
        enum ent_err err = ent_agent_io(path);

        free(path);
        return err;
    }
    while (oldest_plan(dir, keep.name, &oldest) > PLANS_KEPT && oldest.name[0] != '\0' &&
           unlinkat(dirfd(dir), oldest.name, 0) == 0) {
    }
    (void)closedir(dir);
    free(path);
    return ENT_E_OK;
}

static enum ent_err write_plan(struct ent_agent *agent, const uint8_t *digest,
                               const struct ent_blob *blob)
{
    char *dir = NULL;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_path_join(agent->dir, "plans", &dir));
    err = ent_dir_make(dir);
    free(dir);
    if (err == ENT_E_OK) {
        err = ent_agent_plan_path(agent, digest, &path);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, ent_blob_bytes(blob), ent_blob_len(blob), 0600);
    }
    free(path);
    return err == ENT_E_OK ? prune_plans(agent, digest) : err;
}

static enum ent_err keep_plan(struct ent_agent *agent, struct ent_sink *sink)
{
    struct ent_blob *blob = NULL;
    enum ent_err err;

    ENT_TRY(ent_sink_blob(sink, &blob));
    err = write_plan(agent, agent->fetch.action.digest, blob);
    ent_blob_unref(blob);
    return err;
}

static enum ent_err keep_model(struct ent_agent *agent, struct ent_sink *sink)
{
    const uint8_t *digest = agent->fetch.action.digest;
    char *path = NULL;
    enum ent_err err;

    ENT_TRY(ent_state_model_path(agent->state, digest, &path));
    err = rename(agent->fetch.tmp, path) != 0 ? ent_agent_io(path) : ENT_E_OK;
    free(path);
    if (err == ENT_E_OK) {
        ent_sink_keep(sink);
        err = ent_state_model_add_verified(agent->state, digest);
    }
    if (err == ENT_E_OK) {
        err = ent_state_models_prune(agent->state, MODELS_KEPT, NULL, 0);
    }
    return err;
}

static enum ent_err keep(struct ent_agent *agent, struct ent_sink *sink, uint64_t request)
{
    uint8_t digest[ENT_SHA256_BYTES];

    ENT_REQUIRE(request == agent->fetch.action.request, ENT_E_PROTOCOL,
                "bytes of another request than was granted");
    ent_sink_sha256(sink, digest);
    ENT_REQUIRE(memcmp(digest, agent->fetch.action.digest, sizeof digest) == 0, ENT_E_DIGEST,
                "what arrived is not what the coordinator announced");
    ENT_HOOK_POINT("agent.fetched");
    return agent->fetch.action.offer == ENT_BYTES_PLAN ? keep_plan(agent, sink)
                                                       : keep_model(agent, sink);
}

void ent_agent_fetched(struct ent_agent *agent, struct ent_sink *sink, uint64_t request)
{
    answer_fetch(agent, keep(agent, sink, request));
    ent_agent_fetch_drop(agent);
}

/* ---- content that came with its offer ---- */

static enum ent_err keep_content(struct ent_agent *agent, const struct ent_session_action *action)
{
    struct ent_blob *content = agent->content; /* its digest was checked when it came */

    ENT_TRY(check_offer(agent, action, ent_blob_len(content)));
    ENT_HOOK_POINT("agent.fetched");
    if (action->offer == ENT_BYTES_PLAN) {
        return write_plan(agent, action->digest, content);
    }
    ENT_TRY(ent_state_model_keep(agent->state, action->digest, content));
    return ent_state_models_prune(agent->state, MODELS_KEPT, NULL, 0);
}

void ent_agent_keep_content(struct ent_agent *agent, const struct ent_session_action *action)
{
    struct ent_agent_item *item = ent_agent_item(agent, ENT_SEV_KEPT);

    if (item == NULL) {
        return;
    }
    ENT_BUG_ON(agent->content == NULL);
    item->ev.offer = action->offer;
    memcpy(item->ev.digest, action->digest, sizeof item->ev.digest);
    item->ev.code = keep_content(agent, action);
    if (item->ev.code != ENT_E_OK) {
        item->say = ENT_SAY_WARN;
        (void)snprintf(item->line, sizeof item->line, "what was sent could not be kept: %s",
                       ent_err_message());
    }
    ent_agent_push_first(agent, item);
}

/* ---- the end of a round ---- */

void ent_agent_forget(struct ent_agent *agent, const struct ent_session_round *id)
{
    struct ent_attempt than = {id->run, id->round, id->attempt + 1};
    enum ent_err err = ent_state_update_delete_older(agent->state, than);

    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
    }
    ent_blob_unref(agent->payload);
    agent->payload = NULL;
}

/* Its result is out: only the same cohort may see this scope again. (This member may have had no part in it.) */
static enum ent_err finish_release(struct ent_agent *agent)
{
    struct ent_release release;
    enum ent_err err;

    ENT_TRY(ent_agent_release(agent->open, &release));
    err = ent_state_release_done(agent->state, &release);
    return err == ENT_E_NOT_FOUND || err == ENT_E_STALE ? ENT_E_OK : err;
}

/* Also of a round that this member had no part in. */
static enum ent_err note_close(struct ent_agent *agent, const struct ent_agent_item *item)
{
    struct ent_attempt at = {item->ev.id.run, item->ev.id.round, item->ev.id.attempt};
    struct ent_state_course course;
    enum ent_err err = ent_state_course_get(agent->state, &course);

    if (err == ENT_E_NOT_FOUND) {
        return ENT_E_OK;
    }
    ENT_TRY(err);
    ent_course_close(&course, at, item->close->has_model ? item->close->model : NULL);
    return ent_state_course_put(agent->state, &course);
}

void ent_agent_closed_round(struct ent_agent *agent, const struct ent_agent_item *item)
{
    const struct ent_open_round *open = agent->open;
    const struct ent_session_round *id = &item->ev.id;
    char round[ENT_AGENT_ROUND_TEXT];
    char metrics[128];
    enum ent_err err;

    err = ent_state_release_done_at(agent->state,
                                    (struct ent_attempt){id->run, id->round, id->attempt});
    if (err == ENT_E_OK) {
        err = note_close(agent, item);
    }
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return;
    }
    if (open == NULL || open->msg.run != id->run || open->msg.round != id->round ||
        open->msg.attempt != id->attempt) {
        return; /* not invited to it, or restarted since */
    }
    err = open->msg.task != ENT_TASK_TRAIN ? finish_release(agent) : ENT_E_OK;
    if (err != ENT_E_OK) {
        ent_agent_fail(agent, err);
        return;
    }
    ent_agent_round_text(agent, round);
    ent_agent_metrics_text(item->metrics, item->close->n_metrics, metrics, sizeof metrics);
    ent_agent_sayf(agent, ENT_SAY_LINE, "%s closed with %zu members%s%s; %u of %u training rounds",
                   round, item->close->n_outcomes, metrics[0] != '\0' ? ": " : "", metrics,
                   (unsigned)item->close->train_done, (unsigned)item->close->train_rounds);
}

/* ---- the end of a run ---- */

void ent_agent_save_best(struct ent_agent *agent, const uint8_t digest[ENT_SHA256_BYTES])
{
    struct ent_blob *blob = NULL;
    char *path = NULL;
    enum ent_err err = ent_state_model_get(agent->state, digest, &blob);

    if (err == ENT_E_OK) {
        err = ent_path_join(agent->dir, "global.safetensors", &path);
    }
    if (err == ENT_E_OK) {
        err = ent_file_write_atomic(path, ent_blob_bytes(blob), ent_blob_len(blob), 0600);
    }
    if (err == ENT_E_OK) {
        ent_agent_sayf(agent, ENT_SAY_LINE, "the %srun's best model is in %s",
                       agent->session.end_code == ENT_E_OK ? "" : "stopped ", path);
        ENT_HOOK_POINT("agent.best");
    } else {
        ent_agent_fail(agent, err);
    }
    free(path);
    ent_blob_unref(blob);
}

void ent_agent_ended(struct ent_agent *agent)
{
    enum ent_err err = ent_state_run_end(agent->state, agent->session.run);

    if (err != ENT_E_OK && err != ENT_E_NOT_FOUND) {
        ent_agent_fail(agent, err);
        return;
    }
    agent->status.runs_ended++;
}
