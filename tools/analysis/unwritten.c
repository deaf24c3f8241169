/* unwritten.c - see unwritten.h. */
#include "tools/analysis/unwritten.h"

#include <stdlib.h>

bool unwritten_concerns(const struct analysis *analysis, const struct trace_event *event)
{
    return (event->bits & (TRACE_EVENT_ZEROED | TRACE_EVENT_IN_TXN)) == TRACE_EVENT_ZEROED &&
           (event->size > TRACE_UNWRITTEN_ABOVE || analysis_is_estimate(analysis));
}

/* -- sums ------------------------------------------------------------------------------------- */

/* A part of the looked at bytes. */
static struct amount take_part(const struct amount *looked, uint64_t part, uint64_t whole)
{
    double share = whole == 0 ? 0 : (double)part / (double)whole;
    struct amount amount = {.variance = looked->variance * share * share};
    amount.bytes = looked->bytes == whole ? part : (uint64_t)((double)looked->bytes * share);
    return amount;
}

/* What the looks stand for. */
static struct unwritten_sum weigh(const struct analysis *analysis,
                                  const struct trace_unwritten *one, uint64_t number)
{
    const struct amount each =
        estimate_weigh(analysis->facts->header.sample_period, one->size, number);
    struct unwritten_sum sum = {.looked = {.bytes = each.bytes * one->blocks,
                                           .blocks = each.blocks * one->blocks,
                                           .variance = each.variance * (double)one->blocks}};
    sum.untouched = take_part(&sum.looked, one->untouched_bytes, one->bytes);
    sum.zero = take_part(&sum.looked, one->zero_bytes, one->bytes);
    return sum;
}

static void add(struct unwritten_sum *sum, const struct unwritten_sum *one)
{
    amount_add(&sum->looked, &one->looked);
    amount_add(&sum->untouched, &one->untouched);
    amount_add(&sum->zero, &one->zero);
}

/* Of each site: its group's number. */
static uint32_t *list_groups(const struct groups *groups)
{
    const struct analysis *analysis = groups->analysis;
    uint32_t *of_site = store_alloc(analysis->store, analysis->sites + 1, sizeof of_site[0]);
    for (size_t i = 0; i < groups->groups; i++) {
        uint32_t site = groups->group[i].site;
        for (; site != 0; site = groups->next_site[site - 1])
            of_site[site - 1] = (uint32_t)i;
    }
    return of_site;
}

static int compare(const void *a, const void *b)
{
    const struct unwritten_group *one = a, *other = b;
    if (one->sum.untouched.bytes != other->sum.untouched.bytes)
        return one->sum.untouched.bytes < other->sum.untouched.bytes ? 1 : -1;
    if (one->sum.zero.bytes != other->sum.zero.bytes)
        return one->sum.zero.bytes < other->sum.zero.bytes ? 1 : -1;
    return (one->group->node > other->group->node) - (one->group->node < other->group->node);
}

static void sort(struct unwritten *unwritten, size_t groups)
{
    for (size_t i = 0; i < groups; i++) {
        const struct unwritten_sum *sum = &unwritten->group[i].sum;
        if (sum->untouched.bytes + sum->zero.bytes != 0)
            unwritten->group[unwritten->groups++] = unwritten->group[i];
    }
    if (unwritten->groups > 1)
        qsort(unwritten->group, unwritten->groups, sizeof unwritten->group[0], compare);
}

void unwritten_read(struct unwritten *unwritten, const struct groups *groups)
{
    const struct analysis *analysis = groups->analysis;
    const struct trace_facts *facts = analysis->facts;
    *unwritten = (struct unwritten){0};
    if (facts->unwrittens == 0)
        return;
    uint32_t *of_site = list_groups(groups);
    unwritten->group = store_alloc(analysis->store, groups->groups + 1, sizeof unwritten->group[0]);
    for (size_t i = 0; i < groups->groups; i++)
        unwritten->group[i].group = &groups->group[i];
    for (size_t i = 0; i < facts->unwrittens; i++) {
        const struct unwritten_sum sum = weigh(analysis, &facts->unwritten[i], i);
        uint32_t site = analysis->site_of_node[facts->unwritten[i].stack];
        add(&unwritten->all, &sum);
        unwritten->alive_blocks += facts->unwritten[i].alive_blocks;
        if (site != 0) /* else its birth was written over */
            add(&unwritten->group[of_site[site - 1]].sum, &sum);
    }
    store_free(of_site);
    sort(unwritten, groups->groups);
}
