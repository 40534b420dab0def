/*
 * line: ("allow" | "deny") exports "to" client ["read-only"]
 * client: everyone | unix | tcp | tls | user NAME | group NAME | certificate SUBJECT |
 *         fingerprint sha256:HEX | psk IDENTITY
 * What has blanks, # or quotes stands in quotes.
 */

#include "negotiation/nbd_access_parser.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "negotiation/nbd_hex.h"

#define COMPLAINT_SIZE_MAX 256
#define WORD_SIZE_MAX 1024
#define FINGERPRINT_PREFIX "sha256:"
#define ALLOWED_CLIENTS                                                              \
        "everyone, unix, tcp, tls, user NAME, group NAME, certificate \"SUBJECT\", " \
        "fingerprint sha256:HEX or psk IDENTITY"

typedef struct AccessParser {
        const char *next;
        const char *end; /* of the line */
        const char *source;
        unsigned line;
        NbdAccessFindId find_id;
        NbdAccessComplain complain;
        void *userdata;
        char word[WORD_SIZE_MAX]; /* the last one */
        NbdAccessRule rule;
} AccessParser;

static const char *const who_names[_NBD_ACCESS_WHO_MAX] = {
        [NBD_ACCESS_WHO_EVERYONE] = "everyone",
        [NBD_ACCESS_WHO_UNIX] = "unix",
        [NBD_ACCESS_WHO_USER] = "user",
        [NBD_ACCESS_WHO_GROUP] = "group",
        [NBD_ACCESS_WHO_TCP] = "tcp",
        [NBD_ACCESS_WHO_TLS] = "tls",
        [NBD_ACCESS_WHO_CERTIFICATE] = "certificate",
        [NBD_ACCESS_WHO_FINGERPRINT] = "fingerprint",
        [NBD_ACCESS_WHO_PSK] = "psk",
};

static _printf_(2, 3) int mistake(AccessParser *parser, const char *format, ...) {
        char text[COMPLAINT_SIZE_MAX + WORD_SIZE_MAX];
        va_list arguments;

        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        parser->complain(parser->source, parser->line, text, parser->userdata);
        return -EINVAL;
}

/* Words */

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static void skip_blanks(AccessParser *parser) {
        while (parser->next < parser->end && is_blank(*parser->next))
                parser->next++;
}

static bool is_at_end(const AccessParser *parser) {
        return parser->next == parser->end || *parser->next == '#';
}

static int take_character(AccessParser *parser, size_t *size) {
        if (*size >= sizeof(parser->word) - 1)
                return mistake(parser, "a word is longer than %d bytes", WORD_SIZE_MAX - 1);
        parser->word[(*size)++] = *parser->next++;
        return 0;
}

/* Within quotes a backslash goes in front of a quote or another one, else it stands for itself: a
 * subject has escapes of its own. */
static int take_quoted(AccessParser *parser) {
        size_t size = 0;
        int r;

        for (parser->next++; parser->next < parser->end && *parser->next != '"';) {
                if (*parser->next == '\\' && parser->next + 1 < parser->end &&
                    (parser->next[1] == '"' || parser->next[1] == '\\'))
                        parser->next++;
                r = take_character(parser, &size);
                if (r < 0)
                        return r;
        }
        if (parser->next == parser->end)
                return mistake(parser, "the string has no end");
        parser->next++;
        parser->word[size] = '\0';
        return 0;
}

static int take_plain(AccessParser *parser) {
        size_t size = 0;
        int r;

        while (!is_at_end(parser) && !is_blank(*parser->next) && *parser->next != '"') {
                r = take_character(parser, &size);
                if (r < 0)
                        return r;
        }
        parser->word[size] = '\0';
        return 0;
}

