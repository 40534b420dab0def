/* Tables of bridges as smartmontools has them, their patterns and their types. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "smart/smart_drivedb.h"
#include "smart/smart_pattern.h"
#include "unit_test.h"

#define KIND(name) SMART_BRIDGE_KIND_##name

typedef struct PatternCase {
        const char *pattern;
        const char *text;
        bool matches;
} PatternCase;

static const PatternCase pattern_cases[] = {
        { "0x1234:0x5678", "0x1234:0x5678", true },
        { "0x1234:0x5678", "0x1234:0x5679", false },
        { "0x1234", "0x1234:0x5678", false },
        { "0x1234:0x5678.", "0x1234:0x5678", false },
        { "", "", true },
        { "", "a", false },
        { "0x174c:0x....", "0x174c:0x55aa", true },
        { "0x174c:0x...", "0x174c:0x55aa", false },
        { "0x152d:0x[01]576", "0x152d:0x1576", true },
        { "0x152d:0x[01]576", "0x152d:0x2576", false },
        { "[0-9a-f]+", "0a9f", true },
        { "[0-9a-f]+", "0a9g", false },
        { "[^0-9]", "a", true },
        { "[^0-9]", "5", false },
        { "[]a]+", "a]", true },
        { "[a-]+", "a-a", true },
        { "0x125f:0xa(11|13|37)a", "0x125f:0xa13a", true },
        { "0x125f:0xa(11|13|37)a", "0x125f:0xa1a", false },
        { "0x(0bda|2eb9):0x9211", "0x2eb9:0x9211", true },
        { "a|b|cd", "cd", true },
        { "a|b|cd", "ac", false },
        { "a(b|c(d|e))f", "acef", true },
        { "a(b|c(d|e))f", "acf", false },
        { "ab?c", "ac", true },
        { "ab?c", "abbc", false },
        { "ab*c", "abbbc", true },
        { "ab+c", "ac", false },
        { ".*", "0x0213", true },
        { ".*", "", true },
        { "(ab)*", "ababab", true },
        { "(ab)*", "ababa", false },
        { "(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", true },
        { "(a*)*(a*)*(a*)*c", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaab", false },
        { "a\\.b", "a.b", true },
        { "a\\.b", "axb", false },
        { "(((a)))", "a", true },
        /* No patterns. */
        { "((((a))))", "a", false },
        { "(a", "a", false },
        { "a)", "a", false },
        { "[a", "a", false },
        { "[", "[", false },
        { "*a", "a", false },
        { "a**", "a", false },
        { "a{2}", "aa", false },
        { "a\\", "a", false },
};

START_TEST(patterns_match_whole_texts) {
        const PatternCase *c = &pattern_cases[_i];

        ck_assert_msg(smart_pattern_matches(c->pattern, c->text) == c->matches, "%s: %s",
                      c->pattern, c->text);
}
END_TEST

typedef struct TypeCase {
        const char *type;
        int r;
        SmartBridge bridge;
} TypeCase;

#define BRIDGE(name, ...) \
        { .kind = KIND(name), .port = -1, .signature = 0x24, __VA_ARGS__ }

