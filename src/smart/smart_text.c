/* Texts and sums in the answers of drives. */

#include "smart/smart_text.h"

#include "base/macros.h"

#define SWAPPED_SIZE_MAX 40

static bool is_padding(uint8_t byte) { return byte == ' ' || byte == '\0'; }

void smart_text_copy(char *text, const uint8_t *bytes, size_t size) {
        size_t n = 0;

        while (size > 0 && is_padding(bytes[size - 1]))
                size--;
        while (size > 0 && is_padding(bytes[0])) {
                bytes++;
                size--;
        }
        for (; n < size; n++)
                text[n] = (char) (bytes[n] >= 0x20 && bytes[n] < 0x7F ? bytes[n] : '?');
        text[n] = '\0';
}

void smart_text_copy_swapped(char *text, const uint8_t *bytes, size_t size) {
        uint8_t swapped[SWAPPED_SIZE_MAX];

        assert(size <= sizeof(swapped) && size % 2 == 0);

        for (size_t i = 0; i < size; i++)
                swapped[i] = bytes[i ^ 1];
        smart_text_copy(text, swapped, size);
}

bool smart_text_sums_to_zero(const uint8_t *bytes, size_t size) {
        uint8_t sum = 0;

        for (size_t i = 0; i < size; i++)
                sum = (uint8_t) (sum + bytes[i]);
        return sum == 0;
}

bool smart_text_is_filled(const uint8_t *bytes, size_t size, uint8_t filling) {
        for (size_t i = 0; i < size; i++)
                if (bytes[i] != filling)
                        return false;
        return true;
}
