#include "tests/fuzz/leaf_samples.h"

#include <string.h>

const unsigned ent_sample_leaf_types[] = {
#define ENT_LEAF(name_, NAME_, type_, dotted_) (type_),
#include "common/tlog/leaves.def"
#undef ENT_LEAF
    0};

static const uint8_t text[] = {'s', 'o', 'm', 'e', ' ', 'b', 'y', 't', 'e', 's', 0, 0xFF};
static const struct ent_bytes some = {text, sizeof text};
static uint8_t two_digests[2][32] = {{1}, {2, 1}};
static uint8_t two_handles[2][16] = {{1}, {2}};
static struct ent_leaf_statement two_said[2] = {
    {.header = {text, sizeof text}, .payload_sha256 = {3}, .signature = {4}},
    {.header = {text, 1}, .payload_sha256 = {5}, .signature = {6}}};
static struct ent_msg_metric two_metrics[2] = {{.name = "auc", .nano = 793800000},
                                               {.name = "log_loss", .nano = -1}};

static void sample_of_parties(unsigned type, union ent_leaf_any *m)
{
    switch (type) {
    case ENT_LEAF_GENESIS:
        m->genesis = (struct ent_leaf_genesis){.origin = "fed.example/acme",
                                               .log_pub = {1},
                                               .root_pub = {2},
                                               .name = "acme",
                                               .ca_sha256 = {3}};
        break;
    case ENT_LEAF_MEMBER_ADMIT:
        m->member_admit = (struct ent_leaf_member_admit){.handle = {1},
                                                         .statement_pub = {2},
                                                         .witness_pub = {3},
                                                         .tls_sha256 = {4},
                                                         .nonce_commit = {5},
                                                         .name_commit = {6},
                                                         .has_request = true,
                                                         .request = two_said[0]};
        break;
    case ENT_LEAF_MEMBER_REVOKE:
        m->member_revoke = (struct ent_leaf_member_revoke){.handle = {9}, .reason = 19};
        break;
    case ENT_LEAF_MEMBER_LEAVE:
        m->member_leave = (struct ent_leaf_member_leave){
            .handle = {9}, .has_request = true, .request = two_said[1]};
        break;
    case ENT_LEAF_WITNESS_SET:
        m->witness_set =
            (struct ent_leaf_witness_set){.set = some, .agreed = two_said, .n_agreed = 2};
        break;
    case ENT_LEAF_AUDITOR_ADMIT:
        m->auditor_admit =
            (struct ent_leaf_auditor_admit){.seal_pub = {1}, .sign_pub = {2}, .name_commit = {3}};
        break;
    default:
        break;
    }
}

static void sample_of_operator(unsigned type, union ent_leaf_any *m)
{
    switch (type) {
    case ENT_LEAF_CONFIG_SET:
        m->config_set.federation_yaml[0] = 1;
        m->config_set.plan[0] = 2;
        m->config_set.has_base = true;
        m->config_set.base[0] = 3;
        m->config_set.train_rounds = 40;
        m->config_set.min_members = 3;
        m->config_set.attempts = 3;
        m->config_set.validate = true;
        m->config_set.auditors = two_digests;
        m->config_set.n_auditors = 2;
        m->config_set.join_ms = 30000;
        m->config_set.update_ms = 600000;
        m->config_set.retry_ms = 10000;
        break;
    case ENT_LEAF_PROCESSING_SET:
        m->processing_set = (struct ent_leaf_processing_set){.purpose = "churn",
                                                             .lawful_basis = "6-1-f",
                                                             .categories = "customers",
                                                             .recipients = "members",
                                                             .retention_months = 24,
                                                             .has_dpia = true,
                                                             .dpia = {7}};
        break;
    case ENT_LEAF_OPERATOR_ACTION:
        m->operator_action = (struct ent_leaf_operator_action){
            .action = ENT_LOG_START, .outcome = 0, .subject = {two_digests[0], 32}};
        break;
    case ENT_LEAF_SOFTWARE_START:
        m->software_start = (struct ent_leaf_software_start){.elf = {1},
                                                             .build_id = "0123abcd",
                                                             .version = "0.1.0",
                                                             .commit = "unknown",
                                                             .compiler = "gcc 12.2.0",
                                                             .flags = "-O2",
                                                             .openssl = "3.0",
                                                             .sqlite = "3.40",
                                                             .selftest = {2}};
        break;
    case ENT_LEAF_BLOB_ERASE:
        m->blob_erase =
            (struct ent_leaf_blob_erase){.digests = two_digests, .n_digests = 2, .basis = 1};
        break;
    case ENT_LEAF_MODEL_RELEASE:
        m->model_release = (struct ent_leaf_model_release){
            .model = {1}, .kind = ENT_LOG_TRAINED, .train_round = 7};
        break;
    case ENT_LEAF_EVAL_RESULT:
        m->eval_result = (struct ent_leaf_eval_result){
            .split = 2, .model = {1}, .members = 4, .metrics = two_metrics, .n_metrics = 2};
        break;
    default:
        break;
    }
}

