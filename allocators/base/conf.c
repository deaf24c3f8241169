/* conf.c - reads the options of conf.def out of an environment, without libc's getenv. */
#include "allocators/base/conf.h"

#include <string.h>

#include "allocators/base/say.h"

enum row_kind { ROW_CHOICE, ROW_NUMBER, ROW_FLAG, ROW_TEXT };

/* Without pointers: nothing for the loader to relocate. */
struct row {
    enum row_kind kind;
    char variable[24];
    size_t offset;        /* of the field in struct conf */
    uint64_t number;      /* default of CHOICE, NUMBER and FLAG */
    uint64_t least, most; /* range of NUMBER */
    char text[40];        /* choices, unit, or the default of TEXT */
    char help[160];
};

#define FIELD(field) offsetof(struct conf, field)
static const struct row rows[] = {
#define CONF_CHOICE(field, variable, default_, choices, help)                                      \
    {ROW_CHOICE, variable, FIELD(field), default_, 0, 0, choices, help},
#define CONF_NUMBER(field, variable, default_, least, most, unit, help)                            \
    {ROW_NUMBER, variable, FIELD(field), default_, least, most, unit, help},
#define CONF_FLAG(field, variable, default_, help)                                                 \
    {ROW_FLAG, variable, FIELD(field), default_, 0, 1, "0|1", help},
#define CONF_TEXT(field, variable, default_, help)                                                 \
    {ROW_TEXT, variable, FIELD(field), 0, 0, 0, default_, help},
#include "allocators/base/conf.def"
#undef CONF_CHOICE
#undef CONF_NUMBER
#undef CONF_FLAG
#undef CONF_TEXT
};

enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

/* -- fields ----------------------------------------------------------------------------------- */

static void set_number(struct conf *conf, const struct row *row, uint64_t number)
{
    char *field = (char *)conf + row->offset;
    if (row->kind == ROW_CHOICE)
        *(unsigned *)(void *)field = (unsigned)number;
    else if (row->kind == ROW_FLAG)
        *(bool *)field = number != 0;
    else
        *(uint64_t *)(void *)field = number;
}

static uint64_t get_number(const struct conf *conf, const struct row *row)
{
    const char *field = (const char *)conf + row->offset;
    if (row->kind == ROW_CHOICE)
        return *(const unsigned *)(const void *)field;
    if (row->kind == ROW_FLAG)
        return *(const bool *)field;
    return *(const uint64_t *)(const void *)field;
}

static void set_text(struct conf *conf, const struct row *row, const char *text)
{
    char *field = (char *)conf + row->offset;
    size_t length = strlen(text);
    memcpy(field, text, length + 1);
}

void conf_init(struct conf *conf)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (rows[i].kind == ROW_TEXT)
            set_text(conf, &rows[i], rows[i].text);
        else
            set_number(conf, &rows[i], rows[i].number);
    }
}

/* -- values ----------------------------------------------------------------------------------- */

/* Place of `value` among "a|b|c"; false: it is none of them. */
static bool parse_choice(const char *choices, const char *value, uint64_t *number)
{
    size_t length = strlen(value);
    for (uint64_t index = 0;; index++) {
        size_t word = strcspn(choices, "|");
        if (word == length && strncmp(choices, value, length) == 0) {
            *number = index;
            return true;
        }
        if (choices[word] == '\0')
            return false;
        choices += word + 1;
    }
}

static unsigned suffix_shift(char suffix)
{
    const char *suffixes = "KMGT";
    const char *found = suffix == '\0' ? NULL : strchr(suffixes, suffix & ~0x20);
    return found == NULL ? 0 : 10 * (unsigned)(found - suffixes + 1);
}

bool conf_parse_number(const char *value, uint64_t *number)
{
    uint64_t n = 0;
    const char *at = value;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (n > (UINT64_MAX - 9) / 10)
            return false;
        n = n * 10 + (uint64_t)(*at - '0');
    }
    unsigned shift = suffix_shift(*at);
    if (at == value || at[shift != 0] != '\0' || (shift != 0 && n > UINT64_MAX >> shift))
        return false;
    *number = n << shift;
    return true;
}

