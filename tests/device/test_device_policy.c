/* Rules: what each of their words asks for, every mistake in them, and which one decides. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "device/device_policy.h"
#include "unit_test.h"

/* Two alternate settings, as a disk with UAS has them. */
static const uint8_t descriptors[] = {
        0x12, 0x01, 0x10, 0x02, 0x00, 0x00, 0x00, 0x40, 0x09, 0x12, 0x01, 0x00, 0x00, 0x01, 0x01,
        0x02, 0x03, 0x01, 0x09, 0x02, 0x37, 0x00, 0x01, 0x01, 0x00, 0x80, 0x32, 0x09, 0x04, 0x00,
        0x00, 0x02, 0x08, 0x06, 0x50, 0x00, 0x07, 0x05, 0x81, 0x02, 0x00, 0x02, 0x00, 0x07, 0x05,
        0x02, 0x02, 0x00, 0x02, 0x00, 0x09, 0x04, 0x00, 0x01, 0x02, 0x08, 0x06, 0x62, 0x00, 0x07,
        0x05, 0x81, 0x02, 0x00, 0x02, 0x00, 0x07, 0x05, 0x02, 0x02, 0x00, 0x02, 0x00,
};

#define HASH "aB0PBUPUjfzG0u23T8OYV6NtHGrnLAPLECmu3VdNmOM="

static DeviceIdentity disk;

static void set_up(void) {
        disk = (DeviceIdentity){
                .vendor_id = 0x1209,
                .product_id = 0x0001,
                .serial = "0123456789",
                .name = "Fast Disk",
                .port = "1-4.1",
                .connect_type = "hotplug",
                .parent_hash = "parent=",
        };
        device_identity_set_descriptors(&disk, descriptors, sizeof(descriptors));
}

static void on_mistake(const char *source, unsigned line, unsigned column, const char *text,
                       void *userdata) {
        char *complaints = userdata;
        size_t used = strlen(complaints);

        snprintf(complaints + used, 1024 - used, "%s%u:%u %s", used > 0 ? "; " : "", line, column,
                 text);
}

static DevicePolicy *new_policy(const char *text) {
        char complaints[1024] = "";
        DevicePolicy *policy;

        ck_assert_int_eq(device_policy_new(&policy, DEVICE_TARGET_BLOCK), 0);
        ck_assert_int_eq(device_policy_add(policy, "f", text, strlen(text), on_mistake, complaints),
                         0);
        ck_assert_str_eq(complaints, "");
        return policy;
}

/* Made by other programs: sha256sum and base64. */
START_TEST(the_hash_is_usbguards) {
        ck_assert_str_eq(disk.hash, HASH);
        ck_assert_uint_eq(disk.n_interfaces, 2);
        ck_assert_uint_eq(disk.interfaces[0].protocol, 0x50);
        ck_assert_uint_eq(disk.interfaces[1].protocol, 0x62);
}
END_TEST

START_TEST(descriptors_that_make_no_sense_have_no_interfaces) {
        char hash[DEVICE_IDENTITY_HASH_SIZE];

        strcpy(hash, disk.hash);
        device_identity_set_descriptors(&disk, descriptors, 5);
        ck_assert_uint_eq(disk.n_interfaces, 0);
        ck_assert_str_ne(disk.hash, hash);
}
END_TEST

/* The rule applies to the disk above, or it does not. */
typedef struct MatchCase {
        const char *rule;
        bool matches;
} MatchCase;

