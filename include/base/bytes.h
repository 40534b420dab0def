#pragma once

/* Endian access to unaligned bytes: SCSI and NBD are big-endian, USB little-endian. */

#include <endian.h>
#include <stdint.h>
#include <string.h>

#define DEFINE_BYTES_ACCESS(order, bits)                                          \
        static inline uint##bits##_t get_##order##bits(const void *bytes) {       \
                uint##bits##_t value;                                             \
                memcpy(&value, bytes, sizeof(value));                             \
                return order##bits##toh(value);                                   \
        }                                                                         \
        static inline void put_##order##bits(void *bytes, uint##bits##_t value) { \
                value = hto##order##bits(value);                                  \
                memcpy(bytes, &value, sizeof(value));                             \
        }                                                                         \
        struct bytes_access_##order##bits##_needs_a_semicolon

DEFINE_BYTES_ACCESS(be, 16);
DEFINE_BYTES_ACCESS(be, 32);
DEFINE_BYTES_ACCESS(be, 64);
DEFINE_BYTES_ACCESS(le, 16);
DEFINE_BYTES_ACCESS(le, 32);
DEFINE_BYTES_ACCESS(le, 64);

static inline uint32_t get_be24(const void *bytes) {
        const uint8_t *b = bytes;

        return (uint32_t) b[0] << 16 | (uint32_t) b[1] << 8 | b[2];
}

static inline void put_be24(void *bytes, uint32_t value) {
        uint8_t *b = bytes;

        b[0] = (uint8_t) (value >> 16);
        b[1] = (uint8_t) (value >> 8);
        b[2] = (uint8_t) value;
}
