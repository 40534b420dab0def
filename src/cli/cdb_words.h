#pragma once

/* Command blocks and other bytes as people write them. */

#include "base/macros.h"

#define CDB_WORDS_SIZE_MAX 16

/* "12", "0x12", "12000000ff00", "12:00 00,00": each word is bytes of two digits (a single digit
 * alone is one too). -EINVAL: no such thing, `*ret_wrong` is the word (borrowed). -E2BIG: longer
 * than `size_max`. */
int cdb_words_parse(char *const *words, uint8_t *bytes, size_t size_max, size_t *ret_size,
                    const char **ret_wrong);
