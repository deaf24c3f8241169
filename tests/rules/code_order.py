#!/usr/bin/env python3
"""The code that every program runs lies in one stretch that the system maps at once (preload/order.ld)."""

import re

import rules

WINDOW = 64 * 1024
EVERYWHERE = """malloc free calloc realloc _fini start finish heap_init conf_read profile_load size_class_init
    space_extend huge_init cache_attach cache_alloc cache_free cache_adapt cache_detach depot_get
    depot_put slab_take slab_give pool_create_slab melt_take mixed_take unit_alloc unit_free scavenge_pass depot_tick
    huge_tick huge_warm_bytes unit_tick slab_tick mixed_tick os_map os_purge tracer_is_on tracer_thread_exit
    door_init control_init control_is_asked signals_init signals_are_pending""".split()

LIBRARY = rules.library_path()
SEGMENTS = rules.output_of("readelf", "-lW", LIBRARY)
LOAD = re.search(r"^\s*LOAD\s+\S+\s+0x(\w+)\s+\S+\s+\S+\s+\S+\s+R E\s+0x(\w+)", SEGMENTS, re.M)
START = int(LOAD.group(1), 16)
if START % WINDOW != 0 or int(LOAD.group(2), 16) < WINDOW:
    rules.broken("libmpress.so", "its code does not begin at 64 KiB")
OFTEN = set()
for line in rules.output_of("nm", LIBRARY).splitlines():
    symbol = line.split()
    if len(symbol) == 3 and symbol[1] in "tT" and START <= int(symbol[0], 16) < START + WINDOW:
        OFTEN.add(symbol[2])
for name in EVERYWHERE:
    if name not in OFTEN:
        rules.broken("preload/order.ld", f"{name} is not among the first 64 KiB of the code")
rules.finish("code_order")
