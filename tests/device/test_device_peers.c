/* Who is at the other end of sockets, and how they are named. */

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "broker.h"
#include "device/device_clients.h"
#include "device/device_peers.h"
#include "device/device_request.h"
#include "device/device_view.h"
#include "unit_test.h"

static DevicePeers peers;

static void set_up(void) { device_peers_init(&peers); }

static void tear_down(void) { device_peers_clear(&peers); }

static void make_pair(int fds[2]) {
        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
}

static void close_pair(const int fds[2]) {
        fd_close(fds[0]);
        fd_close(fds[1]);
}

START_TEST(a_socket_that_the_service_gave_away_is_somebodys_on_the_bus) {
        char text[DEVICE_PEER_TEXT_SIZE];
        DevicePeer peer;
        int fds[2];

        make_pair(fds);
        device_peer_look_at(&peer, 3, fds[0], "");
        ck_assert_uint_eq(peer.lun, 3);
        ck_assert_int_eq(peer.pid, 0);
        device_peer_format(&peer, text);
        ck_assert_str_eq(text, "over the bus");
        close_pair(fds);
}
END_TEST

/* Connects to `address` in a process of its own, which waits until the connection ends. */
static pid_t connect_as(const char *name, const struct sockaddr *address, socklen_t size) {
        pid_t pid = fork();
        char byte;
        int fd;

        ck_assert_int_ge(pid, 0);
        if (pid > 0)
                return pid;
        prctl(PR_SET_NAME, name);
        fd = socket(address->sa_family, SOCK_STREAM, 0);
        if (connect(fd, address, size) < 0)
                _exit(1);
        while (read(fd, &byte, 1) > 0)
                ;
        _exit(0);
}

/* The listener's side of such a connection. */
static void look_at_client(const char *name, const struct sockaddr *address, socklen_t size,
                           DevicePeer *ret, pid_t *ret_pid) {
        struct sockaddr_storage bound;
        socklen_t bound_size = sizeof(bound);
        int listener = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), fd;

        ck_assert_int_eq(bind(listener, address, size), 0);
        ck_assert_int_eq(listen(listener, 1), 0);
        ck_assert_int_eq(getsockname(listener, (struct sockaddr *) &bound, &bound_size), 0);
        *ret_pid = connect_as(name, (const struct sockaddr *) &bound, bound_size);
        fd = accept(listener, NULL, NULL);
        ck_assert_int_ge(fd, 0);
        device_peer_look_at(ret, 0, fd, "");
        fd_close(fd);
        fd_close(listener);
        ck_assert_int_eq(waitpid(*ret_pid, NULL, 0), *ret_pid);
}

START_TEST(a_process_is_named_with_its_user) {
        struct sockaddr_un address = { .sun_family = AF_UNIX }; /* any name that is free */
        char text[DEVICE_PEER_TEXT_SIZE], expected[DEVICE_PEER_TEXT_SIZE];
        DevicePeer peer;
        pid_t pid;

        look_at_client("nbd\033client", (struct sockaddr *) &address, sizeof(sa_family_t), &peer,
                       &pid);
        ck_assert_int_eq(peer.pid, pid);
        ck_assert_uint_eq(peer.uid, getuid());
        ck_assert_ptr_null(strchr(peer.name, '\033'));
        device_peer_format(&peer, text);
        snprintf(expected, sizeof(expected), " (process %d, user %u)", (int) pid, getuid());
        ck_assert_ptr_nonnull(strstr(text, "client"));
        ck_assert_ptr_nonnull(strstr(text, expected));
}
END_TEST

START_TEST(who_comes_by_the_network_has_an_address) {
        struct sockaddr_in address = { .sin_family = AF_INET };
        char text[DEVICE_PEER_TEXT_SIZE];
        DevicePeer peer;
        pid_t pid;

        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        look_at_client("tcp", (struct sockaddr *) &address, sizeof(address), &peer, &pid);
        device_peer_format(&peer, text);
        ck_assert_int_eq(strncmp(text, "127.0.0.1:", 10), 0);
        ck_assert_int_eq(peer.pid, 0);
}
END_TEST

