#include "common/encoder/pairs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/alloc.h"
#include "common/base/json.h"
#include "common/base/utf8.h"
#include "common/encoder/holdout.h"
#include "common/encoder/leak.h"
#include "common/encoder/text.h"

#define ANSWER_WORDS 2  /* content words of an answer, at least */
#define HEADING_WORDS 2 /* content words beyond the usual ones, of a heading that stands alone */
#define FIELD_DEPTH 3   /* levels of JSON that make questions; what is deeper is one answer */

const struct cf_pairs_options cf_pairs_defaults = {CF_PAIRS_MOST, 0, 1, {1000, 100}};

/* Which pairs of a project come first. */
enum rank { WHAT, FIRST_SECTION, PART, TOPIC, ALONE };

struct candidate {
    struct cf_pair pair;
    enum rank rank;
    uint64_t subject; /* what it asks about, for holding out */
    uint64_t claim;   /* the words that no other project may claim; 0 for none */
    uint64_t order;   /* among those of its rank, later its turn's */
    size_t turn;
};

struct claim {
    uint64_t words;
    size_t project;
};

struct maker {
    const struct cf_corpus *corpus;
    const struct cf_pairs_options *options;
    struct candidate *items;
    size_t count, capacity;
    struct claim *claims; /* headings and topics of all projects */
    size_t claim_count, claim_capacity;
    size_t project; /* that is read now */
    uint64_t key;   /* of its name */
};

/* --- hashes --------------------------------------------------------------------------------------
 */

/* The finishing steps of splitmix64 (Steele, Lea and Flood, 2014). */
static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
    x = (x ^ x >> 27) * 0x94d049bb133111eb;
    return x ^ x >> 31;
}

uint64_t cf_pairs_random(uint64_t seed, uint64_t a, uint64_t b)
{
    return mix(mix(mix(seed) ^ a) ^ b);
}

/* FNV-1a over the words; 0 for a text without any. */
static uint64_t words_hash(const char *s)
{
    uint64_t h = 0xcbf29ce484222325;
    char *spaced = cf_text_spaced(s, strlen(s));
    for (const char *c = spaced; *c; c++) {
        h = (h ^ (unsigned char)*c) * 0x100000001b3;
    }
    h = spaced[1] ? mix(h) | 1 : 0;
    free(spaced);
    return h;
}

/* --- pairs ---------------------------------------------------------------------------------------
 */

static char *clean(const char *s)
{
    struct cf_buf out = CF_BUF_INIT;
    cf_utf8_clean(s, strlen(s), &out);
    return cf_buf_detach(&out);
}

static bool make_pair(size_t project, const char *question, const char *answer, struct cf_pair *out)
{
    uint64_t question_id = words_hash(question);
    uint64_t answer_id = words_hash(answer);
    if (!question_id || !answer_id || question_id == answer_id) {
        return false;
    }
    *out = (struct cf_pair){.question = clean(question),
                            .answer = clean(answer),
                            .project = project,
                            .question_id = question_id,
                            .answer_id = answer_id};
    return true;
}

static void free_pair(struct cf_pair *pair)
{
    free(pair->question);
    free(pair->answer);
}

static struct cf_pair *append(struct cf_pairs *pairs, const struct cf_pair *pair)
{
    pairs->items = cf_grow(pairs->items, pairs->count, &pairs->capacity, sizeof(*pairs->items));
    pairs->items[pairs->count] = *pair;
    return &pairs->items[pairs->count++];
}

struct cf_pair *cf_pairs_add(struct cf_pairs *pairs, size_t project, const char *question,
                             const char *answer)
{
    struct cf_pair pair;
    return make_pair(project, question, answer, &pair) ? append(pairs, &pair) : NULL;
}

void cf_pairs_release(struct cf_pairs *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        free_pair(&pairs->items[i]);
    }
    free(pairs->items);
    *pairs = (struct cf_pairs)CF_PAIRS_INIT;
}

bool cf_pairs_clash(const struct cf_pair *a, const struct cf_pair *b)
{
    return a->answer_id == b->answer_id || a->question_id == b->question_id ||
           (a->overview && b->overview && a->project == b->project);
}

/* --- questions of one project --------------------------------------------------------------------
 */

static void claim(struct maker *m, uint64_t words)
{
    m->claims = cf_grow(m->claims, m->claim_count, &m->claim_capacity, sizeof(*m->claims));
    m->claims[m->claim_count++] = (struct claim){words, m->project};
}

