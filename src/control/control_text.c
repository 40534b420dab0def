/* See control_text.h. */

#include "control/control_text.h"

bool control_text_is_printable(const char *text, size_t size) {
        for (size_t i = 0; i < size; i++) {
                if (text[i] == '\0')
                        return true;
                if (text[i] < ' ' || text[i] > '~')
                        return false;
        }
        return false;
}
