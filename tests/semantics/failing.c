/* failing.c - allocations that fail because MPRESS_FAIL_NTH asks for it: which, how, and who
 * counts. Each case starts this program again with the variables set. */
#include "tests/semantics/check.h"

enum { CALLS = 12 };

/* One call of each kind, by turns; whether it failed as it should. */
static bool call_fails(unsigned i)
{
    void *p = NULL;
    errno = 0;
    switch (i % 6) {
    case 0:
        p = malloc(hidden_size(10));
        break;
    case 1:
        p = calloc(hidden_size(3), 5);
        break;
    case 2:
        p = realloc(NULL, hidden_size(7));
        break;
    case 3:
        errno = posix_memalign(&p, 64, hidden_size(100)); /* which leaves errno alone */
        break;
    case 4:
        p = aligned_alloc(32, hidden_size(64));
        break;
    default:
        p = malloc(hidden_size(100000));
    }
    bool fails = p == NULL;
    CHECK(!fails || errno == ENOMEM);
    free(p);
    return fails;
}

/* A letter for each call, on stdout: '.' it was served, 'F' it failed. */
static void print_calls(void)
{
    char line[CALLS + 1] = {0};
    for (unsigned i = 0; i < CALLS; i++)
        line[i] = call_fails(i) ? 'F' : '.';
    CHECK(write(STDOUT_FILENO, line, CALLS) == CALLS);
}

/* The first block is there; that and its contents survive a realloc that fails. */
static void print_realloc(void)
{
    char *p = malloc(hidden_size(20));
    CHECK(p != NULL);
    memset(p, 'x', 20);
    char *moved = realloc(p, hidden_size(30));
    CHECK(is_filled(moved == NULL ? p : moved, 'x', 20));
    CHECK(write(STDOUT_FILENO, moved == NULL ? "F" : ".", 1) == 1);
    CHECK(realloc(moved == NULL ? p : moved, 0) == NULL); /* a free: not counted */
    CHECK(write(STDOUT_FILENO, call_fails(0) ? "F" : ".", 1) == 1);
}

/* The same calls in the child of a fork, which goes on counting. */
static void print_in_child(void)
{
    call_fails(0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        print_calls();
        _exit(0);
    }
    int status = 0;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
}

/* What a helper prints in that environment. */
static const char *output_of(const char *helper, const char *nth, const char *mode, const char *pid)
{
    static char text[64];
    int ends[2];
    int status = 0;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        setenv("MPRESS_FAIL_NTH", nth, 1);
        setenv("MPRESS_FAIL_MODE", mode, 1);
        char own[16];
        snprintf(own, sizeof(own), "%d", (int)getpid());
        setenv("MPRESS_FAIL_PID", pid != NULL ? pid : own, 1);
        execl(check_self, check_self, helper, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    memset(text, 0, sizeof(text));
    for (ssize_t got = 1, used = 0; got > 0; used += got)
        got = read(ends[0], text + used, sizeof(text) - 1 - (size_t)used);
    close(ends[0]);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    return text;
}

static void only_here(void)
{
    if (!check_is_mpress())
        SKIP("only the library has the option");
}

static void the_call_of_that_number_fails_whatever_its_kind(void)
{
    only_here();
    char wanted[CALLS + 1];
    for (unsigned i = 0; i < CALLS; i++) {
        char number[8];
        memset(wanted, '.', CALLS);
        wanted[CALLS] = '\0';
        wanted[i] = 'F';
        snprintf(number, sizeof(number), "%u", i + 1);
        CHECK(strcmp(output_of(".print_calls", number, "transient", NULL), wanted) == 0);
    }
    CHECK(strcmp(output_of(".print_calls", "1000", "transient", NULL), "............") == 0);
    CHECK(strcmp(output_of(".print_calls", "0", "persistent", NULL), "............") == 0);
}

static void persistent_all_behind_it_fail_too(void)
{
    only_here();
    CHECK(strcmp(output_of(".print_calls", "4", "persistent", NULL), "...FFFFFFFFF") == 0);
    CHECK(strcmp(output_of(".print_calls", "1", "persistent", NULL), "FFFFFFFFFFFF") == 0);
}

static void a_realloc_that_fails_leaves_the_block_and_one_to_nothing_is_not_counted(void)
{
    only_here();
    CHECK(strcmp(output_of(".print_realloc", "2", "transient", NULL), "F.") == 0);
    CHECK(strcmp(output_of(".print_realloc", "3", "transient", NULL), ".F") == 0);
}

static void a_child_goes_on_counting_unless_one_process_is_meant(void)
{
    only_here();
    CHECK(strcmp(output_of(".print_in_child", "2", "transient", "0"), "F...........") == 0);
    CHECK(strcmp(output_of(".print_in_child", "2", "transient", NULL), "............") == 0);
    CHECK(strcmp(output_of(".print_calls", "2", "transient", "1"), "............") == 0);
}

CHECK_MAIN(HELPER(print_calls), HELPER(print_realloc), HELPER(print_in_child),
           CASE(the_call_of_that_number_fails_whatever_its_kind),
           CASE(persistent_all_behind_it_fail_too),
           CASE(a_realloc_that_fails_leaves_the_block_and_one_to_nothing_is_not_counted),
           CASE(a_child_goes_on_counting_unless_one_process_is_meant))
