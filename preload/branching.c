/* branching.c - asks a tool how often the process is to branch at an allocation, and does so. */
#include "preload/branching.h"

#include <assert.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/os.h"
#include "allocators/base/os_branch.h"
#include "allocators/cold/cold.h"
#include "preload/branch.h"
#include "preload/door.h"
#include "preload/failing.h"
#include "preload/init.h"

enum { PATH_BYTES = CONF_TEXT_BYTES + 16 };

/* Not on the stack of whoever allocates; one thread is here at a time. */
static struct {
    struct branch_question question;
    struct branch_answer answer;
    char path[PATH_BYTES];
} branching;

static const char *path_of(const char *name)
{
    const char *folder = init_conf()->fail_tool;
    size_t length = strlen(folder);
    memcpy(branching.path, folder, length);
    memcpy(branching.path + length, name, strlen(name) + 1);
    return branching.path;
}

static bool ask(void)
{
    const struct branch_question *question = &branching.question;
    return os_message_write(path_of(BRANCH_ASK), question, sizeof(*question)) &&
           os_message_read(path_of(BRANCH_ANSWER), &branching.answer, sizeof(branching.answer));
}

/* -- in the branch ---------------------------------------------------------------------------- */

static bool set_file_apart(const struct branch_file *file)
{
    const struct os_descriptor descriptor = {file->fd, file->closes_on_exec != 0, (int)file->flags,
                                             file->place};
    char out[] = BRANCH_OUT "0";
    static_assert(BRANCH_PLACES <= 10, "a digit");
    out[sizeof(out) - 2] = (char)('0' + branching.answer.place);
    switch ((enum branch_source)file->source) {
    case BRANCH_AGAIN:
        return os_branch_open_again(&descriptor);
    case BRANCH_OWN:
        return os_branch_open_instead(&descriptor, path_of(out));
    case BRANCH_SAME:
        return os_branch_join(&descriptor, file->other);
    }
    return false;
}

static bool set_files_apart(void)
{
    for (unsigned i = 0; i < branching.answer.files; i++) {
        if (!set_file_apart(&branching.answer.file[i]))
            return false;
    }
    return true;
}

static void begin_branch(void)
{
    bool is_apart = branching.answer.files <= BRANCH_FILES && set_files_apart();
    init_fork_child(); /* closes files too */
    if (!is_apart || (branching.answer.is_confined != 0 && !os_branch_confine()))
        os_branch_give_up();
    failing_begin_branch(branching.answer.is_persistent != 0);
    door_set_view(DOOR_SEES_LITTLE);
}

/* -- in the process --------------------------------------------------------------------------- */

/* False: in the branch. */
static bool branch_off(void)
{
    cold_hold();
    int branch = os_branch();
    if (branch == 0) {
        begin_branch();
        return false;
    }
    cold_release();
    branching.question.event = BRANCH_FORKED;
    branching.question.branch = branch;
    return true;
}

MP_RARE bool branching_refuses(uint64_t number, size_t bytes, uintptr_t ip)
{
    branching.question = (struct branch_question){
        .event = BRANCH_AT,
        .process = os_process_id(),
        .number = number,
        .bytes = bytes,
        .ip = ip,
        .has_timer = os_has_timer(),
    };
    uint64_t next = 0;
    while (ask()) {
        next = branching.answer.next;
        if (branching.answer.order != BRANCH_FORK)
            break;
        if (!branch_off())
            return true;
        next = 0;
    }
    failing.nth = next;
    return false;
}
