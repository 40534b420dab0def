#pragma once

/*
 * Stack
 *
 * Memory for a Context to run on, with a page below it that faults: who overruns it dies instead of
 * overwriting a neighbour.
 */

#include "base/list.h"

typedef struct Stack {
        uint8_t *memory; /* owned; the lowest usable byte */
        size_t size;
        size_t guard_size;
        unsigned valgrind_id;
        ListNode node; /* TaskPool::stacks */
} Stack;

/* `size` is rounded up to pages, and enlarged under AddressSanitizer, whose frames are larger. */
int stack_new(Stack **ret, size_t size);
Stack *stack_free(Stack *stack);
DEFINE_CLEANUP(Stack *, stack_free);
/* Its frames have been left for good without a return: forget what sanitizers know of them. */
void stack_forget(Stack *stack);
