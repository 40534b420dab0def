#pragma once

/*
 * PolkitCheck
 *
 * Whether the caller of a method may do what it asks for: root and the service's own user always,
 * others if polkit says so. Asked over the bus and without waiting: the message is dispatched again
 * when the answer is there.
 */

#include <sys/types.h>

#include "dbus/bus_connection.h"

/* Callers whose user the bus is asked for at a time, and questions that polkit has: these may stay open
 * as long as somebody does not type his password, so that there are bounds for one caller, and for one
 * user, who may have many connections. */
#define POLKIT_CHECK_QUERIES_MAX 64
#define POLKIT_CHECK_QUERIES_OF_CALLER_MAX 8
#define POLKIT_CHECK_QUERIES_OF_USER_MAX 16
#define POLKIT_CHECK_DETAILS_MAX 8

typedef struct PolkitCheck PolkitCheck;

/* What an administrator's rules may look at, "device.name" and such. */
typedef struct PolkitDetail {
        const char *name;
        const char *value;
} PolkitDetail;

typedef struct PolkitQuestion {
        const char *action;
        PolkitDetail details[POLKIT_CHECK_DETAILS_MAX];
        size_t n_details;
        bool has_owner; /* whose it is may as well */
        uid_t owner;
} PolkitQuestion;

int polkit_check_new(PolkitCheck **ret, BusConnection *connection);
/* All questions are dropped: the bus is gone. */
void polkit_check_reset(PolkitCheck *check);
PolkitCheck *polkit_check_free(PolkitCheck *check);
DEFINE_CLEANUP(PolkitCheck *, polkit_check_free);

/* `bus` is new: sees what is dispatched. */
int polkit_check_attach(PolkitCheck *check, sd_bus *bus);
/*
 * First in a method's handler. 1: it is allowed, and the caller is `ret_uid` (may be NULL); 0: the handler
 * returns 1, and is called again with this message; negative with `ret_error` set: it is refused.
 */
int polkit_check_test(PolkitCheck *check, sd_bus_message *message, const PolkitQuestion *question,
                      uid_t *ret_uid, sd_bus_error *ret_error);
