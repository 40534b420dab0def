#pragma once

/*
 * Function
 *
 * The gadget's USB side: a FunctionFS instance with one mass-storage interface. The thread of main()
 * answers endpoint 0; another one, the worker, moves the data.
 */

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FUNCTION_INTERFACE_CBI 0x00
#define FUNCTION_INTERFACE_BOT 0x50

typedef struct Function {
        int control_fd;
        int in_fd;
        int out_fd;
        int interrupt_fd; /* -1: none */

        pthread_t worker;
        /* A reset breaks off what the worker does, and nothing is answered until it has noticed. */
        atomic_uint n_resets_asked;
        atomic_uint n_resets_seen;
} Function;

/* Opens the endpoints of the FunctionFS that is mounted there. False: errno. */
bool function_open(Function *function, const char *folder, uint8_t subclass, uint8_t protocol);

/* For the thread of endpoint 0: returns when the worker does nothing any more. */
void function_reset(Function *function);

/* For the worker. What follows fails as soon as there was a reset; then only function_forget() goes on. */
bool function_is_reset(Function *function);
void function_forget(Function *function);
bool function_send(Function *function, const void *data, size_t size);
bool function_send_status(Function *function, const void *data,
                          size_t size); /* on the interrupt pipe */
/* A transfer of at most `size` bytes; -1: failed. */
ssize_t function_receive_transfer(Function *function, void *data, size_t size);
bool function_receive(Function *function, void *data, size_t size);
void function_halt_in(Function *function);
void function_halt_out(Function *function);
void function_await_reset(Function *function);
