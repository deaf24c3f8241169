/* say.c - a formatter of a dozen lines, because stdio may allocate and lock. */
#include "allocators/base/say.h"

#include <stdbool.h>
#include <stdint.h>

#include "allocators/base/os.h"

enum { SAY_LINE_BYTES = 512 };

static void add_char(struct text *text, char c)
{
    if (text->used + 1 >= text->capacity)
        return;
    text->at[text->used++] = c;
    text->at[text->used] = '\0';
}

static void add_string(struct text *text, const char *string)
{
    if (string == NULL)
        string = "(null)";
    while (*string != '\0')
        add_char(text, *string++);
}

static void add_number(struct text *text, uint64_t number, unsigned base)
{
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789abcdef"[number % base];
        number /= base;
    } while (number != 0);
    while (count > 0)
        add_char(text, digits[--count]);
}

static void add_signed(struct text *text, int64_t number)
{
    if (number < 0)
        add_char(text, '-');
    add_number(text, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
}

/* Consumes one conversion, without its '%', and returns the place behind it. */
static const char *add_conversion(struct text *text, const char *format, va_list *list)
{
    bool is_long = false;
    while (*format == 'z' || *format == 'l') {
        is_long = true;
        format++;
    }
    switch (*format) {
    case 's':
        add_string(text, va_arg(*list, const char *));
        break;
    case 'c':
        add_char(text, (char)va_arg(*list, int));
        break;
    case 'd':
        add_signed(text, is_long ? va_arg(*list, long) : va_arg(*list, int));
        break;
    case 'u':
    case 'x':
        add_number(text, is_long ? va_arg(*list, unsigned long) : va_arg(*list, unsigned),
                   *format == 'u' ? 10 : 16);
        break;
    case 'p':
        add_string(text, "0x");
        add_number(text, (uintptr_t)va_arg(*list, void *), 16);
        break;
    case '\0':
        return format;
    default:
        add_char(text, *format);
    }
    return format + 1;
}

void text_add_list(struct text *text, const char *format, va_list list)
{
    va_list arguments;
    va_copy(arguments, list);
    while (*format != '\0') {
        if (*format == '%')
            format = add_conversion(text, format + 1, &arguments);
        else
            add_char(text, *format++);
    }
    va_end(arguments);
}

void text_add(struct text *text, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    text_add_list(text, format, list);
    va_end(list);
}

void say(const char *format, ...)
{
    char buffer[SAY_LINE_BYTES];
    struct text text = TEXT_IN(buffer);
    text.capacity -= 1; /* room for the newline whatever was cut */
    add_string(&text, "mpress: ");
    va_list list;
    va_start(list, format);
    text_add_list(&text, format, list);
    va_end(list);
    text.capacity += 1;
    add_char(&text, '\n');
    os_write(OS_STDERR, text.at, text.used);
}