static const TypeCase type_cases[] = {
        { "sat", 0, BRIDGE(SAT_16) },
        { "sat,16", 0, BRIDGE(SAT_16) },
        { "sat,0", 0, BRIDGE(SAT_16) },
        { "sat,auto", 0, BRIDGE(SAT_16) },
        { "sat,12", 0, BRIDGE(SAT_12) },
        { "sat,auto,12", 0, BRIDGE(SAT_12) },
        { "scsi", 0, BRIDGE(NONE) },
        { "usbjmicron", 0, BRIDGE(JMICRON) },
        { "usbjmicron,x", 0, BRIDGE(JMICRON, .is_extended = true) },
        { "usbjmicron,p,x", 0, BRIDGE(JMICRON, .is_extended = true, .is_prolific = true) },
        { "usbjmicron,1", 0, { KIND(JMICRON), .port = 1, .signature = 0x24 } },
        { "usbcypress", 0, BRIDGE(CYPRESS) },
        { "usbcypress,0xa5", 0, { KIND(CYPRESS), .port = -1, .signature = 0xA5 } },
        { "usbsunplus", 0, BRIDGE(SUNPLUS) },
        { "usbprolific", 0, BRIDGE(PROLIFIC) },
        { "sntjmicron", 0, BRIDGE(NVME_JMICRON) },
        { "sntjmicron/sat", 0, BRIDGE(NVME_JMICRON, .is_sat_too = true) },
        { "sntasmedia/sat", 0, BRIDGE(NVME_ASMEDIA, .is_sat_too = true) },
        { "sntrealtek", 0, BRIDGE(NVME_REALTEK) },
        { "", -EINVAL, { 0 } },
        { "sat,", -EINVAL, { 0 } },
        { "sat,13", -EINVAL, { 0 } },
        { "sat/sat", -EINVAL, { 0 } },
        { "sata", -EINVAL, { 0 } },
        { "usbjmicron,2", -EINVAL, { 0 } },
        { "usbcypress,0x", -EINVAL, { 0 } },
        { "usbcypress,0xg0", -EINVAL, { 0 } },
        { "usbsunplus,x", -EINVAL, { 0 } },
        { "sntjmicron/", -EINVAL, { 0 } },
        { "sntjmicron/sat/sat", -EINVAL, { 0 } },
        { "megaraid,1", -EINVAL, { 0 } },
};

START_TEST(types_are_read) {
        const TypeCase *c = &type_cases[_i];
        SmartBridge bridge = { 0 };

        ck_assert_msg(smart_bridge_parse(&bridge, c->type, strlen(c->type)) == c->r, "%s", c->type);
        ck_assert_int_eq(bridge.kind, c->bridge.kind);
        ck_assert_int_eq(bridge.port, c->bridge.port);
        ck_assert_int_eq(bridge.signature, c->bridge.signature);
        ck_assert_int_eq(bridge.is_sat_too, c->bridge.is_sat_too);
        ck_assert_int_eq(bridge.is_extended, c->bridge.is_extended);
        ck_assert_int_eq(bridge.is_prolific, c->bridge.is_prolific);
}
END_TEST

static const char table[] =
                "/* { \"USB: in a comment; \", \"0x1111:0x1111\", \"\", \"\", \"-d sat\" }, */\n"
                "#include \"something\"\n"
                "  { \"VERSION: 1\", \"-\", \"-\", \"words\", \"\" },\n"
                "  { \"DEFAULT\", \"-\", \"-\", \"settings\",\n"
                "    \"-v 1,raw48,Something \" // a comment with \" in it\n"
                "    \"-v 2,raw48,Something \"\n"
                "  },\n"
                "  { \"A disk\", \"0x2222:0x2222\", \"\", \"\", \"-d sat\" },\n"
                "  { \"USB: One; Chip\",\n"
                "    \"0x3333:0x(000[12]|\"\n"
                "    \"0010)\", // one and two, ten\n"
                "    \"\", \"\",\n"
                "    \"-d sat,12\"\n"
                "  },\n"
                "  { \"USB: Two; \", \"0x4444:0x0001\", \"0x0100\", \"\", \"-d usbjmicron,x\" },\n"
                "  { \"USB: Two; \", \"0x4444:0x0001\", \"0x02..\", \"\", \"-d sat\" },\n"
                "  { \"USB: Two; \", \"0x4444:0x0001\", \"\", \"\", \"\" },\n"
                "  { \"USB: Three; \", \"0x5555:0x0001\", \"0x0100\", \"\", \"-d sat\" },\n"
                "  { \"USB: Four; \", \"0x6666:0x0001\", \"0x0100\", \"\", \"-d sat\" },\n"
                "  { \"USB: Four; \", \"0x6666:0x0001\", \"0x0200\", \"\", \"-d usbsunplus\" },\n"
                "  { \"USB: Five; \", \"0x7777:0x0001\", \"\", \"\", \"-d sntjmicron/sat\", },\n"
                "  { \"USB: Five; \", \"0x7777:0x....\", \"\", \"\", \"-d sat -v 9,minutes\" },\n"
                "  { \"USB: new; \", \"0x8888:0x0001\", \"\", \"\", \"-d usbfuture\" },\n"
                "  { \"USB: four strings; \", \"0x9999:0x0001\", \"\", \"-d sat\" },\n"
                "  { \"USB: six strings; \", \"0x9999:0x0001\", \"\", \"\", \"-d sat\", \"\" },\n"
                "  { \"USB: not closed; \", \"0x9999:0x0001\", \"\", \"\", \"-d sat\"\n"
                "  { \"USB: no pattern; \", \"\", \"\", \"\", \"-d sat\" },\n"
                "  { \"USB: cut\n"
                "  { \"USB: quoted \\\"a\\\"; \", \"0xaaaa:0x0001\", \"\", \"\", \"-d "
                "usbprolific\" }\n";