/* `what` is what should come, for the complaint that nothing does. */
static int take_word(AccessParser *parser, const char *what) {
        int r;

        skip_blanks(parser);
        if (is_at_end(parser))
                return mistake(parser, "the line ends where %s should stand", what);
        r = *parser->next == '"' ? take_quoted(parser) : take_plain(parser);
        if (r < 0)
                return r;
        if (!is_at_end(parser) && !is_blank(*parser->next))
                return mistake(parser, "\"%s\": a blank must follow", parser->word);
        if (strlen(parser->word) == 0)
                return mistake(parser, "%s is empty", what);
        return 0;
}

static bool is_word(const AccessParser *parser, const char *text) {
        return strcmp(parser->word, text) == 0;
}

/* Clients */

/* Pairs of digits, with a colon between two or none. */
static bool parse_fingerprint(const char *text, uint8_t *ret) {
        for (size_t i = 0; i < NBD_FINGERPRINT_SIZE; i++) {
                if (i > 0 && *text == ':')
                        text++;
                if (!nbd_hex_parse_byte(text, &ret[i]))
                        return false;
                text += 2;
        }
        return *text == '\0';
}

static int take_fingerprint(AccessParser *parser) {
        size_t prefix_size = strlen(FINGERPRINT_PREFIX);
        int r;

        r = take_word(parser, "a fingerprint");
        if (r < 0)
                return r;
        if (strncmp(parser->word, FINGERPRINT_PREFIX, prefix_size) != 0 ||
            !parse_fingerprint(parser->word + prefix_size, parser->rule.fingerprint))
                return mistake(parser, "fingerprint %s: must be sha256: and 64 hexadecimal digits",
                               parser->word);
        return 0;
}

static bool parse_number(const char *text, uint32_t *ret) {
        uint64_t number = 0;

        for (const char *t = text; *t; t++) {
                if (*t < '0' || *t > '9')
                        return false;
                number = number * 10 + (uint64_t) (*t - '0');
                if (number >= UINT32_MAX) /* (uid_t) -1 is nobody's */
                        return false;
        }
        *ret = (uint32_t) number;
        return true;
}

static int take_id(AccessParser *parser, bool is_group) {
        const char *what = is_group ? "group" : "user";
        int r;

        r = take_word(parser, is_group ? "a group" : "a user");
        if (r < 0)
                return r;
        if (!parse_number(parser->word, &parser->rule.id) &&
            !parser->find_id(is_group, parser->word, &parser->rule.id))
                return mistake(parser, "%s %s: there is no such %s", what, parser->word, what);
        return 0;
}

static int take_name(AccessParser *parser, const char *what) {
        int r;

        r = take_word(parser, what);
        if (r < 0)
                return r;
        if (strlen(parser->word) >= sizeof(parser->rule.name))
                return mistake(parser, "%s is longer than %zu bytes", what,
                               sizeof(parser->rule.name) - 1);
        memcpy(parser->rule.name, parser->word, strlen(parser->word) + 1);
        return 0;
}

static int take_subject(AccessParser *parser) {
        int r;

        r = take_name(parser, "a certificate's subject");
        if (r < 0)
                return r;
        if (!nbd_access_is_subject(parser->word))
                return mistake(parser,
                               "certificate \"%s\": must be a subject like \"CN=alice\", without "
                               "blanks around its parts",
                               parser->word);
        return 0;
}

static int take_client(AccessParser *parser) {
        uint32_t who = 0;
        int r;

        r = take_word(parser, "a client");
        if (r < 0)
                return r;
        while (who < _NBD_ACCESS_WHO_MAX && !is_word(parser, who_names[who]))
                who++;
        parser->rule.who = who;

        switch ((NbdAccessWho) who) {
        case NBD_ACCESS_WHO_EVERYONE:
        case NBD_ACCESS_WHO_UNIX:
        case NBD_ACCESS_WHO_TCP:
        case NBD_ACCESS_WHO_TLS:
                return 0;
        case NBD_ACCESS_WHO_USER:
                return take_id(parser, /* is_group= */ false);
        case NBD_ACCESS_WHO_GROUP:
                return take_id(parser, /* is_group= */ true);
        case NBD_ACCESS_WHO_CERTIFICATE:
                return take_subject(parser);
        case NBD_ACCESS_WHO_FINGERPRINT:
                return take_fingerprint(parser);
        case NBD_ACCESS_WHO_PSK:
                return take_name(parser, "an identity");
        case _NBD_ACCESS_WHO_MAX:
                break;
        }
        return mistake(parser, "%s: allowed are " ALLOWED_CLIENTS, parser->word);
}

