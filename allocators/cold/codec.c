/* codec.c - see codec.h. Loaded at run time when the option asks for it, as mimalloc is: linked,
 * its 120 KiB would be mapped and relocated in every program; and every system has it, dpkg and
 * systemd need it. Of its functions those are used that get all their memory handed in. */
#include "allocators/cold/codec.h"

#include <dlfcn.h>
#include <string.h>

#include "allocators/base/os.h"

#define LZ4_SONAME "liblz4.so.1"

/* Of lz4's thorough half. On a heap of redis with JSON values it saves 60.9 % where the fast half
 * saves 55.4, in 190 instead of 36 us a unit, and is unpacked in 6 to 7 instead of 8.4 us, which is
 * what somebody waits for. Level 4 saves 60.6 in 160 us, level 9 61.1 in 280; a dictionary 2 %
 * more, but it is one more thing that must last as long as what was packed with it; zstd 74 %,
 * unpacked in twice the time or more. */
enum { LEVEL = 5 };

static struct {
    int (*state_bytes)(void);
    int (*pack)(void *state, const char *from, char *to, int bytes, int room, int level);
    int (*unpack)(const char *from, char *to, int packed, int bytes);
    void *state;
} codec;

static bool find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof(symbol));
    return symbol != NULL;
}

bool codec_load(void)
{
    void *library = dlopen(LZ4_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL || !find(library, "LZ4_sizeofStateHC", &codec.state_bytes) ||
        !find(library, "LZ4_compress_HC_extStateHC", &codec.pack) ||
        !find(library, "LZ4_decompress_safe", &codec.unpack))
        return false;
    codec.state = os_map((size_t)codec.state_bytes());
    return codec.state != NULL;
}

size_t codec_pack(const void *from, size_t bytes, void *to, size_t room)
{
    int packed = codec.pack(codec.state, from, to, (int)bytes, (int)room, LEVEL);
    return packed > 0 ? (size_t)packed : 0;
}

bool codec_unpack(const void *from, size_t packed, void *to, size_t bytes)
{
    return codec.unpack(from, to, (int)packed, (int)bytes) == (int)bytes;
}
