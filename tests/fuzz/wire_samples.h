/* One plausible struct of each message: for the round trips in tests/unit/common_wire and the seeds of fuzz targets. */
#ifndef ENT_TESTS_FUZZ_WIRE_SAMPLES_H
#define ENT_TESTS_FUZZ_WIRE_SAMPLES_H

#include "common/wire/wire.h"

union ent_any_message {
#define ENT_MESSAGE(name_, NAME_, number_, sender_, enveloped_, max_) struct ent_msg_##name_ name_;
#define ENT_MESSAGE_BARE(name_, NAME_, number_, sender_, enveloped_, max_)
#include "common/wire/messages.def"
#undef ENT_MESSAGE_BARE
#undef ENT_MESSAGE
};

/* Zeroes *out and fills the struct of `type`; false for numbers without a payload. Pointers lead to static storage. */
bool ent_sample_message(unsigned type, union ent_any_message *out);
/* A header that fits the type. */
struct ent_header ent_sample_header(unsigned type);

#endif
