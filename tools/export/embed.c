/* embed.c - the assembler reads the files in; CMakeLists.txt says where they are, and that this is
 * built again when they change. */
#include "tools/export/embed.h"

#define EMBED(name, file)                                                                          \
    __asm__(".section .rodata\n.global " #name "\n" #name ":\n.incbin \"" EMBED_FOLDER "/" file    \
            "\"\n.byte 0\n.previous\n")

EMBED(embed_flame_css, "flame.css");
EMBED(embed_flame_js, "flame.js");
