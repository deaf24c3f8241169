/* profile.h - what is known about a program beforehand: size classes and warm magazines.
 *
 * A profile is a text file, written by `mpress tune` and named in MPRESS_PROFILE:
 *
 *     mpress-profile 1         the first line; the number is the version of the format
 *     spacing 4                so many classes in each doubling above 128 bytes: 1, 2, 4 or 8 (as
 *                              without the line); those left out serve nothing
 *     class 304                one more size class, for objects of 304 bytes
 *     warm 64 128              the class that serves 64 bytes starts with magazines of 128 rounds
 *     end                      nothing follows: a file that was cut is noticed
 *
 * One directive a line, decimal numbers, one blank between words. A # begins a comment; lines may
 * be empty. `class` lines stand in rising order, and so do `warm` lines. */
#ifndef MPRESS_PROFILE_H
#define MPRESS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    PROFILE_EXACT_MOST = 16,  /* size classes that a profile may add */
    PROFILE_WARM_MOST = 96,   /* `warm` lines */
    PROFILE_ROUNDS_LEAST = 8, /* as many as a magazine starts with anyway */
    PROFILE_ROUNDS_MOST = 256,
    PROFILE_FILE_BYTES = 64 * 1024, /* a file is smaller than this */
};

struct profile {
    uint32_t spacing; /* classes in a doubling; 0: all there are */
    uint32_t exact;   /* entries used */
    uint32_t warm;
    uint32_t exact_bytes[PROFILE_EXACT_MOST];
    struct {
        uint32_t bytes, rounds;
    } warms[PROFILE_WARM_MOST];
};

/* What is wrong with a profile: a line number (0: the file as a whole) and what was expected. */
struct profile_fault {
    uint32_t line;
    const char *what;
};

/* Reads the text; false: *fault tells why, and *profile is empty. Nothing is believed. */
bool profile_parse(struct profile *profile, const char *text, size_t bytes,
                   struct profile_fault *fault);

/* Reads the file, at most once at the heap's birth: with system calls alone. "none" is no file.
 * Where anything is wrong it says so in one line, and *profile is empty: false. */
bool profile_load(struct profile *profile, const char *path);

#endif