/* As of a socket for both families. */
START_TEST(an_address_that_is_mapped_is_told_as_what_it_is) {
        struct sockaddr_in6 address = { .sin6_family = AF_INET6 };
        DevicePeer peer;
        pid_t pid;

        ck_assert_int_eq(inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr), 1);
        look_at_client("mapped", (struct sockaddr *) &address, sizeof(address), &peer, &pid);
        ck_assert_int_eq(strncmp(peer.name, "127.0.0.1:", 10), 0);
}
END_TEST

START_TEST(what_is_no_socket_is_somebody) {
        char text[DEVICE_PEER_TEXT_SIZE];
        DevicePeer peer;

        device_peer_look_at(&peer, 0, -EBADF, "");
        device_peer_format(&peer, text);
        ck_assert_str_eq(text, "somebody");
}
END_TEST

START_TEST(who_tls_says_that_they_are_is_told_with_them) {
        DevicePeer peer, longest = { .name = "[2001:db8:1111:2222:3333:4444:5555:6666]:65535" };
        char text[DEVICE_PEER_TEXT_SIZE], expected[DEVICE_PEER_TEXT_SIZE];

        device_peer_look_at(&peer, 0, -EBADF, "psk al\033ice");
        device_peer_format(&peer, text);
        ck_assert_str_eq(text, "somebody (psk al?ice)");
        peer = (DevicePeer){ .pid = 4711, .uid = 1000, .name = "qemu", .identity = "psk alice" };
        device_peer_format(&peer, text);
        ck_assert_str_eq(text, "qemu (process 4711, user 1000, psk alice)");

        /* Of a long one the beginning, and no half a character: the last one here is cut in two. */
        strcpy(longest.identity, "certificate CN=x");
        for (size_t i = strlen(longest.identity); i < 200; i += 2)
                strcpy(longest.identity + i, "\u00e9");
        device_peer_format(&longest, text);
        ck_assert_str_eq(text + strlen(text) - 4, "\u00e9?)");
        snprintf(expected, sizeof(expected), "%s (certificate CN=x\u00e9", longest.name);
        ck_assert_int_eq(strncmp(text, expected, strlen(expected)), 0);
}
END_TEST

START_TEST(they_are_listed_in_their_order_until_they_go) {
        uint64_t first, second;
        DevicePeer peer;
        int fds[2];

        make_pair(fds);
        first = device_peers_add(&peers, 1, fds[0], "");
        second = device_peers_add(&peers, 2, fds[0], "");
        ck_assert_uint_ne(first, 0);
        ck_assert_uint_ne(first, second);
        ck_assert(device_peers_get(&peers, 1, &peer));
        ck_assert_uint_eq(peer.lun, 2);
        ck_assert_int_eq(device_peers_remove(&peers, first), 0);
        ck_assert_int_eq(device_peers_remove(&peers, first), -ENOENT);
        ck_assert(device_peers_get(&peers, 0, &peer));
        ck_assert_uint_eq(peer.lun, 2);
        ck_assert(!device_peers_get(&peers, 1, &peer));
        close_pair(fds);
}
END_TEST

