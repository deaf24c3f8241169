/* embed.h - files of tools/ inside the program, as texts. */
#ifndef MPRESS_TOOLS_EXPORT_EMBED_H
#define MPRESS_TOOLS_EXPORT_EMBED_H

extern const char embed_flame_css[];
extern const char embed_flame_js[];
extern const char embed_head_html[];
extern const char embed_page_css[];
extern const char embed_body_html[];
extern const char embed_base_js[];
extern const char embed_timeline_js[];
extern const char embed_patterns_js[];
extern const char embed_stacks_js[];
extern const char embed_treemap_js[];
extern const char embed_heap_map_js[];
extern const char embed_tables_js[];
extern const char embed_compare_js[];
extern const char embed_main_js[];

#endif
