/* Who may open what: lists as an administrator writes them, and clients that come to them. */

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "negotiation/nbd_access_parser.h"

#define TIMEOUT_S 60
#define COMPLAINTS_SIZE 4096

#define DENY NBD_ACCESS_GRANT_DENY
#define READ NBD_ACCESS_GRANT_READ_ONLY
#define FULL NBD_ACCESS_GRANT_FULL

#define ZEROES_FINGERPRINT "sha256:0000000000000000000000000000000000000000000000000000000000000000"

static char complaints[COMPLAINTS_SIZE];

static void on_complaint(const char *file, unsigned line, const char *text, void *userdata) {
        size_t size = strlen(complaints);

        ck_assert_str_eq(file, "access.conf");
        snprintf(complaints + size, sizeof(complaints) - size, "%u: %s\n", line, text);
}

static bool find_id(bool is_group, const char *name, uint32_t *ret) {
        if (strcmp(name, is_group ? "disk" : "alice") != 0)
                return false;
        *ret = is_group ? 6 : 1000;
        return true;
}

static int parse(NbdAccessList *list, const char *text) {
        complaints[0] = '\0';
        return nbd_access_parse(list, text, strlen(text), "access.conf", find_id, on_complaint,
                                NULL);
}

static const NbdPeer alice = {
        .has_user = true, .user_id = 1000, .group_ids = { 1000, 6 }, .n_group_ids = 2
};
static const NbdPeer bob = {
        .has_user = true, .user_id = 1001, .group_ids = { 1001 }, .n_group_ids = 1
};
static const NbdPeer stranger = { .is_tcp = true };
static const NbdPeer anonymous = { .is_tcp = true, .is_encrypted = true };
static const NbdPeer certified = { .is_tcp = true,
                                   .is_encrypted = true,
                                   .has_certificate = true,
                                   .subject = "CN=alice,OU=Lab+L=Here,O=Example\\, Inc.",
                                   .fingerprint = { 0xab, 0xcd } };
static const NbdPeer shared = { .is_tcp = true, .is_encrypted = true, .psk_identity = "carol" };
static const NbdPeer local_shared = {
        .has_user = true, .user_id = 1001, .is_encrypted = true, .psk_identity = "carol"
};

typedef struct DecisionCase {
        const char *what;
        const char *text;
        const NbdPeer *client;
        const char *export;
        NbdAccessGrant grant;
} DecisionCase;

#define NAME "disk-a-lun0"

static const DecisionCase decision_cases[] = {
        { "an empty list allows unix clients", "", &bob, NAME, FULL },
        { "an empty list allows TCP clients", "# nothing\n\n", &anonymous, NAME, FULL },
        { "a line about unix sockets leaves TCP alone", "allow x to unix", &anonymous, NAME, FULL },
        { "a line about TCP leaves unix sockets alone", "allow x to psk y", &bob, NAME, FULL },
        { "from the first line about TCP on others are denied", "allow x to psk y", &anonymous,
          NAME, DENY },
        { "from the first line about users on others are denied", "allow * to user alice", &bob,
          NAME, DENY },
        { "a line about everyone is about both kinds", "allow x to everyone", &stranger, NAME,
          DENY },
        { "the first line that matches decides", "deny * to user alice\nallow * to everyone",
          &alice, NAME, DENY },
        { "a line about another export does not match", "deny x to user alice\nallow * to everyone",
          &alice, NAME, FULL },
        { "a user by name", "allow * to user alice", &alice, NAME, FULL },
        { "a user by number", "allow * to user 1001", &bob, NAME, FULL },
        { "a group by name", "allow * to group disk", &alice, NAME, FULL },
        { "a group by number", "allow * to group 1001", &bob, NAME, FULL },
        { "a group of others", "allow * to group disk", &bob, NAME, DENY },
        { "no user comes over TCP", "allow * to user 0", &stranger, NAME, FULL },
        { "user 0 is not what is unknown", "allow * to user 0\ndeny * to tcp", &stranger, NAME,
          DENY },
        { "read-only", "allow * to unix read-only", &bob, NAME, READ },
        { "a glob", "allow disk-?-lun* to unix", &bob, NAME, FULL },
        { "a glob of others", "allow disk-?-lun1 to unix", &bob, NAME, DENY },
        { "a glob with a set", "allow disk-[a-c]-* to unix # comment", &bob, NAME, FULL },
        { "one part of a subject", "allow * to certificate \"CN=alice\"", &certified, NAME, FULL },
        { "several parts, in any order", "allow * to certificate \"O=Example\\\\, Inc.,CN=alice\"",
          &certified, NAME, FULL },
        { "a part of a value with two", "allow * to certificate L=Here", &certified, NAME, FULL },
        { "a part of others", "allow * to certificate \"CN=alice,O=Other\"", &certified, NAME,
          DENY },
        { "the beginning of a part", "allow * to certificate CN=al", &certified, NAME, DENY },
        { "an escaped comma ends no part", "allow * to certificate \"O=Example\\\\\"", &certified,
          NAME, DENY },
        { "a name in another attribute", "allow * to certificate CN=Lab", &certified, NAME, DENY },
        { "a certificate is no shared key", "allow * to psk alice", &certified, NAME, DENY },
        { "a shared key is no certificate", "allow * to certificate CN=carol", &shared, NAME,
          DENY },
        { "a shared key", "allow * to psk carol read-only", &shared, NAME, READ },
        { "a shared key over a unix socket", "allow * to psk carol\ndeny * to unix", &local_shared,
          NAME, FULL },
        { "a fingerprint",
          "allow * to fingerprint "
          "sha256:abcd000000000000000000000000000000000000000000000000000000000000",
          &certified, NAME, FULL },
        { "a fingerprint with colons",
          "allow * to fingerprint sha256:AB:CD:00:00:00:00:00:00:00:00:00:00:00:00:00:00:"
          "00:00:00:00:00:00:00:00:00:00:00:00:00:00:00:00",
          &certified, NAME, FULL },
        { "a fingerprint of others", "allow * to fingerprint " ZEROES_FINGERPRINT, &certified, NAME,
          DENY },
        { "no certificate has no fingerprint", "allow * to fingerprint " ZEROES_FINGERPRINT,
          &anonymous, NAME, DENY },
        { "tls: whoever has shown who he is", "allow * to tls", &certified, NAME, FULL },
        { "tls: also by a shared key", "allow * to tls", &shared, NAME, FULL },
        { "tls: not who is merely encrypted", "allow * to tls", &anonymous, NAME, DENY },
        { "tcp: who comes over TCP", "allow * to tcp", &stranger, NAME, FULL },
        { "blanks, tabs and the ends of DOS", "\tallow \t*  to\tunix  read-only \r\n", &bob, NAME,
          READ },
};

