/* mpress_strategy.h - what the heap does to need less memory, and what each of these habits is
 * worth so far. Each can be switched off, compression on, by an option of its name: MPRESS_LAZY,
 * MPRESS_POOLING, MPRESS_EVICTION, MPRESS_COMPRESSION. As in mpress.h the function is weak. */
#ifndef MPRESS_STRATEGY_API_H
#define MPRESS_STRATEGY_API_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef MPRESS_API
#ifdef MPRESS_LINKED
#define MPRESS_API __attribute__((visibility("default")))
#else
#define MPRESS_API __attribute__((visibility("default"), weak))
#endif
#endif

/* lazy: pages are taken when they are first touched; runs and saved count zeroed blocks, and their
 * bytes, that were zero already and so were not written to.
 *
 * pooling: freed memory is kept for the next taker; runs counts blocks above 256 KiB that took a
 * whole freed one. It saves time and costs memory: kept is what it keeps just now, in magazines,
 * depots and spans; saved and ns are 0.
 *
 * eviction: what is kept goes back to the system when memory runs short, or is swapped out; runs
 * counts such steps, saved what the resident memory fell by in them.
 *
 * compression: memory that nobody touches is packed; runs counts packed pieces of 16 KiB, saved is
 * what is saved just now, kept what the packed pieces take. */
struct mpress_strategy {
    char name[16];
    int is_on;
    uint64_t runs;
    uint64_t saved; /* bytes; see above */
    uint64_t kept;  /* bytes that it takes just now to do so */
    uint64_t ns;    /* of processor time that it took; 0: it is not measured */
};

/* Strategy number `index`, from 0. 0, or ENOENT behind the last one. */
MPRESS_API int mpress_strategy_read(size_t index, struct mpress_strategy *strategy);

/* What packing does in detail. */
struct mpress_compression {
    uint64_t packed;     /* bytes of the program's memory that are packed now, */
    uint64_t store;      /* in so many */
    uint64_t staged;     /* bytes that were taken out to see whether they are missed */
    uint64_t packs;      /* pieces of 16 KiB packed so far; */
    uint64_t zeros;      /* that were all zero; */
    uint64_t unpackable; /* that would not have become smaller; */
    uint64_t returns;    /* touched while they were out, */
    uint64_t unpacks;    /* of them packed ones */
    uint64_t return_ns;  /* time spent on putting back; */
    uint64_t pack_ns;    /* on taking out and packing */
};

/* 0; ENOTSUP: MPRESS_COMPRESSION is off, or was refused. */
MPRESS_API int mpress_compression_read(struct mpress_compression *compression);

#ifdef __cplusplus
}
#endif
#endif