typedef struct FindCase {
        uint16_t vendor_id;
        uint16_t product_id;
        uint16_t device_bcd;
        bool is_known;
        SmartBridgeKind kind;
} FindCase;

static const FindCase find_cases[] = {
        { 0x1111, 0x1111, 0x0100, false, KIND(NONE) },
        { 0x2222, 0x2222, 0x0100, false, KIND(NONE) },
        { 0x3333, 0x0002, 0x0100, true, KIND(SAT_12) },
        { 0x3333, 0x0010, 0x0100, true, KIND(SAT_12) },
        { 0x3333, 0x0003, 0x0100, false, KIND(NONE) },
        { 0x4444, 0x0001, 0x0100, true, KIND(JMICRON) },
        { 0x4444, 0x0001, 0x0207, true, KIND(SAT_16) },
        { 0x4444, 0x0001, 0x0300, true, KIND(NONE) },
        /* Another bcdDevice counts as long as it is not in doubt. */
        { 0x5555, 0x0001, 0x0300, true, KIND(SAT_16) },
        { 0x6666, 0x0001, 0x0200, true, KIND(SUNPLUS) },
        { 0x6666, 0x0001, 0x0300, false, KIND(NONE) },
        { 0x7777, 0x0001, 0x0100, true, KIND(NVME_JMICRON) },
        { 0x7777, 0x0002, 0x0100, true, KIND(SAT_16) },
        { 0x8888, 0x0001, 0x0100, false, KIND(NONE) },
        { 0x9999, 0x0001, 0x0100, false, KIND(NONE) },
        { 0xAAAA, 0x0001, 0x0100, true, KIND(PROLIFIC) },
};

START_TEST(bridges_are_found_in_a_table) {
        const FindCase *c = &find_cases[_i];
        SmartDrivedb db = { 0 };
        SmartBridge bridge = { 0 };

        ck_assert_int_eq(smart_drivedb_add(&db, table, sizeof(table) - 1), 0);
        ck_assert_msg(smart_drivedb_find(&db, &bridge, c->vendor_id, c->product_id,
                                         c->device_bcd) == c->is_known,
                      "%04x:%04x", c->vendor_id, c->product_id);
        ck_assert_msg(bridge.kind == c->kind, "%04x:%04x: %d", c->vendor_id, c->product_id,
                      bridge.kind);
        smart_drivedb_done(&db);
}
END_TEST

START_TEST(a_table_may_end_anywhere) {
        for (size_t size = 0; size < sizeof(table); size++) {
                _cleanup_(freep) char *text = malloc(MAX(size, (size_t) 1));
                SmartDrivedb db = { 0 };

                ck_assert_ptr_nonnull(text);
                memcpy(text, table, size);
                ck_assert_int_eq(smart_drivedb_add(&db, text, size), 0);
                ck_assert_uint_le(db.n_entries, 10);
                smart_drivedb_done(&db);
        }
}
END_TEST

