/*
 * A query belongs to one message, from its first dispatch to its second: the caller's user is asked
 * for, then polkit; then the message is put in front of the bus's queue again, and finds the
 * verdict. A message that does not come to its handler again (its object has gone meanwhile) leaves
 * a query behind, which is dropped when the next message is dispatched.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/list.h"
#include "base/log.h"
#include "dbus/bus_caller.h"
#include "dbus/bus_error.h"
#include "dbus/polkit_check.h"

#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_INTERFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_USER_INTERACTION 1U

/* A machine answers in a moment, a person with a password does not. */
#define POLKIT_TIMEOUT_US (25 * NS_PER_S / NS_PER_US)
#define POLKIT_INTERACTIVE_TIMEOUT_US (120 * NS_PER_S / NS_PER_US)

#define QUESTION_SIZE_MAX 2048

struct PolkitCheck {
        BusConnection *connection; /* borrowed */
        sd_bus_slot *filter_slot;  /* owned */
        ListNode queries;          /* PolkitQuery::node */
        uint64_t n_cancellations;  /* the last cancellation's number */
};

typedef enum PolkitQueryState {
        POLKIT_QUERY_STATE_USER,      /* the bus is asked who it is */
        POLKIT_QUERY_STATE_POLKIT,    /* polkit is asked whether it may */
        POLKIT_QUERY_STATE_DECIDED,   /* waits to be dispatched again */
        POLKIT_QUERY_STATE_DISPATCHED /* its handler is running, or has run */
} PolkitQueryState;

typedef struct PolkitQuery {
        PolkitCheck *check; /* borrowed */
        PolkitQueryState state;
        sd_bus_message *message;          /* owned */
        BusCaller *caller;                /* owned; NULL once decided */
        sd_bus_slot *slot;                /* owned: the question to polkit */
        sd_bus_message *call;             /* owned: the question, until it is known to be needed */
        char question[QUESTION_SIZE_MAX]; /* action and details, to compare */
        uint64_t cancellation;            /* its number, for polkit */
        bool has_owner;
        uid_t owner;
        uid_t uid;
        int verdict;   /* 0: allowed; -errno */
        ListNode node; /* PolkitCheck::queries */
} PolkitQuery;

static void query_cancel(PolkitQuery *query) {
        sd_bus *bus = bus_connection_get_bus(query->check->connection);
        char text[32];

        if (!bus || query->state != POLKIT_QUERY_STATE_POLKIT)
                return;
        snprintf(text, sizeof(text), "usb-storaged-%llu", (unsigned long long) query->cancellation);
        (void) sd_bus_call_method_async(bus, NULL, POLKIT_NAME, POLKIT_PATH, POLKIT_INTERFACE,
                                        "CancelCheckAuthorization", NULL, NULL, "s", text);
        bus_connection_wake(query->check->connection);
}

static void query_free(PolkitQuery *query) {
        list_unlink(&query->node);
        bus_caller_free(query->caller);
        sd_bus_slot_unref(query->slot);
        sd_bus_message_unref(query->call);
        sd_bus_message_unref(query->message);
        free(query);
}

static void query_decide(PolkitQuery *query, int verdict) {
        int r;

        query->state = POLKIT_QUERY_STATE_DECIDED;
        query->verdict = verdict;
        query->caller = bus_caller_free(query->caller);
        query->slot = sd_bus_slot_unref(query->slot);
        r = sd_bus_enqueue_for_read(bus_connection_get_bus(query->check->connection),
                                    query->message);
        if (r < 0) {
                (void) sd_bus_reply_method_errorf(query->message, BUS_ERROR_FAILED, "No memory");
                query_free(query);
                return;
        }
        bus_connection_wake(query->check->connection);
}

/* polkit */

static int on_polkit(sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        PolkitQuery *query = userdata;
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        int is_allowed = false, is_challenge = false;
        int r;

        if (error) {
                log_debug("polkit does not answer, refusing: %s", error->message);
                query_decide(query, -EACCES);
                return 0;
        }
        r = sd_bus_message_enter_container(reply, 'r', "bba{ss}");
        if (r > 0)
                r = sd_bus_message_read(reply, "bb", &is_allowed, &is_challenge);
        if (r > 0 && is_allowed)
                query_decide(query, 0);
        else
                query_decide(query, r > 0 && is_challenge ? -ENOKEY : -EACCES);
        return 0;
}

