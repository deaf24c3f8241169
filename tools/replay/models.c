/* models.c - the workloads. Each fills a heap item by item (`add`), works on the full heap
 * (`churn`), and takes it down (`drop`). Sizes are those that such programs ask for. */
#include "tools/replay/maker.h"
#include "tools/replay/workload.h"

static size_t pick(struct part *part, const struct pile *pile)
{
    return (size_t)maker_random(part, pile_count(pile));
}

static void free_item(struct part *part, const struct block *item)
{
    for (unsigned i = 0; i < part->items.stride; i++)
        maker_free(part, part->thread, item[i]);
}

/* Some item, all its blocks; false: there was none. */
static bool drop_any(struct part *part)
{
    if (pile_count(&part->items) == 0)
        return false;
    size_t item = pick(part, &part->items);
    free_item(part, pile_at(&part->items, item));
    pile_remove(&part->items, item);
    return true;
}

/* -- kv: a store of keys and values, with a table that doubles --------------------------------- */

enum { KV_ENTRY, KV_KEY, KV_VALUE, KV_BLOCKS };

static void grow_table(struct part *part)
{
    uint64_t wanted = 8 * (uint64_t)pile_count(&part->items);
    if (wanted < part->table.bytes)
        return;
    struct block table = maker_alloc_zeroed(part, wanted < 512 ? 512 : 2 * wanted);
    maker_free(part, part->thread, part->table);
    part->table = table;
}

static void kv_add(struct part *part)
{
    struct block *item = pile_push(&part->items);
    item[KV_KEY] = maker_alloc(part, 16 + maker_random(part, 40));
    item[KV_VALUE] = maker_alloc(part, maker_skewed(part, 16, 6));
    item[KV_ENTRY] = maker_alloc(part, 48);
    grow_table(part);
}

static void kv_churn(struct part *part)
{
    struct block *item = pile_at(&part->items, pick(part, &part->items));
    uint64_t what = maker_random(part, 100);
    if (what < 45) { /* the value is replaced */
        struct block value = maker_alloc(part, maker_skewed(part, 16, 6));
        maker_free(part, part->thread, item[KV_VALUE]);
        item[KV_VALUE] = value;
    } else if (what < 60) { /* something is added to it */
        uint64_t bytes = item[KV_VALUE].bytes + 8 + maker_random(part, 64);
        item[KV_VALUE] = maker_realloc(part, item[KV_VALUE], bytes < 65536 ? bytes : 64);
    } else if (what < 75) { /* a key goes, another comes */
        drop_any(part);
        kv_add(part);
    } else { /* a reply is put together and sent */
        maker_free(part, part->thread, maker_alloc(part, maker_skewed(part, 64, 8)));
    }
}

static bool kv_drop(struct part *part)
{
    if (drop_any(part))
        return true;
    maker_free(part, part->thread, part->table);
    bool had_table = part->table.object != 0;
    part->table = (struct block){0};
    return had_table;
}

/* -- btree: rows, and nodes that split and merge ---------------------------------------------- */

enum { BTREE_NODE_BYTES = 512, BTREE_FANOUT = 24 };

static void btree_add(struct part *part)
{
    pile_push(&part->items)[0] = maker_alloc(part, maker_skewed(part, 32, 4));
    if (++part->count % BTREE_FANOUT == 0)
        pile_push(&part->others)[0] = maker_alloc(part, BTREE_NODE_BYTES);
}

static bool merge_node(struct part *part)
{
    if (pile_count(&part->others) == 0)
        return false;
    size_t node = pick(part, &part->others);
    maker_free(part, part->thread, *pile_at(&part->others, node));
    pile_remove(&part->others, node);
    return true;
}

static bool btree_drop(struct part *part)
{
    if (!drop_any(part))
        return merge_node(part);
    if (part->count-- % BTREE_FANOUT == 0)
        merge_node(part);
    return true;
}

static void btree_churn(struct part *part)
{
    if (maker_random(part, 3) == 0) {
        btree_drop(part);
        btree_add(part);
        return;
    }
    /* a new version of a row; the old one goes when the new one stands */
    struct block *row = pile_at(&part->items, pick(part, &part->items));
    struct block version = maker_alloc(part, row->bytes + maker_random(part, 9));
    maker_free(part, part->thread, *row);
    *row = version;
}

/* -- json: documents parsed and dropped as a whole --------------------------------------------- */

enum { JSON_BLOCKS_LEAST = 16, JSON_BLOCKS_MOST = 48 };

/* A list that doubles until it is long enough. */
static struct block make_list(struct part *part)
{
    struct block list = maker_alloc(part, 32);
    for (uint64_t doublings = maker_random(part, 6); doublings > 0; doublings--)
        list = maker_realloc(part, list, 2 * (uint64_t)list.bytes);
    return list;
}

