/* demangle.h - names as they stand in the source: C++ and Rust. */
#ifndef MPRESS_TOOLS_SYMBOLS_DEMANGLE_H
#define MPRESS_TOOLS_SYMBOLS_DEMANGLE_H

/* The readable form of a linker symbol, without parameter types; `name` itself, copied, when it is
 * not mangled. The caller frees it with free. */
char *demangle(const char *name);

/* Puts "<...>" in place of template arguments, in place: std::vector<...>::push_back. */
void demangle_shorten(char *name);

#endif
