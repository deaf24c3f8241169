/* txn.c [--rounds N] - what transactions cost, under the library: one line a row, with its bar.
 *
 * Times are the least of so many rounds, in ns; shares are reserved / asked and touched / asked of
 * transactions that vary by a tenth around a size typical of their profile, in blocks of 16 to 512
 * bytes. malloc+free of the same run is there to compare with. */
#define _POSIX_C_SOURCE 199309L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "preload/mpress_txn.h"

static int rounds = 15;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The least time of `run`, which does `steps` steps, for a step. */
static double least(void (*run)(int steps), int steps)
{
    double best = 1e18;
    for (int i = 0; i < rounds; i++) {
        double start = now_ns();
        run(steps);
        double time = (now_ns() - start) / steps;
        best = time < best ? time : best;
    }
    return best;
}

static void say_row(const char *row, double value, const char *unit, const char *bar)
{
    printf("%-44s %9.2f %-3s %s\n", row, value, unit, bar);
}

static void run_malloc(int steps)
{
    for (int i = 0; i < steps; i++) {
        char *p = malloc(64);
        *(volatile char *)p = 1;
        free(p);
    }
}

static void run_empty(int steps)
{
    for (int i = 0; i < steps; i++)
        mpress_txn_rollback(mpress_txn_begin(NULL, "empty", 0));
}

static void run_hundred(int steps)
{
    for (int i = 0; i < steps; i += 100) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "hundred", 0);
        for (int k = 0; k < 100; k++)
            *(volatile char *)mpress_txn_alloc(txn, 64, 0) = 1;
        mpress_txn_rollback(txn);
    }
}

static struct mpress_txn *parent;

static void run_children(int steps)
{
    for (int i = 0; i < steps; i++) {
        struct mpress_txn *txn = mpress_txn_begin(parent, "child", 0);
        for (int k = 0; k < 10; k++)
            *(volatile char *)mpress_txn_alloc(txn, 64, 0) = 1;
        mpress_txn_rollback(txn);
    }
}

static void run_entered(int steps)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, "entered", 0);
    mpress_txn_enter(txn);
    run_malloc(steps);
    mpress_txn_commit(txn);
}

/* The least time of a rollback of so many blocks. */
static double roll_back(const char *name, int blocks, size_t bytes)
{
    double best = 1e18;
    for (int i = 0; i < 2 * rounds; i++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, name, 0);
        for (int k = 0; k < blocks; k++)
            memset(mpress_txn_alloc(txn, bytes, 0), 1, bytes);
        double start = now_ns();
        mpress_txn_rollback(txn);
        double time = now_ns() - start;
        best = time < best ? time : best;
    }
    return best;
}

static uint64_t seed = 88172645463325252u;

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    return seed ^= seed << 17;
}

struct share {
    double asked, reserved, touched;
};

/* Pages from the first block of a stretch to the last are touched: blocks lie side by side. */
static void add_transaction(const char *name, size_t wanted, struct share *share)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, name, 0);
    uintptr_t last = 0;
    for (size_t asked = 0; asked < wanted;) {
        size_t bytes = 16 + random_next() % 497;
        uintptr_t p = (uintptr_t)mpress_txn_alloc(txn, bytes, 8);
        uintptr_t page = p / 4096, end = (p + bytes - 1) / 4096;
        share->touched += (double)((end - page + (page != last)) * 4096);
        last = end;
        asked += bytes;
        share->asked += (double)bytes;
    }
    struct mpress_txn_stats stats;
    mpress_txn_stats(txn, &stats);
    share->reserved += (double)stats.reserved;
    mpress_txn_commit(txn);
}

static void say_shares(const char *name, size_t typical)
{
    struct share share = {0, 0, 0};
    char row[64];
    for (int i = 0; i < 100 + 10 * rounds; i++) {
        if (i == 100)
            share = (struct share){0, 0, 0};
        add_transaction(name, typical / 10 * 9 + random_next() % (typical / 5), &share);
    }
    snprintf(row, sizeof(row), "%s, %zu KiB: reserved / asked", name, typical >> 10);
    say_row(row, share.reserved / share.asked, "", "<= 1.25");
    snprintf(row, sizeof(row), "%s, %zu KiB: touched / asked", name, typical >> 10);
    say_row(row, share.touched / share.asked, "", "<= 1.05");
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
        rounds = atoi(argv[2]);
    if (mpress_txn_begin == NULL) {
        fprintf(stderr, "bench_txn: run it with LD_PRELOAD=libmpress.so\n");
        return 1;
    }
    say_row("malloc+free, 64 bytes", least(run_malloc, 100000), "ns", "");
    say_row("begin+rollback, empty", least(run_empty, 100000), "ns", "<= 12");
    say_row("a block of 64 bytes, 100 a transaction", least(run_hundred, 100000), "ns", "<= 1.5");
    say_row("rollback of 15,000 blocks, clock included", roll_back("15,000", 15000, 64), "ns",
            "<= 300");
    say_row("rollback of 250 MB, clock included", roll_back("250 MB", 250, 1000000), "ns",
            "<= 1000");
    parent = mpress_txn_begin(NULL, "parent", 0);
    *(volatile char *)mpress_txn_alloc(parent, 1, 0) = 1;
    say_row("a child of 10 blocks, rolled back", least(run_children, 10000), "ns", "");
    mpress_txn_rollback(parent);
    say_row("malloc+free, 64 bytes, entered", least(run_entered, 100000), "ns", "");
    say_shares("tiny", 10 << 10);
    say_shares("small", 200 << 10);
    say_shares("medium", 2 << 20);
    say_shares("large", 16 << 20);
    return 0;
}
