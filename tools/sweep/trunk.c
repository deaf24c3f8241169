/* trunk.c - a run without failure, and branches of it in which allocations fail (preload/branch.h).
 *
 *     RUNS --a question--> STANDS --an order--> BRANCHES --its answer--> STANDS ... --> RUNS
 *
 * The trunk stands while there is no room for another branch. What branches came to counts only
 * when the trunk ended as the run before it did. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "preload/branch.h"
#include "tools/cli.h"
#include "tools/progress.h"
#include "tools/sweep/sweep.h"
#include "tools/trace/memory.h"

enum {
    TICK_MS = 50,
    /* So many branches one after another that were about to do what can be felt outside: then only
     * one site of SELDOM is tried until one gets through. */
    IN_VAIN_MOST = 16,
    SELDOM = 8,
};

static struct {
    int ask;
    int answer;
    int out[BRANCH_PLACES];
} pipes;

struct branch {
    int pid; /* 0: the place is free */
    int pidfd;
    struct census_site *site;
    enum sweep_mode mode;
    uint64_t begun_ns;
    struct probe probe;
};

struct trunk {
    struct sweep *sweep;
    int pid;
    int pidfd;
    int out;
    enum { RUNS, STANDS, BRANCHES, ENDED } state;
    bool is_hung;
    int wait_status;
    uint64_t output;
    uint64_t since_ns; /* it runs, or is to branch */
    size_t count;
    size_t at;
    struct census_site **sites; /* by number */
    unsigned mode;              /* the next one at this site */
    unsigned in_vain;
    unsigned places;
    unsigned alive;
    unsigned place; /* of the branch that is being made */
    struct branch branches[BRANCH_PLACES];
    struct branch_answer answer;
    size_t found;
    size_t capacity;
    struct sweep_result *results;
};

/* -- pipes ------------------------------------------------------------------------------------ */

/* Both of its ends are ours too: nobody waits for the other side when he opens it. One of that name
 * before it stays with those who have it. */
static int make_pipe(const struct sweep *sweep, const char *name)
{
    char path[128];
    snprintf(path, sizeof(path), "%s%s", sweep->folder, name);
    unlink(path);
    if (mkfifo(path, 0600) != 0)
        return -1;
    return open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
}

bool trunk_is_possible(struct sweep *sweep)
{
    pipes.ask = make_pipe(sweep, BRANCH_ASK);
    pipes.answer = make_pipe(sweep, BRANCH_ANSWER);
    for (unsigned i = 0; i < BRANCH_PLACES; i++)
        pipes.out[i] = -1;
    return pipes.ask >= 0 && pipes.answer >= 0;
}

/* Of its own: what a branch before it started may still write. */
static bool make_out(const struct sweep *sweep, unsigned place)
{
    char name[sizeof(BRANCH_OUT) + 4];
    snprintf(name, sizeof(name), BRANCH_OUT "%u", place);
    if (pipes.out[place] >= 0)
        close(pipes.out[place]);
    pipes.out[place] = make_pipe(sweep, name);
    return pipes.out[place] >= 0;
}

static void drain(int fd)
{
    uint64_t unused = 0;
    while (probe_hash(fd, &unused))
        ;
}

/* -- answers ---------------------------------------------------------------------------------- */

static void send_answer(struct trunk *trunk, enum branch_order order)
{
    struct branch_answer *answer = &trunk->answer;
    answer->order = (uint32_t)order;
    if (write(pipes.answer, answer, sizeof(*answer)) != sizeof(*answer))
        kill(trunk->pid, SIGKILL); /* it never is full */
}

static void go_on(struct trunk *trunk)
{
    trunk->at++;
    if (!sweep_may_go_on(trunk->sweep))
        trunk->at = trunk->count;
    trunk->answer.next = trunk->at < trunk->count ? trunk->sites[trunk->at]->nth : 0;
    trunk->state = RUNS;
    trunk->since_ns = progress_now_ns();
    send_answer(trunk, BRANCH_GO);
}

static void pass_over(struct trunk *trunk, enum sweep_way why)
{
    trunk->sites[trunk->at]->way = (uint32_t)why;
    go_on(trunk);
}

