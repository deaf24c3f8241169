/* turns.c - see turns.h */
#include "tools/scenario/turns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "tools/scenario/victim.h"

void turns_begin(struct turns *turns)
{
    for (size_t i = 0; i < turns->threads; i++) {
        turns->thread[i].ran_before = turns->thread[i].ran;
        turns->thread[i].waited_before = turns->thread[i].waited;
    }
}

/* NULL: there are too many. Who has ended stays: its turns were some of the work's. */
static struct turns_thread *find(struct turns *turns, pid_t id)
{
    for (size_t i = 0; i < turns->threads; i++) {
        if (turns->thread[i].id == id)
            return &turns->thread[i];
    }
    if (turns->threads == TURNS_THREADS)
        return NULL;
    turns->thread[turns->threads] = (struct turns_thread){.id = id};
    return &turns->thread[turns->threads++];
}

void turns_look(struct turns *turns, pid_t process, const char *thread)
{
    char path[96], text[96];
    unsigned long long ran, waited;
    snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)process, thread);
    if (victim_read_file(path, text, sizeof text) == 0 ||
        sscanf(text, "%llu %llu", &ran, &waited) != 2)
        return;
    struct turns_thread *it = find(turns, (pid_t)atoi(thread));
    if (it == NULL)
        return;
    it->ran = (double)ran / 1e9;
    it->waited = (double)waited / 1e9;
}

struct turns_sum turns_add_up(const struct turns *turns)
{
    struct turns_sum sum = {0, 0};
    for (size_t i = 0; i < turns->threads; i++) {
        sum.ran += turns->thread[i].ran - turns->thread[i].ran_before;
        sum.waited += turns->thread[i].waited - turns->thread[i].waited_before;
    }
    return sum;
}

double turns_unhindered(double wall, const struct turns_sum *sum)
{
    double busy = sum->ran + sum->waited;
    if (sum->waited <= 0 || wall <= 0)
        return fmax(wall, 0);
    return busy <= wall ? wall - sum->waited : wall * sum->ran / busy;
}
