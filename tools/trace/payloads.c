/* payloads.c - two frames a lane: one is read, one is being unpacked. */
#define _GNU_SOURCE
#include "tools/trace/payloads.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "tools/trace/memory.h"

enum state { IDLE, QUEUED, RUNNING, DONE };

struct slot {
    const struct packed_frame *frame; /* NULL: none */
    unsigned char *payloads; /* room for PACKED_BLOCKS_MOST of them, or as many as needed */
    uint32_t room;           /* in payloads */
    bool is_good;            /* false: damaged */
};

struct payloads {
    struct unpacker *unpacker;
    const struct file_lane *lane;
    const void *raw; /* payload of the block that was asked for last, if it is not packed */
    struct slot now;
    struct slot next;        /* the thread's while it is RUNNING */
    enum state state;        /* of `next`; lock */
    struct payloads *behind; /* in the queue; lock */
};

struct unpacker {
    const struct trace *trace;
    struct packed_scratch *scratch; /* the caller's; NULL: nothing was packed yet */
    bool has_thread;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t is_wanted; /* the queue has an entry, or it is over */
    pthread_cond_t is_done;
    struct payloads *first; /* lanes whose next frame is QUEUED, oldest first; lock */
    bool is_over;           /* lock */
};

/* -- unpacking -------------------------------------------------------------------------------- */

static void unpack(const struct unpacker *unpacker, struct packed_scratch *scratch,
                   struct slot *slot)
{
    const struct packed_frame *frame = slot->frame;
    slot->is_good = packed_unpack(scratch, frame, slot->payloads);
    mapping_forget(&unpacker->trace->mapping, frame, packed_frame_bytes(frame));
}

/* The block that was read before will not be read again. */
static void leave(struct payloads *payloads)
{
    if (payloads->raw != NULL)
        mapping_forget(&payloads->unpacker->trace->mapping, payloads->raw, TRACE_PAYLOAD_BYTES);
    payloads->raw = NULL;
}

/* Gives a slot a frame to hold and room for it. */
static void assign(struct slot *slot, const struct packed_frame *frame)
{
    if (slot->room < frame->blocks) {
        free(slot->payloads);
        slot->payloads = malloc((size_t)frame->blocks * TRACE_PAYLOAD_BYTES);
        if (slot->payloads == NULL)
            memory_fail(frame->blocks, TRACE_PAYLOAD_BYTES);
        slot->room = frame->blocks;
    }
    slot->frame = frame;
}

static void *run_thread(void *context)
{
    struct unpacker *unpacker = context;
    struct packed_scratch *scratch = packed_scratch_create();
    pthread_mutex_lock(&unpacker->lock);
    while (!unpacker->is_over) {
        struct payloads *payloads = unpacker->first;
        if (payloads == NULL) {
            pthread_cond_wait(&unpacker->is_wanted, &unpacker->lock);
            continue;
        }
        unpacker->first = payloads->behind;
        payloads->state = RUNNING;
        pthread_mutex_unlock(&unpacker->lock);
        unpack(unpacker, scratch, &payloads->next);
        pthread_mutex_lock(&unpacker->lock);
        payloads->state = DONE;
        pthread_cond_signal(&unpacker->is_done);
    }
    pthread_mutex_unlock(&unpacker->lock);
    packed_scratch_destroy(scratch);
    return NULL;
}

/* -- the unpacker ----------------------------------------------------------------------------- */

struct unpacker *unpacker_create(const struct trace *trace)
{
    struct unpacker *unpacker = memory_alloc(1, sizeof(*unpacker));
    unpacker->trace = trace;
    pthread_mutex_init(&unpacker->lock, NULL);
    pthread_cond_init(&unpacker->is_wanted, NULL);
    pthread_cond_init(&unpacker->is_done, NULL);
    return unpacker;
}

/* Signals of the process are for the thread that knows of them. */
static bool start_thread(struct unpacker *unpacker)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    unpacker->has_thread = pthread_create(&unpacker->thread, NULL, run_thread, unpacker) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return unpacker->has_thread;
}

