/*
 * Contents have a time in which they may be seen, in counts of the model's events: from the end of
 * the WRITE that made them to the end of one that started later and so surely came after. They are
 * also remembered as long as a loss of power could bring them back: until a FLUSH succeeds that
 * started when they were already overwritten.
 */

#include <stdio.h>
#include <string.h>

#include "model.h"

#define NEVER UINT64_MAX
/* Numbers of contents that are not those of a WRITE. */
#define TAG_ZERO UINT64_C(0)
#define TAG_ANYTHING UINT64_MAX
#define TAG_MIXED (UINT64_MAX - 1)
#define SLAB_SIZE (256 * KIB)

typedef struct Content Content;

struct Content {
        Content *next;
        uint64_t tag;
        uint8_t *bytes; /* of mixed ones */
        uint64_t since; /* when the last WRITE ended that made it */
        uint64_t until; /* when it was surely overwritten, or another one was seen */
        bool is_stable; /* a loss of power may bring it back */
};

typedef struct Slab {
        struct Slab *next;
        size_t used;
        uint64_t bytes[SLAB_SIZE / sizeof(uint64_t)];
} Slab;

struct Model {
        uint64_t size;
        uint64_t initial_number;
        uint64_t now;      /* counts starts and ends */
        Content **blocks;  /* NULL: as it was at first */
        ListNode requests; /* ModelRequest::node, in flight */
        Slab *slabs;
        Content *free;
};

/* Bytes */

static uint64_t block_of(uint64_t offset) { return offset / MODEL_BLOCK_SIZE; }

static uint64_t tag_of(uint64_t number, uint64_t block) {
        return number == 0 ? TAG_ZERO : number << 24 | block;
}

static void fill_block(uint64_t tag, uint64_t words[MODEL_BLOCK_SIZE / 8]) {
        if (tag == TAG_ZERO) {
                memset(words, 0, MODEL_BLOCK_SIZE);
                return;
        }
        for (uint64_t i = 0; i < MODEL_BLOCK_SIZE / 8; i++) {
                uint64_t x = (tag << 6 | i) * UINT64_C(0x9E3779B97F4A7C15);

                words[i] = x ^ x >> 29;
        }
}

void model_fill(uint64_t number, uint64_t offset, void *bytes, size_t size) {
        uint64_t words[MODEL_BLOCK_SIZE / 8];
        uint8_t *to = bytes;

        while (size > 0) {
                uint64_t at = offset % MODEL_BLOCK_SIZE;
                size_t n = MIN(size, (size_t) (MODEL_BLOCK_SIZE - at));

                fill_block(tag_of(number, block_of(offset)), words);
                memcpy(to, (uint8_t *) words + at, n);
                to += n;
                offset += n;
                size -= n;
        }
}

/* Memory: everything lives as long as the model, but contents that can't come back. */

static void *allocate(Model *model, size_t size) {
        Slab *slab = model->slabs;
        void *memory;

        if (!slab || slab->used + size > SLAB_SIZE) {
                slab = malloc(sizeof(*slab));
                assert(slab);
                slab->used = 0;
                slab->next = model->slabs;
                model->slabs = slab;
        }
        memory = (uint8_t *) slab->bytes + slab->used;
        slab->used += ALIGN_UP(size, sizeof(uint64_t));
        return memory;
}

static Content *add_content(Model *model, uint64_t block, uint64_t tag, uint64_t since) {
        Content *content = model->free;

        if (content)
                model->free = content->next;
        else
                content = allocate(model, sizeof(*content));
        *content = (Content){
                .next = model->blocks[block],
                .tag = tag,
                .since = since,
                .until = NEVER,
                .is_stable = true,
        };
        model->blocks[block] = content;
        return content;
}

/* The contents of a block; there is always one. */
static Content *contents_of(Model *model, uint64_t block) {
        if (!model->blocks[block])
                add_content(model, block, tag_of(model->initial_number, block), 0);
        return model->blocks[block];
}

static bool is_live(const Content *content) { return content->until == NEVER; }

/* The part of a block that a range covers. */
typedef struct Part {
        uint64_t block;
        size_t first;
        size_t end;
} Part;

static Part part_of(uint64_t offset, uint64_t size, uint64_t block) {
        uint64_t start = block * MODEL_BLOCK_SIZE;
        uint64_t end = MIN(offset + size, start + MODEL_BLOCK_SIZE);

        return (Part){
                .block = block,
                .first = (size_t) (MAX(offset, start) - start),
                .end = (size_t) (end - start),
        };
}

