/*
 * rule: target [id] { attribute values | "if" condition | option value }
 * values: value | [operator] "{" value ... "}"
 */

#include "device/device_rule_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/config_option.h"

#define ID_DIGITS_MAX 4
#define TYPE_DIGITS_MAX 2

typedef struct RuleParser {
        const char *start;
        const char *next;
        const char *end;
        DeviceRule *rule;
        DeviceRuleMistake *mistake;
} RuleParser;

typedef struct Word {
        const char *text;
        size_t size;
} Word;

static const char *const attribute_names[] = {
        [DEVICE_ATTRIBUTE_ID] = "id",
        [DEVICE_ATTRIBUTE_SERIAL] = "serial",
        [DEVICE_ATTRIBUTE_NAME] = "name",
        [DEVICE_ATTRIBUTE_HASH] = "hash",
        [DEVICE_ATTRIBUTE_PARENT_HASH] = "parent-hash",
        [DEVICE_ATTRIBUTE_VIA_PORT] = "via-port",
        [DEVICE_ATTRIBUTE_WITH_INTERFACE] = "with-interface",
        [DEVICE_ATTRIBUTE_WITH_CONNECT_TYPE] = "with-connect-type",
        [_DEVICE_ATTRIBUTE_MAX] = NULL,
};

static const char *const relation_names[] = {
        [DEVICE_RELATION_ALL_OF] = "all-of",
        [DEVICE_RELATION_ONE_OF] = "one-of",
        [DEVICE_RELATION_NONE_OF] = "none-of",
        [DEVICE_RELATION_EQUALS] = "equals",
        [DEVICE_RELATION_EQUALS_ORDERED] = "equals-ordered",
        [DEVICE_RELATION_MATCH_ALL] = "match-all",
        [_DEVICE_RELATION_MAX] = NULL,
};

/* "false" is "!true". */
static const char *const condition_names[] = {
        [DEVICE_CONDITION_TRUE] = "true",
        [DEVICE_CONDITION_RULE_APPLIED] = "rule-applied",
        [DEVICE_CONDITION_RULE_EVALUATED] = "rule-evaluated",
        [_DEVICE_CONDITION_MAX] = NULL,
};

static const char *const cache_mode_names[] = {
        [CACHE_MODE_OFF] = "off",
        [CACHE_MODE_WRITE_THROUGH] = "write-through",
        [CACHE_MODE_WRITE_BACK] = "write-back",
        [_CACHE_MODE_MAX] = NULL,
};

static _printf_(3, 4) int mistake(RuleParser *parser, const char *where, const char *format, ...) {
        va_list arguments;

        parser->mistake->offset = (size_t) (where - parser->start);
        va_start(arguments, format);
        vsnprintf(parser->mistake->text, sizeof(parser->mistake->text), format, arguments);
        va_end(arguments);
        return -EINVAL;
}

/* Words */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool is_at_end(const RuleParser *parser) {
        return parser->next == parser->end || *parser->next == '#';
}

static void skip_blanks(RuleParser *parser) {
        while (parser->next < parser->end && is_blank(*parser->next))
                parser->next++;
}

/* Up to the next blank, brace, quote or comment; may be empty. */
static Word peek_word(const RuleParser *parser) {
        const char *t = parser->next;

        while (t < parser->end && !is_blank(*t) && !strchr("{}\"#", *t))
                t++;
        return (Word){ parser->next, (size_t) (t - parser->next) };
}

static void skip(RuleParser *parser, size_t size) {
        parser->next += size;
        skip_blanks(parser);
}

static bool is_word(Word word, const char *text) {
        return word.size == strlen(text) && memcmp(word.text, text, word.size) == 0;
}

/* The index of a word in a NULL-terminated table, or -1. */
static int find_word(Word word, const char *const *names) {
        for (int i = 0; names[i]; i++)
                if (is_word(word, names[i]))
                        return i;
        return -1;
}

