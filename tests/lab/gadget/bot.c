/*
 * Bulk-Only Transport 1.0, the device's side. Where the host wants more than there is, the data ends
 * with a halt (6.7.2, 6.7.3).
 */

#include <endian.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "protocol.h"

#define MIN(a, b) ((a) < (b) ? (a) : (b))

#define CBW_SIZE 31
#define CBW_SIGNATURE 0x43425355U
#define CSW_SIZE 13
#define CSW_SIGNATURE 0x53425355U
#define STATUS_PASSED 0
#define STATUS_FAILED 1
#define STATUS_PHASE_ERROR 2
/* Any packet's size and more: a CBW that is too long is seen as such. */
#define TRANSFER_SIZE 1024

#define REQUEST_RESET 0xFF
#define REQUEST_GET_MAX_LUN 0xFE
#define TYPE_OUT 0x21
#define TYPE_IN 0xA1

typedef struct Bot {
        Gadget *gadget;
        Function *function; /* the gadget's */
        uint32_t tag;
        uint32_t host_size; /* dCBWDataTransferLength */
        bool is_in;
        DiskCommand command;
        size_t moved; /* bytes that count */
} Bot;

static const Fault *take(Bot *bot, FaultKind kind) {
        return fault_plan_take(&bot->gadget->plan, kind, &bot->command.occasion);
}

static uint32_t get_le32(const uint8_t *bytes) {
        uint32_t value;

        memcpy(&value, bytes, sizeof(value));
        return le32toh(value);
}

static void put_le32(uint8_t *bytes, uint32_t value) {
        value = htole32(value);
        memcpy(bytes, &value, sizeof(value));
}

/* 6.2: valid and meaningful. */
static bool parse_cbw(Bot *bot, const uint8_t *cbw, ssize_t size) {
        if (size != CBW_SIZE || get_le32(cbw) != CBW_SIGNATURE || cbw[13] > 15 || cbw[14] == 0 ||
            cbw[14] > 16)
                return false;

        bot->tag = get_le32(cbw + 4);
        bot->host_size = get_le32(cbw + 8);
        bot->is_in = cbw[12] & 0x80;
        bot->command = (DiskCommand){ .lun = cbw[13] };
        memcpy(bot->command.cdb, cbw + 15, cbw[14]);
        bot->moved = 0;
        return true;
}

/* Status */

static void send_csw(Bot *bot) {
        uint32_t residue = bot->host_size - (uint32_t) bot->moved;
        uint8_t csw[CSW_SIZE], status = bot->command.has_failed ? STATUS_FAILED : STATUS_PASSED;
        size_t size = CSW_SIZE;
        const Fault *fault;

        fault = take(bot, FAULT_RESIDUE);
        if (fault)
                residue = (uint32_t) fault->argument;
        fault = take(bot, FAULT_STATUS);
        if (fault)
                status = (uint8_t) fault->argument;
        if (take(bot, FAULT_PHASE_ERROR))
                status = STATUS_PHASE_ERROR;
        fault = take(bot, FAULT_CSW_SIZE);
        if (fault)
                size = MIN((size_t) fault->argument, sizeof(csw));

        put_le32(csw, take(bot, FAULT_SIGNATURE) ? 0xDEADBEEF : CSW_SIGNATURE);
        put_le32(csw + 4, take(bot, FAULT_TAG) ? bot->tag ^ 0x5A5A5A5A : bot->tag);
        put_le32(csw + 8, residue);
        csw[12] = status;
        function_send(bot->function, csw, size);
}

static void end(Bot *bot) {
        if (take(bot, FAULT_HANG_STATUS)) {
                function_await_reset(bot->function);
                return;
        }
        if (take(bot, FAULT_CSW_MISSING))
                return;
        if (take(bot, FAULT_STALL_STATUS))
                function_halt_in(bot->function);
        if (take(bot, FAULT_ZERO_PACKET))
                function_send(bot->function, "", 0);
        send_csw(bot);
}

/* Data */

static void halt_data(Bot *bot) {
        if (bot->is_in)
                function_halt_in(bot->function);
        else
                function_halt_out(bot->function);
}

/* The command ends where its data did. */
static void break_data_off(Bot *bot, size_t moved) {
        bot->moved = moved;
        disk_fail(&bot->gadget->disk, &bot->command, 0xB, 0, 0);
        halt_data(bot);
}

/* What to leave away of the data, or to add to it. */
static size_t change_size(Bot *bot, size_t size) {
        const Fault *fault = take(bot, FAULT_SHORT);

        if (fault) {
                size -= MIN((size_t) fault->argument, size);
                bot->moved = size;
                return size;
        }
        bot->moved = size;
        fault = take(bot, FAULT_SHORT_UNTOLD);
        if (fault)
                return size - MIN((size_t) fault->argument, size);
        fault = take(bot, FAULT_LONG);
        return fault ? MIN(size + fault->argument, (size_t) DISK_DATA_SIZE_MAX) : size;
}

