/* Who the kernel says a client is; what it says of groups is made up. */

#include <check.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/macros.h"
#include "negotiation/nbd_peer.h"

int __real_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size);

static gid_t groups[NBD_PEER_GROUPS_MAX + 1];
static size_t n_groups;
static int groups_error;

/* As the kernel does: no group at all where there is not room for each. */
int __wrap_getsockopt(int fd, int level, int name, void *value, socklen_t *size) {
        socklen_t wanted = (socklen_t) (n_groups * sizeof(groups[0]));
        int error = groups_error;

        if (level != SOL_SOCKET || name != SO_PEERGROUPS)
                return __real_getsockopt(fd, level, name, value, size);
        if (error == 0 && *size < wanted)
                error = ERANGE;
        *size = wanted;
        if (error != 0) {
                errno = error;
                return -1;
        }
        memcpy(value, groups, wanted);
        return 0;
}

static int look(NbdPeer *client) {
        int fds[2], r;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        r = nbd_peer_init(client, fds[0]);
        fd_close(fds[0]);
        fd_close(fds[1]);
        return r;
}

static void set_up(void) {
        n_groups = 0;
        groups_error = 0;
        for (size_t i = 0; i < N_ELEMENTS(groups); i++)
                groups[i] = (gid_t) (1000 + i);
}

START_TEST(a_client_has_its_user_and_all_of_its_groups) {
        NbdPeer client;

        n_groups = NBD_PEER_GROUPS_MAX - 1;
        ck_assert_int_eq(look(&client), 0);
        ck_assert(!client.is_tcp);
        ck_assert(client.has_user);
        ck_assert_uint_eq(client.user_id, geteuid());
        ck_assert_uint_eq(client.n_group_ids, NBD_PEER_GROUPS_MAX);
        ck_assert_uint_eq(client.group_ids[0], getegid());
        for (size_t i = 0; i < n_groups; i++)
                ck_assert_uint_eq(client.group_ids[i + 1], groups[i]);
}
END_TEST

/* One that is not known may be the one that a rule keeps out. */
START_TEST(a_client_of_more_groups_than_there_is_room_for_is_nobody) {
        NbdPeer client;

        n_groups = NBD_PEER_GROUPS_MAX;
        ck_assert_int_eq(look(&client), -E2BIG);
}
END_TEST

START_TEST(a_client_whose_groups_are_not_told_is_nobody) {
        NbdPeer client;

        groups_error = ENODATA;
        ck_assert_int_eq(look(&client), -ENODATA);
}
END_TEST

START_TEST(a_client_is_told_by_what_tls_says_of_it) {
        NbdPeer client = { .is_encrypted = true };
        char text[NBD_IDENTITY_SIZE];

        nbd_peer_format_identity(&client, text);
        ck_assert_str_eq(text, "");
        strcpy(client.psk_identity, "alice");
        nbd_peer_format_identity(&client, text);
        ck_assert_str_eq(text, "psk alice");

        client = (NbdPeer){ .is_encrypted = true, .has_certificate = true };
        client.fingerprint[0] = 0xa0;
        client.fingerprint[NBD_FINGERPRINT_SIZE - 1] = 0x0b;
        nbd_peer_format_identity(&client, text);
        ck_assert_str_eq(text, "fingerprint sha256:a0000000000000000000000000000000"
                               "0000000000000000000000000000000b");

        memset(client.subject, 'x', sizeof(client.subject) - 1);
        nbd_peer_format_identity(&client, text);
        ck_assert_uint_eq(strlen(text), strlen("certificate ") + sizeof(client.subject) - 1);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_peer");
        TCase *tcase = tcase_create("clients");
        SRunner *runner;
        int n_failed;

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, a_client_has_its_user_and_all_of_its_groups);
        tcase_add_test(tcase, a_client_of_more_groups_than_there_is_room_for_is_nobody);
        tcase_add_test(tcase, a_client_whose_groups_are_not_told_is_nobody);
        tcase_add_test(tcase, a_client_is_told_by_what_tls_says_of_it);
        suite_add_tcase(suite, tcase);
        runner = srunner_create(suite);
        srunner_run_all(runner, CK_ENV);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