static bool take_character(RuleParser *parser, char c) {
        if (parser->next == parser->end || *parser->next != c)
                return false;
        skip(parser, 1);
        return true;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Values */

/* What USBGuard escapes in strings: \" \\ and \xHH. */
static int unescape(RuleParser *parser, char *ret) {
        const char *start = parser->next++;
        int high, low;

        if (parser->next == parser->end)
                return mistake(parser, start, "the string has no end");
        *ret = *parser->next++;
        if (*ret == '"' || *ret == '\\')
                return 0;
        high = *ret == 'x' && parser->end - parser->next >= 2 ? hex_digit(parser->next[0]) : -1;
        low = high >= 0 ? hex_digit(parser->next[1]) : -1;
        if (low < 0 || high + low == 0)
                return mistake(parser, start,
                               "in a string there are only the escapes \\\", \\\\ and \\x with two "
                               "digits that are not 00");
        *ret = (char) (high << 4 | low);
        parser->next += 2;
        return 0;
}

/* The quoted string, on the heap. */
static int parse_string(RuleParser *parser, const char *what, char **ret) {
        const char *start = parser->next;
        _cleanup_(freep) char *text = NULL;
        size_t size = 0;

        if (start == parser->end || *start != '"')
                return mistake(parser, start, "a value in double quotes is missing behind %s",
                               what);
        text = malloc((size_t) (parser->end - start));
        if (!text)
                return -ENOMEM;
        for (parser->next++; parser->next < parser->end && *parser->next != '"'; size++) {
                int r = 0;

                if (*parser->next == '\0')
                        return mistake(parser, parser->next, "a zero byte stands in the string");
                if (*parser->next == '\\')
                        r = unescape(parser, &text[size]);
                else
                        text[size] = *parser->next++;
                if (r < 0)
                        return r;
        }
        if (parser->next == parser->end)
                return mistake(parser, start, "the string has no end");
        text[size] = '\0';
        skip(parser, 1);
        *ret = TAKE_PTR(text);
        return 0;
}

/* One number of a pattern, or "*". Returns how many characters, or 0. */
static size_t parse_number(Word word, unsigned n_digits, DevicePattern *pattern, size_t index) {
        unsigned number = 0;
        size_t n = 0;

        if (word.size > 0 && word.text[0] == '*') {
                pattern->is_any[index] = true;
                return 1;
        }
        for (; n < word.size && n < n_digits && hex_digit(word.text[n]) >= 0; n++)
                number = number << 4 | (unsigned) hex_digit(word.text[n]);
        pattern->numbers[index] = (uint16_t) number;
        return n == n_digits ? n : 0;
}

static bool parse_numbers(Word word, size_t n_numbers, unsigned n_digits, DevicePattern *pattern) {
        for (size_t i = 0; i < n_numbers; i++) {
                size_t n = parse_number(word, n_digits, pattern, i);

                word.text += n;
                word.size -= n;
                if (n == 0 || (i > 0 && pattern->is_any[i - 1] && !pattern->is_any[i]))
                        return false;
                if (i + 1 == n_numbers)
                        break;
                if (word.size == 0 || word.text[0] != ':')
                        return false;
                word.text++;
                word.size--;
        }
        return word.size == 0;
}

static int parse_pattern(RuleParser *parser, DeviceAttribute attribute, DevicePattern *ret) {
        Word word = peek_word(parser);
        bool is_good;

        *ret = (DevicePattern){};
        is_good = attribute == DEVICE_ATTRIBUTE_ID ? parse_numbers(word, 2, ID_DIGITS_MAX, ret)
                                                   : parse_numbers(word, 3, TYPE_DIGITS_MAX, ret);
        if (!is_good)
                return mistake(parser, parser->next,
                               attribute == DEVICE_ATTRIBUTE_ID
                                               ? "VID:PID is missing, each of 4 hexadecimal digits "
                                                 "or, from the right, *"
                                               : "CC:SS:PP is missing, each of 2 hexadecimal "
                                                 "digits or, from the right, *");
        skip(parser, word.size);
        return 0;
}

static int parse_value(RuleParser *parser, DeviceAttribute attribute, DeviceRuleSet *set) {
        DeviceRuleValue value = {};
        DeviceRuleValue *values;
        int r;

        if (set->n_values == DEVICE_RULE_VALUES_MAX)
                return mistake(parser, parser->next, "there are more than %d values",
                               DEVICE_RULE_VALUES_MAX);
        values = realloc(set->values, (set->n_values + 1) * sizeof(*values));
        if (!values)
                return -ENOMEM;
        set->values = values;
        r = device_attribute_is_pattern(attribute)
                            ? parse_pattern(parser, attribute, &value.pattern)
                            : parse_string(parser, attribute_names[attribute], &value.text);
        if (r < 0)
                return r;
        set->values[set->n_values++] = value;
        return 0;
}

static int parse_braces(RuleParser *parser, DeviceAttribute attribute, DeviceRuleSet *set) {
        const char *start = parser->next;

        skip(parser, 1);
        while (!take_character(parser, '}')) {
                int r;

                if (is_at_end(parser))
                        return mistake(parser, start, "the brace is not closed");
                r = parse_value(parser, attribute, set);
                if (r < 0)
                        return r;
        }
        if (set->n_values == 0)
                return mistake(parser, start, "there is nothing between the braces");
        return 0;
}

static int parse_set(RuleParser *parser, DeviceAttribute attribute, const char *where) {
        DeviceRuleSet *set = &parser->rule->sets[attribute];
        Word word = peek_word(parser);
        int relation = find_word(word, relation_names);

        if (set->values)
                return mistake(parser, where, "\"%s\" stands here twice",
                               attribute_names[attribute]);
        set->relation = relation >= 0 ? (DeviceRelation) relation : DEVICE_RELATION_EQUALS;
        if (relation >= 0)
                skip(parser, word.size);
        if (parser->next < parser->end && *parser->next == '{')
                return parse_braces(parser, attribute, set);
        if (relation >= 0)
                return mistake(parser, parser->next, "a brace is missing behind \"%s\"",
                               relation_names[relation]);
        /* A single interface is one of the device's, as in USBGuard. */
        set->relation = DEVICE_RELATION_ALL_OF;
        return parse_value(parser, attribute, set);
}

/* Condition and options */

static int parse_condition(RuleParser *parser) {
        DeviceRule *rule = parser->rule;
        const char *start = parser->next;
        Word word;
        int condition;

        if (rule->condition != _DEVICE_CONDITION_MAX)
                return mistake(parser, start, "there is a condition already");
        rule->is_condition_negated = take_character(parser, '!');
        word = peek_word(parser);
        condition = find_word(word, condition_names);
        if (condition < 0 && is_word(word, "false")) {
                condition = DEVICE_CONDITION_TRUE;
                rule->is_condition_negated = !rule->is_condition_negated;
        }
        if (condition < 0)
                return mistake(parser, parser->next,
                               "there are only the conditions true, false, rule-applied and "
                               "rule-evaluated");
        rule->condition = (DeviceCondition) condition;
        skip(parser, word.size);
        return 0;
}

static int parse_cache(RuleParser *parser, DeviceRuleOptions *options) {
        Word word = peek_word(parser);
        int mode = find_word(word, cache_mode_names);

        if (options->has_cache_mode)
                return mistake(parser, parser->next, "there is a cache mode already");
        if (mode < 0)
                return mistake(parser, parser->next,
                               "there are only the cache modes off, write-through and write-back");
        options->has_cache_mode = true;
        options->cache_mode = (CacheMode) mode;
        skip(parser, word.size);
        return 0;
}

static bool is_export_name(const char *text) {
        return text[0] != '\0' && strlen(text) < DEVICE_RULE_EXPORT_SIZE &&
               text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                 "0123456789._-")] == '\0';
}

