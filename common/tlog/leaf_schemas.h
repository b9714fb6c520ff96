/* The tables behind the leaves (inside of common/tlog). */
#ifndef ENT_COMMON_TLOG_LEAF_SCHEMAS_H
#define ENT_COMMON_TLOG_LEAF_SCHEMAS_H

#include "common/schema/codec.h"
#include "common/tlog/leaf.h"

#define ENT_LEAF(name_, NAME_, type_, dotted_)                                                     \
    extern const struct ent_schema ent_leaf_##name_##_schema;
#define ent_leaf_round_open_schema ent_msg_round_open_schema
#define ent_leaf_update_dropout_schema ent_leaf_update_reject_schema
#include "common/tlog/leaves.def"
#undef ENT_LEAF
extern const struct ent_schema ent_leaf_witness_body_schema;

#endif