static bool send_data(Bot *bot) {
        size_t size = MIN(bot->command.size, (size_t) bot->host_size), changed;
        const Fault *fault;

        if (take(bot, FAULT_SKIP_DATA))
                return true;
        fault = take(bot, FAULT_STALL_DATA);
        if (fault) {
                size = MIN(size, (size_t) fault->argument);
                if (size > 0 && !function_send(bot->function, bot->command.data, size))
                        return false;
                break_data_off(bot, size);
                return true;
        }
        if (take(bot, FAULT_HANG_DATA)) {
                /* A whole packet at any speed, so that the host waits for more. */
                if (size > TRANSFER_SIZE)
                        function_send(bot->function, bot->command.data,
                                      size / 2 / TRANSFER_SIZE * TRANSFER_SIZE);
                function_await_reset(bot->function);
                return false;
        }
        changed = change_size(bot, size);
        if (changed > 0 && !function_send(bot->function, bot->command.data, changed))
                return false;
        if (size < bot->host_size)
                function_halt_in(bot->function);
        return true;
}

static bool receive_data(Bot *bot) {
        size_t size = MIN(bot->command.size, (size_t) bot->host_size);
        const Fault *fault = take(bot, FAULT_STALL_DATA);

        if (fault) {
                size = MIN(size, (size_t) fault->argument);
                if (size > 0 && !function_receive(bot->function, bot->command.data, size))
                        return false;
                break_data_off(bot, size);
                return true;
        }
        if (take(bot, FAULT_HANG_DATA)) {
                function_receive(bot->function, bot->command.data, size / 2);
                function_await_reset(bot->function);
                return false;
        }
        if (size > 0 && !function_receive(bot->function, bot->command.data, size))
                return false;
        bot->moved = size;
        disk_finish(&bot->gadget->disk, &bot->command, size);
        if (size < bot->host_size)
                function_halt_out(bot->function);
        return true;
}

/* 6.7: the thirteen cases. False: the command was broken off. */
static bool move_data(Bot *bot) {
        DiskDirection direction = bot->command.direction;

        if (bot->host_size == 0)
                return true;
        if (direction == DISK_DIRECTION_IN && bot->is_in)
                return send_data(bot);
        if (direction == DISK_DIRECTION_OUT && !bot->is_in)
                return receive_data(bot);
        halt_data(bot);
        return true;
}

/* Whether a command that failed before its data, or the host's mistake, is all that there is to tell. */
static void run_command(Bot *bot) {
        const Fault *fault;

        disk_begin(&bot->gadget->disk, &bot->command);
        fault = take(bot, FAULT_DISCONNECT);
        if (fault) {
                gadget_disconnect(bot->gadget, fault->argument);
                return;
        }
        if (take(bot, FAULT_HANG_COMMAND)) {
                function_await_reset(bot->function);
                return;
        }
        if (take(bot, FAULT_STALL_COMMAND)) {
                function_halt_in(bot->function);
                function_halt_out(bot->function);
                return;
        }
        if (move_data(bot))
                end(bot);
}

void *bot_run(void *userdata) {
        Gadget *gadget = userdata;
        Bot bot = { .gadget = gadget, .function = &gadget->function };
        uint8_t cbw[TRANSFER_SIZE];

        for (;;) {
                ssize_t size;

                function_forget(&gadget->function);
                size = function_receive_transfer(&gadget->function, cbw, sizeof(cbw));
                if (size < 0)
                        continue;
                if (parse_cbw(&bot, cbw, size)) {
                        run_command(&bot);
                        continue;
                }
                /* 6.6.1 */
                printf("not a CBW: %zd bytes\n", size);
                function_halt_in(&gadget->function);
                function_halt_out(&gadget->function);
        }
        return NULL;
}

/* 3.1 and 3.2 */
ControlAnswer bot_control(Gadget *gadget, const ControlRequest *request) {
        static const FaultOccasion occasion = { 0 };
        int fd = gadget->function.control_fd;
        const Fault *fault;

        if (request->type == TYPE_IN && request->request == REQUEST_GET_MAX_LUN) {
                fault = fault_plan_take(&gadget->plan, FAULT_HANG_MAX_LUN, &occasion);
                if (fault) {
                        gadget_sleep(fault->argument);
                        return CONTROL_ANSWER_STALL;
                }
                if (fault_plan_take(&gadget->plan, FAULT_STALL_MAX_LUN, &occasion))
                        return CONTROL_ANSWER_STALL;
                (void) !write(fd, &gadget->max_lun, 1);
                return CONTROL_ANSWER_DONE;
        }
        if (request->type != TYPE_OUT || request->request != REQUEST_RESET)
                return CONTROL_ANSWER_STALL;
        if (fault_plan_take(&gadget->plan, FAULT_STALL_RESET, &occasion))
                return CONTROL_ANSWER_STALL;
        printf("class reset\n");
        function_reset(&gadget->function);
        (void) !read(fd, NULL, 0);
        return CONTROL_ANSWER_DONE;
}