static int parse_export(RuleParser *parser, DeviceRuleOptions *options) {
        const char *start = parser->next;
        _cleanup_(freep) char *name = NULL;
        int r;

        r = parse_string(parser, "export", &name);
        if (r < 0)
                return r;
        if (options->export_name[0] != '\0')
                return mistake(parser, start, "there is an export name already");
        if (!is_export_name(name))
                return mistake(parser, start,
                               "an export name has 1 to %d of the characters A-Z a-z 0-9 . _ -",
                               DEVICE_RULE_EXPORT_SIZE - 1);
        strcpy(options->export_name, name);
        return 0;
}

static int parse_max_rate(RuleParser *parser, DeviceRuleOptions *options) {
        const char *start = parser->next;
        _cleanup_(freep) char *text = NULL;
        int r;

        r = parse_string(parser, "max-rate", &text);
        if (r < 0)
                return r;
        if (options->rate_max > 0)
                return mistake(parser, start, "there is a largest rate already");
        if (config_value_parse_size(text, &options->rate_max) < 0 ||
            options->rate_max < DEVICE_RATE_MIN || options->rate_max > DEVICE_RATE_MAX)
                return mistake(parser, start,
                               "a rate is a number of bytes a second, from 64K to 1T, which may "
                               "end in K, M, G or T");
        return 0;
}

