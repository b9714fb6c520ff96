/* IN cells of a sum, the plan's floor on groups · OUT the cells that may be shown or give edges · OWNS nothing
 * THREADS any · SOURCE privacy.md 6 ("Floor on groups")
 *
 * In the total of all members neighbouring cells are merged until each holds the floor (`min_group` of the plan). From
 * merged cells alone come the edges of a feature and the tables that people see; figures such as AUC, log loss and lift
 * are computed from all cells. Functions of plan and sum: whoever repeats a round gets the same. A floor of 0 or 1
 * merges nothing. */
#ifndef ENT_COMMON_TASK_FLOOR_H
#define ENT_COMMON_TASK_FLOOR_H

#include "common/task/metrics.h"

/* Merged cells, each of which is [first, last] and holds `count`; together they are all n cells. From the first cell on,
 * one is closed by the cell that brings it to the floor; what is left behind the last one belongs to it. */
struct ent_floor_cell {
    uint32_t first;
    uint32_t last;
    uint32_t closed; /* the cell that brought it to the floor: what an edge may be told of */
    int64_t count;
};
/* cells: [n], none negative, n > 0, their sum fits int64. out: [n]. Returns how many: all of them hold the floor, or
 * there is one, which holds less (closed is then its last cell). */
size_t ent_floor_merge(const int64_t *cells, size_t n, uint32_t floor, struct ent_floor_cell *out);

/* Tenths of the rows, highest scores first, as ent_metrics has them: neighbours are merged until each holds at least
 * `floor` rows of either label. tenths: [n], ascending and without gaps. Returns how many are left (0 of 0): each holds
 * the floor, or there is one. Their sums stay. */
size_t ent_floor_tenths(struct ent_metrics_tenth *tenths, size_t n, uint32_t floor);

/* Whether each of its four cells holds the floor. */
bool ent_floor_confusion(const struct ent_confusion *confusion, uint32_t floor);

#endif
