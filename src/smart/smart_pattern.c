/* Each part of a pattern turns the set of places in the text from which it may begin into the set of
   those where it may have ended: bit n is the place before the text's byte n. */

#include "smart/smart_pattern.h"

#include <stdint.h>
#include <string.h>

#include "base/macros.h"

typedef struct PatternRun {
        const char *next;
        const char *text;
        size_t text_size;
        bool is_broken;
} PatternRun;

typedef struct ByteSet {
        bool has[UINT8_MAX + 1];
} ByteSet;

static uint32_t match_alternatives(PatternRun *run, uint32_t from, unsigned depth);

static uint32_t fail(PatternRun *run) {
        run->is_broken = true;
        return 0;
}

/* One byte further, where it is one of these. */
static uint32_t advance(const PatternRun *run, uint32_t from, const ByteSet *set) {
        uint32_t to = 0;

        for (size_t i = 0; i < run->text_size; i++)
                if (from & UINT32_C(1) << i && set->has[(uint8_t) run->text[i]])
                        to |= UINT32_C(1) << (i + 1);
        return to;
}

static uint32_t match_byte(PatternRun *run, uint32_t from) {
        ByteSet set = { 0 };

        if (*run->next == '\0')
                return fail(run);
        set.has[(uint8_t) *run->next++] = true;
        return advance(run, from, &set);
}

static uint32_t match_any(PatternRun *run, uint32_t from) {
        ByteSet set;

        run->next++;
        memset(set.has, true, sizeof(set.has));
        return advance(run, from, &set);
}

/* One byte, or a range of them. */
static void take_range(PatternRun *run, ByteSet *set) {
        uint8_t first = (uint8_t) *run->next++;
        uint8_t last = first;

        if (run->next[0] == '-' && run->next[1] != ']' && run->next[1] != '\0') {
                last = (uint8_t) run->next[1];
                run->next += 2;
        }
        for (unsigned byte = first; byte <= last; byte++)
                set->has[byte] = true;
}

static uint32_t match_class(PatternRun *run, uint32_t from) {
        ByteSet set = { 0 };
        bool is_inverted;

        run->next++;
        is_inverted = *run->next == '^';
        if (is_inverted)
                run->next++;
        do { /* a bracket in the first place is one of them */
                if (*run->next == '\0')
                        return fail(run);
                take_range(run, &set);
        } while (*run->next != ']');
        run->next++;
        for (size_t i = 0; is_inverted && i < sizeof(set.has); i++)
                set.has[i] = !set.has[i];
        return advance(run, from, &set);
}

static uint32_t match_group(PatternRun *run, uint32_t from, unsigned depth) {
        uint32_t to;

        if (depth == SMART_PATTERN_DEPTH_MAX)
                return fail(run);
        run->next++;
        to = match_alternatives(run, from, depth + 1);
        if (*run->next != ')')
                return fail(run);
        run->next++;
        return to;
}

static uint32_t match_atom(PatternRun *run, uint32_t from, unsigned depth) {
        switch (*run->next) {
        case '(':
                return match_group(run, from, depth);
        case '[':
                return match_class(run, from);
        case '.':
                return match_any(run, from);
        case '\\':
                run->next++;
                return match_byte(run, from);
        case '*':
        case '+':
        case '?':
        case '{':
        case '^':
        case '$':
                return fail(run);
        default:
                return match_byte(run, from);
        }
}

/* Again and again, until no new place is reached; each time but the last reaches one. */
static uint32_t match_repeated(PatternRun *run, const char *atom, uint32_t reached,
                               unsigned depth) {
        uint32_t before;

        do {
                before = reached;
                run->next = atom;
                reached |= match_atom(run, before, depth);
        } while (reached != before && !run->is_broken);
        return reached;
}

static uint32_t match_sequence(PatternRun *run, uint32_t from, unsigned depth) {
        while (*run->next != '\0' && *run->next != '|' && *run->next != ')') {
                const char *atom = run->next;
                uint32_t to = match_atom(run, from, depth);
                char repetition = *run->next;

                if (run->is_broken)
                        return 0;
                if (repetition == '*' || repetition == '+')
                        to = match_repeated(run, atom, to, depth);
                if (repetition == '*' || repetition == '?')
                        to |= from;
                if (repetition == '*' || repetition == '+' || repetition == '?')
                        run->next++;
                from = to;
        }
        return from;
}

static uint32_t match_alternatives(PatternRun *run, uint32_t from, unsigned depth) {
        uint32_t to = match_sequence(run, from, depth);

        while (*run->next == '|' && !run->is_broken) {
                run->next++;
                to |= match_sequence(run, from, depth);
        }
        return to;
}

bool smart_pattern_matches(const char *pattern, const char *text) {
        PatternRun run = { .next = pattern, .text = text, .text_size = strlen(text) };
        uint32_t to;

        assert(run.text_size <= SMART_PATTERN_TEXT_SIZE_MAX);

        to = match_alternatives(&run, 1, 0);
        return !run.is_broken && *run.next == '\0' && (to & UINT32_C(1) << run.text_size);
}
