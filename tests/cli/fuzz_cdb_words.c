/* A command block that anybody wrote, a word for each line. */

#include <stdint.h>
#include <string.h>

#include "cli/cdb_words.h"

#define N_WORDS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_(freep) char *text = malloc(size + 1);
        char *words[N_WORDS_MAX + 1] = {};
        uint8_t bytes[CDB_WORDS_SIZE_MAX];
        const char *wrong = NULL;
        size_t n = 0, cdb_size = 0;
        char *rest = text, *word;

        if (!text)
                abort();
        memcpy(text, data, size);
        text[size] = '\0';
        while (n < N_WORDS_MAX && (word = strsep(&rest, "\n")))
                words[n++] = word;
        if (cdb_words_parse(words, bytes, sizeof(bytes), &cdb_size, &wrong) < 0)
                assert(wrong && cdb_size == 0);
        else
                assert(cdb_size <= sizeof(bytes));
        return 0;
}
