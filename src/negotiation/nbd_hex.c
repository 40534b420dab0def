#include "negotiation/nbd_hex.h"

static int get_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool nbd_hex_parse_byte(const char *text, uint8_t *ret) {
        int high = get_digit(text[0]);
        int low = high < 0 ? -1 : get_digit(text[1]);

        if (low < 0)
                return false;
        *ret = (uint8_t) (high << 4 | low);
        return true;
}
