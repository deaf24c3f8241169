/* modules.c - see modules.h. */
#include "tracer/modules.h"

#include <stdatomic.h>
#include <string.h>

#include "allocators/base/check.h"
#include "allocators/base/lock.h"
#include "allocators/base/os.h"
#include "tracer/info.h"
#include "tracer/stacks.h"

enum {
    MODULES_MOST = 8192,           /* memory is touched as they come */
    MODULES_PATHS_BYTES = 8 << 20, /* likewise */
    MODULES_PATH_BYTES = 4096,
    MODULES_BUILD_ID_BYTES = 32, /* 20 in practice */
};

struct module {
    struct module_place place;
    uintptr_t bias;
    uint64_t seen;      /* the loader's count of changes when it was last in its list */
    uint64_t seen_ns;   /* when it was first written to this trace; 0: not yet */
    uint32_t seen_node; /* the last stack node of that moment */
    bool is_written;
    uint8_t build_id_bytes;
    unsigned char build_id[MODULES_BUILD_ID_BYTES];
    const char *path;
};

/* Everything under the lock but `version`. */
static struct {
    struct lock lock;
    struct module *list; /* NULL: not yet */
    size_t count;
    char *paths; /* strings, never given back */
    size_t paths_used;
    bool is_open;             /* a trace is there to write to */
    _Atomic uint64_t version; /* the loader's count of changes that the list reflects, + 1 */
} modules = {.lock = LOCK_INIT(LOCK_RANK_TRACE_MODULES)};

uint64_t modules_version(void)
{
    return atomic_load_explicit(&modules.version, memory_order_relaxed);
}

/* -- one module ------------------------------------------------------------------------------- */

static const char *find_path(const char *path)
{
    const char *end = modules.paths + modules.paths_used;
    const char *at = modules.paths;
    while (at < end && strcmp(at, path) != 0)
        at += strlen(at) + 1;
    return at < end ? at : NULL;
}

/* A path that the program opened from its working directory means nothing anywhere else. */
static size_t begin_path(const char *path, char *copy)
{
    if (path[0] == '\0')
        return os_link_read("/proc/self/exe", copy, MODULES_PATH_BYTES);
    if (path[0] == '/' || strchr(path, '/') == NULL)
        return 0;
    size_t length = os_working_directory(copy, MODULES_PATH_BYTES - 1);
    copy[length] = '/';
    return length == 0 ? 0 : length + 1;
}

static const char *copy_path(const char *path)
{
    char *copy = modules.paths + modules.paths_used;
    if (modules.paths_used + MODULES_PATH_BYTES > MODULES_PATHS_BYTES)
        return "";
    size_t length = begin_path(path, copy);
    while (*path != '\0' && length < MODULES_PATH_BYTES - 1)
        copy[length++] = *path++;
    copy[length] = '\0';
    const char *known = find_path(copy); /* of what was unloaded since, mostly */
    if (known != NULL)
        return known;
    modules.paths_used += length + 1;
    return copy;
}

static bool is_same(const struct module *module, const struct os_module *shown)
{
    size_t bytes = shown->build_id_bytes;
    return module->place.start == shown->start && module->place.end == shown->end &&
           module->bias == shown->bias && module->place.index == shown->index &&
           (bytes > MODULES_BUILD_ID_BYTES ||
            (bytes == module->build_id_bytes &&
             (bytes == 0 || memcmp(module->build_id, shown->build_id, bytes) == 0)));
}

static void add_module(const struct os_module *shown, uint64_t changes)
{
    if (modules.count == MODULES_MOST)
        return;
    struct module *module = &modules.list[modules.count++];
    *module = (struct module){
        .place = {shown->start, shown->end, shown->index, shown->index_bytes, shown->constant,
                  shown->constant_end},
        .bias = shown->bias,
        .seen = changes,
        .path = copy_path(shown->path),
    };
    if (shown->build_id_bytes == 0 || shown->build_id_bytes > MODULES_BUILD_ID_BYTES)
        return;
    module->build_id_bytes = (uint8_t)shown->build_id_bytes;
    memcpy(module->build_id, shown->build_id, shown->build_id_bytes);
}

static void see_module(const struct os_module *shown, uint64_t changes)
{
    for (size_t i = 0; i < modules.count; i++) {
        if (is_same(&modules.list[i], shown)) {
            if (modules.list[i].seen < changes)
                modules.list[i].seen = changes;
            return;
        }
    }
    add_module(shown, changes);
}

