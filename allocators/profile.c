/* profile.c - a strict reader: one fault anywhere, and the whole profile counts for nothing. */
#include "allocators/profile.h"

#include <string.h>

#include "allocators/base/bits.h"
#include "allocators/base/os.h"
#include "allocators/base/say.h"
#include "allocators/size_class.h"

/* The text being read, without its line ends. */
struct reader {
    const char *at;  /* the rest of the line */
    const char *end; /* of the line: at its comment, its newline, or the end of the text */
};

/* -- words ------------------------------------------------------------------------------------ */

static bool take_word(struct reader *reader, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, word, length) != 0)
        return false;
    reader->at += length;
    return true;
}

/* A blank and a number of at most `most`. */
static bool take_number(struct reader *reader, uint32_t most, uint32_t *number)
{
    if (!take_word(reader, " "))
        return false;
    uint32_t value = 0;
    const char *begin = reader->at;
    for (; reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9'; reader->at++) {
        value = value * 10 + (uint32_t)(*reader->at - '0');
        if (value > most)
            return false;
    }
    *number = value;
    return reader->at > begin;
}

static bool is_at_end(const struct reader *reader)
{
    return reader->at == reader->end;
}

/* -- directives: NULL, or what was expected --------------------------------------------------- */

static const char *take_spacing(struct profile *profile, struct reader *reader)
{
    uint32_t spacing;
    if (!take_number(reader, 8, &spacing) || !is_at_end(reader) || !is_power_of_two(spacing))
        return "spacing wants 1, 2, 4 or 8";
    if (profile->spacing != 0)
        return "there is a second spacing";
    profile->spacing = spacing;
    return NULL;
}

static const char *take_class(struct profile *profile, struct reader *reader)
{
    uint32_t bytes;
    if (!take_number(reader, SIZE_SLAB_MAX, &bytes) || !is_at_end(reader) || bytes == 0)
        return "class wants one number, up to 32768";
    if (bytes % SIZE_GRAIN != 0)
        return "a class is a multiple of 16";
    if (profile->exact == PROFILE_EXACT_MOST)
        return "there are more than 16 classes";
    if (profile->exact > 0 && profile->exact_bytes[profile->exact - 1] >= bytes)
        return "classes must stand in rising order";
    profile->exact_bytes[profile->exact++] = bytes;
    return NULL;
}

static const char *take_warm(struct profile *profile, struct reader *reader)
{
    uint32_t bytes, rounds;
    if (!take_number(reader, SIZE_SLAB_MAX, &bytes) || bytes == 0 ||
        !take_number(reader, PROFILE_ROUNDS_MOST, &rounds) || rounds < PROFILE_ROUNDS_LEAST ||
        !is_at_end(reader))
        return "warm wants a size up to 32768 and 8 to 256 rounds";
    if (profile->warm == PROFILE_WARM_MOST)
        return "there are more than 96 warm sizes";
    if (profile->warm > 0 && profile->warms[profile->warm - 1].bytes >= bytes)
        return "warm sizes must stand in rising order";
    profile->warms[profile->warm].bytes = bytes;
    profile->warms[profile->warm++].rounds = rounds;
    return NULL;
}

static const char *take_line(struct profile *profile, struct reader *reader, bool *is_over)
{
    if (is_at_end(reader))
        return NULL;
    if (*is_over)
        return "nothing may follow the line end";
    if (take_word(reader, "spacing"))
        return take_spacing(profile, reader);
    if (take_word(reader, "class"))
        return take_class(profile, reader);
    if (take_word(reader, "warm"))
        return take_warm(profile, reader);
    *is_over = take_word(reader, "end") && is_at_end(reader);
    return *is_over ? NULL : "no such directive: spacing, class, warm or end is wanted";
}

/* -- the text --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* What a line says, without its comment and the blanks before that. */
static struct reader cut_line(const char *line, const char *newline)
{
    const char *comment = memchr(line, '#', (size_t)(newline - line));
    const char *end = comment != NULL ? comment : newline;
    while (end > line && is_blank(end[-1]))
        end--;
    return (struct reader){.at = line, .end = end};
}

static const char *take_first_line(struct reader *reader)
{
    if (take_word(reader, "mpress-profile 1") && is_at_end(reader))
        return NULL;
    return "the first line must be: mpress-profile 1";
}

/* Reads line after line; what is wrong with the last one read, or NULL. */
static const char *take_lines(struct profile *profile, const char *text, const char *end,
                              uint32_t *line)
{
    bool is_over = false;
    while (text < end) {
        ++*line;
        const char *newline = memchr(text, '\n', (size_t)(end - text));
        if (newline == NULL)
            return "the line is cut: a newline is missing";
        struct reader reader = cut_line(text, newline);
        const char *what =
            *line == 1 ? take_first_line(&reader) : take_line(profile, &reader, &is_over);
        if (what != NULL)
            return what;
        text = newline + 1;
    }
    return is_over ? NULL : "the file is cut: its last line, end, is missing";
}

bool profile_parse(struct profile *profile, const char *text, size_t bytes,
                   struct profile_fault *fault)
{
    memset(profile, 0, sizeof(*profile));
    *fault = (struct profile_fault){0};
    fault->what = take_lines(profile, text, text + bytes, &fault->line);
    if (fault->what == NULL)
        return true;
    memset(profile, 0, sizeof(*profile));
    return false;
}

/* -- the file --------------------------------------------------------------------------------- */

static void refuse(const char *path, const struct profile_fault *fault)
{
    char buffer[32] = "";
    struct text line = TEXT_IN(buffer);
    if (fault->line != 0)
        text_add(&line, "line %u: ", fault->line);
    say("MPRESS_PROFILE=%s: %s%s; the default sizes are used (mpress tune writes profiles)", path,
        buffer, fault->what);
}

/* False: *what tells why. */
static bool read_file(const char *path, char *text, size_t *bytes, const char **what)
{
    switch (os_file_read(path, text, PROFILE_FILE_BYTES, bytes)) {
    case OS_FILE_WHOLE:
        return true;
    case OS_FILE_CUT:
        *what = "larger than 64 KiB, so no profile";
        return false;
    case OS_FILE_NOT_REGULAR:
        *what = "not a regular file";
        return false;
    default:
        *what = "the file cannot be read";
        return false;
    }
}

bool profile_load(struct profile *profile, const char *path)
{
    memset(profile, 0, sizeof(*profile));
    if (strcmp(path, "none") == 0)
        return false;
    struct profile_fault fault = {.what = "there is no memory to read it"};
    char *text = os_map(PROFILE_FILE_BYTES);
    size_t bytes;
    bool is_read = text != NULL && read_file(path, text, &bytes, &fault.what) &&
                   profile_parse(profile, text, bytes, &fault);
    if (!is_read)
        refuse(path, &fault);
    if (text != NULL)
        os_unmap(text, PROFILE_FILE_BYTES);
    return is_read;
}
