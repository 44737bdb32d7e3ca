#include "common/contract/marker.h"

#include <stdio.h>
#include <string.h>

#include "common/base/json.h"

void cf_marker_release(struct cf_marker *marker)
{
    json_decref(marker->summary);
    memset(marker, 0, sizeof(*marker));
}

json_t *cf_blob_ref_json(const struct cf_blob_ref *ref)
{
    return json_pack("{s:I,s:s,s:I,s:I,s:s}", "version", (json_int_t)ref->version, "sha256",
                     ref->sha256, "bytes", (json_int_t)ref->bytes, "stored",
                     (json_int_t)ref->stored, "type", ref->type);
}

static json_t *input_json(const struct cf_input *input)
{
    return json_pack("{s:s,s:I,s:s}", "dataset", input->dataset, "version",
                     (json_int_t)input->version, "sha256", input->sha256);
}

/* SHA-256 of the document without its seal. */
static void seal_of(const json_t *document, char out[CF_SHA256_HEX])
{
    json_t *rest = json_copy((json_t *)document);
    (void)json_object_del(rest, "seal");
    cf_json_sha256(rest, out);
    json_decref(rest);
}

int cf_marker_write(struct cf_marker *marker, struct cf_buf *out, struct cf_error *err)
{
    json_t *inputs = json_array();
    for (size_t i = 0; i < marker->input_count; i++) {
        (void)json_array_append_new(inputs, input_json(&marker->inputs[i]));
    }
    json_t *parent = marker->parent_version
                         ? json_pack("{s:I,s:s}", "version", (json_int_t)marker->parent_version,
                                     "sha256", marker->parent_sha256)
                         : json_null();
    json_t *document =
        json_pack("{s:i,s:o,s:s,s:I,s:o,s:I,s:s,s:s,s:o,s:{s:s,s:s,s:s},s:s,s:o,s:o,s:s}",
                  "contract", CF_CONTRACT_VERSION, "tenant",
                  cf_json_string_or_null(*marker->tenant ? marker->tenant : NULL), "dataset",
                  marker->dataset, "version", (json_int_t)marker->version, "parent", parent,
                  "floor", (json_int_t)marker->floor, "writer", marker->writer, "request",
                  marker->request, "inputs", inputs, "producer", "job", marker->job, "build",
                  marker->build, "run", marker->run, "created_at", marker->created_at, "summary",
                  marker->summary ? json_incref(marker->summary) : json_object(), "root",
                  cf_blob_ref_json(&marker->root), "blobs", "root");
    char seal[CF_SHA256_HEX];
    seal_of(document, seal);
    (void)json_object_set_new(document, "seal", json_string(seal));
    size_t before = out->length;
    cf_json_dump(document, out);
    json_decref(document);
    if (out->length - before > CF_MARKER_MAX) {
        return cf_error_set(err, CF_EDATA, "the marker has %zu bytes, the limit is %d",
                            out->length - before, CF_MARKER_MAX);
    }
    cf_sha256_hex(out->data + before, out->length - before, marker->sha256);
    return 0;
}

/* Copies a string field that must fit; hex_length > 0: that many hexadecimal digits. */
static int read_text(const json_t *object, const char *key, size_t hex_length, char *out,
                     size_t size, struct cf_error *err)
{
    const char *text;
    int rc = cf_json_get_string(object, key, &text, err);
    if (rc) {
        return rc;
    }
    if (hex_length ? !cf_is_hex(text, hex_length) : strlen(text) >= size) {
        return cf_error_set(err, CF_EDATA, "the field \"%s\" must %s", key,
                            hex_length ? "be a hash in lower-case hexadecimal" : "be shorter");
    }
    (void)snprintf(out, size, "%s", text);
    return 0;
}

static int read_version(const json_t *object, const char *key, uint64_t *out, struct cf_error *err)
{
    int rc = cf_json_get_u64(object, key, out, err);
    if (!rc && (*out < 1 || *out > CF_VERSION_MAX)) {
        rc = cf_error_set(err, CF_EDATA, "the field \"%s\" is no version number", key);
    }
    return rc;
}

int cf_blob_ref_read(const json_t *value, struct cf_blob_ref *out, struct cf_error *err)
{
    int rc;
    if ((rc = read_version(value, "version", &out->version, err)) ||
        (rc = read_text(value, "sha256", 64, out->sha256, sizeof(out->sha256), err)) ||
        (rc = cf_json_get_u64(value, "bytes", &out->bytes, err)) ||
        (rc = cf_json_get_u64(value, "stored", &out->stored, err))) {
        return rc;
    }
    return read_text(value, "type", 0, out->type, sizeof(out->type), err);
}

static int read_parent(const json_t *document, struct cf_marker *out, struct cf_error *err)
{
    const json_t *parent = json_object_get(document, "parent");
    if (json_is_null(parent)) {
        return 0;
    }
    if (read_version(parent, "version", &out->parent_version, err) ||
        read_text(parent, "sha256", 64, out->parent_sha256, sizeof(out->parent_sha256), err)) {
        return cf_error_prefix(err, "parent");
    }
    return 0;
}