/* subject: what is asked about, "" for the project as a whole. */
static struct candidate *propose(struct maker *m, enum rank rank, const char *question,
                                 const char *answer, const char *subject)
{
    struct candidate c = {.rank = rank};
    if (cf_leak_content_words(answer, strlen(answer)) < ANSWER_WORDS ||
        !make_pair(m->project, question, answer, &c.pair)) {
        return NULL;
    }
    c.subject = cf_pairs_random(0, m->key, words_hash(subject));
    c.order = cf_pairs_random(m->options->seed, m->key, c.pair.question_id);
    c.pair.overview = !*subject;
    m->items = cf_grow(m->items, m->count, &m->capacity, sizeof(*m->items));
    m->items[m->count] = c;
    return &m->items[m->count++];
}

static void propose_format(struct maker *m, enum rank rank, const char *format, const char *word,
                           const char *answer, uint64_t claimed)
{
    struct cf_buf question = CF_BUF_INIT;
    const char *at = strchr(format, '*');
    cf_buf_append(&question, format, (size_t)(at - format));
    cf_buf_puts(&question, word);
    cf_buf_puts(&question, at + 1);
    struct candidate *c = propose(m, rank, cf_buf_str(&question), answer, "");
    if (c) {
        c->claim = claimed;
    }
    cf_buf_release(&question);
}

/* "What is …?", from the description and the first section, either of which may be NULL. */
static void ask_as_a_whole(struct maker *m, const struct cf_project *p, const char *first)
{
    const char *description = p->description && words_hash(p->description) ? p->description : NULL;
    if (description || first) {
        propose_format(m, WHAT, "What is *?", p->name, description ? description : first, 0);
    }
    if (first && cf_holdout_asks(p)) {
        (void)propose(m, FIRST_SECTION, p->description, first, "");
    }
    for (size_t i = 0; i < p->topic_count; i++) {
        uint64_t words = words_hash(p->topics[i]);
        claim(m, words);
        if (description) {
            propose_format(m, TOPIC, "Which project is about *?", p->topics[i], description, words);
        }
    }
}

static bool has_words(const char *s, const char *words)
{
    char *a = cf_text_spaced(s, strlen(s));
    char *b = cf_text_spaced(words, strlen(words));
    bool found = b[1] && strstr(a, b);
    free(a);
    free(b);
    return found;
}

/* True when the heading says something beyond what READMEs of all projects have. */
static bool says_something(const char *heading)
{
    static const char usual[] =
        " about acknowledgement acknowledgements acknowledgments api architecture author authors "
        "build building changelog code command configuration configure contact content contents "
        "contribute contributing contributors credits demo dependencies deployment description "
        "development docs documentation example examples faq feature features file files getting "
        "guide how index install installation installing introduction key layout license links "
        "list local notes options overview prerequisites project quick quickstart readme "
        "reference references requirements roadmap run running screenshots section setup start "
        "started status structure summary support table technologies technology test testing "
        "tests todo troubleshooting usage use using work works ";
    struct cf_words words = CF_WORDS_INIT;
    struct cf_buf rest = CF_BUF_INIT;
    cf_words_read(&words, heading, strlen(heading));
    for (size_t i = 0; i < words.count; i++) {
        char word[CF_WORD_MAX + 3] = " ";
        memcpy(word + 1, cf_word_bytes(&words, i), words.items[i].length);
        word[words.items[i].length + 1] = ' ';
        word[words.items[i].length + 2] = '\0';
        if (!words.items[i].part && !strstr(usual, word)) {
            cf_buf_puts(&rest, word);
        }
    }
    bool enough = cf_leak_content_words(cf_buf_str(&rest), rest.length) >= HEADING_WORDS;
    cf_words_release(&words);
    cf_buf_release(&rest);
    return enough;
}

/* The part of a project that has that title, with the name before it unless it's in there. */
static void ask_for_part(struct maker *m, const char *title, const char *answer, bool overview)
{
    const char *name = m->corpus->projects[m->project].name;
    bool named = has_words(title, name);
    char *question = named ? cf_strdup(title) : cf_asprintf("%s: %s", name, title);
    struct candidate *c =
        words_hash(title) == words_hash(name) ? NULL : propose(m, PART, question, answer, title);
    if (c) {
        c->pair.overview = overview;
    }
    free(question);
}

