#include "common/json/json.h"
#include "simulate/print.h"

void ent_print_course(struct ent_json_writer *w, const struct ent_federation_result *r)
{
    ent_json_put_key(w, "course");
    ent_json_put_array(w);
    for (uint32_t i = 0; i < r->n_course; i++) {
        ent_json_put_object(w, ENT_JSON_INSERTION);
        ent_json_put_key_uint(w, "round", i + 1);
        ent_json_put_key_double(w, ent_metrics_name(&r->test, "log_loss"), r->course[i].log_loss);
        ent_json_put_key_double(w, "auc", r->course[i].auc);
        ent_json_put_key_double(w, "accuracy", r->course[i].accuracy);
        ent_json_put_close(w);
    }
    ent_json_put_close(w);
}