static const MatchCase match_cases[] = {
        { "allow", true },
        { "allow 1209:0001", true },
        { "allow id 1209:0001", true },
        { "allow 1209:*", true },
        { "allow *:*", true },
        { "allow 1209:0002", false },
        { "allow 120A:*", false },
        { "allow id one-of { 1209:0002 1209:0001 }", true },
        { "allow id none-of { 1209:0002 1209:0001 }", false },
        { "allow serial \"0123456789\"", true },
        { "allow serial \"\\x30123456789\"", true },
        { "allow serial \"012345678\"", false },
        { "allow serial \"\"", false },
        { "allow name \"Fast Disk\"", true },
        { "allow name \"fast disk\"", false },
        { "allow hash \"" HASH "\"", true },
        { "allow hash \"aB0PBUPUjfzG0u23T8OYV6NtHGrnLAPLECmu3VdNmOM\"", false },
        { "allow parent-hash \"parent=\"", true },
        { "allow parent-hash \"\"", false },
        { "allow via-port \"1-4.1\"", true },
        { "allow via-port \"1-4\"", false },
        { "allow via-port one-of { \"1-4\" \"1-4.1\" }", true },
        { "allow via-port all-of { \"1-4\" \"1-4.1\" }", false },
        { "allow with-connect-type \"hotplug\"", true },
        { "allow with-connect-type \"hardwired\"", false },
        { "allow with-interface 08:06:50", true },
        { "allow with-interface 08:06:62", true },
        { "allow with-interface 08:06:01", false },
        { "allow with-interface 03:*:*", false },
        { "allow with-interface { 08:06:50 }", false },
        { "allow with-interface { 08:06:62 08:06:50 }", true },
        { "allow with-interface equals { 08:*:* }", true },
        { "allow with-interface equals { 08:*:* 03:*:* }", false },
        { "allow with-interface equals-ordered { 08:06:50 08:06:62 }", true },
        { "allow with-interface equals-ordered { 08:06:62 08:06:50 }", false },
        { "allow with-interface equals-ordered { 08:*:* }", false },
        { "allow with-interface all-of { 08:06:62 }", true },
        { "allow with-interface all-of { 08:06:62 03:00:01 }", false },
        { "allow with-interface one-of { 08:06:62 03:00:01 }", true },
        { "allow with-interface none-of { 08:06:62 03:00:01 }", false },
        { "allow with-interface none-of { 03:*:* }", true },
        { "allow with-interface match-all { 08:06:50 08:06:62 08:06:00 }", true },
        { "allow with-interface match-all { 08:06:50 }", false },
        { "allow 1209:0001 serial \"0123456789\" via-port \"1-4.1\" with-interface 08:*:*", true },
        { "allow 1209:0001 serial \"0123456789\" via-port \"1-4.2\" with-interface 08:*:*", false },
        { "allow if true", true },
        { "allow if !true", false },
        { "allow if false", false },
        { "allow if !false", true },
        { "allow if ! rule-applied", true },
        { "allow if rule-evaluated", false },
        { "\tallow\t1209:0001 # a comment\r", true },
};

START_TEST(each_word_asks_for_what_it_says) {
        const MatchCase *c = &match_cases[_i];
        _cleanup_(device_policy_freep) DevicePolicy *policy = new_policy(c->rule);
        DeviceDecision decision = device_policy_decide(policy, &disk);

        ck_assert_msg((decision.number == 1) == c->matches, "%s", c->rule);
        ck_assert_int_eq(decision.target, c->matches ? DEVICE_TARGET_ALLOW : DEVICE_TARGET_BLOCK);
}
END_TEST

typedef struct MistakeCase {
        const char *text;
        const char *complaints;
} MistakeCase;

#define NO_TARGET "a rule begins with allow, read-only, block or reject"
#define NO_ID "VID:PID is missing, each of 4 hexadecimal digits or, from the right, *"
#define NO_TYPE "CC:SS:PP is missing, each of 2 hexadecimal digits or, from the right, *"
#define NO_ATTRIBUTE                                                                        \
        "there is no such attribute, only: id, serial, name, hash, parent-hash, via-port, " \
        "with-interface, with-connect-type, if, cache, export, max-rate, standby, suspend"
#define NO_ESCAPE                                                                                 \
        "in a string there are only the escapes \\\", \\\\ and \\x with two digits that are not " \
        "00"
#define NO_RATE \
        "a rate is a number of bytes a second, from 64K to 1T, which may end in K, M, G or T"

#define NO_TIME(what)                                                                              \
        "the time for " what " is \"never\", or a number of milliseconds, or one with ms, s, min " \
        "or h, of a day at most"