/* The next branch at this site; when there is none any more it goes on. */
static void make_branches(struct trunk *trunk)
{
    const struct census_site *site = trunk->sites[trunk->at];
    const struct sweep_options *options = trunk->sweep->options;
    while (trunk->mode < SWEEP_MODES &&
           (!options->modes[trunk->mode] || site->is_done[trunk->mode]))
        trunk->mode++;
    if (trunk->mode == SWEEP_MODES || !sweep_may_go_on(trunk->sweep)) {
        go_on(trunk);
        return;
    }
    if (trunk->alive == trunk->places)
        return;
    for (trunk->place = 0; trunk->branches[trunk->place].pid != 0; trunk->place++)
        ;
    if (!make_out(trunk->sweep, trunk->place)) {
        pass_over(trunk, SWEEP_FAILED);
        return;
    }
    trunk->answer.place = trunk->place;
    trunk->answer.is_persistent = trunk->mode == SWEEP_PERSISTENT;
    trunk->state = BRANCHES;
    trunk->since_ns = progress_now_ns();
    send_answer(trunk, BRANCH_FORK);
}

/* -- questions -------------------------------------------------------------------------------- */

static bool is_expected(const struct trunk *trunk, const struct branch_question *question)
{
    const struct census *census = &trunk->sweep->census;
    const struct census_site *site = trunk->sites[trunk->at];
    return question->process == trunk->pid && question->number == site->nth &&
           question->bytes == site->bytes &&
           question->ip == trace_node(census->trace, site->node).ip;
}

static void come_to_site(struct trunk *trunk, const struct branch_question *question)
{
    while (probe_hash(trunk->out, &trunk->output)) /* a branch's output begins like that */
        ;
    if (trunk->at >= trunk->count) { /* another program in the same process */
        go_on(trunk);
        return;
    }
    enum sweep_way way = examine(trunk->sweep, trunk->pid, trunk->out, &trunk->answer);
    bool is_seldom = trunk->in_vain >= IN_VAIN_MOST && trunk->at % SELDOM != 0;
    if (!is_expected(trunk, question))
        pass_over(trunk, SWEEP_MISSED);
    else if (way != SWEEP_BRANCH || question->has_timer)
        pass_over(trunk, way != SWEEP_BRANCH ? way : SWEEP_TIMER);
    else if (is_seldom)
        pass_over(trunk, SWEEP_EFFECT);
    else {
        trunk->state = STANDS;
        trunk->mode = 0;
        make_branches(trunk);
    }
}

static void note_branch(struct trunk *trunk, int pid)
{
    struct branch *branch = &trunk->branches[trunk->place];
    trunk->state = STANDS;
    if (pid <= 0) {
        pass_over(trunk, SWEEP_FAILED);
        return;
    }
    setpgid(pid, pid); /* as it does itself, maybe later than the trunk's group is killed */
    *branch = (struct branch){
        .pid = pid,
        .pidfd = (int)syscall(SYS_pidfd_open, pid, 0),
        .site = trunk->sites[trunk->at],
        .mode = (enum sweep_mode)trunk->mode++,
        .begun_ns = progress_now_ns(),
        .probe = {.output = trunk->output},
    };
    trunk->alive++;
    trunk->sweep->tried++;
    make_branches(trunk);
}

static void hear(struct trunk *trunk)
{
    struct branch_question question;
    if (read(pipes.ask, &question, sizeof(question)) != sizeof(question))
        return;
    if (question.event == BRANCH_FORKED && trunk->state == BRANCHES)
        note_branch(trunk, question.branch);
    else if (question.event == BRANCH_AT && trunk->state == RUNS)
        come_to_site(trunk, &question);
}

/* -- ends ------------------------------------------------------------------------------------- */

static void keep_result(struct trunk *trunk, struct branch *branch)
{
    struct sweep *sweep = trunk->sweep;
    trunk->results =
        memory_grow(trunk->results, trunk->found, &trunk->capacity, sizeof(*trunk->results));
    struct sweep_result *result = &trunk->results[trunk->found++];
    *result = (struct sweep_result){.nth = branch->site->nth,
                                    .mode = branch->mode,
                                    .outcome = sweep_judge(sweep, &branch->probe),
                                    .way = SWEEP_BRANCH,
                                    .code = sweep_code_of(&branch->probe),
                                    .bytes = branch->site->bytes};
    census_read_stack(sweep->census.trace, branch->site->node, &result->stack);
    branch->site->is_done[branch->mode] = true;
}

