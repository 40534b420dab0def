/* Stacks: all of the promised bytes, and not one below them. */

#include <signal.h>
#include <string.h>

#include "base/stack.h"
#include "unit_test.h"

static void touch(void *argument) { *(volatile uint8_t *) argument = 1; }

START_TEST(every_byte_is_writable_and_the_one_below_is_not) {
        Stack *stack = NULL;
        int status;

        ck_assert_int_eq(stack_new(&stack, 10000), 0);
        ck_assert_uint_ge(stack->size, 10000);
        ck_assert_uint_eq((uintptr_t) stack->memory % 4096, 0);
        memset(stack->memory, 0x5a, stack->size);

        /* Sanitizers catch the signal and exit instead. */
        status = run_in_child(touch, stack->memory - 1);
        ck_assert((WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV) ||
                  (WIFEXITED(status) && WEXITSTATUS(status) != EXIT_SUCCESS));
        status = run_in_child(touch, stack->memory - stack->guard_size);
        ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != EXIT_SUCCESS);
        ck_assert_ptr_null(stack_free(stack));
        ck_assert_ptr_null(stack_free(NULL));
}
END_TEST

int main(void) {
        const TTest *const tests[] = { every_byte_is_writable_and_the_one_below_is_not, NULL };

        return run_suite(suite_of("stack", tests));
}
