/* codec.c - see codec.h. Loaded at run time when the option asks for it, as mimalloc is: linked,
 * its 120 KiB would be mapped and relocated in every program; and every system has it, dpkg and
 * systemd need it. Of its functions those are used that get all their memory handed in. */
#include "allocators/cold/codec.h"

#include <dlfcn.h>
#include <string.h>

#include "allocators/base/os.h"

#define LZ4_SONAME "liblz4.so.1"

static struct {
    int (*state_bytes)(void);
    int (*pack)(void *state, const char *from, char *to, int bytes, int room, int acceleration);
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
    if (library == NULL || !find(library, "LZ4_sizeofState", &codec.state_bytes) ||
        !find(library, "LZ4_compress_fast_extState", &codec.pack) ||
        !find(library, "LZ4_decompress_safe", &codec.unpack))
        return false;
    codec.state = os_map((size_t)codec.state_bytes());
    return codec.state != NULL;
}

size_t codec_pack(const void *from, size_t bytes, void *to, size_t room)
{
    int packed = codec.pack(codec.state, from, to, (int)bytes, (int)room, 1);
    return packed > 0 ? (size_t)packed : 0;
}

bool codec_unpack(const void *from, size_t packed, void *to, size_t bytes)
{
    return codec.unpack(from, to, (int)packed, (int)bytes) == (int)bytes;
}
