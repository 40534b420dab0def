/*
 * An array of extents, neighbours of equal status merged. The format is that of the GNU ddrescue
 * manual, "Mapfile structure": numbers are C's, '#' begins a comment, the first line is about the
 * copy as such.
 */

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/ctl_file.h"
#include "cli/rescue_map.h"

/* The longest line that means something is much shorter. */
#define LINE_SIZE_MAX 256

struct RescueMap {
        RescueExtent *extents; /* owned */
        size_t n_extents;
        size_t n_allocated;
        uint64_t size;
};

static const char status_characters[_RESCUE_STATUS_MAX] = {
        [RESCUE_STATUS_UNTRIED] = '?',   [RESCUE_STATUS_UNTRIMMED] = '*',
        [RESCUE_STATUS_UNSCRAPED] = '/', [RESCUE_STATUS_BAD] = '-',
        [RESCUE_STATUS_DONE] = '+',
};

int rescue_map_new(RescueMap **ret, uint64_t size) {
        _cleanup_(rescue_map_freep) RescueMap *map = calloc(1, sizeof(*map));

        if (!map)
                return -ENOMEM;
        map->extents = calloc(1, sizeof(*map->extents));
        if (!map->extents)
                return -ENOMEM;
        map->n_allocated = 1;
        map->size = size;
        if (size > 0)
                map->extents[map->n_extents++] = (RescueExtent){ .size = size };
        *ret = TAKE_PTR(map);
        return 0;
}

RescueMap *rescue_map_free(RescueMap *map) {
        if (!map)
                return NULL;

        free(map->extents);
        free(map);
        return NULL;
}

uint64_t rescue_map_size(const RescueMap *map) { return map->size; }