static void end_branch(struct trunk *trunk, unsigned place, bool is_hung)
{
    struct branch *branch = &trunk->branches[place];
    struct probe *probe = &branch->probe;
    probe->is_hung = is_hung;
    probe_bury(branch->pid, &probe->wait_status);
    while (probe_hash(pipes.out[place], &probe->output))
        ;
    close(branch->pidfd);
    bool is_in_vain =
        !is_hung && WIFSIGNALED(probe->wait_status) && WTERMSIG(probe->wait_status) == SIGSYS;
    trunk->in_vain = is_in_vain ? trunk->in_vain + 1 : 0;
    if (is_in_vain) {
        branch->site->way = SWEEP_EFFECT;
        trunk->sweep->tried--;
    } else {
        keep_result(trunk, branch);
    }
    branch->pid = 0;
    trunk->alive--;
}

static void end_trunk(struct trunk *trunk, bool is_hung)
{
    trunk->is_hung = is_hung;
    probe_bury(trunk->pid, &trunk->wait_status);
    while (probe_hash(trunk->out, &trunk->output))
        ;
    trunk->state = ENDED;
}

static void end_late_ones(struct trunk *trunk)
{
    uint64_t now = progress_now_ns();
    uint64_t timeout = probe_timeout_ns(trunk->sweep);
    for (unsigned i = 0; i < BRANCH_PLACES; i++) {
        if (trunk->branches[i].pid != 0 && now - trunk->branches[i].begun_ns > timeout)
            end_branch(trunk, i, true);
    }
    bool is_ours_to_wait_for = trunk->state == RUNS || trunk->state == BRANCHES;
    if (is_ours_to_wait_for && now - trunk->since_ns > timeout)
        end_trunk(trunk, true);
}

/* -- what happens ----------------------------------------------------------------------------- */

enum { AT_ASK, AT_OUT, AT_TRUNK, AT_BRANCH };

static void wait_for_any(struct trunk *trunk, struct pollfd ready[AT_BRANCH + 2 * BRANCH_PLACES])
{
    bool is_running = trunk->state != ENDED;
    ready[AT_ASK] = (struct pollfd){.fd = pipes.ask, .events = POLLIN};
    ready[AT_OUT] = (struct pollfd){.fd = is_running ? trunk->out : -1, .events = POLLIN};
    ready[AT_TRUNK] = (struct pollfd){.fd = is_running ? trunk->pidfd : -1, .events = POLLIN};
    for (unsigned i = 0; i < BRANCH_PLACES; i++) {
        bool is_used = trunk->branches[i].pid != 0;
        struct pollfd *pair = &ready[AT_BRANCH + 2 * i];
        pair[0] = (struct pollfd){.fd = is_used ? pipes.out[i] : -1, .events = POLLIN};
        pair[1] = (struct pollfd){.fd = is_used ? trunk->branches[i].pidfd : -1, .events = POLLIN};
    }
    if (poll(ready, AT_BRANCH + 2 * BRANCH_PLACES, TICK_MS) < 0)
        memset(ready, 0, (AT_BRANCH + 2 * BRANCH_PLACES) * sizeof(*ready));
}

static void take_what_is_there(struct trunk *trunk)
{
    struct pollfd ready[AT_BRANCH + 2 * BRANCH_PLACES];
    wait_for_any(trunk, ready);
    for (unsigned i = 0; i < BRANCH_PLACES; i++) {
        const struct pollfd *pair = &ready[AT_BRANCH + 2 * i];
        if (pair[0].revents != 0)
            probe_hash(pipes.out[i], &trunk->branches[i].probe.output);
        if (pair[1].revents != 0)
            end_branch(trunk, i, false);
    }
    if (ready[AT_OUT].revents != 0)
        probe_hash(trunk->out, &trunk->output);
    if (ready[AT_ASK].revents != 0)
        hear(trunk);
    if (ready[AT_TRUNK].revents != 0)
        end_trunk(trunk, false);
    end_late_ones(trunk);
    if (trunk->state == STANDS)
        make_branches(trunk);
}

static void kill_all(struct trunk *trunk)
{
    for (unsigned i = 0; i < BRANCH_PLACES; i++) {
        if (trunk->branches[i].pid != 0)
            probe_bury(trunk->branches[i].pid, &trunk->branches[i].probe.wait_status);
    }
    if (trunk->state != ENDED)
        probe_bury(trunk->pid, &trunk->wait_status);
}