static struct block make_value(struct part *part)
{
    uint64_t what = maker_random(part, 10);
    if (what == 0)
        return make_list(part);
    return maker_alloc(part, what < 6 ? 8 + maker_random(part, 100) : 56);
}

static void json_add(struct part *part)
{
    struct block *document = pile_push(&part->items);
    struct block text = maker_alloc(part, maker_skewed(part, 1024, 4));
    uint64_t blocks =
        JSON_BLOCKS_LEAST + maker_random(part, JSON_BLOCKS_MOST - JSON_BLOCKS_LEAST + 1);
    for (uint64_t i = 0; i < blocks; i++)
        document[i] = make_value(part);
    maker_free(part, part->thread, text);
}

static void json_churn(struct part *part)
{
    drop_any(part);
    json_add(part);
}

/* -- queue: messages that the next thread frees ------------------------------------------------ */

enum { QUEUE_BURSTS = 8 }; /* one is so many parts of what is queued */

static void queue_add(struct part *part)
{
    pile_push(&part->items)[0] = maker_alloc(part, maker_skewed(part, 64, 5));
}

static bool queue_drop(struct part *part)
{
    if (pile_count(&part->items) == 0)
        return false;
    maker_free(part, (part->thread + 1) % part->threads, *pile_shift(&part->items));
    return true;
}

/* Bursts: the queue runs up, then down again. */
static void queue_churn(struct part *part)
{
    bool is_rising = part->churned / (part->target / QUEUE_BURSTS + 1) % 2 == 0;
    queue_add(part);
    queue_drop(part);
    if (is_rising)
        queue_add(part);
    else
        queue_drop(part);
}

/* -- fragment: sizes that move on while what is alive stays as large ----------------------------
 */

enum { FRAGMENT_PHASES = 8 };

static void add_sized(struct part *part, uint64_t phase)
{
    uint64_t least = 16 + 12 * phase * phase;
    struct block block = maker_alloc(part, least + maker_random(part, least));
    part->count += block.bytes;
    pile_push(&part->items)[0] = block;
}

static void fragment_add(struct part *part)
{
    add_sized(part, 0);
    part->level = part->count;
}

static void fragment_churn(struct part *part)
{
    add_sized(part, 1 + part->churned * FRAGMENT_PHASES / (part->churns + 1));
    while (part->count > part->level && pile_count(&part->items) > 1) {
        size_t item = pick(part, &part->items);
        part->count -= pile_at(&part->items, item)->bytes;
        maker_free(part, part->thread, *pile_at(&part->items, item));
        pile_remove(&part->items, item);
    }
}

/* -- txn: blocks that go together at a commit, and a base that stays ----------------------------
 */

enum { TXN_LEAST = 20, TXN_MOST = 200 };

static void txn_add(struct part *part)
{
    pile_push(&part->items)[0] = maker_alloc(part, maker_skewed(part, 32, 5));
}

static void txn_churn(struct part *part)
{
    struct block blocks[TXN_MOST];
    uint64_t count = TXN_LEAST + maker_random(part, TXN_MOST - TXN_LEAST + 1);
    blocks[0] = maker_alloc(part, maker_skewed(part, 32, 5));
    for (uint64_t i = 1; i < count; i++) {
        blocks[i] = maker_alloc(part, maker_skewed(part, 16, 5));
        if (i % 16 == 15)
            blocks[i] = maker_realloc(part, blocks[i], 2 * (uint64_t)blocks[i].bytes);
    }
    struct block *kept = pile_at(&part->items, pick(part, &part->items));
    maker_free(part, part->thread, *kept);
    *kept = blocks[0];
    for (uint64_t i = count - 1; i > 0; i--)
        maker_free(part, part->thread, blocks[i]);
}

/* -- all of them ------------------------------------------------------------------------------ */

const struct model models[WORKLOAD_KINDS] = {
    {"kv", "keys and values: replaced, grown, deleted; a table that doubles", KV_BLOCKS, KV_BLOCKS,
     2, kv_add, kv_churn, kv_drop},
    {"btree", "rows of 32 to 512 bytes with new versions; nodes that split", 1, 1, 2, btree_add,
     btree_churn, btree_drop},
    {"json", "documents of many small blocks, parsed and dropped whole", 32, JSON_BLOCKS_MOST, 90,
     json_add, json_churn, drop_any},
    {"queue", "messages in bursts that the next thread frees", 1, 1, 3, queue_add, queue_churn,
     queue_drop},
    {"fragment", "sizes that grow while the bytes alive stay the same", 1, 1, 2, fragment_add,
     fragment_churn, drop_any},
    {"txn", "transactions: many blocks freed together, one of them stays", 1, 1, 220, txn_add,
     txn_churn, drop_any},
};
