/* test_profile.c - a profile is read as profile.h promises, and nothing hostile is believed. */
#define _GNU_SOURCE /* mkstemp, mkdtemp */
#include "tests/unit/unit.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "allocators/profile.h"
#include "allocators/slab.h"

static bool parse(struct profile *profile, const char *text, struct profile_fault *fault)
{
    return profile_parse(profile, text, strlen(text), fault);
}

static bool is_empty(const struct profile *profile)
{
    static const struct profile nothing;
    return memcmp(profile, &nothing, sizeof(nothing)) == 0;
}

static void classes_and_warm_sizes_are_read(void **state)
{
    (void)state;
    struct profile profile;
    struct profile_fault fault;
    const char *text = "mpress-profile 1\n"
                       "# why\n\n"
                       "spacing 4\n"
                       "class 304   # 12 % of all bytes\n"
                       "warm 64 128\n"
                       "class 2176\t#\n"
                       "warm 300 8\n"
                       "end\n"
                       "  # nothing\n";
    assert_true(parse(&profile, text, &fault));
    assert_int_equal(profile.spacing, 4);
    assert_int_equal(profile.exact, 2);
    assert_int_equal(profile.exact_bytes[0], 304);
    assert_int_equal(profile.exact_bytes[1], 2176);
    assert_int_equal(profile.warm, 2);
    assert_int_equal(profile.warms[0].bytes, 64);
    assert_int_equal(profile.warms[0].rounds, 128);
    assert_int_equal(profile.warms[1].rounds, 8);
}

static void every_fault_is_found_in_its_line_and_leaves_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t line;
    } faults[] = {
        {"", 0},
        {"\n", 1},
        {"mpress-profile 2\nend\n", 1},
        {"mpress-profile 10\nend\n", 1},
        {"#\nmpress-profile 1\nend\n", 1},
        {"mpress-profile 1\r\nend\n", 1},
        {"mpress-profile 1\n", 1},
        {"mpress-profile 1\nend", 2},
        {"mpress-profile 1\nclass 304\n", 2},
        {"mpress-profile 1\nclass 304\nend\nclass 320\n", 4},
        {"mpress-profile 1\nend\nend\n", 3},
        {"mpress-profile 1\nspacing\nend\n", 2},
        {"mpress-profile 1\nspacing 0\nend\n", 2},
        {"mpress-profile 1\nspacing 3\nend\n", 2},
        {"mpress-profile 1\nspacing 16\nend\n", 2},
        {"mpress-profile 1\nspacing 4 4\nend\n", 2},
        {"mpress-profile 1\nspacing 4\nspacing 4\nend\n", 3},
        {"mpress-profile 1\nclass\nend\n", 2},
        {"mpress-profile 1\nclass \nend\n", 2},
        {"mpress-profile 1\nclass 0\nend\n", 2},
        {"mpress-profile 1\nclass -16\nend\n", 2},
        {"mpress-profile 1\nclass +16\nend\n", 2},
        {"mpress-profile 1\nclass 0x20\nend\n", 2},
        {"mpress-profile 1\nclass  304\nend\n", 2},
        {"mpress-profile 1\n class 304\nend\n", 2},
        {"mpress-profile 1\nclass 304 304\nend\n", 2},
        {"mpress-profile 1\nclass304\nend\n", 2},
        {"mpress-profile 1\nclass 303\nend\n", 2},
        {"mpress-profile 1\nclass 1048\nend\n", 2},
        {"mpress-profile 1\nclass 32784\nend\n", 2},
        {"mpress-profile 1\nclass 4294967312\nend\n", 2},
        {"mpress-profile 1\nclass 18446744073709551632\nend\n", 2},
        {"mpress-profile 1\nclass 304\nclass 304\nend\n", 3},
        {"mpress-profile 1\nclass 304\nclass 272\nend\n", 3},
        {"mpress-profile 1\nwarm 64\nend\n", 2},
        {"mpress-profile 1\nwarm 64 7\nend\n", 2},
        {"mpress-profile 1\nwarm 64 257\nend\n", 2},
        {"mpress-profile 1\nwarm 0 8\nend\n", 2},
        {"mpress-profile 1\nwarm 32769 8\nend\n", 2},
        {"mpress-profile 1\nwarm 64 8 8\nend\n", 2},
        {"mpress-profile 1\nwarm 64 8\nwarm 64 16\nend\n", 3},
        {"mpress-profile 1\ncold 64\nend\n", 2},
        {"mpress-profile 1\nending\n", 2},
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        struct profile profile;
        struct profile_fault fault;
        print_message("%s\n", faults[i].text);
        assert_false(parse(&profile, faults[i].text, &fault));
        assert_int_equal(fault.line, faults[i].line);
        assert_non_null(fault.what);
        assert_true(is_empty(&profile));
    }
}

