/* embed.c - the assembler reads the files in; CMakeLists.txt says where they are, and that this is
 * built again when they change. */
#include "tools/export/embed.h"

#define EMBED(name, file)                                                                          \
    __asm__(".section .rodata\n.global " #name "\n" #name ":\n.incbin \"" EMBED_FOLDER "/" file    \
            "\"\n.byte 0\n.previous\n")

EMBED(embed_flame_css, "export/flame.css");
EMBED(embed_flame_js, "export/flame.js");
EMBED(embed_head_html, "html/head.html");
EMBED(embed_page_css, "html/page.css");
EMBED(embed_body_html, "html/body.html");
EMBED(embed_base_js, "html/base.js");
EMBED(embed_timeline_js, "html/timeline.js");
EMBED(embed_patterns_js, "html/patterns.js");
EMBED(embed_stacks_js, "html/stacks.js");
EMBED(embed_treemap_js, "html/treemap.js");
EMBED(embed_heap_map_js, "html/heap_map.js");
EMBED(embed_tables_js, "html/tables.js");
EMBED(embed_compare_js, "html/compare.js");
EMBED(embed_main_js, "html/main.js");
