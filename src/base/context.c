/*
 * Context
 *
 * The switch for x86-64 (System V ABI, 3.2.1) and AArch64 (AAPCS64, 6.1) by hand: push the
 * registers that a callee preserves, exchange the stack pointers, pop. A new context's stack is
 * laid out as if it had once been switched away from, with the trampoline as its return address.
 * Other processors use ucontext.
 */

#include "base/context.h"

#ifdef CONTEXT_IS_UCONTEXT

/* makecontext() passes ints only. */
static void ucontext_trampoline(unsigned entry_high, unsigned entry_low, unsigned argument_high,
                                unsigned argument_low) {
        uintptr_t entry = (uintptr_t) ((uint64_t) entry_high << 32 | entry_low);
        uintptr_t argument = (uintptr_t) ((uint64_t) argument_high << 32 | argument_low);

        ((ContextEntry) entry)((void *) argument);
        assert_not_reached();
}

void context_init(Context *context, void *stack, size_t stack_size, ContextEntry entry,
                  void *argument) {
        uint64_t e = (uintptr_t) entry, a = (uintptr_t) argument;
        int r;

        r = getcontext(&context->ucontext);
        assert(r == 0);
        context->ucontext.uc_stack.ss_sp = stack;
        context->ucontext.uc_stack.ss_size = stack_size;
        context->ucontext.uc_link = NULL;
        makecontext(&context->ucontext, (void (*)(void)) ucontext_trampoline, 4,
                    (unsigned) (e >> 32), (unsigned) e, (unsigned) (a >> 32), (unsigned) a);
}

void context_switch(Context *from, const Context *to) {
        int r;

        r = swapcontext(&from->ucontext, &to->ucontext);
        assert(r == 0);
}

#else

/* void context_exchange(void **ret_from, void *to) */
void context_exchange(void **ret_from, void *to);
void context_trampoline(void);

#if defined(__x86_64__)

/* The trampoline's frame has no caller: unwinders stop there. */
__asm__(".text\n"
        ".globl context_exchange\n"
        ".hidden context_exchange\n"
        ".type context_exchange, @function\n"
        "context_exchange:\n"
        "        .cfi_startproc\n"
        "        pushq %rbp\n"
        "        pushq %rbx\n"
        "        pushq %r12\n"
        "        pushq %r13\n"
        "        pushq %r14\n"
        "        pushq %r15\n"
        "        movq %rsp, (%rdi)\n"
        "        movq %rsi, %rsp\n"
        "        popq %r15\n"
        "        popq %r14\n"
        "        popq %r13\n"
        "        popq %r12\n"
        "        popq %rbx\n"
        "        popq %rbp\n"
        "        ret\n"
        "        .cfi_endproc\n"
        ".size context_exchange, . - context_exchange\n"
        ".globl context_trampoline\n"
        ".hidden context_trampoline\n"
        ".type context_trampoline, @function\n"
        "context_trampoline:\n"
        "        .cfi_startproc\n"
        "        .cfi_undefined rip\n"
        "        movq %rbx, %rdi\n"
        "        callq *%r12\n"
        "        ud2\n"
        "        .cfi_endproc\n"
        ".size context_trampoline, . - context_trampoline\n");

/* What context_exchange() pops, from low to high. */
typedef struct Frame {
        void *r15, *r14, *r13, *r12, *rbx, *rbp;
        void *return_address;
        void *end[2]; /* nothing; keeps the stack aligned to 16 where `entry` is called */
} Frame;

static void frame_init(Frame *frame, ContextEntry entry, void *argument) {
        *frame = (Frame){
                .r12 = (void *) (uintptr_t) entry,
                .rbx = argument,
                .return_address = (void *) (uintptr_t) context_trampoline,
        };
}

#else /* __aarch64__ */

__asm__(".text\n"
        ".globl context_exchange\n"
        ".hidden context_exchange\n"
        ".type context_exchange, %function\n"
        "context_exchange:\n"
        "        .cfi_startproc\n"
        "        sub sp, sp, #160\n"
        "        stp x19, x20, [sp, #0]\n"
        "        stp x21, x22, [sp, #16]\n"
        "        stp x23, x24, [sp, #32]\n"
        "        stp x25, x26, [sp, #48]\n"
        "        stp x27, x28, [sp, #64]\n"
        "        stp x29, x30, [sp, #80]\n"
        "        stp d8, d9, [sp, #96]\n"
        "        stp d10, d11, [sp, #112]\n"
        "        stp d12, d13, [sp, #128]\n"
        "        stp d14, d15, [sp, #144]\n"
        "        mov x2, sp\n"
        "        str x2, [x0]\n"
        "        mov sp, x1\n"
        "        ldp x19, x20, [sp, #0]\n"
        "        ldp x21, x22, [sp, #16]\n"
        "        ldp x23, x24, [sp, #32]\n"
        "        ldp x25, x26, [sp, #48]\n"
        "        ldp x27, x28, [sp, #64]\n"
        "        ldp x29, x30, [sp, #80]\n"
        "        ldp d8, d9, [sp, #96]\n"
        "        ldp d10, d11, [sp, #112]\n"
        "        ldp d12, d13, [sp, #128]\n"
        "        ldp d14, d15, [sp, #144]\n"
        "        add sp, sp, #160\n"
        "        ret\n"
        "        .cfi_endproc\n"
        ".size context_exchange, . - context_exchange\n"
        ".globl context_trampoline\n"
        ".hidden context_trampoline\n"
        ".type context_trampoline, %function\n"
        "context_trampoline:\n"
        "        .cfi_startproc\n"
        "        .cfi_undefined x30\n"
        "        mov x0, x19\n"
        "        blr x20\n"
        "        brk #1\n"
        "        .cfi_endproc\n"
        ".size context_trampoline, . - context_trampoline\n");

typedef struct Frame {
        void *x19, *x20, *x21_to_x28[8], *x29, *x30;
        double d8_to_d15[8];
} Frame;

static_assert(sizeof(Frame) == 160, "differs from what context_exchange() pops");

static void frame_init(Frame *frame, ContextEntry entry, void *argument) {
        *frame = (Frame){
                .x19 = argument,
                .x20 = (void *) (uintptr_t) entry,
                .x30 = (void *) (uintptr_t) context_trampoline,
        };
}

#endif

void context_init(Context *context, void *stack, size_t stack_size, ContextEntry entry,
                  void *argument) {
        uint8_t *top = (uint8_t *) stack + ALIGN_DOWN(stack_size, 16);
        Frame *frame = (Frame *) (top - sizeof(Frame));

        assert((uintptr_t) stack % 16 == 0);
        assert(stack_size >= sizeof(Frame));

        frame_init(frame, entry, argument);
        context->stack_pointer = frame;
}

void context_switch(Context *from, const Context *to) {
        context_exchange(&from->stack_pointer, to->stack_pointer);
}

#endif
