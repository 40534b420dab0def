/*
 * The service dies, systemd keeps the arenas and gives them to the next one. systemd is a socket
 * here, and a table of descriptors.
 */

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "broker.h"
#include "device/device_arena.h"

#define BASE_NAME "1209-0001-X"
#define N_STORED_MAX 8

typedef struct Stored {
        char name[256]; /* "": none */
        int fd;         /* owned */
} Stored;

typedef struct FakeSystemd {
        int socket_fd;
        Stored stored[N_STORED_MAX];
} FakeSystemd;

static Stored *systemd_find(FakeSystemd *systemd, const char *name) {
        for (size_t i = 0; i < N_ELEMENTS(systemd->stored); i++)
                if (strcmp(systemd->stored[i].name, name) == 0)
                        return &systemd->stored[i];
        return NULL;
}

static void systemd_init(FakeSystemd *systemd, const Broker *broker) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        *systemd = (FakeSystemd){};
        snprintf(address.sun_path, sizeof(address.sun_path), "%s/notify", broker->children.folder);
        systemd->socket_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        ck_assert_int_eq(bind(systemd->socket_fd, (struct sockaddr *) &address, sizeof(address)),
                         0);
        setenv("NOTIFY_SOCKET", address.sun_path, 1);
}

static void systemd_done(FakeSystemd *systemd) {
        unsetenv("NOTIFY_SOCKET");
        for (size_t i = 0; i < N_ELEMENTS(systemd->stored); i++)
                if (systemd->stored[i].name[0] != '\0')
                        fd_close(systemd->stored[i].fd);
        fd_close(systemd->socket_fd);
}

static void systemd_handle(FakeSystemd *systemd, const char *text, int fd) {
        const char *name = strstr(text, "FDNAME=");
        Stored *stored;

        ck_assert_ptr_nonnull(name);
        name += strlen("FDNAME=");
        if (strstr(text, "FDSTOREREMOVE=1")) {
                stored = systemd_find(systemd, name);
                ck_assert_msg(stored, "%s is not kept", name);
                fd_close(stored->fd);
                stored->name[0] = '\0';
                return;
        }
        ck_assert_ptr_nonnull(strstr(text, "FDSTORE=1\nFDPOLL=0\n"));
        ck_assert_int_ge(fd, 0);
        ck_assert_ptr_null(systemd_find(systemd, name));
        stored = systemd_find(systemd, "");
        ck_assert_ptr_nonnull(stored);
        stored->fd = fd;
        snprintf(stored->name, sizeof(stored->name), "%s", name);
}

static void systemd_read(FakeSystemd *systemd) {
        for (;;) {
                char text[512] = {}, control[CMSG_SPACE(sizeof(int)) + 64] = {};
                struct iovec part = { .iov_base = text, .iov_len = sizeof(text) - 1 };
                struct msghdr header = {
                        .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control,
                        .msg_controllen = sizeof(control),
                };
                int fd = -EBADF;

                if (recvmsg(systemd->socket_fd, &header, MSG_CMSG_CLOEXEC) < 0)
                        return;
                for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c))
                        if (c->cmsg_type == SCM_RIGHTS)
                                memcpy(&fd, CMSG_DATA(c), sizeof(fd));
                systemd_handle(systemd, text, fd);
        }
}

static unsigned systemd_count(FakeSystemd *systemd) {
        unsigned n = 0;

        systemd_read(systemd);
        for (size_t i = 0; i < N_ELEMENTS(systemd->stored); i++)
                n += systemd->stored[i].name[0] != '\0';
        return n;
}

/* What LISTEN_FDS brings. */
static void systemd_give(FakeSystemd *systemd, DeviceManager *manager) {
        systemd_read(systemd);
        for (size_t i = 0; i < N_ELEMENTS(systemd->stored); i++) {
                const Stored *stored = &systemd->stored[i];

                if (stored->name[0] == '\0')
                        continue;
                ck_assert(device_manager_is_stored_name(stored->name));
                ck_assert_int_eq(device_manager_take_stored(manager,
                                                            fcntl(stored->fd, F_DUPFD_CLOEXEC, 0),
                                                            stored->name),
                                 0);
        }
}

static void bring_up(Broker *broker) {
        broker->has_worker = false;
        broker_start(broker);
        ck_assert_int_eq(broker_simulate(broker), 0);
        fake_children_run_until(broker->loop, &broker->has_worker);
}

static void crash(Broker *broker, FakeSystemd *systemd) {
        broker_crash(broker);
        broker_forget(broker);
        broker->has_worker = false;
        systemd_give(systemd, broker->manager);
}

/* Longer than a save takes. */
static void wait_a_little(Broker *broker) {
        for (unsigned i = 0; i < 10; i++) {
                broker->has_no_devices = false;
                fake_children_run_until(broker->loop, &broker->has_no_devices);
        }
}

START_TEST(device_gets_its_arena_back) {
        FakeSystemd systemd;
        Broker broker;
        char text[64];

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        systemd_init(&systemd, &broker);
        broker.options.cache.park_timeout_ms = 600000;
        bring_up(&broker);
        ck_assert_uint_eq(systemd_count(&systemd), 1);
        ck_assert_ptr_nonnull(systemd_find(&systemd, "cache-" BASE_NAME ".0001.1"));

        snprintf(text, sizeof(text), "remains of %d, LUNs 1\n", (int) broker.worker_pid);
        crash(&broker, &systemd);
        broker_start(&broker);
        wait_a_little(&broker);
        ck_assert(!broker_was_told(&broker, "is kept in"));
        ck_assert_int_eq(broker_simulate(&broker), 0);
        fake_children_run_until(broker.loop, &broker.has_worker);
        ck_assert(broker_was_told(&broker, text));
        /* It was taken in, and is forgotten; the new one is kept. */
        ck_assert_uint_eq(systemd_count(&systemd), 1);
        ck_assert_ptr_nonnull(systemd_find(&systemd, "cache-" BASE_NAME ".0001.2"));

        broker_done(&broker);
        ck_assert_uint_eq(systemd_count(&systemd), 0);
        systemd_done(&systemd);
}
END_TEST