static int append_details(sd_bus_message *call, const PolkitQuestion *question) {
        int r;

        r = sd_bus_message_open_container(call, 'a', "{ss}");
        for (size_t i = 0; i < question->n_details && r >= 0; i++)
                r = sd_bus_message_append(call, "{ss}", question->details[i].name,
                                          question->details[i].value);
        if (r < 0)
                return r;
        return sd_bus_message_close_container(call);
}

static int make_call(PolkitQuery *query, const PolkitQuestion *question) {
        bool is_interactive =
                        sd_bus_message_get_allow_interactive_authorization(query->message) > 0;
        sd_bus *bus = bus_connection_get_bus(query->check->connection);
        char cancellation[32];
        int r;

        query->cancellation = ++query->check->n_cancellations;
        snprintf(cancellation, sizeof(cancellation), "usb-storaged-%llu",
                 (unsigned long long) query->cancellation);
        r = sd_bus_message_new_method_call(bus, &query->call, POLKIT_NAME, POLKIT_PATH,
                                           POLKIT_INTERFACE, "CheckAuthorization");
        if (r < 0)
                return r;
        r = sd_bus_message_append(query->call, "(sa{sv})s", "system-bus-name", 1, "name", "s",
                                  sd_bus_message_get_sender(query->message), question->action);
        if (r < 0)
                return r;
        r = append_details(query->call, question);
        if (r < 0)
                return r;
        return sd_bus_message_append(query->call, "us",
                                     is_interactive ? POLKIT_ALLOW_USER_INTERACTION : 0U,
                                     cancellation);
}

static int ask_polkit(PolkitQuery *query) {
        bool is_interactive =
                        sd_bus_message_get_allow_interactive_authorization(query->message) > 0;
        int r;

        query->state = POLKIT_QUERY_STATE_POLKIT;
        r = sd_bus_call_async(bus_connection_get_bus(query->check->connection), &query->slot,
                              query->call, on_polkit, query,
                              is_interactive ? POLKIT_INTERACTIVE_TIMEOUT_US : POLKIT_TIMEOUT_US);
        query->call = sd_bus_message_unref(query->call);
        return r;
}

/* The caller */

static bool may_always(const PolkitQuery *query, uid_t uid) {
        return uid == 0 || uid == getuid() || (query->has_owner && uid == query->owner);
}

/* Who needs polkit does not take the places of who does not. */
static bool may_ask_polkit(const PolkitCheck *check, uid_t uid) {
        unsigned n_asked = 0, n_of_user = 0;

        LIST_FOR_EACH (node, &check->queries) {
                const PolkitQuery *query = list_entry(node, PolkitQuery, node);

                if (query->state != POLKIT_QUERY_STATE_POLKIT)
                        continue;
                n_asked++;
                n_of_user += query->uid == uid;
        }
        return n_asked < POLKIT_CHECK_QUERIES_MAX && n_of_user < POLKIT_CHECK_QUERIES_OF_USER_MAX;
}

static void on_caller_known(BusCaller *caller, int error, uid_t uid, void *userdata) {
        PolkitQuery *query = userdata;
        int r;

        query->uid = uid;
        if (error < 0 || may_always(query, uid)) {
                query_decide(query, error < 0 ? -EACCES : 0);
                return;
        }
        if (!may_ask_polkit(query->check, uid)) {
                query_decide(query, -EAGAIN);
                return;
        }
        r = ask_polkit(query);
        if (r < 0)
                query_decide(query, -EACCES);
}

/* Nobody waits for the answer. */
static void on_caller_gone(BusCaller *caller, void *userdata) {
        PolkitQuery *query = userdata;

        query_cancel(query);
        query_free(query);
}

/* The check */

static PolkitQuery *find_query(PolkitCheck *check, sd_bus_message *message) {
        LIST_FOR_EACH (node, &check->queries) {
                PolkitQuery *query = list_entry(node, PolkitQuery, node);

                if (query->message == message)
                        return query;
        }
        return NULL;
}

static bool has_room(PolkitCheck *check, sd_bus_message *message) {
        const char *sender = sd_bus_message_get_sender(message);
        unsigned n_of_caller = 0, n_unknown = 0;

        LIST_FOR_EACH (node, &check->queries) {
                PolkitQuery *query = list_entry(node, PolkitQuery, node);
                const char *other = sd_bus_message_get_sender(query->message);

                n_of_caller += sender && other && strcmp(sender, other) == 0;
                n_unknown += query->state == POLKIT_QUERY_STATE_USER;
        }
        return n_unknown < POLKIT_CHECK_QUERIES_MAX &&
               n_of_caller < POLKIT_CHECK_QUERIES_OF_CALLER_MAX;
}

