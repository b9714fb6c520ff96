#include "common/plan/federation.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/address.h"
#include "common/base/mem.h"
#include "common/config/config.h"
#include "common/plan/plan.h"

#define ARENA_MAX_BYTES ((size_t)1 << 20)
#define AT(member_) offsetof(struct ent_federation_config, member_)

static const struct ent_field limit_fields[] = {
    {.key = "min_members",
     .kind = ENT_FIELD_U32,
     .offset = AT(min_members),
     .lo = 2,
     .hi = ENT_PLAN_MAX_MEMBERS,
     .fallback = "3",
     .help = "a plan with a smaller min_members is refused"},
    {.key = "members",
     .kind = ENT_FIELD_U32,
     .offset = AT(members),
     .lo = 2,
     .hi = ENT_PLAN_MAX_MEMBERS,
     .fallback = "200",
     .help = "most members that can be enrolled"},
    {.key = "update",
     .kind = ENT_FIELD_SIZE,
     .offset = AT(update_bytes),
     .lo = 1024,
     .hi = 4294967296.0,
     .fallback = "64MiB",
     .help = "largest update that is accepted; 4 bytes a model parameter"},
    {.key = "memory",
     .kind = ENT_FIELD_SIZE,
     .offset = AT(memory_bytes),
     .lo = 65536,
     .hi = 1099511627776.0,
     .fallback = "16MiB",
     .help = "for uploads under way; larger ones go to files as they arrive"},
    {0}};

static const struct ent_field timeout_fields[] = {
    {.key = "handshake",
     .kind = ENT_FIELD_DURATION,
     .offset = AT(handshake_ms),
     .lo = 100,
     .hi = 600000,
     .fallback = "10s",
     .help = "from the connection to a finished TLS handshake and HELLO"},
    {.key = "idle",
     .kind = ENT_FIELD_DURATION,
     .offset = AT(idle_ms),
     .lo = 1000,
     .hi = 3600000,
     .fallback = "30s",
     .help = "a connection that is silent this long is closed"},
    {0}};

#define CODE(key_, member_, help_)                                                                 \
    {                                                                                              \
        .key = (key_), .kind = ENT_FIELD_STRING, .offset = AT(member_), .fallback = "", .hi = 128, \
        .help = (help_)                                                                            \
    }

static const struct ent_field processing_fields[] = {
    CODE("purpose", purpose, "code of the purpose (Art. 30 GDPR)"),
    CODE("lawful_basis", lawful_basis, "code of the lawful basis, such as 6.1.f"),
    CODE("categories", categories, "code of the categories of data and persons"),
    CODE("recipients", recipients, "code of those who get the models"),
    CODE("transfers", transfers, "code of transfers to third countries; left out: none stated"),
    {.key = "retention_months",
     .kind = ENT_FIELD_U32,
     .offset = AT(log_months),
     .lo = 0,
     .hi = 1200,
     .fallback = "0",
     .help = "months for which the log is kept; 0: not stated"},
    CODE("document", document, "SHA-256 (64 hex digits) of the record of processing"),
    CODE("dpia", dpia, "SHA-256 (64 hex digits) of the impact assessment"),
    {0}};

static const struct ent_field retention_fields[] = {
    {.key = "plain",
     .kind = ENT_FIELD_DURATION,
     .offset = AT(plain_ms),
     .lo = 0,
     .hi = 7.0 * 24 * 3600 * 1000,
     .fallback = "0s",
     .help = "updates are kept unsealed for so long, 7d at most; 0s: only sealed to auditors"},
    {0}};

static const struct ent_field federation_fields[] = {
    {.key = "name",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = AT(name),
     .lo = 1,
     .hi = 64,
     .help = "letters, digits, '-', '_' and '.', not beginning with '.'"},
    {.key = "host",
     .kind = ENT_FIELD_STRING,
     .required = true,
     .offset = AT(host),
     .lo = 1,
     .hi = 253,
     .help = "the name or address that members dial; it stands in the coordinator's certificate"},
    {.key = "listen",
     .kind = ENT_FIELD_STRING,
     .offset = AT(listen),
     .fallback = "0.0.0.0:7443",
     .help = "ADDRESS:PORT for enrolled members; port 0: chosen at the first serve, then stored"},
    {.key = "enroll_listen",
     .kind = ENT_FIELD_STRING,
     .offset = AT(enroll_listen),
     .fallback = "0.0.0.0:7444",
     .help = "ADDRESS:PORT for enrolment"},
    {.key = "limits", .kind = ENT_FIELD_MAP, .fields = limit_fields, .help = "what is refused"},
    {.key = "timeouts",
     .kind = ENT_FIELD_MAP,
     .fields = timeout_fields,
     .help = "how long to wait"},
    {.key = "retention",
     .kind = ENT_FIELD_MAP,
     .fields = retention_fields,
     .help = "what is kept of the members' updates"},
    {.key = "processing",
     .kind = ENT_FIELD_MAP,
     .fields = processing_fields,
     .help = "what the operator states of the processing; it goes into the audit log"},
    {0}};