static const MistakeCase mistake_cases[] = {
        { "permit", "1:1 " NO_TARGET },
        { "Allow", "1:1 " NO_TARGET },
        { "1209:0001", "1:1 " NO_TARGET },
        { "allow 1209", "1:7 " NO_ATTRIBUTE },
        { "allow 1209:1", "1:7 " NO_ID },
        { "allow 12090:0001", "1:7 " NO_ID },
        { "allow *:0001", "1:7 " NO_ID },
        { "allow id", "1:9 " NO_ID },
        { "allow id { }", "1:10 there is nothing between the braces" },
        { "allow id { 1209:0001", "1:10 the brace is not closed" },
        { "allow id one-of 1209:0001", "1:17 a brace is missing behind \"one-of\"" },
        { "allow 1209:0001 id 1209:0002", "1:17 \"id\" stands here twice" },
        { "allow serial 0123", "1:14 a value in double quotes is missing behind serial" },
        { "allow serial \"0123", "1:14 the string has no end" },
        { "allow serial \"0123\\", "1:19 the string has no end" },
        { "allow serial \"\\n\"", "1:15 " NO_ESCAPE },
        { "allow serial \"\\x0g\"", "1:15 " NO_ESCAPE },
        { "allow serial \"\\x00\"", "1:15 " NO_ESCAPE },
        { "allow with-interface 08:06", "1:22 " NO_TYPE },
        { "allow with-interface 08:*:50", "1:22 " NO_TYPE },
        { "allow with-interface 8:06:50", "1:22 " NO_TYPE },
        { "allow with-interface some-of { 08:06:50 }", "1:22 " NO_TYPE },
        { "allow label \"x\"", "1:7 " NO_ATTRIBUTE },
        { "allow if localtime(08:00)",
          "1:10 there are only the conditions true, false, rule-applied and rule-evaluated" },
        { "allow if true if true", "1:18 there is a condition already" },
        { "allow cache fast", "1:13 there are only the cache modes off, write-through and "
                              "write-back" },
        { "allow cache off cache off", "1:23 there is a cache mode already" },
        { "allow export \"a/b\"",
          "1:14 an export name has 1 to 95 of the characters A-Z a-z 0-9 . _ -" },
        { "allow export \"\"",
          "1:14 an export name has 1 to 95 of the characters A-Z a-z 0-9 . _ -" },
        { "allow export \"a\" export \"b\"", "1:25 there is an export name already" },
        { "allow max-rate \"fast\"", "1:16 " NO_RATE },
        { "allow max-rate \"1K\"", "1:16 " NO_RATE },
        { "allow max-rate \"1M\" max-rate \"1M\"", "1:30 there is a largest rate already" },
        { "allow standby 10min", "1:15 a value in double quotes is missing behind standby" },
        { "allow standby \"soon\"", "1:15 " NO_TIME("standby") },
        { "allow suspend \"25h\"", "1:15 " NO_TIME("suspend") },
        { "allow suspend \"1h\" suspend \"1h\"", "1:28 there is a time for suspend already" },
        { "allow\npermit\n\n# fine\nblock 1:2", "2:1 " NO_TARGET "; 5:7 " NO_ID },
};

START_TEST(mistakes_are_told_with_their_place_and_nothing_is_added) {
        const MistakeCase *c = &mistake_cases[_i];
        _cleanup_(device_policy_freep) DevicePolicy *policy = new_policy("reject 1209:*");
        char complaints[1024] = "";

        ck_assert_int_eq(device_policy_add(policy, "f", c->text, strlen(c->text), on_mistake,
                                           complaints),
                         -EINVAL);
        ck_assert_str_eq(complaints, c->complaints);
        ck_assert_uint_eq(device_policy_get_n_rules(policy), 1);
        ck_assert_int_eq(device_policy_add(policy, "f", c->text, strlen(c->text), NULL, NULL),
                         -EINVAL);
}
END_TEST

START_TEST(rules_tell_when_a_device_sleeps) {
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;
        DevicePowerTimeouts power;

        policy = new_policy("allow if rule-applied\n"
                            "allow standby \"10min\" if !rule-applied\n"
                            "allow suspend \"never\" standby \"500\"\n");
        power = device_policy_decide(policy, &disk).options.power;
        ck_assert(power.has_standby && !power.has_suspend);
        ck_assert_uint_eq(power.standby_ms, 600000);
        power = device_policy_decide(policy, &disk).options.power;
        ck_assert(power.has_standby && power.has_suspend);
        ck_assert_uint_eq(power.standby_ms, 500);
        ck_assert_uint_eq(power.suspend_ms, 0);
}
END_TEST

