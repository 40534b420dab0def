/*
 * Control/Bulk/Interrupt Transport 1.1, the device's side, with UFI's or others' status block. The
 * command comes on endpoint 0 and is carried out by the worker.
 */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define REQUEST_ADSC 0x00
#define TYPE_OUT 0x21
#define COMMAND_SIZE 12
#define OPCODE_SEND_DIAGNOSTIC 0x1D
#define DIAGNOSTIC_SELF_TEST 0x04
#define POLL_US 500

/* 3.4.3.1.2: not UFI */
#define BLOCK_TYPE_COMPLETION 0x00
#define BLOCK_VALUE_PASSED 0x00
#define BLOCK_VALUE_FAILED 0x01
#define BLOCK_VALUE_PHASE_ERROR 0x02

static const Fault *take(Gadget *gadget, const DiskCommand *command, FaultKind kind) {
        return fault_plan_take(&gadget->plan, kind, &command->occasion);
}

/* UFI tells ASC and ASCQ (3.4.3.1.1); INQUIRY and REQUEST SENSE leave them as they were, zero here. */
static void send_status(Gadget *gadget, const DiskCommand *command) {
        const Disk *disk = &gadget->disk;
        uint8_t block[2] = { BLOCK_TYPE_COMPLETION,
                             command->has_failed ? BLOCK_VALUE_FAILED : BLOCK_VALUE_PASSED };

        if (take(gadget, command, FAULT_HANG_STATUS)) {
                function_await_reset(&gadget->function);
                return;
        }
        if (take(gadget, command, FAULT_CSW_MISSING))
                return;
        if (take(gadget, command, FAULT_PHASE_ERROR))
                block[1] = BLOCK_VALUE_PHASE_ERROR;
        else if (disk->options.is_ufi)
                memcpy(block, disk->sense + 12, sizeof(block));
        function_send_status(&gadget->function, block, sizeof(block));
}

/* What the host expects, by the command alone. */
static DiskDirection expected_direction(const DiskCommand *command) {
        switch (command->cdb[0]) {
        case 0x00: /* TEST UNIT READY */
        case 0x01: /* REZERO UNIT */
        case 0x1B: /* START STOP UNIT */
        case 0x1D: /* SEND DIAGNOSTIC */
        case 0x1E: /* PREVENT ALLOW MEDIUM REMOVAL */
        case 0x2B: /* SEEK(10) */
        case 0x2F: /* VERIFY(10) */
        case 0x35: /* SYNCHRONIZE CACHE(10) */
                return DISK_DIRECTION_NONE;
        case 0x04: /* FORMAT UNIT */
        case 0x2A: /* WRITE(10) */
        case 0x2E: /* WRITE AND VERIFY(10) */
        case 0x55: /* MODE SELECT(10) */
        case 0xAA: /* WRITE(12) */
                return DISK_DIRECTION_OUT;
        default:
                return DISK_DIRECTION_IN;
        }
}

static void halt_data(Gadget *gadget, const DiskCommand *command) {
        switch (expected_direction(command)) {
        case DISK_DIRECTION_NONE:
                return;
        case DISK_DIRECTION_IN:
                function_halt_in(&gadget->function);
                return;
        case DISK_DIRECTION_OUT:
                function_halt_out(&gadget->function);
                return;
        }
}

/* False: broken off. */
static bool move_data(Gadget *gadget, DiskCommand *command) {
        const Fault *fault = take(gadget, command, FAULT_STALL_DATA);
        size_t size = fault ? MIN(command->size, (size_t) fault->argument) : command->size;

        if (take(gadget, command, FAULT_HANG_DATA)) {
                function_await_reset(&gadget->function);
                return false;
        }
        if (size > 0 &&
            !(command->direction == DISK_DIRECTION_IN
                              ? function_send(&gadget->function, command->data, size)
                              : function_receive(&gadget->function, command->data, size)))
                return false;
        if (fault) {
                disk_fail(&gadget->disk, command, 0xB, 0, 0);
                halt_data(gadget, command);
        } else if (command->direction == DISK_DIRECTION_OUT) {
                disk_finish(&gadget->disk, command, size);
        } else if (command->has_failed) {
                halt_data(gadget, command);
        }
        return true;
}

static void run_command(Gadget *gadget, DiskCommand *command) {
        const Fault *fault;

        disk_begin(&gadget->disk, command);
        fault = take(gadget, command, FAULT_DISCONNECT);
        if (fault) {
                gadget_disconnect(gadget, fault->argument);
                return;
        }
        if (take(gadget, command, FAULT_HANG_COMMAND)) {
                function_await_reset(&gadget->function);
                return;
        }
        if (command->direction == DISK_DIRECTION_NONE && command->has_failed)
                halt_data(gadget, command);
        else if (command->direction != DISK_DIRECTION_NONE && !move_data(gadget, command))
                return;
        send_status(gadget, command);
}

static bool await_command(Gadget *gadget, DiskCommand *command) {
        while (!atomic_load(&gadget->is_command_there))
                if (function_is_reset(&gadget->function))
                        return false;
                else
                        usleep(POLL_US);

        *command = (DiskCommand){ 0 };
        memcpy(command->cdb, gadget->command, sizeof(gadget->command));
        command->lun = gadget->command[1] >> 5;
        atomic_store(&gadget->is_command_there, false);
        return true;
}

void *cbi_run(void *userdata) {
        Gadget *gadget = userdata;
        DiskCommand command;

        for (;;) {
                function_forget(&gadget->function);
                if (await_command(gadget, &command))
                        run_command(gadget, &command);
        }
        return NULL;
}

/* 2.3: ADSC. A new command ends the one before; one of them does nothing but that (2.2). */
ControlAnswer cbi_control(Gadget *gadget, const ControlRequest *request) {
        uint8_t command[COMMAND_SIZE] = { 0 };

        if (request->type != TYPE_OUT || request->request != REQUEST_ADSC ||
            request->size > COMMAND_SIZE)
                return CONTROL_ANSWER_STALL;
        if (read(gadget->function.control_fd, command, request->size) != request->size)
                return CONTROL_ANSWER_DONE;

        atomic_store(&gadget->is_command_there, false);
        function_reset(&gadget->function);
        if (command[0] == OPCODE_SEND_DIAGNOSTIC && command[1] == DIAGNOSTIC_SELF_TEST) {
                printf("command block reset\n");
                return CONTROL_ANSWER_DONE;
        }
        memcpy(gadget->command, command, sizeof(command));
        atomic_store(&gadget->is_command_there, true);
        return CONTROL_ANSWER_DONE;
}