START_TEST(as_many_are_named_as_there_is_room_for) {
        char words[CONTROL_WORDS_SIZE] = "LUN 0 has clients";
        int fds[2];

        make_pair(fds);
        device_peers_append_names(&peers, words);
        ck_assert_str_eq(words, "LUN 0 has clients");
        device_peers_add(&peers, 0, fds[0], "");
        device_peers_add(&peers, 0, fds[0], "");
        device_peers_append_names(&peers, words);
        ck_assert_str_eq(words, "LUN 0 has clients: over the bus, over the bus");

        for (unsigned i = 2; i < DEVICE_PEERS_MAX; i++)
                ck_assert_uint_ne(device_peers_add(&peers, 0, fds[0], ""), 0);
        ck_assert_uint_eq(device_peers_add(&peers, 0, fds[0], ""), 0);
        strcpy(words, "LUN 0 has clients");
        device_peers_append_names(&peers, words);
        ck_assert_ptr_nonnull(strstr(words, "over the bus and 5"));
        ck_assert_str_eq(words + strlen(words) - 5, " more");
        /* Nor where there is none at all. */
        memset(words, 'x', sizeof(words) - 1);
        device_peers_append_names(&peers, words);
        ck_assert_uint_eq(strlen(words), sizeof(words) - 1);
        close_pair(fds);
}
END_TEST

/* With a manager and its worker */

static Broker broker;
static char answer[CONTROL_WORDS_SIZE];
static bool is_answered;

static void on_done(DeviceRequest *request, const ControlReply *reply, const uint8_t *data) {
        ck_assert_int_eq(reply->error, -EBUSY);
        strcpy(answer, reply->words);
        is_answered = true;
}

static int start_and_attach(const char *worker, DeviceView *view) {
        NbdExportInfo info;
        int fd;

        broker_init(&broker, /* has_usb= */ false, worker);
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(device_manager_get_device(broker.manager, 0, view));
        ck_assert_int_eq(device_manager_attach(broker.manager, view->id, 0, &fd, &info), 0);
        return fd;
}

START_TEST(who_refuses_to_go_names_who_is_connected) {
        DeviceRequest request = { .done = on_done };
        DevicePeer peer;
        DeviceView view;
        int fd;

        is_answered = false;
        fd = start_and_attach("refuses-requests", &view);
        ck_assert(device_manager_get_peer(broker.manager, view.id, 0, &peer));
        ck_assert(!device_manager_get_peer(broker.manager, view.id, 1, &peer));
        ck_assert(!device_manager_get_peer(broker.manager, view.id + 1, 0, &peer));
        ck_assert_int_eq(device_manager_release(broker.manager, view.id, /* is_removal= */ true,
                                                /* is_forced= */ false, &request),
                         0);
        fake_children_run_until(broker.loop, &is_answered);
        ck_assert_str_eq(answer, "it is used: over the bus");

        broker_replace_worker(&broker);
        ck_assert(!device_manager_get_peer(broker.manager, view.id, 0, &peer));
        fd_close(fd);
        broker_done(&broker);
}
END_TEST

START_TEST(a_worker_that_tells_of_a_client_that_it_was_not_given_is_killed) {
        DeviceView view;
        int fd = start_and_attach("miscounts", &view);

        broker_run_until_told(&broker, "told of a client that it was not given");
        fd_close(fd);
        broker_done(&broker);
}
END_TEST

int main(void) {
        const TTest *const broker_tests[] = {
                who_refuses_to_go_names_who_is_connected,
                a_worker_that_tells_of_a_client_that_it_was_not_given_is_killed,
                NULL,
        };
        Suite *suite = suite_of("device peers", broker_tests);
        TCase *tcase = tcase_create("alone");

        tcase_add_checked_fixture(tcase, set_up, tear_down);
        tcase_add_test(tcase, a_socket_that_the_service_gave_away_is_somebodys_on_the_bus);
        tcase_add_test(tcase, a_process_is_named_with_its_user);
        tcase_add_test(tcase, who_comes_by_the_network_has_an_address);
        tcase_add_test(tcase, an_address_that_is_mapped_is_told_as_what_it_is);
        tcase_add_test(tcase, what_is_no_socket_is_somebody);
        tcase_add_test(tcase, who_tls_says_that_they_are_is_told_with_them);
        tcase_add_test(tcase, they_are_listed_in_their_order_until_they_go);
        tcase_add_test(tcase, as_many_are_named_as_there_is_room_for);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
