/* What is predicted, and how events become sequences, in a model file: both ways. */
#include <math.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/json/json.h"
#include "common/model/modelfile_format.h"

/* ---- writing: whatever is as by default is not written ---- */

void ent_modelfile_put_label(struct ent_json_writer *w, const struct ent_model_info *info)
{
    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_json_put_key_string(w, "name", info->label_name != NULL ? info->label_name : "");
    ent_json_put_key_string(w, "positive",
                            info->label_positive != NULL ? info->label_positive : "");
    if (info->n_label_values > 0) {
        ent_json_put_key(w, "values");
        ent_json_put_array(w);
        for (uint32_t i = 0; i < info->n_label_values; i++) {
            ent_json_put_string(w, info->label_values[i]);
        }
        ent_json_put_close(w);
    }
    if (info->label_lo < info->label_hi) {
        ent_json_put_key_double(w, "lo", info->label_lo);
        ent_json_put_key_double(w, "hi", info->label_hi);
    }
    ent_json_put_close(w);
}

void ent_modelfile_put_sequence(struct ent_json_writer *w, const struct ent_model_info *info)
{
    const struct ent_sequence *s = &info->sequence;

    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_json_put_key_string(w, "unit", s->unit);
    ent_json_put_key(w, "time");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < s->n_times; i++) {
        ent_json_put_string(w, s->times[i]);
    }
    ent_json_put_close(w);
    if (s->format != NULL) {
        ent_json_put_key_string(w, "format", s->format);
    }
    ent_json_put_key_string(w, "keep", ent_sequence_keep_names[s->keep]);
    if (s->gap_s > 0) {
        ent_json_put_key_uint(w, "gap", s->gap_s);
    }
    ent_json_put_key_string(w, "label", ent_sequence_label_names[s->label]);
    if (s->label == ENT_SEQUENCE_NEXT) {
        ent_json_put_key_uint(w, "next", s->next);
        ent_json_put_key_bool(w, "per_step", s->per_step);
    } else if (s->label == ENT_SEQUENCE_LATER) {
        ent_json_put_key_int(w, "from", s->from_s);
        ent_json_put_key_int(w, "until", s->until_s);
    }
    ent_json_put_close(w);
}

/* ---- reading ---- */

static enum ent_err parse_texts(const struct ent_json *list, const char *key, uint32_t most,
                                const char ***out, uint32_t *n)
{
    size_t len = list != NULL ? ent_json_len(list) : 0;

    ENT_REQUIRE(list != NULL && ent_json_kind(list) == ENT_JSON_ARRAY && len >= 1 && len <= most,
                ENT_E_CORRUPT, "%s: a list of 1 to %u is expected", key, (unsigned)most);
    ENT_TRY(ent_calloc(len, sizeof **out, out));
    for (size_t i = 0; i < len; i++) {
        ENT_TRY(ent_json_string(ent_json_at(list, i), key, &(*out)[i]));
    }
    *n = (uint32_t)len;
    return ENT_E_OK;
}

enum ent_err ent_modelfile_parse_label(struct ent_modelfile *file, const struct ent_json *doc)
{
    struct ent_model_info *info = &file->info;
    const struct ent_json *values = ent_json_get(doc, "values");

    ENT_TRY(ent_json_string(ent_json_get(doc, "name"), "name", &info->label_name));
    ENT_TRY(ent_json_string(ent_json_get(doc, "positive"), "positive", &info->label_positive));
    if (values != NULL) {
        ENT_TRY(parse_texts(values, "values", ENT_MODELFILE_CLASSES_MAX, &file->label_values,
                            &info->n_label_values));
        info->label_values = file->label_values;
    }
    if (ent_json_get(doc, "lo") != NULL) {
        ENT_TRY(ent_json_double(ent_json_get(doc, "lo"), "lo", &info->label_lo));
        ENT_TRY(ent_json_double(ent_json_get(doc, "hi"), "hi", &info->label_hi));
    }
    return ENT_E_OK;
}

static enum ent_err parse_choice(const struct ent_json *doc, const char *key,
                                 const char *const *names, int *out)
{
    const char *text;

    ENT_TRY(ent_json_string(ent_json_get(doc, key), key, &text));
    for (int i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return ENT_E_OK;
        }
    }
    return ent_err_note(ENT_E_UNSUPPORTED, "%s: a name that this build does not know", key);
}

