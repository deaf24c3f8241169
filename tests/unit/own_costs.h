/* own_costs.h - what the test's own process has cost so far. Included behind cmocka.h. */
#ifndef MPRESS_TESTS_UNIT_OWN_COSTS_H
#define MPRESS_TESTS_UNIT_OWN_COSTS_H

#include <dirent.h>
#include <sys/resource.h>

/* Compared with what it was, as looking needs one itself. */
static inline size_t count_descriptors(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/self/fd");
    assert_non_null(folder);
    while (readdir(folder) != NULL)
        count++;
    closedir(folder);
    return count;
}

/* Those for which nothing had to be read. */
static inline long count_faults(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return usage.ru_minflt;
}

#endif