static void ask_for_section(struct maker *m, const struct cf_chunk *chunk, bool overview)
{
    uint64_t words = words_hash(chunk->heading);
    if (!words) {
        return;
    }
    claim(m, words);
    ask_for_part(m, chunk->heading, chunk->text, overview);
    if (says_something(chunk->heading)) {
        struct candidate *c = propose(m, ALONE, chunk->heading, chunk->text, chunk->heading);
        if (c) {
            c->claim = words;
            c->pair.overview = overview;
        }
    }
}

/* --- JSON ----------------------------------------------------------------------------------------
 */

static void collect_strings(const json_t *value, struct cf_buf *out)
{
    const char *key;
    json_t *member;
    size_t i;
    if (json_is_string(value)) {
        cf_buf_puts(out, out->length ? ", " : "");
        cf_buf_puts(out, json_string_value(value));
    } else if (json_is_object(value)) {
        json_object_foreach((json_t *)value, key, member)
        {
            collect_strings(member, out);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, member)
        {
            collect_strings(member, out);
        }
    }
}

/* The field whose keys, from the root, are title. */
static void ask_for_field(struct maker *m, const json_t *value, const char *title, size_t depth)
{
    const char *key;
    json_t *member;
    if (json_is_object(value) && depth < FIELD_DEPTH) {
        json_object_foreach((json_t *)value, key, member)
        {
            char *longer = cf_asprintf("%s%s%.200s", title, *title ? " \u203a " : "", key);
            for (char *c = longer; *c; c++) {
                if (*c == '_' || *c == '-') {
                    *c = ' ';
                }
            }
            ask_for_field(m, member, longer, depth + 1);
            free(longer);
        }
        return;
    }
    struct cf_buf text = CF_BUF_INIT;
    collect_strings(value, &text);
    if (*title && text.length) {
        size_t end =
            text.length < m->options->chunks.limit ? text.length : m->options->chunks.limit;
        while (end < text.length && ((unsigned char)text.data[end] & 0xc0) == 0x80) {
            end--;
        }
        text.data[end] = '\0';
        ask_for_part(m, title, text.data, false);
    }
    cf_buf_release(&text);
}

static bool is_json(const char *path)
{
    size_t n = strlen(path);
    return n >= 5 && strcasecmp(path + n - 5, ".json") == 0;
}

/* --- one project ---------------------------------------------------------------------------------
 */

static void read_text(struct maker *m, const struct cf_text *text, struct cf_chunks *chunks)
{
    json_t *root = NULL;
    if (!is_json(text->path)) {
        cf_chunk_text(text, m->project, &m->options->chunks, chunks, NULL);
    } else if (text->length &&
               !cf_json_parse_foreign(text->text, text->length, "the text", &root, NULL)) {
        ask_for_field(m, root, "", 0);
        json_decref(root);
    }
}

static void read_project(struct maker *m, size_t project)
{
    const struct cf_project *p = &m->corpus->projects[project];
    struct cf_chunks chunks = CF_CHUNKS_INIT;
    m->project = project;
    m->key = words_hash(p->name);
    for (size_t t = 0; t < p->text_count; t++) {
        read_text(m, &p->texts[t], &chunks);
    }
    const char *first = NULL;
    for (size_t i = 0; i < chunks.count; i++) {
        const char *text = chunks.items[i].text;
        bool is_first = !first && cf_leak_content_words(text, strlen(text)) >= ANSWER_WORDS;
        first = is_first ? text : first;
        ask_for_section(m, &chunks.items[i], is_first);
    }
    ask_as_a_whole(m, p, first);
    cf_chunks_release(&chunks);
}

/* --- the choice among all ------------------------------------------------------------------------
 */

#define BY(a, b)                                                                                   \
    if ((a) != (b)) {                                                                              \
        return (a) < (b) ? -1 : 1;                                                                 \
    }

static int by_words(const void *a, const void *b)
{
    const struct claim *x = a;
    const struct claim *y = b;
    BY(x->words, y->words)
    BY(x->project, y->project)
    return 0;
}

static int by_question(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    BY(x->pair.question_id, y->pair.question_id)
    BY(x->pair.project, y->pair.project)
    BY(x->rank, y->rank)
    return strcmp(x->pair.answer, y->pair.answer);
}

