#pragma once

/*
 * Context
 *
 * A place of execution that can be left and entered again: the processor's side of a Task.
 * Switching keeps what the calling convention says a function keeps, and no more: not the signal
 * mask, which nobody here changes and which would cost a system call.
 */

#include "base/macros.h"

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(CONTEXT_IS_UCONTEXT)
#define CONTEXT_IS_UCONTEXT 1
#endif

#ifdef CONTEXT_IS_UCONTEXT
#include <ucontext.h>
#endif

typedef struct Context {
#ifdef CONTEXT_IS_UCONTEXT
        ucontext_t ucontext;
#else
        void *stack_pointer; /* the rest is on the stack */
#endif
} Context;

/* Must never return. */
typedef void (*ContextEntry)(void *argument);

/* Prepares `context` to start in `entry` on that stack when it is first switched to. */
void context_init(Context *context, void *stack, size_t stack_size, ContextEntry entry,
                  void *argument);
/* Leaves the caller's place in `from` and goes on at `to`; returns when someone switches back. */
void context_switch(Context *from, const Context *to);
