#include "client/agent/workplace.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/agent/identity.h"
#include "client/agent/io.h"
#include "common/base/file.h"
#include "common/base/mem.h"

enum ent_err ent_workplace_config(const char *dir, const char *config,
                                  struct ent_client_config **out)
{
    char *path = NULL;
    enum ent_err err;

    if (config != NULL) {
        return ent_client_config_read(config, out);
    }
    ENT_TRY(ent_path_join(dir, "client.yaml", &path));
    err = ent_client_config_read(path, out);
    if (err == ENT_E_NOT_FOUND) {
        err = ent_err_note(
            err, "%s is not there: enroll writes one, describe drafts one from a CSV", path);
    }
    free(path);
    return err;
}

static enum ent_err open_plan(struct ent_workplace *w, const char *path)
{
    struct ent_plan *plan = NULL;

    ENT_TRY(ent_plan_read(path, &plan));
    ent_pipeline_use_take(w->pipeline, plan);
    return ENT_E_OK;
}

static enum ent_err open_name(struct ent_workplace *w)
{
    struct ent_identity id;

    memcpy(w->name, "local", sizeof "local");
    w->enrolled = ent_identity_exists(w->dir);
    if (w->enrolled) {
        ENT_TRY(ent_identity_read(w->dir, &id));
        memcpy(w->name, id.name, sizeof w->name);
        ent_identity_release(&id);
    }
    return ENT_E_OK;
}

enum ent_err ent_workplace_open(const char *dir, const char *config, const char *plan,
                                struct ent_workplace *out)
{
    struct ent_workplace w = {.dir = dir != NULL ? dir : "."};
    enum ent_err err = open_name(&w);

    if (err == ENT_E_OK) {
        err = ent_workplace_config(w.dir, config, &w.config);
    }
    if (err == ENT_E_OK) {
        err = ent_pipeline_new(w.config, w.name, &w.pipeline);
    }
    if (err == ENT_E_OK) {
        err = open_plan(&w, plan);
    }
    if (err != ENT_E_OK) {
        ent_workplace_close(&w);
        return err;
    }
    *out = w;
    return ENT_E_OK;
}

void ent_workplace_close(struct ent_workplace *workplace)
{
    ent_pipeline_free(workplace->pipeline);
    ent_client_config_free(workplace->config);
    workplace->pipeline = NULL;
    workplace->config = NULL;
}

enum ent_err ent_workplace_print(const struct ent_buf *json)
{
    if (fwrite(json->data, 1, json->len, stdout) != json->len || putchar('\n') == EOF) {
        return ent_agent_io("standard output");
    }
    return ENT_E_OK;
}

void ent_workplace_put_metrics(struct ent_json_writer *w, const struct ent_metrics *metrics)
{
    static const char *const done[] = {"rows", "positives", "auc", "auc_error", "log_loss"};
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n = ent_metrics_values(metrics, values);
    bool any = metrics->rows > 0;

    ent_json_put_key_uint(w, "rows", metrics->rows);
    ent_json_put_key_uint(w, "positives", metrics->positives);
    ent_json_put_key_double(w, "auc", any ? metrics->auc : (double)NAN);
    ent_json_put_key_double(w, "auc_error", any ? metrics->auc_error : (double)NAN);
    ent_json_put_key_double(w, ent_metrics_name(metrics, "log_loss"),
                            any ? metrics->log_loss : (double)NAN);
    if (any && metrics->outputs == ENT_OUTPUTS_NUMBER) {
        ent_json_put_key_string(w, "squared_error_unit", ENT_WORKPLACE_ERROR_UNIT);
    }
    for (size_t i = 0; i < n && any; i++) {
        bool put = false;

        for (size_t k = 0; k < ENT_ARRAY_LEN(done); k++) {
            put = put || strcmp(values[i].name, done[k]) == 0;
        }
        if (!put) {
            ent_json_put_key_double(w, values[i].name, values[i].value);
        }
    }
}

void ent_workplace_print_values(const struct ent_metrics *metrics, FILE *out)
{
    struct ent_metric_value values[ENT_METRIC_VALUES];
    size_t n = ent_metrics_values(metrics, values);

    for (size_t i = 0; i < n; i++) {
        bool whole = strcmp(values[i].name, "rows") == 0 || strcmp(values[i].name, "unknown") == 0;

        (void)fprintf(out, "%s%s=%.*f", i > 0 ? " " : "", ent_metrics_name(metrics, values[i].name),
                      whole ? 0 : 6, values[i].value);
    }
    (void)fprintf(out, "\n");
    if (metrics->outputs == ENT_OUTPUTS_NUMBER) {
        (void)fprintf(out, "squared_error is in units of: %s\n", ENT_WORKPLACE_ERROR_UNIT);
    }
}

void ent_workplace_found_text(const struct ent_metrics *metrics, char out[ENT_WORKPLACE_FOUND_TEXT])
{
    out[0] = '\0';
    if (metrics->rows > 0 && metrics->outputs == ENT_OUTPUTS_BINARY &&
        isfinite(metrics->top[1].found)) {
        (void)snprintf(out, ENT_WORKPLACE_FOUND_TEXT,
                       "%.0f %% of the positive ones are in the top 10 %% of scores; random would "
                       "find 10 %%",
                       100.0 * metrics->top[1].found);
    }
}
