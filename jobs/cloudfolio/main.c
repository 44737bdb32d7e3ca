/* The commands of cloudfolio; README.md describes them. */
#include "jobs/cloudfolio/tool.h"

static const struct tool_command commands[] = {
    {"tenant add", "LOGIN", "make a tenant of a GitHub user, or enable it again", "",
     "Commits a version of the dataset config, and makes a store of an empty place.\n\n"
     "  cloudfolio tenant add Octocat",
     1, 1, tool_tenant_add},
    {"tenant list", "", "list all tenants", "",
     "  cloudfolio tenant list\n"
     "  cloudfolio tenant list --json | jq -r '.tenants[] | select(.enabled) | .tenant'",
     0, 0, tool_tenant_list},
    {"tenant show", "LOGIN", "show a tenant's configuration and datasets", "",
     "  cloudfolio tenant show octocat", 1, 1, tool_tenant_show},
    {"tenant disable", "LOGIN", "stop all jobs for a tenant; its data stays", "",
     "tenant add enables it again.\n\n  cloudfolio tenant disable octocat", 1, 1,
     tool_tenant_disable},
    {"tenant set", "LOGIN", "choose a base model for a tenant", "base-model",
     "Commits a version of the dataset config. \"none\" takes the base model away. This build's\n"
     "train fits the default encoder whatever is chosen.\n\n"
     "  cloudfolio tenant set octocat --base-model all-MiniLM-L6-v2\n"
     "  cloudfolio tenant set octocat --base-model none",
     1, 1, tool_tenant_set},
    {"model import", "DIR", "check a sentence-transformer's folder and keep it as a base model",
     "name",
     "DIR is a folder as Hugging Face has it: config.json, model.safetensors and vocab.txt of a "
     "BERT\n"
     "encoder, uncased, with mean pooling. Every tensor is checked before anything is committed. "
     "Takes\nabout twice the folder's size in memory.\n\n"
     "  cloudfolio model import ./all-MiniLM-L6-v2 --name all-MiniLM-L6-v2",
     1, 1, tool_model_import},
    {"model list", "", "list the base models", "", "  cloudfolio model list", 0, 0,
     tool_model_list},
    {"model show", "NAME", "show a base model's sizes and files", "",
     "  cloudfolio model show all-MiniLM-L6-v2", 1, 1, tool_model_show},
    {"run", "TENANT", "run sync, orchestrate and train, here and now", "force",
     "Starts the programs beside this one (else those in PATH), in order, and stops at the first\n"
     "that fails, with its exit status. Their log goes to stderr.\n\n"
     "  cloudfolio run octocat\n"
     "  cloudfolio run octocat --force    even if nothing changed",
     1, 1, tool_run},
    {"status", "[TENANT]", "what is there, what is pending, how the last runs ended", "",
     "  cloudfolio status                 one row a tenant\n"
     "  cloudfolio status octocat",
     0, 1, tool_status},
    {"log", "TENANT DATASET", "list the versions of a dataset, newest first", "limit",
     "STORED is what that version uploaded. Prints 20 versions unless told.\n\n"
     "  cloudfolio log octocat model --limit 5",
     2, 2, tool_log},
    {"cat", "TENANT DATASET [VERSION]", "print what a version holds, byte for byte",
     "marker blob file",
     "By default its root document; of the newest version, when none is named. Every blob is "
     "checked\nagainst its hash. --json changes nothing here.\n\n"
     "  cloudfolio cat octocat bundle | jq '.entries[].name'\n"
     "  cloudfolio cat octocat repos 12 --marker\n"
     "  cloudfolio cat octocat bundle --blob 1f0c9a3e\n"
     "  cloudfolio cat octocat model --file README.md",
     2, 3, tool_cat},
    {"search", "TENANT QUERY…", "find the repositories that a question is about", "limit languages",
     "Prints 10 repositories unless told, best first, each with the passage that matched. Scores "
     "compare\nwithin one query only.\n\n"
     "  cloudfolio search octocat who has done Terraform on AWS with Go\n"
     "  cloudfolio search octocat --languages --limit 3 parser in Rust",
     2, 100, tool_search},
    {"lineage", "TENANT [DATASET]", "trace a version back to the commits on GitHub", "",
     "Starts at the newest version of the dataset, by default model, and follows the pinned "
     "inputs.\nEvery pinned hash is checked.\n\n"
     "  cloudfolio lineage octocat\n"
     "  cloudfolio lineage octocat bundle --json",
     1, 2, tool_lineage},
    {"rollback", "TENANT DATASET VERSION", "commit a new version with the contents of an old one",
     "dry-run",
     "Like git revert: history stays as it is. All contents of the old version are checked first.\n"
     "log lists the versions.\n\n"
     "  cloudfolio rollback octocat model 7 --dry-run\n"
     "  cloudfolio rollback octocat model 7",
     3, 3, tool_rollback},
    {"verify", "[TENANT [DATASET]]", "read everything, report what is missing or altered", "",
     "Exit status 65 when anything is missing, altered or foreign. Orphans and what lies below the "
     "floor\nare no damage: gc removes them.\n\n"
     "  cloudfolio verify\n"
     "  cloudfolio verify octocat repos",
     0, 2, tool_verify},
    {"gc", "[TENANT [DATASET]]", "delete what no readable version needs", "keep keep-runs dry-run",
     "Keeps 32 versions behind the newest unless told to keep more.\n\n"
     "  cloudfolio gc --dry-run\n"
     "  cloudfolio gc octocat repos --keep 100\n"
     "  cloudfolio gc --keep-runs 35",
     0, 2, tool_gc},
    {"usage", "[TENANT]", "stored bytes, runs, CPU seconds and GitHub requests", "",
     "  cloudfolio usage", 0, 1, tool_usage},
    {"runs", "[TENANT]", "list runs of the jobs, newest first", "limit job failed",
     "Prints 20 runs unless told.\n\n"
     "  cloudfolio runs octocat --job train\n"
     "  cloudfolio runs --failed --limit 100",
     0, 1, tool_runs},
    {"export", "TENANT DIR", "write the newest version of each dataset as plain files", "",
     "DIR/<dataset>/marker.json, root.json, blobs/<sha256>, and of the model files/<path>. DIR "
     "must "
     "be\nempty or not exist.\n\n"
     "  cloudfolio export octocat /tmp/octocat",
     2, 2, tool_export},
    {"doctor", "", "check that everything needed is in place", "",
     "Writes a few objects below probe/ and deletes them again. The exit status is the worst one.\n"
     "\n  cloudfolio doctor",
     0, 0, tool_doctor},
    {0},
};

int main(int argc, char **argv)
{
    return tool_main(commands, argc, argv);
}
