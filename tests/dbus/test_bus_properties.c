/* Structs of facts, and what of them is announced. */

#include "dbus/bus_properties.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit_test.h"

typedef struct Facts {
        char text[16];
        double share;
        uint64_t size;
        uint32_t mask;
        int flag;
        uint16_t id;
        uint8_t type;
        int32_t degrees;
        int64_t balance;
        uint32_t constant;
        uint32_t counter;
} Facts;

#define FIELD(name) offsetof(Facts, name)
#define CHANGES SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE

static int get_mask(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *userdata, sd_bus_error *ret_error) {
        return 0;
}

static int on_method(sd_bus_message *message, void *userdata, sd_bus_error *ret_error) { return 0; }

static const sd_bus_vtable vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_PROPERTY("Text", "s", bus_properties_get_text, FIELD(text), CHANGES),
        SD_BUS_PROPERTY("Share", "d", NULL, FIELD(share), CHANGES),
        SD_BUS_PROPERTY("Size", "t", NULL, FIELD(size), CHANGES),
        SD_BUS_PROPERTY("List", "as", get_mask, FIELD(mask), CHANGES),
        SD_BUS_PROPERTY("Flag", "b", NULL, FIELD(flag), CHANGES),
        SD_BUS_PROPERTY("Id", "q", NULL, FIELD(id), CHANGES),
        SD_BUS_PROPERTY("Type", "y", NULL, FIELD(type), CHANGES),
        SD_BUS_PROPERTY("Degrees", "i", NULL, FIELD(degrees), CHANGES),
        SD_BUS_PROPERTY("Balance", "x", NULL, FIELD(balance), CHANGES),
        SD_BUS_PROPERTY("Constant", "u", NULL, FIELD(constant), SD_BUS_VTABLE_PROPERTY_CONST),
        SD_BUS_PROPERTY("Counter", "u", NULL, FIELD(counter), 0),
        SD_BUS_METHOD("Method", NULL, NULL, on_method, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_VTABLE_END,
};

static const Facts former = { .text = "former", .size = 1 };

static const struct {
        Facts now;
        const char *name; /* NULL: nothing is announced */
} cases[] = {
        { { .text = "former", .size = 1 }, NULL },
        { { .text = "now", .size = 1 }, "Text" },
        { { .text = "former", .size = 1, .share = 0.5 }, "Share" },
        { { .text = "former", .size = UINT64_C(1) << 40 | 1 }, "Size" },
        { { .text = "former", .size = 1, .mask = 4 }, "List" },
        { { .text = "former", .size = 1, .flag = true }, "Flag" },
        { { .text = "former", .size = 1, .id = 0x100 }, "Id" },
        { { .text = "former", .size = 1, .type = 5 }, "Type" },
        { { .text = "former", .size = 1, .degrees = -1 }, "Degrees" },
        { { .text = "former", .size = 1, .balance = INT64_MIN }, "Balance" },
        { { .text = "former", .size = 1, .constant = 5 }, NULL },
        { { .text = "former", .size = 1, .counter = 5 }, NULL },
};

START_TEST(what_changed_is_named) {
        const char *names[BUS_PROPERTIES_CHANGED_MAX + 1];
        size_t n;

        n = bus_properties_compare(vtable, &former, &cases[_i].now, names);
        ck_assert_uint_eq(n, cases[_i].name != NULL);
        ck_assert_ptr_null(names[n]);
        if (cases[_i].name)
                ck_assert_str_eq(names[0], cases[_i].name);
}
END_TEST

START_TEST(several_changes_are_told_at_once) {
        static const Facts now = { .text = "now", .flag = true };
        const char *names[BUS_PROPERTIES_CHANGED_MAX + 1];

        ck_assert_uint_eq(bus_properties_compare(vtable, &former, &now, names), 3);
        ck_assert_str_eq(names[0], "Text");
        ck_assert_str_eq(names[1], "Size");
        ck_assert_str_eq(names[2], "Flag");
}
END_TEST

static const struct {
        const char *text;
        const char *expected;
} texts[] = {
        { "Disk", "Disk" },
        { "", "" },
        { "Gr\xc3\xbc\xc3\x9f", "Gr\xc3\xbc\xc3\x9f" },
        { "0123456789abcdefghij", "0123456789abcde" },
};

START_TEST(text_is_kept) {
        Facts facts;

        memset(&facts, 0xff, sizeof(facts));
        BUS_PROPERTIES_SET_TEXT(facts.text, texts[_i].text);
        ck_assert_str_eq(facts.text, texts[_i].expected);
}
END_TEST

static const char *const bad_texts[] = { "\xff\xfe", "a\x1b[31m", "\xc3", "a\nb", "\xed\xa0\x80" };

/* sd-bus refuses what is no UTF-8. */
static int append_to_message(const char *text) {
        sd_bus_message *message = NULL;
        sd_bus *bus = NULL;
        int fds[2], r;

        ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
        ck_assert_int_ge(sd_bus_new(&bus), 0);
        ck_assert_int_ge(sd_bus_set_fd(bus, fds[0], fds[0]), 0);
        ck_assert_int_ge(sd_bus_start(bus), 0);
        ck_assert_int_ge(sd_bus_message_new_signal(bus, &message, "/", "org.orion.Test", "Test"),
                         0);
        r = sd_bus_message_append(message, "s", text);
        sd_bus_message_unref(message);
        sd_bus_close_unref(bus);
        close(fds[1]);
        return r;
}

START_TEST(bytes_that_are_no_text_do_not_get_on_the_bus) {
        Facts facts;

        BUS_PROPERTIES_SET_TEXT(facts.text, bad_texts[_i]);
        for (const char *c = facts.text; *c != '\0'; c++)
                ck_assert_uint_ge((unsigned char) *c, 0x20);
        ck_assert_int_ge(append_to_message(facts.text), 0);
        ck_assert_int_lt(append_to_message("\xff\xfe"), 0);
}
END_TEST

/* A text that is cut within a character is still text. */
START_TEST(cut_character_is_no_half_character) {
        char field[4], expected[4] = "ab?";

        bus_properties_set_text(field, sizeof(field), "ab\xc3\xbc");
        ck_assert_uint_eq(strlen(field), strlen(expected));
        ck_assert_int_eq(strncmp(field, "ab", 2), 0);
        ck_assert_uint_lt((unsigned char) field[2], 0x80);
}
END_TEST

int main(void) {
        Suite *suite = suite_create("bus_properties");
        TCase *tcase = tcase_create("bus_properties");

        tcase_add_loop_test(tcase, what_changed_is_named, 0, (int) N_ELEMENTS(cases));
        tcase_add_test(tcase, several_changes_are_told_at_once);
        tcase_add_loop_test(tcase, text_is_kept, 0, (int) N_ELEMENTS(texts));
        tcase_add_loop_test(tcase, bytes_that_are_no_text_do_not_get_on_the_bus, 0,
                            (int) N_ELEMENTS(bad_texts));
        tcase_add_test(tcase, cut_character_is_no_half_character);
        suite_add_tcase(suite, tcase);
        return run_suite(suite);
}
