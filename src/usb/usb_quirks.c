/*
 * Lists of quirks, parsed letter by letter. The syntax is the kernel's with comments and lines; what
 * the kernel passes over in silence (unknown letters, what follows a number) is a mistake here, as
 * whoever wrote it meant something.
 */

#include "usb/usb_quirks.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ID_DIGITS_MAX 4
#define COMPLAINT_SIZE_MAX 128

/* In the order of UsbQuirk's bits. */
static const char quirk_letters[USB_QUIRKS_N + 1] = "abcdefghijklmnoprstuwy";

typedef struct QuirksParser {
        const char *source;
        const char *next;
        const char *end;
        const char *line_start;
        unsigned line;
        bool has_mistakes;
        UsbQuirksList *list;
        size_t n_before; /* entries of earlier sources */
        UsbQuirksComplain complain;
        void *userdata;
} QuirksParser;

static _printf_(3, 4) int mistake(QuirksParser *parser, const char *where, const char *format,
                                  ...) {
        char text[COMPLAINT_SIZE_MAX];
        va_list arguments;

        parser->has_mistakes = true;
        if (!parser->complain)
                return -EINVAL;
        va_start(arguments, format);
        vsnprintf(text, sizeof(text), format, arguments);
        va_end(arguments);
        parser->complain(parser->source, parser->line, (unsigned) (where - parser->line_start) + 1,
                         text, parser->userdata);
        return -EINVAL;
}

/* The character that is next, or '\n' at the end of everything. */
static char peek(const QuirksParser *parser) {
        return parser->next < parser->end ? *parser->next : '\n';
}

static bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\r'; }

static bool is_at_line_end(const QuirksParser *parser) {
        return peek(parser) == '\n' || peek(parser) == '#';
}

static void skip_blanks(QuirksParser *parser) {
        while (is_blank(peek(parser)))
                parser->next++;
}