START_TEST(each_client_gets_what_the_list_says) {
        const DecisionCase *c = &decision_cases[_i];
        NbdAccessList list = { 0 };
        NbdAccessGrant grant;

        ck_assert_msg(parse(&list, c->text) == 0, "%s: %s", c->what, complaints);
        grant = nbd_access_list_decide(&list, c->client, c->export);
        ck_assert_msg(grant == c->grant, "%s: %d", c->what, (int) grant);
        nbd_access_list_done(&list);
}
END_TEST

typedef struct MistakeCase {
        const char *text;
        const char *complaints;
} MistakeCase;

static const MistakeCase mistake_cases[] = {
        { "permit * to unix", "1: permit: allowed are allow and deny\n" },
        { "allow", "1: the line ends where the exports' names should stand\n" },
        { "allow *", "1: the line ends where \"to\" should stand\n" },
        { "allow * for unix", "1: for: here must be \"to\"\n" },
        { "allow * to", "1: the line ends where a client should stand\n" },
        { "allow * to root",
          "1: root: allowed are everyone, unix, tcp, tls, user NAME, group NAME, certificate "
          "\"SUBJECT\", fingerprint sha256:HEX or psk IDENTITY\n" },
        { "allow * to user", "1: the line ends where a user should stand\n" },
        { "allow * to user mallory", "1: user mallory: there is no such user\n" },
        { "allow * to group 4294967295", "1: group 4294967295: there is no such group\n" },
        { "allow * to unix rw", "1: rw: here may be read-only, or nothing\n" },
        { "allow * to unix read-only always", "1: the line must end after read-only\n" },
        { "deny * to unix read-only", "1: read-only means nothing where access is denied\n" },
        { "allow * to certificate alice", "1: certificate \"alice\": must be a subject like "
                                          "\"CN=alice\", without blanks around its "
                                          "parts\n" },
        /* Rules that could never match would keep nobody out. */
        { "deny * to certificate \"CN=alice, O=Other\"",
          "1: certificate \"CN=alice, O=Other\": must be a subject like \"CN=alice\", without "
          "blanks "
          "around its parts\n" },
        { "deny * to certificate \"O = Other,CN = alice\"",
          "1: certificate \"O = Other,CN = alice\": must be a subject like \"CN=alice\", without "
          "blanks around its parts\n" },
        { "deny * to certificate \"CN=alice,\"", "1: certificate \"CN=alice,\": must be a subject "
                                                 "like \"CN=alice\", without blanks around "
                                                 "its parts\n" },
        { "deny * to certificate \"CN=Example, Inc.\"",
          "1: certificate \"CN=Example, Inc.\": must be a subject like \"CN=alice\", without "
          "blanks "
          "around its parts\n" },
        { "deny * to certificate \"=alice\"", "1: certificate \"=alice\": must be a subject like "
                                              "\"CN=alice\", without blanks around its "
                                              "parts\n" },
        { "allow * to certificate \"CN=alice", "1: the string has no end\n" },
        { "allow * to psk \"\"", "1: an identity is empty\n" },
        { "allow * to psk \"a\"b", "1: \"a\": a blank must follow\n" },
        { "allow * to fingerprint ab",
          "1: fingerprint ab: must be sha256: and 64 hexadecimal digits\n" },
        { "allow * to fingerprint sha256:abc",
          "1: fingerprint sha256:abc: must be sha256: and 64 hexadecimal digits\n" },
        { "allow x to\n\nallow x to unix\ndeny y\n",
          "1: the line ends where a client should stand\n"
          "4: the line ends where \"to\" should stand\n" },
};