static int by_project(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    BY(x->pair.held_out, y->pair.held_out)
    BY(x->pair.project, y->pair.project)
    BY(x->rank, y->rank)
    BY(x->order, y->order)
    return 0;
}

static int by_turn(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    BY(x->pair.held_out, y->pair.held_out)
    BY(x->turn, y->turn)
    BY(x->order, y->order)
    BY(x->pair.project, y->pair.project)
    return 0;
}

static int by_number(const void *a, const void *b)
{
    BY(*(const uint64_t *)a, *(const uint64_t *)b)
    return 0;
}

static void sort(void *items, size_t count, size_t size, int (*compare)(const void *, const void *))
{
    if (count) {
        qsort(items, count, size, compare);
    }
}

/* True when projects other than one claim the words. claims are sorted. */
static bool is_shared(const struct maker *m, uint64_t words)
{
    size_t low = 0;
    size_t high = m->claim_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (m->claims[middle].words < words) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    for (size_t i = low; i < m->claim_count && m->claims[i].words == words; i++) {
        if (m->claims[i].project != m->claims[low].project) {
            return true;
        }
    }
    return false;
}

/* Keeps one of a project's equal questions, and none that two projects ask or that would fit two.
 */
static void drop_unclear(struct maker *m)
{
    size_t kept = 0;
    sort(m->claims, m->claim_count, sizeof(*m->claims), by_words);
    sort(m->items, m->count, sizeof(*m->items), by_question);
    for (size_t i = 0, end; i < m->count; i = end) {
        struct candidate first = m->items[i];
        end = i + 1;
        while (end < m->count && m->items[end].pair.question_id == first.pair.question_id) {
            end++;
        }
        bool clear = m->items[end - 1].pair.project == first.pair.project &&
                     !(first.claim && is_shared(m, first.claim));
        for (size_t k = clear ? i + 1 : i; k < end; k++) {
            free_pair(&m->items[k].pair);
        }
        if (clear) {
            m->items[kept++] = first;
        }
    }
    m->count = kept;
}

static void hold_out(struct maker *m)
{
    uint64_t *answers = cf_calloc(m->count, sizeof(*answers));
    size_t count = 0;
    for (size_t i = 0; i < m->count; i++) {
        if ((double)(m->items[i].subject >> 11) * 0x1p-53 < m->options->held_out) {
            answers[count++] = m->items[i].pair.answer_id;
        }
    }
    sort(answers, count, sizeof(*answers), by_number);
    for (size_t i = 0; count && i < m->count; i++) {
        struct cf_pair *pair = &m->items[i].pair;
        pair->held_out =
            bsearch(&pair->answer_id, answers, count, sizeof(*answers), by_number) != NULL;
    }
    free(answers);
}

/* Projects take turns, in an order of the seed's. */
static void give_turns(struct maker *m)
{
    sort(m->items, m->count, sizeof(*m->items), by_project);
    for (size_t i = 0; i < m->count; i++) {
        struct candidate *c = &m->items[i];
        const struct candidate *before = i ? c - 1 : NULL;
        bool follows = before && before->pair.project == c->pair.project &&
                       before->pair.held_out == c->pair.held_out;
        c->turn = follows ? before->turn + 1 : 0;
    }
    for (size_t i = 0; i < m->count; i++) {
        struct candidate *c = &m->items[i];
        c->order = cf_pairs_random(m->options->seed,
                                   words_hash(m->corpus->projects[c->pair.project].name), c->turn);
    }
    sort(m->items, m->count, sizeof(*m->items), by_turn);
}

void cf_pairs_make(const struct cf_corpus *corpus, const struct cf_pairs_options *options,
                   struct cf_pairs *out)
{
    struct maker m = {.corpus = corpus, .options = options};
    size_t taken[2] = {0, 0};
    *out = (struct cf_pairs)CF_PAIRS_INIT;
    for (size_t i = 0; i < corpus->count; i++) {
        read_project(&m, i);
    }
    drop_unclear(&m);
    hold_out(&m);
    give_turns(&m);
    for (size_t i = 0; i < m.count; i++) {
        struct cf_pair *pair = &m.items[i].pair;
        if (taken[pair->held_out]++ < options->most) {
            (void)append(out, pair);
        } else {
            free_pair(pair);
        }
    }
    free(m.items);
    free(m.claims);
}
