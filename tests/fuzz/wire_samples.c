#include "tests/fuzz/wire_samples.h"

#include <string.h>

static uint8_t digests[3][ENT_WIRE_DIGEST_BYTES] = {{0x11, 1}, {0x22, 2}, {0x11, 3}};
static uint8_t handles[4][ENT_WIRE_HANDLE_BYTES] = {{0}, {0, 1}, {7, 7}, {0xFF}};
static const uint8_t der[] = {0x30, 0x03, 0x02, 0x01, 0x05};
static struct ent_msg_outcome outcomes[3];
static struct ent_msg_metric metrics[2];

static void put(char *to, const char *text)
{
    memcpy(to, text, strlen(text) + 1);
}

static struct ent_bytes der_bytes(void)
{
    return (struct ent_bytes){der, sizeof der};
}

static void fill_lists(void)
{
    for (size_t i = 0; i < 3; i++) {
        memcpy(outcomes[i].member, handles[i + 1], sizeof outcomes[i].member);
        outcomes[i].standing = 4 + (uint32_t)i;
        outcomes[i].code = i == 0 ? 0 : ENT_E_TIMEOUT;
        outcomes[i].weight = i == 0 ? 1024 : 0;
    }
    put(metrics[0].name, "auc");
    metrics[0].nano = 761300000;
    put(metrics[1].name, "log_loss");
    metrics[1].nano = -1;
}

static bool connection(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_HELLO:
        m->hello = (struct ent_msg_hello){.exporter = {9},
                                          .protocol_min = 1,
                                          .protocol_max = 2,
                                          .build = "entente-client 0.1.0",
                                          .time_ms = 1795543200000,
                                          .models_held = digests,
                                          .n_models_held = 3,
                                          .has_run_plan = true,
                                          .run_plan = {4},
                                          .seen_size = 130,
                                          .has_seen_root = true,
                                          .seen_root = {10}};
        return true;
    case ENT_MSG_WELCOME:
        m->welcome = (struct ent_msg_welcome){.time_ms = 1795543200001,
                                              .protocol = 1,
                                              .last_sequence = 300,
                                              .run = 2,
                                              .round = 17,
                                              .attempt = 1,
                                              .phase = 3,
                                              .outcome = 2,
                                              .has_plan = true,
                                              .plan = {5},
                                              .crl = der_bytes(),
                                              .idle_ms = 30000};
        return true;
    case ENT_MSG_REFUSED:
        m->refused =
            (struct ent_msg_refused){.code = ENT_E_CLOCK,
                                     .text = "your clock is 3 h behind \xe2\x80\x93 set it",
                                     .sequence = 12,
                                     .time_ms = 1};
        return true;
    case ENT_MSG_BYE:
        m->bye = (struct ent_msg_bye){.code = ENT_E_STOPPED};
        return true;
    default:
        return false;
    }
}

static bool round_messages(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_ROUND_OPEN:
        m->round_open = (struct ent_msg_round_open){.leaf_index = 131,
                                                    .leaf_ms = 1795543200002,
                                                    .federation = {1},
                                                    .run = 2,
                                                    .round = 17,
                                                    .attempt = 1,
                                                    .task = 2,
                                                    .split = 1,
                                                    .plan = {5},
                                                    .has_base = true,
                                                    .base = {6},
                                                    .invited = handles,
                                                    .n_invited = 4,
                                                    .min_members = 3,
                                                    .join_ms = 30000,
                                                    .update_ms = 600000,
                                                    .weights = 1,
                                                    .scale_bits = 20,
                                                    .base_bytes = 40000,
                                                    .config = 12,
                                                    .cosigned_size = 125,
                                                    .auditors = digests,
                                                    .n_auditors = 2,
                                                    .plain = true,
                                                    .has_noise = true,
                                                    .noise_commit = {7}};
        return true;
    case ENT_MSG_JOIN:
        m->join = (struct ent_msg_join){.round_open = {7},
                                        .has_nonce = true,
                                        .nonce = {8},
                                        .next_commit = {9},
                                        .seen_size = 130,
                                        .has_seen_root = true,
                                        .seen_root = {10},
                                        .has_base = true};
        return true;
    case ENT_MSG_DECLINE:
        m->decline = (struct ent_msg_decline){.round_open = {7},
                                              .code = ENT_E_POLICY,
                                              .text = "task train is not in the policy",
                                              .has_salt = true,
                                              .salt = {11},
                                              .kind = ENT_REFUSAL_DECLINED};
        return true;
    case ENT_MSG_BEGIN:
        m->begin = (struct ent_msg_begin){.round_open = {7}, .joined = handles, .n_joined = 3};
        return true;
    case ENT_MSG_LOST:
        m->lost = (struct ent_msg_lost){.round_open = {7}};
        return true;
    default:
        return false;
    }
}

static bool round_ends(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_ACK:
        m->ack = (struct ent_msg_ack){.digest = {3},
                                      .code = 0,
                                      .repeat = true,
                                      .sequence = 44,
                                      .has_round_open = true,
                                      .round_open = {7}};
        return true;
    case ENT_MSG_ROUND_CLOSE:
        m->round_close = (struct ent_msg_round_close){.round_open = {7},
                                                      .outcomes = outcomes,
                                                      .n_outcomes = 3,
                                                      .sum_w = 1024,
                                                      .result = {12},
                                                      .has_model = true,
                                                      .model = {13},
                                                      .metrics = metrics,
                                                      .n_metrics = 2,
                                                      .train_done = 8,
                                                      .train_rounds = 40};
        return true;
    case ENT_MSG_FIGURES:
        m->figures =
            (struct ent_msg_figures){.round_open = {7}, .metrics = metrics, .n_metrics = 2};
        return true;
    case ENT_MSG_ABORT:
        m->abort = (struct ent_msg_abort){
            .round = 17, .attempt = 1, .code = ENT_E_TOO_FEW, .retry_ms = 10000};
        return true;
    default:
        return false;
    }
}