static bool is_whole(const Part *part) { return part->first == 0 && part->end == MODEL_BLOCK_SIZE; }

static void get_bytes(const Content *content, uint64_t words[MODEL_BLOCK_SIZE / 8]) {
        if (content->tag == TAG_MIXED)
                memcpy(words, content->bytes, MODEL_BLOCK_SIZE);
        else
                fill_block(content->tag, words);
}

/* Requests */

static bool changes(const ModelRequest *request) {
        return request->kind == MODEL_WRITE || request->kind == MODEL_ZERO ||
               request->kind == MODEL_TRIM;
}

static uint64_t tag_of_request(const ModelRequest *request, uint64_t block) {
        switch (request->kind) {
        case MODEL_WRITE:
                return tag_of(request->number, block);
        case MODEL_ZERO:
                return TAG_ZERO;
        case MODEL_TRIM:
                return TAG_ANYTHING;
        case MODEL_READ:
        case MODEL_FLUSH:
        case MODEL_HINT:
                break;
        }
        assert_not_reached();
}

static bool overlap(const ModelRequest *a, const ModelRequest *b) {
        return a->offset < b->offset + b->size && b->offset < a->offset + a->size;
}

/* Some block of which both write bytes is not wholly written by `request`. */
static bool has_edge_in(const ModelRequest *request, const ModelRequest *other) {
        uint64_t end = request->offset + request->size;
        uint64_t first = ALIGN_UP(request->offset, MODEL_BLOCK_SIZE);
        uint64_t last = ALIGN_DOWN(end, MODEL_BLOCK_SIZE);
        uint64_t other_end = other->offset + other->size;

        if (first > last) /* within one block */
                return true;
        return (request->offset < first && other->offset < first && other_end > request->offset) ||
               (end > last && other_end > last && other->offset < end);
}

bool model_may_start(const Model *model, const ModelRequest *request) {
        if (!changes(request))
                return true;
        LIST_FOR_EACH (node, (ListNode *) &model->requests) {
                const ModelRequest *other = list_entry(node, ModelRequest, node);

                if (changes(other) && overlap(request, other) &&
                    (has_edge_in(request, other) || has_edge_in(other, request)))
                        return false;
        }
        return true;
}

void model_start(Model *model, ModelRequest *request) {
        assert(request->kind == MODEL_FLUSH || request->offset + request->size <= model->size);

        list_init(&request->node);
        request->is_doubtful = false;
        request->start = ++model->now;
        list_append(&model->requests, &request->node);
}

void model_replace(Model *model, ModelRequest *from, ModelRequest *to) {
        *to = *from;
        list_init(&to->node);
        list_insert_before(&from->node, &to->node);
        list_unlink(&from->node);
}

/* Checking */

/* A WRITE in flight may have happened: its bytes are taken where they are there. */
static void take_in_flight(const ModelRequest *write, const Part *part, const uint8_t *seen,
                           uint8_t *expected) {
        Part written = part_of(write->offset, write->size, part->block);
        size_t first = MAX(part->first, written.first), end = MIN(part->end, written.end);
        uint64_t words[MODEL_BLOCK_SIZE / 8];

        if (first >= end)
                return;
        if (write->kind == MODEL_TRIM)
                memcpy(words, seen, MODEL_BLOCK_SIZE);
        else
                fill_block(tag_of_request(write, part->block), words);
        if (memcmp(seen + first, (uint8_t *) words + first, end - first) == 0)
                memcpy(expected + first, seen + first, end - first);
}

static bool matches(const Model *model, const Content *content, const Part *part,
                    const uint8_t *seen, bool with_in_flight) {
        uint64_t words[MODEL_BLOCK_SIZE / 8];
        uint8_t *expected = (uint8_t *) words;
        size_t size = part->end - part->first;

        if (content->tag == TAG_ANYTHING)
                return true;
        get_bytes(content, words);
        if (memcmp(expected + part->first, seen + part->first, size) == 0)
                return true;
        if (!with_in_flight)
                return false;
        LIST_FOR_EACH (node, (ListNode *) &model->requests) {
                const ModelRequest *other = list_entry(node, ModelRequest, node);

                if (changes(other) && other->offset < (part->block + 1) * MODEL_BLOCK_SIZE &&
                    other->offset + other->size > part->block * MODEL_BLOCK_SIZE)
                        take_in_flight(other, part, seen, expected);
        }
        return memcmp(expected + part->first, seen + part->first, size) == 0;
}