void unpacker_destroy(struct unpacker *unpacker)
{
    if (unpacker->has_thread) {
        pthread_mutex_lock(&unpacker->lock);
        unpacker->is_over = true;
        pthread_cond_signal(&unpacker->is_wanted);
        pthread_mutex_unlock(&unpacker->lock);
        pthread_join(unpacker->thread, NULL);
    }
    pthread_mutex_destroy(&unpacker->lock);
    pthread_cond_destroy(&unpacker->is_wanted);
    pthread_cond_destroy(&unpacker->is_done);
    packed_scratch_destroy(unpacker->scratch);
    free(unpacker);
}

/* -- one lane --------------------------------------------------------------------------------- */

struct payloads *payloads_create(struct unpacker *unpacker, const struct file_lane *lane)
{
    struct payloads *payloads = memory_alloc(1, sizeof(*payloads));
    payloads->unpacker = unpacker;
    payloads->lane = lane;
    return payloads;
}

static void enqueue(struct payloads *payloads)
{
    struct unpacker *unpacker = payloads->unpacker;
    pthread_mutex_lock(&unpacker->lock);
    struct payloads **end = &unpacker->first;
    while (*end != NULL)
        end = &(*end)->behind;
    *end = payloads;
    payloads->behind = NULL;
    payloads->state = QUEUED;
    pthread_cond_signal(&unpacker->is_wanted);
    pthread_mutex_unlock(&unpacker->lock);
}

/* From now on the thread has nothing to do with `next`. True: it has unpacked it. */
static bool take_back(struct payloads *payloads)
{
    struct unpacker *unpacker = payloads->unpacker;
    pthread_mutex_lock(&unpacker->lock);
    while (payloads->state == RUNNING)
        pthread_cond_wait(&unpacker->is_done, &unpacker->lock);
    if (payloads->state == QUEUED) {
        struct payloads **at = &unpacker->first;
        while (*at != payloads)
            at = &(*at)->behind;
        *at = payloads->behind;
    }
    bool is_done = payloads->state == DONE;
    payloads->state = IDLE;
    pthread_mutex_unlock(&unpacker->lock);
    return is_done;
}

static const struct file_block *block_of(const struct payloads *payloads, uint32_t number)
{
    return &payloads->unpacker->trace->blocks[payloads->lane->first + number];
}

/* Has the frame behind the current one unpacked. */
static void look_ahead(struct payloads *payloads, uint32_t number)
{
    const struct packed_frame *frame = payloads->now.frame;
    while (number < payloads->lane->count && block_of(payloads, number)->frame == frame)
        number++;
    if (number == payloads->lane->count || payloads->lane->lane >= PACKED_AHEAD_LANES)
        return;
    frame = block_of(payloads, number)->frame;
    struct unpacker *unpacker = payloads->unpacker;
    if (frame == NULL || (!unpacker->has_thread && !start_thread(unpacker)))
        return;
    assign(&payloads->next, frame);
    enqueue(payloads);
}

static void move_on(struct payloads *payloads, uint32_t number)
{
    const struct packed_frame *frame = block_of(payloads, number)->frame;
    struct unpacker *unpacker = payloads->unpacker;
    bool is_done = take_back(payloads) && payloads->next.frame == frame;
    if (is_done) {
        struct slot read = payloads->now;
        payloads->now = payloads->next;
        payloads->next = read;
    } else {
        if (unpacker->scratch == NULL)
            unpacker->scratch = packed_scratch_create();
        assign(&payloads->now, frame);
        unpack(unpacker, unpacker->scratch, &payloads->now);
    }
    look_ahead(payloads, number);
}

const unsigned char *payloads_get(struct payloads *payloads, uint32_t number)
{
    const struct file_block *block = block_of(payloads, number);
    leave(payloads);
    if (block->frame == NULL)
        return payloads->raw = file_raw_payload(payloads->unpacker->trace, block->index);
    if (payloads->now.frame != block->frame)
        move_on(payloads, number);
    if (!payloads->now.is_good)
        return NULL;
    return payloads->now.payloads + (size_t)block->place * TRACE_PAYLOAD_BYTES;
}

void payloads_finish(struct payloads *payloads)
{
    leave(payloads);
    take_back(payloads);
    free(payloads->now.payloads);
    free(payloads->next.payloads);
    payloads->now = payloads->next = (struct slot){0};
}

void payloads_destroy(struct payloads *payloads)
{
    payloads_finish(payloads);
    free(payloads);
}