static bool run_messages(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_RUN_START:
        m->run_start = (struct ent_msg_run_start){
            .plan = {5}, .plan_bytes = 900, .has_base = true, .base = {6}, .selftest = {14}};
        return true;
    case ENT_MSG_OFFER:
        m->offer = (struct ent_msg_offer){.digest = {6}, .kind = ENT_OFFER_MODEL, .bytes = 40000};
        return true;
    case ENT_MSG_GO:
        m->go = (struct ent_msg_go){.offset = 65536};
        return true;
    case ENT_MSG_RUN_END:
        m->run_end = (struct ent_msg_run_end){.has_best = true,
                                              .best = {6},
                                              .best_bytes = 40000,
                                              .best_round = 31,
                                              .metrics = metrics,
                                              .n_metrics = 2};
        return true;
    default:
        return false;
    }
}

static bool enrolment(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_ENROLL_REQUEST:
        m->enroll_request = (struct ent_msg_enroll_request){.secret = {1},
                                                            .csr = der_bytes(),
                                                            .statement_pub = {2},
                                                            .witness_pub = {3},
                                                            .nonce_commit = {4},
                                                            .name = "brand-a",
                                                            .time_ms = 1795543200000};
        return true;
    case ENT_MSG_ENROLLED:
        m->enrolled = (struct ent_msg_enrolled){.cert = der_bytes(),
                                                .ca = der_bytes(),
                                                .crl = der_bytes(),
                                                .address = "fed.acme.example:7443",
                                                .log_pub = {5},
                                                .root_pub = {6},
                                                .federation = {7},
                                                .handle = {8},
                                                .name = "brand-a",
                                                .federation_name = "acme-brands"};
        return true;
    case ENT_MSG_RENEW:
        m->renew = (struct ent_msg_renew){.csr = der_bytes()};
        return true;
    case ENT_MSG_RENEWED:
        m->renewed = (struct ent_msg_renewed){.cert = der_bytes(), .crl = der_bytes()};
        return true;
    default:
        return false;
    }
}

static bool log_to_member(unsigned type, union ent_any_message *m)
{
    static const uint8_t bundle[] = {0, 3, 'a', 'b', 'c', 0, 1, 'd'};
    static const char note[] = "fed.acme.example/acme\n1\n\n";

    switch (type) {
    case ENT_MSG_LEAVES:
        m->leaves = (struct ent_msg_leaves){.first = 130, .bundle = {bundle, sizeof bundle}};
        return true;
    case ENT_MSG_CHECKPOINT:
        m->checkpoint.note = (struct ent_bytes){(const uint8_t *)note, sizeof note - 1};
        return true;
    case ENT_MSG_PROPOSE:
        m->propose.set = der_bytes();
        return true;
    case ENT_MSG_PULL:
        m->pull = (struct ent_msg_pull){
            .kind = ENT_PULL_MODEL, .offset = 49152, .has_digest = true, .digest = {6}};
        return true;
    default:
        return false;
    }
}

static bool log_of_member(unsigned type, union ent_any_message *m)
{
    switch (type) {
    case ENT_MSG_COSIGN:
        m->cosign = (struct ent_msg_cosign){
            .size = 132, .root = {10}, .time_s = 1795543200, .signature = {15}};
        return true;
    case ENT_MSG_AGREE:
        m->agree.set = der_bytes();
        return true;
    case ENT_MSG_LEAVE:
        m->leave = (struct ent_msg_leave){.salt = {11}};
        return true;
    case ENT_MSG_DISPUTE:
        m->dispute = (struct ent_msg_dispute){
            .round_open = {7}, .code = ENT_E_TIMEOUT, .receipt = der_bytes(), .salt = {11}};
        return true;
    case ENT_MSG_PIECE:
        m->piece = (struct ent_msg_piece){.kind = ENT_PULL_MODEL,
                                          .has_digest = true,
                                          .digest = {6},
                                          .offset = 49152,
                                          .total = 49157,
                                          .bytes = der_bytes()};
        return true;
    default:
        return false;
    }
}

bool ent_sample_message(unsigned type, union ent_any_message *out)
{
    memset(out, 0, sizeof *out);
    fill_lists();
    return connection(type, out) || round_messages(type, out) || round_ends(type, out) ||
           run_messages(type, out) || enrolment(type, out) || log_to_member(type, out) ||
           log_of_member(type, out);
}

struct ent_header ent_sample_header(unsigned type)
{
    const struct ent_msg_info *info = ent_msg_info(type);
    struct ent_header h = {.federation = {1, 2, 3},
                           .from_member = info->sender == ENT_SENDER_MEMBER,
                           .type = type,
                           .run = 2,
                           .round = 17,
                           .attempt = 1,
                           .sequence = 45};

    if (h.from_member) {
        h.sender[0] = 0x5A;
    }
    if (type == ENT_MSG_UPDATE) {
        h.has_update = true;
        h.update = (struct ent_update_statement){.round_open = {7},
                                                 .has_base = true,
                                                 .base = {6},
                                                 .payload_bytes = 40032,
                                                 .codec = ENT_CODEC_INT32,
                                                 .rows_log2 = 12,
                                                 .seen_size = 130,
                                                 .has_seen_root = true,
                                                 .seen_root = {10},
                                                 .ledger_seq = 6,
                                                 .has_ledger = true,
                                                 .ledger_digest = {15}};
    }
    return h;
}
