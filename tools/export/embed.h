/* embed.h - files of this folder inside the program, as texts. */
#ifndef MPRESS_TOOLS_EXPORT_EMBED_H
#define MPRESS_TOOLS_EXPORT_EMBED_H

extern const char embed_flame_css[];
extern const char embed_flame_js[];

#endif