START_TEST(the_first_of_several_tables_counts) {
        const char first[] = "{\"USB:\",\"0x3333:0x0001\",\"\",\"\",\"-d usbcypress\"}";
        SmartDrivedb db = { 0 };
        SmartBridge bridge;

        ck_assert_int_eq(smart_drivedb_add(&db, first, strlen(first)), 0);
        ck_assert_int_eq(smart_drivedb_add(&db, table, sizeof(table) - 1), 0);
        ck_assert(smart_drivedb_find(&db, &bridge, 0x3333, 0x0001, 0));
        ck_assert_int_eq(bridge.kind, KIND(CYPRESS));
        ck_assert(smart_drivedb_find(&db, &bridge, 0x3333, 0x0002, 0));
        ck_assert_int_eq(bridge.kind, KIND(SAT_12));
        smart_drivedb_done(&db);
}
END_TEST

/* One entry more than there may be. */
START_TEST(a_table_that_is_too_long_counts_not_at_all) {
        const char entry[] = "{\"USB:\",\"0x3333:0x0001\",\"\",\"\",\"-d sat\"},";
        size_t size = (SMART_DRIVEDB_ENTRIES_MAX + 1) * strlen(entry);
        _cleanup_(freep) char *text = malloc(size + 1);
        SmartDrivedb db = { 0 };

        ck_assert_ptr_nonnull(text);
        for (size_t i = 0; i <= SMART_DRIVEDB_ENTRIES_MAX; i++)
                memcpy(text + i * strlen(entry), entry, strlen(entry));
        ck_assert_int_eq(smart_drivedb_add(&db, text, size), -EFBIG);
        ck_assert_uint_eq(db.n_entries, 0);
        ck_assert_int_eq(smart_drivedb_add(&db, text, size - strlen(entry)), 0);
        ck_assert_uint_eq(db.n_entries, SMART_DRIVEDB_ENTRIES_MAX);
        smart_drivedb_done(&db);
}
END_TEST

START_TEST(a_text_that_is_too_long_is_not_read) {
        SmartDrivedb db = { 0 };

        ck_assert_int_eq(smart_drivedb_add(&db, table, SMART_DRIVEDB_TEXT_SIZE_MAX + 1), -EFBIG);
        ck_assert_uint_eq(db.n_entries, 0);
        ck_assert_ptr_null(db.entries);
}
END_TEST

/* Of each string that is kept, as long as it may be, and one byte longer. */
START_TEST(strings_that_are_too_long_make_no_entry) {
        const struct {
                size_t n_ids;
                size_t n_bcd;
                size_t n_entries;
        } sizes[] = {
                { SMART_DRIVEDB_PATTERN_SIZE - 1, SMART_DRIVEDB_BCD_SIZE - 1, 1 },
                { SMART_DRIVEDB_PATTERN_SIZE, 1, 0 },
                { 1, SMART_DRIVEDB_BCD_SIZE, 0 },
                { 2000, 1, 0 },
        };

        for (size_t i = 0; i < N_ELEMENTS(sizes); i++) {
                char text[3000];
                SmartDrivedb db = { 0 };
                int size = snprintf(text, sizeof(text), "{\"USB:\",\"%0*d\",\"%0*d\",\"\",\"\"}",
                                    (int) sizes[i].n_ids, 0, (int) sizes[i].n_bcd, 0);

                ck_assert_int_eq(smart_drivedb_add(&db, text, (size_t) size), 0);
                ck_assert_uint_eq(db.n_entries, sizes[i].n_entries);
                smart_drivedb_done(&db);
        }
}
END_TEST

int main(void) {
        Suite *suite = suite_create("smart_drivedb");
        TCase *tcase = tcase_create("smart_drivedb");

        tcase_add_loop_test(tcase, patterns_match_whole_texts, 0, N_ELEMENTS(pattern_cases));
        tcase_add_loop_test(tcase, types_are_read, 0, N_ELEMENTS(type_cases));
        tcase_add_loop_test(tcase, bridges_are_found_in_a_table, 0, N_ELEMENTS(find_cases));
        tcase_add_test(tcase, a_table_may_end_anywhere);
        tcase_add_test(tcase, the_first_of_several_tables_counts);
        tcase_add_test(tcase, a_table_that_is_too_long_counts_not_at_all);
        tcase_add_test(tcase, a_text_that_is_too_long_is_not_read);
        tcase_add_test(tcase, strings_that_are_too_long_make_no_entry);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
