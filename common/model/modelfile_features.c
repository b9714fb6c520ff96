/* The schema and what the statistics made of it, in a model file: both ways. */
#include <stdlib.h>
#include <string.h>

#include "common/base/mem.h"
#include "common/feature/date.h"
#include "common/json/json.h"
#include "common/model/modelfile_format.h"

/* ---- writing ---- */

/* Whatever is as by default is not written, so that a plain schema is short and there is one form of it. */
static void put_number(struct ent_json_writer *w, const struct ent_feature *f,
                       const struct ent_fit *fit)
{
    ent_json_put_key_double(w, "lo", f->lo);
    ent_json_put_key_double(w, "hi", f->hi);
    ent_json_put_key_double(w, "mean", fit->mean);
    ent_json_put_key_bool(w, "indicator", f->indicator);
    if (f->outliers != ENT_OUTLIERS_CLIP) {
        ent_json_put_key_string(w, "outliers", ent_outliers_names[f->outliers]);
    }
    if (f->encode != ENT_ENCODE_STANDARD) {
        ent_json_put_key_string(w, "encode", ent_encode_names[f->encode]);
    }
    if (f->encode != ENT_ENCODE_PLE) {
        ent_json_put_key_double(w, "sd", fit->sd);
        return;
    }
    ent_json_put_key_string(w, "scale", ent_scale_names[f->scale]);
    ent_json_put_key_uint(w, "bins", f->bins);
    ent_json_put_key_bool(w, "heavy", f->heavy);
    ent_json_put_key(w, "edges");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < fit->n_edges; i++) {
        ent_json_put_double(w, fit->edges[i]);
    }
    ent_json_put_close(w);
}

static void put_codes(struct ent_json_writer *w, const struct ent_feature *f,
                      const struct ent_fit *fit)
{
    if (f->codes == ENT_CODES_DECLARED) {
        ent_json_put_key(w, "values");
        ent_json_put_array(w);
        for (uint32_t i = 0; i < f->n_values; i++) {
            ent_json_put_string(w, f->values[i]);
        }
        ent_json_put_close(w);
        return;
    }
    ent_json_put_key_string(w, "codes", ent_codes_names[f->codes]);
    ent_json_put_key_uint(w, "bits", f->bits);
    ent_json_put_key_string(w, "salt", f->salt);
    if (f->codes == ENT_CODES_HASHED) {
        return;
    }
    ent_json_put_key_uint(w, "size", f->size);
    ent_json_put_key_uint(w, "min_customers", f->min_customers);
    ent_json_put_key_uint(w, "min_members", f->min_members);
    ent_json_put_key(w, "buckets");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < fit->n_buckets; i++) {
        ent_json_put_uint(w, fit->buckets[i]);
    }
    ent_json_put_close(w);
}

static void put_feature(struct ent_json_writer *w, const struct ent_feature *f,
                        const struct ent_fit *fit)
{
    static const char *const types[] = {"number", "category", "boolean", "vector"};

    ent_json_put_object(w, ENT_JSON_SORTED);
    ent_json_put_key_string(w, "name", f->name);
    ent_json_put_key_string(w, "type", types[f->type]);
    ent_json_put_key_uint(w, "first_input", f->first_input);
    if (strcmp(f->name, f->column) != 0) {
        ent_json_put_key_string(w, "column", f->column);
    }
    if (f->part != ENT_DATE_NONE) {
        ent_json_put_key_string(w, "part", ent_date_part_names[f->part]);
        ent_json_put_key_string(w, "format", f->format);
    }
    if (f->part == ENT_DATE_AGE) {
        ent_json_put_key_int(w, "reference", f->reference);
    }
    if (f->type == ENT_FEATURE_NUMBER) {
        put_number(w, f, fit);
    } else if (f->type == ENT_FEATURE_CATEGORY) {
        put_codes(w, f, fit);
    } else if (f->type == ENT_FEATURE_VECTOR) {
        ent_json_put_key_double(w, "lo", f->lo);
        ent_json_put_key_double(w, "hi", f->hi);
        ent_json_put_key_uint(w, "length", f->length);
    }
    if (f->embed > 0) {
        ent_json_put_key_uint(w, "embed", f->embed);
    }
    ent_json_put_close(w);
}

void ent_modelfile_put_features(struct ent_json_writer *w, const struct ent_model_info *info)
{
    ent_json_put_array(w);
    for (uint32_t i = 0; i < info->n_features; i++) {
        put_feature(w, &info->features[i], &info->fits[i]);
    }
    ent_json_put_close(w);
}

/* ---- reading ---- */

/* Where the next feature's texts, edges and buckets go. */
struct places {
    const char **values;
    double *edges;
    uint32_t *buckets;
};

/* The place of a text in a list of names, from `first` on. */
static enum ent_err parse_name(const struct ent_json *value, const char *key,
                               const char *const *names, int n, int *out)
{
    const char *text;

    ENT_TRY(ent_json_string(value, key, &text));
    for (int i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return ENT_E_OK;
        }
    }
    return ent_err_note(ENT_E_UNSUPPORTED, "%s: a name that this build does not know", key);
}

