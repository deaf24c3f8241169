/* fuzz_main.c - runs a fuzz target without libFuzzer: first the inputs of a file (hexadecimal, one
 * a line; what once failed stays there), then random ones.
 *
 *     fuzz_TARGET SEEDS --runs N --seed S     stops at the first failure, which names its input
 *
 * Random inputs are pieces of the file's and of random bytes, put together anew. */
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { INPUT_BYTES = 4096, INPUTS = 256, PIECE_MOST = 128 };

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    size_t bytes;
    uint8_t at[INPUT_BYTES];
};
static struct input corpus[INPUTS];
static size_t corpus_count;
static struct input current;

static void say_input(int signal)
{
    static const char digits[] = "0123456789abcdef";
    static char line[2 * INPUT_BYTES + 1];
    for (size_t i = 0; i < current.bytes; i++) {
        line[2 * i] = digits[current.at[i] >> 4];
        line[2 * i + 1] = digits[current.at[i] & 15];
    }
    line[2 * current.bytes] = '\n';
    if (write(STDERR_FILENO, line, 2 * current.bytes + 1) < 0)
        _exit(3);
    _exit(128 + signal);
}

static void run_current(void)
{
    LLVMFuzzerTestOneInput(current.at, current.bytes);
}

static void read_line(const char *line)
{
    struct input *input = &corpus[corpus_count];
    unsigned byte;
    input->bytes = 0;
    for (; input->bytes < INPUT_BYTES && sscanf(line, "%2x", &byte) == 1; line += 2)
        input->at[input->bytes++] = (uint8_t)byte;
    corpus_count += input->bytes > 0;
}

static void read_corpus(const char *path)
{
    static char line[2 * INPUT_BYTES + 2];
    FILE *file = fopen(path, "r");
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    while (corpus_count < INPUTS && fgets(line, sizeof(line), file) != NULL) {
        if (line[0] != '#')
            read_line(line);
    }
    fclose(file);
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static void append_piece(uint64_t *random)
{
    const struct input *from = &corpus[random_next(random) % corpus_count];
    size_t bytes = 4 + random_next(random) % PIECE_MOST / 4 * 4;
    bool is_copy = random_next(random) % 2 == 0;
    size_t start = random_next(random) % from->bytes / 4 * 4;
    for (size_t i = 0; i < bytes && current.bytes < INPUT_BYTES; i++) {
        bool is_there = is_copy && start + i < from->bytes;
        current.at[current.bytes++] = is_there ? from->at[start + i] : (uint8_t)random_next(random);
    }
}

static void run_random(uint64_t seed)
{
    uint64_t random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15);
    size_t pieces = 1 + random_next(&random) % 60;
    current.bytes = 0;
    while (pieces-- > 0)
        append_piece(&random);
    run_current();
}

static void catch_signals(void)
{
    signal(SIGABRT, say_input);
    signal(SIGSEGV, say_input);
    signal(SIGBUS, say_input);
}

int main(int argc, char **argv)
{
    uint64_t runs = 0, seed = (uint64_t)time(NULL);
    if (argc < 2)
        return 2;
    for (int i = 2; i + 1 < argc; i += 2)
        *(strcmp(argv[i], "--runs") == 0 ? &runs : &seed) = strtoull(argv[i + 1], NULL, 0);
    read_corpus(argv[1]);
    fprintf(stderr, "fuzz: %zu inputs, then --runs %llu --seed %llu\n", corpus_count,
            (unsigned long long)runs, (unsigned long long)seed);
    LLVMFuzzerInitialize(&argc, &argv);
    catch_signals();
    for (size_t i = 0; i < corpus_count; i++) {
        current = corpus[i];
        run_current();
    }
    for (uint64_t i = 0; i < runs; i++)
        run_random(seed + i);
    return 0;
}