/* Two of one device, in the wrong order. */
START_TEST(older_arena_is_told_first) {
        const char *first_text, *second_text;
        FakeSystemd systemd;
        char first[64], second[64];
        Broker broker;
        Stored swap;

        broker_prepare(&broker, /* has_usb= */ false, "silent", "front");
        systemd_init(&systemd, &broker);
        broker.options.cache.park_timeout_ms = 600000;
        bring_up(&broker);
        snprintf(first, sizeof(first), "remains of %d, LUNs 1\n", (int) broker.worker_pid);
        broker_replace_worker(&broker);
        snprintf(second, sizeof(second), "remains of %d, LUNs 1\n", (int) broker.worker_pid);
        ck_assert_uint_eq(systemd_count(&systemd), 2);
        swap = systemd.stored[0];
        systemd.stored[0] = systemd.stored[1];
        systemd.stored[1] = swap;

        crash(&broker, &systemd);
        bring_up(&broker);
        first_text = strstr(broker.lines, first);
        second_text = strstr(broker.lines, second);
        ck_assert(first_text && second_text && first_text < second_text);
        broker_done(&broker);
        systemd_done(&systemd);
}
END_TEST

START_TEST(arena_of_a_device_that_does_not_come_is_saved) {
        FakeSystemd systemd;
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "good", "front");
        systemd_init(&systemd, &broker);
        broker.options.cache.park_timeout_ms = 50;
        bring_up(&broker);
        ck_assert_uint_eq(systemd_count(&systemd), 1);

        crash(&broker, &systemd);
        broker_start(&broker);
        broker_run_until_told(&broker, "orphans/" BASE_NAME "-lun0.1.orphan");
        ck_assert_uint_eq(systemd_count(&systemd), 0);
        broker_done(&broker);
        systemd_done(&systemd);
}
END_TEST

START_TEST(empty_arena_is_forgotten) {
        FakeSystemd systemd;
        Broker broker;

        broker_prepare(&broker, /* has_usb= */ false, "spotless", "front");
        systemd_init(&systemd, &broker);
        broker.options.cache.park_timeout_ms = 600000;
        bring_up(&broker);
        ck_assert_uint_eq(systemd_count(&systemd), 1);
        broker_crash(&broker);
        systemd_give(&systemd, broker.manager);
        ck_assert_uint_eq(systemd_count(&systemd), 0);
        broker_start(&broker);
        broker_done(&broker);
        systemd_done(&systemd);
}
END_TEST

static const char *const bad_names[] = {
        "cache-",      "cache-x",         "cache-x.0001",    "cache-.0001.1", "cache-x.0000.1",
        "cache-x.1.1", "cache-x.10000.1", "cache-x.0001.1x", "x.0001.1",
};

START_TEST(arena_with_another_name_is_refused) {
        DeviceArena *arena = NULL, *good = NULL;
        int fd;

        ck_assert_int_eq(device_arena_new(&good, "x", 1, MIB, NULL), 0);
        fd = fcntl(good->fd, F_DUPFD_CLOEXEC, 0);
        ck_assert_int_eq(device_arena_new_stored(&arena, fd, bad_names[_i], NULL), -EBADMSG);
        ck_assert_int_lt(fcntl(fd, F_GETFD), 0);
        device_arena_free(good);
}
END_TEST

START_TEST(name_with_dots_is_read_back) {
        DeviceArena *arena = NULL, *good = NULL;

        ck_assert_int_eq(device_arena_new(&good, "x", 1, MIB, NULL), 0);
        ck_assert_int_eq(device_arena_new_stored(&arena, fcntl(good->fd, F_DUPFD_CLOEXEC, 0),
                                                 "cache-1209-0001-1-2.4.1.8001.77", NULL),
                         0);
        ck_assert_str_eq(arena->base_name, "1209-0001-1-2.4.1");
        ck_assert_uint_eq(arena->luns, 0x8001);
        ck_assert_uint_eq(arena->sequence, 77);
        device_arena_free(arena);
        device_arena_free(good);
}
END_TEST

/* A worker that maps it must not be killed by whoever cuts it. */
START_TEST(memory_that_can_shrink_is_refused) {
        DeviceArena *arena = NULL;
        int fd;

        fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        ck_assert_int_eq(device_arena_new_stored(&arena, fd, "cache-x.0001.1", NULL), -EBADMSG);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("cache restart");
        TCase *tcase = tcase_create("systemd");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, 120);
        tcase_add_test(tcase, device_gets_its_arena_back);
        tcase_add_test(tcase, older_arena_is_told_first);
        tcase_add_test(tcase, arena_of_a_device_that_does_not_come_is_saved);
        tcase_add_test(tcase, empty_arena_is_forgotten);
        tcase_add_loop_test(tcase, arena_with_another_name_is_refused, 0, N_ELEMENTS(bad_names));
        tcase_add_test(tcase, name_with_dots_is_read_back);
        tcase_add_test(tcase, memory_that_can_shrink_is_refused);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