static void run(struct trunk *trunk)
{
    while ((trunk->state != ENDED || trunk->alive != 0) && probe_stop == 0) {
        take_what_is_there(trunk);
        sweep_show(trunk->sweep);
    }
    if (probe_stop != 0)
        kill_all(trunk);
    probe_bury_lost(trunk->sweep);
    close(trunk->pidfd);
    close(trunk->out);
    drain(pipes.ask);
    drain(pipes.answer);
}

/* -- a trunk ---------------------------------------------------------------------------------- */

static int compare_numbers(const void *left, const void *right)
{
    const struct census_site *const *a = left;
    const struct census_site *const *b = right;
    return (*a)->nth < (*b)->nth ? -1 : (*a)->nth > (*b)->nth;
}

/* As many as may still be tried, the first ones of the plan. */
static void choose_sites(struct trunk *trunk, size_t from, size_t to)
{
    struct sweep *sweep = trunk->sweep;
    const struct sweep_options *options = sweep->options;
    size_t left = options->runs_most != 0 ? options->runs_most - sweep->tried : SIZE_MAX;
    trunk->sites = memory_alloc(to - from + 1, sizeof(struct census_site *));
    for (size_t i = from, wanted = 0; i < to && wanted < left; i++) {
        struct census_site *site = &sweep->census.sites[i];
        unsigned missing = (options->modes[0] && !site->is_done[0]) +
                           (unsigned)(options->modes[1] && !site->is_done[1]);
        wanted += missing;
        if (missing != 0) {
            site->way = SWEEP_MISSED;
            trunk->sites[trunk->count++] = site;
        }
    }
    qsort(trunk->sites, trunk->count, sizeof(struct census_site *), compare_numbers);
}

static bool is_as_before(const struct trunk *trunk)
{
    const struct sweep *sweep = trunk->sweep;
    if (probe_stop != 0)
        return true;
    return !trunk->is_hung && WIFEXITED(trunk->wait_status) &&
           WEXITSTATUS(trunk->wait_status) == sweep->code &&
           (trunk->output == sweep->output || !sweep->is_reproducible);
}

static int compare_results(const void *left, const void *right)
{
    const struct sweep_result *a = left;
    const struct sweep_result *b = right;
    if (a->nth != b->nth)
        return a->nth < b->nth ? -1 : 1;
    return a->mode < b->mode ? -1 : a->mode > b->mode;
}

static void keep_results(struct trunk *trunk)
{
    if (trunk->found != 0)
        qsort(trunk->results, trunk->found, sizeof(*trunk->results), compare_results);
    for (size_t i = 0; i < trunk->found; i++) {
        *sweep_add(trunk->sweep) = trunk->results[i];
        state_add(trunk->sweep, &trunk->results[i]);
    }
}

static void drop_results(struct trunk *trunk)
{
    trunk->sweep->tried -= trunk->found;
    for (size_t i = 0; i < trunk->count; i++) {
        struct census_site *site = trunk->sites[i];
        site->way = SWEEP_ASTRAY;
        for (size_t k = 0; k < trunk->found; k++) {
            if (trunk->results[k].nth == site->nth)
                site->is_done[trunk->results[k].mode] = false;
        }
    }
}

static unsigned count_processors(void)
{
    cpu_set_t set;
    unsigned count = sched_getaffinity(0, sizeof(set), &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
    return count < BRANCH_PLACES ? count : BRANCH_PLACES;
}

bool trunk_run(struct sweep *sweep, size_t from, size_t to)
{
    char path[128];
    struct trunk *trunk = memory_alloc(1, sizeof(*trunk));
    *trunk = (struct trunk){
        .sweep = sweep, .output = probe_hash_nothing(), .places = count_processors()};
    choose_sites(trunk, from, to);
    snprintf(path, sizeof(path), "%s/run.mpt", sweep->folder);
    if (trunk->count != 0) {
        const struct probe_start start = {
            .nth = trunk->sites[0]->nth, .trace = path, .tool = sweep->folder};
        trunk->since_ns = progress_now_ns();
        if (probe_begin(sweep, &start, &trunk->pid, &trunk->out) == 0) {
            trunk->pidfd = (int)syscall(SYS_pidfd_open, trunk->pid, 0);
            run(trunk);
            if (is_as_before(trunk))
                keep_results(trunk);
            else
                drop_results(trunk);
        }
    }
    free(trunk->results);
    free(trunk->sites);
    free(trunk);
    return probe_stop == 0 && sweep_may_go_on(sweep);
}