static void sample_of_open(struct ent_msg_round_open *m)
{
    m->run = 2;
    m->round = 7;
    m->attempt = 1;
    m->task = 2;
    m->split = 1;
    m->plan[0] = 1;
    m->has_base = true;
    m->base[0] = 2;
    m->invited = two_handles;
    m->n_invited = 2;
    m->min_members = 2;
    m->join_ms = 30000;
    m->update_ms = 600000;
    m->scale_bits = 20;
    m->base_bytes = 1000;
    m->config = 5;
    m->cosigned_size = 9;
    m->auditors = two_digests;
    m->n_auditors = 1;
    m->has_noise = true;
    m->noise_commit[0] = 9;
}

static struct ent_leaf_dp_account two_accounts[2] = {
    {.member = {1}, .before_nano = 0, .after_nano = 410000001},
    {.member = {2}, .before_nano = 410000001, .after_nano = 520000000}};

static void sample_of_privacy(unsigned type, union ent_leaf_any *m)
{
    if (type == ENT_LEAF_DP_EVENT) {
        m->dp_event = (struct ent_leaf_dp_event){.round_open = {7},
                                                 .unit = 1,
                                                 .mechanism = 1,
                                                 .rate = 214748365,
                                                 .sigma2 = UINT64_C(1) << 40,
                                                 .sensitivity = 131401,
                                                 .dimension = 16641,
                                                 .steps = 3,
                                                 .delta_e18 = UINT64_C(10000000000000),
                                                 .limit_nano = 2000000000,
                                                 .accountant = 3,
                                                 .trust = ENT_LOG_TRUST_LOCAL,
                                                 .members_per_person = 1,
                                                 .accounts = two_accounts,
                                                 .n_accounts = 2};
    } else if (type == ENT_LEAF_DP_REFUND) {
        m->dp_refund = (struct ent_leaf_dp_refund){.round_open = {7}};
    }
}

static void sample_of_round(unsigned type, union ent_leaf_any *m)
{
    switch (type) {
    case ENT_LEAF_ROUND_OPEN:
        sample_of_open(&m->round_open);
        break;
    case ENT_LEAF_ROUND_JOIN:
        m->round_join =
            (struct ent_leaf_round_join){.header = some, .payload = some, .signature = {1}};
        break;
    case ENT_LEAF_UPDATE_ACCEPT:
        m->update_accept = (struct ent_leaf_update_accept){.has_update = true,
                                                           .update = two_said[0],
                                                           .weight = 1024,
                                                           .sealed = two_digests,
                                                           .n_sealed = 2};
        break;
    case ENT_LEAF_UPDATE_REJECT:
    case ENT_LEAF_UPDATE_DROPOUT:
        m->update_reject = (struct ent_leaf_update_reject){.handle = {1},
                                                           .attempt = 1,
                                                           .phase = 3,
                                                           .code = 11,
                                                           .has_digest = true,
                                                           .digest = {2},
                                                           .has_said = true,
                                                           .said = two_said[0]};
        break;
    case ENT_LEAF_ROUND_CLOSE:
        m->round_close = (struct ent_leaf_round_close){.round_open = {1},
                                                       .attempt = 1,
                                                       .survivors = {text, 1},
                                                       .sum_w = 8,
                                                       .result = {2},
                                                       .has_model = true,
                                                       .model = {3},
                                                       .loss_sum = 5,
                                                       .rows = 6,
                                                       .auc = 7,
                                                       .noise_sealed = two_digests,
                                                       .n_noise_sealed = 2};
        break;
    case ENT_LEAF_ROUND_ABORT:
        m->round_abort = (struct ent_leaf_round_abort){
            .round_open = {1}, .attempt = 2, .code = 24, .inputs_arrived = true};
        break;
    case ENT_LEAF_DISPUTE:
        m->dispute = (struct ent_leaf_dispute){.header = some, .payload = some, .signature = {1}};
        break;
    default:
        break;
    }
}

void ent_sample_leaf(unsigned type, struct ent_leaf_frame *frame, union ent_leaf_any *out)
{
    memset(out, 0, sizeof *out);
    *frame = (struct ent_leaf_frame){.type = (uint16_t)type,
                                     .schema = ENT_LEAF_SCHEMA,
                                     .federation = {0xFE, 0xDE},
                                     .seq = 41,
                                     .time_ms = UINT64_C(1767225600123),
                                     .round = 7,
                                     .run = 2};
    sample_of_parties(type, out);
    sample_of_operator(type, out);
    sample_of_round(type, out);
    sample_of_privacy(type, out);
    if (type == ENT_LEAF_ROUND_OPEN) {
        out->round_open.leaf_index = frame->seq;
        out->round_open.leaf_ms = frame->time_ms;
        memcpy(out->round_open.federation, frame->federation, sizeof frame->federation);
    }
}
