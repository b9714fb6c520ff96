/* The policy that the auditor pinned: a file of its own, so whatever is wrong with it is CONFIG. */
#include "audit/verify.h"
#include "common/base/file.h"

enum ent_err ent_audit_policy_read(const char *path, struct ent_tlog_policy *out)
{
    struct ent_buf text;
    enum ent_err err;

    ent_buf_init(&text, ENT_TLOG_POLICY_MAX_BYTES);
    err = ent_file_read(path, &text);
    if (err == ENT_E_OK) {
        err = ent_tlog_policy_parse((const char *)text.data, text.len, out);
        if (err != ENT_E_OK && err != ENT_E_NO_MEMORY) {
            err = ent_err_prefix(err, "%s", path);
        }
    }
    ent_buf_release(&text);
    return err == ENT_E_OK || err == ENT_E_NO_MEMORY ? err : ENT_E_CONFIG;
}
