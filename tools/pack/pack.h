/* pack.h - `mpress pack` and `mpress unpack`. */
#ifndef MPRESS_TOOLS_PACK_PACK_H
#define MPRESS_TOOLS_PACK_PACK_H

int pack_main(int argc, char **argv);
int unpack_main(int argc, char **argv);

#endif