static enum ent_err parse_u32(const struct ent_json *object, const char *key, uint32_t *out)
{
    uint64_t v;

    ENT_TRY(ent_json_uint(ent_json_get(object, key), key, UINT32_MAX, &v));
    *out = (uint32_t)v;
    return ENT_E_OK;
}

static enum ent_err array(const struct ent_json *object, const char *key,
                          const struct ent_json **out, uint32_t *n)
{
    *out = ent_json_get(object, key);
    ENT_REQUIRE(*out != NULL && ent_json_kind(*out) == ENT_JSON_ARRAY, ENT_E_CORRUPT,
                "%s: a list is expected", key);
    *n = (uint32_t)ent_json_len(*out);
    return ENT_E_OK;
}

static enum ent_err parse_ple(const struct ent_json *value, struct ent_feature *out,
                              struct ent_fit *fit, double *edges)
{
    const struct ent_json *list;
    int scale = 0;

    ENT_TRY(parse_name(ent_json_get(value, "scale"), "scale", ent_scale_names, 2, &scale));
    ENT_TRY(parse_u32(value, "bins", &out->bins));
    ENT_TRY(ent_json_bool(ent_json_get(value, "heavy"), "heavy", &out->heavy));
    ENT_TRY(array(value, "edges", &list, &fit->n_edges));
    for (uint32_t i = 0; i < fit->n_edges; i++) {
        ENT_TRY(ent_json_double(ent_json_at(list, i), "edges", &edges[i]));
    }
    out->scale = (enum ent_scale)scale;
    fit->edges = edges;
    return ENT_E_OK;
}

static enum ent_err parse_number(const struct ent_json *value, struct ent_feature *out,
                                 struct ent_fit *fit, const struct places *places)
{
    const struct ent_json *outliers = ent_json_get(value, "outliers");
    const struct ent_json *encode = ent_json_get(value, "encode");
    int name = 0;

    out->type = ENT_FEATURE_NUMBER;
    ENT_TRY(ent_json_double(ent_json_get(value, "lo"), "lo", &out->lo));
    ENT_TRY(ent_json_double(ent_json_get(value, "hi"), "hi", &out->hi));
    ENT_TRY(ent_json_double(ent_json_get(value, "mean"), "mean", &fit->mean));
    ENT_TRY(ent_json_bool(ent_json_get(value, "indicator"), "indicator", &out->indicator));
    if (outliers != NULL) {
        ENT_TRY(parse_name(outliers, "outliers", ent_outliers_names, 3, &name));
        out->outliers = (enum ent_outliers)name;
    }
    if (encode != NULL) {
        ENT_TRY(parse_name(encode, "encode", ent_encode_names, 3, &name));
        out->encode = (enum ent_encode)name;
    }
    if (out->encode == ENT_ENCODE_PLE) {
        return parse_ple(value, out, fit, places->edges);
    }
    return ent_json_double(ent_json_get(value, "sd"), "sd", &fit->sd);
}

static enum ent_err parse_hashed(const struct ent_json *value, struct ent_feature *out,
                                 struct ent_fit *fit, uint32_t *buckets)
{
    const struct ent_json *list;
    int name = 0;

    ENT_TRY(parse_name(ent_json_get(value, "codes"), "codes", ent_codes_names, 3, &name));
    ENT_TRY(parse_u32(value, "bits", &out->bits));
    ENT_TRY(ent_json_string(ent_json_get(value, "salt"), "salt", &out->salt));
    out->codes = (enum ent_codes)name;
    ENT_REQUIRE(out->codes != ENT_CODES_DECLARED, ENT_E_CORRUPT, "codes: values are expected");
    if (out->codes == ENT_CODES_HASHED) {
        return ENT_E_OK;
    }
    ENT_TRY(parse_u32(value, "size", &out->size));
    ENT_TRY(parse_u32(value, "min_customers", &out->min_customers));
    ENT_TRY(parse_u32(value, "min_members", &out->min_members));
    ENT_TRY(array(value, "buckets", &list, &fit->n_buckets));
    for (uint32_t i = 0; i < fit->n_buckets; i++) {
        uint64_t bucket;

        ENT_TRY(ent_json_uint(ent_json_at(list, i), "buckets", UINT32_MAX, &bucket));
        buckets[i] = (uint32_t)bucket;
    }
    fit->buckets = buckets;
    return ENT_E_OK;
}

static enum ent_err parse_category(const struct ent_json *value, struct ent_feature *out,
                                   struct ent_fit *fit, const struct places *places)
{
    const struct ent_json *list;

    out->type = ENT_FEATURE_CATEGORY;
    if (ent_json_get(value, "embed") != NULL) {
        ENT_TRY(parse_u32(value, "embed", &out->embed));
    }
    if (ent_json_get(value, "codes") != NULL) {
        return parse_hashed(value, out, fit, places->buckets);
    }
    ENT_TRY(array(value, "values", &list, &out->n_values));
    for (uint32_t i = 0; i < out->n_values; i++) {
        ENT_TRY(ent_json_string(ent_json_at(list, i), "values", &places->values[i]));
    }
    out->values = places->values;
    return ENT_E_OK;
}