static bool has_change_in_flight(const Model *model, uint64_t block) {
        LIST_FOR_EACH (node, (ListNode *) &model->requests) {
                const ModelRequest *other = list_entry(node, ModelRequest, node);

                if (changes(other) && other->offset < (block + 1) * MODEL_BLOCK_SIZE &&
                    other->offset + other->size > block * MODEL_BLOCK_SIZE)
                        return true;
        }
        return false;
}

/* What was seen whole, with nothing going on, is what is there; unless it was lost right after. */
static void narrow(Model *model, const ModelRequest *request, const Part *part,
                   const uint8_t *seen) {
        Content *contents = model->blocks[part->block];

        if (!contents->next || !is_whole(part) || request->is_doubtful ||
            has_change_in_flight(model, part->block))
                return;
        for (Content *content = contents; content; content = content->next)
                if (is_live(content) &&
                    (content->since > request->start || content->tag == TAG_ANYTHING))
                        return;
        for (Content *content = contents; content; content = content->next)
                if (is_live(content) && !matches(model, content, part, seen, false))
                        content->until = model->now;
}

static bool check_block(Model *model, const ModelRequest *request, const Part *part,
                        const uint8_t *seen) {
        Content initial = { .tag = tag_of(model->initial_number, part->block) };

        if (!model->blocks[part->block])
                return matches(model, &initial, part, seen, /* with_in_flight= */ true);
        for (Content *content = model->blocks[part->block]; content; content = content->next)
                if (content->until > request->start &&
                    matches(model, content, part, seen, /* with_in_flight= */ true)) {
                        narrow(model, request, part, seen);
                        return true;
                }
        return false;
}

bool model_check(Model *model, const ModelRequest *request, uint64_t offset, const void *bytes,
                 size_t size, uint64_t *ret_offset) {
        const uint8_t *from = bytes;
        uint64_t end = offset + size;
        uint8_t seen[MODEL_BLOCK_SIZE];

        assert(offset >= request->offset && end <= request->offset + request->size);

        model->now++;
        while (offset < end) {
                Part part = part_of(offset, end - offset, block_of(offset));

                memcpy(seen + part.first, from, part.end - part.first);
                if (!check_block(model, request, &part, seen)) {
                        *ret_offset = offset;
                        return false;
                }
                from += part.end - part.first;
                offset += part.end - part.first;
        }
        return true;
}

bool model_compare(Model *model, uint64_t offset, const void *bytes, size_t size,
                   uint64_t *ret_offset) {
        ModelRequest request = {
                .kind = MODEL_READ,
                .offset = offset,
                .size = size,
                .start = ++model->now,
        };

        assert(list_is_empty(&model->requests));
        return model_check(model, &request, offset, bytes, size, ret_offset);
}

/* Ends */

/* What a WRITE of a part makes of a content. */
static void add_applied(Model *model, const ModelRequest *request, const Part *part,
                        const Content *base, uint64_t until) {
        uint64_t words[MODEL_BLOCK_SIZE / 8], written[MODEL_BLOCK_SIZE / 8];
        Content *content = add_content(model, part->block, TAG_MIXED, model->now);

        content->until = until;
        if (base->tag == TAG_ANYTHING || request->kind == MODEL_TRIM) {
                content->tag = request->kind == MODEL_TRIM ? base->tag : TAG_ANYTHING;
                content->bytes = base->bytes;
                return;
        }
        get_bytes(base, words);
        fill_block(tag_of_request(request, part->block), written);
        memcpy((uint8_t *) words + part->first, (uint8_t *) written + part->first,
               part->end - part->first);
        content->bytes = allocate(model, MODEL_BLOCK_SIZE);
        memcpy(content->bytes, words, MODEL_BLOCK_SIZE);
}

static void supersede(Model *model, Content *content, bool is_fua) {
        content->until = model->now;
        if (is_fua)
                content->is_stable = false;
}

static void end_whole(Model *model, const ModelRequest *request, uint64_t block, bool is_sure) {
        Content *contents = contents_of(model, block);

        if (is_sure)
                for (Content *content = contents; content; content = content->next) {
                        if (content->since > request->start)
                                continue;
                        if (is_live(content))
                                supersede(model, content, request->is_fua);
                        else if (request->is_fua)
                                content->is_stable = false;
                }
        add_content(model, block, tag_of_request(request, block), model->now);
}