/* Lines */

static int take_verb(AccessParser *parser) {
        int r;

        r = take_word(parser, "allow or deny");
        if (r < 0)
                return r;
        if (is_word(parser, "allow"))
                parser->rule.grant = NBD_ACCESS_GRANT_FULL;
        else if (is_word(parser, "deny"))
                parser->rule.grant = NBD_ACCESS_GRANT_DENY;
        else
                return mistake(parser, "%s: allowed are allow and deny", parser->word);
        return 0;
}

static int take_exports(AccessParser *parser) {
        int r;

        r = take_word(parser, "the exports' names");
        if (r < 0)
                return r;
        if (strlen(parser->word) >= sizeof(parser->rule.exports))
                return mistake(parser, "%s: a name of exports is at most %zu bytes long",
                               parser->word, sizeof(parser->rule.exports) - 1);
        memcpy(parser->rule.exports, parser->word, strlen(parser->word) + 1);
        return 0;
}

static int take_to(AccessParser *parser) {
        int r;

        r = take_word(parser, "\"to\"");
        if (r < 0)
                return r;
        return is_word(parser, "to") ? 0 : mistake(parser, "%s: here must be \"to\"", parser->word);
}

static int take_read_only(AccessParser *parser) {
        int r;

        skip_blanks(parser);
        if (is_at_end(parser))
                return 0;
        r = take_word(parser, "read-only");
        if (r < 0)
                return r;
        if (!is_word(parser, "read-only"))
                return mistake(parser, "%s: here may be read-only, or nothing", parser->word);
        if (parser->rule.grant != NBD_ACCESS_GRANT_FULL)
                return mistake(parser, "read-only means nothing where access is denied");
        parser->rule.grant = NBD_ACCESS_GRANT_READ_ONLY;
        skip_blanks(parser);
        return is_at_end(parser) ? 0 : mistake(parser, "the line must end after read-only");
}

static int parse_rule(AccessParser *parser) {
        static int (*const parts[])(AccessParser *) = {
                take_verb, take_exports, take_to, take_client, take_read_only,
        };
        int r = 0;

        parser->rule = (NbdAccessRule){ 0 };
        for (size_t i = 0; r == 0 && i < N_ELEMENTS(parts); i++)
                r = parts[i](parser);
        return r;
}

static int parse_line(AccessParser *parser, NbdAccessList *list) {
        int r;

        skip_blanks(parser);
        if (is_at_end(parser))
                return 0;
        if (memchr(parser->next, '\0', (size_t) (parser->end - parser->next)))
                return mistake(parser, "there is a NUL byte in the line");
        r = parse_rule(parser);
        if (r < 0)
                return r;
        r = nbd_access_list_add(list, &parser->rule);
        if (r == -ENOSPC)
                return mistake(parser, "there are more than %d lines", NBD_ACCESS_RULES_MAX);
        return r;
}

int nbd_access_parse(NbdAccessList *list, const char *text, size_t size, const char *source,
                     NbdAccessFindId find_id, NbdAccessComplain complain, void *userdata) {
        AccessParser parser = {
                .source = source,
                .find_id = find_id,
                .complain = complain,
                .userdata = userdata,
        };
        const char *end = text + size;
        int result = 0;

        assert(list);
        assert(complain);

        for (const char *t = text; t < end;) {
                const char *newline = memchr(t, '\n', (size_t) (end - t));
                int r;

                parser.next = t;
                parser.end = newline ?: end;
                parser.line++;
                r = parse_line(&parser, list);
                if (r < 0 && r != -EINVAL)
                        return r;
                if (r < 0)
                        result = r;
                t = newline ? newline + 1 : end;
        }
        return result;
}
