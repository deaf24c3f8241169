/* ranges.c - see ranges.h. */
#include "tools/analysis/ranges.h"

enum { FIRST_ROOM = 64 };

void ranges_init(struct ranges *ranges, struct store *store)
{
    *ranges = (struct ranges){.store = store, .used = 1, .random = 1};
}

static uint32_t make(struct ranges *ranges, uint64_t start, uint64_t end, uint32_t value)
{
    uint32_t number = ranges->free;
    if (number != 0) {
        ranges->free = ranges->range[number].left;
    } else {
        if (ranges->used >= ranges->room) {
            size_t room = ranges->room == 0 ? FIRST_ROOM : 2 * ranges->room;
            ranges->range = store_grow(ranges->store, ranges->range, ranges->room, room,
                                       sizeof ranges->range[0]);
            ranges->room = room;
        }
        number = (uint32_t)ranges->used++;
    }
    ranges->random ^= ranges->random << 13; /* Marsaglia 2003 */
    ranges->random ^= ranges->random >> 17;
    ranges->random ^= ranges->random << 5;
    ranges->range[number] =
        (struct range){.start = start, .end = end, .value = value, .order = ranges->random};
    return number;
}

static void give_back(struct ranges *ranges, uint32_t number)
{
    if (number == 0)
        return;
    struct range *range = &ranges->range[number];
    give_back(ranges, range->left);
    give_back(ranges, range->right);
    range->left = ranges->free;
    ranges->free = number;
}

/* Those that begin below `at` and the others. */
static void split(struct range *range, uint32_t root, uint64_t at, uint32_t *low, uint32_t *high)
{
    if (root == 0) {
        *low = *high = 0;
    } else if (range[root].start < at) {
        split(range, range[root].right, at, &range[root].right, high);
        *low = root;
    } else {
        split(range, range[root].left, at, low, &range[root].left);
        *high = root;
    }
}

/* All of `low` lie below all of `high`. */
static uint32_t join(struct range *range, uint32_t low, uint32_t high)
{
    if (low == 0 || high == 0)
        return low != 0 ? low : high;
    if (range[low].order >= range[high].order) {
        range[low].right = join(range, range[low].right, high);
        return low;
    }
    range[high].left = join(range, low, range[high].left);
    return high;
}

/* The same, and a range across `at` is cut in two. */
static void cut(struct ranges *ranges, uint32_t root, uint64_t at, uint32_t *low, uint32_t *high)
{
    uint32_t below, above;
    split(ranges->range, root, at, &below, &above);
    uint32_t last = below;
    while (last != 0 && ranges->range[last].right != 0)
        last = ranges->range[last].right;
    if (last != 0 && ranges->range[last].end > at) {
        uint32_t rest = make(ranges, at, ranges->range[last].end, ranges->range[last].value);
        ranges->range[last].end = at;
        above = join(ranges->range, rest, above);
    }
    *low = below;
    *high = above;
}

void ranges_set(struct ranges *ranges, uint64_t start, uint64_t end, uint32_t value)
{
    uint32_t low, middle, high;
    if (start >= end)
        return;
    cut(ranges, ranges->root, start, &low, &middle);
    cut(ranges, middle, end, &middle, &high);
    give_back(ranges, middle);
    uint32_t made = value != 0 ? make(ranges, start, end, value) : 0;
    ranges->root = join(ranges->range, join(ranges->range, low, made), high);
}

struct look_at {
    uint64_t start, end;
    void (*visit)(uint64_t bytes, uint32_t value, void *context);
    void *context;
};

static void visit_below(const struct range *range, uint32_t root, const struct look_at *at)
{
    if (root == 0)
        return;
    const struct range *here = &range[root];
    if (here->start > at->start)
        visit_below(range, here->left, at);
    uint64_t from = here->start > at->start ? here->start : at->start;
    uint64_t to = here->end < at->end ? here->end : at->end;
    if (from < to)
        at->visit(to - from, here->value, at->context);
    if (here->end < at->end)
        visit_below(range, here->right, at);
}

void ranges_visit(const struct ranges *ranges, uint64_t start, uint64_t end,
                  void (*visit)(uint64_t bytes, uint32_t value, void *context), void *context)
{
    visit_below(ranges->range, ranges->root, &(struct look_at){start, end, visit, context});
}
