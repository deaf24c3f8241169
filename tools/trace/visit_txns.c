/* visit_txns.c - records of transactions become events; blocks that end together, one each. */
#include "tools/trace/visit.h"

void visit_go_on_ending(struct trace_visit *visit, struct trace_event *event)
{
    struct visit_ending *ending = &visit->ending;
    struct txns_block block;
    *event = ending->event;
    if (!txns_take(ending->txn, ending->kept, &block)) {
        if (event->kind == TRACE_EVENT_TXN_END)
            txns_end(&visit->txns, ending->txn);
        ending->txn = NULL;
        return;
    }
    const struct visit_life *life = visit_life(visit, block.seat);
    *event = (struct trace_event){
        .kind = TRACE_EVENT_FREE,
        .bits = (uint8_t)(TRACE_EVENT_IN_TXN | (visit_is_odd(life) ? TRACE_EVENT_OLD_ODD : 0)),
        .thread = event->thread,
        .tid = event->tid,
        .lane = event->lane,
        .txn = event->txn,
        .time_ns = event->time_ns,
        .old_object = block.object,
        .old_size = block.size,
        .old_born_ns = life->born_ns,
        .old_stack = life->stack,
        .old_thread = life->thread,
        .old_seat = block.seat};
    visit->totals.events++;
    visit->totals.frees++;
    visit->totals.ended++;
    visit->totals.live_objects--;
    visit->totals.live_bytes -= block.size;
    seats_give(&visit->objects.seats, block.seat);
}

static void begin_ending(struct trace_visit *visit, const struct cursor_record *record,
                         struct trace_event *event)
{
    visit->ending.txn = txns_get(&visit->txns, event->txn);
    visit->ending.kept = record->kind == TRACE_TXN_BACK ? record->size : 0;
    visit->ending.event = *event;
    visit_go_on_ending(visit, event);
}

static void end_txn(struct trace_visit *visit, const struct cursor_record *record,
                    const struct cursor_txn *rest, struct trace_event *event)
{
    struct txns_open *txn = txns_get(&visit->txns, event->txn);
    event->kind = TRACE_EVENT_TXN_END;
    event->ended = rest->ended;
    if (rest->ended.how == TRACE_TXN_COMMITTED && txn->parent != NULL)
        txns_end(&visit->txns, txn);
    else
        begin_ending(visit, record, event);
}

static void add_txn_block(struct trace_visit *visit, const struct cursor_record *record,
                          struct trace_event *event)
{
    event->kind = TRACE_EVENT_ALLOC;
    event->bits = TRACE_EVENT_IN_TXN;
    visit->totals.events++;
    visit->totals.allocs++;
    visit_begin_life(visit, record, objects_take_seat(&visit->objects), event);
    txns_add(txns_get(&visit->txns, event->txn),
             &(struct txns_block){event->object, event->size, event->seat});
}

void visit_apply_txn(struct trace_visit *visit, const struct cursor_record *record,
                     struct trace_event *event)
{
    const struct cursor_txn *rest =
        &order_cursor(visit->order, visit->run.lane)->txns[record->old_units];
    event->txn = (uint32_t)record->units;
    switch (record->kind) {
    case TRACE_TXN_BEGIN:
        event->kind = TRACE_EVENT_TXN_BEGIN;
        event->stack = stacks_find(visit->trace, record->stack);
        event->begun = rest->begun;
        event->begun.name = txns_name(&visit->txns, rest->name, rest->name_bytes);
        txns_begin(&visit->txns, event->txn, (uint32_t)rest->begun.parent);
        visit->totals.txns++;
        return;
    case TRACE_TXN_ALLOC:
        add_txn_block(visit, record, event);
        return;
    case TRACE_TXN_BACK:
        event->kind = TRACE_EVENT_TXN_BACK;
        event->size = record->size;
        begin_ending(visit, record, event);
        return;
    case TRACE_TXN_END:
        end_txn(visit, record, rest, event);
        return;
    case TRACE_TXN_ENTER:
        event->kind = TRACE_EVENT_TXN_ENTER;
        event->size = record->size;
        visit->entered[visit->run.lane] = (struct visit_entered){event->txn, record->size};
        return;
    default:
        event->kind = record->kind == TRACE_TXN_SAVE ? TRACE_EVENT_TXN_SAVE : TRACE_EVENT_TXN_ADOPT;
    }
}

void visit_show_txns(const struct trace_visit *visit, trace_show *show, void *context)
{
    const struct txns_open *txn;
    for (size_t place = 0; (txn = txns_next(&visit->txns, &place)) != NULL;) {
        for (size_t i = 0; i < txn->count; i++) {
            const struct trace_object object = visit_describe(visit, 0, txn->blocks[i].seat);
            show(&object, context);
        }
    }
}

const char *trace_txn_name(const struct trace_visit *visit, uint64_t name)
{
    return name <= TXNS_NAMES_MOST && visit->txns.names[name] != NULL ? visit->txns.names[name]
                                                                      : "";
}