/* The extent that `offset` is in: n_extents if it is past the end. */
static size_t find_index(const RescueMap *map, uint64_t offset) {
        size_t low = 0, high = map->n_extents;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                const RescueExtent *extent = &map->extents[middle];

                if (offset >= extent->start + extent->size)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

static int make_room(RescueMap *map, size_t n_more) {
        size_t n = map->n_extents + n_more;
        RescueExtent *extents;

        if (n > RESCUE_MAP_EXTENTS_MAX)
                return -E2BIG;
        if (n <= map->n_allocated)
                return 0;
        n = MAX(n, 2 * map->n_allocated);
        extents = reallocarray(map->extents, n, sizeof(*extents));
        if (!extents)
                return -ENOMEM;
        map->extents = extents;
        map->n_allocated = n;
        return 0;
}

/* What replaces the extents from `first` on to the one with the last byte: what is left of them on
 * either side, and the new one between, merged where they are alike. */
static size_t make_replacement(const RescueMap *map, size_t first, size_t last, RescueExtent extent,
                               RescueExtent *ret) {
        const RescueExtent *a = &map->extents[first], *b = &map->extents[last];
        uint64_t end = extent.start + extent.size, b_end = b->start + b->size;
        size_t n = 0;

        if (a->start < extent.start && a->status == extent.status) {
                extent.size += extent.start - a->start;
                extent.start = a->start;
        } else if (a->start < extent.start) {
                ret[n++] = (RescueExtent){ a->start, extent.start - a->start, a->status };
        }
        if (b_end > end && b->status == extent.status) {
                extent.size += b_end - end;
                ret[n++] = extent;
        } else {
                ret[n++] = extent;
                if (b_end > end)
                        ret[n++] = (RescueExtent){ end, b_end - end, b->status };
        }
        return n;
}

int rescue_map_set(RescueMap *map, uint64_t start, uint64_t size, RescueStatus status) {
        RescueExtent replacement[3];
        size_t first, last, n;
        int r;

        assert(status < _RESCUE_STATUS_MAX);
        assert(size <= map->size && start <= map->size - size);

        if (size == 0)
                return 0;
        first = find_index(map, start);
        last = find_index(map, start + size - 1);
        /* Neighbours that touch it take part, so that they merge. */
        if (first > 0 && map->extents[first].start == start &&
            map->extents[first - 1].status == status)
                first--;
        if (last + 1 < map->n_extents && map->extents[last + 1].start == start + size &&
            map->extents[last + 1].status == status)
                last++;
        n = make_replacement(map, first, last, (RescueExtent){ start, size, status }, replacement);
        if (n > last - first + 1) {
                r = make_room(map, n - (last - first + 1));
                if (r < 0)
                        return r;
        }
        memmove(map->extents + first + n, map->extents + last + 1,
                (map->n_extents - last - 1) * sizeof(*map->extents));
        memcpy(map->extents + first, replacement, n * sizeof(*replacement));
        map->n_extents = map->n_extents + n - (last - first + 1);
        return 0;
}

bool rescue_map_find(const RescueMap *map, uint64_t start, RescueStatus status, RescueExtent *ret) {
        for (size_t i = find_index(map, start); i < map->n_extents; i++) {
                RescueExtent extent = map->extents[i];

                if (extent.status != status)
                        continue;
                if (extent.start < start) {
                        extent.size -= start - extent.start;
                        extent.start = start;
                }
                *ret = extent;
                return true;
        }
        return false;
}

uint64_t rescue_map_sum(const RescueMap *map, RescueStatus status) {
        uint64_t sum = 0;

        for (size_t i = 0; i < map->n_extents; i++)
                if (map->extents[i].status == status)
                        sum += map->extents[i].size;
        return sum;
}

size_t rescue_map_count(const RescueMap *map, RescueStatus status) {
        size_t n = 0;

        for (size_t i = 0; i < map->n_extents; i++)
                n += map->extents[i].status == status;
        return n;
}

/* What is in progress, for the first line. */
static char current_status(const RescueMap *map) {
        if (rescue_map_count(map, RESCUE_STATUS_UNTRIED) > 0)
                return '?';
        if (rescue_map_count(map, RESCUE_STATUS_UNTRIMMED) > 0)
                return '*';
        if (rescue_map_count(map, RESCUE_STATUS_UNSCRAPED) > 0)
                return '/';
        return '+';
}

void rescue_map_write(const RescueMap *map, FILE *file) {
        RescueExtent next = {};
        bool has_next = false;

        for (RescueStatus status = 0; !has_next && status < RESCUE_STATUS_BAD; status++)
                has_next = rescue_map_find(map, 0, status, &next);
        fprintf(file,
                "# Mapfile of usb-storagectl, in the format of GNU ddrescue\n"
                "# current_pos  current_status  current_pass\n"
                "0x%08" PRIX64 "     %c               1\n"
                "#      pos        size  status\n",
                next.start, current_status(map));
        for (size_t i = 0; i < map->n_extents; i++)
                fprintf(file, "0x%08" PRIX64 "  0x%08" PRIX64 "  %c\n", map->extents[i].start,
                        map->extents[i].size, status_characters[map->extents[i].status]);
}

static void write_map(FILE *file, const void *userdata) { rescue_map_write(userdata, file); }

int rescue_map_save(const RescueMap *map, const char *path) {
        return ctl_file_replace(path, write_map, map);
}

/* A number as C writes it, and the space behind it. */
static int parse_number(const char **text, uint64_t *ret) {
        char *end;

        if (!isdigit((unsigned char) **text))
                return -EINVAL;
        errno = 0;
        *ret = strtoull(*text, &end, 0);
        if (errno != 0 || (*end != ' ' && *end != '\t'))
                return -EINVAL;
        *text = end + strspn(end, " \t");
        return 0;
}

static int parse_status(const char *text, RescueStatus *ret) {
        if (text[0] == '\0' || text[1 + strspn(text + 1, " \t\r")] != '\0')
                return -EINVAL;
        for (RescueStatus status = 0; status < _RESCUE_STATUS_MAX; status++)
                if (status_characters[status] == text[0]) {
                        *ret = status;
                        return 0;
                }
        return -EINVAL;
}

/* "position status [pass]": where ddrescue was; this program begins at the front. */
static int parse_first_line(const char *text) {
        uint64_t position;
        int r;

        r = parse_number(&text, &position);
        if (r < 0)
                return r;
        return *text != '\0' && strchr("?*/-FG+", *text) ? 0 : -EINVAL;
}

static int parse_extent(RescueMap *map, const char *text, uint64_t *end) {
        RescueStatus status = RESCUE_STATUS_UNTRIED;
        uint64_t start, size;
        int r;

        r = parse_number(&text, &start);
        if (r == 0)
                r = parse_number(&text, &size);
        if (r == 0)
                r = parse_status(text, &status);
        if (r < 0)
                return r;
        if (start < *end)
                return -EINVAL; /* they are in order, and do not overlap */
        if (start > map->size || size > map->size - start)
                return -ERANGE;
        *end = start + size;
        return rescue_map_set(map, start, size, status);
}

int rescue_map_parse(RescueMap **ret, const char *text, size_t text_size, uint64_t size,
                     unsigned *ret_line) {
        _cleanup_(rescue_map_freep) RescueMap *map = NULL;
        bool has_first = false;
        uint64_t end = 0;
        unsigned n = 0;
        int r;

        if (text_size > RESCUE_MAP_FILE_SIZE_MAX)
                return -E2BIG;
        r = rescue_map_new(&map, size);
        while (r == 0 && text_size > 0) {
                const char *newline = memchr(text, '\n', text_size);
                size_t line_size = newline ? (size_t) (newline - text) : text_size;
                char line[LINE_SIZE_MAX];
                const char *begin = line;

                *ret_line = ++n;
                if (text[0] != '#' && (line_size >= sizeof(line) || memchr(text, '\0', line_size)))
                        return -EINVAL;
                memcpy(line, text, MIN(line_size, sizeof(line) - 1));
                line[MIN(line_size, sizeof(line) - 1)] = '\0';
                text += line_size + (newline ? 1 : 0);
                text_size -= line_size + (newline ? 1 : 0);
                begin += strspn(begin, " \t\r");
                if (*begin == '#' || *begin == '\0')
                        continue;
                r = has_first ? parse_extent(map, begin, &end) : parse_first_line(begin);
                has_first = true;
        }
        if (r < 0)
                return r;
        if (!has_first)
                return -EINVAL; /* of an empty file nothing can be resumed */
        *ret = TAKE_PTR(map);
        return 0;
}