static enum ent_err parse_target(const struct ent_json *doc, struct ent_sequence *s)
{
    uint64_t next;

    if (s->label == ENT_SEQUENCE_NEXT) {
        ENT_TRY(ent_json_uint(ent_json_get(doc, "next"), "next", UINT32_MAX, &next));
        s->next = (uint32_t)next;
        return ent_json_bool(ent_json_get(doc, "per_step"), "per_step", &s->per_step);
    }
    if (s->label == ENT_SEQUENCE_LATER) {
        ENT_TRY(ent_json_int(ent_json_get(doc, "from"), "from", &s->from_s));
        return ent_json_int(ent_json_get(doc, "until"), "until", &s->until_s);
    }
    return ENT_E_OK;
}

enum ent_err ent_modelfile_parse_sequence(struct ent_modelfile *file, const struct ent_json *doc)
{
    struct ent_sequence *s = &file->info.sequence;
    int keep = 0;
    int label = 0;

    ENT_TRY(ent_json_string(ent_json_get(doc, "unit"), "unit", &s->unit));
    ENT_TRY(parse_texts(ent_json_get(doc, "time"), "time", ENT_SEQUENCE_TIMES_MAX, &file->times,
                        &s->n_times));
    s->times = file->times;
    if (ent_json_get(doc, "format") != NULL) {
        ENT_TRY(ent_json_string(ent_json_get(doc, "format"), "format", &s->format));
    }
    if (ent_json_get(doc, "gap") != NULL) {
        ENT_TRY(ent_json_uint(ent_json_get(doc, "gap"), "gap", INT64_MAX, &s->gap_s));
    }
    ENT_TRY(parse_choice(doc, "keep", ent_sequence_keep_names, &keep));
    ENT_TRY(parse_choice(doc, "label", ent_sequence_label_names, &label));
    s->keep = (enum ent_sequence_keep)keep;
    s->label = (enum ent_sequence_label)label;
    s->length = file->info.seq_max;
    return parse_target(doc, s);
}

/* ---- whole ---- */

static uint32_t n_outputs(const struct ent_model_info *info)
{
    return info->layers[info->n_layers - 1].units;
}

static enum ent_err check_sequence(const struct ent_model_info *info)
{
    const struct ent_sequence *s = &info->sequence;

    ENT_TRY(ent_sequence_check(s));
    ENT_REQUIRE(s->length == info->seq_max, ENT_E_CONFIG,
                "the sequences have %u steps, the model takes %u", s->length, info->seq_max);
    ENT_REQUIRE(s->label != ENT_SEQUENCE_NEXT ||
                    (s->next < info->n_features &&
                     info->features[s->next].type == ENT_FEATURE_CATEGORY &&
                     ent_feature_n_codes(&info->features[s->next]) - 1 == n_outputs(info)),
                ENT_E_CONFIG, "the outputs are not the values of a category");
    return ENT_E_OK;
}

/* The first layers are the embeddings of the features that have one. */
static enum ent_err check_tokens(const struct ent_model_info *info)
{
    uint32_t at = 0;

    for (uint32_t i = 0; i < info->n_features; i++) {
        const struct ent_feature *f = &info->features[i];

        if (f->embed == 0) {
            continue;
        }
        ENT_REQUIRE(at < info->n_layers && info->layers[at].kind == ENT_MODEL_EMBEDDING &&
                        info->layers[at].units == f->embed &&
                        info->layers[at].values == ent_feature_n_codes(f),
                    ENT_E_CONFIG, "feature %s: the model has not its embedding", f->name);
        at++;
    }
    ENT_REQUIRE(info->n_features == 0 || at >= info->n_layers ||
                    info->layers[at].kind != ENT_MODEL_EMBEDDING,
                ENT_E_CONFIG, "the model has an embedding of no feature");
    return ENT_E_OK;
}

enum ent_err ent_modelfile_check_label(const struct ent_model_info *info)
{
    ENT_TRY(check_tokens(info));
    ENT_REQUIRE(isfinite(info->label_lo) && isfinite(info->label_hi), ENT_E_NONFINITE,
                "the label's range must be finite");
    ENT_REQUIRE(info->n_label_values == 0 || info->n_label_values == n_outputs(info), ENT_E_CONFIG,
                "%u values of the label, but %u outputs", info->n_label_values, n_outputs(info));
    return info->sequence.unit != NULL ? check_sequence(info) : ENT_E_OK;
}