/* Another WRITE of a part may have come first, and both may have been seen meanwhile. */
static void add_passing(Model *model, const ModelRequest *request, const Part *part,
                        const Content *base) {
        LIST_FOR_EACH (node, &model->requests) {
                const ModelRequest *other = list_entry(node, ModelRequest, node);
                Part written;

                if (other == request || !changes(other))
                        continue;
                if (other->offset >= (part->block + 1) * MODEL_BLOCK_SIZE ||
                    other->offset + other->size <= part->block * MODEL_BLOCK_SIZE)
                        continue;
                written = part_of(other->offset, other->size, part->block);
                add_applied(model, other, &written, base, model->now);
        }
}

static void end_part(Model *model, const ModelRequest *request, const Part *part, bool is_sure) {
        for (Content *content = contents_of(model, part->block); content; content = content->next) {
                if (!is_live(content))
                        continue;
                add_applied(model, request, part, content, NEVER);
                add_passing(model, request, part, content);
                if (is_sure)
                        supersede(model, content, request->is_fua);
        }
}

static void end_change(Model *model, const ModelRequest *request, bool is_sure) {
        uint64_t end = block_of(request->offset + request->size + MODEL_BLOCK_SIZE - 1);

        for (uint64_t block = block_of(request->offset); block < end; block++) {
                Part part = part_of(request->offset, request->size, block);

                if (is_whole(&part))
                        end_whole(model, request, block, is_sure);
                else if (request->kind != MODEL_TRIM)
                        end_part(model, request, &part, is_sure);
        }
}

static uint64_t oldest_start(const Model *model) {
        ListNode *first = list_first(&model->requests);

        return first ? list_entry(first, ModelRequest, node)->start : NEVER;
}

/* Forgets what neither a READ nor a loss of power can show any more. */
static void purge(Model *model, uint64_t block, uint64_t oldest) {
        Content **link = &model->blocks[block];

        while (*link) {
                Content *content = *link;

                if (content->is_stable || content->until > oldest) {
                        link = &content->next;
                        continue;
                }
                *link = content->next;
                content->next = model->free;
                model->free = content;
        }
}

static void end_flush(Model *model, const ModelRequest *request) {
        uint64_t oldest = oldest_start(model);

        for (uint64_t block = 0; block < model->size / MODEL_BLOCK_SIZE; block++) {
                Content *contents = model->blocks[block];

                if (!contents || !contents->next)
                        continue;
                for (Content *content = contents; content; content = content->next)
                        if (content->until < request->start)
                                content->is_stable = false;
                purge(model, block, oldest);
        }
}

void model_end(Model *model, ModelRequest *request, bool is_good) {
        bool is_sure = is_good && !request->is_doubtful;

        model->now++;
        if (changes(request))
                end_change(model, request, is_sure);
        else if (request->kind == MODEL_FLUSH && is_sure)
                end_flush(model, request);
        list_unlink(&request->node);
}

void model_lose_volatile(Model *model) {
        model->now++;
        LIST_FOR_EACH (node, &model->requests)
                list_entry(node, ModelRequest, node)->is_doubtful = true;
        for (uint64_t block = 0; block < model->size / MODEL_BLOCK_SIZE; block++)
                for (Content *content = model->blocks[block]; content; content = content->next)
                        if (!is_live(content) && content->is_stable) {
                                content->until = NEVER;
                                content->since = model->now;
                        }
}

void model_describe(const Model *model, uint64_t offset, char *text, size_t size) {
        uint64_t block = block_of(offset);
        size_t used = 0;

        text[0] = '\0';
        for (Content *content = model->blocks[block]; content && used < size;
             content = content->next) {
                static const char *const names[] = { "mixed", "anything" };
                const char *name = content->tag >= TAG_MIXED ? names[content->tag - TAG_MIXED] : "";

                used += (size_t) snprintf(
                                text + used, size - used, " %s%ju[%ju-%jd%s]", name,
                                content->tag >= TAG_MIXED ? 0 : (uintmax_t) (content->tag >> 24),
                                (uintmax_t) content->since, (intmax_t) content->until,
                                content->is_stable ? "" : " gone");
        }
}

/* Life */

Model *model_new(uint64_t size, uint64_t number) {
        Model *model = calloc(1, sizeof(*model));

        assert(model && size % MODEL_BLOCK_SIZE == 0);
        model->size = size;
        model->initial_number = number;
        model->now = 1;
        model->blocks = calloc(size / MODEL_BLOCK_SIZE, sizeof(Content *));
        assert(model->blocks);
        list_init(&model->requests);
        return model;
}

Model *model_free(Model *model) {
        while (model->slabs) {
                Slab *slab = model->slabs;

                model->slabs = slab->next;
                free(slab);
        }
        free(model->blocks);
        free(model);
        return NULL;
}