static bool only(const char *text, const char *more)
{
    for (const char *p = text; *p != '\0'; p++) {
        bool letter =
            (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');

        if (!letter && strchr(more, *p) == NULL) {
            return false;
        }
    }
    return true;
}

void ent_federation_origin(const char *host, const char *name,
                           char out[ENT_FEDERATION_ORIGIN_BYTES])
{
    char slug[65];
    size_t n = 0;

    for (const char *p = name; *p != '\0' && n < sizeof slug - 1; p++) {
        char c = (char)(*p >= 'A' && *p <= 'Z' ? *p - 'A' + 'a' : *p);

        slug[n++] = (char)((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ? c : '-');
    }
    slug[n] = '\0';
    (void)snprintf(out, ENT_FEDERATION_ORIGIN_BYTES, "%.240s/%s", host, slug);
}

bool ent_federation_name_ok(const char *name)
{
    return name[0] != '\0' && name[0] != '.' && only(name, "-_.");
}

/* A ':' belongs to an IPv6 address; in anything else it begins a port, which stands elsewhere. */
static bool is_host(const char *host)
{
    struct in6_addr address;

    if (strchr(host, ':') != NULL) {
        return inet_pton(AF_INET6, host, &address) == 1;
    }
    return only(host, "-.");
}

static bool is_digest(const char *text)
{
    uint8_t ignored[32];

    return text[0] == '\0' ||
           (strlen(text) == 64 && ent_unhex(text, ignored, sizeof ignored) == ENT_E_OK);
}

/* Identifiers: they stand in the log, in files and reports. */
static enum ent_err check_processing(const struct ent_node *map,
                                     const struct ent_federation_config *c)
{
    const struct {
        const char *key;
        const char *value;
    } codes[] = {{"purpose", c->purpose},
                 {"lawful_basis", c->lawful_basis},
                 {"categories", c->categories},
                 {"recipients", c->recipients},
                 {"transfers", c->transfers}};

    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (!only(codes[i].value, " ._:/@+-")) {
            return ent_node_bad(ent_node_get(map, codes[i].key), codes[i].key,
                                "must be a code: letters, digits, spaces and ._:/@+-");
        }
    }
    if (!is_digest(c->document) || !is_digest(c->dpia)) {
        const char *key = is_digest(c->document) ? "dpia" : "document";

        return ent_node_bad(ent_node_get(map, key), key, "must be 64 hex digits");
    }
    return ENT_E_OK;
}

static enum ent_err check(const struct ent_node *root, const struct ent_federation_config *config)
{
    char host[ENT_ADDRESS_HOST_BYTES];
    uint16_t port;

    if (!ent_federation_name_ok(config->name)) {
        return ent_node_bad(ent_node_get(root, "name"), "name",
                            "must be letters, digits, '-', '_' and '.', and not begin with '.'");
    }
    if (!is_host(config->host)) {
        return ent_node_bad(ent_node_get(root, "host"), "host",
                            "must be a host name or an address, without a port (ports stand in "
                            "listen and enroll_listen)");
    }
    if (!ent_address_split(config->listen, host, &port)) {
        return ent_node_bad(ent_node_get(root, "listen"), "listen",
                            "must be ADDRESS:PORT, such as 0.0.0.0:7443");
    }
    if (!ent_address_split(config->enroll_listen, host, &port)) {
        return ent_node_bad(ent_node_get(root, "enroll_listen"), "enroll_listen",
                            "must be ADDRESS:PORT, such as 0.0.0.0:7444");
    }
    if (port != 0 && strcmp(config->listen, config->enroll_listen) == 0) {
        return ent_node_bad(ent_node_get(root, "enroll_listen"), "enroll_listen",
                            "must be another port than listen");
    }
    return check_processing(ent_node_get(root, "processing"), config);
}

static enum ent_err fill(const struct ent_config *document, struct ent_federation_config **out)
{
    struct ent_federation_config *config;
    enum ent_err err;

    ENT_TRY(ent_calloc(1, sizeof *config, &config));
    ent_arena_init(&config->arena, ARENA_MAX_BYTES);
    err = ent_config_take(ent_config_root(document), "the federation", federation_fields,
                          &config->arena, config);
    if (err == ENT_E_OK) {
        config->has_processing = ent_node_get(ent_config_root(document), "processing") != NULL;
        err = check(ent_config_root(document), config);
    }
    if (err != ENT_E_OK) {
        ent_federation_config_free(config);
        return err;
    }
    *out = config;
    return ENT_E_OK;
}

enum ent_err ent_federation_config_parse(const char *name, const uint8_t *yaml, size_t len,
                                         struct ent_federation_config **out)
{
    struct ent_config *document;
    enum ent_err err;

    ENT_TRY(ent_config_parse(name, yaml, len, &document));
    err = fill(document, out);
    ent_config_free(document);
    return err;
}

enum ent_err ent_federation_config_read(const char *path, struct ent_federation_config **out)
{
    struct ent_config *document;
    enum ent_err err;

    ENT_TRY(ent_config_read(path, &document));
    err = fill(document, out);
    ent_config_free(document);
    return err;
}

void ent_federation_config_free(struct ent_federation_config *config)
{
    if (config != NULL) {
        ent_arena_release(&config->arena);
        free(config);
    }
}

static const char text_limits[] =
    "\n"
    "limits:\n"
    "  min_members: 3     # a plan with a smaller min_members is refused: fewer updates say too "
    "much of each\n"
    "  members: 200       # most members that can be enrolled\n"
    "  update: 64MiB      # largest update that is accepted (4 bytes a model parameter)\n"
    "  memory: 16MiB      # for uploads under way; larger ones go to files as they arrive\n"
    "\n"
    "timeouts:\n"
    "  handshake: 10s     # from the connection to a finished TLS handshake and HELLO\n"
    "  idle: 30s          # a connection that is silent this long is closed\n"
    "\n"
    "# Updates are kept sealed to the auditors that were admitted before the run; without one, "
    "nothing "
    "is kept.\n"
    "# retention:\n"
    "#   plain: 7d        # unsealed as well, 7 days at most; members must allow it\n"
    "# What you state of the processing (Art. 30 GDPR), as codes of your own; it goes into the "
    "audit "
    "log.\n"
    "# processing: {purpose: churn-scores, lawful_basis: 6.1.f, categories: customers, recipients: "
    "members,\n"
    "#              retention_months: 24}\n";

static enum ent_err add_line(struct ent_buf *out, const char *key, const char *value,
                             const char *comment)
{
    ENT_TRY(ent_buf_addf(out, "# %s\n%s: ", comment, key));
    ENT_TRY(ent_config_quote(out, value));
    return ent_buf_addf(out, "\n");
}

enum ent_err ent_federation_config_text(const char *name, const char *host, const char *listen,
                                        const char *enroll_listen, struct ent_buf *out)
{
    struct ent_federation_config *back;
    size_t start = out->len;

    ENT_TRY(ent_buf_addf(
        out,
        "# The federation, as its operator sets it. Read when serve starts: restart it after a "
        "change.\n# What is computed stands in the plan; what a member allows, in its "
        "client.yaml.\n\n"));
    ENT_TRY(add_line(out, "name", name, "name of the federation, as members see it"));
    ENT_TRY(add_line(out, "host", host,
                     "what members dial; it stands in the coordinator's certificate, so a change "
                     "needs a new one"));
    ENT_TRY(add_line(
        out, "listen", listen != NULL ? listen : "0.0.0.0:7443",
        "for enrolled members (mutual TLS 1.3). Port 0: chosen at the first serve, then stored"));
    ENT_TRY(add_line(
        out, "enroll_listen", enroll_listen != NULL ? enroll_listen : "0.0.0.0:7444",
        "for enrolment with a one-time token; may be closed in the firewall when nobody enrols"));
    ENT_TRY(ent_buf_add(out, text_limits, sizeof text_limits - 1));
    ENT_TRY(
        ent_federation_config_parse("federation.yaml", out->data + start, out->len - start, &back));
    ent_federation_config_free(back);
    return ENT_E_OK;
}