START_TEST(the_first_rule_that_matches_decides) {
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;
        DeviceDecision decision;
        const char *source;

        policy = new_policy("# ours\n"
                            "reject with-interface all-of { 08:*:* 03:*:* }\n"
                            "allow 1209:0001 cache write-through export \"backup\" max-rate "
                            "\"20MB\" # slow\n"
                            "block 1209:*\n");
        decision = device_policy_decide(policy, &disk);
        ck_assert_int_eq(decision.target, DEVICE_TARGET_ALLOW);
        ck_assert_uint_eq(decision.number, 2);
        ck_assert_str_eq(decision.rule,
                         "allow 1209:0001 cache write-through export \"backup\" max-rate \"20MB\"");
        ck_assert(decision.options.has_cache_mode);
        ck_assert_int_eq(decision.options.cache_mode, CACHE_MODE_WRITE_THROUGH);
        ck_assert_str_eq(decision.options.export_name, "backup");
        ck_assert_uint_eq(decision.options.rate_max, 20 * MIB);
        ck_assert_str_eq(device_policy_get_rule(policy, 2, &source), "block 1209:*");
        ck_assert_str_eq(source, "f:4");

        disk.product_id = 2;
        decision = device_policy_decide(policy, &disk);
        ck_assert_int_eq(decision.target, DEVICE_TARGET_BLOCK);
        ck_assert_uint_eq(decision.number, 3);
        disk.vendor_id = 1;
        decision = device_policy_decide(policy, &disk);
        ck_assert_int_eq(decision.target, DEVICE_TARGET_BLOCK);
        ck_assert_uint_eq(decision.number, 0);
        ck_assert_str_eq(decision.rule, "");
}
END_TEST

START_TEST(who_just_asks_changes_nothing) {
        _cleanup_(device_policy_freep) DevicePolicy *policy = new_policy("allow if !rule-applied");

        for (unsigned i = 0; i < 3; i++)
                ck_assert_uint_eq(device_policy_test(policy, &disk).number, 1);
        ck_assert_uint_eq(device_policy_decide(policy, &disk).number, 1);
        ck_assert_uint_eq(device_policy_decide(policy, &disk).number, 0);
}
END_TEST

START_TEST(a_rule_knows_whether_it_was_looked_at) {
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;

        policy = new_policy("allow 0001:* if true\n"
                            "read-only if rule-evaluated\n");
        ck_assert_uint_eq(device_policy_decide(policy, &disk).number, 0);
        ck_assert_uint_eq(device_policy_decide(policy, &disk).number, 2);
}
END_TEST

START_TEST(a_generated_rule_is_for_that_device_alone) {
        _cleanup_(freep) char *rule = NULL, *other_rule = NULL;
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;

        strcpy(disk.name, "a \"b\\ \t c");
        rule = device_policy_generate(&disk);
        ck_assert_str_eq(rule, "allow id 1209:0001 serial \"0123456789\" name \"a \\\"b\\\\ \\x09 "
                               "c\" hash \"" HASH "\" with-interface equals { 08:06:50 08:06:62 }");
        policy = new_policy(rule);
        ck_assert_uint_eq(device_policy_test(policy, &disk).number, 1);
        strcpy(disk.port, "2-1");
        ck_assert_uint_eq(device_policy_test(policy, &disk).number, 1);
        strcpy(disk.serial, "0123456780");
        ck_assert_uint_eq(device_policy_test(policy, &disk).number, 0);

        strcpy(disk.serial, "");
        other_rule = device_policy_generate(&disk);
        policy = device_policy_free(policy);
        policy = new_policy(other_rule);
        ck_assert_uint_eq(device_policy_test(policy, &disk).number, 1);
        strcpy(disk.port, "1-1");
        ck_assert_uint_eq(device_policy_test(policy, &disk).number, 0);
}
END_TEST