static int read_inputs(const json_t *document, struct cf_marker *out, struct cf_error *err)
{
    json_t *inputs;
    int rc = cf_json_get_array(document, "inputs", &inputs, err);
    if (rc) {
        return rc;
    }
    if (json_array_size(inputs) > CF_INPUTS_MAX) {
        return cf_error_set(err, CF_EDATA, "inputs: more than %d", CF_INPUTS_MAX);
    }
    out->input_count = json_array_size(inputs);
    for (size_t i = 0; i < out->input_count; i++) {
        const json_t *value = json_array_get(inputs, i);
        struct cf_input *input = &out->inputs[i];
        if (read_text(value, "dataset", 0, input->dataset, sizeof(input->dataset), err) ||
            read_version(value, "version", &input->version, err) ||
            read_text(value, "sha256", 64, input->sha256, sizeof(input->sha256), err)) {
            return cf_error_prefix(err, "inputs[%zu]", i);
        }
    }
    return 0;
}

static int read_producer(const json_t *document, struct cf_marker *out, struct cf_error *err)
{
    json_t *producer;
    int rc = cf_json_get_object(document, "producer", &producer, err);
    if (rc || (rc = read_text(producer, "job", 0, out->job, sizeof(out->job), err)) ||
        (rc = read_text(producer, "build", 0, out->build, sizeof(out->build), err))) {
        return rc;
    }
    return read_text(producer, "run", 0, out->run, sizeof(out->run), err);
}

static int check_contract(const json_t *document, struct cf_error *err)
{
    uint64_t contract;
    int rc = cf_json_get_u64(document, "contract", &contract, err);
    if (!rc && contract != CF_CONTRACT_VERSION) {
        rc = cf_error_set(err, CF_ECONFIG,
                          "written under contract %llu, this program knows contract %d",
                          (unsigned long long)contract, CF_CONTRACT_VERSION);
    }
    return rc;
}

/* A bit that flipped on the way, in a place where the document stays well-formed. */
static int check_seal(const json_t *document, struct cf_error *err)
{
    char stated[CF_SHA256_HEX];
    char seal[CF_SHA256_HEX];
    int rc = cf_json_get_sha256(document, "seal", stated, err);
    if (!rc) {
        seal_of(document, seal);
        if (strcmp(seal, stated) != 0) {
            rc = cf_error_set(err, CF_EDATA, "the seal is not that of the marker: it was altered");
        }
    }
    return rc;
}

/* What must hold between the fields. */
static int check_relations(const struct cf_marker *m, struct cf_error *err)
{
    if (m->parent_version + 1 != m->version) {
        return cf_error_set(err, CF_EDATA, "parent: version %llu does not come before %llu",
                            (unsigned long long)m->parent_version, (unsigned long long)m->version);
    }
    if (m->floor > m->version || m->root.version > m->version) {
        return cf_error_set(err, CF_EDATA, "floor or root lie above version %llu",
                            (unsigned long long)m->version);
    }
    return 0;
}

static int read_fields(const json_t *document, struct cf_marker *out, struct cf_error *err)
{
    json_t *value;
    int rc = 0;
    if (!json_is_null(json_object_get(document, "tenant"))) { /* null: a shared dataset */
        rc = read_text(document, "tenant", 0, out->tenant, sizeof(out->tenant), err);
    }
    if (rc || (rc = read_text(document, "dataset", 0, out->dataset, sizeof(out->dataset), err)) ||
        (rc = read_version(document, "version", &out->version, err)) ||
        (rc = read_version(document, "floor", &out->floor, err)) ||
        (rc = read_parent(document, out, err)) ||
        (rc = read_text(document, "writer", 32, out->writer, sizeof(out->writer), err)) ||
        (rc = read_text(document, "request", 64, out->request, sizeof(out->request), err)) ||
        (rc = read_inputs(document, out, err)) || (rc = read_producer(document, out, err)) ||
        (rc =
             read_text(document, "created_at", 0, out->created_at, sizeof(out->created_at), err)) ||
        (rc = cf_json_get_object(document, "summary", &value, err))) {
        return rc;
    }
    out->summary = json_incref(value);
    if (cf_blob_ref_read(json_object_get(document, "root"), &out->root, err)) {
        return cf_error_prefix(err, "root");
    }
    const char *blobs;
    rc = cf_json_get_string(document, "blobs", &blobs, err);
    if (!rc && strcmp(blobs, "root") != 0) {
        rc = cf_error_set(err, CF_EDATA, "the field \"blobs\" must be \"root\"");
    }
    return rc ? rc : check_relations(out, err);
}

int cf_marker_read(const char *data, size_t length, struct cf_marker *out, struct cf_error *err)
{
    json_t *document = NULL;
    memset(out, 0, sizeof(*out));
    if (length > CF_MARKER_MAX) {
        return cf_error_set(err, CF_EDATA, "the marker has %zu bytes, the limit is %d", length,
                            CF_MARKER_MAX);
    }
    int rc = cf_json_parse(data, length, "the marker", &document, err);
    rc = rc ? rc : check_contract(document, err);
    rc = rc ? rc : read_fields(document, out, err);
    rc = rc ? rc : check_seal(document, err);
    json_decref(document);
    if (rc) {
        cf_marker_release(out);
        return rc;
    }
    cf_sha256_hex(data, length, out->sha256);
    return 0;
}