START_TEST(each_mistake_is_told_with_its_line) {
        const MistakeCase *c = &mistake_cases[_i];
        NbdAccessList list = { 0 };

        ck_assert_int_eq(parse(&list, c->text), -EINVAL);
        ck_assert_str_eq(complaints, c->complaints);
        nbd_access_list_done(&list);
}
END_TEST

START_TEST(what_is_too_long_is_told) {
        static char text[8192];
        NbdAccessList list = { 0 };

        for (size_t size = 100; size < 2000; size += 100) {
                snprintf(text, sizeof(text), "allow %0*d to unix", (int) size, 0);
                ck_assert_int_eq(parse(&list, text), size < NBD_ACCESS_GLOB_SIZE_MAX ? 0 : -EINVAL);
                snprintf(text, sizeof(text), "allow * to psk %0*d", (int) size, 0);
                ck_assert_int_eq(parse(&list, text), size < NBD_PEER_NAME_SIZE_MAX ? 0 : -EINVAL);
        }
        nbd_access_list_done(&list);
}
END_TEST

START_TEST(lines_are_counted) {
        static char text[(NBD_ACCESS_RULES_MAX + 1) * 16 + 1];
        NbdAccessList list = { 0 };

        for (size_t i = 0; i <= NBD_ACCESS_RULES_MAX; i++)
                strcat(text, "deny x to unix\n");
        ck_assert_int_eq(parse(&list, text), -EINVAL);
        ck_assert_str_eq(complaints, "257: there are more than 256 lines\n");
        ck_assert_uint_eq(list.n_rules, NBD_ACCESS_RULES_MAX);
        nbd_access_list_done(&list);
}
END_TEST

START_TEST(a_nul_is_a_mistake) {
        NbdAccessList list = { 0 };

        complaints[0] = '\0';
        ck_assert_int_eq(nbd_access_parse(&list, "deny \0 to unix", 14, "access.conf", find_id,
                                          on_complaint, NULL),
                         -EINVAL);
        ck_assert_str_eq(complaints, "1: there is a NUL byte in the line\n");
        nbd_access_list_done(&list);
}
END_TEST

START_TEST(lists_are_compared) {
        NbdAccessList a = { 0 }, b = { 0 };

        ck_assert_int_eq(parse(&a, "allow * to psk x\n# comment"), 0);
        ck_assert_int_eq(parse(&b, "allow * to psk \"x\""), 0);
        ck_assert(nbd_access_list_is_equal(&a, &b));
        ck_assert(nbd_access_list_needs_tls(&a));
        ck_assert_int_eq(parse(&b, "allow * to user 7"), 0);
        ck_assert(!nbd_access_list_is_equal(&a, &b));
        nbd_access_list_done(&a);
        ck_assert_int_eq(parse(&a, "allow * to everyone\ndeny * to tcp\nallow * to group 1"), 0);
        ck_assert(!nbd_access_list_needs_tls(&a));
        nbd_access_list_done(&a);
        nbd_access_list_done(&b);
}
END_TEST

START_TEST(the_kernel_tells_who_is_there) {
        NbdPeer client;
        int fds[2];

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        ck_assert_int_eq(nbd_peer_init(&client, fds[0]), 0);
        ck_assert(!client.is_tcp && client.has_user && !client.is_encrypted);
        ck_assert_uint_eq(client.user_id, getuid());
        ck_assert_uint_ge(client.n_group_ids, 1);
        ck_assert_uint_eq(client.group_ids[0], getgid());
        fd_close(fds[0]);
        fd_close(fds[1]);

        fds[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        ck_assert_int_eq(nbd_peer_init(&client, fds[0]), 0);
        ck_assert(client.is_tcp && !client.has_user);
        fd_close(fds[0]);
        ck_assert_int_lt(nbd_peer_init(&client, 1000), 0);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("nbd_access");
        TCase *tcase = tcase_create("lists");
        SRunner *runner;
        int n_failed;

        tcase_set_timeout(tcase, TIMEOUT_S);
        tcase_add_loop_test(tcase, each_client_gets_what_the_list_says, 0,
                            (int) N_ELEMENTS(decision_cases));
        tcase_add_loop_test(tcase, each_mistake_is_told_with_its_line, 0,
                            (int) N_ELEMENTS(mistake_cases));
        tcase_add_test(tcase, what_is_too_long_is_told);
        tcase_add_test(tcase, lines_are_counted);
        tcase_add_test(tcase, a_nul_is_a_mistake);
        tcase_add_test(tcase, lists_are_compared);
        tcase_add_test(tcase, the_kernel_tells_who_is_there);
        suite_add_tcase(suite, tcase);

        runner = srunner_create(suite);
        srunner_run_all(runner, CK_NORMAL);
        n_failed = srunner_ntests_failed(runner);
        srunner_free(runner);
        return n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