static void as_many_as_there_is_room_for_and_no_more(void **state)
{
    (void)state;
    for (unsigned lines = 1; lines <= 120; lines++) {
        char text[4096];
        struct profile profile;
        struct profile_fault fault;
        size_t used = (size_t)sprintf(text, "mpress-profile 1\n");
        for (unsigned i = 1; i <= lines; i++)
            used += (size_t)sprintf(text + used, "class %u\n", i * 16);
        strcpy(text + used, "end\n");
        assert_int_equal(parse(&profile, text, &fault), lines <= PROFILE_EXACT_MOST);
        used = (size_t)sprintf(text, "mpress-profile 1\n");
        for (unsigned i = 1; i <= lines; i++)
            used += (size_t)sprintf(text + used, "warm %u 8\n", i);
        strcpy(text + used, "end\n");
        assert_int_equal(parse(&profile, text, &fault), lines <= PROFILE_WARM_MOST);
    }
}

/* In a block of its own length, so that a sanitizer sees a read behind it. */
static void parse_copy(const char *text, size_t bytes)
{
    char *copy = malloc(bytes + 1);
    struct profile profile;
    struct profile_fault fault;
    assert_non_null(copy);
    memcpy(copy + 1, text, bytes);
    bool is_good = profile_parse(&profile, copy + 1, bytes, &fault);
    assert_int_equal(is_good, fault.what == NULL);
    assert_true(is_good || is_empty(&profile));
    for (uint32_t i = 0; i < profile.exact; i++)
        assert_true(profile.exact_bytes[i] % 16 == 0 && profile.exact_bytes[i] <= SIZE_SLAB_MAX);
    free(copy);
}

static void random_damage_is_survived(void **state)
{
    (void)state;
    static const char good[] = "mpress-profile 1\nclass 304 # x\nclass 2176\nwarm 64 128\nend\n";
    static const char letters[] = "classwrmend 0123456789#\n\t-\xff";
    uint64_t random = 20;
    print_message("seed %llu\n", (unsigned long long)random);
    for (unsigned round = 0; round < 200000; round++) {
        char text[sizeof(good)];
        memcpy(text, good, sizeof(good));
        for (unsigned changes = random_next(&random) % 4; changes > 0; changes--)
            text[random_next(&random) % (sizeof(good) - 1)] =
                letters[random_next(&random) % sizeof(letters)];
        parse_copy(text, random_next(&random) % sizeof(good));
    }
}

/* -- files ------------------------------------------------------------------------------------ */

/* What profile_load says on stderr. */
static size_t load(struct profile *profile, const char *path, char said[1024])
{
    int pipes[2];
    int kept = dup(STDERR_FILENO);
    assert_int_equal(pipe(pipes), 0);
    dup2(pipes[1], STDERR_FILENO);
    profile_load(profile, path);
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(pipes[1]);
    ssize_t got = read(pipes[0], said, 1023);
    close(pipes[0]);
    said[got > 0 ? got : 0] = '\0';
    return got > 0 ? (size_t)got : 0;
}

static void write_file(const char *path, const char *text, size_t bytes)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, bytes, file), bytes);
    assert_int_equal(fclose(file), 0);
}

static void a_file_is_loaded_and_faults_are_told_in_one_line(void **state)
{
    (void)state;
    struct profile profile;
    char said[1024];
    char path[] = "/tmp/test_profile.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(load(&profile, "none", said), 0);
    assert_true(is_empty(&profile));

    const char *good = "mpress-profile 1\nclass 304\nend\n";
    write_file(path, good, strlen(good));
    assert_int_equal(load(&profile, path, said), 0);
    assert_int_equal(profile.exact, 1);

    const char *bad = "mpress-profile 1\nclass 304\nclass 7\nend\n";
    write_file(path, bad, strlen(bad));
    assert_true(load(&profile, path, said) > 0);
    assert_non_null(strstr(said, path));
    assert_non_null(strstr(said, "line 3: a class is a multiple of 16"));
    assert_ptr_equal(strchr(said, '\n'), said + strlen(said) - 1);
    assert_true(is_empty(&profile));
    unlink(path);
    assert_true(load(&profile, path, said) > 0);
    assert_non_null(strstr(said, "cannot be read"));
}

static void what_is_no_small_regular_file_is_refused_without_waiting(void **state)
{
    (void)state;
    struct profile profile;
    char said[1024];
    char path[] = "/tmp/test_profile.XXXXXX";
    assert_non_null(mkdtemp(path));
    assert_true(load(&profile, path, said) > 0);
    assert_non_null(strstr(said, "not a regular file"));
    assert_true(load(&profile, "/dev/zero", said) > 0);
    rmdir(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_true(load(&profile, path, said) > 0); /* nobody will ever write */
    assert_non_null(strstr(said, "not a regular file"));
    unlink(path);
    char *large = calloc(1, PROFILE_FILE_BYTES);
    assert_non_null(large);
    memset(large, '\n', PROFILE_FILE_BYTES);
    write_file(path, large, PROFILE_FILE_BYTES);
    assert_true(load(&profile, path, said) > 0);
    assert_non_null(strstr(said, "larger than 64 KiB"));
    free(large);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(classes_and_warm_sizes_are_read),
        cmocka_unit_test(every_fault_is_found_in_its_line_and_leaves_nothing),
        cmocka_unit_test(as_many_as_there_is_room_for_and_no_more),
        cmocka_unit_test(random_damage_is_survived),
        cmocka_unit_test(a_file_is_loaded_and_faults_are_told_in_one_line),
        cmocka_unit_test(what_is_no_small_regular_file_is_refused_without_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
