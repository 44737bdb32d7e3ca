#include "jobs/cloudfolio/versions.h"

#include "common/base/json.h"

json_t *tool_version_json(const struct cf_marker *m)
{
    json_t *inputs = json_array();
    for (size_t i = 0; i < m->input_count; i++) {
        (void)json_array_append_new(inputs, json_pack("{s:o,s:I,s:s}", "dataset",
                                                      cf_json_string_or_null(m->inputs[i].dataset),
                                                      "version", (json_int_t)m->inputs[i].version,
                                                      "sha256", m->inputs[i].sha256));
    }
    json_t *producer =
        json_pack("{s:o,s:o,s:o}", "job", cf_json_string_or_null(m->job), "build",
                  cf_json_string_or_null(m->build), "run", cf_json_string_or_null(m->run));
    return json_pack("{s:s,s:I,s:s,s:o,s:I,s:s,s:o,s:o,s:O,s:{s:s,s:I}}", "dataset", m->dataset,
                     "version", (json_int_t)m->version, "sha256", m->sha256, "created_at",
                     cf_json_string_or_null(m->created_at), "floor", (json_int_t)m->floor,
                     "request", m->request, "inputs", inputs, "producer", producer, "summary",
                     m->summary, "root", "sha256", m->root.sha256, "bytes",
                     (json_int_t)m->root.bytes);
}
