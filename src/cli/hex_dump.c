/* As hexdump -C prints it. */

#include "cli/hex_dump.h"
#include "cli/ctl_text.h"

#define BYTES_PER_LINE 16

void hex_dump_print(FILE *file, const uint8_t *bytes, size_t size) {
        for (size_t offset = 0; offset < size; offset += BYTES_PER_LINE) {
                size_t n = MIN(size - offset, (size_t) BYTES_PER_LINE);

                fprintf(file, "%08zx ", offset);
                for (size_t i = 0; i < BYTES_PER_LINE; i++) {
                        if (i == BYTES_PER_LINE / 2)
                                fputc(' ', file);
                        if (i < n)
                                fprintf(file, " %02x", bytes[offset + i]);
                        else
                                fputs("   ", file);
                }
                fputs("  |", file);
                for (size_t i = 0; i < n; i++) {
                        uint8_t byte = bytes[offset + i];

                        fputc(byte >= 0x20 && byte < 0x7f ? byte : '.', file);
                }
                fputs("|\n", file);
        }
}

char *hex_dump_string(const uint8_t *bytes, size_t size) {
        static const char digits[] = "0123456789abcdef";
        char *text = malloc(2 * size + 1);

        if (!text)
                ctl_text_no_memory();
        for (size_t i = 0; i < size; i++) {
                text[2 * i] = digits[bytes[i] >> 4];
                text[2 * i + 1] = digits[bytes[i] & 0xf];
        }
        text[2 * size] = '\0';
        return text;
}
