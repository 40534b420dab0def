#pragma once

/*
 * What AddressSanitizer and Valgrind are told about stacks, as calls that are nothing where neither
 * is there.
 */

#include "base/macros.h"

#if defined(__has_include)
#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#endif
#endif

#ifndef VALGRIND_STACK_REGISTER
#define VALGRIND_STACK_REGISTER(start, end) 0U
#define VALGRIND_STACK_DEREGISTER(id) ((void) (id))
#endif

#if defined(__SANITIZE_ADDRESS__)
#define INSTRUMENTATION_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTATION_HAS_ASAN 1
#endif
#endif

#ifdef INSTRUMENTATION_HAS_ASAN

#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

#define INSTRUMENTATION_STACK_FACTOR 4

/* NULL for `keep`: the stack that is left will not be entered again. */
static inline void instrumentation_switch_begins(void **keep, const void *to, size_t size) {
        __sanitizer_start_switch_fiber(keep, to, size);
}

/* `kept` is what the last switch away from here kept, NULL on the first arrival. Tells which stack
 * was left. */
static inline void instrumentation_switch_ended(void *kept, const void **ret_from,
                                                size_t *ret_size) {
        __sanitizer_finish_switch_fiber(kept, ret_from, ret_size);
}

static inline void instrumentation_unpoison(void *memory, size_t size) {
        ASAN_UNPOISON_MEMORY_REGION(memory, size);
}

#else

#define INSTRUMENTATION_STACK_FACTOR 1

static inline void instrumentation_switch_begins(void **keep, const void *to, size_t size) {}

static inline void instrumentation_switch_ended(void *kept, const void **ret_from,
                                                size_t *ret_size) {}

static inline void instrumentation_unpoison(void *memory, size_t size) {}

#endif