static enum ent_err parse_date(const struct ent_json *value, struct ent_feature *out)
{
    const struct ent_json *part = ent_json_get(value, "part");
    const char *why;
    int name = 0;

    if (part == NULL) {
        return ENT_E_OK;
    }
    ENT_TRY(parse_name(part, "part", ent_date_part_names, ENT_DATE_AGE + 1, &name));
    ENT_TRY(ent_json_string(ent_json_get(value, "format"), "format", &out->format));
    ENT_REQUIRE(ent_date_format_ok(out->format, &why), ENT_E_CORRUPT, "format: no such format");
    out->part = (enum ent_date_part)name;
    return out->part == ENT_DATE_AGE
               ? ent_json_int(ent_json_get(value, "reference"), "reference", &out->reference)
               : ENT_E_OK;
}

static enum ent_err parse_vector(const struct ent_json *value, struct ent_feature *out)
{
    out->type = ENT_FEATURE_VECTOR;
    ENT_TRY(ent_json_double(ent_json_get(value, "lo"), "lo", &out->lo));
    ENT_TRY(ent_json_double(ent_json_get(value, "hi"), "hi", &out->hi));
    return parse_u32(value, "length", &out->length);
}

static enum ent_err parse_type(const struct ent_json *value, struct ent_feature *out,
                               struct ent_fit *fit, const struct places *places)
{
    const char *type;

    ENT_TRY(ent_json_string(ent_json_get(value, "type"), "type", &type));
    if (strcmp(type, "number") == 0) {
        return parse_number(value, out, fit, places);
    }
    if (strcmp(type, "category") == 0) {
        return parse_category(value, out, fit, places);
    }
    if (strcmp(type, "vector") == 0) {
        return parse_vector(value, out);
    }
    ENT_REQUIRE(strcmp(type, "boolean") == 0, ENT_E_UNSUPPORTED,
                "a feature of a type that this build does not know");
    out->type = ENT_FEATURE_BOOLEAN;
    return ENT_E_OK;
}

static enum ent_err parse_feature(const struct ent_json *value, struct ent_feature *out,
                                  struct ent_fit *fit, const struct places *places)
{
    const struct ent_json *column = ent_json_get(value, "column");

    ENT_TRY(ent_json_string(ent_json_get(value, "name"), "name", &out->name));
    out->column = out->name;
    if (column != NULL) {
        ENT_TRY(ent_json_string(column, "column", &out->column));
    }
    ENT_TRY(parse_u32(value, "first_input", &out->first_input));
    ENT_TRY(parse_date(value, out));
    ENT_TRY(parse_type(value, out, fit, places));
    ENT_TRY(ent_feature_check(out)); /* before its bits are used in a size */
    out->n_inputs = ent_feature_inputs(out);
    return ENT_E_OK;
}

static size_t length_of(const struct ent_json *doc, size_t i, const char *key)
{
    const struct ent_json *list = ent_json_get(ent_json_at(doc, i), key);

    return list != NULL ? ent_json_len(list) : 0;
}

enum ent_err ent_modelfile_parse_features(struct ent_modelfile *file, const struct ent_json *doc)
{
    size_t n = ent_json_len(doc);
    size_t n_values = 0;
    size_t n_edges = 0;
    size_t n_buckets = 0;
    struct places places;

    ENT_REQUIRE(ent_json_kind(doc) == ENT_JSON_ARRAY && n <= ENT_MODELFILE_FEATURES_MAX,
                ENT_E_CORRUPT, "a list of at most %u is expected", ENT_MODELFILE_FEATURES_MAX);
    for (size_t i = 0; i < n; i++) {
        n_values += length_of(doc, i, "values");
        n_edges += length_of(doc, i, "edges");
        n_buckets += length_of(doc, i, "buckets");
    }
    ENT_TRY(ent_calloc(n, sizeof *file->features, &file->features));
    ENT_TRY(ent_calloc(n_values, sizeof *file->values, &file->values));
    ENT_TRY(ent_fits_new((uint32_t)n, n_edges, n_buckets, &file->fits));
    places = (struct places){file->values, file->fits->edges, file->fits->buckets};
    for (size_t i = 0; i < n; i++) {
        struct ent_feature *f = &file->features[i];
        struct ent_fit *fit = &file->fits->fit[i];
        enum ent_err err = parse_feature(ent_json_at(doc, i), f, fit, &places);

        if (err != ENT_E_OK) {
            return ent_err_prefix(err, "feature %zu", i);
        }
        places.values += f->n_values;
        places.edges += fit->n_edges;
        places.buckets += fit->n_buckets;
    }
    file->info.features = file->features;
    file->info.fits = file->fits->fit;
    file->info.n_features = (uint32_t)n;
    return ENT_E_OK;
}