static int format_question(char *ret, const PolkitQuestion *question) {
        size_t size = (size_t) snprintf(ret, QUESTION_SIZE_MAX, "%s", question->action);

        for (size_t i = 0; i < question->n_details && size < QUESTION_SIZE_MAX; i++)
                size += (size_t) snprintf(ret + size, QUESTION_SIZE_MAX - size, "\n%s=%s",
                                          question->details[i].name, question->details[i].value);
        return size < QUESTION_SIZE_MAX ? 0 : -E2BIG;
}

static int query_start(PolkitQuery *query, const PolkitQuestion *question) {
        static const BusCallerHandlers handlers = {
                .known = on_caller_known,
                .gone = on_caller_gone,
        };
        int r;

        query->has_owner = question->has_owner;
        query->owner = question->owner;
        r = format_question(query->question, question);
        if (r < 0)
                return r;
        r = make_call(query, question);
        if (r < 0)
                return r;
        return bus_caller_new(&query->caller, query->check->connection, query->message, &handlers,
                              query);
}

static int refuse_too_many(sd_bus_error *ret_error) {
        return bus_error_set(ret_error, -EAGAIN, "Too many questions are open");
}

static int ask(PolkitCheck *check, sd_bus_message *message, const PolkitQuestion *question,
               sd_bus_error *ret_error) {
        PolkitQuery *query;
        int r;

        if (!has_room(check, message))
                return refuse_too_many(ret_error);
        query = calloc(1, sizeof(*query));
        if (!query)
                return bus_error_set(ret_error, -ENOMEM, "No memory");
        query->check = check;
        query->message = sd_bus_message_ref(message);
        list_init(&query->node);
        list_append(&check->queries, &query->node);
        r = query_start(query, question);
        if (r < 0) {
                query_free(query);
                return bus_error_set(ret_error, r, "The caller can't be checked");
        }
        return 0;
}

static int tell_verdict(PolkitQuery *query, const char *action, uid_t *ret_uid,
                        sd_bus_error *ret_error) {
        int verdict = query->verdict;
        uid_t uid = query->uid;

        query_free(query);
        if (verdict == -EAGAIN)
                return refuse_too_many(ret_error);
        if (verdict < 0)
                return bus_error_set(ret_error, verdict, "%s is not allowed", action);
        if (ret_uid)
                *ret_uid = uid;
        return 1;
}

int polkit_check_test(PolkitCheck *check, sd_bus_message *message, const PolkitQuestion *question,
                      uid_t *ret_uid, sd_bus_error *ret_error) {
        PolkitQuery *query = find_query(check, message);
        char text[QUESTION_SIZE_MAX];

        assert(question->n_details <= POLKIT_CHECK_DETAILS_MAX);

        if (!query)
                return ask(check, message, question, ret_error);
        if (format_question(text, question) < 0 || strcmp(text, query->question) != 0) {
                query_free(query);
                return bus_error_set(ret_error, -EAGAIN,
                                     "What was asked for changed while it was checked");
        }
        return tell_verdict(query, question->action, ret_uid, ret_error);
}

static int on_message(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) {
        PolkitCheck *check = userdata;

        LIST_FOR_EACH (node, &check->queries) {
                PolkitQuery *query = list_entry(node, PolkitQuery, node);

                if (query->state == POLKIT_QUERY_STATE_DISPATCHED)
                        query_free(query);
                else if (query->message == message)
                        query->state = POLKIT_QUERY_STATE_DISPATCHED;
        }
        return 0;
}

int polkit_check_attach(PolkitCheck *check, sd_bus *bus) {
        return sd_bus_add_filter(bus, &check->filter_slot, on_message, check);
}

int polkit_check_new(PolkitCheck **ret, BusConnection *connection) {
        PolkitCheck *check;

        check = calloc(1, sizeof(*check));
        if (!check)
                return -ENOMEM;
        check->connection = connection;
        list_init(&check->queries);
        *ret = check;
        return 0;
}

void polkit_check_reset(PolkitCheck *check) {
        check->filter_slot = sd_bus_slot_unref(check->filter_slot);
        LIST_FOR_EACH (node, &check->queries)
                query_free(list_entry(node, PolkitQuery, node));
}

PolkitCheck *polkit_check_free(PolkitCheck *check) {
        if (!check)
                return NULL;

        polkit_check_reset(check);
        free(check);
        return NULL;
}