/* Long names are cut anywhere, and a name may have characters that are none. */
START_TEST(a_generated_rule_can_be_sent_and_shown_whatever_a_device_is_called) {
        static const struct {
                const char *name, *expected;
        } cases[] = {
                { "Gr\xc3\xbc\xc3\x9f", "name \"Gr\xc3\xbc\xc3\x9f\"" },
                { "\xe7\x9b\x98 \xe7\x9b", "name \"\\xe7\\x9b\\x98 \\xe7\\x9b\"" },
                { "a\xef\xbf\xbe", "name \"a\\xef\\xbf\\xbe\"" },
                { "\xe2\x80\xae", "name \"\\xe2\\x80\\xae\"" },
        };

        for (size_t i = 0; i < N_ELEMENTS(cases); i++) {
                _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;
                _cleanup_(freep) char *rule = NULL;

                strcpy(disk.name, cases[i].name);
                rule = device_policy_generate(&disk);
                ck_assert_msg(strstr(rule, cases[i].expected), "%s", rule);
                policy = new_policy(rule);
                ck_assert_uint_eq(device_policy_test(policy, &disk).number, 1);
        }
}
END_TEST

START_TEST(there_is_an_end_to_rules) {
        static char text[(DEVICE_RULES_MAX + 1) * 6 + 1];
        _cleanup_(device_policy_freep) DevicePolicy *policy = NULL;
        char complaints[1024] = "";

        ck_assert_int_eq(device_policy_new(&policy, DEVICE_TARGET_ALLOW), 0);
        for (size_t i = 0; i <= DEVICE_RULES_MAX; i++)
                strcpy(text + i * 6, "block\n");
        ck_assert_int_eq(device_policy_add(policy, "f", text, strlen(text), on_mistake, complaints),
                         -EINVAL);
        ck_assert_str_eq(complaints,
                         "1025:1 there are too many rules, the 1024 before it are the most");
        ck_assert_uint_eq(device_policy_get_n_rules(policy), 0);
}
END_TEST

START_TEST(long_lines_and_files_are_refused) {
        static char text[DEVICE_RULE_SIZE_MAX + 1];
        _cleanup_(device_policy_freep) DevicePolicy *policy = new_policy("");
        char complaints[1024] = "";

        memset(text, '#', sizeof(text));
        ck_assert_int_eq(device_policy_add(policy, "f", text, sizeof(text), on_mistake, complaints),
                         -EINVAL);
        ck_assert_str_eq(complaints, "1:4097 the line is longer than 4096 bytes");
        complaints[0] = '\0';
        ck_assert_int_eq(device_policy_add_file(policy, "/dev/zero", on_mistake, complaints),
                         -EINVAL);
        ck_assert_str_eq(complaints, "1:1 the file is longer than 1 MiB");
        complaints[0] = '\0';
        ck_assert_int_eq(device_policy_add_file(policy, "/", on_mistake, complaints), -EISDIR);
        ck_assert_str_eq(complaints, "1:1 the file can't be read: Is a directory");
        complaints[0] = '\0';
        ck_assert_int_eq(device_policy_add_file(policy, "/none", on_mistake, complaints), -ENOENT);
        ck_assert_str_eq(complaints, "");
}
END_TEST

int main(void) {
        Suite *suite = suite_create("device policy");
        TCase *tcase = tcase_create("all");

        tcase_add_checked_fixture(tcase, set_up, NULL);
        tcase_add_test(tcase, the_hash_is_usbguards);
        tcase_add_test(tcase, descriptors_that_make_no_sense_have_no_interfaces);
        tcase_add_loop_test(tcase, each_word_asks_for_what_it_says, 0, N_ELEMENTS(match_cases));
        tcase_add_loop_test(tcase, mistakes_are_told_with_their_place_and_nothing_is_added, 0,
                            N_ELEMENTS(mistake_cases));
        tcase_add_test(tcase, the_first_rule_that_matches_decides);
        tcase_add_test(tcase, rules_tell_when_a_device_sleeps);
        tcase_add_test(tcase, who_just_asks_changes_nothing);
        tcase_add_test(tcase, a_rule_knows_whether_it_was_looked_at);
        tcase_add_test(tcase, a_generated_rule_is_for_that_device_alone);
        tcase_add_test(tcase, a_generated_rule_can_be_sent_and_shown_whatever_a_device_is_called);
        tcase_add_test(tcase, there_is_an_end_to_rules);
        tcase_add_test(tcase, long_lines_and_files_are_refused);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