static int parse_timeout(RuleParser *parser, const char *what, bool *has, uint32_t *ret_ms) {
        const char *start = parser->next;
        _cleanup_(freep) char *text = NULL;
        uint64_t ms = 0;
        int r;

        r = parse_string(parser, what, &text);
        if (r < 0)
                return r;
        if (*has)
                return mistake(parser, start, "there is a time for %s already", what);
        if (strcmp(text, "never") != 0 &&
            (config_value_parse_duration_ms(text, &ms) < 0 || ms > DEVICE_POWER_TIMEOUT_MAX_MS))
                return mistake(parser, start,
                               "the time for %s is \"never\", or a number of milliseconds, or one "
                               "with ms, s, min or h, of a day at most",
                               what);
        *has = true;
        *ret_ms = (uint32_t) ms;
        return 0;
}

/* The whole */

static int parse_item(RuleParser *parser) {
        static const char *const keyword_names[] = {
                "if", "cache", "export", "max-rate", "standby", "suspend", NULL,
        };
        DevicePowerTimeouts *power = &parser->rule->options.power;
        const char *start = parser->next;
        Word word = peek_word(parser);
        int attribute = find_word(word, attribute_names);
        int keyword = find_word(word, keyword_names);

        if (attribute < 0 && keyword < 0)
                return mistake(parser, start,
                               "there is no such attribute, only: id, serial, name, hash, "
                               "parent-hash, via-port, with-interface, with-connect-type, if, "
                               "cache, export, max-rate, standby, suspend");
        skip(parser, word.size);
        if (attribute >= 0)
                return parse_set(parser, (DeviceAttribute) attribute, start);
        switch (keyword) {
        case 0:
                return parse_condition(parser);
        case 1:
                return parse_cache(parser, &parser->rule->options);
        case 2:
                return parse_export(parser, &parser->rule->options);
        case 3:
                return parse_max_rate(parser, &parser->rule->options);
        case 4:
                return parse_timeout(parser, "standby", &power->has_standby, &power->standby_ms);
        default:
                return parse_timeout(parser, "suspend", &power->has_suspend, &power->suspend_ms);
        }
}

static int parse_target(RuleParser *parser) {
        Word word = peek_word(parser);

        for (DeviceTarget i = 0; i < _DEVICE_TARGET_MAX; i++) {
                if (!is_word(word, device_target_to_string(i)))
                        continue;
                parser->rule->target = i;
                skip(parser, word.size);
                return 0;
        }
        return mistake(parser, parser->next,
                       "a rule begins with allow, read-only, block or reject");
}

/* An ID may stand behind the target without its word. */
static bool is_at_id(const RuleParser *parser) {
        return memchr(peek_word(parser).text, ':', peek_word(parser).size) != NULL;
}

static int parse_rule(RuleParser *parser) {
        int r;

        r = parse_target(parser);
        if (r == 0 && is_at_id(parser))
                r = parse_set(parser, DEVICE_ATTRIBUTE_ID, parser->next);
        while (r == 0 && !is_at_end(parser))
                r = parse_item(parser);
        if (r < 0)
                return r;
        if (parser->rule->condition == _DEVICE_CONDITION_MAX)
                parser->rule->condition = DEVICE_CONDITION_TRUE;

        while (parser->next > parser->start && is_blank(parser->next[-1]))
                parser->next--;
        parser->rule->text = strndup(parser->start, (size_t) (parser->next - parser->start));
        return parser->rule->text ? 0 : -ENOMEM;
}

int device_rule_parse(DeviceRule *ret, const char *text, size_t size,
                      DeviceRuleMistake *ret_mistake) {
        DeviceRule rule = { .condition = _DEVICE_CONDITION_MAX };
        RuleParser parser = {
                .start = text,
                .next = text,
                .end = text + size,
                .rule = &rule,
                .mistake = ret_mistake,
        };
        int r;

        skip_blanks(&parser);
        if (is_at_end(&parser))
                return -ENODATA;
        r = parse_rule(&parser);
        if (r < 0) {
                device_rule_done(&rule);
                return r;
        }
        *ret = rule;
        return 0;
}
