/* Pure. */

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "cli/cdb_words.h"

static int digit(char c) {
        if (isdigit((unsigned char) c))
                return c - '0';
        return isxdigit((unsigned char) c) ? tolower((unsigned char) c) - 'a' + 10 : -1;
}

/* One run of digits at `*text`, which is moved behind it. */
static int parse_run(const char **text, uint8_t *bytes, size_t size_max, size_t *size) {
        const char *c = *text;
        size_t n;

        if (c[0] == '0' && (c[1] == 'x' || c[1] == 'X'))
                c += 2;
        n = strspn(c, "0123456789abcdefABCDEF");
        if (n == 0 || (n > 1 && n % 2 != 0))
                return -EINVAL;
        *text = c + n;
        if (n == 1) {
                if (*size >= size_max)
                        return -E2BIG;
                bytes[(*size)++] = (uint8_t) digit(c[0]);
                return 0;
        }
        for (; n > 0; n -= 2, c += 2) {
                if (*size >= size_max)
                        return -E2BIG;
                bytes[(*size)++] = (uint8_t) (digit(c[0]) << 4 | digit(c[1]));
        }
        return 0;
}

static int parse_word(const char *word, uint8_t *bytes, size_t size_max, size_t *size) {
        int r;

        for (;;) {
                r = parse_run(&word, bytes, size_max, size);
                if (r < 0)
                        return r;
                if (*word == '\0')
                        return 0;
                if (!strchr(":, ", *word))
                        return -EINVAL;
                word++;
        }
}

int cdb_words_parse(char *const *words, uint8_t *bytes, size_t size_max, size_t *ret_size,
                    const char **ret_wrong) {
        size_t size = 0;
        int r;

        for (; *words; words++) {
                r = parse_word(*words, bytes, size_max, &size);
                if (r < 0) {
                        *ret_wrong = *words;
                        return r;
                }
        }
        *ret_size = size;
        return 0;
}
