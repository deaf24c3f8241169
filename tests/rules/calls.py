#!/usr/bin/env python3
"""The library calls nothing that allocates, locks, follows the locale or reads the environment."""

import os
import re

import rules

# What the objects of the library may leave to libc and to the loader.
ALLOWED = re.compile(r"""^(
    mem(cpy|set|move|cmp|chr) | str(len|cmp|ncmp|chr|cspn|spn|nlen)   # no state
  | strerrordesc_np                                                   # a table of constants
  | __errno_location | abort | __stack_chk_fail | __cxa_atexit | atexit | on_exit
  | getauxval | clock_gettime | sched_getcpu                                        # the vdso, the auxv
  | __libc_stack_end | __libc_single_threaded | environ | _DYNAMIC | __ehdr_start | _end | _GLOBAL_OFFSET_TABLE_
  | __libc_(malloc|calloc|realloc|memalign|free)                      # blocks of libc itself
  | dlopen | dlsym | dladdr1? | dlerror | dl_iterate_phdr | _r_debug    # from constructors only
  | pthread_(atfork|key_create|setspecific|getspecific|self|create|detach|sigmask|attr_\w+
            |getattr_np|once)
  | __register_atfork | __cxa_finalize | __dso_handle
  | __rseq_offset | __rseq_size
  | sig(fillset|emptyset|addset|action) | __libc_current_sigrt(min|max)
  | _dl_find_object                                                   # takes no lock
  | _ITM_\w+ | __gmon_start__
  | _ZSt15get_new_handlerv | _ZSt17__throw_bad_allocv                 # weak: libstdc++'s
  | _mm\w+ | __popcountdi2
)$""", re.X)

# File -> what it alone may refer to, and why.
EXCEPTIONS = {
    "info.c.o": {"fprintf", "fputs", "fputc", "fwrite"},  # malloc_info writes to the caller's FILE
    "os_thread.c.o": {"pthread_mutex_lock", "pthread_mutex_unlock"},  # of its own, to read the owner's id
    "init.c.o": {"malloc"},  # its address: is it the program's malloc, too?
}


def objects(build):
    """Object files of the library's targets; not those whose source is gone."""
    found = []
    for folder in rules.LIBRARY_FOLDERS:
        for place, _, names in os.walk(os.path.join(build, folder)):
            path = re.sub(r"CMakeFiles/\w+\.dir/?", "", os.path.relpath(place, build))
            found += [os.path.join(place, name) for name in names if name.endswith(".o")
                      and os.path.exists(os.path.join(rules.ROOT, path, name[:-2]))]
    return sorted(found)


def symbols(path):
    """(names it defines, names it leaves undefined)"""
    defined, undefined = set(), set()
    for line in rules.output_of("nm", "-g", path).split("\n"):
        parts = line.split()
        if len(parts) >= 2:
            (undefined if parts[-2] in "Uwv" else defined).add(parts[-1].split("@")[0])
    return defined, undefined


LIBRARY = rules.library_path()
BUILD = os.path.dirname(os.path.dirname(os.path.abspath(LIBRARY)))
FILES = {path: symbols(path) for path in objects(BUILD)}
if not FILES:
    rules.broken(LIBRARY, "no object file of the library was found")
EXPORTED = set(rules.read("tests/rules/exports.txt").split("\n"))
OURS = set().union(*(defined for defined, _ in FILES.values())) - EXPORTED
for path, (_, undefined) in FILES.items():
    for name in sorted(undefined - OURS):
        file = os.path.basename(path)
        if not ALLOWED.match(name) and name not in EXCEPTIONS.get(file, ()):
            rules.broken(file, f"calls {name}")
rules.finish("calls")
