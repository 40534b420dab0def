/*
 * Stack
 *
 * An anonymous mapping whose first page is made inaccessible. Pages that were never touched cost no
 * memory, so generous sizes are cheap.
 */

#include <errno.h>
#include <sys/mman.h>

#include "base/instrumentation.h"
#include "base/stack.h"

int stack_new(Stack **ret, size_t size) {
        _cleanup_(stack_freep) Stack *stack = NULL;
        size_t page_size = (size_t) sysconf(_SC_PAGESIZE);
        void *memory;

        assert(size > 0);

        stack = calloc(1, sizeof(*stack));
        if (!stack)
                return -ENOMEM;
        list_init(&stack->node);

        stack->guard_size = page_size;
        stack->size = ALIGN_UP(size * INSTRUMENTATION_STACK_FACTOR, page_size);
        memory = mmap(NULL, stack->guard_size + stack->size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED)
                return -errno;
        stack->memory = (uint8_t *) memory + stack->guard_size;
        stack->valgrind_id =
                        VALGRIND_STACK_REGISTER(stack->memory, stack->memory + stack->size - 1);

        if (mprotect(memory, stack->guard_size, PROT_NONE) < 0)
                return -errno;

        *ret = TAKE_PTR(stack);
        return 0;
}

Stack *stack_free(Stack *stack) {
        if (!stack)
                return NULL;

        if (stack->memory) {
                stack_forget(stack);
                VALGRIND_STACK_DEREGISTER(stack->valgrind_id);
                (void) munmap(stack->memory - stack->guard_size, stack->guard_size + stack->size);
        }
        free(stack);
        return NULL;
}

void stack_forget(Stack *stack) {
        assert(list_is_empty(&stack->node));

        instrumentation_unpoison(stack->memory, stack->size);
}