static int hex_digit(char c) {
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* A number and the colon behind it. */
static int parse_id(QuirksParser *parser, const char *what, uint16_t *ret) {
        const char *start = parser->next;
        unsigned id = 0;
        int digit;

        while ((digit = hex_digit(peek(parser))) >= 0) {
                if (parser->next - start == ID_DIGITS_MAX)
                        return mistake(parser, start, "the %s has more than 4 digits", what);
                id = id << 4 | (unsigned) digit;
                parser->next++;
        }
        if (parser->next == start)
                return mistake(parser, start, "a %s of 1 to 4 hexadecimal digits is missing", what);
        if (peek(parser) != ':')
                return mistake(parser, parser->next, "a colon is missing behind the %s", what);
        parser->next++;
        *ret = (uint16_t) id;
        return 0;
}

static int parse_letters(QuirksParser *parser, uint32_t *ret) {
        uint32_t quirks = 0;

        for (; !is_at_line_end(parser) && peek(parser) != ',' && !is_blank(peek(parser));
             parser->next++) {
                const char *letter = memchr(quirk_letters, peek(parser), USB_QUIRKS_N);
                uint32_t quirk;

                if (!letter)
                        return mistake(parser, parser->next,
                                       "there is no such quirk, only the letters %s",
                                       quirk_letters);
                quirk = UINT32_C(1) << (letter - quirk_letters);
                if (quirks & quirk)
                        return mistake(parser, parser->next, "the quirk %c stands here twice",
                                       *letter);
                quirks |= quirk;
        }
        *ret = quirks;
        return 0;
}

static const UsbQuirksEntry *find(const UsbQuirksList *list, size_t first, uint16_t vendor_id,
                                  uint16_t product_id) {
        for (size_t i = first; i < list->n_entries; i++) {
                const UsbQuirksEntry *entry = &list->entries[i];

                if (entry->vendor_id == vendor_id && entry->product_id == product_id)
                        return entry;
        }
        return NULL;
}

static int add(QuirksParser *parser, const char *where, const UsbQuirksEntry *entry) {
        UsbQuirksList *list = parser->list;
        UsbQuirksEntry *entries;

        if (find(list, parser->n_before, entry->vendor_id, entry->product_id))
                return mistake(parser, where, "%04x:%04x stands here already", entry->vendor_id,
                               entry->product_id);
        if (list->n_entries == USB_QUIRKS_ENTRIES_MAX)
                return mistake(parser, where, "there are more than %d entries",
                               USB_QUIRKS_ENTRIES_MAX);

        entries = realloc(list->entries, (list->n_entries + 1) * sizeof(*entries));
        if (!entries)
                return -ENOMEM;
        list->entries = entries;
        list->entries[list->n_entries] = *entry;
        list->entries[list->n_entries].source = list->n_sources - 1;
        list->entries[list->n_entries++].line = parser->line;
        return 0;
}

static int parse_entry(QuirksParser *parser) {
        const char *start = parser->next;
        UsbQuirksEntry entry;
        int r;

        if (is_at_line_end(parser) || peek(parser) == ',')
                return mistake(parser, start, "an entry VID:PID:letters is missing");
        r = parse_id(parser, "vendor", &entry.vendor_id);
        if (r < 0)
                return r;
        r = parse_id(parser, "product", &entry.product_id);
        if (r < 0)
                return r;
        r = parse_letters(parser, &entry.quirks);
        if (r < 0)
                return r;
        return add(parser, start, &entry);
}

/* Up to, and without, its comment or its end. */
static int parse_line(QuirksParser *parser) {
        int r;

        skip_blanks(parser);
        if (is_at_line_end(parser))
                return 0;
        for (;;) {
                r = parse_entry(parser);
                if (r < 0)
                        return r;
                skip_blanks(parser);
                if (is_at_line_end(parser))
                        return 0;
                if (peek(parser) != ',')
                        return mistake(parser, parser->next,
                                       "a comma is missing between two entries");
                parser->next++;
                skip_blanks(parser);
        }
}

static int parse_all(QuirksParser *parser) {
        while (parser->next < parser->end) {
                int r;

                parser->line++;
                parser->line_start = parser->next;
                r = parse_line(parser);
                if (r < 0 && r != -EINVAL)
                        return r;
                while (parser->next < parser->end && *parser->next++ != '\n')
                        ;
        }
        return parser->has_mistakes ? -EINVAL : 0;
}

static int add_source(UsbQuirksList *list, const char *source) {
        char **sources, *copy;

        sources = realloc(list->sources, (list->n_sources + 1) * sizeof(*sources));
        if (!sources)
                return -ENOMEM;
        list->sources = sources;
        copy = strdup(source);
        if (!copy)
                return -ENOMEM;
        list->sources[list->n_sources++] = copy;
        return 0;
}

int usb_quirks_list_add(UsbQuirksList *list, const char *source, const char *text, size_t size,
                        UsbQuirksComplain complain, void *userdata) {
        QuirksParser parser = {
                .source = source,
                .next = text,
                .end = text + size,
                .line_start = text,
                .list = list,
                .n_before = list->n_entries,
                .complain = complain,
                .userdata = userdata,
        };
        int r;

        r = add_source(list, source);
        if (r < 0)
                return r;
        r = parse_all(&parser);
        if (r < 0)
                list->n_entries = parser.n_before;
        return r;
}

int usb_quirks_list_add_file(UsbQuirksList *list, const char *path, UsbQuirksComplain complain,
                             void *userdata) {
        QuirksParser head = {
                .source = path,
                .line = 1,
                .complain = complain,
                .userdata = userdata,
        };
        _cleanup_(freep) char *text = NULL;
        ssize_t size;

        text = malloc(USB_QUIRKS_FILE_SIZE_MAX + 1);
        if (!text)
                return -ENOMEM;
        size = fd_read_path(path, text, USB_QUIRKS_FILE_SIZE_MAX + 1);
        if (size == -ENOENT)
                return -ENOENT;
        head.line_start = text;
        if (size < 0) {
                mistake(&head, text, "the file can't be read: %s", strerror((int) -size));
                return (int) size;
        }
        if ((size_t) size > USB_QUIRKS_FILE_SIZE_MAX)
                return mistake(&head, text, "the file is longer than %llu bytes",
                               (unsigned long long) USB_QUIRKS_FILE_SIZE_MAX);
        return usb_quirks_list_add(list, path, text, (size_t) size, complain, userdata);
}

void usb_quirks_list_done(UsbQuirksList *list) {
        for (unsigned i = 0; i < list->n_sources; i++)
                free(list->sources[i]);
        free(list->sources);
        free(list->entries);
        *list = (UsbQuirksList){ 0 };
}

uint32_t usb_quirks_list_find(const UsbQuirksList *list, uint16_t vendor_id, uint16_t product_id) {
        const UsbQuirksEntry *entry = find(list, 0, vendor_id, product_id);

        return entry ? entry->quirks : 0;
}

const char *usb_quirks_format(uint32_t quirks, char *text) {
        size_t n = 0;

        for (size_t i = 0; i < USB_QUIRKS_N; i++)
                if (quirks & UINT32_C(1) << i)
                        text[n++] = quirk_letters[i];
        text[n] = '\0';
        return text;
}
