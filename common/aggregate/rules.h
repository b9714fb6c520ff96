/* The vtables of aggregators.def. Inside of common/aggregate. */
#ifndef ENT_COMMON_AGGREGATE_RULES_H
#define ENT_COMMON_AGGREGATE_RULES_H

#include "common/aggregate/aggregate.h"

#define ENT_PLUGIN(name_) extern const struct ent_agg_rule ent_agg_rule_##name_;
#include "common/aggregate/aggregators.def"
#undef ENT_PLUGIN

#endif
