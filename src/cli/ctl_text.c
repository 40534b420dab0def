/* Formatting as lsblk and systemd do it, and its way back for numbers. */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>
#include <wchar.h>

#include "base/log.h"
#include "cli/ctl_text.h"

void ctl_text_no_memory(void) {
        fputs("usb-storagectl: out of memory\n", stderr);
        exit(EXIT_FAILURE);
}

char *ctl_text_format(const char *format, ...) {
        va_list arguments;
        char *text;
        int size;

        va_start(arguments, format);
        size = vasprintf(&text, format, arguments);
        va_end(arguments);
        if (size < 0)
                ctl_text_no_memory();
        return text;
}

char *ctl_text_copy(const char *text) {
        char *copy = strdup(text);

        if (!copy)
                ctl_text_no_memory();
        return copy;
}

void ctl_text_clean(char *text) {
        char *to = text;

        /* Cleaning a piece can shorten it: the pieces are moved together again. */
        for (char *piece = text; *piece != '\0';) {
                size_t size = strcspn(piece, "\n\t");
                char end = piece[size];

                piece[size] = '\0';
                log_sanitise(piece);
                memmove(to, piece, strlen(piece));
                to += strlen(piece);
                piece += size;
                if (end != '\0') {
                        *to++ = end;
                        piece++;
                }
        }
        *to = '\0';
}

/* The next character's bytes, and its columns; what is none in this locale is a byte in a column. */
static size_t next_character(const char *text, mbstate_t *state, size_t *ret_width) {
        wchar_t character;
        size_t size = mbrtowc(&character, text, strlen(text), state);
        int width;

        if (size == (size_t) -1 || size == (size_t) -2 || size == 0) {
                memset(state, 0, sizeof(*state));
                *ret_width = 1;
                return 1;
        }
        width = wcwidth(character);
        *ret_width = width < 0 ? 1 : (size_t) width;
        return size;
}

size_t ctl_text_width(const char *text) {
        mbstate_t state = {};
        size_t sum = 0, width;

        while (*text != '\0') {
                text += next_character(text, &state, &width);
                sum += width;
        }
        return sum;
}

size_t ctl_text_fit(const char *text, size_t width) {
        mbstate_t state = {};
        size_t size = 0, sum = 0, one;

        while (text[size] != '\0') {
                size_t n = next_character(text + size, &state, &one);

                if (sum + one > width)
                        break;
                size += n;
                sum += one;
        }
        return size;
}

char *ctl_text_size(uint64_t size, bool in_bytes) {
        static const char units[] = "BKMGTPE";
        double value = (double) size;
        size_t unit = 0;
        uint64_t tenths;

        if (in_bytes)
                return ctl_text_format("%" PRIu64, size);
        while (value >= 1023.95 && unit + 2 < sizeof(units)) {
                value /= 1024;
                unit++;
        }
        /* One decimal place, unless it is 0 when rounded. */
        tenths = (uint64_t) (value * 10 + 0.5);
        if (tenths % 10 == 0)
                return ctl_text_format("%" PRIu64 "%c", tenths / 10, units[unit]);
        return ctl_text_format("%" PRIu64 ".%" PRIu64 "%c", tenths / 10, tenths % 10, units[unit]);
}

char *ctl_text_rate(double bytes_per_s) {
        static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s" };
        size_t unit = 0;

        while (bytes_per_s >= 999.5 && unit + 1 < N_ELEMENTS(units)) {
                bytes_per_s /= 1000;
                unit++;
        }
        return ctl_text_format(bytes_per_s < 10 && unit > 0 ? "%.1f %s" : "%.0f %s", bytes_per_s,
                               units[unit]);
}

char *ctl_text_seconds(uint64_t seconds) {
        uint64_t minutes = seconds / 60;

        if (minutes < 60)
                return ctl_text_format("%" PRIu64 ":%02" PRIu64, minutes, seconds % 60);
        return ctl_text_format("%" PRIu64 ":%02" PRIu64 ":%02" PRIu64, minutes / 60, minutes % 60,
                               seconds % 60);
}

char *ctl_text_latency(double seconds) {
        if (!(seconds > 0))
                return ctl_text_copy("-");
        if (seconds < 1e-3)
                return ctl_text_format("%.*f us", seconds < 1e-4 ? 1 : 0, seconds * 1e6);
        if (seconds < 1)
                return ctl_text_format("%.*f ms", seconds < 0.1 ? 1 : 0, seconds * 1e3);
        return ctl_text_format("%.2f s", seconds);
}

/* strtoull() takes signs and spaces, which no number here has. */
static int parse_digits(const char *text, char **ret_end, uint64_t *ret) {
        if (!isdigit((unsigned char) text[0]))
                return -EINVAL;
        errno = 0;
        *ret = strtoull(text, ret_end, 10);
        return -errno;
}

int ctl_text_parse_number(const char *text, uint64_t maximum, uint64_t *ret) {
        uint64_t value;
        char *end;
        int r;

        r = parse_digits(text, &end, &value);
        if (r < 0)
                return r;
        if (*end != '\0')
                return -EINVAL;
        if (value > maximum)
                return -ERANGE;
        *ret = value;
        return 0;
}

int ctl_text_parse_size(const char *text, uint64_t *ret) {
        static const char units[] = "KMGTPE";
        unsigned shift = 0;
        uint64_t value;
        char *end;
        int r;

        r = parse_digits(text, &end, &value);
        if (r < 0)
                return r;
        if (*end != '\0') {
                const char *unit = strchr(units, toupper((unsigned char) *end));

                if (!unit)
                        return -EINVAL;
                shift = 10 * (unsigned) (unit - units + 1);
                end++;
                if (strcmp(end, "") != 0 && strcmp(end, "B") != 0 && strcmp(end, "iB") != 0)
                        return -EINVAL;
        }
        if (value > UINT64_MAX >> shift)
                return -ERANGE;
        *ret = value << shift;
        return 0;
}

int ctl_text_parse_timeout(const char *text, uint64_t *ret_us) {
        static const struct {
                const char *name;
                uint64_t factor_us;
        } units[] = {
                { "", 1000 },        { "ms", 1000 },      { "s", 1000000 },
                { "min", 60000000 }, { "h", 3600000000 },
        };
        uint64_t value;
        char *end;
        int r;

        if (strcmp(text, "never") == 0) {
                *ret_us = 0;
                return 0;
        }
        r = parse_digits(text, &end, &value);
        if (r < 0)
                return r;
        for (size_t i = 0; i < N_ELEMENTS(units); i++)
                if (strcmp(end, units[i].name) == 0)
                        return __builtin_mul_overflow(value, units[i].factor_us, ret_us) ? -ERANGE
                                                                                         : 0;
        return -EINVAL;
}
