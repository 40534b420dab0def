/* Lists: order, membership, and what is harmless. */

#include "base/list.h"
#include "unit_test.h"

typedef struct Item {
        int number;
        ListNode node;
} Item;

static Item items[4];
static ListNode head;

static void set_up(void) {
        list_init(&head);
        for (int i = 0; i < 4; i++) {
                items[i].number = i;
                list_init(&items[i].node);
        }
}

static int number_of(const ListNode *node) {
        return node ? list_entry(node, Item, node)->number : -1;
}

/* The list's numbers as decimal digits: 0, 1, 2 is 12. */
static int digits(ListNode *list) {
        int n = 0;

        LIST_FOR_EACH (node, list)
                n = 10 * n + number_of(node);
        return n;
}

START_TEST(a_new_head_is_empty) {
        set_up();
        ck_assert(list_is_empty(&head));
        ck_assert_ptr_null(list_first(&head));
        ck_assert_ptr_null(list_last(&head));
        ck_assert_ptr_null(list_take_first(&head));
}
END_TEST

START_TEST(nodes_keep_the_order_of_insertion) {
        set_up();
        list_append(&head, &items[2].node);
        list_append(&head, &items[3].node);
        list_prepend(&head, &items[1].node);
        ck_assert_int_eq(digits(&head), 123);
        list_insert_before(&items[3].node, &items[0].node);
        ck_assert_int_eq(digits(&head), 1203);
        ck_assert_int_eq(number_of(list_first(&head)), 1);
        ck_assert_int_eq(number_of(list_last(&head)), 3);
}
END_TEST

START_TEST(unlinking_twice_is_harmless_and_membership_can_be_asked) {
        set_up();
        list_append(&head, &items[1].node);
        list_append(&head, &items[2].node);
        ck_assert(!list_is_empty(&items[1].node));
        list_unlink(&items[1].node);
        list_unlink(&items[1].node);
        ck_assert(list_is_empty(&items[1].node));
        ck_assert_int_eq(digits(&head), 2);
}
END_TEST

START_TEST(the_body_of_an_iteration_may_unlink_its_node) {
        set_up();
        for (int i = 1; i < 4; i++)
                list_append(&head, &items[i].node);
        LIST_FOR_EACH (node, &head)
                if (number_of(node) != 2)
                        list_unlink(node);
        ck_assert_int_eq(digits(&head), 2);
}
END_TEST

START_TEST(splicing_moves_all_nodes_to_the_end) {
        ListNode other = LIST_INIT(other);

        set_up();
        list_append(&head, &items[1].node);
        list_splice(&head, &other);
        ck_assert_int_eq(digits(&head), 1);
        list_append(&other, &items[2].node);
        list_append(&other, &items[3].node);
        list_splice(&head, &other);
        ck_assert_int_eq(digits(&head), 123);
        ck_assert(list_is_empty(&other));
        ck_assert_int_eq(number_of(list_take_first(&head)), 1);
        ck_assert_int_eq(digits(&head), 23);
}
END_TEST

int main(void) {
        const TTest *const tests[] = {
                a_new_head_is_empty,
                nodes_keep_the_order_of_insertion,
                unlinking_twice_is_harmless_and_membership_can_be_asked,
                the_body_of_an_iteration_may_unlink_its_node,
                splicing_moves_all_nodes_to_the_end,
                NULL,
        };

        return run_suite(suite_of("list", tests));
}