/* -- the loader's list ------------------------------------------------------------------------ */

static bool visit_module(const struct os_module *shown, uint64_t changes, void *context)
{
    *(uint64_t *)context = changes;
    if (modules_version() == changes + 1)
        return false; /* nothing is new */
    lock_take(&modules.lock);
    see_module(shown, changes);
    lock_drop(&modules.lock);
    return true;
}

/* Takes out a module that was gone when the loader's count stood at `changes`. */
static bool remove_gone(uint64_t changes, struct module *gone)
{
    bool found = false;
    lock_take(&modules.lock);
    for (size_t i = 0; i < modules.count && !found; i++) {
        if (modules.list[i].seen >= changes)
            continue;
        *gone = modules.list[i];
        modules.list[i] = modules.list[--modules.count];
        found = true;
    }
    lock_drop(&modules.lock);
    return found;
}

/* Finds a module that the trace does not have yet; it is taken as written from now on. */
static bool take_unwritten(struct module *unwritten)
{
    bool found = false;
    lock_take(&modules.lock);
    for (size_t i = 0; i < modules.count && !found && modules.is_open; i++) {
        if (modules.list[i].is_written)
            continue;
        modules.list[i].is_written = true;
        if (modules.list[i].seen_ns == 0) {
            modules.list[i].seen_ns = os_time_ns();
            modules.list[i].seen_node = stacks_count();
        }
        *unwritten = modules.list[i];
        found = true;
    }
    lock_drop(&modules.lock);
    return found;
}

static bool write_unwritten(void)
{
    struct module module;
    while (take_unwritten(&module)) {
        struct info_module record = {
            .bias = module.bias,
            .start = module.place.start,
            .end = module.place.end,
            .build_id = module.build_id,
            .build_id_bytes = module.build_id_bytes,
            .path = module.path,
            .seen_ns = module.seen_ns,
            .seen_node = module.seen_node,
        };
        if (!info_write_module(&record))
            return false;
    }
    return true;
}

static bool prepare_list(void)
{
    lock_take(&modules.lock);
    if (modules.list == NULL)
        modules.list = os_map(MODULES_MOST * sizeof(struct module));
    if (modules.paths == NULL)
        modules.paths = os_map(MODULES_PATHS_BYTES);
    bool ready = modules.list != NULL && modules.paths != NULL;
    lock_drop(&modules.lock);
    return ready;
}

bool modules_refresh(void)
{
    uint64_t changes = 0;
    if (!prepare_list())
        return true; /* no memory, no modules: stacks end at their first frame */
    os_visit_modules(visit_module, &changes);
    if (modules_version() == changes + 1)
        return true;
    struct module gone;
    while (remove_gone(changes, &gone)) {
        if (gone.seen_ns != 0 && !info_write_unmodule(gone.place.start, stacks_count()))
            return false;
    }
    atomic_store_explicit(&modules.version, changes + 1, memory_order_relaxed);
    return write_unwritten();
}

bool modules_find(uintptr_t address, struct module_place *place)
{
    uint64_t seen = 0;
    bool found = false;
    lock_take(&modules.lock);
    for (size_t i = 0; i < modules.count; i++) {
        const struct module *module = &modules.list[i];
        if (address < module->place.start || address >= module->place.end || module->seen < seen)
            continue;
        *place = module->place;
        seen = module->seen;
        found = true;
    }
    lock_drop(&modules.lock);
    return found;
}

/* -- the trace -------------------------------------------------------------------------------- */

bool modules_write(void)
{
    lock_take(&modules.lock);
    modules.is_open = true;
    lock_drop(&modules.lock);
    return write_unwritten();
}

bool modules_write_if_due(void)
{
    if (!info_modules_are_due())
        return true;
    lock_take(&modules.lock);
    for (size_t i = 0; i < modules.count; i++)
        modules.list[i].is_written = false;
    lock_drop(&modules.lock);
    return write_unwritten();
}

static void forget(void)
{
    modules.is_open = false;
    for (size_t i = 0; i < modules.count; i++) {
        modules.list[i].is_written = false;
        modules.list[i].seen_ns = 0;
    }
}

void modules_forget(void)
{
    lock_take(&modules.lock);
    forget();
    lock_drop(&modules.lock);
}

void modules_abandon(void)
{
    lock_reset(&modules.lock);
    forget();
}
