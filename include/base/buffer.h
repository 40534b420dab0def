#pragma once

/*
 * Buffer
 *
 * Bytes that grow up to a limit: filled at the end, consumed at the front.
 */

#include <stdint.h>

#include "base/macros.h"

typedef struct Buffer {
        uint8_t *memory; /* owned */
        size_t capacity;
        size_t start; /* of the unconsumed bytes */
        size_t size;  /* of the unconsumed bytes */
        size_t size_max;
} Buffer;

void buffer_init(Buffer *buffer, size_t size_max);
void buffer_done(Buffer *buffer);
/* The unconsumed bytes; invalidated by whatever fills. */
uint8_t *buffer_data(const Buffer *buffer);
/* Makes room for `size` more bytes and returns where they go: NULL if past the limit or out of
 * memory. */
uint8_t *buffer_reserve(Buffer *buffer, size_t size);
/* The first `size` bytes of what was reserved are filled. */
void buffer_commit(Buffer *buffer, size_t size);
/* -ENOBUFS past the limit, -ENOMEM. */
int buffer_append(Buffer *buffer, const void *bytes, size_t size);
void buffer_consume(Buffer *buffer, size_t size);
void buffer_clear(Buffer *buffer);