/* The default may lie outside: it means that there is none. */
static bool is_in_range(const struct row *row, uint64_t number)
{
    return number == row->number || (number >= row->least && number <= row->most);
}

static bool parse_value(struct conf *conf, const struct row *row, const char *value)
{
    uint64_t number = 0;
    switch (row->kind) {
    case ROW_TEXT:
        if (*value == '\0' || strlen(value) >= CONF_TEXT_BYTES)
            return false;
        set_text(conf, row, value);
        return true;
    case ROW_CHOICE:
    case ROW_FLAG:
        if (!parse_choice(row->text, value, &number))
            return false;
        break;
    case ROW_NUMBER:
        if (!conf_parse_number(value, &number) || !is_in_range(row, number))
            return false;
    }
    set_number(conf, row, number);
    return true;
}

static void add_values(struct text *text, const struct row *row)
{
    if (row->kind == ROW_NUMBER)
        text_add(text, "%lu..%lu %s", row->least, row->most, row->text);
    else
        text_add(text, "%s", row->kind == ROW_TEXT ? "text" : row->text);
}

/* -- the environment -------------------------------------------------------------------------- */

static const struct row *find_row(const char *assignment, size_t name_length)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(rows[i].variable) == name_length &&
            strncmp(rows[i].variable, assignment, name_length) == 0)
            return &rows[i];
    }
    return NULL;
}

/* MPRESS_LIBRARY names the library to the tools; who preloads it by hand may have it set. */
static bool is_of_the_tools(const char *assignment, size_t name_length)
{
    static const char name[] = "MPRESS_LIBRARY";
    return name_length == sizeof(name) - 1 && strncmp(assignment, name, name_length) == 0;
}

static void read_assignment(struct conf *conf, const char *assignment)
{
    size_t name_length = strcspn(assignment, "=");
    if (assignment[name_length] == '\0')
        return;
    const struct row *row = find_row(assignment, name_length);
    if (row == NULL) {
        if (!is_of_the_tools(assignment, name_length))
            say("%s: there is no such option (see `mpress options`); ignored", assignment);
        return;
    }
    if (parse_value(conf, row, assignment + name_length + 1))
        return;
    char buffer[128];
    struct text values = TEXT_IN(buffer);
    add_values(&values, row);
    say("%s: not a value of this option (%s); the default is used", assignment, buffer);
}

void conf_read(struct conf *conf, char **environment)
{
    if (environment == NULL)
        return;
    for (; *environment != NULL; environment++) {
        if (strncmp(*environment, "MPRESS_", 7) == 0)
            read_assignment(conf, *environment);
    }
}

/* -- rows as text ----------------------------------------------------------------------------- */

static void add_choice(struct text *text, const char *choices, uint64_t index)
{
    for (; index > 0; index--)
        choices += strcspn(choices, "|") + 1;
    for (size_t i = 0; choices[i] != '|' && choices[i] != '\0'; i++)
        text_add(text, "%c", choices[i]);
}

static void add_value(struct text *text, const struct conf *conf, const struct row *row)
{
    if (row->kind == ROW_TEXT)
        text_add(text, "%s", (const char *)conf + row->offset);
    else if (row->kind == ROW_NUMBER)
        text_add(text, "%lu", get_number(conf, row));
    else
        add_choice(text, row->text, get_number(conf, row));
}

bool conf_read_row(const struct conf *conf, size_t index, struct conf_row *out)
{
    static char values[ROWS][128];
    if (index >= ROWS)
        return false;
    const struct row *row = &rows[index];
    struct text values_text = TEXT_IN(values[index]);
    add_values(&values_text, row);
    struct text value_text = TEXT_IN(out->value);
    add_value(&value_text, conf, row);
    out->variable = row->variable;
    out->values = values[index];
    out->help = row->help;
    out->is_default = row->kind == ROW_TEXT
                          ? strcmp((const char *)conf + row->offset, row->text) == 0
                          : get_number(conf, row) == row->number;
    return true;
}
