#pragma once

/*
 * The few words that the whole project adds to C: cleanup attributes, ownership transfer,
 * assertions that stay in releases, and arithmetic that names what it does.
 */

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define _cleanup_(function) __attribute__((cleanup(function)))
#define _printf_(string_index, first) __attribute__((__format__(__printf__, string_index, first)))
#define _unused_ __attribute__((unused))

/* Declares name##p() for _cleanup_(); `function` takes NULL. */
#define DEFINE_CLEANUP(Type, function)                  \
        static inline void function##p(Type *pointer) { \
                if (*pointer)                           \
                        function(*pointer);             \
        }                                               \
        struct cleanup_##function##_needs_a_semicolon

/* Gives the pointer away and leaves NULL behind. */
#define TAKE_PTR(pointer)                                      \
        ({                                                     \
                __typeof__(pointer) *_taken_from = &(pointer); \
                __typeof__(pointer) _taken = *_taken_from;     \
                *_taken_from = NULL;                           \
                _taken;                                        \
        })

/* Gives the descriptor away and leaves -EBADF behind. */
#define TAKE_FD(fd)                        \
        ({                                 \
                int *_taken_from = &(fd);  \
                int _taken = *_taken_from; \
                *_taken_from = -9;         \
                _taken;                    \
        })

/* Closes unless negative; returns -EBADF for `fd = fd_close(fd)`. Keeps errno. */
int fd_close(int fd);
/* Reads up to the end, but no more than `size` bytes. Returns how many, or -errno. Blocks. */
ssize_t fd_read_all(int fd, void *bytes, size_t size);
/* The same of a file. */
ssize_t fd_read_path(const char *path, void *bytes, size_t size);

static inline void fd_closep(int *fd) {
        if (*fd >= 0)
                fd_close(*fd);
}

static inline void freep(void *pointer) { free(*(void **) pointer); }

#define assert_not_reached() assert(!"reached the unreachable")

#define container_of(pointer, Type, member) \
        ((Type *) ((char *) (1 ? (pointer) : &((Type *) 0)->member) - offsetof(Type, member)))

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))

#define MIN(a, b)                                  \
        ({                                         \
                __typeof__(a) _min_a = (a);        \
                __typeof__(b) _min_b = (b);        \
                _min_a < _min_b ? _min_a : _min_b; \
        })

#define MAX(a, b)                                  \
        ({                                         \
                __typeof__(a) _max_a = (a);        \
                __typeof__(b) _max_b = (b);        \
                _max_a > _max_b ? _max_a : _max_b; \
        })

#define DIV_ROUND_UP(n, d) (((n) + (d) -1) / (d))

/* `alignment` is a power of two. */
#define ALIGN_DOWN(n, alignment) ((n) & ~((__typeof__(n)) (alignment) -1))
#define ALIGN_UP(n, alignment) ALIGN_DOWN((n) + (alignment) -1, alignment)

static inline bool is_power_of_two(uint64_t n) { return n != 0 && (n & (n - 1)) == 0; }

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)
