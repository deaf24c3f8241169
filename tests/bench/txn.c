/* txn.c [--rounds N] - what transactions cost, under the library: one line a row, with its bar.
 * txn.c --mix ROUNDS - transactions beside their peers (txn_mix.h), a line of JSON each
 * txn.c --count PEER MIX TIMES - one of these, for who counts its instructions
 *
 * Times are the least of so many rounds, in ns; shares are reserved / asked and touched / asked
 * (lines of 64 bytes, and pages) of transactions that vary by a tenth around a size typical of
 * their profile, in blocks of 16 to 512 bytes. malloc+free of the same run is there to compare
 * with. */
#define _POSIX_C_SOURCE 199309L
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "preload/mpress_txn.h"
#include "tests/bench/txn_mix.h"

static int rounds = 15;

static double now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* The least time of `run`, which does `steps` steps, for a step: short enough that some rounds are
 * not interrupted. */
static double least(void (*run)(int steps), int steps)
{
    double best = 1e18;
    for (int i = 0; i < rounds * 20; i++) {
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

/* What the processor's caches being full of something else costs an empty one; or the clock alone:
 * no transaction can do without. */
static double roll_nothing_back(size_t bytes, bool has_txn)
{
    double best = 1e18;
    char *elsewhere = malloc(bytes);
    for (int i = 0; i < 2 * rounds && elsewhere != NULL; i++) {
        struct mpress_txn *txn = mpress_txn_begin(NULL, "nothing", 0);
        memset(elsewhere, i, bytes);
        double start = now_ns();
        if (has_txn)
            mpress_txn_rollback(txn);
        double time = now_ns() - start;
        best = time < best ? time : best;
        if (!has_txn)
            mpress_txn_rollback(txn);
    }
    free(elsewhere);
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
    double asked, reserved, pages, lines, least;
};

/* Pieces of `size` bytes that a block is the first to touch: blocks lie side by side. */
static double touch(uintptr_t p, size_t bytes, size_t size, uintptr_t *last)
{
    uintptr_t first = p / size, end = (p + bytes - 1) / size;
    double pieces = (double)(end - first + (first != *last));
    *last = end;
    return pieces * (double)size;
}

static void add_transaction(const char *name, size_t wanted, struct share *share)
{
    struct mpress_txn *txn = mpress_txn_begin(NULL, name, 0);
    uintptr_t last_page = 0, last_line = 0;
    size_t asked = 0;
    while (asked < wanted) {
        size_t bytes = 16 + random_next() % 497;
        uintptr_t p = (uintptr_t)mpress_txn_alloc(txn, bytes, 8);
        share->pages += touch(p, bytes, 4096, &last_page);
        share->lines += touch(p, bytes, 64, &last_line);
        asked += bytes;
    }
    share->asked += (double)asked;
    share->least += (double)((asked + 4095) / 4096 * 4096);
    struct mpress_txn_stats stats;
    mpress_txn_stats(txn, &stats);
    share->reserved += (double)stats.reserved;
    mpress_txn_commit(txn);
}

static void say_shares(const char *name, size_t typical)
{
    struct share share = {0, 0, 0, 0, 0};
    char row[64], bar[64];
    int warm = typical > (size_t)32 << 20 ? 20 : 100, last = warm + warm / 10 * rounds;
    for (int i = 0; i < last; i++) {
        if (i == warm)
            share = (struct share){0, 0, 0, 0, 0};
        add_transaction(name, typical / 10 * 9 + random_next() % (typical / 5), &share);
    }
    snprintf(row, sizeof(row), "%s, %zu KiB: reserved / asked", name, typical >> 10);
    say_row(row, share.reserved / share.asked, "", "<= 1.25");
    snprintf(row, sizeof(row), "%s, %zu KiB: lines touched / asked", name, typical >> 10);
    say_row(row, share.lines / share.asked, "", "<= 1.05");
    snprintf(row, sizeof(row), "%s, %zu KiB: pages touched / asked", name, typical >> 10);
    snprintf(bar, sizeof(bar), "whole pages are %.2f at least", share.least / share.asked);
    say_row(row, share.pages / share.asked, "", bar);
}

/* -- peers ------------------------------------------------------------------------------------ */

enum { PEERS_MOST = 16, ROUNDS_MOST = 1000 };

static int compare(const void *a, const void *b)
{
    double left = *(const double *)a, right = *(const double *)b;
    return (left > right) - (left < right);
}

static void say_mix(const struct txn_mix *mix, int turns)
{
    static double taken[PEERS_MOST][ROUNDS_MOST];
    uint32_t times = 10000 / mix->blocks; /* some turns are not interrupted */
    for (int turn = 0; turn < turns; turn++) {
        for (size_t i = 0; txn_peer_at(i) != NULL; i++) {
            double start = now_ns();
            txn_peer_at(i)->run(mix, times);
            taken[i][turn] = (now_ns() - start) / times / mix->blocks;
        }
    }
    for (size_t i = 0; txn_peer_at(i) != NULL; i++) {
        qsort(taken[i], (size_t)turns, sizeof(double), compare);
        printf("{\"mix\": \"%s\", \"peer\": \"%s\", \"least\": %.3f, \"median\": %.3f, "
               "\"most\": %.3f}\n",
               mix->name, txn_peer_at(i)->name, taken[i][0], taken[i][turns / 2],
               taken[i][turns - 1]);
    }
}

/* The peers in turn, round by round: ns a block. */
static int say_mixes(int turns)
{
    if (turns < 1 || turns > ROUNDS_MOST)
        return 1;
    for (int i = 0; i < TXN_MIXES; i++)
        say_mix(&txn_mixes[i], turns);
    return 0;
}

static int run_one(const char *peer, int mix, int times)
{
    for (size_t i = 0; txn_peer_at(i) != NULL; i++) {
        if (strcmp(txn_peer_at(i)->name, peer) == 0 && mix >= 0 && mix < TXN_MIXES) {
            txn_peer_at(i)->run(&txn_mixes[mix], (uint32_t)times);
            return 0;
        }
    }
    fprintf(stderr, "bench_txn: there is no peer %s\n", peer);
    return 1;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--mix") == 0)
        return say_mixes(atoi(argv[2]));
    if (argc == 5 && strcmp(argv[1], "--count") == 0)
        return run_one(argv[2], atoi(argv[3]), atoi(argv[4]));
    if (argc == 3 && strcmp(argv[1], "--rounds") == 0)
        rounds = atoi(argv[2]);
    if (mpress_txn_begin == NULL) {
        fprintf(stderr, "bench_txn: run it with LD_PRELOAD=libmpress.so\n");
        return 1;
    }
    say_row("malloc+free, 64 bytes", least(run_malloc, 5000), "ns", "");
    say_row("begin+rollback, empty", least(run_empty, 5000), "ns", "<= 12");
    say_row("a block of 64 bytes, 100 a transaction", least(run_hundred, 5000), "ns", "<= 1.5");
    say_row("rollback of 15,000 blocks, clock included", roll_back("15,000", 15000, 64), "ns",
            "<= 300");
    say_row("rollback of 250 MB, clock included", roll_back("250 MB", 250, 1000000), "ns",
            "<= 1000");
    say_row("of nothing, 250 MB written elsewhere", roll_nothing_back(250000000, true), "ns", "");
    say_row("the clock alone, the same", roll_nothing_back(250000000, false), "ns", "");
    parent = mpress_txn_begin(NULL, "parent", 0);
    *(volatile char *)mpress_txn_alloc(parent, 1, 0) = 1;
    say_row("a child of 10 blocks, rolled back", least(run_children, 500), "ns", "");
    mpress_txn_rollback(parent);
    say_row("malloc+free, 64 bytes, entered", least(run_entered, 5000), "ns", "");
    say_shares("tiny", 10 << 10);
    say_shares("small", 200 << 10);
    say_shares("medium", 2 << 20);
    say_shares("large", 16 << 20);
    say_shares("huge", 100 << 20);
    return 0;
}
