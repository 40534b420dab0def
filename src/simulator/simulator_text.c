/*
 * The lexical side of specifications and fault plans. The texts come from the command line, through
 * the manager, so that they are checked to the last character and never trusted.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "simulator/simulator_text.h"

SimulatorText simulator_text(const char *text) {
        return (SimulatorText){ .start = text, .size = strlen(text) };
}

bool simulator_text_split(SimulatorText text, char separator, SimulatorText *ret_before,
                          SimulatorText *ret_after) {
        const char *at = text.size == 0 ? NULL : memchr(text.start, separator, text.size);

        if (!at) {
                *ret_before = text;
                *ret_after = (SimulatorText){ .start = text.start + text.size };
                return false;
        }

        size_t size = (size_t) (at - text.start);
        *ret_before = (SimulatorText){ .start = text.start, .size = size };
        *ret_after = (SimulatorText){ .start = at + 1, .size = text.size - size - 1 };
        return true;
}

bool simulator_text_next(SimulatorText *rest, char separator, SimulatorText *ret) {
        SimulatorText after;

        if (!rest->start)
                return false;
        if (simulator_text_split(*rest, separator, ret, &after))
                *rest = after;
        else
                *rest = (SimulatorText){ .start = NULL };
        return true;
}

bool simulator_text_equals(SimulatorText text, const char *word) {
        return strlen(word) == text.size && memcmp(text.start, word, text.size) == 0;
}

static bool digit_value(char character, unsigned base, unsigned *ret) {
        unsigned value;

        if (character >= '0' && character <= '9')
                value = (unsigned) (character - '0');
        else if (character >= 'a' && character <= 'f')
                value = (unsigned) (character - 'a') + 10;
        else if (character >= 'A' && character <= 'F')
                value = (unsigned) (character - 'A') + 10;
        else
                return false;
        if (value >= base)
                return false;

        *ret = value;
        return true;
}

bool simulator_text_to_number(SimulatorText text, unsigned base, uint64_t min, uint64_t max,
                              uint64_t *ret) {
        uint64_t number = 0;

        if (base == 16 && text.size > 2 && text.start[0] == '0' && text.start[1] == 'x')
                text = (SimulatorText){ .start = text.start + 2, .size = text.size - 2 };
        if (text.size == 0)
                return false;

        for (size_t i = 0; i < text.size; i++) {
                unsigned digit;

                if (!digit_value(text.start[i], base, &digit))
                        return false;
                if (__builtin_mul_overflow(number, base, &number) ||
                    __builtin_add_overflow(number, digit, &number))
                        return false;
        }
        if (number < min || number > max)
                return false;

        *ret = number;
        return true;
}

static unsigned suffix_shift(char suffix) {
        switch (suffix) {
        case 'K':
                return 10;
        case 'M':
                return 20;
        case 'G':
                return 30;
        case 'T':
                return 40;
        default: /* a character, not an enum */
                return 0;
        }
}

bool simulator_text_to_size(SimulatorText text, uint64_t min, uint64_t max, uint64_t *ret) {
        uint64_t number;

        if (text.size == 0)
                return false;

        unsigned shift = suffix_shift(text.start[text.size - 1]);
        if (shift != 0)
                text.size--;
        if (!simulator_text_to_number(text, 10, 0, UINT64_MAX >> shift, &number))
                return false;
        number <<= shift;
        if (number < min || number > max)
                return false;

        *ret = number;
        return true;
}

int simulator_text_refuse(char **ret_error, int error, const char *format, ...) {
        va_list arguments;

        assert(error < 0);

        va_start(arguments, format);
        int r = vasprintf(ret_error, format, arguments);
        va_end(arguments);
        if (r < 0) {
                *ret_error = NULL;
                return -ENOMEM;
        }
        return error;
}
