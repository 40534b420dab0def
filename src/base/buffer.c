/*
 * Buffer
 *
 * One block of memory with the unconsumed bytes somewhere in it. They move to its front only when
 * there is no room behind them, and the block doubles only when there is none at all.
 */

#include <errno.h>
#include <string.h>

#include "base/buffer.h"

#define BUFFER_CAPACITY_MIN 256

void buffer_init(Buffer *buffer, size_t size_max) {
        assert(size_max > 0);

        *buffer = (Buffer){ .size_max = size_max };
}

void buffer_done(Buffer *buffer) {
        free(buffer->memory);
        *buffer = (Buffer){ .size_max = buffer->size_max };
}

uint8_t *buffer_data(const Buffer *buffer) {
        return buffer->memory ? buffer->memory + buffer->start : NULL;
}

static void move_to_front(Buffer *buffer) {
        if (buffer->start == 0)
                return;
        memmove(buffer->memory, buffer->memory + buffer->start, buffer->size);
        buffer->start = 0;
}

/* `needed` is within the limit. */
static int grow(Buffer *buffer, size_t needed) {
        size_t capacity = MAX(buffer->capacity, (size_t) BUFFER_CAPACITY_MIN);
        uint8_t *memory;

        while (capacity < needed)
                capacity = capacity > buffer->size_max / 2 ? buffer->size_max : 2 * capacity;
        memory = realloc(buffer->memory, capacity);
        if (!memory)
                return -ENOMEM;
        buffer->memory = memory;
        buffer->capacity = capacity;
        return 0;
}

static int reserve(Buffer *buffer, size_t size) {
        assert(buffer->size <= buffer->size_max);

        if (size > buffer->size_max - buffer->size)
                return -ENOBUFS;
        if (buffer->memory && size <= buffer->capacity - buffer->start - buffer->size)
                return 0;
        move_to_front(buffer);
        if (buffer->memory && size <= buffer->capacity - buffer->size)
                return 0;
        return grow(buffer, buffer->size + size);
}

uint8_t *buffer_reserve(Buffer *buffer, size_t size) {
        if (reserve(buffer, size) < 0)
                return NULL;
        return buffer_data(buffer) + buffer->size;
}

void buffer_commit(Buffer *buffer, size_t size) {
        assert(size <= buffer->capacity - buffer->start - buffer->size);
        assert(size <= buffer->size_max - buffer->size);

        buffer->size += size;
}

int buffer_append(Buffer *buffer, const void *bytes, size_t size) {
        int r;

        if (size == 0)
                return 0;
        r = reserve(buffer, size);
        if (r < 0)
                return r;
        memcpy(buffer_data(buffer) + buffer->size, bytes, size);
        buffer->size += size;
        return 0;
}

void buffer_consume(Buffer *buffer, size_t size) {
        assert(size <= buffer->size);

        buffer->start += size;
        buffer->size -= size;
        if (buffer->size == 0)
                buffer->start = 0;
}

void buffer_clear(Buffer *buffer) { buffer_consume(buffer, buffer->size); }
