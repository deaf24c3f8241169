/* schedule.c - see schedule.h */
#include "tools/scenario/schedule.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "tools/scenario/process.h"

#define END 0.02 /* of the whole: stopping the program, and the analysis */
#define END_MOST 5.0

/* Phases up to the release end when that share of the whole is over; later ones when they have had
 * that share of what was left as they began. */
static const struct {
    double ends;
    double most; /* share of the whole that the phase may take in all; 0: it has no wish */
} phases[] = {
    [SCHEDULE_CALIBRATION] = {0.12, 0.07}, [SCHEDULE_LEVELS] = {0.45, 0.25},
    [SCHEDULE_RELEASE] = {0.60, 0.22},     [SCHEDULE_STRATEGIES] = {0.35, 0},
    [SCHEDULE_SEARCH] = {0.65, 0},         [SCHEDULE_RELEASE_AGAIN] = {0.50, 0},
    [SCHEDULE_LEFT_OUT] = {0.60, 0},       [SCHEDULE_SHIFTS] = {1, 0},
};

void schedule_init(struct schedule *schedule, double whole)
{
    *schedule = (struct schedule){
        .began = process_now(), .whole = whole, .until = INFINITY, .cut = INFINITY};
}

double schedule_end(const struct schedule *schedule)
{
    return schedule->began + schedule->whole - fmin(END_MOST, END * schedule->whole);
}

double schedule_left(const struct schedule *schedule)
{
    return fmax(0, schedule_end(schedule) - process_now());
}

void schedule_begin(struct schedule *schedule, enum schedule_phase phase)
{
    double left = schedule_left(schedule);
    schedule->until = phase <= SCHEDULE_RELEASE
                          ? schedule->began + phases[phase].ends * schedule->whole
                          : process_now() + phases[phase].ends * left;
}

double schedule_part(const struct schedule *schedule, size_t parts)
{
    double now = process_now();
    return now + fmax(0, schedule->until - now) / (double)parts;
}

void schedule_cut(struct schedule *schedule, double until)
{
    schedule->cut = until;
    schedule->is_cut = false;
}

bool schedule_fits(double seconds, double until)
{
    return process_now() + seconds <= until;
}

double schedule_limit(const struct schedule *schedule, enum schedule_phase phase, double wanted)
{
    return fmin(wanted, phases[phase].most * schedule->whole);
}

void schedule_add_run(struct schedule *schedule, double seconds)
{
    double known = schedule->run * (double)schedule->runs;
    schedule->runs++;
    schedule->run = (known + seconds) / (double)schedule->runs;
}

void schedule_note(struct schedule *schedule, const char *format, ...)
{
    if (schedule->notes == SCHEDULE_NOTES)
        return;
    va_list list;
    va_start(list, format);
    vsnprintf(schedule->note[schedule->notes++], SCHEDULE_NOTE_BYTES, format, list);
    va_end(list);
}
